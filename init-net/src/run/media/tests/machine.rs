//! A child on a machine of files: disks are images, sysfs is a folder.

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::super::child::{Places, serve};
use super::super::reader::Lines;
use super::super::{News, folder};
use super::*;
use crate::config::platform::Medium;
use crate::sys::poll::{Interest, poll};

/// A machine, removed when dropped.
struct Machine(PathBuf);

impl Machine {
    fn new(files: &[(&str, &[u8])]) -> Self {
        Self(images::files(files))
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn disk(&self, name: &str, sequence: &str, image: &[u8]) {
        self.write(&format!("sys/class/block/{name}/size"), b"2048\n");
        self.write(
            &format!("sys/class/block/{name}/diskseq"),
            sequence.as_bytes(),
        );
        self.write(&format!("dev/{name}"), image);
    }

    fn places(&self) -> Places {
        Places {
            root: self.0.clone(),
            sys: self.0.join("sys"),
            dev: self.0.join("dev"),
            proc: self.0.join("proc"),
            first_process: false,
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const MEDIA: [Medium; 7] = [
    Medium::Volume(CIDATA),
    Medium::SmbiosSerial,
    Medium::OemStrings("io.example:"),
    Medium::FirmwareConfig {
        folder: "opt/init-net/",
        files: &["user-data", "meta-data"],
    },
    Medium::GuestInfo(&["metadata"]),
    Medium::Files(&["/etc/seed/user-data", "/etc/seed/none"]),
    Medium::Environment(&["SEED", "OTHER"]),
];

/// What is said up to the next end of a scan: number of the medium, and its bodies.
fn scan(lines: &mut Lines, socket: &UnixStream) -> Vec<(usize, Vec<(String, String)>)> {
    let mut all = Vec::new();
    loop {
        poll(&[Interest::read(socket.as_fd())], None).unwrap();
        for news in lines.take() {
            match news {
                News::Found { medium, found } => {
                    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
                    let bodies = found.bodies.into_iter();
                    all.push((
                        medium,
                        bodies.map(|(key, body)| (key, text(body))).collect(),
                    ));
                }
                News::Scanned => return all,
                News::Ended => panic!("the child ended"),
            }
        }
    }
}

fn body(medium: usize, key: &str, body: &str) -> (usize, Vec<(String, String)>) {
    (medium, vec![(key.to_owned(), body.to_owned())])
}

#[test]
fn a_child_reads_what_is_there_and_what_comes() {
    let machine = Machine::new(&[
        ("sys/class/dmi/id/product_serial", b"ds=nocloud;h=one\n"),
        ("sys/class/dmi/id/product_name", b"Standard PC\n"),
        ("etc/seed/user-data", b"seed"),
        ("proc/1/environ", b"A=1\0SEED=x=y\0"),
        ("sys/class/block/loop0/size", b"0\n"),
        ("dev/loop0", b""),
    ]);
    let one = |content| {
        FatImage::new(12, 1024, "cidata")
            .with(&[("user-data", content)])
            .bytes()
    };
    machine.disk("vda", "1", &one(b"one"));
    machine.disk("zram0", "9", &one(b"memory"));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let socket = ours.try_clone().unwrap();
    let mut lines = Lines::new(ours).unwrap();
    std::thread::scope(|scope| {
        let child = scope.spawn(|| serve(&MEDIA, &theirs, &machine.places()));
        assert_eq!(
            scan(&mut lines, &socket),
            [
                body(1, "smbios-serial", "ds=nocloud;h=one"),
                body(5, "etc/seed/user-data", "seed"),
                body(6, "env/SEED", "x=y"),
                body(0, "user-data", "one"),
            ]
        );
        // Nothing is read twice.
        lines.ask();
        assert_eq!(scan(&mut lines, &socket), []);
        // A driver, a disk, and another medium in a disk.
        let folder = "sys/firmware/qemu_fw_cfg/by_name/opt/init-net";
        machine.write(&format!("{folder}/user-data/size"), b"4\n");
        machine.write(&format!("{folder}/user-data/raw"), b"blob");
        machine.write(&format!("{folder}/meta-data/size"), b"1000000000\n");
        machine.write(&format!("{folder}/meta-data/raw"), b"");
        machine.disk("vdb", "2", &one(b"two"));
        machine.disk("vda", "3", &one(b"three"));
        lines.ask();
        assert_eq!(
            scan(&mut lines, &socket),
            [
                body(3, "fw_cfg/user-data", "blob"),
                body(0, "user-data", "three"),
                body(0, "user-data", "two"),
            ]
        );
        socket.shutdown(std::net::Shutdown::Both).unwrap();
        child.join().unwrap().unwrap();
    });
    assert_eq!(lines.take(), [News::Ended]);
    assert_eq!(lines.take(), []);
}

#[test]
fn a_scan_that_was_under_way_answers_no_later_question() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut lines = Lines::new(ours).unwrap();
    lines.ask();
    let say = |bytes: &[u8]| std::io::Write::write_all(&mut &theirs, bytes).unwrap();
    say(b"{\"scanned\":0}\n{\"scanned\":");
    assert_eq!(lines.take(), []);
    say(b"1}\n");
    assert_eq!(lines.take(), [News::Scanned]);
    say(b"{\"scanned\":2}\n???\n");
    assert_eq!(lines.take(), [News::Scanned, News::Ended]);
}

#[test]
fn a_folder_in_place_of_media() {
    let machine = Machine::new(&[
        ("user-data", b"volume"),
        ("smbios-serial", b"serial"),
        ("oem/a", b"string"),
        ("fw_cfg/user-data", b"blob"),
        ("guestinfo/metadata", b"info"),
        ("etc/seed/user-data", b"file"),
        ("env/OTHER", b"variable"),
    ]);
    let keys = |found: &Found| found.bodies.keys().cloned().collect::<Vec<_>>();
    let found = folder(&machine.0, &MEDIA);
    assert_eq!(
        found.iter().flat_map(keys).collect::<Vec<_>>(),
        [
            "user-data",
            "smbios-serial",
            "oem/a",
            "fw_cfg/user-data",
            "guestinfo/metadata",
            "etc/seed/user-data",
            "env/OTHER",
        ]
    );
    assert_eq!(folder(&machine.0.join("none"), &MEDIA), []);
}
