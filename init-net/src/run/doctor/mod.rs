//! `doctor`: what is wrong with the network of this machine, and what to do about it.
//!
//! Three steps: look (`scene`), ask the network a few bounded questions (`probe`), judge. A judge is a function of the
//! [`scene::Scene`] and sends nothing; each topic has its file. Nothing of the machine is changed.

mod addresses;
mod finding;
mod firewall;
mod links;
mod names;
mod online;
mod path;
mod probe;
mod reach;
mod routes;
mod scene;
mod system;
#[cfg(test)]
mod tests;
mod vips;

use core::fmt;

use serde::Serialize;

pub use finding::{Finding, Severity};
pub use probe::Target;
use scene::Scene;

/// A topic: its name, its judge, and what is said where that finds nothing wrong.
type Check = (
    &'static str,
    fn(&Scene) -> Vec<Finding>,
    fn(&Scene) -> String,
);

/// In the order in which one thing stands on another.
const CHECKS: [Check; 9] = [
    ("system", system::judge, system::fine),
    ("links", links::judge, links::fine),
    ("addresses", addresses::judge, addresses::fine),
    ("routes", routes::judge, routes::fine),
    ("dns", names::judge, names::fine),
    ("path", path::judge, path::fine),
    ("online", online::judge, online::fine),
    ("vips", vips::judge, vips::fine),
    ("firewall", firewall::judge, firewall::fine),
];

/// Everything that was found. Its form as JSON is stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// 1.
    pub version: u32,
    /// No error was found.
    pub healthy: bool,
    /// By check; a check without warnings and errors has an "ok".
    pub findings: Vec<Finding>,
}

/// Examines this machine, within ten seconds. `online`: whom it should be able to reach.
pub fn examine(online: Option<&Target>) -> Result<Examination, String> {
    let mut scene = Scene::look()?;
    scene.answers = probe::ask(&scene, online);
    Ok(judge(&scene))
}

fn judge(scene: &Scene) -> Examination {
    let mut findings = Vec::new();
    for (check, judge, fine) in CHECKS {
        let mut found = judge(scene);
        found.sort_by_key(|finding| core::cmp::Reverse(finding.severity));
        if found
            .iter()
            .all(|finding| finding.severity < Severity::Warning)
        {
            found.insert(0, Finding::ok(fine(scene)));
        }
        findings.extend(
            found
                .into_iter()
                .map(|finding| Finding { check, ..finding }),
        );
    }
    Examination {
        version: 1,
        healthy: findings.iter().all(|f| f.severity < Severity::Error),
        findings,
    }
}

impl fmt::Display for Examination {
    /// A line for each check that is fine, three for each finding, and how many at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let count = |severity| {
            let all = self.findings.iter();
            all.filter(|finding| finding.severity == severity).count()
        };
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let plural = |count| if count == 1 { "" } else { "s" };
        let (e, w) = (plural(errors), plural(warnings));
        write!(f, "{errors} error{e}, {warnings} warning{w}")
    }
}
