//! Tells a cloud how it went. It may hold up the hand-off for some seconds, and nothing else depends on it.

use super::talk::{self, Chosen};
use crate::config::platform::{Answer, Answers, Ask, Outcome, Provider};
use crate::config::{Diagnostic, Document};
use crate::proto::http::{Fetch, FetchError, Response};
use crate::run::core::{Around, Fetched, Source};
use crate::run::state_file::SavedText;
use crate::value::{Duration, Instant, LinkName};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most requests of one report.
const MAX_ASKS: usize = 8;

/// The conversation.
pub(super) struct Report {
    provider: &'static dyn Provider,
    chosen: Chosen,
    /// Why it went wrong; `None`: it went well.
    failed: Option<String>,
    asked: Vec<String>,
    answers: Answers,
    deadline: Option<Instant>,
    over: bool,
}

impl Report {
    /// A report to the cloud of `provider`; `None`: it wants none.
    pub(super) fn new(
        provider: &'static dyn Provider,
        link: Option<LinkName>,
        failed: Option<String>,
    ) -> Option<Self> {
        let report = Self {
            provider,
            chosen: Chosen {
                base: String::new(),
                link,
                via: None,
            },
            failed,
            asked: Vec::new(),
            answers: Answers::new(),
            deadline: None,
            over: false,
        };
        (!report.wanted().is_empty()).then_some(report)
    }

    fn wanted(&self) -> Vec<Ask> {
        let outcome = match &self.failed {
            None => Outcome::Ready,
            Some(why) => Outcome::Failed(why),
        };
        let mut wanted = self.provider.report(outcome, &self.answers);
        wanted.truncate(MAX_ASKS);
        wanted.retain(|ask| !self.asked.contains(&ask.key));
        wanted
    }
}

impl Source for Report {
    fn name(&self) -> String {
        format!("{} report", self.provider.name())
    }

    fn is_report(&self) -> bool {
        true
    }

    fn is_named(&self) -> bool {
        false
    }

    fn requests(&mut self, _around: Around<'_>, now: Instant) -> Vec<(String, Fetch)> {
        let deadline = *self.deadline.get_or_insert(now + PATIENCE);
        let mut requests = Vec::new();
        // One that cannot be made is answered at once, and may lead to others.
        loop {
            let wanted = self.wanted();
            if wanted.is_empty() {
                return requests;
            }
            for ask in wanted {
                self.asked.push(ask.key.clone());
                match talk::fetch(&ask, &self.chosen, deadline, now) {
                    Ok(fetch) => requests.push((ask.key, fetch)),
                    Err(_) => drop(self.answers.insert(ask.key, Answer::Unreachable)),
                }
            }
        }
    }

    fn answer(&mut self, key: &str, answer: Result<Response, FetchError>, _now: Instant) {
        self.answers.insert(key.to_owned(), talk::answer_of(answer));
    }

    fn finished(&mut self) -> Option<Result<Fetched, String>> {
        let answered = self.asked.iter().all(|key| self.answers.contains_key(key));
        if self.over || self.asked.is_empty() || !answered || !self.wanted().is_empty() {
            return None;
        }
        self.over = true;
        let failed = self.answers.iter().find_map(|(key, answer)| match answer {
            Answer::Body(_) => None,
            Answer::Status(status) => Some(format!("{key}: status {status}")),
            Answer::Unreachable => Some(format!("{key}: no answer")),
        });
        Some(match failed {
            None => Ok(Fetched::fresh(Default::default())),
            Some(why) => Err(format!("the cloud was not told how it went: {why}")),
        })
    }

    fn restart(&mut self) {}

    fn config(&self, _fetched: &Fetched) -> Option<SavedText> {
        None
    }

    fn documents(&self, _fetched: &Fetched) -> (Vec<Document>, Vec<Diagnostic>) {
        (Vec::new(), Vec::new())
    }
}
