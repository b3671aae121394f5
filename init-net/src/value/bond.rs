//! Bonds: the enumerations and options of the bonding driver (Documentation/networking/bonding.rst).

use core::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Mac;
use super::named::named;

named! {
    /// How a bond spreads its traffic, BOND_MODE_*.
    pub enum BondMode: u8 {
        /// Packets in turn.
        BalanceRr = 0 "balance-rr",
        /// One port at a time.
        ActiveBackup = 1 "active-backup",
        /// By hash.
        BalanceXor = 2 "balance-xor",
        /// On every port.
        Broadcast = 3 "broadcast",
        /// LACP, IEEE 802.1AX.
        Lacp = 4 "802.3ad",
        /// By load, sending only.
        BalanceTlb = 5 "balance-tlb",
        /// By load, both ways.
        BalanceAlb = 6 "balance-alb",
    }
}

named! {
    /// What is hashed, BOND_XMIT_POLICY_*.
    pub enum XmitHashPolicy: u8 {
        /// Hardware addresses.
        Layer2 = 0 "layer2",
        /// Addresses and ports.
        Layer34 = 1 "layer3+4",
        /// Hardware addresses and addresses.
        Layer23 = 2 "layer2+3",
        /// Layer2+3, inside tunnels.
        Encap23 = 3 "encap2+3",
        /// Layer3+4, inside tunnels.
        Encap34 = 4 "encap3+4",
        /// VLAN, and the vendor's part of the source hardware address.
        VlanSrcMac = 5 "vlan+srcmac",
    }
}

named! {
    /// How often LACP partners speak.
    pub enum LacpRate: u8 {
        /// Every 30 s.
        Slow = 0 "slow",
        /// Every second.
        Fast = 1 "fast",
    }
}

named! {
    /// Which aggregator is used.
    pub enum AdSelect: u8 {
        /// The one that was, until it has no ports.
        Stable = 0 "stable",
        /// The widest.
        Bandwidth = 1 "bandwidth",
        /// The one with most ports.
        Count = 2 "count",
    }
}

named! {
    /// Whether LACP speaks first.
    pub enum LacpActive: u8 {
        /// Only when spoken to.
        Off = 0 "off",
        /// Yes.
        On = 1 "on",
    }
}

named! {
    /// When a primary port that is back takes over again.
    pub enum PrimaryReselect: u8 {
        /// At once.
        Always = 0 "always",
        /// When it is faster.
        Better = 1 "better",
        /// When the active one fails.
        Failure = 2 "failure",
    }
}

named! {
    /// Whose hardware address the bond has, active-backup.
    pub enum FailOverMac: u8 {
        /// One for all ports.
        None = 0 "none",
        /// The active port's.
        Active = 1 "active",
        /// One for the bond, given to the active port.
        Follow = 2 "follow",
    }
}

named! {
    /// Which ports' ARP replies are checked.
    pub enum ArpValidate: u32 {
        /// None.
        None = 0 "none",
        /// The active one's.
        Active = 1 "active",
        /// The backups'.
        Backup = 2 "backup",
        /// All.
        All = 3 "all",
        /// None, but only ARP counts as traffic.
        Filter = 4 "filter",
        /// Active, and only ARP counts.
        FilterActive = 5 "filter-active",
        /// Backup, and only ARP counts.
        FilterBackup = 6 "filter-backup",
    }
}

named! {
    /// How many ARP targets must answer.
    pub enum ArpAllTargets: u32 {
        /// One.
        Any = 0 "any",
        /// All.
        All = 1 "all",
    }
}

impl BondMode {
    /// Whether ARP monitoring exists in this mode (bonding.rst, `arp_interval`).
    pub const fn has_arp_monitor(self) -> bool {
        !matches!(self, Self::Lacp | Self::BalanceTlb | Self::BalanceAlb)
    }

    /// Whether one port can be preferred (bonding.rst, `primary`).
    pub const fn has_primary(self) -> bool {
        matches!(
            self,
            Self::ActiveBackup | Self::BalanceTlb | Self::BalanceAlb
        )
    }
}

