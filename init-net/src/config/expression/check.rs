//! The tree to terms: every name is known and every type fits, so that an evaluation only has to compute.

use super::facts::{FIELDS, Field, Names};
use super::syntax::{Kind, Node, Operator, Word};
use super::{Fault, eval::Value};
use crate::config::nearest::nearest;
use crate::value::{Glob, Span};

/// What a term is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int,
    /// A number with names.
    Enum(Names),
    Text,
    /// A text whose case means nothing: a hardware address, a PCI id.
    Hex,
    Bytes,
    /// Lists. They hold plain values only: a link has nothing deeper.
    Bools,
    Ints,
    Texts,
    Hexes,
    ByteStrings,
    /// `[]`
    Nothings,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a number",
            Self::Enum(_) => "a number with names",
            Self::Text | Self::Hex => "a text",
            Self::Bytes => "bytes",
            Self::Bools | Self::Ints | Self::Texts | Self::Hexes | Self::ByteStrings => "a list",
            Self::Nothings => "an empty list",
        }
    }

    /// What a list of this holds; `Some(None)` for the empty one.
    fn item(self) -> Option<Option<Type>> {
        Some(match self {
            Self::Bools => Some(Self::Bool),
            Self::Ints => Some(Self::Int),
            Self::Texts => Some(Self::Text),
            Self::Hexes => Some(Self::Hex),
            Self::ByteStrings => Some(Self::Bytes),
            Self::Nothings => None,
            Self::Bool | Self::Int | Self::Enum(_) | Self::Text | Self::Hex | Self::Bytes => {
                return None;
            }
        })
    }

    fn list(self) -> Option<Type> {
        Some(match self {
            Self::Bool => Self::Bools,
            Self::Int | Self::Enum(_) => Self::Ints,
            Self::Text => Self::Texts,
            Self::Hex => Self::Hexes,
            Self::Bytes => Self::ByteStrings,
            _ => return None,
        })
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Hex)
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Enum(_))
    }

    /// What both are, when they are of one kind.
    fn common(self, other: Type) -> Option<Type> {
        match (self.item(), other.item()) {
            (Some(None), Some(_)) => return Some(other),
            (Some(_), Some(None)) => return Some(self),
            (Some(Some(a)), Some(Some(b))) => return a.common(b)?.list(),
            _ => {}
        }
        match (self, other) {
            _ if self == other => Some(self),
            _ if self.is_text() && other.is_text() => Some(Self::Hex),
            _ if self.is_number() && other.is_number() => Some(Self::Int),
            _ => None,
        }
    }

    fn has_case(self) -> bool {
        !matches!(self, Self::Hex | Self::Hexes)
    }
}

