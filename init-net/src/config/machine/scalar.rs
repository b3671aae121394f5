//! [`Scalar`]: a value that is written as one text, number or truth value, and the JSON Schema of it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::tree::Node;
use crate::config::nearest::nearest;
use crate::value::{
    AdSelect, ArpAllTargets, ArpValidate, BondMode, Duration, FailOverMac, Hostname, IpvlanMode,
    LacpActive, LacpRate, LinkName, LinkPattern, Mac, MacvlanMode, Mtu, NodeAddressSort, PortRange,
    Prefix, PrimaryReselect, Protocol, PublicKey, Rate, RouteKind, RoutePreference, RouteTable,
    RuleAction, Secret, SecretKey, Service, SysctlKey, VlanId, VlanProtocol, WakeOn,
    XmitHashPolicy,
};

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

    /// The value called `text`.
    ///
    /// # Errors
    /// All names, and the nearest.
    fn named(text: &str) -> Result<Self, Wrong> {
        let found = |same: fn(&str, &str) -> bool| {
            let mut names = Self::NAMES.iter();
            names.find(|(name, _)| same(name, text))
        };
        found(|name, text| name == text)
            .or_else(|| found(str::eq_ignore_ascii_case))
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
                unknown_name(text, &names)
            })
    }
}

impl<T: Names> Scalar for T {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        T::named(text)
    }

    /// To YAML 1.1 a plain `off` is false, and `on` is true.
    fn schema() -> Json {
        names_schema(T::NAMES.iter().map(|(name, _)| json!(name)).collect())
    }
}

fn names_schema(mut names: Vec<Json>) -> Json {
    for (word, truth) in [("off", false), ("on", true)] {
        if names.contains(&json!(word)) {
            names.push(json!(truth));
        }
    }
    json!({"enum": names})
}

macro_rules! names_of_the_kernel {
    ($($kind:ty),+ $(,)?) => {$(
        impl Names for $kind {
            const NAMES: &'static [(&'static str, Self)] = <$kind>::NAMED;
        }
    )+};
}

names_of_the_kernel! {
    AdSelect, ArpAllTargets, ArpValidate, BondMode, FailOverMac, IpvlanMode, LacpActive, LacpRate,
    MacvlanMode, NodeAddressSort, PrimaryReselect, Protocol, RoutePreference, RuleAction, VlanProtocol, WakeOn,
    XmitHashPolicy,
}

impl Names for Service {
    const NAMES: &'static [(&'static str, Self)] = Self::NAMED;
}

/// All but the last, which stands for types that are newer than this program.
impl Names for RouteKind {
    const NAMES: &'static [(&'static str, Self)] = match Self::NAMED {
        [named @ .., _other] => named,
        [] => &[],
    };
}

#[cold]
fn unknown_name(text: &str, names: &[&str]) -> Wrong {
    let near = nearest(text, names.iter().copied());
    Wrong {
        rule: format!("expected {}", alternatives(names)).into(),
        fix: near.map(|near| format!("did you mean {near}?")),
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
    LinkPattern => json!({
        "type": "string",
        "pattern": "^[!-).-.0-9;->@-Z\\\\-~]{1,15}\\*?$",
        "description": "A name, or the start of one and \"*\": cali*.",
    }),
    Rate => json!({
        "type": "string",
        "pattern": "^[1-9][0-9]{0,6}/(second|minute|hour|day|seconds|minutes|hours|days|s|m|h|d)$",
        "description": "Packets in a second, minute, hour or day: 10/second.",
    }),
    Mac => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5,}$"}),
    Prefix => json!({
        "type": "string",
        "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
        "description": "An address and a prefix length: 192.0.2.0/24.",
    }),
    PortRange => json!({
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": u16::MAX,
        "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$",
        "description": "A port, or a range such as 9100-9110.",
    }),
    PublicKey => key_schema(),
    SecretKey => key_schema(),
    VlanId => integer_schema(1, 4094),
    SysctlKey => json!({"type": "string", "pattern": "^[!-~]+[./][!-~]+$"}),
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

impl Scalar for Ipv4Addr {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| "expected an IPv4 address".into())
    }

    fn schema() -> Json {
        json!({"type": "string", "format": "ipv4"})
    }
}

impl Scalar for Ipv6Addr {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| "expected an IPv6 address".into())
    }

    fn schema() -> Json {
        json!({"type": "string", "format": "ipv6"})
    }
}

