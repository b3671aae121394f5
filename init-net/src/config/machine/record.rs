//! [`Record`]: a mapping whose keys are declared once, with [`keys!`]; the declaration is what reads it, what tells
//! an unknown key, and what the JSON Schema is made from.
//!
//! Checks across keys come after reading: [`Record::refuse`] and its sisters, with the field as the place.

use core::cell::Cell;
use core::ops::Deref;

use serde_json::Value as Json;

use super::scalar::{Scalar, Wrong};
use super::schema::{Key as Declared, Schemas};
use super::source::Source;
use super::tree::{Key, Mark, Node, Value, shown};
use crate::config::nearest::nearest;
use crate::config::{Diagnostic, Said, Severity};
use crate::value::Origin;

/// A value and its place in the text.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// What was read.
    pub value: T,
    /// Where it stands.
    pub mark: Mark,
}

impl<T> At<T> {
    /// For the rest of the pipeline, which knows sources rather than texts.
    pub fn said(self, source: &Source<'_>) -> Said<T> {
        let origin = source.origin(self.mark);
        Said::new(self.value, origin)
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The value alone, where its place is of no more use.
pub fn plain<T>(said: Option<At<T>>) -> Option<T> {
    said.map(|said| said.value)
}

/// What a caret can stand under.
pub trait Placed {
    /// Its place; `None`: it is not written.
    fn place(&self) -> Option<Mark>;
}

impl Placed for Mark {
    fn place(&self) -> Option<Mark> {
        Some(*self)
    }
}

impl<T> Placed for At<T> {
    fn place(&self) -> Option<Mark> {
        Some(self.mark)
    }
}

impl<T> Placed for Option<At<T>> {
    fn place(&self) -> Option<Mark> {
        self.as_ref().map(|at| at.mark)
    }
}

/// The items of a list that may not be written.
pub trait Items {
    /// What the list holds.
    type Item;
    /// All of them; none when there is no list.
    fn items(self) -> std::vec::IntoIter<Self::Item>;
}

impl<T> Items for Option<At<Vec<T>>> {
    type Item = T;

    fn items(self) -> std::vec::IntoIter<T> {
        self.map(|list| list.value).unwrap_or_default().into_iter()
    }
}

/// Anything that a key can hold: scalars, lists, tables, records.
pub trait Shape: Sized {
    /// Reads `node`, the value of `key`; `None` when it is not right, which is reported then.
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self>;

    /// The JSON Schema of it; records go to `schemas` and are referred to.
    fn schema(schemas: &mut Schemas) -> Json;
}

impl<T: Scalar> Shape for T {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let read = match &node.value {
            Value::Scalar { text, .. } => T::read(node, text),
            Value::List(_) => Err("expected one value, not a list".into()),
            Value::Map(_) => Err("expected one value, not a mapping".into()),
        };
        read.map_err(|wrong| scope.wrong(key, node.mark, wrong))
            .ok()
    }

    fn schema(_schemas: &mut Schemas) -> Json {
        T::schema()
    }
}

impl<T: Shape> Shape for At<T> {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let value = T::read(scope, key, node)?;
        let mark = node.mark;
        Some(Self { value, mark })
    }

    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
}

/// A list. Items that are not right are reported and left out.
impl<T: Shape> Shape for Vec<T> {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        match &node.value {
            Value::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                list.extend(items.iter().filter_map(|item| T::read(scope, key, item)));
                Some(list)
            }
            Value::Scalar { .. } | Value::Map(_) => {
                scope.not_a_list(key, node);
                None
            }
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        list_schema(T::schema(schemas))
    }
}

fn list_schema(items: Json) -> Json {
    serde_json::json!({"type": "array", "items": items})
}

/// A mapping with free keys: features, sysctls. Null values count as absent.
#[derive(Clone, Debug)]
pub struct Table<T>(pub Vec<(At<String>, At<T>)>);

impl<T: Shape> Shape for Table<T> {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let message = format!(
                "{}: {key}: expected keys and values (a mapping)",
                scope.what
            );
            scope.fail(node.mark, message, None);
            return None;
        };
        let entry = |(name, node): &(Key, Node)| {
            let value = scope.value(key, node)?;
            let (name, mark) = (name.text.clone(), name.mark);
            Some((At { value: name, mark }, value))
        };
        Some(Self(entries.iter().filter_map(entry).collect()))
    }

    fn schema(schemas: &mut Schemas) -> Json {
        table_schema(T::schema(schemas))
    }
}

