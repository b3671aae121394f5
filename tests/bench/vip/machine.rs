//! One machine with one of the contestants on it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::Lab;
use qemu::peer::Keepalived;
use qemu::peer::keepalived::Instance;
use qemu::process::Process;
use qemu::vip::Station;

use super::{Case, LINK, VIP, What, Who};
use crate::Result;

/// Of the service that is checked.
const SERVICE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 6443);

/// What the number of the group is for both.
const VRID: u8 = 51;

/// How long a daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files of its own, then the supervisor. `$0` is the folder with its configuration, `$1` the program.
const START: &str = "mount -t tmpfs run /run && mkdir -p /etc/init-net && mount --bind $0 /etc/init-net \
    && mount --bind $0/cmdline /proc/cmdline && mount --bind /dev/null /dev/kmsg && exec $1 supervise";

pub struct Machine {
    who: Who,
    case: Case,
    station: Station,
    release: PathBuf,
    running: Option<Running>,
    service: Option<Service>,
}

enum Running {
    Ours(Process),
    Theirs(Keepalived),
}

/// Accepts connections until it is closed.
struct Service {
    open: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Machine {
    pub fn new(who: Who, case: Case, station: Station, release: &Path) -> Self {
        Self {
            who,
            case,
            station,
            release: release.to_owned(),
            running: None,
            service: None,
        }
    }

    pub fn mac(&self) -> [u8; 6] {
        super::mac_of(&self.station)
    }

    pub fn port(&self) -> String {
        self.station.port()
    }

    pub fn has_address(&self) -> Result<bool> {
        Ok(self.station.has(VIP)?)
    }

    /// Starts its daemon, as an equal of the other one.
    pub fn start(&mut self, lab: &Lab) -> Result<()> {
        if self.case.what == What::Unfit && self.service.is_none() {
            self.open_service()?;
        }
        let interval = self.case.interval;
        let name = format!("{:?}-{}", self.who, self.station.number);
        self.running = Some(match self.who {
            Who::Keepalived => {
                let vip = format!("{VIP}/32");
                let instance = Instance::new("I4", LINK, VRID, &[&vip]).interval(interval);
                let instance = instance.line("nopreempt");
                let namespace = &self.station.namespace;
                Running::Theirs(Keepalived::start(lab, namespace, &name, &[instance])?)
            }
            Who::InitNet => {
                let folder = lab.folder().join(&name);
                fs::create_dir_all(&folder)?;
                fs::write(folder.join("cmdline"), "initnet.log=warn\n")?;
                fs::write(folder.join("machine.yaml"), self.config())?;
                let mut command = self.station.namespace.command("unshare");
                command
                    .args(["-m", "sh", "-c", START])
                    .arg(&folder)
                    .arg(self.release.join("init-net"))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                Running::Ours(Process::start(&mut command)?)
            }
        });
        Ok(())
    }

    fn config(&self) -> String {
        let check = match self.case.what {
            What::Unfit => format!("check: {{tcp: '{SERVICE}'}}\n"),
            _ => String::new(),
        };
        format!(
            "apiVersion: v1alpha1\nkind: LinkConfig\nname: {LINK}\n---\napiVersion: v1alpha1\nkind: Layer2VIPConfig\n\
             name: {VIP}\nlink: {LINK}\nvrid: {VRID}\npriority: 100\nadvertInterval: {}ms\n{check}",
            self.case.interval.as_millis()
        )
    }

    /// Ends its daemon as an operator does. Does not wait: the address goes meanwhile.
    pub fn stop(&mut self) -> Result<()> {
        match self.running.take() {
            Some(Running::Ours(mut process)) => {
                process.signal(Signal::SIGTERM)?;
                process.wait_exit(PATIENCE)?;
            }
            Some(Running::Theirs(keepalived)) => keepalived.stop()?,
            None => {}
        }
        Ok(())
    }

    pub fn kill(&mut self) -> Result<()> {
        match self.running.take() {
            Some(Running::Ours(mut process)) => {
                process.signal(Signal::SIGKILL)?;
                process.wait_exit(PATIENCE)?;
            }
            Some(Running::Theirs(keepalived)) => keepalived.crash()?,
            None => {}
        }
        Ok(())
    }

    /// Takes the address off a machine that was killed, as its reboot would.
    pub fn forget_address(&self) -> Result<()> {
        if self.has_address()? {
            let command = format!("addr del {VIP}/32 dev {LINK}");
            self.station.namespace.ip(&command)?;
        }
        Ok(())
    }

    pub fn open_service(&mut self) -> Result<()> {
        let listener = self
            .station
            .namespace
            .enter(|| TcpListener::bind(SERVICE))??;
        listener.set_nonblocking(true)?;
        let open = Arc::new(AtomicBool::new(true));
        let watched = Arc::clone(&open);
        let thread = std::thread::spawn(move || {
            while watched.load(Ordering::Relaxed) {
                // Whoever came has seen that it is open.
                drop(listener.accept());
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        self.service = Some(Service {
            open,
            thread: Some(thread),
        });
        Ok(())
    }

    pub fn close_service(&mut self) {
        self.service = None;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
