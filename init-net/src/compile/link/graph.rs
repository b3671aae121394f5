//! Which link stands on which: circles and depth, found before anything is touched.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::LinkName;

/// MAX_NEST_DEV of include/linux/netdevice.h: the kernel refuses more links above each other.
pub(super) const MAX_DEPTH: usize = 8;

/// What stands on what: a VLAN on its parent, a bond on its members.
pub(super) type Edges = BTreeMap<LinkName, Vec<LinkName>>;

/// What [`walk`] finds.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Links that stand on themselves, each circle from its least name on.
    pub circles: Vec<Vec<LinkName>>,
    /// How many links are above each other down from here, this one included.
    pub depth: BTreeMap<LinkName, usize>,
}

/// Goes down from every link once, without recursion: a config can stack thousands.
pub(super) fn walk(edges: &Edges) -> Walk {
    let mut found = Walk::default();
    let mut done: BTreeSet<&LinkName> = BTreeSet::new();
    for start in edges.keys() {
        // The way down, with how many of the links below each have been looked at.
        let mut path: Vec<(&LinkName, usize)> = vec![(start, 0)];
        let mut on_path: BTreeSet<&LinkName> = [start].into();
        if done.contains(start) {
            continue;
        }
        while let Some((name, next)) = path.last_mut() {
            let name = *name;
            let below = edges.get(name).map_or(&[][..], Vec::as_slice);
            match below.get(*next) {
                Some(below) => {
                    *next += 1;
                    if on_path.contains(below) {
                        let from = path.iter().position(|(on, _)| *on == below).unwrap_or(0);
                        let circle = path.iter().skip(from).map(|(on, _)| (*on).clone());
                        found.circles.push(from_least(circle.collect()));
                    } else if !done.contains(below) {
                        path.push((below, 0));
                        on_path.insert(below);
                    }
                }
                None => {
                    let deepest = below
                        .iter()
                        .filter_map(|below| found.depth.get(below))
                        .max();
                    let depth = deepest.copied().unwrap_or(0) + 1;
                    found.depth.insert(name.clone(), depth);
                    done.insert(name);
                    on_path.remove(name);
                    path.pop();
                }
            }
        }
    }
    found
}

/// The same circle, wherever it was entered.
fn from_least(mut circle: Vec<LinkName>) -> Vec<LinkName> {
    let least = circle.iter().enumerate().min_by_key(|(_, name)| *name);
    let at = least.map_or(0, |(at, _)| at);
    circle.rotate_left(at);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> LinkName {
        text.parse().unwrap()
    }

    fn edges(text: &str) -> Edges {
        text.split_whitespace()
            .map(|edge| {
                let (from, to) = edge.split_once('>').unwrap();
                (name(from), to.split(',').map(name).collect())
            })
            .collect()
    }

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let circles: Vec<String> = walk(&edges(text))
            .circles
            .iter()
            .map(|circle| {
                circle
                    .iter()
                    .map(LinkName::as_str)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(circles, expect, "{text}");
    }

    #[test]
    fn circles() {
        check("v>e b>v,e", &[]);
        check("v>v", &["v"]);
        check("b>c c>b", &["b c"]);
        check("z>b b>v v>b", &["b v"]);
        check("a>b b>a c>d d>c", &["a b", "c d"]);
        // One link in two circles.
        check("a>b,c b>a c>a", &["a b", "a c"]);
    }

    #[test]
    fn depth_without_recursion() {
        let many: Edges = (0..20_000)
            .map(|n| (name(&format!("v{n}")), vec![name(&format!("v{}", n + 1))]))
            .collect();
        assert_eq!(walk(&many).depth[&name("v0")], 20_001);
        assert_eq!(walk(&edges("a>b,c c>d")).depth[&name("a")], 3);
    }
}
