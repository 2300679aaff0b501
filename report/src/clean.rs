//! Makes text from outside safe to print: names, labels, commands, devices, zones and messages come from users, drivers,
//! services and report files, and can contain any character.
//!
//! [`terminal`] is for text that people read, [`cell`] for spreadsheets. Formats with their own escapes, such as JSON, need
//! neither.

use std::borrow::Cow;

use eco2_core::schema::Report;

/// Returns a text that is safe on a terminal: `?` replaces every control character (escape sequences start with one), every
/// invisible character and every change of the writing direction.
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    replaced(text, is_hidden)
}

/// The same for a text of several lines: line ends and tabs stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |letter| is_hidden(letter) && !matches!(letter, '\n' | '\t'))
}

/// Returns a text that is safe in a cell of a spreadsheet. It is cleaned as for a terminal. A `'` is put before every sign that
/// starts a formula, at the start of the text and after every sign that some program treats as the end of a cell.
///
/// Source: OWASP, "CSV Injection". A number stays as it is.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    if text.parse::<f64>().is_ok() {
        return Cow::Borrowed(text);
    }
    let clean = terminal(text);
    let mut safe = String::with_capacity(clean.len() + 1);
    let mut at_start = true;
    for letter in clean.chars() {
        if at_start && starts_formula(letter) {
            safe.push('\'');
        }
        at_start = ends_cell(letter) || (at_start && letter == ' ');
        safe.push(letter);
    }
    if safe == text { Cow::Borrowed(text) } else { Cow::Owned(safe) }
}

/// Returns a text as the content of a Markdown cell: characters that start markup, a link or HTML are escaped.
#[must_use]
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in terminal(text).chars() {
        if matches!(letter, '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '~' | '#' | '&' | '!' | '$') {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

/// Returns a text as the content of a LaTeX cell: characters with a meaning are escaped, and signs that pdfLaTeX does not know are
/// written as commands.
#[must_use]
pub fn latex(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in terminal(text).chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => safe.extend(['\\', letter]),
            '\\' => safe.push_str("\\textbackslash{}"),
            '~' => safe.push_str("\\textasciitilde{}"),
            '^' => safe.push_str("\\textasciicircum{}"),
            '<' => safe.push_str("\\textless{}"),
            '>' => safe.push_str("\\textgreater{}"),
            '|' => safe.push_str("\\textbar{}"),
            '"' => safe.push_str("\\symbol{34}"),
            '\'' => safe.push_str("\\symbol{39}"),
            '`' => safe.push_str("\\symbol{96}"),
            // Two hyphens would become a dash.
            '-' => safe.push_str("-{}"),
            '[' => safe.push_str("{[}"),
            ']' => safe.push_str("{]}"),
            '₂' => safe.push_str("\\textsubscript{2}"),
            'µ' => safe.push_str("\\(\\mu\\)"),
            '±' => safe.push_str("\\(\\pm\\)"),
            '×' => safe.push_str("\\(\\times\\)"),
            '≥' => safe.push_str("\\(\\geq\\)"),
            '−' => safe.push_str("\\(-\\)"),
            '–' => safe.push_str("--"),
            '\u{a0}' => safe.push('~'),
            '\u{2009}' | '\u{202f}' | '\u{2007}' | '\u{2008}' => safe.push_str("\\,"),
            _ if letter.is_ascii() || is_accented(letter) => safe.push(letter),
            // pdfLaTeX stops at a letter that its fonts lack; LuaLaTeX and XeLaTeX, which define this command, print it.
            _ => safe.extend(["{\\ifdefined\\Umathchar ", letter.encode_utf8(&mut [0; 4]), "\\else ?\\fi}"]),
        }
    }
    safe
}

/// Whether a letter is one with an accent that every font of LaTeX has.
fn is_accented(letter: char) -> bool {
    matches!(letter, '\u{c0}'..='\u{ff}') && !matches!(letter, 'Ð' | 'ð' | 'Þ' | 'þ' | '×' | '÷')
}

