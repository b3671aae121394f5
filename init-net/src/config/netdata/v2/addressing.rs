//! `addresses`, `gateway4`, `gateway6`, `nameservers`, and how a link makes addresses itself.

use core::net::IpAddr;

use super::super::reader::Reader;
use crate::config::machine::tree::{Node, Value};
use crate::config::{AddressConfig, LinkRef, LinkSettings, Severity};
use crate::value::{Instant, Prefix};

/// IN6_ADDR_GEN_MODE_*, include/uapi/linux/if_link.h.
const EUI64: u8 = 0;
const NONE: u8 = 1;

/// `use_tempaddr`: made, and preferred (RFC 8981).
const PREFER_TEMPORARY: u8 = 2;

impl Reader<'_> {
    pub(super) fn link_settings(&mut self, node: &Node, settings: &mut LinkSettings) {
        settings.accept_ra = self.truth(node, "accept-ra").map(u8::from);
        if let Some(privacy) = self.truth(node, "ipv6-privacy") {
            settings.temporary_addresses = Some(if privacy { PREFER_TEMPORARY } else { 0 });
        }
        if let Some(said) = node.at("ipv6-address-generation") {
            match said.text() {
                Some("eui64") => settings.addr_gen_mode = Some(EUI64),
                // The kernel makes no address at all without a secret.
                Some("stable-privacy") => {
                    self.note(said.mark, "there is no secret to make addresses of")
                }
                _ => self.warn(said.mark, "expected eui64 or stable-privacy"),
            }
        }
        if let Some(said) = node.at("ipv6-address-token") {
            self.note(said.mark, "addresses are not made of tokens here");
        }
        if let Some(said) = node.at("link-local") {
            let has = |family| said.items().iter().any(|item| item.text() == Some(family));
            if has("ipv4") {
                self.note(
                    said.mark,
                    "IPv4 addresses of the link alone are not made here",
                );
            }
            if !has("ipv6") {
                settings.addr_gen_mode = Some(NONE);
            }
        }
    }

    pub(super) fn addressing(&mut self, node: &Node, link: &LinkRef) {
        for item in self.list(node, "addresses") {
            match &item.value {
                Value::Scalar { text, .. } => self.address(item, text, None, link),
                Value::Map(entries) => {
                    for (key, options) in entries {
                        self.address(item, &key.text, Some(options), link);
                    }
                }
                Value::List(_) => self.warn(item.mark, "an address is no text"),
            }
        }
        for (key, is_ipv4) in [("gateway4", true), ("gateway6", false)] {
            let said = node.at(key).and_then(Node::text);
            let said = said.and_then(|text| text.trim().parse::<IpAddr>().ok());
            match (node.at(key), said) {
                (Some(at), Some(gateway)) if gateway.is_ipv4() != is_ipv4 => {
                    self.warn(at.mark, format!("{key} is of the other family"));
                }
                _ => self.default_route(node, key, link, None),
            }
        }
        if let Some(servers) = self.map(node, "nameservers") {
            let addresses = self.list(servers, "addresses");
            self.servers(addresses);
            let search = self.list(servers, "search");
            self.domains(search);
        }
    }

    fn address(&mut self, item: &Node, text: &str, options: Option<&Node>, link: &LinkRef) {
        let text = text.trim();
        let alone = || text.parse::<IpAddr>().ok().map(Prefix::host);
        let Some(address) = text.parse().ok().or_else(alone) else {
            return self.warn(item.mark, "an address is none with its length");
        };
        if !text.contains('/') {
            let rule = "an address without length is alone on its link".to_owned();
            let fix = Some("write 192.0.2.10/24".to_owned());
            let effect = "what is beside it is reached by routes only";
            self.report(Severity::Note, item.mark, rule, fix, effect);
        }
        let mut config = AddressConfig::new(link.clone(), address, self.origin(item.mark));
        match options.and_then(|options| options.at("lifetime")) {
            None => {}
            Some(said) => match said.text() {
                Some("forever") => {}
                // Deprecated from the start.
                Some("0") => config.preferred_until = Some(Instant::BOOT),
                _ => self.warn(said.mark, "a lifetime is 0 or forever"),
            },
        }
        self.add_address(item.mark, config);
    }
}
