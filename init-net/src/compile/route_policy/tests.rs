//! What a lease on eth0 may route beside what configurations say.

use super::*;
use crate::compile::compile;
use crate::config::{AddressConfig, LinkRef, cmdline, machine};
use crate::state::LinkStatus;
use crate::value::Origin;

/// lo, eth0 and eth1.
fn cards() -> BTreeMap<u32, LinkStatus> {
    let card = |(index, name): (u32, &str)| {
        let mut link = LinkStatus::new(index, name.parse().unwrap());
        link.permanent_addr = Some(format!("52:54:00:00:00:{index:02x}").parse().unwrap());
        link.hardware_addr = link.permanent_addr;
        (index, link)
    };
    [(2, "eth0"), (3, "eth1")].map(card).into()
}

/// A lease of `address` on a link with the routes `10.0.0.0/8>10.77.0.1`, without `>…` on the link.
fn lease(link: &str, address: &str, routes: &str) -> Document {
    let source = format!("dhcp4/{link}");
    let link = LinkRef::Name(link.parse().unwrap());
    let mut document = Document::empty(Layer::Operator, source.as_str());
    let at = |place: &str| Origin::new(source.as_str(), place.to_owned(), None);
    let address = AddressConfig::new(link.clone(), address.parse().unwrap(), at("yiaddr"));
    document.addresses.push(address);
    for route in routes.split_whitespace() {
        let (to, gateway) = route.split_once('>').unwrap_or((route, ""));
        let config = RouteConfig {
            metric: Some(1024),
            ..RouteConfig::new(
                Some(link.clone()),
                to.parse().ok(),
                gateway.parse().ok(),
                at("option 121"),
            )
        };
        document.routes.push(config);
    }
    document
}

/// What the command line and the machine config say.
fn said(line: &str, config: &str) -> Vec<Document> {
    let (line, _) = cmdline::parse(line, "cmdline");
    let (config, faults) = machine::parse(config, "config.yaml");
    assert!(faults.is_empty(), "{faults:?}");
    vec![line, config]
}

/// The routes of a lease 10.77.0.5/24 on eth0 that are refused, each with what it would take.
fn refused(documents: Vec<Document>, routes: &str) -> Vec<String> {
    let mut documents = documents;
    documents.push(lease("eth0", "10.77.0.5/24", routes));
    let (desired, diagnostics) = compile(&documents, &cards());
    let faults: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|fault| {
            let place = fault.place.as_ref();
            place.is_some_and(|place| place.source.starts_with("dhcp4/"))
        })
        .collect();
    let made = desired.routes.values();
    let made = made.filter(|spec| spec.layer == Layer::Operator).count();
    assert_eq!(
        made + faults.len(),
        routes.split_whitespace().count(),
        "each route is made or refused: {faults:?}"
    );
    let word = |fault: &&Diagnostic| {
        let effect = fault.effect.as_deref().unwrap();
        let route = effect.strip_prefix("the route to ").unwrap();
        let route = route.split(' ').next().unwrap();
        let message = fault.message.as_str();
        let taken = message.strip_prefix("what a network hands out may not take over ");
        format!("{route}: {}", taken.unwrap_or(message))
    };
    faults.iter().map(word).collect()
}

#[track_caller]
fn check(line: &str, config: &str, routes: &str, expect: &[&str]) {
    assert_eq!(refused(said(line, config), routes), expect);
}

/// What nobody minds: a default route, and networks that nothing protected is in.
const VIA: &str = "default>10.77.0.1 10.0.0.0/8>10.77.0.1 0.0.0.0/1>10.77.0.1";

#[test]
fn the_metadata_service_is_reached_as_before() {
    check("quiet", "", VIA, &[]);
    check(
        "quiet",
        "",
        "128.0.0.0/1>10.77.0.66 169.254.0.0/16 169.254.169.254/32>10.77.0.66 169.254.169.0/25",
        &[
            "128.0.0.0/1: the metadata service 169.254.169.254",
            "169.254.0.0/16: the metadata service 169.254.169.254",
            "169.254.169.254/32: the metadata service 169.254.169.254",
        ],
    );
    // Where the cloud's own servers route to it, exactly that is right.
    for platform in ["azure", "OpenStack"] {
        check(
            &format!("initnet.platform={platform}"),
            "",
            "169.254.169.254/32>10.77.0.2 169.254.0.0/16>10.77.0.66",
            &["169.254.0.0/16: the metadata service 169.254.169.254"],
        );
    }
    let routes = "fd00:ec2::/32>fe80::1 fd20::/16>fe80::1 fd01::/16>fe80::1 ::/1>fe80::1";
    check(
        "quiet",
        "",
        routes,
        &[
            "fd00:ec2::/32: the metadata service fd00:ec2::254",
            "fd20::/16: the metadata service fd20:ce::254",
        ],
    );
}

