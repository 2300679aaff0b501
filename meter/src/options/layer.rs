//! A layer: the options of one origin, each with the place where it was set.

use super::error::OptionsError;
use super::input::{Entry, Input, shorten};
use super::origin::Origin;
use super::parse;
use super::row::Row;
use super::rows::Options;
use super::rows::opt;
use super::trust::Refused;

/// Largest configuration text, bytes.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;

/// Least Jaro-Winkler similarity of a name worth suggesting; "zoen" to "zone" has 0.93.
const NEAR: f64 = 0.8;

/// The options that one origin gives. Layers are laid over each other by [`super::Options::resolve`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layer {
    entries: Vec<Sourced>,
    refused: Vec<Refused>,
}

/// A value that its option takes, and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sourced {
    pub(super) row: &'static Row,
    /// The name that the origin is kept under: the option's, for a label with the label's.
    pub(super) name: String,
    pub(super) value: Input,
    pub(super) origin: Origin,
}

impl Layer {
    /// Sets an option; text is read as the option's type, as a variable's would be.
    ///
    /// # Errors
    /// [`OptionsError::Value`] for a wrong type or range.
    ///
    /// ```
    /// use eco2::options::{Layer, Origin, opt};
    ///
    /// let mut flags = Layer::default();
    /// flags.set(&opt::INTERVAL, "10ms", Origin::code("--interval"))?;
    /// let error = flags.set(&opt::PUE, 0.9, Origin::code("--pue")).unwrap_err();
    /// assert_eq!(error.to_string(), "--pue: pue is 0.9; allowed: a finite number of at least 1, such as 1.2");
    /// # Ok::<(), eco2::options::OptionsError>(())
    /// ```
    pub fn set(&mut self, row: &'static Row, value: impl Into<Input>, origin: Origin) -> Result<(), OptionsError> {
        self.put(row, value.into(), origin)
    }

    /// Whether nothing was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.refused.is_empty()
    }

    /// The options that were left out because the origin may not set them.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    pub(super) fn into_parts(self) -> (Vec<Sourced>, Vec<Refused>) {
        (self.entries, self.refused)
    }

    /// The layer of a parsed text. Tables other than `labels` hold options of their own.
    pub(super) fn from_entries(entries: Vec<Entry>, origin: &Origin) -> Result<Self, OptionsError> {
        let mut layer = Self::default();
        for entry in entries {
            let origin = origin.on(entry.line);
            let table = opt::all().filter_map(Row::table).find(|table| *table == entry.key);
            match (table, entry.value) {
                (Some(table), Input::Table(inner)) => layer.put_table(table, inner, &origin)?,
                (Some(table), value) => return Err(not_a_table(table, &value, &origin)),
                (None, value) => layer.put(known(&entry.key, &origin)?, value, origin)?,
            }
        }
        Ok(layer)
    }

    fn put_table(&mut self, table: &str, entries: Vec<Entry>, origin: &Origin) -> Result<(), OptionsError> {
        for entry in entries {
            let origin = origin.on(entry.line);
            let row = known(&format!("{table}.{}", entry.key), &origin)?;
            self.put(row, entry.value, origin)?;
        }
        Ok(())
    }

    /// Adds a value. An option that the origin may not set is left out and remembered.
    pub(super) fn put(&mut self, row: &'static Row, value: Input, origin: Origin) -> Result<(), OptionsError> {
        if let Some(refused) = Refused::check(row, &origin) {
            self.refused.push(refused);
            return Ok(());
        }
        if Options::default().read(row, &value).is_none() {
            return Err(OptionsError::refused(row, &value, &origin));
        }
        if *row == opt::LABELS {
            self.put_labels(row, &value, &origin);
        } else {
            self.entries.push(Sourced { row, name: row.name.to_owned(), value, origin });
        }
        Ok(())
    }

    /// Labels one by one, so that each has its own origin: in a table its own line.
    fn put_labels(&mut self, row: &'static Row, value: &Input, origin: &Origin) {
        let lines = match value {
            Input::Table(entries) => entries.iter().map(|entry| entry.line).collect(),
            _ => Vec::new(),
        };
        for (place, (label, text)) in parse::labels(value).unwrap_or_default().into_iter().enumerate() {
            let line = lines.get(place).copied().flatten();
            let origin = line.map_or_else(|| origin.clone(), |line| origin.on(Some(line)));
            let (name, value) = (format!("{}.{label}", row.name), Input::pair(&label, &text));
            self.entries.push(Sourced { row, name, value, origin });
        }
    }
}

fn not_a_table(table: &'static str, found: &Input, origin: &Origin) -> OptionsError {
    OptionsError::Value {
        place: origin.to_string(),
        key: table,
        found: found.shown(),
        allowed: "a table of limits",
        example: "budget = { max_co2_kg = 5 }",
    }
}

/// The row that was probably meant; `names` are the names by which a row is known.
pub(super) fn nearest<const N: usize>(typed: &str, names: fn(&Row) -> [&str; N]) -> Option<&'static Row> {
    let typed: String = typed.chars().take(64).collect();
    let score = |row: &Row| names(row).map(|name| strsim::jaro_winkler(&typed, name)).into_iter().fold(0.0, f64::max);
    let best = opt::all().map(|row| (score(row), row)).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= NEAR).then_some(best.1)
}

/// The option that was probably meant; one in a table is found by its last name too.
fn nearest_option(typed: &str) -> Option<&'static str> {
    let typed = typed.to_lowercase().replace('-', "_");
    nearest(&typed, |row| [row.name, row.name.rsplit('.').next().unwrap_or(row.name)]).map(|row| row.name)
}

fn known(name: &str, origin: &Origin) -> Result<&'static Row, OptionsError> {
    opt::named(name).ok_or_else(|| OptionsError::UnknownKey {
        place: origin.to_string(),
        key: shorten(name),
        suggestion: nearest_option(name),
    })
}

/// The text, if it is small enough and UTF-8.
pub(super) fn checked_text<'a>(bytes: &'a [u8], origin: &Origin) -> Result<&'a str, OptionsError> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(OptionsError::TooLarge { place: origin.to_string() });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        OptionsError::NotUtf8 { place: origin.on(Some(line)).to_string() }
    })
}
