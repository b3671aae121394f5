//! Links for tests of kinds: specs in a word, made real and shown by ip(8).

use init_net::state::{BondSlave, Desired, KindSpec, LinkSpec, MasterSpec, Slave};
use init_net::value::{BondOptions, BridgeOptions, Layer, LinkName, Origin, VlanProtocol};
use serde_json::Value;

use crate::namespace::ip_json;
use crate::settle::settle;

/// Where `ip -d -j` has what is of one kind only.
pub const DATA: &str = "/linkinfo/info_data";

/// A name of a link.
pub fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

/// A link that is there before us, up.
pub fn found(text: &str) -> LinkSpec {
    LinkSpec {
        up: Some(true),
        ..LinkSpec::new(name(text), Layer::Configuration, Origin::builtin(""))
    }
}

/// A link that we make, up.
pub fn made(text: &str, kind: KindSpec) -> LinkSpec {
    LinkSpec {
        logical: true,
        kind,
        ..found(text)
    }
}

/// A bond without a preferred member.
pub fn bond(options: BondOptions) -> KindSpec {
    KindSpec::Bond {
        options,
        primary: None,
    }
}

/// A bridge whose own VLANs are not said.
pub fn bridge(options: BridgeOptions) -> KindSpec {
    KindSpec::Bridge {
        options,
        vlans: None,
    }
}

/// A VLAN `id` of `parent`.
pub fn vlan(parent: &str, id: u16, protocol: VlanProtocol) -> KindSpec {
    KindSpec::Vlan {
        parent: name(parent),
        id: id.try_into().unwrap(),
        protocol,
    }
}

/// A place in a bridge or a VRF.
pub fn slave(master: &str) -> Slave {
    Slave {
        master_name: name(master),
    }
}

/// The same link as a member of a bond, the `slave_index`th.
pub fn in_bond(member: LinkSpec, bond: &str, slave_index: u32) -> LinkSpec {
    LinkSpec {
        master: Some(MasterSpec::Bond(BondSlave {
            master_name: name(bond),
            slave_index,
        })),
        ..member
    }
}

/// The same link as a port of a bridge.
pub fn in_bridge(port: LinkSpec, bridge: &str) -> LinkSpec {
    LinkSpec {
        master: Some(MasterSpec::Bridge(slave(bridge))),
        ..port
    }
}

/// These links and nothing else.
pub fn desired(specs: &[LinkSpec]) -> Desired {
    Desired {
        links: specs.iter().map(|s| (s.name.clone(), s.clone())).collect(),
        ..Desired::default()
    }
}

/// Makes these links and no others: every op that it took.
#[track_caller]
pub fn settle_links(specs: &[LinkSpec]) -> Vec<String> {
    settle(&desired(specs))
}

/// Makes these links and no others, by exactly the ops of `expect`, a line each.
#[track_caller]
pub fn settles(specs: &[LinkSpec], expect: &str) {
    assert_eq!(settle_links(specs).join("\n"), expect.trim());
}

/// A value of `ip -d -j link show dev NAME`, by JSON pointer.
#[track_caller]
pub fn shows(link: &str, pointer: &str, expect: impl Into<Value>) {
    let shown = ip_json(&format!("-d link show dev {link}"));
    let value = shown[0].pointer(pointer).unwrap_or(&Value::Null);
    assert_eq!(*value, expect.into(), "{pointer} of {:#}", shown[0]);
}

/// A link of this name is there.
pub fn is_there(link: &str) -> bool {
    let shown = ip_json("link show");
    shown.iter().any(|shown| shown["ifname"] == link)
}
