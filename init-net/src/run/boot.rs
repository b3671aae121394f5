//! The story of a boot.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::sys::signal::Signal;

use super::cache;
use super::core::{Core, Event, Module, SavedLeases, Verdict, needs};
use super::handoff;
use super::modules::Modules;
use super::report::{self, HandedOff, Report};
use super::shell::Shell;
use super::slots::{self, Slots};
use super::sources::{self, Read};
use super::state_file::{self, StateFile};
use super::{RUN_DIR, log_diagnostic};
use crate::config::{BootConfig, Diagnostic, Document, Meanwhile, Severity};
use crate::state::Desired;
use crate::sys;
use crate::sys::poll::Interest;
use crate::sys::signal::Signals;
use crate::value::{Instant, Layer};

/// How `init-net boot` was called.
#[derive(Clone, Debug, Default)]
pub struct BootOptions {
    /// `--hook`: leave the supervisor behind and return.
    pub hook: bool,
    /// `--cmdline`: in place of `/proc/cmdline`; text or `@FILE`.
    pub cmdline: Option<String>,
    /// Whether a supervisor stays (`--no-supervisor` with `--hook`).
    pub supervisor: bool,
}

/// Runs the boot stage to its hand-off. Exit code 0: ready; 1: handed off for another reason (`--hook`). PID 1 never
/// returns from here but by exec.
pub fn main(options: &BootOptions) -> Result<u8, String> {
    let started = sys::clock::now();
    let pid1 = std::process::id() == 1;

    // mounts
    if pid1 {
        handoff::become_init();
    }
    sys::kmsg::init(log::LevelFilter::Info, pid1);
    let mounted = sys::clock::now();

    // cmdline
    let cmdline = match &options.cmdline {
        Some(text) => sources::cmdline_text(text)?,
        None => sources::proc_cmdline(),
    };
    let mut read = sources::parse_boot(&cmdline, Vec::new());
    sources::local_configs(&mut read);
    let slots = Slots::open(&mut read);
    log::set_max_level(crate::compile::settings(&read.documents).log);
    read.diagnostics.iter().for_each(log_diagnostic);
    if let Some(said) = boot_config(&read.documents).platform {
        log::info!("platform: {} ({})", said.value, said.origin);
    }
    let parsed = sys::clock::now();

    // modules: loaded by a child, so that slow cards do not hold up the others. As a hook too: an initramfs without udev
    // has nobody else who would, and with one they are loaded already.
    let mut modules = if pid1 || sys::switch_root::in_initramfs() {
        Modules::start(&firewall_modules(&read.documents))
    } else {
        Modules::none()
    };

    // observe → early links → fetch → compile → plan/apply until empty → wait level → files
    let result = bring_up(&mut read, slots, &mut modules, [started, mounted, parsed]);
    handoff::hand_off(options, &result?, &read, modules)
}

/// What the boot stage ends with.
pub struct Done {
    /// Whether the wait level was reached.
    pub ready: bool,
}

/// The loop, from the first dump to the verdict to hand off.
fn bring_up(
    read: &mut Read,
    slots: Option<Slots>,
    modules: &mut Modules,
    times: [Instant; 3],
) -> Result<Done, String> {
    let [started, mounted, parsed] = times;
    if let Err(error) = create_run_dir() {
        log::error!("{error}");
    }
    // PID 1 is sent what nobody else is, and reaps orphans; a hook keeps the signals of its caller.
    let signals = if std::process::id() == 1 {
        Signals::open().ok()
    } else {
        None
    };
    let mut core = Core::new(
        read.documents.clone(),
        SavedLeases::default(),
        sys::random::rng(),
        started,
    );
    core.close_meanwhile();
    let timeline = core.timeline_mut();
    for (stage, from, to) in [("mounts", started, mounted), ("cmdline", mounted, parsed)] {
        timeline.begin(stage, from);
        timeline.end(stage, to);
    }
    timeline.begin("network", parsed);
    if modules.busy() {
        timeline.begin("modules", parsed);
        core.set_drivers_loading(true);
    }
    for source in slots::guarded(slots.as_ref(), &read.documents) {
        core.fetch(source);
    }
    let state_dir = boot_config(&read.documents)
        .state_dir
        .map(|said| said.value);
    let machine = sys::net_device::product_uuid();
    if let Some(folder) = &state_dir {
        core.set_cached(cache::load(folder, machine.as_deref()));
    }
    core.set_config_note(slots.as_ref().and_then(Slots::note));
    let mut shell = Shell::new(core).map_err(|error| format!("netlink: {error}"))?;
    shell.guard_firewall();
    shell.read_media();
    shell.slots = slots;
    if let Some(slots) = &mut shell.slots {
        slots.begin();
    }
    let reason = loop {
        shell.pump();
        let now = sys::clock::now();
        if let Verdict::HandOff { reason } = shell.core.verdict(now) {
            break reason;
        }
        let until = shell.core.verdict_deadline(now);
        let signalled = signals
            .iter()
            .map(|signals| Interest::read(signals.as_fd()));
        let watch: Vec<Interest<'_>> = signalled.chain(modules.interest()).collect();
        let woken = shell
            .wait(until, &watch)
            .map_err(|error| format!("poll: {error}"))?;
        if woken {
            if let Some(signals) = &signals {
                take_signals(signals);
            }
            if modules.busy() && modules.is_idle() {
                shell.core.set_drivers_loading(false);
                shell.core.timeline_mut().end("modules", sys::clock::now());
            }
            shell.push(Event::Tick);
        }
    };
    if let Some(closed) = closed(&shell.core) {
        log_diagnostic(&closed);
        read.diagnostics.push(closed);
    }
    let now = sys::clock::now();
    shell.core.timeline_mut().end("network", now);
    shell
        .core
        .timeline_mut()
        .mark(&format!("hand-off ({reason})"), now);
    let ready = matches!(reason, "ready" | "nothing-to-wait-for");
    log::info!("hand-off: {reason}{}", missing(&shell.core));
    if let Some(slots) = &mut shell.slots {
        slots.handed_off(reason, shell.core.fetched());
    }
    let mut handed_off = HandedOff {
        reason: Some(reason.to_owned()),
        diagnostics: Vec::new(),
        config: shell.core.config_note().map(str::to_owned),
    };
    let report = Report::new("boot", &shell.core, &read.diagnostics, &handed_off);
    handed_off.diagnostics.clone_from(&report.diagnostics);
    // What cannot be written is worth a word, not the boot.
    for written in [
        save(&shell, read, &handed_off),
        write(report::NAME, 0o644, &report.render()),
    ] {
        if let Err(error) = written {
            log::error!("{error}");
        }
    }
    if let Some(folder) = &state_dir {
        cache::store(folder, machine.as_deref(), shell.core.fetched());
    }
    Ok(Done { ready })
}

