//! YAML text to [`Node`] trees that know the line, column and bytes of every value.
//!
//! JSON is accepted as the YAML subset that it is. Semantics follow what the field's tools accept: `<<` merges,
//! aliases, and no duplicate keys.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use crate::value::Span;

/// Largest text, bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;

/// Most values in one text, copies made by aliases included ("billion laughs"): ten thousand rules of a firewall have some
/// twenty values each.
pub const MAX_NODES: usize = 400_000;

/// Keys of a mapping that are compared each with each.
const FEW_KEYS: usize = 8;

/// Where a value is in its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The bytes of the value.
    pub span: Span,
}

/// One value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it is.
    pub mark: Mark,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text, number or truth value.
    Scalar {
        /// As it reads after unquoting.
        text: String,
        /// Written without quotes: `null`, `yes` and `~` mean something.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in order; no key twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// As it reads.
    pub text: String,
    /// Where it is.
    pub mark: Mark,
}

/// A fault of the text itself.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub mark: Mark,
}

impl Node {
    /// Whether this is nothing: absent, `~`, `null`.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::List(_) | Value::Map(_) => false,
        }
    }

    /// The value of `key`, when this is a mapping that has it and it is not null.
    pub fn at(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(k, _)| k.text == key)
                .map(|(_, node)| node)
                .filter(|node| !node.is_null()),
            Value::Scalar { .. } | Value::List(_) => None,
        }
    }

    /// The text of a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The items of a list; of anything else but null, itself: where the field accepts a scalar for a list of one.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar { .. } if self.is_null() => &[],
            Value::Scalar { .. } | Value::Map(_) => std::slice::from_ref(self),
        }
    }

    /// The keys and values of a mapping; none of anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => &[],
        }
    }

    /// A truth value as Go's yaml.v3 decodes one: `yes`, `on` and `y` count, quoted text does not.
    pub fn truth(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y"
                | "Y" => Some(true),
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
                | "N" => Some(false),
                _ => None,
            },
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// How many values this is, itself and keys included.
    fn weight(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Node::weight).sum::<usize>(),
            Value::Map(entries) => {
                1 + entries
                    .iter()
                    .map(|(_, node)| 1 + node.weight())
                    .sum::<usize>()
            }
        }
    }

    /// How many levels this is.
    fn depth(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(entries) => {
                1 + entries
                    .iter()
                    .map(|(_, node)| node.depth())
                    .max()
                    .unwrap_or(0)
            }
        }
    }
}

/// The documents of `text` that are whole, and its faults. A fault of syntax ends the text; the documents before it
/// stand.
pub fn parse(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        offsets: Offsets::new(text),
        documents: Vec::new(),
        faults: Vec::new(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    if text.len() > MAX_BYTES {
        let message = format!("the text is above {} MiB", MAX_BYTES / 1024 / 1024);
        return (
            Vec::new(),
            vec![Fault {
                message,
                mark: Mark::default(),
            }],
        );
    }
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let taken = match next {
            Ok((event, span)) => {
                let mark = builder.offsets.mark(span.start, span.end);
                builder.take(event, mark)
            }
            Err(error) => Err(Fault {
                message: match error.info() {
                    // The parser looks ahead, so its own limit may come before ours.
                    "recursion limit exceeded" => "too deeply nested".to_owned(),
                    info => info.to_owned(),
                },
                mark: builder.offsets.mark(*error.marker(), *error.marker()),
            }),
        };
        if let Err(fault) = taken {
            builder.faults.push(fault);
            break;
        }
    }
    (builder.documents, builder.faults)
}

/// [`parse`], for a text that may be JSON as other programs write it: with characters above U+FFFF as two escapes
/// (RFC 8259 §7), which are none in YAML. A text of JSON has no places but its first line.
pub fn parse_any(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let begins = text.trim_start().trim_start_matches('\u{feff}');
    if begins.starts_with(['{', '[']) && text.len() <= MAX_BYTES {
        let mut nodes = 0;
        let read = serde_json::from_str(begins).ok();
        if let Some(node) = read.and_then(|value| from_json(value, 1, &mut nodes)) {
            return (vec![node], Vec::new());
        }
    }
    parse(text)
}

