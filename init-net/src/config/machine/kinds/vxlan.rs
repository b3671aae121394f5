//! `VxlanConfig`, a kind of our own.

use core::net::IpAddr;

use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::{Record as _, plain};
use crate::config::machine::scalar::{StationMac, Within};
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig, LinkRef};
use crate::value::{LinkName, VxlanOptions};

keys! {
    /// An Ethernet over UDP, RFC 7348.
    pub struct VxlanKeys("VxlanConfig") {
        /// The link.
        required "name" name: LinkName,
        /// The number of the network.
        required "vni" vni: Within<u32, 0, { VxlanOptions::MAX_VNI }>,
        /// The link that carries it; what the routes say unless said otherwise.
        "parent" parent: LinkName,
        /// The source of the packets outside.
        "local" local: IpAddr,
        /// Where packets to unknown addresses go: one machine, or a group.
        "remote" remote: IpAddr,
        /// The UDP port.
        "port" port: Within<u16, 1, 65535>,
        /// Whether it is learned behind which machine an address is.
        "learning" learning: bool,
        /// The TTL of the packets outside; 0: that of their route.
        "ttl" ttl: u8,
        /// Its hardware address; a random one unless said otherwise.
        "hardwareAddr" hardware_addr: StationMac,
        ..link: LinkKeys,
    }
}

impl Kind for VxlanKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        if !self.is_right(source) {
            return;
        }
        let options = VxlanOptions {
            vni: self.vni.0,
            local: plain(self.local),
            remote: plain(self.remote),
            port: self.port.map(|port| port.0),
            learning: plain(self.learning),
            ttl: plain(self.ttl),
        };
        let parent = self.parent.map(|parent| LinkRef::Name(parent.value));
        let mac = self.hardware_addr.map(|mac| mac.0);
        let kind = KindConfig::Vxlan { parent, options };
        self.link
            .apply(self.name.value, Some(kind), mac, source, out);
    }
}

impl VxlanKeys {
    /// Whether the keys agree; reports what does not.
    fn is_right(&self, source: &Source<'_>) -> bool {
        let named = self.parent.clone();
        if named.is_some_and(|parent| link::parent(self, &self.name, parent, source).is_none()) {
            return false;
        }
        if let Some(local) = &self.local
            && (local.is_unspecified() || local.is_multicast())
        {
            self.refuse(source, local, "local is an address of this machine", None);
            return false;
        }
        let Some(remote) = &self.remote else {
            return true;
        };
        if self
            .local
            .is_some_and(|local| local.is_ipv4() != remote.is_ipv4())
        {
            self.refuse(source, remote, "local and remote are of one family", None);
            return false;
        }
        // vxlan_config_validate, drivers/net/vxlan/vxlan_core.c.
        if remote.is_multicast() && self.parent.is_none() {
            let rule = "a group as remote needs parent";
            self.refuse(source, remote, rule, None);
            return false;
        }
        true
    }
}
