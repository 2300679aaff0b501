//! Folding and accounting against known answers worked out by hand.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod sim;

use eco2_core::schema::State;
use eco2_core::{Component, Domain, Fault, GapReason, Ledger, Outcome, Reading, Scale, Track, UpdatePeriod};
use sim::{Load, Random, Setup};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// 262 143 328 850 uJ and one unit: what the kernel's powercap wraps at.
const RANGE: u64 = 262_143_328_911;

fn at(ms: u64, value: u64) -> Reading {
    Reading { before_ns: ms * MS, after_ns: ms * MS + 1_000, value: Ok(value) }
}

fn failed(ms: u64, fault: Fault) -> Reading {
    Reading { value: Err(fault), ..at(ms, 0) }
}

fn rapl() -> Domain {
    Domain {
        range: Some(RANGE),
        max_uw: Some(200_000_000),
        ..Domain::counter("package-0", Component::Cpu, "package", "t")
    }
}

fn gpu() -> Domain {
    Domain { scale: Scale::MILLI, ..Domain::counter("GPU-1", Component::Gpu, "board", "t") }
}

fn feed(domain: Domain, readings: &[Reading]) -> (Track, Vec<Outcome>) {
    let mut track = Track::new(domain);
    let outcomes = readings.iter().map(|reading| track.push(reading)).collect();
    (track, outcomes)
}

fn total(track: &Track) -> u64 {
    track.last_knot().unwrap().uj
}

fn gaps(domain: Domain, readings: &[Reading], end_ms: u64) -> Vec<(u64, u64, String)> {
    let mut ledger = Ledger::new(0, 16);
    let index = ledger.add_domain(domain);
    for reading in readings {
        ledger.reading(index, reading);
    }
    let account = ledger.account(end_ms * MS);
    account.devices[0].gaps.iter().map(|gap| (gap.from_ns / MS, gap.to_ns / MS, gap.reason.clone())).collect()
}

#[test]
fn m01_a_wrap_at_the_powercap_modulus_is_folded_exactly_once() {
    let (track, outcomes) = feed(rapl(), &[at(0, RANGE - 500), at(10, 700), at(20, 900)]);
    assert_eq!(total(&track), 1_400);
    assert_eq!(outcomes[1], Outcome::Grew { wrapped: true, over_limit: false });
    assert_eq!(track.counts().wraps, 1);
}

#[test]
fn m01_a_perf_counter_of_64_bits_never_wraps() {
    let domain = Domain { scale: Scale::from_base_per_raw(2f64.powi(-32)).unwrap(), ..gpu() };
    let (track, _) = feed(domain, &[at(0, 1 << 40), at(10, (1 << 40) + (5 << 32))]);
    assert_eq!(total(&track), 5_000_000);
}

#[test]
fn f01_many_wraps_inside_a_span_add_up_exactly() {
    // 150 W for an hour over a range of 1 kJ: 540 wraps, read every second.
    let domain = Domain { range: Some(1_000_000_000), max_uw: Some(200_000_000), ..rapl() };
    let readings: Vec<Reading> = (0..=3_600).map(|s| at(s * 1_000, (s * 150_000_000) % 1_000_000_000)).collect();
    let (track, _) = feed(domain, &readings);
    assert_eq!((total(&track), track.counts().wraps), (540_000_000_000, 540));
}

#[test]
fn m02_readings_with_more_than_a_wrap_between_them_give_a_lower_bound_only() {
    let readings = [at(0, 100), at(1_000, 50_000_100), at(1_400_000, 60_000_100), at(1_401_000, 90_000_100)];
    let domain = Domain { max_uw: None, ..rapl() };
    let mut ledger = Ledger::new(MS, 16);
    let limited = ledger.add_domain(Domain { id: "limited".into(), ..rapl() });
    let free = ledger.add_domain(Domain { range: Some(1_000_000_000), ..domain });
    for reading in &readings {
        ledger.reading(limited, reading);
        ledger.reading(free, reading);
    }
    let account = ledger.account(1_400_500 * MS);
    for device in &account.devices {
        assert!(device.gaps.iter().any(|gap| gap.reason == "wrap-ambiguous"), "{device:?}");
        assert!(device.low_uj.unwrap() <= 60_000_000);
    }
    // 200 W could have gone through the range of 262 kJ within 1 399 s: "at least", with a limit and without.
    assert_eq!((account.devices[0].high_uj, account.devices[0].free_high_uj), (None, None));
    assert_eq!(account.devices[1].high_uj, None);
    assert_eq!(account.energy.high_uj, None);
}

