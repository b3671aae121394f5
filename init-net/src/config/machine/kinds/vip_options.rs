//! What every kind of shared address can say: who elects, and what tells that a machine is fit.

use core::net::IpAddr;

use super::probe::{Endpoint, Url};
use super::vip::SharedAddress;
use crate::config::machine::record::{At, Items as _, Record};
use crate::config::machine::scalar::{Names, Within};
use crate::config::machine::source::Source;
use crate::config::{
    CheckConfig, Document, ElectionConfig, EtcdConfig, LinkRef, VipConfig, VrrpConfig,
};
use crate::value::{
    Duration, LEAST_LEASE, Origin, ProbeTarget, Secret, VipProvider, VrrpChecksum, VrrpVersion,
};

/// Most peers: an advertisement goes to each of them.
const MAX_PEERS: usize = 32;
/// Most members of etcd.
const MAX_ENDPOINTS: usize = 16;
/// Unit of the interval of version 3, and the most of it (RFC 9568 §5.2.7).
const CENTISECOND: Duration = Duration::from_millis(10);
const MOST_INTERVAL: Duration = Duration::from_millis(40_950);
/// Unit of the interval of version 2.
const SECOND: Duration = Duration::from_secs(1);
/// Most seconds of the interval of version 2 (RFC 3768 §5.3.7).
const MOST_SECONDS: u64 = 255;
/// Shortest interval and timeout of a check: an interval of 0 would keep a processor busy.
const LEAST_RHYTHM: Duration = Duration::from_millis(10);
/// What a certificate and a private key begin with in PEM (RFC 7468), of whatever kind the key is.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const PRIVATE_KEY: &str = "PRIVATE KEY-----";
/// What is said of a text that is no certificate.
const NO_CERTIFICATE: &str = "expected certificates, PEM";

/// The certificates that `keys` say under `ca`; `Err`: they are none, which is reported.
pub(super) fn certificates(
    keys: &impl Record,
    ca: Option<&At<String>>,
    source: &Source<'_>,
) -> Result<Option<String>, ()> {
    match ca {
        Some(ca) if !ca.value.contains(CERTIFICATE) => {
            keys.refuse(source, ca, NO_CERTIFICATE, None);
            Err(())
        }
        ca => Ok(ca.map(|ca| ca.value.clone())),
    }
}

keys! {
    /// In every kind of shared address.
    pub struct VipOptionKeys("shared address") {
        /// Who elects: the machines by VRRP, unless said otherwise, or etcd.
        "election" election: Election,
        /// The number of the group, the same on all machines and of no other group of the network; derived from the address
        /// unless said otherwise.
        "vrid" vrid: Within<u8, 1, 255>,
        /// Who has more wins. Less than 32 says that a machine is not fit, so those are not taken.
        "priority" priority: Within<u8, 32, 254>,
        /// Between two advertisements: 200ms unless said otherwise.
        "advertInterval" advert_interval: Duration,
        /// The version of VRRP; 3 unless said otherwise.
        "vrrpVersion" version: VrrpVersion,
        /// Whether a machine of more priority takes the address from one that has it; false unless said otherwise.
        "preempt" preempt: bool,
        /// How long it waits before it does; 30s unless said otherwise.
        "preemptDelay" preempt_delay: Duration,
        /// What the checksum over IPv4 covers: keepalived (the default) or rfc9568.
        "checksum" checksum: VrrpChecksum,
        /// The other machines, to speak to each of them instead of to the group; others are not listened to.
        "peers" peers: Vec<IpAddr>,
        /// Least hop limit of an advertisement of a peer; 255, a neighbour, unless said otherwise.
        "minTTL" min_ttl: Within<u8, 1, 255>,
        /// For how long a machine that still answers for the address keeps it, though it advertises no more; 5s unless said
        /// otherwise, 0s not at all.
        "takeoverGuard" takeover_guard: Duration,
        /// Whether the address has a hardware address of its own; false unless said otherwise.
        "virtualMAC" virtual_mac: bool,
        /// The cluster that elects.
        "etcd" etcd: EtcdKeys,
        /// What tells that this machine is fit to have the address.
        "check" check: CheckKeys,
        /// Whether a machine that is not fit takes the address when nobody else has it; true unless said otherwise.
        "bootstrap" bootstrap: bool,
    }
}

