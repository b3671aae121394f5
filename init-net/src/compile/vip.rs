//! Shared addresses: same link and address, the highest layer wins.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::defaults;
use super::link::Links;
use super::names::Names;
use crate::config::{
    CheckConfig, Diagnostic, Document, ElectionConfig, EtcdConfig, Severity, VipConfig, VrrpConfig,
};
use crate::state::{Desired, EtcdElection, VipCheck, VipElection, VipSpec, VrrpElection};
use crate::value::{Layer, LinkName, Mac, Origin, VipProvider, VrrpVersion};

/// Most shared addresses of a machine: each has timers and sockets of its own.
const MAX_VIPS: usize = 64;

/// How far machines are apart that nobody gave a priority, and how many steps there are.
const PRIORITY_STEP: u8 = 10;
const PRIORITY_STEPS: u32 = 10;

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    links: &Links,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let worker = documents.iter().any(|document| document.worker);
    for document in documents {
        for config in &document.vips {
            if worker && config.control_plane_only {
                diagnostics.push(
                    fault(Severity::Note, config, "this machine is a worker")
                        .with_effect(format!("it never takes {}", config.address)),
                );
                continue;
            }
            let found = names.resolve(&config.link);
            if found.is_empty() {
                let effect = format!("{} waits for its link", config.address);
                let rule = "no link of this machine matches";
                diagnostics.push(fault(Severity::Warning, config, rule).with_effect(effect));
            }
            for link in found {
                let by = (document.layer, &config.origin);
                match links.carries(&link, by) {
                    Ok(()) => {
                        let mac = links.stable_mac(&link, names);
                        let id = (link.clone(), config.address);
                        desired
                            .vips
                            .insert(id, spec(config, link, mac, document.layer));
                    }
                    Err(fault) => diagnostics.push(*fault),
                }
            }
        }
    }
    limit(desired, diagnostics);
    check_groups(desired, diagnostics);
    check_reach(desired, diagnostics);
}

/// After everything else is merged: an address that this machine has anyway is nobody's to move.
pub(super) fn check_own(desired: &mut Desired, diagnostics: &mut Vec<Diagnostic>) {
    let Desired {
        vips, addresses, ..
    } = desired;
    vips.retain(|(_, ip), vip| {
        let own = addresses.values().find(|own| own.address.address() == *ip);
        let Some(own) = own else { return true };
        let rule = format!("{ip} is an address of this machine alone ({})", own.origin);
        diagnostics.push(
            Diagnostic::new(Severity::Error, rule)
                .with_place((&vip.origin).into())
                .with_fix("take it out of the addresses")
                .with_effect("it is not shared"),
        );
        false
    });
}

fn limit(desired: &mut Desired, diagnostics: &mut Vec<Diagnostic>) {
    while desired.vips.len() > MAX_VIPS
        && let Some((_, vip)) = desired.vips.pop_last()
    {
        let rule = format!("a machine shares at most {MAX_VIPS} addresses");
        diagnostics.push(
            Diagnostic::new(Severity::Error, rule)
                .with_place((&vip.origin).into())
                .with_effect(format!("{} is not shared", vip.ip)),
        );
    }
}

/// Two groups with one number on one link would be one group to everybody: the later one is left out.
fn check_groups(desired: &mut Desired, diagnostics: &mut Vec<Diagnostic>) {
    let mut groups: BTreeMap<(LinkName, bool, u8), (IpAddr, Origin)> = BTreeMap::new();
    desired.vips.retain(|(link, ip), vip| {
        let VipElection::Vrrp(election) = &vip.election else {
            return true;
        };
        let key = (link.clone(), election.speaks_ipv4(*ip), election.vrid);
        let Some((other, origin)) = groups.get(&key) else {
            groups.insert(key, (*ip, vip.origin.clone()));
            return true;
        };
        let derived = if election.vrid_derived {
            ", which was derived from its address"
        } else {
            ""
        };
        let rule = format!(
            "{ip} has the vrid {} of {other} ({origin}){derived}",
            election.vrid
        );
        diagnostics.push(
            Diagnostic::new(Severity::Error, rule)
                .with_place((&vip.origin).into())
                .with_fix("say another vrid, the same on all machines")
                .with_effect(format!("{ip} is not shared")),
        );
        false
    });
}

/// Networks of clouds carry no multicast: machines that only speak to the group are alone there, each.
fn check_reach(desired: &Desired, diagnostics: &mut Vec<Diagnostic>) {
    for vip in desired.vips.values() {
        let VipElection::Vrrp(election) = &vip.election else {
            continue;
        };
        if matches!(vip.provider, VipProvider::Layer2) || !election.peers.is_empty() {
            continue;
        }
        let rule = "the networks of clouds carry no multicast: the machines cannot hear each other";
        diagnostics.push(
            Diagnostic::new(Severity::Warning, rule)
                .with_place((&vip.origin).into())
                .with_fix("list the machines in peers:, or use election: etcd")
                .with_effect(format!("each of them takes {} from the others", vip.ip)),
        );
    }
}

