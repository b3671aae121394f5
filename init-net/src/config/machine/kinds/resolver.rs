//! `ResolverConfig`.

use core::net::IpAddr;

use crate::config::Document;
use crate::config::machine::reader::Reader;
use crate::value::Hostname;

/// Name servers and search domains.
pub fn read(mut reader: Reader<'_>, out: &mut Document) {
    for mut item in reader.mappings("nameservers", "nameserver") {
        let address = item.required::<IpAddr>("address");
        let protocol = item.optional::<String>("protocol");
        let server_name = item.optional::<String>("tlsServerName");
        let plain = match protocol.as_ref().map(|said| said.value.as_str()) {
            None => true,
            Some(word) if word.eq_ignore_ascii_case("Do53") => true,
            Some(word) if word.eq_ignore_ascii_case("DoT") || word.eq_ignore_ascii_case("DoH") => {
                if server_name.is_none() {
                    item.refuse(
                        "protocol",
                        "an encrypted nameserver needs tlsServerName",
                        None,
                    );
                }
                // Asking it without encryption would be worse than not asking it.
                item.later("protocol");
                false
            }
            Some(_) => {
                item.refuse("protocol", "protocol is Do53, DoT or DoH", None);
                false
            }
        };
        if plain && server_name.is_some() {
            item.refuse(
                "tlsServerName",
                "tlsServerName needs protocol: DoT or DoH",
                None,
            );
        }
        if item.finish() && plain {
            out.nameservers.extend(address);
        }
    }
    if let Some(mut search) = reader.mapping("searchDomains", "searchDomains") {
        if let Some(domains) = search.scalars::<Hostname>("domains") {
            out.search_domains = Some(domains);
        }
        search.later("disableDefault");
        search.finish();
    }
    reader.later("hostDNS");
    reader.finish();
}
