//! The older form: one document with `machine` and `cluster`. What of it is about the network is read, the rest is
//! left alone. One file a topic.
//!
//! It stands beside documents with a kind: both refine each other, but for host name, name servers, time, mesh and
//! networks of the cluster, where a document replaces what stands here ([`Stream::replaces`]).

mod addressing;
mod bond;
mod bridge;
mod interface;
mod network;
mod ports;
mod selector;
mod vip;
mod vlan;
mod wireguard;

use super::kinds::kube_network::NodeMasks;
use super::kinds::resolver::HostDnsKeys;
use super::kinds::time_sync::{self, TimeServer};
use super::kinds::{kube_network, sysctl};
use super::record::{At, Placed as _, Quiet, Record as _, Table, read_top};
use super::source::Source;
use super::stream::Stream;
use super::tree::Node;
use crate::config::{AutoHostname, Document, Said};
use crate::value::{Duration, NodeAddressSort, Prefix};

use self::network::NetworkKeys;

keys! {
    /// The older form: the whole of a machine in one document.
    pub struct LegacyKeys("document") open {
        /// The machine.
        "machine" machine: MachineKeys,
        /// The cluster.
        "cluster" cluster: ClusterKeys,
    }
}

keys! {
    /// The machine: what is not about its network is accepted and left alone.
    pub struct MachineKeys("machine") open {
        /// What the machine is to the cluster: controlplane, worker.
        "type" role: String,
        /// The network.
        "network" network: NetworkKeys,
        /// Where the time comes from.
        "time" time: TimeKeys,
        /// Kernel parameters: those below `net` are ours.
        "sysctls" sysctls: Table<String>,
        /// Switches.
        "features" features: FeatureKeys,
    }
}

keys! {
    /// Where the time comes from.
    pub struct TimeKeys("machine.time") {
        /// The servers: addresses or names.
        "servers" servers: Vec<At<TimeServer>>,
        /// Whether the clock is left alone.
        "disabled" disabled: bool,
        /// How long the boot waits for the time; 0 waits for ever.
        "bootTimeout" boot_timeout: Duration,
    }
}

keys! {
    /// Switches: those that are not about the network are left alone.
    pub struct FeatureKeys("machine.features") open {
        /// A name server on the machine itself.
        "hostDNS" host_dns: Quiet<HostDnsKeys>,
        /// Whether a name is made up where no source gives one.
        "stableHostname" stable_hostname: bool,
        /// In which order the addresses of the machine are told.
        "nodeAddressSortAlgorithm" node_address_sort: NodeAddressSort,
    }
}

keys! {
    /// The cluster: what is not about its networks is left alone.
    pub struct ClusterKeys("cluster") open {
        /// Its networks.
        "network" network: ClusterNetworkKeys,
    }
}

keys! {
    /// The networks of the cluster's pods and services.
    pub struct ClusterNetworkKeys("cluster.network") open {
        /// The networks of pods, at most one a family.
        "podSubnets" pod_subnets: Vec<At<Prefix>>,
        /// The networks of services, at most one a family.
        "serviceSubnets" service_subnets: Vec<At<Prefix>>,
    }
}

/// Reads the document `node` of `stream`; everything that is not about the network is left alone.
pub fn read(source: &Source<'_>, node: &Node, stream: &Stream<'_>, out: &mut Document) {
    let Some(keys) = read_top::<LegacyKeys>(source, node) else {
        return;
    };
    if let Some(machine) = keys.machine {
        machine.value.apply(source, stream, out);
    }
    if let Some(network) = keys.cluster.and_then(|cluster| cluster.value.network) {
        network.value.apply(source, stream, out);
    }
}

impl MachineKeys {
    fn apply(self, source: &Source<'_>, stream: &Stream<'_>, out: &mut Document) {
        sysctl::older(&self, &self.sysctls, source, out);
        if let Some(features) = self.features {
            features.value.apply(source, stream, out);
        }
        if let Some(time) = self.time {
            time.value.apply(source, stream, out);
        }
        let worker = self.role.is_some_and(|role| role.value == "worker");
        out.worker = worker;
        if let Some(network) = self.network {
            network.value.apply(worker, source, stream, out);
        }
    }
}

impl TimeKeys {
    fn apply(self, source: &Source<'_>, stream: &Stream<'_>, out: &mut Document) {
        let places = [
            ("machine.time.servers", self.servers.place()),
            ("machine.time.disabled", self.disabled.place()),
            ("machine.time.bootTimeout", self.boot_timeout.place()),
        ];
        if stream.replaces(source, "TimeSyncConfig", &places) {
            return;
        }
        if self.boot_timeout.is_some() {
            self.later(source, &self.boot_timeout, "bootTimeout");
        }
        if !self.disabled.is_some_and(|disabled| disabled.value) {
            time_sync::servers(self.servers, source, out);
        }
    }
}

impl FeatureKeys {
    fn apply(self, source: &Source<'_>, stream: &Stream<'_>, out: &mut Document) {
        let stable = self.stable_hostname.filter(|stable| stable.value);
        let places = [("machine.features.stableHostname", stable.place())];
        if let Some(stable) = stable
            && !stream.replaces(source, "HostnameConfig", &places)
        {
            let origin = source.origin(stable.mark);
            out.auto_hostname = Some(Said::new(AutoHostname::Stable, origin));
        }
        if let Some(sort) = self.node_address_sort {
            out.node_address_sort = Some(sort.said(source));
        }
        let Some(host_dns) = self.host_dns else {
            return;
        };
        let mut resolvers = stream.of_kind("ResolverConfig");
        let beside = resolvers.any(|document| document.at("hostDNS").is_some());
        let places = [("machine.features.hostDNS", host_dns.place())];
        if !beside || !stream.replaces(source, "ResolverConfig", &places) {
            host_dns.value.0.check(source);
        }
    }
}

impl ClusterNetworkKeys {
    fn apply(self, source: &Source<'_>, stream: &Stream<'_>, out: &mut Document) {
        let places = [
            ("cluster.network.podSubnets", self.pod_subnets.place()),
            (
                "cluster.network.serviceSubnets",
                self.service_subnets.place(),
            ),
        ];
        if !stream.replaces(source, "KubeNetworkConfig", &places) {
            let lists = [&self.pod_subnets, &self.service_subnets];
            kube_network::subnets(&self, lists, NodeMasks::default(), source, out);
        }
    }
}
