//! Network cards: settings ([`EthernetSpec`]) and names of our own ([`AliasSpec`]).

use serde::Serialize;

use crate::value::{EthernetOptions, Layer, LinkName, Origin};

/// Settings of one card. Only what is said is compared and changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EthernetSpec {
    /// Which.
    pub link_name: LinkName,
    /// What is said of it.
    #[serde(flatten)]
    pub options: EthernetOptions,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
}

/// IFLA_IFALIAS of one link, which the configuration may use as its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasSpec {
    /// The kernel's name of the link.
    pub link_name: LinkName,
    /// Ours.
    pub alias: LinkName,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
}