fn table_schema(values: Json) -> Json {
    serde_json::json!({"type": "object", "additionalProperties": values})
}

/// A value that is checked and has no effect here: notes of its parts would repeat what is said of the whole.
#[derive(Clone, Debug)]
pub struct Quiet<T>(pub T);

impl<T: Shape> Shape for Quiet<T> {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let above = scope.noted.replace(true);
        let value = T::read(scope, key, node);
        scope.noted.set(above);
        value.map(Self)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
}

/// A value that is checked, with `later`, and of which nothing more is to be said.
#[derive(Clone, Copy, Debug)]
pub struct Silent<T>(core::marker::PhantomData<T>);

impl<T: Shape> Shape for Silent<T> {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let _ = T::read(scope, key, node);
        None
    }

    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
}

/// Something that is not looked at, with `later`.
#[derive(Clone, Copy, Debug)]
pub struct Any;

impl Shape for Any {
    fn read(_scope: &Scope<'_>, _key: &'static str, _node: &Node) -> Option<Self> {
        Some(Self)
    }

    fn schema(_schemas: &mut Schemas) -> Json {
        serde_json::json!({})
    }
}

/// What is known of a [`Record`] without its type: what walks and describes one is compiled once for all of them.
#[derive(Clone, Copy)]
pub struct Form {
    /// [`Record::WHAT`].
    pub what: &'static str,
    /// [`Record::DOC`].
    pub doc: &'static [&'static str],
    /// [`Record::WHOLE`].
    pub whole: bool,
    /// [`Record::OPEN`].
    pub open: bool,
    /// [`Record::declare`].
    pub declare: fn(&mut Vec<Declared>),
}

impl Form {
    /// That of `R`.
    pub fn of<R: Record>() -> Self {
        Self {
            what: R::WHAT,
            doc: R::DOC,
            whole: R::WHOLE,
            open: R::OPEN,
            declare: R::declare,
        }
    }
}