#[test]
fn f02_a_stall_longer_than_a_wrap_is_a_gap_not_a_small_value() {
    let found = gaps(rapl(), &[at(0, 0), at(10, 1_000), at(2_000_000, 2_000), at(2_000_010, 3_000)], 2_000_010);
    assert!(found.contains(&(10, 2_000_000, "wrap-ambiguous".into())), "{found:?}");
}

#[test]
fn m03_the_first_reading_is_a_baseline() {
    let (track, outcomes) = feed(gpu(), &[at(0, 987_654_321)]);
    assert_eq!((outcomes[0], total(&track)), (Outcome::Baseline, 0));
}

#[test]
fn m20_a_falling_gpu_counter_is_a_reset_never_a_64_bit_wrap() {
    let (track, outcomes) = feed(gpu(), &[at(0, 10), at(100, 20), at(200, 5), at(300, 9)]);
    assert_eq!(outcomes[2], Outcome::Reset);
    assert_eq!((total(&track), track.counts().resets), (14_000, 1));
}

#[test]
fn f03_a_rapl_reset_to_zero_is_distinguished_from_a_wrap_by_its_power() {
    let far = 100_000_000_000;
    let (track, outcomes) = feed(rapl(), &[at(0, far), at(10, far + 1_000_000), at(20, 0), at(30, 900_000)]);
    assert_eq!(outcomes[2], Outcome::Reset);
    assert_eq!((total(&track), track.counts().resets, track.counts().wraps), (1_900_000, 1, 0));
    let unlimited = Domain { max_uw: None, ..rapl() };
    assert_eq!(feed(unlimited, &[at(0, far), at(10, 0)]).1[1], Outcome::Reset, "26 MW is no wrap");
}

#[test]
fn f03_a_reset_is_a_gap_of_one_interval() {
    let found = gaps(gpu(), &[at(0, 10), at(100, 20), at(200, 5), at(300, 9)], 300);
    assert_eq!(found, [(100, 200, "reset".into())]);
}

#[test]
fn f04_a_counter_that_steps_back_slightly_is_clamped() {
    let (track, outcomes) = feed(rapl(), &[at(0, 1_000_000), at(10, 1_000_100), at(20, 1_000_095), at(30, 1_000_200)]);
    assert_eq!(outcomes[2], Outcome::Glitch);
    assert_eq!((total(&track), track.counts().anomalies), (200, 1));
}

#[test]
fn f05_a_frozen_counter_is_a_gap_and_what_it_catches_up_is_counted() {
    let mut readings: Vec<Reading> = (0..100).map(|i| at(i * 10, i * 1_000)).collect();
    readings.extend((100..600).map(|i| at(i * 10, 99_000)));
    let still = gaps(rapl(), &readings, 5_990);
    assert!(still.contains(&(990, 5_990, "frozen".into())), "{still:?}");
    readings.push(at(6_000, 599_000));
    let (track, _) = feed(rapl(), &readings);
    assert_eq!(total(&track), 599_000);
    let over = gaps(rapl(), &readings, 6_000);
    assert!(over.contains(&(990, 5_990, "frozen".into())), "{over:?}");
}

#[test]
fn m44_f06_a_jump_beyond_the_power_limit_is_rejected_and_counted() {
    let (track, outcomes) = feed(rapl(), &[at(0, 0), at(10, 1_000_000), at(20, 100_000_000_000), at(30, 3_000_000)]);
    assert_eq!(outcomes[2], Outcome::Implausible);
    assert_eq!((total(&track), track.counts().anomalies), (3_000_000, 1));
}

