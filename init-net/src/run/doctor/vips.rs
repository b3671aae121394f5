//! Shared addresses: does this machine take part, does somebody have them, and is it one machine?

use core::net::IpAddr;

use super::finding::Finding;
use super::scene::{Scene, Supervisor};
use crate::proto::vrrp;
use crate::run::wanted::{Election, Vip};
use crate::state::{Family, VipState};
use crate::value::{Duration, VipProvider};

/// How long an election, or a request to an API, may take before it is worth a word: an election takes seconds with the
/// longest of usual intervals, and actions of clouds some more.
const SETTLED: Duration = Duration::from_secs(15);

/// For how long trouble that was told counts: what goes on is told once.
const RECENT: Duration = Duration::from_secs(600);

/// Most troubles of one address that are told.
const MAX_TOLD: usize = 3;

pub fn fine(scene: &Scene) -> String {
    let all = &scene.wanted.vips;
    let here = all.iter().filter(|vip| vip.held).count();
    match (all.len(), here) {
        (0, _) => "none is declared".into(),
        (1, 0) => "1 shared address, not here".into(),
        (1, _) => "1 shared address, here".into(),
        (count, here) => format!("{count} shared addresses, {here} of them here"),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found = Vec::new();
    for vip in &scene.wanted.vips {
        found.extend(part(scene, vip));
        found.extend(foreign(scene, vip));
        found.extend(rivals(scene, vip));
        found.extend(alone(vip));
        // A fault has its trouble as the reason.
        if vip.state != Some(VipState::Fault) {
            found.extend(troubles(scene, vip).take(MAX_TOLD).map(|text| {
                Finding::warning(vip.id.as_str(), text)
                    .why("the supervisor told it within ten minutes, or it goes on")
                    .fix("init-net get events; `init-net get vips` has where it stands now")
            }));
        }
    }
    found
}

/// What this machine does about it.
fn part(scene: &Scene, vip: &Vip) -> Option<Finding> {
    let id = vip.id.as_str();
    let Some(state) = vip.state else {
        return (scene.supervisor == Supervisor::None).then(|| {
            Finding::warning(id, "this machine never takes it: no supervisor runs")
                .why("the supervisor takes part in elections, and keeps the address alive")
                .fix("init-net supervise")
        });
    };
    match state {
        VipState::Waiting => Some(waiting(scene, vip)),
        VipState::Fault => Some(fault(scene, vip)),
        VipState::Acquiring if has_settled(scene, vip) => Some(
            Finding::error(id, "this machine won it and cannot move it here")
                .why(or(&vip.reason, "its API does not answer"))
                .fix(provider(vip)),
        ),
        VipState::Acquiring => None,
        VipState::Backup => backup(scene, vip),
        VipState::Active if !vip.held && has_settled(scene, vip) => Some(
            Finding::error(id, "this machine has it, and its kernel does not")
                .why(match scene.failure(&["addr", &vip.ip.to_string()]) {
                    Some(words) => format!("the kernel refuses it: {words}"),
                    None => or(&vip.reason, "somebody took it away"),
                })
                .fix(format!("see {} under links; ip addr show", vip.holder)),
        ),
        VipState::Active if vip.healthy == Some(false) => Some(
            Finding::error(id, "this machine has it, and its check fails")
                .why(format!("nobody else takes it: {}", vip.reason))
                .fix(service(vip)),
        ),
        VipState::Active => None,
    }
}

fn waiting(scene: &Scene, vip: &Vip) -> Finding {
    let missing = [&vip.link_name, &vip.holder]
        .into_iter()
        .find(|link| scene.observed.link(link).is_none());
    let link = missing.unwrap_or(&vip.holder);
    let finding = Finding::error(
        vip.id.as_str(),
        format!("this machine takes no part: {}", vip.reason),
    );
    let finding = match scene.failure(&["link add", link.as_str()]) {
        Some(words) => finding.why(format!("the kernel refuses to make it: {words}")),
        None => finding.why("it waits until the link is there"),
    };
    match *link == vip.holder && *link != vip.link_name {
        true => finding.fix(format!(
            "modprobe macvlan, or no virtualMAC; see {link} under links"
        )),
        false => finding.fix(format!("see {link} under links")),
    }
}

fn fault(scene: &Scene, vip: &Vip) -> Finding {
    let finding = Finding::error(
        vip.id.as_str(),
        format!("this machine takes no part: {}", vip.reason),
    );
    let link = &vip.link_name;
    let alive = [link, &vip.holder]
        .into_iter()
        .all(|name| scene.live_links().any(|live| live.name == *name));
    if !alive {
        return finding
            .why("a machine that cannot speak on the link must not have its address")
            .fix(format!("see {link} under links"));
    }
    let peers = match &vip.election {
        Election::Etcd { endpoints } => {
            return finding
                .why(format!("asked were {}", endpoints.join(", ")))
                .fix("are most of the members alive, and ca, cert and key right?");
        }
        Election::Vrrp { peers } => peers,
    };
    if vip.reason == vrrp::COLLISION {
        let who = troubles(scene, vip).next();
        return finding
            .why(who.unwrap_or("advertisements of other addresses have its number"))
            .fix("say another vrid for one of the groups, the same on all of its machines");
    }
    let family = Family::of(*peers.first().unwrap_or(&vip.ip));
    let speaks = scene.observed.addresses.iter().any(|status| {
        status.link_name == *link && status.family == family && status.address.address() != vip.ip
    });
    match (speaks, family) {
        (true, _) => finding
            .why("the configuration of it cannot be used")
            .fix(format!("init-net explain vips/{}", vip.id)),
        (false, Family::Inet4) => finding
            .why("advertisements need a source of the machine's own")
            .fix(format!("an IPv4 address of its own on {link}")),
        (false, Family::Inet6) => finding
            .why("advertisements come from the link-local address of the link")
            .fix(format!("sysctl net.ipv6.conf.{link}.disable_ipv6=0")),
    }
}

fn backup(scene: &Scene, vip: &Vip) -> Option<Finding> {
    let id = vip.id.as_str();
    let unfit = vip.healthy == Some(false);
    if vip.owner.is_none() && has_settled(scene, vip) {
        let finding = Finding::error(id, "nobody is known to have it");
        let why = or(&vip.reason, "no machine advertises it");
        return Some(finding.why(why).fix(match unfit {
            true => service(vip),
            false => "init-net get events; do the machines reach each other?".into(),
        }));
    }
    unfit.then(|| {
        Finding::warning(id, "this machine does not take it: its check fails")
            .why(or(&vip.reason, "the service behind it does not answer"))
            .fix(service(vip))
    })
}

/// The address on this machine, and not by the election.
fn foreign(scene: &Scene, vip: &Vip) -> Option<Finding> {
    let mut addresses = scene.observed.addresses.iter();
    let status = addresses.find(|it| it.address.address() == vip.ip && !it.is_shared_by_us())?;
    let (link, address) = (&status.link_name, status.address);
    Some(
        Finding::error(
            vip.id.as_str(),
            format!("somebody else gave it to {link} of this machine"),
        )
        .why("this machine answers for it whoever wins the election")
        .fix(format!(
            "ip addr del {address} dev {link}, and out of who added it"
        )),
    )
}

/// Another host that answers for it while this machine has it.
fn rivals(scene: &Scene, vip: &Vip) -> Option<Finding> {
    let mut owned = scene.answers.owned.iter();
    let owned = owned.find(|owned| IpAddr::V4(owned.address) == vip.ip)?;
    let rival = owned.rival?;
    Some(
        Finding::error(vip.id.as_str(), format!("{rival} answers for it, too"))
            .why("two machines have it: they do not hear each other, or one is none of the group")
            .fix("who has that hardware address? multicast, vrid and vrrpVersion between the two?"),
    )
}

/// Where machines cannot hear each other, each of them wins.
fn alone(vip: &Vip) -> Option<Finding> {
    let Election::Vrrp { peers } = &vip.election else {
        return None;
    };
    let neighbours = vip.provider_name == VipProvider::Layer2.name();
    (!neighbours && peers.is_empty()).then(|| {
        Finding::warning(vip.id.as_str(), "each machine takes it from the others")
            .why("the networks of clouds carry no multicast: the machines do not hear each other")
            .fix("list the machines in peers:, or use election: etcd")
    })
}

/// What the supervisor told of the address and still counts, the latest first.
fn troubles<'s>(scene: &'s Scene, vip: &'s Vip) -> impl Iterator<Item = &'s str> {
    let resource = format!("vips/{}", vip.id);
    let prefix = format!("{} on {}: ", vip.ip, vip.link_name);
    let now = scene.observed.at.as_millis() as f64 / 1e3;
    let mut told: Vec<&str> = Vec::new();
    let events = scene.wanted.events.iter().rev();
    for event in events.filter(|it| it.kind == "vipTrouble" && it.resource == resource) {
        let text = event.text.strip_prefix(&prefix).unwrap_or(&event.text);
        // The text of an event may be cut off.
        let goes_on = vip.reason.starts_with(text);
        let recent = now - event.boot_time < RECENT.as_secs_f64();
        if (goes_on || recent) && !told.contains(&text) {
            told.push(text);
        }
    }
    told.into_iter()
}

/// Whether it has been as it is for longer than it takes.
fn has_settled(scene: &Scene, vip: &Vip) -> bool {
    let since = vip
        .since
        .map(|since| scene.observed.at.saturating_since(since));
    since.is_some_and(|since| since > SETTLED)
}

fn service(vip: &Vip) -> String {
    match &vip.check {
        Some(check) => format!(
            "the service of this machine: is {} what it serves?",
            check.target
        ),
        None => "init-net get vips".into(),
    }
}

fn provider(vip: &Vip) -> String {
    match vip.provider_name.as_str() {
        "http" => "the hook: its URLs, and what it answers; see routes and dns".into(),
        name => format!("the API of {name}: its token and its limits; see routes and dns"),
    }
}

/// `text`, or what stands for nothing said.
fn or(text: &str, nothing: &str) -> String {
    match text {
        "" => nothing.to_owned(),
        text => text.to_owned(),
    }
}
