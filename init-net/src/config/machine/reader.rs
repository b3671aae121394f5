//! [`Reader`]: a mapping read key by key; what is left over at the end is unknown.
//!
//! ```text
//! let mut reader = Reader::new(source, node, "LinkConfig")?;
//! let name = reader.required::<LinkName>("name");
//! let mtu = reader.optional::<Mtu>("mtu");
//! reader.finish();
//! ```

use super::source::Source;
use super::tree::{Key, Mark, Node, Value, shown};
use crate::config::nearest::nearest;
use crate::config::{Diagnostic, Said, Severity};
use crate::value::{Duration, Hostname, LinkName, Mac, Mtu, Origin, Prefix, RouteTable};

/// A value that is written as one scalar.
pub trait Scalar: Sized {
    /// From the scalar `node` with its `text`; the error is the rule, never the text: it may be secret.
    fn read(node: &Node, text: &str) -> Result<Self, String>;
}

macro_rules! scalar_from_str {
    ($($kind:ty),+) => {$(
        impl Scalar for $kind {
            fn read(_node: &Node, text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{error}"))
            }
        }
    )+};
}

scalar_from_str!(Hostname, LinkName, Mac, Prefix, RouteTable);

impl Scalar for String {
    fn read(_node: &Node, text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Scalar for bool {
    fn read(node: &Node, _text: &str) -> Result<Self, String> {
        node.truth()
            .ok_or_else(|| "expected true or false".to_owned())
    }
}

impl Scalar for core::net::IpAddr {
    fn read(_node: &Node, text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "expected an IP address".to_owned())
    }
}

impl Scalar for u32 {
    /// Decimal, `0x` and `0o`. A leading zero is refused: Go reads it as octal, people mean decimal.
    fn read(_node: &Node, text: &str) -> Result<Self, String> {
        let (digits, radix) = match text.get(..2) {
            Some("0x") => (text.get(2..).unwrap_or_default(), 16),
            Some("0o") => (text.get(2..).unwrap_or_default(), 8),
            Some(two) if two.starts_with('0') => {
                return Err("a number does not begin with 0: others read it as octal".to_owned());
            }
            Some(_) | None => (text, 10),
        };
        match digits.chars().all(|c| c.is_digit(radix)) {
            true => u32::from_str_radix(digits, radix).map_err(|_| range()),
            false => Err(range()),
        }
    }
}

fn range() -> String {
    "expected a whole number from 0 to 4294967295".to_owned()
}

impl Scalar for Mtu {
    fn read(node: &Node, text: &str) -> Result<Self, String> {
        Mtu::try_from(u32::read(node, text)?).map_err(|error| error.to_string())
    }
}

impl Scalar for Duration {
    /// Go's form: `90s`, `1m30s`, `250ms`.
    fn read(_node: &Node, text: &str) -> Result<Self, String> {
        parse_duration(text).ok_or_else(|| "expected a duration such as 90s or 1m30s".to_owned())
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest == "0" {
        return Some(total);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let number: u64 = number.parse().ok()?;
        let scale = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(scale)?))?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Keys that a kind knows, mostly: for what is reserved.
const TYPICAL_KEYS: usize = 8;

/// One mapping, read key by key.
pub struct Reader<'s> {
    source: &'s Source<'s>,
    entries: &'s [(Key, Node)],
    /// Of the mapping itself.
    mark: Mark,
    /// What the mapping is, for messages: `LinkConfig`, `route`.
    what: &'static str,
    asked: Vec<&'static str>,
    whole: bool,
    /// Whether a bad value costs the mapping, not only itself.
    all_or_nothing: bool,
}

impl<'s> Reader<'s> {
    /// Reads `node`; anything but a mapping is reported and gives `None`.
    pub fn new(source: &'s Source<'s>, node: &'s Node, what: &'static str) -> Option<Self> {
        match &node.value {
            Value::Map(entries) => Some(Self {
                source,
                entries,
                mark: node.mark,
                what,
                asked: Vec::with_capacity(TYPICAL_KEYS),
                whole: true,
                all_or_nothing: false,
            }),
            Value::Scalar { .. } | Value::List(_) => {
                let message = format!("{what}: expected keys and values (a mapping)");
                source.report(
                    source
                        .fault(Severity::Error, node.mark, message)
                        .with_effect(format!("this {what} is ignored")),
                );
                None
            }
        }
    }

    /// A mapping that means something else when one of its values is left out: a route without its gateway.
    #[must_use]
    pub fn all_or_nothing(self) -> Self {
        Self {
            all_or_nothing: true,
            ..self
        }
    }

    /// The origin of the mapping itself.
    pub fn origin(&self) -> Origin {
        self.source.origin(self.mark)
    }

    /// The value of `key`; null counts as absent.
    pub fn node(&mut self, key: &'static str) -> Option<&'s Node> {
        self.asked.push(key);
        self.entries
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, node)| node)
            .filter(|node| !node.is_null())
    }

