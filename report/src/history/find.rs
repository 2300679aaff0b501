//! Finds the records of a run that a user names: `last`, `last~N`, an id, a short id or the unique beginning of one, or a name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::stored_run::{StoredRun, short_id};
use crate::clean;
use crate::store::{runs_in, stem};

/// Largest number of runs that a message about an ambiguous name lists.
const MAX_CANDIDATES: usize = 8;
/// A run whose id is later than now by more than this was named while the clock was wrong, seconds. A day covers every time
/// zone that a clock can be set to by mistake.
const AHEAD_S: i64 = 86_400;
/// Fewest digits of a short id that are searched.
const MIN_SHORT_DIGITS: usize = 4;

/// The runs, or records of a run, that match what the user gave: not one, but several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// Ids, oldest first, of runs or records whose id begins with the text.
    Ids(Vec<String>),
    /// Runs with this name, newest first: short id and start time (RFC 3339).
    Named(Vec<(String, String)>),
}

impl fmt::Display for Candidates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = match self {
            Self::Ids(ids) => ids.clone(),
            Self::Named(runs) => runs.iter().map(|(id, started_at)| format!("{id} ({started_at})")).collect(),
        };
        let (shown, rest) = lines.split_at(lines.len().min(MAX_CANDIDATES));
        out.write_str(&clean::terminal(&shown.join(", ")))?;
        if rest.is_empty() { Ok(()) } else { write!(out, " and {} more", rest.len()) }
    }
}

/// Returns the logs of a run, oldest first; empty if there is none. Searched are, in this order: `last` and `last~N` (the
/// Nth run before the last), ids, beginnings of ids of runs and of records, short ids ([`short_id`]) from four digits on,
/// and names.
///
/// # Errors
/// The runs that match, if they are several.
pub fn records_of(run: &str, folder: &Path, now: Timestamp) -> Result<Vec<PathBuf>, Candidates> {
    let mut runs = runs_in(folder);
    if let Some(back) = places_back(run) {
        return Ok(nth_newest(runs, back, now));
    }
    if let Some(exact) = runs.remove(run) {
        return Ok(exact);
    }
    if run.is_empty() {
        return Ok(Vec::new());
    }
    for is_match in [begins_with, has_short_id] {
        let mut ids: Vec<String> = runs.keys().filter(|id| is_match(id, run)).cloned().collect();
        match ids.len() {
            0 => {}
            1 => return Ok(runs.remove(&ids.remove(0)).unwrap_or_default()),
            _ => return Err(Candidates::Ids(ids)),
        }
    }
    // A record of a run of several processes can be given by its own id.
    let mut single: Vec<PathBuf> =
        runs.values().flatten().filter(|log| begins_with(&stem(log), run)).cloned().collect();
    match single.len() {
        0 => named(run, folder, runs),
        1 => Ok(vec![single.remove(0)]),
        _ => Err(Candidates::Ids(single.iter().map(|log| stem(log)).collect())),
    }
}

fn begins_with(id: &str, start: &str) -> bool {
    id.starts_with(start)
}

fn has_short_id(id: &str, start: &str) -> bool {
    start.len() >= MIN_SHORT_DIGITS && short_id(id).starts_with(&start.to_ascii_lowercase())
}

/// Returns the N of `last~N`; 0 for `last`, `None` for any other text.
fn places_back(run: &str) -> Option<usize> {
    match run.strip_prefix("last")? {
        "" => Some(0),
        back => back.strip_prefix('~')?.parse().ok(),
    }
}

