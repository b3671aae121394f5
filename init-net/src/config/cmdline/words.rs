//! [`words`]: the command line cut into arguments, as the kernel's `next_arg` cuts it (lib/cmdline.c).

use super::fields::Field;

/// One argument. Every part is a slice of the text, so that each knows its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Counted from 1, `--` included.
    pub index: usize,
    /// The whole argument, quotes included.
    pub raw: Field<'a>,
    /// What stands before the first `=`, or all of it.
    pub key: Field<'a>,
    /// What stands after the first `=`, without the quotes around it; `None` without `=`.
    pub value: Option<Field<'a>>,
    /// It stands after `--`: an argument of init, not of the kernel.
    pub for_init: bool,
}

impl Word<'_> {
    /// The argument as init gets it: quotes around the value or the whole removed.
    pub fn unquoted(&self) -> String {
        match self.value {
            Some(value) => format!("{}={}", self.key.text, value.text),
            None => self.key.text.to_owned(),
        }
    }
}

/// White space of the kernel's `isspace`, ASCII part; line ends separate as well, so a text may come from a file.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Cuts `text` at white space outside double quotes.
///
/// Quotes around the value (`a="b c"`) or around the whole (`"a=b c"`) are removed, others stay. A quote that never
/// ends takes the rest of the text. The word `--` ends the arguments; what follows is for init.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let all = Field::new(text);
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut for_init = false;
    let mut index = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes.get(at).copied().is_some_and(is_space) {
            at += 1;
            continue;
        }
        let length = word_length(bytes.get(at..).unwrap_or_default());
        let word = cut(all.slice(at, at + length));
        at += length;
        index += 1;
        if !for_init && word.raw.text == "--" {
            for_init = true;
            continue;
        }
        found.push(Word {
            index,
            for_init,
            ..word
        });
    }
    found
}

/// Bytes up to the next white space outside quotes.
fn word_length(bytes: &[u8]) -> usize {
    let mut quoted = false;
    for (i, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if is_space(byte) && !quoted => return i,
            _ => {}
        }
    }
    bytes.len()
}

fn cut(raw: Field<'_>) -> Word<'_> {
    let mut inner = raw;
    if let Some(rest) = inner.text.strip_prefix('"') {
        inner = inner.slice(1, inner.text.len());
        if rest.ends_with('"') {
            inner = inner.slice(0, rest.len() - 1);
        }
    }
    // `next_arg` looks for the sign from the second byte on: "=x" is a word without value.
    let sign = inner
        .text
        .bytes()
        .enumerate()
        .skip(1)
        .find(|(_, byte)| *byte == b'=');
    let (key, value) = match sign {
        None => (inner, None),
        Some((i, _)) => {
            let mut value = inner.slice(i + 1, inner.text.len());
            if value.text.starts_with('"') {
                value = value.slice(1, value.text.len());
                if value.text.ends_with('"') {
                    value = value.slice(0, value.text.len() - 1);
                }
            }
            (inner.slice(0, i), Some(value))
        }
    };
    Word {
        index: 0,
        raw,
        key,
        value,
        for_init: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, Option<&str>)]) {
        let found: Vec<_> = words(text)
            .iter()
            .map(|w| (w.key.text, w.value.map(|v| v.text)))
            .collect();
        assert_eq!(found, expect);
        for word in words(text) {
            let parts = [Some(word.raw), Some(word.key), word.value];
            for part in parts.into_iter().flatten() {
                assert_eq!(text.get(part.start..part.end()), Some(part.text));
            }
        }
    }

    #[test]
    fn separators_and_signs() {
        check("", &[]);
        check(" \n\t", &[]);
        check(
            "quiet ip=dhcp\nro",
            &[("quiet", None), ("ip", Some("dhcp")), ("ro", None)],
        );
        check("root=LABEL=a=b", &[("root", Some("LABEL=a=b"))]);
        check("a=", &[("a", Some(""))]);
        check("= =x =x=y", &[("=", None), ("=x", None), ("=x", Some("y"))]);
    }

    #[test]
    fn quotes_as_next_arg() {
        check("a=\"b c\" d", &[("a", Some("b c")), ("d", None)]);
        check("\"a=b c\" d", &[("a", Some("b c")), ("d", None)]);
        check("a=b\" \"c", &[("a", Some("b\" \"c"))]);
        check("a=\"b c", &[("a", Some("b c"))]);
        check("a=\"", &[("a", Some(""))]);
        check("\"", &[("", None)]);
        check("\"\"", &[("", None)]);
        check("a=\"b\"c", &[("a", Some("b\"c"))]);
    }

    #[test]
    fn dashes_begin_the_arguments_of_init() {
        let text = "ro -- single x=\"a b\" -- -v";
        let found: Vec<_> = words(text)
            .iter()
            .map(|w| (w.index, w.for_init, w.unquoted()))
            .collect();
        assert_eq!(
            found,
            [
                (1, false, "ro".to_owned()),
                (3, true, "single".to_owned()),
                (4, true, "x=a b".to_owned()),
                (5, true, "--".to_owned()),
                (6, true, "-v".to_owned()),
            ]
        );
    }
}
