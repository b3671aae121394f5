//! `VLANConfig`.

use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::plain;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig};
use crate::value::{LinkName, VlanId, VlanProtocol};

keys! {
    /// A VLAN on another link.
    pub struct VlanConfigKeys("VLANConfig") {
        /// The link.
        required "name" name: LinkName,
        /// The number in its tag.
        required "vlanID" id: VlanId,
        /// Which tag; 802.1q unless said otherwise.
        "vlanMode" protocol: VlanProtocol,
        /// The link below.
        required "parent" parent: LinkName,
        ..link: LinkKeys,
    }
}

impl Kind for VlanConfigKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Some(parent) = link::parent(&self, &self.name, self.parent.clone(), source) else {
            return;
        };
        let kind = KindConfig::Vlan {
            parent,
            id: self.id.value,
            protocol: plain(self.protocol),
        };
        self.link
            .apply(self.name.value, Some(kind), None, source, out);
    }
}
