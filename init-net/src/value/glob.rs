//! [`Glob`]: a shell pattern over a whole text.

use core::fmt;
use core::str::FromStr;

/// A pattern: `*` any run of characters, `?` one, `[a-z]` one of a set (`[!a-z]`, `[^a-z]`: one that is not in it), and `\` makes
/// the next one stand for itself. It must match the whole text. No character is special in the text: `*` runs over
/// `/` and `:` too.
///
/// Texts that are hexadecimal numbers to people, hardware addresses and PCI ids, are matched with
/// [`Glob::matches_any_case`]; all others, drivers and bus paths, with [`Glob::matches`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// This character.
    One(char),
    /// `?`
    Any,
    /// `*`
    Run,
    /// `[…]`: ranges, both ends included.
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobError {
    /// Above [`Glob::MAX_LEN`].
    TooLong,
    /// `[` without `]`, or without anything between.
    OpenSet,
    /// `[z-a]`.
    BackwardRange,
    /// `\` at the end.
    OpenEscape,
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a pattern has at most 256 bytes",
            Self::OpenSet => "\"[\" in a pattern needs characters and a \"]\" after it",
            Self::BackwardRange => "a range in a pattern goes upwards, as in \"[a-f]\"",
            Self::OpenEscape => "\"\\\" at the end of a pattern stands for nothing",
        })
    }
}

impl Glob {
    /// Longest pattern, bytes. The work of a match is at most this times the length of the text.
    pub const MAX_LEN: usize = 256;

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        self.fits(text, false)
    }

    /// As [`Self::matches`], ASCII letters without regard to case.
    pub fn matches_any_case(&self, text: &str) -> bool {
        self.fits(text, true)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Only the last `*` is ever tried again: what an earlier one could take instead, the last one can take too. So no
    /// recursion, and no more than pattern times text steps.
    fn fits(&self, text: &str, any_case: bool) -> bool {
        let mut rest = text;
        let mut at = 0;
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let mut following = rest.chars();
            match (self.parts.get(at), following.next()) {
                (Some(Part::Run), _) => {
                    at += 1;
                    retry = Some((at, rest));
                    continue;
                }
                (Some(part), Some(c)) if part.takes(c, any_case) => {
                    at += 1;
                    rest = following.as_str();
                    continue;
                }
                (None, None) => return true,
                (Some(_) | None, _) => {}
            }
            let Some((after, from)) = retry else {
                return false;
            };
            let mut longer = from.chars();
            if longer.next().is_none() {
                return false;
            }
            rest = longer.as_str();
            at = after;
            retry = Some((after, rest));
        }
    }
}

impl Part {
    fn takes(&self, c: char, any_case: bool) -> bool {
        match self {
            Self::One(own) if any_case => own.eq_ignore_ascii_case(&c),
            Self::One(own) => *own == c,
            Self::Any => true,
            Self::Run => false,
            Self::Set { negated, ranges } => {
                let holds = |c: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                let inside = if any_case {
                    holds(c.to_ascii_lowercase()) || holds(c.to_ascii_uppercase())
                } else {
                    holds(c)
                };
                inside != *negated
            }
        }
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        if text.len() > Self::MAX_LEN {
            return Err(GlobError::TooLong);
        }
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::Run,
                '?' => Part::Any,
                '[' => set(&mut chars)?,
                '\\' => Part::One(chars.next().ok_or(GlobError::OpenEscape)?),
                _ => Part::One(c),
            });
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }
}

type Chars<'a> = core::iter::Peekable<core::str::Chars<'a>>;

/// The rest of a set, after its `[`. A `]` that comes first is a member.
fn set(chars: &mut Chars<'_>) -> Result<Part, GlobError> {
    let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next().ok_or(GlobError::OpenSet)? {
            ']' if !ranges.is_empty() => break,
            c => member(c, chars)?,
        };
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        let high = if is_range {
            chars.next();
            let c = chars.next().ok_or(GlobError::OpenSet)?;
            member(c, chars)?
        } else {
            low
        };
        if high < low {
            return Err(GlobError::BackwardRange);
        }
        ranges.push((low, high));
    }
    Ok(Part::Set { negated, ranges })
}

