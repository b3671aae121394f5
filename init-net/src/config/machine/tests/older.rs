//! What the older form says, and what becomes of it beside documents.

use super::document;
use crate::config::machine::parse;
use crate::config::{AutoMethod, Document, KindConfig, LinkConfig, LinkRef};
use crate::value::{BondMode, LacpRate, VipProvider};

/// A machine with these `interfaces`, without a word of warning.
#[track_caller]
fn interfaces(text: &str) -> Document {
    document(&format!("machine: {{network: {{interfaces: [{text}]}}}}"))
}

/// The link called `name`.
#[track_caller]
fn named<'d>(document: &'d Document, name: &str) -> &'d LinkConfig {
    let name = LinkRef::Name(name.parse().unwrap());
    document
        .links
        .iter()
        .find(|link| link.link == name)
        .unwrap()
}

#[test]
fn bonds() {
    let document = interfaces(
        "{interface: bond0, bond: {interfaces: [eth0, eth1], mode: 802.3ad, lacpRate: fast, miimon: 100, updelay: 200,
          numPeerNotif: 0, lpInterval: 0, packetsPerSlave: 1, tlbDynamicLb: 0, allSlavesActive: 1}}",
    );
    let Some(KindConfig::Bond {
        members,
        options,
        primary,
    }) = &named(&document, "bond0").kind
    else {
        panic!("{document:?}");
    };
    assert_eq!(
        format!("{members:?} {primary:?}"),
        "[Name(eth0), Name(eth1)] None"
    );
    assert_eq!(options.mode, Some(BondMode::Lacp));
    assert_eq!(options.lacp_rate, Some(LacpRate::Fast));
    assert_eq!((options.miimon, options.updelay), (Some(100), Some(200)));
    // 0 is "not said", and what the mode does not know and changes nothing is not kept.
    assert_eq!((options.num_peer_notif, options.lp_interval), (None, None));
    assert_eq!(
        (options.packets_per_slave, options.tlb_dynamic_lb),
        (None, None)
    );
    assert_eq!(options.all_slaves_active, Some(true));
}

#[test]
fn members_by_selector() {
    let document = interfaces(
        "{interface: bond0, bond: {deviceSelectors: [{driver: ice}, {physical: true}], mode: active-backup, primary: a}}",
    );
    let Some(KindConfig::Bond {
        members, primary, ..
    }) = &named(&document, "bond0").kind
    else {
        panic!("{document:?}");
    };
    let selectors = members
        .iter()
        .filter(|member| matches!(member, LinkRef::Selector(_)));
    assert_eq!((selectors.count(), primary.is_some()), (2, true));
}

#[test]
fn bridges_and_their_ports() {
    let document = interfaces(
        "{interface: br0, bridge: {interfaces: [eth0], stp: {enabled: true}, vlan: {vlanFiltering: false}}},
         {interface: eth1, bridgePort: {master: br0}}",
    );
    let Some(KindConfig::Bridge {
        members, options, ..
    }) = &named(&document, "br0").kind
    else {
        panic!("{document:?}");
    };
    assert_eq!(format!("{members:?}"), "[Name(eth0)]");
    assert_eq!(
        (options.stp, options.vlan_filtering),
        (Some(true), Some(false))
    );
    let bridge = &named(&document, "eth1").bridge;
    assert_eq!(format!("{bridge:?}"), "Some(Name(br0))");
}

#[test]
fn a_link_is_in_one_master() {
    let text = "machine: {network: {interfaces: [
        {interface: bond0, bond: {interfaces: [eth0, eth1], mode: balance-rr}},
        {interface: br0, bridge: {interfaces: [eth0, eth2]}}, {interface: eth1, dhcp: true}]}}";
    let (document, diagnostics) = parse(text, "c");
    assert_eq!(diagnostics.len(), 2, "{diagnostics:?}");
    let Some(KindConfig::Bridge { members, .. }) = &named(&document, "br0").kind else {
        panic!("{document:?}");
    };
    assert_eq!(format!("{members:?}"), "[Name(eth2)]");
    assert_eq!(document.operators, []);
}

