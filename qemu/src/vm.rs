//! A virtual machine: started, watched through its serial port, killed on drop.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::Error;
use crate::Lab;
use crate::Log;
use crate::Result;
use crate::artefacts::Kernel;
use crate::command;
use crate::command::Machine;
use crate::command::Nic;
use crate::error::Context;
use crate::monitor::Monitor;
use crate::probe;
use crate::process;
use crate::process::Process;

/// Memory of a guest, MiB: the kernel, an unpacked image with a debug build of the binary, and room.
const MEMORY: u32 = 384;

/// What a virtual machine is made of.
#[derive(Clone, Debug)]
pub struct Builder {
    kernel: PathBuf,
    initrd: Option<Vec<u8>>,
    cmdline: String,
    nics: Vec<Nic>,
    disks: Vec<PathBuf>,
    echo: Option<String>,
}

impl Builder {
    /// The initramfs, as [`initramfs::Image::build`] makes it.
    #[must_use]
    pub fn initrd(mut self, image: Vec<u8>) -> Self {
        self.initrd = Some(image);
        self
    }

    /// More kernel command line; [`command::CMDLINE`] comes before it.
    #[must_use]
    pub fn cmdline(mut self, words: &str) -> Self {
        self.cmdline = format!("{} {words}", self.cmdline);
        self
    }

    /// A network card on `tap`, with carrier; the first is the guest's eth0.
    #[must_use]
    pub fn nic(self, tap: &str, mac: [u8; 6]) -> Self {
        self.card(tap, mac, true)
    }

    /// A network card on `tap` whose cable is not plugged in, until [`Vm::set_carrier`].
    #[must_use]
    pub fn nic_unplugged(self, tap: &str, mac: [u8; 6]) -> Self {
        self.card(tap, mac, false)
    }

    /// A raw disk image; the first is the guest's /dev/vda.
    #[must_use]
    pub fn disk(mut self, image: impl Into<PathBuf>) -> Self {
        self.disks.push(image.into());
        self
    }

    /// Prints the serial port's lines as they come, with this prefix.
    #[must_use]
    pub fn echo(mut self, prefix: &str) -> Self {
        self.echo = Some(prefix.to_owned());
        self
    }

    /// Starts the machine in the lab's namespace. It dies when the calling thread ends.
    ///
    /// # Errors
    /// QEMU is missing or refuses; the lab's evidence has what it said.
    pub fn start(self, lab: &Lab) -> Result<Vm> {
        let initrd = match self.initrd {
            None => None,
            Some(bytes) => {
                let path = lab.folder().join("initramfs.cpio");
                fs::write(&path, bytes).context(path.display().to_string())?;
                Some(path)
            }
        };
        let (ours, theirs) = UnixStream::pair().context("the monitor's socket")?;
        let machine = Machine {
            accelerator: probe::accelerator(&self.kernel),
            memory: MEMORY,
            kernel: self.kernel,
            initrd,
            cmdline: self.cmdline,
            nics: self.nics,
            disks: self.disks,
            monitor: theirs.as_raw_fd(),
        };
        Vm::start(lab, &machine, ours, theirs, self.echo)
    }

    fn card(mut self, tap: &str, mac: [u8; 6], carrier: bool) -> Self {
        let tap = tap.to_owned();
        self.nics.push(Nic { tap, mac, carrier });
        self
    }
}

/// A running virtual machine.
#[derive(Debug)]
pub struct Vm {
    process: Process,
    serial: Log,
    monitor: Monitor,
}

impl Vm {
    /// A machine that boots this kernel.
    pub fn builder(kernel: &Kernel) -> Builder {
        Builder {
            kernel: kernel.image.clone(),
            initrd: None,
            cmdline: command::CMDLINE.to_owned(),
            nics: Vec::new(),
            disks: Vec::new(),
            echo: None,
        }
    }

    fn start(
        lab: &Lab,
        machine: &Machine,
        ours: UnixStream,
        theirs: UnixStream,
        echo: Option<String>,
    ) -> Result<Self> {
        let mut command = lab.namespace().command(command::PROGRAM);
        command
            .args(machine.arguments())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        process::keep_on_start(&mut command, theirs.as_raw_fd());
        let mut process = Process::start(&mut command)?;
        drop(theirs);

        let argv = Log::default();
        argv.push(process.command());
        lab.keep("qemu-argv", &argv);
        if let Some(errors) = process.errors(None) {
            lab.keep("qemu-stderr", &errors);
        }
        let serial = process.output(echo).unwrap_or_default();
        lab.keep("serial", &serial);

        let mut monitor = Monitor::open(ours)?;
        for (index, nic) in machine.nics.iter().enumerate() {
            if !nic.carrier {
                set_link(&mut monitor, index, false)?;
            }
        }
        monitor.run("cont", json!({}))?;
        Ok(Self {
            process,
            serial,
            monitor,
        })
    }

    /// The serial port's log.
    pub fn serial(&self) -> &Log {
        &self.serial
    }

    /// The first line of the serial port that holds `pattern`, waiting for it.
    ///
    /// # Errors
    /// It does not come in time, or the machine ends without it.
    pub fn wait_for_line(&self, pattern: &str, within: Duration) -> Result<String> {
        self.serial.wait_for(pattern, within)
    }

    /// Waits until the machine has powered off by itself.
    ///
    /// # Errors
    /// It still runs then, or QEMU failed.
    pub fn wait_exit(&mut self, within: Duration) -> Result<()> {
        let status = self.process.wait_exit(within)?;
        if status.success() {
            // What it printed last is on its way through the pipe.
            return self.serial.wait_end(within);
        }
        Err(Error::Program {
            command: self.process.command().to_owned(),
            output: status.to_string(),
        })
    }

    /// Plugs the cable of card `index` in or out.
    ///
    /// # Errors
    /// The monitor refuses: no such card.
    pub fn set_carrier(&mut self, index: usize, carrier: bool) -> Result<()> {
        set_link(&mut self.monitor, index, carrier)
    }
}

fn set_link(monitor: &mut Monitor, index: usize, up: bool) -> Result<()> {
    let arguments = json!({ "name": format!("nic{index}"), "up": up });
    monitor.run("set_link", arguments).map(drop)
}
