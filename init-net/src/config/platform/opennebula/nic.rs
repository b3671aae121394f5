//! The variables of NICs: `ETH<n>_…`.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::context::Context;
use super::{FILE, address, servers};
use crate::config::platform::facts::Facts;
use crate::config::platform::network::{MAX_NICS, prefix};
use crate::config::{AutoMethod, LinkRef};
use crate::value::{Mac, Mtu, Prefix};

/// Length of an IPv6 prefix that nobody says, and of a unique local one.
const LEN6: &str = "64";

/// Most aliases of a NIC.
const MAX_ALIASES: usize = 256;

/// One NIC and its variables.
struct Nic<'a> {
    context: &'a Context<'a>,
    name: String,
    link: LinkRef,
}

/// Sets all of them up; answers with the first that has a static IPv4 address.
pub fn all(context: &Context<'_>, facts: &mut Facts<'_>) -> Option<LinkRef> {
    let names = context.behind("ETH");
    let numbers = names.filter_map(|rest| rest.strip_suffix("_MAC"));
    let mut numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
    numbers.sort_unstable();
    let mut first_static = None;
    for number in numbers.into_iter().take(MAX_NICS) {
        let name = format!("ETH{number}");
        let mac = context.get(&format!("{name}_MAC")).map(str::parse::<Mac>);
        let Some(Ok(mac)) = mac else {
            facts.warn(
                FILE,
                &format!("has a {name}_MAC that is no hardware address"),
            );
            continue;
        };
        let nic = Nic {
            context,
            name,
            link: LinkRef::Mac(mac),
        };
        if nic.set_up(facts) {
            first_static.get_or_insert(nic.link);
        }
    }
    first_static
}

