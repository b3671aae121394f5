//! Neighbours: RTM_GETNEIGH, and what answers it.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};

use super::attribute::{address_of, attributes};
use super::body::Body;
use super::message::{WireError, frame, kind};
use crate::state::{Family, NeighborState, NeighborStatus};
use crate::value::Mac;

/// NDA_*, include/uapi/linux/neighbour.h.
mod nda {
    pub const DST: u16 = 1;
    pub const LLADDR: u16 = 2;
}

/// NTF_*, same file.
const PROXY: u8 = 0x08;
const ROUTER: u8 = 0x80;

/// `struct ndmsg`, bytes.
const HEADER: usize = 12;

/// All neighbours of both families. Entries that answer for others (NTF_PROXY) are a dump of their own.
pub fn dump(proxies: bool, seq: u32) -> Result<Vec<u8>, WireError> {
    let mut header = [0; HEADER];
    header[FLAGS] = if proxies { PROXY } else { 0 };
    frame(
        kind::RTM_GETNEIGH,
        NLM_F_REQUEST | NLM_F_DUMP,
        seq,
        &Body::new(&header),
    )
}

/// Offset of ndm_flags.
const FLAGS: usize = 10;

/// `None` without an address: entries of a bridge's table are of AF_BRIDGE and have none.
pub(super) fn decode(body: &[u8]) -> Option<NeighborStatus> {
    let [_, _, _, _, i0, i1, i2, i3, s0, s1, flags, _] = *body.first_chunk::<HEADER>()?;
    let (mut address, mut hardware_addr) = (None, None);
    for (kind, value) in attributes(body.get(HEADER..)?) {
        match kind {
            nda::DST => address = address_of(value),
            nda::LLADDR => hardware_addr = Mac::from_bytes(value),
            _ => {}
        }
    }
    let address = address?;
    let link_index = u32::from_ne_bytes([i0, i1, i2, i3]);
    Some(NeighborStatus {
        address,
        family: Family::of(address),
        link_index,
        link_name: super::placeholder(link_index),
        hardware_addr,
        state: NeighborState::from_bits(u16::from_ne_bytes([s0, s1])),
        router: flags & ROUTER != 0,
        proxy: flags & PROXY != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct ndmsg` by hand: family, padding, index, state, flags, type.
    fn entry(family: u8, state: u16, flags: u8) -> Vec<u8> {
        let mut body = vec![family, 0, 0, 0];
        body.extend(3_u32.to_ne_bytes());
        body.extend(state.to_ne_bytes());
        body.extend([flags, 1]);
        body
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_entry_reads_as_ip_prints_it() {
        let mut body = entry(2, 0x02, 0);
        body.extend(attribute(1, &[192, 0, 2, 1]));
        body.extend(attribute(2, &[0x52, 0x54, 0, 0, 0, 1]));
        let found = decode(&body).unwrap();
        assert_eq!(found.address.to_string(), "192.0.2.1");
        assert_eq!(
            found.hardware_addr.unwrap().to_string(),
            "52:54:00:00:00:01"
        );
        assert_eq!(
            (found.link_index, found.state),
            (3, NeighborState::Reachable)
        );
        assert_eq!(found.link_name.as_str(), "if3");
        assert!(!found.router && !found.proxy);

        let mut body = entry(10, 0x20, 0x88);
        body.extend(attribute(1, &[0xfe; 16]));
        let found = decode(&body).unwrap();
        assert_eq!((found.hardware_addr, found.family), (None, Family::Inet6));
        assert_eq!(found.state, NeighborState::Failed);
        assert!(found.router && found.proxy);
    }

    #[test]
    fn what_is_no_neighbour_is_left_out() {
        assert_eq!(decode(&entry(7, 0x80, 0)), None, "no address");
        for cut in 0..HEADER {
            assert_eq!(decode(&vec![0; cut]), None, "{cut}");
        }
    }

    #[test]
    fn the_request_is_a_header_without_attributes() {
        let request = dump(true, 9).unwrap();
        assert_eq!(request.len(), 16 + HEADER);
        assert_eq!(request[4..6], 30_u16.to_ne_bytes());
        assert_eq!(request[16 + FLAGS], PROXY);
        assert_eq!(dump(false, 9).unwrap()[16 + FLAGS], 0);
    }
}
