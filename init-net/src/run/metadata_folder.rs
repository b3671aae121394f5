//! `--metadata-dir DIR`: what a platform's media and service would say, as files of one folder.
//!
//! A medium's file lies under its key. A request is answered by the file at its path, without the query; a path that is
//! a folder is answered by the file `index` in it, or else by a listing; what is not there is 404. A request to a service
//! of its own (`http://HOST/…`) is looked for below a folder HOST.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::core::{Fetched, Source as _};
use super::media;
use super::remote::Metadata;
use crate::config::platform::{Answer, Ask, Bodies, Medium, Provider, Session};
use crate::config::{Diagnostic, Document};
use crate::sys;

/// Largest file, bytes: as much as of a body of HTTP is read.
const MAX_FILE: usize = crate::proto::http::MAX_BODY;

/// Most names in a listing: more than any service lists.
const MAX_NAMES: usize = 65_536;

/// What answers where the path leads to a folder.
const INDEX: &str = "index";

/// The folder.
#[derive(Clone, Copy, Debug)]
pub struct MetadataFolder<'a>(pub &'a Path);

impl MetadataFolder<'_> {
    /// The whole conversation of `provider`, from the media on.
    pub fn conversation(self, provider: &'static dyn Provider) -> Bodies {
        let mut session = Session::new(provider, self.media(provider.media()));
        loop {
            let asks = session.asks();
            if asks.is_empty() {
                return session.bodies();
            }
            for ask in asks {
                session.respond(&ask.key, self.answer(&ask));
            }
        }
    }

    /// What the media say, by key; the first one that says something counts.
    pub fn media(self, media: &[Medium]) -> Bodies {
        let mut bodies = Bodies::new();
        for (key, body) in media::folder(self.0, media)
            .into_iter()
            .flat_map(|found| found.bodies)
        {
            bodies.entry(key).or_insert(body);
        }
        bodies
    }

    /// What a service would say.
    pub fn answer(self, ask: &Ask) -> Answer {
        let path = match ask.path.split_once("://") {
            Some((_, rest)) => rest,
            None => ask.path.as_str(),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match self.file(path) {
            Some(body) => Answer::Body(body),
            None => Answer::Status(404),
        }
    }

    /// The file at `path`, or what stands for the folder there.
    fn file(self, path: &str) -> Option<Vec<u8>> {
        let path = Path::new(path.trim_matches('/'));
        // What a body names leads nowhere else.
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !path.components().all(inside) {
            return None;
        }
        let path = self.0.join(path);
        if !path.is_dir() {
            return sys::file::read(&path, MAX_FILE).ok();
        }
        sys::file::read(&path.join(INDEX), MAX_FILE)
            .ok()
            .or_else(|| listing(&path).ok())
    }
}

/// The names in a folder, one a line; those of folders end in `/`.
fn listing(folder: &Path) -> io::Result<Vec<u8>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_NAMES) {
        let entry = entry?;
        let mut name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            name.push('/');
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names.join("\n").into_bytes())
}

/// The documents that the folder `dir` leads to.
pub fn documents(
    provider: &'static dyn Provider,
    dir: &Path,
) -> Result<(Vec<Document>, Vec<Diagnostic>), String> {
    if !dir.is_dir() {
        return Err(format!("{}: is no folder", dir.display()));
    }
    let bodies = MetadataFolder(dir).conversation(provider);
    if bodies.is_empty() {
        let name = provider.name();
        let place = PathBuf::from(dir);
        return Err(format!(
            "{}: holds nothing that {name} would say",
            place.display()
        ));
    }
    Ok(Metadata::at(provider, "").documents(&Fetched::fresh(bodies)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of files, gone with it.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_request_is_answered_by_the_file_at_its_path() {
        let files = [
            ("v1/hostname", "node7"),
            ("v1/macs/02:00:00:00:00:01/id", "0"),
            ("v1/macs/02:00:00:00:00:02/id", "1"),
            ("v1/macs/count", "2"),
            ("v2/index", "all"),
            ("v2/part", "one"),
            ("192.0.2.1/machine/index", "goal"),
        ];
        let folder = Temporary::new("metadata-folder", &files);
        let check = |path: &str, expect: Option<&str>| {
            let answer = MetadataFolder(&folder.0).answer(&Ask::optional("key", path));
            let expect = expect.map_or(Answer::Status(404), |text| {
                Answer::Body(text.as_bytes().to_vec())
            });
            assert!(answer == expect, "{path}");
        };
        check("/v1/hostname", Some("node7"));
        check("/v1/hostname?recursive=true", Some("node7"));
        check("/v1/other", None);
        check("/v1/hostname/other", None);
        let listing = "02:00:00:00:00:01/\n02:00:00:00:00:02/\ncount";
        check("/v1/macs/", Some(listing));
        check("/v2/?alt=json", Some("all"));
        check("/v2", Some("all"));
        check("/v2/part", Some("one"));
        check("http://192.0.2.1/machine/?comp=goalstate", Some("goal"));
        check("http://192.0.2.2/machine/", None);
        check("/v1/../v1/hostname", None);
        check("/../../../../../etc/hostname", None);
    }
}
