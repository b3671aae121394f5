//! [`Document`]: what one source says. All optional; every value knows its origin.

use core::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use super::firewall::FirewallConfig;
use super::link::{AliasConfig, DeviceSelector, LinkConfig};
use super::probe::ProbeConfig;
use super::route::{RouteConfig, RuleConfig};
use super::vip::VipConfig;
use crate::value::{
    Duration, EthernetOptions, Hostname, Instant, Layer, LinkName, Mac, NameServer,
    NodeAddressSort, Origin, Prefix, RouteTable, SysctlKey, VlanId,
};

/// A value and the place that said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// What was said.
    pub value: T,
    /// Where.
    pub origin: Origin,
}

impl<T> Said<T> {
    /// `value`, said at `origin`.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The same, said at the same place, as something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Said<U> {
        Said::new(change(self.value), self.origin)
    }
}

/// A link as the source names it; `compile` resolves it against the links of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkRef {
    /// By name (kernel name, alternative name).
    Name(LinkName),
    /// By hardware address: permanent first, then current; physical links only.
    Mac(Mac),
    /// The boot device: `bootdev=`, else `BOOTIF=`, else the first physical link with carrier, else the first one.
    Primary,
    /// Every physical link (Ethernet, no kind).
    EveryPhysical,
    /// Every link that has all of these: `deviceSelector` of the older form.
    Selector(DeviceSelector),
    /// The VLAN on each link that `parent` means, called [`LinkName::of_vlan`]: the older form gives it no name.
    Vlan {
        /// The link below.
        parent: Box<LinkRef>,
        /// The tag.
        id: VlanId,
    },
}

/// Everything one source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its rank.
    pub layer: Layer,
    /// Its name: `cmdline`, `/etc/init-net/10.yaml`, `hcloud`.
    pub source: Arc<str>,
    /// Among machine configs: which source stands before which (DESIGN §3, first hit wins). 0 is the first.
    pub preference: u8,
    /// Links: state, MTU, address, kind.
    pub links: Vec<LinkConfig>,
    /// `ifname=`, `set-name`: names given to links that are there.
    pub names: Vec<IfName>,
    /// Names of our own for physical links, by what the links are.
    pub aliases: Vec<AliasConfig>,
    /// Settings of network cards.
    pub ethernet: Vec<EthernetConfig>,
    /// Static (and leased) addresses.
    pub addresses: Vec<AddressConfig>,
    /// Static (and leased) routes.
    pub routes: Vec<RouteConfig>,
    /// Routing rules.
    pub rules: Vec<RuleConfig>,
    /// Kernel parameters.
    pub sysctls: Vec<SysctlConfig>,
    /// What tells that the network works.
    pub probes: Vec<ProbeConfig>,
    /// Shared addresses.
    pub vips: Vec<VipConfig>,
    /// The machine is a worker of its cluster.
    pub worker: bool,
    /// What may come in.
    pub firewall: FirewallConfig,
    /// Networks of pods and services.
    pub cluster: ClusterConfig,
    /// In which order the addresses of the machine are told.
    pub node_address_sort: Option<Said<NodeAddressSort>>,
    /// Host names, in the order said; within a layer the first wins.
    pub hostnames: Vec<Said<Hostname>>,
    /// What tells this machine from every other and stays: the SMBIOS UUID. A stable host name is made from it.
    pub identity: Option<Said<String>>,
    /// Whether to make a stable name up when there is no other.
    pub auto_hostname: Option<Said<AutoHostname>>,
    /// Name servers, in order.
    pub nameservers: Vec<Said<NameServer>>,
    /// Search domains, in order; `None` = nothing said, `Some([])` = overridden with none.
    pub search_domains: Option<Vec<Said<Hostname>>>,
    /// Whether the machine's own domain is searched as well; `None`: it is where no search domains are given.
    pub search_own_domain: Option<Said<bool>>,
    /// NTP servers: addresses or names.
    pub time_servers: Vec<Said<String>>,
    /// Extra rows of `/etc/hosts`.
    pub hosts: Vec<HostEntry>,
    /// DHCP and other dynamic sources to run.
    pub operators: Vec<OperatorConfig>,
    /// Whether DHCP runs on links of which nothing is said; `None`: it does.
    pub default_dhcp: Option<Said<bool>>,
    /// Links that get no default treatment (`initnet.ignore=`).
    pub ignored_links: Vec<Said<LinkName>>,
    /// Addresses under which the outside sees this machine (1:1 NAT); never configured on a link.
    pub external_ips: Vec<Said<IpAddr>>,
    /// Instance facts of a platform: `platform`, `region`, `instanceId`…, as in reference names of the field.
    pub metadata: Vec<(&'static str, String)>,
    /// Labels that the owner gave the instance, by key; one of a list of labels has an empty value.
    pub tags: Vec<(String, String)>,
    /// How to boot: sources, waiting, hand-off.
    pub boot: BootConfig,
}

