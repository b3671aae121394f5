//! Where the configuration comes from: the command line, files, and what only a running boot can fetch.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::state_file::SavedText;
use crate::config::platform::{self, AUTO};
use crate::config::userdata::{self, UserData};
use crate::config::{
    ConfigSource, Diagnostic, Document, FirewallFault, Said, Severity, cmdline, machine,
};
use crate::state::LinkStatus;
use crate::sys;
use crate::value::{Gather as _, Layer, Origin};

/// Largest config file, bytes: several complete machine configs.
const MAX_CONFIG: usize = 4 << 20;

/// Longest command line, bytes: COMMAND_LINE_SIZE is 2048 on x86 and 4096 on arm64; `@FILE` may be longer.
const MAX_CMDLINE: usize = 1 << 20;

/// Machine configs baked into the image.
const CONFIG_DIR: &str = "/etc/init-net";

/// What a command was told to read; nothing said: what a boot would read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--cmdline`: text or `@FILE`.
    pub cmdline: Option<String>,
    /// `--config`, in order; `-` is stdin.
    pub configs: Vec<PathBuf>,
    /// `--platform`.
    pub platform: Option<String>,
    /// `--metadata-url`.
    pub metadata_url: Option<String>,
    /// `--metadata-dir`.
    pub metadata_dir: Option<PathBuf>,
    /// `--observed`.
    pub observed: ObservedFrom,
}

/// Which links to compile against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ObservedFrom {
    /// Those of this machine.
    #[default]
    Kernel,
    /// None: what names no existing link stays as written.
    Nothing,
    /// Those that `init-net get links -o json` printed.
    File(PathBuf),
}

/// Everything that was read and what it has wrong.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The command line, whole.
    pub cmdline: String,
    /// Machine config texts in order.
    pub configs: Vec<SavedText>,
    /// Why machine configs that are there are not used.
    pub unread: Vec<String>,
    /// The parsed sources.
    pub documents: Vec<Document>,
    /// Their faults.
    pub diagnostics: Vec<Diagnostic>,
}

impl Sources {
    /// Whether nothing was named: then everything a boot reads is read.
    pub fn is_boot(&self) -> bool {
        self.cmdline.is_none() && self.configs.is_empty() && self.platform.is_none()
    }

    /// Reads and parses all of them that need no network.
    pub fn read(&self) -> Result<Read, String> {
        let cmdline = match &self.cmdline {
            Some(text) => cmdline_text(text)?,
            None if self.is_boot() => proc_cmdline(),
            None => String::new(),
        };
        let mut configs = Vec::new();
        for path in &self.configs {
            configs.push(config_text(path)?);
        }
        if self.is_boot() {
            let mut read = parse_boot(&cmdline, configs);
            local_configs(&mut read);
            return Ok(read);
        }
        let read = parse(&cmdline, "cmdline", configs);
        Ok(read)
    }

    /// The links to compile against.
    pub fn links(&self) -> Result<BTreeMap<u32, LinkStatus>, String> {
        match &self.observed {
            ObservedFrom::Kernel => {
                let mut rtnetlink =
                    super::rtnetlink::Rtnetlink::open().map_err(|e| format!("netlink: {e}"))?;
                let mut links = rtnetlink
                    .links(sys::clock::now())
                    .map_err(|e| e.to_string())?;
                super::observe::look_at_cards(&mut links, None);
                Ok(links)
            }
            ObservedFrom::Nothing => Ok(BTreeMap::new()),
            ObservedFrom::File(path) => {
                let bytes = sys::file::read(path, MAX_CONFIG)
                    .map_err(|e| format!("{}: {e}", path.display()))?;
                let links: Vec<LinkStatus> = serde_json::from_slice(&bytes)
                    .map_err(|e| format!("{}: {e}", path.display()))?;
                Ok(links.into_iter().map(|link| (link.index, link)).gather())
            }
        }
    }
}