#[test]
fn configured_networks_stay_whole() {
    let line = "ip=10.50.0.1:::255.255.0.0::eth1:none rd.route=198.51.100.0/24:10.50.0.9:eth1";
    check(
        line,
        "",
        "10.0.0.0/8>10.77.0.1 10.50.0.0/16>10.77.0.1 10.50.7.0/24>10.77.0.1 10.50.7.7/32 \
         198.51.100.128/25>10.77.0.1 198.51.100.0/24>10.77.0.1 198.51.0.0/16>10.77.0.1",
        &[
            "10.50.0.0/16: the configured network 10.50.0.0/16 of eth1",
            "10.50.7.0/24: the configured network 10.50.0.0/16 of eth1",
            "10.50.7.7/32: the configured network 10.50.0.0/16 of eth1",
            "198.51.100.128/25: the configured route to 198.51.100.0/24",
            "198.51.100.0/24: the configured route to 198.51.100.0/24",
        ],
    );
    // The same way is no other way; a gateway into it is.
    let line = "ip=eth0:dhcp ip=10.77.0.9:::255.255.255.0::eth0:none";
    check(line, "", "10.77.0.0/24", &[]);
    check(
        line,
        "",
        "10.77.0.0/25>10.77.0.66",
        &["10.77.0.0/25: the configured network 10.77.0.0/24 of eth0"],
    );
    // Its own network a lease may divide.
    check("quiet", "", "10.77.0.0/24 10.77.0.128/25>10.77.0.1", &[]);
}

#[test]
fn a_refused_route_does_not_displace_a_lower_layer() {
    let line = "ip=10.50.0.1:::255.255.0.0::eth1:none rd.route=198.51.100.0/24:10.50.0.9:eth1";
    let mut documents = said(line, "");
    documents.push(lease("eth0", "10.77.0.5/24", "198.51.100.0/24>10.77.0.66"));
    let (desired, _) = compile(&documents, &cards());
    let to = |spec: &&RouteSpec| spec.dst.is_some_and(|dst| dst.len() == 24);
    let gateways: Vec<String> = desired
        .routes
        .values()
        .filter(to)
        .map(|spec| spec.gateway.unwrap().to_string())
        .collect();
    assert_eq!(gateways, ["10.50.0.9"]);
}

#[test]
fn networks_of_other_leases_stay_whole() {
    let documents = vec![lease("eth1", "10.80.0.5/16", "")];
    assert_eq!(
        refused(documents, "10.80.3.0/24>10.77.0.66 10.0.0.0/8>10.77.0.1"),
        ["10.80.3.0/24: the leased network 10.80.0.0/16 of eth1"]
    );
}

const WIREGUARD: &str = "
apiVersion: v1alpha1
kind: WireguardConfig
name: wg0
privateKey: IO5NYvFt1/g7tTSnUKEGslb58Zjo6SB3LQaR4tkvWqM=
addresses: [{address: 10.90.0.2/24}]
peers:
  - publicKey: P4+9zru6Bwo3HxiQgi/8ob4NplGNy4YyaWRkronQyW8=
    endpoint: 203.0.113.9:51820
    allowedIPs: [0.0.0.0/0]
";

#[test]
fn nothing_is_taken_out_of_a_tunnel() {
    let endpoint = "the WireGuard endpoint 203.0.113.9";
    check(
        "quiet",
        WIREGUARD,
        "203.0.113.9/32>10.77.0.66 192.0.0.0/3>10.77.0.66 0.0.0.0/1>10.77.0.1 10.90.0.0/25>10.77.0.66",
        &[
            &format!("203.0.113.9/32: {endpoint}"),
            &format!("192.0.0.0/3: {endpoint}"),
            "10.90.0.0/25: the configured network 10.90.0.0/24 of wg0",
        ],
    );
    // Of the lease's own network, and the way into it as it was.
    let near = WIREGUARD.replace("203.0.113.9", "10.77.0.200");
    let endpoint = "the WireGuard endpoint 10.77.0.200";
    check(
        "quiet",
        &near,
        "10.0.0.0/8>10.77.0.66 10.77.0.0/24 10.77.0.192/26>10.77.0.66",
        &[&format!("10.77.0.192/26: {endpoint}")],
    );
    // With a default route into the tunnel no half of the world leads elsewhere, whatever the table.
    for route in [
        "destination: 0.0.0.0/0",
        "destination: 0.0.0.0/0, table: 51820",
        "gateway: 10.90.0.1",
    ] {
        let route = format!("{WIREGUARD}routes: [{{{route}}}]\n");
        check(
            "quiet",
            &route,
            "0.0.0.0/1>10.77.0.66 198.51.100.0/24>10.77.0.66",
            &[
                "0.0.0.0/1: the configured route to 0.0.0.0/0",
                "198.51.100.0/24: the configured route to 0.0.0.0/0",
            ],
        );
    }
}

