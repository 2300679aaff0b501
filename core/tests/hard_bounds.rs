//! Hard bounds of random spans, whatever the load did: fault K2 of the list of faults by kind.
//!
//! Counters and power sensors that change, or are read, every 1 ms, 100 ms and 1 s, each with and without a power
//! limit: twelve columns, a few thousand spans each, and 100 000 each with
//! `cargo test --release -p eco2-core --test hard_bounds -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and print what they counted")]

mod sim;

use eco2_core::{Bounds, Component, Domain, Edge, Fault, Kind, Reading, Track};
use sim::{Load, Random, Setup};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const MIN_UW: u64 = 5_000_000;
const MAX_UW: u64 = 400_000_000;
/// Spans of each run.
const SPANS: usize = 50;
/// Readings of a run of power.
const READINGS: u64 = 60;
/// Where counters begin, raw units.
const OFFSET: u64 = 100_000_000;

fn track(domain: Domain, readings: &[Reading]) -> Track {
    let mut track = Track::new(domain);
    for reading in readings {
        track.push(reading);
    }
    track
}

/// What was found in one column.
#[derive(Debug, Default)]
struct Found {
    spans: usize,
    outside: usize,
    /// Spans whose hard bounds have an upper end.
    closed: usize,
    /// The first that was outside.
    first: Option<String>,
}

impl Found {
    /// Holds bounds that are hard against the truth of a random span within `[0, end_ns]`, whose edges are known to
    /// within an error. For a counter the bounds with a power limit are hard too.
    fn look(&mut self, seed: u64, track: &Track, load: &Load, random: &mut Random, end_ns: u64) {
        let begin = random.between(0, end_ns);
        let end = random.between(begin, end_ns);
        let error = [0, 0, 50_000, 2 * MS][random.below(4) as usize];
        let shifted =
            |random: &mut Random, at_ns: u64| random.between(at_ns.saturating_sub(error), at_ns + error).min(end_ns);
        let (truly_begun, truly_ended) = (shifted(random, begin), shifted(random, end));
        let exact = load.exact(truly_ended).saturating_sub(load.exact(truly_begun));
        let (floor, ceil) = ((exact / 1_000_000_000) as u64, exact.div_ceil(1_000_000_000) as u64);
        let (start, end) = (track.at(begin, error), track.at(end, error));
        let free = Edge::free_between(&start, &end);
        let mut all = vec![free];
        if track.domain().kind == Kind::Energy {
            all.push(Edge::limited_between(&start, &end));
        }
        let misses = |bounds: &Bounds| bounds.low_uj > ceil || bounds.high_uj.is_some_and(|high| high < floor);
        self.spans += 1;
        self.closed += usize::from(free.high_uj.is_some());
        if all.iter().any(misses) {
            self.outside += 1;
            self.first.get_or_insert_with(|| format!("seed {seed}: {truly_begun}..{truly_ended} {exact} in {all:?}"));
        }
    }
}

/// A unit less than the counter, now and then, as a read-back gives it.
fn read_back(readings: &mut [Reading], random: &mut Random) {
    for reading in readings.iter_mut().skip(3) {
        if random.below(12) == 0 {
            reading.value = reading.value.map(|raw| raw.saturating_sub(1));
        }
    }
}

fn pause(readings: &mut Vec<Reading>, random: &mut Random, end_ns: u64) {
    let from_ns = random.between(end_ns / 4, end_ns / 2);
    let to_ns = from_ns + random.between(100 * MS, 3 * S);
    readings.retain(|reading| !(from_ns..to_ns).contains(&reading.before_ns));
}

/// The counter is set to 0 at a random instant, between readings and updates.
fn reset(readings: &mut [Reading], random: &mut Random, load: &Load, unit_uj: u64, end_ns: u64) {
    let at_ns = random.between(end_ns / 4, end_ns);
    let base = load.uj(at_ns) / unit_uj + OFFSET;
    for reading in readings.iter_mut().filter(|reading| reading.before_ns > at_ns) {
        reading.value = reading.value.map(|raw| raw.saturating_sub(base));
    }
}

/// A counter that is updated every `period_ns`. Half of them read back a unit, a third pause, a third are reset, and
/// half of the others wrap, perhaps in the pause.
fn counter(seed: u64, period_ns: u64, limit: bool, found: &mut Found) {
    let mut random = Random::new(seed * 2 + 1);
    let end_ns = (6 * period_ns).max(2 * S);
    let load = Load::any(&mut random, end_ns, MIN_UW, MAX_UW);
    let poll_ns = random.between(5 * MS, 60 * MS);
    let unit_uj = [1, 61, 1_000][random.below(3) as usize];
    let resets = random.below(3) == 0;
    let wraps = !resets && random.below(2) == 0;
    // No counter goes round within two of its updates.
    let least = MAX_UW / 1_000 * (2 * period_ns / MS).max(250);
    let range = wraps.then(|| random.between(least, 10 * least) / unit_uj);
    let fail_percent = [0, 5][random.below(2) as usize];
    let setup = Setup { period_ns, jitter_ns: period_ns / 8, poll_ns, range, unit_uj, fail_percent, offset: OFFSET };
    let mut readings = setup.readings(&mut random, &load, end_ns);
    if resets {
        reset(&mut readings, &mut random, &load, unit_uj, end_ns);
    }
    if random.below(2) == 0 {
        read_back(&mut readings, &mut random);
    }
    if random.below(3) == 0 {
        pause(&mut readings, &mut random, end_ns);
    }
    let (max_uw, min_uw) = (limit.then_some(MAX_UW), (limit && random.below(2) == 0).then_some(MIN_UW));
    let track = track(Domain { max_uw, min_uw, ..setup.domain() }, &readings);
    for _ in 0..SPANS {
        found.look(seed, &track, &load, &mut random, end_ns);
    }
}

