//! Readings that cannot be, and readings after a pause: faults K3 and K4 of the list of faults by kind.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::schema::Device;
use eco2_core::{Component, Domain, Ledger, Reading, Scale};

const MS: u64 = 1_000_000;

fn at(ms: u64, value: u64) -> Reading {
    Reading { before_ns: ms * MS, after_ns: ms * MS + 1_000, value: Ok(value) }
}

fn package() -> Domain {
    Domain { range: Some(65_532_610_987), ..Domain::counter("package-0", Component::Cpu, "package", "t") }
}

fn gpu() -> Domain {
    Domain { scale: Scale::MILLI, ..Domain::counter("GPU-1", Component::Gpu, "board", "t") }
}

/// A ledger fed with readings of one domain, whose run begins at 0.
fn fed(domain: Domain, readings: impl IntoIterator<Item = Reading>) -> Ledger {
    let mut ledger = Ledger::new(0, 16);
    let index = ledger.add_domain(domain);
    for reading in readings {
        ledger.reading(index, &reading);
    }
    ledger
}

fn device(ledger: &Ledger, end_ms: u64) -> Device {
    ledger.account(end_ms * MS).devices.remove(0)
}

fn kinds(ledger: &mut Ledger) -> Vec<&'static str> {
    let mut kinds: Vec<_> = ledger.take_notices(0).iter().map(|notice| notice.kind.event_kind().name()).collect();
    kinds.dedup();
    kinds
}

/// 6 W; for one second the counter is 696 J too high.
fn spike(poll_ms: u64, seconds: u64) -> impl Iterator<Item = Reading> {
    let high = |ms: u64| if (7_000..8_000).contains(&ms) { 696_000_000 } else { 0 };
    (0..=seconds * 1_000 / poll_ms).map(move |poll| at(poll * poll_ms, poll * poll_ms * 6_000 + high(poll * poll_ms)))
}

#[test]
fn k04_spike_of_one_second_is_not_counted() {
    for (poll_ms, seconds) in [(10, 12), (100, 12), (1_000, 60)] {
        let mut ledger = fed(package(), spike(poll_ms, seconds));
        let device = device(&ledger, seconds * 1_000);
        assert_eq!(device.energy_uj, Some(seconds * 6_000_000), "every {poll_ms} ms");
        assert!(device.low_uj.unwrap() <= seconds * 6_000_000 && device.peak_w.unwrap() < 13.0, "{device:?}");
        assert!(kinds(&mut ledger).contains(&"implausible"));
    }
}

/// Below the ceiling a spike could be energy, so that the run is "at least", and the energy that is in doubt is left
/// out.
#[test]
fn k04_spike_that_the_ceiling_allows_is_left_out_once_the_counter_returns() {
    let high = |ms: u64| if (7_000..9_500).contains(&ms) { 300_000_000 } else { 0 };
    let mut ledger = fed(package(), (0..=20).map(|s| at(s * 1_000, s * 6_000_000 + high(s * 1_000))));
    let device = device(&ledger, 20_000);
    assert_eq!((device.energy_uj, device.high_uj), (Some(120_000_000), None));
    assert!(device.low_uj.unwrap() <= 120_000_000);
    assert_eq!(kinds(&mut ledger), ["implausible"]);
}

#[test]
fn k04_two_counters_seen_alternately_are_one_of_them() {
    for seen_for in [1, 2, 3] {
        let other = move |poll: u64| if poll / seen_for % 2 == 1 { 17_000_000_000 } else { 0 };
        let readings = (0..=200).map(|poll| at(poll * 100, 1_000_000_000 + poll * 10_000_000 + other(poll)));
        let mut ledger = fed(package(), readings);
        let device = device(&ledger, 20_000);
        // Both count 100 W for 20 s.
        assert!(device.energy_uj.unwrap().abs_diff(2_000_000_000) <= 30_000_000, "{device:?}");
        assert!(device.low_uj.unwrap() <= 2_000_000_000 && device.peak_w.unwrap() < 250.0, "{device:?}");
        assert!(kinds(&mut ledger).contains(&"implausible"));
    }
}

#[test]
fn k04_value_above_the_stated_range_is_growth_and_the_range_is_not_used() {
    let readings = (0..=20).map(|poll| at(poll * 50, 70_000_000_000 + poll * 1_000_000));
    let ledger = fed(package(), readings.clone());
    assert_eq!(device(&ledger, 1_000).energy_uj, Some(20_000_000));
    // Below the range at first.
    let near = 65_532_610_987 - 5_000_000;
    let mut ledger = fed(package(), (0..=20).map(|poll| at(poll * 50, near + poll * 1_000_000)));
    assert_eq!(device(&ledger, 1_000).energy_uj, Some(20_000_000));
    assert_eq!(kinds(&mut ledger), ["range-exceeded"]);
}

