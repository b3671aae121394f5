//! `deviceSelector`: a link by what it is.

use crate::config::DeviceSelector;
use crate::config::machine::record::{At, Record};
use crate::config::machine::source::Source;

keys! {
    /// A link by what it is: all that is given must fit. `*` and `?` stand for any text and any character.
    pub struct SelectorKeys("deviceSelector") whole {
        /// Its place on the bus, such as `0000:03:00.0`.
        "busPath" bus_path: String,
        /// Its hardware address, which changes when it joins a bond.
        "hardwareAddr" hardware_addr: String,
        /// The hardware address that it came with.
        "permanentAddr" permanent_addr: String,
        /// Its PCI vendor and device, such as `8086:1521`.
        "pciID" pci_id: String,
        /// Its driver in the kernel.
        "driver" driver: String,
        /// Whether it is a network card.
        "physical" physical: bool,
    }
}

impl SelectorKeys {
    /// What it selects by; `None` when that is nothing, which is reported.
    pub fn selector(&self, source: &Source<'_>) -> Option<DeviceSelector> {
        let text = |at: &Option<At<String>>| {
            at.as_ref()
                .map(|at| at.value.clone())
                .filter(|text| !text.is_empty())
        };
        let selector = DeviceSelector {
            bus_path: text(&self.bus_path),
            hardware_addr: text(&self.hardware_addr),
            permanent_addr: text(&self.permanent_addr),
            pci_id: text(&self.pci_id),
            driver: text(&self.driver),
            physical: self.physical.map(|physical| physical.value),
            ..DeviceSelector::default()
        };
        if selector == DeviceSelector::default() {
            let fix = "give busPath, permanentAddr, driver or another one";
            self.refuse(
                source,
                &self.mark(),
                "a selector without keys fits no link",
                Some(fix),
            );
            return None;
        }
        Some(selector)
    }
}