/// What the firewall needs before any link opens: it is there by the first look, mostly.
fn firewall_modules(documents: &[Document]) -> BTreeSet<Module> {
    let mut meanwhile = Document::empty(Layer::Default, "built-in default");
    meanwhile.firewall.meanwhile = Some(Meanwhile {
        awaited: super::remote::sources(documents)
            .iter()
            .any(|source| source.is_named()),
        closed: true,
    });
    let documents: Vec<Document> = documents.iter().cloned().chain([meanwhile]).collect();
    let (desired, _) = crate::compile::compile(&documents, &BTreeMap::new());
    needs(&Desired {
        firewall: desired.firewall,
        ..Desired::default()
    })
}

/// Reaps orphans; Ctrl-Alt-Del starts over. Everything else can wait for the hand-off.
fn take_signals(signals: &Signals) {
    while let Ok(Some(signal)) = signals.next() {
        if signal == Signal::SIGINT {
            let Err(error) = sys::reboot::go(sys::reboot::Down::Reboot);
            log::error!("reboot: {error}");
        }
    }
    while let Ok(Some(_)) = sys::process::reap() {}
}

/// What a machine is told whose firewall waits for a configuration that has not come.
fn closed(core: &Core) -> Option<Diagnostic> {
    let sources = core.closed_for();
    (!sources.is_empty()).then(|| {
        let message = format!(
            "the firewall is closed: nothing is known yet of {}",
            sources.join(", ")
        );
        Diagnostic::new(Severity::Warning, message)
            .with_effect(
                "nothing comes in but what the base set lets in, until one of them answers",
            )
            .with_fix(
                "initnet.firewall=accept on the command line leaves the machine open meanwhile",
            )
    })
}

fn missing(core: &Core) -> String {
    let missing = core.readiness().missing;
    if missing.is_empty() {
        String::new()
    } else {
        format!("; missing {}", missing.join(", "))
    }
}

/// Writes the state file: what the next stage goes on from.
fn save(shell: &Shell, read: &Read, handed_off: &HandedOff) -> Result<(), String> {
    let state = state(shell, read, handed_off)?;
    write(state_file::NAME, 0o600, &state.render())
}

/// What the state file of this moment holds.
pub fn state(shell: &Shell, read: &Read, handed_off: &HandedOff) -> Result<StateFile, String> {
    let mut state =
        StateFile::new(sys::boot_id::read().map_err(|error| format!("boot id: {error}"))?);
    state.cmdline = read.cmdline.clone();
    state.configs = read.configs.clone();
    state.unread = read.unread.clone();
    state.fetched = shell.core.fetched().clone();
    state.leases = shell.core.leases();
    state.names = shell.core.names().clone();
    state.owned = shell.core.owned();
    state.verified = shell.core.verified();
    state.decided = shell.core.decided();
    state.vips = shell.core.saved_vips(sys::clock::now());
    state.timeline = shell.core.timeline().clone();
    state.handed_off = handed_off.clone();
    Ok(state)
}

/// Replaces a file in [`RUN_DIR`].
pub fn write(name: &str, mode: u32, bytes: &[u8]) -> Result<(), String> {
    let path = Path::new(RUN_DIR).join(name);
    sys::file::replace(&path, mode, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// [`RUN_DIR`], for everybody to read what is meant for everybody.
pub fn create_run_dir() -> Result<(), String> {
    match std::fs::create_dir_all(RUN_DIR) {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{RUN_DIR}: {error}")),
    }
}

/// The boot keys of the command line.
pub fn boot_config(documents: &[Document]) -> BootConfig {
    documents
        .iter()
        .find(|d| d.layer == Layer::Cmdline)
        .map(|d| d.boot.clone())
        .unwrap_or_default()
}
