//! `VethConfig`.

use super::link::LinkKeys;
use super::{Kind, Role};
use crate::config::machine::record::Record as _;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig};
use crate::value::LinkName;

keys! {
    /// Two links joined by a cable.
    pub struct VethKeys("VethConfig") {
        /// One end.
        required "name" name: LinkName,
        /// The other end.
        required "peer" peer: VethPeerKeys,
        ..link: LinkKeys,
    }
}

keys! {
    /// The other end.
    pub struct VethPeerKeys("peer") {
        /// Its name.
        required "name" name: LinkName,
        ..link: LinkKeys,
    }
}

impl Kind for VethKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let peer = self.peer.value.clone();
        if peer.name.value == self.name.value {
            let rule = "name and the name of peer are two names";
            return self.refuse(source, &peer.name, rule, None);
        }
        let end = |peer: &LinkName| Some(KindConfig::Veth { peer: peer.clone() });
        let (kind, other) = (end(&peer.name), end(&self.name));
        self.link.apply(self.name.value, kind, None, source, out);
        peer.link.apply(peer.name.value, other, None, source, out);
    }
}
