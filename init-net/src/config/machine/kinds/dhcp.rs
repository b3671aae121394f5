//! `DHCPv4Config`.

use crate::config::machine::reader::Reader;
use crate::config::{AutoMethod, Document, LinkRef, OperatorConfig};
use crate::value::LinkName;

/// DHCPv4 on one link.
pub fn read_v4(mut reader: Reader<'_>, out: &mut Document) {
    let name = reader.required::<LinkName>("name");
    let metric = reader.optional::<u32>("routeMetric");
    let ignore_hostname = reader.optional::<bool>("ignoreHostname");
    let ignore_routes = reader.optional::<bool>("ignoreRoutes");
    let identifier = reader.optional::<String>("clientIdentifier");
    let duid = reader.optional::<String>("duidRaw");
    let client_id = match (identifier.as_ref().map(|said| said.value.as_str()), duid) {
        (None | Some("mac"), None) => None,
        (Some("none"), None) => Some(Vec::new()),
        // DEVIATION: RFC 4361 §6.1 puts type 255 and an IAID before it; the field's configurations give all bytes.
        (Some("duid"), Some(duid)) => {
            let bytes = hex(&duid.value);
            if bytes.is_none() {
                reader.refuse(
                    "duidRaw",
                    "duidRaw is 3 to 130 bytes in hexadecimal joined by \":\"",
                    None,
                );
            }
            bytes
        }
        (Some("duid"), None) => {
            reader.refuse(
                "clientIdentifier",
                "clientIdentifier: duid needs duidRaw",
                None,
            );
            None
        }
        (None | Some("mac" | "none"), Some(_)) => {
            reader.refuse("duidRaw", "duidRaw needs clientIdentifier: duid", None);
            None
        }
        (Some(_), _) => {
            let rule = "clientIdentifier is none, mac or duid";
            reader.refuse("clientIdentifier", rule, None);
            None
        }
    };
    if let Some(name) = name {
        let mut operator = OperatorConfig::new(
            LinkRef::Name(name.value),
            AutoMethod::Dhcp4,
            reader.origin(),
        );
        operator.metric = metric.map(|said| said.value);
        operator.ignore_hostname = ignore_hostname.map(|said| said.value);
        operator.ignore_routes = ignore_routes.map(|said| said.value);
        operator.client_id = client_id;
        out.operators.push(operator);
    }
    reader.finish();
}

/// The bytes of a DUID: two octets of type and at most 128 after them (RFC 8415 §11.1).
fn hex(text: &str) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = text
        .split(':')
        .map(
            |pair| match pair.bytes().all(|b| b.is_ascii_hexdigit()) && pair.len() == 2 {
                true => u8::from_str_radix(pair, 16).ok(),
                false => None,
            },
        )
        .collect::<Option<_>>()?;
    (3..=130).contains(&bytes.len()).then_some(bytes)
}