/// A checked expression.
#[derive(Clone, Debug)]
pub enum Term {
    Value(Value<'static>),
    Field(&'static Field),
    /// Variable of an enclosing `exists` or `all`, counted from the outermost.
    Local(usize),
    List(Vec<Term>),
    Index(Box<Term>, Box<Term>),
    Not(Box<Term>),
    Minus(Box<Term>),
    Junction {
        any: bool,
        parts: Vec<Term>,
    },
    Binary {
        operator: Operator,
        any_case: bool,
        sides: Box<[Term; 2]>,
    },
    Choice(Box<[Term; 3]>),
    Size(Box<Term>),
    Mac(Box<Term>),
    /// A field that is known.
    Has(&'static Field),
    Glob {
        glob: Glob,
        any_case: bool,
        of: Box<Term>,
    },
    Search {
        search: Search,
        any_case: bool,
        sides: Box<[Term; 2]>,
    },
    /// `exists` when `any`, else `all`; the variable is one more [`Term::Local`].
    Each {
        any: bool,
        list: Box<Term>,
        test: Box<Term>,
    },
}

/// Where in a text.
#[derive(Clone, Copy, Debug)]
pub enum Search {
    Start,
    End,
    Anywhere,
}

/// The whole expression, which has to be true or false.
pub fn question(node: &Node) -> Result<Term, Fault> {
    Checker { locals: Vec::new() }.expect(node, Type::Bool, "the expression")
}

struct Checker {
    /// Variables of the enclosing `exists` and `all`.
    locals: Vec<(String, Type)>,
}

type Checked = Result<(Term, Type), Fault>;

impl Checker {
    fn expect(&mut self, node: &Node, wanted: Type, what: &str) -> Result<Term, Fault> {
        self.typed(node, wanted, what).map(|(term, _)| term)
    }

    /// As [`Self::expect`], with what it is in particular: [`Type::Hex`] is a text too.
    fn typed(&mut self, node: &Node, wanted: Type, what: &str) -> Checked {
        let (term, of) = self.check(node)?;
        let fits = of == wanted
            || (wanted.is_text() && of.is_text())
            || (wanted.is_number() && of.is_number());
        if fits {
            return Ok((term, of));
        }
        let rule = format!(
            "{what} has to be {}, and this is {}",
            wanted.name(),
            of.name()
        );
        let fault = Fault::new(node.span, rule);
        Err(match (wanted, of) {
            (Type::Bool, Type::Text | Type::Hex) => fault.with_fix("compare it: … == \"…\""),
            (Type::Text, Type::Bytes) => fault.with_fix("write mac(…) around a hardware address"),
            _ => fault,
        })
    }

    fn check(&mut self, node: &Node) -> Checked {
        Ok(match &node.kind {
            Kind::Bool(value) => (Term::Value(Value::Bool(*value)), Type::Bool),
            Kind::Number(value) => (Term::Value(Value::Int(*value)), Type::Int),
            Kind::Text(text) => (Term::Value(Value::Text(text.clone().into())), Type::Text),
            Kind::Bytes(bytes) => (Term::Value(Value::Bytes(bytes.clone().into())), Type::Bytes),
            Kind::Null => {
                return Err(Fault::new(node.span, "no field of a link is ever null")
                    .with_fix("compare with \"\" or 0: what is not known is empty"));
            }
            Kind::List(items) => return self.list(items),
            Kind::Name(name) => return self.name(name, node.span),
            Kind::Field(of, name) => {
                let field = self.field(of, name)?;
                (Term::Field(field), field.of)
            }
            Kind::Index(list, at) => {
                let (term, of) = self.check(list)?;
                let Some(Some(item)) = of.item() else {
                    let rule = format!("only lists are counted through, and this is {}", of.name());
                    return Err(Fault::new(list.span, rule));
                };
                let at = self.expect(at, Type::Int, "a position in a list")?;
                (Term::Index(Box::new(term), Box::new(at)), item)
            }
            Kind::Not(of) => {
                let of = self.expect(of, Type::Bool, "what follows \"!\"")?;
                (Term::Not(Box::new(of)), Type::Bool)
            }
            Kind::Minus(of) => {
                let of = self.expect(of, Type::Int, "what follows \"-\"")?;
                (Term::Minus(Box::new(of)), Type::Int)
            }
            Kind::Junction { any, parts } => {
                let what = if *any {
                    "each side of \"||\""
                } else {
                    "each side of \"&&\""
                };
                let parts = parts.iter().map(|part| self.expect(part, Type::Bool, what));
                let parts = parts.collect::<Result<_, _>>()?;
                (Term::Junction { any: *any, parts }, Type::Bool)
            }
            Kind::Binary(operator, left, right) => {
                return self.binary(*operator, left, right, node.span);
            }
            Kind::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                let condition = self.expect(condition, Type::Bool, "what stands before \"?\"")?;
                let (a, first) = self.check(then)?;
                let (b, second) = self.check(otherwise)?;
                let common = first.common(second).ok_or_else(|| {
                    let rule = "both sides of \":\" have to be of one type";
                    Fault::new(Span::new(then.span.start, otherwise.span.end), rule)
                })?;
                (Term::Choice(Box::new([condition, a, b])), common)
            }
            Kind::Call(None, name, arguments) => return self.function(name, arguments),
            Kind::Call(Some(of), name, arguments) => return self.method(of, name, arguments),
        })
    }

    fn list(&mut self, items: &[Node]) -> Checked {
        let mut of = Type::Nothings;
        let mut terms = Vec::with_capacity(items.len());
        for item in items {
            let (term, item_type) = self.check(item)?;
            let list = item_type
                .list()
                .ok_or_else(|| Fault::new(item.span, "a list in a list is of no use here"))?;
            of = of
                .common(list)
                .ok_or_else(|| Fault::new(item.span, "a list holds values of one type"))?;
            terms.push(term);
        }
        Ok((Term::List(terms), of))
    }

    fn name(&self, name: &str, span: Span) -> Checked {
        let local = self.locals.iter().rposition(|(local, _)| local == name);
        if let Some((at, (_, of))) = local.and_then(|at| Some((at, self.locals.get(at)?))) {
            return Ok((Term::Local(at), *of));
        }
        if name == "link" {
            return Err(Fault::new(span, "the link itself is not a value")
                .with_fix("ask for one of its fields, such as link.driver"));
        }
        let fault = Fault::new(span, format!("there is no variable {name}, only link"));
        Err(match FIELDS.iter().any(|field| field.name == name) {
            true => fault.with_fix(format!("write link.{name}")),
            false => fault.with_fix("put a text in quotes"),
        })
    }

    fn field(&self, of: &Node, name: &Word) -> Result<&'static Field, Fault> {
        let is_link = matches!(&of.kind, Kind::Name(text) if text == "link")
            && !self.locals.iter().any(|(local, _)| local == "link");
        if !is_link {
            return Err(Fault::new(of.span, "only link has fields"));
        }
        if let Some(field) = FIELDS.iter().find(|field| field.name == name.text) {
            return Ok(field);
        }
        let fault = Fault::new(name.span, format!("a link has no field {}", name.text));
        let near = nearest(&name.text, FIELDS.iter().map(|field| field.name));
        Err(match near {
            Some(near) => fault.with_fix(format!("did you mean {near}?")),
            None => fault,
        })
    }

    fn binary(&mut self, operator: Operator, left: &Node, right: &Node, span: Span) -> Checked {
        let (mut a, mut left_type) = self.check(left)?;
        let (mut b, mut right_type) = self.check(right)?;
        // Names of an enumeration stand for its numbers.
        if let Type::Enum(names) = left_type {
            named(right, names, &mut b, &mut right_type)?;
        }
        if let (Type::Enum(names), false) = (right_type, operator == Operator::In) {
            named(left, names, &mut a, &mut left_type)?;
        }
        let common = match (operator, right_type.item()) {
            (Operator::In, Some(None)) => Some(left_type),
            (Operator::In, Some(Some(item))) => left_type.common(item),
            (Operator::In, None) => None,
            _ => left_type.common(right_type),
        };
        let is_list = common.is_some_and(|of| of.item().is_some());
        let result = match (operator, common) {
            (Operator::Equal | Operator::Unequal | Operator::In, Some(_)) => Some(Type::Bool),
            (
                Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast,
                Some(Type::Int | Type::Enum(_) | Type::Text | Type::Hex),
            ) => Some(Type::Bool),
            (Operator::Add, Some(Type::Text | Type::Hex)) => Some(Type::Text),
            (Operator::Add, Some(of)) if is_list => Some(of),
            (_, Some(Type::Int | Type::Enum(_))) => Some(Type::Int),
            _ => None,
        };
        let Some(result) = result else {
            let (sign, left, right) = (operator.sign(), left_type.name(), right_type.name());
            let fault = Fault::new(
                span,
                format!("\"{sign}\" does not go with {left} and {right}"),
            );
            return Err(match (left_type, right_type) {
                (Type::Bytes, other) | (other, Type::Bytes) if other != Type::Bytes => {
                    fault.with_fix("write mac(…) around a hardware address")
                }
                _ if operator == Operator::In => fault.with_fix("write a list after it: [ … ]"),
                _ => fault,
            });
        };
        let term = Term::Binary {
            operator,
            any_case: common.is_some_and(|of| !of.has_case()),
            sides: Box::new([a, b]),
        };
        Ok((term, result))
    }

    fn function(&mut self, name: &Word, arguments: &[Node]) -> Checked {
        match (name.text.as_str(), arguments) {
            ("glob", [pattern, of]) => {
                let Kind::Text(text) = &pattern.kind else {
                    return Err(Fault::new(
                        pattern.span,
                        "the pattern of glob is a text in quotes",
                    )
                    .with_fix("the pattern comes first: glob(\"0000:3b:*\", link.bus_path)"));
                };
                let glob = text
                    .parse()
                    .map_err(|error| Fault::new(pattern.span, format!("{error}")))?;
                let (of, found) = self.typed(of, Type::Text, "what glob looks at")?;
                let (any_case, of) = (found == Type::Hex, Box::new(of));
                Ok((Term::Glob { glob, any_case, of }, Type::Bool))
            }
            ("mac", [of]) => {
                let of = self.expect(of, Type::Bytes, "what mac writes out")?;
                Ok((Term::Mac(Box::new(of)), Type::Hex))
            }
            ("size", [of]) => self.size(of),
            ("has", [of]) => match &of.kind {
                Kind::Field(link, field) => Ok((Term::Has(self.field(link, field)?), Type::Bool)),
                _ => Err(Fault::new(of.span, "has asks for a field: has(link.alias)")),
            },
            ("glob", _) => Err(Fault::new(name.span, "glob takes a pattern and a text")),
            ("mac" | "size" | "has", _) => Err(Fault::new(
                name.span,
                format!("{} takes one value", name.text),
            )),
            _ => Err(unknown("function", name, ["glob", "mac", "size", "has"])),
        }
    }

    fn method(&mut self, of: &Node, name: &Word, arguments: &[Node]) -> Checked {
        let search = match name.text.as_str() {
            "startsWith" => Search::Start,
            "endsWith" => Search::End,
            "contains" => Search::Anywhere,
            "exists" => return self.each(true, of, name, arguments),
            "all" => return self.each(false, of, name, arguments),
            "size" if arguments.is_empty() => return self.size(of),
            "matches" => {
                return Err(
                    Fault::new(name.span, "regular expressions are not understood")
                        .with_fix("write glob(\"pattern*\", text)"),
                );
            }
            _ => {
                let known = [
                    "startsWith",
                    "endsWith",
                    "contains",
                    "exists",
                    "all",
                    "size",
                ];
                return Err(unknown("method", name, known));
            }
        };
        let [part] = arguments else {
            return Err(Fault::new(
                name.span,
                format!("{} takes one text", name.text),
            ));
        };
        let (of, found) = self.typed(of, Type::Text, "what is searched")?;
        let any_case = found == Type::Hex;
        let sides = Box::new([of, self.expect(part, Type::Text, "what is looked for")?]);
        Ok((
            Term::Search {
                search,
                any_case,
                sides,
            },
            Type::Bool,
        ))
    }

    fn size(&mut self, of: &Node) -> Checked {
        let (term, found) = self.check(of)?;
        if !found.is_text() && found != Type::Bytes && found.item().is_none() {
            let rule = format!(
                "only texts, bytes and lists have a size, and this is {}",
                found.name()
            );
            return Err(Fault::new(of.span, rule));
        }
        Ok((Term::Size(Box::new(term)), Type::Int))
    }

    fn each(&mut self, any: bool, of: &Node, name: &Word, arguments: &[Node]) -> Checked {
        let [variable, test] = arguments else {
            let rule = format!("{} takes a name and a test", name.text);
            return Err(Fault::new(name.span, rule)
                .with_fix("as in link.alt_names.exists(n, n == \"uplink\")"));
        };
        let Kind::Name(local) = &variable.kind else {
            return Err(Fault::new(
                variable.span,
                "expected a name for the members of the list",
            ));
        };
        let (list, found) = self.check(of)?;
        let Some(item) = found.item() else {
            let rule = format!(
                "{} goes through a list, and this is {}",
                name.text,
                found.name()
            );
            return Err(Fault::new(of.span, rule));
        };
        // Nothing is ever in an empty list: any type will do.
        self.locals
            .push((local.clone(), item.unwrap_or(Type::Text)));
        let test = self.expect(test, Type::Bool, "the test");
        self.locals.pop();
        let (list, test) = (Box::new(list), Box::new(test?));
        Ok((Term::Each { any, list, test }, Type::Bool))
    }
}

/// Replaces texts, single or in a list, by the numbers of `names`; leaves everything else.
fn named(node: &Node, names: Names, term: &mut Term, of: &mut Type) -> Result<(), Fault> {
    let number = |text: &str, span: Span| {
        let found = names
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text));
        if let Some((number, _)) = found {
            return Ok(Term::Value(Value::Int((*number).into())));
        }
        let fault = Fault::new(
            span,
            format!("{text:?} is not one of the names of this field"),
        );
        let all: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        Err(match nearest(text, all.iter().copied()) {
            Some(near) => fault.with_fix(format!("did you mean {near}?")),
            None => fault.with_fix(format!("write {}, or a number", all.join(", "))),
        })
    };
    match &node.kind {
        Kind::Text(text) => (*term, *of) = (number(text, node.span)?, Type::Int),
        Kind::List(items) if *of == Type::Texts => {
            let mut numbers = Vec::with_capacity(items.len());
            for item in items {
                let Kind::Text(text) = &item.kind else {
                    return Ok(());
                };
                numbers.push(number(text, item.span)?);
            }
            (*term, *of) = (Term::List(numbers), Type::Ints);
        }
        _ => {}
    }
    Ok(())
}

fn unknown<const N: usize>(what: &str, name: &Word, known: [&'static str; N]) -> Fault {
    let fault = Fault::new(name.span, format!("there is no {what} {}", name.text));
    match nearest(&name.text, known) {
        Some(near) => fault.with_fix(format!("did you mean {near}?")),
        None => fault.with_fix(format!("known are {}", known.join(", "))),
    }
}
