//! `bond` of an interface. Its keys have names of their own.

use serde_json::{Value as Json, json};

use super::ports::Ports;
use super::selector::SelectorKeys;
use crate::config::machine::record::{Any, At, Items as _, Record};
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{KindConfig, LinkRef};
use crate::value::{
    AdSelect, ArpAllTargets, ArpValidate, BondMode, BondOptions, FailOverMac, LacpRate, LinkName,
    PrimaryReselect, XmitHashPolicy,
};

keys! {
    /// Makes a bond of links.
    pub struct BondKeys("bond") {
        /// Its members, in order; or `deviceSelectors`.
        "interfaces" interfaces: Vec<At<LinkName>>,
        /// Its members, by what they are.
        "deviceSelectors" device_selectors: Vec<SelectorKeys>,
        /// How it spreads its traffic.
        required "mode" mode: BondMode,
        /// What is hashed to choose a member.
        "xmitHashPolicy" xmit_hash_policy: XmitHashPolicy,
        /// How often LACP partners speak.
        "lacpRate" lacp_rate: LacpRate,
        /// Refused, as by others that read this form.
        "adActorSystem" ad_actor_system: Any,
        /// Refused, as by others that read this form.
        "arpIPTarget" arp_ip_target: Any,
        /// Which members' ARP replies are checked.
        "arpValidate" arp_validate: ArpValidate,
        /// How many ARP targets must answer.
        "arpAllTargets" arp_all_targets: ArpAllTargets,
        /// The preferred member.
        "primary" primary: LinkName,
        /// When the preferred member that is back takes over again.
        "primaryReselect" primary_reselect: PrimaryReselect,
        /// Whose hardware address the bond has.
        "failOverMac" fail_over_mac: FailOverMac,
        /// Which aggregator is used.
        "adSelect" ad_select: AdSelect,
        /// How often carrier is looked at, milliseconds.
        "miimon" miimon: u32,
        /// How long carrier is back until a member is used, milliseconds.
        "updelay" updelay: u32,
        /// How long carrier is gone until a member is given up, milliseconds.
        "downdelay" downdelay: u32,
        /// How often ARP targets are asked, milliseconds.
        "arpInterval" arp_interval: u32,
        /// How many IGMP reports follow a failover.
        "resendIgmp" resend_igmp: u32,
        /// How many members must have carrier.
        "minLinks" min_links: u32,
        /// How often learning packets are sent, seconds.
        "lpInterval" lp_interval: u32,
        /// How many packets go to a member in turn.
        "packetsPerSlave" packets_per_slave: u32,
        /// How often neighbours are told of a failover.
        "numPeerNotif" num_peer_notif: u8,
        /// Whether flows move by load.
        "tlbDynamicLb" tlb_dynamic_lb: Switch,
        /// Whether members that are not used receive.
        "allSlavesActive" all_slaves_active: Switch,
        /// Whether the driver tells carrier.
        "useCarrier" use_carrier: bool,
        /// The priority of the machine among LACP partners.
        "adActorSysPrio" ad_actor_sys_prio: u16,
        /// A part of the LACP port key.
        "adUserPortKey" ad_user_port_key: u16,
        /// How long lies between what neighbours are told, milliseconds.
        "peerNotifyDelay" peer_notify_delay: u32,
    }
}

/// On or off, written as 1 or 0 in this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(bool);

impl Scalar for Switch {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match (text, node.truth()) {
            ("1", _) => Ok(Self(true)),
            ("0", _) => Ok(Self(false)),
            (_, Some(on)) => Ok(Self(on)),
            (_, None) => Err("expected 0 or 1".into()),
        }
    }

    fn schema() -> Json {
        json!({"enum": [0, 1, "0", "1", true, false]})
    }
}

impl BondKeys {
    /// The bond that is to be made.
    pub fn kind(&self, ports: &Ports, source: &Source<'_>) -> KindConfig {
        let primary = self.primary.as_ref().filter(|primary| {
            let fits = self.mode.has_primary();
            if !fits {
                let rule = "primary needs mode: active-backup, balance-tlb or balance-alb";
                self.refuse_value(source, *primary, rule, None);
            }
            fits
        });
        KindConfig::Bond {
            members: self.members(ports, source),
            options: self.options(source),
            primary: primary.map(|primary| LinkRef::Name(primary.value.clone())),
        }
    }

    fn members(&self, ports: &Ports, source: &Source<'_>) -> Vec<LinkRef> {
        let selectors = self.device_selectors.clone().items();
        let selectors: Vec<_> = selectors.filter_map(|keys| keys.selector(source)).collect();
        let named = self.interfaces.as_ref().map(|list| ports.kept(list));
        let named = named.unwrap_or_default();
        if !selectors.is_empty()
            && self
                .interfaces
                .as_ref()
                .is_some_and(|list| !list.is_empty())
        {
            let rule = "interfaces and deviceSelectors exclude each other";
            self.refuse_value(
                source,
                &self.device_selectors,
                rule,
                Some("keep one of them"),
            );
        } else if selectors.is_empty() && named.is_empty() && !self.is_partial() {
            self.warn(source, &self.interfaces, "this bond has no members", None);
        }
        if named.is_empty() {
            return selectors.into_iter().map(LinkRef::Selector).collect();
        }
        named.into_iter().map(LinkRef::Name).collect()
    }

