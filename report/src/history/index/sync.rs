//! Takes the runs of a folder into the index: those that are new, those whose logs grew, and the removal of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::{Transaction, TransactionBehavior, params};

use super::Reindexed;
use super::connection::{Index, IndexFault, quality_code};
use super::known::{Follow, path_in, state};
use crate::history::StoredRun;
use crate::history::stored_run::RecordTime;
use crate::history::totals::RunSums;
use crate::store::{new_logs, records_of_id, runs_in};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Up to this number of runs a refresh compares the index with the whole folder, which takes a few hundredths of a second. In a
/// larger folder it takes in the runs that were noted when their logs were created.
const COMPARED_RUNS: u64 = 20_000;

/// The logs of runs by run id.
type Records = BTreeMap<String, Vec<PathBuf>>;

/// Size and time of the last change of a log, and its path.
type LogState = ((i64, i64), PathBuf);

/// How a folder differs from its index.
pub(super) struct Difference {
    /// Runs that are new or changed, with all their logs.
    changed: Records,
    /// Runs of the index that have no logs.
    gone: Vec<String>,
}

impl Difference {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }
}

impl Index {
    /// Takes in what is new in the folder.
    pub(in crate::history) fn refresh(&mut self, folder: &Path) -> Result<(), IndexFault> {
        if self.counts()?.runs <= COMPARED_RUNS {
            return self.sync_all(folder);
        }
        let noted = new_logs::take(folder);
        let result = self.sync_noted(folder, &noted);
        if result.is_err() {
            noted.iter().for_each(|id| new_logs::note(folder, id));
        }
        result
    }

    /// Compares the index with the folder, and takes in every difference.
    pub(in crate::history) fn sync_all(&mut self, folder: &Path) -> Result<(), IndexFault> {
        let noted = new_logs::take(folder);
        let result = self.take_in(folder, |index| index.difference(folder));
        if result.is_err() {
            noted.iter().for_each(|id| new_logs::note(folder, id));
        }
        result
    }

    /// Takes in runs whose logs are new, and open runs whose logs grew.
    pub(super) fn sync_noted(&mut self, folder: &Path, noted: &BTreeSet<String>) -> Result<(), IndexFault> {
        self.take_in(folder, |index| index.difference_of(folder, noted))
    }

    /// Takes in what `compare` finds, in one transaction.
    pub(super) fn take_in(
        &mut self,
        folder: &Path,
        compare: impl Fn(&Self) -> Result<Difference, IndexFault>,
    ) -> Result<(), IndexFault> {
        if compare(self)?.is_empty() {
            return Ok(());
        }
        let change = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        // Another process may have taken in more since the folder was read, which must not be replaced by what is older.
        let Difference { changed, gone } = compare(self)?;
        let (mut days, mut touched) = (BTreeSet::new(), BTreeSet::new());
        for id in gone.iter().chain(changed.keys()) {
            remove(&change, id, &mut days, &mut touched)?;
        }
        for (id, logs) in changed {
            // Before the content: a log that grows meanwhile is read again next time.
            let logs: Vec<LogState> = logs.into_iter().map(|path| (state(&path), path)).collect();
            let paths: Vec<PathBuf> = logs.iter().map(|(_, path)| path.clone()).collect();
            let (run, times) = StoredRun::read(folder, &id, &paths);
            add(&change, folder, &run, &logs, &times, &mut touched)?;
            days.insert(day(&run));
        }
        mark_overlaps(&change, touched, &mut days)?;
        for day in days {
            sum_day(&change, day)?;
        }
        Ok(change.commit()?)
    }

    /// Returns how the folder differs from the index.
    pub(super) fn difference(&self, folder: &Path) -> Result<Difference, IndexFault> {
        let known = self.known()?;
        let mut changed = runs_in(folder);
        let gone = known.keys().filter(|id| !changed.contains_key(*id)).cloned().collect();
        changed.retain(|id, logs| known.get(id).is_none_or(|run| run.is_changed(folder, logs)));
        Ok(Difference { changed, gone })
    }

    /// Returns how these runs, and those that are open, differ from the index.
    fn difference_of(&self, folder: &Path, noted: &BTreeSet<String>) -> Result<Difference, IndexFault> {
        let ids: BTreeSet<String> = noted.iter().cloned().chain(self.open_runs()?).collect();
        let known = self.known_of(ids.iter())?;
        let mut changed: Records = ids.into_iter().map(|id| (id.clone(), records_of_id(folder, &id))).collect();
        let gone = changed.iter().filter(|(_, logs)| logs.is_empty()).map(|(id, _)| id.clone()).collect();
        changed.retain(|id, logs| !logs.is_empty() && known.get(id).is_none_or(|run| run.is_changed(folder, logs)));
        Ok(Difference { changed, gone })
    }

    /// Returns the number of runs, and of those that cannot be read.
    pub(in crate::history) fn counts(&self) -> Result<Reindexed, IndexFault> {
        let totals = self.totals_of_all()?;
        Ok(Reindexed { runs: totals.runs, unreadable: totals.unreadable_runs })
    }
}

