//! `vip` of an interface or VLAN.

use crate::config::machine::kinds::vip::{ApiKeys, SharedAddress};
use crate::config::machine::kinds::vip_options::VipOptionKeys;
use crate::config::machine::record::{At, Record as _};
use crate::config::machine::source::Source;
use crate::config::{Document, LinkRef};
use crate::value::VipProvider;

keys! {
    /// An address that moves between machines.
    pub struct VipKeys("vip") whole {
        /// The address.
        required "ip" address: SharedAddress,
        /// The API of Equinix Metal moves it.
        "equinixMetal" equinix: ApiKeys,
        /// The API of Hetzner Cloud moves it.
        "hcloud" hcloud: ApiKeys,
        ..options: VipOptionKeys,
    }
}

impl VipKeys {
    /// The shared address on `link`.
    pub fn apply(self, link: &LinkRef, worker: bool, source: &Source<'_>, out: &mut Document) {
        if worker {
            let rule = "a worker shares no address";
            let fix = "machine.type: controlplane does, and a Layer2VIPConfig may stand anywhere";
            return self.refuse(source, &self.address, rule, Some(fix));
        }
        if self.equinix.is_some() && self.hcloud.is_some() {
            let rule = "equinixMetal and hcloud exclude each other";
            return self.refuse(source, &self.hcloud, rule, Some("keep one of them"));
        }
        let origin = self.origin(source);
        let api = |keys: At<ApiKeys>| keys.value.api(source);
        let provider = match (self.equinix, self.hcloud) {
            (None, None) => Ok(VipProvider::Layer2),
            (Some(keys), _) => api(keys).map(VipProvider::EquinixMetal),
            (None, Some(keys)) => api(keys).map(VipProvider::HCloud),
        };
        let Ok(provider) = provider else {
            return;
        };
        let address = self.address.value;
        self.options
            .apply(address, link.clone(), provider, origin, source, out);
    }
}
