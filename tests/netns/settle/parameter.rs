//! Kernel parameters, link aliases, and the lifetimes of addresses.

use init_net::state::{AddressSpec, AliasSpec, Desired, Family, Observed, Scope, SysctlSpec};
use init_net::value::SysctlKey;

use super::{AT, look, origin, settle, text};
use crate::namespace::{cable, in_namespace, ip, ip_json};

fn desired(parameters: &[(&str, &str, bool)]) -> Desired {
    let spec = |(key, value, kept): &(&str, &str, bool)| {
        let (layer, origin) = origin();
        let key: SysctlKey = key.parse().unwrap();
        let spec = SysctlSpec {
            key: key.clone(),
            value: (*value).to_owned(),
            kept: *kept,
            layer,
            origin,
            overrode: Vec::new(),
        };
        (key, spec)
    };
    Desired {
        sysctls: parameters.iter().map(spec).collect(),
        ..Desired::default()
    }
}

#[test]
fn parameters_are_set_and_compare_as_the_kernel_prints_them() {
    in_namespace(|| {
        cable();
        let want = desired(&[
            ("net.ipv4.ip_forward", "1", true),
            ("net.ipv4.conf.eth0.rp_filter", "0x2", true),
            ("net.ipv4.ip_local_port_range", "20000 50000", true),
            (
                "net.ipv4.ip_local_reserved_ports",
                "50001,50000,30000-32767",
                true,
            ),
            ("net.ipv6.conf.all.forwarding", "1", true),
            ("net.ipv6.conf.eth0.accept_ra", "2", true),
            // No such link, no such module: left out.
            ("net.ipv4.conf.late0.rp_filter", "1", true),
            ("net.bridge.no-such-parameter", "1", true),
        ]);
        let done = settle(&want);
        assert_eq!(done.len(), 6, "{done:#?}");
        assert!(done[0].contains("accept_ra"), "{done:#?}");
        let read = |path: &str| {
            std::fs::read_to_string(format!("/proc/thread-self/root/proc/sys/net/{path}"))
        };
        assert_eq!(read("ipv4/conf/eth0/rp_filter").unwrap(), "2\n");
        assert_eq!(
            read("ipv4/ip_local_reserved_ports").unwrap(),
            "30000-32767,50000-50001\n"
        );
        // A link that comes later has its own.
        ip("link add late0 type veth");
        let done = settle(&want);
        assert_eq!(done, ["sysctl -w net.ipv4.conf.late0.rp_filter='1'"]);
    });
}

#[test]
fn a_decided_baseline_is_left_to_others() {
    in_namespace(|| {
        let want = desired(&[("net.ipv4.ip_forward", "1", false)]);
        let mut observed = look(&want);
        let plan = |observed: &Observed| init_net::plan::plan(&want, observed).len();
        assert_eq!(plan(&observed), 1);
        observed
            .decided
            .insert("net.ipv4.ip_forward".parse().unwrap());
        assert_eq!(plan(&observed), 0);
    });
}

#[test]
fn an_alias_is_given() {
    in_namespace(|| {
        cable();
        let (layer, origin) = origin();
        let spec = AliasSpec {
            link_name: "eth0".parse().unwrap(),
            alias: "uplink".parse().unwrap(),
            layer,
            origin,
        };
        let want = Desired {
            aliases: [(spec.link_name.clone(), spec)].into(),
            ..Desired::default()
        };
        assert_eq!(settle(&want), ["ip link set dev eth0 alias uplink"]);
        assert_eq!(ip_json("link show dev eth0")[0]["ifalias"], "uplink");
        settle(&Desired::default());
        assert_eq!(ip_json("link show dev eth0")[0]["ifalias"], "uplink");
    });
}

#[test]
fn lifetimes_and_prefix_routes_of_addresses() {
    in_namespace(|| {
        cable();
        let (layer, origin) = origin();
        let spec = |text: &str| {
            let address: init_net::value::Prefix = text.parse().unwrap();
            AddressSpec {
                address,
                link_name: "eth0".parse().unwrap(),
                family: Family::of(address.address()),
                scope: Scope::Global,
                peer: None,
                broadcast: address.broadcast(),
                priority: None,
                valid_until: None,
                // Over: deprecated, and there.
                preferred_until: Some(AT),
                no_prefix_route: false,
                no_dad: true,
                layer,
                origin: origin.clone(),
                overrode: Vec::new(),
            }
        };
        let desired = |no_prefix_route| {
            let specs = ["10.0.0.2/24", "2001:db8::2/64"].map(|text| AddressSpec {
                no_prefix_route,
                ..spec(text)
            });
            Desired {
                addresses: specs.map(|spec| (spec.id(), spec)).into(),
                ..Desired::default()
            }
        };
        assert_eq!(settle(&desired(false)).len(), 2);
        let shown = ip_json("addr show dev eth0 scope global");
        let infos = shown[0]["addr_info"].as_array().unwrap();
        let deprecated = infos.iter().filter(|info| info["deprecated"] == true);
        assert_eq!(deprecated.count(), 2, "{infos:?}");
        assert_eq!(ip_json("-4 route show dev eth0").len(), 1);
        // The kernel gives no prefix route to an address that has none: it goes and comes again.
        let done = settle(&desired(true));
        assert_eq!(done.len(), 4, "{done:#?}");
        assert_eq!(ip_json("-4 route show dev eth0").len(), 0);
        assert_eq!(text(&desired(true)), Vec::<String>::new());
    });
}
