//! [`named!`]: enumerations that people write by name and the kernel knows by number.

/// An enumeration with the names of the field and the numbers of the kernel.
///
/// Parses by name, exact first, then whatever the case; prints and serialises as its name.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $number:ty {
            $($(#[$variant_meta:meta])* $variant:ident = $value:literal $text:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(into = "&'static str", try_from = "std::borrow::Cow<'_, str>")]
        pub enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl $name {
            /// Every value, in the kernel's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Their names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($text),+];
            /// Both: what a reader of names asks for.
            pub const NAMED: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),+];

            /// As people write it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            /// The kernel's number.
            pub const fn number(self) -> $number {
                match self {
                    $(Self::$variant => $value),+
                }
            }

            /// From the kernel's number; `None` for one that is newer than this program.
            pub fn from_number(number: $number) -> Option<Self> {
                match number {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl $crate::value::Numbered for $name {
            fn numbered(number: u32) -> Option<Self> {
                <$number>::try_from(number).ok().and_then(Self::from_number)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::value::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let exact = Self::ALL.iter().find(|value| value.name() == text);
                let folded = || Self::ALL.iter().find(|value| value.name().eq_ignore_ascii_case(text));
                exact
                    .or_else(folded)
                    .copied()
                    .ok_or($crate::value::UnknownName(Self::NAMES))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> Self {
                value.name()
            }
        }

        impl TryFrom<std::borrow::Cow<'_, str>> for $name {
            type Error = $crate::value::UnknownName;

            fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

pub(crate) use named;

/// An enumeration that the kernel knows by number.
pub trait Numbered: Sized {
    /// From the kernel's number; `None` for one that is newer than this program.
    fn numbered(number: u32) -> Option<Self>;
}

/// A text is none of the names of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName(pub &'static [&'static str]);

impl core::fmt::Display for UnknownName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            [all @ .., last] if !all.is_empty() => {
                write!(f, "expected {} or {last}", all.join(", "))
            }
            names => write!(f, "expected {}", names.join(", ")),
        }
    }
}
