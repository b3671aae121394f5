//! `KubeSpanConfig` and `KubeSpanEndpointsConfig`: a mesh that is checked and not run.

use core::net::SocketAddr;

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::Document;
use crate::config::machine::record::{At, Record};
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::value::Prefix;

/// Why a mesh does nothing here.
pub const WHY: &str = "no mesh is made between machines";

keys! {
    /// A mesh of all machines of the cluster.
    pub struct KubeSpanKeys("KubeSpanConfig") {
        /// Whether there is one.
        later "enabled": bool,
        /// Whether networks of pods and services are told to other machines.
        later "advertiseKubernetesNetworks": bool,
        /// Whether packets to machines that are down go past the mesh.
        later "allowDownPeerBypass": bool,
        /// Whether endpoints of other machines are collected.
        later "harvestExtraEndpoints": bool,
        /// The largest packet of the mesh; 1420 unless said otherwise.
        later "mtu": MeshMtu,
        /// What is left out.
        later "filters": FilterKeys,
    }
}

keys! {
    /// What a mesh leaves out.
    pub struct FilterKeys("filters") {
        /// Networks of endpoints in order, with ! in front those that are not used.
        later "endpoints": Vec<Filter>,
        /// Networks that are not told to others.
        later "excludeAdvertisedNetworks": Vec<Prefix>,
    }
}

/// The largest packet of a mesh.
#[derive(Clone, Copy, Debug)]
pub struct MeshMtu;

/// What every IPv6 link carries (RFC 8200 §5), bytes.
const MIN_MTU: u32 = 1280;

impl Scalar for MeshMtu {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match u32::read(node, text)? {
            MIN_MTU.. => Ok(Self),
            _ => Err("the MTU of a mesh is at least 1280".into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "integer", "minimum": MIN_MTU})
    }
}

/// A network, or with `!` what is not in it.
#[derive(Clone, Copy, Debug)]
pub struct Filter;

impl Scalar for Filter {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let network = text.strip_prefix('!').unwrap_or(text);
        match network.parse::<Prefix>() {
            Ok(_) => Ok(Self),
            Err(_) => Err("expected a network such as 192.0.2.0/24 or !192.0.2.0/24".into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^!?[0-9A-Fa-f:.]+/[0-9]{1,3}$"})
    }
}

impl Kind for KubeSpanKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, _out: &mut Document) {
        self.idle(source, &self.mark(), "this mesh", WHY);
    }
}

keys! {
    /// Further endpoints of this machine in the mesh.
    pub struct EndpointKeys("KubeSpanEndpointsConfig") {
        /// Where other machines reach it.
        later "extraAnnouncedEndpoints": Vec<At<SocketAddr>>,
    }
}

impl Kind for EndpointKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, _out: &mut Document) {
        self.idle(source, &self.mark(), "this mesh", WHY);
    }
}
