//! [`Header`]: what every document has.

use serde_json::json;

use crate::config::machine::API_VERSION;
use crate::config::machine::record::{Record, Scope};
use crate::config::machine::schema::Key;
use crate::config::machine::tree::{Mark, Node};

/// `apiVersion` and `kind`. Whoever chose the kind has read them, so here they are only known; not with `keys!`, which
/// would read them again.
pub struct Header {
    mark: Mark,
}

impl Record for Header {
    const WHAT: &'static str = "document";
    const DOC: &'static [&'static str] = &["What every document has."];
    const WHOLE: bool = false;
    const OPEN: bool = false;
    type Draft = ();

    fn declare(keys: &mut Vec<Key>) {
        keys.push(Key {
            name: "apiVersion",
            required: true,
            doc: &["The version of the kind."],
            schema: |_| json!({"const": API_VERSION}),
        });
        keys.push(Key {
            name: "kind",
            required: true,
            doc: &["What the document is about."],
            schema: |_| json!({"type": "string"}),
        });
    }

    fn take((): &mut (), _scope: &Scope<'_>, key: &str, _node: &Node) -> bool {
        matches!(key, "apiVersion" | "kind")
    }

    fn complete((): (), scope: &Scope<'_>) -> Option<Self> {
        let mark = scope.mark();
        Some(Self { mark })
    }

    fn mark(&self) -> Mark {
        self.mark
    }

    fn is_partial(&self) -> bool {
        false
    }
}
