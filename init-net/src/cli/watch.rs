//! Printing for `get --watch`.

use std::io::Write as _;

use super::args::GetOutput;
use super::table::Table;
use super::yaml;
use crate::run::{core::Change, watch};

/// Prints every change of `kind`, first what is there; ends with the supervisor, which is an error.
pub fn print(kind: &str, id: Option<&str>, output: GetOutput) -> Result<u8, String> {
    let mut table = Table::new(kind, true);
    let mut text = String::new();
    watch::watch(kind, id, |changes| {
        text.clear();
        match output {
            GetOutput::Table => table.add(&changes, &mut text),
            GetOutput::Json => json(&changes, &mut text)?,
            GetOutput::Yaml => documents(&changes, &mut text)?,
        }
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| error.to_string())
    })
    .map(|()| 0)
}

/// A line a change.
fn json(changes: &[Change], text: &mut String) -> Result<(), String> {
    for change in changes {
        text.push_str(&serde_json::to_string(change).map_err(|error| error.to_string())?);
        text.push('\n');
    }
    Ok(())
}

/// A document a change.
fn documents(changes: &[Change], text: &mut String) -> Result<(), String> {
    for change in changes {
        let value = serde_json::to_value(change).map_err(|error| error.to_string())?;
        text.push_str("---\n");
        text.push_str(&yaml::render(&value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::core::ChangeKind;

    #[test]
    fn each_form_says_what_happened() {
        let change = |event, resource| Change { event, resource };
        let changes = [
            change(ChangeKind::Added, json!({"id": "a"})),
            change(ChangeKind::Removed, json!({"id": "b", "up": true})),
        ];
        let mut text = String::new();
        json(&changes, &mut text).unwrap();
        assert_eq!(
            text,
            "{\"event\":\"+\",\"resource\":{\"id\":\"a\"}}\n\
             {\"event\":\"-\",\"resource\":{\"id\":\"b\",\"up\":true}}\n"
        );
        text.clear();
        documents(&changes, &mut text).unwrap();
        assert_eq!(
            text,
            "---\nevent: \"+\"\nresource:\n  id: a\n---\nevent: \"-\"\nresource:\n  id: b\n  up: true\n"
        );
    }
}
