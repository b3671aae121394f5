//! `TimeSyncConfig`.

use core::net::IpAddr;

use crate::config::machine::reader::Reader;
use crate::config::{Document, Said};
use crate::value::Hostname;

/// Time servers.
pub fn read(mut reader: Reader<'_>, out: &mut Document) {
    if reader.node("ntp").is_some() && reader.node("ptp").is_some() {
        reader.refuse(
            "ptp",
            "ntp and ptp exclude each other",
            Some("keep one of them"),
        );
    }
    if let Some(mut ntp) = reader.mapping("ntp", "ntp") {
        servers(&mut ntp, out);
        ntp.later("useNTS");
        ntp.finish();
    }
    reader.later("ptp");
    reader.later("enabled");
    reader.later("bootTimeout");
    reader.finish();
}

/// The list `servers`: addresses or names.
pub fn servers(reader: &mut Reader<'_>, out: &mut Document) {
    for said in reader.scalars::<String>("servers").unwrap_or_default() {
        if said.value.parse::<IpAddr>().is_ok() || said.value.parse::<Hostname>().is_ok() {
            out.time_servers.push(Said::new(said.value, said.origin));
        } else {
            reader.refuse(
                "servers",
                "a time server is an IP address or a host name",
                None,
            );
        }
    }
}
