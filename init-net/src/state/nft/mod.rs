//! A table of nf_tables as plain data: what `compile` makes of the firewall's rules, what `wire` reads back from the kernel,
//! and what `plan` compares. Names are those of nft(8); numbers are those of include/uapi/linux/netfilter/nf_tables.h.
//!
//! It holds what this program writes and nothing else: what the kernel shows beyond that reads as [`Match::Foreign`], which
//! is equal to nothing that is wanted.

mod datum;
mod rule;
mod set;
mod text;
mod value_text;

pub use datum::{Datum, MAX_DATUM};
pub use rule::{Field, Limit, Log, Match, Reject, Rule, Test, Verdict, ct};
pub use set::{Element, KeyType, Set};
pub use text::{ElementText, ElementValue, MatchText};

use crate::value::named;

/// The name of the one table that is ours; its family is `inet` (DESIGN §2.3).
pub const TABLE: &str = "init-net";

/// Comment of a rule that stands for what happens to what no rule of the configuration matches.
pub const DEFAULT_ACTION: &str = "default action";

/// A whole table of family `inet`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Named sets, in the order in which they are made.
    pub sets: Vec<Set>,
    /// Chains; one that others jump to stands before those.
    pub chains: Vec<Chain>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where packets enter it; `None`: only by jumps from others.
    pub base: Option<Base>,
    /// In order.
    pub rules: Vec<Rule>,
}

/// Where packets enter a chain of type `filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The hook.
    pub hook: Hook,
    /// Lower is earlier.
    pub priority: i32,
    /// What becomes of a packet that no rule decides.
    pub policy: Policy,
}

named! {
    /// NF_INET_*, include/uapi/linux/netfilter.h.
    pub enum Hook: u32 {
        /// Before routing.
        Prerouting = 0 "prerouting",
        /// To this machine.
        Input = 1 "input",
        /// Through this machine.
        Forward = 2 "forward",
        /// From this machine.
        Output = 3 "output",
        /// After routing.
        Postrouting = 4 "postrouting",
    }
}

named! {
    /// NF_DROP and NF_ACCEPT.
    pub enum Policy: u32 {
        /// It is dropped.
        Drop = 0 "drop",
        /// It goes on to the next chain of the hook.
        Accept = 1 "accept",
    }
}

/// The table as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStatus {
    /// What is in it.
    pub table: Table,
    /// By chain and rule, in the order of `table`.
    pub counters: Vec<Vec<Counter>>,
    /// By set and element, in the order of `table`; of a set that does not count: nothing.
    pub elements: Vec<Vec<Counter>>,
    /// Something of it is not what this program writes (flags of the table, objects, maps, flowtables).
    pub foreign: bool,
}

/// What a rule or an element has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}
