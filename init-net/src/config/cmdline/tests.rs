//! The whole of [`parse`]: a summary that the tables of the other files use, and properties over any text.

use proptest::prelude::*;

use super::*;
use crate::config::{KindConfig, LinkRef};

fn link(link: &LinkRef) -> String {
    match link {
        LinkRef::Name(name) => name.to_string(),
        LinkRef::Mac(mac) => mac.to_string(),
        LinkRef::Primary => "primary".to_owned(),
        LinkRef::EveryPhysical => "*".to_owned(),
        LinkRef::Selector(_) | LinkRef::Vlan { .. } => format!("{link:?}"),
    }
}

fn links(all: &[LinkRef]) -> String {
    all.iter().map(link).collect::<Vec<_>>().join(" ")
}

/// What the document says, one phrase a thing.
pub(super) fn summary(text: &str) -> String {
    let (document, _) = parse(text, "/proc/cmdline");
    let mut out = Vec::new();
    for name in &document.names {
        out.push(format!("name {} {}", name.name, link(&name.link)));
    }
    for config in &document.links {
        let mut one = format!("up {}", link(&config.link));
        assert_eq!(config.up, Some(true));
        if let Some(mtu) = config.mtu {
            one += &format!(" mtu {mtu}");
        }
        if let Some(mac) = config.mac {
            one += &format!(" mac {mac}");
        }
        match &config.kind {
            None => {}
            Some(KindConfig::Vlan { parent, id, .. }) => {
                one += &format!(" vlan({} {id})", link(parent))
            }
            Some(KindConfig::Bond {
                members,
                options,
                primary,
            }) => {
                let json = serde_json::to_value(options).unwrap();
                let mut options: Vec<_> = json
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                options.extend(
                    primary
                        .iter()
                        .map(|primary| format!("primary={}", link(primary))),
                );
                one += &format!(
                    " bond({}; {})",
                    links(members),
                    options.join(" ").replace('"', "")
                );
            }
            Some(KindConfig::Bridge { members, .. }) => {
                one += &format!(" bridge({})", links(members))
            }
            Some(KindConfig::Team { members, runner }) => {
                one += &format!(" team({}; {runner})", links(members));
            }
            Some(other) => panic!("the command line has no key for {other:?}"),
        }
        out.push(one);
    }
    for address in &document.addresses {
        let peer = address
            .peer
            .map(|peer| format!(" peer {peer}"))
            .unwrap_or_default();
        out.push(format!(
            "addr {} {}{peer}",
            link(&address.link),
            address.address
        ));
    }
    for route in &document.routes {
        let to = route
            .destination
            .map_or("default".to_owned(), |d| d.to_string());
        let via = route
            .gateway
            .map(|gateway| format!(" via {gateway}"))
            .unwrap_or_default();
        let dev = route.link.as_ref().map_or("?".to_owned(), link);
        out.push(format!("route {dev} {to}{via}"));
    }
    for operator in &document.operators {
        let id = operator
            .client_id
            .as_ref()
            .map(|id| format!(" id {id:?}"))
            .unwrap_or_default();
        out.push(format!(
            "op {} {:?}{id}",
            link(&operator.link),
            operator.method
        ));
    }
    out.extend(
        document
            .nameservers
            .iter()
            .map(|said| format!("dns {}", said.value)),
    );
    out.extend(
        document
            .time_servers
            .iter()
            .map(|said| format!("ntp {}", said.value)),
    );
    out.extend(
        document
            .hostnames
            .iter()
            .map(|said| format!("host {}", said.value)),
    );
    if let Some(server) = &document.boot.server {
        out.push(format!("server {}", server.value));
    }
    if document.boot.no_default_network.is_some() {
        out.push("off".to_owned());
    }
    out.join(", ")
}

fn messages_of(text: &str, least: Severity) -> Vec<String> {
    let (_, diagnostics) = parse(text, "/proc/cmdline");
    let wanted = diagnostics.into_iter().filter(|d| d.severity >= least);
    wanted.map(|d| d.message).collect()
}

/// Messages of errors.
pub(super) fn errors(text: &str) -> Vec<String> {
    messages_of(text, Severity::Error)
}

/// Messages of everything.
pub(super) fn messages(text: &str) -> Vec<String> {
    messages_of(text, Severity::Note)
}

