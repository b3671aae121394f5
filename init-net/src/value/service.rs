//! [`Service`]: ports by the names of what listens there.

use core::fmt;

use serde::{Serialize, Serializer};

use super::{PortRange, Protocol};

/// Something that machines of a cluster listen for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    name: &'static str,
    ports: &'static [(Protocol, PortRange)],
}

impl Service {
    /// As in a configuration.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub const fn ports(self) -> &'static [(Protocol, PortRange)] {
        self.ports
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

const fn tcp(port: u16) -> (Protocol, PortRange) {
    (Protocol::Tcp, PortRange::one(port))
}

const fn udp(port: u16) -> (Protocol, PortRange) {
    (Protocol::Udp, PortRange::one(port))
}

const fn range(protocol: Protocol, first: u16, last: u16) -> (Protocol, PortRange) {
    match PortRange::new(first, last) {
        Some(range) => (protocol, range),
        None => panic!("the lower port stands first"),
    }
}

const fn row(
    name: &'static str,
    ports: &'static [(Protocol, PortRange)],
) -> (&'static str, Service) {
    (name, Service { name, ports })
}

impl Service {
    /// All of them. Ports are those of the IANA registry or, for what is not in it, of the project's documentation.
    pub const NAMED: &'static [(&'static str, Self)] = &[
        row("ssh", &[tcp(22)]),
        row("dns", &[tcp(53), udp(53)]),
        row("http", &[tcp(80)]),
        row("https", &[tcp(443)]),
        row("ntp", &[udp(123)]),
        row("bgp", &[tcp(179)]),
        // RFC 5881 §4, RFC 5883 §5.
        row("bfd", &[range(Protocol::Udp, 3784, 3785), udp(4784)]),
        // The field's machine API and its trust daemon.
        row("apid", &[tcp(50_000)]),
        row("trustd", &[tcp(50_001)]),
        // kubernetes.io, "Ports and Protocols"; of schedulers and controllers the port without TLS that older releases had, too.
        row("kubernetes-api", &[tcp(6443)]),
        row("etcd", &[range(Protocol::Tcp, 2379, 2380)]),
        row("kubelet", &[tcp(10_250)]),
        row("kube-scheduler", &[tcp(10_251), tcp(10_259)]),
        row("kube-controller", &[tcp(10_252), tcp(10_257)]),
        row("kube-proxy", &[tcp(10_256)]),
        row(
            "node-ports",
            &[
                range(Protocol::Tcp, 30_000, 32_767),
                range(Protocol::Udp, 30_000, 32_767),
            ],
        ),
        // RFC 7348 §5, and the port that Linux had before it, which Flannel and Cilium still use.
        row("vxlan", &[udp(4789), udp(8472)]),
        // RFC 8926 §3.3.
        row("geneve", &[udp(6081)]),
        // 51821: IPv6 of Calico and Flannel; 51871: Cilium.
        row(
            "wireguard",
            &[range(Protocol::Udp, 51_820, 51_821), udp(51_871)],
        ),
        // docs.cilium.io, "System Requirements".
        row("cilium-health", &[tcp(4240)]),
        row("hubble", &[tcp(4244)]),
        // docs.tigera.io, "System requirements".
        row("typha", &[tcp(5473)]),
        // metallb.io, "Requirements": memberlist.
        row("metallb", &[tcp(7946), udp(7946)]),
        row("node-exporter", &[tcp(9100)]),
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_stands_once_for_some_ports() {
        let names: BTreeSet<&str> = Service::NAMED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), Service::NAMED.len());
        for (name, service) in Service::NAMED {
            assert_eq!(*name, service.name());
            assert!(!service.ports().is_empty(), "{name}");
        }
    }

    #[test]
    fn a_service_may_have_several_ports_and_protocols() {
        let shown = |name: &str| {
            let (_, service) = Service::NAMED.iter().find(|(n, _)| *n == name).unwrap();
            let ports = service.ports().iter();
            let ports: Vec<String> = ports.map(|(p, r)| format!("{p}/{r}")).collect();
            ports.join(" ")
        };
        assert_eq!(shown("etcd"), "tcp/2379-2380");
        assert_eq!(shown("metallb"), "tcp/7946 udp/7946");
        assert_eq!(shown("vxlan"), "udp/4789 udp/8472");
    }
}
