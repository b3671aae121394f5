//! [`Field`]: a piece of the command line that knows where it stands, and the bracket-aware splitter.

use crate::value::Span;

/// A slice of the command line and the byte it begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The slice.
    pub text: &'a str,
    /// Its first byte in the whole text.
    pub start: usize,
}

impl<'a> Field<'a> {
    /// The whole of a text.
    pub fn new(text: &'a str) -> Self {
        Self { text, start: 0 }
    }

    /// One past its last byte in the whole text.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Its bytes in the whole text.
    pub fn span(&self) -> Span {
        Span::new(self.start, self.end())
    }

    /// Nothing was written here.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Bytes `from..to` of this field; empty where those are not a slice of it.
    pub fn slice(&self, from: usize, to: usize) -> Field<'a> {
        match self.text.get(from..to) {
            Some(text) => Field {
                text,
                start: self.start + from,
            },
            None => Field {
                text: "",
                start: self.end(),
            },
        }
    }

    /// From the first byte of `first` to the last of `last`, both pieces of this field.
    pub fn between(&self, first: Field<'_>, last: Field<'_>) -> Field<'a> {
        self.slice(
            first.start.saturating_sub(self.start),
            last.end().saturating_sub(self.start),
        )
    }

    /// The pieces between `separator`s that stand outside `[…]`; at least one piece.
    pub fn split(&self, separator: u8) -> Vec<Field<'a>> {
        let mut pieces = Vec::new();
        let mut depth = 0usize;
        let mut from = 0;
        for (i, byte) in self.text.bytes().enumerate() {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                _ if byte == separator && depth == 0 => {
                    pieces.push(self.slice(from, i));
                    from = i + 1;
                }
                _ => {}
            }
        }
        pieces.push(self.slice(from, self.text.len()));
        pieces
    }

    /// Before and after the first `separator`, brackets or not.
    pub fn split_once(&self, separator: char) -> Option<(Field<'a>, Field<'a>)> {
        let at = self.text.find(separator)?;
        Some((
            self.slice(0, at),
            self.slice(at + separator.len_utf8(), self.text.len()),
        ))
    }

    /// Without the `[` and `]` around it, when it has both.
    pub fn unbracketed(&self) -> Field<'a> {
        if self.text.len() >= 2 && self.text.starts_with('[') && self.text.ends_with(']') {
            self.slice(1, self.text.len() - 1)
        } else {
            *self
        }
    }

    /// The first bracket without its partner.
    pub fn lone_bracket(&self) -> Option<Field<'a>> {
        let mut open = Vec::new();
        for (i, byte) in self.text.bytes().enumerate() {
            match byte {
                b'[' => open.push(i),
                b']' if open.pop().is_none() => return Some(self.slice(i, i + 1)),
                _ => {}
            }
        }
        open.first().map(|&i| self.slice(i, i + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let whole = Field::new(text);
        let pieces = whole.split(b':');
        let found: Vec<_> = pieces.iter().map(|f| f.text).collect();
        assert_eq!(found, expect);
        for piece in pieces {
            assert_eq!(text.get(piece.start..piece.end()), Some(piece.text));
        }
    }

    #[test]
    fn brackets_hide_colons() {
        check("", &[""]);
        check("a:b:", &["a", "b", ""]);
        check("[2001:db8::1]/64::x", &["[2001:db8::1]/64", "", "x"]);
        check("[a:[b:c]:d]:e", &["[a:[b:c]:d]", "e"]);
        check("[a:b", &["[a:b"]);
        check("a]:b", &["a]", "b"]);
    }

    #[test]
    fn lone_brackets_are_found() {
        let lone = |text: &'static str| Field::new(text).lone_bracket().map(|f| f.start);
        assert_eq!(lone("[a]:[b]"), None);
        assert_eq!(lone("[a:b"), Some(0));
        assert_eq!(lone("a]"), Some(1));
        assert_eq!(lone("[a]]"), Some(3));
    }

    #[test]
    fn slices_outside_are_empty_not_a_panic() {
        let field = Field::new("äb");
        assert_eq!(field.slice(1, 2).text, "");
        assert_eq!(field.slice(5, 9).text, "");
        assert_eq!(Field::new("[").unbracketed().text, "[");
        assert_eq!(Field::new("[]").unbracketed().text, "");
    }
}
