//! From the initramfs to what follows: switch_root and the real init, a RAM-only OS, or a hook's caller.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::boot::{BootOptions, Done, boot_config};
use super::control;
use super::core::{Reply, Request};
use super::modules::Modules;
use super::sources::Read;
use nix::mount::MsFlags;
use nix::sys::signal::Signal;

use crate::config::BootConfig;
use crate::sys;
use crate::value::Duration;

/// Where the real root is mounted before it becomes `/`.
const NEW_ROOT: &str = "/newroot";

/// How long the device of `root=` may take to appear: slow disks spin up for about 10 s, arrays take longer.
const ROOT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked for.
const ROOT_PERIOD: Duration = Duration::from_millis(50);

/// How long a hook waits for the supervisor that it leaves behind, and how often it asks.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(5);
const SUPERVISOR_PERIOD: Duration = Duration::from_millis(2);

/// How often a PID 1 that cannot go on tries to become the supervisor.
const RESCUE_PERIOD: Duration = Duration::from_secs(1);

/// What the kernel itself tries (init/main.c), without the shell.
const INITS: [&str; 3] = ["/sbin/init", "/etc/init", "/bin/init"];

/// All that a real init finds in its environment, as the kernel leaves it.
const ENVIRONMENT: [&str; 2] = ["HOME=/", "TERM=linux"];

/// The first duties of PID 1: file systems, console, Ctrl-Alt-Del.
pub fn become_init() {
    let failed = sys::mount::early();
    // After /dev is there, before anything prints; the console may be stopped, and PID 1 must not wait for it.
    let console = sys::console::attach(sys::console::Mode::NeverBlock);
    sys::kmsg::init(log::LevelFilter::Info, true);
    for (target, error) in failed {
        log::error!("{target}: {error}");
    }
    let duties = [
        ("console", console),
        ("printk_devkmsg", sys::kmsg::lift_rate_limit()),
        ("ctrl-alt-del", sys::reboot::disable_ctrl_alt_del()),
    ];
    for (duty, result) in duties {
        if let Err(error) = result {
            log::warn!("{duty}: {error}");
        }
    }
}

/// Ends the boot stage in the way that fits how it was started.
pub fn hand_off(
    options: &BootOptions,
    done: &Done,
    read: &Read,
    modules: Modules,
) -> Result<u8, String> {
    let boot = boot_config(&read.documents);
    if options.hook {
        if options.supervisor {
            start_supervisor()?;
            wait_for_supervisor();
        }
        return Ok(u8::from(!done.ready));
    }
    if std::process::id() != 1 {
        return supervise_here();
    }
    match &boot.root.device {
        Some(device) => match to_real_root(&boot, &device.value.clone(), modules) {
            Ok(never) => match never {},
            Err(error) => rescue(&error),
        },
        None => supervise_here(),
    }
}

/// (b) and the plain `init-net boot` of a test: this process becomes the supervisor.
fn supervise_here() -> Result<u8, String> {
    let arguments = [c"init-net".to_owned(), c"supervise".to_owned()];
    let error = sys::process::exec(Path::new("/proc/self/exe"), &arguments, &environment());
    Err(format!("supervise: {error}"))
}

/// (c) and (a): a process of its own, from sealed memory.
fn start_supervisor() -> Result<i32, String> {
    let program = sys::memfd::own_program().map_err(|error| format!("memfd: {error}"))?;
    let pid = sys::process::spawn_supervisor(&program, &["supervise"])
        .map_err(|error| format!("supervise: {error}"))?;
    log::debug!("supervisor is process {pid}");
    Ok(pid)
}

