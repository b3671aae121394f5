//! The builder: what goes into an image, and its bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use flate2::GzBuilder;

use crate::Error;
use crate::cpio;
use crate::cpio::Entry;
use crate::elf;
use crate::libraries;
use crate::modules::ModuleTree;

/// How the archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: the fastest to unpack, for images that never leave the machine.
    None,
    /// gzip, which every kernel with an initramfs unpacks.
    Gzip,
}

/// Longest path of an image, bytes: the kernel drops entries with `namesize` above PATH_MAX (init/initramfs.c).
const PATH_MAX: usize = 4096;

/// Directories that an init finds in every image: mount points, and where it writes.
const DIRECTORIES: [&str; 7] = ["dev", "etc", "newroot", "proc", "run", "sys", "tmp"];

/// An image in the making. Inputs are read by [`Image::build`], so only that can fail.
#[derive(Clone, Debug, Default)]
pub struct Image {
    sources: Vec<(String, Source)>,
    modules: Vec<(PathBuf, Vec<String>)>,
}

#[derive(Clone, Debug)]
enum Source {
    Ready(Entry),
    Program(PathBuf),
    Linked(PathBuf, Vec<PathBuf>),
    HostFile(PathBuf, u32),
}

impl Image {
    /// An image with /dev/console (character device 5:1) and the directories every init expects.
    pub fn new() -> Self {
        let console = Entry::CharDevice {
            mode: 0o600,
            device: (5, 1),
        };
        let mut image = Self::default().entry("dev/console", console);
        for path in DIRECTORIES {
            image = image.directory(path);
        }
        image
    }

    /// A program of the host, mode 0755; refused unless it runs without a loader.
    #[must_use]
    pub fn binary(self, path: &str, program: impl Into<PathBuf>) -> Self {
        self.source(path, Source::Program(program.into()))
    }

    /// A program of the host, mode 0755, together with its loader and libraries, each from the first of `roots` that has
    /// it (`/` is this machine). Tools for a look inside, not for `/init`: [`Image::binary`] holds that to be static.
    #[must_use]
    pub fn program(self, path: &str, program: impl Into<PathBuf>, roots: &[PathBuf]) -> Self {
        self.source(path, Source::Linked(program.into(), roots.to_vec()))
    }

    /// A file with these contents.
    #[must_use]
    pub fn file(self, path: &str, contents: impl AsRef<[u8]>, mode: u32) -> Self {
        let contents = contents.as_ref().to_vec();
        self.entry(path, Entry::File { mode, contents })
    }

    /// A file of the host, as it is.
    #[must_use]
    pub fn host_file(self, path: &str, file: impl Into<PathBuf>, mode: u32) -> Self {
        self.source(path, Source::HostFile(file.into(), mode))
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        let target = target.to_owned();
        self.entry(path, Entry::Symlink { target })
    }

    /// A directory, mode 0755; parents of other entries need not be named.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(path, Entry::Directory { mode: 0o755 })
    }

    /// Modules by name or alias, with everything they need, from a folder like `/lib/modules/<release>`;
    /// they land in the same place in the image with indexes for just these modules.
    #[must_use]
    pub fn modules(mut self, folder: impl Into<PathBuf>, names: &[&str]) -> Self {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        self.modules.push((folder.into(), names));
        self
    }

    /// The image: reads every input, sorts, packs.
    ///
    /// # Errors
    /// The first input that cannot be read or is not fit for an image.
    pub fn build(&self, compression: Compression) -> Result<Vec<u8>, Error> {
        let mut tree = Tree::default();
        for (path, source) in &self.sources {
            let entry = match source {
                Source::Ready(entry) => entry.clone(),
                Source::HostFile(file, mode) => Entry::File {
                    mode: *mode,
                    contents: read(file)?,
                },
                Source::Program(file) => {
                    let contents = read(file)?;
                    elf::check_static(&contents).map_err(|source| Error::Program {
                        path: file.clone(),
                        source,
                    })?;
                    Entry::File {
                        mode: 0o755,
                        contents,
                    }
                }
                Source::Linked(file, roots) => {
                    for (path, contents) in libraries::needed_by(file, roots)? {
                        let mode = 0o755;
                        tree.insert(&path, Entry::File { mode, contents })?;
                    }
                    Entry::File {
                        mode: 0o755,
                        contents: read(file)?,
                    }
                }
            };
            tree.insert(path, entry)?;
        }
        for (folder, names) in &self.modules {
            let selection = ModuleTree::open(folder)?.select(names)?;
            let target = format!("lib/modules/{}", selection.release);
            for file in &selection.files {
                let entry = Entry::File {
                    mode: 0o644,
                    contents: read(&folder.join(file))?,
                };
                tree.insert(&format!("{target}/{file}"), entry)?;
            }
            for (name, text) in selection.indexes {
                let entry = Entry::File {
                    mode: 0o644,
                    contents: text.into_bytes(),
                };
                tree.insert(&format!("{target}/{name}"), entry)?;
            }
        }
        let archive = cpio::archive(&tree.entries);
        Ok(match compression {
            Compression::None => archive,
            Compression::Gzip => gzip(&archive),
        })
    }

    fn entry(self, path: &str, entry: Entry) -> Self {
        self.source(path, Source::Ready(entry))
    }

    fn source(mut self, path: &str, source: Source) -> Self {
        self.sources.push((path.to_owned(), source));
        self
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// No name, no time, level 6: the same input gives the same bytes.
fn gzip(archive: &[u8]) -> Vec<u8> {
    let mut packer = GzBuilder::new().write(Vec::new(), flate2::Compression::default());
    packer
        .write_all(archive)
        .expect("writing into a vector does not fail");
    packer
        .finish()
        .expect("writing into a vector does not fail")
}

/// Entries by normalised path, parents always there.
#[derive(Default)]
struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), Error> {
        let path = normalise(path)?;
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        for parent in parents {
            let directory = Entry::Directory { mode: 0o755 };
            let found = self.entries.entry(parent.to_owned()).or_insert(directory);
            if !matches!(found, Entry::Directory { .. }) {
                return Err(Error::ImagePath {
                    path,
                    rule: "a parent is not a directory",
                });
            }
        }
        match self.entries.get(&path) {
            Some(old) if *old != entry => Err(Error::Twice { path }),
            _ => {
                self.entries.insert(path, entry);
                Ok(())
            }
        }
    }
}