/// Options of a bond. `None`: not said, the kernel's value stays. The primary port is a name or an index and stands
/// where those are known. Field names are those of the field's `bondMaster`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BondOptions {
    /// IFLA_BOND_MODE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<BondMode>,
    /// IFLA_BOND_XMIT_HASH_POLICY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xmit_hash_policy: Option<XmitHashPolicy>,
    /// IFLA_BOND_MIIMON, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miimon: Option<u32>,
    /// IFLA_BOND_UPDELAY, milliseconds; a multiple of miimon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updelay: Option<u32>,
    /// IFLA_BOND_DOWNDELAY, milliseconds; a multiple of miimon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downdelay: Option<u32>,
    /// IFLA_BOND_PEER_NOTIF_DELAY, milliseconds; a multiple of miimon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_notif_delay: Option<u32>,
    /// IFLA_BOND_USE_CARRIER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_carrier: Option<bool>,
    /// IFLA_BOND_ARP_INTERVAL, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arp_interval: Option<u32>,
    /// IFLA_BOND_ARP_IP_TARGET, at most [`BondOptions::MAX_TARGETS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arp_ip_targets: Option<Vec<Ipv4Addr>>,
    /// IFLA_BOND_NS_IP6_TARGET, at most [`BondOptions::MAX_TARGETS`].
    #[serde(rename = "nsIp6Targets", skip_serializing_if = "Option::is_none")]
    pub ns_ip6_targets: Option<Vec<Ipv6Addr>>,
    /// IFLA_BOND_ARP_VALIDATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arp_validate: Option<ArpValidate>,
    /// IFLA_BOND_ARP_ALL_TARGETS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arp_all_targets: Option<ArpAllTargets>,
    /// IFLA_BOND_MISSED_MAX: lost ARP answers until a port counts as down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_max: Option<u8>,
    /// IFLA_BOND_AD_LACP_RATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacp_rate: Option<LacpRate>,
    /// IFLA_BOND_AD_LACP_ACTIVE.
    #[serde(rename = "adLACPActive", skip_serializing_if = "Option::is_none")]
    pub lacp_active: Option<LacpActive>,
    /// IFLA_BOND_AD_SELECT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_select: Option<AdSelect>,
    /// IFLA_BOND_AD_ACTOR_SYS_PRIO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_actor_sys_prio: Option<u16>,
    /// IFLA_BOND_AD_ACTOR_SYSTEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_actor_system: Option<Mac>,
    /// IFLA_BOND_AD_USER_PORT_KEY, 0 to 1023.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_user_port_key: Option<u16>,
    /// IFLA_BOND_FAIL_OVER_MAC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_over_mac: Option<FailOverMac>,
    /// IFLA_BOND_PRIMARY_RESELECT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_reselect: Option<PrimaryReselect>,
    /// IFLA_BOND_RESEND_IGMP: reports after a failover.
    #[serde(rename = "resendIGMP", skip_serializing_if = "Option::is_none")]
    pub resend_igmp: Option<u32>,
    /// IFLA_BOND_MIN_LINKS: ports needed for carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_links: Option<u32>,
    /// IFLA_BOND_LP_INTERVAL, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lp_interval: Option<u32>,
    /// IFLA_BOND_PACKETS_PER_SLAVE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_per_slave: Option<u32>,
    /// IFLA_BOND_NUM_PEER_NOTIF: gratuitous ARPs and NAs after a failover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_peer_notif: Option<u8>,
    /// IFLA_BOND_TLB_DYNAMIC_LB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tlb_dynamic_lb: Option<bool>,
    /// IFLA_BOND_ALL_SLAVES_ACTIVE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_slaves_active: Option<bool>,
}

impl BondOptions {
    /// BOND_MAX_ARP_TARGETS and BOND_MAX_NS_TARGETS, include/net/bonding.h.
    pub const MAX_TARGETS: usize = 16;
}
