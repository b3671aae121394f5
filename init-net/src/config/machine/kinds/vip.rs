//! `Layer2VIPConfig`, `HCloudVIPConfig`, and their kin of our own.

use core::net::{IpAddr, Ipv4Addr};

use serde_json::{Value as Json, json};

use super::vip_options::{VipOptionKeys, certificates};
use super::{Kind, Role};
use crate::config::machine::record::{At, Record as _, Table};
use crate::config::machine::scalar::{Names, Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, LinkRef};
use crate::value::{HookCall, HookMethod, LinkName, Secret, VipApi, VipHook, VipProvider};

use super::probe::Url;

keys! {
    /// An address that one of several machines has; its neighbours learn which.
    pub struct Layer2VipKeys("Layer2VIPConfig") whole {
        /// The address.
        required "name" address: SharedAddress,
        /// The link that has it.
        required "link" link: LinkName,
        ..options: VipOptionKeys,
    }
}

keys! {
    /// An address that one of several machines has; the API of Hetzner Cloud moves it.
    pub struct HCloudVipKeys("HCloudVIPConfig") whole {
        /// The address.
        required "name" address: SharedAddress,
        /// The link that has it.
        required "link" link: LinkName,
        ..api: ApiKeys,
        ..options: VipOptionKeys,
    }
}

keys! {
    /// An address that one of several machines has; the API of DigitalOcean moves it.
    pub struct DigitalOceanVipKeys("DigitalOceanVIPConfig") whole {
        /// The address: a reserved one.
        required "name" address: SharedAddress,
        /// The link that has it.
        required "link" link: LinkName,
        ..api: ApiKeys,
        ..options: VipOptionKeys,
    }
}

keys! {
    /// An address that one of several machines has; requests over HTTP move it.
    pub struct HttpVipKeys("HTTPVIPConfig") whole {
        /// The address.
        required "name" address: SharedAddress,
        /// The link that has it.
        required "link" link: LinkName,
        /// Gives the address to this machine; 200 to 299 is a success.
        required "acquire" acquire: HookKeys,
        /// Takes it from this machine.
        "release" release: HookKeys,
        /// Asks whether this machine has it: 200 to 299 says so, 404 and 409 say no.
        "status" status: HookKeys,
        /// The certificates that the services may have, PEM.
        "ca" ca: String,
        ..options: VipOptionKeys,
    }
}

keys! {
    /// How the API of a cloud is reached.
    pub struct ApiKeys("API") whole {
        /// The token of the API.
        required "apiToken" token: Secret,
        /// The URL of the API, in place of the cloud's own.
        "endpoint" endpoint: Url,
        /// The URL of the metadata service, in place of the cloud's own.
        "metadataEndpoint" metadata_endpoint: Url,
        /// The certificates that both may have, PEM.
        "ca" ca: String,
    }
}

keys! {
    /// One request. `${ip}`, `${hostname}` and `${mac}` stand for the address, the name of the machine and the hardware address of
    /// the link.
    pub struct HookKeys("request") whole {
        /// GET, PUT, POST, PATCH or DELETE; POST unless said otherwise.
        "method" method: HookMethod,
        /// Where to.
        required "url" url: Url,
        /// Fields of the head.
        "headers" headers: Table<Secret>,
        /// What is sent, as JSON.
        "body" body: Secret,
    }
}

impl Names for HookMethod {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("GET", Self::Get),
        ("PUT", Self::Put),
        ("POST", Self::Post),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];
}

/// An address that a machine can have beside its own.
#[derive(Clone, Copy, Debug)]
pub struct SharedAddress(pub IpAddr);

impl Scalar for SharedAddress {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let address = IpAddr::read(node, text)?;
        let no_host = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() || no_host {
            return Err("a shared address is one that a machine can have".into());
        }
        Ok(Self(address))
    }

    fn schema() -> Json {
        json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
    }
}

impl ApiKeys {
    /// What is said; `Err`: it cannot be done as it was said, which is reported.
    pub fn api(self, source: &Source<'_>) -> Result<VipApi, ()> {
        let ca = certificates(&self, self.ca.as_ref(), source)?;
        let url = |said: Option<At<Url>>| said.map(|said| said.value.text().to_owned());
        Ok(VipApi {
            api_token: self.token.value,
            endpoint: url(self.endpoint),
            metadata_endpoint: url(self.metadata_endpoint),
            ca,
        })
    }
}

impl HookKeys {
    /// `None`: a field of the head would break it, which is reported.
    fn call(self, source: &Source<'_>) -> Option<HookCall> {
        let headers = self.headers.iter().flat_map(|table| &table.value.0);
        for (name, value) in headers {
            if name.value.is_empty() || !name.value.bytes().all(is_token) {
                let rule = "the name of a header is letters, digits and !#$%&'*+-.^_`|~";
                self.refuse(source, name, rule, None);
                return None;
            }
            let printable = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
            if !value.value.expose().bytes().all(printable) {
                let rule = "the value of a header is one line of ASCII";
                self.refuse(source, value, rule, None);
                return None;
            }
        }
        let headers = self.headers.map(|table| table.value.0).unwrap_or_default();
        Some(HookCall {
            method: self.method.map_or(HookMethod::Post, |said| said.value),
            url: self.url.value.text().to_owned(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.value, value.value))
                .collect(),
            body: self.body.map(|said| said.value),
        })
    }
}

/// `tchar` of RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

impl Kind for Layer2VipKeys {
    const ROLE: Role = Role::Vip;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let (address, link) = (self.address.value, LinkRef::Name(self.link.value));
        let provider = VipProvider::Layer2;
        self.options
            .apply(address, link, provider, origin, source, out);
    }
}

impl Kind for HCloudVipKeys {
    const ROLE: Role = Role::Vip;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let (address, link) = (self.address.value, LinkRef::Name(self.link.value));
        let Ok(api) = self.api.api(source) else {
            return;
        };
        let provider = VipProvider::HCloud(api);
        self.options
            .apply(address, link, provider, origin, source, out);
    }
}

impl Kind for DigitalOceanVipKeys {
    const ROLE: Role = Role::Vip;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        if self.address.value.0.is_ipv6() {
            let rule = "a reserved address of DigitalOcean is one of IPv4";
            return self.refuse(source, &self.address, rule, None);
        }
        let origin = self.origin(source);
        let (address, link) = (self.address.value, LinkRef::Name(self.link.value));
        let Ok(api) = self.api.api(source) else {
            return;
        };
        let provider = VipProvider::DigitalOcean(api);
        self.options
            .apply(address, link, provider, origin, source, out);
    }
}

impl Kind for HttpVipKeys {
    const ROLE: Role = Role::Vip;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let Ok(ca) = certificates(&self, self.ca.as_ref(), source) else {
            return;
        };
        let (address, link) = (self.address.value, LinkRef::Name(self.link.value));
        // What cannot be asked as it was said is not asked at all.
        let call = |keys: At<HookKeys>| keys.value.call(source).ok_or(());
        let hook = |acquire, release: Option<_>, status: Option<_>| {
            Ok::<_, ()>(VipHook {
                acquire: call(acquire)?,
                release: release.map(call).transpose()?,
                status: status.map(call).transpose()?,
                ca,
            })
        };
        let Ok(hook) = hook(self.acquire, self.release, self.status) else {
            return;
        };
        let provider = VipProvider::Http(Box::new(hook));
        self.options
            .apply(address, link, provider, origin, source, out);
    }
}
