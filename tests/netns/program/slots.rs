//! `initnet.state=`: the last config that worked, over several boots of one machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use qemu::peer::http::{HttpServer, Route};
use serde_json::Value;

use super::machine::{Machine, Ran, addresses, on_machine};

const BAKED_IN: &str = "/etc/init-net/machine.yaml";
const GOOD: &str = "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\naddresses:\n\
                    \x20 - address: 10.77.0.20/24\nroutes:\n  - gateway: 10.77.0.1\n";
/// Waits for a lease that nobody gives.
const BAD: &str = "apiVersion: v1alpha1\nkind: DHCPv4Config\nname: eth0\n";

/// `initnet.timeout=`, seconds, of a boot that is to get ready, and of one that cannot.
const LONG: u32 = 60;
const SHORT: u32 = 1;
/// The same of one that cannot once it has fetched what keeps it from that.
const FETCHED: u32 = 8;

/// Boots of one machine, each with its own boot id, and a folder that outlives them.
struct Boots<'a> {
    machine: &'a Machine,
    state: PathBuf,
    boot_id: PathBuf,
    count: u32,
    /// What the last boot printed.
    said: String,
}

impl<'a> Boots<'a> {
    fn new(machine: &'a Machine) -> Self {
        let [state, boot_id] = ["state", "boot-id"].map(|name| machine.lab.folder().join(name));
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(Path::new(BAKED_IN).parent().unwrap()).unwrap();
        fs::write(&boot_id, "").unwrap();
        let none: Option<&str> = None;
        let target = "/proc/sys/kernel/random/boot_id";
        nix::mount::mount(Some(&boot_id), target, none, MsFlags::MS_BIND, none).unwrap();
        Self {
            machine,
            state,
            boot_id,
            count: 0,
            said: String::new(),
        }
    }

    /// The next boot; the last one's `/run` is gone.
    fn boot(&mut self, arguments: &[&str], timeout: u32, more: &str) -> Ran {
        self.count += 1;
        let id = format!("00000000-0000-0000-0000-{:012}\n", self.count);
        fs::write(&self.boot_id, id).unwrap();
        let _first_boot = fs::remove_dir_all("/run/init-net");
        let state = self.state.display();
        let line =
            format!("initnet.state={state} initnet.tries=2 initnet.timeout={timeout} {more}");
        let boot = ["boot", "--hook", "--cmdline", &line];
        self.machine.run(&[&boot, arguments].concat())
    }

    /// A boot with this config in the image, which leaves nothing behind: whether it got ready, and why the config in force
    /// is not the one that was found.
    fn with(&mut self, config: &str, timeout: u32) -> (bool, Option<String>) {
        fs::write(BAKED_IN, config).unwrap();
        let ran = self.boot(&["--no-supervisor"], timeout, "");
        self.said = ran.errors;
        let note = self.machine.report()["config"].as_str().map(str::to_owned);
        (ran.code == 0, note)
    }

    /// The slots, with their files.
    fn slots(&self) -> Vec<(PathBuf, Value)> {
        let entries = fs::read_dir(&self.state).unwrap();
        let slots = entries
            .map(|entry| entry.unwrap().path())
            .filter_map(|path| {
                let file: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
                file.get("slot")?;
                Some((path, file["slot"].clone()))
            });
        slots.collect()
    }

    /// The slot that holds `text`.
    #[track_caller]
    fn slot(&self, text: &str) -> (PathBuf, Value) {
        let mut slots = self.slots().into_iter();
        let found = slots.find(|(_, slot)| slot["configs"][0]["text"] == text);
        found.expect("a slot with this text")
    }
}

