//! A firewall that the kernel refuses: it is waited for while modules are loaded; for good, something that it takes stands in,
//! and the one that is wanted is tried again now and then.

use std::collections::VecDeque;
use std::sync::Arc;

use super::firewall::PATIENCE;
use crate::state::nft::Table;
use crate::state::{Desired, Observed};
use crate::value::{Duration, Instant, earliest};

/// From one try to the next while modules are loaded: a batch that is refused takes well under a millisecond.
const WHILE_LOADING: Duration = Duration::from_millis(50);

/// From one try to the next of what was refused for good, where nothing says that it may work by now: somebody else may have
/// loaded a module.
const SELDOM: Duration = Duration::from_secs(60);

/// What becomes of a table that the kernel refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is tried again while modules are loaded.
    Later,
    /// Something stands in.
    StandIn,
    /// There is nothing that could.
    Nothing,
}

/// What the core remembers of it.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The last table that was brought, and is to be there.
    accepted: Option<Arc<Table>>,
    /// Refused for good, while something stands in.
    refused: Option<Refused>,
    /// Refused while modules were loaded.
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Refused {
    /// The kernel's word.
    error: String,
    /// What stands in: the first. The others, where that is refused as well.
    stand_ins: VecDeque<Arc<Table>>,
    /// When the wanted one is tried again.
    retry_at: Instant,
    /// It is being tried.
    retrying: bool,
}

#[derive(Debug)]
struct Wait {
    /// Until when modules are waited for.
    until: Instant,
    /// When the next try is; `None`: now.
    retry_at: Option<Instant>,
}

impl Refusal {
    /// What is to be in force in place of the table that is wanted.
    pub(super) fn stand_in(&self) -> Option<&Arc<Table>> {
        let refused = self.refused.as_ref().filter(|refused| !refused.retrying)?;
        refused.stand_ins.front()
    }

    /// Why something stands in, for people.
    pub(super) fn told(&self, desired: &Desired) -> Option<String> {
        let refused = self.refused.as_ref()?;
        let base = desired.firewall.as_ref().map(|spec| &spec.fallback);
        let what = match refused.stand_ins.front() == base {
            true => "the base set stands in",
            false => "the one before stays in force",
        };
        Some(format!("firewall: refused, {what}: {}", refused.error))
    }

    /// It is in force, or gone as it should be: by an op of ours.
    pub(super) fn brought(&mut self, table: Option<&Arc<Table>>, desired: &Desired) {
        self.wait = None;
        self.accepted = table.cloned();
        if table == desired.wanted_table() {
            self.refused = None;
        }
    }

    /// Nothing has to be done.
    pub(super) fn is_as_planned(&mut self) {
        self.wait = None;
        if self
            .refused
            .as_ref()
            .is_some_and(|refused| refused.retrying)
        {
            self.refused = None;
        }
    }

    /// Something else is wanted: what the kernel said of the one before says nothing of it.
    pub(super) fn forget(&mut self) {
        self.refused = None;
        self.wait = None;
    }

    /// What is missing may be there by now.
    pub(super) fn hurry(&mut self) {
        if let Some(wait) = &mut self.wait {
            wait.retry_at = wait.retry_at.map(|_| Instant::default());
        }
        if let Some(refused) = &mut self.refused {
            refused.retry_at = Instant::default();
        }
    }

    /// Takes a refusal of `table` that may not pass by itself. `lacking`: of something that a module may bring, and modules
    /// are being loaded.
    pub(super) fn refused(
        &mut self,
        table: &Arc<Table>,
        error: &str,
        lacking: bool,
        (desired, observed): (&Desired, Option<&Observed>),
        now: Instant,
    ) -> Next {
        let stands_in = self.stand_in() == Some(table);
        if lacking && self.refused.is_none() {
            let until = self.wait.as_ref().map_or(now + PATIENCE, |wait| wait.until);
            if now < until {
                let retry_at = Some((now + WHILE_LOADING).min(until));
                self.wait = Some(Wait { until, retry_at });
                return Next::Later;
            }
        }
        let refused = match &mut self.refused {
            Some(refused) => refused,
            slot => {
                let there = observed.and_then(|seen| seen.firewall.as_ref());
                let there = there.filter(|there| !there.foreign);
                let there = there.map(|there| Arc::new(there.table.clone()));
                let before = self.accepted.clone().or(there);
                let fallback = desired.firewall.as_ref().map(|spec| &spec.fallback);
                let useful = |other: &Arc<Table>| !other.chains.is_empty() && other != table;
                // What is not known (`Unsaid`) has no other than itself.
                let stand_ins =
                    fallback.map(|fallback| before.into_iter().chain([fallback.clone()]));
                slot.insert(Refused {
                    error: error.to_owned(),
                    stand_ins: stand_ins.into_iter().flatten().filter(useful).collect(),
                    retry_at: now,
                    retrying: false,
                })
            }
        };
        if stands_in {
            refused.stand_ins.pop_front();
        } else {
            error.clone_into(&mut refused.error);
        }
        refused.retrying = false;
        refused.retry_at = now + SELDOM;
        if refused.stand_ins.is_empty() {
            self.refused = None;
            return Next::Nothing;
        }
        Next::StandIn
    }

    /// A try of the wanted one failed in a way that may pass: what stands in is kept up meanwhile.
    pub(super) fn failed(&mut self, now: Instant) {
        if let Some(refused) = self.refused.as_mut().filter(|refused| refused.retrying) {
            refused.retrying = false;
            refused.retry_at = now + SELDOM;
        }
    }

    /// Whether the next try is not due yet, because modules are being loaded.
    pub(super) fn waits(&self, now: Instant) -> bool {
        self.wait_until().is_some_and(|at| at > now)
    }

    /// Whether to look again for a try that is due.
    pub(super) fn due(&mut self, now: Instant) -> bool {
        let mut due = false;
        if let Some(refused) = self.refused.as_mut().filter(|r| r.retry_at <= now) {
            due |= !core::mem::replace(&mut refused.retrying, true);
        }
        if let Some(wait) = &mut self.wait {
            due |= wait.retry_at.take_if(|at| *at <= now).is_some();
        }
        due
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let refused = self.refused.as_ref().filter(|refused| !refused.retrying);
        earliest([refused.map(|refused| refused.retry_at), self.wait_until()])
    }

    fn wait_until(&self) -> Option<Instant> {
        self.wait.as_ref()?.retry_at
    }
}

/// Whether `errno` is of something that a module brings: an expression (ENOENT), nf_tables or a kind of set (EOPNOTSUPP), the
/// netlink family (EPROTONOSUPPORT); net/netfilter/nf_tables_api.c, nfnetlink.c.
pub(super) fn lacks_module(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENOENT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT
    )
}