    /// The scalar at `key`, when it is there and valid; invalid ones are reported.
    pub fn optional<T: Scalar>(&mut self, key: &'static str) -> Option<Said<T>> {
        let node = self.node(key)?;
        self.scalar(key, node)
    }

    /// As [`Self::optional`], for a value whose own place nobody asks for: its mapping's will do.
    pub fn value<T: Scalar>(&mut self, key: &'static str) -> Option<T> {
        let node = self.node(key)?;
        self.plain(key, node)
    }

    /// The scalar at `key`; its absence is reported and makes the mapping incomplete.
    pub fn required<T: Scalar>(&mut self, key: &'static str) -> Option<Said<T>> {
        match self.node(key) {
            Some(node) => self.scalar(key, node),
            None => {
                self.whole = false;
                let message = format!("{}: {key} must be given", self.what);
                self.report(Severity::Error, self.mark, message, None);
                None
            }
        }
    }

    /// The scalars of the list at `key`; invalid ones are reported and left out. `None`: not said.
    pub fn scalars<T: Scalar>(&mut self, key: &'static str) -> Option<Vec<Said<T>>> {
        let items = self.items(key)?;
        let values = items.iter().filter_map(|node| self.scalar(key, node));
        Some(values.collect())
    }

    /// The mappings of the list at `key`, each called `what` in messages.
    pub fn mappings(&mut self, key: &'static str, what: &'static str) -> Vec<Reader<'s>> {
        let items = self.items(key).unwrap_or_default();
        items
            .iter()
            .filter_map(|node| Reader::new(self.source, node, what))
            .collect()
    }

    /// The mapping at `key`, called `what` in messages.
    pub fn mapping(&mut self, key: &'static str, what: &'static str) -> Option<Reader<'s>> {
        let node = self.node(key)?;
        Reader::new(self.source, node, what)
    }

    /// `key` is known and has no effect yet; says so when it is there.
    pub fn later(&mut self, key: &'static str) {
        if let Some(node) = self.node(key) {
            let message = format!("{}: {key} is not applied yet", self.what);
            self.report(Severity::Note, node.mark, message, None);
        }
    }

    /// Reports that the value at `key`, or the mapping itself, breaks a rule across keys.
    pub fn refuse(&mut self, key: &'static str, rule: &str, fix: Option<&str>) {
        let found = self.entries.iter().find(|(k, _)| k.text == key);
        let mark = found.map_or(self.mark, |(_, node)| node.mark);
        let message = format!("{}: {rule}", self.what);
        self.whole = false;
        self.report(Severity::Error, mark, message, fix);
    }

    /// Reports every key that was not asked for; answers whether every value that was is there and right.
    pub fn finish(self) -> bool {
        for (key, _) in self.entries {
            if self.source.is_full() || self.asked.contains(&key.text.as_str()) {
                continue;
            }
            let message = format!("{}: unknown key {}", self.what, shown(&key.text));
            let mut fault = self.source.fault(Severity::Error, key.mark, message);
            if let Some(near) = nearest(&key.text, self.asked.iter().copied()) {
                fault = fault.with_fix(format!("did you mean {near}?"));
            }
            self.source.report(fault.with_effect("this key is ignored"));
        }
        self.whole
    }

    fn items(&mut self, key: &'static str) -> Option<&'s [Node]> {
        let node = self.node(key)?;
        match &node.value {
            Value::List(items) => Some(items),
            Value::Scalar { .. } | Value::Map(_) => {
                let message = format!("{}: {key} is a list", self.what);
                self.report(
                    Severity::Error,
                    node.mark,
                    message,
                    Some("write it as [ … ]"),
                );
                None
            }
        }
    }

    fn scalar<T: Scalar>(&mut self, key: &str, node: &Node) -> Option<Said<T>> {
        let value = self.plain(key, node)?;
        Some(Said::new(value, self.source.origin(node.mark)))
    }

    fn plain<T: Scalar>(&mut self, key: &str, node: &Node) -> Option<T> {
        let read = match &node.value {
            Value::Scalar { text, .. } => T::read(node, text),
            Value::List(_) => Err("expected one value, not a list".to_owned()),
            Value::Map(_) => Err("expected one value, not a mapping".to_owned()),
        };
        match read {
            Ok(value) => Some(value),
            Err(rule) => {
                let message = format!("{}: {key}: {rule}", self.what);
                let fault: Diagnostic = self.source.fault(Severity::Error, node.mark, message);
                let lost = if self.all_or_nothing {
                    self.what
                } else {
                    "value"
                };
                self.source
                    .report(fault.with_effect(format!("this {lost} is ignored")));
                self.whole = false;
                None
            }
        }
    }

    fn report(&self, severity: Severity, mark: Mark, message: String, fix: Option<&str>) {
        let mut fault = self.source.fault(severity, mark, message);
        if let Some(fix) = fix {
            fault = fault.with_fix(fix);
        }
        if severity == Severity::Error {
            fault = fault.with_effect(format!("this {} is ignored", self.what));
        }
        self.source.report(fault);
    }
}