/// Returns when the supervisor answers. The caller of a hook may move /run away as soon as the hook is done: by then the
/// supervisor must have read its state and hold on to what it needs.
fn wait_for_supervisor() {
    let until = sys::clock::now() + SUPERVISOR_TIMEOUT;
    while !matches!(control::ask(&Request::Status), Ok(Some(Reply::Ok(_)))) {
        if sys::clock::now() >= until {
            log::error!(
                "the supervisor does not answer after {} s",
                SUPERVISOR_TIMEOUT.as_secs()
            );
            return;
        }
        std::thread::sleep(SUPERVISOR_PERIOD);
    }
}

/// (a): mounts the real root, makes it `/`, starts the supervisor in it and becomes its init.
fn to_real_root(
    boot: &BootConfig,
    device: &str,
    modules: Modules,
) -> Result<core::convert::Infallible, String> {
    let new_root = Path::new(NEW_ROOT);
    std::fs::create_dir_all(new_root).map_err(|error| format!("{NEW_ROOT}: {error}"))?;
    // The loader serves the root's controller, too: it may end only now.
    mount_root(boot, device, new_root)?;
    drop(modules);
    let init = find_init(boot, new_root)?;
    let checked = sys::switch_root::check(new_root, &init)
        .map_err(|error| format!("switch_root: {error}"))?;
    checked
        .switch()
        .map_err(|error| format!("switch_root: {error}"))?;
    let supervisor = start_supervisor();
    if let Err(error) = &supervisor {
        // The machine boots on; its network is configured and leases run in the kernel.
        log::error!("{error}");
    }
    let mut arguments = vec![c_string(init.as_os_str().as_encoded_bytes())?];
    for argument in &boot.root.init_args {
        arguments.push(c_string(argument.as_bytes())?);
    }
    log::info!("exec {}", init.display());
    if let Err(error) = sys::console::attach(sys::console::Mode::Blocking) {
        log::warn!("console: {error}");
    }
    let error = sys::process::exec(&init, &arguments, &environment());
    // PID 1 stays and becomes the supervisor itself: there is to be one.
    if let Ok(pid) = supervisor {
        let ended = sys::process::kill(pid, Signal::SIGTERM).and_then(|()| sys::process::wait(pid));
        if let Err(error) = ended {
            log::warn!("supervisor {pid}: {error}");
        }
    }
    Err(format!("{}: {error}", init.display()))
}

fn mount_root(boot: &BootConfig, device: &str, new_root: &Path) -> Result<(), String> {
    let read_only = boot.root.read_only.as_ref().is_none_or(|said| said.value);
    let fstype = boot.root.fstype.as_ref().map(|said| said.value.as_str());
    let flags = boot
        .root
        .flags
        .as_ref()
        .map_or("", |said| said.value.as_str());
    if let Some(delay) = &boot.root.delay {
        std::thread::sleep(delay.value);
    }
    let timeout = boot
        .root
        .wait
        .as_ref()
        .map_or(Some(ROOT_TIMEOUT), |said| said.value);
    let until = timeout.map(|timeout| sys::clock::now() + timeout);
    loop {
        match root_device(device) {
            Ok(Some(path)) => {
                return mount_device(&path, new_root, fstype, flags, read_only)
                    .map_err(|error| format!("root={device}: {error}"));
            }
            Ok(None) if until.is_none_or(|until| sys::clock::now() < until) => {
                std::thread::sleep(ROOT_PERIOD)
            }
            Ok(None) => return Err(format!("root={device}: no such device came in time")),
            Err(error) => return Err(format!("root={device}: {error}")),
        }
    }
}

/// The block device behind `root=`; `None`: not there (yet).
fn root_device(device: &str) -> Result<Option<PathBuf>, String> {
    if device.starts_with("/dev/") {
        let path = PathBuf::from(device);
        return Ok(path.exists().then_some(path));
    }
    for (key, variable) in [("PARTUUID=", "PARTUUID"), ("PARTLABEL=", "PARTNAME")] {
        if let Some(wanted) = device.strip_prefix(key) {
            return Ok(by_uevent(variable, wanted));
        }
    }
    Err("only /dev/…, PARTUUID= and PARTLABEL= are understood: write the device's path".into())
}

