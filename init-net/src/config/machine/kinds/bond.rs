//! `BondConfig`. What a mode does not know costs itself: the kernel would refuse it, some of it together with all else.

use core::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value as Json, json};

use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::{At, Placed as _, Record, plain};
use crate::config::machine::scalar::{Scalar, StationMac, Within, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, KindConfig, LinkRef, Severity};
use crate::value::{
    AdSelect, ArpAllTargets, ArpValidate, BondMode, BondOptions, FailOverMac, LacpActive, LacpRate,
    LinkName, PrimaryReselect, XmitHashPolicy,
};

/// An option that the driver keeps as a C `int` that is not negative (drivers/net/bonding/bond_options.c).
type Int = Within<u32, 0, { i32::MAX as u32 }>;

keys! {
    /// Several links as one.
    pub struct BondKeys("BondConfig") {
        /// The bond.
        required "name" name: LinkName,
        /// Its ports, at least one; of the first one its hardware address is.
        required "links" links: Vec<At<LinkName>>,
        /// How packets are spread.
        required "bondMode" mode: BondMode,
        /// Its hardware address; that of the first port unless said otherwise.
        "hardwareAddr" hardware_addr: StationMac,
        /// How often the carrier of the ports is looked at, milliseconds.
        "miimon" miimon: Int,
        /// How long a port that is back waits, milliseconds; a multiple of miimon.
        "updelay" updelay: Int,
        /// How long a port without carrier is still used, milliseconds; a multiple of miimon.
        "downdelay" downdelay: Int,
        /// Whether the driver of a port tells its carrier, rather than its registers.
        "useCarrier" use_carrier: bool,
        /// What is hashed to choose a port.
        "xmitHashPolicy" xmit_hash_policy: XmitHashPolicy,
        /// How often ports are tried by ARP, milliseconds; not for 802.3ad, balance-tlb and balance-alb.
        "arpInterval" arp_interval: Int,
        /// Who is asked by ARP, at most 16.
        "arpIpTargets" arp_ip_targets: Vec<At<Ipv4Addr>>,
        /// Who is asked by neighbour solicitation, at most 16.
        "nsIp6Targets" ns_ip6_targets: Vec<At<Ipv6Addr>>,
        /// Which ports' answers are checked.
        "arpValidate" arp_validate: ArpValidate,
        /// How many of the targets must answer.
        "arpAllTargets" arp_all_targets: ArpAllTargets,
        /// How often the partner speaks; 802.3ad.
        "lacpRate" lacp_rate: LacpRate,
        /// Which aggregator is used; 802.3ad.
        "adSelect" ad_select: AdSelect,
        /// The system priority; 802.3ad.
        "adActorSysPrio" ad_actor_sys_prio: Within<u16, 1, 65535>,
        /// The system's hardware address; 802.3ad.
        "adActorSystem" ad_actor_system: StationMac,
        /// The upper ten bits of the port key; 802.3ad.
        "adUserPortKey" ad_user_port_key: Within<u16, 0, 1023>,
        /// Whether LACP speaks first; 802.3ad.
        "adLACPActive" lacp_active: LacpActive,
        /// Whose hardware address the bond has; active-backup.
        "failOverMac" fail_over_mac: FailOver,
        /// The port that is preferred; active-backup, balance-tlb and balance-alb.
        "primary" primary: LinkName,
        /// When a primary port that is back takes over again.
        "primaryReselect" primary_reselect: PrimaryReselect,
        /// Reports of groups after a failover.
        "resendIGMP" resend_igmp: Within<u32, 0, 255>,
        /// Ports that are needed for carrier.
        "minLinks" min_links: Int,
        /// How often switches are taught, seconds.
        "lpInterval" lp_interval: Within<u32, 1, { i32::MAX as u32 }>,
        /// Packets until the next port's turn, 0: a random port; balance-rr.
        "packetsPerSlave" packets_per_slave: Within<u32, 0, 65535>,
        /// Gratuitous ARPs and neighbour advertisements after a failover.
        "numPeerNotif" num_peer_notif: u8,
        /// Whether ports are chosen anew by load; balance-tlb and balance-alb.
        "tlbLogicalLb" tlb_dynamic_lb: Within<u32, 0, 1>,
        /// Whether packets that come in by a backup are taken.
        "allSlavesActive" all_slaves_active: Within<u32, 0, 1>,
        /// The pause between two of numPeerNotif, milliseconds; a multiple of miimon.
        "peerNotifDelay" peer_notif_delay: Within<u32, 0, 300_000>,
        /// Lost answers until a port counts as down; not for 802.3ad, balance-tlb and balance-alb.
        "missedMax" missed_max: Within<u8, 1, 255>,
        ..link: LinkKeys,
    }
}

/// By name, or by the kernel's number.
#[derive(Clone, Copy, Debug)]
pub struct FailOver(FailOverMac);

