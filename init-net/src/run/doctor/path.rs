//! Path MTU: how large a packet arrives, and what becomes of larger ones.

use super::finding::Finding;
use super::probe::PathAnswer;
use super::scene::Scene;

pub fn fine(scene: &Scene) -> String {
    let told = scene.answers.paths.iter();
    let mut told: Vec<String> = told
        .filter(|path| path.largest > 0)
        .map(|path| format!("{} bytes reach {}", path.largest, path.address))
        .collect();
    // The target may be the gateway.
    told.dedup();
    match told.len() {
        0 => "nothing was measured".into(),
        _ => told.join(", "),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    scene.answers.paths.iter().filter_map(one).collect()
}

fn one(path: &PathAnswer) -> Option<Finding> {
    let (mtu, address) = (path.link_mtu, path.address);
    let link = &path.link;
    let id = address.to_string();
    if let Some(error) = &path.error {
        return Some(Finding::note(id, format!("not measured: {error}")));
    }
    if path.largest == 0 {
        return Some(
            Finding::note(id, "does not answer pings: the path MTU is not known")
                .why("that alone is no fault: many routers and hosts are silent"),
        );
    }
    if path.largest >= mtu {
        return None;
    }
    let largest = path.largest;
    let problem = format!("{largest} bytes is the largest packet that arrives; {link} has {mtu}");
    Some(match (&path.told_by, path.is_gateway) {
        (Some(router), false) => Finding::note(id, problem).why(format!(
            "{router} says so by ICMP: path MTU discovery works, and nothing has to be done"
        )),
        (_, true) => Finding::error(id, format!("{problem}: larger ones vanish"))
            .why("in one network all must have one MTU: transfers start and hang")
            .fix(format!(
                "mtu: {largest} for {link}, or {mtu} at the gateway and every switch between"
            )),
        (None, false) => Finding::error(id, format!("{problem}: larger ones vanish"))
            .why("a black hole: no router says \"too big\", so transfers start and hang")
            .fix(format!(
                "let ICMP \"fragmentation needed\" pass on the way, or mtu: {largest} for {link}"
            )),
    })
}
