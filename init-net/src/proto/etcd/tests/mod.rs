//! Campaigns against a model of etcd on a virtual clock.

use super::gateway::{self, Ask, Said};
use super::*;
use crate::proto::Dialogue as _;
use crate::proto::http::{Cause, Error, FetchError, Request, Response};
use crate::value::{Duration, Instant, Rng, earliest};

mod chaos;
mod model;

const KEY: &str = "talos:v1:vip:election:192.0.2.100";

fn settings(name: &str, ttl: Duration) -> Settings {
    let url = |number: u8| format!("http://192.0.2.{number}:2379").parse().unwrap();
    Settings {
        endpoints: (1..=3).map(url).collect(),
        key: KEY.into(),
        candidate: name.into(),
        ttl,
        bootstrap: true,
    }
}

/// No answer in time.
fn late(request: &Request) -> FetchError {
    FetchError {
        url: request.url.clone(),
        attempts: 1,
        cause: Cause::Http(Error::Deadline),
        last: None,
    }
}
