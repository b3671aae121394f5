//! Reads media in guests as init-net does, and prints what they say, a line of JSON each: `tests/boot/media.rs` runs it.
//!
//! `media [COUNT]`: ends after the first look, or when COUNT media were found.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use init_net::config::platform::{FileSystem, Found, Medium, Volume};
use init_net::run::media::{News, Reader};
use init_net::sys::poll::{Interest, poll};
use serde_json::{Value, json};

/// Number and what it is: the test names them so.
const MEDIA: [Medium; 7] = [
    Medium::Volume(Volume {
        labels: &["cidata"],
        file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
        files: &["user-data", "meta-data", "network-config"],
    }),
    Medium::Volume(Volume {
        labels: &[],
        file_systems: &[FileSystem::Udf],
        files: &["ovf-env.xml", "folder/other"],
    }),
    Medium::SmbiosSerial,
    Medium::OemStrings("io.example:"),
    Medium::FirmwareConfig {
        folder: "opt/init-net/",
        files: &["user-data", "meta-data"],
    },
    Medium::GuestInfo(&["metadata"]),
    Medium::Environment(&["HOME", "NOT_SET"]),
];

fn main() {
    let wanted: Option<usize> = std::env::args().nth(1).map(|count| count.parse().unwrap());
    let mut reader = Reader::start(MEDIA.to_vec()).unwrap();
    let mut count = 0;
    loop {
        poll(&[Interest::read(reader.fd())], None).unwrap();
        for news in reader.take() {
            match news {
                News::Found { medium, found } => {
                    println!("{}", line(medium, &found));
                    count += 1;
                    if Some(count) == wanted {
                        return;
                    }
                }
                News::Scanned if wanted.is_none() => return,
                News::Scanned => {}
                News::Ended => panic!("the reader ended"),
            }
        }
    }
}

fn line(medium: usize, found: &Found) -> Value {
    let bodies = found.bodies.iter();
    let bodies: Value = bodies
        .map(|(key, body)| (key.clone(), json!(String::from_utf8_lossy(body))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({ "medium": medium, "place": found.place, "bodies": bodies })
}
