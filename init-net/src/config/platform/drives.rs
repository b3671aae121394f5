//! Platforms that have nothing but a volume: that of OpenStack, that of NoCloud, or either.
//!
//! kubevirt.io, "Startup scripts"; pve.proxmox.com, "Cloud-Init Support"; cloud.ibm.com, "User data" and "Power Virtual
//! Server"; portal.nutanix.com, "Guest customization".

use super::facts::Facts;
use super::media::Medium;
use super::{Answers, Ask, Bodies, Known, Parsed, Provider, cidata, openstack};

/// One of them.
pub struct Drive {
    name: &'static str,
    media: &'static [Medium],
}

/// Either volume, as the owner of the virtual machine chose.
pub static KUBEVIRT: Drive = Drive {
    name: "kubevirt",
    media: &[openstack::DRIVE, cidata::VOLUME],
};

/// Its user-data is a `#cloud-config`, whose host name counts.
pub static PROXMOX: Drive = Drive {
    name: "proxmoxve",
    media: &[cidata::VOLUME],
};

/// Virtual servers of a VPC, whose vendor-data holds the machine configuration; classic ones, which have no DHCP.
pub static IBMCLOUD: Drive = Drive {
    name: "ibmcloud",
    media: &[
        cidata::VOLUME,
        Medium::Volume(openstack::volume(&["config-2", "METADATA"])),
    ],
};

/// Logical partitions of POWER machines.
pub static POWERVS: Drive = Drive {
    name: "powervs",
    media: &[openstack::DRIVE],
};

/// Virtual machines of AHV.
pub static NUTANIX: Drive = Drive {
    name: "nutanix",
    media: &[openstack::DRIVE],
};

impl Provider for Drive {
    fn name(&self) -> &'static str {
        self.name
    }

    fn media(&self) -> &'static [Medium] {
        self.media
    }

    fn is_told(&self, media: &Bodies) -> bool {
        openstack::is_there(media) || cidata::is_there(media, "")
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        Vec::new()
    }

    fn wanted(&self, _answers: &Answers) -> Vec<Ask> {
        Vec::new()
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let facts = Facts::new(self.name, bodies);
        match openstack::is_there(bodies) {
            true => openstack::read(facts, self.name),
            false => cidata::read(facts, "", None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::check;

    const CONFIG: &str = "Ok(Config(76 bytes))";

    #[test]
    fn kubevirt() {
        check(&KUBEVIRT, "kubevirt/config-drive", CONFIG, &[]);
        check(&KUBEVIRT, "kubevirt/cidata", CONFIG, &[]);
    }

    #[test]
    fn proxmox() {
        let cloud_config = "Ok(CloudConfig(Some(Hostname { name: \"pve7\", domain: None })))";
        check(&PROXMOX, "proxmoxve/static", cloud_config, &[]);
        check(&PROXMOX, "proxmoxve/dhcp", CONFIG, &[]);
    }

    #[test]
    fn ibmcloud_classic() {
        check(&IBMCLOUD, "ibmcloud/classic", "Ok(Absent)", &[]);
    }

    #[test]
    fn powervs() {
        check(&POWERVS, "powervs/static", CONFIG, &[]);
        check(&POWERVS, "powervs/dhcp", CONFIG, &[]);
    }

    #[test]
    fn nutanix() {
        check(&NUTANIX, "nutanix/dhcp", CONFIG, &[]);
        check(
            &NUTANIX,
            "nutanix/static",
            "Ok(CloudConfig(Some(Hostname { name: \"other\", domain: None })))",
            &[],
        );
    }

    #[test]
    fn nothing_is_told_by_other_volumes() {
        let other = Bodies::from([("ovf-env.xml".to_owned(), Vec::new())]);
        for drive in [&KUBEVIRT, &PROXMOX, &IBMCLOUD, &POWERVS, &NUTANIX] {
            assert!(!drive.is_told(&Bodies::new()) && !drive.is_told(&other));
            assert!(
                drive.is_told(&Bodies::from([(
                    match drive.name {
                        "proxmoxve" => "user-data",
                        _ => "openstack/latest/user_data",
                    }
                    .to_owned(),
                    Vec::new()
                )]))
            );
            assert!(drive.bases(&Known::default()).is_empty());
            assert!(drive.wanted(&Answers::new()).is_empty());
        }
    }
}
