//! In which order the addresses of a machine are told, and which of them are of a cluster.

use core::cmp::Ordering;

use super::Prefix;
use super::named::named;

named! {
    /// Which of two addresses stands first.
    pub enum NodeAddressSort: u8 {
        /// IPv4 before IPv6, by number, then the shorter prefix.
        V1 = 1 "v1",
        /// IPv4 before IPv6, what is inside another network before it, then by number.
        V2 = 2 "v2",
    }
}

impl NodeAddressSort {
    /// Adds `address` to `sorted`, unless it is there. [`Self::compare`] is not transitive for networks that hold each
    /// other's addresses in part, and the standard library's sort may panic on such an order: this cannot.
    pub fn insert(self, sorted: &mut Vec<Prefix>, address: Prefix) {
        let at = sorted.partition_point(|other| self.compare(other, &address).is_lt());
        if !sorted.contains(&address) {
            sorted.insert(at, address);
        }
    }

    /// The order of two addresses.
    pub fn compare(self, one: &Prefix, other: &Prefix) -> Ordering {
        let by_number = one.address().cmp(&other.address());
        match self {
            // IpAddr orders IPv4 before IPv6.
            Self::V1 => by_number.then(one.len().cmp(&other.len())),
            Self::V2 if one.is_ipv4() != other.is_ipv4() => by_number,
            Self::V2 if one.address() == other.address() => other.len().cmp(&one.len()),
            Self::V2 => {
                let inside = other.contains(one.address());
                match (inside, one.contains(other.address())) {
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    _ => by_number,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sort: NodeAddressSort, expect: &[&str]) {
        let all: Vec<Prefix> = expect.iter().map(|text| text.parse().unwrap()).collect();
        let mut sorted = Vec::new();
        // From both ends, each twice: the order they come in makes no difference.
        for address in all.iter().rev().chain(&all) {
            sort.insert(&mut sorted, *address);
        }
        let found: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn both_orders() {
        check(
            NodeAddressSort::V1,
            &[
                "10.0.0.1/8",
                "10.0.0.2/8",
                "10.3.4.1/24",
                "10.3.4.5/24",
                "10.3.4.5/32",
                "192.168.35.11/24",
                "fd01::1/64",
                "fd01:cafe::5054:ff:fe1f:c7bd/64",
            ],
        );
        check(
            NodeAddressSort::V2,
            &[
                "10.3.4.5/32",
                "10.3.4.1/24",
                "10.3.4.5/24",
                "10.0.0.1/8",
                "10.0.0.2/8",
                "192.168.35.11/24",
                "fd01:cafe::5054:ff:fe1f:c7bd/64",
                "fd01::1/16",
            ],
        );
    }

    #[test]
    fn an_order_that_goes_round_is_taken_as_it_comes() {
        let round = ["10.0.2.3/8", "10.0.2.5/24", "10.0.1.1/16"];
        let mut sorted = Vec::new();
        for text in round.iter().cycle().take(30) {
            NodeAddressSort::V2.insert(&mut sorted, text.parse().unwrap());
        }
        assert_eq!(sorted.len(), 3);
    }
}
