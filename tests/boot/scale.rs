//! More VLANs than a person types: all of them, with the right numbers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use qemu::artefacts::Series;
use serde_json::Value;

use crate::bench::Bench;
use crate::bench::MAC;
use crate::guest::Guest;

/// Nearly all that 12 bits can number.
const VLANS: u64 = 4000;

/// Of a guest, MiB: the kernel wants some 40 kB for a link, the most of it for its parameters.
const MEMORY: u32 = 1024;

/// For the boot, and for what follows: a build without optimisation under TCG takes minutes. No verdict about speed.
const WITHIN: Duration = Duration::from_secs(480);

/// On one kernel: what the other one does differently with a VLAN is seen at the first.
#[test]
fn four_thousand_vlans_on_one_card() {
    let bench = Bench::alone(Series::Stable, "four-thousand-vlans");
    let mut config = String::from("apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\n");
    for id in 1..=VLANS {
        write!(
            config,
            "---\napiVersion: v1alpha1\nkind: VLANConfig\nname: v{id}\nparent: eth0\nvlanID: {id}\n"
        )
        .unwrap();
    }
    let vm = bench.machine(&config).cmdline("initnet.wait=none");
    let vm = vm.memory(MEMORY).nic("port0", MAC);
    let mut guest = Guest::of_within(vm.start(&bench.lab).unwrap(), WITHIN);
    let booted = uptime(&mut guest);
    guest.settles_within(WITHIN);
    let took = uptime(&mut guest);
    // For whoever runs it with --nocapture; `scripts/bench` has the figures that count.
    println!(
        "{VLANS} VLANs: {booted} s from the kernel's start to hand-off, {took} s to an empty plan"
    );

    let links = guest.ask("ip -d -j link show type vlan");
    assert_eq!(links.count("link=eth0 group=73"), VLANS as usize);
    let list = links.get("").and_then(Value::as_array).unwrap();
    let mut ids = BTreeSet::new();
    for link in list {
        let id = link["linkinfo"]["info_data"]["id"].as_u64().unwrap();
        assert_eq!(link["ifname"], format!("v{id}"));
        let flags = link["flags"].to_string();
        // Carrier comes at once, where the operational state is told one link a turn.
        assert!(flags.contains("LOWER_UP"), "v{id}: {flags}");
        ids.insert(id);
    }
    assert_eq!(ids, (1..=VLANS).collect());
}

/// Seconds since the guest's kernel started.
fn uptime(guest: &mut Guest) -> String {
    let uptime = guest.run("cat /proc/uptime");
    uptime.split(' ').next().unwrap_or_default().to_owned()
}
