//! `DHCPv4Config` and `DHCPv6Config`.

use core::net::{IpAddr, Ipv6Addr};

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Record, plain};
use crate::config::machine::scalar::{Names, Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{AutoMethod, Delegate, Document, LinkRef, OperatorConfig};
use crate::value::{LinkName, Prefix};

keys! {
    /// DHCPv4 on one link.
    pub struct Dhcp4Keys("DHCPv4Config") {
        /// The link.
        required "name" name: LinkName,
        /// The metric of the routes of the lease.
        "routeMetric" route_metric: u32,
        /// Whether the host name of the lease is left alone.
        "ignoreHostname" ignore_hostname: bool,
        /// Whether the routes of the lease are left alone.
        "ignoreRoutes" ignore_routes: bool,
        /// Routes of the lease within these networks may cover what the configuration speaks of.
        "allowRoutes" allow_routes: Vec<At<Prefix>>,
        /// What the client calls itself: its hardware address unless said otherwise.
        "clientIdentifier" client_identifier: Identifier,
        /// What it calls itself with `clientIdentifier: duid`.
        "duidRaw" duid: Duid,
    }
}

keys! {
    /// DHCPv6 on one link.
    pub struct Dhcp6Keys("DHCPv6Config") {
        /// The link.
        required "name" name: LinkName,
        /// The metric of the routes of the lease.
        "routeMetric" route_metric: u32,
        /// Whether the host name of the lease is left alone.
        "ignoreHostname" ignore_hostname: bool,
        /// What the client calls itself: a DUID of its hardware address unless said otherwise.
        "clientIdentifier" client_identifier: Identifier,
        /// What it calls itself with `clientIdentifier: duid`.
        "duidRaw" duid: Duid,
        /// The prefix to ask for; `::/56` asks for any of that length, and so does `delegate` alone for any.
        "prefixHint" prefix_hint: Prefix,
        /// Which links get a /64 of the prefix, and the address `::1` in it.
        "delegate" delegate: Vec<DelegateKeys>,
    }
}

keys! {
    /// A part of a delegated prefix.
    pub struct DelegateKeys("delegate") {
        /// The link that gets it.
        required "link" link: LinkName,
        /// Which /64 of the prefix; 0 unless said otherwise.
        "subnet" subnet: u32,
    }
}

/// What a client calls itself: DHCPv4 option 61, DHCPv6 option 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// Not sent.
    None,
    /// The hardware address.
    Mac,
    /// What `duidRaw` says.
    Duid,
}

impl Names for Identifier {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("mac", Self::Mac),
        ("duid", Self::Duid),
    ];
}

/// A DUID: two octets of type and at most 128 after them (RFC 8415 §11.1).
#[derive(Clone, Debug)]
pub struct Duid(Vec<u8>);

impl Duid {
    /// Type and all.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Scalar for Duid {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let byte = |pair: &str| match pair.bytes().all(|b| b.is_ascii_hexdigit()) && pair.len() == 2
        {
            true => u8::from_str_radix(pair, 16).ok(),
            false => None,
        };
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        bytes
            .filter(|bytes| (3..=130).contains(&bytes.len()))
            .map(Self)
            .ok_or_else(|| "expected 3 to 130 bytes in hexadecimal joined by \":\"".into())
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){2,129}$"})
    }
}

impl Kind for Dhcp4Keys {
    const ROLE: Role = Role::Dhcp;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let client_id = self.client_id(source);
        let link = LinkRef::Name(self.name.value);
        let mut operator = OperatorConfig::new(link, AutoMethod::Dhcp4, origin);
        operator.metric = plain(self.route_metric);
        operator.ignore_hostname = plain(self.ignore_hostname);
        operator.ignore_routes = plain(self.ignore_routes);
        operator.allow_routes = networks(self.allow_routes);
        operator.client_id = client_id;
        out.operators.push(operator);
    }
}

impl Kind for Dhcp6Keys {
    const ROLE: Role = Role::Dhcp;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let duid = duid(&self, self.client_identifier, &self.duid, source);
        if self
            .client_identifier
            .is_some_and(|said| said.value == Identifier::None)
        {
            let rule = "a DHCPv6 client says who it is (RFC 8415 section 16)";
            let fix = "leave it out for a DUID of the hardware address";
            self.refuse_value(source, &self.client_identifier, rule, Some(fix));
        }
        if self.prefix_hint.is_some_and(|said| said.value.is_ipv4()) {
            let rule = "a prefix hint is an IPv6 network";
            self.refuse_value(source, &self.prefix_hint, rule, Some("write ::/56"));
        }
        let link = LinkRef::Name(self.name.value);
        let mut operator = OperatorConfig::new(link, AutoMethod::Dhcp6, origin);
        operator.metric = plain(self.route_metric);
        operator.ignore_hostname = plain(self.ignore_hostname);
        operator.duid = duid;
        let delegates = self.delegate.items();
        operator.delegate = delegates.map(DelegateKeys::delegate).collect();
        let any = Prefix::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0).ok();
        let hint = plain(self.prefix_hint).filter(|hint| !hint.is_ipv4());
        operator.prefix_hint = hint.or(any.filter(|_| !operator.delegate.is_empty()));
        out.operators.push(operator);
    }
}

impl DelegateKeys {
    fn delegate(self) -> Delegate {
        Delegate {
            link: self.link.value,
            subnet: plain(self.subnet).unwrap_or(0),
        }
    }
}

/// What a list of networks says, host bits zero.
pub(super) fn networks(list: Option<At<Vec<At<Prefix>>>>) -> Vec<Prefix> {
    let list = list.map(|list| list.value).unwrap_or_default();
    list.iter().map(|network| network.network()).collect()
}

impl Dhcp4Keys {
    fn client_id(&self, source: &Source<'_>) -> Option<Vec<u8>> {
        // DEVIATION: RFC 4361 §6.1 puts type 255 and an IAID before it; the field's configurations give all bytes.
        let duid = duid(self, self.client_identifier, &self.duid, source);
        match plain(self.client_identifier) {
            Some(Identifier::None) => Some(Vec::new()),
            None | Some(Identifier::Mac | Identifier::Duid) => duid,
        }
    }
}

/// The DUID, where `identifier` asks for it; reports one of the two without the other.
fn duid<R: Record>(
    keys: &R,
    identifier: Option<At<Identifier>>,
    duid: &Option<At<Duid>>,
    source: &Source<'_>,
) -> Option<Vec<u8>> {
    match (plain(identifier), duid) {
        (Some(Identifier::Duid), Some(duid)) => Some(duid.0.clone()),
        // What is missing may be what was not right.
        _ if keys.is_partial() => None,
        (Some(Identifier::Duid), None) => {
            let rule = "clientIdentifier: duid needs duidRaw";
            keys.refuse_value(source, &identifier, rule, None);
            None
        }
        (None | Some(Identifier::Mac | Identifier::None), Some(_)) => {
            let rule = "duidRaw needs clientIdentifier: duid";
            keys.refuse_value(source, duid, rule, None);
            None
        }
        (None | Some(Identifier::Mac | Identifier::None), None) => None,
    }
}
