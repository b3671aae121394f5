//! The duties of who has a shared address: it is on its link, it is kept alive, and the neighbours know.

use super::instance::{Duty, Instance, News};
use super::place::{self, Place};
use crate::proto::Machine as _;
use crate::proto::announce::Announcer;
use crate::run::core::Effect;
use crate::state::{AddressOp, LinkAt, Observed, Op};
use crate::value::{Duration, Instant, Prefix, Rng, VIP_LIFETIME};

/// How often the address is refreshed, which the kernel keeps for [`VIP_LIFETIME`]: two refreshes may be late.
const REFRESH: Duration = Duration::from_secs(1);

/// How long a machine that could not do its duty leaves the address to others.
pub(super) const INCAPABLE: Duration = Duration::from_secs(10);

impl Instance {
    /// An address that somebody took away, or whose lifetime somebody changed, is put back. One that stands before the
    /// machine's own (a lease brought another one) is put behind it. Neighbours that see another card of a bond now are told,
    /// with the hardware address that the link has now: some bonds take that of the card.
    pub(super) fn keep(
        &mut self,
        place: &Place,
        observed: &Observed,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_held() {
            return;
        }
        let another = |old: &Place| old.active_members != place.active_members;
        let member_changed = self.place.as_ref().is_some_and(another);
        let other_words = |old: &Place| (old.mac, old.forwards) != (place.mac, place.forwards);
        let words_changed = self.place.as_ref().is_some_and(other_words);
        let again = [
            self.removal(&place.holder),
            self.address(&place.holder, false),
        ];
        let anew = self.announcer(place, now);
        let Duty::Held {
            refresh_at,
            announcer,
        } = &mut self.duty
        else {
            return;
        };
        // One without a lifetime is somebody else's.
        let gone = place::there(&self.spec, observed)
            .filter(|there| there.link.index == place.holder.index)
            .all(|there| there.status.valid_until.is_none());
        if gone {
            *refresh_at = now;
        } else if place::comes_first(&self.spec, place, observed) {
            effects.push(Effect::Hold(again.into()));
        }
        if words_changed && announcer.is_some() {
            *announcer = anew;
        } else if gone || member_changed {
            announcer
                .iter_mut()
                .for_each(|announcer| announcer.again(now));
        }
    }

    /// The address is ours: it is put on its link, and the neighbours are told.
    pub(super) fn hold(&mut self, now: Instant, effects: &mut Vec<Effect>, news: &mut Vec<News>) {
        let Some(place) = &self.place else { return };
        effects.push(Effect::Hold(vec![self.address(&place.holder, false)]));
        self.duty = Duty::Held {
            refresh_at: now + REFRESH,
            announcer: None,
        };
        self.since = now;
        self.promotions = self.promotions.saturating_add(1);
        self.reason.clear();
        news.push(News::Gained);
    }

    pub(super) fn announcer(&self, place: &Place, now: Instant) -> Option<Announcer> {
        // Who is behind an API's router has no neighbours that would believe.
        if self.provider.is_some() {
            return None;
        }
        Some(Announcer::new(
            self.spec.ip,
            place.mac?,
            place.forwards,
            now,
        ))
    }

    /// Without the connected route; with a lifetime; never the source of anything: IPv6 takes no deprecated address for that,
    /// IPv4 the first one of a link (`inet_select_addr`, net/ipv4/devinet.c), which [`Self::keep`] sees to that it is not.
    pub(super) fn address(&self, holder: &LinkAt, present: bool) -> Op {
        Op::AddressReplace(AddressOp {
            valid_secs: Some(VIP_LIFETIME),
            preferred_secs: Some(0),
            no_prefix_route: true,
            no_dad: self.spec.ip.is_ipv6(),
            present,
            ..AddressOp::new(holder.clone(), Prefix::host(self.spec.ip))
        })
    }

    pub(super) fn removal(&self, holder: &LinkAt) -> Op {
        Op::AddressDel {
            link: holder.clone(),
            address: Prefix::host(self.spec.ip),
            peer: None,
        }
    }

    pub(super) fn drop_address(&mut self, effects: &mut Vec<Effect>) {
        if let (Duty::Held { .. }, Some(place)) = (&self.duty, &self.place) {
            effects.push(Effect::Hold(vec![self.removal(&place.holder)]));
        }
        self.duty = Duty::Without;
    }

    pub(super) fn turn_holder(&mut self, now: Instant, rng: &mut Rng, effects: &mut Vec<Effect>) {
        if !self.is_held() {
            return;
        }
        let Some(place) = &self.place else { return };
        let refresh = self.address(&place.holder, true);
        let Duty::Held {
            refresh_at,
            announcer,
        } = &mut self.duty
        else {
            return;
        };
        if *refresh_at <= now {
            *refresh_at = now + REFRESH;
            effects.push(Effect::Hold(vec![refresh]));
        }
        if let Some(announcer) = announcer {
            announcer.expire(now);
            announcer.transmit_all(now, rng, |frame| {
                let link = place.holder.clone();
                effects.push(Effect::SendVip { link, frame });
            });
        }
    }

    /// The kernel has the address: the neighbours are told.
    pub(super) fn confirmed(&mut self, now: Instant) {
        let place = self.place.as_ref();
        // Once: each refresh is confirmed as well.
        if let Duty::Held {
            announcer: None,
            refresh_at,
        } = self.duty
        {
            self.duty = Duty::Held {
                announcer: place.and_then(|place| self.announcer(place, now)),
                refresh_at,
            };
        }
    }

    /// The kernel refused the address.
    pub(super) fn refused(&mut self, why: &str, now: Instant) {
        // Of one that was left meanwhile nothing follows.
        if self.is_held() {
            self.give_up(format!("the address was refused: {why}"), now, now);
        }
    }
}
