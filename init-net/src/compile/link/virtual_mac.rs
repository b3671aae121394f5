//! The links of shared addresses that have a hardware address of their own (RFC 9568 §7.3): a macvlan each.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::super::names::Names;
use super::{Draft, Links, Statement, fault};
use crate::config::{Diagnostic, Severity};
use crate::state::{Desired, KindSpec, MasterSpec, VipElection, VipSpec};
use crate::value::{LinkName, Mac, MacvlanMode};

/// What the kernel calls the kind.
const MACVLAN: &str = "macvlan";

impl Links {
    /// Makes the links that shared addresses of their own hardware address stand on. One that cannot be made costs the address.
    pub(in crate::compile) fn hold_shared(
        &mut self,
        names: &Names<'_>,
        desired: &mut Desired,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let mut held: BTreeMap<LinkName, (IpAddr, LinkName)> = BTreeMap::new();
        desired.vips.retain(|_, vip| {
            let Some(mac) = mac_of(vip) else { return true };
            if let Err((rule, fix)) = self.can_hold(vip, names, &held) {
                diagnostics.push(
                    fault(Severity::Error, rule, &vip.origin)
                        .with_fix(fix)
                        .with_effect(format!("{} is not shared", vip.ip)),
                );
                return false;
            }
            held.insert(vip.holder.clone(), (vip.ip, vip.link_name.clone()));
            self.hold(vip, mac);
            true
        });
    }

    /// `Err`: the rule that forbids it, and what to do.
    fn can_hold(
        &self,
        vip: &VipSpec,
        names: &Names<'_>,
        held: &BTreeMap<LinkName, (IpAddr, LinkName)>,
    ) -> Result<(), (String, &'static str)> {
        let (holder, below) = (&vip.holder, &vip.link_name);
        if let Some((other, link)) = held.get(holder) {
            let rule = format!("{holder} has the hardware address of {other} on {link} already");
            return Err((rule, "say another vrid, the same on all machines"));
        }
        let card = names.link(holder).is_some_and(|link| link.is_physical());
        let made = |name| self.drafts.get(name)?.kind.value();
        if card || made(holder).is_some() || self.refused.contains(holder) {
            let rule = format!("{holder} is another link, so it cannot carry {}", vip.ip);
            return Err((rule, "give that link another name, or say another vrid"));
        }
        // The kernel puts it on the link below instead (`macvlan_common_newlink`, drivers/net/macvlan.c), beside the other one.
        let seen = names.link(below).is_some_and(|link| link.kind == MACVLAN);
        let is_macvlan = made(below).map_or(seen, |kind| kind.name() == MACVLAN);
        if is_macvlan {
            let rule = format!("{below} is a macvlan, on which no other one can stand");
            return Err((rule, "remove virtualMAC, or share it on the link below"));
        }
        Ok(())
    }

    fn hold(&mut self, vip: &VipSpec, mac: Mac) {
        let below = self.drafts.get(&vip.link_name);
        let vrf = below.and_then(|draft| draft.master.value()).cloned();
        let vrf = vrf.filter(|master| matches!(master, MasterSpec::Vrf(_)));
        let by = Statement {
            layer: vip.layer,
            order: 0,
            origin: &vip.origin,
        };
        let draft = self
            .drafts
            .entry(vip.holder.clone())
            .or_insert_with(|| Draft::new(vip.layer, &vip.origin));
        draft.heard(&by);
        let kind = KindSpec::Macvlan {
            parent: vip.link_name.clone(),
            // Machines beside it on the same card have their own: nothing is to be switched between them.
            mode: Some(MacvlanMode::Private),
        };
        draft.kind.say(Some(kind), &by);
        draft.mac.say(Some(mac), &by);
        draft.master.say(vrf, &by);
    }
}

/// The hardware address that goes with a shared one.
fn mac_of(vip: &VipSpec) -> Option<Mac> {
    let VipElection::Vrrp(election) = &vip.election else {
        return None;
    };
    let family = if vip.ip.is_ipv4() { 1 } else { 2 };
    let mac = Mac::ethernet([0x00, 0x00, 0x5e, 0x00, family, election.vrid]);
    election.virtual_mac.then_some(mac)
}
