//! `--platform NAME` with `--metadata-url URL` or `--metadata-dir DIR`: a platform's metadata without a boot, for those who
//! test an image.

use std::collections::VecDeque;

use super::connections::Connections;
use super::core::{Around, Effect, Fetches, HttpEvent, Means, Trusted};
use super::metadata_folder;
use super::remote::Metadata;
use super::sources::{Read, Sources};
use crate::config::platform;
use crate::config::{Said, Severity};
use crate::state::Observed;
use crate::sys;
use crate::sys::poll::{Interest, poll};
use crate::value::Origin;

/// Fetches what `sources` names and adds its documents to `read`.
pub fn fetch(sources: &Sources, read: &mut Read) -> Result<(), String> {
    let Some(name) = &sources.platform else {
        return Ok(());
    };
    let (found, diagnostics) = platform::select(&Said::new(
        name.clone(),
        Origin::new("--platform", "", None),
    ));
    read.diagnostics.extend(diagnostics);
    let Some(provider) = found.and_then(|platform| platform.provider) else {
        return Ok(());
    };
    if let Some(dir) = &sources.metadata_dir {
        let (documents, diagnostics) = metadata_folder::documents(provider, dir)?;
        read.documents.extend(documents);
        read.diagnostics.extend(diagnostics);
        return Ok(());
    }
    let Some(url) = &sources.metadata_url else {
        return Err(format!(
            "--platform {name} needs --metadata-url or --metadata-dir: only a boot asks the cloud itself"
        ));
    };
    let mut fetches = Fetches::default();
    fetches.add(Box::new(Metadata::at(provider, url)));
    let (mut connections, mut queue) = (Connections::default(), VecDeque::<HttpEvent>::new());
    let mut rng = sys::random::rng();
    let mut trusted = Trusted::default();
    trusted.set_wall(sys::clock::wall());
    let around = Around {
        observed: &Observed::default(),
        leases: &[],
        drivers_loading: false,
    };
    while fetches.pending() {
        let now = sys::clock::now();
        for event in queue.drain(..) {
            fetches.receive(&event, now);
        }
        let mut effects = Vec::new();
        let mut means = Means {
            nameservers: &[],
            trusted: &mut trusted,
        };
        let documents = fetches.turn(now, &mut rng, Some(around), &mut means, &mut effects);
        read.documents.extend(documents);
        let mut again = false;
        for effect in effects {
            match effect {
                Effect::Connect {
                    id,
                    address,
                    device,
                    low_port,
                } => connections.connect(id, address, device.as_ref(), low_port, &mut queue),
                Effect::ReadTrust => {
                    super::trust::read()
                        .into_iter()
                        .for_each(|trust| trusted.set(trust));
                    again = true;
                }
                Effect::Write { id, bytes } => connections.write(id, &bytes, &mut queue),
                Effect::Close { id } => connections.close(id),
                Effect::Log(level, text) if level <= log::Level::Error => {
                    read.diagnostics
                        .push(crate::config::Diagnostic::new(Severity::Error, text));
                }
                Effect::Diagnostic(diagnostic) => read.diagnostics.push(diagnostic),
                _ => {}
            }
        }
        if queue.is_empty() && fetches.pending() && !again {
            let timeout = fetches
                .deadline()
                .map(|at| at.saturating_since(sys::clock::now()));
            let watched: Vec<_> = connections.interests().collect();
            let interests: Vec<Interest<'_>> =
                watched.iter().map(|(interest, _)| *interest).collect();
            let answers = poll(&interests, timeout).map_err(|error| format!("poll: {error}"))?;
            let ready: Vec<_> = watched
                .iter()
                .zip(answers)
                .filter(|(_, a)| a.readable || a.writable)
                .map(|((_, r), _)| *r)
                .collect();
            for ready in ready {
                connections.take(ready, &mut queue);
            }
        }
    }
    Ok(())
}