/// Without leading and doubled `/`; `.` and `..` are refused.
fn normalise(path: &str) -> Result<String, Error> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rule = if parts.is_empty() {
        "is empty"
    } else if parts.iter().any(|part| matches!(*part, "." | "..")) {
        "must not hold . or .."
    } else if path.len() >= PATH_MAX || path.contains('\0') {
        "must be shorter than 4096 bytes and without NUL"
    } else {
        return Ok(parts.join("/"));
    };
    Err(Error::ImagePath {
        path: path.to_owned(),
        rule,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn names(archive: &[u8]) -> Vec<String> {
        // Every header of these images starts with the magic; contents never do.
        archive
            .windows(6)
            .enumerate()
            .filter(|(_, window)| window == b"070701")
            .map(|(at, _)| {
                let name = &archive[at + 110..];
                let end = name.iter().position(|byte| *byte == 0).unwrap();
                String::from_utf8(name[..end].to_vec()).unwrap()
            })
            .collect()
    }

    #[test]
    fn order_of_calls_does_not_matter_and_parents_come_first() {
        let one = Image::new()
            .file("/usr/share/a", "1", 0o644)
            .symlink("/bin/sh", "busybox");
        let two = Image::new()
            .symlink("bin//sh", "busybox")
            .file("usr/share/a", b"1", 0o644);
        let bytes = one.build(Compression::None).unwrap();
        assert_eq!(bytes, two.build(Compression::None).unwrap());
        assert_eq!(
            names(&bytes),
            [
                "bin",
                "bin/sh",
                "dev",
                "dev/console",
                "etc",
                "newroot",
                "proc",
                "run",
                "sys",
                "tmp",
                "usr",
                "usr/share",
                "usr/share/a",
                "TRAILER!!!"
            ]
        );
    }

    #[test]
    fn gzip_is_reproducible_and_unpacks() {
        let image = Image::new().binary("/init", "/proc/self/exe");
        let packed = image.build(Compression::Gzip).unwrap();
        assert_eq!(packed, image.build(Compression::Gzip).unwrap());
        assert_eq!(packed[4..8], [0; 4], "time in the gzip header");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, image.build(Compression::None).unwrap());
    }

    #[track_caller]
    fn refused(image: Image, expect: &str) {
        let error = image.build(Compression::None).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn bad_inputs_are_named() {
        refused(Image::new().file("/../etc", "", 0o644), "must not hold");
        refused(Image::new().file("/", "", 0o644), "is empty");
        refused(
            Image::new().file("/a", "", 0o644).file("/a/b", "", 0o644),
            "a parent is not a directory",
        );
        refused(
            Image::new().file("/a", "1", 0o644).file("/a", "2", 0o644),
            "two contents",
        );
        refused(Image::new().binary("/init", "/bin/sh"), "needs the loader");
        refused(
            Image::new().program("/bin/sh", "/bin/sh", &["/nowhere".into()]),
            "is not below",
        );
        refused(
            Image::new().binary("/init", "/nowhere"),
            "/nowhere: No such",
        );
    }
}