/// A power that is read every `every_ns`, on a grid or at random instants; each 20th reading fails, a third pause.
fn power(seed: u64, every_ns: u64, limit: bool, found: &mut Found) {
    let mut random = Random::new(seed * 2 + 2);
    let end_ns = READINGS * every_ns;
    let load = Load::any(&mut random, end_ns, 0, MAX_UW);
    let jitter_ns = [0, every_ns - 1][random.below(2) as usize];
    let mut readings: Vec<Reading> = (0..READINGS)
        .map(|tick| {
            let at_ns = tick * every_ns + random.between(0, jitter_ns);
            let failed = random.below(20) == 0;
            let value = if failed { Err(Fault::Failed) } else { Ok(load.power(at_ns)) };
            Reading { before_ns: at_ns, after_ns: at_ns, value }
        })
        .collect();
    if random.below(3) == 0 {
        pause(&mut readings, &mut random, end_ns);
    }
    let average_ns = [None, Some(every_ns)][random.below(2) as usize];
    let domain = Domain::power("GPU-1", Component::Gpu, "board", "t");
    let track = track(Domain { max_uw: limit.then_some(MAX_UW), average_ns, ..domain }, &readings);
    for _ in 0..SPANS {
        found.look(seed, &track, &load, &mut random, end_ns);
    }
}

/// Twelve columns of `spans` spans; none may be outside.
fn check(spans: usize) {
    type Case = fn(u64, u64, bool, &mut Found);
    for (name, case) in [("counter", counter as Case), ("power", power as Case)] {
        for every_ns in [MS, 100 * MS, S] {
            for limit in [false, true] {
                let mut found = Found::default();
                for seed in 0.. {
                    if found.spans >= spans || seed > spans as u64 {
                        break;
                    }
                    case(seed, every_ns, limit, &mut found);
                }
                let Found { spans: looked, outside, closed, .. } = found;
                let limited = if limit { "with" } else { "without" };
                let ms = every_ns / MS;
                println!(
                    "{name} of {ms} ms {limited} a limit: {outside} of {looked} outside, {closed} with an upper end"
                );
                assert!(looked >= spans, "{name} of {ms} ms: {looked} spans");
                assert_eq!(found.first, None, "{name} of {ms} ms {limited} a limit: {outside} of {looked}");
                // A counter is bounded without a limit, a power only by one: bounds that never close would prove
                // nothing.
                let closes = name == "counter" || limit;
                assert_eq!(closed > looked / 4, closes, "{name} of {ms} ms {limited} a limit: {closed} of {looked}");
            }
        }
    }
}

#[test]
fn k02_no_span_is_outside_its_hard_bounds() {
    check(5_000);
}

#[test]
#[ignore = "1.2 million spans: scripts/test --full"]
fn k02_none_of_a_hundred_thousand_spans_is_outside_its_hard_bounds() {
    check(100_000);
}

/// 500 W for 600 s without a reading: the counter of 262 kJ wrapped an unknown number of times.
#[test]
fn k02_unread_for_longer_than_a_wrap_takes_is_at_least() {
    let range = 262_143_328_851;
    let domain = Domain { range: Some(range), ..Domain::counter("package-0", Component::Cpu, "package", "t") };
    let seconds = (0..=10).chain(610..=620);
    let readings = seconds.map(|s| Reading { before_ns: s * S, after_ns: s * S, value: Ok(s * 500_000_000 % range) });
    let track = track(domain, &readings.collect::<Vec<_>>());
    let bounds = Edge::limited_between(&track.at(5 * S, 0), &track.at(615 * S, 0));
    assert!(bounds.high_uj.is_none() && bounds.low_uj <= 305_000_000_000, "{bounds:?}");
    assert!(track.counts().wraps <= 1);
}

/// 100 W, of which at least 5 W and at most 400 W are certain; a counter that was set to 0 at 1.099 s. From the knot
/// after the reset the least power leads back to the reset, and no further: what was drawn before it is in no later
/// value.
#[test]
fn k02_the_least_power_leads_back_to_a_reset_and_no_further() {
    let (max_uw, min_uw) = (Some(400_000_000), Some(5_000_000));
    let domain = Domain { max_uw, min_uw, ..Domain::counter("package-0", Component::Cpu, "package", "t") };
    let value = |ms: u64| if ms < 1_099 { ms * 100_000 } else { (ms - 1_099) * 100_000 };
    let polls = (0..=11).map(|poll| poll * 100).chain([1_102, 1_200, 1_300]);
    let readings = polls.map(|ms| Reading { before_ns: ms * MS, after_ns: ms * MS, value: Ok(value(ms)) });
    let track = track(domain, &readings.collect::<Vec<_>>());
    let last = Edge::limited_between(&track.at(999 * MS, 0), &track.at(S, 0));
    assert!(last.low_uj <= 100_000 && last.high_uj.is_some_and(|high| high >= 100_000), "0.1 J: {last:?}");
}
