//! [`Referee`]: who says which machine has a shared address. Same duties, other referees.

use super::talk::Talk;
use crate::proto::etcd::{self, Campaign, Lease};
use crate::proto::tls::Trust;
use crate::proto::vrrp::{self, Local, Vrrp};
use crate::proto::{Dialogue as _, Machine as _};
use crate::run::core::fetches::Wires;
use crate::run::core::{Effect, HttpEvent};
use crate::state::{EtcdElection, VipElection, VipSpec, VrrpElection};
use crate::value::{Duration, Instant, Rng};

/// One of them.
pub(super) enum Referee {
    /// The machines among themselves.
    Vrrp(Box<Vrrp>),
    /// A cluster of etcd.
    Etcd(Box<Talk<Campaign>>),
}

/// What it says.
pub(super) enum Ruling {
    /// This machine has the address.
    Won,
    /// It has it no more, and why. It is to be removed before anything further is sent.
    Lost(String),
    /// Another machine said that it has it: neighbours are to be told again.
    Contested,
    /// Something that people should know.
    Notice(log::Level, String),
}

/// What it starts from.
pub(super) struct Start<'a> {
    /// The machine on the link, as far as it is there.
    pub(super) local: Option<Local>,
    /// What etcd knows the machine by.
    pub(super) hostname: &'a str,
    /// Whether it is fit.
    pub(super) fit: bool,
    /// Whether the stage before had the address, and this one goes on.
    pub(super) resumes: bool,
    /// The lease of etcd that the stage before had it by, or waited with.
    pub(super) lease: Option<Lease>,
}

impl Referee {
    /// The one that `spec` says. `Err`: it cannot be asked, and why; `Ok(None)`: not before the link is there.
    pub(super) fn new(
        spec: &VipSpec,
        start: &Start<'_>,
        now: Instant,
    ) -> Result<Option<Self>, String> {
        // One that is asked over another link would give the address to a link without a cable, too.
        let Some(local) = start.local else {
            return Ok(None);
        };
        match &spec.election {
            VipElection::Vrrp(election) => {
                let settings = settings(spec, election);
                let vrrp = match start.resumes {
                    true => Vrrp::resume(settings, local, start.fit, now),
                    false => Vrrp::new(settings, local, start.fit, now),
                };
                Ok(Some(Self::Vrrp(Box::new(vrrp))))
            }
            VipElection::Etcd(election) => {
                let settings = campaign(election, start.hostname, spec.bootstrap)?;
                let campaign = match start.lease {
                    Some(lease) => Campaign::resume(settings, lease, start.fit, now),
                    None => Campaign::new(settings, start.fit, now),
                };
                let trust = trust(election).map_err(|error| format!("etcd: {error}"))?;
                Ok(Some(Self::Etcd(Box::new(Talk::new(campaign, trust)))))
            }
        }
    }

    /// Whether packets are to be read before it acts on time.
    pub(super) fn hears_packets(&self) -> bool {
        matches!(self, Self::Vrrp(_))
    }

    pub(super) fn receive_packet(&mut self, packet: &[u8], now: Instant) {
        match self {
            Self::Vrrp(vrrp) => vrrp.receive(packet, now),
            Self::Etcd(_) => {}
        }
    }

    pub(super) fn receive(&mut self, event: &HttpEvent, now: Instant) {
        match self {
            Self::Vrrp(_) => {}
            Self::Etcd(talk) => talk.receive(event, now),
        }
    }

    /// Acts on what is due. `send` gets what VRRP sends.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        wires: &mut Wires<'_>,
        send: impl FnOnce(&mut Wires<'_>, vrrp::Transmit),
    ) -> bool {
        match self {
            Self::Vrrp(vrrp) => {
                vrrp.expire(now);
                let sent = vrrp.transmit(now, rng, |message| {
                    send(wires, message);
                    Ok::<(), core::convert::Infallible>(())
                });
                matches!(sent, Ok(true))
            }
            Self::Etcd(talk) => {
                talk.turn(now, rng, wires);
                false
            }
        }
    }

    /// The next thing that it says.
    pub(super) fn ruling(&mut self) -> Option<Ruling> {
        match self {
            Self::Vrrp(vrrp) => vrrp.event().map(|event| match event {
                vrrp::Event::Won => Ruling::Won,
                vrrp::Event::Lost(why) => Ruling::Lost(why.to_string()),
                vrrp::Event::Contested => Ruling::Contested,
                vrrp::Event::Notice(notice) => {
                    let level = match notice.is_warning() {
                        true => log::Level::Warn,
                        false => log::Level::Info,
                    };
                    Ruling::Notice(level, notice.to_string())
                }
            }),
            Self::Etcd(talk) => loop {
                return Some(match talk.dialogue.event()? {
                    etcd::Event::Won => Ruling::Won,
                    etcd::Event::Lost(why) => Ruling::Lost(why.to_string()),
                    etcd::Event::Trouble(text) => Ruling::Notice(log::Level::Warn, text),
                    // It is asked for when somebody wants to know.
                    etcd::Event::Owner(_) => continue,
                });
            },
        }
    }

