//! Small texts, and what the document holds of them.

mod hostile;
mod version1;
mod version2;

use super::parse;
use crate::config::{
    Document, KindConfig, LinkConfig, LinkRef, OperatorConfig, RouteConfig, RuleConfig,
};
use crate::value::Layer;

/// What `text` says, a line each.
pub(super) fn summary(text: &str) -> Vec<String> {
    let mut out = Document::empty(Layer::Platform, "test");
    let diagnostics = parse(text, "network-config", &mut out);
    let mut lines: Vec<String> = out.links.iter().map(link).collect();
    let names = out.names.iter();
    lines.extend(names.map(|rename| format!("name {} = {}", rename.name, name(&rename.link))));
    for said in &out.addresses {
        let ends = said.preferred_until.map_or("", |_| " deprecated");
        lines.push(format!(
            "address {} on {}{ends}",
            said.address,
            name(&said.link)
        ));
    }
    lines.extend(out.routes.iter().map(route));
    lines.extend(out.rules.iter().map(rule));
    lines.extend(out.operators.iter().map(operator));
    lines.extend(
        out.nameservers
            .iter()
            .map(|said| format!("dns {}", said.value)),
    );
    let domains = out.search_domains.iter().flatten();
    lines.extend(domains.map(|said| format!("search {}", said.value)));
    lines.extend(
        diagnostics
            .iter()
            .map(|fault| format!("{:?}: {}", fault.severity, fault.message)),
    );
    lines
}

/// Asserts what `text` says.
#[track_caller]
pub(super) fn check(text: &str, expect: &[&str]) {
    assert_eq!(summary(text), expect, "{text}");
}

fn name(link: &LinkRef) -> String {
    match link {
        LinkRef::Name(name) => name.to_string(),
        LinkRef::Mac(mac) => mac.to_string(),
        LinkRef::Vlan { parent, id } => format!("{}.{}", name(parent), id),
        LinkRef::Primary | LinkRef::EveryPhysical => format!("{link:?}"),
        LinkRef::Selector(selector) => {
            let mut said = Vec::new();
            let pairs = [
                ("name", &selector.name),
                ("addr", &selector.hardware_addr),
                ("driver", &selector.driver),
            ];
            for (key, value) in pairs {
                said.extend(value.iter().map(|value| format!("{key} {value}")));
            }
            said.extend(selector.mac.map(|mac| format!("mac {mac}")));
            if !selector.drivers.is_empty() {
                said.push(format!("drivers {}", selector.drivers.join("|")));
            }
            let card = if selector.physical == Some(true) {
                "card"
            } else {
                ""
            };
            format!("{card}[{}]", said.join(", "))
        }
    }
}

fn names(links: &[LinkRef]) -> String {
    links.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// `key=value`, sorted.
fn options(options: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(options).unwrap();
    let pairs = value.as_object().unwrap().iter();
    let pairs = pairs.map(|(key, value)| format!("{key}={value}").replace('"', ""));
    pairs.collect::<Vec<_>>().join(" ")
}

fn link(config: &LinkConfig) -> String {
    let mut line = format!("link {}", name(&config.link));
    match config.up {
        Some(true) => line += " up",
        Some(false) => line += " down",
        None => {}
    }
    if let Some(mtu) = config.mtu {
        line += &format!(" mtu {}", mtu.bytes());
    }
    if let Some(mac) = config.mac {
        line += &format!(" mac {mac}");
    }
    line += &match &config.kind {
        None => String::new(),
        Some(KindConfig::Bond {
            members,
            options: said,
            primary,
        }) => {
            let primary = primary
                .iter()
                .map(|link| format!("; primary {}", name(link)));
            let primary: String = primary.collect();
            format!(" bond({}; {}{primary})", names(members), options(said))
        }
        Some(KindConfig::Bridge {
            members,
            options: said,
            ..
        }) => {
            format!(" bridge({}; {})", names(members), options(said))
        }
        Some(KindConfig::Vlan { parent, id, .. }) => {
            format!(" vlan({} {})", name(parent), id)
        }
        Some(KindConfig::Vrf { members, table }) => format!(" vrf({}; {table})", names(members)),
        Some(KindConfig::Dummy) => " dummy".to_owned(),
        Some(other) => format!(" {other:?}"),
    };
    if !config.port.is_empty() {
        line += &format!(" port({})", options(&config.port));
    }
    let settings = &config.settings;
    for (key, value) in [
        ("accept_ra", settings.accept_ra),
        ("addr_gen_mode", settings.addr_gen_mode),
        ("use_tempaddr", settings.temporary_addresses),
    ] {
        line += &value.map_or(String::new(), |value| format!(" {key} {value}"));
    }
    line
}

fn route(config: &RouteConfig) -> String {
    let to = config
        .destination
        .map_or("default".to_owned(), |to| to.to_string());
    let mut line = format!("route {to}");
    if let Some(gateway) = config.gateway {
        line += &format!(" via {gateway}");
    }
    if let Some(link) = &config.link {
        line += &format!(" on {}", name(link));
    }
    if let Some(metric) = config.metric {
        line += &format!(" metric {metric}");
    }
    if let Some(table) = config.table {
        line += &format!(" table {table}");
    }
    for (key, said) in [
        ("mtu", config.mtu.map(|mtu| mtu.bytes())),
        ("advmss", config.metrics.advmss),
        ("initcwnd", config.metrics.init_cwnd),
    ] {
        line += &said.map_or(String::new(), |said| format!(" {key} {said}"));
    }
    if let Some(kind) = config.kind {
        line += &format!(" {kind}");
    }
    if let Some(source) = config.source {
        line += &format!(" from {source}");
    }
    if let Some(on_link) = config.on_link {
        line += &format!(" onlink={on_link}");
    }
    line
}

fn rule(config: &RuleConfig) -> String {
    let mut line = format!("rule {}", config.priority);
    for (key, value) in [("from", config.src), ("to", config.dst)] {
        line += &value.map_or(String::new(), |value| format!(" {key} {value}"));
    }
    if let Some(mark) = config.fw_mark {
        line += &format!(" mark {mark}");
    }
    if let Some(table) = config.table {
        line += &format!(" table {table}");
    }
    line
}

fn operator(config: &OperatorConfig) -> String {
    let mut line = format!("{:?} on {}", config.method, name(&config.link));
    if let Some(metric) = config.metric {
        line += &format!(" metric {metric}");
    }
    for (key, said) in [
        ("use_dns", config.use_dns),
        ("use_domains", config.use_domains),
        ("use_mtu", config.use_mtu),
        ("use_ntp", config.use_ntp),
        ("ignore_hostname", config.ignore_hostname),
        ("ignore_routes", config.ignore_routes),
        ("send_hostname", config.send_hostname),
        ("optional", config.optional),
    ] {
        line += &said.map_or(String::new(), |said| format!(" {key}={said}"));
    }
    if let Some(hostname) = &config.hostname {
        line += &format!(" hostname {hostname}");
    }
    line
}
