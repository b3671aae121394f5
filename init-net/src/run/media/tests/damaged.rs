//! Images that lie: whatever they say, reading ends, and nothing panics.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

/// An image of each kind that is read here, and where it has something that is not zero.
fn originals() -> &'static [(Vec<u8>, Vec<usize>)] {
    static IMAGES: OnceLock<Vec<(Vec<u8>, Vec<usize>)>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let content = [&SEED[..], &DRIVE].concat();
        let fat = |width, kibibytes| {
            FatImage::new(width, kibibytes, "cidata")
                .with(&content)
                .bytes()
        };
        let images = [
            genisoimage(&["-J", "-r"], "cidata", &content),
            genisoimage(&["-udf"], "cidata", &content),
            xorriso(&["-r"], "cidata", &content),
            fat(12, 1024),
            // The smallest that mtools takes.
            fat(32, 34 << 10),
        ];
        let used = |image: &Vec<u8>| (0..image.len()).filter(|at| image[*at] != 0).collect();
        images
            .map(|image| (used(&image), image))
            .map(|(used, image)| (image, used))
            .into()
    })
}

/// An image in which some bytes are others, and which ends early.
struct Damaged<'a> {
    image: &'a [u8],
    changes: Vec<(usize, u8)>,
}

impl Bytes for Damaged<'_> {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let part = self
            .image
            .get(from..)
            .and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        for (at, value) in &self.changes {
            if let Some(byte) = at.checked_sub(from).and_then(|at| buffer.get_mut(at)) {
                *byte = *value;
            }
        }
        Ok(())
    }
}

fn read_all(image: &[u8], changes: Vec<(usize, u8)>) {
    let unlabelled = Volume {
        labels: &[],
        ..CIDATA
    };
    let image = Damaged { image, changes };
    for volume in [CIDATA, CONFIG_DRIVE, unlabelled] {
        let _ = read(&image, &volume);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_others(which in 0..5_usize, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let (image, used) = &originals()[which];
        let place = |(index, value): (prop::sample::Index, u8)| (used[index.index(used.len())], value);
        read_all(image, changes.into_iter().map(place).collect());
    }

    #[test]
    fn the_rest_is_missing(which in 0..5_usize, end in any::<prop::sample::Index>()) {
        let (image, used) = &originals()[which];
        read_all(&image[..used[end.index(used.len())]], Vec::new());
    }

    #[test]
    fn fields_of_the_first_sectors(which in 0..5_usize, from in 0..256_usize, bytes in proptest::collection::vec(any::<u8>(), 1..8)) {
        // The boot sector of a FAT, the first descriptor of an ISO.
        let start = if which < 3 { 16 * 2048 } else { 0 };
        let changes = bytes.into_iter().enumerate().map(|(at, byte)| (start + from + at, byte));
        read_all(&originals()[which].0, changes.collect());
    }
}

/// Offsets of `pattern` in `image`.
fn all(image: &[u8], pattern: &[u8]) -> Vec<usize> {
    let windows = image.windows(pattern.len()).enumerate();
    windows
        .filter(|(_, window)| *window == pattern)
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn an_iso_says_that_a_file_has_a_gibibyte() {
    let mut image = genisoimage(&["-r"], "cidata", &SEED);
    for name in all(&image, b"USER_DAT") {
        let record = name - 33;
        image[record + 10..record + 14].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    }
    check(&image, &CIDATA, "cidata", &SEED[1..]);
}

#[test]
fn a_fat_says_that_a_file_has_a_gibibyte() {
    let mut image = FatImage::new(12, 1024, "cidata").with(&SEED).bytes();
    let name = all(&image, b"USER-D~1")[0];
    image[name + 28..name + 32].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    check(&image, &CIDATA, "cidata", &SEED[1..]);
    // A length that is allowed, and clusters that end before it.
    image[name + 28..name + 32].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    check(&image, &CIDATA, "cidata", &SEED[1..]);
}

#[test]
fn directories_in_a_circle() {
    let mut iso = genisoimage(&["-r"], "config-2", &DRIVE);
    let root = iso[16 * 2048 + 158..16 * 2048 + 162].to_owned();
    for name in all(&iso, b"OPENSTAC") {
        // The path table has the name as well, behind a shorter record.
        if iso[name - 1] == 8 && iso[name - 33] > 33 {
            iso[name - 33 + 2..name - 33 + 6].copy_from_slice(&root);
        }
    }
    check(&iso, &CONFIG_DRIVE, "config-2", &[]);

    // Every entry of the table leads to the first cluster of the directory.
    let mut fat = FatImage::new(16, 20 << 10, "config-2").with(&DRIVE).bytes();
    let name = all(&fat, b"OPENST~1")[0];
    let first = [fat[name + 26], fat[name + 27]];
    let reserved = usize::from(fat[14]) * 512;
    for entry in fat[reserved + 4..reserved + 512].chunks_exact_mut(2) {
        entry.copy_from_slice(&first);
    }
    let found = read(&fat, &CONFIG_DRIVE).unwrap();
    assert_eq!(found.label.as_deref(), Some("config-2"));
}

#[test]
fn a_disk_that_fails_is_told_as_one_without_a_file_system() {
    struct Broken;
    impl super::super::disk::Bytes for Broken {
        fn fill(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::Error::from_raw_os_error(libc::EIO))
        }
    }
    let disk = Disk::new(&Broken);
    let contents = Contents::of(&disk, Path::new("/dev/vdz"), None);
    assert_eq!(contents.read(&CIDATA, &mut 1), None);
}
