//! The folders that contestants run in: Debian packages, fetched and unpacked under target/bench, never installed.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::Result;
use crate::firewall::Rules;
use crate::networkmanager;

/// A contestant's world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Root {
    /// init-net and the floor: static, nothing else is there.
    Own,
    Udhcpc,
    Klibc,
    Dhcpcd,
    Networkd,
    NetworkManager,
    Iproute,
    Nftables,
    Iptables,
}

const UDHCPC_SCRIPT: &str = r#"#!/bin/busybox sh
[ "$1" = deconfig ] && exec /bin/busybox ip link set "$interface" up
[ "$1" = bound ] || exit 0
/bin/busybox ip address add "$ip/$mask" dev "$interface"
/bin/busybox ip route add default via "$router" dev "$interface"
echo "nameserver $dns" > /etc/resolv.conf
"#;

const IPCONFIG_SCRIPT: &str = "/usr/lib/klibc/bin/ipconfig -t 30 -c dhcp -d eth0 || exit 1
. /run/net-eth0.conf
echo \"nameserver $IPV4DNS0\" > /etc/resolv.conf
";

const NETWORKD_UNIT: &str = "[Match]
Name=eth0
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
";

const PASSWD: &str = "root:x:0:0:root:/:/bin/sh
systemd-network:x:101:101::/:/bin/false
dhcpcd:x:102:65534::/usr/lib/dhcpcd:/bin/false
";

const GROUP: &str = "root:x:0:\nsystemd-network:x:101:\nnogroup:x:65534:\n";

impl Root {
    pub const ALL: [Self; 9] = [
        Self::Own,
        Self::Udhcpc,
        Self::Klibc,
        Self::Dhcpcd,
        Self::Networkd,
        Self::NetworkManager,
        Self::Iproute,
        Self::Nftables,
        Self::Iptables,
    ];

    pub fn folder(self, bench: &Path) -> PathBuf {
        bench.join(format!("root-{}", self.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Udhcpc => "udhcpc",
            Self::Klibc => "klibc",
            Self::Dhcpcd => "dhcpcd",
            Self::Networkd => "networkd",
            Self::NetworkManager => "networkmanager",
            Self::Iproute => "iproute2",
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }

    /// The Debian package, whose libraries come with it, and others that are taken without theirs.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Own => &[],
            Self::Udhcpc => &["busybox-static"],
            Self::Klibc => &["klibc-utils"],
            Self::Dhcpcd => &["dhcpcd-base", "busybox-static"],
            Self::Networkd => &["systemd"],
            Self::NetworkManager => &["network-manager", "dbus-daemon", "busybox-static"],
            Self::Iproute => &["iproute2"],
            Self::Nftables => &["nftables"],
            Self::Iptables => &["iptables"],
        }
    }

    /// Makes the folder, unless an earlier run did.
    pub fn make(self, bench: &Path, release: &Path) -> Result<()> {
        let folder = self.folder(bench);
        if !folder.join("bench/complete").exists() {
            let staging = bench.join(format!("root-{}.new", self.name()));
            if staging.exists() {
                fs::remove_dir_all(&staging)?;
            }
            for name in ["bench", "etc", "run", "tmp", "dev", "proc", "sys", "var"] {
                fs::create_dir_all(staging.join(name))?;
            }
            // Merged, as every installed system is, whichever way its packages are built.
            for name in ["bin", "sbin", "lib", "lib64"] {
                fs::create_dir_all(staging.join("usr").join(name))?;
                symlink(format!("usr/{name}"), staging.join(name))?;
            }
            self.fetch(&staging)?;
            self.furnish(&staging)?;
            fs::write(staging.join("bench/complete"), "")?;
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::rename(&staging, &folder)?;
        }
        if self == Self::Own {
            // Built a moment ago, each time.
            for name in ["init-net", "floor"] {
                fs::copy(release.join(name), folder.join("bin").join(name))?;
            }
        }
        Ok(())
    }

    fn fetch(self, staging: &Path) -> Result<()> {
        let [package, others @ ..] = self.packages() else {
            return Ok(());
        };
        eprintln!("bench: fetching {package} and its libraries");
        let mut packages = vec![(*package).to_owned()];
        packages.extend(others.iter().map(|&other| other.to_owned()));
        let mut depends = Command::new("apt-cache");
        depends.args(["depends", "--recurse", "--no-recommends", "--no-suggests"]);
        depends.args([
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
        ]);
        let list = output(depends.arg(package))?;
        let libraries = list.lines().filter(|line| is_library(line));
        packages.extend(libraries.map(str::to_owned));
        packages.sort();
        packages.dedup();
        let store = staging.join("bench/packages");
        fs::create_dir(&store)?;
        output(
            Command::new("apt-get")
                .args(["download", "-qq"])
                .args(&packages)
                .current_dir(&store),
        )?;
        for package in fs::read_dir(&store)? {
            unpack(&package?.path(), staging)?;
        }
        fs::remove_dir_all(&store)?;
        Ok(())
    }

