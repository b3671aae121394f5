//! `context.sh`: `NAME='value'`, a value over several lines where its quotes say so.

use std::collections::BTreeMap;

/// Most variables that are read.
const MAX_VARIABLES: usize = 4096;

/// Variables by name.
#[derive(Debug, Default)]
pub struct Context<'t> {
    values: BTreeMap<&'t str, String>,
    /// Something in it was no variable.
    pub is_damaged: bool,
}

impl<'t> Context<'t> {
    /// Reads `text` as a shell would, without expanding or running anything.
    pub fn parse(text: &'t str) -> Self {
        let mut context = Self::default();
        let mut rest = text;
        while let Some(line) = rest.split('\n').next().filter(|_| !rest.is_empty()) {
            let begins = line.trim_start();
            let name = begins.strip_prefix("export ").unwrap_or(begins);
            let next = |taken: usize| rest.get(taken..).unwrap_or_default();
            let Some((name, _)) = name.split_once('=').filter(|(name, _)| is_name(name)) else {
                context.is_damaged |= !begins.trim().is_empty() && !begins.starts_with('#');
                rest = next(line.len() + 1);
                continue;
            };
            let value_at = line.find('=').map_or(line.len(), |at| at + 1);
            let (value, taken) = value(next(value_at));
            let Some(value) = value else {
                // Quotes that are never closed cost their line.
                context.is_damaged = true;
                rest = next(line.len() + 1);
                continue;
            };
            rest = next(value_at + taken);
            if context.values.len() < MAX_VARIABLES || context.values.contains_key(name) {
                context.values.insert(name, value);
            } else {
                context.is_damaged = true;
            }
        }
        context
    }

    /// The value of `name`, when it is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?.trim();
        Some(value).filter(|value| !value.is_empty())
    }

    /// The names that begin with `prefix`, without it.
    pub fn behind<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = &'s str> {
        let names = self.values.keys();
        names.filter_map(move |name| name.strip_prefix(prefix))
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The word at the start of `text`, to the end of its line or of its quotes, and how many bytes it took with the line end.
/// `None`: quotes that are never closed.
fn value(text: &str) -> (Option<String>, usize) {
    let mut value = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '\n') => return (Some(value), at + 1),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            // In single quotes a backslash is one; elsewhere it takes the meaning of what follows.
            (None | Some('"'), '\\') => match chars.next() {
                Some((_, '\n')) | None => {}
                Some((_, next)) => value.push(next),
            },
            (_, c) => value.push(c),
        }
    }
    (quote.is_none().then_some(value), text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)], damaged: bool) {
        let context = Context::parse(text);
        let values = context.values.iter();
        let found: Vec<(&str, &str)> = values
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(found, expect);
        assert_eq!(context.is_damaged, damaged);
    }

    #[test]
    fn variables_as_a_shell_reads_them() {
        check(
            "A='x y'\n# word\n\nB=\"z\"\n",
            &[("A", "x y"), ("B", "z")],
            false,
        );
        check("export A=plain\nB=", &[("A", "plain"), ("B", "")], false);
        check("A='it'\\''s'\n", &[("A", "it's")], false);
        check(
            "A=\"say \\\"x\\\" \\\\\"\n",
            &[("A", "say \"x\" \\")],
            false,
        );
        check(
            "A='two\nlines'\nB='1'\n",
            &[("A", "two\nlines"), ("B", "1")],
            false,
        );
        check(
            "A='$(reboot) `x` $B'\n",
            &[("A", "$(reboot) `x` $B")],
            false,
        );
        check("reboot\nA='1'\n", &[("A", "1")], true);
        check(
            "A='open
B=1
",
            &[("B", "1")],
            true,
        );
        check("A=1\nA=2\n", &[("A", "2")], false);
        check("9A='1'\n=x\nA-B=1\n", &[], true);
    }

    proptest! {
        #[test]
        fn garbage_ends(text: String) {
            let _ = Context::parse(&text);
        }
    }
}
