//! Ticks by a scripted clock: what is read when, what is missed, what is reported.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a source that panics is what one test is about")]

mod loop_rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eco2_core::{Fault, UpdatePeriod};
use eco2_samplers::clock::Epoch;
use eco2_samplers::schedule::Pace;
use eco2_samplers::tsc::HotClock;
use eco2_samplers::{Options, ReadMode, Roots, Source, Stepped};
use loop_rig::{MS, Recorder, S, Scripted, counter, script, set};

fn stepped(sources: Vec<Box<dyn Source>>, now: &Arc<AtomicU64>) -> (Stepped, Recorder) {
    let recorder = Recorder::default();
    let clock = eco2_samplers::clock::Clock::Scripted(Arc::clone(now));
    let options = Options { clock, pace: Pace::Fixed(10 * MS), ..Options::default() };
    (Stepped::new(sources, Box::new(recorder.clone()), &options), recorder)
}

fn steps(sampling: &mut Stepped, now: &AtomicU64, until_ns: u64) {
    while sampling.next_ns() <= until_ns {
        set(now, sampling.next_ns());
        sampling.step(sampling.next_ns(), 0);
    }
}

#[test]
fn m32_each_reading_lies_between_two_looks_at_the_clock() {
    let (now, _) = script(S);
    let inside = Arc::clone(&now);
    let slow = Scripted::boxed("slow", move |_| {
        inside.fetch_add(3 * MS, Ordering::Relaxed);
        Ok(1)
    });
    let (mut sampling, recorder) = stepped(vec![slow], &now);
    sampling.step(S, 0);
    let recorded = recorder.recorded();
    let reading = recorded.readings[0].2;
    assert_eq!((reading.before_ns, reading.after_ns, reading.value), (S, S + 3 * MS, Ok(1)));
    assert_eq!(recorded.domains, [(0, 1)], "the sink learns of domains before their readings");
}

#[test]
fn m33_missed_ticks_are_counted_and_not_caught_up() {
    let (now, _) = script(0);
    let (mut sampling, recorder) = stepped(vec![Scripted::boxed("a", Ok)], &now);
    steps(&mut sampling, &now, 100 * MS);
    assert_eq!((sampling.counted(), recorder.recorded().readings.len()), ((11, 0), 11));
    // 234 ms late: the ticks of 120 … 340 ms are gone, one reading is taken, and the grid is kept.
    set(&now, 344 * MS);
    sampling.step(344 * MS, 0);
    assert_eq!((sampling.counted(), recorder.recorded().readings.len()), ((12, 23), 12));
    assert_eq!(sampling.next_ns(), 350 * MS);
}

#[test]
fn f02_a_stall_longer_than_the_wrap_leaves_one_long_gap_between_readings() {
    let (now, _) = script(0);
    // 10 mJ before the wrap, at 1 W at most: it wraps in 10 ms, so it is read every 2.5 ms.
    let mut domain = counter("wraps");
    (domain.range, domain.max_uw) = (Some(10_000), Some(1_000_000));
    let mut source = Scripted::boxed("wraps", |at_ns| Ok(at_ns / 1_000 % 10_000));
    source.domains = vec![domain];
    let (mut sampling, recorder) = stepped(vec![source], &now);
    steps(&mut sampling, &now, 10 * MS);
    let at: Vec<u64> = recorder.recorded().readings.iter().map(|r| r.2.before_ns).collect();
    assert_eq!(at, [0, 2_500_000, 5_000_000, 7_500_000, 10_000_000]);
    set(&now, 31 * MS);
    sampling.step(31 * MS, 0);
    let recorded = recorder.recorded();
    let [.., before, after] = recorded.readings.as_slice() else { panic!() };
    assert_eq!(after.2.before_ns - before.2.after_ns, 21 * MS, "the account sees that two wraps fit in between");
    drop(recorded);
    assert_eq!(sampling.counted().1, 7, "and the ticks of 15 … 30 ms are counted as missed");
}

