//! [`Source`]: the text being read, and where its faults are collected. Secrets never leave it.

use core::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use super::tree::{Mark, Node, Value};
use crate::config::nearest::nearest;
use crate::config::{Diagnostic, Place, Severity};
use crate::value::{Origin, Span};

/// Words that make a key secret, lower case. Public keys are hidden as well: no harm, and no list to keep.
const SECRET: [&str; 8] = [
    "key", "token", "secret", "passw", "psk", "crt", "header", "body",
];

/// Keys of secrets. What is almost written so is secret too: a slip in a key must not show its value.
const SECRET_KEYS: [&str; 6] = [
    "privatekey",
    "presharedkey",
    "apitoken",
    "password",
    "secret",
    "token",
];

/// Most faults of one text that are kept; one more says that there are others.
const MAX_DIAGNOSTICS: usize = 100;

/// How far from a fault the ends of its line are looked for, bytes: a JSON text is one line of megabytes.
const MAX_LINE: usize = 4096;

/// Longest part of a line that is kept on each side of its fault, bytes.
const MAX_SIDE: usize = 200;

/// What stands for a secret.
const HIDDEN: &str = "***";

/// The text being read.
pub struct Source<'t> {
    text: &'t str,
    name: Arc<str>,
    documents: &'t [Node],
    /// Found when the first fault shows a line: a text without faults shows none.
    secrets: OnceCell<Vec<Span>>,
    /// Whether the text breaks off, so that `secrets` misses its last document.
    broken: bool,
    diagnostics: RefCell<Vec<Diagnostic>>,
    /// Errors reported, kept or not.
    errors: Cell<usize>,
}

