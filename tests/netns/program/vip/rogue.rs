//! Adverts of nobody, written by hand after RFC 9568 §5.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use qemu::traffic::{Body, Packet, Stranger};
use qemu::vip::{Segment, Station};

use super::stage::{LINK_LOCAL, VRID};

/// VRRP.
const PROTOCOL: u8 = 112;

/// An advert with whatever is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Rogue {
    /// From.
    pub from: IpAddr,
    /// To: the group unless said otherwise.
    pub to: IpAddr,
    /// What it claims to share.
    pub address: IpAddr,
    /// With this priority.
    pub priority: u8,
    /// And this hop limit.
    pub hops: u8,
}

impl Rogue {
    /// One that is right in everything, to the group, an interval of a second.
    pub fn new(from: IpAddr, address: IpAddr, priority: u8) -> Self {
        let to: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::new(224, 0, 0, 18).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
        };
        Self {
            from,
            to,
            address,
            priority,
            hops: 255,
        }
    }

    /// The packet.
    pub fn packet(&self) -> Packet {
        let mut addresses = Vec::new();
        let mut count = 1;
        match self.address {
            IpAddr::V4(v4) => addresses.extend(v4.octets()),
            IpAddr::V6(v6) => {
                let link_local: Ipv6Addr = LINK_LOCAL.parse().unwrap();
                addresses.extend(link_local.octets());
                addresses.extend(v6.octets());
                count = 2;
            }
        }
        let mut data = vec![0x31, VRID, self.priority, count, 0, 100, 0, 0];
        data.extend(addresses);
        let mut pseudo = Vec::new();
        for address in [self.from, self.to] {
            match address {
                IpAddr::V4(v4) => pseudo.extend(v4.octets()),
                IpAddr::V6(v6) => pseudo.extend(v6.octets()),
            }
        }
        let length = u16::try_from(data.len()).unwrap();
        // Of IPv6 these are wider, which changes no sum.
        pseudo.extend([0, PROTOCOL]);
        pseudo.extend(length.to_be_bytes());
        let sum: u32 = [pseudo.as_slice(), data.as_slice()]
            .concat()
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let checksum = !u16::try_from(folded).unwrap();
        data[6..8].copy_from_slice(&checksum.to_be_bytes());
        let body = Body::Other {
            protocol: PROTOCOL,
            data,
        };
        Packet {
            hops: self.hops,
            ..Packet::new(self.from, self.to, body)
        }
    }

    /// The hardware address of the group.
    pub fn group_mac(&self) -> [u8; 6] {
        match self.address {
            IpAddr::V4(_) => [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12],
            IpAddr::V6(_) => [0x33, 0x33, 0, 0, 0, 0x12],
        }
    }
}

/// Who sends them: a station without a kernel's opinion.
pub struct Sender {
    stranger: Stranger,
    _station: Station,
}

impl Sender {
    /// At `portN` of the segment.
    pub fn at(segment: &Segment, number: u8) -> Self {
        let station = segment.station(number).unwrap();
        let own = station.mac();
        let stranger = Stranger::at(&station.namespace, "eth0", [0; 6], own).unwrap();
        Self {
            stranger,
            _station: station,
        }
    }

    /// Sends one to everybody in the group.
    #[track_caller]
    pub fn send(&self, rogue: &Rogue) {
        let sent = self.stranger.send_to(&rogue.packet(), rogue.group_mac());
        assert!(sent, "{rogue:?}");
    }

    /// Sends one to one machine.
    #[track_caller]
    pub fn send_to(&self, rogue: &Rogue, mac: [u8; 6]) {
        assert!(self.stranger.send_to(&rogue.packet(), mac), "{rogue:?}");
    }

    /// A packet that was made before, to everybody in the group; false: there was no room for it.
    pub fn flood(&self, packet: &Packet, to: [u8; 6]) -> bool {
        self.stranger.send_to(packet, to)
    }
}
