//! Notifications: what rings, what does not, and what is lost.

use super::*;

#[test]
fn the_bell_rings_for_what_is_ours() {
    rings_for_what_is_ours(|_| {});
}

#[test]
fn with_the_filter_it_rings_for_the_same() {
    rings_for_what_is_ours(|monitor| monitor.ignore_foreign_routes().unwrap());
}

fn rings_for_what_is_ours(prepare: fn(&Monitor)) {
    in_namespace(move || {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        let mut monitor = Monitor::open().unwrap();
        prepare(&monitor);
        let mut heard = || {
            let mut bell = Bell::default();
            while monitor.drain(&mut bell).unwrap() {}
            bell
        };
        heard();
        // Links and their IPv6 addresses settle on their own time: only routes and rules are counted as quiet.
        let quiet = (false, false, false);
        let mut routes_rules = || {
            let bell = heard();
            let others = bell.defaults || !bell.replaced.is_empty();
            (bell.routes || others, bell.rules, bell.overrun)
        };
        ip("route add 10.5.0.0/16 via 10.0.0.1 proto bird");
        ip("route del 10.5.0.0/16 via 10.0.0.1 proto bird");
        assert_eq!(routes_rules(), quiet, "a route of others");
        apply(
            &mut kernel,
            &[Op::RouteAdd(route("10.6.0.0/16", "10.0.0.1"))],
        );
        assert_eq!(routes_rules(), (true, false, false));
        ip("route replace 10.6.0.0/16 via 10.0.0.1 metric 1024 proto bird");
        assert_eq!(routes_rules(), (true, false, false), "ours was replaced");
        ip("route add default via 10.0.0.1 proto bird");
        assert_eq!(routes_rules(), (true, false, false), "a default route");
        ip("rule add from 10.0.0.0/8 table 1000");
        assert_eq!(routes_rules(), (false, true, false));
        ip("addr add 10.0.0.3/24 dev eth0");
        assert!(heard().addresses);
        ip("link set eth0 mtu 1400");
        assert!(heard().links);
    });
}

#[test]
fn a_flood_is_reported_as_an_overrun() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        apply(&mut kernel, &[address("10.0.0.2/24")]);
        let mut monitor = Monitor::open().unwrap();
        apply(&mut kernel, &many(20_000, Op::RouteAdd));
        let mut bell = Bell::default();
        let mut turns = 1;
        while monitor.drain(&mut bell).unwrap() {
            turns += 1;
        }
        assert!(bell.overrun && bell.routes);
        assert!(turns > 1, "a turn is bounded");
        // Nothing is lost for good: the dump has them all.
        assert_eq!(our_routes(&mut kernel).len(), 20_000);
    });
}

#[test]
fn a_flood_of_others_wakes_nobody() {
    in_namespace(|| {
        cable();
        ip("addr add 10.0.0.2/24 dev eth0");
        let mut monitor = Monitor::open().unwrap();
        monitor.ignore_foreign_routes().unwrap();
        let routes: String = (0..20_000u32)
            .map(|i| {
                let network = core::net::Ipv4Addr::from((20 << 24) + (i << 8));
                format!("route add {network}/24 via 10.0.0.1 proto bird\n")
            })
            .collect();
        ip_batch(&routes);
        let mut bell = Bell::default();
        assert!(!monitor.drain(&mut bell).unwrap(), "one turn takes it all");
        assert!(!bell.routes && !bell.overrun);
        let mut kernel = open();
        assert_eq!(our_routes(&mut kernel), []);
        assert!(kernel.routes(AT, None).unwrap().len() > 20_000);
    });
}
