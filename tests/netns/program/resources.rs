//! What the supervisor shows of what it knows, and how it tells of changes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nix::sys::signal::Signal;
use qemu::Log;
use qemu::process::Process;
use serde_json::{Value, json};

use super::machine::{Machine, PATIENCE, on_machine};
use crate::namespace::{ip, ip_batch};

/// All kinds of the contract that have something to show on a machine with one static address, with one of their columns.
const SHOWN: [(&str, &str); 18] = [
    ("links", "OPER STATE"),
    ("linkspecs", "LAYER"),
    ("addresses", "SCOPE"),
    ("addressspecs", "ORIGIN"),
    ("routes", "GATEWAY"),
    ("routespecs", "LAYER"),
    ("neighbors", "HW ADDR"),
    ("hostname", "DOMAINNAME"),
    ("hostnamespecs", "ORIGIN"),
    ("resolvers", "RESOLVERS"),
    ("resolverspecs", "LAYER"),
    ("hosts", "HOSTNAMES"),
    ("sysctls", "CURRENT"),
    ("sysctlspecs", "VALUE"),
    ("nodeaddresses", "SORTALGORITHM"),
    ("nodeaddressfilters", "EXCLUDE SUBNETS"),
    ("events", "RESOURCE"),
    ("status", "CONNECTIVITY"),
];

/// Kinds that may be empty on it.
const OTHERS: [&str; 20] = [
    "rules",
    "rulespecs",
    "ethernet",
    "ethernetspecs",
    "aliases",
    "aliasspecs",
    "timeservers",
    "timeserverspecs",
    "hostspecs",
    "operators",
    "operatorspecs",
    "leases",
    "vips",
    "vipspecs",
    "probes",
    "probespecs",
    "firewall",
    "firewallspecs",
    "metadata",
    "externalIPs",
];

const STATIC: &str = "ip=10.77.0.2::10.77.0.1:24:web1.example.org:eth0:none nameserver=10.77.0.1";

fn boot(machine: &Machine) {
    machine.boot(STATIC);
    machine.answers();
}

#[track_caller]
fn one(machine: &Machine, kind: &str, id: &str) -> Value {
    let all = machine.get(kind);
    let found = all.iter().find(|resource| resource["id"] == id);
    found.unwrap_or_else(|| panic!("{id} in {all:?}")).clone()
}

#[test]
fn every_kind_in_every_form() {
    on_machine("resources", |machine| {
        boot(machine);
        ip("neighbour add 10.77.0.77 lladdr 52:54:00:00:00:77 dev eth0 nud permanent");
        ip("neighbour add proxy 10.77.0.88 dev eth0");
        let output = |arguments: &[&str], code: i32| {
            let ran = machine.run(arguments);
            assert_eq!(ran.code, code, "{arguments:?}: {}", ran.errors);
            ran
        };
        for kind in SHOWN.iter().map(|(kind, _)| *kind).chain(OTHERS) {
            for resource in machine.get(kind) {
                assert!(resource["id"].is_string(), "{kind}: {resource}");
                let version = resource.get("version").and_then(Value::as_u64);
                assert_eq!(version.is_some(), kind != "events", "{kind}: {resource}");
            }
            let table = output(&["get", kind], 0).output;
            assert!(table.starts_with("ID"), "{kind}: {table}");
            assert!(table.lines().all(|line| line.chars().count() <= 100));
        }
        for (kind, column) in SHOWN {
            let table = output(&["get", kind], 0).output;
            let title = table.lines().next().unwrap_or_default();
            assert!(
                title.contains(column) && table.lines().count() > 1,
                "{table}"
            );
            let yaml = output(&["get", kind, "-o", "yaml"], 0).output;
            assert!(yaml.starts_with("- "), "{yaml}");
        }

        let neighbor = one(machine, "neighbours", "eth0/10.77.0.77");
        assert_eq!(neighbor["hardwareAddr"], "52:54:00:00:00:77");
        assert_eq!(neighbor["state"], "permanent");
        assert_eq!(one(machine, "neighbor", "eth0/10.77.0.88")["proxy"], true);
        let link = one(machine, "link", "eth0");
        assert_eq!(link["state"], "routable");
        assert_eq!(link["linkState"], true);
        assert_eq!(link["kind"], "veth");
        let status = one(machine, "netstatus", "status");
        for flag in [
            "addressReady",
            "connectivityReady",
            "hostnameReady",
            "etcFilesReady",
            "routable",
        ] {
            assert_eq!(status[flag], true, "{flag}: {status}");
        }
        let current = one(machine, "nodeaddress", "current");
        assert_eq!(current["addresses"], json!(["10.77.0.2/24"]));
        assert_eq!(
            one(machine, "resolvers", "resolvers")["nameServers"],
            json!(["10.77.0.1"])
        );
        let names = json!(["web1.example.org", "web1"]);
        assert_eq!(one(machine, "hosts", "10.77.0.2")["hostnames"], names);

        // What is in force and what is desired: somebody changes the file, and nobody looks.
        let before = one(machine, "links", "eth0")["version"].clone();
        ip("link set eth0 alias uplink");
        machine.until("the alias", || {
            (machine.get("aliases") == [json!({"id": "eth0", "alias": "uplink", "version": 1})])
                .then_some(())
        });
        let after = one(machine, "links", "eth0")["version"].clone();
        assert!(after.as_u64() > before.as_u64(), "{before} {after}");

        let typo = output(&["get", "adresses"], 64);
        assert!(
            typo.errors.contains("did you mean addresses?"),
            "{}",
            typo.errors
        );
        let nothing = output(&["get", "links", "nosuch"], 1);
        assert!(nothing.errors.contains("nosuch"), "{}", nothing.errors);
    });
}

