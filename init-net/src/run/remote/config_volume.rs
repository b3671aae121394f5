//! `initnet.config=metal-iso`: the machine config is a file on a volume of that label.

use std::collections::BTreeMap;

use crate::config::platform::{FileSystem, Medium, Volume};
use crate::config::userdata::{self, Base64, UserData};
use crate::config::{Diagnostic, Document, Severity, machine, pin};
use crate::proto::http::{Fetch, FetchError, Response};
use crate::run::core::{Around, Fetched, MediaNews, Source};
use crate::run::remote::platform::MEDIA_PATIENCE;
use crate::run::sources::preference;
use crate::run::state_file::SavedText;
use crate::value::Instant;

/// The file on the volume.
const FILE: &str = "config.yaml";

/// Where it is.
const MEDIUM: Medium = Medium::Volume(Volume {
    labels: &["metal-iso"],
    file_systems: &[FileSystem::Iso9660, FileSystem::Vfat],
    files: &[FILE],
});

/// The source.
pub struct ConfigVolume {
    pin: Option<[u8; 32]>,
    found: Option<Fetched>,
    scanned: bool,
    ended: bool,
    over: bool,
    /// Until when a drive is awaited.
    until: Option<Instant>,
}

impl ConfigVolume {
    /// The machine config there, with the digest that it must have.
    pub fn new(pin: Option<[u8; 32]>) -> Self {
        Self {
            pin,
            found: None,
            scanned: false,
            ended: false,
            over: false,
            until: None,
        }
    }

    /// What it is called in the log.
    fn shown(fetched: &Fetched) -> String {
        match &fetched.place {
            Some(place) => format!("{FILE} on {place}"),
            None => format!("{FILE} on metal-iso"),
        }
    }

    fn text(&self, fetched: &Fetched) -> Result<String, String> {
        let body = fetched.bodies.get(FILE).ok_or("it is not there")?;
        pin::check(body, self.pin.as_ref()).map_err(|error| error.to_string())?;
        match userdata::decode(body, Base64::Never) {
            Ok(UserData::Config(text)) => Ok(text),
            Ok(UserData::Absent) => Err("it is empty".into()),
            Ok(_) => Err("it is no machine config".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Source for ConfigVolume {
    fn name(&self) -> String {
        "initnet.config".into()
    }

    fn media(&self) -> Vec<Medium> {
        vec![MEDIUM]
    }

    fn read(&mut self, news: &MediaNews, _now: Instant) {
        match news {
            MediaNews::Found(medium, found) if *medium == MEDIUM && self.found.is_none() => {
                self.found = Some(Fetched {
                    place: Some(found.place.clone()),
                    ..Fetched::fresh(found.bodies.clone())
                });
            }
            MediaNews::Found(..) => {}
            MediaNews::Scanned => self.scanned = true,
            MediaNews::Ended => self.ended = true,
        }
    }

    fn requests(&mut self, around: Around<'_>, now: Instant) -> Vec<(String, Fetch)> {
        if !around.drivers_loading {
            self.until.get_or_insert(now + MEDIA_PATIENCE);
        }
        let read = self.found.is_some()
            || self.scanned && !around.drivers_loading
            || self.ended
            || self.until.is_some_and(|until| until <= now);
        self.over |= read;
        // What was read while drivers were still being loaded is not the last word.
        self.scanned &= !around.drivers_loading;
        Vec::new()
    }

    fn answer(&mut self, _key: &str, _answer: Result<Response, FetchError>, _now: Instant) {}

    fn finished(&mut self) -> Option<Result<Fetched, String>> {
        if !std::mem::take(&mut self.over) {
            return None;
        }
        let none = || "no volume is labelled metal-iso and has a config.yaml".to_owned();
        Some(match self.found.take() {
            None => Err(none()),
            Some(found) => self.text(&found).map(|_| found),
        })
    }

    fn deadline(&self) -> Option<Instant> {
        self.until
    }

    fn restart(&mut self) {
        self.until = None;
    }

    fn config(&self, fetched: &Fetched) -> Option<SavedText> {
        Some(SavedText {
            name: Self::shown(fetched),
            text: self.text(fetched).ok()?,
            preference: preference::NAMED,
        })
    }

    fn asked_for(&self, fetched: &Fetched) -> bool {
        fetched
            .bodies
            .keys()
            .eq(BTreeMap::from([(FILE, ())]).keys())
    }

    fn documents(&self, fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>) {
        let name = Self::shown(fetched);
        match self.text(fetched) {
            Ok(text) => {
                let (mut document, diagnostics) = machine::parse(&text, &name);
                document.preference = preference::NAMED;
                (vec![document], diagnostics)
            }
            Err(why) => {
                let message = format!("{name}: {why}");
                (Vec::new(), vec![Diagnostic::new(Severity::Error, message)])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Observed;
    use crate::value::Duration;

    #[test]
    fn a_drive_that_hangs_does_not_hold_up_the_boot() {
        let observed = Observed::default();
        let around = |drivers_loading| Around {
            observed: &observed,
            leases: &[],
            drivers_loading,
        };
        let mut source = ConfigVolume::new(None);
        let now = Instant::BOOT + Duration::from_secs(1);
        assert!(source.requests(around(true), now).is_empty());
        assert!(source.deadline().is_none());
        assert!(source.requests(around(false), now).is_empty());
        assert!(source.finished().is_none());
        let late = source.deadline().unwrap();
        assert!(source.requests(around(false), late).is_empty());
        assert!(source.finished().unwrap().is_err());
        source.restart();
        assert!(source.requests(around(false), late).is_empty());
        assert!(source.finished().is_none());
    }
}