impl Scalar for FailOver {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let number = text.parse().ok().and_then(FailOverMac::from_number);
        number
            .map_or_else(|| FailOverMac::read(node, text), Ok)
            .map(Self)
    }

    fn schema() -> Json {
        let numbers = [
            json!(0),
            json!(1),
            json!(2),
            json!("0"),
            json!("1"),
            json!("2"),
        ];
        let names = FailOverMac::NAMES.iter().map(|name| json!(name));
        json!({"enum": names.chain(numbers).collect::<Vec<_>>()})
    }
}

/// What the driver watches carrier by in mode 802.3ad where nothing is said, milliseconds: delays are multiples of it.
/// The option itself is filled in with all other defaults.
const LACP_MIIMON: u32 = 100;

impl Kind for BondKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let members = link::members(&self, &self.name, Some(self.links.clone()), source);
        if members.is_empty() {
            if self.links.is_empty() && !self.is_partial() {
                self.refuse(source, &self.links, "links holds at least one link", None);
            }
            return;
        }
        self.warn_of_no_watch(source);
        let kind = KindConfig::Bond {
            members,
            options: self.options(source),
            primary: self.primary(source),
        };
        let mac = self.hardware_addr.map(|mac| mac.0);
        self.link
            .apply(self.name.value, Some(kind), mac, source, out);
    }
}

impl BondKeys {
    /// What of the options there is in the mode; reports the rest.
    fn options(&self, source: &Source<'_>) -> BondOptions {
        let mode = self.mode.value;
        let lacp = mode == BondMode::Lacp;
        let by_load = matches!(mode, BondMode::BalanceTlb | BondMode::BalanceAlb);
        let probes = mode.has_arp_monitor();
        // 1 is what the kernel has in every mode.
        let packets = self.packets_per_slave;
        let packets = packets.filter(|said| mode == BondMode::BalanceRr || said.0 != 1);
        BondOptions {
            mode: Some(mode),
            xmit_hash_policy: plain(self.xmit_hash_policy),
            miimon: self.miimon.map(|said| said.0),
            updelay: self.delay("updelay", self.updelay, source),
            downdelay: self.delay("downdelay", self.downdelay, source),
            peer_notif_delay: self.delay("peerNotifDelay", self.peer_notif_delay, source),
            use_carrier: plain(self.use_carrier),
            arp_interval: self.arp_interval(source),
            arp_ip_targets: self.targets("arpIpTargets", &self.arp_ip_targets, source),
            ns_ip6_targets: self.targets("nsIp6Targets", &self.ns_ip6_targets, source),
            arp_validate: self.only("arpValidate", self.arp_validate, probes, source),
            arp_all_targets: self.only("arpAllTargets", self.arp_all_targets, probes, source),
            missed_max: self
                .only("missedMax", self.missed_max, probes, source)
                .map(|said| said.0),
            lacp_rate: self.only("lacpRate", self.lacp_rate, lacp, source),
            lacp_active: self.only("adLACPActive", self.lacp_active, lacp, source),
            ad_select: self.only("adSelect", self.ad_select, lacp, source),
            ad_actor_sys_prio: self
                .only("adActorSysPrio", self.ad_actor_sys_prio, lacp, source)
                .map(|said| said.0),
            ad_actor_system: self
                .only("adActorSystem", self.ad_actor_system, lacp, source)
                .map(|said| said.0),
            ad_user_port_key: self
                .only("adUserPortKey", self.ad_user_port_key, lacp, source)
                .map(|said| said.0),
            fail_over_mac: self
                .only(
                    "failOverMac",
                    self.fail_over_mac,
                    mode == BondMode::ActiveBackup,
                    source,
                )
                .map(|said| said.0),
            primary_reselect: self.primary_reselect(source),
            resend_igmp: self.resend_igmp.map(|said| said.0),
            min_links: self.min_links.map(|said| said.0),
            lp_interval: self.lp_interval.map(|said| said.0),
            packets_per_slave: self
                .only(
                    "packetsPerSlave",
                    packets,
                    mode == BondMode::BalanceRr,
                    source,
                )
                .map(|said| said.0),
            num_peer_notif: plain(self.num_peer_notif),
            tlb_dynamic_lb: self
                .only("tlbLogicalLb", self.tlb_dynamic_lb, by_load, source)
                .map(|said| said.0 == 1),
            all_slaves_active: self.all_slaves_active.map(|said| said.0 == 1),
        }
    }

    /// The value of `key`, where the mode has it; elsewhere that is reported.
    fn only<T>(
        &self,
        key: &str,
        said: Option<At<T>>,
        in_mode: bool,
        source: &Source<'_>,
    ) -> Option<T> {
        let said = said?;
        if in_mode {
            return Some(said.value);
        }
        let rule = format!("{key} is not for bondMode: {}", self.mode.value);
        self.refuse_value(source, &said, &rule, Some("leave it out"));
        None
    }

