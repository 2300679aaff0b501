//! Options from TOML text, each value with its line.

use ::toml::de::{DeTable, DeValue};

use super::error::OptionsError;
use super::input::{Entry, Input, Lines};
use super::layer::{self, Layer};
use super::origin::Origin;
use super::rows::Options;

impl Options {
    /// The options in a TOML text.
    ///
    /// # Errors
    /// [`OptionsError`] with the line: text over 1 MiB, not UTF-8, not TOML, an unknown name, a wrong type or range.
    pub fn from_toml(text: impl AsRef<[u8]>, origin: Origin) -> Result<Layer, OptionsError> {
        let text = layer::checked_text(text.as_ref(), &origin)?;
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| syntax(&error, &lines, &origin))?;
        Layer::from_entries(entries(table.get_ref(), &lines), &origin)
    }
}

fn syntax(error: &::toml::de::Error, lines: &Lines, origin: &Origin) -> OptionsError {
    let line = error.span().map(|span| lines.at(span.start));
    OptionsError::Syntax { place: origin.on(line).to_string(), format: "TOML", problem: error.message().to_owned() }
}

/// In the text's order, so that the first fault is the one reported. The parser bounds the nesting at 80.
fn entries(table: &DeTable<'_>, lines: &Lines) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            line: Some(lines.at(key.span().start)),
            value: input(value.get_ref(), lines),
        })
        .collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}

fn input(value: &DeValue<'_>, lines: &Lines) -> Input {
    match value {
        DeValue::String(text) => Input::Text(text.to_string()),
        DeValue::Boolean(flag) => Input::Flag(*flag),
        DeValue::Float(float) => float.as_str().parse().map_or(Input::Other("a number out of range"), Input::Number),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(whole) => Input::Number(whole as f64),
            Err(_) => Input::Other("a number out of range"),
        },
        DeValue::Array(list) => Input::List(list.iter().map(|item| input(item.get_ref(), lines)).collect()),
        DeValue::Table(table) => Input::Table(entries(table, lines)),
        DeValue::Datetime(_) => Input::Other("a date"),
    }
}
