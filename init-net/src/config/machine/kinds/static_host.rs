//! `StaticHostConfig`.

use core::net::IpAddr;

use crate::config::machine::reader::Reader;
use crate::config::{Document, HostEntry};
use crate::value::Hostname;

/// One row of `/etc/hosts`.
pub fn read(mut reader: Reader<'_>, out: &mut Document) {
    let address = reader.required::<IpAddr>("name");
    row(
        &mut reader,
        "hostnames",
        address.map(|said| said.value),
        out,
    );
    reader.finish();
}

/// `address` and the names at `key`: shared with the older form.
pub fn row(
    reader: &mut Reader<'_>,
    key: &'static str,
    address: Option<IpAddr>,
    out: &mut Document,
) {
    let names = reader.scalars::<Hostname>(key).unwrap_or_default();
    if names.is_empty() {
        reader.refuse(key, "at least one host name must be given", None);
    } else if let Some(address) = address {
        out.hosts.push(HostEntry {
            address,
            names: names.into_iter().map(|said| said.value).collect(),
            origin: reader.origin(),
        });
    }
}