/// Returns the logs of the run that is `back` runs before the newest. Ids contain the time, and one from a clock that was far
/// ahead would otherwise stay the newest, so runs from the future come after all others.
fn nth_newest(runs: BTreeMap<String, Vec<PathBuf>>, back: usize, now: Timestamp) -> Vec<PathBuf> {
    let soon = Timestamp::from_second(now.as_second().saturating_add(AHEAD_S)).unwrap_or(Timestamp::MAX);
    let limit = soon.strftime("%Y%m%d-%H%M%S").to_string();
    let newest = |logs: &Vec<PathBuf>| logs.iter().map(|log| stem(log)).max().unwrap_or_default();
    let mut ordered: Vec<Vec<PathBuf>> = runs.into_values().collect();
    ordered.sort_by_cached_key(|logs| std::cmp::Reverse((newest(logs) <= limit, newest(logs))));
    ordered.into_iter().nth(back).unwrap_or_default()
}

/// Returns the logs of the run with this name.
fn named(name: &str, folder: &Path, mut runs: BTreeMap<String, Vec<PathBuf>>) -> Result<Vec<PathBuf>, Candidates> {
    #[cfg(feature = "history")]
    if let Ok(ids) = super::index::named(folder, name) {
        runs.retain(|id, _| ids.contains(id));
    }
    let mut found: Vec<(StoredRun, Vec<PathBuf>)> = Vec::new();
    for (id, records) in std::mem::take(&mut runs) {
        let (run, _) = StoredRun::read(folder, &id, &records);
        if run.summary.name == name {
            found.push((run, records));
        }
    }
    if found.len() > 1 {
        found.sort_by_key(|(run, _)| std::cmp::Reverse(run.started_ms()));
        let line = |run: &StoredRun| (run.short_id(), run.summary.started_at.clone());
        return Err(Candidates::Named(found.iter().map(|(run, _)| line(run)).collect()));
    }
    Ok(found.pop().map(|(_, records)| records).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn k11_run_from_a_clock_far_ahead_does_not_stay_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(format!("{name}.eco2log"));
            fs::write(&path, "").unwrap();
            path
        };
        let ahead = put("36110601-120000-1-1");
        let last = |now: &str| records_of("last", folder.path(), now.parse().unwrap()).unwrap();
        assert_eq!(last("3611-06-01T12:00:01Z"), std::slice::from_ref(&ahead));
        assert_eq!(last("2026-06-01T12:00:00Z"), [ahead], "there is no other");
        let today = put("20260601-110000-1-1");
        assert_eq!(last("2026-06-01T12:00:00Z"), std::slice::from_ref(&today));
        assert_eq!(last("2026-06-01T10:59:00Z"), [today], "a clock that was set back a little");
        let at_the_epoch = put("19700101-000500-1-1");
        assert_eq!(last("1970-01-01T00:06:00Z"), [at_the_epoch], "as long as the clock stays there");
    }

    #[test]
    fn run_before_the_last_is_found_by_its_distance() {
        let folder = tempfile::tempdir().unwrap();
        let ids = ["20260101-000000-1-1", "20260102-000000-1-1", "20260103-000000-1-1"];
        ids.iter().for_each(|id| fs::write(folder.path().join(format!("{id}.eco2log")), "").unwrap());
        let found = |run: &str| {
            let logs = records_of(run, folder.path(), "2026-06-01T12:00:00Z".parse().unwrap()).unwrap();
            logs.iter().map(|log| stem(log)).collect::<Vec<_>>()
        };
        assert_eq!(
            (found("last~0"), found("last~1"), found("last~2")),
            (found("last"), vec![ids[1].into()], vec![ids[0].into()])
        );
        for none in ["last~3", "last~", "last~-1", "last~x", "last~99999999999999999999", "lasting", ""] {
            assert!(found(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn run_is_found_by_its_short_id() {
        let folder = tempfile::tempdir().unwrap();
        let id = "20260101-000000-1-1";
        fs::write(folder.path().join(format!("{id}.eco2log")), "").unwrap();
        let short = short_id(id);
        let found = |run: &str| records_of(run, folder.path(), Timestamp::UNIX_EPOCH).unwrap().len();
        assert_eq!((found(&short), found(&short[..4]), found(&short.to_uppercase()), found(&short[..3])), (1, 1, 1, 0));
    }
}
