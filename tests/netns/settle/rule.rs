//! Routing rules.

use init_net::state::{Desired, Family, RuleSpec};
use init_net::value::RuleAction;

use super::{origin, settle, text};
use crate::namespace::{cable, in_namespace, ip, ip_json};

fn rule(family: Family, priority: u32) -> RuleSpec {
    let (layer, origin) = origin();
    RuleSpec {
        family,
        priority,
        src: None,
        dst: None,
        action: RuleAction::Unicast,
        table: 100,
        iif_name: None,
        oif_name: None,
        fw_mark: 0,
        fw_mask: 0,
        suppress_prefix_length: None,
        layer,
        origin,
        overrode: Vec::new(),
    }
}

fn desired(rules: &[RuleSpec]) -> Desired {
    Desired {
        rules: rules.iter().map(|rule| (rule.id(), rule.clone())).collect(),
        ..Desired::default()
    }
}

#[test]
fn every_word_of_a_rule_arrives() {
    in_namespace(|| {
        cable();
        let all = RuleSpec {
            src: Some("10.0.0.0/24".parse().unwrap()),
            dst: Some("10.1.0.0/16".parse().unwrap()),
            iif_name: Some("eth0".parse().unwrap()),
            fw_mark: 0x40,
            fw_mask: 0x60,
            table: 70_000,
            suppress_prefix_length: Some(0),
            ..rule(Family::Inet4, 1000)
        };
        let out = RuleSpec {
            // Of no link that is there.
            oif_name: Some("late0".parse().unwrap()),
            src: Some("2001:db8::/48".parse().unwrap()),
            ..rule(Family::Inet6, 1000)
        };
        let everywhere = RuleSpec {
            src: Some("0.0.0.0/0".parse().unwrap()),
            ..rule(Family::Inet4, 1001)
        };
        let hole = RuleSpec {
            action: RuleAction::Blackhole,
            table: 0,
            ..rule(Family::Inet4, 40_000)
        };
        let done = settle(&desired(&[all, out, everywhere, hole]));
        assert_eq!(done.len(), 4, "{done:#?}");
        let find = |family: &str, priority: u32| {
            let rules = ip_json(&format!("{family} -N rule show priority {priority}"));
            assert_eq!(rules.len(), 1, "{rules:?}");
            rules[0].clone()
        };
        let shown = find("-4", 1000);
        assert_eq!(
            (&shown["src"], &shown["srclen"]),
            (&"10.0.0.0".into(), &24.into())
        );
        assert_eq!(
            (&shown["dst"], &shown["dstlen"]),
            (&"10.1.0.0".into(), &16.into())
        );
        assert_eq!(shown["iif"], "eth0");
        assert_eq!(
            (&shown["fwmark"], &shown["fwmask"]),
            (&"0x40".into(), &"0x60".into())
        );
        assert_eq!(shown["table"], "70000");
        assert_eq!(shown["suppress_prefixlen"], 0);
        assert_eq!(shown["protocol"], "73");
        let shown = find("-6", 1000);
        assert_eq!(
            (&shown["oif"], &shown["src"]),
            (&"late0".into(), &"2001:db8::".into())
        );
        assert_eq!(find("-4", 1001)["src"], "all");
        // FR_ACT_BLACKHOLE: numbers were asked for.
        assert_eq!(find("-4", 40_000)["action"], "6");
        // Nothing is wanted any more: the kernel's own three stay, and nothing else.
        assert_eq!(settle(&Desired::default()).len(), 4);
        let left = |family| ip_json(&format!("{family} rule show")).len();
        assert_eq!((left("-4"), left("-6")), (3, 2));
    });
}

#[test]
fn a_rule_changes_and_those_of_others_stay() {
    in_namespace(|| {
        ip("rule add from 10.9.0.0/16 lookup 50 priority 500 protocol 2");
        ip("rule add from 10.8.0.0/16 lookup 50 priority 501 protocol 73 ipproto 6 dport 80");
        ip("rule add from 10.7.0.0/16 lookup 100 priority 502");
        let same_as_theirs = RuleSpec {
            src: Some("10.7.0.0/16".parse().unwrap()),
            ..rule(Family::Inet4, 502)
        };
        let mut ours = RuleSpec {
            src: Some("10.6.0.0/16".parse().unwrap()),
            ..rule(Family::Inet4, 503)
        };
        let done = settle(&desired(&[same_as_theirs.clone(), ours.clone()]));
        assert_eq!(
            done,
            ["ip rule add pref 503 from 10.6.0.0/16 lookup 100 proto 73"]
        );
        // Another table: the new one before the old one goes.
        ours.table = 101;
        let done = settle(&desired(&[same_as_theirs.clone(), ours.clone()]));
        assert_eq!(
            done,
            [
                "ip rule add pref 503 from 10.6.0.0/16 lookup 101 proto 73",
                "ip rule del pref 503 from 10.6.0.0/16 lookup 100 proto 73",
            ]
        );
        // The kernel does not tell these two apart: the old one first.
        ours.suppress_prefix_length = Some(8);
        let done = settle(&desired(&[same_as_theirs, ours]));
        assert_eq!(done.len(), 2, "{done:#?}");
        assert!(done[0].starts_with("ip rule del"), "{done:#?}");
        settle(&Desired::default());
        let rest = ip_json("-4 rule show");
        let kept: Vec<_> = rest.iter().filter_map(|r| r["priority"].as_u64()).collect();
        assert_eq!(kept, [0, 500, 501, 502, 32766, 32767]);
    });
}

#[test]
fn the_kernels_own_priorities_are_never_used() {
    in_namespace(|| {
        let reserved = [0, 32766, 32767].map(|priority| rule(Family::Inet4, priority));
        assert_eq!(text(&desired(&reserved)), Vec::<String>::new());
    });
}
