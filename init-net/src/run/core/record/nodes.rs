//! The addresses of the machine as its cluster knows them.

use core::net::IpAddr;

use crate::state::{AddressStatus, Desired, LinkStatus, NodeAddressSpec, Observed, Scope};
use crate::value::{LinkName, NodeAddressSort, Prefix};

/// Addresses of one list; a machine with more of them is known by the first ones.
const MAX_ADDRESSES: usize = 1024;

/// The lists, and what they remember.
#[derive(Debug, Default)]
pub struct NodeAddresses {
    /// The first of all that are this machine's alone, which stays while it is there.
    default: Option<Prefix>,
    sort: Option<NodeAddressSort>,
    /// On links that work, shared ones that it has among them, and those under which the outside sees the machine.
    current: Vec<Prefix>,
    /// The same without the latter two: what names this machine and no other, so that a kubelet may take it for its node.
    routed: Vec<Prefix>,
    /// All that there ever were.
    accumulative: Vec<Prefix>,
}

impl NodeAddresses {
    /// Takes a look at the machine.
    pub fn follow(&mut self, desired: &Desired, observed: &Observed) {
        let sort = desired.node_addresses.sort_algorithm;
        let is_shared = |address: &Prefix| {
            let mut vips = desired.vips.values();
            vips.any(|vip| vip.ip == address.address())
        };
        let mut shared: Vec<Prefix> = Vec::new();
        let is_first = |candidate: &(&LinkName, Prefix), best: &(&LinkName, Prefix)| {
            candidate
                .0
                .cmp(best.0)
                .then(sort.compare(&candidate.1, &best.1))
                .is_lt()
        };
        let mut first: Option<(&LinkName, Prefix)> = None;
        self.routed.clear();
        let told = observed.addresses.iter().filter(|address| is_told(address));
        for address in told {
            let candidate = (&address.link_name, address.address);
            let link = observed.links.get(&address.link_index);
            let there = link.is_some_and(works);
            if is_shared(&address.address) {
                if there && shared.len() < MAX_ADDRESSES {
                    shared.push(address.address);
                }
                continue;
            }
            if first.is_none_or(|best| is_first(&candidate, &best)) {
                first = Some(candidate);
            }
            if there && self.routed.len() < MAX_ADDRESSES {
                sort.insert(&mut self.routed, address.address);
            }
        }
        let before = core::mem::replace(&mut self.current, self.routed.clone());
        let external = desired.external_ips.iter().take(MAX_ADDRESSES);
        let external = external.map(|address| Prefix::host(*address));
        for address in external.chain(shared) {
            sort.insert(&mut self.current, address);
        }
        if self.sort != Some(sort) {
            let old = core::mem::take(&mut self.accumulative);
            old.into_iter()
                .for_each(|address| sort.insert(&mut self.accumulative, address));
        }
        if self.current != before {
            for address in &self.current {
                if self.accumulative.len() < MAX_ADDRESSES {
                    sort.insert(&mut self.accumulative, *address);
                }
            }
        }
        let stays = self.sort == Some(sort)
            && self
                .default
                .is_some_and(|default| self.current.contains(&default) && !is_shared(&default));
        if !stays {
            self.default = first.map(|(_, address)| address);
        }
        self.sort = Some(sort);
    }

    /// Each list by its id. The filters of a cluster leave its own networks out, or everything else.
    pub fn lists(&self, spec: &NodeAddressSpec) -> Vec<(String, Vec<Prefix>)> {
        let in_cluster = |address: &Prefix| {
            let mut subnets = spec.cluster_subnets.iter();
            subnets.any(|subnet| subnet.contains(address.address()))
        };
        let mut lists = vec![("default".to_owned(), self.default.into_iter().collect())];
        for (id, all) in [
            ("current", &self.current),
            ("routed", &self.routed),
            ("accumulative", &self.accumulative),
        ] {
            let (only, no): (Vec<Prefix>, Vec<Prefix>) =
                all.iter().partition(|address| in_cluster(address));
            lists.push((id.to_owned(), all.clone()));
            lists.push((format!("{id}-no-k8s"), no));
            lists.push((format!("{id}-only-k8s"), only));
        }
        lists
    }

