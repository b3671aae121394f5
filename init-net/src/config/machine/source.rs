//! [`Source`]: the text being read, and where its faults are collected. Secrets never leave it.

use core::cell::RefCell;
use std::sync::Arc;

use super::tree::{Mark, Node, Value};
use crate::config::{Diagnostic, Place, Severity};
use crate::value::{Origin, Span};

/// Words that make a key secret, lower case. Public keys are hidden as well: no harm, and no list to keep.
const SECRET: [&str; 6] = ["key", "token", "secret", "passw", "psk", "crt"];

/// What stands for a secret.
const HIDDEN: &str = "***";

/// The text being read.
pub struct Source<'t> {
    text: &'t str,
    name: Arc<str>,
    secrets: Vec<Span>,
    /// Whether the text breaks off, so that `secrets` misses its last document.
    broken: bool,
    diagnostics: RefCell<Vec<Diagnostic>>,
}

impl<'t> Source<'t> {
    /// `text`, called `name` in origins and diagnostics, with what was read of it; `broken`: not all of it was.
    pub fn new(text: &'t str, name: &str, documents: &[Node], broken: bool) -> Self {
        let mut secrets = Vec::new();
        for document in documents {
            find_secrets(document, &mut secrets);
        }
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            name: name.into(),
            secrets,
            broken,
            diagnostics: RefCell::new(Vec::new()),
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
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    /// A fault at `mark`, to be completed and reported.
    pub fn fault(&self, severity: Severity, mark: Mark, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::new(severity, message);
        match mark.line {
            0 => diagnostic,
            _ => diagnostic.with_place(self.place(mark)),
        }
    }

    /// All faults, in the order found.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics.into_inner()
    }

    fn place(&self, mark: Mark) -> Place {
        let start = mark.span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let caret = Span::new(
            start - line_start,
            mark.span.end.saturating_sub(line_start).min(line.len()),
        );
        let (text, caret) = self.without_secrets(line, line_start, caret);
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
        let mut hidden: Vec<Span> = self
            .secrets
            .iter()
            .filter(|span| span.start < line_end && span.end > line_start)
            .map(|span| {
                Span::new(
                    span.start.saturating_sub(line_start),
                    (span.end - line_start).min(line.len()),
                )
            })
            .collect();
        for (colon, _) in line.match_indices(':') {
            let word = line.get(..colon).unwrap_or_default();
            let word = word.trim_end_matches(['"', '\'', ' ']);
            let from = word.rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
            let word = word.get(from.map_or(0, |at| at + 1)..).unwrap_or_default();
            if is_secret(word) && line.len() > colon + 1 {
                hidden.push(Span::new(colon + 1, line.len()));
                break;
            }
        }
        // A block scalar (`key: |`) that breaks off: its lines carry no key of their own.
        if self.broken && !line.contains(':') && is_secret(self.text) {
            hidden.push(Span::new(0, line.len()));
        }
        hidden.sort_unstable();
        let mut text = String::new();
        let mut at = 0;
        for span in &hidden {
            if span.end <= at {
                continue;
            }
            text.push_str(line.get(at..span.start.max(at)).unwrap_or_default());
            text.push_str(HIDDEN);
            at = span.end;
        }
        text.push_str(line.get(at..).unwrap_or_default());
        let first = hidden.first().map_or(usize::MAX, |span| span.start);
        let caret = match caret {
            _ if caret.end <= first => caret,
            _ if caret.start < first => Span::new(caret.start, first),
            _ => Span::new(first, first + HIDDEN.len()),
        };
        (text, caret)
    }
}

/// Whether values of this key are secret.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|word| key.contains(word))
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
