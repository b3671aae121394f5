//! What a source said, as plain data.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::{Deserialize, Serialize};

use crate::value::Mac;

/// Bodies as they came, by source: plain data for the state file and the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fetched {
    /// Body by key: a path of the metadata service, or the URL of a machine config. Base64 in JSON.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub bodies: BTreeMap<String, Vec<u8>>,
    /// From an earlier boot: the service has not answered in this one.
    #[serde(default)]
    pub cached: bool,
    /// Whose bodies they are, where the source did not know that from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Where they came from: the volume of a medium, or the URL of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How the service was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// What was refused or not answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The service did not say what the user-data is, or whether there is any.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub user_data_missing: bool,
}

impl Fetched {
    /// Fresh bodies, and nothing known but them.
    pub fn fresh(bodies: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            bodies,
            cached: false,
            platform: None,
            place: None,
            via: None,
            faults: Vec::new(),
            user_data_missing: false,
        }
    }
}

/// The way to a metadata service on an IPv4 link-local address, as it was when the service answered. The route stays pinned:
/// what is configured then may lead elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Via {
    /// The service.
    pub service: Ipv4Addr,
    /// Hardware address of the link; names may change.
    pub mac: Mac,
    /// Next hop; `None`: on the link.
    pub gateway: Option<Ipv4Addr>,
}

fn encode<S: serde::Serializer>(
    bodies: &BTreeMap<String, Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        bodies
            .iter()
            .map(|(key, body)| (key, STANDARD.encode(body))),
    )
}

fn decode<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
    let bodies = texts
        .into_iter()
        .map(|(key, text)| Ok((key, STANDARD.decode(text)?)));
    bodies
        .collect::<Result<_, base64::DecodeError>>()
        .map_err(serde::de::Error::custom)
}
