//! What is said of one link by all sources, field by field, with who said it and who lost.

use crate::state::{FieldOrigin, KindSpec, LinkSpec, MasterSpec};
use crate::value::{BridgePortOptions, BridgeVlan, Layer, LinkName, Mac, Mtu, Origin};

/// One value, its rank and its line.
#[derive(Clone, Debug)]
pub(super) struct Won<T> {
    pub value: T,
    pub layer: Layer,
    /// Which statement it was, in the order of reading: within a layer the later one refines the earlier one.
    pub order: usize,
    pub origin: Origin,
}

/// A field: absent, or the last that was said of it. Statements come lowest layer first, so the last one wins; absent
/// is not false and not 0, and leaves what is there.
#[derive(Clone, Debug)]
pub(super) struct Slot<T> {
    pub won: Option<Won<T>>,
    lost: Vec<Origin>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            won: None,
            lost: Vec::new(),
        }
    }
}

impl<T: PartialEq> Slot<T> {
    /// A further statement. Only a value that really differs counts as overridden.
    pub(super) fn say(&mut self, value: Option<T>, by: &Statement<'_>) {
        let Some(value) = value else { return };
        let won = Won {
            value,
            layer: by.layer,
            order: by.order,
            origin: by.origin.clone(),
        };
        if let Some(old) = self.won.replace(won)
            && self.won.as_ref().is_some_and(|new| new.value != old.value)
        {
            self.lost.push(old.origin);
        }
    }

    /// A further statement that adds to the value; whether it contradicts it, too.
    pub(super) fn refine(&mut self, value: T, contradicts: bool, by: &Statement<'_>) {
        let lost = self.lost.len();
        self.say(Some(value), by);
        if !contradicts {
            self.lost.truncate(lost);
        }
    }

    /// A statement that did not win.
    pub(super) fn lose(&mut self, origin: Origin) {
        self.lost.push(origin);
    }

    /// The value alone.
    pub(super) fn value(&self) -> Option<&T> {
        self.won.as_ref().map(|won| &won.value)
    }

    /// Forgets the value, for a fault that was reported.
    pub(super) fn clear(&mut self) {
        self.won = None;
    }

    fn field(&self, field: &'static str) -> Option<FieldOrigin> {
        let won = self.won.as_ref()?;
        Some(FieldOrigin {
            field,
            origin: won.origin.clone(),
            overrode: self.lost.clone(),
        })
    }
}

/// Who says something.
pub(super) struct Statement<'a> {
    pub layer: Layer,
    pub order: usize,
    pub origin: &'a Origin,
}

/// A link in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub kind: Slot<KindSpec>,
    pub up: Slot<bool>,
    pub multicast: Slot<bool>,
    pub mtu: Slot<Mtu>,
    pub mac: Slot<Mac>,
    /// `bridgePort`.
    pub bridge: Slot<LinkName>,
    pub port: Slot<BridgePortOptions>,
    pub port_vlans: Slot<Vec<BridgeVlan>>,
    pub master: Slot<MasterSpec>,
    pub renamed_from: Option<LinkName>,
    /// Rank and line of the highest source.
    layer: Layer,
    origin: Origin,
    /// Whether a source speaks of this link itself: not only as a member or parent of another.
    pub named: bool,
}

impl Draft {
    pub(super) fn new(layer: Layer, origin: &Origin) -> Self {
        Self {
            kind: Slot::default(),
            up: Slot::default(),
            multicast: Slot::default(),
            mtu: Slot::default(),
            mac: Slot::default(),
            bridge: Slot::default(),
            port: Slot::default(),
            port_vlans: Slot::default(),
            master: Slot::default(),
            renamed_from: None,
            layer,
            origin: origin.clone(),
            named: false,
        }
    }

    /// A statement about the link itself: the highest one, and of equals the last one, is where the link comes from.
    pub(super) fn heard(&mut self, by: &Statement<'_>) {
        if by.layer >= self.layer || !self.named {
            self.layer = by.layer.max(self.layer);
            self.origin = by.origin.clone();
        }
        self.named = true;
    }

    /// A link that carries or holds something is up, unless a document says otherwise, in whatever layer.
    pub(super) fn assume_up(&mut self, layer: Layer, origin: &Origin) {
        if self.up.won.is_none() {
            let by = Statement {
                layer,
                order: 0,
                origin,
            };
            self.up.say(Some(true), &by);
        }
    }

    pub(super) fn layer(&self) -> Layer {
        self.layer
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The finished link.
    pub(super) fn spec(self, name: LinkName) -> LinkSpec {
        let fields: Vec<FieldOrigin> = [
            self.kind.field("kind"),
            self.up.field("up"),
            self.multicast.field("multicast"),
            self.mtu.field("mtu"),
            self.mac.field("hardwareAddr"),
            self.master.field("master"),
            self.port.field("bridgePort"),
            self.port_vlans.field("bridgeVlans"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut overrode: Vec<Origin> = Vec::new();
        for lost in fields.iter().flat_map(|field| &field.overrode) {
            if !overrode.contains(lost) {
                overrode.push(lost.clone());
            }
        }
        let kind = value(self.kind).unwrap_or_default();
        LinkSpec {
            logical: kind.is_made(),
            up: value(self.up),
            multicast: value(self.multicast),
            mtu: value(self.mtu),
            kind,
            master: value(self.master),
            bridge_port: value(self.port).unwrap_or_default(),
            bridge_vlans: value(self.port_vlans),
            hardware_addr: value(self.mac),
            renamed_from: self.renamed_from,
            fields,
            overrode,
            ..LinkSpec::new(name, self.layer, self.origin)
        }
    }
}

fn value<T>(slot: Slot<T>) -> Option<T> {
    slot.won.map(|won| won.value)
}
