//! [`Guarded`]: a source whose config may be the one that is left for the last good one.

use super::Left;
use crate::config::platform::Medium;
use crate::config::{Diagnostic, Document, machine};
use crate::proto::http::{Fetch, FetchError, Response};
use crate::run::core::{Around, Fetched, MediaNews, Source};
use crate::run::state_file::SavedText;
use crate::value::{Instant, Layer, Rng};

/// A source that gives the documents of the last good config in place of those that are to be left.
pub(super) struct Guarded {
    source: Box<dyn Source>,
    left: Left,
}

impl Guarded {
    pub(super) fn new(source: Box<dyn Source>, left: Left) -> Self {
        Self { source, left }
    }
}

impl Source for Guarded {
    fn name(&self) -> String {
        self.source.name()
    }

    fn requests(&mut self, around: Around<'_>, now: Instant) -> Vec<(String, Fetch)> {
        self.source.requests(around, now)
    }

    fn media(&self) -> Vec<Medium> {
        self.source.media()
    }

    fn read(&mut self, news: &MediaNews, now: Instant) {
        self.source.read(news, now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.source.deadline()
    }

    fn bootstrap(&mut self, rng: &mut Rng) -> Option<Document> {
        self.source.bootstrap(rng)
    }

    fn is_named(&self) -> bool {
        self.source.is_named()
    }

    fn is_report(&self) -> bool {
        self.source.is_report()
    }

    fn next(&mut self, ended: &Result<Fetched, String>) -> Option<Box<dyn Source>> {
        self.source.next(ended)
    }

    fn answer(&mut self, key: &str, answer: Result<Response, FetchError>, now: Instant) {
        self.source.answer(key, answer, now);
    }

    fn finished(&mut self) -> Option<Result<Fetched, String>> {
        self.source.finished()
    }

    fn restart(&mut self) {
        self.source.restart();
    }

    fn config(&self, fetched: &Fetched) -> Option<SavedText> {
        self.source.config(fetched)
    }

    fn documents(&self, fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>) {
        let (mut documents, mut diagnostics) = self.source.documents(fetched);
        let Some(config) = self.config(fetched) else {
            return (documents, diagnostics);
        };
        let found = [config];
        if self.left.holds(&found) {
            documents.retain(|document| document.layer != Layer::Configuration);
            diagnostics.push(self.left.diagnostic(&found));
            for good in &self.left.good {
                let (mut document, faults) = machine::parse(&good.text, &good.name);
                document.preference = found.iter().map(|c| c.preference).max().unwrap_or_default();
                documents.push(document);
                diagnostics.extend(faults);
            }
        }
        (documents, diagnostics)
    }
}
