//! Ops and dumps against the kernel, with ip(8) as the oracle.

mod address;
mod kind;
mod link;
mod monitor;
mod route;
mod sample;

use std::collections::BTreeMap;

use init_net::run::rtnetlink::{Monitor, Rtnetlink, RtnetlinkError};
use init_net::state::{
    AddressOp, AddressStatus, Family, LinkAt, LinkStatus, OUR_PROTOCOL, Op, RouteOp, RouteStatus,
    Scope,
};
use init_net::value::{Instant, RouteKind, RouteTable};
use init_net::wire::event::Bell;
use init_net::wire::name_links;

use crate::namespace::{cable, in_namespace, ip, ip_batch, ip_json};

const AT: Instant = Instant::from_secs(1000);

fn open() -> Rtnetlink {
    Rtnetlink::open().unwrap()
}

fn at(name: &str, index: u32) -> LinkAt {
    LinkAt {
        index,
        name: name.parse().unwrap(),
    }
}

fn address(text: &str) -> Op {
    Op::AddressReplace(AddressOp::new(at("eth0", 10), text.parse().unwrap()))
}

fn route(dst: &str, via: &str) -> RouteOp {
    let gateway = (!via.is_empty()).then(|| via.parse().unwrap());
    let family = if dst.contains(':') {
        Family::Inet6
    } else {
        Family::Inet4
    };
    RouteOp {
        dst: (!dst.starts_with("default")).then(|| dst.parse().unwrap()),
        gateway,
        link: Some(at("eth0", 10)),
        ..RouteOp::new(family, 1024)
    }
}

#[track_caller]
fn apply(kernel: &mut Rtnetlink, ops: &[Op]) {
    for (op, result) in ops.iter().zip(kernel.apply(ops)) {
        result.unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

#[track_caller]
fn refused(kernel: &mut Rtnetlink, op: Op, errno: i32, text: &str) {
    let error = kernel.apply(&[op]).pop().unwrap().unwrap_err();
    let RtnetlinkError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert_eq!((refusal.errno, refusal.text.as_str()), (errno, text));
}

fn links(kernel: &mut Rtnetlink) -> BTreeMap<u32, LinkStatus> {
    kernel.links(AT).unwrap()
}

fn addresses(kernel: &mut Rtnetlink) -> Vec<AddressStatus> {
    let links = links(kernel);
    let mut addresses = kernel.addresses(AT).unwrap();
    name_links(&links, &mut addresses, &mut []);
    addresses
}

fn our_routes(kernel: &mut Rtnetlink) -> Vec<RouteStatus> {
    let links = links(kernel);
    let mut routes = kernel.routes(AT, Some(OUR_PROTOCOL)).unwrap();
    name_links(&links, &mut [], &mut routes);
    routes
}

fn many(count: u32, op: fn(RouteOp) -> Op) -> Vec<Op> {
    let network = |i: u32| core::net::Ipv4Addr::from((20 << 24) + (i << 8)).to_string() + "/24";
    (0..count)
        .map(|i| op(route(&network(i), "10.0.0.1")))
        .collect()
}