#[test]
fn the_diagnostic_of_the_design() {
    let (_, diagnostics) = parse(
        "quiet ro ip=eth2:dhcp panic=1 ip=10.0.0.2::10.0.0.1:255.0.255.0:web1:eth0:none",
        "/proc/cmdline",
    );
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(
        diagnostics[0].to_string(),
        "error: ip=: field 4 (netmask) has a hole: its one bits must all be in front\n\
         \x20 /proc/cmdline, argument 5\n\
         \x20   ip=10.0.0.2::10.0.0.1:255.0.255.0:web1:eth0:none\n\
         \x20                         ^^^^^^^^^^^\n\
         \x20 write 255.0.0.0 or 8 if that is what is meant\n\
         \x20 effect: this ip= is ignored; the other 3 arguments still apply"
    );
}

#[test]
fn keys_with_dash_and_underscore_are_equal() {
    let (document, diagnostics) = parse("rd.net.dhcp.client_id=eth0:01-02 carrier-timeout=9", "x");
    assert_eq!(diagnostics, []);
    assert_eq!(document.boot.client_ids.len(), 1);
    assert!(document.boot.timeouts.carrier.is_some());
}

#[test]
fn origins_name_the_argument() {
    let text = "ro \"ip=eth0:dhcp\"";
    let (document, _) = parse(text, "/proc/cmdline");
    let origin = &document.operators[0].origin;
    assert_eq!(origin.to_string(), "cmdline argument 2: \"ip=eth0:dhcp\"");
    let span = origin.span.unwrap();
    assert_eq!(text.get(span.start..span.end), Some("\"ip=eth0:dhcp\""));
}

#[test]
fn nothing_said_is_nothing() {
    assert_eq!(
        parse("", "x"),
        (
            Document::empty(crate::value::Layer::Cmdline, "cmdline"),
            vec![]
        )
    );
}

#[test]
fn each_bad_argument_has_its_own_diagnostic() {
    let text = "ip=dchp vlan=eth0.0:eth0 bond=:x rd.route=x nameserver=x ifname=x bridge=x BOOTIF=x initnet.x=1 \
                ip=eth0:dhcp vlan=eth0.5:eth0 nameserver=192.0.2.53";
    let (_, diagnostics) = parse(text, "x");
    let places: Vec<_> = diagnostics
        .iter()
        .map(|d| d.place.as_ref().unwrap().position.clone())
        .collect();
    let expect: Vec<_> = (1..=9).map(|n| format!("argument {n}")).collect();
    assert_eq!(places, expect);
    for diagnostic in &diagnostics {
        let effect = diagnostic.effect.as_deref().unwrap();
        assert!(
            effect.ends_with("is ignored; the other 3 arguments still apply"),
            "{effect}"
        );
    }
    assert_eq!(
        summary(text),
        "up eth0, up eth0.5 vlan(eth0 5), op eth0 Dhcp4, dns 192.0.2.53"
    );
}

#[test]
fn what_is_beyond_the_limit_is_not_read() {
    let text = format!("ip=eth0:dhcp {}é ip=eth1:dhcp", "x".repeat(MAX_LEN - 14));
    let (document, diagnostics) = parse(&text, "x");
    assert_eq!(document.operators.len(), 1);
    assert_eq!(diagnostics.len(), 1);
    assert!(
        diagnostics[0]
            .to_string()
            .contains("only the first 65536 bytes")
    );
}

