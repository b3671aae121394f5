//! OpenNebula: a CD labelled CONTEXT with `context.sh`, variables as a shell would set them. It is read as text; nothing of
//! it ever runs.
//!
//! docs.opennebula.io, "Contextualization". NICs are matched by their hardware address.

mod context;
mod nic;

use core::net::{IpAddr, Ipv4Addr};

use super::facts::Facts;
use super::network::prefix;
use super::{Bodies, FileSystem, Medium, Parsed, Provider, Volume};
use crate::config::userdata::Base64;
use crate::value::{Hostname, Prefix};
use context::Context;

/// The provider.
pub struct OpenNebula;

/// The file.
const FILE: &str = "context.sh";

const MEDIA: [Medium; 1] = [Medium::Volume(Volume {
    labels: &["CONTEXT", "CDROM"],
    file_systems: &[FileSystem::Iso9660],
    files: &[FILE],
})];

impl Provider for OpenNebula {
    fn name(&self) -> &'static str {
        "opennebula"
    }

    fn media(&self) -> &'static [Medium] {
        &MEDIA
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let context = facts.text(FILE).map(Context::parse).unwrap_or_default();
        if context.is_damaged {
            facts.warn(FILE, "has lines that are no variables");
        }
        if let Some(name) = context.get("SET_HOSTNAME") {
            match sanitised(name) {
                Some(hostname) => facts.set_hostname(hostname, FILE),
                None => facts.warn(FILE, "has a SET_HOSTNAME that is no host name"),
            }
        }
        facts.identity(context.get("VMID").map(str::to_owned), "opennebula");
        servers(&context, "DNS", "SEARCH_DOMAIN", &mut facts);
        let first_static = nic::all(&context, &mut facts);
        let endpoint = context.get("ONEGATE_ENDPOINT").and_then(link_local);
        if let (Some(link), Some(address)) = (first_static, endpoint) {
            let host = Some(Prefix::host(IpAddr::V4(address)));
            facts.route(&link, host, None, None, FILE);
        }
        let user_data = context.get("USER_DATA").or_else(|| context.get("USERDATA"));
        let encoding = context.get("USERDATA_ENCODING");
        let base64 = match encoding.or_else(|| context.get("USER_DATA_ENCODING")) {
            Some("base64") => Base64::Always,
            _ => Base64::Maybe,
        };
        facts.finish_with(user_data.unwrap_or_default().as_bytes(), FILE, base64)
    }
}

/// Name servers and search domains, each a list with blanks.
fn servers(context: &Context<'_>, dns: &str, search: &str, facts: &mut Facts<'_>) {
    for server in context.get(dns).unwrap_or_default().split_whitespace() {
        match server.parse::<IpAddr>() {
            Ok(server) => facts.nameserver(server, FILE),
            Err(_) => facts.warn(FILE, &format!("has a {dns} that is no address")),
        }
    }
    let domains = context.get(search).unwrap_or_default();
    for domain in domains.split(|c: char| c.is_whitespace() || c == ',') {
        match domain.parse::<Hostname>() {
            Ok(domain) => facts.search_domain(domain, FILE),
            Err(_) if domain.is_empty() => {}
            Err(_) => facts.warn(FILE, &format!("has a {search} that is no domain")),
        }
    }
}

/// A name with what a host name may not hold as hyphens: names of virtual machines are free text.
fn sanitised(name: &str) -> Option<Hostname> {
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => c,
        _ => '-',
    };
    let name: String = name.trim().chars().take(253).map(plain).collect();
    let labels = name.split('.').map(|label| label.trim_matches('-'));
    let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
    labels.join(".").parse().ok()
}

/// The link-local IPv4 address in a URL.
fn link_local(url: &str) -> Option<Ipv4Addr> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?;
    host.parse::<Ipv4Addr>()
        .ok()
        .filter(Ipv4Addr::is_link_local)
}

/// An address of the context with its mask or length.
fn address(text: &str, mask: Option<&str>) -> Option<Prefix> {
    prefix(text.trim(), mask)
}

#[cfg(test)]
mod tests;
