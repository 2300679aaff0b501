//! How serde reads single fields of the report.

use serde::{Deserialize, Deserializer};

/// Reads a field that may be null but not absent: a misspelt name must not pass for *not known*.
pub(super) fn required_nullable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}
