//! Media of a machine, read in guests: by a program that reads as init-net does, and by init-net itself.

use std::path::PathBuf;
use std::process::Command;

use qemu::guest;
use qemu::vm;
use serde_json::Value;
use serde_json::json;

use crate::bench::Bench;
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
        // Not the lab's: that one holds nothing but files.
        let folder = self.lab.folder().with_extension(name);
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
