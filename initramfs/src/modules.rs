//! Kernel modules: names → the files they need, and the indexes an init needs to find them by alias.
//!
//! Reads what depmod(8) wrote: modules.dep, modules.alias, modules.softdep, modules.builtin. The image gets the same
//! four, cut down to the modules it has, so that the init inside resolves a device's modalias by itself.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::Error;

/// What it takes to read the drives, disks and firmware that platforms put configurations into: controllers, CDs and disks on
/// them, QEMU's firmware configuration, UDF. ISO 9660 and FAT need none: init-net reads them itself.
pub const MEDIA: [&str; 14] = [
    "ahci",
    "ata_generic",
    "ata_piix",
    "hv_storvsc",
    "mptspi",
    "nvme",
    "qemu_fw_cfg",
    "sd_mod",
    "sr_mod",
    "udf",
    "virtio_blk",
    "virtio_scsi",
    "vmw_pvscsi",
    "xen_blkfront",
];

/// Those of [`MEDIA`] that the kernel of `folder` has as modules: one for virtual machines has fewer than one for all.
///
/// # Errors
/// As [`ModuleTree::open`].
pub fn media(folder: &Path) -> Result<Vec<&'static str>, Error> {
    let tree = ModuleTree::open(folder)?;
    let has = |name: &&str| !tree.resolve(name).is_empty();
    Ok(MEDIA.into_iter().filter(has).collect())
}

/// A modules folder as depmod(8) describes it.
#[derive(Clone, Debug, Default)]
pub struct ModuleTree {
    folder: PathBuf,
    release: String,
    /// By module name: its file and the files it needs, all relative to the folder.
    files: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
    /// Pattern and module name, in file order.
    aliases: Vec<(String, String)>,
    /// Module name and the rest of its softdep line.
    softdeps: Vec<(String, String)>,
    builtin_text: String,
}

/// What an image needs for a set of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The kernel release: the name of the modules folder.
    pub release: String,
    /// Module files relative to the folder, sorted.
    pub files: BTreeSet<String>,
    /// Name and text of modules.dep, modules.alias, modules.softdep and modules.builtin.
    pub indexes: Vec<(&'static str, String)>,
}

impl ModuleTree {
    /// Reads the indexes of `folder`, which is named as the kernel release.
    ///
    /// # Errors
    /// modules.dep is missing (run depmod(8)) or an index cannot be read; the other indexes may be absent.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
        };
        let optional = |name: &str| match read(name) {
            Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(String::new())
            }
            other => other,
        };
        let release = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Self {
            folder: folder.to_owned(),
            ..Self::parse(
                &release,
                &read("modules.dep")?,
                &optional("modules.alias")?,
                &optional("modules.softdep")?,
                &optional("modules.builtin")?,
            )
        })
    }

    fn parse(release: &str, dep: &str, alias: &str, softdep: &str, builtin: &str) -> Self {
        let files = dep.lines().filter_map(|line| {
            let (file, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            Some((module_name(file), (file.to_owned(), needs)))
        });
        let aliases = alias.lines().filter_map(|line| {
            let (pattern, module) = line.strip_prefix("alias ")?.split_once(' ')?;
            Some((pattern.to_owned(), normalise(module.trim())))
        });
        let softdeps = softdep.lines().filter_map(|line| {
            let (module, rest) = line.strip_prefix("softdep ")?.split_once(' ')?;
            Some((normalise(module), rest.to_owned()))
        });
        Self {
            folder: PathBuf::new(),
            release: release.to_owned(),
            files: files.collect(),
            builtin: builtin.lines().map(module_name).collect(),
            aliases: aliases.collect(),
            softdeps: softdeps.collect(),
            builtin_text: builtin.to_owned(),
        }
    }

    /// The modules `names` (names or aliases), everything they need, and what their softdeps name.
    ///
    /// A module that is built into the kernel needs no file. A softdep that names nothing is ignored, as modprobe does.
    ///
    /// # Errors
    /// [`Error::UnknownModule`] for a name that is neither a module, an alias, nor built in.
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Selection, Error> {
        let mut chosen = BTreeSet::new();
        for name in names {
            let name = name.as_ref();
            let found = self.resolve(name);
            if found.is_empty() && !self.builtin.contains(&normalise(name)) {
                return Err(Error::UnknownModule {
                    name: name.to_owned(),
                    folder: self.folder.clone(),
                });
            }
            for module in found {
                self.close_over(&module, &mut chosen);
            }
        }
        Ok(Selection {
            release: self.release.clone(),
            files: chosen
                .iter()
                .map(|name| self.files[name].0.clone())
                .collect(),
            indexes: self.indexes(&chosen),
        })
    }

    /// Modules with a file that a name or alias stands for; empty when there is none or it is built in.
    fn resolve(&self, name: &str) -> Vec<String> {
        let plain = normalise(name);
        if self.files.contains_key(&plain) {
            return vec![plain];
        }
        if self.builtin.contains(&plain) {
            return Vec::new();
        }
        self.aliases
            .iter()
            .filter(|(pattern, module)| {
                self.files.contains_key(module) && glob(pattern.as_bytes(), name.as_bytes())
            })
            .map(|(_, module)| module.clone())
            .collect()
    }

    /// Adds a module, what it needs, and what its softdeps name, each once.
    fn close_over(&self, module: &str, chosen: &mut BTreeSet<String>) {
        let mut open = vec![module.to_owned()];
        while let Some(name) = open.pop() {
            let Some((_, needs)) = self.files.get(&name) else {
                continue;
            };
            if !chosen.insert(name.clone()) {
                continue;
            }
            open.extend(needs.iter().map(|file| module_name(file)));
            let soft = self.softdeps.iter().filter(|(owner, _)| *owner == name);
            for word in soft.flat_map(|(_, rest)| rest.split_whitespace()) {
                if !matches!(word, "pre:" | "post:") {
                    open.extend(self.resolve(word));
                }
            }
        }
    }

    fn indexes(&self, chosen: &BTreeSet<String>) -> Vec<(&'static str, String)> {
        let dep = chosen.iter().map(|name| {
            let (file, needs) = &self.files[name];
            let needs: String = needs.iter().map(|need| format!(" {need}")).collect();
            format!("{file}:{needs}\n")
        });
        let alias = self
            .aliases
            .iter()
            .filter(|(_, module)| chosen.contains(module));
        let softdep = self
            .softdeps
            .iter()
            .filter(|(owner, _)| chosen.contains(owner));
        vec![
            ("modules.dep", dep.collect()),
            (
                "modules.alias",
                alias
                    .map(|(pattern, module)| format!("alias {pattern} {module}\n"))
                    .collect(),
            ),
            (
                "modules.softdep",
                softdep
                    .map(|(owner, rest)| format!("softdep {owner} {rest}\n"))
                    .collect(),
            ),
            ("modules.builtin", self.builtin_text.clone()),
        ]
    }
}

