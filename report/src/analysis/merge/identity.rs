//! Finds the identity of a merged run (id, name, labels, command, time, hosts, exit code and attempts) and the states
//! of its sources. An *attempt* is one start of the run; a *part* is the report of one process.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::cut_text;
use eco2_core::schema::{self, Host, RecordEnding, Report, Run, SourceStatus, State, Status, Tool};

use super::attempts::{AttemptParts, Attempts};
use super::carbon::ends;
use super::curves::duration_ns;
use super::energy::Measured;

/// Labels that differ between the processes of a run, so they are not labels of the whole run.
const PROCESS_LABELS: &[&str] =
    &["rank", "local_rank", "node_rank", "slurm.procid", "slurm.nodeid", "container.id", "node", "world_size"];
/// Longest value of a label after joining the values of several processes, bytes.
const LONGEST_VALUE: usize = 256;
/// Largest number of host names that are joined.
const MAX_HOSTS: usize = 64;

/// Returns the description of the merged run.
pub(super) fn run(parts: &[Report], attempts: &Attempts, measured: &Measured) -> Run {
    let members = || attempts.list.iter().flat_map(|attempt| members_of(parts, attempt));
    let last = attempts.list.last();
    let first_of_last = last.and_then(|attempt| by_rank(parts, attempt).into_iter().next());
    let (started_at, ended_at) = ends(members());
    let numbered = attempts.list.iter().enumerate();
    let records: Vec<schema::Attempt> = numbered.map(|(at, one)| attempt(parts, at, one, measured)).collect();
    let is_final = parts.iter().all(|part| part.run.state == State::Final);
    let ends: Option<Vec<RecordEnding>> = parts.iter().map(|part| part.run.end).collect();
    Run {
        id: commonest(members().map(|part| part.run.id.as_str())),
        name: first_of_last.map_or_else(String::new, |part| part.run.name.clone()),
        labels: labels(members()),
        command: command(parts, last),
        started_at,
        ended_at,
        duration_ns: records.iter().fold(0, |sum: u64, attempt| sum.saturating_add(attempt.duration_ns)),
        exit_code: last.and_then(|attempt| exit_code(&by_rank(parts, attempt))),
        state: if is_final { State::Final } else { State::Provisional },
        end: ends.and_then(|ends| ends.into_iter().max()),
        attempts: records,
        host: host(members()),
        tool: Tool { version: env!("CARGO_PKG_VERSION").to_owned() },
        world_size: last.and_then(|attempt| attempt.world_size),
        ..Run::default()
    }
}

/// Returns every source once, in its best state.
pub(super) fn sources(parts: &[Report]) -> Vec<SourceStatus> {
    let mut best: BTreeMap<&str, &SourceStatus> = BTreeMap::new();
    let rank = |source: &SourceStatus| (order(source.status), source.reason.clone(), source.remedy.clone());
    for source in parts.iter().flat_map(|part| &part.sources) {
        let kept = best.entry(&source.name).or_insert(source);
        if rank(source) < rank(kept) {
            *kept = source;
        }
    }
    best.into_values().cloned().collect()
}

/// Returns the rank of a state: the best has 0.
fn order(status: Status) -> u8 {
    match status {
        Status::Ok => 0,
        Status::Degraded => 1,
        Status::Lost => 2,
        Status::Hung => 3,
        Status::Denied => 4,
        Status::Absent => 5,
        Status::Off => 6,
    }
}

/// Returns the parts of an attempt.
fn members_of<'a>(parts: &'a [Report], attempt: &'a AttemptParts) -> impl Iterator<Item = &'a Report> {
    attempt.members.iter().filter_map(|place| parts.get(*place))
}

/// Returns the parts of an attempt, sorted by rank.
fn by_rank<'a>(parts: &'a [Report], attempt: &'a AttemptParts) -> Vec<&'a Report> {
    let mut all: Vec<&Report> = members_of(parts, attempt).collect();
    all.sort_by_key(|part| (part.run.rank, part.run.part.as_str()));
    all
}

/// Returns the record of an attempt; `at` is its index.
fn attempt(parts: &[Report], at: usize, attempt: &AttemptParts, measured: &Measured) -> schema::Attempt {
    schema::Attempt {
        number: u32::try_from(at).unwrap_or(u32::MAX),
        started_at: ends(members_of(parts, attempt)).0,
        duration_ns: duration_ns(attempt),
        energy_uj: measured.attempt_energy_uj(at),
        ranks: attempt.ranks(),
        world_size: attempt.world_size,
    }
}

/// Returns the most frequent word; of equals the first in alphabetical order.
fn commonest<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or_else(String::new, |(word, _)| word.to_owned())
}

/// Returns the labels of all members; different values are joined by commas.
fn labels<'a>(members: impl Iterator<Item = &'a Report>) -> BTreeMap<String, String> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in
        members.flat_map(|part| &part.run.labels).filter(|(name, _)| !PROCESS_LABELS.contains(&name.as_str()))
    {
        values.entry(name).or_default().insert(value);
    }
    let joined = |values: BTreeSet<&str>| {
        let text = values.into_iter().collect::<Vec<_>>().join(",");
        cut_text(&text, LONGEST_VALUE).to_owned()
    };
    values.into_iter().map(|(name, values)| (name.to_owned(), joined(values))).collect()
}

/// Returns the command of the lowest rank that has one.
fn command(parts: &[Report], last: Option<&AttemptParts>) -> Vec<String> {
    let members = last.map(|attempt| by_rank(parts, attempt)).unwrap_or_default();
    members.into_iter().map(|part| part.run.command.clone()).find(|words| !words.is_empty()).unwrap_or_default()
}

/// Returns the first exit code that is not 0, else 0 if any process has an exit code.
fn exit_code(members: &[&Report]) -> Option<i32> {
    let codes = || members.iter().filter_map(|part| part.run.exit_code);
    codes().find(|code| *code != 0).or_else(|| codes().next())
}

/// Returns the machine, or the joined names of several machines.
fn host<'a>(members: impl Iterator<Item = &'a Report>) -> Host {
    let hosts: Vec<&Host> = members.map(|part| &part.run.host).collect();
    let one = |field: fn(&Host) -> &str| {
        let all: BTreeSet<&str> = hosts.iter().map(|host| field(host)).collect();
        let more = all.len().saturating_sub(MAX_HOSTS);
        let shown = all.into_iter().take(MAX_HOSTS).collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    let boots: BTreeSet<&str> = hosts.iter().map(|host| host.boot_id.as_str()).collect();
    let boot_id = if boots.len() == 1 { one(|host| &host.boot_id) } else { String::new() };
    Host { boot_id, hostname: one(|host| &host.hostname), kernel: one(|host| &host.kernel) }
}
