//! What a campaign is told, and what it tells.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::proto::http::Url;
use crate::value::{Duration, Instant};

/// What the machines of one election agree on, and this one's part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where members of the cluster answer clients: scheme, host and port. The first that answers is asked until it fails.
    pub endpoints: Vec<Url>,
    /// The key that is campaigned for, without a slash at its end: each candidate has a key of its own below it.
    pub key: String,
    /// What this machine is called there: its host name, which no other machine has.
    pub candidate: String,
    /// For how long an owner that is gone keeps the key, [`crate::value::LEAST_LEASE`] at least; etcd counts whole seconds, and
    /// may grant more.
    pub ttl: Duration,
    /// Whether a machine that is not fit takes the key when nobody else campaigns.
    pub bootstrap: bool,
}

/// A lease that etcd has granted: what goes over to the next process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its number.
    pub id: i64,
    /// Until when the key is its owner's, whatever happens; [`Instant::BOOT`]: it waits with it.
    pub until: Instant,
}

/// A fact for the owner of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This machine has the key.
    Won,
    /// It has it no more, or is about to let it go: the address is to be removed before the next request is asked for.
    Lost(Why),
    /// What is in the way, for people; once until it changes. [`super::Campaign::fault`] says whether it still is.
    Trouble(String),
    /// Who has the key now: the name under which it campaigns. `None`: nobody, as far as etcd says.
    Owner(Option<String>),
}

/// Why a campaign gave the key up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// This machine is not fit, and another one campaigns, or nobody is to have it unfit.
    Unfit,
    /// Its owner said so: [`super::Campaign::abdicate`] or [`super::Campaign::stop`].
    Told,
    /// No member renewed the lease in time: another machine gets the key soon, if there is a quorum.
    Unreachable,
    /// The lease has ended or was revoked.
    Expired,
    /// Somebody deleted its key.
    Deleted,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfit => "this machine is not fit",
            Self::Told => "told to give it up",
            Self::Unreachable => "no member of etcd renewed the lease in time",
            Self::Expired => "the lease in etcd has ended",
            Self::Deleted => "somebody deleted the key in etcd",
        })
    }
}
