//! Merges the spans (named times), work and episodes of the parts of a run. A *part* is the report of one process. An
//! *episode* is a time in which steps stalled, a GPU was idle, or the like. An *attempt* is one start of the run. A
//! *place* is the machine that a part ran on.

use std::collections::BTreeMap;

use eco2_core::schema::{DeviceSync, EpisodeRecord, Replayed, Report, SpanRecord, State, Work, stated};
use eco2_core::{CounterKey, RangeKind, Ranged};

use super::attempts::{AttemptParts, Attempts};
use super::devices;
use super::energy::Measured;
use super::parts::machine;

/// Name of the work value that holds the first step of an attempt, counted from 0: the number of steps in its
/// checkpoint.
const FIRST_STEP: &str = "first_step";

/// Sums the spans by name, in the order of names.
///
/// Only one process per attempt and machine counts, because the others measured the same energy.
pub(super) fn spans(parts: &[Report], attempts: &Attempts) -> Vec<SpanRecord> {
    let names = devices::names(parts, &devices::known(parts));
    let mut sums: BTreeMap<&str, SpanRecord> = BTreeMap::new();
    for attempt in &attempts.list {
        for place in attempt.windows.keys() {
            for span in first_with_spans(parts, attempt, place).into_iter().flat_map(|part| &part.spans) {
                let sum = sums.entry(&span.name).or_insert_with(|| empty_sum(span));
                add_span(sum, span, place, &names);
            }
        }
    }
    sums.into_values().collect()
}

/// Returns the report of the lowest rank of an attempt on a machine, of those with spans.
fn first_with_spans<'a>(parts: &'a [Report], attempt: &AttemptParts, place: &str) -> Option<&'a Report> {
    let there = attempt.members_on(place).iter().filter_map(|member| parts.get(*member));
    there.filter(|part| !part.spans.is_empty()).min_by_key(|part| part.run.rank)
}

/// Returns a sum of no spans, with the name of `span`.
fn empty_sum(span: &SpanRecord) -> SpanRecord {
    let (name, sync) = (span.name.clone(), span.sync);
    let (high_uj, free_high_uj, range_kind) = (Some(0), Some(0), Some(RangeKind::Hard));
    let wide = Some(0);
    SpanRecord { name, sync, high_uj, free_high_uj, range_kind, wide, state: State::Final, ..SpanRecord::default() }
}

/// Adds a span of a part on one machine to a sum; `names` has the devices' names in the merged report.
fn add_span(sum: &mut SpanRecord, span: &SpanRecord, place: &str, names: &BTreeMap<CounterKey, String>) {
    sum.count = sum.count.saturating_add(span.count);
    sum.duration_ns = sum.duration_ns.saturating_add(span.duration_ns);
    let (energy, free) = (sum.bounded() + span.bounded(), sum.free() + span.free());
    (sum.energy_uj, sum.low_uj, sum.high_uj) = (energy.value, energy.low, energy.high);
    (sum.free_low_uj, sum.free_high_uj) = (free.low, free.high);
    (sum.range_kind, sum.range_percent) = stated(&energy);
    sum.wide = sum.wide.zip(span.wide).map(|(sum, wide)| sum.saturating_add(wide));
    if span.state == State::Provisional {
        sum.state = State::Provisional;
    }
    if span.sync != sum.sync {
        sum.sync = DeviceSync::None;
    }
    for (device, uj) in &span.by_device {
        let key = CounterKey { boot_id: place.to_owned(), device: device.clone() };
        let total = sum.by_device.entry(names.get(&key).unwrap_or(device).clone()).or_default();
        *total = total.saturating_add(*uj);
    }
}

/// Sums the work of all attempts.
pub(super) fn work(parts: &[Report], attempts: &Attempts) -> Work {
    attempts.list.iter().map(|attempt| attempt_work(parts, attempt)).fold(Work::default(), |mut sum, work| {
        sum.steps = added(sum.steps, work.steps);
        sum.samples = added(sum.samples, work.samples);
        sum.tokens = added(sum.tokens, work.tokens);
        sum.loss = work.loss.or(sum.loss);
        sum.extra.extend(work.extra);
        sum
    })
}

/// Returns the steps of each attempt that the next attempt repeated, because it continued from an earlier checkpoint.
///
/// An attempt without a known first step is left out; the first attempt starts at step 0.
pub(super) fn replayed(parts: &[Report], attempts: &Attempts, measured: &Measured) -> Vec<Replayed> {
    let works: Vec<Work> = attempts.list.iter().map(|attempt| attempt_work(parts, attempt)).collect();
    let mut out = Vec::new();
    for (place, pair) in works.windows(2).enumerate() {
        let [work, next] = pair else { continue };
        let began = first_step(work).or((place == 0).then_some(0));
        let Some((began, resumed)) = began.zip(first_step(next)) else { continue };
        let done = work.steps.unwrap_or(0);
        let steps = began.saturating_add(done).saturating_sub(resumed).min(done);
        if steps > 0 {
            let share = |uj: u64| u128::from(uj) * u128::from(steps) / u128::from(done);
            let energy_uj = measured.attempt_energy_uj(place).map(|uj| u64::try_from(share(uj)).unwrap_or(u64::MAX));
            out.push(Replayed { attempt: u32::try_from(place).unwrap_or(u32::MAX), steps, energy_uj });
        }
    }
    out
}

/// Returns the sum of two counts; `None` adds nothing.
fn added(one: Option<u64>, two: Option<u64>) -> Option<u64> {
    one.zip(two).map(|(one, two)| one.saturating_add(two)).or(one).or(two)
}

