//! The frame of every page, and the pieces that it is made of.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use gpicl::provenance::Provenance;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("sort.js");

/// A page: what it is about, the answer first, then sections.
pub(super) struct Page {
    /// What kind of thing it is about.
    pub kind: &'static str,
    /// Its name.
    pub title: String,
    /// How far it is.
    pub state: Option<State>,
    /// What came of it, in a sentence or two.
    pub lead: Vec<String>,
    /// The numbers that matter most: name, value, remark.
    pub numbers: Vec<(String, String, String)>,
    /// The rest.
    pub sections: Vec<Section>,
}

/// How far a run is: a word, and the colour it has.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Such as `finished`.
    pub text: String,
    /// One of `good`, `busy`, `bad`, `idle`, as the style sheet names colours.
    pub colour: &'static str,
}

/// A part of a page.
pub(super) struct Section {
    /// Its heading.
    pub title: String,
    /// What is in it.
    pub body: Markup,
}

impl Section {
    /// A section of this heading.
    pub fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), body }
    }
}

impl State {
    /// As a small mark.
    pub fn mark(&self) -> Markup {
        html! { span class={ "state " (self.colour) } { (self.text) } }
    }
}

impl Page {
    /// The whole text.
    pub fn html(self) -> String {
        let made = Provenance::current();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    link rel="icon" href="data:,";
                    title { (self.title) " – GPICL " (self.kind) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        p.kind { "GPICL " (self.kind) @if let Some(state) = &self.state { " " (state.mark()) } }
                        h1 { (self.title) }
                        @for line in &self.lead { p.lead { (line) } }
                        @if !self.numbers.is_empty() {
                            dl.numbers {
                                @for (name, value, remark) in &self.numbers {
                                    div {
                                        dt { (name) }
                                        dd { strong { (value) } @if !remark.is_empty() { small { (remark) } } }
                                    }
                                }
                            }
                        }
                        @if self.sections.len() > 1 {
                            nav aria-label="Sections" {
                                @for (number, section) in self.sections.iter().enumerate() {
                                    a href={ "#section-" (number + 1) } { (section.title) }
                                }
                            }
                        }
                    }
                    main {
                        @for (number, section) in self.sections.iter().enumerate() {
                            section aria-labelledby={ "section-" (number + 1) } {
                                h2 id={ "section-" (number + 1) } { (section.title) }
                                (section.body)
                            }
                        }
                    }
                    footer { p { "Written by gpicl " (made.version) " (" (made.commit) ") from the files in the folder." } }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

/// What the browser may load and run: this page's own style and script, by their hashes, and pictures that are in it.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", base64(&Sha256::digest(text)));
    format!("default-src 'none'; img-src data:; style-src {}; script-src {}", hash(STYLE), hash(SCRIPT))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let quartet = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        let letter = move |at: usize| char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
        let used = three.len() + 1;
        (0..4).map(move |at| if at < used { letter(at) } else { '=' })
    };
    bytes.chunks(3).flat_map(quartet).collect()
}

/// Name and value, a line each.
pub(super) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts { dt { (name) } dd { (value) } }
        }
    }
}

/// Something that is opened where it is wanted.
pub(super) fn folded(summary: &str, body: Markup) -> Markup {
    html! { details { summary { (summary) } (body) } }
}

/// A whole number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A time in the unit that suits it.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_rfc_4648() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, encoded) in pairs {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((thousands(999), thousands(0)), ("999".into(), "0".into()));
        assert_eq!(
            (duration(5.0), duration(600.0), duration(36_000.0)),
            ("5.0 s".into(), "10.0 min".into(), "10.0 h".into())
        );
    }
}
