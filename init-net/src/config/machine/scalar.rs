//! [`Scalar`]: a value that is written as one text, number or truth value, and the JSON Schema of it.

use core::net::IpAddr;
use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::tree::Node;
use crate::config::nearest::nearest;
use crate::value::{Duration, Hostname, LinkName, Mac, Mtu, Prefix, RouteTable};

/// What is wrong with a value. Never holds its text: that may be secret.
#[derive(Debug)]
pub struct Wrong {
    /// The rule that is broken.
    pub rule: Cow<'static, str>,
    /// What to write instead.
    pub fix: Option<String>,
}

impl From<&'static str> for Wrong {
    fn from(rule: &'static str) -> Self {
        let rule = rule.into();
        Self { rule, fix: None }
    }
}

impl From<String> for Wrong {
    fn from(rule: String) -> Self {
        let rule = rule.into();
        Self { rule, fix: None }
    }
}

/// A value that is written as one scalar.
pub trait Scalar: Sized {
    /// From the scalar `node` with its `text`.
    fn read(node: &Node, text: &str) -> Result<Self, Wrong>;

    /// What may be written. YAML gives a number for `100` and a text for `"100"`: where both are fine, both are said.
    /// A `description` is put behind that of the key.
    fn schema() -> Json;
}

/// A value that is one of a few names. Upper and lower case count for nothing.
pub trait Names: Copy + 'static {
    /// All names, as they are written.
    const NAMES: &'static [(&'static str, Self)];
}

impl<T: Names> Scalar for T {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let found = |same: fn(&str, &str) -> bool| {
            let mut names = T::NAMES.iter();
            names.find(|(name, _)| same(name, text))
        };
        found(|name, text| name == text)
            .or_else(|| found(str::eq_ignore_ascii_case))
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let names: Vec<&str> = T::NAMES.iter().map(|(name, _)| *name).collect();
                let near = nearest(text, names.iter().copied());
                Wrong {
                    rule: format!("expected {}", alternatives(&names)).into(),
                    fix: near.map(|near| format!("did you mean {near}?")),
                }
            })
    }

    /// To YAML 1.1 a plain `off` is false, and `on` is true.
    fn schema() -> Json {
        let mut names: Vec<Json> = T::NAMES.iter().map(|(name, _)| json!(name)).collect();
        for (word, truth) in [("off", false), ("on", true)] {
            if names.contains(&json!(word)) {
                names.push(json!(truth));
            }
        }
        json!({"enum": names})
    }
}

/// `a, b or c`.
fn alternatives(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

macro_rules! scalar_from_str {
    ($($kind:ty => $schema:expr),+ $(,)?) => {$(
        impl Scalar for $kind {
            fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
                text.parse().map_err(|error| format!("{error}").into())
            }

            fn schema() -> Json {
                $schema
            }
        }
    )+};
}

scalar_from_str! {
    Hostname => json!({
        "type": "string",
        "maxLength": 253,
        "pattern": "^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\\.?$",
    }),
    LinkName => json!({
        "type": "string",
        "maxLength": LinkName::MAX_LEN,
        "pattern": "^[!-.0-9;-~]+$",
    }),
    Mac => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5,}$"}),
    Prefix => json!({
        "type": "string",
        "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
        "description": "An address and a prefix length: 192.0.2.0/24.",
    }),
    RouteTable => json!({
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": u32::MAX,
        "pattern": "^(main|local|default|[0-9]+)$",
        "description": "main, local, default or a number.",
    }),
}

impl Scalar for String {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        Ok(text.to_owned())
    }

    /// Unquoted, a text may look like a number.
    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

impl Scalar for bool {
    fn read(node: &Node, _text: &str) -> Result<Self, Wrong> {
        node.truth().ok_or_else(|| "expected true or false".into())
    }

    /// `yes` and its like are texts to the editors that know no YAML but 1.2.
    fn schema() -> Json {
        json!({
            "type": ["boolean", "string"],
            "pattern": "^(y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$",
        })
    }
}

impl Scalar for IpAddr {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| "expected an IP address".into())
    }

    fn schema() -> Json {
        json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
    }
}

macro_rules! scalar_integer {
    ($($kind:ty),+) => {$(
        impl Scalar for $kind {
            fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
                let (least, most) = (<$kind>::MIN, <$kind>::MAX);
                let number = integer(text)?.and_then(|number| number.try_into().ok());
                number.ok_or_else(|| format!("expected a whole number from {least} to {most}").into())
            }

            fn schema() -> Json {
                let (least, most) = (<$kind>::MIN, <$kind>::MAX);
                integer_schema(least.into(), most.into())
            }
        }
    )+};
}

scalar_integer!(u8, u16, u32, i32);

/// A number in decimal, `0x` or `0o`; `None`: it is none, or beyond every type of ours. A leading zero is refused: Go
/// reads it as octal, people mean decimal.
fn integer(text: &str) -> Result<Option<i64>, Wrong> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, radix) = match text.get(..2) {
        Some("0x") => (text.get(2..).unwrap_or_default(), 16),
        Some("0o") => (text.get(2..).unwrap_or_default(), 8),
        Some(two) if two.starts_with('0') => {
            return Err("a number does not begin with 0: others read it as octal".into());
        }
        Some(_) | None => (text, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Ok(None);
    }
    let number = i64::from_str_radix(digits, radix).ok();
    Ok(number.map(|number| if negative { -number } else { number }))
}

/// From `least` to `most`, as a number or as the text of one.
fn integer_schema(least: i64, most: i64) -> Json {
    json!({
        "type": ["integer", "string"],
        "minimum": least,
        "maximum": most,
        "pattern": "^-?(0|[1-9][0-9]*|0x[0-9A-Fa-f]+|0o[0-7]+)$",
    })
}

/// The MTU of a link or route; 0 leaves what is there.
#[derive(Clone, Copy, Debug)]
pub struct MtuOrKept(pub Option<Mtu>);

impl Scalar for MtuOrKept {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match u32::read(node, text)? {
            0 => Ok(Self(None)),
            bytes => match Mtu::try_from(bytes) {
                Ok(mtu) => Ok(Self(Some(mtu))),
                Err(error) => Err(error.to_string().into()),
            },
        }
    }

    fn schema() -> Json {
        let mut schema = integer_schema(0, 65536);
        schema["description"] = "Bytes, from 68; 0 leaves what is there.".into();
        schema
    }
}

impl Scalar for Duration {
    /// Go's form: `90s`, `1m30s`, `250ms`.
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        parse_duration(text).ok_or_else(|| "expected a duration such as 90s or 1m30s".into())
    }

    fn schema() -> Json {
        json!({
            "type": ["string", "integer"],
            "minimum": 0,
            "maximum": 0,
            "pattern": "^(0|([0-9]+(ms|s|m|h))+)$",
            "description": "Such as 90s, 1m30s or 250ms.",
        })
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
