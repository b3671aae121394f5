//! What an instance is told, and what it asks for.

use core::fmt;
use core::net::IpAddr;

use crate::proto::Frame;
use crate::value::{Duration, Mac, VrrpChecksum, VrrpVersion};

/// What stands in the way where the number of the group is another group's, too.
pub const COLLISION: &str = "another group has the same vrid";

/// What the machines of one group agree on, and this one's part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The version of the protocol.
    pub version: VrrpVersion,
    /// The number of the group, 1 to 255.
    pub vrid: u8,
    /// The shared address.
    pub ip: IpAddr,
    /// 1 to 254: who has more wins.
    pub priority: u8,
    /// Between two advertisements.
    pub interval: Duration,
    /// Whether a machine of more priority takes the address from one that has it.
    pub preempt: bool,
    /// How long it waits before it does.
    pub preempt_delay: Duration,
    /// What the checksum over IPv4 covers; both forms are accepted.
    pub checksum: VrrpChecksum,
    /// The other machines, when advertisements go to each of them instead of to the group.
    pub peers: Vec<IpAddr>,
    /// Least hop limit of an advertisement that is believed.
    pub min_ttl: u8,
    /// For how long a machine that still answers for the address keeps it, though it advertises no more; zero: not at all.
    pub guard: Duration,
    /// Whether a machine that is not fit takes the address when nobody else has it.
    pub bootstrap: bool,
}

/// What this machine is on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Where advertisements come from: the primary address of the link, of IPv6 its link-local one.
    pub source: IpAddr,
    /// The hardware address that answers for the shared address: of the link, or of the group (RFC 9568 §7.3).
    pub mac: Mac,
    /// The hardware address of the link.
    pub card: Mac,
}

/// One thing to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A frame: an advertisement for the group.
    Frame(Frame),
    /// The question who has the address. It leaves by the link itself: one from the hardware address of the group would lead the
    /// switch, and with it what is for who has the address, to this machine; and the answer would be for that one, too.
    Question(Frame),
    /// An advertisement for one peer; the kernel finds the way. Protocol 112, type of service 0xc0.
    Datagram {
        /// Where it comes from.
        from: IpAddr,
        /// The peer.
        to: IpAddr,
        /// Its hop limit.
        ttl: u8,
        /// What follows the IP header.
        payload: Vec<u8>,
    },
}

/// Why an instance gave the address up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Another machine of more right advertises.
    Outranked,
    /// The check says that this machine is not fit.
    Unfit,
    /// Its owner said so: [`super::Vrrp::abdicate`] or [`super::Vrrp::stop`].
    Told,
    /// The link or its address is gone.
    NoSource,
    /// It slept through its own advertisements: another machine may have the address by now.
    Stalled,
    /// Another group has the number.
    Collision,
}

/// A fact for the owner of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This machine has the address now: the first advertisement is out.
    Won,
    /// It has it no more. It is to be removed before anything further is sent: what is transmitted next says so to the others.
    Lost(Why),
    /// Another machine said that it has the address, and has no right to: neighbours are to be told again.
    Contested,
    /// Something that people should know.
    Notice(Notice),
}

/// Something that people should know. Each is told once until it ends or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Another group has the number: advertisements of this address set come from there.
    Collision {
        /// Who sends them.
        from: IpAddr,
        /// What it shares.
        addresses: Vec<IpAddr>,
    },
    /// The collision is over.
    CollisionOver,
    /// A machine still answers for the address though it advertises no more: it keeps it for now.
    StillAnswered {
        /// Its hardware address.
        mac: Mac,
    },
    /// It answered until the guard gave up: the address was taken nevertheless.
    Overridden {
        /// Its hardware address.
        mac: Mac,
    },
    /// A peer advertises at another interval, or other addresses, or in another form: it goes on.
    Differs {
        /// Who.
        from: IpAddr,
        /// In what, for people: `interval 1s instead of 200ms`.
        what: String,
    },
    /// Advertisements that cannot be believed came: hop limit, checksum, length, version, source.
    Refused {
        /// Who, where the packet said so.
        from: Option<IpAddr>,
        /// Why, for people.
        why: &'static str,
    },
    /// It changes hands too often: this machine does not take it for that long.
    Flapping {
        /// How long.
        hold: Duration,
    },
}

/// Most addresses of one advertisement that are shown: a stranger may list 255.
const MAX_SHOWN: usize = 4;

/// The first of them, and how many more there are.
pub(super) fn few(addresses: &[IpAddr]) -> String {
    let shown = addresses.iter().take(MAX_SHOWN).map(IpAddr::to_string);
    let mut text = shown.collect::<Vec<_>>().join(" ");
    if let Some(more) = addresses
        .len()
        .checked_sub(MAX_SHOWN)
        .filter(|more| *more > 0)
    {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outranked => "another machine has more right to it",
            Self::Unfit => "its check fails",
            Self::Told => "it is left to others",
            Self::NoSource => "the link has no carrier, or no address to speak from",
            Self::Stalled => "this machine stood still, and another may have it",
            Self::Collision => COLLISION,
        })
    }
}

impl Notice {
    /// Whether somebody should do something about it.
    pub const fn is_warning(&self) -> bool {
        !matches!(self, Self::CollisionOver)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collision { from, addresses } => {
                let addresses = few(addresses);
                let fix = "give one of the groups another vrid; this one waits";
                write!(f, "{from} uses the same vrid for {addresses}: {fix}")
            }
            Self::CollisionOver => f.write_str("no other group uses the vrid any more"),
            Self::StillAnswered { mac } => write!(
                f,
                "{mac} advertises no more but still answers for the address: it keeps it for now"
            ),
            Self::Overridden { mac } => write!(
                f,
                "{mac} still answers for the address and has not advertised for too long: it is taken nevertheless"
            ),
            Self::Differs { from, what } => write!(f, "{from} has {what}"),
            Self::Refused {
                from: Some(from),
                why,
            } => {
                write!(f, "an advertisement of {from} is ignored: {why}")
            }
            Self::Refused { from: None, why } => write!(f, "an advertisement is ignored: {why}"),
            Self::Flapping { hold } => write!(
                f,
                "it changes hands too often: this machine leaves it to others for {hold:?}"
            ),
        }
    }
}