impl Document {
    /// A source that says nothing.
    pub fn empty(layer: Layer, source: impl Into<Arc<str>>) -> Self {
        Self {
            layer,
            source: source.into(),
            preference: 0,
            links: Vec::new(),
            names: Vec::new(),
            aliases: Vec::new(),
            ethernet: Vec::new(),
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            sysctls: Vec::new(),
            probes: Vec::new(),
            vips: Vec::new(),
            worker: false,
            firewall: FirewallConfig::default(),
            cluster: ClusterConfig::default(),
            node_address_sort: None,
            identity: None,
            hostnames: Vec::new(),
            auto_hostname: None,
            nameservers: Vec::new(),
            search_domains: None,
            search_own_domain: None,
            time_servers: Vec::new(),
            hosts: Vec::new(),
            operators: Vec::new(),
            default_dhcp: None,
            ignored_links: Vec::new(),
            external_ips: Vec::new(),
            metadata: Vec::new(),
            tags: Vec::new(),
            boot: BootConfig::default(),
        }
    }
}

/// What becomes of the host name when no source gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoHostname {
    /// Made from the machine's identity, the same at every boot.
    Stable,
    /// None is made.
    Off,
}

/// A name for a link: `ifname=<name>:<mac>`, or `set-name` of a network-config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfName {
    /// The name to give.
    pub name: LinkName,
    /// The link to give it to: by hardware address, name or selector. It must mean one link alone.
    pub link: LinkRef,
    /// Where it was said.
    pub origin: Origin,
}

/// One address on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressConfig {
    /// On which link.
    pub link: LinkRef,
    /// The address with its prefix length.
    pub address: Prefix,
    /// Point-to-point peer.
    pub peer: Option<IpAddr>,
    /// Metric of the connected route.
    pub priority: Option<u32>,
    /// When it ends (leases, and lifetimes that count from the start of the kernel); `None`: never.
    pub valid_until: Option<Instant>,
    /// From when on it is no source of new connections any more (RFC 4862 §5.5.4); `None`: as long as it is valid.
    pub preferred_until: Option<Instant>,
    /// IFA_F_NOPREFIXROUTE: without the connected route.
    pub no_prefix_route: Option<bool>,
    /// IFA_F_NODAD: no duplicate address detection, IPv6.
    pub no_dad: Option<bool>,
    /// Where it was said.
    pub origin: Origin,
}

impl AddressConfig {
    /// `address` on `link`, nothing else said.
    pub fn new(link: LinkRef, address: Prefix, origin: Origin) -> Self {
        Self {
            link,
            address,
            peer: None,
            priority: None,
            valid_until: None,
            preferred_until: None,
            no_prefix_route: None,
            no_dad: None,
            origin,
        }
    }
}

/// Settings of one network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EthernetConfig {
    /// Which.
    pub link: LinkRef,
    /// What is said of it.
    pub options: EthernetOptions,
    /// Where it was said.
    pub origin: Origin,
}

/// One kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysctlConfig {
    /// Which.
    pub key: SysctlKey,
    /// What is written to it, without a line end.
    pub value: String,
    /// Where it was said.
    pub origin: Origin,
}

/// Networks of a cluster: what the firewall lets through and what is no address of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Of pods, at most one a family.
    pub pod_subnets: Vec<Said<Prefix>>,
    /// Of services, at most one a family.
    pub service_subnets: Vec<Said<Prefix>>,
}

/// One row of `/etc/hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The address.
    pub address: IpAddr,
    /// Its names, at least one.
    pub names: Vec<Hostname>,
    /// Where it was said.
    pub origin: Origin,
}

