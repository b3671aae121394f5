//! The picture as SVG 1.1: text that is escaped, boxes that hold it, nothing from elsewhere.

use core::fmt::Write as _;

use super::layout::{LETTER, LINE, Layout, MARGIN};
use super::model::Model;

/// Readable on light and dark ground; a missing link has a dashed edge.
const STYLE: &str = "\
text{font:12px monospace;fill:#111}.name{font-weight:bold}
rect{stroke:#333;fill:#d9ead3}.no-carrier{fill:#fff2cc}.down{fill:#e0e0e0}
.missing{fill:#f4cccc;stroke-dasharray:4}path{fill:none;stroke:#666}";

/// The whole file.
pub fn render(model: &Model, layout: &Layout) -> String {
    let note = match model.more {
        0 => String::new(),
        more => format!("and {more} more links"),
    };
    let extra = if note.is_empty() { 0 } else { LINE };
    let width = layout.width.max(note.len() * LETTER + 2 * MARGIN);
    let height = layout.height + extra;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\">\n<style>{STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" style=\"fill:#fff;stroke:none\"/>\n"
    );
    lines(model, layout, &mut out);
    for (node, place) in model.nodes.iter().zip(&layout.places) {
        line(
            &mut out,
            format_args!(
                "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>",
                node.look.class(),
                place.x,
                place.y,
                place.width,
                place.height
            ),
        );
        for (number, part) in node.lines.iter().enumerate() {
            let class = if number == 0 { " class=\"name\"" } else { "" };
            let y = place.y + MARGIN + number * LINE + LINE * 3 / 4;
            text(&mut out, class, (place.x + MARGIN, y), part);
        }
    }
    if !note.is_empty() {
        text(&mut out, "", (MARGIN, layout.height + LINE / 2), &note);
    }
    out.push_str("</svg>\n");
    out
}

/// From the top of what carries to the bottom of what stands on it.
fn lines(model: &Model, layout: &Layout, out: &mut String) {
    for (node, place) in model.nodes.iter().zip(&layout.places) {
        for below in node.below.iter().filter_map(|at| layout.places.get(*at)) {
            let (x, y) = (place.middle(), place.y + place.height);
            let (to_x, to_y) = (below.middle(), below.y);
            let bend = y.midpoint(to_y);
            line(
                out,
                format_args!("<path d=\"M{x} {y}C{x} {bend} {to_x} {bend} {to_x} {to_y}\"/>"),
            );
        }
    }
}

/// As wide as its letters count, whatever font the viewer has: it fits its box.
fn text(out: &mut String, class: &str, (x, y): (usize, usize), text: &str) {
    let length = text.chars().count() * LETTER;
    line(
        out,
        format_args!(
            "<text{class} x=\"{x}\" y=\"{y}\" textLength=\"{length}\" \
             lengthAdjust=\"spacingAndGlyphs\">{}</text>",
            escaped(text)
        ),
    );
}

fn line(out: &mut String, arguments: core::fmt::Arguments<'_>) {
    writeln!(out, "{arguments}").expect("writing to a String cannot fail");
}

/// XML takes neither its own signs nor control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_text() {
        assert_eq!(escaped("a<b>&\"c\u{1}"), "a&lt;b&gt;&amp;&quot;c\u{fffd}");
    }
}
