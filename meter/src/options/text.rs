//! Reads options from TOML and JSON texts ([`Options::from_toml`], [`Options::from_json`]). Each value keeps its line for messages.

use std::collections::HashSet;
use std::fmt;

use ::toml::de::{DeTable, DeValue};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::OptionsError;
use super::input::{Entry, Input, Lines};
use super::layer::{self, Layer};
use super::origin::Origin;
use super::rows::Options;

impl Options {
    /// Returns the options of a TOML text.
    ///
    /// # Errors
    /// [`OptionsError`] with the line: text over 1 MiB, not UTF-8, not TOML, an unknown name, a wrong type or range.
    ///
    /// ```
    /// use eco2::options::{Options, Origin};
    ///
    /// let layer = Options::from_toml("zone = \"DE\"\n\n[budget]\nmax_co2_kg = 5", Origin::user("config.toml"))?;
    /// assert_eq!(Options::resolve([layer])?.budget.max_co2_kg, Some(5.0));
    /// let error = Options::from_toml("zoen = \"DE\"", Origin::user("config.toml")).unwrap_err();
    /// assert!(error.to_string().ends_with("did you mean \"zone\"?"));
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
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

/// Returns the entries of a table in the order of the text, so that the first error is reported. The parser limits the depth of
/// nesting to 80, so that the recursion ends.
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

/// Deepest nesting: the options, a table of options, a list in it, and one level more. Deeper text is no option.
const MAX_DEPTH: usize = 4;

impl Options {
    /// Returns the options of a JSON text, which is one object.
    ///
    /// # Errors
    /// [`OptionsError`] with the line: text over 1 MiB, not UTF-8, not JSON, a name that is set twice or is unknown, a
    /// wrong type or range, nesting deeper than 4.
    ///
    /// ```
    /// use eco2::options::{Options, Origin};
    ///
    /// let layer = Options::from_json(r#"{"zone": "DE", "labels": {"lr": "3e-4"}}"#, Origin::code("main.rs"))?;
    /// assert_eq!(Options::resolve([layer])?.labels["lr"], "3e-4");
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn from_json(text: impl AsRef<[u8]>, origin: Origin) -> Result<Layer, OptionsError> {
        let text = layer::checked_text(text.as_ref(), &origin)?;
        let reader = JsonReader { text, lines: Lines::of(text), origin: &origin };
        Layer::from_entries(reader.members(text, 0)?, &origin)
    }
}

/// Reads a JSON text part by part, because `serde_json` does not report the lines of values.
struct JsonReader<'a> {
    text: &'a str,
    lines: Lines,
    origin: &'a Origin,
}

impl<'a> JsonReader<'a> {
    /// Returns the members of an object; `null` counts as not set.
    fn members(&self, part: &'a str, depth: usize) -> Result<Vec<Entry>, OptionsError> {
        let JsonMembers(members) = self.parse(part)?;
        let mut entries = Vec::with_capacity(members.len());
        for (key, raw) in members.into_iter().filter(|(_, raw)| raw.get() != "null") {
            let line = Some(self.line(raw.get()));
            entries.push(Entry { key, line, value: self.input(raw.get(), depth + 1)? });
        }
        Ok(entries)
    }

    fn input(&self, part: &'a str, depth: usize) -> Result<Input, OptionsError> {
        if depth > MAX_DEPTH {
            return Err(self.syntax(self.line(part), "nested too deeply".to_owned()));
        }
        match part.as_bytes().first() {
            Some(b'{') => self.members(part, depth).map(Input::Table),
            Some(b'[') => {
                let items: Vec<&'a RawValue> = self.parse(part)?;
                let inputs: Result<_, _> = items.into_iter().map(|item| self.input(item.get(), depth + 1)).collect();
                inputs.map(Input::List)
            }
            Some(b'"') => self.parse(part).map(Input::Text),
            Some(b't' | b'f') => self.parse(part).map(Input::Flag),
            Some(b'n') => Ok(Input::Other("null")),
            _ => Ok(part.parse().map_or(Input::Other("a number out of range"), Input::Number)),
        }
    }

    fn parse<T: Deserialize<'a>>(&self, part: &'a str) -> Result<T, OptionsError> {
        serde_json::from_str(part).map_err(|error| {
            // The parser counts lines from the part's beginning.
            let line = self.line(part) + error.line().saturating_sub(1);
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
            self.syntax(line, problem)
        })
    }

    /// Returns the line of a part of the text, by its address within the text.
    fn line(&self, part: &str) -> usize {
        self.lines.at((part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize))
    }

    fn syntax(&self, line: usize, problem: String) -> OptionsError {
        OptionsError::Syntax { place: self.origin.on(Some(line)).to_string(), format: "JSON", problem }
    }
}

/// The members of an object in their order. A name that occurs twice is an error.
struct JsonMembers<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for JsonMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = JsonMembers<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut seen, mut members) = (HashSet::new(), Vec::new());
        while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("{:?} is set twice", super::input::shorten(&key))));
            }
            members.push((key, value));
        }
        Ok(JsonMembers(members))
    }
}
