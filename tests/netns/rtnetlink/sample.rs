//! What is looked at for answers only.

use init_net::run::kernel::Kernel;
use init_net::run::sample::Sample;
use init_net::state::NeighborState;
use init_net::sys::clock;
use init_net::sys::ethtool::Ethtool;

use crate::namespace::{in_namespace, ip};

#[test]
fn drivers_tell_of_port_and_version() {
    in_namespace(|| {
        ip("link add one type veth peer name two");
        let ethtool = Ethtool::open().unwrap();
        // drivers/net/veth.c: version 1.0, a port of twisted pair.
        let card = ethtool.card(&"one".parse().unwrap());
        assert_eq!(card.driver_version.as_deref(), Some("1.0"));
        assert_eq!(card.port, Some("TwistedPair"));
        assert_eq!(card.firmware_version, None);
        assert_eq!(ethtool.card(&"lo".parse().unwrap()).port, None);
    });
}

#[test]
fn neighbours_of_both_families_and_those_answered_for() {
    in_namespace(|| {
        ip("link add one type veth peer name two");
        ip("link set one up");
        ip("neighbour add 192.0.2.1 lladdr 52:54:00:00:00:01 dev one nud permanent");
        ip("-6 neighbour add 2001:db8::1 lladdr 52:54:00:00:00:02 dev one nud stale router");
        ip("neighbour add proxy 192.0.2.9 dev one");
        ip("neighbour add 192.0.2.7 lladdr 52:54:00:00:00:07 dev one nud noarp");
        let mut kernel = Kernel::open().unwrap();
        let now = clock::now();
        let links = kernel.route.links(now).unwrap();
        let all = Sample::take(&mut kernel, "neighbors", &links, now).neighbors;
        let find = |address: &str| {
            let address: core::net::IpAddr = address.parse().unwrap();
            let mut found = all.iter().filter(|it| it.address == address);
            let one = found.next().unwrap_or_else(|| panic!("{all:?}"));
            assert!(found.next().is_none() && one.link_name.as_str() == "one");
            one.clone()
        };
        assert_eq!(find("192.0.2.1").state, NeighborState::Permanent);
        let router = find("2001:db8::1");
        assert_eq!(router.state, NeighborState::Stale);
        let mac = router.hardware_addr.map(|mac| mac.to_string());
        assert_eq!(mac.as_deref(), Some("52:54:00:00:00:02"));
        assert!(router.router && !router.proxy);
        assert!(find("192.0.2.9").proxy);
        // Nobody is asked about it.
        assert!(ip("neighbour show nud noarp").contains("192.0.2.7"));
        assert!(all.iter().all(|it| it.state != NeighborState::Noarp));
        let nothing = Sample::take(&mut kernel, "routes", &links, now);
        assert!(nothing.neighbors.is_empty() && nothing.cards.is_empty());
    });
}
