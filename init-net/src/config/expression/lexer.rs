//! Text to tokens.

use super::Fault;
use crate::value::Span;

/// One word of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// `'…'`, `"…"`, with or without `r`.
    Text(String),
    /// `b'…'`.
    Bytes(Vec<u8>),
    /// `12`, `0x1f`, `12u`. Without a sign.
    Number(i128),
    /// A name or a keyword.
    Name(String),
    /// An operator or a bracket.
    Sign(&'static str),
    /// After the last one.
    End,
}

/// Longer ones first: the first that fits is taken.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", "+", "-", "*", "/", "%", "(", ")",
    "[", "]", ",", ".",
];

/// All tokens with their places; the last one is [`Token::End`].
pub fn tokens(text: &str) -> Result<Vec<(Token, Span)>, Fault> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (token, len) = if let Some(quoted) = Quoted::at(rest) {
            quoted.read(rest, at)?
        } else if first.is_ascii_digit() {
            number(rest, at)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let len = word_len(rest);
            (Token::Name(rest[..len].to_owned()), len)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            return Err(stray(first, at));
        };
        found.push((token, Span::new(at, at + len)));
        at += len;
    }
    found.push((Token::End, Span::new(text.len(), text.len())));
    Ok(found)
}

fn stray(c: char, at: usize) -> Fault {
    let span = Span::new(at, at + c.len_utf8());
    let fault = Fault::new(span, format!("{c:?} means nothing here"));
    match c {
        '=' => fault.with_fix("write \"==\" to compare"),
        '&' => fault.with_fix("write \"&&\" for \"and\""),
        '|' => fault.with_fix("write \"||\" for \"or\""),
        _ => fault,
    }
}

fn word_len(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(rest.len())
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), Fault> {
    let len = word_len(rest);
    let fault = |rule: &str| Fault::new(Span::new(at, at + len), rule);
    let fraction = rest[len..].strip_prefix('.');
    if fraction.is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(fault(
            "numbers are whole ones: nothing of a link has a fraction",
        ));
    }
    let word = rest[..len].trim_end_matches(['u', 'U']);
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    // Two `u` are as wrong as any other letter; 64 bits are what the language has.
    let value = u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| len - word.len() <= 1 && !digits.starts_with('+'));
    match value {
        Some(value) => Ok((Token::Number(value.into()), len)),
        None => Err(fault("expected a whole number below 2^64, decimal or 0x…")),
    }
}

/// How a literal begins.
struct Quoted {
    raw: bool,
    bytes: bool,
    /// Bytes before the quote.
    prefix: usize,
    /// `'`, `"`, `'''` or `"""`.
    quote: &'static str,
}

impl Quoted {
    fn at(rest: &str) -> Option<Self> {
        let is_quote = |b: u8| matches!(b, b'\'' | b'"');
        let letters = rest.bytes().take(3).position(is_quote)?;
        let prefix = &rest[..letters];
        let (raw, bytes) = match prefix.to_ascii_lowercase().as_str() {
            "" => (false, false),
            "r" => (true, false),
            "b" => (false, true),
            "br" | "rb" => (true, true),
            _ => return None,
        };
        let quote = ["'''", "\"\"\"", "'", "\""]
            .into_iter()
            .find(|quote| rest[letters..].starts_with(quote))?;
        Some(Self {
            raw,
            bytes,
            prefix: letters,
            quote,
        })
    }

    /// The literal, and its length with prefix and quotes. `at` is its place.
    fn read(&self, rest: &str, at: usize) -> Result<(Token, usize), Fault> {
        let start = self.prefix + self.quote.len();
        let mut content = Vec::new();
        let mut i = start;
        loop {
            let left = &rest[i..];
            if left.starts_with(self.quote) {
                break;
            }
            let unclosed = Fault::new(
                Span::new(at, at + start),
                "the text that begins here has no end",
            );
            let c = left
                .chars()
                .next()
                .filter(|c| *c != '\n' || self.quote.len() == 3)
                .ok_or_else(|| unclosed.with_fix(format!("close it with {}", self.quote)))?;
            if c == '\\' && !self.raw {
                let len = self.escape(left, at + i, &mut content)?;
                i += len;
            } else {
                content.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                i += c.len_utf8();
            }
        }
        let len = i + self.quote.len();
        if self.bytes {
            return Ok((Token::Bytes(content), len));
        }
        let text = String::from_utf8_lossy(&content).into_owned();
        Ok((Token::Text(text), len))
    }

    /// Appends what the escape at the start of `left` stands for; its length.
    fn escape(&self, left: &str, at: usize, content: &mut Vec<u8>) -> Result<usize, Fault> {
        let letter = left[1..].chars().next().unwrap_or(' ');
        let plain = match letter {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => Some(letter),
            _ => None,
        };
        if let Some(c) = plain {
            content.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(2);
        }
        let (skip, count, radix) = match letter {
            'x' | 'X' => (2, 2, 16),
            'u' => (2, 4, 16),
            'U' => (2, 8, 16),
            _ => (1, 3, 8),
        };
        let code = left
            .get(skip..skip + count)
            .filter(|digits| digits.chars().all(|c| c.is_digit(radix)))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok());
        // In bytes \x and octal escapes are one byte, in text a character.
        match (self.bytes && count < 4, code, code.and_then(char::from_u32)) {
            (true, Some(code), _) if code <= 0xff => content.push(code as u8),
            (false, _, Some(c)) => content.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => {
                let span = Span::new(at, at + 1 + letter.len_utf8().min(left.len() - 1));
                return Err(Fault::new(span, "there is no such escape").with_fix(
                    "write \"\\\\\" for a backslash, or r\"…\" for a text without escapes",
                ));
            }
        }
        Ok(skip + count)
    }
}
