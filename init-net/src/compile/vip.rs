//! Shared addresses: same link and address, the highest layer wins.

use core::net::IpAddr;

use super::defaults;
use super::link::Links;
use super::names::Names;
use crate::config::{Diagnostic, Document, Severity, VipConfig, VipProvider};
use crate::state::{self, Desired, VipApi, VipElection, VipSpec, VrrpElection};
use crate::value::{Layer, LinkName, Secret, VrrpChecksum, VrrpVersion};

pub(super) fn merge(
    documents: &[&Document],
    names: &Names<'_>,
    links: &Links,
    desired: &mut Desired,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut first = None;
    for document in documents {
        for config in &document.vips {
            first.get_or_insert(&config.origin);
            let found = names.resolve(&config.link);
            if found.is_empty() {
                diagnostics.push(
                    Diagnostic::new(Severity::Warning, "no link of this machine matches")
                        .with_place((&config.origin).into())
                        .with_effect(format!("{} waits for its link", config.address)),
                );
            }
            for link in found {
                let by = (document.layer, &config.origin);
                match links.carries(&link, by) {
                    Ok(()) => {
                        let id = (link.clone(), config.address);
                        desired.vips.insert(id, spec(config, link, document.layer));
                    }
                    Err(fault) => diagnostics.push(*fault),
                }
            }
        }
    }
    if let Some(origin) = first {
        diagnostics.push(
            Diagnostic::new(Severity::Note, "shared addresses are not run yet")
                .with_place(origin.into())
                .with_effect("this machine never takes one"),
        );
    }
}

fn spec(config: &VipConfig, link_name: LinkName, layer: Layer) -> VipSpec {
    let api = |token: &Secret| VipApi {
        api_token: token.clone(),
        endpoint: None,
        metadata_endpoint: None,
    };
    let provider = match &config.provider {
        VipProvider::Layer2 => state::VipProvider::Layer2,
        VipProvider::HCloud { token } => state::VipProvider::HCloud(api(token)),
        VipProvider::EquinixMetal { token } => state::VipProvider::EquinixMetal(api(token)),
    };
    VipSpec {
        ip: config.address,
        link_name,
        provider,
        election: VipElection::Vrrp(VrrpElection {
            version: VrrpVersion::V3,
            vrid: vrid(config.address),
            vrid_derived: true,
            priority: defaults::VRRP_PRIORITY,
            advert_interval: defaults::VRRP_INTERVAL,
            preempt: false,
            preempt_delay: defaults::VRRP_PREEMPT_DELAY,
            checksum: VrrpChecksum::Keepalived,
            peers: Vec::new(),
            min_ttl: u8::MAX,
            takeover_guard: defaults::VIP_GUARD,
            virtual_mac: false,
        }),
        check: None,
        bootstrap: true,
        layer,
        origin: config.origin.clone(),
    }
}

/// A number of the group that follows from the address, 1 to 254: FNV-1a of its bytes, so that machines agree that were told
/// nothing else.
fn vrid(address: IpAddr) -> u8 {
    let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = match address {
        IpAddr::V4(v4) => v4.octets().into_iter().fold(0x811c_9dc5, fold),
        IpAddr::V6(v6) => v6.octets().into_iter().fold(0x811c_9dc5, fold),
    };
    (hash % 254) as u8 + 1
}
