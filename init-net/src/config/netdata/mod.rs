//! Network descriptions that clouds share: cloud-init's network-config, OpenStack's network data.
//!
//! Read leniently: these texts are written by machines we do not own, and an unknown key must not cost a boot. A bad
//! value costs its entry, and is a warning.

pub mod openstack;
pub mod v1;

use super::{Diagnostic, Document};

/// Adds what the network-config `text`, called `source`, says to `out`.
pub fn parse(text: &str, source: &str, out: &mut Document) -> Vec<Diagnostic> {
    v1::parse(text, source, out)
}
