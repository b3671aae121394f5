//! What the bodies of a platform mean for this machine.

use core::net::IpAddr;

use super::INCLUDED;
use crate::config::platform::Provider;
use crate::config::userdata::{self, Base64, UserData, UserDataError};
use crate::config::{
    Diagnostic, Document, FirewallFault, LinkRef, RouteConfig, Said, Severity, machine, pin,
};
use crate::run::core::{Fetched, Via};
use crate::run::sources::preference;
use crate::run::state_file::SavedText;
use crate::value::{Origin, Prefix};

/// Metric of the route to the service: before every other that could lead there.
const SERVICE_METRIC: u32 = 512;

/// What counts of the user-data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// Whether it is the machine config: nothing named another one.
    pub(super) with_user_data: bool,
    /// `initnet.config.sha256=`.
    pub(super) pin: Option<[u8; 32]>,
}

impl Meaning {
    /// The machine config in the bodies, if there is one that counts.
    pub(super) fn config(&self, provider: &dyn Provider, fetched: &Fetched) -> Option<SavedText> {
        let user_data = provider.parse(&fetched.bodies).user_data;
        match follow(user_data, fetched) {
            Ok(UserData::Config(text))
                if self.with_user_data
                    && pin::check(text.as_bytes(), self.pin.as_ref()).is_ok() =>
            {
                Some(SavedText {
                    name: user_data_name(provider),
                    text,
                    preference: preference::USER_DATA,
                })
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// What the bodies say.
    pub(super) fn documents(
        &self,
        provider: &dyn Provider,
        fetched: &Fetched,
    ) -> (Vec<Document>, Vec<Diagnostic>) {
        let parsed = provider.parse(&fetched.bodies);
        let mut document = parsed.document;
        if let Some(via) = &fetched.via {
            let pin = pinned(via, provider);
            // What the platform itself says of the way is the way.
            let mut said = document.routes.iter().map(|route| route.destination);
            if !said.any(|destination| destination == pin.destination) {
                document.routes.push(pin);
            }
        }
        if fetched.cached {
            // Who looks at the facts is told that they are those of an earlier boot.
            document.metadata.push(("cached", "true".to_owned()));
        }
        let mut documents = vec![document];
        let mut diagnostics = parsed.diagnostics;
        diagnostics.extend(fetched.faults.iter().map(|fault| {
            Diagnostic::new(Severity::Warning, fault.clone())
                .with_effect("the rest of the metadata still applies")
        }));
        let name = user_data_name(provider);
        match follow(parsed.user_data, fetched) {
            Ok(UserData::Config(text)) if self.with_user_data => {
                if let Err(mismatch) = pin::check(text.as_bytes(), self.pin.as_ref()) {
                    mark_unread(&mut documents, &name);
                    diagnostics.push(
                        Diagnostic::new(Severity::Error, format!("{name}: {mismatch}"))
                            .with_effect("the next source of the machine config is used"),
                    );
                    return (documents, diagnostics);
                }
                let (mut document, faults) = machine::parse(&text, &name);
                document.preference = preference::USER_DATA;
                documents.push(document);
                diagnostics.extend(faults);
            }
            Ok(UserData::CloudConfig(_)) if self.with_user_data => diagnostics.push(
                Diagnostic::new(
                    Severity::Warning,
                    format!("{name}: a #cloud-config is no machine config"),
                )
                .with_fix("give the machine machine config documents as its user-data")
                .with_effect("nothing of it applies but its host name"),
            ),
            Ok(UserData::Include(_)) if self.with_user_data => {
                mark_unread(&mut documents, &name);
                diagnostics.push(
                    Diagnostic::new(
                        Severity::Error,
                        format!("{name}: what it includes could not be fetched"),
                    )
                    .with_effect("the boot goes on without this machine config"),
                );
            }
            Err(error) if self.with_user_data => {
                // What another tool is to read says nothing to us; everything else might.
                if !matches!(error, UserDataError::Foreign(_)) {
                    mark_unread(&mut documents, &name);
                }
                diagnostics.push(
                    Diagnostic::new(Severity::Error, format!("{name}: {error}"))
                        .with_effect("the boot goes on without this machine config"),
                );
            }
            // Nobody knows whether there is any.
            Ok(UserData::Absent) if self.with_user_data && fetched.user_data_missing => {
                mark_unread(&mut documents, &name);
                diagnostics.push(
                    Diagnostic::new(
                        Severity::Error,
                        format!("{name}: the service did not answer"),
                    )
                    .with_effect("the boot goes on without this machine config"),
                );
            }
            Ok(_) | Err(_) => {}
        }
        (documents, diagnostics)
    }
}

/// What the user-data includes, in its place.
fn follow(
    user_data: Result<UserData, UserDataError>,
    fetched: &Fetched,
) -> Result<UserData, UserDataError> {
    match (user_data, fetched.bodies.get(INCLUDED)) {
        (Ok(UserData::Include(_)), Some(body)) => userdata::decode(body, Base64::Maybe),
        (user_data, _) => user_data,
    }
}

fn user_data_name(provider: &dyn Provider) -> String {
    format!("{} user-data", provider.name())
}

/// The service stays where it was found, whatever the configuration routes elsewhere: it is asked again later, and not by
/// this program alone.
fn pinned(via: &Via, provider: &dyn Provider) -> RouteConfig {
    let origin = Origin::new(provider.name(), "metadata service", None);
    RouteConfig {
        metric: Some(SERVICE_METRIC),
        // The gateway may be out of reach of what the machine has in the end.
        on_link: via.gateway.map(|_| true),
        ..RouteConfig::new(
            Some(LinkRef::Mac(via.mac)),
            Some(Prefix::host(IpAddr::V4(via.service))),
            via.gateway.map(IpAddr::V4),
            origin,
        )
    }
}

/// There is a machine config, and it is not used.
fn mark_unread(documents: &mut [Document], name: &str) {
    let origin = Origin::new(name, "user-data", None);
    if let Some(document) = documents.first_mut() {
        document.firewall.fault = Some(Said::new(FirewallFault::Unread, origin));
    }
}
