//! Hard bounds of random spans, whatever the load did: fault K2 of the list of faults by kind.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod sim;

use eco2_core::{Component, Domain, Edge, Reading, Track};
use sim::{Load, Random, Setup};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const MAX_UW: u64 = 400_000_000;

fn track(domain: Domain, readings: &[Reading]) -> Track {
    let mut track = Track::new(domain);
    for reading in readings {
        track.push(reading);
    }
    track
}

/// Spans of a track whose free or power-limited bounds miss the truth, of 50 random ones within `[from_ns, to_ns]`.
fn outside(track: &Track, load: &Load, random: &mut Random, (from_ns, to_ns): (u64, u64)) -> u32 {
    (0..50)
        .map(|_| {
            let begin = random.between(from_ns, to_ns);
            let end = random.between(begin, to_ns);
            let exact = load.exact(end) - load.exact(begin);
            let (floor, ceil) = ((exact / 1_000_000_000) as u64, exact.div_ceil(1_000_000_000) as u64);
            let (start, end) = (track.at(begin, 0), track.at(end, 0));
            let mut all = vec![Edge::free_between(&start, &end)];
            if track.domain().kind == eco2_core::Kind::Energy {
                all.push(Edge::limited_between(&start, &end));
            }
            let misses =
                |bounds: &eco2_core::Bounds| bounds.low_uj > ceil || bounds.high_uj.is_some_and(|high| high < floor);
            u32::from(all.iter().any(misses))
        })
        .sum()
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

fn reset(readings: &mut [Reading], random: &mut Random) {
    let at = readings.len() / 2 + random.below(readings.len() as u64 / 4) as usize;
    let Some(base) = readings[at..].iter().find_map(|reading| reading.value.ok()) else { return };
    for reading in &mut readings[at..] {
        reading.value = reading.value.map(|raw| raw.saturating_sub(base));
    }
}

/// 2 000 counters of 50 spans each: updates every 1 ms, 100 ms and 1 s, one-unit read-backs, pauses and resets.
#[test]
fn k02_no_counter_span_is_outside_its_hard_bounds() {
    let mut found = 0;
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let period_ns = [MS, 100 * MS, S][random.below(3) as usize];
        let end_ns = (6 * period_ns).max(2 * S);
        let load = Load::random(&mut random, end_ns, 5_000_000, MAX_UW);
        let poll_ns = random.between(5 * MS, 60 * MS);
        let unit_uj = [1, 61, 1_000][random.below(3) as usize];
        let (range, fail_percent, offset) = (None, [0, 5][random.below(2) as usize], 100_000_000);
        let setup = Setup { period_ns, jitter_ns: period_ns / 8, poll_ns, range, unit_uj, fail_percent, offset };
        let mut readings = setup.readings(&mut random, &load, end_ns);
        if random.below(2) == 0 {
            read_back(&mut readings, &mut random);
        }
        if random.below(3) == 0 {
            pause(&mut readings, &mut random, end_ns);
        }
        if random.below(3) == 0 {
            reset(&mut readings, &mut random);
        }
        let max_uw = [None, Some(MAX_UW)][random.below(2) as usize];
        let track = track(Domain { max_uw, ..setup.domain() }, &readings);
        let newest = track.last_knot().unwrap().lo_ns;
        let oldest = track.recent(500).next().unwrap().hi_ns;
        if oldest < newest {
            let outside = outside(&track, &load, &mut random, (oldest, newest));
            assert_eq!(outside, 0, "seed {seed}, period {period_ns}, poll {poll_ns}, unit {unit_uj}, limit {max_uw:?}");
            found += 1;
        }
    }
    assert!(found > 1_900, "{found}");
}

/// Readings of an instantaneous power at intervals of 1 ms, 100 ms and 1 s; square waves that the intervals alias too.
#[test]
fn k02_no_power_span_is_outside_its_free_bounds() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        let every_ns = [MS, 100 * MS, S][random.below(3) as usize];
        let end_ns = 60 * every_ns;
        let load = match random.below(2) {
            0 => Load::square(every_ns, 0, MAX_UW, end_ns),
            _ => Load::random(&mut random, end_ns, 0, MAX_UW),
        };
        let jitter_ns = [0, every_ns / 2][random.below(2) as usize];
        let power = |at_ns: u64| load.0.iter().rev().find(|(from_ns, _)| *from_ns <= at_ns).map_or(0, |(_, uw)| *uw);
        let readings: Vec<Reading> = (0..60)
            .map(|tick| {
                let at_ns = tick * every_ns + random.between(0, jitter_ns);
                let failed = random.below(20) == 0;
                let value = if failed { Err(eco2_core::Fault::Failed) } else { Ok(power(at_ns)) };
                Reading { before_ns: at_ns, after_ns: at_ns, value }
            })
            .collect();
        let max_uw = [None, Some(MAX_UW)][random.below(2) as usize];
        let domain = Domain { max_uw, ..Domain::power("GPU-1", Component::Gpu, "board", "t") };
        let track = track(domain, &readings);
        assert_eq!(outside(&track, &load, &mut random, (0, 58 * every_ns)), 0, "seed {seed}");
        let all = Edge::free_between(&track.at(0, 0), &track.at(10 * every_ns, 0));
        assert_eq!(all.high_uj.is_some(), max_uw.is_some(), "a limit is the only upper bound");
    }
}

/// 500 W for 600 s without a reading: the counter of 262 kJ went round, nobody knows how often.
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