keys! {
    /// A cluster of etcd.
    pub struct EtcdKeys("etcd") whole {
        /// The URLs of its members.
        required "endpoints" endpoints: Vec<Url>,
        /// The certificates that they may have, PEM.
        "ca" ca: String,
        /// The certificate of this machine, PEM.
        "cert" cert: String,
        /// Its private key, PEM.
        "key" key: Secret,
        /// The key that is campaigned for.
        "electionKey" election_key: String,
        /// How long an owner that is gone keeps the address, 8s at least; 10s unless said otherwise.
        "ttl" ttl: Duration,
    }
}

keys! {
    /// What tells that a machine is fit.
    pub struct CheckKeys("check") whole {
        /// A TCP connection to `host:port`.
        "tcp" tcp: Endpoint,
        /// An answer of 200 to 399.
        "http" http: Url,
        /// How often; 250ms unless said otherwise.
        "interval" interval: Duration,
        /// For one attempt; 200ms unless said otherwise.
        "timeout" timeout: Duration,
        /// Failures in a row until the machine is unfit; 3 unless said otherwise.
        "fall" fall: Within<u32, 1, 1000>,
        /// Successes in a row until it is fit; 2 unless said otherwise.
        "rise" rise: Within<u32, 1, 1000>,
        /// The certificates that the service may have, PEM.
        "ca" ca: String,
        /// Any certificate will do.
        "insecureSkipVerify" insecure: bool,
    }
}

/// Who elects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Election {
    #[default]
    Vrrp,
    Etcd,
}

impl Names for Election {
    const NAMES: &'static [(&'static str, Self)] = &[("vrrp", Self::Vrrp), ("etcd", Self::Etcd)];
}

impl Names for VrrpVersion {
    const NAMES: &'static [(&'static str, Self)] = &[("2", Self::V2), ("3", Self::V3)];
}

impl Names for VrrpChecksum {
    const NAMES: &'static [(&'static str, Self)] =
        &[("keepalived", Self::Keepalived), ("rfc9568", Self::Rfc9568)];
}

impl VipOptionKeys {
    /// The shared address, checked across keys. A fault costs the address: with less than was said it would be another.
    pub fn apply(
        self,
        address: SharedAddress,
        link: LinkRef,
        provider: VipProvider,
        origin: Origin,
        source: &Source<'_>,
        out: &mut Document,
    ) {
        let control_plane_only = matches!(provider, VipProvider::Layer2 | VipProvider::HCloud(_));
        let Some(election) = self.elected(address.0, &provider, source) else {
            return;
        };
        let Ok(check) = self.checked(source) else {
            return;
        };
        out.vips.push(VipConfig {
            address: address.0,
            link,
            provider,
            election,
            check,
            bootstrap: self.bootstrap.map(|said| said.value),
            control_plane_only,
            origin,
        });
    }

    fn elected(
        &self,
        address: IpAddr,
        provider: &VipProvider,
        source: &Source<'_>,
    ) -> Option<ElectionConfig> {
        let by_etcd = self
            .election
            .as_ref()
            .is_some_and(|said| said.value == Election::Etcd);
        if !by_etcd {
            if let Some(etcd) = &self.etcd {
                let rule = "etcd has no effect without election: etcd";
                self.refuse(source, etcd, rule, Some("add election: etcd"));
                return None;
            }
            return self
                .vrrp(address, provider, source)
                .map(ElectionConfig::Vrrp);
        }
        if let Some((key, place)) = self.said_of_vrrp() {
            let rule = format!("{key} has no effect with election: etcd");
            self.refuse(source, &place, &rule, Some("remove it"));
            return None;
        }
        let Some(etcd) = &self.etcd else {
            let rule = "election: etcd needs the cluster";
            let fix = "add etcd: {endpoints: [https://192.0.2.1:2379]}";
            self.refuse(source, &self.election, rule, Some(fix));
            return None;
        };
        self.cluster(&etcd.value, source).map(ElectionConfig::Etcd)
    }

    /// A key that only VRRP understands, when one is said, and its place.
    fn said_of_vrrp(&self) -> Option<(&'static str, crate::config::machine::tree::Mark)> {
        use crate::config::machine::record::Placed as _;
        let all = [
            ("vrid", self.vrid.place()),
            ("priority", self.priority.place()),
            ("advertInterval", self.advert_interval.place()),
            ("vrrpVersion", self.version.place()),
            ("preempt", self.preempt.place()),
            ("preemptDelay", self.preempt_delay.place()),
            ("checksum", self.checksum.place()),
            ("peers", self.peers.as_ref().map(|list| list.mark)),
            ("minTTL", self.min_ttl.place()),
            ("takeoverGuard", self.takeover_guard.place()),
            ("virtualMAC", self.virtual_mac.place()),
        ];
        all.into_iter().find_map(|(key, place)| Some((key, place?)))
    }