/// A mapping with declared keys; made by [`keys!`].
pub trait Record: Sized {
    /// What messages call it: `LinkConfig`, `route`.
    const WHAT: &'static str;
    /// Its comment, one text a line.
    const DOC: &'static [&'static str];
    /// Whether one bad value costs the mapping.
    const WHOLE: bool;
    /// Whether keys that are not declared are left alone.
    const OPEN: bool;
    /// What has been read so far.
    type Draft: Default;

    /// Adds the keys, those taken in included, to `keys`.
    fn declare(keys: &mut Vec<Declared>);

    /// Reads the value of one key into `draft`; answers whether the key is declared. Null counts as absent.
    fn take(draft: &mut Self::Draft, scope: &Scope<'_>, key: &str, node: &Node) -> bool;

    /// The record, unless a required key has no value; its absence is reported.
    fn complete(draft: Self::Draft, scope: &Scope<'_>) -> Option<Self>;

    /// The place of the mapping.
    fn mark(&self) -> Mark;

    /// Whether a value was not right and is left out: rules about what must be given are not for this record then.
    fn is_partial(&self) -> bool;

    /// The origin of the mapping.
    fn origin(&self, source: &Source<'_>) -> Origin {
        source.origin(self.mark())
    }

    /// Reports that the record breaks `rule` and is not applied: the caller leaves it out. The caret stands under
    /// `at`, or where that is not written at the record.
    fn refuse(&self, source: &Source<'_>, at: &impl Placed, rule: &str, fix: Option<&str>) {
        let fault = self.fault(source, Severity::Error, at, rule, fix);
        source.report(fault.with_effect(format!("this {} is ignored", Self::WHAT)));
    }

    /// As [`Self::refuse`], where only the value at `at` is not applied.
    fn refuse_value(&self, source: &Source<'_>, at: &impl Placed, rule: &str, fix: Option<&str>) {
        let fault = self.fault(source, Severity::Error, at, rule, fix);
        source.report(fault.with_effect("this value is ignored"));
    }

    /// Notes that `what` is understood and has no effect yet.
    fn later(&self, source: &Source<'_>, at: &impl Placed, what: &str) {
        let message = format!("{what} is not applied yet");
        source.report(self.fault(source, Severity::Note, at, &message, None));
    }

    /// Notes that `at` is checked and has no effect, and why.
    fn idle(&self, source: &Source<'_>, at: &impl Placed, what: &str, why: &str) {
        let message = format!("{what} is checked, and has no effect here");
        let note = self.fault(source, Severity::Note, at, &message, None);
        source.report(note.with_effect(why));
    }

    /// Warns that what is written at `at` may not do what it is meant to.
    fn warn(&self, source: &Source<'_>, at: &impl Placed, rule: &str, fix: Option<&str>) {
        source.report(self.fault(source, Severity::Warning, at, rule, fix));
    }

    /// A fault of the record at `at`, to be completed and reported.
    fn fault(
        &self,
        source: &Source<'_>,
        severity: Severity,
        at: &impl Placed,
        message: &str,
        fix: Option<&str>,
    ) -> Diagnostic {
        let mark = at.place().unwrap_or(self.mark());
        let fault = source.fault(severity, mark, format!("{}: {message}", Self::WHAT));
        match fix {
            Some(fix) => fault.with_fix(fix),
            None => fault,
        }
    }
}

/// Two mappings in one: what every document has, and what its kind has. Called as the second.
impl<A: Record, B: Record> Record for (A, B) {
    const WHAT: &'static str = B::WHAT;
    const DOC: &'static [&'static str] = B::DOC;
    const WHOLE: bool = B::WHOLE;
    const OPEN: bool = B::OPEN;
    type Draft = (A::Draft, B::Draft);

    fn declare(keys: &mut Vec<Declared>) {
        A::declare(keys);
        B::declare(keys);
    }

    fn take(draft: &mut Self::Draft, scope: &Scope<'_>, key: &str, node: &Node) -> bool {
        B::take(&mut draft.1, scope, key, node) || A::take(&mut draft.0, scope, key, node)
    }

    fn complete(draft: Self::Draft, scope: &Scope<'_>) -> Option<Self> {
        let (first, second) = (A::complete(draft.0, scope), B::complete(draft.1, scope));
        Some((first?, second?))
    }

    fn mark(&self) -> Mark {
        self.1.mark()
    }

    fn is_partial(&self) -> bool {
        self.1.is_partial()
    }
}

/// Reads the record at the top of a document.
pub fn read_top<R: Record>(source: &Source<'_>, node: &Node) -> Option<R> {
    read_noted(source, node, false)
}

/// As [`read_top`], of a document that has no effect here: its own note says so, so none of its keys does.
pub fn read_quiet<R: Record>(source: &Source<'_>, node: &Node) -> Option<R> {
    read_noted(source, node, true)
}

fn read_noted<R: Record>(source: &Source<'_>, node: &Node, noted: bool) -> Option<R> {
    let above = Scope {
        source,
        what: "document",
        entries: &[],
        mark: node.mark,
        lost: Cell::new("value"),
        broken: Cell::new(false),
        noted: Cell::new(noted),
    };
    above.record(node)
}

/// A mapping that is being read.
pub struct Scope<'s> {
    /// Where faults go.
    pub source: &'s Source<'s>,
    /// What the mapping is.
    what: &'static str,
    /// What stands in it.
    entries: &'s [(Key, Node)],
    /// Of the mapping.
    mark: Mark,
    /// What a bad value costs: `value`, or the record that is whole.
    lost: Cell<&'static str>,
    /// Whether a value was not right.
    broken: Cell<bool>,
    /// Whether a note says already that all of this has no effect yet.
    noted: Cell<bool>,
}

impl<'s> Scope<'s> {
    /// The place of the mapping.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether a value was not right.
    pub fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// The record in `node`, which is a value of this mapping.
    pub fn record<R: Record>(&self, node: &Node) -> Option<R> {
        let mut draft = R::Draft::default();
        let scope = self.walk(Form::of::<R>(), node, &mut |scope, key, value| {
            R::take(&mut draft, scope, key, value)
        })?;
        let record = R::complete(draft, &scope);
        let broken = record.is_none() || scope.broken.get();
        if broken {
            self.broken.set(true);
        }
        record.filter(|_| !(R::WHOLE && broken))
    }

