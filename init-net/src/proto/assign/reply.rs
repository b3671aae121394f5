//! [`Reply`]: an answer of an API, read without belief.

use serde_json::Value;

use crate::proto::http::Response;
use crate::value::Secret;

/// Longest part of a message that is shown, characters.
const MAX_SHOWN: usize = 120;

/// An answer, as JSON where it is.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) json: Value,
    pub(super) body: &'a [u8],
    /// The API's own words for people, behind `: `; empty where there are none.
    said: String,
}

impl<'a> Reply<'a> {
    /// `secrets` were sent: an answer that repeats them is told without.
    pub(super) fn new(response: &'a Response, secrets: &[&Secret]) -> Self {
        let json = serde_json::from_slice(&response.body).unwrap_or_default();
        Self {
            status: response.status,
            said: words(&json).map_or_else(String::new, |words| {
                format!(": {}", shown(&without(words, secrets)))
            }),
            json,
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
    pub(super) fn says(&self) -> &str {
        &self.said
    }

    /// What went wrong, for people: the status, what there is to do about it, the API's own words.
    pub(super) fn fault(&self) -> String {
        let remedy = match self.status {
            401 => ", the token is not taken: give another one",
            403 => ", the token may not do this: give one that may read and write",
            409 | 423 => ", another action is in the way: it is tried again",
            429 => ", too many requests: it is tried again",
            500.. => ", the service is out of order: it is tried again",
            _ => "",
        };
        format!("status {}{remedy}{}", self.status, self.said)
    }
}

/// What an API says to people, of an error or of an action that failed.
fn words(json: &Value) -> Option<&str> {
    const PLACES: [&str; 4] = [
        "/error/message",
        "/action/error/message",
        "/message",
        "/errors/0",
    ];
    PLACES.iter().find_map(|path| json.pointer(path)?.as_str())
}

/// `words` without the secrets in it. Of a secret with a scheme before it (`Bearer …`, RFC 9110 §11.4) that is what follows.
fn without(words: &str, secrets: &[&Secret]) -> String {
    let mut text = words.to_owned();
    for secret in secrets.iter().map(|secret| secret.expose()) {
        let secret = secret.split_once(' ').map_or(secret, |(_, secret)| secret);
        if !secret.is_empty() {
            text = text.replace(secret, "(hidden)");
        }
    }
    text
}

/// A text of others, cut and without anything that would leave its line.
fn shown(text: &str) -> String {
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