#[test]
fn f06_a_jump_that_stays_is_a_new_segment() {
    let far = 100_000_000_000;
    let (track, outcomes) = feed(rapl(), &[at(0, 0), at(10, 1_000), at(20, far), at(30, far + 500), at(40, far + 700)]);
    assert_eq!(outcomes[3], Outcome::Reset);
    assert_eq!(total(&track), 1_200);
}

#[test]
fn m21_no_update_is_neither_lost_nor_invented_energy() {
    let (track, outcomes) =
        feed(gpu(), &[at(0, 100), at(10, 100), at(20, 100), at(100, 140), at(110, 140), at(200, 180)]);
    assert_eq!(outcomes[1], Outcome::Same);
    assert_eq!(total(&track), 80_000, "constant power counts like any other");
}

#[test]
fn m04_a_failed_read_is_no_value() {
    let (track, outcomes) = feed(gpu(), &[at(0, 100), failed(10, Fault::Failed), at(20, 130)]);
    assert_eq!(outcomes[1], Outcome::Failed(Fault::Failed));
    assert_eq!((total(&track), track.counts().failures), (30_000, 1));
}

#[test]
fn f15_a_lost_gpu_is_frozen_at_its_end_time() {
    let readings = [at(0, 100), at(100, 140), failed(200, Fault::Lost), failed(300, Fault::Lost)];
    let found = gaps(gpu(), &readings, 1_000);
    assert!(found.contains(&(100, 1_000, "lost".into())), "{found:?}");
}

#[test]
fn f26_sleep_breaks_the_segment_and_its_energy_is_not_spread() {
    let mut ledger = Ledger::new(0, 16);
    let index = ledger.add_domain(gpu());
    for reading in [at(0, 100), at(100, 140)] {
        ledger.reading(index, &reading);
    }
    ledger.break_segment(None, GapReason::Suspend);
    for reading in [at(200, 900_000), at(300, 900_040)] {
        ledger.reading(index, &reading);
    }
    let account = ledger.account(300 * MS);
    assert_eq!(account.energy.total_uj, Some(80_000));
    assert!(account.devices[0].gaps.iter().any(|gap| gap.reason == "suspend"));
    assert_eq!(account.devices[0].resets, 0);
}

#[test]
fn m36_a_year_of_kilowatts_sums_without_drift() {
    let mut ledger = Ledger::new(0, 16);
    let domain = Domain { scale: Scale::MILLI, ..gpu() };
    let index = ledger.add_domain(domain);
    let hour = 3_600 * S;
    for h in 0..=8_760u64 {
        let before_ns = h * hour;
        ledger.reading(index, &Reading { before_ns, after_ns: before_ns, value: Ok(h * 3_600_000_001) });
    }
    let account = ledger.account(8_760 * hour);
    assert_eq!(account.energy.total_uj, Some(8_760 * 3_600_000_001_000));
}

#[test]
fn m40_a_result_is_provisional_until_the_knot_after_it() {
    let mut ledger = Ledger::new(0, 16);
    let index = ledger.add_domain(gpu());
    let name = ledger.intern("step");
    for ms in [0, 100, 200, 300] {
        ledger.reading(index, &at(ms, ms));
    }
    ledger.begin(0, name, 150 * MS, 0);
    ledger.end(0, name, 250 * MS, 0);
    assert_eq!(ledger.account(260 * MS).spans[0].state, State::Provisional);
    ledger.reading(index, &at(400, 400));
    let account = ledger.account(260 * MS);
    assert_eq!((account.spans[0].state, account.state), (State::Final, State::Final));
    assert_eq!(account.spans[0].energy_uj, Some(100_000));
}

#[test]
fn m23_the_update_period_is_learned() {
    let readings: Vec<Reading> = (0..300).map(|i| at(i * 10, i / 10 * 1_000)).collect();
    let (track, _) = feed(gpu(), &readings);
    assert_eq!(track.period_ns(), Some(100 * MS));
    let slow: Vec<Reading> = (0..300).map(|i| at(i * 10, i * 1_000)).collect();
    assert_eq!(feed(gpu(), &slow).0.period_ns(), None, "every read changed: only the polling would be learned");
}

