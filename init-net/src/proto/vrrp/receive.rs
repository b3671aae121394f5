//! What the others say: checks in the order of RFC 9568 §7.1, then the arms of §6.4.

use core::net::IpAddr;

use super::frame::{self, Packet, TTL};
use super::settings::few;
use super::{
    ANSWER_PAUSE, Advertisement, COLLISION_OVER, Event, FIT, LEAVING, Notice, State, Vrrp,
    VrrpVersion, Why, timing,
};
use crate::value::{Duration, Instant, Mac};

/// In which those who preempt at once come one after the other: 2 ms for ten steps of priority.
const PREEMPT_SPREAD: Duration = Duration::from_millis(50);

/// Silent intervals of another group until its number counts as free.
const COLLISION_SILENCE: u32 = 3;

impl Vrrp {
    /// A packet of VRRP, of whichever group.
    pub(super) fn receive_advertisement(&mut self, packet: &Packet<'_>, now: Instant) {
        let Some(local) = self.local else { return };
        let from = packet.path.from;
        // Cheap checks first: a flood of what is not ours costs next to nothing.
        if from.is_ipv4() != local.source.is_ipv4()
            || packet.message.get(1) != Some(&self.settings.vrid)
        {
            return;
        }
        if from == local.source {
            self.counters.refused += 1;
            let why = "it has the address of this machine, or the network brings back what is sent";
            let from = Some(from);
            return self.tell(Notice::Refused { from, why });
        }
        let advertisement = match self.check(packet) {
            Ok(advertisement) => advertisement,
            Err(why) => {
                self.counters.refused += 1;
                let from = Some(from);
                return self.tell(Notice::Refused { from, why });
            }
        };
        let is_peer = self.settings.peers.contains(&from);
        if !advertisement.addresses.contains(&self.settings.ip) && !is_peer {
            return self.collide(from, &advertisement, now);
        }
        if let Err(why) = self.compare(from, &advertisement) {
            self.counters.refused += 1;
            let from = Some(from);
            return self.tell(Notice::Refused { from, why });
        }
        self.counters.received += 1;
        self.take(from, &advertisement, now);
    }

    /// Whether the packet is one for this machine at all.
    fn check(&mut self, packet: &Packet<'_>) -> Result<Advertisement, &'static str> {
        let unicast = !self.settings.peers.is_empty();
        let group = frame::group(packet.path.from);
        match (unicast, packet.path.to == group) {
            (true, true) => return Err("it came to the group, and this one speaks to its peers"),
            (false, false) => {
                return Err("it came to this machine, and this one speaks to the group");
            }
            _ => {}
        }
        if unicast && !self.settings.peers.contains(&packet.path.from) {
            return Err("its sender is none of the peers");
        }
        let least = if unicast { self.settings.min_ttl } else { TTL };
        if packet.ttl < least {
            return Err("it came from another link: its hop limit is too low");
        }
        let (advertisement, form) =
            Advertisement::decode(packet.message, packet.path).map_err(super::Reject::text)?;
        if advertisement.version != self.settings.version {
            return Err(match advertisement.version {
                VrrpVersion::V2 => "its version is 2, not 3: set vrrpVersion",
                VrrpVersion::V3 => "its version is 3, not 2: set vrrpVersion",
            });
        }
        if form.is_some_and(|form| form != self.settings.checksum) {
            let what =
                "the other form of the checksum: set checksum, or it may not understand".into();
            let from = packet.path.from;
            self.tell(Notice::Differs { from, what });
        }
        Ok(advertisement)
    }

    /// What machines of one group have to agree on. Version 3 goes on with what the Active says (RFC 9568 §7.1); version 2
    /// discards (RFC 3768 §7.1).
    fn compare(&mut self, from: IpAddr, said: &Advertisement) -> Result<(), &'static str> {
        // The virtual router's link-local address is a matter of taste.
        let shared = |mut addresses: Vec<IpAddr>| {
            addresses.retain(|ip| {
                *ip == self.settings.ip
                    || !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
            });
            addresses
        };
        let theirs = shared(said.addresses.clone());
        let same_addresses = theirs == shared(self.addresses(from));
        let same_interval = said.interval == self.settings.interval;
        if self.settings.version == VrrpVersion::V2 {
            if !same_interval {
                return Err("its interval is another: version 2 needs the same");
            }
            if !same_addresses && said.priority != u8::MAX {
                return Err("its addresses are others: version 2 needs the same");
            }
        }
        if !same_interval && said.priority != LEAVING {
            let what = format!(
                "an interval of {:?} instead of {:?}",
                said.interval, self.settings.interval
            );
            self.tell(Notice::Differs { from, what });
        }
        if !same_addresses {
            let what = format!("other addresses in the group: {}", few(&theirs));
            self.tell(Notice::Differs { from, what });
        }
        Ok(())
    }

    /// Another group has the number. To go on would make both change hands for ever, and a farewell would end the other
    /// one's: this one falls silent.
    fn collide(&mut self, from: IpAddr, said: &Advertisement, now: Instant) {
        let silence = (said.interval * COLLISION_SILENCE).max(COLLISION_OVER);
        self.lose(Why::Collision);
        self.queue.clear();
        let known = matches!(self.state, State::Fault { .. });
        self.state = State::Fault {
            until: now + silence,
        };
        // Once for each time, whoever joins in.
        if !known {
            self.tell(Notice::Collision {
                from,
                addresses: said.addresses.clone(),
            });
        }
    }

