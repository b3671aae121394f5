//! How far the network is: levels, what is missing, links, and since when.

use serde_json::{Map, Value, json};

use super::{Facts, add, put, with_id};
use crate::run::core::LEVELS;
use crate::state::ProbeSpec;
use crate::value::RouteKind;

impl Facts<'_> {
    pub(super) fn status(&self) -> Value {
        let mut value = with_id("status".into(), self.readiness);
        put(
            &mut value,
            "addressReady",
            Some(self.record.nodes().has_current()),
        );
        put(
            &mut value,
            "connectivityReady",
            Some(self.connectivity_ready()),
        );
        put(&mut value, "hostnameReady", Some(self.hostname_ready()));
        put(&mut value, "etcFilesReady", Some(self.etc_files_ready()));
        let highest = LEVELS
            .iter()
            .rev()
            .find(|(level, _)| self.readiness.reached(*level));
        let highest = highest.map_or("none", |(_, name)| *name);
        put(&mut value, "level", Some(highest));
        let progress = self.record.progress();
        let mut levels = Map::new();
        for (name, reached, since) in progress.levels() {
            levels.insert(name.into(), json!({ "reached": reached, "since": since }));
        }
        put(&mut value, "levels", Some(levels));
        let missing = self.readiness.missing.iter();
        let missing: Vec<Value> = missing
            .map(|what| json!({ "what": what, "since": progress.missing_since(what) }))
            .collect();
        put(&mut value, "missingSince", Some(missing));
        let links = self.observed.links.values().filter_map(|link| {
            let (state, since) = progress.link(link.index)?;
            Some(json!({ "linkName": link.name, "state": state, "since": since }))
        });
        put(
            &mut value,
            "linkStates",
            Some(links.collect::<Vec<Value>>()),
        );
        add(&mut value, self.standing);
        put(&mut value, "process", self.record.process());
        value
    }

    /// Each probe, with how it fares; nothing of that before it has been tried.
    pub(super) fn probes(&self) -> Vec<Value> {
        let probe = |spec: &ProbeSpec| {
            let mut value = with_id(spec.name.clone(), spec);
            if let Some(status) = self.probes.get(&spec.name) {
                add(&mut value, status);
            }
            value
        };
        self.desired.probes.values().map(probe).collect()
    }

    /// Every probe that was tried succeeds; without one, there is a default route of any family in any table.
    fn connectivity_ready(&self) -> bool {
        if !self.probes.is_empty() {
            return self.probes.values().all(|status| status.success);
        }
        let mut routes = self.observed.routes.iter();
        routes.any(|route| route.dst.is_none() && route.kind == RouteKind::Unicast)
    }

    /// There is a name, the desired one where one is desired.
    fn hostname_ready(&self) -> bool {
        let Some(name) = &self.observed.hostname else {
            return false;
        };
        let wanted = self.desired.hostname.as_ref();
        wanted.is_none_or(|spec| spec.hostname == *name)
    }
}