#[test]
fn the_period_for_predictions_is_known_to_a_fiftieth_and_follows_a_change() {
    // 100 ms for 5 s, then 70 ms; polled every 10 ms.
    let count = |ms: u64| if ms < 5_000 { ms / 100 } else { 50 + (ms - 5_000) / 70 };
    let readings: Vec<Reading> = (0..600).map(|i| at(i * 10, count(i * 10) * 1_000)).collect();
    let period = |ms: usize| feed(gpu(), &readings[..ms / 10]).0.precise_period();
    assert_eq!(period(600), None, "the first value is of unknown age: four distances");
    // Each end is off by up to 5 ms: five updates of 100 ms, eight of 70 ms.
    assert_eq!(period(610), Some(UpdatePeriod { mean_ns: 100 * MS, updates: 5 }));
    let newest = period(5_700).unwrap();
    assert!(newest.updates <= 8 && newest.mean_ns.abs_diff(70 * MS) <= 70 * MS / 50, "{newest:?}");
    // Polled every 50 ms, it takes 25 updates.
    let slow: Vec<Reading> = readings[..400].iter().step_by(5).copied().collect();
    assert_eq!(feed(gpu(), &slow[..52]).0.precise_period(), None);
    assert_eq!(feed(gpu(), &slow[..54]).0.precise_period(), Some(UpdatePeriod { mean_ns: 100 * MS, updates: 25 }));
}

#[test]
fn m09_parts_and_the_platform_are_not_in_the_sum() {
    let part = |id: &str, domain: &str, parent: Option<&str>, component| Domain {
        parent: parent.map(str::to_owned),
        ..Domain::counter(id, component, domain, "t")
    };
    let mut ledger = Ledger::new(0, 16);
    for domain in [
        part("package-0", "package", None, Component::Cpu),
        part("core-0", "core", Some("package-0"), Component::Cpu),
        part("dram-0", "dram", None, Component::Memory),
        part("psys", "psys", None, Component::Other),
        part("module-0", "module", None, Component::Other),
        part("GPU-1", "board", Some("module-0"), Component::Gpu),
    ] {
        let index = ledger.add_domain(domain);
        ledger.reading(index, &at(0, 0));
        ledger.reading(index, &at(10, 1_000));
    }
    let account = ledger.account(20 * MS);
    let summed: Vec<&str> = account.devices.iter().filter(|d| d.is_summed()).map(|d| d.id.as_str()).collect();
    assert_eq!(summed, ["package-0", "dram-0", "GPU-1"]);
    assert_eq!(account.energy.total_uj, Some(3_000));
}

/// A counter that updates every 100 ms, polled every 10 ms; 100 W and 700 W in turn, one second each cycle.
/// Mean error: sum of absolute errors over the sum of true energies; bias: the same with signs.
fn square_wave_errors(span_ms: u64) -> (f64, f64) {
    let (end, max) = (200 * S, 800_000_000);
    let load = Load::square(S, 100_000_000, 700_000_000, end + S);
    let setup = Setup {
        period_ns: 100 * MS,
        jitter_ns: 2 * MS,
        poll_ns: 10 * MS,
        range: None,
        unit_uj: 1_000,
        fail_percent: 0,
        offset: 7,
    };
    let mut random = Random::new(42);
    let readings = setup.readings(&mut random, &load, end);
    let mut ledger = Ledger::new(0, usize::MAX);
    let index = ledger.add_domain(Domain { max_uw: Some(max), ..setup.domain() });
    let (mut errors, mut bias, mut truth_sum) = (0.0, 0.0, 0.0);
    let mut from = 5 * S;
    for reading in &readings {
        ledger.reading(index, reading);
        while from + span_ms * MS < reading.before_ns.saturating_sub(300 * MS) {
            let to = from + span_ms * MS;
            let track = &ledger.tracks()[0];
            let (start, end) = (track.at(from, 0), track.at(to, 0));
            let truth = (load.uj(to) - load.uj(from)) as f64;
            let error = (end.uj - start.uj) as f64 - truth;
            (errors, bias, truth_sum) = (errors + error.abs(), bias + error, truth_sum + truth);
            from = to + random.between(0, 30 * MS);
        }
    }
    assert!(truth_sum > 0.0);
    (errors / truth_sum, (bias / truth_sum).abs())
}