/// `TEXT` or `@FILE`.
pub fn cmdline_text(argument: &str) -> Result<String, String> {
    match argument.strip_prefix('@') {
        Some(path) => {
            let bytes = sys::file::read(Path::new(path), MAX_CMDLINE)
                .map_err(|e| format!("{path}: {e}"))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => Ok(argument.to_owned()),
    }
}

/// The kernel's command line; empty where /proc is not there.
pub fn proc_cmdline() -> String {
    let bytes = sys::file::read(Path::new("/proc/cmdline"), MAX_CMDLINE).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// Parses a command line and machine configs; what cannot be read costs only itself.
pub fn parse(cmdline: &str, cmdline_name: &str, configs: Vec<SavedText>) -> Read {
    let (document, diagnostics) = cmdline::parse(cmdline, cmdline_name);
    let firmware = super::ibft::document(&document);
    let mut read = Read {
        cmdline: cmdline.to_owned(),
        configs: Vec::new(),
        unread: Vec::new(),
        documents: vec![document],
        diagnostics,
    };
    if let Some((document, diagnostics)) = firmware {
        read.documents.push(document);
        read.diagnostics.extend(diagnostics);
    }
    read.documents.extend(machine_identity());
    read.diagnostics
        .extend(super::remote::platform_faults(&read.documents));
    for config in configs {
        add_config(&mut read, config);
    }
    read
}

/// [`parse`] for who boots this machine, or asks for what a boot reads: where the command line names no platform, the
/// machine does.
pub fn parse_boot(cmdline: &str, configs: Vec<SavedText>) -> Read {
    let mut read = parse(cmdline, "/proc/cmdline", configs);
    find_platform(&mut read);
    read
}

fn find_platform(read: &mut Read) {
    let Some(boot) = read
        .documents
        .iter_mut()
        .find(|document| document.layer == Layer::Cmdline)
        .map(|document| &mut document.boot)
    else {
        return;
    };
    if boot
        .platform
        .as_ref()
        .is_some_and(|said| said.value != AUTO)
    {
        return;
    }
    let found = platform::detect::detect(&super::media::machine());
    boot.platform = Some(match found {
        Some(said) => said.map(|platform| platform.name.to_owned()),
        None => Said::new(AUTO.to_owned(), Origin::builtin("platform")),
    });
}

/// UUIDs that makers of boards leave in place of a real one: thousands of machines have them.
const NO_UUIDS: [&str; 3] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
];

/// What tells this machine from every other, for names that are made up. `compile` takes a hardware address without.
fn machine_identity() -> Option<Document> {
    let uuid = sys::net_device::product_uuid().filter(|uuid| !NO_UUIDS.contains(&uuid.as_str()))?;
    let mut document = Document::empty(Layer::Default, "smbios");
    let origin = Origin::new("smbios", "system UUID", None);
    document.identity = Some(Said::new(uuid, origin));
    Some(document)
}

/// One more machine config.
pub fn add_config(read: &mut Read, config: SavedText) {
    let (mut document, diagnostics) = machine::parse(&config.text, &config.name);
    document.preference = config.preference;
    read.documents.push(document);
    read.diagnostics.extend(diagnostics);
    read.configs.push(config);
}

/// Which machine config stands before which: the first source that yields one is used alone.
pub mod preference {
    /// `--config`, `initnet.config.inline=`.
    pub const INLINE: u8 = 0;
    /// `initnet.config=`.
    pub const NAMED: u8 = 1;
    /// Platform user-data.
    pub const USER_DATA: u8 = 2;
    /// `/etc/init-net/*.yaml` of the image.
    pub const BAKED_IN: u8 = 3;
}

/// The machine configs that need no network: inline, a named file, the image's own. Each is parsed; which of them counts
/// is decided with those that are fetched, by [`preference`].
pub fn local_configs(read: &mut Read) {
    let Some(boot) = read
        .documents
        .iter()
        .find(|d| d.layer == Layer::Cmdline)
        .map(|d| d.boot.clone())
    else {
        return;
    };
    let pin = boot.config_sha256.as_ref().map(|said| said.value);
    if let Some(inline) = &boot.config_inline {
        const NAME: &str = "initnet.config.inline";
        match userdata::decode_inline(&inline.value) {
            Ok(UserData::Config(text)) => {
                take(read, NAME, text.into_bytes(), pin, preference::INLINE)
            }
            Ok(_) => refuse(read, not_used(NAME, "holds no machine config")),
            Err(error) => refuse(
                read,
                not_used(NAME, &error.to_string())
                    .with_fix("write base64 of the YAML, plain or compressed with gzip or zstd"),
            ),
        }
    }
    match boot.config.as_ref().map(|said| &said.value) {
        Some(ConfigSource::None) => return,
        Some(ConfigSource::Path(path)) => {
            let name = path.display().to_string();
            match sys::file::read(path, MAX_CONFIG) {
                Ok(bytes) => take(read, &name, bytes, pin, preference::NAMED),
                Err(error) => refuse(read, not_used(&name, &error.to_string())),
            }
        }
        Some(ConfigSource::Url(_) | ConfigSource::Volume) | None => {}
    }
    for path in baked_in() {
        let name = path.display().to_string();
        match sys::file::read(&path, MAX_CONFIG) {
            Ok(bytes) => take(read, &name, bytes, pin, preference::BAKED_IN),
            Err(error) => refuse(read, not_used(&name, &error.to_string())),
        }
    }
}

/// A machine config that is there is not used: what it says of the firewall is not known.
fn refuse(read: &mut Read, why: Diagnostic) {
    mark_unread(read, &why.message);
    read.diagnostics.push(why);
}

/// Takes in that a machine config is not used, and `why`.
pub fn mark_unread(read: &mut Read, why: &str) {
    let mut document = Document::empty(Layer::Default, why);
    let said = Said::new(FirewallFault::Unread, Origin::new(why, "", None));
    document.firewall.fault = Some(said);
    read.documents.push(document);
    read.unread.push(why.to_owned());
}

fn not_used(name: &str, why: &str) -> Diagnostic {
    Diagnostic::new(Severity::Error, format!("{name}: {why}"))
        .with_effect("the next source of the machine config is used")
}

/// `/etc/init-net/*.yaml`, by name.
fn baked_in() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(CONFIG_DIR) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    paths.sort();
    paths
}

/// Checks the pin and parses.
fn take(read: &mut Read, name: &str, bytes: Vec<u8>, pin: Option<[u8; 32]>, preference: u8) {
    match pinned_text(bytes, pin) {
        Ok(text) => add_config(
            read,
            SavedText {
                name: name.to_owned(),
                text,
                preference,
            },
        ),
        Err(why) => refuse(read, not_used(name, &why)),
    }
}

/// The bytes as text, when they are what `initnet.config.sha256=` pins.
pub fn pinned_text(bytes: Vec<u8>, pin: Option<[u8; 32]>) -> Result<String, String> {
    crate::config::pin::check(&bytes, pin.as_ref()).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}

/// One `--config FILE`.
fn config_text(path: &Path) -> Result<SavedText, String> {
    let name = path.display().to_string();
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin()
            .take(MAX_CONFIG as u64)
            .read_to_end(&mut bytes);
        read.map_err(|e| format!("stdin: {e}"))?;
        bytes
    } else {
        sys::file::read(path, MAX_CONFIG).map_err(|e| format!("{name}: {e}"))?
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("{name}: not UTF-8 text"))?;
    let name = if name == "-" { "stdin".into() } else { name };
    Ok(SavedText {
        name,
        text,
        preference: preference::INLINE,
    })
}
