//! JSON values as YAML text: block style, strings quoted only where a reader would take them for something else.

use serde_json::Value;

/// `value` as a YAML document, with a line end after the last line.
pub fn render(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(value, 0, &mut text),
        Value::Array(list) if !list.is_empty() => array(value, 0, &mut text),
        other => {
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
    text
}

fn object(value: &Value, indent: usize, text: &mut String) {
    for (index, (key, value)) in value.as_object().into_iter().flatten().enumerate() {
        // The first key stands behind the dash of its list item.
        if index > 0 || !text.ends_with("- ") {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&string(key));
        text.push(':');
        below(value, indent, text);
    }
}

fn array(value: &Value, indent: usize, text: &mut String) {
    for item in value.as_array().into_iter().flatten() {
        text.push_str(&" ".repeat(indent));
        text.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => object(item, indent + 2, text),
            Value::Array(list) if !list.is_empty() => {
                text.pop();
                text.push('\n');
                array(item, indent + 2, text);
            }
            other => {
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

fn below(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            object(value, indent + 2, text);
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            array(value, indent + 2, text);
        }
        other => {
            text.push(' ');
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        Value::Array(_) => "[]".into(),
        Value::Object(_) => "{}".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Plain where that is unambiguous in YAML 1.1 and 1.2, else as a JSON string, which is a YAML one.
fn string(text: &str) -> String {
    let plain_bytes = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b'.' | b'/' | b'-' | b':' | b' ' | b'+' | b',' | b'=' | b'(' | b')' | b';'
            )
    };
    let reads_as_other = text.parse::<f64>().is_ok()
        || matches!(
            text.to_ascii_lowercase().as_str(),
            "" | "~"
                | "null"
                | "true"
                | "false"
                | "yes"
                | "no"
                | "on"
                | "off"
                | "y"
                | "n"
                | ".nan"
                | ".inf"
        )
        || text
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b':' || b == b'_')
        || text.starts_with("0x")
        || text.starts_with("0o");
    let starts_plain = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'.' || b == b'(');
    let awkward =
        text.ends_with(':') || text.ends_with(' ') || text.contains(": ") || text.contains(" #");
    if starts_plain && !reads_as_other && !awkward && text.bytes().all(plain_bytes) {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn block_style() {
        let value = json!({
            "addresses": [{"address": "192.0.2.10/24", "flags": "", "valid": 5}, {"address": "2001:db8::/64"}],
            "empty": [], "nested": {"a": null, "b": ["on", "x y", "12", "'q'"]},
        });
        assert_eq!(
            render(&value),
            "\
addresses:
  - address: 192.0.2.10/24
    flags: \"\"
    valid: 5
  - address: 2001:db8::/64
empty: []
nested:
  a: null
  b:
    - \"on\"
    - x y
    - \"12\"
    - \"'q'\"
"
        );
    }
}
