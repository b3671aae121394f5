//! [`Finding`]: what a check found, as people and as programs read it.

use core::fmt;

use serde::Serialize;

/// Widest line, columns (DESIGN §4).
const WIDTH: usize = 100;

/// Columns in front of a finding's text: severity and check.
const INDENT: usize = 19;

/// How bad it is. Only errors make `doctor` exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A check that found nothing wrong.
    Ok,
    /// For information: what could not be told, or what is as it is for a good reason.
    Note,
    /// It works, or not always.
    Warning,
    /// It does not work.
    Error,
}

impl Severity {
    /// The word in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line of the examination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which check found it: `links`, `addresses`, `routes`, `dns`, `path`, `online`, `vips`, `firewall`, `system`.
    pub check: &'static str,
    /// The resource that it is about, as `get` calls it; empty for an "ok".
    pub id: String,
    /// What is wrong, in one sentence without a full stop.
    pub problem: String,
    /// Why it matters, or how one knows; empty: it is plain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// A command to type, a line for the configuration, or what to look at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl Finding {
    fn new(severity: Severity, id: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            severity,
            check: "",
            id: id.into(),
            problem: problem.into(),
            why: String::new(),
            fix: String::new(),
        }
    }

    /// Something that does not work.
    pub(super) fn error(id: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Severity::Error, id, problem)
    }

    /// Something that may not work.
    pub(super) fn warning(id: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, problem)
    }

    /// Something to know.
    pub(super) fn note(id: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, problem)
    }

    /// An error where `really`, else a warning.
    pub(super) fn error_if(
        really: bool,
        id: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        let severity = match really {
            true => Severity::Error,
            false => Severity::Warning,
        };
        Self::new(severity, id, problem)
    }

    /// A whole check without a fault.
    pub(super) fn ok(problem: impl Into<String>) -> Self {
        Self::new(Severity::Ok, "", problem)
    }

    /// Why it matters.
    pub(super) fn why(self, why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            ..self
        }
    }

    /// What to do.
    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self {
            fix: fix.into(),
            ..self
        }
    }
}

impl fmt::Display for Finding {
    /// `error    routes    default: …`, then `why:` and `fix:` below; no line longer than 100 columns unless one word is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = match self.id.as_str() {
            "" => self.problem.clone(),
            id => format!("{id}: {}", self.problem),
        };
        let head = format!("{:<8} {:<9} ", self.severity.name(), self.check);
        f.write_str(&wrapped(&head, &first, ""))?;
        for (word, text) in [("why: ", &self.why), ("fix: ", &self.fix)] {
            if !text.is_empty() {
                let head = " ".repeat(INDENT);
                write!(f, "\n{}", wrapped(&head, text, word))?;
            }
        }
        Ok(())
    }
}

/// `text` behind `head` and `word`, broken between words, but not within a command; what goes on is indented by both.
fn wrapped(head: &str, text: &str, word: &str) -> String {
    let indent = head.chars().count() + word.len();
    let mut all = format!("{head}{word}");
    let mut column = indent;
    let mut in_command = false;
    let between = |c: char| {
        in_command ^= c == '`';
        c == ' ' && !in_command
    };
    for (at, part) in text.split(between).enumerate() {
        let length = part.chars().count();
        if at > 0 && column + 1 + length > WIDTH {
            all.push('\n');
            all.push_str(&" ".repeat(indent));
            column = indent;
        } else if at > 0 {
            all.push(' ');
            column += 1;
        }
        all.push_str(part);
        column += length;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_in_100_columns() {
        let finding = Finding {
            check: "routes",
            ..Finding::error("default", "no default route")
                .why("a ".repeat(60).trim())
                .fix("ip route add default via 192.0.2.1")
        };
        let text = finding.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "error    routes    default: no default route");
        assert!(lines[1].starts_with("                   why: a a a"));
        assert!(lines[2].starts_with("                        a a a"));
        assert_eq!(
            lines[3],
            "                   fix: ip route add default via 192.0.2.1"
        );
        assert!(lines.iter().all(|line| line.len() <= 100), "{text}");
    }

    #[test]
    fn a_command_stays_on_one_line() {
        let text = format!("{} `ip link set eth0 up` or not", "word ".repeat(14).trim());
        let lines: Vec<String> = Finding::error("", text)
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(lines[1].trim(), "`ip link set eth0 up` or not");
    }

    #[test]
    fn the_form_for_programs_is_stable() {
        let finding = Finding {
            check: "dns",
            ..Finding::warning("192.0.2.53", "no answer").fix("look")
        };
        assert_eq!(
            serde_json::to_value(&finding).unwrap(),
            serde_json::json!({ "severity": "warning", "check": "dns", "id": "192.0.2.53",
                "problem": "no answer", "fix": "look" })
        );
    }
}
