//! Fixtures, and the program that compiles them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use init_net::config::platform::{
    Answer, Ask, Bodies, Known, LeaseFacts, PLATFORMS, Provider, Session,
};
use init_net::run::metadata_folder::MetadataFolder;

/// Seconds after which a run that has not ended by itself has failed: several times of what a whole conversation may take
/// (`FETCH_TIMEOUT`).
const PATIENCE: &str = "240";

/// Most memory of a run, bytes of address space: far above what an honest conversation takes, far below what hostile
/// answers would fill.
const MEMORY: u64 = 256 << 20;

/// One folder below `tests/platforms/PLATFORM/`.
pub struct Fixture {
    /// `PLATFORM/CASE`.
    pub name: String,
    pub provider: &'static dyn Provider,
    pub folder: PathBuf,
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
            }));
        }
        all
    }

    /// Those that a service alone can say: the first of each platform that has one.
    pub fn of_services() -> Vec<Self> {
        let mut all = Self::all();
        all.retain(|fixture| has_service(fixture.provider) && fixture.is_of_the_service());
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

    /// Whether the service says everything that the media and the service together say.
    fn is_of_the_service(&self) -> bool {
        let metadata = self.metadata();
        let all = MetadataFolder(&metadata).conversation(self.provider);
        let asks = self.asks();
        !asks.is_empty() && all.keys().all(|key| asks.iter().any(|ask| ask.key == *key))
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
            code: code.unwrap_or_else(|| panic!("{}: {check}", output.status)),
            desired,
            check,
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
