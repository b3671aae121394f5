//! [`Argument`]: one word with its source; makes the origins and diagnostics that point into it.

use core::fmt::Display;
use std::sync::Arc;

use super::fields::Field;
use super::words::Word;
use crate::config::{Diagnostic, Place, Severity};
use crate::value::{Origin, Span};

/// A diagnostic on its way; boxed, since it is the rare half of a `Result`.
pub(super) type Fault = Box<Diagnostic>;

/// Longest place of an origin, characters: it is shown beside every object.
const MAX_PLACE: usize = 60;

/// Keys whose value is (or may hold) a secret: shown without it.
const SECRET_KEYS: [&str; 4] = [
    "initnet.config",
    "talos.config",
    "initnet.config.",
    "talos.config.",
];

/// Longest piece of the source inside a message, characters: the whole stands below it.
const MAX_QUOTED: usize = 24;

/// A piece of the source for a message: in quotes, cut.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(text, MAX_QUOTED))
}

/// The first `most` characters, and a sign that there are more.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// One argument of the command line.
#[derive(Clone, Debug)]
pub(super) struct Argument<'a> {
    pub(super) word: Word<'a>,
    /// `/proc/cmdline`, for places.
    source: Arc<str>,
}

impl<'a> Argument<'a> {
    pub(super) fn new(word: Word<'a>, source: Arc<str>) -> Self {
        Self { word, source }
    }

    /// The key as written.
    pub(super) fn key(&self) -> &'a str {
        self.word.key.text
    }

    /// The key for messages: cut, should somebody write a long one.
    pub(super) fn shown_key(&self) -> String {
        cut(self.key(), MAX_QUOTED)
    }

    /// The key with `-` read as `_`, as the kernel and systemd compare keys.
    pub(super) fn canonical_key(&self) -> String {
        self.key().replace('-', "_")
    }

    /// The value, empty when there is none.
    pub(super) fn value(&self) -> Field<'a> {
        let key = self.word.key;
        self.word
            .value
            .unwrap_or_else(|| key.slice(key.text.len(), key.text.len()))
    }

    /// The value, or the fault that there is none.
    pub(super) fn required(&self) -> Result<Field<'a>, Fault> {
        match self.word.value {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(self.error(
                self.word.key,
                "a value is missing",
                format!("write {}=<value>", self.key()),
            )),
        }
    }

    /// Where a value of this argument comes from.
    pub(super) fn origin(&self) -> Origin {
        let text = self.shown();
        let place = cut(&format!("argument {}: {text}", self.word.index), MAX_PLACE);
        Origin::new("cmdline", place, Some(self.word.raw.span()))
    }

    /// The argument, or its key alone where the value is secret.
    fn shown(&self) -> String {
        let key = self.canonical_key();
        let secret = SECRET_KEYS
            .iter()
            .any(|secret| key == *secret || secret.ends_with('.') && key.starts_with(secret));
        // A hash, a path and "none" are no secrets; a URL may carry a token.
        let public = key.ends_with(".sha256")
            || !key.ends_with("inline")
                && !key.ends_with("early")
                && !self.value().text.contains("://");
        if secret && !public && self.word.value.is_some() {
            format!("{}=…", self.key())
        } else {
            self.word.raw.text.to_owned()
        }
    }

    /// The argument with the caret under `field`.
    fn place(&self, field: Field<'_>) -> Place {
        let text = self.shown();
        let raw = self.word.raw;
        let inside = |byte: usize| byte.saturating_sub(raw.start).min(raw.text.len());
        let caret = if text == raw.text {
            Span::new(inside(field.start), inside(field.end()))
        } else {
            Span::new(0, self.key().len().min(text.len()))
        };
        Place {
            source: self.source.clone(),
            position: format!("argument {}", self.word.index),
            text,
            caret,
        }
    }

    fn fault(
        &self,
        severity: Severity,
        field: Field<'_>,
        message: impl Display,
        fix: impl Into<String>,
    ) -> Fault {
        let diagnostic = Diagnostic::new(severity, format!("{}=: {message}", self.shown_key()))
            .with_place(self.place(field));
        let fix = fix.into();
        Box::new(if fix.is_empty() {
            diagnostic
        } else {
            diagnostic.with_fix(fix)
        })
    }

    /// `message` is wrong at `field`; an empty `fix` is left out.
    pub(super) fn error(
        &self,
        field: Field<'_>,
        message: impl Display,
        fix: impl Into<String>,
    ) -> Fault {
        self.fault(Severity::Error, field, message, fix)
    }

    /// It applies, but perhaps not as meant.
    pub(super) fn warning(
        &self,
        field: Field<'_>,
        message: impl Display,
        fix: impl Into<String>,
    ) -> Fault {
        self.fault(Severity::Warning, field, message, fix)
    }

    /// Known, and without effect here.
    pub(super) fn note(&self, field: Field<'_>, message: impl Display) -> Fault {
        self.fault(Severity::Note, field, message, "")
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn argument(text: &str) -> Argument<'_> {
        Argument::new(words(text)[0], "/proc/cmdline".into())
    }

    #[test]
    fn places_are_cut_and_secrets_are_hidden() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            assert_eq!(argument(text).origin().place.as_ref(), expect);
        }
        check("ip=eth0:dhcp", "argument 1: ip=eth0:dhcp");
        check(
            "initnet.config.inline=c2VjcmV0",
            "argument 1: initnet.config.inline=…",
        );
        check("talos.config=https://u:p@h/", "argument 1: talos.config=…");
        check(
            "initnet.config=/etc/net.yaml",
            "argument 1: initnet.config=/etc/net.yaml",
        );
        check(
            "initnet.config-inline=eA==",
            "argument 1: initnet.config-inline=eA==",
        );
        let long = format!("ip={}", "é".repeat(100));
        assert_eq!(
            argument(&long).origin().place.chars().count(),
            MAX_PLACE + 1
        );
    }

    #[test]
    fn the_caret_is_relative_to_the_argument() {
        let text = "quiet \"ip=a:b\"";
        let word = words(text)[1];
        let argument = Argument::new(word, "x".into());
        let field = argument.value().split(b':')[1];
        let place = argument.error(field, "m", "").place.unwrap();
        assert_eq!(place.text, "\"ip=a:b\"");
        assert_eq!(&place.text[place.caret.start..place.caret.end], "b");
    }

    #[test]
    fn a_missing_value_is_said_at_the_key() {
        for text in ["vlan", "vlan="] {
            let fault = argument(text).required().unwrap_err();
            assert_eq!(fault.message, "vlan=: a value is missing");
            assert_eq!(fault.place.unwrap().caret, Span::new(0, 4));
        }
    }
}
