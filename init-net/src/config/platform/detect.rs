//! Which platform a machine is on, from what it says of itself. Nothing is asked: a platform that is not recognised here
//! for certain gets no request. Only what needs no driver counts: the boot and the supervisor after it must come to the
//! same.

use std::collections::BTreeMap;

use super::names::{PLATFORMS, Platform};
use crate::config::Said;
use crate::value::Origin;

/// What the firmware and the hypervisor say of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// SMBIOS types 1 to 3 under the names of `/sys/class/dmi/id`: `sys_vendor`, `chassis_asset_tag`…
    pub dmi: BTreeMap<&'static str, String>,
    /// `/sys/hypervisor/uuid`: Xen.
    pub hypervisor_uuid: Option<String>,
    /// `model` and `compatible` of the device tree and of its `hypervisor` node.
    pub device_tree: Vec<String>,
    /// Whether this is a container.
    pub container: bool,
}

/// How a field of the firmware names a platform.
#[derive(Clone, Copy, Debug)]
enum Is {
    /// Exactly so.
    Text(&'static str),
    /// Begins so.
    Begins(&'static str),
    /// Has this in it.
    Has(&'static str),
}

impl Is {
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Text(known) => text.eq_ignore_ascii_case(known),
            Self::Begins(known) => text
                .get(..known.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(known)),
            Self::Has(known) => text
                .to_ascii_lowercase()
                .contains(&known.to_ascii_lowercase()),
        }
    }
}

use Is::{Begins, Has, Text};

/// Platform, field of [`Machine::dmi`], what it says there. The first that fits counts: a serial number that names a source
/// was put there on purpose and stands before the vendor of the machine.
const RULES: [(&str, &str, Is); 38] = [
    ("nocloud", "product_serial", Has("ds=nocloud")),
    (
        "azure",
        "chassis_asset_tag",
        Text("7783-7084-3265-9085-8269-3286-77"),
    ),
    ("oracle", "chassis_asset_tag", Text("OracleCloud.com")),
    ("aws", "bios_vendor", Text("Amazon EC2")),
    ("aws", "sys_vendor", Text("Amazon EC2")),
    // Xen instances: the version of the hypervisor, `4.11.amazon`.
    ("aws", "product_version", Has("amazon")),
    ("gcp", "product_name", Text("Google Compute Engine")),
    ("gcp", "product_serial", Begins("GoogleCloud-")),
    ("hcloud", "sys_vendor", Text("Hetzner")),
    ("digital-ocean", "sys_vendor", Text("DigitalOcean")),
    ("vultr", "sys_vendor", Text("Vultr")),
    ("scaleway", "sys_vendor", Text("Scaleway")),
    ("upcloud", "sys_vendor", Text("UpCloud")),
    ("exoscale", "product_name", Begins("Exoscale")),
    ("cloudstack", "product_name", Begins("CloudStack")),
    ("akamai", "sys_vendor", Text("Linode")),
    ("akamai", "sys_vendor", Text("Akamai")),
    ("alibabacloud", "product_name", Text("Alibaba Cloud ECS")),
    ("alibabacloud", "sys_vendor", Text("Alibaba Cloud")),
    ("openstack", "product_name", Text("OpenStack Nova")),
    ("openstack", "product_name", Text("OpenStack Compute")),
    ("openstack", "chassis_asset_tag", Text("OpenStack Nova")),
    ("openstack", "chassis_asset_tag", Text("OpenStack Compute")),
    ("openstack", "chassis_asset_tag", Text("OpenTelekomCloud")),
    ("openstack", "chassis_asset_tag", Text("SAP CCloud VM")),
    ("openstack", "chassis_asset_tag", Text("HUAWEICLOUD")),
    (
        "openstack",
        "chassis_asset_tag",
        Text("Samsung Cloud Platform"),
    ),
    ("vmware", "product_name", Has("VMware")),
    ("kubevirt", "sys_vendor", Text("KubeVirt")),
    ("kubevirt", "product_family", Text("KubeVirt")),
    ("kubevirt", "product_name", Text("KubeVirt")),
    ("nutanix", "sys_vendor", Text("Nutanix")),
    ("nutanix", "product_name", Text("AHV")),
    ("opennebula", "sys_vendor", Text("OpenNebula")),
    ("opennebula", "product_name", Text("OpenNebula")),
    ("proxmoxve", "sys_vendor", Text("Proxmox")),
    ("ibmcloud", "chassis_asset_tag", Begins("ibmcloud")),
    ("ibmcloud", "sys_vendor", Begins("IBM:Cloud Compute")),
];

/// Labels of volumes that hold a configuration, and whose they are on a machine whose firmware names no platform. The
/// first that fits counts.
const LABELS: [(&str, &str); 4] = [
    ("cidata", "nocloud"),
    ("config-2", "openstack"),
    ("CONTEXT", "opennebula"),
    ("METADATA", "ibmcloud"),
];

/// The platform of the printed name `name`.
pub fn named(name: &str) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|platform| platform.name == name)
}

