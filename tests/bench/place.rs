//! Where a run happens: a cable between two namespaces, a server at its far end, a root that nothing stays in.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sys::stat::Mode;
use nix::sys::stat::SFlag;
use nix::sys::stat::makedev;
use nix::sys::stat::mknod;
use qemu::Deadline;
use qemu::Namespace;
use qemu::process::Process;

use crate::Result;

/// The server, its router and its resolver.
pub const SERVER: &str = "192.0.2.1";

/// dnsmasq says that it runs after milliseconds.
const SERVER_START: Duration = Duration::from_secs(10);

/// Between two looks at its log.
const SERVER_POLL: Duration = Duration::from_millis(2);

/// Two namespaces and a cable: `eth0`, down, in the first, `srv0` with the server's address in the second.
pub fn network() -> Result<(Namespace, Namespace)> {
    let (client, server) = (Namespace::new()?, Namespace::new()?);
    client.veth("eth0", &server, "srv0")?;
    server.ip(&format!("address add {SERVER}/24 dev srv0"))?;
    server.ip("link set srv0 up")?;
    Ok((client, server))
}

pub fn dnsmasq(server: &Namespace, scratch: &Path) -> Result<Process> {
    let (leases, log) = (scratch.join("leases"), scratch.join("dnsmasq.log"));
    let mut command = server.command("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
    ]);
    command.args([
        "--pid-file=",
        "--user=root",
        "--group=root",
        "--interface=srv0",
    ]);
    command.args(["--bind-interfaces", "--except-interface=lo", "--no-ping"]);
    command.args([
        "--dhcp-authoritative",
        "--dhcp-range=192.0.2.50,192.0.2.99,1h",
    ]);
    command.arg(format!("--dhcp-leasefile={}", leases.display()));
    command.arg(format!("--log-facility={}", log.display()));
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let deadline = Deadline::after(SERVER_START);
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("started, version")) {
        deadline.remaining().ok_or("dnsmasq does not start")?;
        sleep(SERVER_POLL);
    }
    Ok(process)
}

pub fn tmpfs(path: &Path) -> Result<()> {
    mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )?;
    Ok(())
}

/// Files below a folder, with their paths in it.
fn read_folder(folder: &Path, inside: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(read_folder(folder, &path)?);
        } else if kind.is_file() {
            files.push((path, fs::read(entry.path())?));
        }
    }
    Ok(files)
}

/// Mounts over the root's folders, so that a run starts from the same state and changes nothing on a disk.
pub fn prepare(root: &Path) -> Result<()> {
    let etc = root.join("etc");
    let kept = read_folder(&etc, Path::new(""))?;
    for name in ["etc", "run", "tmp", "dev", "var"] {
        tmpfs(&root.join(name))?;
    }
    for (path, bytes) in kept {
        let path = etc.join(path);
        fs::create_dir_all(path.parent().expect("inside etc"))?;
        fs::write(path, bytes)?;
    }
    let folders = [
        "run/systemd/netif/leases",
        "run/systemd/netif/links",
        "var/lib/dhcpcd",
        "var/run",
    ];
    for folder in folders {
        fs::create_dir_all(root.join(folder))?;
    }
    // networkd gives up root; the number is the one of etc/passwd in root.rs.
    for folder in ["", "/leases", "/links"] {
        let folder = root.join(format!("run/systemd/netif{folder}"));
        std::os::unix::fs::chown(folder, Some(101), Some(101))?;
    }
    for (name, minor) in [("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)] {
        let path = root.join("dev").join(name);
        mknod(
            &path,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o666),
            makedev(1, minor),
        )?;
    }
    // Read-only: this tells networkd that there is no udev to wait for.
    let sys = root.join("sys");
    mount(
        Some("sysfs"),
        &sys,
        Some("sysfs"),
        MsFlags::MS_RDONLY,
        None::<&str>,
    )?;
    Ok(())
}