impl Scalar for SocketAddr {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let wrong = "expected an address and a port such as 192.0.2.1:51820 or [2001:db8::1]:51820";
        text.parse().map_err(|_| wrong.into())
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$"})
    }
}

/// 32 bytes in base64.
fn key_schema() -> Json {
    json!({"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"})
}

impl Scalar for Secret {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        match text {
            "" => Err("expected a secret, not an empty text".into()),
            text => Ok(Self::new(text)),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
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

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug)]
pub struct Within<T, const LEAST: u32, const MOST: u32>(pub T);

impl<T: TryFrom<u32>, const LEAST: u32, const MOST: u32> Scalar for Within<T, LEAST, MOST> {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let wrong = || format!("expected a whole number from {LEAST} to {MOST}");
        let number = u32::read(node, text).map_err(|_| Wrong::from(wrong()))?;
        let number = Some(number).filter(|number| (LEAST..=MOST).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Self).ok_or_else(|| wrong().into())
    }

    fn schema() -> Json {
        integer_schema(LEAST.into(), MOST.into())
    }
}

/// The hardware address of one station on an Ethernet.
#[derive(Clone, Copy, Debug)]
pub struct StationMac(pub Mac);

impl Scalar for StationMac {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let mac = Mac::read(node, text)?;
        match mac.as_ethernet() {
            None => Err("expected a hardware address of 6 bytes".into()),
            Some([0, 0, 0, 0, 0, 0]) => Err("a hardware address is not all zero".into()),
            Some([first, ..]) if first & 1 != 0 => {
                Err("the address of a group is not that of one link".into())
            }
            Some(_) => Ok(Self(mac)),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[0-9A-Fa-f][02468ACEace]([:-][0-9A-Fa-f]{2}){5}$"})
    }
}

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
    /// Go's form: `90s`, `1m30s`, `1.5h`, `250ms`, `100us`.
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        if text.starts_with('-') {
            return Err("a duration is not negative".into());
        }
        let text = text.strip_prefix('+').unwrap_or(text);
        parse_duration(text).ok_or_else(|| "expected a duration such as 90s, 1m30s or 1.5h".into())
    }

    fn schema() -> Json {
        json!({
            "type": ["string", "integer"],
            "minimum": 0,
            "maximum": 0,
            "pattern": "^\\+?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
            "description": "Such as 90s, 1m30s, 1.5h or 250ms.",
        })
    }
}

/// Units of a duration, nanoseconds. µ is written in two ways (U+00B5, U+03BC).
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Longest fraction that is read, digits: more are below a nanosecond for every unit.
const MAX_FRACTION: usize = 15;

/// Go's `time.ParseDuration` without its sign. As there, the whole is at most 2⁶³ nanoseconds (292 years).
fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(nanoseconds(number, *scale)?)?;
        rest = after;
    }
    let whole = !text.is_empty() && i64::try_from(total).is_ok();
    whole.then(|| Duration::from_nanos(total))
}

/// `1.5` of a unit of `scale` nanoseconds.
fn nanoseconds(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let (mut part, mut of) = (0u128, 1u128);
    for digit in fraction.chars().take(MAX_FRACTION) {
        part = part * 10 + u128::from(digit.to_digit(10)?);
        of *= 10;
    }
    let part = u64::try_from(part * u128::from(scale) / of).ok()?;
    whole.checked_mul(scale)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        #[track_caller]
        fn check(text: &str, nanos: Option<u64>) {
            assert_eq!(
                parse_duration(text),
                nanos.map(Duration::from_nanos),
                "{text}"
            );
        }
        check("0", Some(0));
        check("1.5s", Some(1_500_000_000));
        check("100us", Some(100_000));
        check("7\u{b5}s", Some(7_000));
        check("3ns", Some(3));
        check("1h2m3.5s", Some(3_723_500_000_000));
        check(".5m", Some(30_000_000_000));
        check("2.h", Some(7_200_000_000_000));
        check("0.333333333333333333333333s", Some(333_333_333));
        check("2562047h", Some(2_562_047 * 3_600_000_000_000));
        for bad in [
            "",
            "5",
            "s",
            ".s",
            "1..5s",
            "1.5.5s",
            "1 s",
            "1d",
            "1s5",
            "2562048h",
            "99999999999999999999s",
        ] {
            check(bad, None);
        }
    }
}
