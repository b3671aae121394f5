//! The one message of VRRP, both versions: RFC 9568 §5, RFC 3768 §5.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::proto::checksum::{add, fold};
use crate::value::{Duration, VrrpChecksum, VrrpVersion};

/// IP protocol number, RFC 9568 §5.1.1.4.
pub const PROTOCOL: u8 = 112;
/// ADVERTISEMENT, the only type there is.
const TYPE: u8 = 1;
/// Before the addresses, bytes.
const HEADER: usize = 8;
/// Behind the addresses of version 2: authentication data that RFC 3768 leaves zero, bytes.
const TRAILER: usize = 8;
/// Unit of the interval of version 3.
const CENTISECOND: Duration = Duration::from_millis(10);
/// Largest number of such units, 12 bits.
const MAX_CENTISECONDS: u128 = 4095;

/// An advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Version of the protocol.
    pub version: VrrpVersion,
    /// Number of the group, 1 to 255.
    pub vrid: u8,
    /// 0: the sender leaves; 255: it owns the addresses.
    pub priority: u8,
    /// Between two of them: a multiple of 10 ms up to 40.95 s, or of a second up to 255 s.
    pub interval: Duration,
    /// What it is about; of IPv6 the first one is link-local. At least one, at most 255.
    pub addresses: Vec<IpAddr>,
}

/// Between whom it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The sender.
    pub from: IpAddr,
    /// The group, or the peer.
    pub to: IpAddr,
}

/// Why a message is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Shorter or longer than it says.
    Length,
    /// Neither 2 nor 3, or 2 over IPv6.
    Version,
    /// Not an advertisement.
    Type,
    /// Neither form of the checksum is right.
    Checksum,
    /// Authentication of RFC 2338, which was withdrawn.
    Authentication,
    /// No address at all.
    NoAddress,
    /// An interval of zero would end every wait at once.
    NoInterval,
    /// The number of no group.
    Group,
    /// Of IPv6: the first address is not link-local.
    NotLinkLocal,
}

impl Reject {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Length => "its length is wrong",
            Self::Version => "its version is unknown",
            Self::Type => "it is no advertisement",
            Self::Checksum => "its checksum is wrong",
            Self::Authentication => "it uses authentication, which was withdrawn",
            Self::NoAddress => "it has no address",
            Self::NoInterval => "its interval is zero",
            Self::Group => "its group is 0",
            Self::NotLinkLocal => "its first address is not link-local",
        }
    }
}

impl Advertisement {
    /// The bytes behind the IP header. What covers IPv4 of version 3 is said by `form`.
    pub fn encode(&self, path: Path, form: VrrpChecksum) -> Vec<u8> {
        let count = self.addresses.len().min(usize::from(u8::MAX));
        let version: u8 = match self.version {
            VrrpVersion::V2 => 2,
            VrrpVersion::V3 => 3,
        };
        let mut message = vec![version << 4 | TYPE, self.vrid, self.priority, count as u8];
        match self.version {
            VrrpVersion::V2 => {
                let seconds = self.interval.as_secs().clamp(1, u8::MAX.into());
                message.extend([0, seconds as u8]);
            }
            VrrpVersion::V3 => {
                let units = self.interval.as_nanos() / CENTISECOND.as_nanos();
                let units = units.clamp(1, MAX_CENTISECONDS) as u16;
                message.extend(units.to_be_bytes());
            }
        }
        message.extend([0, 0]);
        for address in self.addresses.iter().take(count) {
            match address {
                IpAddr::V4(v4) => message.extend(v4.octets()),
                IpAddr::V6(v6) => message.extend(v6.octets()),
            }
        }
        if self.version == VrrpVersion::V2 {
            message.extend([0; TRAILER]);
        }
        let covers = covers(self.version, path, form);
        let sum = fold(add(pseudo_header(path, message.len(), covers), &message));
        if let Some(field) = message.get_mut(6..8) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    /// Reads `message`. Answers also which form its checksum has, where there are two.
    pub fn decode(message: &[u8], path: Path) -> Result<(Self, Option<VrrpChecksum>), Reject> {
        let header: &[u8; HEADER] = message.first_chunk().ok_or(Reject::Length)?;
        let [kind, vrid, priority, count, a, b, _, _] = *header;
        let version = match (kind >> 4, path.from) {
            (2, IpAddr::V4(_)) => VrrpVersion::V2,
            (3, _) => VrrpVersion::V3,
            _ => return Err(Reject::Version),
        };
        if kind & 0xf != TYPE {
            return Err(Reject::Type);
        }
        let size = if path.from.is_ipv4() { 4 } else { 16 };
        let trailer = if version == VrrpVersion::V2 {
            TRAILER
        } else {
            0
        };
        if message.len() != HEADER + usize::from(count) * size + trailer {
            return Err(Reject::Length);
        }
        let form = checked(version, path, message).ok_or(Reject::Checksum)?;
        let interval = match version {
            VrrpVersion::V2 if a != 0 => return Err(Reject::Authentication),
            VrrpVersion::V2 => Duration::from_secs(b.into()),
            VrrpVersion::V3 => CENTISECOND * (u32::from(a & 0xf) << 8 | u32::from(b)),
        };
        if vrid == 0 {
            return Err(Reject::Group);
        }
        if count == 0 {
            return Err(Reject::NoAddress);
        }
        if interval.is_zero() {
            return Err(Reject::NoInterval);
        }
        let listed = message
            .get(HEADER..message.len() - trailer)
            .unwrap_or_default();
        let addresses: Vec<IpAddr> = listed.chunks_exact(size).filter_map(address).collect();
        if let Some(IpAddr::V6(first)) = addresses.first()
            && !first.is_unicast_link_local()
        {
            return Err(Reject::NotLinkLocal);
        }
        let this = Self {
            version,
            vrid,
            priority,
            interval,
            addresses,
        };
        Ok((this, form))
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Whether the checksum covers a pseudo-header.
fn covers(version: VrrpVersion, path: Path, form: VrrpChecksum) -> bool {
    match (version, path.from, form) {
        (VrrpVersion::V2, ..) => false,
        (VrrpVersion::V3, IpAddr::V6(_), _) => true,
        (VrrpVersion::V3, IpAddr::V4(_), form) => form == VrrpChecksum::Keepalived,
    }
}

/// The form that the checksum has, where there are two; `None`: it is wrong.
fn checked(version: VrrpVersion, path: Path, message: &[u8]) -> Option<Option<VrrpChecksum>> {
    let is_right = |covers| fold(add(pseudo_header(path, message.len(), covers), message)) == 0;
    if version == VrrpVersion::V2 || path.from.is_ipv6() {
        return is_right(version == VrrpVersion::V3).then_some(None);
    }
    [VrrpChecksum::Keepalived, VrrpChecksum::Rfc9568]
        .into_iter()
        .find(|form| is_right(covers(version, path, *form)))
        .map(Some)
}

/// The sum over what is not sent: addresses, protocol, length (RFC 768, RFC 8200 §8.1).
fn pseudo_header(path: Path, length: usize, covers: bool) -> u32 {
    if !covers {
        return 0;
    }
    let sum = [path.from, path.to].iter().fold(0, |sum, ip| match ip {
        IpAddr::V4(v4) => add(sum, &v4.octets()),
        IpAddr::V6(v6) => add(sum, &v6.octets()),
    });
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    add(add(sum, &length), &[0, PROTOCOL])
}
