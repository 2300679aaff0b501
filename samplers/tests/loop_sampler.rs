//! The sampling thread itself: real clock, short waits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod loop_rig;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::schedule::Pace;
use eco2_samplers::{Ending, Options, Sampler, Source};
use loop_rig::{MS, Recorder, S, Scripted};

fn sampler(sources: Vec<Box<dyn Source>>, options: Options) -> (Sampler, Recorder) {
    let recorder = Recorder::settled();
    let sampler = Sampler::start(sources, Box::new(recorder.clone()), options).unwrap();
    (sampler, recorder)
}

fn allowed_cpus() -> Vec<usize> {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect()
}

#[test]
fn m15_reads_happen_on_the_pinned_cpu_and_other_threads_are_left_alone() {
    let before = allowed_cpus();
    let last = *before.last().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let at = Arc::clone(&seen);
    let source = Scripted::boxed("where", move |_| {
        at.lock().unwrap().push(rustix::thread::sched_getcpu());
        Ok(1)
    });
    // The first is a CPU that does not exist: skipped, not an error.
    let options = Options { cpus: vec![1 << 20, last], pace: Pace::Fixed(MS), ..Options::default() };
    let (sampler, _) = sampler(vec![source], options);
    assert!(sampler.flush() && sampler.flush());
    assert_eq!(sampler.pinned_cpu(), Some(last));
    drop(sampler.stop(0));
    let seen = seen.lock().unwrap();
    assert!(seen.len() >= 2 && seen.iter().all(|cpu| *cpu == last), "{seen:?}, not {last}");
    assert_eq!(allowed_cpus(), before);
}

#[test]
fn without_an_allowed_cpu_or_unasked_the_thread_is_not_pinned() {
    for options in [
        Options { cpus: vec![usize::MAX], ..Options::default() },
        Options { cpus: allowed_cpus(), pin: false, ..Options::default() },
    ] {
        let (sampler, _) = sampler(Vec::new(), options);
        assert!(sampler.flush());
        assert_eq!(sampler.pinned_cpu(), None);
    }
}

#[test]
fn m45_the_thread_reports_its_own_cpu_time_and_ticks() {
    let source = Scripted::boxed("busy", |_| {
        let start = eco2_samplers::clock::thread_cpu_ns();
        while eco2_samplers::clock::thread_cpu_ns() - start < 2 * MS {}
        Ok(1)
    });
    let (sampler, _) = sampler(vec![source], Options::default());
    assert!(sampler.flush());
    let cost = sampler.stop(0).cost;
    assert!(cost.ticks >= 2, "{cost:?}");
    assert!(cost.cpu_ns >= 4 * MS && cost.cpu_ns < 2 * S, "at least two reads of 2 ms: {cost:?}");
}

#[test]
fn a_flush_reads_everything_before_it_returns() {
    let reads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reads);
    let source = Scripted::boxed("a", move |_| Ok(count.fetch_add(1, Ordering::Relaxed) as u64));
    let (sampler, recorder) = sampler(vec![source], Options { pace: Pace::Fixed(60 * S), ..Options::default() });
    assert!(sampler.flush());
    let before = monotonic_ns();
    assert!(sampler.flush());
    let last = recorder.recorded().readings.last().unwrap().2;
    assert!(last.before_ns >= before, "the reading is newer than the call");
    assert!(*recorder.recorded().ticks.last().unwrap() >= last.after_ns, "and it was accounted for");
}

#[test]
fn a_source_on_its_own_thread_is_flushed_and_stopped_like_the_others() {
    let mut source = Scripted::boxed("threaded", Ok);
    source.may_hang = true;
    let (sampler, recorder) = sampler(vec![source], Options { pace: Pace::Fixed(60 * S), ..Options::default() });
    let before = monotonic_ns();
    assert!(sampler.flush());
    assert!(recorder.recorded().readings.last().unwrap().2.before_ns >= before);
    let finished = sampler.stop(50 * MS);
    assert_eq!(finished.ended, Ending::Settled);
}