/// The platform that `machine` shows to be on, and where it says so.
pub fn detect(machine: &Machine) -> Option<Said<&'static Platform>> {
    let said = |name, source: &str, field: &str| {
        Some(Said::new(named(name)?, Origin::new(source, field, None)))
    };
    if machine.container {
        return said("container", "environment", "container");
    }
    for (name, field, is) in RULES {
        if machine
            .dmi
            .get(field)
            .is_some_and(|text| is.fits(text.trim()))
        {
            return said(name, "smbios", field);
        }
    }
    let uuids = [
        machine.dmi.get("product_uuid"),
        machine.hypervisor_uuid.as_ref(),
    ];
    if uuids
        .into_iter()
        .flatten()
        .any(|uuid| is_ec2(uuid, machine))
    {
        return said("aws", "hypervisor", "uuid");
    }
    let tree = &machine.device_tree;
    if tree.iter().any(|text| Has("openstack").fits(text)) {
        return said("openstack", "device tree", "model");
    }
    None
}

/// Xen instances of EC2: the UUID begins with `ec2`, or its first group does in the other byte order, `45e12aec`
/// (docs.aws.amazon.com, "Identify EC2 instances"). One UUID in four thousand begins so by chance: only on Xen does it count.
fn is_ec2(uuid: &str, machine: &Machine) -> bool {
    let xen = machine.hypervisor_uuid.is_some()
        || machine
            .dmi
            .get("sys_vendor")
            .is_some_and(|vendor| Text("Xen").fits(vendor.trim()));
    let text = uuid.trim().to_ascii_lowercase();
    let first = text.split('-').next().unwrap_or_default();
    let swapped = first.get(4..6).is_some_and(|two| two.starts_with('2'))
        && first.get(6..8).is_some_and(|two| two == "ec");
    xen && (text.starts_with("ec2") || swapped)
}

/// The platform of a volume with this label, when nothing else names one.
pub fn by_label(label: &str) -> Option<&'static Platform> {
    let (_, name) = LABELS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(label.trim()))?;
    named(name)
}

/// The platforms that volumes alone can name: their media are looked for where the firmware names none.
pub fn of_labels() -> impl Iterator<Item = &'static Platform> {
    LABELS.iter().filter_map(|(_, name)| named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(dmi: &[(&'static str, &str)]) -> Machine {
        let dmi = dmi.iter().map(|(field, text)| (*field, (*text).to_owned()));
        Machine {
            dmi: dmi.collect(),
            ..Machine::default()
        }
    }

    #[track_caller]
    fn check(machine: &Machine, expect: Option<&str>) {
        let found = detect(machine);
        assert_eq!(found.map(|said| said.value.name), expect);
    }

    #[test]
    fn every_rule_and_label_names_a_platform() {
        for (name, ..) in RULES {
            assert!(named(name).is_some(), "{name}");
        }
        for (label, name) in LABELS {
            assert_eq!(by_label(label).unwrap().name, name);
        }
    }

    #[test]
    fn firmware_names_the_platform() {
        let dmi = |field, text| machine(&[(field, text)]);
        check(&dmi("sys_vendor", "Amazon EC2"), Some("aws"));
        check(&dmi("product_version", "4.11.amazon"), Some("aws"));
        check(
            &dmi("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n"),
            Some("azure"),
        );
        check(&dmi("sys_vendor", "Microsoft Corporation"), None);
        check(&dmi("product_name", "Google Compute Engine"), Some("gcp"));
        check(&dmi("sys_vendor", "Hetzner"), Some("hcloud"));
        check(&dmi("product_name", "OpenStack Nova"), Some("openstack"));
        check(
            &dmi("product_name", "VMware Virtual Platform"),
            Some("vmware"),
        );
        check(&dmi("product_name", "VMware7,1"), Some("vmware"));
        check(&dmi("sys_vendor", "QEMU"), None);
        check(&Machine::default(), None);
    }

    #[test]
    fn what_was_put_there_on_purpose_stands_before_the_vendor() {
        let both = machine(&[
            ("sys_vendor", "OpenStack Foundation"),
            ("product_name", "OpenStack Nova"),
            ("product_serial", "ds=nocloud;s=http://192.0.2.1/"),
        ]);
        check(&both, Some("nocloud"));
        let mut contained = both;
        contained.container = true;
        check(&contained, Some("container"));
    }

    #[test]
    fn a_uuid_alone_is_chance() {
        let uuid = "ec2f58b1-0000-4000-8000-000000000001";
        check(&machine(&[("product_uuid", uuid)]), None);
        check(
            &machine(&[("product_uuid", uuid), ("sys_vendor", "Xen")]),
            Some("aws"),
        );
        let swapped = machine(&[
            ("product_uuid", "b1582fec-0000-4000-8000-000000000001"),
            ("sys_vendor", "Xen"),
        ]);
        check(&swapped, Some("aws"));
        let other = machine(&[
            ("product_uuid", "b158e2ec-0000-4000-8000-000000000001"),
            ("sys_vendor", "Xen"),
        ]);
        check(&other, None);
        let xen = Machine {
            hypervisor_uuid: Some(uuid.to_owned()),
            ..Machine::default()
        };
        check(&xen, Some("aws"));
    }

    #[test]
    fn labels_in_any_case() {
        assert_eq!(by_label("CIDATA").map(|p| p.name), Some("nocloud"));
        assert_eq!(by_label("CONFIG-2 ").map(|p| p.name), Some("openstack"));
        assert!(by_label("boot").is_none());
    }
}
