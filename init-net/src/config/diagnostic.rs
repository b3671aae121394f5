//! [`Diagnostic`]: place, rule, fix and effect of one fault in a source.

use core::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::value::{Origin, Span};

/// How bad it is. Only errors make `check` exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information: parsed and kept, not applied yet.
    Note,
    /// Applies, but perhaps not as meant.
    Warning,
    /// Does not apply.
    Error,
}

/// Where in a source: the line (or argument) as text, and the bytes of it that are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// `/proc/cmdline`, `config.yaml`.
    pub source: Arc<str>,
    /// `argument 5`, `line 3, column 12`.
    pub position: String,
    /// The argument or line, without line end. Secrets are replaced before they get here.
    pub text: String,
    /// The bytes of `text` under the caret.
    pub caret: Span,
}

/// One fault: what is wrong, where, how to mend it, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The rule that is broken, in one sentence without a full stop.
    pub message: String,
    /// Where, when it has a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What the fault costs, and what still applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
}

impl From<&Origin> for Place {
    /// The place of a value whose text is not at hand: its argument or line, without a caret.
    fn from(origin: &Origin) -> Self {
        Self {
            source: origin.source.clone(),
            position: origin.place.to_string(),
            text: String::new(),
            caret: Span::default(),
        }
    }
}

impl Diagnostic {
    /// A fault without place, fix or effect; add them with the `with_` methods.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            place: None,
            fix: None,
            effect: None,
        }
    }

    /// Sets the place.
    #[must_use]
    pub fn with_place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Sets the fix.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Sets the effect.
    #[must_use]
    pub fn with_effect(mut self, effect: impl Into<String>) -> Self {
        self.effect = Some(effect.into());
        self
    }
}

/// Widest line of a diagnostic, columns (DESIGN §4).
const MAX_LINE: usize = 100;

/// Widest text of a source in one: 100 columns less the indent (DESIGN §4).
const MAX_TEXT: usize = 96;

impl fmt::Display for Diagnostic {
    /// Several lines, without a line end after the last one. Control bytes of the source are shown as `?`. A width is what
    /// stands before the first line already, columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        };
        let before = f.width().unwrap_or_default();
        write_wrapped(f, before, severity, &self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  {}, {}", place.source, place.position)?;
            write_caret(f, place)?;
        }
        if let Some(fix) = &self.fix {
            write_wrapped(f, 0, "\n  ", fix)?;
        }
        match &self.effect {
            Some(effect) => write_wrapped(f, 0, "\n  effect: ", effect),
            None => Ok(()),
        }
    }
}

/// `head` and `text` in lines that a terminal shows whole. Only a word that is too long for one is not broken.
fn write_wrapped(f: &mut fmt::Formatter<'_>, before: usize, head: &str, text: &str) -> fmt::Result {
    f.write_str(head)?;
    let mut column = before + head.len();
    for (at, word) in text.split(' ').enumerate() {
        let width = word.chars().count();
        if at > 0 && column + 1 + width > MAX_LINE {
            f.write_str("\n    ")?;
            column = 4;
        } else if at > 0 {
            f.write_str(" ")?;
            column += 1;
        }
        write!(f, "{}", Printable(word))?;
        column += width;
    }
    Ok(())
}

/// The text and the caret under it; of a long text only the window around the caret.
fn write_caret(f: &mut fmt::Formatter<'_>, place: &Place) -> fmt::Result {
    if place.text.is_empty() {
        return Ok(());
    }
    let chars: Vec<(usize, char)> = place.text.char_indices().collect();
    let column = |byte: usize| chars.iter().take_while(|(i, _)| *i < byte).count();
    let (start, end) = (
        column(place.caret.start),
        column(place.caret.end).max(column(place.caret.start) + 1),
    );
    let from = if chars.len().max(end) <= MAX_TEXT {
        0
    } else {
        start.saturating_sub(MAX_TEXT / 3)
    };
    let window: String = chars
        .iter()
        .skip(from)
        .take(MAX_TEXT)
        .map(|(_, c)| *c)
        .collect();
    let width = (end - start)
        .min(MAX_TEXT.saturating_sub(start - from))
        .max(1);
    write!(
        f,
        "\n    {}\n    {:pad$}{:^<width$}",
        Printable(&window),
        "",
        "",
        pad = start - from
    )
}

/// Text of a foreign source on its way to a terminal: control characters become `?`.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            let hidden = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            fmt::Write::write_char(f, if hidden { '?' } else { c })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, start: usize, end: usize) -> Place {
        Place {
            source: "/proc/cmdline".into(),
            position: "argument 5".into(),
            text: text.into(),
            caret: Span::new(start, end),
        }
    }

    #[test]
    fn caret_is_under_the_field() {
        let diagnostic = Diagnostic::new(Severity::Error, "ip=: field 4 (netmask) has a hole")
            .with_place(place(
                "ip=10.0.0.2::10.0.0.1:255.0.255.0:web1:eth0:none",
                22,
                33,
            ))
            .with_fix("write 255.255.255.0, or 24")
            .with_effect("this ip= is ignored; the other 2 still apply");
        assert_eq!(
            diagnostic.to_string(),
            "error: ip=: field 4 (netmask) has a hole\n\
             \x20 /proc/cmdline, argument 5\n\
             \x20   ip=10.0.0.2::10.0.0.1:255.0.255.0:web1:eth0:none\n\
             \x20                         ^^^^^^^^^^^\n\
             \x20 write 255.255.255.0, or 24\n\
             \x20 effect: this ip= is ignored; the other 2 still apply"
        );
    }

    #[test]
    fn a_long_rule_goes_on_in_the_next_line() {
        let rule = ["word"; 30].join(" ");
        let text = Diagnostic::new(Severity::Error, rule.clone()).to_string();
        assert!(text.lines().all(|line| line.len() <= MAX_LINE), "{text}");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words.join(" "), format!("error: {rule}"));
        // Something stands before the first line.
        let fault = Diagnostic::new(Severity::Error, rule);
        let first = |text: String| text.lines().next().unwrap_or_default().len();
        let (alone, prefixed) = (first(fault.to_string()), first(format!("{fault:10}")));
        assert_eq!((alone, prefixed), (96, 86));
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        let text = Diagnostic::new(Severity::Error, "bad\u{1b}[2J")
            .with_place(place("a\u{7}é", 1, 2))
            .to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'));
    }

    #[test]
    fn a_caret_behind_a_full_line_stays_in_the_window() {
        let full = "x".repeat(MAX_TEXT);
        let text = Diagnostic::new(Severity::Error, "m")
            .with_place(place(&full, MAX_TEXT, MAX_TEXT))
            .to_string();
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        assert!(text.contains('^'));
    }

    #[test]
    fn caret_of_a_long_line_and_a_caret_outside_stay_in_the_window() {
        let long = "x".repeat(5000);
        for (start, end) in [(0, 5000), (4990, 5000), (6000, 7000), (3, 3)] {
            let text = Diagnostic::new(Severity::Error, "m")
                .with_place(place(&long, start, end))
                .to_string();
            assert!(
                text.lines().all(|line| line.chars().count() <= 100),
                "{text}"
            );
        }
    }
}
