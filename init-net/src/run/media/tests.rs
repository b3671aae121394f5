//! Media on images that real tools made, whole and damaged, and a child that reads them from a machine of files.

mod damaged;
mod images;
mod machine;

use std::path::Path;

use super::MAX_FILE;
use super::disk::{Bytes, Disk};
use super::volume::Contents;
use crate::config::platform::{FileSystem, Found, Volume};
use images::{FatImage, files, genisoimage, iso, mkudffs, xorriso};

const CIDATA: Volume = Volume {
    labels: &["cidata"],
    file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
    files: &["user-data", "meta-data", "network-config", "vendor-data"],
};

const CONFIG_DRIVE: Volume = Volume {
    labels: &["config-2"],
    file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
    files: &[
        "openstack/latest/meta_data.json",
        "openstack/latest/network_data.json",
        "openstack/latest/user_data",
    ],
};

/// What `image` says of `volume`.
fn read(image: &dyn Bytes, volume: &Volume) -> Option<Found> {
    let disk = Disk::new(image);
    Contents::of(&disk, Path::new("/dev/vdz"), None).read(volume, &mut 1)
}

/// The image says of `volume` what the files said, under this label.
#[track_caller]
fn check(image: &Vec<u8>, volume: &Volume, label: &str, expect: &[(&str, &[u8])]) {
    let found = read(image, volume).expect("found");
    assert_eq!(found.label.as_deref(), Some(label));
    let expect = expect
        .iter()
        .map(|(key, body)| ((*key).to_owned(), body.to_vec()));
    assert_eq!(found.bodies, expect.collect());
}

const SEED: [(&str, &[u8]); 3] = [
    ("user-data", b"#cloud-config\n"),
    ("meta-data", b"instance-id: i-1\n"),
    ("network-config", b"version: 2\n"),
];

const DRIVE: [(&str, &[u8]); 2] = [
    ("openstack/latest/meta_data.json", b"{\"uuid\": \"1\"}"),
    ("openstack/latest/user_data", b"#!/bin/sh\n"),
];

#[test]
fn isos_of_every_kind_of_name() {
    for tool in [genisoimage, xorriso] {
        for (names, label) in [
            (&["-J", "-r"][..], "cidata"),
            (&["-r"], "CIDATA"),
            (&["-J"], "CiData"),
            (&[], "CIDATA"),
            (&["-iso-level", "4"], "cidata"),
        ] {
            let image = tool(names, label, &SEED);
            check(&image, &CIDATA, label, &SEED);
            assert_eq!(read(&image, &CONFIG_DRIVE), None);
            let drive = tool(names, "config-2", &DRIVE);
            check(&drive, &CONFIG_DRIVE, "config-2", &DRIVE);
        }
    }
}

#[test]
fn an_iso_is_found_by_its_first_file_where_no_label_is_asked_for() {
    let any = Volume {
        labels: &[],
        files: &["meta-data", "user-data", "other"],
        ..CIDATA
    };
    let image = genisoimage(&["-r"], "whatever", &SEED);
    check(&image, &any, "whatever", &SEED[..2]);
    let other = Volume {
        files: &["other", "user-data"],
        ..any
    };
    assert_eq!(read(&image, &other), None);
}

#[test]
fn a_long_name_is_in_a_second_area() {
    const NAME: &str = "a-name-that-is-so-long-that-it-does-not-fit-into-the-record-of-the-directory-and-goes-on-in-\
        another-place-where-there-is-room-for-the-rest-of-it-and-for-more-than-that-up-to-two-hundred-characters-or-so.txt";
    let volume = Volume {
        labels: &["cidata"],
        files: &[NAME],
        ..CIDATA
    };
    let content = [(NAME, &b"x"[..])];
    let image = genisoimage(&["-r"], "cidata", &content);
    check(&image, &volume, "cidata", &content);
}

#[test]
fn names_that_are_the_same_when_shortened() {
    let volume = Volume {
        files: &["network-config", "network-data", "network-more"],
        ..CIDATA
    };
    let content = [
        ("network-config", &b"1"[..]),
        ("network-data", b"2"),
        ("network-more", b"3"),
    ];
    for names in [&["-J"][..], &["-r"]] {
        let image = genisoimage(names, "cidata", &content);
        check(&image, &volume, "cidata", &content);
    }
    let fat = FatImage::new(12, 1024, "cidata").with(&content).bytes();
    check(&fat, &volume, "cidata", &content);
}

#[test]
fn a_directory_of_several_sectors() {
    let many: Vec<String> = (0..300)
        .map(|number| format!("file-{number:03}.txt"))
        .collect();
    let mut content: Vec<(&str, &[u8])> = many.iter().map(|name| (&name[..], &b""[..])).collect();
    content.extend(SEED);
    for names in [&["-J"][..], &["-r"]] {
        let image = xorriso(names, "cidata", &content);
        check(&image, &CIDATA, "cidata", &SEED);
    }
    let image = FatImage::new(32, 40 << 10, "cidata").with(&content).bytes();
    check(&image, &CIDATA, "cidata", &SEED);
}

#[test]
fn a_file_in_pieces() {
    let long: Vec<u8> = (0..100_000_u32).map(|number| (number / 3) as u8).collect();
    let gap = [("first", &long[..30_000]), ("second", &long[..10_000])];
    for (width, kibibytes) in [(12, 1024), (16, 20 << 10), (32, 40 << 10)] {
        let mut image = FatImage::new(width, kibibytes, "cidata").with(&gap);
        image.tool("mdel", &["::first"]);
        // It begins in the gap and goes on behind.
        let content = [("user-data", &long[..]), ("meta-data", &long[..7])];
        let image = image.with(&content).bytes();
        check(&image, &CIDATA, "cidata", &content);
    }
}

