//! Clouds, by mocks of their metadata services on the addresses that the clouds use. What the services say is that of the
//! fixtures of `tests/platforms`, with the guest's own hardware and network addresses in it. No guest is told where it is:
//! the firmware shows it.

use std::fs;
use std::path::{Path, PathBuf};

use qemu::command::mac_text;
use qemu::peer::metadata::{Builder, Fault};
use qemu::peer::{MetadataServer, dnsmasq};
use qemu::vm;
use serde_json::Value;

use crate::bench::{ADDRESS, Bench, Facts, MAC, MAC2};

/// Where most clouds have it; the bench's LAN has the address.
const SERVICE: &str = "169.254.169.254:80";

/// The service of Azure's fabric.
const FABRIC: &str = "168.63.129.16";

/// After the hand-off: what the kernel and the files say, and what init-net says of the instance.
const AFTER: &str = "\
ready 100s
ip -6 -o address show | say v6
init-net get metadata -o json | say metadata
tables
poweroff -f
";

/// A fixture's metadata with other words in it.
struct Metadata(PathBuf);

impl Metadata {
    /// `fixture` is `PLATFORM/CASE`; every first of `words` becomes the second, in files and in their names.
    fn of(bench: &Bench, fixture: &str, words: &[(&str, &str)]) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("platforms");
        let folder = bench.lab.folder().join("metadata");
        rewritten(&source.join(fixture).join("metadata"), &folder, words);
        Self(folder)
    }

    /// Without one file.
    fn without(self, path: &str) -> Self {
        fs::remove_file(self.0.join(path)).unwrap();
        self
    }

    /// With another text for one file.
    fn with(self, path: &str, text: &str) -> Self {
        fs::write(self.0.join(path), text).unwrap();
        self
    }

    fn service(&self) -> Builder {
        MetadataServer::of(&self.0)
    }
}

