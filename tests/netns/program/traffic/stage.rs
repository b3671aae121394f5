//! Where packets are sent: a machine with two links to the outside, at whose other ends a stranger is all of the network, and
//! a pod behind it that others' DNAT leads to.
//!
//! ```text
//!   stranger ── eth1 ┐                  ┌ 30080/tcp → 8080, 30081/udp → 8081,
//!                    ├ machine ── pod0 ─┤ 30009 → 9
//!   stranger ── eth2 ┘                  └ pod
//! ```

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use qemu::traffic::Stranger;
use qemu::{Namespace, process};
use serde_json::json;
use tests::traffic::listener::{Listeners, Service};
use tests::traffic::policy::{Policy, Protocol, Rule};
use tests::traffic::probe::{Post, Prober};

use super::super::machine::{Machine, on_machine};
use crate::namespace::ip;

/// The machine's addresses; their networks are at eth1.
pub const V4: &str = "10.88.0.2";
pub const V6: &str = "2001:db8:88::2";

/// The machine's addresses on the pod's cable.
pub const POD_V4: &str = "10.244.0.1";
pub const POD_V6: &str = "fd00:10:244::1";

/// Who is let in whatever is asked.
pub const MARKER_V4: &str = "198.18.0.1";
pub const MARKER_V6: &str = "2001:db8:ffff::1";

/// Ports of the machine that lead to the pod, and where to there.
pub const POD_TCP: (u16, u16) = (30_080, 8080);
pub const POD_UDP: (u16, u16) = (30_081, 8081);
const POD_MARKER: u16 = 30_009;

const LINKS: &str = "
apiVersion: v1alpha1
kind: LinkConfig
name: eth1
addresses: [{address: 10.88.0.2/24}, {address: '2001:db8:88::2/64', noDAD: true}]
routes: [{gateway: 10.88.0.1}, {gateway: '2001:db8:88::1'}]
forwarding: true
---
apiVersion: v1alpha1
kind: LinkConfig
name: eth2
up: true
---
";

/// A chain of others, as a node's proxy has it, with the machine's own addresses.
const DNAT: &str = "
table ip guests {
  chain nodeports {
    type nat hook prerouting priority -100;
    fib daddr type != local accept
    tcp dport 30080 dnat to 10.244.0.2:8080
    udp dport 30081 dnat to 10.244.0.2:8081
    tcp dport 30009 dnat to 10.244.0.2:9
    udp dport 30009 dnat to 10.244.0.2:9
  }
}
table ip6 guests {
  chain nodeports {
    type nat hook prerouting priority -100;
    fib daddr type != local accept
    tcp dport 30080 dnat to [fd00:10:244::2]:8080
    udp dport 30081 dnat to [fd00:10:244::2]:8081
    tcp dport 30009 dnat to [fd00:10:244::2]:9
    udp dport 30009 dnat to [fd00:10:244::2]:9
  }
}
";

/// The stage, for as long as a test runs.
pub struct Stage<'a> {
    pub machine: &'a Machine,
    pub prober: Prober,
    /// At the other ends of eth1 and eth2.
    pub outside: [Namespace; 2],
    _services: [Service; 2],
}

