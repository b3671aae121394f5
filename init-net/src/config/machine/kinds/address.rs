//! The addresses of a link.

use core::net::IpAddr;

use crate::config::machine::record::{Record, plain};
use crate::config::machine::source::Source;
use crate::config::{AddressConfig, LinkRef};
use crate::value::{Duration, Instant, Prefix};

keys! {
    /// One address of a link.
    pub struct AddressKeys("address") whole {
        /// The address with the prefix length of its network.
        required "address" address: Prefix,
        /// The metric of the route to its network.
        "routePriority" route_priority: u32,
        /// The address of the other end, on a link between two.
        "peer" peer: IpAddr,
        /// How long new connections come from it, from the start of the kernel on; 0s: none does.
        "preferredLifetime" preferred_lifetime: Duration,
        /// How long it is there, from the start of the kernel on.
        "validLifetime" valid_lifetime: Duration,
        /// Whether there is no route to its network.
        "noPrefixRoute" no_prefix_route: bool,
        /// Whether nobody is asked who else has it; IPv6.
        "noDAD" no_dad: bool,
    }
}

impl AddressKeys {
    /// The address on `link`, when its keys agree; reports what does not.
    pub fn address(self, link: &LinkRef, source: &Source<'_>) -> Option<AddressConfig> {
        if !self.is_right(source) {
            return None;
        }
        let origin = source.origin(self.address.mark);
        let until = |lifetime: Duration| Instant::BOOT + lifetime;
        Some(AddressConfig {
            priority: plain(self.route_priority),
            peer: plain(self.peer),
            preferred_until: plain(self.preferred_lifetime).map(until),
            valid_until: plain(self.valid_lifetime).map(until),
            no_prefix_route: plain(self.no_prefix_route),
            no_dad: plain(self.no_dad),
            ..AddressConfig::new(link.clone(), self.address.value, origin)
        })
    }

    fn is_right(&self, source: &Source<'_>) -> bool {
        let address = self.address.address();
        if address.is_unspecified() {
            let rule = "0.0.0.0 and :: are not addresses of a link";
            self.refuse(source, &self.address, rule, None);
            return false;
        }
        if address.is_multicast() {
            let rule = "the address of a group is not that of a link";
            self.refuse(source, &self.address, rule, None);
            return false;
        }
        let mut right = true;
        if self.peer.is_some_and(|peer| peer.is_unspecified()) {
            let rule = "a peer is not 0.0.0.0 or ::";
            self.refuse(source, &self.peer, rule, None);
            right = false;
        } else if self
            .peer
            .is_some_and(|peer| peer.is_ipv4() != address.is_ipv4())
        {
            let rule = "address and peer are of one family";
            self.refuse(source, &self.peer, rule, None);
            right = false;
        }
        let valid = plain(self.valid_lifetime);
        if valid == Some(Duration::ZERO) {
            let rule = "validLifetime is longer than 0s";
            let fix = "leave it out for an address that stays";
            self.refuse(source, &self.valid_lifetime, rule, Some(fix));
            right = false;
        } else if let (Some(preferred), Some(valid)) = (plain(self.preferred_lifetime), valid)
            && preferred > valid
        {
            let rule = "preferredLifetime is not longer than validLifetime";
            self.refuse(source, &self.preferred_lifetime, rule, None);
            right = false;
        }
        if self.no_dad.is_some() && address.is_ipv4() {
            let rule = "noDAD is for IPv6: nobody is asked about a static IPv4 address";
            self.refuse(source, &self.no_dad, rule, Some("leave it out"));
            right = false;
        }
        if plain(self.no_prefix_route) == Some(true) && self.route_priority.is_some() {
            let rule = "routePriority is that of the route which noPrefixRoute leaves out";
            self.refuse(source, &self.route_priority, rule, Some("keep one of them"));
            right = false;
        }
        right
    }
}
