//! The text of `/etc/hosts`.

use core::net::IpAddr;
use core::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::HostnameSpec;
use crate::value::{Layer, Origin};

/// One extra row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostSpec {
    /// The address.
    pub address: IpAddr,
    /// Its names.
    pub hostnames: Vec<String>,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
}

/// Aligned rows: localhost, the machine itself where both name and address are known, the IPv6 names, then the
/// extra rows by address (numerically), rows of one address joined.
pub fn render_hosts(
    hostname: Option<&HostnameSpec>,
    address: Option<IpAddr>,
    extra: &[HostSpec],
) -> String {
    let mut rows: Vec<(IpAddr, Vec<String>)> =
        vec![(Ipv4Addr::LOCALHOST.into(), vec!["localhost".into()])];
    if let (Some(hostname), Some(address)) = (hostname, address) {
        let mut names = vec![hostname.fqdn()];
        if names[0] != hostname.hostname {
            names.push(hostname.hostname.clone());
        }
        rows.push((address, names));
    }
    let v6 = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    rows.push((
        Ipv6Addr::LOCALHOST.into(),
        v6(&["localhost", "ip6-localhost", "ip6-loopback"]),
    ));
    rows.push((
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into(),
        v6(&["ip6-allnodes"]),
    ));
    rows.push((
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2).into(),
        v6(&["ip6-allrouters"]),
    ));
    let mut grouped: std::collections::BTreeMap<IpAddr, Vec<String>> =
        std::collections::BTreeMap::new();
    for host in extra {
        let names = grouped.entry(host.address).or_default();
        names.extend(
            host.hostnames
                .iter()
                .filter(|name| !names.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    rows.extend(grouped);
    let width = rows
        .iter()
        .map(|(address, _)| address.to_string().len())
        .max()
        .unwrap_or(0)
        + 1;
    rows.iter()
        .map(|(address, names)| format!("{:width$}{}\n", address.to_string(), names.join(" ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_extra_rows_sorted_by_number() {
        let name = HostnameSpec::new(
            &"node9.lab.example".parse().unwrap(),
            Layer::Cmdline,
            Origin::builtin(""),
        );
        let host = |address: &str, names: &[&str]| HostSpec {
            address: address.parse().unwrap(),
            hostnames: names.iter().map(|n| (*n).to_owned()).collect(),
            layer: Layer::Configuration,
            origin: Origin::builtin(""),
        };
        let extra = [
            host("10.0.0.10", &["b"]),
            host("10.0.0.2", &["a"]),
            host("10.0.0.10", &["c", "b"]),
        ];
        assert_eq!(
            render_hosts(Some(&name), Some("192.0.2.44".parse().unwrap()), &extra),
            "127.0.0.1  localhost\n\
             192.0.2.44 node9.lab.example node9\n\
             ::1        localhost ip6-localhost ip6-loopback\n\
             ff02::1    ip6-allnodes\n\
             ff02::2    ip6-allrouters\n\
             10.0.0.2   a\n\
             10.0.0.10  b c\n"
        );
    }
}
