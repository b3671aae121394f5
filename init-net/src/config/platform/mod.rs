//! Clouds: what to ask their metadata services, and what the answers mean. One file a cloud.
//!
//! A [`Provider`] is two pure functions: which requests the answers so far lead to ([`Provider::wanted`]), and what
//! the bodies say ([`Provider::parse`]). A [`Session`] keeps the answers between them. Neither has a socket or a
//! clock; the owner fetches with `proto::http`. Bodies are plain data: a cached copy or the one in the hand-off file
//! is parsed by the same function as a fresh one.

mod aws;
mod facts;
mod hcloud;
mod names;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use names::{PLATFORMS, Platform, select};
pub use session::Session;

use super::userdata::{UserData, UserDataError};
use super::{Diagnostic, Document};
use crate::value::LinkName;

/// Bodies by key: what a provider's answers come down to, to be kept and parsed again.
pub type Bodies = BTreeMap<String, Vec<u8>>;

/// What to ask with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Make a session token.
    Put,
}

/// One request to the metadata service.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// Its name in [`Bodies`] and in [`Session::respond`].
    pub key: String,
    /// From 1; the same key is asked again with a fresh token.
    pub attempt: u8,
    /// What to ask with.
    pub method: Method,
    /// To be put behind the base URL; begins with `/`.
    pub path: String,
    /// Fields of the request; may hold a token.
    pub headers: Vec<(&'static str, String)>,
    /// Whether 404 is a plain "there is none": no waiting for it to appear.
    pub optional: bool,
}

impl Ask {
    /// The first attempt at `GET path`, which need not exist.
    pub fn optional(key: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            attempt: 1,
            method: Method::Get,
            path: path.into(),
            headers: Vec::new(),
            optional: true,
        }
    }

    /// The first attempt at `GET path`, which may take some seconds to appear.
    pub fn required(key: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            optional: false,
            ..Self::optional(key, path)
        }
    }
}

impl core::fmt::Debug for Ask {
    /// Without header values: they hold tokens.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} ({:?} {}, attempt {})",
            self.key, self.method, self.path, self.attempt
        )
    }
}

/// How a request ended, after all retries.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// The body of a 2xx answer.
    Body(Vec<u8>),
    /// Any other status that is final: 404, 403…
    Status(u16),
    /// No answer before the deadline, or a broken one.
    Unreachable,
}

/// Every answer so far, by key.
pub type Answers = BTreeMap<String, Answer>;

/// What the bodies of a cloud say.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Its network configuration and facts, platform layer.
    pub document: Document,
    /// What is wrong with the bodies.
    pub diagnostics: Vec<Diagnostic>,
    /// The machine configuration in the user-data.
    pub user_data: Result<UserData, UserDataError>,
}

/// A cloud.
pub trait Provider: Sync {
    /// Its name, as in `initnet.platform=`.
    fn name(&self) -> &'static str;

    /// Base URLs of its service; `{link}` stands for the link a link-local one is on. Ask all of them at once.
    fn bases(&self) -> &'static [&'static str];

    /// The requests that `answers` lead to, those already made included. With none yet: the one request whose
    /// answer shows that the service is there.
    fn wanted(&self, answers: &Answers) -> Vec<Ask>;

    /// Which keys of [`Provider::wanted`] are secrets of the session and stay out of [`Bodies`].
    fn is_secret(&self, key: &str) -> bool;

    /// What `bodies` say. Missing bodies are fine: what is there counts.
    fn parse(&self, bodies: &Bodies) -> Parsed;
}

/// Base URLs to try for `provider` through `link`, as texts for `proto::http`.
pub fn base_urls(provider: &dyn Provider, link: &LinkName) -> Vec<String> {
    let bases = provider.bases().iter();
    bases
        .map(|base| base.replace("{link}", link.as_str()))
        .collect()
}
