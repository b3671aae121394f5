//! Bonds: which options a mode takes, and what the driver wants for their change (drivers/net/bonding/bond_options.c).

use super::differ::differing;
use super::kind::Change;
use crate::state::{KindSpec, LinkAt};
use crate::value::{BondMode, BondOptions};

/// BOND_DEFAULT_MIIMON, milliseconds: what the driver takes in the modes that know no other way to watch a link.
const DEFAULT_MIIMON: u32 = 100;

/// What to change so that a bond that is `have` becomes `want`. `primary` is the preferred member when it is another.
pub(super) fn change(want: &BondOptions, primary: Option<LinkAt>, have: &BondOptions) -> Change {
    let want = effective(want, Some(have));
    let mut options = differing(&want, have);
    // The driver counts delays in intervals: with a new one they would be others.
    if options.miimon.is_some() {
        options.updelay = want.updelay;
        options.downdelay = want.downdelay;
        options.peer_notif_delay = want.peer_notif_delay;
    }
    // A new mode resets options, and has some that the old one does not report.
    if options.mode.is_some() {
        options = want;
    }
    // BOND_OPTFLAG_NOSLAVES and BOND_OPTFLAG_IFDOWN.
    let empty = options.mode.is_some() || options.fail_over_mac.is_some();
    let down = options.mode.is_some()
        || options.lacp_active.is_some()
        || options.lacp_rate.is_some()
        || options.ad_select.is_some()
        || options.ad_user_port_key.is_some()
        || options.tlb_dynamic_lb.is_some();
    // Not in every mode, and only of who is a member: not of who has to leave first.
    let preferred = options
        .mode
        .or(have.mode)
        .is_some_and(BondMode::has_primary)
        && !empty;
    let primary = primary.filter(|_| preferred);
    let any = options != BondOptions::default() || primary.is_some();
    let name = primary.as_ref().map(|primary| primary.name.clone());
    Change {
        kind: any.then_some(KindSpec::Bond {
            options,
            primary: name,
        }),
        primary,
        down,
        empty,
    }
}

fn differing(want: &BondOptions, have: &BondOptions) -> BondOptions {
    differing!(
        BondOptions,
        want,
        have,
        [
            mode,
            xmit_hash_policy,
            miimon,
            updelay,
            downdelay,
            peer_notif_delay,
            use_carrier,
            arp_interval,
            arp_ip_targets,
            ns_ip6_targets,
            arp_validate,
            arp_all_targets,
            missed_max,
            lacp_rate,
            lacp_active,
            ad_select,
            ad_actor_sys_prio,
            ad_actor_system,
            ad_user_port_key,
            fail_over_mac,
            primary_reselect,
            resend_igmp,
            min_links,
            lp_interval,
            packets_per_slave,
            num_peer_notif,
            tlb_dynamic_lb,
            all_slaves_active,
        ]
    )
}