fn names() -> Vec<String> {
    addresses("eth0")
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_config_that_never_works_is_left_for_the_last_good_one() {
    on_machine("slots", |machine| {
        let mut boots = Boots::new(machine);
        assert_eq!(boots.with(GOOD, LONG), (true, None));
        let (file, slot) = boots.slot(GOOD);
        assert_eq!((&slot["good"], &slot["tries"]), (&true.into(), &0.into()));
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        assert_eq!(boots.with(BAD, SHORT), (false, None));
        assert_eq!(boots.with(BAD, SHORT), (false, None));
        assert_eq!(boots.slot(BAD).1["tries"], 2);
        assert_eq!(names(), Vec::<String>::new());
        let (ready, note) = boots.with(BAD, LONG);
        assert!(ready);
        let note = note.expect("a reason in the report");
        assert!(
            note.contains("machine.yaml did not reach its wait level in 2 boots"),
            "{note}"
        );
        assert_eq!(names(), ["10.77.0.20/24"]);
        assert!(boots.said.contains("did not reach its wait level"));
        assert_eq!(boots.slots().len(), 2);

        // The supervisor knows, too; what has changed is tried again.
        let ran = boots.boot(&[], LONG, "");
        assert_eq!(ran.code, 0, "{}", ran.errors);
        machine.answers();
        assert_eq!(machine.get("status")[0]["config"], note);
        machine.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(
            boots.with(&format!("{BAD}routeMetric: 7\n"), SHORT),
            (false, None)
        );
    });
}

#[test]
fn a_torn_or_foreign_slot_costs_only_itself() {
    on_machine("slots-torn", |machine| {
        let mut boots = Boots::new(machine);
        boots.with(GOOD, LONG);
        for _ in 0..2 {
            boots.with(BAD, SHORT);
        }
        // Without the count the config is new again; the good one is not touched.
        let (bad, _) = boots.slot(BAD);
        let whole = fs::read(&bad).unwrap();
        fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(boots.with(BAD, SHORT), (false, None));
        assert_eq!(boots.slot(BAD).1["tries"], 1);
        let report = machine.report()["diagnostics"].to_string();
        assert!(
            report.contains("this slot of the last good config counts as empty"),
            "{report}"
        );
        // Without the good one there is nothing to go back to.
        boots.with(BAD, SHORT);
        let (good, _) = boots.slot(GOOD);
        fs::write(&good, "\u{feff}#!/bin/sh").unwrap();
        assert_eq!(boots.with(BAD, SHORT), (false, None));
        assert_eq!(boots.with(GOOD, LONG), (true, None));
    });
}

#[test]
fn a_folder_that_is_not_there_is_said_once_and_costs_nothing() {
    on_machine("slots-missing", |machine| {
        let mut boots = Boots::new(machine);
        boots.state = "/nowhere/at/all".into();
        assert_eq!(boots.with(GOOD, LONG), (true, None));
        let report = machine.report()["diagnostics"].to_string();
        assert_eq!(
            report.matches("there is no such folder").count(),
            1,
            "{report}"
        );
        assert!(!Path::new("/nowhere").exists());
    });
}

#[test]
fn what_works_only_after_the_hand_off_is_good_and_what_is_applied_is_not_counted() {
    on_machine("slots-late", |machine| {
        let mut boots = Boots::new(machine);
        fs::write(BAKED_IN, BAD).unwrap();
        assert_eq!(boots.boot(&[], SHORT, "").code, 1, "no lease in time");
        machine.answers();
        let file = machine.lab.folder().join("applied.yaml");
        fs::write(&file, GOOD).unwrap();
        let ran = machine.run(&["apply", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        let level = ["wait", "--level", "routable", "--timeout", "60s"];
        assert_eq!(machine.run(&level).code, 0);
        assert_eq!(boots.slots().len(), 1);
        assert_eq!(boots.slot(BAD).1["good"], false);

        assert_eq!(machine.run(&["rollback"]).code, 0);
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.until("a good slot", || {
            (boots.slot(BAD).1["good"] == true).then_some(())
        });
        assert_eq!(boots.slot(BAD).1["tries"], 0);
    });
}

#[test]
fn what_is_fetched_is_left_as_well() {
    on_machine("slots-url", |machine| {
        let routes = vec![Route::get("/good", GOOD), Route::get("/bad", BAD)];
        let _http = HttpServer::start(&machine.lab, "10.77.0.1:8080", routes).unwrap();
        let mut boots = Boots::new(machine);
        let mut boot = |path: &str, timeout: u32| {
            let url = format!(
                "ip=10.77.0.5::10.77.0.1:24::eth0:none initnet.config=http://10.77.0.1:8080{path}"
            );
            let ran = boots.boot(&["--no-supervisor"], timeout, &url);
            (
                ran.code == 0,
                machine.report()["config"].as_str().map(str::to_owned),
            )
        };
        assert_eq!(boot("/good", LONG), (true, None));
        assert_eq!(boot("/bad", FETCHED), (false, None));
        assert_eq!(boot("/bad", FETCHED), (false, None));
        let (ready, note) = boot("/bad", LONG);
        assert!(ready, "{}", machine.log());
        let note = note.expect("a reason in the report");
        assert!(
            note.starts_with("http://10.77.0.1:8080/bad did not reach"),
            "{note}"
        );
        assert!(
            names().contains(&"10.77.0.20/24".to_owned()),
            "{:?}",
            names()
        );
    });
}

#[test]
fn a_named_config_that_cannot_be_read_gives_way_to_the_last_good_one() {
    on_machine("slots-named", |machine| {
        let mut boots = Boots::new(machine);
        let file = machine.lab.folder().join("named.yaml");
        fs::write(&file, GOOD).unwrap();
        let line = format!("initnet.config={}", file.display());
        let alone = ["--no-supervisor"];
        assert_eq!(boots.boot(&alone, LONG, &line).code, 0);
        fs::remove_file(&file).unwrap();
        assert_eq!(boots.boot(&alone, LONG, &line).code, 0);
        assert_eq!(names(), ["10.77.0.20/24"]);
        let note = machine.report()["config"].to_string();
        assert!(
            note.contains("the config that is named cannot be used"),
            "{note}"
        );
        // A pin holds for the copy as well.
        let pinned = format!("{line} initnet.config.sha256={}", "0".repeat(64));
        assert_eq!(boots.boot(&alone, SHORT, &pinned).code, 1);
        assert_eq!(machine.report()["config"], Value::Null);
        assert_eq!(names(), Vec::<String>::new());
    });
}
