//! What a server offers and grants: identity associations to [`Offer`]s and [`Lease`]s.

use super::Config;
use super::lease::{DelegatedPrefix, Information, Lease, Leased, LeasedAddress, MAX_LEASED};
use super::options::{Association, code, status};
use super::state::Offer;
use super::timing::{self, Lifetimes};
use super::wire::{Reject, Reply, duid};
use crate::value::Instant;

/// What a REPLY that is about a lease comes to.
pub(super) enum Grant {
    /// The lease as it is now.
    Lease(Box<Lease>),
    /// The server does not know the lease.
    NoBinding,
    /// The addresses do not belong here.
    NotOnLink,
    /// Nothing is left of the lease, or none was made.
    Nothing,
}

impl Reply<'_> {
    /// The usable part of an ADVERTISE.
    pub fn offer(&mut self, config: &Config, now: Instant) -> Result<Offer, Reject> {
        if self.options.status() != status::SUCCESS {
            return Err(Reject::Refused);
        }
        let associations = self.associations(config, now);
        let addresses = associations
            .addresses
            .map_or(Vec::new(), |na| live(na, now));
        let prefixes = associations.prefixes.map_or(Vec::new(), |pd| live(pd, now));
        if addresses.is_empty() && prefixes.is_empty() {
            return Err(Reject::Refused);
        }
        let mode = config.mode;
        let complete = mode.wants_addresses() != addresses.is_empty()
            && mode.prefix_hint().is_some() != prefixes.is_empty();
        Ok(Offer {
            server_duid: self.server_duid.to_vec(),
            rank: (complete, self.options.preference()),
            addresses: addresses.iter().map(|leased| leased.address).collect(),
            prefixes: prefixes.iter().map(|leased| leased.prefix).collect(),
        })
    }

    /// What a REPLY to a message sent at `acquired_at` makes of the lease `before` (RFC 8415 §18.2.10.1).
    pub fn grant(
        &mut self,
        config: &Config,
        before: Option<&Lease>,
        acquired_at: Instant,
    ) -> Result<Grant, Reject> {
        match self.options.status() {
            status::SUCCESS => {}
            status::NOT_ON_LINK => return Ok(Grant::NotOnLink),
            status::NO_BINDING if before.is_some() => return Ok(Grant::NoBinding),
            status::NO_BINDING | status::NO_ADDRESSES | status::NO_PREFIXES => {
                return Ok(Grant::Nothing);
            }
            // UnspecFail: later again. UseMulticast: it was.
            _ => return Err(Reject::Refused),
        }
        let associations = self.associations(config, acquired_at);
        let statuses = associations.statuses();
        if statuses.contains(&Some(status::NOT_ON_LINK)) {
            return Ok(Grant::NotOnLink);
        }
        if before.is_some() && statuses.contains(&Some(status::NO_BINDING)) {
            return Ok(Grant::NoBinding);
        }
        let said = associations.times();
        let granted_addresses = associations.addresses.map_or(Vec::new(), granted);
        let granted_prefixes = associations.prefixes.map_or(Vec::new(), granted);

        let (mut addresses, mut prefixes) = match before {
            Some(lease) => (lease.addresses.clone(), lease.prefixes.clone()),
            None => (Vec::new(), Vec::new()),
        };
        merge(&mut addresses, &granted_addresses, acquired_at);
        merge(&mut prefixes, &granted_prefixes, acquired_at);
        if addresses.is_empty() && prefixes.is_empty() {
            return Ok(Grant::Nothing);
        }
        // T1 and T2 come from what the server extends; where it only takes away, from what is left.
        let mut pace: Vec<Lifetimes> = paces(&granted_addresses, acquired_at).collect();
        pace.extend(paces(&granted_prefixes, acquired_at));
        if pace.is_empty() {
            let unchanged = before.is_some_and(|lease| {
                lease.addresses.len() == addresses.len() && lease.prefixes.len() == prefixes.len()
            });
            if unchanged {
                return Err(Reject::Refused);
            }
            pace.extend(paces(&addresses, acquired_at));
            pace.extend(paces(&prefixes, acquired_at));
        }
        let [t1, t2] = timing::renewal(said, pace.iter().copied());
        Ok(Grant::Lease(Box::new(Lease {
            duid: duid(config).to_vec(),
            iaid: config.iaid,
            server_duid: self.server_duid.to_vec(),
            acquired_at,
            renew_at: t1.map(|t1| acquired_at + t1),
            rebind_at: t2.map(|t2| acquired_at + t2),
            addresses,
            prefixes,
            facts: self.options.facts(config),
        })))
    }

    /// What a REPLY to an INFORMATION-REQUEST sent at `acquired_at` tells.
    pub fn information(
        &mut self,
        config: &Config,
        acquired_at: Instant,
    ) -> Result<Information, Reject> {
        if self.options.status() != status::SUCCESS {
            return Err(Reject::Refused);
        }
        let secs = self.options.number(code::REFRESH_TIME);
        let secs = secs.unwrap_or(timing::REFRESH_DEFAULT);
        Ok(Information {
            acquired_at,
            refresh_at: timing::after(acquired_at, secs.max(timing::REFRESH_MINIMUM)),
            facts: self.options.facts(config),
        })
    }

    /// The associations that were asked for.
    fn associations(&mut self, config: &Config, at: Instant) -> Associations {
        let mode = config.mode;
        let addresses = mode
            .wants_addresses()
            .then(|| self.options.addresses(config.iaid, at));
        let prefixes = mode
            .prefix_hint()
            .map(|_| self.options.prefixes(config.iaid, at));
        Associations {
            addresses: addresses.flatten(),
            prefixes: prefixes.flatten(),
        }
    }
}

