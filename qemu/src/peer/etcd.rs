//! A real etcd cluster of three: TLS, and certificates that clients must have.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Authority;
use crate::Deadline;
use crate::Error;
use crate::Lab;
use crate::Result;
use crate::error::Context;
use crate::process;
use crate::process::Process;
use crate::vip::Station;

/// How long the cluster may take to elect a leader on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Members of one cluster, one a station.
#[derive(Debug)]
pub struct Etcd<'a> {
    lab: &'a Lab,
    folder: PathBuf,
    stations: [&'a Station; 3],
    members: [Option<Process>; 3],
    /// How often a member was started: logs have names.
    starts: usize,
}

impl<'a> Etcd<'a> {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// etcd(1), etcdctl(1) or openssl(1) is missing, or there is no leader in time.
    pub fn start(lab: &'a Lab, stations: [&'a Station; 3]) -> Result<Self> {
        let folder = lab.folder().join("etcd");
        fs::create_dir_all(&folder).context(folder.display().to_string())?;
        let ca = Authority::new(&folder, "ca")?;
        for station in stations {
            let names = format!("subjectAltName = IP:{},IP:127.0.0.1", station.v4());
            ca.issue(&format!("m{}", station.number), &names)?;
        }
        ca.issue("client", "extendedKeyUsage = clientAuth")?;
        Authority::new(&folder, "strangers")?.issue("stranger", "extendedKeyUsage = clientAuth")?;
        let mut cluster = Self {
            lab,
            folder,
            stations,
            members: [None, None, None],
            starts: 0,
        };
        for member in 0..3 {
            cluster.run(member)?;
        }
        cluster.wait_for_leader()?;
        Ok(cluster)
    }

    /// Starts one that was killed; it goes on with its data.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&mut self, member: usize) -> Result<()> {
        let station = self.stations[member];
        let (ip, name) = (station.v4(), format!("m{}", station.number));
        let peer = |station: &Station| format!("https://{}:2380", station.v4());
        let cluster = self
            .stations
            .map(|it| format!("m{}={}", it.number, peer(it)));
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        let mut command = super::program::command_in(&station.namespace, "etcd");
        command
            .args(["--name", &name, "--data-dir"])
            .arg(file("data"))
            .arg(format!("--listen-client-urls=https://{ip}:2379"))
            .arg(format!("--advertise-client-urls=https://{ip}:2379"))
            .arg(format!("--listen-peer-urls={}", peer(station)))
            .arg(format!("--initial-advertise-peer-urls={}", peer(station)))
            .arg(format!("--initial-cluster={}", cluster.join(",")))
            .args([
                "--client-cert-auth",
                "--peer-client-cert-auth",
                "--logger=zap",
            ]);
        for kind in ["", "peer-"] {
            command
                .arg(format!("--{kind}trusted-ca-file"))
                .arg(self.folder.join("ca.pem"))
                .arg(format!("--{kind}cert-file"))
                .arg(file("pem"))
                .arg(format!("--{kind}key-file"))
                .arg(file("key"));
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        self.starts += 1;
        if let Some(log) = process.errors(None) {
            self.lab.keep(&format!("etcd-{name}-{}", self.starts), &log);
        }
        self.members[member] = Some(process);
        Ok(())
    }

    /// Kills a member at once.
    pub fn kill(&mut self, member: usize) {
        self.members[member] = None;
    }

    /// Stops a member where it is: it takes connections and answers nothing.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn freeze(&self, member: usize) -> Result<()> {
        self.signal(member, Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn thaw(&self, member: usize) -> Result<()> {
        self.signal(member, Signal::SIGCONT)
    }

    fn signal(&self, member: usize, signal: Signal) -> Result<()> {
        let process = self.members[member].as_ref();
        process.map_or(Ok(()), |process| process.signal(signal))
    }

    /// Waits until writes are done again.
    ///
    /// # Errors
    /// They are not in time.
    pub fn wait_for_leader(&self) -> Result<()> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match self.ctl(&["put", "lab", "up"]) {
                Ok(_) => return Ok(()),
                Err(error) if deadline.remaining().is_none() => return Err(error),
                Err(Error::Program { .. }) => std::thread::sleep(LOOK),
                Err(error) => return Err(error),
            }
        }
    }

    /// The members' URLs.
    pub fn endpoints(&self) -> [String; 3] {
        self.stations
            .map(|station| format!("https://{}:2379", station.v4()))
    }

    /// A file: `ca.pem`, `client.pem`, `client.key`, and `stranger.pem`, `stranger.key`, whom nobody trusts.
    ///
    /// # Errors
    /// There is no such file.
    pub fn file(&self, name: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).context(path.display().to_string())
    }

    /// etcdctl(1) as a client of those members that run, from the first station.
    fn etcdctl(&self, arguments: &[&str]) -> Command {
        let running = self.endpoints().into_iter().zip(&self.members);
        let running = running.filter_map(|(url, member)| member.as_ref().map(|_| url));
        let running: Vec<String> = running.collect();
        let mut command = super::program::command_in(&self.stations[0].namespace, "etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}", running.join(",")))
            .arg("--command-timeout=2s")
            .arg("--cacert")
            .arg(self.folder.join("ca.pem"))
            .arg("--cert")
            .arg(self.folder.join("client.pem"))
            .arg("--key")
            .arg(self.folder.join("client.key"))
            .args(arguments);
        command
    }

    /// Runs etcdctl(1) to its end; what it printed.
    ///
    /// # Errors
    /// It fails.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        process::run(&mut self.etcdctl(arguments))
    }

    /// `etcdctl elect`: a candidate of the other kind, whose output says when it has the key. It resigns at SIGTERM.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn elect(&self, key: &str, name: &str) -> Result<Process> {
        let mut command = self.etcdctl(&["elect", key, name]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Process::start(&mut command)
    }
}
