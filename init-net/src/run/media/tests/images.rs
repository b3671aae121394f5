//! Images by the tools that people make them with (scripts/setup installs them).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A new path in the folder for temporary files.
fn place() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("init-net-media-{}-{number}", std::process::id()))
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
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A folder of these files; made anew.
pub fn files(files: &[(&str, &[u8])]) -> PathBuf {
    let folder = place();
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// An ISO of a folder, which is removed.
pub fn iso(tool: &str, arguments: &[&str], label: &str, folder: &Path) -> Vec<u8> {
    let image = place();
    let common = ["-quiet", "-V", label, "-o", image.to_str().unwrap()];
    let front: &[&str] = if tool == "xorriso" {
        &["-as", "mkisofs"]
    } else {
        &[]
    };
    let folder_name = [folder.to_str().unwrap()];
    run(tool, &[front, arguments, &common, &folder_name].concat());
    fs::remove_dir_all(folder).unwrap();
    let bytes = fs::read(&image).unwrap();
    fs::remove_file(image).unwrap();
    bytes
}

/// By cdrkit's tool, which cloud-localds and OpenStack call.
pub fn genisoimage(arguments: &[&str], label: &str, content: &[(&str, &[u8])]) -> Vec<u8> {
    iso("genisoimage", arguments, label, &files(content))
}

/// By xorriso, which virt-install and newer OpenStack call.
pub fn xorriso(arguments: &[&str], label: &str, content: &[(&str, &[u8])]) -> Vec<u8> {
    iso("xorriso", arguments, label, &files(content))
}

/// An empty UDF.
pub fn mkudffs(label: &str) -> Vec<u8> {
    let image = place();
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let name = image.to_str().unwrap();
    run(
        "mkudffs",
        &["--media-type=hd", "-b", "2048", "-l", label, name],
    );
    let bytes = fs::read(&image).unwrap();
    fs::remove_file(image).unwrap();
    bytes
}

/// A FAT in the making.
pub struct FatImage(PathBuf);

impl FatImage {
    pub fn new(width: u8, kibibytes: u32, label: &str) -> Self {
        let image = place();
        let [width, size] = [u32::from(width), kibibytes].map(|number| number.to_string());
        let name = image.to_str().unwrap();
        run("mkfs.vfat", &["-F", &width, "-n", label, "-C", name, &size]);
        Self(image)
    }

    /// A tool of mtools on it.
    pub fn tool(&mut self, tool: &str, arguments: &[&str]) {
        let image = ["-i", self.0.to_str().unwrap()];
        run(tool, &[&image, arguments].concat());
    }

    pub fn with(mut self, content: &[(&str, &[u8])]) -> Self {
        let folder = files(content);
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            self.tool("mcopy", &["-s", entry.to_str().unwrap(), "::"]);
        }
        fs::remove_dir_all(folder).unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        let bytes = fs::read(&self.0).unwrap();
        fs::remove_file(self.0).unwrap();
        bytes
    }
}