/// The options that make sense together, as the driver will report them: it refuses those that the mode does not have
/// (a whole message for one of them), runs one monitor only, and rounds delays down to its interval.
pub(super) fn effective(want: &BondOptions, have: Option<&BondOptions>) -> BondOptions {
    let now = have.and_then(|have| have.mode);
    let mode = want.mode.or(now).unwrap_or(BondMode::BalanceRr);
    let miimon = miimon(want, have, mode);
    let delay = |delay: Option<u32>| {
        let delay = delay.filter(|_| miimon > 0)?;
        Some(delay - delay.checked_rem(miimon)?)
    };
    let lacp = mode == BondMode::Lacp;
    let by_load = matches!(mode, BondMode::BalanceTlb | BondMode::BalanceAlb);
    let (has_arp, arp_runs) = (
        mode.has_arp_monitor(),
        mode.has_arp_monitor() && miimon == 0,
    );
    BondOptions {
        updelay: delay(want.updelay),
        downdelay: delay(want.downdelay),
        peer_notif_delay: delay(want.peer_notif_delay),
        arp_interval: want.arp_interval.filter(|_| arp_runs),
        arp_validate: want.arp_validate.filter(|_| arp_runs),
        arp_ip_targets: want.arp_ip_targets.clone().filter(|_| has_arp),
        ns_ip6_targets: want.ns_ip6_targets.clone().filter(|_| has_arp),
        missed_max: want.missed_max.filter(|_| has_arp),
        lacp_rate: want.lacp_rate.filter(|_| lacp),
        lacp_active: want.lacp_active.filter(|_| lacp),
        ad_select: want.ad_select.filter(|_| lacp),
        ad_actor_sys_prio: want.ad_actor_sys_prio.filter(|_| lacp),
        ad_actor_system: want.ad_actor_system.filter(|_| lacp),
        ad_user_port_key: want.ad_user_port_key.filter(|_| lacp),
        // Another mode has no use for it, and members would have to leave for nothing.
        fail_over_mac: want
            .fail_over_mac
            .filter(|_| mode == BondMode::ActiveBackup),
        packets_per_slave: want
            .packets_per_slave
            .filter(|_| mode == BondMode::BalanceRr),
        tlb_dynamic_lb: want.tlb_dynamic_lb.filter(|_| by_load),
        ..want.clone()
    }
}

/// The interval that the bond will have: the ARP monitor turns this one off.
fn miimon(want: &BondOptions, have: Option<&BondOptions>, mode: BondMode) -> u32 {
    let by_arp = mode.has_arp_monitor() && want.arp_interval.is_some_and(|interval| interval > 0);
    let now = have
        .and_then(|have| have.miimon)
        .filter(|now| *now > 0 && !by_arp);
    let default = if mode.has_arp_monitor() {
        0
    } else {
        DEFAULT_MIIMON
    };
    want.miimon.or(now).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ArpValidate, FailOverMac, LacpRate};

    fn have() -> BondOptions {
        BondOptions {
            mode: Some(BondMode::ActiveBackup),
            miimon: Some(100),
            updelay: Some(200),
            arp_interval: Some(0),
            lacp_rate: Some(LacpRate::Slow),
            fail_over_mac: Some(FailOverMac::None),
            ..BondOptions::default()
        }
    }

    #[track_caller]
    fn check(want: BondOptions, expect: BondOptions, down: bool, empty: bool) {
        let change = change(&want, None, &have());
        let Some(KindSpec::Bond { options, .. }) = change.kind else {
            assert_eq!(expect, BondOptions::default(), "nothing to change");
            return;
        };
        assert_eq!((options, change.down, change.empty), (expect, down, empty));
    }

    #[test]
    fn the_least_disruptive_way() {
        let nothing = BondOptions::default;
        let only = |set: fn(&mut BondOptions)| {
            let mut options = nothing();
            set(&mut options);
            options
        };
        // Right already, as the driver rounds it.
        check(only(|o| o.updelay = Some(250)), nothing(), false, false);
        // Not in this mode.
        check(
            only(|o| o.lacp_rate = Some(LacpRate::Fast)),
            nothing(),
            false,
            false,
        );
        let interval = only(|o| o.miimon = Some(50));
        check(interval.clone(), interval, false, false);
        let follow = only(|o| o.fail_over_mac = Some(FailOverMac::Follow));
        check(follow.clone(), follow, false, true);
        // A new mode comes with all its options.
        let lacp = only(|o| {
            o.mode = Some(BondMode::Lacp);
            o.lacp_rate = Some(LacpRate::Slow);
        });
        check(lacp.clone(), lacp, true, true);
        // The ARP monitor ends the other one; both at once are refused: the link's own state is watched then.
        let arp = only(|o| o.arp_interval = Some(500));
        check(arp.clone(), arp, false, false);
        let both = only(|o| {
            o.miimon = Some(100);
            o.arp_interval = Some(500);
            o.arp_validate = Some(ArpValidate::All);
        });
        check(both, nothing(), false, false);
    }
}