#[test]
fn m17_sleep_is_reported_and_a_late_tick_is_not_taken_for_sleep() {
    let (now, _) = script(0);
    let (mut sampling, recorder) = stepped(vec![Scripted::boxed("a", Ok)], &now);
    sampling.step(0, 0);
    set(&now, 10 * MS);
    sampling.step(10 * MS, 90 * MS);
    assert_eq!(recorder.recorded().suspended, [], "90 ms is within the jitter of two clocks");
    set(&now, 5 * S);
    sampling.step(5 * S, 90 * MS);
    assert_eq!(recorder.recorded().suspended, [], "late, but awake");
}

#[test]
fn f26_suspend_is_reported_once_with_the_ticks_around_it() {
    let (now, _) = script(0);
    let (mut sampling, recorder) = stepped(vec![Scripted::boxed("a", Ok)], &now);
    sampling.step(0, 0);
    for at in [20 * MS, 30 * MS] {
        set(&now, at);
        sampling.step(at, 3_600 * S);
    }
    assert_eq!(recorder.recorded().suspended, [(0, 20 * MS)]);
}

#[test]
fn f17_a_slow_source_leaves_the_readings_of_others_bracketed_and_is_counted() {
    let (now, _) = script(0);
    let inside = Arc::clone(&now);
    let slow = Scripted::boxed("slow", move |_| {
        inside.fetch_add(200 * MS, Ordering::Relaxed);
        Ok(1)
    });
    let (mut sampling, recorder) = stepped(vec![Scripted::boxed("quick", Ok), slow], &now);
    sampling.step(0, 0);
    let at = now.load(Ordering::Relaxed);
    assert_eq!(at, 200 * MS);
    sampling.step(at, 0);
    let recorded = recorder.recorded();
    let quick: Vec<_> = recorded.readings.iter().filter(|r| r.0 == 0).map(|r| (r.2.before_ns, r.2.after_ns)).collect();
    assert_eq!(quick, [(0, 0), (200 * MS, 200 * MS)]);
    assert_eq!(sampling.counted().1, 19, "10 … 190 ms were missed");
}

#[test]
fn m31_a_step_of_the_wall_clock_changes_no_duration_and_no_order() {
    let start = Epoch { mono_ns: 5 * S, wall_ns: 1_800_000_000 * S as i64 };
    let hour = 3_600 * S as i64;
    // Ten seconds later the wall clock shows an hour less.
    let later = Epoch { mono_ns: 15 * S, wall_ns: start.wall_ns + 10 * S as i64 - hour };
    assert_eq!(start.wall_at(15 * S) - start.wall_at(5 * S), 10 * S as i64);
    assert_eq!(start.step_ns(later), -hour);
    assert_eq!(start.wall_at(4 * S), start.wall_ns - S as i64, "instants before the run have labels, too");
}

#[test]
fn f24_labels_stay_in_order_across_a_step_and_the_step_is_known() {
    let start = Epoch { mono_ns: 0, wall_ns: 1_800_000_000 * S as i64 };
    let labels: Vec<i64> = (0..100).map(|i| start.wall_at(i * S)).collect();
    assert!(labels.windows(2).all(|w| w[1] - w[0] == S as i64));
    let ahead = Epoch { mono_ns: 50 * S, wall_ns: start.wall_ns + 3_650 * S as i64 };
    assert_eq!(start.step_ns(ahead), 3_600 * S as i64);
}

#[test]
fn f25_a_clock_that_is_far_off_is_flagged_and_nothing_else() {
    let at = |wall_s: i64| Epoch { mono_ns: 0, wall_ns: wall_s * S as i64 };
    assert!(at(0).far_off(), "1970");
    assert!(at(2_147_483_647).far_off(), "2038");
    assert!(at(-1).far_off(), "1969");
    assert!(!at(1_800_000_000).far_off(), "2027");
    assert_eq!(at(0).wall_at(7 * S), 7 * S as i64);
    assert_eq!(Epoch { mono_ns: 0, wall_ns: i64::MAX }.wall_at(1), i64::MAX);
}

