//! Resources as a table that fits a terminal.

use serde_json::Value;

use super::columns::columns;
use crate::run::core::Change;

/// Widest table (DESIGN §4), columns.
const MAX_WIDTH: usize = 100;

/// A table that grows: columns are as wide as what was added so far needs.
pub struct Table {
    kind: String,
    widths: Vec<usize>,
    /// The first column says what happened to a resource.
    signs: bool,
    /// Resources have versions: those from the kernel, without a supervisor, have none.
    versions: Option<bool>,
}

impl Table {
    /// Of resources of `kind`; `signs`: each row begins with what happened.
    pub fn new(kind: &str, signs: bool) -> Self {
        Self {
            kind: kind.to_owned(),
            widths: Vec::new(),
            signs,
            versions: None,
        }
    }

    /// Adds rows to `text`, below the titles when they are the first.
    pub fn add(&mut self, changes: &[Change], text: &mut String) {
        let rows = changes
            .iter()
            .map(|change| (change.event.sign(), &change.resource));
        self.rows(rows.collect(), text);
    }

    fn rows(&mut self, resources: Vec<(char, &Value)>, text: &mut String) {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let first = self.versions.is_none();
        let has_version = |(_, resource): &(char, &Value)| resource.get("version").is_some();
        let versions = *self
            .versions
            .get_or_insert_with(|| resources.iter().any(has_version));
        let columns = columns(&self.kind);
        let version = versions.then_some(("VERSION", "version"));
        let columns = || version.iter().chain(columns);
        if first {
            let titles = core::iter::once("ID").chain(columns().map(|(title, _)| *title));
            rows.push(self.row('*', titles.map(str::to_owned)));
        }
        for (sign, resource) in resources {
            let fields = core::iter::once("id").chain(columns().map(|(_, field)| *field));
            rows.push(self.row(sign, fields.map(|field| cell(resource.get(field)))));
        }
        for row in &rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let cells: String = row
                .iter()
                .zip(&self.widths)
                .map(|(cell, width)| format!("{cell:width$}   "))
                .collect();
            text.extend(cells.trim_end().chars().take(MAX_WIDTH));
            text.push('\n');
        }
    }

    fn row(&self, sign: char, cells: impl Iterator<Item = String>) -> Vec<String> {
        let sign = self.signs.then(|| sign.to_string());
        sign.into_iter().chain(cells).collect()
    }
}

/// Aligned columns, cut at [`MAX_WIDTH`]. No colour: tables are piped.
pub fn render(kind: &str, resources: &[Value]) -> String {
    let mut text = String::new();
    let rows = resources.iter().map(|resource| (' ', resource));
    Table::new(kind, false).rows(rows.collect(), &mut text);
    text
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| cell(Some(item)))
            .collect::<Vec<_>>()
            .join(" "),
        Some(other) => other.to_string(),
    };
    // What the network named must not move a cursor.
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::core::ChangeKind;

    #[test]
    fn columns_are_aligned_and_lines_fit() {
        let rows = [
            json!({"id": "eth0/10.0.0.2/24", "address": "10.0.0.2/24", "linkName": "eth0", "scope": "global", "protocol": 73}),
            json!({"id": "x".repeat(200), "address": "\u{1b}[2J"}),
        ];
        let text = render("addresses", &rows[..1]);
        assert_eq!(
            text,
            "ID                 ADDRESS       LINK   SCOPE    PROTO\neth0/10.0.0.2/24   10.0.0.2/24   eth0   global   73\n"
        );
        let text = render("addresses", &rows);
        assert!(text.lines().all(|line| line.chars().count() <= 100) && !text.contains('\u{1b}'));
    }

    #[test]
    fn a_watch_has_signs_and_goes_on_in_the_same_columns() {
        let change = |event, resource| Change { event, resource };
        let mut table = Table::new("aliases", true);
        let mut text = String::new();
        let one = json!({"id": "eth0", "version": 1, "alias": "uplink"});
        table.add(&[change(ChangeKind::Added, one.clone())], &mut text);
        let two = json!({"id": "eth0", "version": 2, "alias": "lan"});
        let gone = change(ChangeKind::Removed, two.clone());
        table.add(&[change(ChangeKind::Changed, two), gone], &mut text);
        assert_eq!(
            text,
            "*   ID     VERSION   ALIAS\n+   eth0   1         uplink\n    eth0   2         lan\n-   eth0   2         lan\n"
        );
    }

    #[test]
    fn every_kind_has_columns() {
        for kind in crate::run::kinds::names().filter(|kind| *kind != "metadata") {
            assert!(!columns(kind).is_empty(), "{kind}");
        }
    }
}