    /// What the machine is on the link; `None`: it cannot have the address.
    pub(super) fn set_local(&mut self, local: Option<Local>, now: Instant) {
        match self {
            Self::Vrrp(vrrp) => vrrp.set_local(local, now),
            Self::Etcd(talk) if local.is_none() => talk.dialogue.stop(now),
            Self::Etcd(_) => {}
        }
    }

    /// Whether the check says that it is fit.
    pub(super) fn set_fit(&mut self, fit: bool, now: Instant) {
        match self {
            Self::Vrrp(vrrp) => vrrp.set_fit(fit, now),
            Self::Etcd(talk) => talk.dialogue.set_fit(fit, now),
        }
    }

    /// This machine cannot have it now, and does not try again for `hold`.
    pub(super) fn abdicate(&mut self, hold: Duration, now: Instant) {
        match self {
            Self::Vrrp(vrrp) => vrrp.abdicate(hold, now),
            Self::Etcd(talk) => talk.dialogue.abdicate(hold, now),
        }
    }

    /// Says farewell.
    pub(super) fn stop(&mut self, now: Instant) {
        match self {
            Self::Vrrp(vrrp) => vrrp.stop(now),
            Self::Etcd(talk) => talk.dialogue.stop(now),
        }
    }

    /// Whether that has been said.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Vrrp(vrrp) => vrrp.is_done(),
            Self::Etcd(talk) => talk.dialogue.is_done(),
        }
    }

    /// Gives up the request under way.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        match self {
            Self::Vrrp(_) => {}
            Self::Etcd(talk) => talk.close(effects),
        }
    }

    /// Who has the address, as far as is known here; this machine is nobody to be named.
    pub(super) fn owner(&self) -> Option<String> {
        match self {
            Self::Vrrp(vrrp) => vrrp.owner().map(|owner| owner.to_string()),
            Self::Etcd(talk) => talk.dialogue.owner().map(str::to_owned),
        }
    }

    pub(super) fn priority(&self) -> Option<u8> {
        match self {
            Self::Vrrp(vrrp) => Some(vrrp.priority()),
            Self::Etcd(_) => None,
        }
    }

    /// What is in its way.
    pub(super) fn fault(&self) -> Option<&str> {
        match self {
            Self::Vrrp(vrrp) => vrrp.fault(),
            Self::Etcd(talk) => talk.dialogue.fault(),
        }
    }

    /// For how long the others wait for a machine that says nothing, and the lease that it goes on with.
    pub(super) fn patience(&self, now: Instant) -> (Duration, Option<i64>) {
        match self {
            Self::Vrrp(vrrp) => (vrrp.down_interval(), None),
            Self::Etcd(talk) => match talk.dialogue.lease() {
                Some(lease) => (lease.until.saturating_since(now), Some(lease.id)),
                None => (Duration::ZERO, None),
            },
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Vrrp(vrrp) => vrrp.deadline(),
            Self::Etcd(talk) => talk.deadline(),
        }
    }
}

/// Whether what was won in the one is had in the other.
pub(super) fn same_election(one: &VipElection, other: &VipElection) -> bool {
    match (one, other) {
        (VipElection::Vrrp(_), VipElection::Vrrp(_)) => true,
        (VipElection::Etcd(one), VipElection::Etcd(other)) => one.key == other.key,
        (VipElection::Vrrp(_), VipElection::Etcd(_))
        | (VipElection::Etcd(_), VipElection::Vrrp(_)) => false,
    }
}

fn settings(spec: &VipSpec, election: &VrrpElection) -> vrrp::Settings {
    vrrp::Settings {
        version: election.version,
        vrid: election.vrid,
        ip: spec.ip,
        priority: election.priority,
        interval: election.advert_interval,
        preempt: election.preempt,
        preempt_delay: election.preempt_delay,
        checksum: election.checksum,
        peers: election.peers.clone(),
        min_ttl: election.min_ttl,
        guard: election.takeover_guard,
        bootstrap: spec.bootstrap,
    }
}

fn campaign(
    election: &EtcdElection,
    hostname: &str,
    bootstrap: bool,
) -> Result<etcd::Settings, String> {
    let url = |text: &String| text.parse().map_err(|error| format!("{text}: {error}"));
    Ok(etcd::Settings {
        endpoints: election
            .endpoints
            .iter()
            .map(url)
            .collect::<Result<_, _>>()?,
        key: election.key.clone(),
        candidate: hostname.to_owned(),
        ttl: election.ttl,
        bootstrap,
    })
}

fn trust(election: &EtcdElection) -> Result<Option<Trust>, crate::proto::tls::Error> {
    let trust = match (&election.ca, &election.identity) {
        (Some(ca), _) => Trust::only(ca)?,
        (None, Some(_)) => Trust::new([])?.0,
        (None, None) => return Ok(None),
    };
    Ok(Some(match &election.identity {
        Some((certificate, key)) => trust.with_identity(certificate, key)?,
        None => trust,
    }))
}
