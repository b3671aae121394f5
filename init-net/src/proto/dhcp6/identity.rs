//! Who a client is to its servers: the DUID and the IAID, the same at every boot and on both sides of a hand-off.

use crate::value::{LinkName, Mac};

/// Longest DUID: two bytes of type and 128 more (RFC 8415 §11.1).
pub const MAX_DUID: usize = 130;

/// DUID-LL of RFC 8415 §11.4.
const TYPE_LINK_LAYER: u16 = 3;
/// DUID-UUID of RFC 6355 §4.
const TYPE_UUID: u16 = 4;
/// Hardware type of Ethernet (RFC 1700).
const ETHERNET: u16 = 1;
/// Hardware type of InfiniBand (RFC 4391).
const INFINIBAND: u16 = 32;
/// Bytes at the end of an IP over InfiniBand address that name the port; those before them change with every load of
/// the driver (RFC 4391 §9.1.1).
const PORT_GUID: usize = 8;
/// Of FNV-1a with 32 bits.
const FNV_PRIME: u32 = 0x0100_0193;

/// DUID-LL: made from the hardware address alone, so it needs no storage and no clock.
pub fn duid_ll(mac: Mac) -> Vec<u8> {
    let bytes = mac.as_bytes();
    let (hardware, bytes) = match bytes.len().checked_sub(PORT_GUID) {
        Some(start) if start > 0 => (INFINIBAND, bytes.get(start..).unwrap_or(bytes)),
        Some(_) | None => (ETHERNET, bytes),
    };
    let mut duid = TYPE_LINK_LAYER.to_be_bytes().to_vec();
    duid.extend(hardware.to_be_bytes());
    duid.extend_from_slice(bytes);
    duid
}

/// DUID-UUID: from the machine's UUID (SMBIOS), for machines whose network cards change.
pub fn duid_uuid(uuid: [u8; 16]) -> Vec<u8> {
    let mut duid = TYPE_UUID.to_be_bytes().to_vec();
    duid.extend(uuid);
    duid
}

/// The IAID of a link: the last four bytes of its hardware address.
pub fn iaid(mac: Mac) -> u32 {
    let last = mac.as_bytes().iter().rev().take(4).rev();
    last.fold(0, |iaid, byte| iaid << 8 | u32::from(*byte))
}

/// The IAID of a link that has the hardware address of the one below, as a VLAN has: its name tells them apart (FNV-1a,
/// begun with the IAID of the address).
pub fn iaid_above(mac: Mac, name: &LinkName) -> u32 {
    let mix = |iaid: u32, byte: &u8| (iaid ^ u32::from(*byte)).wrapping_mul(FNV_PRIME);
    name.as_str().as_bytes().iter().fold(iaid(mac), mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(bytes: &[u8]) -> Mac {
        Mac::from_bytes(bytes).unwrap()
    }

    #[test]
    fn an_ethernet_card() {
        let mac = mac(&[0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
        assert_eq!(duid_ll(mac), [0, 3, 0, 1, 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
        assert_eq!(iaid(mac), 0x00aa_bbcc);
    }

    #[test]
    fn links_of_one_address_differ() {
        let mac = mac(&[0x52, 0x54, 0, 0xaa, 0xbb, 0xcc]);
        let names = ["eth0.1", "eth0.2", "eth0.10"];
        let all = names.map(|name| iaid_above(mac, &name.parse().unwrap()));
        let all = std::collections::BTreeSet::from_iter(all.into_iter().chain([iaid(mac)]));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn an_infiniband_port_is_known_by_its_guid() {
        let bytes: Vec<u8> = (1..=20).collect();
        let mac = mac(&bytes);
        assert_eq!(duid_ll(mac), [0, 3, 0, 32, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(iaid(mac), 0x1112_1314);
    }

    #[test]
    fn short_addresses_and_uuids() {
        assert_eq!(iaid(mac(&[7, 8])), 0x0708);
        let duid = duid_uuid(core::array::from_fn(|i| i as u8));
        assert_eq!(duid[..4], [0, 4, 0, 1]);
        assert_eq!(duid.len(), 18);
    }
}