/// Runs `test` on a stage whose machine has booted with `policy`; who listens at `ports` does so for TCP and UDP.
#[track_caller]
pub fn on_stage(
    name: &'static str,
    policy: Policy,
    ports: &'static [u16],
    test: impl FnOnce(&mut Stage<'_>) + Send + 'static,
) {
    on_machine(name, move |machine| {
        let mut outside = Vec::new();
        let mut strangers = Vec::new();
        for (last, link) in [(1, "eth1"), (2, "eth2")] {
            let far = Namespace::new().unwrap();
            wild_cable(&far, link, last);
            strangers.push((link.to_owned(), stranger(&far, last)));
            outside.push(far);
        }
        let pod = Namespace::new().unwrap();
        connect(&pod);
        fs::create_dir_all("/etc/init-net").unwrap();
        fs::write("/etc/init-net/machine.yaml", documents(&policy)).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        machine.until("a settled machine", || {
            (machine.plan() == json!([])).then_some(())
        });

        let services = [
            Listeners::open(ports, ports).start(),
            pod.enter(|| Listeners::open(&[POD_TCP.1], &[POD_UDP.1]))
                .unwrap()
                .start(),
        ];
        let behind = |post: Post| Post {
            marker: POD_MARKER,
            fence: POD_MARKER,
            ..post
        };
        let posts = [Post::new(MARKER_V4, V4), Post::new(MARKER_V6, V6)];
        let posts = [posts, posts.map(behind)].concat();
        let mut stage = Stage {
            machine,
            prober: Prober::new(strangers, posts),
            outside: outside.try_into().unwrap(),
            _services: services,
        };
        stage.prober.greet();
        test(&mut stage);
    });
}

impl Stage<'_> {
    /// Another policy, applied by the supervisor.
    #[track_caller]
    pub fn apply(&mut self, policy: &Policy) {
        let file = self.machine.lab.folder().join("policy.yaml");
        fs::write(&file, documents(policy)).unwrap();
        let ran = self
            .machine
            .run(&["apply", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}{}", ran.output, ran.errors);
        assert_eq!(self.machine.plan(), json!([]), "{}", nft("list ruleset"));
    }
}

/// Says that it is done when it is dropped.
pub struct Raised<'a>(pub &'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The machine's config with this policy.
pub fn documents(policy: &Policy) -> String {
    format!("{LINKS}{}", policy.documents())
}

/// The rule by which markers are let in where they would not be.
pub fn markers() -> [Rule; 2] {
    let sources = [format!("{MARKER_V4}/32"), format!("{MARKER_V6}/128")];
    let sources = [sources[0].as_str(), sources[1].as_str()];
    let ports = [(9, 9), (POD_MARKER, POD_MARKER)];
    [
        Rule::new("markers", Protocol::Tcp, &ports, &sources),
        Rule::new("fences", Protocol::Udp, &ports, &sources),
    ]
}

/// The machine's address of the family of `of`.
pub fn own(of: IpAddr) -> IpAddr {
    let own = if of.is_ipv4() { V4 } else { V6 };
    own.parse().unwrap()
}

/// nft(8) with these words.
#[track_caller]
pub fn nft(arguments: &str) -> String {
    process::run(Command::new("nft").args(arguments.split(' '))).expect("nft(8)")
}

/// Who speaks at the other end of the cable of eth1 or eth2.
#[track_caller]
pub fn stranger(far: &Namespace, last: u8) -> Stranger {
    let mac = |end| [0x52, 0x54, 0, 0x88, end, last];
    Stranger::at(far, "wild", mac(0), mac(1)).unwrap()
}

/// A cable from `link` of this machine to `wild` in `far`, where nobody else is.
pub fn wild_cable(far: &Namespace, link: &str, last: u8) {
    let path = far.path();
    ip(&format!(
        "link add {link} address 52:54:00:88:00:{last:02x} type veth peer name wild netns {}",
        path.display()
    ));
    far.ip("link set wild addrgenmode none").unwrap();
    far.ip("link set wild up").unwrap();
    ip(&format!("link set {link} up"));
}

/// The pod, its cable, and what leads there.
fn connect(pod: &Namespace) {
    ip(&format!(
        "link add pod0 type veth peer name eth0 netns {}",
        pod.path().display()
    ));
    for (at, address) in [
        (None, "10.244.0.1/24"),
        (None, "fd00:10:244::1/64"),
        (Some(pod), "10.244.0.2/24"),
        (Some(pod), "fd00:10:244::2/64"),
    ] {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        match at {
            None => drop(ip(&format!("address add {address} dev pod0 {nodad}"))),
            Some(pod) => drop(
                pod.ip(&format!("address add {address} dev eth0 {nodad}"))
                    .unwrap(),
            ),
        }
    }
    ip("link set pod0 up");
    for arguments in [
        "link set eth0 up",
        "route add default via 10.244.0.1",
        "-6 route add default via fd00:10:244::1",
    ] {
        pod.ip(arguments).unwrap();
    }
    for path in [
        "ipv4/ip_forward",
        "ipv6/conf/all/forwarding",
        "ipv4/icmp_ratemask",
        "ipv6/icmp/ratemask",
    ] {
        // An error that is sent counts as an answer: none may be held back.
        let value = match path {
            "ipv4/icmp_ratemask" => "0",
            "ipv6/icmp/ratemask" => "",
            _ => "1",
        };
        fs::write(format!("/proc/sys/net/{path}"), value).unwrap();
    }
    let mut nft = Command::new("nft");
    nft.arg(DNAT.trim());
    process::run(&mut nft).unwrap();
}
