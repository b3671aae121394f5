//! A virtual machine: started, watched through its serial port, killed on drop.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Error;
use crate::Lab;
use crate::Log;
use crate::Result;
use crate::Session;
use crate::artefacts::Kernel;
use crate::command;
use crate::command::Machine;
use crate::command::Nic;
use crate::error::Context;
use crate::monitor::Monitor;
use crate::probe;
use crate::process;
use crate::process::Process;
use crate::session::Answer;

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
    cds: Vec<Option<PathBuf>>,
    smbios: Vec<[(&'static str, String); 2]>,
    firmware: Vec<(String, PathBuf)>,
    echo: Option<String>,
    memory: u32,
    name: Option<String>,
    session: bool,
}

impl Builder {
    /// A name for this guest's files and logs: a lab with two guests must be able to tell them apart.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Memory in MiB, for a guest with more in it than usual.
    #[must_use]
    pub fn memory(mut self, mebibytes: u32) -> Self {
        self.memory = mebibytes;
        self
    }

    /// A channel for [`Vm::run`]; the guest's part is [`crate::guest::SESSION`].
    #[must_use]
    pub fn session(mut self) -> Self {
        self.session = true;
        self
    }

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

    /// A CD in a drive; the first is the guest's /dev/sr0.
    #[must_use]
    pub fn cd(mut self, image: impl Into<PathBuf>) -> Self {
        self.cds.push(Some(image.into()));
        self
    }

    /// A drive without a CD.
    #[must_use]
    pub fn empty_drive(mut self) -> Self {
        self.cds.push(None);
        self
    }

    /// The serial number of the system in SMBIOS.
    #[must_use]
    pub fn serial_number(self, number: &str) -> Self {
        self.structure("1", "serial", number)
    }

    /// Who made the system, in SMBIOS: most clouds are told by it, or by the next two.
    #[must_use]
    pub fn manufacturer(self, name: &str) -> Self {
        self.structure("1", "manufacturer", name)
    }

    /// What the system is, in SMBIOS.
    #[must_use]
    pub fn product(self, name: &str) -> Self {
        self.structure("1", "product", name)
    }

    /// The asset tag of the chassis, in SMBIOS.
    #[must_use]
    pub fn asset_tag(self, tag: &str) -> Self {
        self.structure("3", "asset", tag)
    }

    /// The UUID of the system, in SMBIOS: which instance it is.
    #[must_use]
    pub fn uuid(self, uuid: &str) -> Self {
        self.structure("1", "uuid", uuid)
    }

    /// One more OEM string in SMBIOS.
    #[must_use]
    pub fn oem_string(self, text: &str) -> Self {
        self.structure("11", "value", text)
    }

    /// A file in QEMU's firmware configuration.
    #[must_use]
    pub fn firmware_file(mut self, name: &str, file: impl Into<PathBuf>) -> Self {
        self.firmware.push((name.to_owned(), file.into()));
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
        let evidence = |what: &str| match &self.name {
            None => what.to_owned(),
            Some(name) => format!("{name}-{what}"),
        };
        let initrd = match self.initrd {
            None => None,
            Some(bytes) => {
                let path = lab.folder().join(evidence("initramfs.cpio"));
                fs::write(&path, bytes).context(path.display().to_string())?;
                Some(path)
            }
        };
        let (monitor, monitor_end) = UnixStream::pair().context("the monitor's socket")?;
        let (session, session_end) = if self.session {
            let (ours, theirs) = UnixStream::pair().context("the session's socket")?;
            let log = Log::default();
            lab.keep(&evidence("session"), &log);
            (Some(Session::new(ours, log)), Some(theirs))
        } else {
            (None, None)
        };
        let machine = Machine {
            accelerator: probe::accelerator(&self.kernel),
            memory: self.memory,
            kernel: self.kernel,
            initrd,
            cmdline: self.cmdline,
            nics: self.nics,
            disks: self.disks,
            cds: self.cds,
            smbios: self.smbios,
            firmware: self.firmware,
            monitor: monitor_end.as_raw_fd(),
            session: session_end.as_ref().map(AsRawFd::as_raw_fd),
        };
        let mut command = lab.namespace().command(command::PROGRAM);
        command
            .args(machine.arguments())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for end in [Some(&monitor_end), session_end.as_ref()]
            .into_iter()
            .flatten()
        {
            process::keep_on_start(&mut command, end.as_raw_fd());
        }
        let mut process = Process::start(&mut command)?;
        // QEMU has them; its end is seen by nobody else holding them.
        drop((monitor_end, session_end));

        let argv = Log::default();
        argv.push(process.command());
        lab.keep(&evidence("qemu-argv"), &argv);
        if let Some(errors) = process.errors(None) {
            lab.keep(&evidence("qemu-stderr"), &errors);
        }
        let serial = process.output(self.echo).unwrap_or_default();
        lab.keep(&evidence("serial"), &serial);

        let mut vm = Vm {
            process,
            serial,
            monitor: Monitor::open(monitor)?,
            session,
            nics: machine.nics.len(),
            disks: machine.disks.len(),
        };
        for (index, nic) in machine.nics.iter().enumerate() {
            if !nic.carrier {
                vm.set_carrier(index, false)?;
            }
        }
        vm.monitor.run("cont", json!({}))?;
        Ok(vm)
    }

    fn structure(mut self, kind: &str, property: &'static str, value: &str) -> Self {
        let properties = [("type", kind.to_owned()), (property, value.to_owned())];
        self.smbios.push(properties);
        self
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
    session: Option<Session>,
    /// Cards and disks so far, for the next one's name.
    nics: usize,
    disks: usize,
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
            cds: Vec::new(),
            smbios: Vec::new(),
            firmware: Vec::new(),
            echo: None,
            memory: MEMORY,
            name: None,
            session: false,
        }
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

    /// Stops the machine where it is, or lets it go on: its clock does not see it.
    ///
    /// # Errors
    /// The monitor refuses.
    pub fn set_running(&mut self, running: bool) -> Result<()> {
        let command = if running { "cont" } else { "stop" };
        self.monitor.run(command, json!({})).map(drop)
    }

    /// Plugs the cable of card `index` in or out.
    ///
    /// # Errors
    /// The monitor refuses: no such card.
    pub fn set_carrier(&mut self, index: usize, carrier: bool) -> Result<()> {
        let arguments = json!({ "name": command::card_id(index), "up": carrier });
        self.monitor.run("set_link", arguments).map(drop)
    }

    /// Puts a network card on `tap` into the running machine and returns its index for [`Vm::set_carrier`]. It has carrier
    /// from the start.
    ///
    /// # Errors
    /// The monitor refuses: no such tap, or one that another card has.
    pub fn plug(&mut self, tap: &str, mac: [u8; 6]) -> Result<usize> {
        let index = self.nics;
        let nic = Nic {
            tap: tap.to_owned(),
            mac,
            carrier: true,
        };
        let backend = object(command::backend(index, &nic));
        self.monitor.run("netdev_add", backend)?;
        self.monitor
            .run("device_add", object(command::card(index, &nic)))?;
        self.nics += 1;
        Ok(index)
    }

    /// Puts a disk into the running machine.
    ///
    /// # Errors
    /// The monitor refuses: no such image.
    pub fn plug_disk(&mut self, image: &std::path::Path) -> Result<()> {
        let index = self.disks;
        let node = format!("disk{index}");
        let file = json!({ "driver": "file", "filename": image.display().to_string() });
        let backend =
            json!({ "driver": "raw", "node-name": node, "file": file, "read-only": true });
        self.monitor.run("blockdev-add", backend)?;
        let device = json!({ "driver": "virtio-blk-pci", "drive": node });
        self.monitor.run("device_add", device)?;
        self.disks += 1;
        Ok(())
    }

    /// Runs `script` in the guest, as [`Session::run`].
    ///
    /// # Errors
    /// As [`Session::run`]; a machine that was built without [`Builder::session`] has nobody to ask.
    pub fn run(&mut self, script: &str, within: Duration) -> Result<Answer> {
        match &mut self.session {
            Some(session) => session.run(script, within),
            None => Err(Error::Ended {
                what: "a session that was never asked for".to_owned(),
            }),
        }
    }
}

/// The monitor's form of what is a list of properties on the command line.
fn object(properties: Vec<(&str, String)>) -> Value {
    let properties = properties.into_iter();
    properties
        .map(|(name, value)| {
            // The monitor tells numbers from text, the command line does not.
            let value = value.parse::<u64>().map_or(json!(value), Value::from);
            (name.to_owned(), value)
        })
        .collect()
}
