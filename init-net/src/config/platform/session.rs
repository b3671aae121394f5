//! [`Session`]: one conversation with a metadata service.

use std::collections::BTreeMap;

use super::{Answer, Answers, Ask, Bodies, Provider};
use crate::config::{Diagnostic, Severity};

/// Most requests of one session; a listing that would lead to more is followed this far.
const MAX_ASKS: usize = 2048;

/// Most bytes of all bodies together.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// One conversation: which requests are open, which are answered.
///
/// Give [`Session::asks`] to the network, every answer to [`Session::respond`], until [`Session::is_done`]. The first
/// call gives one request: send it to every base URL, the first answer decides for one.
pub struct Session {
    provider: &'static dyn Provider,
    /// Attempts made, by key.
    asked: BTreeMap<String, u8>,
    answers: Answers,
    bytes: usize,
}

impl Session {
    /// Nothing asked yet; `local` is what the media said.
    pub fn new(provider: &'static dyn Provider, local: Bodies) -> Self {
        let bytes = local.values().map(Vec::len).sum();
        let local = local.into_iter();
        Self {
            provider,
            asked: BTreeMap::new(),
            answers: local.map(|(key, body)| (key, Answer::Body(body))).collect(),
            bytes,
        }
    }

    /// Whom it is with.
    pub fn provider(&self) -> &'static dyn Provider {
        self.provider
    }

    /// Requests to make now; each is given once.
    pub fn asks(&mut self) -> Vec<Ask> {
        let wanted = self.wanted();
        for ask in &wanted {
            self.asked.insert(ask.key.clone(), ask.attempt);
            self.answers.remove(&ask.key);
        }
        wanted
    }

    /// The answer to the request `key`. One that was not asked for is dropped.
    pub fn respond(&mut self, key: &str, answer: Answer) {
        if !self.asked.contains_key(key) || self.answers.contains_key(key) {
            return;
        }
        let answer = match answer {
            Answer::Body(body) if self.bytes + body.len() > MAX_BYTES => Answer::Unreachable,
            Answer::Body(body) => {
                self.bytes += body.len();
                Answer::Body(body)
            }
            Answer::Status(_) | Answer::Unreachable => answer,
        };
        self.answers.insert(key.to_owned(), answer);
    }

    /// Whether every request is answered and the answers, with what the media said, lead to no other. A platform that asks
    /// nothing is done at once.
    pub fn is_done(&self) -> bool {
        self.asked.keys().all(|key| self.answers.contains_key(key)) && self.wanted().is_empty()
    }

    /// Forgets the answer to `key`: it is asked again.
    pub fn repeat(&mut self, key: &str) {
        if self.asked.remove(key).is_some() {
            self.answers.remove(key);
        }
    }

    /// The bodies so far, without secrets of the session.
    pub fn bodies(&self) -> Bodies {
        let bodies = self
            .answers
            .iter()
            .filter_map(|(key, answer)| match answer {
                Answer::Body(body) if !self.provider.is_secret(key) => {
                    Some((key.clone(), body.clone()))
                }
                Answer::Body(_) | Answer::Status(_) | Answer::Unreachable => None,
            });
        bodies.collect()
    }

    /// What was refused or not answered; a plain 404 is neither.
    pub fn faults(&self) -> Vec<Diagnostic> {
        let name = self.provider.name();
        let faults = self.answers.iter().filter_map(|(key, answer)| {
            let what = match answer {
                Answer::Body(_) | Answer::Status(404) => return None,
                Answer::Status(status) => format!("{name}: {key}: status {status}"),
                Answer::Unreachable => format!("{name}: {key}: no answer"),
            };
            let effect = "the rest of the metadata still applies";
            Some(Diagnostic::new(Severity::Warning, what).with_effect(effect))
        });
        faults.collect()
    }

    /// Whether the user-data was asked for and the service did not say what it is: not even that there is none.
    pub fn misses_user_data(&self) -> bool {
        self.asked.keys().any(|key| {
            let unanswered = match self.answers.get(key) {
                None | Some(Answer::Body(_)) => false,
                Some(Answer::Unreachable) => true,
                Some(Answer::Status(status)) => {
                    matches!(status, 408 | 425 | 429) || !(400..500).contains(status)
                }
            };
            unanswered && is_user_data(key)
        })
    }

    fn wanted(&self) -> Vec<Ask> {
        let left = MAX_ASKS.saturating_sub(self.asked.len());
        let mut wanted = self.provider.wanted(&self.answers);
        wanted.retain(|ask| match self.asked.get(&ask.key) {
            Some(made) => *made < ask.attempt,
            // What a medium said is not asked for.
            None => !self.answers.contains_key(&ask.key),
        });
        wanted.truncate(left);
        wanted
    }
}

/// Whether `key` is one of the user-data: `user-data`, `userData`, `openstack/latest/user_data`…
fn is_user_data(key: &str) -> bool {
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    let letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    letters.contains("userdata")
}