/// How a link gets its configuration from the network: the methods of `ip=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AutoMethod {
    /// `dhcp`: DHCPv4.
    Dhcp4,
    /// `single-dhcp`: DHCPv4 on all of them, the first ACK wins.
    SingleDhcp4,
    /// `on`, `any`: DHCPv4 and IPv6 by router advertisement.
    Any,
    /// `dhcp6`.
    Dhcp6,
    /// `auto6`: router advertisement.
    Auto6,
    /// `either6`: router advertisement, then DHCPv6.
    Either6,
    /// `link6`, `link-local`: no more than the link-local address.
    LinkLocal6,
    /// `ibft`: from the firmware's iSCSI table.
    Ibft,
}

/// A part of a delegated prefix for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// Which link.
    pub link: LinkName,
    /// Which /64, from 0.
    pub subnet: u32,
}

/// A dynamic source on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorConfig {
    /// On which link.
    pub link: LinkRef,
    /// What to run.
    pub method: AutoMethod,
    /// Metric of its routes.
    pub metric: Option<u32>,
    /// DHCPv4 option 61, type byte included; `Some([])`: send none.
    pub client_id: Option<Vec<u8>>,
    /// DHCPv4 option 60.
    pub vendor_class: Option<String>,
    /// Take no host name from it.
    pub ignore_hostname: Option<bool>,
    /// Take no routes from it.
    pub ignore_routes: Option<bool>,
    /// Its routes stand in this table; `None`: main, or that of the VRF of its link.
    pub table: Option<RouteTable>,
    /// Take name servers from it; `None`: yes.
    pub use_dns: Option<bool>,
    /// Take search domains from it; `None`: yes.
    pub use_domains: Option<bool>,
    /// Ask for and take the MTU (DHCPv4 option 26); `None`: yes.
    pub use_mtu: Option<bool>,
    /// Take time servers from it; `None`: yes.
    pub use_ntp: Option<bool>,
    /// Tell the server a host name; `None`: where [`Self::hostname`] is given.
    pub send_hostname: Option<bool>,
    /// The host name to tell; `None`: that of the machine, where one is configured.
    pub hostname: Option<Hostname>,
    /// Whether a boot goes on without it; `None`: as the method has it.
    pub optional: Option<bool>,
    /// Routes within these networks are taken from it although they cover what the configuration speaks of.
    pub allow_routes: Vec<Prefix>,
    /// DHCPv6 option 1, type included; `None`: made from the hardware address (DUID-LL).
    pub duid: Option<Vec<u8>>,
    /// The prefix to ask DHCPv6 for; `::/56` means any of that length. `None`: none.
    pub prefix_hint: Option<Prefix>,
    /// Which links get a part of it.
    pub delegate: Vec<Delegate>,
    /// Where it was said.
    pub origin: Origin,
}

impl OperatorConfig {
    /// `method` on `link`, nothing else said.
    pub fn new(link: LinkRef, method: AutoMethod, origin: Origin) -> Self {
        Self {
            link,
            method,
            metric: None,
            client_id: None,
            vendor_class: None,
            ignore_hostname: None,
            ignore_routes: None,
            table: None,
            use_dns: None,
            use_domains: None,
            use_mtu: None,
            use_ntp: None,
            send_hostname: None,
            hostname: None,
            optional: None,
            allow_routes: Vec::new(),
            duid: None,
            prefix_hint: None,
            delegate: Vec::new(),
            origin,
        }
    }
}

/// What "the network is there" means.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum WaitLevel {
    /// Wait for nothing.
    None,
    /// Links are up, those with carrier.
    Links,
    /// Every desired address that can be there is there.
    Local,
    /// And a default route.
    Routable,
    /// And a probe answered.
    Online,
}

/// `initnet.config=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// `none`: no machine config.
    None,
    /// A file in the initramfs.
    Path(PathBuf),
    /// `metal-iso`: a file on the volume of that label.
    Volume,
    /// An `http://` or `https://` URL, variables not yet replaced.
    Url(String),
}

/// `rd.net.dhcp.*`, `rd.net.timeout.*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DhcpTimeouts {
    /// `rd.net.dhcp.retry=`: attempts.
    pub retry: Option<Said<u32>>,
    /// `rd.net.timeout.dhcp=`: one attempt.
    pub dhcp: Option<Said<Duration>>,
    /// `rd.net.timeout.iflink=`: wait for a link to appear.
    pub iflink: Option<Said<Duration>>,
    /// `rd.net.timeout.ifup=`.
    pub ifup: Option<Said<Duration>>,
    /// `rd.net.timeout.route=`.
    pub route: Option<Said<Duration>>,
    /// `rd.net.timeout.ipv6dad=`.
    pub ipv6dad: Option<Said<Duration>>,
    /// `rd.net.timeout.ipv6auto=`.
    pub ipv6auto: Option<Said<Duration>>,
    /// `rd.net.timeout.carrier=` and the kernel's `carrier_timeout=`.
    pub carrier: Option<Said<Duration>>,
}

