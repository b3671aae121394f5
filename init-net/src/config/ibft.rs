//! The firmware's iSCSI boot table (iBFT), as the kernel shows it below `/sys/firmware/ibft`
//! (Documentation/ABI/testing/sysfs-ibft): the network card that the firmware booted from, and its address.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::{
    AddressConfig, AutoMethod, Diagnostic, Document, KindConfig, LinkConfig, LinkRef,
    OperatorConfig, RouteConfig, Said, Severity,
};
use crate::value::{Hostname, Layer, LinkName, Mac, Origin, Prefix, prefix_len_from_netmask};

/// The files of one card that mean something here.
pub const FILES: [&str; 12] = [
    "flags",
    "mac",
    "origin",
    "vlan",
    "ip-addr",
    "prefix-len",
    "subnet-mask",
    "gateway",
    "primary-dns",
    "secondary-dns",
    "dhcp",
    "hostname",
];

/// `flags`: the entry says something.
const VALID: u32 = 1;
/// `flags`: the firmware booted from this card.
const BOOTED: u32 = 2;
/// `origin`: the address came by DHCP.
const BY_DHCP: &str = "3";

/// One `ethernetN` of the table: the content of its [`FILES`], without line ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// `ethernet0`.
    pub name: String,
    /// By name of the file.
    pub files: BTreeMap<&'static str, String>,
}

impl Card {
    fn said(&self, file: &str) -> Option<&str> {
        let text = self.files.get(file)?.trim();
        Some(text).filter(|text| !text.is_empty())
    }

    /// An address; zeros mean that there is none.
    fn address(&self, file: &str) -> Option<IpAddr> {
        let address: IpAddr = self.said(file)?.parse().ok()?;
        Some(address).filter(|address| !address.is_unspecified())
    }

    fn has_flag(&self, flag: u32) -> bool {
        let flags = self.said("flags").and_then(|text| text.parse().ok());
        flags.unwrap_or(0) & flag != 0
    }

    /// How the firmware got its address, if by DHCP, and the file that says so: the origin, else the server. The address
    /// has the family.
    fn dhcp(&self) -> Option<(AutoMethod, &'static str)> {
        let server = self.address("dhcp");
        let file = match self.said("origin") {
            Some(BY_DHCP) => "origin",
            _ => server.map(|_| "dhcp")?,
        };
        let method = match self.address("ip-addr").or(server) {
            Some(IpAddr::V6(_)) => AutoMethod::Dhcp6,
            _ => AutoMethod::Dhcp4,
        };
        Some((method, file))
    }

    /// The address with its length: as such, or as a netmask. Without either it stands alone.
    fn prefix(&self) -> Option<Prefix> {
        let address = self.address("ip-addr")?;
        let length = self.said("prefix-len").and_then(|text| text.parse().ok());
        let mask = || prefix_len_from_netmask(self.address("subnet-mask")?).ok();
        match length.filter(|length| *length > 0).or_else(mask) {
            Some(length) => Prefix::new(address, length).ok(),
            None => Some(Prefix::host(address)),
        }
    }
}

/// What the table says of the cards that the firmware booted from; where it marks none, of all that are valid.
pub fn document(cards: &[Card]) -> (Document, Vec<Diagnostic>) {
    let mut document = Document::empty(Layer::Cmdline, "ibft");
    let mut diagnostics = Vec::new();
    let valid = || cards.iter().filter(|card| card.has_flag(VALID));
    let booted = valid().any(|card| card.has_flag(BOOTED));
    for card in valid().filter(|card| !booted || card.has_flag(BOOTED)) {
        if add(card, &mut document).is_none() {
            let message = format!(
                "ibft: {} has no hardware address that can be read",
                card.name
            );
            diagnostics.push(
                Diagnostic::new(Severity::Warning, message).with_effect("this card is left out"),
            );
        }
    }
    (document, diagnostics)
}

fn add(card: &Card, out: &mut Document) -> Option<()> {
    let mac: Mac = card.said("mac")?.parse().ok()?;
    let at = |file: &str| Origin::new("ibft", format!("{}/{file}", card.name), None);
    let parent = LinkRef::Mac(mac);
    let mut config = LinkConfig::new(parent.clone(), at("mac"));
    config.up = Some(true);
    out.links.push(config);
    let link = vlan(card, &parent, at("vlan"), out).unwrap_or(parent);
    if let Some((method, file)) = card.dhcp() {
        let operator = OperatorConfig::new(link, method, at(file));
        out.operators.push(operator);
    } else if let Some(prefix) = card.prefix() {
        let address = AddressConfig::new(link.clone(), prefix, at("ip-addr"));
        out.addresses.push(address);
        let gateway = card.address("gateway");
        let route = gateway.map(|via| RouteConfig::new(Some(link), None, Some(via), at("gateway")));
        out.routes.extend(route);
    }
    for file in ["primary-dns", "secondary-dns"] {
        let server = card.address(file);
        out.nameservers
            .extend(server.map(|server| Said::new(server.into(), at(file))));
    }
    let name = card.said("hostname").and_then(|text| text.parse().ok());
    let name = name.map(|name: Hostname| Said::new(name, at("hostname")));
    out.hostnames.extend(name);
    Some(())
}

