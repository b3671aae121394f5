//! Our table in the kernel, with nft(8) as the oracle.

mod load;
#[path = "../../../init-net/src/wire/nft/tests/random.rs"]
mod random;

use core::net::IpAddr;
use std::sync::Arc;

use init_net::run::nftables::Nftables;
use init_net::state::nft::{
    Base, Chain, Datum, Element, Field, Hook, KeyType, Limit, Log, Match, Policy, Reject, Rule,
    Set, Table, TableStatus, Test, Verdict, ct,
};
use init_net::state::{Family, FirewallOp};
use init_net::value::{Prefix, Rng};

use crate::namespace::in_namespace;

fn op(table: Table) -> FirewallOp {
    FirewallOp {
        table: Some(Arc::new(table)),
        counters: Vec::new(),
        generation: None,
    }
}

/// The table as it is read back.
#[track_caller]
fn seen(kernel: &mut Nftables) -> TableStatus {
    kernel.table().0.expect("a table")
}