    /// RFC 9568 §6.4.2 and §6.4.3.
    fn take(&mut self, from: IpAddr, said: &Advertisement, now: Instant) {
        match self.state {
            State::Backup { preempt_at, .. } => self.take_as_backup(from, said, preempt_at, now),
            State::Active { answered, .. } => self.take_as_active(from, said, answered, now),
            // The number is in use by two groups, this one among them.
            State::Fault { .. } | State::Off | State::Stopped => {}
        }
    }

    fn take_as_backup(
        &mut self,
        from: IpAddr,
        said: &Advertisement,
        preempt_at: Option<Instant>,
        now: Instant,
    ) {
        if said.priority == LEAVING {
            let skew = timing::skew(self.settings.version, self.priority(), self.interval);
            let down_at = now + skew;
            // It removes the address before it says so. Of one that did not have it, nothing follows for the one that has it.
            let left = self.owner.is_some_and(|(owner, _)| owner == from);
            let guard = if left { None } else { self.guard(down_at, now) };
            self.deserted |= left;
            self.state = State::Backup {
                down_at,
                guard,
                preempt_at,
            };
            return;
        }
        let less = said.priority < self.priority();
        // An unfit machine is no reason to wait; nor is it for another unfit one, or they would take turns.
        let unfit = self.fit && said.priority < FIT && self.settings.priority >= FIT;
        let preempts = less && (unfit || (self.settings.preempt && self.fit));
        let another = self.owner.is_some_and(|(owner, _)| owner != from);
        if preempts && another && self.has_owner(now) && !self.deserted {
            // Two of them have met, and this one yields: the other one is not to be taken from.
            return;
        }
        let mut wait_until = preempt_at;
        if preempts {
            let delay = if unfit {
                Duration::ZERO
            } else {
                self.settings.preempt_delay
            };
            let at = wait_until.map_or(now + delay, |at| at.min(now + delay));
            wait_until = Some(at);
            if at <= now && self.hold_until.max(self.flap_until) <= now {
                // DEVIATION: RFC 9568 §6.4.2 (455) lets the timer run on, three intervals in which the Active may fall silent.
                // It has just shown that it lives and will hear that it has to yield; of several who want the address the one
                // with the most priority is the first.
                let skew = timing::skew(VrrpVersion::V3, self.priority(), PREEMPT_SPREAD);
                if let State::Backup {
                    preempt_at,
                    guard,
                    down_at,
                } = &mut self.state
                {
                    *down_at = (*down_at).min(now + skew);
                    *preempt_at = Some(at);
                    *guard = None;
                }
                return;
            }
        } else {
            wait_until = None;
        }
        self.adopt(from, said, now);
        if let State::Backup { preempt_at, .. } = &mut self.state {
            *preempt_at = wait_until;
        }
    }

    fn take_as_active(
        &mut self,
        from: IpAddr,
        said: &Advertisement,
        answered: Option<Instant>,
        now: Instant,
    ) {
        let own = self.local.map(|local| local.source);
        let mine = self.priority();
        // (725): more priority, or as much and a greater address.
        let outranks = said.priority > mine || (said.priority == mine && own < Some(from));
        if said.priority != LEAVING && outranks {
            self.lose(Why::Outranked);
            // DEVIATION: RFC 9568 §6.4.3 (725) has it say nothing. After a partition neighbours believe in this one, and the
            // other one, which may have heard nothing of it, announces itself to them when it hears a rival.
            if self.settings.version == VrrpVersion::V3 {
                self.advertise(mine, now);
            }
            self.adopt(from, said, now);
            return;
        }
        if said.priority != LEAVING {
            self.owner = Some((from, now));
        }
        // RFC 3768 §6.4.3: version 2 says nothing to a machine of less right.
        let speaks = said.priority == LEAVING || self.settings.version == VrrpVersion::V3;
        let rested = answered.is_none_or(|at| at + ANSWER_PAUSE <= now);
        if !(speaks && rested) {
            return;
        }
        self.advertise(mine, now);
        if said.priority != LEAVING {
            self.push_event(Event::Contested);
        }
        let interval = self.settings.interval;
        if let State::Active {
            advertise_at,
            answered,
        } = &mut self.state
        {
            *advertise_at = now + interval;
            *answered = Some(now);
        }
    }

    /// Another machine has the address. Version 3 goes by its interval from now on.
    fn adopt(&mut self, from: IpAddr, said: &Advertisement, now: Instant) {
        self.owner = Some((from, now));
        self.deserted = false;
        if self.settings.version == VrrpVersion::V3 {
            self.interval = said.interval;
        }
        let ended = |told: &Notice| !matches!(told, Notice::StillAnswered { .. });
        self.told.retain(ended);
        self.wait(now);
    }

    /// A neighbour says that it has an address.
    pub(super) fn receive_claim(&mut self, ip: IpAddr, mac: Option<Mac>, now: Instant) {
        let (Some(local), Some(mac)) = (self.local, mac) else {
            return;
        };
        if ip != self.settings.ip {
            return;
        }
        match &mut self.state {
            // Who has the hardware address of the group is another machine: this one does not, as long as it waits.
            State::Backup {
                guard: Some(guard), ..
            } if mac != local.card => guard.answer(mac),
            State::Active { answered, .. } if mac != local.mac => {
                let rested = answered.is_none_or(|at| at + super::CLAIM_PAUSE <= now);
                if rested {
                    *answered = Some(now);
                    self.push_event(Event::Contested);
                }
            }
            State::Backup { .. }
            | State::Active { .. }
            | State::Off
            | State::Fault { .. }
            | State::Stopped => {}
        }
    }
}