/// Returns the day of a run's start since 1970.
fn day(run: &StoredRun) -> i64 {
    run.started_ms().div_euclid(DAY_MS)
}

/// Removes a run, and adds its day, and the runs that overlapped it, to those that are computed again.
fn remove(
    change: &Transaction<'_>,
    id: &str,
    days: &mut BTreeSet<i64>,
    touched: &mut BTreeSet<i64>,
) -> Result<(), IndexFault> {
    let mut find = change.prepare_cached("SELECT number, day, overlaps FROM runs WHERE id = ?1")?;
    let found = find.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.next().transpose()?;
    let Some((number, day, overlaps)): Option<(i64, i64, bool)> = found else { return Ok(()) };
    days.insert(day);
    if overlaps {
        touched.extend(neighbours(change, number)?);
    }
    touched.remove(&number);
    change.prepare_cached("DELETE FROM runs WHERE number = ?1")?.execute([number])?;
    Ok(())
}

/// Adds a run.
fn add(
    change: &Transaction<'_>,
    folder: &Path,
    run: &StoredRun,
    logs: &[LogState],
    times: &[RecordTime],
    touched: &mut BTreeSet<i64>,
) -> Result<(), IndexFault> {
    let summary = &run.summary;
    let statement = "INSERT INTO runs (id, started_ms, day, name, quality, is_open, part, content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let follow = Follow::of(run.end);
    let values = params![
        summary.run_id,
        run.started_ms(),
        day(run),
        summary.name,
        quality_code(run.quality().0),
        follow.code(),
        summary.part,
        serde_json::to_string(run)?
    ];
    change.prepare_cached(statement)?.execute(values)?;
    let number = change.last_insert_rowid();
    for (name, value) in &summary.labels {
        change.prepare_cached("INSERT INTO labels VALUES (?1, ?2, ?3)")?.execute(params![name, value, number])?;
    }
    for ((bytes, modified_ns), log) in logs {
        let statement = "INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4)";
        change.prepare_cached(statement)?.execute(params![path_in(folder, log), number, bytes, modified_ns])?;
    }
    for time in times.iter().filter(|time| !time.boot_id.is_empty()) {
        let statement = "INSERT OR IGNORE INTO times VALUES (?1, ?2, ?3, ?4)";
        change.prepare_cached(statement)?.execute(params![time.boot_id, time.from_ms, time.to_ms, number])?;
        let statement =
            "INSERT INTO machines VALUES (?1, ?2) ON CONFLICT DO UPDATE SET longest_ms = MAX(longest_ms, ?2)";
        change.prepare_cached(statement)?.execute(params![time.boot_id, time.to_ms.saturating_sub(time.from_ms)])?;
    }
    touched.insert(number);
    Ok(())
}

/// Returns the other runs with which a run has time on a machine in common.
fn neighbours(change: &Transaction<'_>, number: i64) -> Result<BTreeSet<i64>, IndexFault> {
    // The longest record of a machine bounds how far back a neighbour can have started, so that few rows are read.
    let statement = "SELECT DISTINCT other.run FROM times AS own JOIN machines USING (boot_id) JOIN times AS other \
                     ON other.boot_id = own.boot_id AND other.from_ms < own.to_ms \
                     AND other.from_ms >= own.from_ms - machines.longest_ms \
                     AND own.from_ms < other.to_ms AND other.run <> own.run WHERE own.run = ?1";
    let mut find = change.prepare_cached(statement)?;
    let found = find.query_map([number], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Marks the runs that overlap another, of those that may have changed and of their neighbours.
fn mark_overlaps(change: &Transaction<'_>, touched: BTreeSet<i64>, days: &mut BTreeSet<i64>) -> Result<(), IndexFault> {
    let mut all = touched.clone();
    for number in touched {
        all.extend(neighbours(change, number)?);
    }
    for number in all {
        let overlaps = !neighbours(change, number)?.is_empty();
        let statement = "UPDATE runs SET overlaps = ?2 WHERE number = ?1 AND overlaps <> ?2 RETURNING day";
        let mut update = change.prepare_cached(statement)?;
        days.extend(update.query_map(params![number, overlaps], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?);
    }
    Ok(())
}

/// Computes the sums of a day again.
fn sum_day(change: &Transaction<'_>, day: i64) -> Result<(), IndexFault> {
    change.prepare_cached("DELETE FROM day_sums WHERE day = ?1")?.execute([day])?;
    let mut sums: BTreeMap<i64, RunSums> = BTreeMap::new();
    let mut find = change.prepare_cached("SELECT quality, overlaps, content FROM runs WHERE day = ?1 ORDER BY id")?;
    let mut rows = find.query([day])?;
    while let Some(row) = rows.next()? {
        let mut run: StoredRun = serde_json::from_str(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        run.overlaps = row.get(1)?;
        sums.entry(row.get(0)?).or_default().add(&run);
    }
    for (quality, sums) in sums {
        let text = serde_json::to_string(&sums)?;
        change.prepare_cached("INSERT INTO day_sums VALUES (?1, ?2, ?3)")?.execute(params![day, quality, text])?;
    }
    Ok(())
}