#[test]
fn a_source_that_panics_is_dropped_and_noted_and_the_others_go_on() {
    let (now, _) = script(0);
    let bad = Scripted::boxed("bad", |at_ns| if at_ns < 10 * MS { Ok(1) } else { panic!("a bug in a source") });
    let (mut sampling, recorder) = stepped(vec![bad, Scripted::boxed("good", Ok)], &now);
    steps(&mut sampling, &now, 50 * MS);
    let recorded = recorder.recorded();
    assert_eq!(recorded.notes.len(), 1);
    assert_eq!((recorded.notes[0].kind.name(), recorded.notes[0].device.as_str()), ("source-panicked", "bad"));
    let bad: Vec<_> = recorded.readings.iter().filter(|r| r.0 == 0).map(|r| r.2.value).collect();
    assert_eq!(bad, [Ok(1), Err(Fault::Gone)]);
    assert_eq!(recorded.readings.iter().filter(|r| r.0 == 1).count(), 6);
}

/// Reads well, and panics when asked what happened.
struct Grumbler(Vec<eco2_core::Domain>);

impl eco2_samplers::Source for Grumbler {
    fn name(&self) -> &str {
        "grumbler"
    }
    fn domains(&self) -> &[eco2_core::Domain] {
        &self.0
    }
    fn read(&mut self, batch: &mut eco2_samplers::Batch) {
        batch.one(0, || Ok(1));
    }
    fn notes(&mut self, _: &mut Vec<eco2_samplers::SourceEvent>) {
        assert!(self.0.is_empty(), "a bug in notes");
    }
}

#[test]
fn a_source_that_panics_when_asked_for_notes_ends_no_sampling() {
    let (now, clock) = script(0);
    let recorder = Recorder::default();
    let sources: Vec<Box<dyn eco2_samplers::Source>> =
        vec![Box::new(Grumbler(vec![loop_rig::counter("grumbler")])), Scripted::boxed("good", Ok)];
    let options = Options { clock, pace: Pace::Fixed(10 * MS), ..Options::default() };
    let mut sampling = Stepped::new(sources, Box::new(recorder.clone()), &options);
    steps(&mut sampling, &now, 50 * MS);
    let recorded = recorder.recorded();
    assert_eq!(recorded.notes.iter().map(|note| note.kind.name()).collect::<Vec<_>>(), ["source-panicked"]);
    assert_eq!(recorded.readings.iter().filter(|r| r.0 == 1).count(), 6);
}

#[test]
fn gauges_come_once_a_second_and_on_demand_every_tenth_of_the_run_so_far() {
    let (now, _) = script(0);
    let (mut sampling, recorder) = stepped(vec![Scripted::boxed("a", Ok)], &now);
    steps(&mut sampling, &now, 3 * S);
    assert_eq!(recorder.recorded().gauges, [(0, 1), (S, 1), (2 * S, 1), (3 * S, 1)]);
    let (now, clock) = script(0);
    let recorder = Recorder::default();
    let options = Options { clock, ..Options::default() };
    let mut sampling = Stepped::new(vec![Scripted::boxed("a", Ok)], Box::new(recorder.clone()), &options);
    steps(&mut sampling, &now, 300 * S);
    let at: Vec<u64> = recorder.recorded().gauges.iter().map(|(at_ns, _)| at_ns / S).collect();
    assert_eq!(at[..6], [0, 1, 2, 3, 4, 5]);
    assert!(at.windows(2).rev().take(15).all(|pair| (9..=11).contains(&(pair[1] - pair[0]))), "{at:?}");
}

#[test]
fn a_scripted_clock_is_never_replaced_by_the_counter() {
    let (now, clock) = script(42);
    let hot = HotClock::new(clock, &Roots::default());
    hot.anchor();
    assert_eq!((hot.ticks().value, hot.ticks().tsc, hot.now_ns()), (42, false, 42));
    set(&now, 43);
    assert_eq!(hot.convert(hot.ticks()), (43, 0));
}

