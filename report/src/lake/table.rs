//! A table of the lake as plain columns of equal length, with the partition it belongs to.

use std::ops::Range;

use parquet::data_type::ByteArray;

use super::runs::{Equal, Steps, row_count};

/// A table, or the part of one that is of one day and one node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Name: `runs`, `spans`, `counters`, `intervals`, `days`.
    pub(super) name: &'static str,
    /// UTC day as `2026-01-31`; `None`: not known.
    pub(super) day: Option<String>,
    /// The columns, in their order.
    pub(super) columns: Vec<Column>,
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) values: Values,
}

/// The values of a column, one per row. `None` is not known, which is not zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Whole numbers that are always known.
    Integers(Vec<i64>),
    /// Whole numbers.
    OptionalIntegers(Optional<i64>),
    /// Instants, microseconds since 1970-01-01 UTC.
    Instants(Optional<i64>),
    /// Numbers with a fraction.
    Numbers(Optional<f64>),
    /// Texts; an empty text in a report is not known.
    Texts(Optional<ByteArray>),
    /// Truth values.
    Flags(Vec<bool>),
    /// Whole numbers that are always known, in runs.
    Steps(Vec<Steps>),
    /// Instants that are all known, in runs.
    InstantSteps(Vec<Steps>),
    /// Numbers with a fraction, in runs.
    Equal(Vec<Equal>),
}

/// Values of which some are not known, as Parquet has them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Optional<T> {
    /// The values that are known.
    known: Vec<T>,
    /// The level of each row: 1 where its value is known, else 0.
    levels: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self { known: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Optional<T> {
    /// Adds a row.
    pub(super) fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.known.extend(value);
    }

    /// Returns the known values and the levels of some rows.
    pub(super) fn rows(&self, rows: Range<usize>) -> (&[T], &[i16]) {
        let known = |levels: &[i16]| levels.iter().filter(|level| **level > 0).count();
        let (before, levels) = (known(&self.levels[..rows.start]), &self.levels[rows]);
        (&self.known[before..before + known(levels)], levels)
    }

    fn len(&self) -> usize {
        self.levels.len()
    }
}

impl<T> FromIterator<Option<T>> for Optional<T> {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(values: I) -> Self {
        let mut all = Self::default();
        values.into_iter().for_each(|value| all.push(value));
        all
    }
}

impl Table {
    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| match &column.values {
            Values::Integers(values) => values.len(),
            Values::OptionalIntegers(values) | Values::Instants(values) => values.len(),
            Values::Numbers(values) => values.len(),
            Values::Texts(values) => values.len(),
            Values::Flags(values) => values.len(),
            Values::Steps(runs) | Values::InstantSteps(runs) => row_count(runs),
            Values::Equal(runs) => row_count(runs),
        })
    }
}

/// Makes the columns of a table from its rows.
pub(super) struct ColumnsOf<'a, T> {
    rows: &'a [T],
    columns: Vec<Column>,
}

impl<'a, T> ColumnsOf<'a, T> {
    /// Starts a table with these rows.
    pub(super) fn new(rows: &'a [T]) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// Adds a column of whole numbers. A number above 2^63 - 1 is written as that.
    pub(super) fn integer(self, name: &'static str, value: impl Fn(&'a T) -> Option<u64>) -> Self {
        let values = self.rows.iter().map(|row| value(row).map(signed)).collect();
        self.with(name, Values::OptionalIntegers(values))
    }

    /// Adds a column of whole numbers that may be negative.
    pub(super) fn signed(self, name: &'static str, value: impl Fn(&'a T) -> Option<i64>) -> Self {
        let values = self.rows.iter().map(value).collect();
        self.with(name, Values::OptionalIntegers(values))
    }

    /// Adds a column of keys.
    pub(super) fn key(self, name: &'static str, value: impl Fn(&'a T) -> i64) -> Self {
        let values = self.rows.iter().map(value).collect();
        self.with(name, Values::Integers(values))
    }

    /// Adds a column of instants, microseconds since 1970.
    pub(super) fn instant(self, name: &'static str, value: impl Fn(&'a T) -> Option<i64>) -> Self {
        let values = self.rows.iter().map(value).collect();
        self.with(name, Values::Instants(values))
    }

    /// Adds a column of numbers. A number that is not finite is not known.
    pub(super) fn number(self, name: &'static str, value: impl Fn(&'a T) -> Option<f64>) -> Self {
        let values = self.rows.iter().map(|row| value(row).filter(|number| number.is_finite())).collect();
        self.with(name, Values::Numbers(values))
    }

    /// Adds a column of texts.
    pub(super) fn text(self, name: &'static str, value: impl Fn(&'a T) -> Option<&'a str>) -> Self {
        let known = |row: &'a T| value(row).filter(|text| !text.is_empty()).map(ByteArray::from);
        let values = self.rows.iter().map(known).collect();
        self.with(name, Values::Texts(values))
    }

    /// Adds a column of truth values.
    pub(super) fn flag(self, name: &'static str, value: impl Fn(&'a T) -> bool) -> Self {
        let values = self.rows.iter().map(value).collect();
        self.with(name, Values::Flags(values))
    }

    /// Returns the table.
    pub(super) fn table(self, name: &'static str, day: Option<String>) -> Table {
        Table { name, day, columns: self.columns }
    }

    fn with(mut self, name: &'static str, values: Values) -> Self {
        self.columns.push(Column { name, values });
        self
    }
}

/// Returns a number as Parquet's signed integers hold it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