    /// What an installed system would have around the program.
    fn furnish(self, root: &Path) -> Result<()> {
        fs::write(root.join("etc/passwd"), PASSWD)?;
        fs::write(root.join("etc/group"), GROUP)?;
        fs::write(
            root.join("etc/machine-id"),
            "00112233445566778899aabbccddeeff\n",
        )?;
        match self {
            Self::Own => {
                for count in [1, 1000, 10_000] {
                    let name = format!("bench/routes-{count}.yaml");
                    fs::write(root.join(name), machine_config(count))?;
                }
                fs::write(root.join("bench/vlans.yaml"), vlans())?;
                Rules::write_all(root, "yaml", Rules::documents)?;
                fs::write(root.join("bench/repair.yaml"), crate::repair::CONFIG)?;
            }
            Self::Iproute => {
                for count in [1, 1000, 10_000] {
                    let name = format!("bench/routes-{count}.batch");
                    fs::write(root.join(name), batch(count))?;
                }
            }
            Self::Nftables => Rules::write_all(root, "nft", Rules::nft)?,
            Self::Iptables => Rules::write_all(root, "iptables", Rules::iptables)?,
            Self::Udhcpc => {
                let script = root.join("bench/udhcpc.sh");
                fs::write(&script, UDHCPC_SCRIPT)?;
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
            }
            Self::Klibc => fs::write(root.join("bench/ipconfig.sh"), IPCONFIG_SCRIPT)?,
            Self::Dhcpcd => {
                let applets = output(Command::new(root.join("bin/busybox")).arg("--list"))?;
                for applet in applets.lines().filter(|&applet| applet != "busybox") {
                    let path = root.join("bin").join(applet);
                    if !path.exists() {
                        symlink("busybox", path)?;
                    }
                }
            }
            Self::Networkd => {
                fs::create_dir_all(root.join("etc/systemd/network"))?;
                fs::write(
                    root.join("etc/systemd/network/10-eth0.network"),
                    NETWORKD_UNIT,
                )?;
            }
            Self::NetworkManager => networkmanager::furnish(root)?,
        }
        Ok(())
    }
}

fn destination(number: usize) -> String {
    format!("10.{}.{}.0/24", number >> 8, number & 0xff)
}

/// Lines of one document of [`vlans`], the separator among them.
const VLAN_LINES: usize = 11;

/// A machine config of 10,000 lines: VLANs with an address and a route each.
fn vlans() -> String {
    let one = |i: usize| {
        let (high, low) = (i / 250, i % 250);
        format!(
            "apiVersion: v1alpha1\nkind: VLANConfig\nname: v{i}\nparent: eth0\nvlanID: {}\naddresses:\n  - address: \
             10.{high}.{low}.1/24\nroutes:\n  - destination: 172.16.{high}.{low}/32\n    gateway: 10.{high}.{low}.2\n---\n",
            i + 1
        )
    };
    (0..10_000 / VLAN_LINES + 1).map(one).collect()
}

fn machine_config(count: usize) -> String {
    let mut text = String::from(
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\nup: true\naddresses:\n  - address: 192.0.2.10/24\nroutes:\n",
    );
    for number in 0..count {
        let destination = destination(number);
        let _ = writeln!(
            text,
            "  - destination: {destination}\n    gateway: 192.0.2.1"
        );
    }
    text
}

fn batch(count: usize) -> String {
    let mut text = String::from("link set eth0 up\naddress add 192.0.2.10/24 dev eth0\n");
    for number in 0..count {
        let destination = destination(number);
        let _ = writeln!(text, "route add {destination} via 192.0.2.1 dev eth0");
    }
    text
}

/// A line of apt-cache(8) is a package, the second relation to one, or `name:architecture` of another architecture.
/// Alternatives are all there: elogind's would put a libsystemd.so.0 of its own in the place of the real one.
fn is_library(line: &str) -> bool {
    let library = line.starts_with("lib") || line == "zlib1g";
    library && !line.contains(':') && !line.contains("elogind")
}

/// `dpkg -x`, which would put folders where the root has links to folders.
fn unpack(package: &Path, folder: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()?;
    let tar = output(
        Command::new("tar")
            .args(["--extract", "--keep-directory-symlink", "--directory"])
            .arg(folder)
            .stdin(archive.stdout.take().ok_or("no pipe from dpkg-deb")?),
    );
    let status = archive.wait()?;
    tar?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("dpkg-deb --fsys-tarfile {}: {status}", package.display()).into()),
    }
}

/// Standard output of a command that succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}: {}", output.status, errors.trim()).into())
}