fn rewritten(from: &Path, to: &Path, words: &[(&str, &str)]) {
    let rewrite = |text: &str| {
        let mut words = words.iter();
        words.try_fold(text.to_owned(), |text, (old, new)| {
            Some(text.replace(old, new))
        })
    };
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let to = to.join(rewrite(&name).unwrap());
        if entry.path().is_dir() {
            rewritten(&entry.path(), &to, words);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            fs::write(to, rewrite(&text).unwrap()).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Boots the guest to its end, prints its time line, and says why it handed off.
#[track_caller]
fn boot(bench: &Bench, name: &str, guest: vm::Builder) -> Facts {
    let facts = Facts::of(guest.start(&bench.lab).unwrap());
    let report = report(&facts);
    println!("{name}, ms since the kernel started:");
    let ms = |value: &Value| value.as_u64().map(|time| time / 1_000_000);
    for stage in report["timeline"].as_array().unwrap() {
        let name = stage["name"].as_str().unwrap();
        let start = ms(&stage["start"]).unwrap();
        match ms(&stage["end"]) {
            Some(end) => println!("  {start:>6} – {end:>6}  {name}"),
            None => println!("  {start:>6} –         {name}"),
        }
    }
    facts
}

fn report(facts: &Facts) -> Value {
    serde_json::from_str(&facts.kind("report").join("\n")).unwrap()
}

/// It is ready, has what the cloud says, and keeps its way to the service.
#[track_caller]
fn is_right(facts: &Facts, platform: &str, hostname: &str) {
    let report = report(facts);
    assert_eq!(report["reason"], "ready", "{report:#}");
    facts.has("wait", "0");
    facts.has("hostname", hostname);
    facts.has("route", "169.254.169.254 metric 512");
    let metadata = facts.kind("metadata").join("\n");
    assert!(metadata.contains(&format!("\"{platform}\"")), "{metadata}");
}

/// Resolvers are only in the metadata: those of a lease would stand before them.
fn leases_without_dns(bench: &Bench) -> dnsmasq::Builder {
    bench.dhcp().option(6, "")
}

fn guest(bench: &Bench) -> vm::Builder {
    bench.guest(AFTER).nic("port0", MAC)
}

#[test]
fn aws() {
    let bench = Bench::new("cloud-aws");
    bench.second_port();
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let macs = [mac_text(MAC), mac_text(MAC2)];
    let words = [
        ("0e:aa:bb:cc:dd:02", macs[0].as_str()),
        ("0e:aa:bb:cc:dd:01", &macs[1]),
        ("10.0.0.10", ADDRESS),
        ("10.0.0.", "10.77.0."),
    ];
    let card = format!("latest/meta-data/network/interfaces/macs/{}", macs[0]);
    let metadata = Metadata::of(&bench, "aws/two-nics", &words).without(&format!("{card}/ipv6s"));
    let service = metadata.service().tokens(
        "/latest/api/token",
        "x-aws-ec2-metadata-token-ttl-seconds",
        "x-aws-ec2-metadata-token",
    );
    let service = service.start(&bench.lab, SERVICE).unwrap();
    let guest = guest(&bench).nic("port1", MAC2).manufacturer("Amazon EC2");
    let facts = boot(&bench, "aws", guest);
    is_right(&facts, "aws", "ip-10-0-0-10");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    // The second address of the first card, which no lease has.
    facts.has("address", "eth0 inet 10.77.0.11/24");
    let log = service.log();
    // One on each card.
    assert_eq!(log.count("PUT /latest/api/token 200"), 2);
    assert_eq!(log.count(" 401"), 0, "{:?}", log.lines());
}

#[test]
fn gcp() {
    let bench = Bench::new("cloud-gcp");
    // An address alone, and routes to the gateway and through it.
    let dnsmasq = leases_without_dns(&bench)
        .option(1, "255.255.255.255")
        .option(121, "10.77.0.1/32,0.0.0.0,0.0.0.0/0,10.77.0.1");
    let _dnsmasq = dnsmasq.start(&bench.lab).unwrap();
    let mac = mac_text(MAC);
    let words = [
        ("42:01:0a:0a:00:07", mac.as_str()),
        ("10.10.0.7", ADDRESS),
        ("10.10.0.1", "10.77.0.1"),
    ];
    let metadata = Metadata::of(&bench, "gcp/one-nic", &words);
    let service =
        metadata
            .service()
            .requires("/computeMetadata/", "metadata-flavor", Some("Google"));
    let _service = service.start(&bench.lab, SERVICE).unwrap();
    let guest = guest(&bench)
        .manufacturer("Google")
        .product("Google Compute Engine");
    let facts = boot(&bench, "gcp", guest);
    is_right(&facts, "gcp", "from-config");
    facts.has("address", &format!("eth0 inet {ADDRESS}/32"));
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("link", "eth0: mtu 1460");
    facts.has("resolv", "nameserver 169.254.169.254");
}

#[test]
fn azure() {
    let bench = Bench::new("cloud-azure");
    let lan = bench.lab.namespace();
    lan.ip(&format!("address add {FABRIC}/32 dev lan")).unwrap();
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let mac = mac_text(MAC).replace(':', "").to_ascii_uppercase();
    let words = [
        ("000D3AAABBCC", mac.as_str()),
        ("10.4.0.7", ADDRESS),
        ("10.4.0.0", "10.77.0.0"),
    ];
    let metadata = Metadata::of(&bench, "azure/one-nic", &words);
    let service = metadata
        .service()
        .requires("/metadata/", "metadata", Some("true"));
    let _service = service.start(&bench.lab, SERVICE).unwrap();
    let fabric = MetadataServer::of(&metadata.0)
        .says("/", "<?xml version=\"1.0\"?><Versions><Preferred><Version>2015-04-05</Version></Preferred>\
                    <Supported><Version>2015-04-05</Version></Supported></Versions>")
        .says("/machine/", "<?xml version=\"1.0\"?><GoalState><Version>2015-04-05</Version>\
                    <Incarnation>3</Incarnation><Container><ContainerId>c-42</ContainerId><RoleInstanceList>\
                    <RoleInstance><InstanceId>_node7</InstanceId></RoleInstance></RoleInstanceList></Container></GoalState>")
        .requires("/machine/", "x-ms-version", None);
    let fabric = fabric.start(&bench.lab, &format!("{FABRIC}:80")).unwrap();
    let guest = guest(&bench).asset_tag("7783-7084-3265-9085-8269-3286-77");
    let facts = boot(&bench, "azure", guest);
    is_right(&facts, "azure", "node7");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    // Addresses of the metadata are for the cards of the hypervisor (hv_netvsc), and this is another.
    let metadata = facts.kind("metadata").join("\n");
    assert!(metadata.contains("Standard_D2s_v5"), "{metadata}");
    let requests = fabric.requests();
    let health = requests
        .iter()
        .find(|request| request.path.contains("comp=health"));
    let health = String::from_utf8(health.expect("a health report").body.clone()).unwrap();
    for part in ["<State>Ready</State>", "c-42", "_node7", ">3<"] {
        assert!(health.contains(part), "{part}: {health}");
    }
}

/// Asked by the way of a lease, it says that everything is static.
#[test]
fn openstack() {
    let bench = Bench::new("cloud-openstack");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let network = serde_json::json!({
        "links": [{"id": "tap1", "type": "vif", "ethernet_mac_address": mac_text(MAC), "mtu": 1400}],
        "networks": [{
            "id": "network0", "link": "tap1", "type": "ipv4",
            "ip_address": "10.77.0.60", "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.77.0.1"}],
        }],
        "services": [{"type": "dns", "address": "192.0.2.53"}],
    });
    let metadata = Metadata::of(&bench, "openstack/service", &[])
        .with("openstack/latest/network_data.json", &network.to_string());
    let service = metadata.service().start(&bench.lab, SERVICE).unwrap();
    let guest = guest(&bench)
        .manufacturer("OpenStack Foundation")
        .product("OpenStack Nova");
    let facts = boot(&bench, "openstack", guest);
    is_right(&facts, "openstack", "node8");
    facts.has("address", "eth0 inet 10.77.0.60/24");
    facts.lacks("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("link", "eth0: mtu 1400");
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("resolv", "nameserver 192.0.2.53");
    assert!(service.log().count("GET /openstack/") >= 1);
}

#[test]
fn digital_ocean() {
    let bench = Bench::new("cloud-digital-ocean");
    bench.second_port();
    // No DHCP: the service answers whoever has taken a link-local address.
    let lan = bench.lab.namespace();
    for words in [
        "route add 169.254.0.0/16 dev lan",
        "address add 198.51.96.1/20 dev lan",
    ] {
        lan.ip(words).unwrap();
    }
    let macs = [mac_text(MAC), mac_text(MAC2)];
    let words = [
        ("0a:0b:0c:0d:0e:01", macs[0].as_str()),
        ("0a:0b:0c:0d:0e:02", &macs[1]),
    ];
    let metadata = Metadata::of(&bench, "digital-ocean/public-and-private", &words);
    let _service = metadata.service().start(&bench.lab, SERVICE).unwrap();
    let guest = guest(&bench)
        .nic("port1", MAC2)
        .manufacturer("DigitalOcean")
        .product("Droplet");
    let facts = boot(&bench, "digital-ocean", guest);
    is_right(&facts, "digital-ocean", "from-config");
    facts.has("address", "eth0 inet 198.51.100.10/20");
    facts.has("address", "eth0 inet 10.19.0.5/16");
    facts.has("address", "eth1 inet 10.110.0.3/20");
    facts.has("v6", "eth0 inet6 2001:db8:0:2::10/64");
    facts.has("route", "default via 198.51.96.1 dev eth0");
    facts.has("resolv", "nameserver 192.0.2.53");
    // What it asked from is gone.
    let addresses = facts.kind("address").join("\n");
    assert!(!addresses.contains("169.254."), "{addresses}");
}

#[test]
fn hcloud() {
    let bench = Bench::new("cloud-hcloud");
    bench.second_port();
    let _dnsmasq = leases_without_dns(&bench).start(&bench.lab).unwrap();
    let macs = [mac_text(MAC), mac_text(MAC2)];
    let words = [
        ("96:00:00:aa:bb:cc", macs[0].as_str()),
        ("86:00:00:2a:7d:e0", &macs[1]),
    ];
    let metadata = Metadata::of(&bench, "hcloud/public-and-private", &words);
    let service = metadata.service().start(&bench.lab, SERVICE).unwrap();
    let guest = guest(&bench)
        .nic("port1", MAC2)
        .manufacturer("Hetzner")
        .product("vServer");
    let facts = boot(&bench, "hcloud", guest);
    is_right(&facts, "hcloud", "from-user-data");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("v6", "eth0 inet6 2001:db8:1:2::1/64");
    facts.has("address", "eth1 inet 10.0.0.2/32");
    facts.has("route", "10.0.0.0/8 via 10.0.0.1 dev eth1");
    facts.has("resolv", "nameserver 185.12.64.1");
    assert!(service.log().count("GET /hetzner/v1/") >= 1);
}

/// Endless, and elsewhere for good: the boot goes on with the lease.
#[test]
fn a_service_that_does_harm_costs_itself() {
    let bench = Bench::new("cloud-hostile");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let metadata = Metadata::of(&bench, "hcloud/private-only", &[]);
    let key = |name: &str| format!("/hetzner/v1/metadata/{name}");
    let loops = Fault::Redirect("{path}".into());
    let service = metadata
        .service()
        .always(&key("network-config"), Fault::EndlessChunks)
        .always(&key("private-networks"), Fault::EndlessHead)
        .always(&key("hostname"), loops)
        .always(
            "/hetzner/v1/userdata",
            Fault::Redirect("http://198.51.100.9/x".into()),
        );
    let _service = service.start(&bench.lab, SERVICE).unwrap();
    let facts = boot(&bench, "hostile", guest(&bench).manufacturer("Hetzner"));
    let report = report(&facts);
    assert_eq!(report["reason"], "ready", "{report:#}");
    facts.has("wait", "0");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    let said = report["diagnostics"].to_string();
    for key in ["network-config", "private-networks", "hostname", "userdata"] {
        assert!(
            said.contains(&format!("hcloud: {key}: no answer")),
            "{key}: {said}"
        );
    }
}
