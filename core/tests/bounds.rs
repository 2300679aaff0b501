//! The truth lies within the bounds: random loads, update periods, jitters, poll times, wraps, failures and resets.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod sim;

use eco2_core::{Domain, Ledger, Mark, Reading, Track};
use proptest::prelude::*;
use sim::{Load, Random, Setup};

const END_NS: u64 = 4_000_000_000;
const MAX_UW: u64 = 300_000_000;
const MIN_UW: u64 = 20_000_000;

struct Case {
    load: Load,
    setup: Setup,
    readings: Vec<Reading>,
    random: Random,
}

fn case(seed: u64, wraps: bool) -> Case {
    let mut random = Random::new(seed);
    let load = Load::random(&mut random, END_NS, MIN_UW, MAX_UW);
    let period_ns = [1_000_000, 20_000_000, 100_000_000][random.below(3) as usize];
    let unit_uj = [1, 61, 1_000][random.below(3) as usize];
    let poll_ns = random.between(500_000, 60_000_000);
    let longest_ns = 2 * poll_ns * 3 / 2 + 3 * period_ns;
    // Less than one range between two readings, failed ones between them included.
    let range = wraps.then(|| MAX_UW / 1_000 * (longest_ns * 8 / 1_000_000) / unit_uj + 10);
    let fail_percent = [0, 0, 10][random.below(3) as usize];
    let offset = random.below(range.unwrap_or(1_000_000));
    let setup = Setup { period_ns, jitter_ns: period_ns / 4, poll_ns, range, unit_uj, fail_percent, offset };
    let readings = setup.readings(&mut random, &load, END_NS);
    Case { load, setup, readings, random }
}

fn track(domain: Domain, readings: &[Reading]) -> Track {
    let mut track = Track::new(domain);
    for reading in readings {
        track.push(reading);
    }
    track
}

fn check(case: &mut Case, domain: Domain, limited: bool) -> Result<(), TestCaseError> {
    let track = track(domain, &case.readings);
    let newest = track.last_knot().unwrap().lo_ns;
    let oldest = track.recent(500).next().unwrap().hi_ns;
    for _ in 0..40 {
        let from = case.random.between(oldest, newest);
        let to = case.random.between(from, newest);
        let (start, end) = (track.at(from, 0), track.at(to, 0));
        let (truth_floor, truth_ceil) = truth(&case.load, from, to);
        let bounds = if limited {
            eco2_core::Edge::limited_between(&start, &end)
        } else {
            eco2_core::Edge::free_between(&start, &end)
        };
        prop_assert!(bounds.low_uj <= truth_ceil, "{from}..{to}: {bounds:?} above {truth_ceil}");
        prop_assert!(
            bounds.high_uj.is_none_or(|high| high >= truth_floor),
            "{from}..{to}: {bounds:?} below {truth_floor}"
        );
        let uj = end.uj.checked_sub(start.uj);
        prop_assert!(uj.is_some(), "the estimate fell between {from} and {to}");
    }
    Ok(())
}

fn truth(load: &Load, from: u64, to: u64) -> (u64, u64) {
    let exact = load.exact(to) - load.exact(from);
    ((exact / 1_000_000_000) as u64, exact.div_ceil(1_000_000_000) as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn m35_the_truth_lies_within_the_free_bounds_always(seed in any::<u64>(), wraps in any::<bool>()) {
        let mut case = case(seed, wraps);
        let domain = case.setup.domain();
        check(&mut case, domain, false)?;
    }

    #[test]
    fn m35_the_truth_lies_within_the_power_limited_bounds_when_the_limit_holds(seed in any::<u64>(), wraps in any::<bool>()) {
        let mut case = case(seed, wraps);
        let domain = Domain { max_uw: Some(MAX_UW), min_uw: Some(MIN_UW), ..case.setup.domain() };
        check(&mut case, domain, true)?;
    }

    /// A reset at a random place: spans over it are "at least" or capped, and still hold.
    #[test]
    fn m20_a_span_over_a_reset_is_bounded_or_open_never_wrong(seed in any::<u64>(), limit in any::<bool>()) {
        let mut case = case(seed, false);
        let at = case.readings.len() / 3 + case.random.below(case.readings.len() as u64 / 3) as usize;
        let Some(base) = case.readings[at..].iter().find_map(|reading| reading.value.ok()) else { return Ok(()) };
        for reading in &mut case.readings[at..] {
            reading.value = reading.value.map(|raw| raw.saturating_sub(base));
        }
        let max_uw = limit.then_some(MAX_UW);
        let domain = Domain { max_uw, ..case.setup.domain() };
        check(&mut case, domain.clone(), limit)?;
        check(&mut case, domain, false)?;
    }

    /// Sums of adjacent spans equal the enclosing span to the microjoule, over several domains.
    #[test]
    fn m34_adjacent_spans_telescope_exactly(seed in any::<u64>(), cuts in 1usize..30) {
        let mut case = case(seed, seed % 2 == 0);
        let mut ledger = Ledger::new(0, usize::MAX);
        let limited = Domain { id: "limited".into(), max_uw: Some(MAX_UW), min_uw: Some(MIN_UW), ..case.setup.domain() };
        let domains = [ledger.add_domain(case.setup.domain()), ledger.add_domain(limited)];
        let mut edges: Vec<u64> = (0..=cuts).map(|_| case.random.between(2_000_000, END_NS - 500_000_000)).collect();
        edges.sort_unstable();
        let (whole, part) = (ledger.intern("whole"), ledger.intern("part"));
        let mut outer: Option<Mark> = None;
        let mut inner: Option<Mark> = None;
        let mut next = 0;
        for reading in &case.readings {
            while next < edges.len() && edges[next] <= reading.before_ns {
                let at = edges[next];
                if let Some(mark) = inner.take() {
                    ledger.close(part, mark, at);
                }
                if next + 1 < edges.len() {
                    inner = Some(ledger.mark(at));
                    outer = outer.or_else(|| Some(ledger.mark(at)));
                } else {
                    ledger.close(whole, outer.take().unwrap(), at);
                }
                next += 1;
            }
            for &domain in &domains {
                ledger.reading(domain, reading);
            }
        }
        prop_assume!(next == edges.len());
        let account = ledger.account(END_NS);
        let of = |name: &str| account.spans.iter().find(|span| span.name == name).unwrap();
        prop_assert_eq!(of("part").energy_uj, of("whole").energy_uj);
        prop_assert_eq!(of("part").duration_ns, of("whole").duration_ns);
        // One unbroken chain carries two edge errors, however many parts it has.
        prop_assert_eq!((of("part").low_uj, of("part").high_uj), (of("whole").low_uj, of("whole").high_uj));
        prop_assert_eq!(Some(of("part").by_device.values().sum::<u64>()), of("part").energy_uj);
    }
}
