//! How an address is moved by requests over HTTP.

use serde::Serialize;

use super::Secret;

/// What moves a shared address in the network around.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VipProvider {
    /// Neighbours learn it by ARP and neighbour advertisements.
    Layer2,
    /// The API of Hetzner Cloud.
    #[serde(rename = "hcloud")]
    HCloud(VipApi),
    /// The API of Equinix Metal.
    EquinixMetal(VipApi),
    /// The API of DigitalOcean.
    DigitalOcean(VipApi),
    /// Requests that the configuration says.
    Http(Box<VipHook>),
}

impl VipProvider {
    /// How people call it: `layer2`, `hcloud`, `equinixMetal`, `digitalOcean`, `http`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Layer2 => "layer2",
            Self::HCloud(_) => "hcloud",
            Self::EquinixMetal(_) => "equinixMetal",
            Self::DigitalOcean(_) => "digitalOcean",
            Self::Http(_) => "http",
        }
    }

    /// Certificates (PEM) that who is asked may have; `None`: those that the machine believes anyway.
    pub fn ca(&self) -> Option<&str> {
        match self {
            Self::Layer2 => None,
            Self::HCloud(api) | Self::EquinixMetal(api) | Self::DigitalOcean(api) => {
                api.ca.as_deref()
            }
            Self::Http(hook) => hook.ca.as_deref(),
        }
    }
}

/// How the API of a cloud is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipApi {
    /// Its token.
    pub api_token: Secret,
    /// URL in place of the cloud's own API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// URL in place of the cloud's own metadata service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata_endpoint: Option<String>,
    /// Certificates (PEM) that both may have; `None`: those that the machine believes anyway.
    #[serde(skip)]
    pub ca: Option<String>,
}

/// Requests that move an address. In URLs, header values and bodies `${ip}`, `${hostname}` and `${mac}` stand for the address,
/// the name of this machine and the hardware address of the link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipHook {
    /// Gives the address to this machine: 200 to 299 is a success.
    pub acquire: HookCall,
    /// Takes it from this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<HookCall>,
    /// Asks whether this machine has it: 200 to 299 says so, 404 and 409 say no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<HookCall>,
    /// Certificates (PEM) that the services may have; `None`: those that the machine believes anyway.
    #[serde(skip)]
    pub ca: Option<String>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookCall {
    /// `GET`, `PUT`, `POST`, `PATCH` or `DELETE`.
    pub method: HookMethod,
    /// Where to.
    pub url: String,
    /// Fields of the head.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_name")]
    pub headers: Vec<(String, Secret)>,
    /// What is sent, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Secret>,
}

/// How a hook asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HookMethod {
    /// GET.
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// As the configuration has them: each name once.
fn by_name<S: serde::Serializer>(
    fields: &[(String, Secret)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}