#[test]
fn shared_addresses_stay_here() {
    let vip = "apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: 10.77.0.100\nlink: eth0\n";
    check(
        "quiet",
        vip,
        "10.77.0.96/27>10.77.0.66 10.77.0.0/27>10.77.0.66 10.0.0.0/8>10.77.0.66",
        &["10.77.0.96/27: the shared address 10.77.0.100"],
    );
}

#[test]
fn a_document_may_trust_a_network() {
    let allow = "---\napiVersion: v1alpha1\nkind: DHCPv4Config\nname: eth0\nallowRoutes: [203.0.113.0/24]\n";
    check(
        "quiet",
        &format!("{WIREGUARD}{allow}"),
        "203.0.113.0/24>10.77.0.66 203.0.113.9/32>10.77.0.66 203.0.0.0/16>10.77.0.66",
        &["203.0.0.0/16: the WireGuard endpoint 203.0.113.9"],
    );
    let other = allow.replace("eth0", "eth1");
    check(
        "quiet",
        &format!("{WIREGUARD}{other}"),
        "203.0.113.0/24>10.77.0.66",
        &["203.0.113.0/24: the WireGuard endpoint 203.0.113.9"],
    );
}

#[test]
fn trust_in_a_router_changes_nothing_else() {
    let allow =
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\nallowRoutes: [fd00:ec2::/32]\n";
    let compiled = |config: &str| {
        let mut documents = said("", config);
        let routes = "fd00:ec2::254/128>fe80::1";
        let mut router = lease("eth0", "2001:db8::5/128", routes);
        router.source = "ra/eth0".into();
        documents.push(router);
        compile(&documents, &cards())
    };
    let (without, faults) = compiled("");
    let advice = "to trust this network, LinkConfig of eth0: allowRoutes: [fd00:ec2::254/128]";
    assert_eq!(faults[0].fix.as_deref(), Some(advice));
    let (with, faults) = compiled(allow);
    assert_eq!((faults, with.routes.len()), (vec![], 1));
    let operators = |desired: &Desired| -> Vec<_> {
        let specs = desired.operators.values();
        specs
            .map(|spec| (spec.operator, spec.need, spec.layer))
            .collect()
    };
    assert_eq!(operators(&with), operators(&without));
    assert_eq!(with.operators.len(), 6, "three on each of two links");
}

#[test]
fn a_gateway_that_may_not_be_routed_leads_nowhere() {
    check(
        "ip=10.50.0.1:::255.255.0.0::eth1:none",
        "",
        "10.50.0.9/32 default>10.50.0.9 10.99.0.0/16>10.50.0.9 10.98.0.0/16>10.77.0.1",
        &[
            "10.50.0.9/32: the configured network 10.50.0.0/16 of eth1",
            "default: the route to the gateway 10.50.0.9 was refused",
            "10.99.0.0/16: the route to the gateway 10.50.0.9 was refused",
        ],
    );
}

#[test]
fn tables_of_vrfs_are_apart() {
    let vrf = "apiVersion: v1alpha1\nkind: VRFConfig\nname: blue\ntable: 100\nlinks: [eth0]\n";
    let line = "ip=10.50.0.1:::255.255.0.0::eth1:none";
    check(line, vrf, "10.50.0.0/16>10.77.0.1", &[]);
}

#[test]
fn a_refusal_says_where_why_and_what_to_write() {
    let documents = vec![lease("eth0", "10.77.0.5/24", "128.0.0.0/1>10.77.0.66")];
    let (_, diagnostics) = compile(&documents, &cards());
    assert_eq!(
        diagnostics[0].to_string(),
        "warning: what a network hands out may not take over the metadata service 169.254.169.254\n  \
         dhcp4/eth0, option 121\n  \
         to trust this network, DHCPv4Config of eth0: allowRoutes: [128.0.0.0/1]\n  \
         effect: the route to 128.0.0.0/1 via 10.77.0.66 is left out, the rest applies"
    );
}
