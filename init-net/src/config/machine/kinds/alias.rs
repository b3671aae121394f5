//! `LinkAliasConfig`.

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::expression::Expression;
use crate::config::machine::record::{At, Record};
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{AliasConfig, Document, Severity};
use crate::value::LinkName;

keys! {
    /// A name of one's own for links that are told by what they are.
    pub struct AliasKeys("LinkAliasConfig") {
        /// The name, or with `%d` at its end one for each link: `net%d`.
        required "name" name: AliasName,
        /// Which links.
        required "selector" selector: MatchKeys,
    }
}

keys! {
    /// Which links have the name.
    pub struct MatchKeys("selector") whole {
        /// A question about `link` in CEL, such as `link.driver == "ice"`.
        required "match" question: String,
    }
}

/// A name, or what stands before the numbers of several.
#[derive(Clone, Debug)]
pub struct AliasName {
    name: String,
    numbered: bool,
}

impl Scalar for AliasName {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let (name, numbered) = match text.strip_suffix("%d") {
            Some("") => return Err("something stands before %d: net%d".into()),
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('%') {
            return Err("%d stands at the end, and % nowhere else".into());
        }
        // The shortest name that is made has one digit.
        let shortest = if numbered {
            format!("{name}0")
        } else {
            name.to_owned()
        };
        match shortest.parse::<LinkName>() {
            Ok(_) => Ok(Self {
                name: name.to_owned(),
                numbered,
            }),
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "maxLength": LinkName::MAX_LEN + 1, "pattern": "^[!-$&-.0-9;-~]+(%d)?$"})
    }
}

impl Kind for AliasKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let origin = self.origin(source);
        let Some(matches) = question(&self, &self.selector.value.question, source) else {
            return;
        };
        let AliasName { name, numbered } = self.name.value;
        out.aliases.push(AliasConfig {
            name,
            numbered,
            matches,
            origin,
        });
    }
}

/// The question that `text` asks; a fault has its place inside of the text.
fn question(record: &impl Record, text: &At<String>, source: &Source<'_>) -> Option<Expression> {
    match Expression::parse(&text.value) {
        Ok(question) => Some(question),
        Err(fault) => {
            let at = source.inside(text.mark, &text.value, fault.span);
            let fix = fault.fix.as_deref();
            let rule = format!("selector: match: {}", fault.rule);
            let fault = record.fault(source, Severity::Error, &at, &rule, fix);
            source.report(fault.with_effect("no link gets this name"));
            None
        }
    }
}
