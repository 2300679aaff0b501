//! Lists of runs in messages: a few are named, the rest is counted.

use std::fmt;

/// Candidates that a message about an ambiguous id lists.
const MOST_CANDIDATES: usize = 8;
/// Runs that a message names.
const MOST_NAMES: usize = 8;

/// Ids that a beginning fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates(pub Vec<String>);

impl std::fmt::Display for Candidates {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(MOST_CANDIDATES));
        out.write_str(&shown.join(", "))?;
        if rest.is_empty() { Ok(()) } else { write!(out, " and {} more", rest.len()) }
    }
}

/// Ids and names of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunNames(pub(crate) Vec<(String, String)>);

impl fmt::Display for RunNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(MOST_NAMES));
        for (at, (id, name)) in shown.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(out, "{comma}{id} ({name})")?;
        }
        if rest.is_empty() { Ok(()) } else { write!(out, " and {} more", rest.len()) }
    }
}
