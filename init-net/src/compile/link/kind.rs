//! What a document wants made, with names resolved.
//!
//! The kind of the highest source stands whole, members and options included: half a bond of one source and half of
//! another is a bond that nobody described. What is not part of the kind (state, MTU, addresses) merges field by field.

use super::super::{alias::list, defaults, names::Names};
use super::fault;
use crate::config::{Diagnostic, KindConfig, LinkConfig, LinkRef, Severity};
use crate::state::KindSpec;
use crate::value::{BondOptions, LinkName, VlanProtocol};

/// What one statement makes of a link.
pub(super) struct Made {
    pub kind: KindSpec,
    /// Members in order, of bonds, bridges and VRFs.
    pub members: Vec<LinkName>,
}

/// `None`: it cannot be made (yet), which is reported.
pub(super) fn kind(
    config: &LinkConfig,
    kind: &KindConfig,
    name: &LinkName,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Made> {
    let mut one = |link: &LinkRef, role: &str| match one(names, link, name, role, config) {
        Ok(found) => Some(found),
        Err(fault) => {
            diagnostics.push(*fault);
            None
        }
    };
    let alone = |kind| Made {
        kind,
        members: Vec::new(),
    };
    Some(match kind {
        KindConfig::Vlan {
            parent,
            id,
            protocol,
        } => alone(KindSpec::Vlan {
            parent: one(parent, "parent")?,
            id: *id,
            protocol: protocol.unwrap_or(VlanProtocol::Dot1Q),
        }),
        KindConfig::Bond {
            members,
            options,
            primary,
        } => {
            let primary = primary.as_ref().and_then(|link| one(link, "primary"));
            let found = all(names, members, name);
            let kind = KindSpec::Bond {
                options: monitored(options),
                primary: member(primary, &found, name, config, diagnostics),
            };
            Made {
                kind,
                members: found,
            }
        }
        KindConfig::Bridge {
            members,
            options,
            vlans,
        } => Made {
            kind: KindSpec::Bridge {
                options: options.clone(),
                vlans: vlans.clone(),
            },
            members: all(names, members, name),
        },
        KindConfig::Vrf { members, table } => Made {
            kind: KindSpec::Vrf { table: *table },
            members: all(names, members, name),
        },
        KindConfig::Team { .. } => {
            diagnostics.push(team(config, name));
            return None;
        }
        KindConfig::Dummy => alone(KindSpec::Dummy),
        KindConfig::Veth { peer } => alone(KindSpec::Veth { peer: peer.clone() }),
        KindConfig::Wireguard(options) => alone(KindSpec::Wireguard(options.clone())),
        KindConfig::Macvlan { parent, mode } => alone(KindSpec::Macvlan {
            parent: one(parent, "parent")?,
            mode: *mode,
        }),
        KindConfig::Ipvlan { parent, mode } => alone(KindSpec::Ipvlan {
            parent: one(parent, "parent")?,
            mode: *mode,
        }),
        KindConfig::Vxlan { parent, options } => alone(KindSpec::Vxlan {
            parent: match parent {
                Some(parent) => Some(one(parent, "parent")?),
                None => None,
            },
            options: options.clone(),
        }),
    })
}

/// The one link that is meant.
fn one(
    names: &Names<'_>,
    link: &LinkRef,
    of: &LinkName,
    role: &str,
    config: &LinkConfig,
) -> Result<LinkName, Box<Diagnostic>> {
    let found = names.resolve(link);
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let message = format!("{of}: no link fits its {role}");
            let fault = fault(Severity::Warning, message, &config.origin);
            Err(fault
                .with_effect(format!("{of} waits until one appears"))
                .into())
        }
        several => {
            let message = format!("{of}: {} links fit its {role}", several.len());
            let candidates = list(several.iter());
            let fault = fault(Severity::Error, message, &config.origin)
                .with_fix(format!("say which: {candidates}"))
                .with_effect(format!("{of} has no {role}"));
            Err(fault.into())
        }
    }
}

/// All links that are meant, in the order said, each once; never the master itself.
fn all(names: &Names<'_>, members: &[LinkRef], master: &LinkName) -> Vec<LinkName> {
    let mut seen = std::collections::BTreeSet::new();
    members
        .iter()
        .flat_map(|member| names.resolve(member))
        .filter(|member| member != master && seen.insert(member.clone()))
        .collect()
}

/// The primary, when it is a member.
fn member(
    primary: Option<LinkName>,
    members: &[LinkName],
    bond: &LinkName,
    config: &LinkConfig,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<LinkName> {
    let primary = primary?;
    if members.contains(&primary) {
        return Some(primary);
    }
    let message = format!("{bond}: its primary {primary} is not one of its members");
    diagnostics.push(
        Diagnostic::new(Severity::Error, message)
            .with_place((&config.origin).into())
            .with_fix("name one of its members")
            .with_effect("the bond has no primary"),
    );
    None
}

/// A bond that watches its members: with nothing said of either monitor the kernel of most modes watches nothing, and a
/// member without carrier goes on being used.
fn monitored(options: &BondOptions) -> BondOptions {
    let mut options = options.clone();
    if options.miimon.is_none() && options.arp_interval.is_none() {
        options.miimon = Some(defaults::BOND_MIIMON);
    }
    options
}

fn team(config: &LinkConfig, name: &LinkName) -> Diagnostic {
    Diagnostic::new(Severity::Note, "teams are not applied yet")
        .with_place((&config.origin).into())
        .with_effect(format!(
            "{name} is not created; what is configured on it waits"
        ))
}
