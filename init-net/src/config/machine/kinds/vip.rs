//! `Layer2VIPConfig` and `HCloudVIPConfig`.

use core::net::IpAddr;

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::machine::record::Record as _;
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, LinkRef, VipConfig, VipProvider};
use crate::value::{LinkName, Secret};

keys! {
    /// An address that one of several machines has; its neighbours learn which.
    pub struct Layer2VipKeys("Layer2VIPConfig") {
        /// The address.
        required "name" address: SharedAddress,
        /// The link that has it.
        required "link" link: LinkName,
    }
}

keys! {
    /// An address that one of several machines has; the API of Hetzner Cloud moves it.
    pub struct HCloudVipKeys("HCloudVIPConfig") {
        /// The address.
        required "name" address: SharedAddress,
        /// The link that has it.
        required "link" link: LinkName,
        /// The token of the API.
        required "apiToken" token: Secret,
    }
}

/// An address that a machine can have beside its own.
#[derive(Clone, Copy, Debug)]
pub struct SharedAddress(pub IpAddr);

impl Scalar for SharedAddress {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let address = IpAddr::read(node, text)?;
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return Err("a shared address is one that a machine can have".into());
        }
        Ok(Self(address))
    }

    fn schema() -> Json {
        json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
    }
}

impl Kind for Layer2VipKeys {
    const ROLE: Role = Role::Vip;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        out.vips.push(VipConfig {
            address: self.address.value.0,
            link: LinkRef::Name(self.link.value),
            provider: VipProvider::Layer2,
            origin,
        });
    }
}

impl Kind for HCloudVipKeys {
    const ROLE: Role = Role::Vip;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let token = self.token.value;
        out.vips.push(VipConfig {
            address: self.address.value.0,
            link: LinkRef::Name(self.link.value),
            provider: VipProvider::HCloud { token },
            origin,
        });
    }
}
