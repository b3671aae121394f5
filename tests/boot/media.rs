//! Media of a machine, read in guests: by a program that reads as init-net does, and by init-net itself.

use std::path::PathBuf;
use std::process::Command;

use qemu::guest;
use qemu::peer::HttpServer;
use qemu::peer::http::Route;
use qemu::vm;
use serde_json::Value;
use serde_json::json;

use crate::bench;
use crate::bench::Bench;
use crate::bench::Facts;
use crate::bench::MAC;
use crate::bench::ROUTER;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// The program as it was built with this test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_media");

impl Bench {
    /// A file for a guest, in the lab's folder.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.lab.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A CD of these files.
    pub fn iso(&self, label: &str, arguments: &[&str], files: &[(&str, &str)]) -> PathBuf {
        let image = self.lab.folder().join(format!("{label}.iso"));
        let output = ["-quiet", "-V", label, "-o", image.to_str().unwrap()];
        let folder = self.folder(label, files);
        let from = [folder.to_str().unwrap()];
        run("genisoimage", &[arguments, &output, &from].concat());
        std::fs::remove_dir_all(folder).unwrap();
        image
    }

    /// A disk with a FAT of these files.
    pub fn vfat(&self, label: &str, files: &[(&str, &str)]) -> PathBuf {
        let image = self.lab.folder().join(format!("{label}.img"));
        let name = image.to_str().unwrap();
        run("mkfs.vfat", &["-n", label, "-C", name, "1024"]);
        let folder = self.folder(label, files);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            run("mcopy", &["-s", "-i", name, entry.to_str().unwrap(), "::"]);
        }
        std::fs::remove_dir_all(folder).unwrap();
        image
    }

    /// A folder for the time being.
    fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.lab.folder().join(format!("{name}.d"));
        for (name, content) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    /// A guest that is asked while it runs and has the drivers of media.
    fn media(&self) -> vm::Builder {
        let image = guest::image_of_session_and_media(&self.kernel);
        let image = image.unwrap_or_else(|error| panic!("{error}"));
        self.session(image.binary("/usr/sbin/media", PROGRAM))
            .cmdline("initnet.platform=metal")
    }

    /// A guest with one card and the drivers of media that waits until it is routable, prints its tables and powers off.
    fn configured(&self) -> vm::Builder {
        let script = format!("ready\nreach {ROUTER}\ntables\npoweroff -f\n");
        let image = guest::image_of_media(&self.kernel, &bench::script(&script));
        self.boots(image.unwrap_or_else(|error| panic!("{error}")))
            // The log says where a configuration came from.
            .cmdline(&format!("loglevel=7 initnet.init={}", guest::PAYLOAD))
            .nic("port0", MAC)
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    // They are in sbin, which users often do not have in their path.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program} (see scripts/setup): {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// The lines of the program.
fn said(output: &str) -> Vec<Value> {
    let lines = output.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

on_both_kernels!(every_medium_is_read_and_a_disk_that_comes_late);
fn every_medium_is_read_and_a_disk_that_comes_late(bench: Bench) {
    let udf = [("ovf-env.xml", "<Environment/>"), ("folder/other", "o")];
    let seed = [("user-data", "#cloud-config\n"), ("meta-data", "a: 1\n")];
    let vm = bench
        .media()
        .cd(bench.iso("cidata", &["-J", "-r"], &seed))
        .cd(bench.iso("azure", &["-udf"], &udf))
        .empty_drive()
        .disk(bench.vfat("CIDATA", &[("network-config", "version: 2\n")]))
        .serial_number("ds=nocloud;s=http://192.0.2.1/,x")
        .oem_string("io.example:one=1=2")
        .oem_string("other:two=2")
        .firmware_file("opt/init-net/user-data", bench.file("blob", "blob"));
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    // The drivers are loaded by then or a moment later.
    let output = guest.run("media 7");
    let mut found = said(&output);
    found.sort_by_key(|found| (found["medium"].as_u64(), found["place"].to_string()));
    assert_eq!(
        found,
        [
            json!({
                "medium": 0,
                "place": "/dev/sr0 (iso9660, \"cidata\")",
                "bodies": { "user-data": "#cloud-config\n", "meta-data": "a: 1\n" },
            }),
            json!({
                "medium": 0,
                "place": "/dev/vda (vfat, \"CIDATA\")",
                "bodies": { "network-config": "version: 2\n" },
            }),
            json!({
                "medium": 1,
                "place": "/dev/sr2 (udf)",
                "bodies": { "ovf-env.xml": "<Environment/>", "folder/other": "o" },
            }),
            json!({
                "medium": 2,
                "place": "SMBIOS",
                "bodies": { "smbios-serial": "ds=nocloud;s=http://192.0.2.1/,x" },
            }),
            json!({ "medium": 3, "place": "SMBIOS", "bodies": { "oem/one": "1=2" } }),
            json!({
                "medium": 4,
                "place": "firmware configuration",
                "bodies": { "fw_cfg/user-data": "blob" },
            }),
            json!({
                "medium": 6,
                "place": "environment",
                "bodies": { "env/HOME": "/" },
            }),
        ]
    );
    // Nothing of it is mounted for others, and no child is left.
    guest.run("! grep -E 'udf|/dev/sr' /proc/mounts");
    guest.run("media > /tmp/again && [ $(grep -c . /tmp/again) = 7 ]");
    guest.run("[ $(ps | grep -c '[m]edia') = 0 ]");

    guest.run("media 8 > /tmp/late & echo $! > /tmp/pid");
    let late = bench.vfat("cidata", &[("user-data", "late")]);
    guest.vm.plug_disk(&late).unwrap();
    guest.run("while kill -0 $(cat /tmp/pid) 2> /dev/null; do usleep 100000; done");
    let output = guest.run("tail -n 1 /tmp/late");
    assert_eq!(
        said(&output),
        [json!({
            "medium": 0,
            "place": "/dev/vdb (vfat, \"cidata\")",
            "bodies": { "user-data": "late" },
        })]
    );
}

/// What a machine config says, on whatever medium.
const MACHINE: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses:
  - address: 10.77.0.33/24
routes:
  - gateway: 10.77.0.1
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: from-media
";

/// The guest came up with [`MACHINE`], which was read from `place`.
#[track_caller]
fn check(bench: &Bench, vm: vm::Builder, place: &str) {
    let facts = Facts::of(vm.start(&bench.lab).unwrap());
    facts.has("wait", "0");
    facts.has("hostname", "from-media");
    facts.has("address", "eth0 inet 10.77.0.33/24");
    facts.has("reach", &format!("{ROUTER} 0"));
    assert!(facts.printed(place), "nobody said that {place} was read");
    // The child that read is gone.
    assert_eq!(
        facts
            .kind("process")
            .iter()
            .filter(|line| line.contains("init-net"))
            .count(),
        1
    );
}

on_both_kernels!(a_machine_config_on_a_cd);
fn a_machine_config_on_a_cd(bench: Bench) {
    let cd = bench.iso("METAL-ISO", &["-J", "-r"], &[("config.yaml", MACHINE)]);
    let vm = bench.configured().empty_drive().cd(cd);
    let vm = vm.cmdline("initnet.config=metal-iso");
    check(&bench, vm, "/dev/sr1");
}

/// cloud-init's files, by which a guest gets the address and the name of [`MACHINE`].
const SEED: [(&str, &str); 3] = [
    (
        "meta-data",
        "instance-id: i-0001\nlocal-hostname: from-media\n",
    ),
    ("user-data", "#cloud-config\n{}\n"),
    (
        "network-config",
        "version: 2
ethernets:
  one:
    match: { macaddress: '52:54:00:77:00:01' }
    addresses: [10.77.0.33/24]
    routes: [{ to: 0.0.0.0/0, via: 10.77.0.1 }]
",
    ),
];

#[test]
fn a_seed_on_a_cd() {
    let bench = Bench::new("seed-on-a-cd");
    let cd = bench.iso("cidata", &["-J", "-r"], &SEED);
    check(&bench, bench.configured().cd(cd), "/dev/sr0");
}

#[test]
fn a_seed_on_a_disk() {
    let bench = Bench::new("seed-on-a-disk");
    let disk = bench.vfat("CIDATA", &SEED);
    let vm = bench
        .configured()
        .disk(disk)
        .cmdline("initnet.platform=nocloud");
    check(&bench, vm, "/dev/vda");
}

#[test]
fn a_config_drive() {
    let bench = Bench::new("config-drive");
    let metadata = r#"{"uuid": "6f1a0000-0000-4000-8000-000000000001", "hostname": "from-media"}"#;
    let network = r#"{
        "links": [{"id": "tap0", "type": "phy", "ethernet_mac_address": "52:54:00:77:00:01"}],
        "networks": [{"id": "network0", "link": "tap0", "type": "ipv4", "ip_address": "10.77.0.33",
            "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.77.0.1"}]}],
        "services": []
    }"#;
    let files = [
        ("openstack/latest/meta_data.json", metadata),
        ("openstack/latest/network_data.json", network),
    ];
    let cd = bench.iso("config-2", &["-J", "-r"], &files);
    check(&bench, bench.configured().cd(cd), "/dev/sr0");
}

#[test]
fn a_serial_number_that_names_a_seed() {
    let bench = Bench::new("serial-number-with-seed");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let routes = SEED.iter();
    let routes = routes.map(|(name, content)| Route::get(&format!("/seed/{name}"), *content));
    let server = HttpServer::start(&bench.lab, "10.77.0.1:8080", routes.collect()).unwrap();
    let vm = bench.configured();
    let vm = vm.serial_number("ds=nocloud;s=http://10.77.0.1:8080/seed/");
    check(&bench, vm, "SMBIOS");
    assert_eq!(server.log().count("GET /seed/meta-data 200"), 1);
}

#[test]
fn a_file_in_the_firmware_configuration() {
    let bench = Bench::new("firmware-configuration");
    let file = bench.file("machine.yaml", MACHINE);
    let vm = bench.configured();
    let vm = vm.firmware_file("opt/init-net/user-data", file);
    check(&bench, vm, "firmware configuration");
}
