//! [`Rules`]: what a service insists on before it answers, and the tokens that it gives out.

use crate::peer::http::Request;

/// What stands between a client and the answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) headers: Vec<Header>,
    pub(super) low_ports: Vec<String>,
    pub(super) tokens: Option<Tokens>,
}

/// A field that must be there.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// The paths it is for begin so.
    pub(super) prefix: String,
    /// In lower case.
    pub(super) name: String,
    /// `None`: any.
    pub(super) value: Option<String>,
}

/// Session tokens: a PUT makes one, and everything else needs the last one, or the one before while it holds.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    /// Where they are made.
    pub(super) path: String,
    /// Field of the PUT that must hold a number; in lower case.
    pub(super) lifetime: String,
    /// Field of everything else that must hold the token; in lower case.
    pub(super) header: String,
    /// How many were made.
    pub(super) made: usize,
    /// How many of them hold no longer.
    pub(super) expired: usize,
    /// After how many answers to a token those that are there expire, once.
    pub(super) expire_after: Option<usize>,
}

impl Rules {
    /// The status that a request is refused with; `port` is the client's.
    pub(super) fn refuse(&mut self, request: &Request, port: u16, token: &str) -> Option<u16> {
        let path = request.path.as_str();
        let lacks = |rule: &Header| {
            let said = request.header(&rule.name);
            path.starts_with(&rule.prefix)
                && match &rule.value {
                    Some(value) => said != Some(value),
                    None => said.is_none(),
                }
        };
        if self.headers.iter().any(lacks) {
            return Some(403);
        }
        if port >= 1024 && self.low_ports.iter().any(|prefix| path.starts_with(prefix)) {
            return Some(403);
        }
        let tokens = self.tokens.as_mut()?;
        if path == tokens.path {
            let lifetime = request.header(&tokens.lifetime);
            if request.method != "PUT"
                || lifetime.and_then(|text| text.parse::<u32>().ok()).is_none()
            {
                return Some(400);
            }
            tokens.made += 1;
            return None;
        }
        let said = request.header(&tokens.header).unwrap_or_default();
        let number = (1..=tokens.made).find(|number| said == Tokens::text(token, *number));
        if number.is_none_or(|number| number <= tokens.expired) {
            return Some(401);
        }
        match &mut tokens.expire_after {
            Some(0) => {
                tokens.expire_after = None;
                tokens.expired = tokens.made;
                Some(401)
            }
            Some(left) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }
}

impl Tokens {
    /// The token of that number, where the first one is `first`.
    pub(super) fn text(first: &str, number: usize) -> String {
        match number {
            0 | 1 => first.to_owned(),
            _ => format!("{first}-{number}"),
        }
    }
}

/// The token in the body of an answer: all of it, the one text of a JSON list, or the longest text of a JSON object.
pub(super) fn token_in(body: &str) -> &str {
    let body = body.trim();
    if !body.starts_with(['[', '{']) {
        return body;
    }
    let texts = body.split('"').skip(1).step_by(2);
    texts.max_by_key(|text| text.len()).unwrap_or_default()
}