#[test]
fn k04_small_chip_never_draws_more_than_its_ceiling() {
    let domain = Domain { ceiling_uw: Some(80_000_000), ..package() };
    // 500 J more for good: a kilojoule within ten seconds is nothing to a server, and too much for this chip.
    let jump = |s: u64| if s >= 30 { 500_000_000 } else { 0 };
    let mut ledger = fed(domain.clone(), (0..=60).map(|s| at(s * 1_000, s * 6_000_000 + jump(s))));
    let device = device(&ledger, 60_000);
    // The counter was set to another value between two readings: what was drawn between them is not known.
    assert!((348_000_000..=360_000_000).contains(&device.energy_uj.unwrap()), "{device:?}");
    assert!(device.low_uj.unwrap() <= 360_000_000 && device.free_high_uj.is_none());
    assert_eq!(kinds(&mut ledger), ["implausible", "reset"]);
    let peak_w = device.peak_w.unwrap();
    assert!(peak_w <= 80.0, "{peak_w}");
}

#[test]
fn k04_zero_that_is_read_once_is_no_reset() {
    let value = |poll: u64| if poll == 30 { 0 } else { 40_000_000 + poll * 1_000 };
    let mut ledger = fed(gpu(), (0..=100).map(|poll| at(poll * 100, value(poll))));
    let device = device(&ledger, 10_000);
    assert_eq!((device.energy_uj, device.resets), (Some(100_000_000), 0), "{device:?}");
    assert!(kinds(&mut ledger).contains(&"implausible"));
}

#[test]
fn k04_ceiling_that_readings_refute_twice_is_not_used() {
    let domain = Domain { max_uw: Some(10_000_000), ..gpu() };
    // 300 W by a sensor whose limit is 10 W; updates every 100 ms.
    let mut ledger = fed(domain, (0..=200).map(|poll| at(poll * 50, poll / 2 * 30_000)));
    let device = device(&ledger, 10_000);
    assert_eq!(device.energy_uj, Some(3_000_000_000));
    assert!(device.high_uj.is_none_or(|high| high >= 3_000_000_000) && device.low_uj.unwrap() <= 3_000_000_000);
    assert!(kinds(&mut ledger).contains(&"ceiling-exceeded"));
}

#[test]
fn k04_gpu_counter_without_a_limit_is_checked_too() {
    let jump = |poll: u64| if poll == 50 { 5_000_000 } else { 0 };
    let mut ledger = fed(gpu(), (0..=100).map(|poll| at(poll * 100, 1_000 + poll * 20_000 + jump(poll))));
    assert_eq!(device(&ledger, 10_000).energy_uj, Some(2_000_000_000));
    assert_eq!(kinds(&mut ledger), ["implausible"]);
}

/// 200 W, an update every 100 ms and a poll every 10 ms, except from 5 s on for `pause_ms`.
fn paused(period_ms: u64, poll_ms: u64, pause_ms: u64) -> impl Iterator<Item = Reading> {
    let polls = (0..=12_000 / poll_ms).map(move |poll| poll * poll_ms + 3);
    let read = polls.filter(move |ms| !(5_003..5_003 + pause_ms).contains(ms));
    read.map(move |ms| at(ms, ms / period_ms * period_ms * 200))
}

#[test]
fn k03_peak_of_constant_power_is_that_power_whatever_pauses_reading() {
    for (period_ms, poll_ms) in [(100, 10), (100, 25), (1_000, 100), (1, 10), (100, 100)] {
        for pause_ms in [200, 500, 1_000, 3_500] {
            let ledger = fed(gpu(), paused(period_ms, poll_ms, pause_ms));
            let peak_w = device(&ledger, 12_000).peak_w.unwrap();
            // A change is dated to a poll: that much may a stretch of one update be off.
            let limit = 205.0 * (1.0 + poll_ms.min(period_ms) as f64 / period_ms as f64 / 2.0);
            assert!((190.0..limit).contains(&peak_w), "{period_ms} {poll_ms} {pause_ms}: {peak_w} W");
        }
    }
}

#[test]
fn k03_pause_of_two_seconds_splits_at_constant_power() {
    for (period_ms, poll_ms) in [(100, 10), (100, 25), (20, 10), (1, 10), (100, 100)] {
        let mut ledger = fed(gpu(), []);
        let name = [ledger.intern("first"), ledger.intern("second")];
        for reading in paused(period_ms, poll_ms, 2_000) {
            ledger.reading(0, &reading);
        }
        for (name, begin_ms) in name.into_iter().zip([5_000, 6_000]) {
            let mark = ledger.mark(begin_ms * MS);
            ledger.close(name, mark, (begin_ms + 1_000) * MS);
        }
        let account = ledger.account(12_000 * MS);
        for span in &account.spans {
            assert!(span.energy_uj.unwrap().abs_diff(200_000_000) < 12_000_000, "{period_ms} {poll_ms}: {span:?}");
        }
    }
}

/// A process that is stopped for a second reads nothing meanwhile, and its first poll comes right after it goes on.
#[test]
fn k03_stopped_process_sees_no_peak() {
    let domain = Domain { max_uw: Some(300_000_000), ..gpu() };
    for offset_ms in (0..100).step_by(7) {
        let polls = (0..=800u64).map(|poll| poll * 10).filter(|ms| !(3_000..4_000 + offset_ms).contains(ms));
        let late = polls.chain([4_000 + offset_ms]).collect::<std::collections::BTreeSet<u64>>();
        let ledger = fed(domain.clone(), late.into_iter().map(|ms| at(ms, ms / 100 * 100 * 200)));
        let peak_w = device(&ledger, 8_000).peak_w.unwrap();
        assert!(peak_w <= 240.0, "{offset_ms}: {peak_w} W");
    }
}