    fn options(&self, source: &Source<'_>) -> BondOptions {
        let mode = self.mode.value;
        for (key, at) in [
            ("adActorSystem", &self.ad_actor_system),
            ("arpIPTarget", &self.arp_ip_target),
        ] {
            if at.is_some() {
                let rule = format!("{key} is not supported in this form");
                self.refuse_value(source, at, &rule, Some("write a BondConfig"));
            }
        }
        let lacp = |key| Rule(mode == BondMode::Lacp, key, "mode: 802.3ad");
        let arp = |key| {
            Rule(
                mode.has_arp_monitor(),
                key,
                "another mode than 802.3ad, balance-tlb and balance-alb",
            )
        };
        let balances = matches!(mode, BondMode::BalanceTlb | BondMode::BalanceAlb);
        let tlb = Rule(balances, "tlbDynamicLb", "mode: balance-tlb or balance-alb");
        let turns = Rule(
            mode == BondMode::BalanceRr,
            "packetsPerSlave above 1",
            "mode: balance-rr",
        );
        let miimon = count(&self.miimon);
        BondOptions {
            mode: Some(mode),
            xmit_hash_policy: said(&self.xmit_hash_policy),
            miimon,
            updelay: self.delay(source, "updelay", &self.updelay),
            downdelay: self.delay(source, "downdelay", &self.downdelay),
            peer_notif_delay: self.delay(source, "peerNotifyDelay", &self.peer_notify_delay),
            use_carrier: said(&self.use_carrier),
            arp_interval: self.fitting(source, arp("arpInterval"), &self.arp_interval, &[0]),
            arp_validate: self.fitting(
                source,
                arp("arpValidate"),
                &self.arp_validate,
                &[ArpValidate::None],
            ),
            arp_all_targets: said(&self.arp_all_targets),
            lacp_rate: self.fitting(source, lacp("lacpRate"), &self.lacp_rate, &[]),
            ad_select: said(&self.ad_select),
            ad_actor_sys_prio: self
                .fitting(
                    source,
                    lacp("adActorSysPrio"),
                    &self.ad_actor_sys_prio,
                    &[0],
                )
                .filter(|priority| *priority != 0),
            ad_user_port_key: self.fitting(
                source,
                lacp("adUserPortKey"),
                &self.ad_user_port_key,
                &[0],
            ),
            fail_over_mac: said(&self.fail_over_mac),
            primary_reselect: said(&self.primary_reselect),
            resend_igmp: count(&self.resend_igmp),
            min_links: said(&self.min_links),
            lp_interval: count(&self.lp_interval),
            packets_per_slave: self
                .fitting(source, turns, &self.packets_per_slave, &[0, 1])
                .filter(|packets| *packets != 0),
            num_peer_notif: said(&self.num_peer_notif).filter(|count| *count != 0),
            tlb_dynamic_lb: self
                .fitting(source, tlb, &self.tlb_dynamic_lb, &[Switch(false)])
                .map(|switch| switch.0),
            all_slaves_active: said(&self.all_slaves_active).map(|switch| switch.0),
            ..BondOptions::default()
        }
    }

    /// A value that not every mode knows. Where the mode does not, what is `idle` changes nothing and is dropped;
    /// anything else is reported.
    fn fitting<T: Copy + PartialEq>(
        &self,
        source: &Source<'_>,
        Rule(fits, key, needs): Rule,
        at: &Option<At<T>>,
        idle: &[T],
    ) -> Option<T> {
        let value = said(at)?;
        if fits {
            return Some(value);
        }
        if !idle.contains(&value) {
            self.refuse_value(source, at, &format!("{key} needs {needs}"), None);
        }
        None
    }

    /// A delay counts in looks at the carrier.
    fn delay(&self, source: &Source<'_>, key: &str, at: &Option<At<u32>>) -> Option<u32> {
        let delay = count(at)?;
        let rule = match count(&self.miimon) {
            None => format!("{key} needs miimon"),
            Some(miimon) if delay % miimon != 0 => format!("{key} is not a multiple of miimon"),
            Some(_) => return Some(delay),
        };
        self.refuse_value(source, at, &rule, None);
        None
    }
}

/// Whether the mode fits a key, the key, and what it needs.
struct Rule(bool, &'static str, &'static str);

/// What was said, without its place.
fn said<T: Copy>(at: &Option<At<T>>) -> Option<T> {
    at.map(|at| at.value)
}

/// A number, where 0 stands for "not said" in this form.
fn count(at: &Option<At<u32>>) -> Option<u32> {
    said(at).filter(|count| *count != 0)
}
