//! Tokens to a tree: operators by precedence, lowest first `?:`, `||`, `&&`, comparisons and `in`, `+ -`, `* / %`, unary.

use super::lexer::{Token, tokens};
use super::{Fault, MAX_DEPTH};
use crate::value::Span;

/// A part of an expression and its place.
#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub kind: Kind,
    /// Levels below and with this one: what walks the tree recurses that deep.
    height: usize,
}

#[derive(Debug)]
pub enum Kind {
    Bool(bool),
    Number(i128),
    Text(String),
    Bytes(Vec<u8>),
    Null,
    List(Vec<Node>),
    Name(String),
    /// `of.name`
    Field(Box<Node>, Word),
    /// `of[at]`
    Index(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Minus(Box<Node>),
    /// `a && b && c`, or with `||` when `any`. One level, however many: a list of forty cards is not deep.
    Junction {
        any: bool,
        parts: Vec<Node>,
    },
    Binary(Operator, Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`
    Choice(Box<[Node; 3]>),
    /// `receiver.name(…)` or `name(…)`
    Call(Option<Box<Node>>, Word, Vec<Node>),
}

/// A name and its place.
#[derive(Debug)]
pub struct Word {
    pub text: String,
    pub span: Span,
}

/// What takes two sides and always looks at both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// An operator between two sides; the number is how tightly it binds.
enum Infix {
    Junction(bool),
    Binary(Operator),
}

const LOWEST: u8 = 1;
const UNARY: u8 = 6;

fn infix(token: &Token) -> Option<(Infix, u8)> {
    let word = match token {
        Token::Sign(sign) => sign,
        Token::Name(name) if name == "in" => "in",
        _ => return None,
    };
    Some(match word {
        "||" => (Infix::Junction(true), LOWEST),
        "&&" => (Infix::Junction(false), 2),
        "==" => (Infix::Binary(Operator::Equal), 3),
        "!=" => (Infix::Binary(Operator::Unequal), 3),
        "<" => (Infix::Binary(Operator::Less), 3),
        "<=" => (Infix::Binary(Operator::AtMost), 3),
        ">" => (Infix::Binary(Operator::More), 3),
        ">=" => (Infix::Binary(Operator::AtLeast), 3),
        "in" => (Infix::Binary(Operator::In), 3),
        "+" => (Infix::Binary(Operator::Add), 4),
        "-" => (Infix::Binary(Operator::Subtract), 4),
        "*" => (Infix::Binary(Operator::Multiply), 5),
        "/" => (Infix::Binary(Operator::Divide), 5),
        "%" => (Infix::Binary(Operator::Remainder), 5),
        _ => return None,
    })
}

/// The tree of the whole of `text`.
pub fn parse(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let node = parser.choice()?;
    match parser.peek() {
        Token::End => Ok(node),
        Token::Name(word) if word == "and" => Err(parser
            .unexpected("an operator")
            .with_fix("write \"&&\" for \"and\"")),
        Token::Name(word) if word == "or" => Err(parser
            .unexpected("an operator")
            .with_fix("write \"||\" for \"or\"")),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens
            .get(self.at)
            .map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Span {
        self.tokens
            .get(self.at)
            .map_or(Span::default(), |(_, span)| *span)
    }

    fn take(&mut self) -> (Token, Span) {
        let taken = (self.peek().clone(), self.span());
        self.at += 1;
        taken
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, sign: &str) -> Result<Span, Fault> {
        let span = self.span();
        match self.accept(sign) {
            true => Ok(span),
            false => Err(self.unexpected(&format!("\"{sign}\""))),
        }
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let span = self.span();
        let rule = match self.peek() {
            Token::End => format!("the expression ends where {wanted} should follow"),
            _ => format!("expected {wanted} here"),
        };
        Fault::new(span, rule)
    }

    /// A whole expression. Every way down into another level comes through here or [`Self::unary`].
    fn choice(&mut self) -> Result<Node, Fault> {
        self.deeper()?;
        let condition = self.binary(LOWEST)?;
        let node = if self.accept("?") {
            let then = self.binary(LOWEST)?;
            self.expect(":")?;
            let otherwise = self.choice()?;
            let span = Span::new(condition.span.start, otherwise.span.end);
            let parts = [condition, then, otherwise];
            let height = tallest(&parts);
            node(span, Kind::Choice(Box::new(parts)), height)?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(too_deep(self.span())),
            false => Ok(()),
        }
    }

    fn binary(&mut self, weakest: u8) -> Result<Node, Fault> {
        let mut left = self.unary()?;
        while let Some((infix, binds)) = infix(self.peek()).filter(|(_, binds)| *binds >= weakest) {
            self.take();
            let right = self.binary(binds + 1)?;
            let span = Span::new(left.span.start, right.span.end);
            let height = left.height.max(right.height);
            left = match infix {
                Infix::Binary(operator) => {
                    let kind = Kind::Binary(operator, Box::new(left), Box::new(right));
                    node(span, kind, height)?
                }
                Infix::Junction(any) => junction(any, left, right)?,
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let start = self.span().start;
        let make: fn(Box<Node>) -> Kind = if self.accept("!") {
            Kind::Not
        } else if self.accept("-") {
            Kind::Minus
        } else {
            let primary = self.primary()?;
            return self.members(primary);
        };
        self.deeper()?;
        let of = self.binary(UNARY)?;
        self.depth -= 1;
        let (span, height) = (Span::new(start, of.span.end), of.height);
        node(span, make(Box::new(of)), height)
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let wanted = "a value such as link.driver, \"text\" or 10";
        if infix(self.peek()).is_some() {
            return Err(self.unexpected(wanted));
        }
        let fault = self.unexpected(wanted);
        let (token, span) = self.take();
        let kind = match token {
            Token::Text(text) => Kind::Text(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Number(number) => Kind::Number(number),
            Token::Name(name) if self.accept("(") => {
                let word = Word { text: name, span };
                let (arguments, end) = self.list(")")?;
                let height = tallest(&arguments);
                let span = Span::new(span.start, end);
                return node(span, Kind::Call(None, word, arguments), height);
            }
            Token::Name(name) => match name.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "null" => Kind::Null,
                "not" => return Err(fault.with_fix("write \"!\" for \"not\"")),
                _ => Kind::Name(name),
            },
            Token::Sign("(") => {
                let mut inner = self.choice()?;
                inner.span = Span::new(span.start, self.expect(")")?.end);
                return Ok(inner);
            }
            Token::Sign("[") => {
                let (items, end) = self.list("]")?;
                let height = tallest(&items);
                return node(Span::new(span.start, end), Kind::List(items), height);
            }
            Token::Sign(_) | Token::End => return Err(fault),
        };
        node(span, kind, 0)
    }

    /// `.name`, `.name(…)` and `[…]` after a value, as many as there are.
    fn members(&mut self, mut of: Node) -> Result<Node, Fault> {
        loop {
            let (start, height) = (of.span.start, of.height);
            if self.accept("[") {
                let at = self.choice()?;
                let span = Span::new(start, self.expect("]")?.end);
                let height = height.max(at.height);
                of = node(span, Kind::Index(Box::new(of), Box::new(at)), height)?;
            } else if self.accept(".") {
                let Token::Name(text) = self.peek().clone() else {
                    return Err(self.unexpected("the name of a field"));
                };
                let (_, span) = self.take();
                let word = Word { text, span };
                of = if self.accept("(") {
                    let (arguments, end) = self.list(")")?;
                    let height = height.max(tallest(&arguments));
                    let kind = Kind::Call(Some(Box::new(of)), word, arguments);
                    node(Span::new(start, end), kind, height)?
                } else {
                    let kind = Kind::Field(Box::new(of), word);
                    node(Span::new(start, span.end), kind, height)?
                };
            } else {
                return Ok(of);
            }
        }
    }

    /// Expressions up to `close`, and where that ends. A comma may stand last.
    fn list(&mut self, close: &str) -> Result<(Vec<Node>, usize), Fault> {
        let mut items = Vec::new();
        loop {
            let end = self.span().end;
            if self.accept(close) {
                return Ok((items, end));
            }
            items.push(self.choice()?);
            if !self.accept(",") {
                return Ok((items, self.expect(close)?.end));
            }
        }
    }
}

fn junction(any: bool, left: Node, right: Node) -> Result<Node, Fault> {
    let span = Span::new(left.span.start, right.span.end);
    let parts = match left.kind {
        Kind::Junction {
            any: same,
            mut parts,
        } if same == any => {
            parts.push(right);
            parts
        }
        kind => vec![Node { kind, ..left }, right],
    };
    let height = tallest(&parts);
    node(span, Kind::Junction { any, parts }, height)
}

fn tallest(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| node.height).max().unwrap_or(0)
}

/// A node one level above what is `below` high.
fn node(span: Span, kind: Kind, below: usize) -> Result<Node, Fault> {
    let height = below + 1;
    match height > MAX_DEPTH {
        true => Err(too_deep(span)),
        false => Ok(Node { span, kind, height }),
    }
}

fn too_deep(span: Span) -> Fault {
    Fault::new(
        span,
        format!("an expression nests at most {MAX_DEPTH} levels deep"),
    )
}
