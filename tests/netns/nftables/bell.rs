//! Changes of our table ring, those of other tables and our own do not.

use init_net::run::bells::{Bells, Ring};
use init_net::run::core::Doubt;
use init_net::state::{Desired, Observed};
use init_net::sys::poll::{Interest, poll};

use super::*;

/// What rings now, if notices wait at all.
fn rings(bells: &mut Bells, own: Option<u32>) -> Option<Option<Doubt>> {
    let (interests, rings): (Vec<Interest<'_>>, Vec<Ring>) = bells.interests().unzip();
    let ready = poll(&interests, Some(core::time::Duration::ZERO)).unwrap();
    let mut ready = rings.into_iter().zip(ready);
    let ready = ready.any(|(ring, it)| ring == Ring::Firewall && it.readable);
    ready.then(|| bells.take(Ring::Firewall, own).unwrap())
}

#[test]
fn only_what_others_do_to_our_table_rings() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let mut bells = Bells::default();
        let desired = Desired::default();
        bells.follow(&desired, None).unwrap();
        bells.listen_to_firewall(&desired, None).unwrap();
        nft("add table inet init-net").unwrap();
        assert_eq!(rings(&mut bells, None), None, "nobody wants to know");
        let mut look = Observed::default();
        (look.firewall, look.generation) = kernel.table().unwrap();
        bells.listen_to_firewall(&desired, Some(&look)).unwrap();
        let firewall = Some(Some(Doubt::FIREWALL));
        let rules = vec![rule("ssh", vec![ipv4()], Verdict::Accept)];
        let table = Table {
            sets: Vec::new(),
            chains: vec![ingress(Policy::Accept, rules)],
        };
        kernel.apply(&op(table.clone())).unwrap();
        let own = kernel.port();
        assert_eq!(rings(&mut bells, own), Some(None), "done by ourselves");
        assert_eq!(rings(&mut bells, own), None, "once");
        nft("add table inet other").unwrap();
        nft("add chain inet other c").unwrap();
        nft("add table ip init-net").unwrap();
        assert_eq!(rings(&mut bells, own), Some(None), "of others");
        for command in [
            "flush chain inet init-net ingress",
            "add set inet init-net s { type ipv4_addr ; }",
            "add element inet init-net s { 10.0.0.1 }",
            "add chain inet init-net c",
            "delete table inet init-net",
        ] {
            nft(command).unwrap();
            assert_eq!(rings(&mut bells, own), firewall, "{command}");
        }
        // Once our socket is closed, its port may be that of the next one with our process number.
        kernel.apply(&op(table)).unwrap();
        let own = kernel.port();
        assert_eq!(rings(&mut bells, own), Some(None), "done by ourselves");
        kernel.rest();
        assert_eq!(kernel.port(), None, "that may be somebody else's now");
        let mut other = Nftables::default();
        let gone = FirewallOp {
            table: None,
            ..op(Table::default())
        };
        other.apply(&gone).unwrap();
        assert_eq!(rings(&mut bells, kernel.port()), firewall, "by others");
        let nothing = Observed::default();
        bells.follow(&Desired::default(), Some(&nothing)).unwrap();
        nft("add table inet init-net").unwrap();
        assert_eq!(rings(&mut bells, own), None, "no longer");
    });
}