/// What a message has of them.
struct Associations {
    addresses: Option<Association<LeasedAddress>>,
    prefixes: Option<Association<DelegatedPrefix>>,
}

impl Associations {
    fn statuses(&self) -> [Option<u16>; 2] {
        [
            self.addresses.as_ref().map(|na| na.status),
            self.prefixes.as_ref().map(|pd| pd.status),
        ]
    }

    /// The earliest T1 and the earliest T2, seconds: both are renewed at once (RFC 8415 §18.2.4). 0: ours to choose.
    fn times(&self) -> [u32; 2] {
        let both = [
            self.addresses.as_ref().map(|na| na.times),
            self.prefixes.as_ref().map(|pd| pd.times),
        ];
        [0, 1].map(|which| {
            let said = both.iter().flatten().map(|times| times[which]);
            said.filter(|secs| *secs != 0).min().unwrap_or(0)
        })
    }
}

/// What an association says; with an error status it says nothing.
fn granted<T>(association: Association<T>) -> Vec<T> {
    match association.status {
        status::SUCCESS => association.leased,
        _ => Vec::new(),
    }
}

fn live<T: Leased>(association: Association<T>, at: Instant) -> Vec<T> {
    let mut leased = granted(association);
    leased.retain(|one| one.is_live(at));
    leased
}

/// RFC 8415 §18.2.10.1: adds what is new, updates what is known, removes what has lifetime 0, leaves the rest alone.
fn merge<T: Leased>(leases: &mut Vec<T>, granted: &[T], at: Instant) {
    for one in granted {
        let known = leases.iter().position(|lease| lease.is_same(one));
        match (known, one.is_live(at)) {
            (Some(index), true) => leases[index] = *one,
            (Some(index), false) => {
                leases.remove(index);
            }
            (None, true) if leases.len() < MAX_LEASED => leases.push(*one),
            (None, _) => {}
        }
    }
}

/// The lifetimes of what is live.
fn paces<T: Leased>(leased: &[T], at: Instant) -> impl Iterator<Item = Lifetimes> {
    let since = move |end: Option<Instant>| end.map(|end| end.saturating_since(at));
    let live = leased.iter().filter(move |one| one.is_live(at));
    live.map(move |one| Lifetimes {
        preferred: since(one.preferred_until()),
        valid: since(one.valid_until()),
    })
}
