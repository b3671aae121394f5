//! `vlans` of an interface.

use super::addressing::AddressingKeys;
use super::ports::Ports;
use crate::config::machine::record::Record as _;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig, LinkConfig, LinkRef};
use crate::value::{LinkName, VlanId};

keys! {
    /// One VLAN on the link.
    pub struct VlanKeys("vlan") {
        /// Its tag.
        required "vlanId" id: VlanId,
        ..addressing: AddressingKeys,
    }
}

impl VlanKeys {
    /// The VLAN on `parent`, which gives it its name.
    pub fn apply(
        self,
        parent: &LinkRef,
        ports: &Ports,
        worker: bool,
        source: &Source<'_>,
        out: &mut Document,
    ) {
        let id = self.id.value;
        let name = match parent {
            LinkRef::Name(parent) => Some(LinkName::of_vlan(parent, id)),
            _ => None,
        };
        let link = match &name {
            Some(name) => LinkRef::Name(name.clone()),
            None => LinkRef::Vlan {
                parent: Box::new(parent.clone()),
                id,
            },
        };
        let mut config = LinkConfig::new(link.clone(), self.origin(source));
        config.mtu = self.addressing.mtu();
        config.kind = Some(KindConfig::Vlan {
            parent: parent.clone(),
            id,
            protocol: None,
        });
        out.links.push(config);
        self.addressing
            .apply(&link, name.as_ref(), ports, worker, source, out);
    }
}
