//! [`Facts`]: bodies read as short texts, hostile ones dropped with a word.

use super::{Bodies, Parsed};
use crate::config::machine::tree::{self, Node};
use crate::config::userdata::{self, Base64, UserData};
use crate::config::{Diagnostic, Document, Said, Severity};
use crate::value::{Hostname, Layer, Origin};

/// Longest fact, bytes: a list of hundreds of addresses.
const MAX_FACT: usize = 64 * 1024;

/// Longest text of one value, bytes: an identifier with its path.
const MAX_WORD: usize = 1024;

/// Most labels of an instance; the clouds allow some 50 to 200.
const MAX_TAGS: usize = 256;

/// Most items of one list: all addresses of the largest instances together.
pub const MAX_ITEMS: usize = 4096;

/// Most faults that are told: a hostile list must not fill the log.
const MAX_DIAGNOSTICS: usize = 256;

/// The bodies of one cloud, and the document they become.
pub struct Facts<'b> {
    bodies: &'b Bodies,
    /// The name of the cloud, and the source of every origin.
    pub name: &'static str,
    /// What is said.
    pub document: Document,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'b> Facts<'b> {
    /// Nothing read yet but the platform's name.
    pub fn new(name: &'static str, bodies: &'b Bodies) -> Self {
        let mut document = Document::empty(Layer::Platform, name);
        document.metadata.push(("platform", name.to_owned()));
        Self {
            bodies,
            name,
            document,
            diagnostics: Vec::new(),
        }
    }

    /// The origin of what `key` says.
    pub fn origin(&self, key: &str) -> Origin {
        Origin::new(self.name, key, None)
    }

    /// The bytes of `key`; none where there is no such body.
    pub fn bytes(&self, key: &str) -> &'b [u8] {
        self.bodies.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The body of `key` as text, when it is one.
    pub fn text(&mut self, key: &str) -> Option<&'b str> {
        let body = self.bodies.get(key)?;
        match core::str::from_utf8(body) {
            Ok(text) => Some(text),
            Err(_) => {
                self.warn(key, "is not UTF-8");
                None
            }
        }
    }

    /// The lines of `key`, trimmed, empty ones left out. Control characters make it nothing at all.
    pub fn lines(&mut self, key: &str) -> Vec<&'b str> {
        let Some(text) = self.text(key) else {
            return Vec::new();
        };
        let hostile = |c: char| c.is_control() && c != '\n' && c != '\r';
        if text.len() > MAX_FACT || text.contains(hostile) {
            self.warn(key, "is too long or holds control characters");
            return Vec::new();
        }
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// The one line of `key`.
    pub fn line(&mut self, key: &str) -> Option<&'b str> {
        match self.lines(key).as_slice() {
            [] => None,
            [line] => Some(line),
            _ => {
                self.warn(key, "has more than one line");
                None
            }
        }
    }

    /// The one line of `key`, parsed.
    pub fn value<T: core::str::FromStr>(&mut self, key: &str) -> Option<T> {
        let parsed = self.line(key)?.parse().ok();
        if parsed.is_none() {
            self.warn(key, "is not what it should be");
        }
        parsed
    }

    /// Copies the line of `key` into the instance facts, under `name`.
    pub fn fact(&mut self, key: &str, name: &'static str) {
        if let Some(line) = self.line(key) {
            self.document.metadata.push((name, line.to_owned()));
        }
    }

    /// The host name at `key`, when there is none yet.
    pub fn hostname(&mut self, key: &str) {
        if self.document.hostnames.is_empty()
            && let Some(hostname) = self.value::<Hostname>(key)
        {
            self.set_hostname(hostname, key);
        }
    }

    /// The address list at `key`, one a line; others are dropped.
    pub fn values<T: core::str::FromStr>(&mut self, key: &str) -> Vec<T> {
        let lines = self.lines(key);
        let count = lines.len();
        let values: Vec<T> = lines.iter().filter_map(|line| line.parse().ok()).collect();
        if values.len() < count {
            self.warn(key, "holds lines that are not what they should be");
        }
        values
    }

    /// The body of `key` as a tree: JSON or YAML. A damaged one is told and is `None`, or what of it is whole.
    pub fn tree(&mut self, key: &str) -> Option<Node> {
        let text = self.text(key)?;
        let (documents, faults) = tree::parse_any(text);
        if let Some(fault) = faults.first() {
            let rule = format!("is damaged at line {}: {}", fault.mark.line, fault.message);
            self.warn(key, &rule);
        }
        documents.into_iter().next().filter(|root| !root.is_null())
    }

    /// The text at `node`'s `key`, parsed; told when it is there and is not what it should be. An empty text is none.
    pub fn read<T: core::str::FromStr>(&mut self, node: &Node, key: &str, body: &str) -> Option<T> {
        let value = node.at(key)?;
        let text = value.text().map(str::trim);
        if text == Some("") {
            return None;
        }
        let parsed = text.and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.warn(body, &format!("has a {key} that is not what it should be"));
        }
        parsed
    }

    /// The text at `node`'s `key`, when it is one line without control characters.
    pub fn word(&mut self, node: &Node, key: &str, body: &str) -> Option<String> {
        let text = node.at(key)?.text()?.trim();
        if text.len() > MAX_WORD || text.chars().any(char::is_control) {
            self.warn(
                body,
                &format!("has a {key} that is too long or holds control characters"),
            );
            return None;
        }
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    /// Copies the text at `node`'s `key` into the instance facts, under `name`.
    pub fn fact_at(&mut self, node: &Node, key: &str, name: &'static str, body: &str) {
        if let Some(word) = self.word(node, key, body) {
            self.document.metadata.push((name, word));
        }
    }

    /// The scalars of the list at `node`'s `key`, parsed; others are told once. Empty ones are none.
    pub fn each<T: core::str::FromStr>(&mut self, node: &Node, key: &str, body: &str) -> Vec<T> {
        let items = node.at(key).map(Node::items).unwrap_or_default();
        let items = items.iter().take(MAX_ITEMS);
        let texts = items.filter(|item| !item.is_null() && item.text() != Some(""));
        let values: Vec<Option<T>> = texts.map(|item| item.text()?.trim().parse().ok()).collect();
        if values.iter().any(Option::is_none) {
            self.warn(body, &format!("has {key} that are not what they should be"));
        }
        values.into_iter().flatten().collect()
    }

    /// The scalars of the list `node`, parsed; others are told once.
    pub fn items<T: core::str::FromStr>(&mut self, node: &Node, body: &str) -> Vec<T> {
        let items = node.items().iter().take(MAX_ITEMS);
        let values: Vec<Option<T>> = items.map(|item| item.text()?.trim().parse().ok()).collect();
        if values.iter().any(Option::is_none) {
            self.warn(body, "has items that are not what they should be");
        }
        values.into_iter().flatten().collect()
    }

    /// A label of the instance.
    pub fn tag(&mut self, key: &str, value: &str, body: &str) {
        let hostile = |text: &str| text.len() > MAX_WORD || text.chars().any(char::is_control);
        if key.is_empty() || hostile(key) || hostile(value) || self.document.tags.len() >= MAX_TAGS
        {
            return self.warn(body, "has too many tags, or one that is too long or none");
        }
        self.document.tags.push((key.to_owned(), value.to_owned()));
    }

    /// The list of labels at `node`'s `key`.
    pub fn tags_at(&mut self, node: &Node, key: &str, body: &str) {
        for tag in self.each::<String>(node, key, body) {
            self.tag(&tag, "", body);
        }
    }

    /// The identifier of the instance, alone and as Kubernetes writes it: behind `scheme`.
    pub fn identity(&mut self, id: Option<String>, scheme: &str) {
        self.know("instanceId", id.clone());
        self.know("providerId", id.map(|id| format!("{scheme}://{id}")));
    }

    /// An instance fact, when there is any.
    pub fn know(&mut self, name: &'static str, value: Option<String>) {
        let value = value.filter(|value| !value.is_empty());
        self.document
            .metadata
            .extend(value.map(|value| (name, value)));
    }

    /// The host name at `node`'s `key`, when there is none yet.
    pub fn hostname_at(&mut self, node: &Node, key: &str, body: &str) {
        if self.document.hostnames.is_empty()
            && let Some(hostname) = self.read::<Hostname>(node, key, body)
        {
            self.set_hostname(hostname, body);
        }
    }

    /// The host name of a `#cloud-config` at `key`, when there is none yet.
    pub fn cloud_config_hostname(&mut self, key: &str) {
        let data = userdata::decode(self.bytes(key), Base64::Never);
        if let Ok(UserData::CloudConfig(Some(hostname))) = data {
            self.set_hostname(hostname, key);
        }
    }

    /// Uses `hostname`, when there is none yet.
    pub fn set_hostname(&mut self, hostname: Hostname, body: &str) {
        if self.document.hostnames.is_empty() {
            self.document
                .metadata
                .push(("hostname", hostname.to_string()));
            let origin = self.origin(body);
            self.document.hostnames.push(Said::new(hostname, origin));
        }
    }

    /// Keeps a fault of the body `key`.
    pub fn warn(&mut self, key: &str, rule: &str) {
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            return;
        }
        let message = format!("{}: {key} {rule}", self.name);
        let effect = "it is ignored";
        self.diagnostics
            .push(Diagnostic::new(Severity::Warning, message).with_effect(effect));
    }

    /// Ends with the user-data at `key`; its `#cloud-config` host name is used when the cloud gives none. What the user-data has
    /// wrong is told by who uses it.
    pub fn finish(self, key: &str, base64: Base64) -> Parsed {
        let raw = self.bytes(key);
        self.finish_with(raw, key, base64)
    }

    /// [`Facts::finish`], for user-data that is a part of the body `key`.
    pub fn finish_with(mut self, raw: &[u8], key: &str, base64: Base64) -> Parsed {
        let user_data = userdata::decode(raw, base64);
        if let Ok(UserData::CloudConfig(Some(hostname))) = &user_data
            && self.document.hostnames.is_empty()
        {
            let origin = self.origin(key);
            self.document
                .hostnames
                .push(Said::new(hostname.clone(), origin));
        }
        Parsed {
            document: self.document,
            diagnostics: self.diagnostics,
            user_data,
        }
    }
}

/// Whether `node`'s `key` is true, also as a text in any case.
pub fn is_true(node: &Node, key: &str) -> bool {
    let text = node.at(key).and_then(Node::text);
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Whether a body says nothing yet: some services answer so while they still make the instance known.
pub fn is_blank(body: &[u8]) -> bool {
    matches!(body.trim_ascii(), b"" | b"null" | b"{}" | b"[]")
}