/// Returns the first step of an attempt; `None` if it is not recorded or not a whole number.
fn first_step(work: &Work) -> Option<u64> {
    let step = work.extra.get(FIRST_STEP).filter(|step| **step >= 0.0 && step.fract() == 0.0)?;
    Some(*step as u64)
}

/// The label of processes that Ray started. Actors and tasks have it without a rank.
const RAY_JOB: &str = "ray.job_id";

/// Returns the work of one attempt: the largest record of each rank, with samples and tokens summed over the ranks. Each actor of
/// Ray counts as a rank.
fn attempt_work(parts: &[Report], attempt: &AttemptParts) -> Work {
    let mut ranks: BTreeMap<(Option<u32>, &str), Work> = BTreeMap::new();
    for part in attempt.members.iter().filter_map(|place| parts.get(*place)) {
        let is_actor = part.run.rank.is_none() && part.run.labels.contains_key(RAY_JOB);
        let actor = if is_actor { part.run.part.as_str() } else { "" };
        let most = ranks.entry((part.run.rank, actor)).or_default();
        most.steps = most.steps.max(part.work.steps);
        most.samples = most.samples.max(part.work.samples);
        most.tokens = most.tokens.max(part.work.tokens);
        most.loss = most.loss.or(part.work.loss);
        most.extra.extend(part.work.extra.clone());
    }
    let mut sum = Work::default();
    // Ranks are read from the last to the first, so the values of the first rank remain.
    for work in ranks.into_values().rev() {
        sum.steps = sum.steps.max(work.steps);
        sum.samples = added(sum.samples, work.samples);
        sum.tokens = added(sum.tokens, work.tokens);
        sum.loss = work.loss.or(sum.loss);
        sum.extra.extend(work.extra);
    }
    sum
}

/// Episodes by device id and kind.
type Episodes<'a> = BTreeMap<(&'a str, &'a str), EpisodeRecord>;

/// Merges the episodes of all parts.
///
/// Of the records of one attempt and machine the largest counts, because several processes report the same idle GPU and
/// wait for the same step. Then the machines of an attempt are joined, then the attempts. A record outside the attempts
/// adds an episode that the attempts lack, or replaces a shorter one.
pub(super) fn episodes(parts: &[Report], attempts: &Attempts) -> Vec<EpisodeRecord> {
    let mut all = Episodes::new();
    let mut inside = vec![false; parts.len()];
    for attempt in &attempts.list {
        attempt.members.iter().for_each(|place| inside[*place] = true);
        for (key, episode) in at_once(attempt.members.iter().map(|place| &parts[*place])) {
            join(&mut all, key, episode, in_turn);
        }
    }
    for (key, episode) in at_once(parts.iter().zip(inside).filter(|(_, inside)| !inside).map(|(part, _)| part)) {
        join(&mut all, key, episode, larger);
    }
    all.into_values().collect()
}

/// Merges the episodes of parts that ran at the same time, on one machine or several.
fn at_once<'a>(parts: impl Iterator<Item = &'a Report>) -> Episodes<'a> {
    let mut machines: BTreeMap<String, Episodes<'a>> = BTreeMap::new();
    for part in parts {
        let episodes = machines.entry(machine(part)).or_default();
        for episode in &part.spells {
            join(episodes, (&episode.device, &episode.kind), episode.clone(), larger);
        }
    }
    let mut all = Episodes::new();
    for (key, episode) in machines.into_values().flatten() {
        // Machines stall together; devices with one name on two machines are two devices.
        let both = if key.0.is_empty() { side_by_side } else { in_turn };
        join(&mut all, key, episode, both);
    }
    all
}

/// Adds an episode to a map; `both` combines it with an episode of the same key.
fn join<'a>(
    all: &mut Episodes<'a>,
    key: (&'a str, &'a str),
    episode: EpisodeRecord,
    both: fn(EpisodeRecord, EpisodeRecord) -> EpisodeRecord,
) {
    let joined = match all.remove(&key) {
        Some(earlier) => both(earlier, episode),
        None => episode,
    };
    all.insert(key, joined);
}

/// Returns the longer of two episodes.
fn larger(one: EpisodeRecord, other: EpisodeRecord) -> EpisodeRecord {
    let size = |episode: &EpisodeRecord| (episode.duration_ns, episode.energy_uj, episode.count);
    if size(&other) > size(&one) { other } else { one }
}

/// Returns the sum of two episodes that followed each other, or of two devices.
fn in_turn(one: EpisodeRecord, other: EpisodeRecord) -> EpisodeRecord {
    let (count, duration_ns) =
        (one.count.saturating_add(other.count), one.duration_ns.saturating_add(other.duration_ns));
    EpisodeRecord { count, duration_ns, ..side_by_side(one, other) }
}

/// Returns the sum of two simultaneous episodes on two machines: the energies are added, the time is the longer one.
fn side_by_side(one: EpisodeRecord, other: EpisodeRecord) -> EpisodeRecord {
    let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    EpisodeRecord {
        longest_ns: one.longest_ns.max(other.longest_ns),
        energy_uj: sum(one.energy_uj, other.energy_uj),
        low_uj: one.low_uj.saturating_add(other.low_uj),
        high_uj: sum(one.high_uj, other.high_uj),
        ..larger(one, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_edges_are_summed_and_not_known_where_a_part_does_not_know_them() {
        let sum_of = |parts: &[Option<u64>]| {
            let part = |wide| SpanRecord { name: "step".into(), wide, ..SpanRecord::default() };
            let mut sum = empty_sum(&part(None));
            parts.iter().for_each(|wide| add_span(&mut sum, &part(*wide), "node-1", &BTreeMap::new()));
            sum.wide
        };
        assert_eq!([sum_of(&[Some(2), Some(3)]), sum_of(&[Some(2), None, Some(3)])], [Some(5), None]);
    }
}
