//! The files that say to other programs what was configured.

use core::fmt::Write as _;
use core::net::IpAddr;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::state::{AddressSpec, Desired, Family, FileSpec, render_hosts, render_resolv_conf};
use crate::value::{Layer, LinkName};

/// World-readable, as libc's callers expect.
const MODE: u32 = 0o644;

/// Fills in [`Desired::files`]. A file appears only when there is something to say: an existing `resolv.conf` is never
/// emptied because no source named a server.
pub(super) fn render(desired: &mut Desired) {
    let address = default_address(desired).map(|spec| spec.address.address());
    let mut files: Vec<(String, String)> = Vec::new();
    if let Some(resolver) = &desired.resolver {
        let text = render_resolv_conf(resolver);
        files.push(("/run/init-net/resolv.conf".into(), text.clone()));
        files.push(("/etc/resolv.conf".into(), text));
    }
    if desired.hostname.is_some() || address.is_some() || !desired.hosts.is_empty() {
        let text = render_hosts(desired.hostname.as_ref(), address, &desired.hosts);
        files.push(("/run/init-net/hosts".into(), text.clone()));
        files.push(("/etc/hosts".into(), text));
    }
    if let Some(hostname) = &desired.hostname {
        files.push(("/etc/hostname".into(), format!("{}\n", hostname.hostname)));
    }
    files.extend(
        leases(desired)
            .into_iter()
            .filter(|(link, _)| link.as_str() != "lo" && desired.links.contains_key(*link))
            .map(|(link, found)| {
                (
                    format!("/run/net-{link}.conf"),
                    klibc(desired, link, &found),
                )
            }),
    );
    desired.files = files
        .into_iter()
        .map(|(path, text)| {
            (
                PathBuf::from(path),
                FileSpec {
                    mode: MODE,
                    content: text.into_bytes(),
                },
            )
        })
        .collect();
}

/// What the machine calls its own address: IPv4 first, links by name, static before leased.
fn default_address(desired: &Desired) -> Option<&AddressSpec> {
    let usable = |spec: &&AddressSpec| !spec.address.address().is_loopback();
    desired
        .addresses
        .values()
        .filter(usable)
        .min_by_key(|spec| spec.family)
}

/// What klibc's ipconfig knows of a link.
struct Leased<'a> {
    address: &'a AddressSpec,
    gateway: Option<IpAddr>,
}

/// The first IPv4 address and the gateway of each link.
fn leases(desired: &Desired) -> BTreeMap<&LinkName, Leased<'_>> {
    let mut found: BTreeMap<&LinkName, Leased<'_>> = BTreeMap::new();
    let of_v4 = |spec: &&AddressSpec| spec.family == Family::Inet4;
    for address in desired.addresses.values().filter(of_v4) {
        found.entry(&address.link_name).or_insert(Leased {
            address,
            gateway: None,
        });
    }
    for route in desired.routes.values() {
        if route.dst.is_none()
            && route.family == Family::Inet4
            && let Some(leased) = route
                .out_link_name
                .as_ref()
                .and_then(|link| found.get_mut(link))
        {
            leased.gateway = leased.gateway.or(route.gateway);
        }
    }
    found
}

/// `/run/net-<if>.conf` as klibc's ipconfig leaves it: shell assignments, read by initramfs-tools hooks and cloud-init.
///
/// Some of its readers are shells, so no byte from outside may reach it unchecked: every value here is an address, a
/// [`LinkName`] or a host name, whose types admit neither quotes nor `$`; link names, which may hold more, are quoted.
fn klibc(desired: &Desired, link: &LinkName, Leased { address, gateway }: &Leased<'_>) -> String {
    let proto = if address.layer == Layer::Operator {
        "dhcp"
    } else {
        "none"
    };
    let servers = desired
        .resolver
        .iter()
        .flat_map(|resolver| &resolver.name_servers);
    let servers: Vec<IpAddr> = servers
        .map(|server| server.address)
        .filter(IpAddr::is_ipv4)
        .take(2)
        .collect();
    let netmask = core::net::Ipv4Addr::from_bits(
        u32::MAX
            .checked_shl(32 - u32::from(address.address.len()))
            .unwrap_or(0),
    );
    let hostname = desired.hostname.as_ref();
    let search = desired
        .resolver
        .as_ref()
        .map(|resolver| resolver.search_domains.join(" "))
        .unwrap_or_default();
    let mut text = String::new();
    let mut row = |key: &str, value: String| {
        writeln!(text, "{key}={}", quoted(&value)).expect("writing to a String cannot fail");
    };
    let show = |value: Option<String>| value.unwrap_or_default();
    row("DEVICE", link.to_string());
    row("PROTO", proto.into());
    row("IPV4ADDR", address.address.address().to_string());
    row(
        "IPV4BROADCAST",
        show(address.broadcast.map(|b| b.to_string())),
    );
    row("IPV4NETMASK", netmask.to_string());
    row("IPV4GATEWAY", show(gateway.map(|g| g.to_string())));
    row("IPV4DNS0", show(servers.first().map(ToString::to_string)));
    row("IPV4DNS1", show(servers.get(1).map(ToString::to_string)));
    row("HOSTNAME", show(hostname.map(|h| h.hostname.clone())));
    row("DNSDOMAIN", show(hostname.map(|h| h.domainname.clone())));
    row("DOMAINSEARCH", search);
    text
}

/// A POSIX shell word that stands for exactly `value`.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for hostile in [
            "plain",
            "it's",
            "$(reboot)",
            "a;b",
            "`id`",
            "a\"b",
            "' ; reboot '",
        ] {
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quoted(hostile)))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), hostile);
        }
    }
}
