//! A machine config behind TLS: a real server, and a CA that only the image knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use qemu::peer::Authority;
use qemu::process::Process;

use super::machine::{Machine, PATIENCE, SERVER, on_machine};
use crate::namespace::ip;

const CONFIG: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses:
  - address: 10.50.0.1/24
";

/// A CA and a server's certificate for the lab's address.
fn certificates(machine: &Machine) -> PathBuf {
    let folder = machine.lab.folder().join("tls");
    fs::create_dir(&folder).unwrap();
    let authority = Authority::new(&folder, "ca").unwrap();
    let names = format!("subjectAltName = IP:{SERVER}");
    authority.issue("config", &names).unwrap();
    folder
}

/// `openssl s_server -WWW` on the lab's address: files of `folder`, in HTTP/1.0 until the end of the connection.
fn serve(machine: &Machine, folder: &Path) -> Process {
    fs::write(folder.join("machine.yaml"), CONFIG).unwrap();
    let mut command = machine.lab.namespace().command("openssl");
    command
        .args(["s_server", "-accept", "10.77.0.1:8443", "-WWW"])
        .args(["-cert", "config.pem", "-key", "config.key"])
        .env("OPENSSL_CONF", folder.join("openssl.cnf"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::start(&mut command).expect("openssl(1)");
    let log = process.output(None).expect("piped just above");
    machine.lab.keep("s_server", &log);
    log.wait_for("ACCEPT", PATIENCE).expect("a server");
    process
}

const LINE: &str = "ip=eth0:dhcp initnet.config=https://10.77.0.1:8443/machine.yaml";

#[test]
fn a_machine_config_comes_over_https_from_a_ca_of_the_image() {
    on_machine("https", |machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        let folder = certificates(machine);
        let _server = serve(machine, &folder);
        fs::create_dir_all("/etc/init-net").unwrap();
        fs::copy(folder.join("ca.pem"), "/etc/init-net/ca.pem").unwrap();
        let ran = machine.boot_alone(LINE);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        let shown = ip("address show dev eth0");
        assert!(shown.contains("10.50.0.1/24"), "{shown}\n{}", ran.errors);
    });
}

#[test]
fn a_server_that_nobody_here_trusts_gives_nothing_and_is_not_asked_again() {
    on_machine("https-stranger", |machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        let folder = certificates(machine);
        let _server = serve(machine, &folder);
        let ran = machine.boot_alone(LINE);
        assert_eq!(ran.code, 0, "the boot goes on: {}", ran.errors);
        assert!(!ip("address show dev eth0").contains("10.50.0.1"));
        let report = machine.report();
        let diagnostics = report["diagnostics"].to_string();
        let expect = "https://10.77.0.1:8443/machine.yaml: no CA that is trusted here signed";
        assert!(diagnostics.contains(expect), "{report}");
    });
}