/// `kernel/drivers/net/virtio-net.ko.zst` → `virtio_net`.
fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.find(".ko").map_or(name, |at| &name[..at]);
    normalise(name)
}

/// `-` and `_` are the same in a module's name (modprobe(8)).
fn normalise(name: &str) -> String {
    name.replace('-', "_")
}

/// fnmatch(3) as modules.alias uses it: `*`, `?` and `[…]` with ranges; no escapes, no leading-dot rule.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        (Some((b'?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((b'[', rest)), Some((first, tail))) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else {
                return false;
            };
            class_holds(&rest[..end], *first) && glob(&rest[end + 1..], tail)
        }
        (Some((expected, rest)), Some((first, tail))) if expected == first => glob(rest, tail),
        _ => false,
    }
}

fn class_holds(class: &[u8], byte: u8) -> bool {
    match class {
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&byte) || class_holds(rest, byte),
        [one, rest @ ..] => *one == byte || class_holds(rest, byte),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/net/core/failover.ko.zst:
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko.zst
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko.zst
kernel/drivers/net/dummy.ko:
kernel/lib/libcrc32c.ko:
kernel/arch/x86/crypto/crc32c-intel.ko:
kernel/net/nf_tables.ko: kernel/lib/libcrc32c.ko
";
    const ALIAS: &str = "\
# Aliases extracted from modules themselves.
alias virtio:d00000001v* virtio_net
alias crypto-crc32c crc32c_intel
alias rtnl-link-dummy dummy
alias cpu:type:x86,ven*fam0006mod00[2-9A]? crc32c_intel
";
    const SOFTDEP: &str = "softdep libcrc32c pre: crypto-crc32c nothing-of-this-name\n";
    const BUILTIN: &str = "kernel/fs/ext4/ext4.ko\n";

    fn tree() -> ModuleTree {
        ModuleTree::parse("6.1.0", DEP, ALIAS, SOFTDEP, BUILTIN)
    }

    #[track_caller]
    fn check(name: &str, expect: &[&str]) {
        let files: Vec<String> = tree()
            .select(&[name])
            .unwrap()
            .files
            .iter()
            .map(|file| module_name(file))
            .collect();
        let mut expect: Vec<&str> = expect.to_vec();
        expect.sort_by_key(|name| {
            let (file, _) = &tree().files[*name];
            file.clone()
        });
        assert_eq!(files, expect);
    }

    #[test]
    fn names_and_aliases_bring_what_they_need() {
        check("dummy", &["dummy"]);
        check("virtio_net", &["virtio_net", "net_failover", "failover"]);
        check("virtio-net", &["virtio_net", "net_failover", "failover"]);
        check(
            "virtio:d00000001v00001AF4",
            &["virtio_net", "net_failover", "failover"],
        );
        check("crc32c-intel", &["crc32c_intel"]);
        check("nf_tables", &["nf_tables", "libcrc32c", "crc32c_intel"]);
        check("cpu:type:x86,ven0000fam0006mod0095", &["crc32c_intel"]);
        check("ext4", &[]);
    }

    #[test]
    fn unknown_names_are_refused() {
        let error = tree().select(&["virtio_ne"]).unwrap_err();
        assert!(error.to_string().contains("virtio_ne"), "{error}");
    }

    #[test]
    fn indexes_hold_only_what_was_chosen() {
        let selection = tree().select(&["nf_tables"]).unwrap();
        let dep = "kernel/arch/x86/crypto/crc32c-intel.ko:\nkernel/lib/libcrc32c.ko:\n\
                   kernel/net/nf_tables.ko: kernel/lib/libcrc32c.ko\n";
        let alias = "alias crypto-crc32c crc32c_intel\n\
                     alias cpu:type:x86,ven*fam0006mod00[2-9A]? crc32c_intel\n";
        assert_eq!(
            selection.indexes,
            [
                ("modules.dep", dep.to_owned()),
                ("modules.alias", alias.to_owned()),
                ("modules.softdep", SOFTDEP.to_owned()),
                ("modules.builtin", BUILTIN.to_owned()),
            ]
        );
        assert_eq!(selection.release, "6.1.0");
    }

    #[test]
    fn globs() {
        for (pattern, text, expect) in [
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[0-9a]x", "ax", true),
            ("[0-9a]x", "bx", false),
            ("[0-9", "1", false),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                expect,
                "{pattern} {text}"
            );
        }
    }
}