/// A running `get KIND --watch`.
struct Watching {
    process: Process,
    log: Log,
}

impl Watching {
    #[track_caller]
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let arguments = [&["get"], arguments, &["--watch"]].concat();
        let mut command = machine.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command).expect("the program starts");
        let log = process.output(None).expect("piped just above");
        Self { process, log }
    }

    /// The line that holds all of `words`.
    #[track_caller]
    fn sees(&self, machine: &Machine, words: &[&str]) -> String {
        machine.until(&format!("{words:?} in a watch"), || {
            let lines = self.log.lines();
            let hit = |line: &&String| words.iter().all(|word| line.contains(word));
            lines.iter().find(hit).cloned()
        })
    }
}

#[test]
fn a_watch_sees_an_address_come_and_go() {
    on_machine("watch", |machine| {
        boot(machine);
        let mut json = Watching::start(machine, &["addresses", "-o", "json"]);
        let table = Watching::start(machine, &["address"]);
        let only = Watching::start(machine, &["links", "lo", "-o", "json"]);
        json.sees(machine, &["\"+\"", "10.77.0.2/24"]);
        table.sees(machine, &["+   eth0/10.77.0.2/24"]);
        only.sees(machine, &["\"+\"", "\"lo\""]);
        ip("address add 198.51.100.7/24 dev eth0");
        json.sees(machine, &["\"+\"", "198.51.100.7/24"]);
        table.sees(machine, &["+   eth0/198.51.100.7/24"]);
        ip("address delete 198.51.100.7/24 dev eth0");
        json.sees(machine, &["\"-\"", "198.51.100.7/24"]);
        table.sees(machine, &["-   eth0/198.51.100.7/24"]);
        // Ours goes and is put back: both are told, and it is an event.
        let events = Watching::start(machine, &["events"]);
        events.sees(machine, &["levelReached", "status/routable"]);
        ip("address delete 10.77.0.2/24 dev eth0");
        json.sees(machine, &["\"-\"", "10.77.0.2/24"]);
        events.sees(machine, &["repaired", "addresses/eth0/10.77.0.2/24"]);
        let signs: BTreeMap<String, String> = json
            .log
            .lines()
            .iter()
            .map(|line| {
                let change: Value = serde_json::from_str(line).expect("a line of JSON");
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                (text(&change["resource"]["id"]), text(&change["event"]))
            })
            .collect();
        assert_eq!(signs["eth0/198.51.100.7/24"], "-");
        assert_eq!(only.log.lines().len(), 1, "{:?}", only.log.lines());
        // It ends with the supervisor.
        machine.signal(Signal::SIGTERM);
        let status = json.process.wait_exit(PATIENCE).expect("the watch ends");
        assert_eq!(status.code(), Some(1));
    });
}

