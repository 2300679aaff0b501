//! Puts a page into its document: head with title, content security policy, style sheet and scripts, and the page's data.
//!
//! This is the only file that writes text without escaping it: the constant style sheets and scripts, and JSON in which every
//! `<`, `>` and `&` is an escape. Everything else passes through `maud`, which escapes each value. A browser refuses every
//! script and style that is not in the policy by its hash, and every request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eco2_grid::Sha256;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use crate::clean;

/// Marks the page as one with scripts before its first paint, so that nothing moves.
const EARLY: &str = "document.documentElement.className='js'";
/// The mark in a browser's tab.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 \
                    13h12M3 10l3-4 3 2 4-6' fill='none' stroke='%2300906a' stroke-width='2'/%3E%3C/svg%3E";

/// Style sheet that all pages share: colours, type, tables, marks of quality.
pub const STYLE: &str = include_str!("base.css");

/// The constant parts of a kind of page.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The parts of the style sheet.
    pub style: &'static [&'static str],
    /// The parts of the script at the end of the page.
    pub script: &'static [&'static str],
    /// Whether the script may send requests to the server that the page is from.
    pub connects: bool,
}

impl Kind {
    /// Returns the content security policy of the page: its own script and style by their hashes, and nothing else.
    #[must_use]
    pub fn policy(&self) -> String {
        let connect = if self.connects { "connect-src 'self'; " } else { "" };
        format!(
            "default-src 'none'; script-src {} {}; style-src {}; img-src data:; {connect}base-uri 'none'; form-action 'none'",
            hash(EARLY),
            hash(&self.script.concat()),
            hash(&self.style.concat())
        )
    }
}

/// Returns the document. `data` is what the script reads, in the element `eco2-data`.
#[must_use]
pub fn document(kind: &Kind, title: &str, data: &impl Serialize, body: &Markup) -> String {
    let policy = kind.policy();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href=(ICON);
                style { (PreEscaped(kind.style.concat())) }
                script { (PreEscaped(EARLY)) }
            }
            body {
                (body)
                script type="application/json" id="eco2-data" { (json(data)) }
                script { (PreEscaped(kind.script.concat())) }
            }
        }
    };
    // Escape sequences of terminals and changes of the writing direction are in no constant part, so they come from data.
    clean::lines(&page.into_string()).into_owned() + "\n"
}

/// Returns the source expression of a constant script or style sheet in the policy.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::of(text.as_bytes()).bytes()))
}

/// Returns data as JSON that cannot end its element.
fn json(data: &impl Serialize) -> PreEscaped<String> {
    let text = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    let escaped = |letter: char| match letter {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(letter)),
        _ => letter.to_string(),
    };
    PreEscaped(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_their_element() {
        let hostile = "</script><script>alert(1)</script>&\u{2028}";
        let text = json(&hostile).into_string();
        assert!(!text.contains(['<', '>', '&', '\u{2028}']), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }

    #[test]
    fn text_is_written_without_escaping_in_one_file_only() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("html/frame.rs") {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    assert!(!text.contains("PreEscaped"), "{} writes text without escaping it", path.display());
                }
            }
        }
    }
}