    /// Whether any address is there on a link that works.
    pub fn has_current(&self) -> bool {
        !self.current.is_empty()
    }
}

/// Whether others may come to it by this address.
fn is_told(address: &AddressStatus) -> bool {
    let ip = address.address.address();
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    matches!(address.scope, Scope::Global | Scope::Site)
        && !link_local
        && !ip.is_loopback()
        && !ip.is_multicast()
}

/// Up as far as the kernel knows; a card is not without a carrier.
fn works(link: &LinkStatus) -> bool {
    matches!(link.operational_state.as_str(), "up" | "unknown")
        && (!link.is_physical() || link.has_carrier())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Family, iff};

    /// Links by name with whether they work, and their addresses.
    fn machine(links: &[(&str, bool, &[&str])]) -> Observed {
        let mut observed = Observed::default();
        for (index, (name, up, addresses)) in (1..).zip(links) {
            let mut link = LinkStatus::new(index, name.parse().unwrap());
            if *up {
                link.operational_state = "up".into();
                link.flags = iff::UP | iff::LOWER_UP;
            }
            observed.links.insert(index, link);
            for text in *addresses {
                let address: Prefix = text.parse().unwrap();
                let ip = address.address();
                observed.addresses.push(AddressStatus {
                    address,
                    peer: None,
                    broadcast: None,
                    link_index: index,
                    link_name: name.parse().unwrap(),
                    family: Family::of(ip),
                    scope: if ip.is_loopback() {
                        Scope::Host
                    } else {
                        Scope::Global
                    },
                    flags: 0,
                    priority: 0,
                    protocol: 0,
                    valid_until: None,
                    preferred_until: None,
                });
            }
        }
        observed
    }

    fn spec(sort: NodeAddressSort, subnets: &[&str]) -> NodeAddressSpec {
        NodeAddressSpec {
            sort_algorithm: sort,
            cluster_subnets: subnets.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn wants(spec: &NodeAddressSpec) -> Desired {
        Desired {
            node_addresses: spec.clone(),
            ..Desired::default()
        }
    }

    #[track_caller]
    fn check(nodes: &NodeAddresses, spec: &NodeAddressSpec, expect: &[(&str, &str)]) {
        let lists: Vec<(String, String)> = nodes
            .lists(spec)
            .into_iter()
            .map(|(id, all)| {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                (id, all.join(" "))
            })
            .collect();
        for (id, text) in expect {
            let found = lists.iter().find(|(known, _)| known == id).unwrap();
            assert_eq!(&found.1, text, "{id}");
        }
    }

    #[test]
    fn lists_and_filters() {
        let spec = spec(NodeAddressSort::V1, &["10.244.0.0/16", "10.96.0.0/12"]);
        let observed = machine(&[
            ("lo", true, &["127.0.0.1/8", "::1/128"]),
            (
                "eth1",
                true,
                &["10.0.0.9/24", "fe80::1/64", "2001:db8::1/64"],
            ),
            ("eth0", false, &["192.0.2.1/24"]),
            (
                "cni0",
                true,
                &["10.244.3.1/24", "169.254.7.7/16", "224.0.0.9/32"],
            ),
        ]);
        let mut nodes = NodeAddresses::default();
        assert!(!nodes.has_current());
        let mut desired = wants(&spec);
        desired.external_ips = vec!["198.51.100.7".parse().unwrap()];
        nodes.follow(&desired, &observed);
        assert!(nodes.has_current());
        check(
            &nodes,
            &spec,
            &[
                ("default", "10.244.3.1/24"),
                ("routed", "10.0.0.9/24 10.244.3.1/24 2001:db8::1/64"),
                ("routed-no-k8s", "10.0.0.9/24 2001:db8::1/64"),
                ("routed-only-k8s", "10.244.3.1/24"),
                (
                    "current",
                    "10.0.0.9/24 10.244.3.1/24 198.51.100.7/32 2001:db8::1/64",
                ),
                ("accumulative-only-k8s", "10.244.3.1/24"),
            ],
        );
    }

    #[test]
    fn the_default_stays_while_it_is_there_and_nothing_is_forgotten() {
        let v1 = spec(NodeAddressSort::V1, &[]);
        let mut nodes = NodeAddresses::default();
        nodes.follow(&wants(&v1), &machine(&[("eth0", true, &["10.0.0.5/24"])]));
        let two = machine(&[("eth0", true, &["10.0.0.2/32", "10.0.0.5/24"])]);
        nodes.follow(&wants(&v1), &two);
        check(&nodes, &v1, &[("default", "10.0.0.5/24")]);
        // Another order: chosen again. The more exact network stands first.
        let v2 = spec(NodeAddressSort::V2, &[]);
        nodes.follow(&wants(&v2), &two);
        check(&nodes, &v2, &[("default", "10.0.0.2/32")]);
        nodes.follow(&wants(&v2), &machine(&[("eth0", true, &["10.0.0.7/24"])]));
        check(
            &nodes,
            &v2,
            &[
                ("default", "10.0.0.7/24"),
                ("current", "10.0.0.7/24"),
                ("accumulative", "10.0.0.2/32 10.0.0.5/24 10.0.0.7/24"),
            ],
        );
        // A default on a link that is down: chosen where nothing works, and not kept for it.
        nodes.follow(&wants(&v2), &machine(&[("eth0", false, &["10.0.0.9/24"])]));
        check(&nodes, &v2, &[("default", "10.0.0.9/24"), ("current", "")]);
    }

    #[test]
    fn a_machine_with_more_addresses_than_a_list_takes() {
        let mut observed = machine(&[("eth0", true, &["10.0.0.1/8"])]);
        let one = observed.addresses[0].clone();
        for number in 0..2 * MAX_ADDRESSES as u32 {
            let ip = IpAddr::from((0x0a01_0000 + number).to_be_bytes());
            let address = Prefix::host(ip);
            observed.addresses.push(AddressStatus {
                address,
                ..one.clone()
            });
        }
        let mut nodes = NodeAddresses::default();
        nodes.follow(&Desired::default(), &observed);
        assert!(
            nodes
                .lists(&NodeAddressSpec::default())
                .iter()
                .all(|(_, all)| all.len() <= MAX_ADDRESSES)
        );
    }

    /// A kubelet that took a shared address for its node would lose its node to the next owner.
    #[test]
    fn a_shared_address_is_of_the_machine_and_names_it_not() {
        let config = "apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: 10.0.0.1\nlink: eth0\n";
        let (document, _) = crate::config::machine::parse(config, "vip.yaml");
        let mut observed = machine(&[("eth0", true, &["10.0.0.1/32", "10.0.0.5/24"])]);
        let (mut desired, _) = crate::compile::compile(&[document], &observed.links);
        let spec = spec(NodeAddressSort::V2, &[]);
        desired.node_addresses = spec.clone();
        let mut nodes = NodeAddresses::default();
        nodes.follow(&desired, &observed);
        check(
            &nodes,
            &spec,
            &[
                ("default", "10.0.0.5/24"),
                ("routed", "10.0.0.5/24"),
                ("current", "10.0.0.1/32 10.0.0.5/24"),
                ("accumulative", "10.0.0.1/32 10.0.0.5/24"),
            ],
        );
        observed.addresses.remove(0);
        nodes.follow(&desired, &observed);
        check(
            &nodes,
            &spec,
            &[
                ("current", "10.0.0.5/24"),
                ("accumulative", "10.0.0.1/32 10.0.0.5/24"),
            ],
        );
        // What becomes shared names the machine no more, though it did.
        let mut nodes = NodeAddresses::default();
        let before = machine(&[("eth0", true, &["10.0.0.1/32", "10.0.0.5/24"])]);
        nodes.follow(&wants(&spec), &before);
        check(&nodes, &spec, &[("default", "10.0.0.1/32")]);
        nodes.follow(&desired, &before);
        check(&nodes, &spec, &[("default", "10.0.0.5/24")]);
    }
}
