//! The host name: highest layer; inside a layer the first one said.

use crate::config::Document;
use crate::state::{Desired, HostnameSpec};

pub(super) fn merge(documents: &[&Document], desired: &mut Desired) {
    for document in documents {
        let Some(said) = document.hostnames.first() else {
            continue;
        };
        let mut spec = HostnameSpec::new(&said.value, document.layer, said.origin.clone());
        match desired.hostname.take() {
            Some(old) if old.layer == document.layer => {
                // A second document of one layer (two leases): the first keeps the name.
                desired.hostname = Some(old);
                continue;
            }
            Some(old) => {
                spec.overrode = old.overrode;
                spec.overrode.push(old.origin);
            }
            None => {}
        }
        desired.hostname = Some(spec);
    }
}