impl Nic<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.context.get(&format!("{}_{key}", self.name))
    }

    fn warn(&self, key: &str, rule: &str, facts: &mut Facts<'_>) {
        facts.warn(FILE, &format!("has a {}_{key} that {rule}", self.name));
    }

    /// A number; told when it is none.
    fn number<T: core::str::FromStr>(&self, key: &str, facts: &mut Facts<'_>) -> Option<T> {
        let text = self.get(key)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.warn(key, "is not what it should be", facts);
        }
        number
    }

    /// Answers whether it has a static IPv4 address.
    fn set_up(&self, facts: &mut Facts<'_>) -> bool {
        let mtu = self.number::<Mtu>("MTU", facts);
        facts.up(&self.link, mtu, FILE);
        let metric = self.number::<u32>("METRIC", facts);
        let method = self.get("METHOD").unwrap_or("static");
        let is_static = match method {
            "static" => self.ipv4(metric, facts),
            "dhcp" => {
                self.lease(AutoMethod::Dhcp4, metric, facts);
                false
            }
            "skip" => false,
            _ => {
                self.warn("METHOD", "is not static, dhcp or skip", facts);
                false
            }
        };
        self.ipv6(method, metric, facts);
        self.aliases(facts);
        for route in self.get("ROUTES").unwrap_or_default().split(',') {
            self.route(route.trim(), facts);
        }
        let (dns, search) = (
            format!("{}_DNS", self.name),
            format!("{}_SEARCH_DOMAIN", self.name),
        );
        servers(self.context, &dns, &search, facts);
        is_static
    }

    fn ipv4(&self, metric: Option<u32>, facts: &mut Facts<'_>) -> bool {
        let Some(text) = self.get("IP") else {
            return false;
        };
        let Some(own) = address(text, self.get("MASK").or(Some("24"))) else {
            self.warn("IP", "is no address with its mask", facts);
            return false;
        };
        facts.address(&self.link, own, FILE);
        self.gateway("GATEWAY", metric, facts);
        true
    }

    fn gateway(&self, key: &str, metric: Option<u32>, facts: &mut Facts<'_>) {
        match self.get(key).map(str::parse::<IpAddr>) {
            Some(Ok(gateway)) => facts.route(&self.link, None, Some(gateway), metric, FILE),
            Some(Err(_)) => self.warn(key, "is no address", facts),
            None => {}
        }
    }

    /// A lease whose host name is not ours: the context says what the machine is called.
    fn lease(&self, method: AutoMethod, metric: Option<u32>, facts: &mut Facts<'_>) {
        facts.dynamic(&self.link, method, metric, FILE);
        if let Some(operator) = facts.document.operators.last_mut() {
            operator.ignore_hostname = Some(true);
        }
    }

    /// Without a method of its own it is static where it has addresses, else leased where IPv4 is. `METHOD=skip` is about
    /// IPv4 alone.
    fn ipv6(&self, method4: &str, metric4: Option<u32>, facts: &mut Facts<'_>) {
        let metric = self.number::<u32>("IP6_METRIC", facts).or(metric4);
        let keys = ["IP6", "IPV6", "IP6_ULA"];
        let addressed = keys.iter().any(|key| self.get(key).is_some());
        let usual = match method4 {
            "dhcp" if !addressed => "dhcp",
            _ => "static",
        };
        match self.get("IP6_METHOD").unwrap_or(usual) {
            "static" => {
                let len = self.get("IP6_PREFIX_LENGTH").or(Some(LEN6));
                let mut any = false;
                for (key, len) in [("IP6", len), ("IPV6", len), ("IP6_ULA", Some(LEN6))] {
                    let Some(text) = self.get(key) else { continue };
                    match address(text, len) {
                        Some(own) => {
                            any = true;
                            facts.address(&self.link, own, FILE);
                        }
                        None => self.warn(key, "is no address with its length", facts),
                    }
                }
                let gateway = match self.get("IP6_GATEWAY") {
                    Some(_) => "IP6_GATEWAY",
                    None => "GATEWAY6",
                };
                if any {
                    self.gateway(gateway, metric, facts);
                }
            }
            "dhcp" => self.lease(AutoMethod::Dhcp6, metric, facts),
            "auto" => facts.dynamic(&self.link, AutoMethod::Auto6, metric, FILE),
            "disable" => {
                let mut links = facts.document.links.iter_mut().rev();
                if let Some(link) = links.find(|config| config.link == self.link) {
                    link.settings.ipv6 = Some(false);
                }
            }
            "skip" => {}
            _ => self.warn(
                "IP6_METHOD",
                "is not static, auto, dhcp, disable or skip",
                facts,
            ),
        }
    }

    /// Further addresses, unless they are detached or another machine's matter.
    fn aliases(&self, facts: &mut Facts<'_>) {
        let prefix = format!("{}_ALIAS", self.name);
        let numbers = self.context.behind(&prefix);
        let numbers = numbers.filter_map(|rest| rest.split_once('_')?.0.parse().ok());
        // One that was taken away leaves a gap.
        let numbers: BTreeSet<u32> = numbers.collect();
        for number in numbers.into_iter().take(MAX_ALIASES) {
            let key = |key: &str| format!("ALIAS{number}_{key}");
            let external = self.get(&key("EXTERNAL"));
            if self.get(&key("DETACH")).is_some()
                || external.is_some_and(|text| text.eq_ignore_ascii_case("yes"))
            {
                continue;
            }
            let mask = self.get(&key("MASK")).or(Some("32"));
            let len = self.get(&key("IP6_PREFIX_LENGTH")).or(Some(LEN6));
            for (name, mask) in [("IP", mask), ("IP6", len), ("IP6_ULA", Some(LEN6))] {
                let Some(text) = self.get(&key(name)) else {
                    continue;
                };
                match address(text, mask) {
                    Some(own) => facts.address(&self.link, own, FILE),
                    None => self.warn(&key(name), "is no address with its mask", facts),
                }
            }
        }
    }

    /// `10.9.0.0/16 via 192.0.2.254 300` or `10.9.0.0 255.255.0.0 192.0.2.254 300`.
    fn route(&self, text: &str, facts: &mut Facts<'_>) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (to, gateway, metric) = match words.as_slice() {
            [] => return,
            [to, "via", gateway] => (prefix(to, None), gateway, None),
            [to, "via", gateway, metric] => (prefix(to, None), gateway, Some(metric)),
            [to, mask, gateway] => (prefix(to, Some(mask)), gateway, None),
            [to, mask, gateway, metric] => (prefix(to, Some(mask)), gateway, Some(metric)),
            _ => (None, &"", None),
        };
        let metric: Option<Result<u32, _>> = metric.map(|metric| metric.parse());
        match (to, gateway.parse::<IpAddr>(), metric.transpose()) {
            (Some(to), Ok(gateway), Ok(metric)) => {
                let to = Some(to.network()).filter(|to| !is_default(to));
                facts.route(&self.link, to, Some(gateway), metric, FILE);
            }
            _ => self.warn("ROUTES", "is no list of routes", facts),
        }
    }
}

fn is_default(prefix: &Prefix) -> bool {
    prefix.len() == 0
}