#[test]
fn a_long_name_of_another_file_is_none() {
    let mut image = FatImage::new(12, 1024, "cidata").with(&SEED).bytes();
    let name = b"USER-D~1";
    let at = image.windows(8).position(|window| window == name).unwrap();
    // A system that knows no long names has put another file there.
    image[at..at + 8].copy_from_slice(b"OTHER   ");
    check(&image, &CIDATA, "cidata", &SEED[1..]);
}

#[test]
fn links_are_no_files() {
    let folder = files(&SEED);
    std::fs::remove_file(folder.join("user-data")).unwrap();
    std::os::unix::fs::symlink("meta-data", folder.join("user-data")).unwrap();
    let image = iso("genisoimage", &["-r"], "cidata", &folder);
    check(&image, &CIDATA, "cidata", &SEED[1..]);
}

#[test]
fn a_label_without_files_is_told() {
    let image = xorriso(&["-J"], "cidata", &[("readme", b"")]);
    check(&image, &CIDATA, "cidata", &[]);
}

#[test]
fn a_file_that_is_too_long_costs_itself() {
    let long = vec![b'x'; MAX_FILE + 1];
    let content = [("user-data", &long[..]), SEED[1]];
    let image = genisoimage(&["-J"], "cidata", &content);
    check(&image, &CIDATA, "cidata", &SEED[1..2]);
    let fat = FatImage::new(12, 8 << 10, "cidata").with(&content).bytes();
    check(&fat, &CIDATA, "cidata", &SEED[1..2]);
    let fits = [("user-data", &long[1..]), SEED[1]];
    let image = genisoimage(&["-J"], "cidata", &fits);
    check(&image, &CIDATA, "cidata", &fits);
    let fat = FatImage::new(16, 20 << 10, "cidata").with(&fits).bytes();
    check(&fat, &CIDATA, "cidata", &fits);
}

#[test]
fn a_file_of_several_parts() {
    let content = [("PART.TXA", &b"one "[..]), ("PART.TXB", b"two")];
    let mut image = genisoimage(&[], "cidata", &content);
    let record = |image: &[u8], name: &[u8]| {
        let at = image.windows(name.len()).position(|window| window == name);
        at.unwrap() - 33
    };
    let [one, two] = [&b"PART.TXA;1"[..], b"PART.TXB;1"].map(|name| record(&image, name));
    image[one + 25] |= 1 << 7;
    image[two + 33 + 7] = b'A';
    let volume = Volume {
        files: &["part.txa"],
        ..CIDATA
    };
    check(&image, &volume, "cidata", &[("part.txa", b"one two")]);
}

#[test]
fn fat_of_every_width() {
    for (width, kibibytes) in [(12, 1024), (16, 20 << 10), (32, 40 << 10)] {
        for label in ["cidata", "CIDATA"] {
            let image = FatImage::new(width, kibibytes, label).with(&SEED).bytes();
            check(&image, &CIDATA, label, &SEED);
        }
        let image = FatImage::new(width, kibibytes, "config-2")
            .with(&DRIVE)
            .bytes();
        check(&image, &CONFIG_DRIVE, "config-2", &DRIVE);
        assert_eq!(read(&image, &CIDATA), None);
    }
}

#[test]
fn a_label_is_in_the_root_directory_or_in_the_boot_sector() {
    // Tools differ in which of them they change.
    let mut image = FatImage::new(12, 1024, "other").with(&SEED);
    image.tool("mlabel", &["::cidata"]);
    let mut image = image.bytes();
    check(&image, &CIDATA, "cidata", &SEED);
    image[43..54].copy_from_slice(b"OTHER      ");
    check(&image, &CIDATA, "CIDATA", &SEED);
    let mut image = FatImage::new(12, 1024, "other").with(&SEED).bytes();
    image[43..54].copy_from_slice(b"cidata     ");
    check(&image, &CIDATA, "cidata", &SEED);
}

#[test]
fn a_partition_has_a_label_as_well() {
    let image = FatImage::new(12, 1024, "other").with(&SEED).bytes();
    let disk = Disk::new(&image);
    let label = Some("CIDATA".to_owned());
    let contents = Contents::of(&disk, Path::new("/dev/vda1"), label);
    let found = contents.read(&CIDATA, &mut 1).unwrap();
    assert_eq!(found.place, "/dev/vda1 (vfat, \"CIDATA\")");
    assert_eq!(found.bodies.len(), 3);
}

#[test]
fn only_so_many_volumes_are_read() {
    let image = FatImage::new(12, 1024, "cidata").with(&SEED).bytes();
    let disk = Disk::new(&image);
    let contents = Contents::of(&disk, Path::new("/dev/vda1"), None);
    let mut left = 1;
    assert!(contents.read(&CIDATA, &mut left).is_some());
    assert!(contents.read(&CIDATA, &mut left).is_none());
}

#[test]
fn udf_is_recognised() {
    let recognised = |image: &Vec<u8>| super::mounted::is_udf(&Disk::new(image)).unwrap();
    assert!(recognised(&mkudffs("cidata")));
    assert!(recognised(&genisoimage(&["-udf"], "cidata", &SEED)));
    assert!(!recognised(&genisoimage(&["-J"], "cidata", &SEED)));
    assert!(!recognised(&vec![0; 1 << 20]));
    assert!(!recognised(&vec![0; 512]));
}
