//! [`Reply`]: an answer of an API, read without belief.

use serde_json::Value;

use crate::proto::http::Response;

/// Longest part of a message that is shown, characters.
const MAX_SHOWN: usize = 120;

/// An answer, as JSON where it is.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) json: Value,
    pub(super) body: &'a [u8],
}

impl<'a> Reply<'a> {
    pub(super) fn new(response: &'a Response) -> Self {
        Self {
            status: response.status,
            json: serde_json::from_slice(&response.body).unwrap_or_default(),
            body: &response.body,
        }
    }

    /// Whether the request was done.
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value behind the keys and indexes of `path`: `/server/id`.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        self.json.pointer(path)
    }

    /// Whether there is a list: an answer without one says nothing, not that there is none.
    pub(super) fn has_list(&self, path: &str) -> bool {
        self.at(path).is_some_and(Value::is_array)
    }

    /// The list there; nothing where there is none.
    pub(super) fn list(&self, path: &str) -> impl Iterator<Item = &Value> {
        self.at(path)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    /// The machine-readable code of an error: `locked`.
    pub(super) fn code(&self) -> Option<&str> {
        self.at("/error/code").and_then(Value::as_str)
    }

    /// The API's own words for people, behind `: `; empty where there are none.
    pub(super) fn says(&self) -> String {
        let words = ["/error/message", "/message", "/errors/0"];
        let said = words.iter().find_map(|path| self.at(path)?.as_str());
        said.map_or_else(String::new, |said| format!(": {}", shown(said)))
    }

    /// What went wrong, for people.
    pub(super) fn fault(&self) -> String {
        format!("status {}{}", self.status, self.says())
    }
}

/// A text of others, cut and without anything that would leave its line.
pub(super) fn shown(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MAX_SHOWN).collect()
}

/// A number that names something: APIs write it as number or text.
pub(super) fn id(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A name that can stand in a path: letters, digits and dashes.
pub(super) fn name(value: &Value) -> Option<String> {
    /// UUIDs have 36.
    const MAX_LEN: usize = 64;
    let text = value.as_str()?;
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let fits = (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(sound);
    fits.then(|| text.to_owned())
}
