//! Name servers, search domains and time servers; the text of `resolv.conf`.

use core::fmt::Write as _;

use serde::Serialize;

use crate::value::{Layer, NameServer, Origin};

/// MAXNS of resolv.h: the C library reads no more.
pub const MAX_NAMESERVERS: usize = 3;

/// Which servers to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolverSpec {
    /// In order of preference; may be more than `resolv.conf` takes.
    pub name_servers: Vec<NameServer>,
    /// Domains to try for short names.
    pub search_domains: Vec<String>,
    /// Rank of the highest source.
    pub layer: Layer,
    /// Where the servers were said, in the order of `name_servers`.
    pub origins: Vec<Origin>,
    /// Which servers lost against them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

/// Whom to ask for the time. A resource: this program does not set the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeServerSpec {
    /// Addresses or names.
    pub time_servers: Vec<String>,
    /// Rank of the highest source.
    pub layer: Layer,
    /// Where they were said.
    pub origins: Vec<Origin>,
}

/// The text of `/etc/resolv.conf`: at most [`MAX_NAMESERVERS`] servers; the same bytes for the same input.
pub fn render_resolv_conf(resolver: &ResolverSpec) -> String {
    let mut text = String::from("# written by init-net; do not edit\n");
    for server in resolver.name_servers.iter().take(MAX_NAMESERVERS) {
        writeln!(text, "nameserver {server}").expect("writing to a String cannot fail");
    }
    if !resolver.search_domains.is_empty() {
        writeln!(text, "search {}", resolver.search_domains.join(" "))
            .expect("writing to a String cannot fail");
    }
    text
}
