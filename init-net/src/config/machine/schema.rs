//! JSON Schema of the documents (draft 2020-12), from the declarations that read them.
//!
//! It says what an editor can say while one types: keys, types, names, ranges. What is right across keys is said by
//! `check`. Null, which counts as absent, is left out: an editor is right to ask for a value.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::kinds::{Header, KINDS, OTHERS};
use super::legacy::LegacyKeys;
use super::record::{Form, Record, Shape as _};

/// A declared key.
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// Whether the mapping is nothing without it.
    pub required: bool,
    /// Its comment, one text a line.
    pub doc: &'static [&'static str],
    /// What it holds.
    pub schema: fn(&mut Schemas) -> Json,
}

/// The schemas that others refer to, by name.
#[derive(Default)]
pub struct Schemas(BTreeMap<&'static str, Json>);

impl Schemas {
    /// A reference to the record called `name`, which is described the first time it is met.
    pub fn refer(&mut self, name: &'static str, form: Form) -> Json {
        if !self.0.contains_key(name) {
            // Stands in until it is made, for a record that holds itself.
            self.0.insert(name, json!({}));
            let schema = self.record(form);
            self.0.insert(name, schema);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// The schema of a whole document of kind `R`.
    pub fn document<R: Record>(&mut self) -> Json {
        self.record(Form::of::<(Header, R)>())
    }

    fn record(&mut self, form: Form) -> Json {
        let mut keys = Vec::new();
        (form.declare)(&mut keys);
        let mut properties = Map::new();
        for key in &keys {
            let mut schema = (key.schema)(self);
            describe(&mut schema, key.doc);
            properties.insert(key.name.to_owned(), schema);
        }
        let required = keys.iter().filter(|key| key.required);
        let required: Vec<&str> = required.map(|key| key.name).collect();
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": form.open,
        });
        describe(&mut schema, form.doc);
        schema
    }
}

/// Puts the comment before what the schema says of itself.
fn describe(schema: &mut Json, doc: &[&str]) {
    let mut text: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    text.extend(schema.get("description").and_then(Json::as_str));
    let text = text.join(" ");
    schema["description"] = text.into();
}

/// The schema of one document of a machine config: by its `kind`, or the older form.
pub fn schema() -> Json {
    let mut schemas = Schemas::default();
    let older = LegacyKeys::schema(&mut schemas);
    let mut definitions = Map::new();
    let mut kinds = Vec::new();
    for kind in &KINDS {
        definitions.insert(kind.name.to_owned(), (kind.schema)(&mut schemas));
        kinds.push(json!({
            "if": {"properties": {"kind": {"const": kind.name}}},
            "then": {"$ref": format!("#/$defs/{}", kind.name)},
        }));
    }
    let records = schemas.0.into_iter();
    definitions.extend(records.map(|(name, schema)| (name.to_owned(), schema)));
    let names = KINDS.iter().map(|kind| kind.name).chain(OTHERS);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "init-net: a document of a machine config",
        "type": "object",
        "properties": {
            "apiVersion": {"const": super::API_VERSION},
            "kind": {"enum": names.collect::<Vec<_>>(), "description": "What the document is about."},
        },
        "if": {"required": ["kind"]},
        "then": {"required": ["apiVersion"], "allOf": kinds},
        "else": older,
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    use super::super::kinds::{Known, Role};
    use super::super::parse;
    use super::super::tree::{Node, Value, parse as tree};
    use super::*;

    /// A kind of shared address with every key of an election by VRRP.
    macro_rules! vrrp {
        ($head:literal) => {
            concat!($head, "vrid: 51
priority: 150
advertInterval: 100ms
vrrpVersion: 3
preempt: true
preemptDelay: 10s
checksum: keepalived
peers: [192.0.2.2, 192.0.2.3]
minTTL: 255
takeoverGuard: 5s
virtualMAC: false
bootstrap: false
check: {http: 'https://127.0.0.1:6443/readyz', interval: 250ms, timeout: 200ms, fall: 3, rise: 2, ca: '-----BEGIN CERTIFICATE-----',
  insecureSkipVerify: false}
")
        };
    }

    /// The same by etcd.
    macro_rules! etcd {
        ($head:literal) => {
            concat!($head, "election: etcd
etcd: {endpoints: ['https://192.0.2.2:2379'], ca: '-----BEGIN CERTIFICATE-----', cert: '-----BEGIN CERTIFICATE-----', key: '-----BEGIN PRIVATE KEY----- hunter2', electionKey: vip, ttl: 10s}
check: {tcp: '127.0.0.1:6443'}
")
        };
    }

    /// One full example a kind, with every key that its schema has.
    const EXAMPLES: &[&str] = &[
        "kind: LinkConfig
name: enp3s0
up: yes
mtu: 9000
multicast: true
acceptRA: always
rpFilter: loose
forwarding: true
arpIgnore: 1
arpAnnounce: 2
proxyARP: false
ipv6: true
ipv6AddressGeneration: stable-privacy
allowRoutes: ['2001:db8:50::/48']
addresses:
  - {address: 192.0.2.10/32, routePriority: 10, peer: 192.0.2.11, preferredLifetime: 0s, validLifetime: 24h}
  - {address: '2001:db8::10/64', noPrefixRoute: true, noDAD: true}
routes:
  - {destination: 198.51.100.0/24, gateway: 192.0.2.1, source: 192.0.2.10, metric: 5, table: 1000, mtu: 1400, advmss: 1200,
    hopLimit: 64, initialCongestionWindow: 20, initialReceiveWindow: 20, minimumRTO: 50ms, quickAck: true, onLink: true}
  - {destination: '2001:db8:1::/48', preference: high, nextHops: [{gateway: 'fe80::1', weight: 2}, {link: eth1}]}
  - {destination: 10.0.0.0/8, type: unreachable}
bridgePort: {bridge: br0, cost: 4, priority: 32, hairpin: false, guard: true, rootBlock: false, fastLeave: true,
  isolated: true, learning: true, flood: true, multicastFlood: false, broadcastFlood: true, proxyARP: false,
  vlans: [{id: 10, pvid: true, untagged: true}, {range: 100-199}]}
",
        "kind: DHCPv4Config
name: enp3s0
routeMetric: 0x10
ignoreHostname: true
ignoreRoutes: false
allowRoutes: [10.50.0.0/16]
clientIdentifier: DUID
duidRaw: 00:03:00:01:52:54:00:aa:bb:cc
",
        "kind: DHCPv6Config
name: enp3s0
routeMetric: 200
ignoreHostname: true
clientIdentifier: duid
duidRaw: 00:03:00:01:52:54:00:aa:bb:cc
prefixHint: ::/56
delegate:
  - link: lan0
    subnet: 1
",
        "kind: VLANConfig
name: storage
vlanID: 210
vlanMode: 802.1AD
parent: bond0
",
        "kind: BondConfig
name: bond0
links: [eth0, eth1]
bondMode: 802.3ad
hardwareAddr: 52:54:00:00:00:01
miimon: 100
updelay: 200
downdelay: 200
peerNotifDelay: 100
useCarrier: true
xmitHashPolicy: layer3+4
lacpRate: fast
adSelect: bandwidth
adActorSysPrio: 100
adActorSystem: 52:54:00:00:00:02
adUserPortKey: 7
adLACPActive: off
resendIGMP: 2
minLinks: 1
lpInterval: 1
numPeerNotif: 2
allSlavesActive: 0
",
        "kind: BondConfig
name: bond1
links: [eth0, eth1]
bondMode: active-backup
arpInterval: 500
arpIpTargets: [192.0.2.1]
nsIp6Targets: ['2001:db8::1']
arpValidate: filter-active
arpAllTargets: all
missedMax: 3
failOverMac: 2
primary: eth1
primaryReselect: failure
",
        "kind: BondConfig
name: bond2
links: [eth0]
bondMode: balance-rr
miimon: 100
packetsPerSlave: 4
",
        "kind: BondConfig
name: bond3
links: [eth0]
bondMode: balance-alb
miimon: 100
tlbLogicalLb: 0
",
        "kind: BridgeConfig
name: br0
hardwareAddr: 52:54:00:00:00:03
links: [eth0]
stp: {enabled: true, priority: 4096, forwardDelay: 4s, helloTime: 1s, maxAge: 6s}
vlan: {filtering: true, protocol: 802.1q, defaultPVID: 0, vlans: [{id: 10, pvid: true, untagged: true}]}
multicastSnooping: false
multicastQuerier: true
ageingTime: 5m
groupForwardMask: 0x4000
",
        "kind: VRFConfig
name: vrf-blue
hardwareAddr: 52:54:00:00:00:04
links: [eth0]
table: '120'
",
        "kind: DummyLinkConfig
name: anycast0
hardwareAddr: 52:54:00:00:00:05
",
        "kind: VethConfig
name: leg-a
peer:
  name: leg-b
  up: true
  mtu: 1400
  multicast: false
  acceptRA: off
  rpFilter: strict
  forwarding: true
  arpIgnore: 1
  arpAnnounce: 2
  proxyARP: false
  ipv6: true
  ipv6AddressGeneration: none
  allowRoutes: []
  bridgePort: {bridge: br0, cost: 4, priority: 32, hairpin: false, guard: true, rootBlock: false, fastLeave: true,
    isolated: true, learning: true, flood: true, multicastFlood: false, broadcastFlood: true, proxyARP: false,
    vlans: [{id: 10, pvid: true, untagged: true}, {range: 100-199}]}
  addresses: [{address: 10.99.0.2/30}]
  routes: [{gateway: 10.99.0.1}]
",
        "kind: WireguardConfig
name: wg-mgmt
privateKey: IO5NYvFt1/g7tTSnUKEGslb58Zjo6SB3LQaR4tkvWqM=
listenPort: 51999
firewallMark: 7
peers:
  - publicKey: P4+9zru6Bwo3HxiQgi/8ob4NplGNy4YyaWRkronQyW8=
    presharedKey: IO5NYvFt1/g7tTSnUKEGslb58Zjo6SB3LQaR4tkvWqM=
    endpoint: '[2001:db8::7]:51820'
    persistentKeepaliveInterval: 25s
    allowedIPs: [10.60.0.0/16]
",
        "kind: MacvlanConfig
name: mac0
parent: eth0
mode: bridge
hardwareAddr: 52:54:00:00:00:06
",
        "kind: IpvlanConfig
name: ipv0
parent: eth0
mode: l3s
",
        "kind: VxlanConfig
name: vx0
vni: 42
parent: eth0
local: 192.0.2.1
remote: 239.1.1.1
port: 4789
learning: true
ttl: 8
hardwareAddr: 52:54:00:00:00:07
",
        "kind: HostnameConfig
hostname: edge-17.lab.example
auto: off
",
        "kind: ResolverConfig
nameservers: [{address: '2001:db8::53', protocol: DoT, tlsServerName: dns.example}, {address: 192.0.2.53}]
searchDomains: {domains: [lab.example], disableDefault: true}
hostDNS: {enabled: true, forwardKubeDNSToHost: true, resolveMemberNames: false}
",
        "kind: StaticHostConfig
name: 192.0.2.200
hostnames: [registry.lab.example, registry]
",
        "kind: TimeSyncConfig
enabled: true
bootTimeout: 1m30s
ntp: {servers: [time1.lab.example, time2.lab.example], useNTS: true}
",
        "kind: TimeSyncConfig
ptp: {devices: [/dev/ptp0]}
",
        "kind: LinkAliasConfig
name: net%d
selector: {match: 'link.driver == \"ice\" && glob(\"0000:3b:*\", link.bus_path)'}
",
        "kind: RoutingRuleConfig
name: '1500'
src: 10.210.0.0/24
dst: 10.0.0.0/8
table: '100'
action: unicast
iifName: eth0
oifName: eth1
fwMark: 0x10
fwMask: 0xff
suppressPrefixLength: 0
",
        "kind: BlackholeRouteConfig
name: 10.0.0.0/8
metric: 5000
",
        "kind: TCPProbeConfig
name: api
interval: 1.5s
failureThreshold: 3
timeout: 500ms
endpoint: '[2001:db8::1]:6443'
",
        "kind: HTTPProbeConfig
name: portal
interval: 30s
failureThreshold: 3
timeout: 5s
url: https://status.lab.example/ping
",
        vrrp!("kind: Layer2VIPConfig
name: 192.0.2.250
link: bond0
"),
        etcd!("kind: Layer2VIPConfig
name: 192.0.2.250
link: bond0
"),
        vrrp!("kind: HCloudVIPConfig
name: 192.0.2.250
link: bond0
apiToken: hunter2
endpoint: https://api.lab.example/v1
metadataEndpoint: http://192.0.2.1/metadata
ca: '-----BEGIN CERTIFICATE-----'
"),
        etcd!("kind: HCloudVIPConfig
name: 192.0.2.250
link: bond0
apiToken: hunter2
endpoint: https://api.lab.example/v1
metadataEndpoint: http://192.0.2.1/metadata
ca: '-----BEGIN CERTIFICATE-----'
"),
        vrrp!("kind: DigitalOceanVIPConfig
name: 192.0.2.250
link: bond0
apiToken: hunter2
endpoint: https://api.lab.example/v1
metadataEndpoint: http://192.0.2.1/metadata
ca: '-----BEGIN CERTIFICATE-----'
"),
        etcd!("kind: DigitalOceanVIPConfig
name: 192.0.2.250
link: bond0
apiToken: hunter2
endpoint: https://api.lab.example/v1
metadataEndpoint: http://192.0.2.1/metadata
ca: '-----BEGIN CERTIFICATE-----'
"),
        vrrp!("kind: HTTPVIPConfig
name: 192.0.2.250
link: bond0
acquire: {url: 'https://lab.example/${ip}', method: PUT, headers: {X-Token: hunter2}, body: '{}'}
release: {url: 'https://lab.example/${ip}', method: DELETE, headers: {X-Token: hunter2}, body: '{}'}
status: {url: 'https://lab.example/${ip}', method: GET, headers: {X-Token: hunter2}, body: '{}'}
ca: '-----BEGIN CERTIFICATE-----'
"),
        etcd!("kind: HTTPVIPConfig
name: 192.0.2.250
link: bond0
acquire: {url: 'https://lab.example/${ip}', method: PUT, headers: {X-Token: hunter2}, body: '{}'}
release: {url: 'https://lab.example/${ip}', method: DELETE, headers: {X-Token: hunter2}, body: '{}'}
status: {url: 'https://lab.example/${ip}', method: GET, headers: {X-Token: hunter2}, body: '{}'}
ca: '-----BEGIN CERTIFICATE-----'
"),
        "kind: EthernetConfig
name: enp3s0
features: {rx-gro-hw: false, tx-checksum-ipv4: true}
rings: {rx: 4096, tx: 4096, rx-mini: 1, rx-jumbo: 1, rx-buf-len: 2048, cqe-size: 64, tx-push: true, rx-push: false,
  tx-push-buf-len: 128, tcp-data-split: true}
channels: {rx: 1, tx: 1, other: 1, combined: 8}
wakeOnLan: [magic, arp]
",
        "kind: NetworkDefaultActionConfig
ingress: block
egress: accept
trustedLinks: [mgmt0, 'wg*']
allowPodsToHost: [10250, dns, {port: 9100-9110, protocol: tcp}]
vrrpPeers: [192.0.2.7, '2001:db8::/64']
management: [apid, 22, {port: 51820, protocol: udp}]
",
        "kind: NetworkDefaultActionConfig
allowPodsToHost: all
",
        "kind: NetworkRuleConfig
name: ssh-and-agents
portSelector: {ports: [22, 9100-9110], protocol: tcp, services: [etcd, metallb]}
ingress: [{subnet: 10.0.0.0/8, except: 10.66.0.0/16}, {subnet: '2001:db8:aa::/48'}]
action: accept
interfaces: [eth0, 'cali*']
limit: {rate: 10/second, burst: 20}
log: {prefix: 'agents: '}
",
        "kind: NetworkRuleConfig
name: ping
portSelector: {protocol: icmp, icmpTypes: [echo-request, 3]}
limit: 3/minute
",
        "kind: NetworkRuleConfig
name: names
portSelector: {services: [dns]}
egress: [{subnet: 192.0.2.0/24, except: 192.0.2.1/32}]
action: reject
",
        "kind: SysctlConfig
params: {net.ipv4.ip_forward: 1, vm.swappiness: 10}
",
        "kind: KubeNetworkConfig
dnsDomain: cluster.local
podSubnets: [10.244.0.0/16, 'fc00:db8:10::/56']
serviceSubnets: [10.96.0.0/12, 'fc00:db8:20::/112']
nodeCIDRMaskSizeIPv4: 24
nodeCIDRMaskSizeIPv6: 64
",
        "kind: KubeSpanConfig
enabled: false
advertiseKubernetesNetworks: true
allowDownPeerBypass: true
harvestExtraEndpoints: true
mtu: 1420
filters: {endpoints: [0.0.0.0/0, '!10.0.0.0/8'], excludeAdvertisedNetworks: [192.0.2.0/24]}
",
        "kind: KubeSpanEndpointsConfig
extraAnnouncedEndpoints: [192.0.2.77:51820]
",
        "kind: BGPInstanceConfig
name: fabric
localASN: 4200000017
routerID: 192.0.2.1
routeSource: 192.0.2.1
advertise: [anycast0]
multipath: true
maxPaths: 4
installRoutes: true
neighbors:
  - link: enp1s0f0
    bfd: {transmitInterval: 300ms, receiveInterval: 300ms, detectMultiplier: 3}
  - {address: 192.0.2.1, peerASN: 64512, localASN: 64513, passive: true, holdTime: 9s}
",
        "machine:
  type: controlplane
  sysctls: {vm.swappiness: 10, net.core.somaxconn: 1024}
  time: {servers: [192.0.2.123], disabled: false, bootTimeout: 0}
  features:
    hostDNS: {enabled: true, forwardKubeDNSToHost: true, resolveMemberNames: true}
    stableHostname: true
    nodeAddressSortAlgorithm: v2
  network:
    hostname: node7
    nameservers: [192.0.2.53]
    searchDomains: [lab.example]
    disableSearchDomain: true
    extraHostEntries: [{ip: 192.0.2.9, aliases: [nine]}]
    kubespan: {enabled: false, advertiseKubernetesNetworks: true, allowDownPeerBypass: true, harvestExtraEndpoints: true,
      mtu: 1420, filters: {endpoints: ['!10.0.0.0/8'], excludeAdvertisedNetworks: [192.0.2.0/24]}}
    interfaces:
      - {interface: eth2, ignore: true, whatever: 1}
      - {interface: eth8, vip: {ip: 192.0.2.9, hcloud: {apiToken: hunter2, endpoint: 'https://api.lab.example', metadataEndpoint: 'http://192.0.2.1', ca: '-----BEGIN CERTIFICATE-----'}, election: etcd, check: {tcp: '127.0.0.1:6443'},
              etcd: {endpoints: ['https://192.0.2.2:2379'], ca: '-----BEGIN CERTIFICATE-----', cert: '-----BEGIN CERTIFICATE-----', key: '-----BEGIN PRIVATE KEY----- hunter2', electionKey: vip, ttl: 10s}},
            vlans: [{vlanId: 7, vip: {ip: 192.0.2.10, equinixMetal: {apiToken: hunter2, endpoint: 'https://api.lab.example', metadataEndpoint: 'http://192.0.2.1', ca: '-----BEGIN CERTIFICATE-----'}, election: etcd, check: {tcp: '127.0.0.1:6443'},
              etcd: {endpoints: ['https://192.0.2.2:2379'], ca: '-----BEGIN CERTIFICATE-----', cert: '-----BEGIN CERTIFICATE-----', key: '-----BEGIN PRIVATE KEY----- hunter2', electionKey: vip, ttl: 10s}}}]}
      - interface: eth0
        ignore: false
        addresses: [192.0.2.10/24, '2001:db8::1']
        routes: [{network: 0.0.0.0/0, gateway: 192.0.2.1, source: 192.0.2.10, metric: 5, table: main, mtu: 0}]
        mtu: 1400
        dhcp: true
        dhcpOptions: {routeMetric: 300, ipv4: true, ipv6: true, duidv6: 00:01:02}
        vip: {ip: 192.0.2.9, equinixMetal: {apiToken: hunter2, endpoint: 'https://api.lab.example', metadataEndpoint: 'http://192.0.2.1', ca: '-----BEGIN CERTIFICATE-----'}, vrid: 51, priority: 150, advertInterval: 100ms, vrrpVersion: 3, preempt: true, preemptDelay: 10s, checksum: rfc9568,
              peers: [192.0.2.2], minTTL: 255, takeoverGuard: 5s, virtualMAC: false, bootstrap: true,
              check: {http: 'https://127.0.0.1:6443/readyz', interval: 1s, timeout: 1s, fall: 3, rise: 2, ca: '-----BEGIN CERTIFICATE-----', insecureSkipVerify: false}}
        vlans:
          - {vlanId: 5, addresses: [192.0.2.66/32], mtu: 1300, dhcp: false, dhcpOptions: {ipv6: true},
            routes: [{gateway: 192.0.2.1}], vip: {ip: 192.0.2.8, hcloud: {apiToken: hunter2, endpoint: 'https://api.lab.example', metadataEndpoint: 'http://192.0.2.1', ca: '-----BEGIN CERTIFICATE-----'}, vrid: 51, priority: 150, advertInterval: 100ms, vrrpVersion: 3, preempt: true, preemptDelay: 10s, checksum: rfc9568,
              peers: [192.0.2.2], minTTL: 255, takeoverGuard: 5s, virtualMAC: false, bootstrap: true,
              check: {http: 'https://127.0.0.1:6443/readyz', interval: 1s, timeout: 1s, fall: 3, rise: 2, ca: '-----BEGIN CERTIFICATE-----', insecureSkipVerify: false}}}
      - interface: eth3
        bridgePort: {master: br0}
      - interface: br0
        bridge: {interfaces: [eth4], stp: {enabled: true}, vlan: {vlanFiltering: true}}
      - interface: dummy0
        dummy: true
      - deviceSelector: {busPath: '0000:03:*', hardwareAddr: '*', permanentAddr: '52:54:*', pciID: '8086:*', driver: ice,
          physical: true}
      - interface: wg0
        wireguard:
          privateKey: IO5NYvFt1/g7tTSnUKEGslb58Zjo6SB3LQaR4tkvWqM=
          listenPort: 51999
          firewallMark: 7
          peers:
            - {publicKey: P4+9zru6Bwo3HxiQgi/8ob4NplGNy4YyaWRkronQyW8=, endpoint: 203.0.113.77:51820,
              persistentKeepaliveInterval: 25s, allowedIPs: [10.60.0.0/16]}
      - interface: bond0
        bond: {interfaces: [eth5, eth6], mode: 802.3ad, xmitHashPolicy: layer3+4, lacpRate: fast, miimon: 100,
          updelay: 200, downdelay: 200, adSelect: bandwidth, adActorSysPrio: 1, adUserPortKey: 2, minLinks: 1,
          lpInterval: 1, useCarrier: true, allSlavesActive: 0, numPeerNotif: 2, peerNotifyDelay: 100, resendIgmp: 1}
      - interface: bond1
        bond: {deviceSelectors: [{driver: mlx5_core}], mode: active-backup, primary: eth9, primaryReselect: better,
          failOverMac: active, arpInterval: 100, arpValidate: all, arpAllTargets: any, packetsPerSlave: 1,
          tlbDynamicLb: 0}
cluster: {network: {podSubnets: [10.244.0.0/16], serviceSubnets: [10.96.0.0/12]}}
",
    ];

    fn example(text: &str) -> String {
        match text.starts_with("kind:") {
            true => format!("apiVersion: v1alpha1\n{text}{}", common(text)),
            false => text.to_owned(),
        }
    }

    /// What every kind of link has and only the example of `LinkConfig` writes itself.
    fn common(text: &str) -> &'static str {
        let kind = kind_of(text);
        let makes_link = |known: &&Known| known.name == kind && known.role == Role::Link;
        match KINDS.iter().find(makes_link) {
            Some(_) if kind != "LinkConfig" => {
                "up: true
mtu: 1400
multicast: true
addresses: []
routes: []
bridgePort: {}
acceptRA: yes
rpFilter: strict
forwarding: true
arpIgnore: 1
arpAnnounce: 2
proxyARP: false
ipv6: true
ipv6AddressGeneration: none
allowRoutes: []
"
            }
            Some(_) | None => "",
        }
    }

    /// The schema behind a reference, and what it is called: keys of a record that stands in many places are met once.
    fn resolve<'s>(root: &'s Json, schema: &'s Json, path: &mut String) -> &'s Json {
        match schema.get("$ref").and_then(Json::as_str) {
            Some(reference) => {
                *path = reference.rsplit('/').next().unwrap().to_owned();
                root.pointer(reference.trim_start_matches('#')).unwrap()
            }
            None => schema,
        }
    }

    /// Walks `node` and its schema: every key is described; what is not met is taken out of `left`.
    fn walk(root: &Json, schema: &Json, path: &str, node: &Node, left: &mut Vec<String>) {
        let mut path = path.to_owned();
        let mut schema = resolve(root, schema, &mut path);
        if let Some(when) = schema.get("if")
            && when.pointer("/properties/ignore").is_some()
        {
            let ignored = node.at("ignore").and_then(Node::truth) == Some(true);
            schema = resolve(
                root,
                &schema[if ignored { "then" } else { "else" }],
                &mut path,
            );
        }
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => {
                for item in items {
                    walk(root, &schema["items"], &path, item, left);
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    let path = format!("{path}/{}", key.text);
                    left.retain(|name| *name != path);
                    let property = schema.pointer(&format!("/properties/{}", key.text));
                    let inner = property.or(schema.get("additionalProperties"));
                    // `{}` and `true`: anything goes.
                    if property.is_none() && inner == Some(&json!(false)) {
                        panic!("{path} is not in the schema");
                    }
                    if let Some(inner) = inner {
                        walk(root, inner, &path, value, left);
                    }
                }
            }
        }
    }

    /// The paths of all keys below `schema`.
    fn paths(root: &Json, schema: &Json, path: &str, found: &mut Vec<String>) {
        let mut path = path.to_owned();
        let mut schema = resolve(root, schema, &mut path);
        if schema.get("if").is_some() {
            schema = resolve(root, &schema["else"], &mut path);
        }
        if let Some(items) = schema.get("items") {
            paths(root, items, &path, found);
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            let path = format!("{path}/{key}");
            found.push(path.clone());
            paths(root, inner, &path, found);
        }
    }

    fn kind_of(text: &str) -> &str {
        let kind = text
            .strip_prefix("kind: ")
            .and_then(|text| text.lines().next());
        kind.unwrap_or("LegacyKeys")
    }

    #[test]
    fn examples_hold_every_key_of_the_schema_and_read_without_a_fault() {
        let root = schema();
        let mut left = Vec::new();
        for kind in &KINDS {
            paths(&root, &root["$defs"][kind.name], kind.name, &mut left);
        }
        paths(&root, &root["else"], "LegacyKeys", &mut left);
        // These break a rule of their own, or are refused; the scenarios have them.
        let apart = [
            "adActorSystem",
            "arpIPTarget",
            "cidr",
            "importRoutes",
            "bgpInstance",
            "prefixes",
            "vrf",
        ];
        for text in EXAMPLES.iter().copied() {
            let full = example(text);
            let kind = kind_of(text);
            let (nodes, faults) = tree(&full);
            assert!(faults.is_empty(), "{full}");
            walk(&root, &root["$defs"][kind], kind, &nodes[0], &mut left);
            let (_, diagnostics) = parse(&full, "example.yaml");
            let errors: Vec<_> = diagnostics
                .iter()
                .filter(|fault| fault.severity != crate::config::Severity::Note)
                .collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
        left.retain(|path| {
            !apart
                .iter()
                .any(|key| path.split('/').any(|part| part == *key))
        });
        assert!(left.is_empty(), "no example has {left:?}");
    }

    #[test]
    fn a_key_of_the_schema_is_known_and_any_other_is_not() {
        let root = schema();
        for kind in &KINDS {
            let name = kind.name;
            let unknown = |key: &str| {
                let text = format!("apiVersion: v1alpha1\nkind: {name}\n{key}: ~\n");
                let (_, diagnostics) = parse(&text, "c");
                let mut faults = diagnostics.iter();
                faults.any(|fault| fault.message.contains("unknown key"))
            };
            let properties = root["$defs"][name]["properties"].as_object().unwrap();
            for key in properties
                .keys()
                .filter(|key| *key != "kind" && *key != "apiVersion")
            {
                assert!(!unknown(key), "{name}: {key}");
            }
            assert!(unknown("nonsense"), "{name}");
        }
    }

    #[test]
    fn every_key_and_record_says_what_it_is() {
        let root = schema();
        for (name, definition) in root["$defs"].as_object().unwrap() {
            assert!(definition["description"].is_string(), "{name}");
            for (key, property) in definition["properties"].as_object().unwrap() {
                let text = property["description"].as_str().unwrap_or_default();
                assert!(text.ends_with('.'), "{name}: {key}: {text}");
            }
        }
    }
}
