//! JSON Schema of the documents (draft 2020-12), from the declarations that read them.
//!
//! It says what an editor can say while one types: keys, types, names, ranges. What is right across keys is said by
//! `check`. Null, which counts as absent, is left out: an editor is right to ask for a value.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::kinds::{Header, KINDS, OTHERS};
use super::legacy::LegacyKeys;
use super::record::{Record, Shape as _};

/// A declared key.
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// Whether the mapping is nothing without it.
    pub required: bool,
    /// Its comment, one text a line.
    pub doc: &'static [&'static str],
    /// What it holds.
    pub schema: fn(&mut Schemas) -> Json,
}

/// The schemas that others refer to, by name.
#[derive(Default)]
pub struct Schemas(BTreeMap<&'static str, Json>);

impl Schemas {
    /// A reference to the record `R` called `name`, which is described the first time it is met.
    pub fn refer<R: Record>(&mut self, name: &'static str) -> Json {
        if !self.0.contains_key(name) {
            // Stands in until it is made, for a record that holds itself.
            self.0.insert(name, json!({}));
            let schema = self.record::<R>();
            self.0.insert(name, schema);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// The schema of a whole document of kind `R`.
    pub fn document<R: Record>(&mut self) -> Json {
        self.record::<(Header, R)>()
    }

    fn record<R: Record>(&mut self) -> Json {
        let mut keys = Vec::new();
        R::declare(&mut keys);
        let mut properties = Map::new();
        for key in &keys {
            let mut schema = (key.schema)(self);
            describe(&mut schema, key.doc);
            properties.insert(key.name.to_owned(), schema);
        }
        let required = keys.iter().filter(|key| key.required);
        let required: Vec<&str> = required.map(|key| key.name).collect();
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": R::OPEN,
        });
        describe(&mut schema, R::DOC);
        schema
    }
}

/// Puts the comment before what the schema says of itself.
fn describe(schema: &mut Json, doc: &[&str]) {
    let mut text: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    text.extend(schema.get("description").and_then(Json::as_str));
    let text = text.join(" ");
    schema["description"] = text.into();
}

/// The schema of one document of a machine config: by its `kind`, or the older form.
pub fn schema() -> Json {
    let mut schemas = Schemas::default();
    let older = LegacyKeys::schema(&mut schemas);
    let mut definitions = Map::new();
    let mut kinds = Vec::new();
    for kind in &KINDS {
        if let Some(reader) = &kind.reader {
            definitions.insert(kind.name.to_owned(), (reader.schema)(&mut schemas));
            kinds.push(json!({
                "if": {"properties": {"kind": {"const": kind.name}}},
                "then": {"$ref": format!("#/$defs/{}", kind.name)},
            }));
        }
    }
    let records = schemas.0.into_iter();
    definitions.extend(records.map(|(name, schema)| (name.to_owned(), schema)));
    let names = KINDS.iter().map(|kind| kind.name).chain(OTHERS);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "init-net: a document of a machine config",
        "type": "object",
        "properties": {
            "apiVersion": {"const": super::API_VERSION},
            "kind": {"enum": names.collect::<Vec<_>>(), "description": "What the document is about."},
        },
        "if": {"required": ["kind"]},
        "then": {"required": ["apiVersion"], "allOf": kinds},
        "else": older,
        "$defs": definitions,
    })
}
