//! Bodies of wrong types and of too much: through the whole program, for every fixture.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixture::{Fixture, Ran, Scratch, copy_folder};
use crate::stage::each;

/// Depth of a value that nests.
const DEPTH: usize = 200;

/// A value of so many is replaced.
const TURNS: usize = 3;

/// Cards of a machine that has too many.
const MANY: usize = 10_000;

/// What a host name must not become.
const HOSTNAME: &str = "a\nb; rm -rf /";

/// Stands for a value until it is replaced.
const PLACE: &str = "@place@";

/// What stands in place of every value, as JSON.
fn replacements() -> Vec<String> {
    let nested =
        |open: &str, close: &str| format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH));
    let mut all: Vec<String> = ["null", "[]", "{}", r#""""#, "-1", "1e400", "true"]
        .map(str::to_owned)
        .into();
    all.push(nested("[", "]"));
    all.push(nested(r#"{"a":"#, "}"));
    all.push(r#""\u0000\u001b[31m\u0007""#.to_owned());
    all.push(serde_json::to_string(HOSTNAME).unwrap());
    all.push(format!("\"{}\"", "x".repeat(100_000)));
    all
}

/// The text with `replacement` in place of the values that `chosen` chooses by number, and how many values there are.
fn mangled(text: &str, replacement: &str, chosen: &dyn Fn(usize) -> bool) -> (String, usize) {
    let mut count = 0;
    let mut choose = || {
        count += 1;
        chosen(count - 1)
    };
    let text = match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            mark(&mut value, &mut choose);
            value
                .to_string()
                .replace(&format!("\"{PLACE}\""), replacement)
        }
        // YAML, shell variables, XML by line; what has no key is replaced whole.
        Err(_) => {
            let lines = text.lines().map(|line| match choose() {
                false => line.to_owned(),
                true => match line.find([':', '=', '>']) {
                    Some(at) => format!("{} {replacement}", &line[..=at]),
                    None => replacement.to_owned(),
                },
            });
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    (text, count)
}

/// Puts [`PLACE`] where a value is chosen.
fn mark(value: &mut Value, choose: &mut dyn FnMut() -> bool) {
    if choose() {
        *value = PLACE.into();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, choose)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mark(field, choose)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Rewrites every text below `folder`.
fn rewrite(folder: &Path, change: &dyn Fn(&str) -> Option<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rewrite(&path, change);
        } else if let Ok(text) = fs::read_to_string(&path)
            && let Some(text) = change(&text)
        {
            fs::write(&path, text).unwrap();
        }
    }
}

/// What becomes of the fixture with other texts.
#[track_caller]
fn compiled(fixture: &Fixture, change: &dyn Fn(&Path)) -> Ran {
    let scratch = Scratch::new();
    let metadata = scratch.0.join("metadata");
    copy_folder(&fixture.metadata(), &metadata);
    change(&metadata);
    let ran = fixture.compile_folder(&metadata);
    let hostnames = section(&ran.desired, "hostnames:");
    assert!(
        !hostnames.contains("rm -rf"),
        "{}: {hostnames}",
        fixture.name
    );
    ran
}

/// The lines of one key of the desired state.
fn section(desired: &str, key: &str) -> String {
    let lines = desired.lines().skip_while(|line| *line != key).skip(1);
    let lines = lines.take_while(|line| line.starts_with(' '));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn values_of_wrong_types_cost_themselves() {
    let fixtures = Fixture::all();
    let replacements = replacements();
    // All at once; and every third, so that what holds a mangled value is mostly itself whole.
    let mut cases = Vec::new();
    for fixture in &fixtures {
        for replacement in &replacements {
            cases.push((fixture, replacement, None));
            cases.extend((0..TURNS).map(|turn| (fixture, replacement, Some(turn))));
        }
    }
    each(&cases, |(fixture, replacement, turn)| {
        compiled(fixture, &|metadata| {
            rewrite(metadata, &|text| {
                let chosen: &dyn Fn(usize) -> bool = match turn {
                    // The outermost value would be all there is.
                    None => &|number| number > 0,
                    Some(turn) => &|number| number % TURNS == *turn,
                };
                Some(mangled(text, replacement, chosen).0)
            });
        });
    });
}

#[test]
fn a_host_name_of_a_shell_is_none() {
    each(&Fixture::all(), |fixture| {
        let folder = fixture.compile_folder(&fixture.metadata());
        let hostnames = section(&folder.desired, "hostnames:");
        let mut words = hostnames
            .lines()
            .filter_map(|line| line.split_once("hostname: "));
        let Some((_, hostname)) = words.next() else {
            return;
        };
        let escaped = serde_json::to_string(HOSTNAME).unwrap();
        let escaped = escaped.trim_matches('"');
        compiled(fixture, &|metadata| {
            rewrite(metadata, &|text| {
                let new = if text.contains('"') {
                    escaped
                } else {
                    HOSTNAME
                };
                Some(text.replace(hostname, new))
            });
        });
    });
}

/// Hardware address number `number` of a machine with too many cards.
fn mac(number: usize) -> String {
    format!("02:00:00:00:{:02x}:{:02x}", number / 256, number % 256)
}

/// Whether this is a hardware address.
fn is_mac(text: &str) -> bool {
    text.len() == 17 && text.split(':').count() == 6
}

/// Lists of cards with [`MANY`] of them; `None`: it has none.
fn with_many(text: &str) -> Option<String> {
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        return grow(&mut value).then(|| value.to_string());
    }
    let numbers = 0..MANY;
    if text.contains("version: 1") {
        let entries = numbers.map(|n| {
            let mac = mac(n);
            format!(
                "  - {{type: physical, name: eth{n}, mac_address: \"{mac}\", subnets: [{{type: dhcp}}, \
                 {{type: static, address: 2001:db8::{n:x}/64}}]}}\n"
            )
        });
        return Some(format!(
            "version: 1\nconfig:\n{}",
            entries.collect::<String>()
        ));
    }
    if text.contains("version: 2") {
        let entries = numbers.map(|n| {
            let mac = mac(n);
            format!(
                "  id{n}: {{match: {{macaddress: \"{mac}\"}}, set-name: eth{n}, dhcp4: true}}\n"
            )
        });
        return Some(format!(
            "version: 2\nethernets:\n{}",
            entries.collect::<String>()
        ));
    }
    let first: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("ETH0_"))
        .collect();
    if first.is_empty() {
        return None;
    }
    let lines = numbers.flat_map(|n| {
        let lines = first.iter().map(move |line| {
            let line = line.replacen("ETH0_", &format!("ETH{n}_"), 1);
            match line.split_once("_MAC=") {
                Some((key, _)) => format!("{key}_MAC='{}'\n", mac(n)),
                None => format!("{line}\n"),
            }
        });
        lines.collect::<Vec<_>>()
    });
    Some(lines.collect())
}

/// Grows every list whose elements have hardware addresses.
fn grow(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => {
            let first = items.iter().find_map(|item| {
                let fields = item.as_object()?;
                let mut fields = fields.iter();
                let (key, _) = fields.find(|(_, field)| field.as_str().is_some_and(is_mac))?;
                Some((item.clone(), key.clone()))
            });
            match first {
                Some((first, key)) => {
                    let copies = (0..MANY).map(|number| {
                        let mut copy = first.clone();
                        copy[&key] = mac(number).into();
                        copy
                    });
                    items.extend(copies);
                    true
                }
                None => items
                    .iter_mut()
                    .map(grow)
                    .fold(false, |any, grown| any | grown),
            }
        }
        Value::Object(fields) => fields
            .values_mut()
            .map(grow)
            .fold(false, |any, grown| any | grown),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Listings of cards: folders that are named by hardware addresses.
fn list_many(folder: &Path) {
    let entries = fs::read_dir(folder).unwrap();
    let folders: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    if folders.iter().any(|path| is_mac(&name(path))) {
        let known = folders.iter().map(|path| name(path));
        let lines = known
            .chain((0..MANY).map(mac))
            .map(|mac| format!("{mac}/\n"));
        fs::write(folder.join("index"), lines.collect::<String>()).unwrap();
    }
    folders.iter().for_each(|path| list_many(path));
}

#[test]
fn ten_thousand_cards_are_bounded() {
    each(&Fixture::all(), |fixture| {
        compiled(fixture, &|metadata| {
            rewrite(metadata, &with_many);
            list_many(metadata);
        });
    });
}
