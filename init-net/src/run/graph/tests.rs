//! The picture of a small machine against its golden, and what must hold of every picture.

use serde_json::json;

use super::layout::layout;
use super::model::{Look, Model};
use super::picture;
use crate::run::wanted::Wanted;
use crate::state::{AddressStatus, Family, LinkStatus, Observed, Scope, iff};

/// The golden; `scripts/bless` runs the tests with INIT_NET_BLESS, which rewrites it.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/run/graph/golden.svg");

fn link(index: u32, name: &str, kind: &str, below: u32, master: u32) -> LinkStatus {
    LinkStatus {
        kind: kind.into(),
        flags: iff::UP | iff::LOWER_UP,
        link_index: below,
        master_index: master,
        ..LinkStatus::new(index, name.parse().unwrap())
    }
}

fn address(link: &LinkStatus, prefix: &str) -> AddressStatus {
    let address: crate::value::Prefix = prefix.parse().unwrap();
    AddressStatus {
        address,
        peer: None,
        broadcast: None,
        link_index: link.index,
        link_name: link.name.clone(),
        family: Family::of(address.address()),
        scope: Scope::Global,
        flags: 0,
        priority: 0,
        protocol: 0,
        valid_until: None,
        preferred_until: None,
    }
}

/// Two cards in a bond, a VLAN on it, a card that is down, and a VLAN that is not there.
fn machine() -> (Observed, Wanted) {
    let mut observed = Observed::default();
    let mut spare = link(4, "eth2", "", 0, 0);
    spare.flags = 0;
    let vlan = link(9, "storage", "vlan", 8, 0);
    observed.addresses = vec![
        address(&vlan, "10.210.0.5/24"),
        address(&vlan, "2001:db8::5/64"),
    ];
    for link in [
        link(2, "eth0", "", 0, 8),
        link(3, "eth1", "", 0, 8),
        spare,
        link(8, "bond0", "bond", 0, 0),
        vlan,
    ] {
        observed.links.insert(link.index, link);
    }
    let mut answers = [const { Vec::new() }; crate::run::wanted::KINDS.len()];
    answers[0] = vec![
        json!({ "name": "backup", "kind": "vlan", "parentName": "eth2",
        "layer": "configuration" }),
    ];
    (observed, Wanted::new(answers))
}

#[test]
fn the_picture_of_a_small_machine() {
    let (observed, wanted) = machine();
    let picture = picture(&observed, &wanted);
    if std::env::var_os("INIT_NET_BLESS").is_some() {
        std::fs::write(GOLDEN, &picture).unwrap();
    }
    assert_eq!(picture, std::fs::read_to_string(GOLDEN).unwrap());
}

#[test]
fn what_stands_on_what() {
    let (observed, wanted) = machine();
    let model = Model::new(&observed, &wanted);
    let seen: Vec<(&str, usize, Look, &[usize])> = model
        .nodes
        .iter()
        .map(|node| {
            (
                node.lines[0].as_str(),
                node.level,
                node.look,
                &node.below[..],
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("eth0", 0, Look::Up, &[][..]),
            ("eth1", 0, Look::Up, &[]),
            ("eth2", 0, Look::Down, &[]),
            ("bond0", 1, Look::Up, &[0, 1]),
            ("storage", 2, Look::Up, &[3]),
            ("backup", 1, Look::Missing, &[2]),
        ]
    );
}

#[test]
fn boxes_lie_in_the_picture_and_not_on_each_other() {
    let mut observed = Observed::default();
    for index in 1..200 {
        // Every third stands on the one before it, and one is its own parent.
        let below = if index % 3 == 0 { index - 1 } else { 0 };
        let below = if index == 50 { 50 } else { below };
        let one = link(index, &format!("link{index}"), "vlan", below, 0);
        let many = (0..index % 9).map(|n| address(&one, &format!("10.{index}.{n}.1/24")));
        observed.addresses.extend(many);
        observed.links.insert(index, one);
    }
    let model = Model::new(&observed, &Wanted::default());
    assert_eq!((model.nodes.len(), model.more), (96, 103));
    let layout = layout(&model);
    for (at, one) in layout.places.iter().enumerate() {
        assert!(one.x + one.width <= layout.width && one.y + one.height <= layout.height);
        for other in &layout.places[at + 1..] {
            let apart = one.x + one.width <= other.x
                || other.x + other.width <= one.x
                || one.y + one.height <= other.y
                || other.y + other.height <= one.y;
            assert!(apart, "{one:?} {other:?}");
        }
    }
    let picture = picture(&observed, &Wanted::default());
    assert!(picture.contains("and 103 more links"));
}