#[test]
fn a_slow_watcher_holds_up_nobody_and_misses_nothing() {
    /// Together some megabytes: far more than a socket takes.
    const ROUTES: u32 = 4000;
    on_machine("slow-watch", |machine| {
        boot(machine);
        let slow = UnixStream::connect("/run/init-net/control.sock").unwrap();
        slow.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(&slow, "{}", json!({"command": "watch", "kind": "routes"})).unwrap();
        machine.answers();
        let route = |number: u32| {
            let [_, _, high, low] = number.to_be_bytes();
            format!("10.200.{high}.{low}/32")
        };
        let batch: String = (0..ROUTES)
            .map(|number| format!("route add {} dev eth0 proto static\n", route(number)))
            .collect();
        ip_batch(&batch);
        // Foreign routes do not ring: a look is asked for.
        machine.reconcile();
        machine.until("all routes", || {
            (machine.get("routes").len() > ROUTES as usize).then_some(())
        });
        // Nobody reads, and the machine is kept as before.
        for _ in 0..5 {
            ip("route delete default");
            machine.until_shown("route show default", "via 10.77.0.1");
            machine.until("an empty plan", || {
                (machine.plan() == json!([])).then_some(())
            });
        }
        ip("route delete 10.200.0.0/32 dev eth0 proto static");
        machine.reconcile();
        let mut seen = BTreeMap::new();
        for line in BufReader::new(&slow).lines() {
            let line: Value = serde_json::from_str(&line.unwrap()).expect("a whole line");
            let change = &line["ok"];
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let id = text(&change["resource"]["id"]);
            let gone = change["event"] == "-" && id.contains("10.200.0.0/32");
            seen.insert(id, text(&change["event"]));
            if gone {
                break;
            }
        }
        let there = seen.iter().filter(|(id, _)| id.contains("10.200."));
        assert_eq!(there.count(), ROUTES as usize);
        // Who goes is forgotten, and others can still ask.
        drop(slow);
        machine.answers();
    });
}

#[test]
fn a_watcher_that_only_closes_its_side_is_still_told() {
    on_machine("half-watch", |machine| {
        boot(machine);
        let stream = UnixStream::connect("/run/init-net/control.sock").unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(
            &stream,
            "{}",
            json!({"command": "watch", "kind": "aliases"})
        )
        .unwrap();
        // As `echo … | nc -U` does.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        machine.answers();
        ip("link set eth0 alias uplink");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        assert!(line.contains("uplink"), "{line}");
    });
}

#[test]
fn metrics_are_printed_and_written() {
    on_machine("metrics", |machine| {
        let folder = machine.lab.folder().join("exporter");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("init-net.prom");
        machine.boot(&format!("{STATIC} initnet.metrics={}", file.display()));
        machine.answers();
        let ran = machine.run(&["metrics"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        for line in [
            "initnet_ready{level=\"routable\"} 1",
            "initnet_links_up 2",
            "# TYPE initnet_ops counter",
        ] {
            assert!(ran.output.lines().any(|it| it == line), "{}", ran.output);
        }
        assert!(ran.output.ends_with("# EOF\n"), "{}", ran.output);
        let links = |text: &str| -> u32 {
            let number = text
                .lines()
                .find_map(|line| line.strip_prefix("initnet_links "));
            number.expect("initnet_links").parse().unwrap()
        };
        let text = machine.until("the file", || fs::read_to_string(&file).ok());
        assert!(text.contains("initnet_rounds_total") && text.ends_with("# EOF\n"));
        // By now files are written in few places only, and nothing but the file's own time wakes the supervisor.
        ip("link add pod type veth peer name pod-peer");
        machine.until("two more links in the file", || {
            let now = fs::read_to_string(&file).ok()?;
            (links(&now) == links(&text) + 2).then_some(())
        });
    });
}

#[test]
fn without_a_supervisor_the_kernel_answers_and_nothing_is_watched() {
    on_machine("no-supervisor", |machine| {
        ip("link set eth0 up");
        ip("address add 10.77.0.9/24 dev eth0");
        ip("neighbour add 10.77.0.77 lladdr 52:54:00:00:00:77 dev eth0 nud permanent");
        one(machine, "addresses", "eth0/10.77.0.9/24");
        one(machine, "neighbors", "eth0/10.77.0.77");
        let current = one(machine, "nodeaddresses", "current");
        assert_eq!(current["addresses"], json!(["10.77.0.9/24"]));
        for arguments in [&["get", "links", "--watch"][..], &["metrics"]] {
            let ran = machine.run(arguments);
            assert_eq!(ran.code, 1, "{arguments:?}");
            assert!(ran.errors.contains("no supervisor runs"), "{}", ran.errors);
        }
    });
}
