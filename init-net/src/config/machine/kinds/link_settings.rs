//! Kernel parameters of one link, and whose routes are trusted.

use serde_json::{Value as Json, json};

use super::dhcp::networks;
use crate::config::LinkSettings;
use crate::config::machine::record::{At, Record, plain};
use crate::config::machine::scalar::{Names, Scalar, Within, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::value::Prefix;

keys! {
    /// Kernel parameters of the link, and whose routes are trusted.
    pub struct SettingKeys("link") {
        /// Whether router advertisements are listened to: off, on unless the link forwards, or always.
        "acceptRA" accept_ra: AcceptRa,
        /// Whether packets are dropped whose source is not reached through the link, or not at all.
        "rpFilter" rp_filter: RpFilter,
        /// Whether packets of others are forwarded, both families.
        "forwarding" forwarding: bool,
        /// `arp_ignore`: which questions for an address are answered.
        "arpIgnore" arp_ignore: Within<u8, 0, 8>,
        /// `arp_announce`: which address questions come from.
        "arpAnnounce" arp_announce: Within<u8, 0, 2>,
        /// Whether questions for the addresses of others are answered.
        "proxyARP" proxy_arp: bool,
        /// Whether the link has IPv6.
        "ipv6" ipv6: bool,
        /// How the link makes its own IPv6 addresses.
        "ipv6AddressGeneration" addr_gen_mode: AddressGeneration,
        /// Routes of router advertisements within these networks may cover what the configuration speaks of.
        "allowRoutes" allow_routes: Vec<At<Prefix>>,
    }
}

/// `accept_ra`: a truth value, or that it holds where the link forwards as well.
#[derive(Clone, Copy, Debug)]
pub struct AcceptRa(u8);

impl Scalar for AcceptRa {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match (node.truth(), text) {
            (Some(on), _) => Ok(Self(u8::from(on))),
            (None, "always") => Ok(Self(2)),
            (None, _) => Err("expected true, false or always".into()),
        }
    }

    fn schema() -> Json {
        let mut schema = bool::schema();
        schema["pattern"] = "^(always|y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$".into();
        schema["description"] = json!("true, false or always.");
        schema
    }
}

/// `rp_filter` (RFC 3704).
#[derive(Clone, Copy, Debug)]
pub struct RpFilter(u8);

impl Names for RpFilter {
    const NAMES: &'static [(&'static str, Self)] =
        &[("off", Self(0)), ("strict", Self(1)), ("loose", Self(2))];
}

/// `addr_gen_mode`, IN6_ADDR_GEN_MODE_*.
#[derive(Clone, Copy, Debug)]
pub struct AddressGeneration(u8);

impl Names for AddressGeneration {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("eui64", Self(0)),
        ("none", Self(1)),
        ("stable-privacy", Self(2)),
        ("random", Self(3)),
    ];
}

impl SettingKeys {
    /// What is said, `has_ipv6` of a link with IPv6 addresses; reports what does not agree.
    pub fn settings(self, has_ipv6: bool, source: &Source<'_>) -> LinkSettings {
        let mut ipv6 = plain(self.ipv6);
        if ipv6 == Some(false) && has_ipv6 {
            let rule = "ipv6: false stands beside IPv6 addresses";
            self.refuse_value(source, &self.ipv6, rule, Some("keep one of them"));
            ipv6 = None;
        }
        LinkSettings {
            accept_ra: self.accept_ra.map(|said| said.0),
            rp_filter: self.rp_filter.map(|said| said.0),
            forwarding: plain(self.forwarding),
            arp_ignore: self.arp_ignore.map(|said| said.0),
            arp_announce: self.arp_announce.map(|said| said.0),
            proxy_arp: plain(self.proxy_arp),
            ipv6,
            addr_gen_mode: self.addr_gen_mode.map(|said| said.0),
            temporary_addresses: None,
            allow_routes: networks(self.allow_routes),
        }
    }
}