fn fault(severity: Severity, config: &VipConfig, rule: &str) -> Diagnostic {
    Diagnostic::new(severity, rule.to_owned()).with_place((&config.origin).into())
}

fn spec(config: &VipConfig, link_name: LinkName, mac: Option<Mac>, layer: Layer) -> VipSpec {
    let election = match &config.election {
        ElectionConfig::Vrrp(vrrp) => VipElection::Vrrp(election(config.address, vrrp, mac)),
        ElectionConfig::Etcd(etcd) => VipElection::Etcd(campaign(config.address, etcd)),
    };
    let holder = match &election {
        VipElection::Vrrp(election) if election.virtual_mac => {
            virtual_link(config.address, election.vrid).unwrap_or_else(|| link_name.clone())
        }
        VipElection::Vrrp(_) | VipElection::Etcd(_) => link_name.clone(),
    };
    VipSpec {
        ip: config.address,
        holder,
        link_name,
        provider: config.provider.clone(),
        election,
        check: config.check.as_ref().map(check),
        bootstrap: config.bootstrap.unwrap_or(true),
        layer,
        origin: config.origin.clone(),
    }
}

/// The link that has the hardware address of a group.
fn virtual_link(address: IpAddr, vrid: u8) -> Option<LinkName> {
    let family = if address.is_ipv4() { 4 } else { 6 };
    format!("vrrp{family}.{vrid}").parse().ok()
}

fn election(address: IpAddr, config: &VrrpConfig, mac: Option<Mac>) -> VrrpElection {
    let version = config.version.unwrap_or_default();
    let interval = match version {
        VrrpVersion::V2 => defaults::VRRP_INTERVAL_V2,
        VrrpVersion::V3 => defaults::VRRP_INTERVAL,
    };
    VrrpElection {
        version,
        vrid: config.vrid.unwrap_or_else(|| vrid(address)),
        vrid_derived: config.vrid.is_none(),
        priority: config.priority.unwrap_or_else(|| priority(mac)),
        advert_interval: config.advert_interval.unwrap_or(interval),
        preempt: config.preempt.unwrap_or(false),
        preempt_delay: config.preempt_delay.unwrap_or(defaults::VRRP_PREEMPT_DELAY),
        checksum: config.checksum.unwrap_or_default(),
        peers: config.peers.clone(),
        min_ttl: config.min_ttl.unwrap_or(u8::MAX),
        takeover_guard: config.takeover_guard.unwrap_or(defaults::VIP_GUARD),
        virtual_mac: config.virtual_mac.unwrap_or(false),
    }
}

fn campaign(address: IpAddr, config: &EtcdConfig) -> EtcdElection {
    let key = config.key.clone();
    EtcdElection {
        endpoints: config.endpoints.clone(),
        ca: config.ca.clone(),
        identity: config.identity.clone(),
        key: key.unwrap_or_else(|| format!("{}{address}", defaults::ETCD_ELECTION)),
        ttl: config.ttl.unwrap_or(defaults::ETCD_TTL),
    }
}

fn check(config: &CheckConfig) -> VipCheck {
    VipCheck {
        target: config.target.clone(),
        interval: config.interval.unwrap_or(defaults::VIP_CHECK_INTERVAL),
        timeout: config.timeout.unwrap_or(defaults::VIP_CHECK_TIMEOUT),
        fall: config.fall.unwrap_or(defaults::VIP_CHECK_FALL),
        rise: config.rise.unwrap_or(defaults::VIP_CHECK_RISE),
        ca: config.ca.clone(),
        insecure: config.insecure,
    }
}

/// FNV-1a, 32 bits.
fn hash(bytes: &[u8]) -> u32 {
    let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, fold)
}

/// The number of the group that follows from the address, 1 to 254, so that machines agree that were told nothing else.
fn vrid(address: IpAddr) -> u8 {
    let hash = match address {
        IpAddr::V4(v4) => hash(&v4.octets()),
        IpAddr::V6(v6) => hash(&v6.octets()),
    };
    (hash % 254) as u8 + 1
}

/// The priority of a machine that was given none: machines differ by the hardware address of the link, mostly, so that they do not
/// promote at one moment.
fn priority(mac: Option<Mac>) -> u8 {
    let step = mac.map_or(0, |mac| hash(mac.as_bytes()) % PRIORITY_STEPS);
    defaults::VRRP_PRIORITY + PRIORITY_STEP * step as u8
}