/// Command lines that are right, to be made wrong by [`mutated`].
const GOOD: [&str; 14] = [
    "ip=192.0.2.2:192.0.2.1/31:192.0.2.1:255.255.255.0:web1.example:eth0:none:1400:52:54:00:12:34:00",
    "ip=[2001:db8::2]/64::[2001:db8::1]:64::eth0:off:[2001:db8::53]:192.0.2.53:ntp.example",
    "ip=52:54:00:12:34:00:dhcp,dhcp6:1400:52-54-00-12-34-ff ip6=eth0:auto6 ip=dhcp,1,abc ip=off ip=",
    "ip=192.0.2.9 gateway=192.0.2.1 netmask=255.255.255.0 ksdevice=52:54:00:12:34:00 mtu=1400 hostname=web1",
    "bond=bond0:eth0,eth1:mode=active-backup,miimon=100,arp_ip_target=192.0.2.1;192.0.2.2:9000 bond",
    "vlan=vlan0005:eth0 vlan=eth0.5:eth0 bridge=br0:eth0,eth1 bridge team=team0:eth0:lacp team",
    "rd.route=10.0.0.0/8:192.0.2.1:eth0 rd.route=[2001:db8::/32]:[2001:db8::1] rd.route=[::]/0::eth0",
    "nameserver=[2001:db8::53] ifname=lan0:52:54:00:12:34:00 BOOTIF=01-52-54-00-12-34-00 bootdev=eth0",
    "rd.net.dhcp.client-id=eth0:01-52-54 rd.net.dhcp.vendor-class=\"a b\" rd.net.timeout.dhcp=infinity rd.net.dhcp.retry=3",
    "initnet.config=https://h/${mac} initnet.config.inline=YWJj initnet.timeout=30s initnet.ignore=eth0,eth1",
    "root=UUID=a-b rootflags=a,b=c ro init=/sbin/init panic=-1 rootwait rootdelay=3 -- single \"x y\"",
    "\"ip=eth0:dhcp\" ip=\"eth1:dhcp\" rd.znet=qeth,0.0.0600 rd.neednet rd.peerdns=0 rd.bootif=0",
    "initnet.wait=online initnet.state=/s initnet.firewall=deny initnet.log=info initnet.platform=aws initnet.wiat=1",
    "initnet.config.sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef talos.hostname=a",
];

/// A good line with a few bytes replaced, removed or doubled by ones that mean something.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0..3u8,
        prop::sample::select(":[]=,/.-\" \né0a%".chars().collect::<Vec<_>>()),
    );
    (
        prop::sample::select(GOOD.to_vec()),
        prop::collection::vec(edit, 1..6),
    )
        .prop_map(|(line, edits)| {
            let mut chars: Vec<char> = line.chars().collect();
            for (at, what, with) in edits {
                let at = at
                    .index(chars.len().max(1))
                    .min(chars.len().saturating_sub(1));
                match what {
                    _ if chars.is_empty() => chars.push(with),
                    0 => chars[at] = with,
                    1 => chars.insert(at, with),
                    _ => drop(chars.remove(at)),
                }
            }
            chars.into_iter().collect()
        })
}

#[track_caller]
fn holds(text: &str) {
    let (document, diagnostics) = parse(text, "x");
    for diagnostic in &diagnostics {
        let place = diagnostic.place.as_ref().expect("a place");
        let caret = place.text.get(place.caret.start..place.caret.end);
        assert!(
            caret.is_some(),
            "caret outside or inside a character: {diagnostic:?}"
        );
        assert!(diagnostic.effect.is_some(), "{diagnostic:?}");
        for line in diagnostic.to_string().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    let origins = document
        .addresses
        .iter()
        .map(|a| &a.origin)
        .chain(document.operators.iter().map(|o| &o.origin));
    for origin in origins {
        let span = origin.span.expect("a span");
        assert!(text.get(span.start..span.end).is_some(), "{origin}");
    }
    // Reading is a function of the text.
    assert_eq!(parse(text, "x"), (document, diagnostics));
}

#[test]
fn good_lines_have_no_errors() {
    for line in &GOOD[..12] {
        let found = errors(line);
        assert!(
            found
                .iter()
                .all(|m| m.contains("already made") || m.contains("ksdevice")),
            "{line}: {found:?}"
        );
        holds(line);
    }
}

proptest! {
    #[test]
    fn any_text_holds(text in any::<String>()) {
        holds(&text);
    }

    #[test]
    fn any_value_of_our_keys_holds(
        key in prop::sample::select(vec![
            "ip", "ip6", "nfsaddrs", "bond", "vlan", "bridge", "team", "rd.route", "nameserver", "ifname", "BOOTIF", "bootdev",
            "rd.net.dhcp.client-id", "rd.net.timeout.dhcp", "initnet.timeout", "initnet.config.sha256", "netmask",
        ]),
        value in "[\\[\\]:/.,;=\"@%a-f0-9é-]{0,40}",
    ) {
        holds(&format!("ip=192.0.2.9 {key}={value}"));
    }

    #[test]
    fn mutated_lines_hold(text in mutated()) {
        holds(&text);
    }

    #[test]
    fn a_bad_argument_costs_no_other(text in mutated()) {
        // First, where no quote that never ends and no "--" can reach it.
        let (document, _) = parse(&format!("ip=eth9:dhcp6 {text}"), "x");
        let name = LinkRef::Name("eth9".parse().unwrap());
        prop_assert!(document.operators.iter().any(|operator| operator.link == name));
    }
}