    /// Gives every key of the mapping in `node` to `take`, and reports those that it does not know.
    fn walk<'n>(
        &self,
        form: Form,
        node: &'n Node,
        take: &mut dyn FnMut(&Scope<'_>, &str, &Node) -> bool,
    ) -> Option<Scope<'n>>
    where
        's: 'n,
    {
        let Value::Map(entries) = &node.value else {
            self.broken.set(true);
            let message = format!("{}: expected keys and values (a mapping)", form.what);
            let fault = self.source.fault(Severity::Error, node.mark, message);
            let effect = format!("this {} is ignored", form.what);
            self.source.report(fault.with_effect(effect));
            return None;
        };
        let lost = if form.whole {
            form.what
        } else {
            self.lost.get()
        };
        let scope = Scope {
            source: self.source,
            what: form.what,
            entries,
            mark: node.mark,
            lost: Cell::new(lost),
            broken: Cell::new(false),
            noted: Cell::new(self.noted.get()),
        };
        for (key, value) in entries {
            if !take(&scope, &key.text, value) && !form.open {
                unknown_key(self.source, form, key);
            }
        }
        Some(scope)
    }

    /// The value of `key`; null counts as absent.
    pub fn value<T: Shape>(&self, key: &'static str, node: &Node) -> Option<At<T>> {
        if node.is_null() {
            None
        } else {
            At::<T>::read(self, key, node)
        }
    }

    /// As [`Self::value`], of a key without which the mapping is not read.
    pub fn needed<T: Shape>(&self, key: &'static str, node: &Node) -> Option<At<T>> {
        let above = self.lost.replace(self.what);
        let value = self.value(key, node);
        self.lost.set(above);
        value
    }

    /// Checks the value of `key` and notes that it has no effect yet.
    pub fn later<T: Shape>(&self, key: &'static str, node: &Node) {
        let above = self.noted.replace(true);
        let right = self.value::<T>(key, node).is_some();
        self.noted.set(above);
        if right && !above {
            let message = format!("{}: {key} is not applied yet", self.what);
            let note = self.source.fault(Severity::Note, node.mark, message);
            self.source.report(note);
        }
    }

    /// `value` of a required key; reports that there is none. A value that is not right has its own report.
    pub fn required<T>(&self, key: &'static str, value: Option<At<T>>) -> Option<At<T>> {
        let written = |(k, node): &(Key, Node)| k.text == key && !node.is_null();
        if value.is_none() && !self.entries.iter().any(written) {
            self.missing(key);
        }
        value
    }

    fn missing(&self, key: &'static str) {
        let message = format!("{}: {key} must be given", self.what);
        let fault = self.source.fault(Severity::Error, self.mark, message);
        let effect = format!("this {} is ignored", self.what);
        self.source.report(fault.with_effect(effect));
    }

    fn not_a_list(&self, key: &'static str, node: &Node) {
        let message = format!("{}: {key} is a list", self.what);
        self.fail(node.mark, message, Some("write it as [ … ]".to_owned()));
    }

    /// Reports that the value of `key` at `mark` breaks a rule.
    pub fn wrong(&self, key: &'static str, mark: Mark, wrong: Wrong) {
        let Wrong { rule, fix } = wrong;
        let message = format!("{}: {key}: {rule}", self.what);
        self.fail(mark, message, fix);
    }

    fn fail(&self, mark: Mark, message: String, fix: Option<String>) {
        self.broken.set(true);
        let mut fault = self.source.fault(Severity::Error, mark, message);
        if let Some(fix) = fix {
            fault = fault.with_fix(fix);
        }
        let effect = format!("this {} is ignored", self.lost.get());
        self.source.report(fault.with_effect(effect));
    }
}

#[cold]
fn unknown_key(source: &Source<'_>, form: Form, key: &Key) {
    if source.is_full() {
        return;
    }
    let mut known = Vec::new();
    (form.declare)(&mut known);
    let message = format!("{}: unknown key {}", form.what, shown(&key.text));
    let mut fault = source.fault(Severity::Error, key.mark, message);
    if let Some(near) = nearest(&key.text, known.iter().map(|known| known.name)) {
        fault = fault.with_fix(format!("did you mean {near}?"));
    }
    source.report(fault.with_effect("this key is ignored"));
}