    fn vrrp(
        &self,
        address: IpAddr,
        provider: &VipProvider,
        source: &Source<'_>,
    ) -> Option<VrrpConfig> {
        let peers: Vec<IpAddr> = self.peers.clone().items().collect();
        let speaks_ipv4 = peers.first().unwrap_or(&address).is_ipv4();
        let version = self.version.as_ref().map(|said| said.value);
        let old = version == Some(VrrpVersion::V2);
        let interval = self.advert_interval.as_ref().map(|said| said.value);
        if peers.len() > MAX_PEERS {
            let rule = format!("at most {MAX_PEERS} peers");
            self.refuse(source, &self.peers, &rule, None);
            return None;
        }
        if peers.iter().any(|peer| peer.is_ipv4() != speaks_ipv4) {
            let rule = "peers are all of IPv4 or all of IPv6";
            self.refuse(source, &self.peers, rule, Some("keep those of one family"));
            return None;
        }
        if matches!(provider, VipProvider::Layer2) && speaks_ipv4 != address.is_ipv4() {
            let rule = "peers are of the family of the address";
            self.refuse(source, &self.peers, rule, None);
            return None;
        }
        if peers.contains(&address) {
            let rule = "the shared address itself is no peer";
            self.refuse(
                source,
                &self.peers,
                rule,
                Some("list the machines' own addresses"),
            );
            return None;
        }
        if old && !speaks_ipv4 {
            let rule = "version 2 knows IPv4 only";
            self.refuse(source, &self.version, rule, Some("remove vrrpVersion"));
            return None;
        }
        if let Some(interval) = interval {
            let (unit, most, rule) = if old {
                let rule = "version 2 counts in whole seconds, 1s to 255s";
                (SECOND, Duration::from_secs(MOST_SECONDS), rule)
            } else {
                let rule = "an interval is a multiple of 10ms, at most 40.95s";
                (CENTISECOND, MOST_INTERVAL, rule)
            };
            let whole = interval.as_nanos().is_multiple_of(unit.as_nanos());
            let rule = (!whole || !(unit..=most).contains(&interval)).then_some(rule);
            if let Some(rule) = rule {
                self.refuse(source, &self.advert_interval, rule, None);
                return None;
            }
        }
        if self.checksum.is_some() && (old || !speaks_ipv4) {
            let rule = "only version 3 over IPv4 has two forms of the checksum";
            self.refuse(source, &self.checksum, rule, Some("remove checksum"));
            return None;
        }
        if self.min_ttl.is_some() && peers.is_empty() {
            let rule = "minTTL is about peers: the group is never farther than the link";
            self.refuse(source, &self.min_ttl, rule, Some("add peers, or remove it"));
            return None;
        }
        let preempts = self.preempt.as_ref().is_some_and(|said| said.value);
        if self.preempt_delay.is_some() && !preempts {
            let rule = "preemptDelay has no effect without preempt: true";
            self.warn(source, &self.preempt_delay, rule, None);
        }
        let virtual_mac = self.virtual_mac.as_ref().is_some_and(|said| said.value);
        if virtual_mac && !matches!(provider, VipProvider::Layer2) {
            let rule = "an address that an API moves has no hardware address of its own";
            self.refuse(source, &self.virtual_mac, rule, Some("remove virtualMAC"));
            return None;
        }
        Some(VrrpConfig {
            version,
            vrid: self.vrid.as_ref().map(|said| said.value.0),
            priority: self.priority.as_ref().map(|said| said.value.0),
            advert_interval: interval,
            preempt: self.preempt.as_ref().map(|said| said.value),
            preempt_delay: self.preempt_delay.as_ref().map(|said| said.value),
            checksum: self.checksum.as_ref().map(|said| said.value),
            peers,
            min_ttl: self.min_ttl.as_ref().map(|said| said.value.0),
            takeover_guard: self.takeover_guard.as_ref().map(|said| said.value),
            virtual_mac: self.virtual_mac.as_ref().map(|said| said.value),
        })
    }

