//! Texts of elements, for the few places where a cloud speaks XML.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

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

/// Most properties that are read.
const MAX_PROPERTIES: usize = 1024;

/// `key` and `value` of every element `Property` (DSP0243 §9.5); namespaces do not count.
///
/// # Errors
///
/// As [`text_at`].
pub fn properties(xml: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let mut found = Vec::new();
    let mut open: usize = 0;
    loop {
        let element = match reader.read_event().map_err(|_| "is damaged XML")? {
            Event::Start(element) => {
                open += 1;
                element
            }
            Event::Empty(element) => element,
            Event::End(_) => {
                open = open.saturating_sub(1);
                continue;
            }
            Event::DocType(_) => return Err("has entities of its own"),
            Event::Eof if open > 0 => return Err("ends too early"),
            Event::Eof => return Ok(found),
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => continue,
        };
        if open > MAX_DEPTH || found.len() >= MAX_PROPERTIES {
            return Err("is too long or too deep");
        }
        if element.local_name().into_inner() != "Property" {
            continue;
        }
        let (mut key, mut value) = (None, None);
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|_| "is damaged XML")?;
            let slot = match attribute.key.local_name().into_inner() {
                "key" => &mut key,
                "value" => &mut value,
                _ => continue,
            };
            let text = attribute.normalized_value(XmlVersion::Implicit1_0);
            *slot = Some(text.map_err(|_| "has an unknown entity")?.into_owned());
        }
        if let (Some(key), Some(value)) = (key, value) {
            found.push((key, value));
        }
    }
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

    #[test]
    fn properties_of_an_environment() {
        let check = |xml: &str, expect: Result<&[(&str, &str)], &'static str>| {
            let found = properties(xml);
            let expect = expect.map(|pairs| {
                let pairs = pairs.iter();
                let owned = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
                owned.collect::<Vec<_>>()
            });
            assert_eq!(found, expect);
        };
        check("", Ok(&[]));
        check(
            "<a><b/><Property key='a'/><Property value='a'/></a>",
            Ok(&[]),
        );
        check(
            "<a xmlns:o='u'><o:Property o:key='a&amp;' o:value=\"b\"><c/></o:Property><Property key='c' value='' x='1'/></a>",
            Ok(&[("a&", "b"), ("c", "")]),
        );
        check("<a><Property key='a' value='b'/>", Err("ends too early"));
        check(
            "<a><Property key='a' value='&x;'/></a>",
            Err("has an unknown entity"),
        );
        check("<a><Property key='a' key='b'/></a>", Err("is damaged XML"));
        check("<!DOCTYPE a []><a/>", Err("has entities of its own"));
        check(&"<a>".repeat(100), Err("is too long or too deep"));
        let many = "<Property key='a' value='b'/>".repeat(MAX_PROPERTIES + 1);
        check(&format!("<a>{many}</a>"), Err("is too long or too deep"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_never_panics(text: String) {
            let _ = text_at(&text, &["a", "b"]);
            let _ = properties(&format!("<a><Property key='{text}' {text}='b'/></a>"));
            let _ = text_at(&format!("<a><b>{text}</b></a>"), &["a", "b"]);
        }
    }
}
