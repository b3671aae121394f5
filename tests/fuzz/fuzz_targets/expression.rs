//! Any text as an expression over a link: refused with a place inside it, or answered in bounded time.

#![no_main]

use init_net::config::expression::{EvalError, Expression, LinkFacts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let names = ["uplink".to_owned(), "enp59s0f0".to_owned()];
    let facts = LinkFacts {
        alt_names: &names,
        driver: "ice",
        hardware_addr: &[0x52, 0x54, 0, 0, 0, 1],
        mtu: 1500,
        ..LinkFacts::default()
    };
    match Expression::parse(text) {
        Ok(expression) => assert_ne!(expression.eval(&facts), Err(EvalError::Type)),
        Err(fault) => assert!(text.get(fault.span.start..fault.span.end).is_some()),
    }
});
