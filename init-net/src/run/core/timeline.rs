//! The stages of a boot with their times.

use serde::{Deserialize, Serialize};

use crate::value::Instant;

/// More stages than a boot has; beyond it they are not recorded.
const MAX_STAGES: usize = 64;

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// `mounts`, `modules`, `dhcp4/eth0`…
    pub name: String,
    /// When it began, nanoseconds since the kernel started.
    pub start: Instant,
    /// When it ended; `None`: it has not.
    pub end: Option<Instant>,
}

/// Stages in the order they began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline {
    stages: Vec<Stage>,
}

impl Timeline {
    /// A stage begins; once per name.
    pub fn begin(&mut self, name: &str, now: Instant) {
        let known = self.stages.iter().any(|stage| stage.name == name);
        if !known && self.stages.len() < MAX_STAGES {
            self.stages.push(Stage {
                name: name.to_owned(),
                start: now,
                end: None,
            });
        }
    }

    /// A stage ends; the first end counts.
    pub fn end(&mut self, name: &str, now: Instant) {
        if let Some(stage) = self
            .stages
            .iter_mut()
            .find(|stage| stage.name == name && stage.end.is_none())
        {
            stage.end = Some(now);
        }
    }

    /// A stage without length.
    pub fn mark(&mut self, name: &str, now: Instant) {
        self.begin(name, now);
        self.end(name, now);
    }

    /// All of them.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }
}
