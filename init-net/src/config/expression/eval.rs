//! Terms and the facts of a link to an answer.

use core::cmp::Ordering;
use core::fmt;
use std::borrow::Cow;

use super::MAX_STEPS;
use super::check::{Search, Term};
use super::facts::LinkFacts;
use super::syntax::Operator;
use crate::value::Mac;

/// What a term is worth.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Bool(bool),
    /// Signed or unsigned 64 bits: both fit.
    Int(i128),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// A position that the list does not have.
    OutOfRange,
    /// A result beyond 64 bits.
    Overflow,
    /// Division by 0.
    DivisionByZero,
    /// More work than an expression may make.
    TooMuch,
    /// Bytes above the longest hardware address, in `mac`.
    NoAddress,
    /// A type that the check should have found.
    Type,
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "the list is shorter than the position in it",
            Self::Overflow => "a number above 64 bits",
            Self::DivisionByZero => "a division by 0",
            Self::TooMuch => "the expression takes too many steps",
            Self::NoAddress => "more bytes than a hardware address has",
            Self::Type => "a value of another type than expected",
        })
    }
}

impl<'a> Value<'a> {
    /// A text that lives elsewhere.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Bytes that live elsewhere.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }

    /// Members and bytes: what a copy costs.
    fn weight(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Int(_) => 1,
            Self::Text(text) => 1 + text.len(),
            Self::Bytes(bytes) => 1 + bytes.len(),
            Self::List(items) => 1 + items.iter().map(Self::weight).sum::<usize>(),
        }
    }

    fn is_known(&self) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) => !items.is_empty(),
        }
    }

    fn equals(&self, other: &Self, any_case: bool) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) if any_case => a.eq_ignore_ascii_case(b),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b, any_case))
            }
            _ => false,
        }
    }

    fn compare(&self, other: &Self, any_case: bool) -> Result<Ordering, EvalError> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Ok(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Ok(cased(a, any_case).cmp(&cased(b, any_case))),
            _ => Err(EvalError::Type),
        }
    }
}

