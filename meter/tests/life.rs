//! The beginning and the end of a run: quick where nothing is to be waited for, and never a hang.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eco2::monotonic_ns;
use eco2::options::Options;
use eco2::schema::State;
use eco2::source::{Batch, Source};
use eco2::{Meter, Patience, Step};
use eco2_core::{Component, Domain, Quality};
use steady::{Steady, open, options, work};

/// One counter, read by a closure.
struct Read<F>(Vec<Domain>, F);

impl<F: FnMut(&mut Batch) + Send> Read<F> {
    fn boxed(read: F) -> Vec<Box<dyn Source>>
    where
        F: 'static,
    {
        vec![Box::new(Self(vec![Domain::counter("test-0", Component::Cpu, "package", "test")], read))]
    }
}

impl<F: FnMut(&mut Batch) + Send> Source for Read<F> {
    fn name(&self) -> &str {
        "test"
    }
    fn domains(&self) -> &[Domain] {
        &self.0
    }
    fn read(&mut self, batch: &mut Batch) {
        (self.1)(batch);
    }
}

/// The shortest of a few: the machine may be busy with something else now and then.
fn shortest(mut what: impl FnMut() -> Duration) -> Duration {
    (0..5).map(|_| what()).min().unwrap()
}

#[test]
fn a_run_of_a_millisecond_is_estimated_and_final_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { estimate: true, ..options(folder.path()) };
    let took = shortest(|| {
        let meter = Meter::open(options.clone()).unwrap();
        work(1);
        let begun = Instant::now();
        let report = meter.close();
        let took = begun.elapsed();
        let device = report.devices.iter().find(|device| device.quality == Quality::Estimated).unwrap();
        assert!(device.energy_uj.unwrap() > 0, "a CPU that runs draws power: {device:?}");
        assert_eq!(report.run.state, State::Final);
        took
    });
    // The estimate is read ten times a second: waiting for it would take 100 ms more.
    assert!(took < Duration::from_millis(75), "nothing was to be waited for: {took:?}");
}

#[test]
fn closing_waits_for_a_fast_counter_as_long_as_its_period_not_as_the_polling() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { interval: Some(Duration::from_secs(1)), ..options(folder.path()) };
    // RAPL: updated every millisecond.
    let source = || Read::boxed(|batch| batch.one(0, || Ok(monotonic_ns() / 1_000_000 * 10)));
    let took = shortest(|| {
        let meter = Meter::open_with(options.clone(), source()).unwrap();
        work(3);
        let begun = Instant::now();
        assert_eq!(meter.close().run.state, State::Final);
        begun.elapsed()
    });
    // Polled once a second; the longest wait of all is 250 ms.
    assert!(took < Duration::from_millis(125), "{took:?}");
}

#[test]
fn a_counter_whose_zeros_are_held_back_does_not_hold_up_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let took = shortest(|| {
        let begun = Instant::now();
        let meter = Meter::open_with(options(folder.path()), Read::boxed(|_| {})).unwrap();
        let took = begun.elapsed();
        drop(meter);
        took
    });
    assert!(took < Duration::from_millis(150), "{took:?}");
}

#[test]
fn a_run_shorter_than_clock_ticks_has_no_share_and_names_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { estimate: true, ..options(folder.path()) };
    let short = Meter::open(options.clone()).unwrap().close();
    let share = short.attribution.unwrap();
    assert_eq!((share.command_uj, share.low_uj, share.high_uj), (0, 0, short.energy.high_uj), "{share:?}");
    assert!(share.method.contains("not known"), "{}", share.method);
    assert_eq!(share.unattributed_uj, short.energy.total_uj.unwrap(), "unknown use is not idle");
    let meter = Meter::open(options).unwrap();
    work(300);
    let long = meter.close();
    let share = long.attribution.unwrap();
    assert!(share.command_uj > 0 && !share.method.contains("not known"), "{share:?}");
    assert_eq!(share.command_uj + share.idle_uj + share.others_uj, long.energy.total_uj.unwrap());
}

