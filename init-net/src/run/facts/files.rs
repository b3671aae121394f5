//! What is in force of the files that other programs read.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::Facts;
use crate::state::Observed;

/// The files that programs of libc read.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";
pub(super) const HOSTS: &str = "/etc/hosts";

/// The text of a file; `None`: it is not there.
fn text<'a>(observed: &'a Observed, path: &str) -> Option<std::borrow::Cow<'a, str>> {
    let bytes = observed.files.get(Path::new(path))?;
    Some(String::from_utf8_lossy(bytes))
}

/// What the C library makes of `/etc/resolv.conf` (resolv.conf(5)): all servers in order, the last list of domains, all
/// options.
pub(super) fn resolvers(observed: &Observed) -> Vec<Value> {
    let Some(text) = text(observed, RESOLV_CONF) else {
        return Vec::new();
    };
    let (mut servers, mut search, mut options) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.next()),
            Some("search") => search = words.collect(),
            Some("domain") => search = words.take(1).collect(),
            Some("options") => options.extend(words),
            _ => {}
        }
    }
    let mut value = json!({
        "id": "resolvers",
        "nameServers": servers,
        "searchDomains": search,
    });
    super::put(
        &mut value,
        "options",
        Some(options).filter(|it| !it.is_empty()),
    );
    vec![value]
}

/// Rows of `/etc/hosts` (hosts(5)); what several rows say of one address is one resource.
pub(super) fn hosts(observed: &Observed) -> Vec<Value> {
    let Some(text) = text(observed, HOSTS) else {
        return Vec::new();
    };
    let mut order = Vec::new();
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let row = line.split('#').next().unwrap_or_default();
        let mut words = row.split_ascii_whitespace();
        let Some(address) = words.next() else {
            continue;
        };
        if !names.contains_key(address) {
            order.push(address);
        }
        names.entry(address).or_default().extend(words);
    }
    let row = |address: &&str| json!({ "id": address, "hostnames": names.get(*address) });
    order.iter().map(row).collect()
}

impl Facts<'_> {
    /// Whether both files are as desired; one of which no source says anything stands as it is.
    pub(super) fn etc_files_ready(&self) -> bool {
        [RESOLV_CONF, HOSTS].iter().map(Path::new).all(|path| {
            let wanted = self.desired.files.get(path);
            wanted.is_none_or(|file| self.observed.files.get(path) == Some(&file.content))
        })
    }
}
