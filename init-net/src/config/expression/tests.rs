//! Tables of expressions and answers, and of faults with their carets.

use proptest::prelude::*;

use super::*;
use crate::config::{Diagnostic, Place, Severity};
use crate::value::Mac;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0xa7, 0x8f, 0xac];

fn with_card<T>(ask: impl FnOnce(&LinkFacts<'_>) -> T) -> T {
    let alt_names = ["enp59s0f0".to_owned(), "uplink".to_owned()];
    ask(&LinkFacts {
        alt_names: &alt_names,
        index: 2,
        hw_type: 1,
        flags: 0x1_1043,
        hardware_addr: &MAC,
        permanent_addr: &MAC,
        mtu: 1500,
        operational_state: 6,
        bus_path: "0000:3b:00.0",
        pci_id: "8086:15AB",
        driver: "ice",
        link_state: true,
        speed_mbit: 25_000,
        duplex: 1,
        vendor_id: "0x8086",
        ..LinkFacts::default()
    })
}

fn eval(text: &str) -> Result<bool, EvalError> {
    let expression = Expression::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
    with_card(|card| expression.eval(card))
}

#[track_caller]
fn yes(texts: &[&str]) {
    for text in texts {
        assert_eq!(eval(text), Ok(true), "{text}");
        assert_eq!(eval(&format!("!({text})")), Ok(false), "{text}");
    }
}

#[test]
fn fields_and_comparisons() {
    yes(&[
        r#"link.driver == "ice" && glob("0000:3b:*", link.bus_path)"#,
        r#"mac(link.permanent_addr) == "52:54:00:a7:8f:ac""#,
        r#"glob("52:54:00:*", mac(link.hardware_addr))"#,
        "link.mtu == 1500 && link.mtu >= 1500u && link.mtu < 0x5dd",
        "link.type == 1 && link.kind == \"\"",
        "link.type == \"ether\" && \"Up\" == link.operational_state",
        "link.type in [\"ether\", \"infiniband\"] && link.type in [1, 32]",
        "link.duplex != \"Half\" && link.type != 32",
        "link.speed_mbit == link.speed_megabits && link.pci_id == link.pciid",
        "link.link_state && !(link.link_state == false)",
        "link.driver < 'ixgbe' && link.driver in ['ice', 'mlx5_core']",
        "link.hardware_addr == link.permanent_addr && size(link.hardware_addr) == 6",
        "link.hardware_addr == b'\\x52\\x54\\000\\xa7\\x8f\\xac'",
        "has(link.driver) && !has(link.alias) && link.alias == ''",
        "mac(link.broadcast_addr) == ''",
    ]);
}

#[test]
fn hexadecimal_has_no_case_and_other_text_has() {
    yes(&[
        "mac(link.permanent_addr) == '52:54:00:A7:8F:AC'",
        "glob('52:54:00:[A-B]*', mac(link.permanent_addr))",
        "mac(link.permanent_addr) in ['00:00:00:00:00:00', '52:54:00:A7:8F:AC']",
        "mac(link.permanent_addr).startsWith('52:54:00:A7')",
        "link.pci_id == '8086:15ab' && link.pci_id.endsWith('ab')",
        "link.driver != 'ICE' && !glob('ICE', link.driver) && !link.driver.contains('C')",
    ]);
}

#[test]
fn lists_and_texts() {
    yes(&[
        "link.alt_names.exists(n, n == 'uplink')",
        "link.alt_names.exists(n, n.startsWith('enp'))",
        "!link.alt_names.all(n, n.startsWith('enp'))",
        "link.alt_names.all(n, n.size() > 2)",
        "'uplink' in link.alt_names && link.alt_names[1] == 'uplink'",
        "[].all(x, x == 'a') && !(1 in [])",
        "[1, 2].exists(x, [2, 3].exists(y, x == y))",
        "size([1, 2] + [3,]) == 3 && [1, 2] == [1, 2] && [] != [1]",
        "'a' + \"b\" == 'ab' && size('é') == 1",
        r#"'\n\t\\\'\x41\u0041\101' == "\n\t\\'AAA""#,
        r#"r'\d' == '\\d' && R"\" != '' && """a"b""" == 'a"b'"#,
    ]);
}

#[test]
fn operators_bind_as_they_should() {
    yes(&[
        "true || false && false",
        "!false && true",
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 - 2 - 1 == 4",
        "7 / 2 == 3 && -7 % 4 == -3 && - -1 == 1",
        "false ? false : true ? true : false",
        "(link.mtu > 1400 ? 'big' : 'small') == 'big'",
        "true // and so on\n",
        "18446744073709551615u > -9223372036854775808",
    ]);
}

#[test]
fn what_decides_wins_over_what_fails() {
    yes(&[
        "1 / 0 == 1 || true",
        "!(1 / 0 == 1 && false)",
        "[0, 1].exists(x, 1 / x == 1)",
        "![0, 2].all(x, 1 / x == 1)",
    ]);
    assert_eq!(eval("1 / 0 == 1 && true"), Err(EvalError::DivisionByZero));
    assert_eq!(
        eval("[0].all(x, 1 % x == 1)"),
        Err(EvalError::DivisionByZero)
    );
    assert_eq!(eval("link.alt_names[2] == ''"), Err(EvalError::OutOfRange));
    assert_eq!(eval("link.alt_names[-1] == ''"), Err(EvalError::OutOfRange));
    let overflow = eval("18446744073709551615 + 1 > 0");
    assert_eq!(overflow, Err(EvalError::Overflow));
    let long = "b'\\000".to_owned() + &"\\000".repeat(Mac::MAX_LEN) + "'";
    assert_eq!(
        eval(&format!("mac({long}) == ''")),
        Err(EvalError::NoAddress)
    );
}

/// `expect`: message, text, caret, fix, as `check` prints them.
#[track_caller]
fn fault(text: &str, expect: &str) {
    let fault = Expression::parse(text).expect_err(text);
    let mut diagnostic = Diagnostic::new(Severity::Error, fault.rule).with_place(Place {
        source: "config.yaml".into(),
        position: "line 1".into(),
        text: text.into(),
        caret: fault.span,
    });
    if let Some(fix) = fault.fix {
        diagnostic = diagnostic.with_fix(fix);
    }
    let printed = diagnostic.to_string();
    let lines: Vec<&str> = printed
        .lines()
        .enumerate()
        .filter(|(at, _)| *at != 1)
        .map(|(_, line)| line.trim_end())
        .collect();
    assert_eq!(lines.join("\n"), expect.trim(), "\n{printed}");
}

#[test]
fn faults_have_a_place_and_a_fix() {
    fault(
        "link.drver == 'ice'",
        "
error: a link has no field drver
    link.drver == 'ice'
         ^^^^^
  did you mean driver?",
    );
    fault(
        "link.driver = 'ice'",
        "
error: '=' means nothing here
    link.driver = 'ice'
                ^
  write \"==\" to compare",
    );
    fault(
        "link.hardware_addr == '52:54:00:a7:8f:ac'",
        "
error: \"==\" does not go with bytes and a text
    link.hardware_addr == '52:54:00:a7:8f:ac'
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  write mac(…) around a hardware address",
    );
    fault(
        "link.driver",
        "
error: the expression has to be true or false, and this is a text
    link.driver
    ^^^^^^^^^^^
  compare it: … == \"…\"",
    );
    fault(
        "link.driver == ",
        "
error: the expression ends where a value such as link.driver, \"text\" or 10 should follow
    link.driver ==
                   ^",
    );
    fault(
        "link.type == 'ethr'",
        "
error: \"ethr\" is not one of the names of this field
    link.type == 'ethr'
                 ^^^^^^
  did you mean ether?",
    );
    fault(
        "link.driver.matches('i.e')",
        "
error: regular expressions are not understood
    link.driver.matches('i.e')
                ^^^^^^^
  write glob(\"pattern*\", text)",
    );
    fault(
        "glob('[', link.driver)",
        "
error: \"[\" in a pattern needs characters and a \"]\" after it
    glob('[', link.driver)
         ^^^",
    );
    fault(
        "driver == 'ice'",
        "
error: there is no variable driver, only link
    driver == 'ice'
    ^^^^^^
  write link.driver",
    );
    fault(
        "link.link_state and true",
        "
error: expected an operator here
    link.link_state and true
                    ^^^
  write \"&&\" for \"and\"",
    );
}

/// Only the rule and the bytes meant.
#[track_caller]
fn refused(text: &str, meant: &str, rule: &str) {
    let fault = Expression::parse(text).expect_err(text);
    let found = text.get(fault.span.start..fault.span.end);
    assert_eq!((found, fault.rule.as_str()), (Some(meant), rule), "{text}");
}

#[test]
fn every_rule_has_its_fault() {
    refused(
        "",
        "",
        "the expression ends where a value such as link.driver, \"text\" or 10 should follow",
    );
    refused("link == 1", "link", "the link itself is not a value");
    refused(
        "link.alias == null",
        "null",
        "no field of a link is ever null",
    );
    refused(
        "link.mtu == 1.5",
        "1",
        "numbers are whole ones: nothing of a link has a fraction",
    );
    refused(
        "1uu == 1",
        "1uu",
        "expected a whole number below 2^64, decimal or 0x…",
    );
    refused(
        "18446744073709551616 > 1",
        "18446744073709551616",
        "expected a whole number below 2^64, decimal or 0x…",
    );
    refused("'a", "'", "the text that begins here has no end");
    refused("'\\q' == ''", "\\q", "there is no such escape");
    refused(
        "link.mtu > 'a'",
        "link.mtu > 'a'",
        "\">\" does not go with a number and a text",
    );
    refused(
        "1 in 2",
        "1 in 2",
        "\"in\" does not go with a number and a number",
    );
    refused(
        "true && 1",
        "1",
        "each side of \"&&\" has to be true or false, and this is a number",
    );
    refused("[1, 'a'] == []", "'a'", "a list holds values of one type");
    refused("[[1]] == []", "[1]", "a list in a list is of no use here");
    refused(
        "(true ? 1 : 'a') == 1",
        "1 : 'a'",
        "both sides of \":\" have to be of one type",
    );
    refused("globb('a', 'b')", "globb", "there is no function globb");
    refused(
        "'a'.startswith('b')",
        "startswith",
        "there is no method startswith",
    );
    refused(
        "glob(link.driver, 'a')",
        "link.driver",
        "the pattern of glob is a text in quotes",
    );
    refused(
        "link.driver.exists(x, true)",
        "link.driver",
        "exists goes through a list, and this is a text",
    );
    refused(
        "link.alt_names.exists(x)",
        "exists",
        "exists takes a name and a test",
    );
    refused("'a'.b == 1", "'a'", "only link has fields");
    refused("(true", "", "the expression ends where \")\" should follow");
    refused("true true", "true", "expected an operator or the end here");
    refused("true & true", "&", "'&' means nothing here");
}

#[test]
fn limits() {
    let nested = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Expression::parse(&nested(MAX_DEPTH - 1)).is_ok());
    refused(
        &nested(MAX_DEPTH),
        "true",
        "an expression nests at most 48 levels deep",
    );
    for deep in ["!", "-", "[", "(", "true ? true : ", "f("] {
        assert!(Expression::parse(&deep.repeat(MAX_LEN / deep.len())).is_err());
    }
    let sum = format!("1{} > 0", " + 1".repeat(MAX_DEPTH));
    assert!(
        Expression::parse(&sum)
            .expect_err("deep")
            .rule
            .contains("48 levels")
    );
    let cards = ["mac(link.permanent_addr) == '00:00:00:00:00:00'"; 70].join(" || ");
    assert_eq!(eval(&cards), Ok(false));

    let fits = format!("true{}", " ".repeat(MAX_LEN - 4));
    assert_eq!(eval(&fits), Ok(true));
    let rule = "an expression has at most 4096 bytes";
    refused(&format!("{fits}é"), "é", rule);

    let list = format!("[{}]", "1,".repeat(200));
    let slow = format!("{list}.all(x, {list}.all(y, {list}.all(z, x == z)))");
    assert_eq!(eval(&slow), Err(EvalError::TooMuch));
    let double = "['aaaaaaaa'].exists(a, ".to_owned()
        + &"[a + a].exists(a, ".repeat(30)
        + "a == ''"
        + &")".repeat(31);
    assert_eq!(eval(&double), Err(EvalError::TooMuch));
}

#[test]
fn an_expression_is_its_text() {
    let one = Expression::parse("link.mtu == 1500").unwrap();
    assert_eq!(one.clone(), one);
    assert_ne!(one, Expression::parse("link.mtu == 1501").unwrap());
    assert_eq!(one.to_string(), one.as_str());
}

fn survives(text: &str) {
    match Expression::parse(text) {
        Ok(expression) => {
            let answer = with_card(|card| expression.eval(card));
            assert_ne!(answer, Err(EvalError::Type), "{text}");
        }
        Err(fault) => assert!(
            text.get(fault.span.start..fault.span.end).is_some(),
            "{text}"
        ),
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}") {
        survives(&text);
    }

    #[test]
    fn any_words_are_answered(words in prop::collection::vec(prop::sample::select(vec![
        "link.", "driver", "mtu", "alt_names", "hardware_addr", "type", "'a'", "\"", "b'\\x00'", "r'\\'", "1", "0", "-",
        "!", "&&", "||", "==", "<", "in", "+", "/", "?", ":", "(", ")", "[", "]", ",", ".", "glob(", "mac(", "size(",
        ".exists(x,", "x", ".startsWith(", "true", "'ether'", " ", "\\", "é",
    ]), 0..14)) {
        survives(&words.concat());
    }
}
