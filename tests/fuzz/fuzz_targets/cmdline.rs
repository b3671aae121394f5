//! Any text as a kernel command line: no panic, every caret inside its text, every line within 100 columns.

#![no_main]

use init_net::config::cmdline::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (document, diagnostics) = parse(text, "x");
    for diagnostic in &diagnostics {
        let place = diagnostic.place.as_ref().expect("every diagnostic has a place");
        assert!(place.text.get(place.caret.start..place.caret.end).is_some());
        assert!(diagnostic.effect.is_some());
        for line in diagnostic.to_string().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    for operator in &document.operators {
        let span = operator.origin.span.expect("every origin has a span");
        assert!(text.get(span.start..span.end).is_some());
    }
});
