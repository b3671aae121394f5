//! [`Layer`]: precedence of sources, as an order.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Where a value comes from; a higher layer wins. The derived order is the rule (DESIGN §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Built in.
    Default,
    /// Kernel command line.
    Cmdline,
    /// Cloud metadata.
    Platform,
    /// Leases and other dynamic sources.
    Operator,
    /// Machine config.
    Configuration,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Cmdline => "cmdline",
            Self::Platform => "platform",
            Self::Operator => "operator",
            Self::Configuration => "configuration",
        })
    }
}
