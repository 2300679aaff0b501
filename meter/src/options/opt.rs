//! Every option by its constant, which is its variable without `ECO2_`: [`opt::PUE`](PUE).

use super::row::Row;
pub use super::rows::opt::*;
pub use super::rows_budget::opt::*;
pub use super::rows_supplements::opt::*;
use super::{rows, rows_budget, rows_supplements};

/// Every option, in the order of documentation.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [rows::opt::ROWS, rows_supplements::opt::ROWS, rows_budget::opt::ROWS].into_iter().flatten().copied()
}

/// The option of a name, such as `budget.max_co2_kg`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}
