//! The same rules as documents, as text for nft(8) and for iptables-restore(8); and how long our program takes for them
//! once it runs.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use init_net::config::machine;
use init_net::run::apply::apply;
use init_net::run::kernel::Kernel;
use init_net::run::observe::observe_all;
use init_net::state::Op;
use init_net::value::Instant;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::notice::now;

/// What the rules look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rules {
    /// This many, of one subnet and one port each.
    Apart(usize),
    /// One, with this many subnets.
    Set(usize),
}

impl Rules {
    pub const ALL: [Self; 5] = [
        Self::Apart(10),
        Self::Apart(100),
        Self::Apart(1000),
        Self::Apart(10_000),
        Self::Set(10_000),
    ];

    pub fn name(self) -> String {
        match self {
            Self::Apart(count) => format!("firewall-{count}"),
            Self::Set(count) => format!("firewall-set-{count}"),
        }
    }

    pub fn title(self) -> String {
        match self {
            Self::Apart(count) => format!("firewall of {count} rules, exec to exit"),
            Self::Set(count) => format!("firewall of one set of {count} subnets, exec to exit"),
        }
    }

    pub fn is_large(self) -> bool {
        matches!(self, Self::Apart(10_000..) | Self::Set(_))
    }

    /// What the floor is started with.
    pub fn floor(self) -> String {
        match self {
            Self::Apart(count) => format!("firewall {count}"),
            Self::Set(count) => format!("firewall-set {count}"),
        }
    }

    /// Where the text in the language of `kind` is, inside a root.
    pub fn path(self, kind: &str) -> String {
        format!("/bench/{}.{kind}", self.name())
    }

    /// Writes all of `kind` into `root`.
    pub fn write_all(root: &Path, kind: &str, text: fn(Self) -> String) -> Result<()> {
        for rules in Self::ALL {
            let path: PathBuf = root.join(rules.path(kind).trim_start_matches('/'));
            fs::write(path, text(rules))?;
        }
        Ok(())
    }

    /// A machine config.
    pub fn documents(self) -> String {
        let mut text = String::from(
            "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\nup: true\naddresses:\n  - address: 192.0.2.10/24\n---\n\
             apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n",
        );
        let rule = |text: &mut String, number: usize| {
            let port = port(number);
            let _ = write!(
                text,
                "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: rule{number}\nportSelector:\n  ports: [{port}]\n  \
                 protocol: tcp\ningress:\n"
            );
        };
        let (Self::Apart(count) | Self::Set(count)) = self;
        for number in 0..count {
            if number == 0 || matches!(self, Self::Apart(_)) {
                rule(&mut text, number);
            }
            let _ = writeln!(text, "  - subnet: {}", subnet(number));
        }
        text
    }

    /// For `nft -f`.
    pub fn nft(self) -> String {
        let mut text = String::from("table inet bench {\n");
        let chain = "  chain input {\n    type filter hook input priority -140; policy accept;\n";
        match self {
            Self::Apart(count) => {
                text.push_str(chain);
                for number in 0..count {
                    let (subnet, port) = (subnet(number), port(number));
                    let _ = writeln!(
                        text,
                        "    ip saddr {subnet} tcp dport {port} counter accept"
                    );
                }
            }
            Self::Set(count) => {
                let subnets: Vec<String> = (0..count).map(subnet).collect();
                let _ = writeln!(
                    text,
                    "  set subnets {{\n    type ipv4_addr; flags interval;\n    elements = {{ {} }}\n  }}",
                    subnets.join(", ")
                );
                text.push_str(chain);
                text.push_str("    ip saddr @subnets counter accept\n");
            }
        }
        text.push_str("  }\n}\n");
        text
    }

    /// For `iptables-restore`, which has no sets of its own: as many rules.
    pub fn iptables(self) -> String {
        let mut text = String::from("*filter\n:INPUT ACCEPT [0:0]\n");
        let (Self::Apart(count) | Self::Set(count)) = self;
        for number in 0..count {
            let subnet = subnet(number);
            let port = match self {
                Self::Apart(_) => format!(" -p tcp -m tcp --dport {}", port(number)),
                Self::Set(_) => String::new(),
            };
            let _ = writeln!(text, "-A INPUT -s {subnet}{port} -j ACCEPT");
        }
        text.push_str("COMMIT\n");
        text
    }

    /// Our own stages, ns of each, in a network namespace without rules: the text to documents, those to what is desired,
    /// and from there to the commit of the kernel. The floor's batch is to be compared with the last one.
    pub fn inside(self) -> Result<Value> {
        let text = self.documents();
        unshare(CloneFlags::CLONE_NEWNET)?;
        let mut kernel = Kernel::open()?;
        let start = now();
        let (document, _) = machine::parse(&text, "");
        let read = now() - start;
        let start = now();
        let (desired, _) = init_net::compile::compile(&[document], &Default::default());
        let compiled = now() - start;
        let observed = observe_all(&mut kernel, &desired, Instant::BOOT)?;
        let start = now();
        let mut ops = init_net::plan::plan(&desired, &observed);
        ops.retain(|op| matches!(op, Op::Firewall(_)));
        let outcomes = apply(&mut kernel, ops);
        let applied = now() - start;
        let [outcome] = &outcomes[..] else {
            return Err(format!("{} ops of the firewall", outcomes.len()).into());
        };
        if let Err((_, error)) = &outcome.result {
            return Err(format!("firewall: {error}").into());
        }
        Ok(json!({
            "read": read,
            "compile": compiled,
            "plan, encode, commit": applied,
        }))
    }
}

/// As the floor has them: a gap after each, or neighbours would become one.
fn subnet(number: usize) -> String {
    let number = 2 * number;
    format!("10.{}.{}.0/24", number >> 8, number & 0xff)
}

fn port(number: usize) -> usize {
    1024 + number
}
