//! A guest that is asked, and told, while it runs.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use qemu::Deadline;
use qemu::Vm;
use qemu::session::Answer;
use serde_json::Value;
use serde_json::json;

use crate::bench::BOOT;
use crate::bench::MACHINE_CONFIG;
use crate::json::Json;

/// Between two questions of [`Guest::until`]: a guest under TCG takes some 30 ms to answer one.
const AGAIN: Duration = Duration::from_millis(100);

/// Tries of [`Guest::ping`], two seconds each.
const PINGS: u32 = 15;

/// What `wg show all dump` prints of an interface and of a peer, wg(8); secrets are left out.
const WIREGUARD_LINK: [&str; 5] = ["interface", "", "public_key", "listen_port", "fwmark"];
const WIREGUARD_PEER: [&str; 9] = [
    "interface",
    "peer",
    "",
    "endpoint",
    "allowed_ips",
    "latest_handshake",
    "rx",
    "tx",
    "keepalive",
];

/// A guest of [`crate::bench::Bench::machine`] that has handed off.
pub struct Guest {
    pub vm: Vm,
}

impl Guest {
    /// Waits until init-net has handed off: only then there is somebody who answers.
    #[track_caller]
    pub fn of(vm: Vm) -> Self {
        Self::of_within(vm, BOOT)
    }

    /// As [`Guest::of`], for a boot with more to do than others.
    #[track_caller]
    pub fn of_within(mut vm: Vm, within: Duration) -> Self {
        if let Err(error) = vm.run("true", within) {
            panic!("{error}");
        }
        Self { vm }
    }

    /// Runs a script in the guest's sh, which must succeed, and returns its output.
    #[track_caller]
    pub fn run(&mut self, script: &str) -> String {
        let answer = self.answer(script);
        let Answer {
            status,
            output,
            errors,
        } = answer;
        assert_eq!(status, 0, "exit status of `{script}`:\n{output}{errors}");
        output
    }