/// The VLAN that the firmware spoke in, made on the card as dracut names it: `ibft0.7`.
fn vlan(card: &Card, parent: &LinkRef, origin: Origin, out: &mut Document) -> Option<LinkRef> {
    let id = card.said("vlan")?.parse::<u16>().ok()?;
    let id = id.try_into().ok().filter(|_| id != 0)?;
    let number = card.name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let name: LinkName = format!("ibft{number}.{id}").parse().ok()?;
    let link = LinkRef::Name(name);
    let mut config = LinkConfig::new(link.clone(), origin);
    config.kind = Some(KindConfig::Vlan {
        parent: parent.clone(),
        id,
        protocol: None,
    });
    out.links.push(config);
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: usize, text: &str) -> Card {
        let pairs = text.split_whitespace();
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
        let file = |name: &str| *FILES.iter().find(|file| **file == name).unwrap();
        Card {
            name: format!("ethernet{number}"),
            files: pairs
                .map(|(name, value)| (file(name), format!("{value}\n")))
                .collect(),
        }
    }

    /// Each `text` is a card; one line for each thing that is said.
    #[track_caller]
    fn check(texts: &[&str], expect: &[&str]) {
        let cards: Vec<Card> = (0..).zip(texts).map(|(n, text)| card(n, text)).collect();
        let (document, faults) = document(&cards);
        assert_eq!(document.layer, Layer::Cmdline);
        let mut lines = Vec::new();
        for link in &document.links {
            if let Some(KindConfig::Vlan { id, .. }) = &link.kind {
                lines.push(format!("vlan {:?} {id}", link.link));
            }
        }
        let addresses = document.addresses.iter();
        lines.extend(addresses.map(|a| format!("{:?} {}", a.link, a.address)));
        let routes = document.routes.iter();
        lines.extend(routes.map(|route| format!("via {}", route.gateway.unwrap())));
        let operators = document.operators.iter();
        lines.extend(operators.map(|o| format!("{:?} {:?}", o.link, o.method)));
        lines.extend(
            document
                .nameservers
                .iter()
                .map(|s| format!("dns {}", s.value)),
        );
        lines.extend(
            document
                .hostnames
                .iter()
                .map(|h| format!("name {}", h.value)),
        );
        lines.extend(faults.iter().map(|fault| fault.message.clone()));
        assert_eq!(lines, expect);
    }

    const MAC: &str = "flags=3 mac=52:54:00:00:00:01";
    const LINK: &str = "Mac(52:54:00:00:00:01)";

    #[test]
    fn a_card_with_a_static_address() {
        check(
            &[&format!(
                "{MAC} origin=1 ip-addr=10.0.0.2 subnet-mask=255.255.255.0 gateway=10.0.0.1 \
                 primary-dns=10.0.0.53 secondary-dns=0.0.0.0 hostname=web1 vlan=0 dhcp=0.0.0.0"
            )],
            &[
                &format!("{LINK} 10.0.0.2/24"),
                "via 10.0.0.1",
                "dns 10.0.0.53",
                "name web1",
            ],
        );
        let text = format!("{MAC} ip-addr=2001:db8::2 prefix-len=64 gateway=::");
        check(&[&text], &[&format!("{LINK} 2001:db8::2/64")]);
        let text = format!("{MAC} ip-addr=10.0.0.2 subnet-mask=255.0.255.0");
        check(&[&text], &[&format!("{LINK} 10.0.0.2/32")]);
    }

    #[test]
    fn a_card_that_has_its_address_by_dhcp() {
        let text = format!("{MAC} origin=3 ip-addr=10.0.0.2 subnet-mask=255.255.255.0");
        check(&[&text], &[&format!("{LINK} Dhcp4")]);
        // Firmware that says nothing of the origin names the server.
        let text = format!("{MAC} origin=0 ip-addr=10.0.0.2 dhcp=10.0.0.1");
        check(&[&text], &[&format!("{LINK} Dhcp4")]);
        let text = format!("{MAC} origin=3 ip-addr=2001:db8::2 prefix-len=64 dhcp=0.0.0.0");
        check(&[&text], &[&format!("{LINK} Dhcp6")]);
        let text = format!("{MAC} dhcp=2001:db8::1");
        check(&[&text], &[&format!("{LINK} Dhcp6")]);
    }

    #[test]
    fn a_vlan() {
        check(
            &[&format!("{MAC} vlan=7 ip-addr=10.0.0.2 prefix-len=24")],
            &["vlan Name(ibft0.7) 7", "Name(ibft0.7) 10.0.0.2/24"],
        );
    }

    #[test]
    fn the_card_that_was_booted_from() {
        let other = "flags=1 mac=52:54:00:00:00:02 ip-addr=10.0.0.3 prefix-len=24";
        let booted = format!("{MAC} ip-addr=10.0.0.2 prefix-len=24");
        check(&[other, &booted], &[&format!("{LINK} 10.0.0.2/24")]);
        check(&[other], &["Mac(52:54:00:00:00:02) 10.0.0.3/24"]);
        check(&["flags=0 mac=52:54:00:00:00:02 ip-addr=10.0.0.3"], &[]);
        check(
            &["flags=3 mac=nonsense ip-addr=10.0.0.3"],
            &["ibft: ethernet0 has no hardware address that can be read"],
        );
        check(&[], &[]);
    }
}
