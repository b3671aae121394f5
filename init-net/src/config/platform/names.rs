//! Platform names: the field spells them in several ways, one is printed.

use core::fmt;

use super::Provider;
use super::akamai::Akamai;
use super::alibabacloud::AlibabaCloud;
use super::aws::Aws;
use super::azure::Azure;
use super::cloudstack::Cloudstack;
use super::container::Container;
use super::digitalocean::DigitalOcean;
use super::drives::{IBMCLOUD, KUBEVIRT, NUTANIX, POWERVS, PROXMOX};
use super::equinix::EquinixMetal;
use super::exoscale::Exoscale;
use super::gcp::Gcp;
use super::hcloud::Hcloud;
use super::nocloud::Nocloud;
use super::opennebula::OpenNebula;
use super::openstack::Openstack;
use super::oracle::Oracle;
use super::scaleway::Scaleway;
use super::upcloud::Upcloud;
use super::vmware::Vmware;
use super::vultr::Vultr;
use crate::config::nearest::nearest;
use crate::config::{Diagnostic, Said, Severity};

/// A platform.
pub struct Platform {
    /// The name that is printed.
    pub name: &'static str,
    /// Other spellings that are understood: of ignition.platform.id=, of cloud-init's ds=.
    pub aliases: &'static [&'static str],
    /// Who reads its metadata; `None`: `metal` has none.
    pub provider: Option<&'static dyn Provider>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn asked(
    name: &'static str,
    aliases: &'static [&'static str],
    provider: &'static dyn Provider,
) -> Platform {
    Platform {
        name,
        aliases,
        provider: Some(provider),
    }
}

/// Without any metadata service.
const METAL: &str = "metal";

/// The word for "find out": what a machine says of itself, else what a volume says.
pub const AUTO: &str = "auto";

/// Every platform that is known.
pub static PLATFORMS: [Platform; 25] = [
    asked("aws", &["ec2"], &Aws),
    asked("hcloud", &["hetzner"], &Hcloud),
    asked("akamai", &["linode"], &Akamai),
    asked("alibabacloud", &["aliyun"], &AlibabaCloud),
    Platform {
        name: METAL,
        aliases: &["none", "virtualbox"],
        provider: None,
    },
    asked("azure", &["azurestack"], &Azure),
    asked("cloudstack", &[], &Cloudstack),
    asked("container", &[], &Container),
    asked("digital-ocean", &["digitalocean"], &DigitalOcean),
    asked("equinixMetal", &["packet", "equinix-metal"], &EquinixMetal),
    asked("exoscale", &[], &Exoscale),
    asked("gcp", &["gce"], &Gcp),
    asked("ibmcloud", &["ibmcloud-classic"], &IBMCLOUD),
    asked("kubevirt", &[], &KUBEVIRT),
    asked("nocloud", &["nocloud-net", "qemu"], &Nocloud),
    asked("nutanix", &[], &NUTANIX),
    asked("opennebula", &[], &OpenNebula),
    asked("openstack", &["configdrive"], &Openstack),
    asked("oracle", &["oraclecloud"], &Oracle),
    asked("powervs", &[], &POWERVS),
    asked("proxmoxve", &["proxmox"], &PROXMOX),
    asked("scaleway", &[], &Scaleway),
    asked("upcloud", &[], &Upcloud),
    asked("vmware", &[], &Vmware),
    asked("vultr", &[], &Vultr),
];

/// The platform that `initnet.platform=` names, in any spelling and case.
pub fn select(said: &Said<String>) -> (Option<&'static Platform>, Vec<Diagnostic>) {
    let word = said.value.as_str();
    if word == AUTO {
        return (None, Vec::new());
    }
    let is = |name: &str| name.eq_ignore_ascii_case(word);
    let found = PLATFORMS
        .iter()
        .find(|platform| is(platform.name) || platform.aliases.iter().any(|name| is(name)));
    let Some(platform) = found else {
        let shown: String = word.chars().take(40).collect();
        let message = format!("unknown platform \"{shown}\" ({})", said.origin);
        let mut fault = Diagnostic::new(Severity::Error, message)
            .with_effect("no metadata service is asked; the rest of the configuration applies");
        let names = PLATFORMS.iter().map(|platform| platform.name);
        let known = names.chain(
            PLATFORMS
                .iter()
                .flat_map(|platform| platform.aliases.iter().copied()),
        );
        if let Some(near) = nearest(word, known) {
            fault = fault.with_fix(format!("did you mean {near}?"));
        }
        return (None, vec![fault]);
    };
    (Some(platform), Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Origin;

    #[track_caller]
    fn check(word: &str, expect: Option<&str>, faults: &[&str]) {
        let said = Said::new(word.to_owned(), Origin::new("cmdline", "argument 2", None));
        let (platform, found) = select(&said);
        assert_eq!(platform.map(|platform| platform.name), expect);
        let found: Vec<String> = found
            .iter()
            .map(|fault| format!("{}; {}", fault.message, fault.fix.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(found, faults);
    }

    #[test]
    fn spellings() {
        check("aws", Some("aws"), &[]);
        check("AWS", Some("aws"), &[]);
        check("hetzner", Some("hcloud"), &[]);
        check("metal", Some("metal"), &[]);
        check("qemu", Some("nocloud"), &[]);
        check("packet", Some("equinixMetal"), &[]);
        check("DigitalOcean", Some("digital-ocean"), &[]);
        check("GCE", Some("gcp"), &[]);
        check("azurestack", Some("azure"), &[]);
        check(
            "hclod",
            None,
            &["unknown platform \"hclod\" (cmdline argument 2); did you mean hcloud?"],
        );
        check(
            "x y",
            None,
            &["unknown platform \"x y\" (cmdline argument 2); -"],
        );
    }
}
