//! [`Tokens`]: a session token in front of every request, as several services want it.

use super::{Answer, Answers, Ask, Method};

/// How a service gives tokens and takes them.
pub struct Tokens {
    /// Where one is made.
    pub path: &'static str,
    /// The field that says how long it lives, and for how long: seconds.
    pub life: (&'static str, &'static str),
    /// The field that carries it.
    pub header: &'static str,
    /// What a body says of the token.
    pub read: fn(&str) -> Option<String>,
}

/// Keys of the first token, and of the one that replaces it when the service has forgotten it.
const KEYS: [&str; 2] = ["token", "token/2"];

/// Statuses by which a service says that it knows no tokens: it is asked without.
const UNKNOWN: [u16; 3] = [404, 405, 501];

impl Tokens {
    /// Whether `key` is that of a token.
    pub fn is_token(key: &str) -> bool {
        KEYS.contains(&key)
    }

    /// The requests for tokens that `answers` lead to, and then `asks` with a token. What was answered with the first one
    /// stays.
    pub fn before(&self, answers: &Answers, asks: impl Iterator<Item = Ask>) -> Vec<Ask> {
        let [first, second] = KEYS;
        let mut all = vec![self.ask(first)];
        let expired = answers
            .values()
            .any(|answer| *answer == Answer::Status(401));
        if expired || answers.contains_key(second) {
            all.push(self.ask(second));
        }
        let (token, attempt) = match (answers.get(first), answers.get(second)) {
            (_, Some(Answer::Body(token))) => (Some(token), 2),
            (Some(Answer::Status(status)), _) if UNKNOWN.contains(status) => (None, 1),
            (Some(Answer::Body(token)), _) => (Some(token), 1),
            // 403: the service is switched off for this instance. Anything else: it is not there.
            (Some(Answer::Status(_) | Answer::Unreachable) | None, _) => return all,
        };
        let token = token
            .and_then(|token| core::str::from_utf8(token).ok())
            .and_then(|token| (self.read)(token.trim()));
        for mut ask in asks {
            let again = matches!(answers.get(&ask.key), Some(Answer::Status(401)));
            ask.attempt = if again { attempt } else { 1 };
            let header = token.as_ref().map(|token| (self.header, token.clone()));
            ask.headers.extend(header);
            all.push(ask);
        }
        all
    }

    fn ask(&self, key: &str) -> Ask {
        let (field, seconds) = self.life;
        let mut ask = Ask::optional(key, self.path).with(field, seconds);
        ask.method = Method::Put;
        ask
    }
}