    fn checked(&self, source: &Source<'_>) -> Result<Option<CheckConfig>, ()> {
        let Some(check) = &self.check else {
            return Ok(None);
        };
        let keys = &check.value;
        let target = match (&keys.tcp, &keys.http) {
            (Some(tcp), None) => {
                let (host, port) = tcp.value.parts();
                let host = host.to_owned();
                ProbeTarget::Tcp { host, port }
            }
            (None, Some(http)) => ProbeTarget::Http {
                url: http.value.text().to_owned(),
            },
            (None, None) => {
                let fix = "add tcp: 127.0.0.1:6443, or http: https://127.0.0.1:6443/readyz";
                self.refuse(source, check, "a check needs something to try", Some(fix));
                return Err(());
            }
            (Some(_), Some(http)) => {
                let rule = "tcp and http exclude each other";
                self.refuse(source, http, rule, Some("keep one of them"));
                return Err(());
            }
        };
        let secure = matches!(&target, ProbeTarget::Http { url } if url.to_ascii_lowercase().starts_with("https:"));
        if !secure && (keys.ca.is_some() || keys.insecure.is_some()) {
            let rule = "ca and insecureSkipVerify are about an https URL";
            self.refuse(source, check, rule, Some("remove them"));
            return Err(());
        }
        let ca = certificates(self, keys.ca.as_ref(), source)?;
        if keys.ca.is_some() && keys.insecure.as_ref().is_some_and(|said| said.value) {
            let rule = "ca has no effect with insecureSkipVerify: true";
            self.refuse(source, &keys.insecure, rule, Some("keep one of them"));
            return Err(());
        }
        for said in [&keys.interval, &keys.timeout].into_iter().flatten() {
            if said.value < LEAST_RHYTHM {
                self.refuse(source, said, "a check takes 10ms at least", None);
                return Err(());
            }
        }
        Ok(Some(CheckConfig {
            target,
            interval: keys.interval.as_ref().map(|said| said.value),
            timeout: keys.timeout.as_ref().map(|said| said.value),
            fall: keys.fall.as_ref().map(|said| said.value.0),
            rise: keys.rise.as_ref().map(|said| said.value.0),
            ca,
            insecure: keys.insecure.as_ref().is_some_and(|said| said.value),
        }))
    }

    fn cluster(&self, keys: &EtcdKeys, source: &Source<'_>) -> Option<EtcdConfig> {
        let endpoints = &keys.endpoints.value;
        if endpoints.is_empty() || endpoints.len() > MAX_ENDPOINTS {
            let rule = format!("a cluster has 1 to {MAX_ENDPOINTS} endpoints");
            self.refuse(source, &keys.endpoints, &rule, None);
            return None;
        }
        let identity = match (&keys.cert, &keys.key) {
            (Some(cert), Some(key)) => Some((cert.value.clone(), key.value.clone())),
            (None, None) => None,
            (Some(At { mark, .. }), None) | (None, Some(At { mark, .. })) => {
                let rule = "cert and key belong together";
                self.refuse(source, mark, rule, Some("give both, or none"));
                return None;
            }
        };
        for said in [&keys.ca, &keys.cert].into_iter().flatten() {
            if !said.value.contains(CERTIFICATE) {
                self.refuse(source, said, NO_CERTIFICATE, None);
                return None;
            }
        }
        let is_key = |said: &&At<Secret>| said.value.expose().contains(PRIVATE_KEY);
        if keys.key.is_some() && keys.key.as_ref().filter(is_key).is_none() {
            self.refuse(source, &keys.key, "expected a private key, PEM", None);
            return None;
        }
        let empty = keys
            .election_key
            .as_ref()
            .is_some_and(|key| key.value.is_empty());
        if empty {
            let rule = "etcd has no empty key";
            self.refuse(source, &keys.election_key, rule, Some("remove electionKey"));
            return None;
        }
        let mut ttl = keys.ttl.as_ref().map(|said| said.value);
        if ttl.take_if(|ttl| *ttl < LEAST_LEASE).is_some() {
            let rule = format!(
                "a lease is {LEAST_LEASE:?} at least: an owner that hangs has lost the address by its end"
            );
            let fix = format!("say ttl: {LEAST_LEASE:?}, or more");
            self.refuse_value(source, &keys.ttl, &rule, Some(&fix));
        }
        Some(EtcdConfig {
            endpoints: endpoints.iter().map(|url| url.text().to_owned()).collect(),
            ca: keys.ca.as_ref().map(|said| said.value.clone()),
            identity,
            key: keys.election_key.as_ref().map(|said| said.value.clone()),
            ttl,
        })
    }
}
