//! `KubeNetworkConfig`, and `cluster.network` of the older form.

use super::{Kind, Role};
use crate::config::machine::record::{At, Record, Silent};
use crate::config::machine::source::Source;
use crate::config::{Document, Said};
use crate::value::{Hostname, Prefix};

keys! {
    /// The networks of the cluster's pods and services.
    pub struct KubeNetworkKeys("KubeNetworkConfig") {
        /// The domain of the names in the cluster.
        later "dnsDomain": Silent<Hostname>,
        /// The networks of pods, at most one a family.
        "podSubnets" pod_subnets: Vec<At<Prefix>>,
        /// The networks of services, at most one a family.
        "serviceSubnets" service_subnets: Vec<At<Prefix>>,
        /// How much of the IPv4 network of pods a machine has; 24 unless said otherwise.
        "nodeCIDRMaskSizeIPv4" node_mask_v4: u8,
        /// How much of the IPv6 network of pods a machine has; 64 unless said otherwise.
        "nodeCIDRMaskSizeIPv6" node_mask_v6: u8,
    }
}

impl Kind for KubeNetworkKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let nodes = NodeMasks {
            v4: self.node_mask_v4,
            v6: self.node_mask_v6,
        };
        subnets(
            &self,
            [&self.pod_subnets, &self.service_subnets],
            nodes,
            source,
            out,
        );
    }
}

/// How long the prefix of one machine's pods is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeMasks {
    v4: Option<At<u8>>,
    v6: Option<At<u8>>,
}

/// The usual prefix lengths of one machine's pods, bits.
const NODE_V4: u8 = 24;
const NODE_V6: u8 = 64;

/// Most bits that tell machines from each other: the cluster keeps one bit of memory for each of them.
const MAX_NODE_BITS: u8 = 16;

/// Least bits that tell pods or services from each other.
const MIN_HOST_BITS: u8 = 4;

/// A list of networks of a record.
type List<'k> = &'k Option<At<Vec<At<Prefix>>>>;

/// Takes the networks of pods and services, which stand in `record`; reports the rules that they break.
pub fn subnets(
    record: &impl Record,
    [pods, services]: [List<'_>; 2],
    nodes: NodeMasks,
    source: &Source<'_>,
    out: &mut Document,
) {
    let found = [pods, services].map(|list| {
        list.as_ref()
            .and_then(|list| one_a_family(record, list, source))
    });
    let [pod_list, service_list] = &found;
    if let (Some(pod_list), Some(service_list)) = (pod_list, service_list)
        && pod_list.len() != service_list.len()
    {
        let rule = "pods and services have networks of the same families";
        record.refuse_value(source, services, rule, None);
    }
    if let Some(pod_list) = pod_list {
        check_nodes(record, pod_list, nodes, source);
    }
    let [pods, services] = found.map(|list| list.unwrap_or_default());
    out.cluster
        .pod_subnets
        .extend(pods.into_iter().map(|subnet| subnet.said(source)));
    let services: Vec<Said<Prefix>> = services
        .into_iter()
        .map(|subnet| subnet.said(source))
        .collect();
    out.cluster.service_subnets.extend(services);
}

/// The networks of one list; `None` when they break a rule.
fn one_a_family(
    record: &impl Record,
    list: &At<Vec<At<Prefix>>>,
    source: &Source<'_>,
) -> Option<Vec<At<Prefix>>> {
    let mut right = true;
    if list.is_empty() {
        let fix = "or leave the key out for the usual one";
        record.refuse_value(
            source,
            list,
            "at least one network must be given",
            Some(fix),
        );
        right = false;
    }
    for (at, subnet) in list.iter().enumerate() {
        let network = subnet.network();
        if network != subnet.value {
            let rule = "a network has no bits behind its prefix length";
            record.refuse_value(source, subnet, rule, Some(&format!("write {network}")));
            right = false;
        }
        let bits = if subnet.is_ipv4() { 32 } else { 128 };
        if bits - subnet.len() < MIN_HOST_BITS {
            let rule = "a network has at least 16 addresses";
            record.refuse_value(source, subnet, rule, None);
            right = false;
        }
        let mut earlier = list.iter().take(at);
        if earlier.any(|earlier| earlier.is_ipv4() == subnet.is_ipv4()) {
            record.refuse_value(source, subnet, "one network a family, no more", None);
            right = false;
        }
    }
    right.then(|| list.value.clone())
}

/// Whether the networks of pods can be divided among machines.
fn check_nodes(record: &impl Record, pods: &[At<Prefix>], nodes: NodeMasks, source: &Source<'_>) {
    for subnet in pods {
        let (said, usual) = match subnet.is_ipv4() {
            true => (nodes.v4, NODE_V4),
            false => (nodes.v6, NODE_V6),
        };
        let mask = said.map_or(usual, |said| said.value);
        let at = said.map_or(subnet.mark, |said| said.mark);
        if mask < subnet.len() {
            let rule = format!(
                "a machine's /{mask} does not fit into the pods' {}",
                subnet.value
            );
            record.refuse_value(source, &at, &rule, None);
        } else if mask - subnet.len() > MAX_NODE_BITS {
            let rule = format!(
                "between {} and a machine's /{mask} are more than 16 bits",
                subnet.value
            );
            record.refuse_value(source, &at, &rule, None);
        }
    }
}