/// The real root, as the kernel's own arguments say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootConfig {
    /// `initnet.root=`, else `root=`.
    pub device: Option<Said<String>>,
    /// `rootfstype=`.
    pub fstype: Option<Said<String>>,
    /// `rootflags=`.
    pub flags: Option<Said<String>>,
    /// `ro` or `rw`; the last wins.
    pub read_only: Option<Said<bool>>,
    /// `init=`: the real root's init.
    pub init: Option<Said<String>>,
    /// Words after `--`, handed to init.
    pub init_args: Vec<String>,
    /// `rootwait`: how long for the device to appear; `None` in it: for ever.
    pub wait: Option<Said<Option<Duration>>>,
    /// `rootdelay=`: pause before the mount.
    pub delay: Option<Said<Duration>>,
}

/// `rd.net.dhcp.client-id=`: DHCPv4 option 61 of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId {
    /// The link.
    pub link: LinkRef,
    /// The option, type byte first.
    pub bytes: Vec<u8>,
    /// Where it was said.
    pub origin: Origin,
}

/// How to boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootConfig {
    /// `initnet.platform=`, one of the field's names; `auto`: what a volume says, if one does.
    pub platform: Option<Said<String>>,
    /// What stands behind `ds=` or `ci.ds=`: where a NoCloud source is.
    pub seed: Option<Said<String>>,
    /// `initnet.config=`.
    pub config: Option<Said<ConfigSource>>,
    /// `initnet.config.inline=`, pieces joined, still base64.
    pub config_inline: Option<Said<String>>,
    /// `initnet.config.sha256=`.
    pub config_sha256: Option<Said<[u8; 32]>>,
    /// `initnet.wait=`.
    pub wait: Option<Said<WaitLevel>>,
    /// `initnet.timeout=`; `None` in it: for ever.
    pub timeout: Option<Said<Option<Duration>>>,
    /// `initnet.state=`.
    pub state_dir: Option<Said<PathBuf>>,
    /// `initnet.tries=`: boots until a config that never worked is left for the last good one; 0: never.
    pub tries: Option<Said<u32>>,
    /// `initnet.metrics=`: a file for a collector of metrics.
    pub metrics: Option<Said<PathBuf>>,
    /// `initnet.control.group=`: name or number of the group that may ask the supervisor.
    pub control_group: Option<Said<String>>,
    /// `initnet.firewall=`: `accept` or `deny`; a later issue gives it its effect.
    pub firewall: Option<Said<String>>,
    /// `initnet.init=`: payload of a RAM-only OS.
    pub payload: Option<Said<String>>,
    /// `initnet.log=`: `error`, `warn`, `info`, `debug`, `trace`.
    pub log: Option<Said<log::LevelFilter>>,
    /// `root=`, `init=` and companions.
    pub root: RootConfig,
    /// `rd.neednet=`.
    pub need_net: Option<Said<bool>>,
    /// `rd.peerdns=`.
    pub peer_dns: Option<Said<bool>>,
    /// `bootdev=`: a name or a hardware address.
    pub bootdev: Option<Said<LinkRef>>,
    /// `BOOTIF=`, unless `rd.bootif=0`.
    pub bootif: Option<Said<Mac>>,
    /// `rd.net.*`.
    pub timeouts: DhcpTimeouts,
    /// `panic=`: seconds until reboot; 0 never, negative at once (kernel-parameters.txt).
    pub panic: Option<Said<i64>>,
    /// Where the kernel booted from NFS: `ip=` field 2 and such, kept for those who read the Document.
    pub server: Option<Said<Ipv4Addr>>,
    /// `ip=off`, `ip=none`: no DHCP on links of which nothing is said.
    pub no_default_network: Option<Said<bool>>,
    /// `dhcpclass=`, `rd.net.dhcp.vendor-class=`: for every DHCPv4 client; set on the operators of this document.
    pub vendor_class: Option<Said<String>>,
    /// `rd.net.dhcp.client-id=`: set on the operators of this document; for the default ones as well.
    pub client_ids: Vec<ClientId>,
}