#[test]
fn vlans_are_named_after_their_link() {
    let document = interfaces(
        "{interface: eth0, vlans: [{vlanId: 5, addresses: [192.0.2.5/24], mtu: 1400}]},
         {interface: enx12545f8c99cd, vlans: [{vlanId: 25}]}, {deviceSelector: {driver: ice}, vlans: [{vlanId: 7, dhcp: true}]}",
    );
    assert_eq!(
        named(&document, "eth0.5").mtu.map(|mtu| mtu.bytes()),
        Some(1400)
    );
    assert!(named(&document, "enx1ee6413.25").kind.is_some());
    assert_eq!(format!("{:?}", document.addresses[0].link), "Name(eth0.5)");
    // A selector has no name yet; compile gives one to each link that it fits.
    let LinkRef::Vlan { parent, id } = &document.operators[0].link else {
        panic!("{document:?}");
    };
    assert_eq!(
        (matches!(**parent, LinkRef::Selector(_)), u16::from(*id)),
        (true, 7)
    );
}

#[test]
fn clients() {
    let document = interfaces(
        "{interface: a, dhcp: true, dhcpOptions: {routeMetric: 0, ipv6: true, duidv6: 000100}},
         {interface: b, dhcp: false, dhcpOptions: {ipv6: true}}, {interface: c, dhcp: true, dhcpOptions: {ipv4: false}}",
    );
    let [v4, v6] = &document.operators[..] else {
        panic!("{document:?}");
    };
    assert_eq!(
        (v4.method, v6.method),
        (AutoMethod::Dhcp4, AutoMethod::Dhcp6)
    );
    assert_eq!(
        (v4.metric, &v4.duid, v6.duid.as_deref()),
        (None, &None, Some(&[0, 1, 0][..]))
    );
}

#[test]
fn secrets_are_kept_and_never_shown() {
    let key = "IO5NYvFt1/g7tTSnUKEGslb58Zjo6SB3LQaR4tkvWqM=";
    let document = interfaces(&format!(
        "{{interface: wg0, wireguard: {{privateKey: {key}, peers: [
            {{publicKey: P4+9zru6Bwo3HxiQgi/8ob4NplGNy4YyaWRkronQyW8=, persistentKeepaliveInterval: 25s, allowedIPs: [10.0.0.0/8]}}]}}}},
         {{interface: a, vip: {{ip: 192.0.2.1, hcloud: {{apiToken: hunter2}}}}}},
         {{interface: b, vip: {{ip: 192.0.2.2, equinixMetal: {{apiToken: hunter2}}}}}}, {{interface: c, vip: {{ip: 192.0.2.3}}}}"
    ));
    let Some(KindConfig::Wireguard(options)) = &named(&document, "wg0").kind else {
        panic!("{document:?}");
    };
    assert!(options.private_key.is_some());
    assert_eq!(options.peers[0].persistent_keepalive_interval, 25);
    let [
        VipProvider::HCloud(api),
        VipProvider::EquinixMetal(_),
        VipProvider::Layer2,
    ] = [0, 1, 2].map(|at| document.vips[at].provider.clone())
    else {
        panic!("{document:?}");
    };
    assert_eq!(api.api_token.expose(), "hunter2");
    let shown = format!("{document:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains(key),
        "{shown}"
    );
}

/// The order of documents in a text says nothing about which of them counts.
#[test]
fn beside_documents() {
    let older =
        "machine: {sysctls: {net.core.somaxconn: 1, net.core.optmem_max: 2, vm.swappiness: 1},
        network: {extraHostEntries: [{ip: 192.0.2.1, aliases: [older]}]}}\n";
    let newer = "apiVersion: v1alpha1\nkind: SysctlConfig\nparams: {net/core/somaxconn: 9}\n---\n\
        apiVersion: v1alpha1\nkind: StaticHostConfig\nname: 192.0.2.2\nhostnames: [newer]\n";
    for text in [
        format!("{older}---\n{newer}"),
        format!("{newer}---\n{older}"),
    ] {
        let document = document(&text);
        let sysctls = document.sysctls.iter();
        let sysctls: Vec<String> = sysctls
            .map(|sysctl| format!("{}={}", sysctl.key, sysctl.value))
            .collect();
        assert_eq!(sysctls, ["net.core.optmem_max=2", "net.core.somaxconn=9"]);
        let hosts: Vec<&str> = document
            .hosts
            .iter()
            .map(|host| host.names[0].name())
            .collect();
        assert_eq!(hosts, ["older", "newer"]);
    }
}
