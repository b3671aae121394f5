//! The firewall's change: the whole table at once.

use core::fmt;
use std::sync::Arc;

use crate::state::nft::{Counter, TABLE, Table};

/// One batch: the table is replaced, or goes. Printed with `{}` it is one line, with `{:#}` the whole command, of which the
/// text between the markers is a file for `nft -f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallOp {
    /// What there is afterwards; `None`: no table of ours.
    pub table: Option<Arc<Table>>,
    /// What the rules have counted so far, by chain and rule in the order of `table`: a rule that stays goes on counting.
    pub counters: Vec<Vec<Counter>>,
    /// What the elements have counted so far, by set and element in the order of `table`; of a set that does not count:
    /// nothing.
    pub elements: Vec<Vec<Counter>>,
    /// The generation that this was planned for: where it is another by now, nothing is done (ERESTART). `None`: whatever
    /// is there.
    pub generation: Option<u32>,
}

impl fmt::Display for FirewallOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(table) = &self.table else {
            return write!(f, "nft delete table inet {TABLE}");
        };
        if f.alternate() {
            writeln!(f, "nft -f - <<'EOF'")?;
            writeln!(f, "table inet {TABLE}")?;
            writeln!(f, "delete table inet {TABLE}")?;
            writeln!(f, "{table}")?;
            return f.write_str("EOF");
        }
        let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
        let chains = table.chains.len();
        write!(
            f,
            "nft -f -  # table inet {TABLE}: {chains} chains, {rules} rules, {} sets",
            table.sets.len()
        )
    }
}