/// `value` as a node; `None`: too deep or too large.
fn from_json(value: serde_json::Value, depth: usize, nodes: &mut usize) -> Option<Node> {
    *nodes += 1;
    if depth > MAX_DEPTH || *nodes > MAX_NODES {
        return None;
    }
    let mark = Mark {
        line: 1,
        column: 1,
        span: Span::default(),
    };
    let plain = |text: String| Value::Scalar { text, plain: true };
    let value = match value {
        serde_json::Value::Null => plain("null".to_owned()),
        serde_json::Value::Bool(truth) => plain(truth.to_string()),
        serde_json::Value::Number(number) => plain(number.to_string()),
        serde_json::Value::String(text) => Value::Scalar { text, plain: false },
        serde_json::Value::Array(items) => {
            let items = items
                .into_iter()
                .map(|item| from_json(item, depth + 1, nodes));
            Value::List(items.collect::<Option<_>>()?)
        }
        serde_json::Value::Object(entries) => {
            let entries = entries.into_iter().map(|(text, value)| {
                *nodes += 1;
                Some((Key { text, mark }, from_json(value, depth + 1, nodes)?))
            });
            Value::Map(entries.collect::<Option<_>>()?)
        }
    };
    Some(Node { value, mark })
}

/// Character indices to byte offsets: only texts that are not ASCII need a table.
struct Offsets(Option<Vec<u32>>, usize);

impl Offsets {
    fn new(text: &str) -> Self {
        let table = (!text.is_ascii() && text.len() <= MAX_BYTES)
            .then(|| text.char_indices().map(|(at, _)| at as u32).collect());
        Self(table, text.len())
    }

    fn byte(&self, marker: Marker) -> usize {
        match &self.0 {
            None => marker.index().min(self.1),
            Some(table) => table.get(marker.index()).map_or(self.1, |at| *at as usize),
        }
    }

    fn mark(&self, start: Marker, end: Marker) -> Mark {
        Mark {
            line: start.line(),
            column: start.col() + 1,
            span: Span::new(self.byte(start), self.byte(end)),
        }
    }
}

struct Builder {
    offsets: Offsets,
    documents: Vec<Node>,
    faults: Vec<Fault>,
    open: Vec<Open>,
    /// Finished anchors of this document.
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

/// A list or mapping whose end has not come.
struct Open {
    mark: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// Entries that `<<` brings; those written out win.
        merged: Vec<(Key, Node)>,
        key: Option<Key>,
    },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Fault> {
        let fault = |message: &str| Fault {
            message: message.to_owned(),
            mark,
        };
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, _) => {
                let node = Node {
                    value: Value::Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain,
                    },
                    mark,
                };
                self.finish(node, anchor)?;
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(fault(
                        "an alias (*name) stands before the end of its anchor",
                    ));
                };
                if self.nodes + node.weight() > MAX_NODES {
                    return Err(fault("too many values"));
                }
                if self.open.len() + node.depth() > MAX_DEPTH {
                    return Err(fault("too deeply nested"));
                }
                let node = node.clone();
                self.nodes += node.weight();
                self.finish(node, 0)?;
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if self.open.len() >= MAX_DEPTH =>
            {
                let _ = anchor;
                return Err(fault("too deeply nested"));
            }
            Event::SequenceStart(anchor, _) => self.open.push(Open {
                mark,
                anchor,
                content: Content::List(Vec::new()),
            }),
            Event::MappingStart(anchor, _) => self.open.push(Open {
                mark,
                anchor,
                content: Content::Map {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                },
            }),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let value = match open.content {
                    Content::List(items) => Value::List(items),
                    Content::Map {
                        entries, merged, ..
                    } => Value::Map(self.merge(entries, merged)),
                };
                let span = Span::new(open.mark.span.start, mark.span.end);
                let mark = Mark { span, ..open.mark };
                self.finish(Node { value, mark }, open.anchor)?;
            }
        }
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Fault {
                message: "too many values".to_owned(),
                mark: node.mark,
            });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += node.weight();
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.documents.push(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map {
                entries,
                merged,
                key,
            }) => match key.take() {
                None => *key = Some(as_key(node)?),
                Some(key) if key.text == "<<" => match node.value {
                    Value::Map(entries) => merged.extend(entries),
                    Value::List(maps) => {
                        for map in maps {
                            if let Value::Map(entries) = map.value {
                                merged.extend(entries);
                            }
                        }
                    }
                    Value::Scalar { .. } => self.faults.push(Fault {
                        message: "<< takes a mapping, or a list of mappings".to_owned(),
                        mark: node.mark,
                    }),
                },
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }

    /// Refuses duplicates, then adds what `<<` brought and what is not written out.
    fn merge(
        &mut self,
        mut entries: Vec<(Key, Node)>,
        merged: Vec<(Key, Node)>,
    ) -> Vec<(Key, Node)> {
        if merged.is_empty() && are_few_and_distinct(&entries) {
            return entries;
        }
        let mut seen = HashMap::new();
        let mut twice = Vec::new();
        entries.retain(|(key, _)| match seen.entry(key.text.clone()) {
            Entry::Vacant(free) => {
                free.insert(key.mark.line);
                true
            }
            Entry::Occupied(first) => {
                let (text, line) = (shown(&key.text), first.get());
                twice.push(Fault {
                    message: format!("the key {text} stands here twice, first in line {line}"),
                    mark: key.mark,
                });
                false
            }
        });
        self.faults.append(&mut twice);
        let fresh = |(key, _): &(Key, Node)| seen.insert(key.text.clone(), 0).is_none();
        entries.extend(merged.into_iter().filter(fresh));
        entries
    }
}

