//! `DummyLinkConfig`.

use super::link::LinkKeys;
use super::{Kind, Role};
use crate::config::machine::scalar::StationMac;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig};
use crate::value::LinkName;

keys! {
    /// A link that leads nowhere, for addresses of the machine itself.
    pub struct DummyKeys("DummyLinkConfig") {
        /// The link.
        required "name" name: LinkName,
        /// Its hardware address; a random one unless said otherwise.
        "hardwareAddr" hardware_addr: StationMac,
        ..link: LinkKeys,
    }
}

impl Kind for DummyKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let mac = self.hardware_addr.map(|mac| mac.0);
        let kind = Some(KindConfig::Dummy);
        self.link.apply(self.name.value, kind, mac, source, out);
    }
}