    /// How often carrier is looked at, milliseconds; `None`: never.
    fn period(&self) -> Option<u32> {
        let lacp = (self.mode.value == BondMode::Lacp).then_some(LACP_MIIMON);
        let said = self.miimon.map(|said| said.0);
        said.or(lacp).filter(|period| *period != 0)
    }

    /// A delay, which the driver counts in looks at the carrier.
    fn delay<const MOST: u32>(
        &self,
        key: &str,
        said: Option<At<Within<u32, 0, MOST>>>,
        source: &Source<'_>,
    ) -> Option<u32> {
        let said = said?;
        let delay = said.0;
        let Some(period) = self.period() else {
            // Without looks there is nothing to delay: the driver refuses even 0.
            if delay != 0 && !self.is_partial() {
                let rule = format!("{key} needs miimon");
                self.refuse_value(source, &said, &rule, Some("write miimon: 100"));
            }
            return None;
        };
        if delay.is_multiple_of(period) {
            return Some(delay);
        }
        let rule = format!("{key} is a multiple of miimon, here {period}");
        let fix = format!(
            "write {}",
            u64::from(delay.div_ceil(period)) * u64::from(period)
        );
        self.refuse_value(source, &said, &rule, Some(&fix));
        None
    }

    fn arp_interval(&self, source: &Source<'_>) -> Option<u32> {
        let in_mode = self.mode.has_arp_monitor();
        let interval = self
            .only("arpInterval", self.arp_interval, in_mode, source)?
            .0;
        if interval != 0 && self.miimon.is_some_and(|said| said.0 != 0) {
            let rule = "miimon and arpInterval exclude each other";
            self.refuse_value(source, &self.arp_interval, rule, Some("keep one of them"));
            return None;
        }
        if interval != 0 && self.arp_ip_targets.is_none() && self.ns_ip6_targets.is_none() {
            let rule = "arpInterval needs arpIpTargets or nsIp6Targets";
            self.refuse_value(source, &self.arp_interval, rule, None);
            return None;
        }
        Some(interval)
    }

    /// The targets, where the mode asks any.
    fn targets<T: Copy + PartialEq>(
        &self,
        key: &str,
        said: &Option<At<Vec<At<T>>>>,
        source: &Source<'_>,
    ) -> Option<Vec<T>> {
        let in_mode = self.mode.has_arp_monitor();
        let said = self.only(key, said.clone(), in_mode, source)?;
        let mut targets = Vec::new();
        for target in said {
            if targets.len() == BondOptions::MAX_TARGETS {
                let rule = format!("{key} holds at most {}", BondOptions::MAX_TARGETS);
                self.refuse_value(source, &target, &rule, None);
                break;
            }
            if !targets.contains(&target.value) {
                targets.push(target.value);
            }
        }
        Some(targets)
    }

    fn primary(&self, source: &Source<'_>) -> Option<LinkRef> {
        let in_mode = self.mode.has_primary();
        let primary = self.only("primary", self.primary.clone(), in_mode, source)?;
        if self.links.iter().any(|link| link.value == primary) {
            return Some(LinkRef::Name(primary));
        }
        let rule = "primary is one of links";
        self.refuse_value(source, &self.primary, rule, None);
        None
    }

    fn primary_reselect(&self, source: &Source<'_>) -> Option<PrimaryReselect> {
        let in_mode = self.mode.has_primary();
        let reselect = self.only("primaryReselect", self.primary_reselect, in_mode, source)?;
        if self.primary.is_none() {
            let rule = "primaryReselect has no effect without primary";
            self.warn(source, &self.primary_reselect, rule, None);
        }
        Some(reselect)
    }

    /// Warns of a bond that does not notice when a port fails, and of one whose ports are used before the switch is
    /// ready for them.
    fn warn_of_no_watch(&self, source: &Source<'_>) {
        let lacp = self.mode.value == BondMode::Lacp;
        let watched = |said: Option<At<Int>>| said.is_some_and(|said| said.0 != 0);
        if !watched(self.miimon) && !watched(self.arp_interval) && !self.is_partial() {
            let place = self.miimon.place().unwrap_or(self.mode.mark);
            let rule = "without miimon a port that fails is not noticed";
            let fault = self.fault(
                source,
                Severity::Warning,
                &place,
                rule,
                Some("write miimon: 100"),
            );
            source.report(match (lacp, &self.miimon) {
                (true, None) => fault.with_effect("100 ms are taken"),
                (true, Some(_)) | (false, _) => fault,
            });
        }
        for (key, said) in [("updelay", &self.updelay), ("downdelay", &self.downdelay)] {
            if lacp && said.is_none() && self.miimon.is_some() && !self.is_partial() {
                let rule = format!("802.3ad without {key}: a port that flaps is used at once");
                self.warn(source, &self.mode, &rule, Some("write 200"));
            }
        }
    }
}
