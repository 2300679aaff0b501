//! A table of the lake as plain columns of equal length, with the partition it belongs to.

/// A table, or the part of one that is of one day and one node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Name: `runs`, `spans`, `counters`, `intervals`.
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
    OptionalIntegers(Vec<Option<i64>>),
    /// Instants, microseconds since 1970-01-01 UTC.
    Instants(Vec<Option<i64>>),
    /// Numbers with a fraction.
    Numbers(Vec<Option<f64>>),
    /// Texts; an empty text in a report is not known.
    Texts(Vec<Option<String>>),
    /// Truth values.
    Flags(Vec<bool>),
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
        let known = |row: &'a T| value(row).filter(|text| !text.is_empty()).map(str::to_owned);
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
