//! Reads lists, sums and known files from the history index.

use std::collections::BTreeMap;

use eco2_core::Quality;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::connection::{Index, IndexFault, quality_code};
use super::known::{Follow, KnownRun};
use crate::history::totals::RunSums;
use crate::history::{RunFilter, RunList, RunTotals, StoredRun};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A condition of SQL with its values.
#[derive(Default)]
struct Condition {
    text: String,
    values: Vec<Value>,
}

impl Condition {
    fn and(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        self.text += if self.text.is_empty() { " WHERE " } else { " AND " };
        self.text += text;
        self.values.extend(values);
    }

    /// Returns the condition that selects what a filter takes.
    fn of(filter: &RunFilter) -> Self {
        let mut condition = Self::default();
        match &filter.name {
            Some(name) if name.contains('*') => condition.and("name GLOB ?", [Value::Text(as_glob(name))]),
            Some(name) => condition.and("name = ?", [Value::Text(name.clone())]),
            None => {}
        }
        for (name, value) in &filter.labels {
            let values = [name, value].map(|text| Value::Text(text.clone()));
            condition.and("number IN (SELECT run FROM labels WHERE labels.name = ? AND value = ?)", values);
        }
        if let Some(since_ms) = filter.since_ms {
            condition.and("started_ms >= ?", [Value::Integer(since_ms)]);
        }
        if let Some(until_ms) = filter.until_ms {
            condition.and("started_ms < ?", [Value::Integer(until_ms)]);
        }
        if let Some(quality) = filter.quality {
            condition.and("quality = ?", [Value::Integer(quality_code(quality))]);
        }
        condition
    }
}

/// Returns a pattern in the notation of SQLite's GLOB, in which `?` and `[` are signs as well.
fn as_glob(pattern: &str) -> String {
    pattern.replace('[', "[[]").replace('?', "[?]")
}

impl Index {
    /// Returns the newest runs that a filter takes, and the sums over all that it takes.
    pub(in crate::history) fn list(&self, filter: &RunFilter, limit: Option<usize>) -> Result<RunList, IndexFault> {
        let mut condition = Condition::of(filter);
        let totals = self.totals(filter)?;
        let statement =
            format!("SELECT overlaps, content FROM runs{} ORDER BY started_ms DESC, id DESC LIMIT ?", condition.text);
        let limit = limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
        condition.values.push(Value::Integer(limit));
        let mut runs = Vec::new();
        self.each(&statement, condition.values, |run| runs.push(run))?;
        Ok(RunList { runs, totals })
    }