#[test]
fn a_run_is_ended_once_and_its_report_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let step = meter.name("step");
    drop(meter.span(step));
    work(20);
    let end_ns = monotonic_ns();
    let reports: Vec<_> = thread::scope(|scope| {
        let ends = [0, 1].map(|_| scope.spawn(|| meter.finish(end_ns, Some(3), Patience::LastReadings)));
        ends.map(|end| end.join().unwrap()).into()
    });
    drop(meter.span(step));
    assert_eq!(reports[0], reports[1]);
    assert_eq!(meter.snapshot(), reports[0]);
    assert_eq!((reports[0].run.exit_code, reports[0].run.state), (Some(3), State::Final));
    assert_eq!(meter.close(), reports[0]);
}

#[test]
fn f16_a_source_that_hangs_is_an_event_and_holds_up_no_end() {
    static HANGS: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let source = Read::boxed(|batch| {
        while HANGS.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        batch.one(0, || Ok(monotonic_ns() / 1_000));
    });
    let meter = Meter::open_with(options(folder.path()), source).unwrap();
    HANGS.store(true, Ordering::Relaxed);
    work(30);
    let begun = Instant::now();
    let report = meter.close();
    HANGS.store(false, Ordering::Relaxed);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(report.events.iter().any(|event| event.kind == "sampler-hung"), "{:?}", report.events);
}

#[test]
fn d04_a_forked_child_is_held_up_by_no_lock_of_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let name = meter.name("step");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Holds the meter's locks most of the time.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                (0..50).for_each(|_| drop(meter.snapshot()));
                meter.extra("figure", 1.0);
            }
        });
        let statuses: Vec<_> = (0..40).map(|_| forked(|| everything(&meter, name))).collect();
        over.store(true, Ordering::Relaxed);
        assert!(statuses.iter().all(|status| *status == 0), "signal 14 is a child that hung: {statuses:?}");
    });
    assert_eq!(meter.close().run.state, State::Final, "the parent is none the worse");
}

/// Every call that is not for recording.
fn everything(meter: &Meter, name: eco2::NameId) -> bool {
    meter.extra("figure", 2.0);
    meter.declare_sync(meter.name("other"), eco2::schema::DeviceSync::Event);
    meter.follow(1);
    let step = meter.step_work(name, Step { loss: Some(1.0), ..Step::default() });
    let nothing = meter.total(name).is_none() && meter.series("GPU-1").is_empty() && meter.budget().is_empty();
    let report = meter.finish(monotonic_ns(), None, Patience::LastReadings);
    !step && nothing && report.run.id == meter.run_id() && report.devices.is_empty()
}

/// The wait status of a child that does this and returns whether it succeeded.
fn forked(child: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child leaves by `_exit`; what it calls may allocate, which glibc keeps possible after a fork.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: ends a child that hangs.
        unsafe { libc::alarm(5) };
        let well = child();
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(i32::from(!well)) };
    }
    let mut status = -1;
    // SAFETY: waits for the child above; `status` is writable.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    status
}

#[test]
fn f30_a_run_that_is_killed_early_has_left_its_energy_and_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let meter = Meter::open_with(options(folder.path()), vec![Box::new(Steady::new().0)]).unwrap();
    let step = meter.name("step");
    (0..7).for_each(|_| _ = meter.step_work(step, Step { samples: 2, ..Step::default() }));
    let given_up = Instant::now() + Duration::from_secs(12);
    // What the log holds while the run goes on is what a kill would leave.
    let left = loop {
        work(20);
        let contents = eco2_report::read_log(meter.log_path().unwrap()).unwrap();
        // One that was due before the steps were recorded knows nothing of them.
        if let Some(report) = contents.report().filter(|report| report.work.steps > Some(0)) {
            break report.clone();
        }
        assert!(Instant::now() < given_up, "no checkpoint");
    };
    assert_eq!((left.work.steps.unwrap(), left.work.samples.unwrap(), left.run.state), (7, 14, State::Provisional));
    assert!(left.energy.total_uj > Some(0));
}
