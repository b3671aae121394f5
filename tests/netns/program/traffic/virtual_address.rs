//! A port of this machine behind an address that is not this machine's, as a load balancer's is: what a rule limits there is
//! limited, though the chain before routing takes the packets for somebody else's.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, TcpListener};

use qemu::traffic::{Body, Packet, tcp};
use qemu::{Deadline, Namespace};
use serde_json::json;
use tests::traffic::policy::{Default, Policy, Protocol, Rule};

use super::super::machine::{PATIENCE, on_machine};
use super::stage::{V4, documents, nft, stranger, wild_cable};

/// An address that others translate.
const VIRTUAL: &str = "198.51.100.7";

/// The port that a rule limits, and one that is open.
const LIMITED: u16 = 8080;
const OPEN: u16 = 8081;

/// Connections that are begun, of which the limit lets one through.
const TRIES: u16 = 6;

#[test]
fn what_comes_by_a_virtual_address_is_limited() {
    on_machine("firewall-virtual", |machine| {
        let far = Namespace::new().unwrap();
        wild_cable(&far, "eth1", 1);
        let idle = Namespace::new().unwrap();
        wild_cable(&idle, "eth2", 2);
        let everybody = ["0.0.0.0/0", "::/0"];
        let open = Rule::new("open", Protocol::Tcp, &[(OPEN, OPEN)], &everybody);
        let policy = Policy::new(Default::Block).rule(open);
        let limited = format!(
            "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: limited\naction: accept\n\
             portSelector: {{ports: [{LIMITED}], protocol: tcp}}\ningress: [{{subnet: 0.0.0.0/0}}]\n\
             limit: {{rate: 1/hour, burst: 1}}\n"
        );
        let text = format!("{}{limited}", documents(&policy));
        fs::create_dir_all("/etc/init-net").unwrap();
        fs::write("/etc/init-net/machine.yaml", text).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        machine.until("a settled machine", || {
            (machine.plan() == json!([])).then_some(())
        });
        for port in [LIMITED, OPEN] {
            let listener = TcpListener::bind(("::", port)).unwrap();
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    // Who has gone meanwhile does not want it.
                    let _ = stream.write_all(b"here");
                }
            });
        }
        let rules = machine.lab.folder().join("virtual.nft");
        fs::write(
            &rules,
            format!(
                "table ip others {{\n chain virtual {{\n type nat hook prerouting priority -100;\n \
                 ip daddr {VIRTUAL} dnat to {V4}\n }}\n}}\n"
            ),
        )
        .unwrap();
        nft(&format!("-f {}", rules.display()));

        let mut outside = stranger(&far, 1);
        let from: IpAddr = "203.0.113.9".parse().unwrap();
        let to: IpAddr = VIRTUAL.parse().unwrap();
        // The open one is asked last: once it answers, the others have answered or will not.
        for serial in 0..TRIES {
            assert!(outside.send(&Packet::syn(from, 2000 + serial, to, LIMITED, 1)));
        }
        assert!(outside.send(&Packet::syn(from, 3000, to, OPEN, 1)));
        let deadline = Deadline::after(PATIENCE);
        let mut answered = Vec::new();
        loop {
            let packet = outside.next(deadline).expect("an answer of the open port");
            let Body::Tcp {
                from: port,
                to: serial,
                flags,
                ..
            } = packet.body
            else {
                continue;
            };
            if packet.source != to || flags != tcp::SYN | tcp::ACK {
                continue;
            }
            outside.send(&packet.reset().unwrap());
            if port == OPEN {
                break;
            }
            answered.push(serial);
        }
        answered.dedup();
        assert_eq!(answered, [2000], "{}", nft("list table inet init-net"));
    });
}
