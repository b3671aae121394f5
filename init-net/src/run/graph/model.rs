//! [`Model`]: the boxes and lines of the picture, from what is there and what should be.

use std::collections::BTreeMap;

use crate::run::wanted::Wanted;
use crate::state::{LinkStatus, Observed, Scope, iff};
use crate::value::{Gather as _, LinkName};

/// Most links in one picture: a node with a CNI has hundreds, and nobody reads them.
const MAX_LINKS: usize = 96;

/// Most addresses in one box.
const MAX_ADDRESSES: usize = 4;

/// What a box looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Up with carrier.
    Up,
    /// Up without carrier.
    NoCarrier,
    /// Administratively down.
    Down,
    /// Declared, and not there.
    Missing,
}

impl Look {
    /// The class in the picture's style.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::NoCarrier => "no-carrier",
            Self::Down => "down",
            Self::Missing => "missing",
        }
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name first, then facts and addresses.
    pub lines: Vec<String>,
    pub look: Look,
    /// The nodes that it stands on: members of a bond or bridge, the parent of a VLAN. Smaller than `nodes.len()`.
    pub below: Vec<usize>,
    /// How many steps above the cards.
    pub level: usize,
}

/// All that is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub nodes: Vec<Node>,
    /// Links that were left out.
    pub more: usize,
}

impl Model {
    /// Links of `observed`, and those of `wanted` that are not there.
    pub fn new(observed: &Observed, wanted: &Wanted) -> Self {
        let links: Vec<&LinkStatus> = observed
            .links
            .values()
            .filter(|link| link.flags & iff::LOOPBACK == 0)
            .collect();
        let mut nodes: Vec<Node> = links.iter().map(|link| node(link, observed)).collect();
        let by_index: BTreeMap<u32, usize> = links
            .iter()
            .enumerate()
            .map(|(at, l)| (l.index, at))
            .gather();
        for (at, link) in links.iter().enumerate() {
            // The other end of a veth is no parent.
            let parent = by_index
                .get(&link.link_index)
                .filter(|_| link.kind != "veth");
            if let (Some(parent), Some(node)) = (parent, nodes.get_mut(at)) {
                node.below.push(*parent);
            }
            if let Some(master) = by_index.get(&link.master_index)
                && let Some(node) = nodes.get_mut(*master)
            {
                node.below.push(at);
            }
        }
        let mut by_name: BTreeMap<&LinkName, usize> = links
            .iter()
            .enumerate()
            .map(|(at, l)| (&l.name, at))
            .gather();
        let missing = wanted.links.iter();
        let missing = missing.filter(|link| observed.link(&link.name).is_none());
        for link in missing {
            let kind = match link.kind.as_str() {
                "" => "card",
                kind => kind,
            };
            let parent = link.parent_name.as_ref();
            let parent = parent.and_then(|name| by_name.get(name)).copied();
            by_name.insert(&link.name, nodes.len());
            nodes.push(Node {
                lines: vec![link.name.to_string(), format!("{kind}, not there")],
                look: Look::Missing,
                below: parent.into_iter().collect(),
                level: 0,
            });
        }
        let mut model = Self { nodes, more: 0 };
        model.cut();
        model.rise();
        model
    }

    /// Leaves out what is too much, from the end.
    fn cut(&mut self) {
        self.more = self.nodes.len().saturating_sub(MAX_LINKS);
        self.nodes.truncate(MAX_LINKS);
        let left = self.nodes.len();
        for node in &mut self.nodes {
            node.below.retain(|below| *below < left);
        }
    }

    /// Puts each node one step above the highest that it stands on. The kernel allows 8 steps; a circle, which it does
    /// not, ends as well.
    fn rise(&mut self) {
        for _ in 0..self.nodes.len() {
            let mut still = true;
            for at in 0..self.nodes.len() {
                let level = |below: &usize| self.nodes.get(*below).map_or(0, |b| b.level + 1);
                let Some(node) = self.nodes.get(at) else {
                    break;
                };
                let needed = node.below.iter().map(level).max().unwrap_or(0);
                let needed = needed.min(self.nodes.len());
                if let Some(node) = self.nodes.get_mut(at).filter(|node| node.level < needed) {
                    node.level = needed;
                    still = false;
                }
            }
            if still {
                return;
            }
        }
    }
}

fn node(link: &LinkStatus, observed: &Observed) -> Node {
    let look = match (link.is_up(), link.has_carrier()) {
        (false, _) => Look::Down,
        (true, false) => Look::NoCarrier,
        (true, true) => Look::Up,
    };
    let kind = match link.kind.as_str() {
        "" => link.driver.as_deref().unwrap_or("card"),
        kind => kind,
    };
    let state = match look {
        Look::Up | Look::Missing => String::new(),
        Look::NoCarrier => ", no carrier".into(),
        Look::Down => ", down".into(),
    };
    let mut lines = vec![
        link.name.to_string(),
        format!("{kind}, mtu {}{state}", link.mtu),
    ];
    let addresses: Vec<String> = observed
        .addresses
        .iter()
        .filter(|a| a.link_index == link.index && a.scope != Scope::Link)
        .map(|a| a.address.to_string())
        .collect();
    lines.extend(addresses.iter().take(MAX_ADDRESSES).cloned());
    if addresses.len() > MAX_ADDRESSES {
        lines.push(format!("and {} more", addresses.len() - MAX_ADDRESSES));
    }
    Node {
        lines,
        look,
        below: Vec::new(),
        level: 0,
    }
}
