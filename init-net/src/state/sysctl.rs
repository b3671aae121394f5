//! Kernel parameters.

use serde::Serialize;

use crate::value::{Layer, Origin, SysctlKey};

/// A kernel parameter as it should be. One that the kernel does not have is left out of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SysctlSpec {
    /// Which.
    pub key: SysctlKey,
    /// What it should read, without a line end.
    pub value: String,
    /// Whether it is kept. The baseline is set once, when it is still as the kernel made it: others may change it later
    /// and are not fought.
    pub kept: bool,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}
