//! `HostnameConfig`.

use crate::config::machine::reader::Reader;
use crate::config::{AutoHostname, Document, Said};
use crate::value::Hostname;

/// A name, or how to make one up.
pub fn read(mut reader: Reader<'_>, out: &mut Document) {
    let hostname = reader.optional::<Hostname>("hostname");
    let written = reader.node("hostname").is_some();
    let silent = !written && reader.node("auto").is_none();
    let auto = reader.optional::<String>("auto");
    let auto = match auto {
        None => None,
        Some(said) => match said.value.as_str() {
            "stable" => Some(Said::new(AutoHostname::Stable, said.origin)),
            "off" => Some(Said::new(AutoHostname::Off, said.origin)),
            _ => {
                reader.refuse("auto", "auto is stable or off", None);
                None
            }
        },
    };
    match (&auto, written) {
        _ if silent => reader.refuse("hostname", "hostname or auto must be given", None),
        (Some(auto), true) if auto.value == AutoHostname::Stable => {
            reader.refuse(
                "auto",
                "auto: stable stands beside hostname",
                Some("keep one of them"),
            );
        }
        (None | Some(_), _) => {}
    }
    out.hostnames.extend(hostname);
    out.auto_hostname = auto;
    reader.finish();
}
