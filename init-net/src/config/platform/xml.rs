//! Texts of elements, for the few places where a cloud speaks XML.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

/// Longest text, bytes: user-data of 64 KiB in base64, and what is around it.
const MAX_TEXT: usize = 1024 * 1024;

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// The text in the first element at `path`, which begins at the root; namespaces do not count. `Ok(None)`: there is none.
///
/// # Errors
///
/// In a few words, what is wrong with `xml`. Entities of a document's own are refused: nobody needs them here, and they
/// grow without bounds.
pub fn text_at(xml: &str, path: &[&str]) -> Result<Option<String>, &'static str> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let mut open: usize = 0;
    // How many of the open elements are the path's, from the root on.
    let mut matched: usize = 0;
    let mut text = String::new();
    loop {
        let inside = open == path.len() && matched == path.len();
        match reader.read_event().map_err(|_| "is damaged XML")? {
            Event::Start(element) => {
                if open == matched && path.get(open) == Some(&element.local_name().into_inner()) {
                    matched += 1;
                }
                open += 1;
            }
            Event::Empty(element) => {
                let last = path.split_last();
                if let Some((name, above)) = last
                    && above.len() == open
                    && matched == open
                    && *name == element.local_name().into_inner()
                {
                    return Ok(Some(String::new()));
                }
            }
            Event::End(_) if inside => return Ok(Some(text)),
            Event::End(_) => {
                open = open.saturating_sub(1);
                matched = matched.min(open);
            }
            Event::Text(part) if inside => text.push_str(&part.xml10_content()),
            Event::CData(part) if inside => text.push_str(&part.xml10_content()),
            Event::GeneralRef(name) if inside => match name.resolve_char_ref() {
                Ok(Some(letter)) => text.push(letter),
                Ok(None) | Err(_) => {
                    let known = resolve_predefined_entity(&name);
                    text.push_str(known.ok_or("has an unknown entity")?);
                }
            },
            Event::DocType(_) => return Err("has entities of its own"),
            Event::Eof if open > 0 => return Err("ends too early"),
            Event::Eof => return Ok(None),
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => {}
        }
        if text.len() > MAX_TEXT || open > MAX_DEPTH {
            return Err("is too long or too deep");
        }
    }
}

/// The attributes `key` and `value` of every element at `path`, which begins at the root; namespaces do not count. Only the
/// first `limit` elements.
///
/// # Errors
///
/// As [`text_at`].
pub fn properties(
    xml: &str,
    path: &[&str],
    limit: usize,
) -> Result<Vec<(String, String)>, &'static str> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let mut open: Vec<bool> = Vec::new();
    let mut found = Vec::new();
    loop {
        let event = reader.read_event().map_err(|_| "is damaged XML")?;
        let (element, has_inside) = match event {
            Event::Start(element) => (element, true),
            Event::Empty(element) => (element, false),
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::DocType(_) => return Err("has entities of its own"),
            Event::Eof if open.is_empty() => return Ok(found),
            Event::Eof => return Err("ends too early"),
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => continue,
        };
        let is_next = path.get(open.len()) == Some(&element.local_name().into_inner());
        let is_inside = is_next && open.iter().all(|on_path| *on_path);
        if is_inside && open.len() + 1 == path.len() && found.len() < limit {
            let attribute = |name| attribute(&element, name);
            if let (Some(key), Some(value)) = (attribute("key")?, attribute("value")?) {
                found.push((key, value));
            }
        }
        if has_inside {
            open.push(is_inside);
        }
        if open.len() > MAX_DEPTH {
            return Err("is too long or too deep");
        }
    }
}

/// The attribute `name` of `element`, in any namespace.
fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, &'static str> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| "is damaged XML")?;
        if attribute.key.local_name().into_inner() == name {
            let value = attribute.value.as_ref();
            if value.len() > MAX_TEXT {
                return Err("is too long or too deep");
            }
            let value = unescape(value).map_err(|_| "has an unknown entity")?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(xml: &str, expect: Result<Option<&str>, &'static str>) {
        let found = text_at(xml, &["a", "b"]);
        assert_eq!(found, expect.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn texts() {
        check("<a><b>x</b></a>", Ok(Some("x")));
        check(
            "\u{feff}<?xml version='1.0'?>\n<n:a xmlns:n='u'><n:b> x </n:b></n:a>",
            Ok(Some(" x ")),
        );
        check(
            "<a><c><b>no</b></c><!-- <b>no</b> --><b k='v'>yes</b></a>",
            Ok(Some("yes")),
        );
        check("<c><b>no</b></c>", Ok(None));
        check("<a><b>x<c>y</c>z</b></a>", Ok(Some("xz")));
        check("<a><b/></a>", Ok(Some("")));
        check("<a><b>&lt;&#65;&#x42;&amp;</b></a>", Ok(Some("<AB&")));
        check("<a><b><![CDATA[<&>]]></b></a>", Ok(Some("<&>")));
        check("", Ok(None));
        check("no XML", Ok(None));
    }

    #[test]
    fn hostile_texts() {
        check("<a><b>x", Err("ends too early"));
        check("<a><b>x</a></b>", Err("is damaged XML"));
        check(
            "<!DOCTYPE a [<!ENTITY x 'xx'>]><a><b>&x;</b></a>",
            Err("has entities of its own"),
        );
        check("<a><b>&x;</b></a>", Err("has an unknown entity"));
        check(&"<a>".repeat(100), Err("is too long or too deep"));
        check(
            &format!("<a><b>{}</b></a>", "x".repeat(MAX_TEXT + 1)),
            Err("is too long or too deep"),
        );
    }

    #[track_caller]
    fn check_properties(xml: &str, expect: Result<&[(&str, &str)], &'static str>) {
        let found = properties(xml, &["a", "b"], 2);
        let expect = expect.map(|pairs| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            pairs.collect::<Vec<_>>()
        });
        assert_eq!(found, expect);
    }

    #[test]
    fn attributes() {
        check_properties(
            "<n:a xmlns:n='u'><n:b n:key='k' n:value='v &lt;&#65;'/><c><b key='no' value='no'/></c><b value='' key='2'>x</b></n:a>",
            Ok(&[("k", "v <A"), ("2", "")]),
        );
        check_properties(
            "<a><b key='1' value='1'/><b key='2' value='2'/><b key='3' value='3'/></a>",
            Ok(&[("1", "1"), ("2", "2")]),
        );
        check_properties(
            "<a><b key='k'/><b value='v'/></a><c><b key='k' value='v'/></c>",
            Ok(&[]),
        );
        check_properties("<b key='k' value='v'/>", Ok(&[]));
        check_properties(
            "<a><b key='k' value='&x;'/></a>",
            Err("has an unknown entity"),
        );
        check_properties("<a><b key=k value='v'/></a>", Err("is damaged XML"));
        check_properties("<a><b key='k' value='v'>", Err("ends too early"));
        check_properties("<!DOCTYPE a>", Err("has entities of its own"));
        check_properties(&"<a>".repeat(100), Err("is too long or too deep"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_never_panics(text: String) {
            let _ = text_at(&text, &["a", "b"]);
            let _ = properties(&text, &["a", "b"], 9);
            let _ = properties(&format!("<a><b key='x' {text}/></a>"), &["a", "b"], 9);
            let _ = text_at(&format!("<a><b>{text}</b></a>"), &["a", "b"]);
        }
    }
}
