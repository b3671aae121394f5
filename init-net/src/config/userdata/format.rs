//! [`Format`]: what other tools call user-data, told by its first line.

use core::fmt;

use crate::config::machine;

/// A format that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `#!`.
    Script,
    /// `#cloud-boothook`.
    Boothook,
    /// `#part-handler`.
    PartHandler,
    /// `## template: jinja`.
    Jinja,
    /// `#cloud-config`.
    CloudConfig,
    /// `#cloud-config-archive`.
    CloudConfigArchive,
    /// `#cloud-config-jsonp`.
    CloudConfigPatch,
    /// `#upstart-job`.
    UpstartJob,
    /// JSON with `ignition` in it.
    Ignition,
    /// `#include`, `#include-once`: the next program is told where it is.
    Include,
}

/// First words, longer ones before their beginnings.
const WORDS: [(&str, Format); 10] = [
    ("#!", Format::Script),
    ("#cloud-boothook", Format::Boothook),
    ("#part-handler", Format::PartHandler),
    ("## template:", Format::Jinja),
    ("#cloud-config-archive", Format::CloudConfigArchive),
    ("#cloud-config-jsonp", Format::CloudConfigPatch),
    ("#cloud-config", Format::CloudConfig),
    ("#upstart-job", Format::UpstartJob),
    ("#include-once", Format::Include),
    ("#include", Format::Include),
];

/// What `text` is; `None`: nothing that is known, so it may be ours.
pub(super) fn of(text: &str) -> Option<Format> {
    let text = text.trim_start();
    let words = WORDS.iter();
    let word = words.filter(|(word, format)| match text.strip_prefix(word) {
        Some(_) if matches!(format, Format::Script | Format::Jinja) => true,
        // `#includes` is a comment.
        Some(rest) => rest.is_empty() || rest.starts_with(char::is_whitespace),
        None => false,
    });
    let mut word = word.map(|(_, format)| *format);
    word.next()
        .or_else(|| is_ignition(text).then_some(Format::Ignition))
}

fn is_ignition(text: &str) -> bool {
    text.starts_with('{') && text.contains("\"ignition\"") && {
        let (documents, _) = machine::tree::parse_any(text);
        let first = documents.first();
        first.is_some_and(|document| document.at("ignition").is_some())
    }
}

/// Whether a text that nobody names is worth trying: a line at its left edge, or a member of a JSON object, that every
/// machine configuration has.
pub(super) fn looks_like_ours(text: &str) -> bool {
    const KEYS: [&str; 3] = ["kind", "machine", "apiVersion"];
    let begins = |line: &str, key: &str| {
        let rest = line.strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    if text.trim_start().starts_with(['{', '[']) {
        return KEYS.iter().any(|key| text.contains(&format!("\"{key}\"")));
    }
    text.lines()
        .any(|line| KEYS.iter().any(|key| begins(line, key)))
}

impl Format {
    /// What is said of a text that is one.
    pub(super) const fn verdict(self) -> &'static str {
        match self {
            Self::Script => "a script (#!) is not run here",
            Self::Boothook => "a #cloud-boothook is not run here",
            Self::PartHandler => "a #part-handler is not run here",
            Self::Jinja => "a jinja template is not filled in here",
            Self::CloudConfig => "a #cloud-config is no machine configuration",
            Self::CloudConfigArchive => "a #cloud-config-archive is not unpacked here",
            Self::CloudConfigPatch => "a #cloud-config-jsonp is no machine configuration",
            Self::UpstartJob => "an #upstart-job is not run here",
            Self::Ignition => "an Ignition configuration is not applied here",
            Self::Include => "an #include leads no further from here",
        }
    }

    /// What it is called in a list.
    const fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Boothook => "cloud-boothook",
            Self::PartHandler => "part-handler",
            Self::Jinja => "jinja template",
            Self::CloudConfig => "cloud-config",
            Self::CloudConfigArchive => "cloud-config-archive",
            Self::CloudConfigPatch => "cloud-config-jsonp",
            Self::UpstartJob => "upstart-job",
            Self::Ignition => "Ignition",
            Self::Include => "include",
        }
    }
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formats(u16);

impl Formats {
    /// One more.
    pub(super) fn insert(&mut self, format: Format) {
        self.0 |= 1 << format as u16;
    }

    /// Whether there is none.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (_, format) in WORDS
            .iter()
            .take(WORDS.len() - 1)
            .chain(&[("", Format::Ignition)])
        {
            if self.0 & (1 << *format as u16) != 0 {
                write!(f, "{separator}{}", format.name())?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