fn cased(text: &str, any_case: bool) -> Cow<'_, str> {
    match any_case {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// What `term` says of `facts`.
pub fn answer(term: &Term, facts: &LinkFacts<'_>) -> Result<bool, EvalError> {
    let mut run = Run {
        facts,
        locals: Vec::new(),
        left: MAX_STEPS,
    };
    run.truth(term)
}

struct Run<'r, 'a> {
    facts: &'r LinkFacts<'a>,
    locals: Vec<Value<'a>>,
    /// Steps.
    left: usize,
}

impl<'a> Run<'_, 'a> {
    fn spend(&mut self, steps: usize) -> Result<(), EvalError> {
        self.left = self.left.checked_sub(steps).ok_or(EvalError::TooMuch)?;
        Ok(())
    }

    fn truth(&mut self, term: &Term) -> Result<bool, EvalError> {
        match self.value(term)? {
            Value::Bool(value) => Ok(value),
            _ => Err(EvalError::Type),
        }
    }

    fn int(&mut self, term: &Term) -> Result<i128, EvalError> {
        match self.value(term)? {
            Value::Int(value) => Ok(value),
            _ => Err(EvalError::Type),
        }
    }

    fn text(&mut self, term: &Term) -> Result<Cow<'a, str>, EvalError> {
        match self.value(term)? {
            Value::Text(text) => Ok(text),
            _ => Err(EvalError::Type),
        }
    }

    fn items(&mut self, term: &Term) -> Result<Vec<Value<'a>>, EvalError> {
        match self.value(term)? {
            Value::List(items) => Ok(items),
            _ => Err(EvalError::Type),
        }
    }

    fn value(&mut self, term: &Term) -> Result<Value<'a>, EvalError> {
        self.spend(1)?;
        Ok(match term {
            Term::Value(value) => self.copy(value.clone())?,
            Term::Field(field) => self.copy((field.read)(self.facts))?,
            Term::Local(at) => {
                let value = self.locals.get(*at).cloned().ok_or(EvalError::Type)?;
                self.copy(value)?
            }
            Term::List(items) => {
                let items = items.iter().map(|item| self.value(item));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Term::Index(list, at) => {
                let (mut items, at) = (self.items(list)?, self.int(at)?);
                let at = usize::try_from(at).map_err(|_| EvalError::OutOfRange)?;
                match at < items.len() {
                    true => items.swap_remove(at),
                    false => return Err(EvalError::OutOfRange),
                }
            }
            Term::Not(of) => Value::Bool(!self.truth(of)?),
            Term::Minus(of) => Value::Int(bounded(self.int(of)?.checked_neg())?),
            Term::Junction { any, parts } => {
                let mut outcome = Outcome::new(*any);
                for part in parts {
                    if outcome.is_settled_by(self.truth(part))? {
                        break;
                    }
                }
                outcome.finish()?
            }
            Term::Binary {
                operator,
                any_case,
                sides,
            } => {
                let [left, right] = &**sides;
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, left, right, *any_case)?
            }
            Term::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                let taken = if self.truth(condition)? {
                    then
                } else {
                    otherwise
                };
                self.value(taken)?
            }
            Term::Size(of) => {
                let size = match self.value(of)? {
                    Value::Text(text) => text.chars().count(),
                    Value::Bytes(bytes) => bytes.len(),
                    Value::List(items) => items.len(),
                    Value::Bool(_) | Value::Int(_) => return Err(EvalError::Type),
                };
                Value::Int(i128::try_from(size).map_err(|_| EvalError::Overflow)?)
            }
            Term::Mac(of) => match self.value(of)? {
                Value::Bytes(bytes) if bytes.is_empty() => Value::text(""),
                Value::Bytes(bytes) => {
                    let mac = Mac::from_bytes(&bytes).ok_or(EvalError::NoAddress)?;
                    self.copy(Value::Text(mac.to_string().into()))?
                }
                _ => return Err(EvalError::Type),
            },
            Term::Has(field) => Value::Bool((field.read)(self.facts).is_known()),
            Term::Glob { glob, any_case, of } => {
                let text = self.text(of)?;
                self.spend(glob.as_str().len().saturating_mul(text.len()) / GLOB_STEP)?;
                Value::Bool(match any_case {
                    true => glob.matches_any_case(&text),
                    false => glob.matches(&text),
                })
            }
            Term::Search {
                search,
                any_case,
                sides,
            } => {
                let [of, part] = &**sides;
                let (of, part) = (self.text(of)?, self.text(part)?);
                let (of, part) = (cased(&of, *any_case), cased(&part, *any_case));
                Value::Bool(match search {
                    Search::Start => of.starts_with(&*part),
                    Search::End => of.ends_with(&*part),
                    Search::Anywhere => of.contains(&*part),
                })
            }
            Term::Each { any, list, test } => {
                let mut outcome = Outcome::new(*any);
                for item in self.items(list)? {
                    self.locals.push(item);
                    let truth = self.truth(test);
                    self.locals.pop();
                    if outcome.is_settled_by(truth)? {
                        break;
                    }
                }
                outcome.finish()?
            }
        })
    }

    /// Pays for `value`, which was copied.
    fn copy(&mut self, value: Value<'a>) -> Result<Value<'a>, EvalError> {
        self.spend(value.weight())?;
        Ok(value)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: Value<'a>,
        right: Value<'a>,
        any_case: bool,
    ) -> Result<Value<'a>, EvalError> {
        let order = |wanted: fn(Ordering) -> bool| {
            left.compare(&right, any_case)
                .map(|order| Value::Bool(wanted(order)))
        };
        match operator {
            Operator::Equal => Ok(Value::Bool(left.equals(&right, any_case))),
            Operator::Unequal => Ok(Value::Bool(!left.equals(&right, any_case))),
            Operator::Less => order(Ordering::is_lt),
            Operator::AtMost => order(Ordering::is_le),
            Operator::More => order(Ordering::is_gt),
            Operator::AtLeast => order(Ordering::is_ge),
            Operator::In => match right {
                Value::List(items) => {
                    let found = items.iter().any(|item| item.equals(&left, any_case));
                    Ok(Value::Bool(found))
                }
                _ => Err(EvalError::Type),
            },
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => match (operator, left, right) {
                (_, Value::Int(a), Value::Int(b)) => arithmetic(operator, a, b).map(Value::Int),
                (Operator::Add, Value::Text(a), Value::Text(b)) => self.copy(Value::Text(a + b)),
                (Operator::Add, Value::List(mut a), Value::List(b)) => {
                    a.extend(b);
                    self.copy(Value::List(a))
                }
                _ => Err(EvalError::Type),
            },
        }
    }
}

/// Comparisons of a pattern that count as one step.
const GLOB_STEP: usize = 64;

fn arithmetic(operator: Operator, a: i128, b: i128) -> Result<i128, EvalError> {
    if b == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
        return Err(EvalError::DivisionByZero);
    }
    bounded(match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
        _ => return Err(EvalError::Type),
    })
}

fn bounded(value: Option<i128>) -> Result<i128, EvalError> {
    value
        .filter(|value| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(value))
        .ok_or(EvalError::Overflow)
}

/// `||` and `exists` (`any`), `&&` and `all`: a part that decides is worth more than one that fails, in any order.
struct Outcome {
    any: bool,
    settled: bool,
    failed: Option<EvalError>,
}

impl Outcome {
    fn new(any: bool) -> Self {
        Self {
            any,
            settled: false,
            failed: None,
        }
    }

    /// Takes one part; whether the others no longer matter. Too much work is an end of everything.
    fn is_settled_by(&mut self, part: Result<bool, EvalError>) -> Result<bool, EvalError> {
        match part {
            Ok(value) => self.settled = value == self.any,
            Err(EvalError::TooMuch) => return Err(EvalError::TooMuch),
            Err(error) => self.failed = self.failed.or(Some(error)),
        }
        Ok(self.settled)
    }

    fn finish<'a>(self) -> Result<Value<'a>, EvalError> {
        match self.failed {
            Some(error) if !self.settled => Err(error),
            _ => Ok(Value::Bool(self.settled == self.any)),
        }
    }
}