fn starts_formula(letter: char) -> bool {
    matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

fn ends_cell(letter: char) -> bool {
    matches!(letter, ',' | ';' | '|')
}

fn is_hidden(letter: char) -> bool {
    let invisible = matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    let turns = matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    letter.is_control() || invisible || turns
}

fn replaced(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if hidden(letter) { '?' } else { letter }).collect())
}

/// The report with every text in it cleaned as for a terminal, whichever field it is in. Figures do not change.
pub(crate) fn report(report: &Report) -> Cow<'_, Report> {
    // The whole JSON text is cleaned, so that no field can be forgotten.
    let Ok(text) = serde_json::to_string(report) else { return Cow::Borrowed(report) };
    let Some(clean) = clean_json(&text) else { return Cow::Borrowed(report) };
    // As bytes, as report files are read: another reader would be half a megabyte of code again.
    serde_json::from_slice(clean.as_bytes()).map_or(Cow::Borrowed(report), Cow::Owned)
}

/// A JSON text without hidden characters in its strings; `None` where there are none.
fn clean_json(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let mut found = false;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let hidden = if letter == '\\' {
            match letters.next() {
                Some(escaped @ ('"' | '\\' | '/')) => {
                    clean.push('\\');
                    clean.push(escaped);
                    continue;
                }
                // The encoder escapes nothing else but control characters.
                Some('u') => letters.nth(3).is_some(),
                _ => true,
            }
        } else {
            is_hidden(letter)
        };
        found |= hidden;
        clean.push(if hidden { '?' } else { letter });
    }
    found.then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f42_terminal_escapes_in_names_do_not_reach_the_terminal() {
        assert_eq!(terminal("a\u{1b}[2J\u{202e}b\n"), "a?[2J?b?");
        assert_eq!(terminal("\u{9b}31m\u{7f}\u{feff}"), "?31m??", "a control character of eight bits");
        assert_eq!(lines("a\n\tb\u{1b}]0;x\u{7}\r"), "a\n\tb?]0;x??");
        assert!(matches!(terminal("µ – ₂"), Cow::Borrowed(_)));
    }

    #[test]
    fn k17_markup_in_names_is_text_in_markdown_and_latex() {
        assert_eq!(markdown("a|b <script>`x` [l](u)\u{1b}"), "a\\|b \\<script\\>\\`x\\` \\[l\\](u)?");
        assert_eq!(latex("\\input{x} $y$ 5% a_b"), "\\textbackslash{}input\\{x\\} \\$y\\$ 5\\% a\\_b");
        assert_eq!(latex("--x ^^41 ~"), "-{}-{}x \\textasciicircum{}\\textasciicircum{}41 \\textasciitilde{}");
        assert_eq!(latex("é→"), "é{\\ifdefined\\Umathchar →\\else ?\\fi}", "by engines that have the letter");
        assert_eq!(latex("1.2\u{a0}kg\u{a0}CO₂e ±\u{a0}2"), "1.2~kg~CO\\textsubscript{2}e \\(\\pm\\)~2");
    }

    #[test]
    fn k17_cell_never_begins_a_formula() {
        let cases = [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1+1", "'+1+1"),
            ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "  '=1+1"),
            ("＝1+1", "'＝1+1"),
            ("a;=1+1", "a;'=1+1"),
            ("\t=1", "?=1"),
            ("a=b - c@d", "a=b - c@d"),
            ("-1.5e3", "-1.5e3"),
            ("", ""),
        ];
        for (text, safe) in cases {
            assert_eq!(cell(text), safe, "{text:?}");
        }
    }

    #[test]
    fn k17_hidden_characters_leave_a_json_text_and_its_own_escapes_stay() {
        let clean = |text: &str| {
            let encoded = serde_json::to_string(text).unwrap();
            clean_json(&encoded).map(|clean| serde_json::from_str::<String>(&clean).unwrap())
        };
        assert_eq!(clean("a \"word\" and \\u001b in letters \\n"), None);
        assert_eq!(clean("\u{1b}[2J\n\t\u{9b}\"\\\u{0}x").as_deref(), Some("?[2J???\"\\?x"));
    }
}
