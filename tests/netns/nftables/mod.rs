//! Our table in the kernel, with nft(8) as the oracle.

mod bell;
mod list;
mod load;
#[path = "../../../init-net/src/wire/nft/tests/random.rs"]
mod random;
mod refuse;

use core::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;

use init_net::run::nftables::Nftables;
use init_net::state::nft::{
    Base, Chain, Counter, Datum, Element, Field, Hook, KeyType, Limit, Log, Match, Policy, Reject,
    Rule, Set, Table, TableStatus, Test, Verdict, ct,
};
use init_net::state::{Family, FirewallOp};
use init_net::value::{Prefix, Rng};

use crate::namespace::in_namespace;

/// Runs nft(8) with these words; what it says.
#[track_caller]
fn nft(arguments: &str) -> Result<String, String> {
    let output = Command::new("nft")
        .args(arguments.split_whitespace())
        .output()
        .expect("nft(8)");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8 from nft(8)");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

fn op(table: Table) -> FirewallOp {
    FirewallOp {
        table: Some(Arc::new(table)),
        counters: Vec::new(),
        elements: Vec::new(),
        generation: None,
    }
}

/// The table as it is read back.
#[track_caller]
fn seen(kernel: &mut Nftables) -> TableStatus {
    kernel.table().unwrap().0.expect("a table")
}

/// A rule that takes everything.
fn rule(comment: &str, matches: Vec<Match>, verdict: Verdict) -> Rule {
    Rule {
        matches,
        limit: None,
        counter: true,
        log: None,
        verdict,
        comment: Some(comment.to_owned()),
    }
}

fn ingress(policy: Policy, rules: Vec<Rule>) -> Chain {
    Chain {
        name: "ingress".to_owned(),
        base: Some(Base {
            hook: Hook::Input,
            priority: -140,
            policy,
        }),
        rules,
    }
}

fn is(field: Field, test: Test) -> Match {
    Match::Is { field, test }
}

/// `meta nfproto ipv4`.
fn ipv4() -> Match {
    is(Field::NfProto, Test::Eq(Datum::byte(2)))
}

fn address(text: &str) -> Datum {
    Datum::address(text.parse().unwrap())
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// Elements without comments, one for each pair.
fn elements(pairs: impl IntoIterator<Item = (Datum, Datum)>) -> Vec<Element> {
    let element = |(first, last)| Element {
        first,
        last,
        comment: None,
    };
    pairs.into_iter().map(element).collect()
}
