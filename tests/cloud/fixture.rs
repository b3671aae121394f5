//! Fixtures, and the program that compiles them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use init_net::config::platform::{
    Answer, Ask, Bodies, Known, LeaseFacts, PLATFORMS, Provider, Session,
};
use init_net::run::metadata_folder::MetadataFolder;

/// Seconds after which a run that has not ended by itself has failed: twice what a whole conversation may take
/// (`FETCH_TIMEOUT`).
const PATIENCE: &str = "100";

/// Most memory of a run, bytes of address space: far above what an honest conversation takes, far below what hostile
/// answers would fill.
const MEMORY: u64 = 256 << 20;

/// One folder below `tests/platforms/PLATFORM/`.
pub struct Fixture {
    /// `PLATFORM/CASE`.
    pub name: String,
    pub provider: &'static dyn Provider,
    pub folder: PathBuf,
    /// Where the folder is one of our own.
    _scratch: Option<Scratch>,
}

impl Fixture {
    /// All of them, in order.
    pub fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("platforms");
        let mut all = Vec::new();
        for platform in subfolders(&root) {
            let name = file_name(&platform);
            let known = PLATFORMS.iter().find(|known| known.name == name);
            let provider = known.and_then(|known| known.provider);
            let provider = provider.unwrap_or_else(|| panic!("{name}: nobody reads its metadata"));
            all.extend(subfolders(&platform).into_iter().map(|folder| Self {
                name: format!("{name}/{}", file_name(&folder)),
                provider,
                folder,
                _scratch: None,
            }));
        }
        all
    }

    /// Those with a service, without what only media say.
    pub fn of_services() -> Vec<Self> {
        let all = Self::all().into_iter();
        let services = all.filter(|fixture| has_service(fixture.provider));
        let services = services.filter_map(Self::without_media);
        services.collect()
    }

    /// One of each platform that has a service: the one with most to say.
    pub fn of_each_service() -> Vec<Self> {
        let mut all = Self::of_services();
        all.sort_by_key(|fixture| (fixture.provider.name(), Reverse(fixture.asks().len())));
        all.dedup_by_key(|fixture| fixture.provider.name());
        all
    }

    /// The folder for `--metadata-dir`.
    pub fn metadata(&self) -> PathBuf {
        self.folder.join("metadata")
    }

    /// The requests of a conversation in which everything goes right.
    pub fn asks(&self) -> Vec<Ask> {
        let metadata = self.metadata();
        let folder = MetadataFolder(&metadata);
        let mut session = Session::new(self.provider, Bodies::new());
        let mut all = Vec::new();
        loop {
            let asks = session.asks();
            if asks.is_empty() {
                return all;
            }
            for ask in asks {
                session.respond(&ask.key, folder.answer(&ask));
                all.push(ask);
            }
        }
    }

    /// What the folder answers to a request.
    pub fn body(&self, ask: &Ask) -> Option<Vec<u8>> {
        match MetadataFolder(&self.metadata()).answer(ask) {
            Answer::Body(body) => Some(body),
            Answer::Status(_) | Answer::Unreachable => None,
        }
    }

    /// Whether the folder says what the service alone would say: a file for both a drive and the service is read as one of
    /// the drive, which may be enough.
    pub fn is_of_the_service(&self) -> bool {
        let all = MetadataFolder(&self.metadata()).conversation(self.provider);
        let asks = self.asks().into_iter();
        let said = asks.filter_map(|ask| Some((self.body(&ask)?, ask.key)));
        let mut said = said.filter(|(_, key)| !self.provider.is_secret(key));
        said.all(|(body, key)| all.get(&key) == Some(&body))
    }

    /// A copy without the files that no request asks for; `None`: the service says nothing there.
    fn without_media(self) -> Option<Self> {
        let asks = self.asks();
        let asked: BTreeSet<&str> = asks.iter().map(|ask| ask.key.as_str()).collect();
        let media = MetadataFolder(&self.metadata()).media(self.provider.media());
        let copy = Scratch::new();
        let metadata = copy.0.join("metadata");
        copy_folder(&self.metadata(), &metadata);
        for key in media.keys().filter(|key| !asked.contains(key.as_str())) {
            fs::remove_file(metadata.join(key)).unwrap();
        }
        let observed = "observed.json";
        fs::copy(self.folder.join(observed), copy.0.join(observed)).unwrap();
        let copy = Self {
            folder: copy.0.clone(),
            _scratch: Some(copy),
            ..self
        };
        let first = copy.asks().into_iter().next()?;
        // A token may be missing in a clone of a service.
        let answered = copy.asks().iter().any(|ask| copy.body(ask).is_some());
        (answered && (first.optional || copy.body(&first).is_some())).then_some(copy)
    }

    /// `compile` with these arguments, against the fixture's links, with a limit of time and of memory. `program` is how a
    /// program is started.
    pub fn compile(&self, program: impl FnOnce(&str) -> Command, arguments: &[&str]) -> Command {
        let mut command = program("timeout");
        command
            .args(["--signal=KILL", PATIENCE, "prlimit"])
            .arg(format!("--as={MEMORY}"))
            .arg(tests::program::program())
            .args(["compile", "--platform", self.provider.name(), "--observed"])
            .arg(self.folder.join("observed.json"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What the folder becomes.
    #[track_caller]
    pub fn compile_folder(&self, metadata: &Path) -> Ran {
        let metadata = metadata.to_str().unwrap();
        Ran::of(self.compile(
            |program| Command::new(program),
            &["--metadata-dir", metadata],
        ))
    }
}

/// Whether the provider has a service at an address that is known from the start, or from a lease.
pub fn has_service(provider: &dyn Provider) -> bool {
    let lease = LeaseFacts {
        link: "eth0".parse().unwrap(),
        server: Some("192.0.2.1".parse().unwrap()),
        router: Some("192.0.2.2".parse().unwrap()),
    };
    let known = Known {
        bodies: Bodies::new(),
        leases: vec![lease],
    };
    !provider.bases(&known).is_empty()
}

/// What a run of the program printed and ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: i32,
    pub desired: String,
    pub check: String,
}

impl Ran {
    /// Runs it to its end, which must be its own, with a code that scripts know, and text that can be shown.
    #[track_caller]
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let [desired, check] = [output.stdout, output.stderr].map(|bytes| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            let control = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(control), "control characters: {text:?}");
            text
        });
        // Without errors 0, with errors 1, and nothing else: 137 is a limit, 134 a panic.
        let code = output.status.code();
        let code = code.filter(|code| matches!(code, 0 | 1));
        Self {
            code: code.unwrap_or_else(|| panic!("{command:?}: {}: {check}", output.status)),
            desired,
            check,
        }
    }
}

/// A folder of this process, gone with it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("platforms-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left over at worst: a folder under target/.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies files and folders.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
