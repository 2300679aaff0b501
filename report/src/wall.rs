//! Times of reports that come from a wall clock.

/// Returns a time if it is of a wall clock: not of a replayed trace, which starts at 1970-01-01, and not empty.
pub(crate) fn wall_clock(at: &str) -> Option<&str> {
    Some(at).filter(|at| !at.is_empty() && !at.starts_with("1970-"))
}
