//! `MacvlanConfig`, a kind of our own.

use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::plain;
use crate::config::machine::scalar::StationMac;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig};
use crate::value::{LinkName, MacvlanMode};

keys! {
    /// A link with a hardware address of its own on another link.
    pub struct MacvlanKeys("MacvlanConfig") {
        /// The link.
        required "name" name: LinkName,
        /// The link below.
        required "parent" parent: LinkName,
        /// How those on one parent see each other; vepa unless said otherwise.
        "mode" mode: MacvlanMode,
        /// Its hardware address; a random one unless said otherwise.
        "hardwareAddr" hardware_addr: StationMac,
        ..link: LinkKeys,
    }
}

impl Kind for MacvlanKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Some(parent) = link::parent(&self, &self.name, self.parent.clone(), source) else {
            return;
        };
        let mode = plain(self.mode);
        let mac = self.hardware_addr.map(|mac| mac.0);
        let kind = KindConfig::Macvlan { parent, mode };
        self.link
            .apply(self.name.value, Some(kind), mac, source, out);
    }
}
