//! One look at the machine: links, addresses, routes, rules, host name, files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::rtnetlink::{Rtnetlink, RtnetlinkError};
use crate::state::Observed;
use crate::sys;
use crate::value::Instant;
use crate::wire;

/// Largest file of ours that is read back, bytes: beyond it the file is not ours and differs anyway.
const MAX_FILE: usize = 1 << 20;

/// Dumps everything that `plan` compares. `files` are the paths whose contents are wanted.
pub fn observe(
    rtnetlink: &mut Rtnetlink,
    files: impl IntoIterator<Item = PathBuf>,
    at: Instant,
) -> Result<Observed, RtnetlinkError> {
    let links = rtnetlink.links(at)?;
    let mut addresses = rtnetlink.addresses(at)?;
    let mut routes = rtnetlink.routes(at, None)?;
    wire::name_links(&links, &mut addresses, &mut routes);
    let rules = rtnetlink.rules(at)?;
    let hostname = sys::hostname::read().ok().flatten();
    let mut files: Vec<PathBuf> = files.into_iter().collect();
    files.extend(FILES.iter().map(PathBuf::from));
    files.extend(
        links
            .values()
            .map(|link| PathBuf::from(format!("/run/net-{}.conf", link.name))),
    );
    Ok(Observed {
        at,
        links,
        addresses,
        routes,
        rules,
        hostname,
        files: contents(files),
    })
}

/// What `compile` may want to write, whatever the configuration: read before the first plan, so that a file that is
/// right already is not written again.
const FILES: [&str; 5] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
    "/run/init-net/resolv.conf",
    "/run/init-net/hosts",
];

fn contents(paths: Vec<PathBuf>) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: &Path| sys::file::read(path, MAX_FILE).ok();
    paths
        .into_iter()
        .filter_map(|path| read(&path).map(|bytes| (path, bytes)))
        .collect()
}
