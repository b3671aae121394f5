//! `IpvlanConfig`, a kind of our own.

use super::link::{self, LinkKeys};
use super::{Kind, Role};
use crate::config::machine::record::plain;
use crate::config::machine::source::Source;
use crate::config::{Document, KindConfig};
use crate::value::{IpvlanMode, LinkName};

keys! {
    /// A link that shares the hardware address of another link.
    pub struct IpvlanKeys("IpvlanConfig") {
        /// The link.
        required "name" name: LinkName,
        /// The link below.
        required "parent" parent: LinkName,
        /// How packets find their way; l3 unless said otherwise.
        "mode" mode: IpvlanMode,
        ..link: LinkKeys,
    }
}

impl Kind for IpvlanKeys {
    const ROLE: Role = Role::Link;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Some(parent) = link::parent(&self, &self.name, self.parent.clone(), source) else {
            return;
        };
        let mode = plain(self.mode);
        let kind = KindConfig::Ipvlan { parent, mode };
        self.link
            .apply(self.name.value, Some(kind), None, source, out);
    }
}
