//! Platforms that have nothing but a volume: that of OpenStack, that of NoCloud, or either.
//!
//! kubevirt.io, "Startup scripts"; pve.proxmox.com, "Cloud-Init Support"; cloud.ibm.com, "User data" and "Power Virtual
//! Server"; portal.nutanix.com, "Guest customization".

use super::facts::Facts;
use super::media::Medium;
use super::{Bodies, Parsed, Provider, cidata, openstack};

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

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let facts = Facts::new(self.name, bodies);
        match openstack::is_there(bodies) {
            true => openstack::read(facts, None),
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
        check(
            &KUBEVIRT,
            "kubevirt/config-drive",
            CONFIG,
            &[
                "02:00:00:00:00:01",
                "02:00:00:00:00:01 runs Dhcp4",
                "hostname vm7",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000044",
            ],
        );
        check(
            &KUBEVIRT,
            "kubevirt/cidata",
            CONFIG,
            &[
                "02:00:00:00:00:01",
                "02:00:00:00:00:01 has 10.0.2.8/24",
                "02:00:00:00:00:01 has 2001:db8:2::8/64",
                "02:00:00:00:00:01 to all via 10.0.2.1",
                "02:00:00:00:00:01 to all via 2001:db8:2::1",
                "hostname vm8",
                "instanceId=vm8.default",
                "internalDNS=vm8",
            ],
        );
    }

    #[test]
    fn proxmox() {
        let cloud_config = "Ok(CloudConfig(Some(Hostname { name: \"pve7\", domain: None })))";
        check(
            &PROXMOX,
            "proxmoxve/static",
            cloud_config,
            &[
                "bc:24:11:00:00:01",
                "bc:24:11:00:00:01 has 192.0.2.7/24",
                "bc:24:11:00:00:01 has 2001:db8::7/64",
                "bc:24:11:00:00:01 to all via 192.0.2.1",
                "bc:24:11:00:00:01 to all via 2001:db8::1",
                "hostname pve7",
                "dns 192.0.2.53",
                "search example.net",
                "instanceId=6f1e0a0c0000400080000000000000000000002a",
            ],
        );
        check(
            &PROXMOX,
            "proxmoxve/dhcp",
            CONFIG,
            &[
                "bc:24:11:00:00:01",
                "bc:24:11:00:00:02",
                "bc:24:11:00:00:01 runs Dhcp4",
                "bc:24:11:00:00:01 runs Dhcp6",
                "bc:24:11:00:00:02 runs Auto6",
                "hostname pve8.example.net",
                "instanceId=6f1e0a0c0000400080000000000000000000002b",
            ],
        );
    }

    #[test]
    fn ibmcloud_vpc() {
        check(
            &IBMCLOUD,
            "ibmcloud/vpc",
            "Ok(Config(75 bytes))",
            &[
                "hostname vsi7",
                "instanceId=0717_0a1b2c3d-0000-4000-8000-000000000045",
                "internalDNS=vsi7",
            ],
        );
    }

    #[test]
    fn ibmcloud_classic() {
        check(
            &IBMCLOUD,
            "ibmcloud/classic",
            "Ok(Absent)",
            &[
                "06:00:00:00:00:01",
                "06:00:00:00:00:02",
                "06:00:00:00:00:01 has 10.1.2.8/26",
                "06:00:00:00:00:02 has 198.51.100.8/28",
                "06:00:00:00:00:01 to 10.0.0.0/8 via 10.1.2.1",
                "06:00:00:00:00:01 to 161.26.0.0/16 via 10.1.2.1",
                "06:00:00:00:00:02 to all via 198.51.100.1",
                "hostname classic7.example.net",
                "dns 10.0.80.11",
                "dns 10.0.80.12",
                "zone=az1",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000046",
            ],
        );
    }

    #[test]
    fn powervs() {
        check(
            &POWERVS,
            "powervs/static",
            CONFIG,
            &[
                "fa:16:3e:00:00:01 mtu 1450",
                "fa:16:3e:00:00:01 has 192.168.7.8/24",
                "fa:16:3e:00:00:01 to all via 192.168.7.1",
                "hostname lpar7",
                "dns 192.0.2.53",
                "zone=az1",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000047",
            ],
        );
        check(
            &POWERVS,
            "powervs/dhcp",
            CONFIG,
            &[
                "hostname lpar8",
                "zone=az1",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000048",
            ],
        );
    }

    #[test]
    fn nutanix() {
        check(
            &NUTANIX,
            "nutanix/dhcp",
            CONFIG,
            &[
                "hostname ahv7",
                "instanceId=0a1b2c3d-0000-4000-8000-000000000049",
            ],
        );
        check(
            &NUTANIX,
            "nutanix/static",
            "Ok(CloudConfig(Some(Hostname { name: \"other\", domain: None })))",
            &[
                "50:6b:8d:00:00:01",
                "50:6b:8d:00:00:01 has 192.0.2.8/24",
                "50:6b:8d:00:00:01 has 2001:db8::8/64",
                "50:6b:8d:00:00:01 to all via 192.0.2.1",
                "50:6b:8d:00:00:01 to all via 2001:db8::1",
                "hostname ahv8.example.net",
                "dns 192.0.2.53",
                "instanceId=0a1b2c3d-0000-4000-8000-00000000004a",
            ],
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
            assert!(drive.bases(&Default::default()).is_empty());
            assert!(drive.wanted(&Default::default()).is_empty());
        }
    }
}
