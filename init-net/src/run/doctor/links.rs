//! Links: are they there, up, connected, whole?

use super::finding::Finding;
use super::scene::{Scene, is_loopback};
use crate::config::nearest::nearest;
use crate::run::wanted::WantedLink;
use crate::state::{KindStatus, LinkStatus};
use crate::sys::port::PortState;
use crate::value::Layer;

/// Names that are listed where one is missing.
const MAX_NAMES: usize = 8;

/// What an LACP partner that does not speak is called.
const NOBODY: &str = "00:00:00:00:00:00";

pub fn fine(scene: &Scene) -> String {
    let names: Vec<&str> = scene.live_links().map(|link| link.name.as_str()).collect();
    match names.len() {
        0 => "nothing is declared".into(),
        count if count > MAX_NAMES => format!("{count} links are up with carrier"),
        _ => format!("up with carrier: {}", names.join(", ")),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found = Vec::new();
    for wanted in &scene.wanted.links {
        match scene.observed.link(&wanted.name) {
            None => found.push(missing(scene, wanted)),
            Some(link) => declared(scene, wanted, link, &mut found),
        }
    }
    for link in scene.observed.links.values() {
        stacked(scene, link, &mut found);
        aggregate(scene, link, &mut found);
        port(scene, link, &mut found);
    }
    duplicates(scene, &mut found);
    if scene.live_links().next().is_none() {
        found.push(
            Finding::error("links", "no link is up with carrier")
                .why("nothing can be sent or received")
                .fix(
                    "look at the cables and the switch; `ip -br link` shows the state of each port",
                ),
        );
    }
    found
}

fn missing(scene: &Scene, wanted: &WantedLink) -> Finding {
    let links = scene.observed.links.values().filter(|l| !is_loopback(l));
    let names: Vec<&str> = links.map(|link| link.name.as_str()).collect();
    let id = wanted.name.as_str();
    let there = match names.len() {
        0 => "there is no link at all: is the driver in the image?".to_owned(),
        _ => {
            let shown: Vec<&str> = names.iter().take(MAX_NAMES).copied().collect();
            format!("there are: {}", shown.join(", "))
        }
    };
    let finding = Finding::error(id, "declared, and not there").why(there);
    if let Some(words) = scene.failure(&["link add", id]) {
        return finding.fix(format!("the kernel refuses to make it: {words}"));
    }
    if let Some(parent) = &wanted.parent_name
        && scene.observed.link(parent).is_none()
    {
        return finding.fix(format!("it stands on {parent}, which is missing as well"));
    }
    match nearest(id, names.iter().copied()) {
        Some(near) => finding.fix(format!("did you mean {near}?")),
        None if wanted.kind.is_empty() => {
            finding.fix("name a link that is there, or load the driver of the card")
        }
        None => finding.fix(format!(
            "does the kernel have its module? `modprobe {}`, and init-net apply",
            module(&wanted.kind)
        )),
    }
}

/// The module of a kind of link.
fn module(kind: &str) -> &str {
    match kind {
        "vlan" => "8021q",
        "bond" => "bonding",
        kind => kind,
    }
}

fn declared(scene: &Scene, wanted: &WantedLink, link: &LinkStatus, found: &mut Vec<Finding>) {
    let id = wanted.name.as_str();
    if wanted.up == Some(true) && !link.is_up() {
        let words = scene.failure(&["link set", id, "up"]);
        found.push(
            Finding::error(id, "declared up, and down")
                .why(words.unwrap_or("somebody took it down, and nobody keeps it up"))
                .fix(format!("ip link set {id} up")),
        );
    } else if wanted.up != Some(false) && link.is_up() && !link.has_carrier() {
        found.push(no_carrier(scene, wanted, link));
    }
    if let Some(mtu) = wanted.mtu
        && mtu != link.mtu
    {
        let words = scene.failure(&["link set", id, "mtu"]);
        found.push(
            Finding::error(id, format!("MTU {}, declared {mtu}", link.mtu))
                .why(words.unwrap_or("it was changed by somebody else"))
                .fix(format!("ip link set {id} mtu {mtu}")),
        );
    }
    if let Some(master) = wanted.master() {
        let there = scene.observed.link(master);
        if there.is_none_or(|master| master.index != link.master_index) {
            let words = scene.failure(&["link set", id, "master"]);
            found.push(
                Finding::error(id, format!("declared a member of {master}, and is none"))
                    .why(words.unwrap_or("it carries nothing for it"))
                    .fix(format!(
                        "ip link set {id} down; ip link set {id} master {master}"
                    )),
            );
        }
    }
}

fn no_carrier(scene: &Scene, wanted: &WantedLink, link: &LinkStatus) -> Finding {
    let id = link.name.as_str();
    let below: Vec<&str> = scene
        .observed
        .links
        .values()
        .filter(|member| member.master_index == link.index)
        .map(|member| member.name.as_str())
        .collect();
    let fix = if !below.is_empty() {
        format!("none of its members has carrier: {}", below.join(", "))
    } else if link.link_index != 0 && link.kind != "veth" {
        let parent = scene.observed.links.get(&link.link_index);
        let parent = parent.map_or("its parent", |parent| parent.name.as_str());
        format!("look at {parent}, on which it stands")
    } else {
        format!("plug the cable in, look at the switch port (shut? other speed?): `ethtool {id}`")
    };
    // A card of which only the default speaks, or one member of several, may be unplugged for a reason.
    let finding = match (wanted.layer, wanted.master()) {
        (Layer::Default, _) => Finding::note(id, "no carrier"),
        (_, Some(_)) => Finding::warning(id, "no carrier"),
        _ => Finding::error_if(scene.wanted.is_used(&link.name), id, "no carrier"),
    };
    finding
        .why("the other end of the cable sends no signal")
        .fix(fix)
}

/// What a link must be for the one below and above it.
fn stacked(scene: &Scene, link: &LinkStatus, found: &mut Vec<Finding>) {
    let id = link.name.as_str();
    let stands = matches!(link.kind.as_str(), "vlan" | "macvlan" | "ipvlan");
    if stands
        && let Some(parent) = scene.observed.links.get(&link.link_index)
        && parent.mtu < link.mtu
    {
        let (mtu, parent_mtu) = (link.mtu, parent.mtu);
        let parent = &parent.name;
        found.push(
            Finding::error(id, format!("MTU {mtu}, above the {parent_mtu} of {parent}"))
                .why(format!(
                    "packets above {parent_mtu} bytes are dropped by {parent}"
                ))
                .fix(format!(
                    "ip link set {parent} mtu {mtu}, or a smaller mtu for {id}"
                )),
        );
    }
    if let Some(master) = scene.observed.links.get(&link.master_index)
        && matches!(master.kind.as_str(), "bridge" | "bond")
        && link.mtu < master.mtu
    {
        let (name, mtu) = (&master.name, master.mtu);
        found.push(
            Finding::error(id, format!("MTU {}, below the {mtu} of {name}", link.mtu))
                .why(format!(
                    "what {name} sends out of it in larger packets is dropped"
                ))
                .fix(format!("ip link set {id} mtu {mtu}")),
        );
    }
    if link.card.full_duplex == Some(false) {
        found.push(
            Finding::warning(id, "half duplex")
                .why("mostly one end negotiates and the other does not: collisions, slow transfers")
                .fix("turn negotiation on at both ends, or off at both with equal settings"),
        );
    }
}

fn aggregate(scene: &Scene, link: &LinkStatus, found: &mut Vec<Finding>) {
    let Some(KindStatus::Bond {
        active_index,
        options,
        ..
    }) = &link.kind_data
    else {
        return;
    };
    let id = link.name.as_str();
    let members: Vec<&LinkStatus> = scene
        .observed
        .links
        .values()
        .filter(|member| member.master_index == link.index)
        .collect();
    if members.is_empty() {
        found.push(
            Finding::error(id, "a bond without members")
                .why("it carries nothing")
                .fix(format!("links: [eth0, eth1] in the BondConfig of {id}")),
        );
        return;
    }
    let one_at_a_time = options.mode.is_some_and(|mode| mode.has_primary());
    if one_at_a_time && *active_index == 0 && link.is_up() {
        found.push(
            Finding::error(id, "no member is active")
                .why("none has carrier, or the ARP targets do not answer")
                .fix(format!("cat /proc/net/bonding/{id}")),
        );
    }
    if scene
        .partners
        .get(&link.index)
        .is_some_and(|mac| mac == NOBODY)
        && link.is_up()
    {
        found.push(
            Finding::error(id, "no LACP partner")
                .why("the switch does not speak LACP on these ports: it may block or mix them")
                .fix("make the ports of the switch one LACP group, or bondMode: active-backup"),
        );
    }
    let speeds: Vec<(&str, u32)> = members
        .iter()
        .filter_map(|member| Some((member.name.as_str(), member.card.speed_mbit?)))
        .collect();
    if let [(first, speed), rest @ ..] = speeds.as_slice()
        && let Some((other, theirs)) = rest.iter().find(|(_, theirs)| theirs != speed)
    {
        found.push(
            Finding::warning(
                id,
                format!("members of unequal speed: {first} {speed}, {other} {theirs} Mbit/s"),
            )
            .why("LACP uses only ports of one speed, others spread as if all were equal")
            .fix("look at cable and port of the slower one"),
        );
    }
}

fn port(scene: &Scene, link: &LinkStatus, found: &mut Vec<Finding>) {
    let Some(state) = scene.ports.get(&link.index) else {
        return;
    };
    let id = link.name.as_str();
    let master = scene.observed.links.get(&link.master_index);
    let bridge = master.map_or("its bridge", |master| master.name.as_str());
    found.extend(match state {
        PortState::Forwarding => None,
        PortState::Listening | PortState::Learning => Some(
            Finding::note(id, format!("spanning tree of {bridge} still holds it back"))
                .why("it forwards after twice the forward delay, 30 s if nothing is said")
                .fix("stp: {enabled: false}, where no loop is possible"),
        ),
        PortState::Blocking => Some(
            Finding::warning(id, format!("blocked by spanning tree of {bridge}"))
                .why("another port leads to the same network: a loop, or a spare way")
                .fix("fine for a spare way; else find the second cable"),
        ),
        // Without carrier, which is told by itself.
        PortState::Disabled if !link.is_up() || !link.has_carrier() => None,
        PortState::Disabled => Some(
            Finding::warning(id, format!("out of service as a port of {bridge}"))
                .why("the bridge is down, or somebody disabled the port")
                .fix(format!(
                    "ip link set {bridge} up; bridge link set dev {id} state 3"
                )),
        ),
    });
}

/// Two cards with one hardware address: switches send to the one that spoke last.
fn duplicates(scene: &Scene, found: &mut Vec<Finding>) {
    let cards: Vec<&LinkStatus> = scene
        .observed
        .links
        .values()
        .filter(|link| matches!(link.kind.as_str(), "" | "veth") && !is_loopback(link))
        .collect();
    for (at, one) in cards.iter().enumerate() {
        // Members of a bond share its address.
        let same = |other: &&&LinkStatus| {
            other.hardware_addr.is_some()
                && other.hardware_addr == one.hardware_addr
                && (one.master_index == 0 || one.master_index != other.master_index)
        };
        let rest = cards.get(at + 1..).unwrap_or_default();
        if let (Some(other), Some(mac)) = (rest.iter().find(same), one.hardware_addr) {
            found.push(
                Finding::warning(
                    one.name.as_str(),
                    format!("has the hardware address of {}: {mac}", other.name),
                )
                .why("in one network the switch sends to whichever spoke last")
                .fix("hardwareAddr: in the LinkConfig of one of them; of a clone, a new one"),
            );
        }
    }
}