/// Mounts with the type that was said, else with each type that the kernel has for block devices.
fn mount_device(
    device: &Path,
    target: &Path,
    fstype: Option<&str>,
    options: &str,
    read_only: bool,
) -> Result<(), String> {
    let flags = if read_only {
        MsFlags::MS_RDONLY
    } else {
        MsFlags::empty()
    };
    let known = sys::file::read(Path::new("/proc/filesystems"), 1 << 16).unwrap_or_default();
    let known = String::from_utf8_lossy(&known).into_owned();
    let kinds: Vec<&str> = match fstype {
        Some(said) => said.split(',').collect(),
        None => known
            .lines()
            .filter(|line| !line.starts_with("nodev"))
            .map(str::trim)
            .collect(),
    };
    let source = device.to_string_lossy();
    let mut last = "the kernel has no file system for block devices".to_owned();
    for kind in kinds {
        match sys::mount::mount_at(&source, kind, target, flags, options) {
            Ok(()) => return Ok(()),
            // EINVAL is "not this type": the interesting error is another one.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && fstype.is_none() => {}
            Err(error) => last = format!("{kind}: {error}"),
        }
    }
    Err(last)
}

/// The block device whose uevent file says `variable=wanted`.
fn by_uevent(variable: &str, wanted: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir("/sys/class/block").ok()?;
    entries.flatten().find_map(|entry| {
        let text = sys::file::read(&entry.path().join("uevent"), 1 << 16).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let hit = text.lines().any(|line| {
            line.split_once('=')
                .is_some_and(|(key, value)| key == variable && value.eq_ignore_ascii_case(wanted))
        });
        hit.then(|| Path::new("/dev").join(entry.file_name()))
    })
}

/// `init=`, else the kernel's own list; it must be there before anything is moved.
fn find_init(boot: &BootConfig, new_root: &Path) -> Result<PathBuf, String> {
    let said = boot.root.init.as_ref().map(|said| said.value.as_str());
    let exists = |init: &&str| {
        let path = new_root.join(init.trim_start_matches('/'));
        // A symbolic link is resolved by the kernel inside the new root: its presence is all that can be asked here.
        std::fs::symlink_metadata(path).is_ok()
    };
    let found = said.into_iter().chain(INITS).find(exists);
    found
        .map(PathBuf::from)
        .ok_or_else(|| format!("{NEW_ROOT} holds none of init=, {}", INITS.join(", ")))
}

/// What a PID 1 does that cannot go on: says why, then what `panic=` says. Never returns.
pub fn rescue(error: &str) -> ! {
    log::error!("{error}");
    let (document, _) =
        crate::config::cmdline::parse(&super::sources::proc_cmdline(), "/proc/cmdline");
    let panic = document.boot.panic.map_or(0, |said| said.value);
    if panic != 0 {
        // panic=N: reboot after N seconds; negative: at once (kernel-parameters.txt).
        let wait = Duration::from_secs(u64::try_from(panic).unwrap_or(0));
        log::error!("reboot in {} s (panic={panic})", wait.as_secs());
        std::thread::sleep(wait);
        let Err(error) = sys::reboot::go(sys::reboot::Down::Reboot);
        log::error!("reboot: {error}");
    }
    // panic=0, or a machine that will not go down: stay reachable, the network is kept as declared. What fails again is
    // tried again, later.
    log::error!("no panic= policy: staying as a RAM-only system");
    loop {
        std::thread::sleep(RESCUE_PERIOD);
        if let Err(error) = supervise_here() {
            log::error!("{error}");
        }
    }
}

fn environment() -> Vec<CString> {
    ENVIRONMENT
        .iter()
        .filter_map(|pair| CString::new(*pair).ok())
        .collect()
}

fn c_string(bytes: &[u8]) -> Result<CString, String> {
    CString::new(bytes).map_err(|_| "an argument of init holds a NUL".to_owned())
}
