//! Addresses: are they there, ours alone, and for how long?

use core::net::IpAddr;

use super::finding::Finding;
use super::scene::{Scene, Supervisor};
use crate::state::{AddressStatus, Family, OUR_PROTOCOL, Scope};
use crate::value::{Duration, Instant};

/// A lease that ends within this time and is not renewed deserves a word.
const SOON: Duration = Duration::from_secs(120);

/// Most pairs of networks that are told.
const MAX_PAIRS: usize = 8;

pub fn fine(scene: &Scene) -> String {
    let global = scene.observed.addresses.iter();
    let global = global.filter(|a| a.scope == Scope::Global);
    match global.count() {
        0 => "none is declared".into(),
        1 => "1 global address, nobody else has it".into(),
        count => format!("{count} global addresses, nobody else has them"),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found = missing(scene);
    for address in &scene.observed.addresses {
        detection(address, &mut found);
        lifetime(scene, address, &mut found);
    }
    found.extend(leases(scene));
    found.extend(duplicates(scene));
    found.extend(overlaps(scene));
    found
}

fn id(address: &AddressStatus) -> String {
    format!("{}/{}", address.link_name, address.address)
}

fn missing(scene: &Scene) -> Vec<Finding> {
    let absent = scene.wanted.addresses.iter().filter(|wanted| {
        !scene.observed.addresses.iter().any(|there| {
            there.address == wanted.address
                && scene
                    .observed
                    .link(&wanted.link_name)
                    .is_some_and(|link| link.index == there.link_index)
        })
    });
    let told = absent.map(|wanted| {
        let (link, address) = (&wanted.link_name, wanted.address);
        let finding = Finding::error(format!("{link}/{address}"), "declared, and not there");
        if scene.observed.link(link).is_none() {
            return finding
                .why(format!("there is no link {link}"))
                .fix(format!("see {link} under links"));
        }
        let off = |name: &str| {
            scene.sysctl("ipv6", name, "disable_ipv6") == Some("1")
                && wanted.family == Family::Inet6
        };
        if off(link.as_str()) || off("all") {
            return finding.why(format!("IPv6 is off on {link}")).fix(format!(
                "sysctl net.ipv6.conf.{link}.disable_ipv6=0, or ipv6: true of the link"
            ));
        }
        let host = address.address().to_string();
        match scene.failure(&["addr", &host]) {
            Some(words) => finding.why(format!("the kernel refuses it: {words}")),
            None => finding.why("somebody removed it, and nobody put it back"),
        }
        .fix(format!(
            "ip addr add {address} dev {link}, or init-net apply"
        ))
    });
    told.collect()
}

fn detection(address: &AddressStatus, found: &mut Vec<Finding>) {
    if address.flags & AddressStatus::DADFAILED != 0 {
        found.push(
            Finding::error(id(address), "another host has this address")
                .why("duplicate address detection failed: the kernel does not use it")
                .fix("give one of the two another address, then take the link down and up"),
        );
    } else if address.flags & AddressStatus::TENTATIVE != 0 {
        found.push(
            Finding::warning(id(address), "still tentative: not in use yet")
                .why("duplicate address detection takes a second, longer without carrier")
                .fix("ask again; if it stays, look at the carrier of the link"),
        );
    }
}

/// Addresses of ours with an end that nobody moves.
fn lifetime(scene: &Scene, address: &AddressStatus, found: &mut Vec<Finding>) {
    let Some(until) = address.valid_until else {
        return;
    };
    if scene.supervisor == Supervisor::Runs || address.protocol != OUR_PROTOCOL {
        return;
    }
    let left = left(until, scene.observed.at);
    found.push(
        Finding::error_if(
            until.saturating_since(scene.observed.at) < SOON,
            id(address),
            format!("ends in {left}, and nobody renews it"),
        )
        .why("it is leased, and no supervisor runs")
        .fix("init-net supervise"),
    );
}

fn leases(scene: &Scene) -> Vec<Finding> {
    let told = scene.wanted.leases.iter().filter_map(|lease| {
        let link = lease.id.rsplit('/').next().unwrap_or_default();
        let carrier = scene.live_links().any(|l| l.name.as_str() == link);
        let id = lease.id.as_str();
        match (lease.state.as_str(), lease.expires_at) {
            ("rebinding", Some(until)) => Some(
                Finding::warning(
                    id,
                    format!(
                        "its server does not renew it; it ends in {}",
                        left(until, scene.observed.at)
                    ),
                )
                .why("the client asks every server by now (REBINDING): then the address goes")
                .fix("look at the DHCP server, or at the relay on the way"),
            ),
            ("init" | "selecting", _) if carrier => Some(
                Finding::error(id, "no DHCP server answers")
                    .why("offers are asked for again and again, and none comes")
                    .fix(format!(
                        "a server in this VLAN? a relay? `tcpdump -ni {link} port 67 or port 68`"
                    )),
            ),
            ("declining", _) => Some(
                Finding::warning(id, "the address that was offered is in use")
                    .why("another host answered for it; it was declined, another one is asked for")
                    .fix("look at static addresses within the range of the DHCP server"),
            ),
            _ => None,
        }
    });
    told.collect()
}

/// What ARP and the supervisor know of other hosts with our addresses.
fn duplicates(scene: &Scene) -> Vec<Finding> {
    // Of an address that several machines share, that is for `vips` to say.
    let shared = |address: IpAddr| scene.wanted.vips.iter().any(|vip| vip.ip == address);
    let probed = scene.answers.owned.iter().filter_map(|owned| {
        let mac = owned.rival.filter(|_| !shared(owned.address.into()))?;
        let id = format!("{}/{}", owned.link, owned.address);
        Some(
            Finding::error(id, format!("another host has this address: {mac}"))
                .why("connections go to one or the other, and break when it changes")
                .fix("give one of the two another address"),
        )
    });
    let mut found: Vec<Finding> = probed.collect();
    let known = scene.report.iter().flat_map(|report| &report.conflicts);
    for text in known {
        let address = text.split(' ').next().unwrap_or_default();
        // The address with a word's end behind it.
        let told = |f: &Finding| f.id.ends_with(&format!("/{address}"));
        if !found.iter().any(told) {
            found.push(
                Finding::error(address, text.clone())
                    .why("the supervisor saw it on the wire")
                    .fix("give one of the two another address"),
            );
        }
    }
    found
}

/// One network on two links: answers leave by whichever route is first.
fn overlaps(scene: &Scene) -> Vec<Finding> {
    let routed: Vec<&AddressStatus> = scene
        .observed
        .addresses
        .iter()
        .filter(|a| a.scope == Scope::Global && a.address.len() < host(a.address.address()))
        .filter(|a| a.flags & AddressStatus::NOPREFIXROUTE == 0)
        .filter(|a| scene.live_links().any(|link| link.index == a.link_index))
        .collect();
    // A VRF has tables of its own.
    let domain = |a: &AddressStatus| {
        let link = scene.observed.links.get(&a.link_index)?;
        let master = scene.observed.links.get(&link.master_index)?;
        (master.kind == "vrf").then_some(master.index)
    };
    let mut found = Vec::new();
    for (at, one) in routed.iter().enumerate() {
        for other in routed.get(at + 1..).unwrap_or_default() {
            if one.link_index != other.link_index
                && one.address.network() == other.address.network()
                && domain(one) == domain(other)
                && found.len() < MAX_PAIRS
            {
                found.push(
                    Finding::warning(
                        id(one),
                        format!("the same network is on {}", other.link_name),
                    )
                    .why("answers leave by one of the two, whichever way a question came in")
                    .fix("a bond of both, other networks, or a routing rule by source for each"),
                );
            }
        }
    }
    found
}

fn host(address: IpAddr) -> u8 {
    crate::value::Prefix::host(address).len()
}

/// `2 h 5 min`, `40 s`.
fn left(until: Instant, now: Instant) -> String {
    match until.saturating_since(now).as_secs() {
        secs if secs < 60 => format!("{secs} s"),
        secs if secs < 3600 => format!("{} min", secs / 60),
        secs => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}