#[test]
fn m23_spans_against_a_slow_counter_are_right_to_a_thousandth_at_5_s_and_3_percent_at_a_quarter() {
    let ((long, _), (short, bias)) = (square_wave_errors(5_000), square_wave_errors(250));
    println!("5 s: {:.3} %, 0.25 s: {:.2} %, bias {:.3} %", long * 100.0, short * 100.0, bias * 100.0);
    assert!(long <= 0.001, "{long}");
    assert!(short <= 0.03, "{short}");
    assert!(bias <= 0.002, "{bias}");
}

#[test]
fn f04_a_step_back_by_a_few_units_is_no_wrap_however_seldom_the_counter_is_read() {
    // Read every 3 s, 262 kJ more would need 87 kW: not impossible, but a thousand times what was seen.
    let readings = [at(0, 1_000_000), at(3_000, 101_000_000), at(6_000, 100_999_695), at(9_000, 201_000_000)];
    let (track, outcomes) = feed(Domain { max_uw: None, ..rapl() }, &readings);
    assert_eq!((outcomes[2], total(&track)), (Outcome::Glitch, 200_000_000));
    // The same over the range's end.
    let low = [at(0, RANGE - 1_000_000), at(3_000, 100), at(6_000, RANGE - 5), at(9_000, 2_000)];
    let (track, outcomes) = feed(Domain { max_uw: None, ..rapl() }, &low);
    assert_eq!((outcomes[2], total(&track), track.counts().wraps), (Outcome::Glitch, 1_002_000, 1));
}

#[test]
fn m01_a_narrow_counter_may_fall_by_one_unit_and_have_wrapped() {
    let (max_uw, ceiling_uw) = (None, Some(1_000_000));
    let narrow = Domain { range: Some(1_001), scale: Scale::MILLI, max_uw, ceiling_uw, ..rapl() };
    let (track, _) = feed(narrow, &[at(0, 0), at(1_000, 1_000), at(2_000, 999), at(3_000, 998)]);
    assert_eq!((total(&track), track.counts().wraps), (3_000_000, 2));
}

#[test]
fn f21_m44_a_power_reading_beyond_the_limit_is_a_gap_and_never_energy() {
    let sensor = Domain { max_uw: Some(200), ..Domain::power("GPU-1", Component::Gpu, "board", "t") };
    let readings = [at(0, 100), at(1_000, 100), at(2_000, 4_294_967_295), at(3_000, 100), at(4_000, 100)];
    let (track, outcomes) = feed(sensor.clone(), &readings);
    assert_eq!((outcomes[2], track.counts().anomalies, total(&track)), (Outcome::Implausible, 1, 200));
    assert_eq!(gaps(sensor, &readings, 4_000), [(1_000, 3_000, "implausible".into())]);
}

#[test]
fn f18_beyond_its_last_reading_a_power_sensor_is_bounded_by_its_limit_alone() {
    let mut ledger = Ledger::new(0, 1);
    let max_uw = Some(200_000_000);
    let index = ledger.add_domain(Domain { max_uw, ..Domain::power("GPU-1", Component::Gpu, "board", "t") });
    for ms in (0..=1_000).step_by(10) {
        ledger.reading(index, &at(ms, 100_000_000));
    }
    // 100 J in the second that was read, up to 400 J in the two after it, and what 100 equal readings leave open.
    let energy = ledger.account(3_000 * MS).energy;
    let (low, high) = (energy.low_uj, energy.high_uj.unwrap());
    assert_eq!(energy.total_uj, Some(100_000_000));
    assert!((99_700_000..100_000_000).contains(&low) && (500_000_000..500_400_000).contains(&high), "{energy:?}");
    assert_eq!((energy.free_low_uj, energy.free_high_uj), (0, Some(600_000_000)));
}
