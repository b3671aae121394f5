//! Clouds: what to ask their metadata services, and what the answers mean. One file a cloud.
//!
//! A [`Provider`] says which places of the machine itself to read ([`Provider::media`]), and is two pure functions: which
//! requests the answers so far lead to ([`Provider::wanted`]), and what the bodies say ([`Provider::parse`]). A
//! [`Session`] keeps the answers between them. None of them has a file, a socket or a clock; the owner reads and fetches.
//! Bodies are plain data: a cached copy or the one in the hand-off file is parsed by the same function as a fresh one.

mod akamai;
mod alibabacloud;
mod aws;
mod azure;
mod cidata;
mod cloudstack;
mod container;
pub mod detect;
mod digitalocean;
mod drives;
mod equinix;
mod exoscale;
mod facts;
mod gcp;
mod hcloud;
mod media;
mod names;
mod network;
mod nocloud;
mod opennebula;
mod openstack;
mod oracle;
mod scaleway;
mod session;
#[cfg(test)]
pub(super) mod tests;
mod tokens;
mod upcloud;
mod vmware;
mod vultr;
mod xml;

use std::collections::BTreeMap;

use core::net::Ipv4Addr;

pub use media::{FileSystem, Found, Medium, Volume};
pub use names::{AUTO, PLATFORMS, Platform, select};
pub(super) use network::prefix;
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
    /// Report.
    Post,
    /// Change a state.
    Patch,
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
    /// To be put behind the base URL; begins with `/`. A whole URL (`http://…`) goes to a service of its own.
    pub path: String,
    /// Fields of the request; may hold a token.
    pub headers: Vec<(&'static str, String)>,
    /// Whether 404 is a plain "there is none": no waiting for it to appear.
    pub optional: bool,
    /// What is sent with [`Method::Post`] and [`Method::Patch`]: its media type, and the bytes.
    pub body: Option<(&'static str, Vec<u8>)>,
    /// Whether the service answers only those who call from a port below 1024.
    pub low_port: bool,
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
            body: None,
            low_port: false,
        }
    }

    /// The first attempt at `GET path`, which may take some seconds to appear.
    pub fn required(key: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            optional: false,
            ..Self::optional(key, path)
        }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
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

/// How a machine gets its first packet to the metadata service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// By what links get when nothing is said about them: DHCPv4 and router advertisements.
    Dhcp,
    /// The cloud has no DHCP: a random IPv4 link-local address (RFC 3927 §2.1) on the first link with carrier.
    LinkLocal,
}

/// What is known before the service is asked.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What the media said.
    pub bodies: Bodies,
    /// The DHCPv4 leases so far.
    pub leases: Vec<LeaseFacts>,
}

/// What a DHCPv4 lease tells of where a service may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseFacts {
    /// The link it is on.
    pub link: LinkName,
    /// Option 54, server identifier.
    pub server: Option<Ipv4Addr>,
    /// The first of option 3, router.
    pub router: Option<Ipv4Addr>,
}

/// How a conversation ended, for those who want to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The machine has what it needs.
    Ready,
    /// It has not, and why: one line of text.
    Failed(&'a str),
}

/// A cloud.
pub trait Provider: Sync {
    /// Its name, as in `initnet.platform=`.
    fn name(&self) -> &'static str;

    /// Places of this machine that hold its configuration. They are read first; what they say stands among the answers
    /// that [`Provider::wanted`] gets, under the keys that [`Medium`] names.
    fn media(&self) -> &'static [Medium] {
        &[]
    }

    /// Whether what the media said is this platform's, and enough when [`Provider::wanted`] wants nothing more.
    fn is_told(&self, media: &Bodies) -> bool {
        !media.is_empty()
    }

    /// How to reach the service.
    fn bootstrap(&self) -> Bootstrap {
        Bootstrap::Dhcp
    }

    /// Base URLs of its service; `{link}` stands for the link a link-local one is on. They are asked all at once, and
    /// the first that answers is kept. None: no service, or `known` does not yet say where.
    fn bases(&self, _known: &Known) -> Vec<String> {
        Vec::new()
    }

    /// The requests that `answers` lead to, those already made included. With none yet but those of the media: the one
    /// request whose answer shows that the service is there. Nothing at all: the media said everything.
    fn wanted(&self, _answers: &Answers) -> Vec<Ask> {
        Vec::new()
    }

    /// Which keys of [`Provider::wanted`] are secrets of the session and stay out of [`Bodies`].
    fn is_secret(&self, _key: &str) -> bool {
        false
    }

    /// Whether this body is one that the service fills in later: it is asked again for a while, then taken as it is.
    fn is_partial(&self, _key: &str, _body: &[u8]) -> bool {
        false
    }

    /// What `bodies` say. Missing bodies are fine: what is there counts.
    fn parse(&self, bodies: &Bodies) -> Parsed;

    /// The requests by which the cloud is told how it went, as [`Provider::wanted`]: `answers` are those of this
    /// conversation, which begins with none.
    fn report(&self, _outcome: Outcome<'_>, _answers: &Answers) -> Vec<Ask> {
        Vec::new()
    }
}

/// Base URLs to try for `provider` through `link`, as texts for `proto::http`.
pub fn base_urls(provider: &dyn Provider, known: &Known, link: &LinkName) -> Vec<String> {
    let bases = provider.bases(known).into_iter();
    bases
        .map(|base| base.replace("{link}", link.as_str()))
        .collect()
}

/// Owned forms of base URLs that never change.
fn fixed(bases: &[&str]) -> Vec<String> {
    bases.iter().map(|base| (*base).to_owned()).collect()
}
