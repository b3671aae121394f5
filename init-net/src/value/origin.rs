//! [`Origin`]: which source and which place in it made a value.

use core::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A byte range in the text of a source, end exclusive.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` to `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// Where a value was said: `cmdline argument 3: ip=10.0.0.2::…`, `dhcp4/eth0 option 3`, `built-in default`.
///
/// Serialised as that one text. The span is for carets and is not part of identity on the wire.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Name of the source, as `check` prints it: `cmdline`, `/config.yaml`, `dhcp4/eth0`, `hcloud`.
    pub source: Arc<str>,
    /// The place in it, for people: `argument 3: ip=…`, `line 4`, `option 3`. May be empty.
    pub place: Arc<str>,
    /// The place in it, in bytes, when the source is a text.
    pub span: Option<Span>,
}

impl Origin {
    /// A place in a text.
    pub fn new(
        source: impl Into<Arc<str>>,
        place: impl Into<Arc<str>>,
        span: Option<Span>,
    ) -> Self {
        Self {
            source: source.into(),
            place: place.into(),
            span,
        }
    }

    /// A built-in default, with the rule that fills it in.
    pub fn builtin(rule: &str) -> Self {
        Self::new("built-in default", rule, None)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.place.is_empty() {
            Ok(())
        } else {
            write!(f, " {}", self.place)
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
