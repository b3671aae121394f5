//! Addresses: come, renew, go, and read as ip(8) shows them.

use super::*;

#[test]
fn addresses_come_renew_and_go() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let lease = |secs| {
            let mut op = address("10.0.0.2/24");
            let Op::AddressReplace(AddressOp {
                broadcast,
                priority,
                valid_secs,
                ..
            }) = &mut op
            else {
                unreachable!()
            };
            *broadcast = Some("10.0.0.255".parse().unwrap());
            *priority = Some(77);
            *valid_secs = secs;
            op
        };
        let find = |kernel: &mut Rtnetlink| {
            let mut all = addresses(kernel);
            all.retain(|a| a.address.to_string() == "10.0.0.2/24");
            assert_eq!(all.len(), 1);
            all.remove(0)
        };
        apply(&mut kernel, &[lease(Some(600))]);
        let found = find(&mut kernel);
        assert_eq!(found.protocol, OUR_PROTOCOL);
        assert_eq!(found.priority, 77);
        assert_eq!(found.broadcast, Some("10.0.0.255".parse().unwrap()));
        assert_eq!(found.link_name.as_str(), "eth0");
        // The kernel may already have counted the first second down.
        let left = found.valid_until.unwrap() - AT;
        assert!((599..=600).contains(&left.as_secs()), "{left:?}");
        // Renewed in place, then for ever: the connected route never goes away, the address is never doubled.
        apply(&mut kernel, &[lease(Some(7200))]);
        assert!(
            find(&mut kernel).valid_until.unwrap() - AT > core::time::Duration::from_secs(7000)
        );
        apply(&mut kernel, &[lease(None)]);
        assert_eq!(find(&mut kernel).valid_until, None);
        apply(
            &mut kernel,
            &[Op::AddressDel {
                link: at("eth0", 10),
                address: "10.0.0.2/24".parse().unwrap(),
                peer: None,
            }],
        );
        assert!(
            addresses(&mut kernel)
                .iter()
                .all(|a| a.family == Family::Inet6)
        );
        let again = Op::AddressDel {
            link: at("eth0", 10),
            address: "10.0.0.2/24".parse().unwrap(),
            peer: None,
        };
        // Linux 6.x: "ipv4: Address not found".
        let error = kernel.apply(&[again]).pop().unwrap().unwrap_err();
        assert_eq!(error.errno(), Some(99));
    });
}

#[test]
fn of_two_equal_addresses_the_right_length_goes() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(
            &mut kernel,
            &[address("10.0.0.2/16"), address("10.0.0.2/24")],
        );
        apply(
            &mut kernel,
            &[Op::AddressDel {
                link: at("eth0", 10),
                address: "10.0.0.2/24".parse().unwrap(),
                peer: None,
            }],
        );
        let left: Vec<_> = addresses(&mut kernel)
            .into_iter()
            .filter(|a| a.family == Family::Inet4)
            .map(|a| a.address.to_string())
            .collect();
        assert_eq!(left, ["10.0.0.2/16"]);
    });
}

#[test]
fn addresses_of_both_families_and_with_peers() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let with = |text: &str, to: Option<&str>, secs: Option<u32>| {
            let mut op = address(text);
            if let Op::AddressReplace(AddressOp {
                peer, valid_secs, ..
            }) = &mut op
            {
                *peer = to.map(|to| to.parse().unwrap());
                *valid_secs = secs;
            }
            op
        };
        let find = |kernel: &mut Rtnetlink, text: &str| {
            addresses(kernel)
                .into_iter()
                .find(|a| a.address.to_string() == text)
        };
        for (text, peer) in [
            ("10.1.0.1/32", Some("10.1.0.2")),
            ("2001:db8::1/128", Some("2001:db8::2")),
            ("2001:db8:1::1/64", None),
        ] {
            apply(&mut kernel, &[with(text, peer, Some(600))]);
            let found = find(&mut kernel, text).unwrap();
            assert_eq!(found.peer, peer.map(|peer| peer.parse().unwrap()), "{text}");
            assert_eq!(found.protocol, OUR_PROTOCOL, "{text}");
            assert!(found.valid_until.is_some(), "{text}");
            apply(&mut kernel, &[with(text, peer, None)]);
            assert_eq!(find(&mut kernel, text).unwrap().valid_until, None, "{text}");
            let delete = Op::AddressDel {
                link: at("eth0", 10),
                address: text.parse().unwrap(),
                peer: peer.map(|peer| peer.parse().unwrap()),
            };
            apply(&mut kernel, &[delete]);
            assert_eq!(find(&mut kernel, text), None);
        }
    });
}

#[test]
fn addresses_read_as_ip_shows_them() {
    in_namespace(|| {
        cable();
        ip("link set lo up");
        ip("addr add 10.1.0.1 peer 10.1.0.2/32 dev eth0");
        ip("addr add 192.0.2.1/24 dev eth0 scope link");
        ip("addr add 2001:db8::5/64 dev far0 nodad");
        ip("addr add 2001:db8::6 peer 2001:db8::7/128 dev far0");
        let ours: Vec<_> = addresses(&mut open());
        let mut expect = Vec::new();
        for link in ip_json("addr show") {
            for a in link["addr_info"].as_array().unwrap() {
                expect.push((
                    link["ifname"].as_str().unwrap().to_owned(),
                    format!("{}/{}", a["local"].as_str().unwrap(), a["prefixlen"]),
                    a["address"].as_str().map(str::to_owned),
                    a["tentative"].as_bool().unwrap_or(false),
                    match a["scope"].as_str().unwrap() {
                        "global" => 0,
                        "link" => 253,
                        "host" => 254,
                        other => panic!("scope {other}"),
                    },
                ));
            }
        }
        let mut ours: Vec<_> = ours
            .into_iter()
            .map(|a| {
                (
                    a.link_name.to_string(),
                    a.address.to_string(),
                    a.peer.map(|p| p.to_string()),
                    a.flags & AddressStatus::TENTATIVE != 0,
                    a.scope.number(),
                )
            })
            .collect();
        ours.sort();
        expect.sort();
        assert_eq!(ours, expect);
    });
}
