//! Defects of earlier trackers that a measured run must not have.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use std::time::{Duration, Instant};

use eco2::options::Options;
use eco2::schema::DeviceSync;
use eco2::source::{Batch, Source};
use eco2::{Meter, Step};
use eco2_core::{Component, Domain};
use steady::{Steady, open, options, work};

#[test]
fn m41_spans_record_whether_gpu_work_was_awaited() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let (plain, synced) = (meter.name("plain"), meter.name("synced"));
    meter.declare_sync(synced, DeviceSync::Synchronize);
    for name in [plain, synced] {
        let _span = meter.span(name);
    }
    let report = meter.close();
    let sync = |name: &str| report.spans.iter().find(|span| span.name == name).unwrap().sync;
    assert_eq!((sync("plain"), sync("synced")), (DeviceSync::None, DeviceSync::Synchronize));
}

#[test]
fn d07_samples_are_counted_as_given_whatever_the_batch_rank_or_resumption() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let step = meter.name("step");
    for samples in [32, 32, 7] {
        meter.step_work(step, Step { samples, tokens: samples * 10, loss: None });
    }
    let work = meter.close().work;
    assert_eq!((work.samples.unwrap(), work.tokens.unwrap()), (71, 710));
}

#[test]
fn d08_steps_are_steps_not_records_or_ticks() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let (step, other) = (meter.name("step"), meter.name("evaluation"));
    for _ in 0..5 {
        let _other = meter.span(other);
        meter.step_work(step, Step::default());
    }
    work(30);
    assert_eq!(meter.close().work.steps, Some(5));
}

#[test]
fn d20_no_figure_depends_on_the_wall_clock() {
    let folder = tempfile::tempdir().unwrap();
    let trace = "# eco2.trace/1\n# domain p component=cpu kind=energy unit=uJ\nbefore_ns,after_ns,domain,value\n\
        0,10,p,0\n1000000,1000010,p,100\n2000000,2000010,p,220\n3000000,3000010,p,300\n";
    let trace = eco2_report::Trace::parse(trace.as_bytes(), folder.path()).unwrap();
    let replay = || eco2::replay(&trace, None, &options(folder.path())).unwrap();
    let first = replay();
    std::thread::sleep(Duration::from_millis(3));
    assert_eq!(replay(), first);
}

#[test]
fn d21_nothing_is_assumed_about_the_work_done() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    work(20);
    let work = meter.close().work;
    assert_eq!((work.steps, work.samples, work.tokens, work.loss), (None, None, None, None));
}

#[test]
fn d23_budget_and_snapshots_are_fresh_at_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(1.0);
    let meter = Meter::open_with(options, vec![Box::new(Steady::new().0)]).unwrap();
    let mut last = -1.0;
    for _ in 0..3 {
        work(30);
        let spent = meter.budget()[0].spent.unwrap();
        assert!(spent > last, "{spent} after {last}");
        last = spent;
    }
}

/// Takes a tenth of a second for every reading.
struct Slow(Vec<Domain>);

impl Source for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn domains(&self) -> &[Domain] {
        &self.0
    }

    fn read(&mut self, batch: &mut Batch) {
        batch.one(0, || {
            work(100);
            Ok(1)
        });
    }
}

#[test]
fn d24_recording_waits_for_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Slow(vec![Domain::counter("slow-0", Component::Other, "board", "slow")]);
    let meter = Meter::open_with(options(folder.path()), vec![Box::new(slow)]).unwrap();
    let step = meter.name("step");
    let longest = (0..1_000).map(|_| {
        let begun = Instant::now();
        meter.step(step);
        let _ = meter.now();
        begun.elapsed()
    });
    // A source holds nothing that recording needs: not one of 1 000 calls comes near the 100 ms of a read, though
    // the machine may switch this thread out now and then.
    let slow_calls = longest.filter(|took| *took > Duration::from_millis(50)).count();
    assert_eq!(slow_calls, 0);
}

#[test]
fn an_option_has_the_effect_its_name_promises() {
    let folder = tempfile::tempdir().unwrap();
    let with = |options: Options| {
        let command = vec!["/usr/bin/python3".to_owned(), "--data=a.csv".to_owned()];
        Meter::builder().options(options).source(Steady::new().0).command(command).open().unwrap().close()
    };
    let plain = with(options(folder.path()));
    assert_eq!((plain.run.name.as_str(), plain.run.command[1].as_str()), ("python3", "--data=a.csv"));
    let redacted = with(Options { redact: true, name: Some("mine".into()), ..options(folder.path()) });
    assert_eq!((redacted.run.name.as_str(), redacted.run.command[1].as_str()), ("mine", "[redacted]"));
    let priced = with(Options { intensity: Some(100.0), pue: 1.5, ..options(folder.path()) });
    let carbon = priced.carbon.unwrap();
    let grams = priced.energy.total_uj.unwrap() as f64 / 3.6e12 * 100.0 * 1.5;
    assert!((carbon.grams.unwrap() - grams).abs() < 1e-9 * grams.max(1.0), "{} {grams}", carbon.grams.unwrap());
    assert_eq!(carbon.zone_source, "constant");
}

/// A source whose first reading takes as long as the test wants.
struct Stuck(Vec<Domain>, std::sync::mpsc::Receiver<()>);

impl Source for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn domains(&self) -> &[Domain] {
        &self.0
    }

    fn read(&mut self, batch: &mut Batch) {
        // Released by its end as well.
        let _ = self.1.recv();
        batch.one(0, || Ok(1));
    }
}

#[test]
fn k20_a_source_that_holds_sampling_up_does_not_hold_the_run_up() {
    let folder = tempfile::tempdir().unwrap();
    let (release, held) = std::sync::mpsc::channel();
    let stuck = Stuck(vec![Domain::counter("stuck-0", Component::Other, "board", "stuck")], held);
    let meter = Meter::open_with(options(folder.path()), vec![Box::new(stuck)]).unwrap();
    let begun = Instant::now();
    work(20);
    let waited = begun.elapsed();
    drop(release);
    let report = meter.close();
    assert!(u128::from(report.run.duration_ns) >= waited.as_nanos(), "the run began when its meter was open");
    assert!(report.energy.missing_ns >= 20_000_000, "{:?}", report.energy);
}