#[test]
fn k06_reading_resumes_after_a_call_that_hung_past_its_deadline() {
    let (now, _) = script(0);
    let (entered, inside) = std::sync::mpsc::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let mut hung = false;
    // A counter that changes every 100 ms, whose first read after 3 s does not return.
    let mut source = Scripted::boxed("driver", move |at_ns| {
        if at_ns >= 3 * S && !std::mem::replace(&mut hung, true) {
            entered.send(()).unwrap();
            held.recv().unwrap();
        }
        Ok(at_ns / (100 * MS))
    });
    source.may_hang = true;
    let (mut sampling, recorder) = stepped(vec![source], &now);
    recorder.recorded().period = Some(UpdatePeriod { mean_ns: 100 * MS, updates: 8 });
    let step = |sampling: &mut Stepped| {
        set(&now, sampling.next_ns());
        sampling.step(sampling.next_ns(), 0);
    };
    while sampling.next_ns() < 3 * S {
        step(&mut sampling);
        sampling.settle();
    }
    while inside.recv_timeout(Duration::from_millis(20)).is_err() {
        step(&mut sampling);
        assert!(sampling.next_ns() < 4 * S, "it is asked again within a period");
    }
    while sampling.next_ns() < 7 * S {
        step(&mut sampling);
    }
    assert!(recorder.recorded().notes.iter().any(|note| note.kind.name() == "source-hung"));
    // What the late call read is out of order and left out: an answer without readings.
    release.send(()).unwrap();
    while sampling.next_ns() < 25 * S {
        sampling.settle();
        step(&mut sampling);
    }
    let last = recorder.recorded().readings.last().unwrap().2;
    assert!(last.before_ns > 24 * S, "{last:?}");
}

#[test]
fn decisions_of_the_schedule_are_reported_only_when_they_change() {
    let (now, _) = script(0);
    // 100 ms an update, known to a fiftieth after five; it is frozen after ten seconds.
    let steady = Scripted::boxed("steady", |at_ns| Ok(at_ns.min(10 * S) / (100 * MS)));
    let mut board = Scripted::boxed("board", |_| Ok(5_000));
    board.domains = vec![eco2_core::Domain::power("board", eco2_core::Component::Gpu, "board", "test")];
    let recorder = Recorder::default();
    let clock = eco2_samplers::clock::Clock::Scripted(Arc::clone(&now));
    let options = Options { clock, ..Options::default() };
    let mut sampling = Stepped::new(vec![steady, board], Box::new(recorder.clone()), &options);
    recorder.recorded().period = Some(UpdatePeriod { mean_ns: 100 * MS, updates: 8 });
    steps(&mut sampling, &now, 9 * S);
    let ms = |ns: Option<u64>| ns.map(|ns| (ns + MS / 2) / MS);
    let recorded =
        |d: &eco2_samplers::ReadDecision| (d.source, d.domain, d.way, ms(d.every_ns), ms(d.period_ns), d.reason);
    let decisions: Vec<_> = recorder.recorded().decisions.iter().map(recorded).collect();
    assert_eq!(
        decisions,
        [
            (0, None, ReadMode::OnDemand, Some(1_000), None, "start"),
            (1, None, ReadMode::Random, Some(100), None, "start"),
            (0, Some(0), ReadMode::OnDemand, None, Some(100), "period-learned"),
        ]
    );
    steps(&mut sampling, &now, 20 * S);
    let recorded = recorder.recorded();
    let [_, _, learned, lost] = recorded.decisions.as_slice() else { panic!("{:?}", recorded.decisions) };
    assert_eq!((lost.way, lost.period_ns, lost.reason), (ReadMode::OnDemand, None, "period-lost"));
    assert!(learned.at_ns < S && lost.at_ns > 10 * S, "{learned:?} {lost:?}");
}
