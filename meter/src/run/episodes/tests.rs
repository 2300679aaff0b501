//! Tests of the records and events of episodes (times in which steps stalled or a GPU was idle or hot) whose energy is
//! known by hand.

use super::*;
use crate::run::curves::Curves;
use eco2_core::schema::{Device, EventRecord, GapRecord};
use eco2_core::{Account, Bounded, Component, Curve, CurvePoint, Domain, Gauge, Knot, Ledger, RunCurve};

const S: u64 = 1_000_000_000;

fn gpu(energy_uj: u64) -> Device {
    let mut ledger = Ledger::new(0, 1);
    ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "nvml"));
    let device = ledger.account(1).devices.remove(0);
    Device { energy_uj: Some(energy_uj), low_uj: Some(energy_uj), high_uj: Some(energy_uj), ..device }
}

/// Returns the records and events of a run of 100 s at 100 W whose counter is read each second. The run starts at 1000
/// s.
fn episode_records(spells: &RunEpisodes, going_on: bool) -> (Vec<EpisodeRecord>, Vec<EventRecord>) {
    let uj = 100 * 100 * 1_000_000;
    let account = Ledger::new(1_000 * S, 1).account(1_100 * S);
    let account = Account { devices: vec![gpu(uj)], start_uj: vec![0], ..account };
    super::episode_records(spells, &account, &curves(99, 100_000_000, Bounded::exact(uj)), going_on)
}

/// Returns the curves of one device whose counter grew by `uj_a_second` each second for `seconds` of the 100.
fn curves(seconds: u64, uj_a_second: u64, total: Bounded<u64>) -> Curves {
    let knot = |s: u64| CurvePoint::of_knot(&Knot::change(s * S, s * S, s * uj_a_second), 0, 0);
    let curve = Curve::new((1..=seconds).map(knot), 100 * S, total);
    Curves { devices: vec![Some(curve.clone())], run: RunCurve::new([curve], 100 * S, total) }
}

fn gauge(name: &str, value: f64) -> Gauge {
    Gauge { device: "GPU-1".into(), name: name.into(), unit: "1".into(), value }
}

#[test]
fn a_stall_is_an_event_with_the_energy_that_went_into_it() {
    let mut spells = RunEpisodes::default();
    (0..=10).for_each(|step| spells.step((1_000 + step) * S));
    spells.step(1_050 * S);
    let (records, events) = episode_records(&spells, false);
    let [stalled] = &records[..] else { panic!("{records:?}") };
    // The step was due at 11 s: 39 s at 100 W.
    assert_eq!((stalled.kind.as_str(), stalled.count, stalled.duration_ns), ("stalled", 1, 39 * S));
    assert_eq!(
        (stalled.energy_uj, stalled.low_uj, stalled.high_uj),
        (Some(3_900_000_000), 3_900_000_000, Some(3_900_000_000))
    );
    assert_eq!((stalled.usual_ns, events[0].at), (Some(S), 11 * S));
    assert_eq!(
        events[0].text,
        "no step ended for 39.0 s longer than the usual 1.000 s; it drew 100.0 W meanwhile, 3900.0 J"
    );
    // From 51 s on nothing comes: a run that ended well had no more steps to do.
    assert_eq!(episode_records(&spells, true).0[0].count, 2);
}

#[test]
fn idle_hot_and_capped_times_come_from_the_gauges() {
    let mut spells = RunEpisodes::default();
    for second in 0..=99 {
        let at_ns = (1_000 + second) * S;
        let idle = (20..=30).contains(&second) || second == 60;
        spells.gauge(at_ns, &gauge("utilization", if idle { 0.0 } else { 0.9 }));
        spells.gauge(at_ns, &gauge("temperature", if (40..=45).contains(&second) { 87.0 } else { 60.0 }));
        spells.gauge(at_ns, &gauge("temperature_limit", 87.0));
        spells.gauge(at_ns, &gauge("throttle_reasons", if second < 10 { 4.0 } else { 0.0 }));
    }
    let (records, events) = episode_records(&spells, false);
    let of = |kind: &str| records.iter().find(|record| record.kind == kind).unwrap();
    assert_eq!((of("idle").duration_ns, of("idle").energy_uj), (10 * S, Some(1_000_000_000)));
    // Idle for up to a second more on either side: 12 s, and 2 s around the one reading at 60 s.
    assert_eq!((of("idle").count, of("idle").high_uj), (2, Some(1_400_000_000)));
    assert_eq!((of("hot").duration_ns, of("power-capped").duration_ns), (5 * S, 9 * S));
    assert_eq!(events.len(), 1, "that a GPU is idle or capped is no anomaly");
    assert!(events[0].text.starts_with("at its highest temperature") && events[0].text.contains("500.0 J"));
}

