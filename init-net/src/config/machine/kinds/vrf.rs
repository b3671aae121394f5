//! `VRFConfig`.

use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::{At, Record as _};
use crate::config::machine::scalar::StationMac;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig};
use crate::value::{LinkName, RouteTable};

keys! {
    /// A routing domain of its own.
    pub struct VrfKeys("VRFConfig") {
        /// The link that stands for it.
        required "name" name: LinkName,
        /// Its hardware address; a random one unless said otherwise.
        "hardwareAddr" hardware_addr: StationMac,
        /// The links in it.
        "links" links: Vec<At<LinkName>>,
        /// Its routing table.
        required "table" table: RouteTable,
        ..link: LinkKeys,
    }
}

/// `default`, `main` and `local`: every machine has them, and everything else looks there.
const RESERVED: [u32; 3] = [253, 254, 255];

impl Kind for VrfKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        if RESERVED.contains(&self.table.id()) {
            let rule = "a VRF has a table of its own: not main, local or default";
            return self.refuse(source, &self.table, rule, Some("write another number"));
        }
        let members = link::members(&self, &self.name, self.links.clone(), source);
        let kind = KindConfig::Vrf {
            members,
            table: self.table.value,
        };
        let mac = self.hardware_addr.map(|mac| mac.0);
        self.link
            .apply(self.name.value, Some(kind), mac, source, out);
    }
}
