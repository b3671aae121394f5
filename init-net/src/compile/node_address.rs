//! By what the addresses of the machine are told: the highest layer that says an order, the networks of all.

use crate::config::Document;
use crate::state::NodeAddressSpec;
use crate::value::Prefix;

/// From documents sorted by layer.
pub(super) fn merge(documents: &[&Document]) -> NodeAddressSpec {
    let said = documents
        .iter()
        .rev()
        .find_map(|document| document.node_address_sort.as_ref());
    let mut spec = NodeAddressSpec {
        cluster_subnets: cluster_subnets(documents),
        ..NodeAddressSpec::default()
    };
    if let Some(said) = said {
        spec.sort_algorithm = said.value;
    }
    spec
}

/// Networks of pods and services, sorted, each once.
pub(super) fn cluster_subnets(documents: &[&Document]) -> Vec<Prefix> {
    let subnets = |document: &&Document| {
        let cluster = &document.cluster;
        let all = cluster.pod_subnets.iter().chain(&cluster.service_subnets);
        all.map(|said| said.value).collect::<Vec<Prefix>>()
    };
    let mut all: Vec<Prefix> = documents.iter().flat_map(subnets).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Said;
    use crate::value::{Layer, NodeAddressSort, Origin};

    #[test]
    fn the_highest_layer_says_the_order_and_all_say_networks() {
        let said = |sort| Some(Said::new(sort, Origin::builtin("")));
        let mut low = Document::empty(Layer::Cmdline, "a");
        low.node_address_sort = said(NodeAddressSort::V2);
        let mut high = Document::empty(Layer::Configuration, "b");
        let subnet = |text: &str| Said::new(text.parse().unwrap(), Origin::builtin(""));
        low.cluster.pod_subnets = vec![subnet("10.244.0.0/16")];
        high.cluster.service_subnets = vec![subnet("10.96.0.0/12"), subnet("10.244.0.0/16")];
        let spec = merge(&[&low, &high]);
        assert_eq!(spec.sort_algorithm, NodeAddressSort::V2);
        let subnets: Vec<String> = spec
            .cluster_subnets
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(subnets, ["10.96.0.0/12", "10.244.0.0/16"]);
        high.node_address_sort = said(NodeAddressSort::V1);
        assert_eq!(merge(&[&low, &high]).sort_algorithm, NodeAddressSort::V1);
        assert_eq!(merge(&[]), NodeAddressSpec::default());
    }
}