#[test]
fn what_was_seen_at_one_reading_is_no_absence_and_a_gap_between_readings_is_no_episode() {
    let mut spells = RunEpisodes::default();
    spells.gauge(1_010 * S, &gauge("utilization", 0.0));
    spells.gauge(1_011 * S, &gauge("utilization", 0.9));
    let once = &episode_records(&spells, false).0[0];
    assert_eq!((once.count, once.duration_ns, once.energy_uj), (1, 0, Some(0)));
    assert_eq!(once.high_uj, Some(200_000_000), "it may have been idle for 2 s");
    let mut spells = RunEpisodes::default();
    for second in [10, 11, 12, 50, 51] {
        spells.gauge((1_000 + second) * S, &gauge("utilization", 0.0));
    }
    assert_eq!(episode_records(&spells, false).0[0].duration_ns, 3 * S, "the state between 12 and 50 s is unknown");
}

#[test]
fn energy_and_time_are_of_the_same_episodes() {
    let mut spells = RunEpisodes::default();
    // 2000 episodes of 20 ms at 100 W.
    for spell in 0..2_000 {
        let at_ns = 1_000 * S + spell * S / 20;
        spells.gauge(at_ns, &gauge("utilization", 0.0));
        spells.gauge(at_ns + S / 50, &gauge("utilization", 0.0));
        spells.gauge(at_ns + S / 25, &gauge("utilization", 0.9));
    }
    let idle = &episode_records(&spells, false).0[0];
    assert_eq!((idle.count, idle.duration_ns, idle.high_uj), (2_000, 40 * S, None));
    let uj = idle.energy_uj.unwrap();
    assert!(uj.abs_diff(4_000_000_000) < 40_000_000, "{uj}");
}

#[test]
fn a_gpu_that_slows_down_for_heat_is_hot_whatever_its_thermometer_shows() {
    let mut spells = RunEpisodes::default();
    for second in 1_000..=1_004 {
        spells.gauge(second * S, &gauge("temperature", 60.0));
        spells.gauge(second * S, &gauge("temperature_limit", 87.0));
        spells.gauge(second * S, &gauge("throttle_reasons", 64.0));
    }
    assert_eq!(episode_records(&spells, false).0[0].duration_ns, 4 * S);
}

/// The text of a stall from 11 s to 50 s, of a 300 W GPU of which nothing was read from 26 s on.
fn text_of_a_lost_gpu(device: &str, kind_of: impl Fn(&mut RunEpisodes)) -> String {
    let mut spells = RunEpisodes::default();
    kind_of(&mut spells);
    let uj = 26 * 300 * 1_000_000;
    let account = Ledger::new(1_000 * S, 1).account(1_100 * S);
    let gap = GapRecord { from_ns: 26 * S, to_ns: 100 * S, reason: "lost".into() };
    let lost = Device { gaps: vec![gap], high_uj: None, coverage: 0.26, ..gpu(uj) };
    let account = Account { devices: vec![lost], start_uj: vec![0], ..account };
    let (_, events) =
        super::episode_records(&spells, &account, &curves(26, 300_000_000, Bounded::hard(uj, uj, None)), false);
    events.into_iter().find(|event| event.device == device).unwrap().text
}

#[test]
fn k13_power_of_an_episode_is_that_of_the_time_in_which_it_was_read() {
    let stall = text_of_a_lost_gpu("", |spells| {
        (0..=10).for_each(|step| spells.step((1_000 + step) * S));
        spells.step(1_050 * S);
    });
    // 15 of 39 s were read: 300 W for these, never 4500 J ÷ 39 s = 115.4 W.
    let what = "no step ended for 39.0 s longer than the usual 1.000 s";
    assert_eq!(stall, format!("{what}; at least 4500.0 J were drawn meanwhile: not every device was read"));
    let hot = text_of_a_lost_gpu("GPU-1", |spells| {
        (11..=50).for_each(|second| spells.gauge((1_000 + second) * S, &gauge("throttle_reasons", 64.0)));
    });
    let what = "at its highest temperature, or slowed down by it, for 39.0 s";
    assert_eq!(hot, format!("{what}; it drew 300.0 W in the 15.0 s in which it was read, at least 4500.0 J"));
}
