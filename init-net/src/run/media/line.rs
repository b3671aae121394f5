//! What the child says, a line each: JSON with bodies in base64.

use std::collections::BTreeMap;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::MAX_MEDIUM;
use crate::config::platform::Found;

/// Longest line, bytes: the bodies of one medium in base64, and room for their names.
pub const MAX_LINE: usize = MAX_MEDIUM / 3 * 4 + (1 << 20);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// As [`super::News::Found`].
    Found(usize, Found),
    /// A scan is over, which began after so many questions.
    Scanned(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Form {
    Found {
        medium: usize,
        place: String,
        label: Option<String>,
        bodies: BTreeMap<String, String>,
    },
    Scanned(u64),
}

impl Line {
    /// Writes it, with its end.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let form = match self {
            Self::Scanned(questions) => Form::Scanned(*questions),
            Self::Found(medium, found) => Form::Found {
                medium: *medium,
                place: found.place.clone(),
                label: found.label.clone(),
                bodies: found
                    .bodies
                    .iter()
                    .map(|(key, body)| (key.clone(), STANDARD.encode(body)))
                    .collect(),
            },
        };
        let mut line = serde_json::to_vec(&form)?;
        line.push(b'\n');
        out.write_all(&line)
    }

    /// The line without its end.
    pub fn parse(line: &[u8]) -> Option<Self> {
        match serde_json::from_slice(line).ok()? {
            Form::Scanned(questions) => Some(Self::Scanned(questions)),
            Form::Found {
                medium,
                place,
                label,
                bodies,
            } => {
                let bodies = bodies.into_iter();
                let bodies = bodies.map(|(key, body)| Some((key, STANDARD.decode(body).ok()?)));
                let found = Found {
                    place,
                    label,
                    bodies: bodies.collect::<Option<_>>()?,
                };
                Some(Self::Found(medium, found))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let found = Found {
            place: "/dev/sr0 (iso9660, \"cidata\")".to_owned(),
            label: Some("a\n\"b".to_owned()),
            bodies: [("user-data".to_owned(), vec![0, 10, 255])].into(),
        };
        for line in [Line::Found(3, found), Line::Scanned(7)] {
            let mut bytes = Vec::new();
            line.write(&mut bytes).unwrap();
            let (end, text) = bytes.split_last().unwrap();
            assert_eq!(*end, b'\n');
            assert!(!text.contains(&b'\n'));
            assert_eq!(Line::parse(text), Some(line));
        }
        assert_eq!(Line::parse(b"{"), None);
    }
}