#[test]
fn stop_goes_on_until_settled_and_gives_up_at_the_deadline() {
    let recorder = Recorder::default();
    let settles = recorder.clone();
    let mut left = 5;
    let source = Scripted::boxed("a", move |at_ns| {
        left -= 1;
        settles.recorded().settled = left <= 0;
        Ok(at_ns)
    });
    let options = Options { pace: Pace::Fixed(MS), ..Options::default() };
    let finished = Sampler::start(vec![source], Box::new(recorder.clone()), options.clone()).unwrap().stop(250 * MS);
    assert_eq!((finished.ended, finished.sink.is_some()), (Ending::Settled, true));
    let never = Sampler::start(vec![Scripted::boxed("a", Ok)], Box::new(Recorder::default()), options).unwrap();
    let start = Instant::now();
    assert_eq!(never.stop(20 * MS).ended, Ending::Deadline);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_source_that_hangs_does_not_hold_up_the_end_and_the_sink_comes_back() {
    let (entered, hangs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(true)));
    let (inside, held) = (Arc::clone(&entered), Arc::clone(&hangs));
    let mut first = true;
    let source = Scripted::boxed("hung", move |_| {
        if std::mem::take(&mut first) {
            inside.wait();
        }
        while held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(1)
    });
    let (sampler, _) = sampler(vec![source], Options::default());
    entered.wait();
    let start = Instant::now();
    let finished = sampler.stop(0);
    assert_eq!(finished.ended, Ending::Hung);
    assert!(finished.sink.is_some(), "the sink is held for calls into it only");
    assert!(start.elapsed() < Duration::from_secs(2));
    hangs.store(false, Ordering::Relaxed);
}

#[test]
fn the_thread_has_a_name_and_blocks_signals_but_not_its_own_faults() {
    let status = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&status);
    let source = Scripted::boxed("a", move |_| {
        *own.lock().unwrap() = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        Ok(1)
    });
    let (sampler, _) = sampler(vec![source], Options::default());
    assert!(sampler.flush());
    let status = status.lock().unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(field("Name:"), "eco2-sampler");
    let blocked = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
    let is = |signal: i32| blocked & (1 << (signal - 1)) != 0;
    assert!(
        [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGALRM, libc::SIGPROF, libc::SIGCHLD].into_iter().all(is)
    );
    assert!(!is(libc::SIGSEGV));
}

#[test]
fn a_forked_child_knows_and_is_not_held_up() {
    let (sampler, _) = sampler(vec![Scripted::boxed("a", Ok)], Options::default());
    assert!(!sampler.forked());
    // SAFETY: the child calls only what takes no lock, and leaves without running anything of the parent's.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let fine = sampler.forked() && !sampler.flush() && sampler.stop(S).ended == Ending::Forked;
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if fine { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: `status` is a live integer.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child was recorded, in no time");
    assert!(!sampler.forked(), "the parent is none");
}

#[test]
fn the_end_is_settled_in_milliseconds_however_seldom_a_source_is_polled() {
    let recorder = Recorder::default();
    let settles = recorder.clone();
    let mut left = 5;
    let source = Scripted::boxed("a", move |at_ns| {
        left -= 1;
        settles.recorded().settled = left <= 0;
        Ok(at_ns)
    });
    let options = Options { pace: Pace::Fixed(60 * S), ..Options::default() };
    let sampler = Sampler::start(vec![source], Box::new(recorder.clone()), options).unwrap();
    assert_eq!(sampler.stop(S).ended, Ending::Settled, "polled every minute, it would have taken five");
}

#[test]
fn the_first_tick_waits_a_moment_for_a_source_on_its_own_thread() {
    let mut source = Scripted::boxed("threaded", Ok);
    source.may_hang = true;
    let (sampler, recorder) = sampler(vec![source], Options { pace: Pace::Fixed(60 * S), ..Options::default() });
    let given_up = Instant::now() + Duration::from_secs(5);
    while recorder.recorded().readings.is_empty() {
        assert!(Instant::now() < given_up, "polled every minute, its first answer was not fetched");
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(sampler);
}

/// A driver's library without a driver: it may come, and until then reads nothing.
struct Driverless;

impl Source for Driverless {
    fn name(&self) -> &str {
        "driverless"
    }
    fn domains(&self) -> &[eco2_core::Domain] {
        &[]
    }
    fn read(&mut self, _: &mut eco2_samplers::Batch) {}
    fn may_hang(&self) -> bool {
        true
    }
}

#[test]
fn an_end_waits_for_no_source_without_readings() {
    let end = || {
        let (sampler, _) =
            sampler(vec![Box::new(Driverless)], Options { pace: Pace::Fixed(60 * S), ..Options::default() });
        assert!(sampler.flush());
        let begun = Instant::now();
        drop(sampler.stop(0));
        begun.elapsed()
    };
    let shortest = (0..5).map(|_| end()).min().unwrap();
    // Forty looks, at least half a millisecond each, had it been waited for.
    assert!(shortest < Duration::from_millis(18), "{shortest:?}");
}
