//! HTTP/1.1 for metadata and configuration: [`Client`] is one request, [`Fetch`] is one request until it is answered.
//!
//! An https URL is asked over a [`tls::Session`](crate::proto::tls::Session). No socket in here. [`Fetch`] says what to do ([`Command`]): say whom to trust, look a name up, connect (through a device, when the
//! URL or the caller says so), send, close. Its owner does it and reports back. A connection carries one request.
//! Bodies, heads, redirects and times are bounded; a body that ends early is an error.

mod body;
mod client;
mod error;
mod fetch;
mod message;
mod pause;
#[cfg(test)]
mod tests;
mod url;

pub use client::{CONNECT_TIMEOUT, Client, Outcome, READ_TIMEOUT, TLS_TIMEOUT};
pub use error::Error;
pub use fetch::{Cause, Command, Fetch, FetchError, LOW_PORTS, MAX_REDIRECTS, NOT_FOUND_GRACE};
pub use message::{HeaderError, MAX_BODY, Method, Request, Response};
pub use url::{Host, RedirectError, Scheme, Url, UrlError, check_redirect};