/// The common case, without a set of keys: ten thousand routes are as many mappings of two or three keys.
fn are_few_and_distinct(entries: &[(Key, Node)]) -> bool {
    entries.len() <= FEW_KEYS
        && entries.iter().enumerate().all(|(i, (key, _))| {
            entries
                .iter()
                .take(i)
                .all(|(earlier, _)| earlier.text != key.text)
        })
}

fn as_key(node: Node) -> Result<Key, Fault> {
    match node.value {
        Value::Scalar { text, .. } => Ok(Key {
            text,
            mark: node.mark,
        }),
        Value::List(_) | Value::Map(_) => Err(Fault {
            message: "a key is a text, not a list or a mapping".to_owned(),
            mark: node.mark,
        }),
    }
}

/// Longest part of a foreign word in a message, characters.
const MAX_SHOWN: usize = 40;

/// A word of the text, quoted and cut for a message.
pub fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("\"{cut}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Scalar { .. } if node.is_null() => "~".to_owned(),
            Value::Scalar { text, .. } => text.clone(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(show).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, node)| format!("{}={}", key.text, show(node)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let (documents, faults) = parse(text);
        let mut found: Vec<String> = documents.iter().map(show).collect();
        let faults = faults.iter();
        found.extend(faults.map(|f| format!("{}:{} {}", f.mark.line, f.mark.column, f.message)));
        assert_eq!(found.join(" | "), expect);
    }

    #[test]
    fn shapes() {
        check("a: 1\nb: [x, y]\n", "{a=1 b=[x y]}");
        check("a: 1\r\nb:\r\n- x\r\n- y\r\n", "{a=1 b=[x y]}");
        check("\u{feff}a: ü\n", "{a=ü}");
        check("a: 1\n---\nb: 2\n...\n---\nc:\n", "{a=1} | {b=2} | {c=~}");
        check(r#"{"a": {"b": [1, null, "null"]}}"#, "{a={b=[1 ~ null]}}");
        check("", "");
        check("---\n---\n", "~ | ~");
        check(
            "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n",
            "{x={a=1 b=2} y={b=3 a=1}}",
        );
        check(
            "x: &x {a: 1}\nz: &z {c: 9}\ny: {<<: [*x, *z]}\n",
            "{x={a=1} z={c=9} y={a=1 c=9}}",
        );
    }

    #[test]
    fn faults() {
        check(
            "a: 1\na: 2\n",
            "{a=1} | 2:1 the key \"a\" stands here twice, first in line 1",
        );
        check(
            "a: {<<: 1}\n",
            "{a={}} | 1:9 << takes a mapping, or a list of mappings",
        );
        check("[a]: 1\n", "1:1 a key is a text, not a list or a mapping");
        check(
            "a: 1\n---\nb: [\n",
            "{a=1} | 4:1 while parsing a node, did not find expected node content",
        );
    }

    #[test]
    fn bombs() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        check(&deep, "1:65 too deeply nested");
        let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (name, below) in ["b", "c", "d", "e", "f", "g"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f"])
        {
            laughs.push_str(&format!(
                "{name}: &{name} [{}]\n",
                vec![format!("*{below}"); 10].join(",")
            ));
        }
        let (_, faults) = parse(&laughs);
        assert_eq!(faults[0].message, "too many values");
        check(
            "a: &a [*a]\n",
            "1:8 an alias (*name) stands before the end of its anchor",
        );
    }

    #[test]
    fn places_are_bytes() {
        for text in [
            "k: é\nname: eth0\n",
            "k: e\r\nname: eth0\r\n",
            "{k: 'é', name: eth0}",
        ] {
            let (documents, _) = parse(text);
            let span = documents[0].at("name").unwrap().mark.span;
            assert_eq!(&text[span.start..span.end], "eth0");
        }
    }
}