    /// Calls a function with every run that a query of `overlaps, content` returns.
    fn each(&self, statement: &str, values: Vec<Value>, mut take: impl FnMut(StoredRun)) -> Result<(), IndexFault> {
        let mut find = self.db.prepare(statement)?;
        let mut rows = find.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            take(stored_run(row)?);
        }
        Ok(())
    }

    /// Returns the sums over the runs that a filter takes: those of whole days, and of the runs of other days.
    fn totals(&self, filter: &RunFilter) -> Result<RunTotals, IndexFault> {
        let mut sums = RunSums::default();
        if filter.name.is_some() || !filter.labels.is_empty() {
            let Condition { text, values } = Condition::of(filter);
            self.each(&format!("SELECT overlaps, content FROM runs{text}"), values, |run| sums.add(&run))?;
            return Ok(sums.into_totals());
        }
        let first_day =
            filter.since_ms.map_or(i64::MIN, |ms| ms.div_euclid(DAY_MS) + i64::from(ms.rem_euclid(DAY_MS) > 0));
        let end_day = filter.until_ms.map_or(i64::MAX, |ms| ms.div_euclid(DAY_MS));
        self.add_days(&mut sums, first_day, end_day, filter.quality)?;
        // The parts of days at both ends; both where they are on one day.
        let first_ms = first_day.saturating_mul(DAY_MS);
        let end_ms = end_day.saturating_mul(DAY_MS);
        let edges = if first_day >= end_day {
            vec![(filter.since_ms, filter.until_ms)]
        } else {
            let start = filter.since_ms.map(|since_ms| (Some(since_ms), Some(first_ms)));
            let end = filter.until_ms.map(|until_ms| (Some(end_ms), Some(until_ms)));
            start.into_iter().chain(end).collect()
        };
        for (since_ms, until_ms) in edges {
            let Condition { text, values } = Condition::of(&RunFilter { since_ms, until_ms, ..filter.clone() });
            self.each(&format!("SELECT overlaps, content FROM runs{text}"), values, |run| sums.add(&run))?;
        }
        Ok(sums.into_totals())
    }

    /// Returns the sums over all runs.
    pub(super) fn totals_of_all(&self) -> Result<RunTotals, IndexFault> {
        self.totals(&RunFilter::default())
    }

    /// Adds the sums of the days from `first_day` until before `end_day`.
    fn add_days(
        &self,
        sums: &mut RunSums,
        first_day: i64,
        end_day: i64,
        quality: Option<Quality>,
    ) -> Result<(), IndexFault> {
        let quality = quality.map(quality_code);
        let statement = "SELECT sums FROM day_sums WHERE day >= ?1 AND day < ?2 AND (?3 IS NULL OR quality = ?3)";
        let mut find = self.db.prepare_cached(statement)?;
        let mut rows = find.query((first_day, end_day, quality))?;
        while let Some(row) = rows.next()? {
            sums.merge(serde_json::from_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
        }
        Ok(())
    }

    /// Returns the ids of the runs with this name, newest first.
    pub(in crate::history) fn named(&self, name: &str) -> Result<Vec<String>, IndexFault> {
        let mut find = self.db.prepare("SELECT id FROM runs WHERE name = ?1 ORDER BY started_ms DESC, id DESC")?;
        let found = find.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// Returns the ids of the runs whose values may still change.
    pub(super) fn open_runs(&self) -> Result<Vec<String>, IndexFault> {
        let mut find = self.db.prepare("SELECT id FROM runs WHERE is_open")?;
        let found = find.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// Returns what is known of the files of all runs.
    pub(super) fn known(&self) -> Result<BTreeMap<String, KnownRun>, IndexFault> {
        let statement = "SELECT runs.id, is_open, path, bytes, modified_ns FROM runs LEFT JOIN records ON run = number";
        let mut known = BTreeMap::new();
        let mut find = self.db.prepare(statement)?;
        let mut rows = find.query([])?;
        while let Some(row) = rows.next()? {
            add_known(&mut known, row)?;
        }
        Ok(known)
    }

    /// Returns what is known of the files of some runs.
    pub(super) fn known_of<'a>(
        &self,
        ids: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, KnownRun>, IndexFault> {
        let statement = "SELECT runs.id, is_open, path, bytes, modified_ns FROM runs LEFT JOIN records ON run = number WHERE runs.id = ?1";
        let mut known = BTreeMap::new();
        let mut find = self.db.prepare(statement)?;
        for id in ids {
            let mut rows = find.query([id])?;
            while let Some(row) = rows.next()? {
                add_known(&mut known, row)?;
            }
        }
        Ok(known)
    }
}

/// Adds a row of `id, is_open, path, bytes, modified_ns`.
fn add_known(known: &mut BTreeMap<String, KnownRun>, row: &Row<'_>) -> Result<(), IndexFault> {
    let run = known.entry(row.get(0)?).or_default();
    run.follow = Follow::from_code(row.get(1)?);
    if let Some(path) = row.get::<_, Option<String>>(2)? {
        run.records.insert(path, (row.get(3)?, row.get(4)?));
    }
    Ok(())
}

/// Returns the run of a row of `overlaps, content`.
fn stored_run(row: &Row<'_>) -> Result<StoredRun, IndexFault> {
    let run: StoredRun = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(StoredRun { overlaps: row.get(0)?, ..run })
}
