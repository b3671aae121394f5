//! Links: set, and read as ip(8) shows them.

use super::*;

#[test]
fn links_are_set() {
    in_namespace(|| {
        ip("link add eth0 index 10 type veth peer name far0");
        let mut kernel = open();
        apply(
            &mut kernel,
            &[
                Op::LinkRename {
                    link: at("eth0", 10),
                    name: "wan".parse().unwrap(),
                },
                Op::LinkSetMtu {
                    link: at("wan", 10),
                    mtu: 1400.try_into().unwrap(),
                },
                Op::LinkSetMac {
                    link: at("wan", 10),
                    mac: "02:00:00:00:00:09".parse().unwrap(),
                },
                Op::LinkSetUp {
                    link: at("wan", 10),
                    up: true,
                },
            ],
        );
        let link = links(&mut kernel).remove(&10).unwrap();
        assert_eq!(
            (link.name.as_str(), link.mtu, link.is_up()),
            ("wan", 1400, true)
        );
        assert_eq!(link.hardware_addr.unwrap().to_string(), "02:00:00:00:00:09");
        assert_eq!(link.kind, "veth");
        assert!(!link.has_carrier(), "the other end is down");
        apply(
            &mut kernel,
            &[Op::LinkSetUp {
                link: at("wan", 10),
                up: false,
            }],
        );
        assert!(!links(&mut kernel)[&10].is_up());
        let missing = Op::LinkSetUp {
            link: at("gone", 99),
            up: true,
        };
        refused(&mut kernel, missing, 19, "");
    });
}

#[test]
fn links_read_as_ip_shows_them() {
    in_namespace(|| {
        cable();
        ip("link add br0 type bridge");
        ip("link set far0 master br0");
        ip("link property add dev eth0 altname enp0s31f6 altname uplink");
        ip("link set eth0 alias the-cable");
        let links = links(&mut open());
        let shown = ip_json("-d link show");
        assert_eq!(links.len(), shown.len());
        for link in shown {
            let ours = &links[&(link["ifindex"].as_u64().unwrap() as u32)];
            assert_eq!(ours.name.as_str(), link["ifname"].as_str().unwrap());
            assert_eq!(ours.mtu, link["mtu"].as_u64().unwrap() as u32);
            assert_eq!(
                ours.operational_state.to_uppercase(),
                link["operstate"].as_str().unwrap()
            );
            let kind = link["linkinfo"]["info_kind"].as_str().unwrap_or("");
            assert_eq!(ours.kind, kind);
            let mac = ours.hardware_addr.unwrap().to_string();
            assert_eq!(mac, link["address"].as_str().unwrap());
            let flag = |name: &str| link["flags"].as_array().unwrap().iter().any(|f| f == name);
            assert_eq!(ours.is_up(), flag("UP"));
            assert_eq!(ours.has_carrier(), flag("LOWER_UP"));
        }
        let eth0 = &links[&10];
        assert_eq!(eth0.alias.as_deref(), Some("the-cable"));
        assert_eq!(eth0.alt_names, ["enp0s31f6", "uplink"]);
        let bridge = links.values().find(|l| l.kind == "bridge").unwrap();
        assert_eq!(links[&11].master_index, bridge.index);
        assert_eq!(eth0.link_index, 11);
        assert!(!eth0.is_physical());
    });
}