fn member(c: char, chars: &mut Chars<'_>) -> Result<char, GlobError> {
    match c {
        '\\' => chars.next().ok_or(GlobError::OpenEscape),
        _ => Ok(c),
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, fits: &[&str], does_not: &[&str]) {
        let glob: Glob = pattern.parse().unwrap();
        for text in fits {
            assert!(glob.matches(text), "{pattern} should match {text}");
        }
        for text in does_not {
            assert!(!glob.matches(text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn whole_texts_match() {
        check("ice", &["ice"], &["", "ic", "iced", "ICE"]);
        check("", &[""], &["a"]);
        check("*", &["", "a", "a/b:c"], &[]);
        check(
            "0000:3b:*",
            &["0000:3b:00.0", "0000:3b:"],
            &["0000:3c:00.0"],
        );
        check("*.0", &["a.0", ".0.0"], &["a.1", "0"]);
        check("a*b*c", &["abc", "a-b-b-c", "abbc"], &["ab", "acb"]);
        check("ab?", &["abc", "abé"], &["ab", "abcd"]);
        check("**a**", &["a", "xax"], &["x"]);
    }

    #[test]
    fn sets() {
        check(
            "mlx[45]_core",
            &["mlx4_core", "mlx5_core"],
            &["mlx_core", "mlx6_core"],
        );
        check("[a-cx]", &["a", "b", "c", "x"], &["d", "-", "A"]);
        check("[!a-c]", &["d", "]"], &["a", ""]);
        check("[^a]", &["b"], &["a"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[\\]]", &["]"], &["\\"]);
        check("\\*", &["*"], &["a"]);
    }

    #[test]
    fn numbers_in_hexadecimal_have_no_case() {
        let glob: Glob = "52:54:00:[a-c]*".parse().unwrap();
        assert!(glob.matches_any_case("52:54:00:A7"));
        assert!(glob.matches_any_case("52:54:00:b7"));
        assert!(!glob.matches_any_case("52:54:00:d7"));
        let glob: Glob = "8086:15AB".parse().unwrap();
        assert!(glob.matches_any_case("8086:15ab"));
        assert!(!glob.matches("8086:15ab"));
    }

    #[test]
    fn what_is_not_a_pattern() {
        for (text, error) in [
            ("[", GlobError::OpenSet),
            ("[]", GlobError::OpenSet),
            ("[a", GlobError::OpenSet),
            ("[a-", GlobError::OpenSet),
            ("[z-a]", GlobError::BackwardRange),
            ("a\\", GlobError::OpenEscape),
            ("[a-\\", GlobError::OpenEscape),
        ] {
            assert_eq!(text.parse::<Glob>(), Err(error), "{text}");
        }
        assert!("a".repeat(Glob::MAX_LEN).parse::<Glob>().is_ok());
        let long = "a".repeat(Glob::MAX_LEN + 1);
        assert_eq!(long.parse::<Glob>(), Err(GlobError::TooLong));
    }

    #[test]
    fn many_stars_cost_little() {
        let glob: Glob = "a*".repeat(Glob::MAX_LEN / 2 - 1).parse().unwrap();
        assert!(glob.matches(&"a".repeat(100_000)));
        let glob: Glob = format!("{}b", "a*".repeat(100)).parse().unwrap();
        assert!(!glob.matches(&"a".repeat(100_000)));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(pattern in "[a-c*?\\[\\]!^\\\\-]{0,12}", text in "[a-c]{0,12}") {
            if let Ok(glob) = pattern.parse::<Glob>() {
                glob.matches(&text);
            }
        }

        #[test]
        fn an_escaped_text_matches_itself_only(text in "\\PC{0,12}", other in "\\PC{0,12}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            let glob: Glob = escaped.parse().unwrap();
            prop_assert!(glob.matches(&text));
            prop_assert_eq!(glob.matches(&other), text == other);
        }
    }
}
