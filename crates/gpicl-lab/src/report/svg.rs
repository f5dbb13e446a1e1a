//! Figures of a page.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use gpicl::eval::LearningCurve;

/// What this program's own figures consist of: nothing that runs, links or loads.
const ELEMENTS: [&str; 9] = ["svg", "g", "rect", "line", "polyline", "polygon", "path", "circle", "text"];

/// A figure with what it shows in words. Is the SVG one of this program, it becomes part of the page, in the colours of
/// the reader's choice; of any other only the picture is shown.
pub(super) fn figure(svg: &str, title: &str, caption: Option<&str>) -> Markup {
    // Several panels side by side take all the width there is.
    let class = (size(svg).0 > 1000.0).then_some("wide");
    html! {
        figure class=[class] {
            div.frame tabindex="0" role="region" aria-label=(title) {
                @if harmless(svg) {
                    (PreEscaped(labelled(svg, title)))
                } @else {
                    img.paper alt=(title) src={ "data:image/svg+xml," (percent_encoded(svg)) };
                }
            }
            @if let Some(caption) = caption { figcaption { (caption) } }
        }
    }
}

/// Whether all elements are drawings, and none has an attribute that does something.
fn harmless(svg: &str) -> bool {
    let ours = |tag: &str| {
        let tag = tag.trim_start_matches('/');
        let name = tag.split([' ', '>', '/', '\n', '\t']).next().unwrap_or_default();
        let inside = tag.split('>').next().unwrap_or_default();
        ELEMENTS.contains(&name) && !acts(inside)
    };
    svg.trim_start().starts_with("<svg ") && svg.split('<').skip(1).all(ours)
}

fn acts(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    // The attributes of plotters' elements: none of them begins with `on`.
    // A `>` inside of quotes would hide what follows it.
    let open = tag.matches('"').count() % 2 == 1 || tag.contains('\'');
    let handler = tag.split([' ', '\n', '\t', '"', '\'', '/']).any(|part| part.starts_with("on"));
    open || handler || ["href", "style", "url(", "&"].iter().any(|part| tag.contains(part))
}

/// The SVG as an element of the page: with a name for those who do not see it, and without a size of its own.
fn labelled(svg: &str, title: &str) -> String {
    let (_, rest) = svg.split_once('>').unwrap_or((svg, ""));
    // Colours with a meaning stay as they are, on their own white ground.
    let coloured = |rect: &str| rect.contains("fill=\"#") && !rect.contains("fill=\"#FFFFFF\"");
    let shaded = rest.split("<rect ").skip(1).any(|rect| rect.split('>').next().is_some_and(coloured));
    let class = if shaded { "paper" } else { "lines" };
    let title = html! { (title) }.into_string();
    let (width, height) = size(svg);
    format!(
        "<svg class=\"{class}\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {width} {height}\">{rest}"
    )
}

/// Width and height of a figure, in its own units.
fn size(svg: &str) -> (f64, f64) {
    let view = svg.split_once("viewBox=\"0 0 ").and_then(|(_, rest)| rest.split_once('"'));
    let sides = view.and_then(|(view, _)| view.split_once(' '));
    let sides = sides.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.unwrap_or((840.0, 520.0))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b' ' | b'=' | b'/' | b':' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    encoded
}

/// Lines of a run in the size of a stamp: name of a line, and its values from 0 to 1. A dashed line marks `chance`.
pub(super) fn stamp(label: &str, lines: &[(&str, Vec<f64>)], chance: Option<f64>) -> Markup {
    const SIZE: (f64, f64) = (120.0, 64.0);
    let y = |value: f64| SIZE.1 * (1.0 - value.clamp(0.0, 1.0));
    let points = |values: &[f64]| {
        let step = SIZE.0 / (values.len().max(2) - 1) as f64;
        let point = |(at, value): (usize, &f64)| format!("{:.1},{:.1}", at as f64 * step, y(*value));
        values.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
    };
    html! {
        svg.stamp role="img" aria-label=(label) viewBox="-2 -2 124 68" {
            rect.frame width="120" height="64" {}
            @if let Some(chance) = chance { line.chance x1="0" x2="120" y1=(y(chance)) y2=(y(chance)) {} }
            @for (name, values) in lines { polyline class=(name) points=(points(values)) {} }
        }
    }
}

/// The accuracies of a curve, as a stamp takes them.
pub(super) fn accuracies(curve: &LearningCurve) -> Vec<f64> {
    curve.accuracy.iter().map(|interval| interval.mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_drawings_become_part_of_the_page() {
        let drawing = "<svg width=\"9\" viewBox=\"0 0 9 9\">\n<text x=\"1\" font-family=\"sans-serif\">\na &lt; b\n</text>\n<line opacity=\"1\"/></svg>";
        assert!(harmless(drawing));
        for other in [
            "<svg viewBox=\"0 0 9 9\"><script>alert(1)</script></svg>",
            "<svg onload=\"alert(1)\"></svg>",
            "<svg viewBox=\"0 0 1 1\"\nonload=alert(1)></svg>",
            "<svg viewBox=\"0 0 1 1\"/onload=alert(1)></svg>",
            "<svg a=\"b\"onload=alert(1)></svg>",
            "<svg a=\">\" onload=alert(1)></svg>",
            "<svg x=\"1\"><image href=\"http://example.org/a.png\"/></svg>",
            "<svg x=\"1\"><rect fill=\"url(http://example.org)\"/></svg>",
            "<svg x=\"1\"><foreignObject/></svg>",
            "<svg x=\"1\"><!-- --></svg>",
            "<?xml version=\"1.0\"?><svg x=\"1\"></svg>",
            "<html></html>",
        ] {
            assert!(!harmless(other), "{other}");
        }
    }

    #[test]
    fn a_drawing_is_named_and_takes_the_size_it_is_given() {
        let text = labelled(
            "<svg width=\"9\" height=\"9\" viewBox=\"0 0 9 9\" xmlns=\"x\"><line/></svg>",
            "a \"b\"",
        );
        assert_eq!(
            text,
            "<svg class=\"lines\" role=\"img\" aria-label=\"a &quot;b&quot;\" viewBox=\"0 0 9 9\"><line/></svg>"
        );
        assert!(labelled("<svg viewBox=\"0 0 9 9\"><rect fill=\"#0072B2\"/></svg>", "a").contains("paper"));
    }
}