    /// Runs a script in the guest's sh, whatever comes of it.
    #[track_caller]
    pub fn answer(&mut self, script: &str) -> Answer {
        match self.vm.run(script, BOOT) {
            Ok(answer) => answer,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a level of readiness as init-net sees it: `links`, `local`, `routable`, `online`.
    #[track_caller]
    pub fn ready(&mut self, level: &str) {
        self.run(&format!("init-net wait --level {level} --timeout 60s"));
    }

    /// Another machine config, applied by the running supervisor.
    #[track_caller]
    pub fn apply(&mut self, config: &str) -> String {
        self.run(&format!(
            "cat > {MACHINE_CONFIG} << 'END OF CONFIG'\n{config}\nEND OF CONFIG\n\
             init-net apply --config {MACHINE_CONFIG}"
        ))
    }

    /// Nothing is left to do, as `init-net plan` sees it: waits for that, as a lease or a carrier may be on its way.
    #[track_caller]
    pub fn settles(&mut self) {
        self.settles_within(BOOT);
    }

    /// As [`Guest::settles`], for more than a boot has to do.
    #[track_caller]
    pub fn settles_within(&mut self, within: Duration) {
        let deadline = Deadline::after(within);
        loop {
            let Answer {
                status,
                output,
                errors,
            } = self.answer("init-net plan");
            if status == 0 {
                return assert_eq!(output, "", "a plan with nothing to do");
            }
            assert!(
                deadline.remaining().is_some(),
                "the plan does not become empty, status {status}:\n{output}{errors}"
            );
            thread::sleep(AGAIN);
        }
    }

    /// Another machine config, applied, and what there was to do is done.
    #[track_caller]
    pub fn becomes(&mut self, config: &str) {
        self.apply(config);
        self.settles();
    }

    /// What `init-net plan` would do for another machine config, which is something.
    #[track_caller]
    pub fn plan(&mut self, config: &str) -> String {
        let Answer {
            status,
            output,
            errors,
        } = self.answer(&format!(
            "cat > /tmp/next.yaml << 'END OF CONFIG'\n{config}\nEND OF CONFIG\n\
             init-net plan --config /tmp/next.yaml"
        ));
        assert_eq!(status, 2, "exit status of a plan:\n{output}{errors}");
        output
    }

    /// The kernel's number of every link: one that was made again has another.
    #[track_caller]
    pub fn indexes(&mut self) -> BTreeMap<String, u64> {
        let links = self.ask("ip -j link");
        let link = |link: &Value| {
            let name = link["ifname"].as_str().expect("a name").to_owned();
            (name, link["ifindex"].as_u64().expect("a number"))
        };
        let list = links.get("").and_then(Value::as_array);
        list.expect("a list").iter().map(link).collect()
    }

    /// A kernel parameter, by its path below /proc/sys.
    #[track_caller]
    pub fn sysctl(&mut self, path: &str) -> String {
        self.run(&format!("cat /proc/sys/{path}")).trim().to_owned()
    }

    /// An address answers, one of [`PINGS`] times at least: what a cable took along that was just pulled is lost, and the
    /// other end of an aggregate may go on sending into it for three seconds.
    #[track_caller]
    pub fn ping(&mut self, address: &str) {
        self.run(&format!(
            "left={PINGS}\nuntil ping -c 1 -W 2 {address}; do\nleft=$((left - 1))\n[ $left -gt 0 ] || exit 1\ndone"
        ));
    }

    /// The answer to a question whose answer is JSON, such as `ip -d -j link`.
    #[track_caller]
    pub fn ask(&mut self, question: &str) -> Json {
        let output = self.run(question);
        Json::parse(question, &output)
    }

    /// Asks until `value` is at `path`: for what the kernel does in its own time. A question may fail meanwhile.
    #[track_caller]
    pub fn until(&mut self, question: &str, path: &str, value: impl Into<Value>) -> Json {
        let value = value.into();
        let deadline = Deadline::after(BOOT);
        loop {
            let Answer { output, errors, .. } = self.answer(question);
            if let Ok(found) = serde_json::from_str::<Value>(&output)
                && found.pointer(path) == Some(&value)
            {
                return Json::new(question, found);
            }
            assert!(
                deadline.remaining().is_some(),
                "{value} did not come at {path} of `{question}`:\n{output}{errors}"
            );
            thread::sleep(AGAIN);
        }
    }

    /// A link with everything the kernel tells about it.
    #[track_caller]
    pub fn link(&mut self, name: &str) -> Json {
        self.ask(&format!("ip -d -j link show dev {name}")).at("/0")
    }

    /// The link once it is in that operational state, which the kernel passes on from link to link up to a second late
    /// (net/core/link_watch.c).
    #[track_caller]
    pub fn link_once(&mut self, name: &str, state: &str) -> Json {
        let question = format!("ip -d -j link show dev {name}");
        self.until(&question, "/0/operstate", state).at("/0")
    }

    /// The addresses of a link, as a list.
    #[track_caller]
    pub fn addresses(&mut self, name: &str) -> Json {
        let question = format!("ip -d -j address show dev {name}");
        self.ask(&question).at("/0/addr_info")
    }

    /// Routes of every table, IPv4 (`-4`) or IPv6 (`-6`).
    #[track_caller]
    pub fn routes(&mut self, family: &str) -> Json {
        self.ask(&format!("ip {family} -N -d -j route show table all"))
    }

    /// Policy rules, IPv4 (`-4`) or IPv6 (`-6`).
    #[track_caller]
    pub fn rules(&mut self, family: &str) -> Json {
        self.ask(&format!("ip {family} -N -d -j rule"))
    }

    /// VLANs of every bridge port: a list of `ifname` and `vlans`.
    #[track_caller]
    pub fn bridge_vlans(&mut self) -> Json {
        self.ask("bridge -j vlan")
    }

    /// WireGuard's interfaces and peers (those have a `peer`, their public key), without private and shared keys.
    #[track_caller]
    pub fn wireguard(&mut self) -> Json {
        let question = "wg show all dump";
        let lines = self.run(question);
        let objects = lines.lines().map(|line| {
            let values: Vec<&str> = line.split('\t').collect();
            let names: &[&str] = if values.len() == WIREGUARD_LINK.len() {
                &WIREGUARD_LINK
            } else {
                &WIREGUARD_PEER
            };
            let pairs = names.iter().zip(values);
            pairs
                .filter(|(name, _)| !name.is_empty())
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect::<Value>()
        });
        Json::new(question, objects.collect())
    }
}
