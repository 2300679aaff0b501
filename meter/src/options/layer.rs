//! [`Layer`]: the options of one origin, such as a file or the flags, each with the place where it was set. A *row* is the declaration
//! of an option.

use super::error::OptionsError;
use super::input::{Entry, Input, shorten};
use super::origin::Origin;
use super::parse;
use super::row::Row;
use super::rows::Options;
use super::rows::opt;
use super::trust::Refused;

/// Largest configuration text, bytes: far more than all options need, and small enough to hold in memory.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;

/// Least Jaro-Winkler similarity (0 to 1) of a name that is suggested. "zoen" and "zone" have 0.93; below 0.8 names differ in
/// most letters.
const MIN_SIMILARITY: f64 = 0.8;

/// The options that one origin sets. [`super::Options::resolve`] combines layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layer {
    settings: Vec<Setting>,
    /// Options that were left out, because the origin may not set them.
    refused: Vec<Refused>,
}

/// A value that its option accepts, and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) row: &'static Row,
    /// The name by which the origin is found: that of the option; for a label `labels.` and its name.
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

    /// Whether the layer sets nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.refused.is_empty()
    }

    /// Returns the options that were left out, because the origin may not set them.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Returns the settings and the options that were left out.
    pub(super) fn into_parts(self) -> (Vec<Setting>, Vec<Refused>) {
        (self.settings, self.refused)
    }

    /// Returns the layer of a parsed text. A table such as `budget` holds options; `labels` and `offsets` are options themselves.
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

    /// Adds the options of a table.
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
            self.settings.push(Setting { row, name: row.name.to_owned(), value, origin });
        }
        Ok(())
    }

    /// Adds each label as a setting of its own, so that it keeps its own origin: in a table the line of the label.
    fn put_labels(&mut self, row: &'static Row, value: &Input, origin: &Origin) {
        let lines = match value {
            Input::Table(entries) => entries.iter().map(|entry| entry.line).collect(),
            _ => Vec::new(),
        };
        for (index, (label, text)) in parse::labels(value).unwrap_or_default().into_iter().enumerate() {
            let line = lines.get(index).copied().flatten();
            let origin = line.map_or_else(|| origin.clone(), |line| origin.on(Some(line)));
            let (name, value) = (format!("{}.{label}", row.name), Input::pair(&label, &text));
            self.settings.push(Setting { row, name, value, origin });
        }
    }
}

impl Options {
    /// Returns the declaration of an option by its name, such as `budget.max_co2_kg`.
    ///
    /// # Errors
    /// [`OptionsError::UnknownKey`] with the nearest name, at the place where the name was used.
    pub fn row(name: &str, place: &Origin) -> Result<&'static Row, OptionsError> {
        known(name, place)
    }
}

/// Returns the error of a value where the table `budget` should be.
fn not_a_table(table: &'static str, found: &Input, origin: &Origin) -> OptionsError {
    OptionsError::Value {
        place: origin.to_string(),
        key: table,
        found: found.shown(),
        allowed: "a table of limits",
        example: "budget = { max_co2_kg = 5 }",
    }
}

/// Returns the row with the nearest name; `None`: no name is near. `names` returns the names of a row.
pub(super) fn nearest<const N: usize>(typed: &str, names: fn(&Row) -> [&str; N]) -> Option<&'static Row> {
    // No option has a name of more than 64 characters, and a long text would take long to compare.
    let typed: String = typed.chars().take(64).collect();
    let score = |row: &Row| names(row).map(|name| strsim::jaro_winkler(&typed, name)).into_iter().fold(0.0, f64::max);
    let (similarity, row) = opt::all().map(|row| (score(row), row)).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (similarity >= MIN_SIMILARITY).then_some(row)
}

/// Returns the name of the option that was probably meant. An option in a table is also found by the last part of its name.
fn nearest_option(typed: &str) -> Option<&'static str> {
    let typed = typed.to_lowercase().replace('-', "_");
    nearest(&typed, |row| [row.name, row.name.rsplit('.').next().unwrap_or(row.name)]).map(|row| row.name)
}

/// Returns the row of a name.
///
/// # Errors
/// [`OptionsError::UnknownKey`] with the nearest name.
fn known(name: &str, origin: &Origin) -> Result<&'static Row, OptionsError> {
    opt::named(name).ok_or_else(|| OptionsError::UnknownKey {
        place: origin.to_string(),
        key: shorten(name),
        suggestion: nearest_option(name),
    })
}

/// Returns the bytes as text.
///
/// # Errors
/// [`OptionsError::TooLarge`] or [`OptionsError::NotUtf8`].
pub(super) fn checked_text<'a>(bytes: &'a [u8], origin: &Origin) -> Result<&'a str, OptionsError> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(OptionsError::TooLarge { place: origin.to_string() });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        OptionsError::NotUtf8 { place: origin.on(Some(line)).to_string() }
    })
}
