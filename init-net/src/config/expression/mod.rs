//! [`Expression`]: which link is meant, as `selector.match` of a `LinkAliasConfig` says it.
//!
//! The language is the part of CEL that makes sense of one variable, `link`: literals, fields, `! && || ?:`, comparisons,
//! `in`, arithmetic, `startsWith endsWith contains size`, `exists` and `all` over lists, `has`, `glob(pattern, text)` and
//! `mac(bytes)`. Everything is checked when it is read: names, types, patterns, and that the answer is yes or no. More
//! lenient than CEL where that can only help: signed and unsigned numbers mix, an enumeration compares with its names
//! (`link.type == "ether"`), and hardware addresses and PCI ids have no case.
//!
//! What is not known of a link is empty or 0, never an error.

mod check;
mod eval;
mod facts;
mod lexer;
mod syntax;
#[cfg(test)]
mod tests;

use core::fmt;

pub use eval::EvalError;
pub use facts::{LinkFacts, OPERATIONAL_STATES};

use crate::value::Span;

/// Longest expression, bytes: forty cards by hardware address fit twice.
const MAX_LEN: usize = 4096;

/// Deepest nesting, levels: a stack frame or two each.
const MAX_DEPTH: usize = 48;

/// Most work of one evaluation, in terms looked at and bytes copied. A long list of cards needs a few hundred; nested
/// `exists` over lists could need minutes.
const MAX_STEPS: usize = 100_000;

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes of the expression that are meant; empty at its end.
    pub span: Span,
    /// The rule that is broken, in one sentence without a full stop.
    pub rule: String,
    /// What to write instead.
    pub fix: Option<String>,
}

impl Fault {
    fn new(span: Span, rule: impl Into<String>) -> Self {
        Self {
            span,
            rule: rule.into(),
            fix: None,
        }
    }

    fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// A question about one link, answered with yes or no.
#[derive(Clone)]
pub struct Expression {
    text: String,
    term: check::Term,
}

impl Expression {
    /// Reads and checks `text`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_LEN {
            let start = text.floor_char_boundary(MAX_LEN);
            let rule = format!("an expression has at most {MAX_LEN} bytes");
            return Err(Fault::new(Span::new(start, text.len()), rule));
        }
        Ok(Self {
            text: text.to_owned(),
            term: check::question(&syntax::parse(text)?)?,
        })
    }

    /// The answer for one link. An error is to be taken as "no" for that link.
    pub fn eval(&self, facts: &LinkFacts<'_>) -> Result<bool, EvalError> {
        eval::answer(&self.term, facts)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// By text: it says all that the checked form holds.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