impl<'t> Source<'t> {
    /// `text`, called `name` in origins and diagnostics, with what was read of it; `broken`: not all of it was.
    pub fn new(text: &'t str, name: &str, documents: &'t [Node], broken: bool) -> Self {
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            name: name.into(),
            documents,
            secrets: OnceCell::new(),
            broken,
            diagnostics: RefCell::new(Vec::new()),
            errors: Cell::new(0),
        }
    }

    /// The source's name.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The origin of the value at `mark`.
    pub fn origin(&self, mark: Mark) -> Origin {
        Origin::new(self.name(), format!("line {}", mark.line), Some(mark.span))
    }

    /// Keeps a fault.
    pub fn report(&self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors.set(self.errors.get() + 1);
        }
        let mut diagnostics = self.diagnostics.borrow_mut();
        match diagnostics.len() {
            0..MAX_DIAGNOSTICS => diagnostics.push(diagnostic),
            MAX_DIAGNOSTICS => {
                let message = format!("more than {MAX_DIAGNOSTICS} faults; the rest is not shown");
                diagnostics.push(Diagnostic::new(Severity::Error, message));
            }
            _ => {}
        }
    }

    /// Errors so far.
    pub fn errors(&self) -> usize {
        self.errors.get()
    }

    /// Whether no further fault is kept.
    pub fn is_full(&self) -> bool {
        self.diagnostics.borrow().len() > MAX_DIAGNOSTICS
    }

    /// A fault at `mark`, to be completed and reported.
    pub fn fault(&self, severity: Severity, mark: Mark, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::new(severity, message);
        // Past the limit it is not kept, so its line is not looked for.
        if mark.line == 0 || self.diagnostics.borrow().len() >= MAX_DIAGNOSTICS {
            diagnostic
        } else {
            diagnostic.with_place(self.place(mark))
        }
    }

    /// The place of the bytes `part` of `text`, as which the scalar at `mark` reads. Quotes, escapes, indents and line
    /// ends are what a scalar may have more than its text, so what is in the text is met in the scalar in this order.
    pub fn inside(&self, mark: Mark, text: &str, part: Span) -> Mark {
        let raw = self
            .text
            .get(mark.span.start..mark.span.end)
            .unwrap_or_default();
        let mut met = raw.char_indices().peekable();
        let (mut start, mut end) = (None, 0);
        for (at, wanted) in text
            .char_indices()
            .take_while(|(at, _)| *at < part.end.max(part.start + 1))
        {
            // A folded line end reads as a space.
            let fits = |c: char| c == wanted || c.is_whitespace() && wanted.is_whitespace();
            while met.next_if(|(_, c)| !fits(*c)).is_some() {}
            let Some((place, c)) = met.next() else {
                // An escape that reads as something else: all of the scalar is meant.
                return mark;
            };
            end = place + c.len_utf8();
            if at >= part.start && start.is_none() {
                start = Some(place);
            }
        }
        // A fault at the end of the text has nothing under it.
        let start = start.unwrap_or(end);
        let before = raw.get(..start).unwrap_or_default();
        let (line, column) = match before.rfind('\n') {
            Some(at) => (
                mark.line + before.matches('\n').count(),
                1 + before.get(at + 1..).map_or(0, |line| line.chars().count()),
            ),
            None => (mark.line, mark.column + before.chars().count()),
        };
        let span = Span::new(mark.span.start + start, mark.span.start + end.max(start));
        Mark { line, column, span }
    }

    /// All faults, in the order found.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics.into_inner()
    }

    fn place(&self, mark: Mark) -> Place {
        let start = self.text.floor_char_boundary(mark.span.start);
        let from = self
            .text
            .floor_char_boundary(start.saturating_sub(MAX_LINE));
        let to = self
            .text
            .floor_char_boundary(start.saturating_add(MAX_LINE));
        let before = self.text.get(from..start).unwrap_or_default();
        let line_start = before.rfind(['\n', '\r']).map_or(from, |at| from + at + 1);
        let rest = self.text.get(line_start..to).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let caret = Span::new(
            start - line_start,
            mark.span.end.saturating_sub(line_start).min(line.len()),
        );
        let (text, caret) = cut(self.without_secrets(line, line_start, caret));
        Place {
            source: self.name(),
            position: format!("line {}, column {}", mark.line, mark.column),
            text,
            caret,
        }
    }

    /// The line with every secret replaced. What the tree does not know (a text that breaks off) is judged by the
    /// words before a colon: then the rest of the line goes.
    fn without_secrets(&self, line: &str, line_start: usize, caret: Span) -> (String, Span) {
        let line_end = line_start + line.len();
        let secrets = self.secrets.get_or_init(|| {
            let mut secrets = Vec::new();
            for document in self.documents {
                find_secrets(document, &mut secrets);
            }
            secrets
        });
        let mut hidden: Vec<Span> = secrets
            .iter()
            .filter(|span| span.start < line_end && span.end > line_start)
            .map(|span| {
                Span::new(
                    span.start.saturating_sub(line_start),
                    (span.end - line_start).min(line.len()),
                )
            })
            .collect();
        // A block scalar (`key: |`) that breaks off has lines without a key of their own; so has a cut line.
        let keyless = !line.contains(':') || line.len() >= MAX_LINE;
        if self.broken && keyless && is_secret(self.text) {
            hidden.push(Span::new(0, line.len()));
        }
        if self.broken {
            hidden.extend(secret_by_word(line));
        }
        hidden.sort_unstable();
        let mut text = String::new();
        let mut at = 0;
        let mut marked = None;
        for span in &hidden {
            if span.end <= at {
                continue;
            }
            let start = span.start.max(at);
            if marked.is_none() && caret.start < span.end {
                // Never wider than what stands for the secret: its length is part of it.
                let hides = text.len() + (start - at);
                let from = text.len() + caret.start.saturating_sub(at);
                marked = Some(match caret {
                    _ if caret.end <= start => {
                        Span::new(from, from + caret.end.saturating_sub(caret.start))
                    }
                    _ if caret.start < start => Span::new(from, hides),
                    _ => Span::new(hides, hides + HIDDEN.len()),
                });
            }
            text.push_str(line.get(at..start).unwrap_or_default());
            text.push_str(HIDDEN);
            at = span.end;
        }
        let marked = marked.unwrap_or_else(|| {
            let from = text.len() + caret.start.saturating_sub(at);
            Span::new(from, from + caret.end.saturating_sub(caret.start))
        });
        text.push_str(line.get(at..).unwrap_or_default());
        (text, marked)
    }
}

/// The rest of the line after the first key that sounds secret.
fn secret_by_word(line: &str) -> Option<Span> {
    let colon = line.match_indices(':').map(|(at, _)| at).find(|at| {
        let word = line.get(..*at).unwrap_or_default();
        let word = word.trim_end_matches(['"', '\'', ' ']);
        let from = word.rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        is_secret(word.get(from.map_or(0, |at| at + 1)..).unwrap_or_default())
    })?;
    (line.len() > colon + 1).then(|| Span::new(colon + 1, line.len()))
}

/// What of a long line is around the caret.
fn cut((text, caret): (String, Span)) -> (String, Span) {
    let from = text.ceil_char_boundary(caret.start.saturating_sub(MAX_SIDE));
    let to = text.floor_char_boundary(caret.start + MAX_SIDE);
    let part = text.get(from..to).unwrap_or_default().to_owned();
    let end = caret.end.min(to).max(caret.start);
    let caret = Span::new(caret.start - from.min(caret.start), end - from.min(end));
    (part, caret)
}

/// Whether values of this key are secret.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|word| key.contains(word)) || nearest(&key, SECRET_KEYS).is_some()
}

fn find_secrets(node: &Node, secrets: &mut Vec<Span>) {
    match &node.value {
        Value::Scalar { .. } => {}
        Value::List(items) => items.iter().for_each(|item| find_secrets(item, secrets)),
        Value::Map(entries) => {
            for (key, node) in entries {
                if is_secret(&key.text) {
                    secrets.push(node.mark.span);
                } else {
                    find_secrets(node, secrets);
                }
            }
        }
    }
}
