//! A measured run from open to report, on a source whose truth is known: 100 W by the monotonic clock.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod steady;

use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eco2::options::{Layer, Options, Origin, opt};
use eco2::schema::{Report, State};
use eco2::source::{Batch, Source};
use eco2::{Meter, Step};
use eco2_core::{Component, Domain};
use steady::{Steady, open, options, work};

#[test]
fn steps_add_up_to_the_loop_and_lie_within_their_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let (step, training) = (meter.name("step"), meter.name("training"));
    {
        let _training = meter.span(training);
        for _ in 0..20 {
            let _step = meter.span(step);
            work(5);
        }
    }
    meter.step_work(meter.name("batch"), Step { samples: 32, tokens: 640, loss: Some(0.5) });
    meter.extra("accuracy", 0.9);
    meter.extra("nonsense", f64::NAN);
    let report = meter.close();
    let of = |name: &str| report.spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!((of("step").count, of("training").count), (20, 1));
    for name in ["step", "training"] {
        let span = of(name);
        let truth = span.duration_ns / 10_000;
        assert_eq!(span.state, State::Final, "{span:?}");
        assert!(span.low_uj <= truth && truth <= span.high_uj.unwrap(), "{span:?}: {truth}");
    }
    assert!(of("step").energy_uj <= of("training").energy_uj);
    assert_eq!((report.work.steps, report.work.samples, report.work.tokens), (Some(20), Some(32), Some(640)));
    assert_eq!((report.work.loss, report.work.extra.len()), (Some(0.5), 1));
    let energy = &report.energy;
    assert!(energy.low_uj <= energy.total_uj.unwrap() && energy.total_uj <= Some(energy.high_uj.unwrap()));
    assert_eq!(report.run.state, State::Final);
    let carbon = report.carbon.unwrap();
    assert_eq!((carbon.zone.as_str(), carbon.zone_source.as_str()), ("DE", "given"));
}

#[test]
fn m45_the_cost_of_measuring_is_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    work(50);
    let report = meter.close();
    assert!(report.own.samples >= 3 && report.own.cpu_ns > 0 && report.own.max_rss_bytes > 0, "{:?}", report.own);
}

#[test]
fn devices_move_on_without_a_reader_of_the_total() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let first_uj = || {
        let mut uj = None;
        meter.now_of_devices(1, |_, value| uj = value);
        uj.unwrap()
    };
    work(100);
    let before = first_uj();
    work(100);
    assert!(first_uj() > before, "{before}");
}

#[test]
fn now_moves_on_and_a_budget_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.budget.max_energy_kwh = Some(1e-9);
    let meter = Meter::open_with(options, vec![Box::new(Steady::new().0)]).unwrap();
    work(40);
    let first = meter.now().unwrap();
    work(40);
    let second = meter.now().unwrap();
    assert!(first.complete && second.total_uj > first.total_uj, "{first:?} {second:?}");
    let [spent] = &meter.budget()[..] else { panic!("one limit") };
    assert_eq!(spent.decision, eco2_core::Decision::Stop);
    assert!(!meter.series("GPU-1").is_empty());
    assert!(meter.series("GPU-2").is_empty());
}

/// 100 mW and nothing in turn, 40 ms each: what is extrapolated from the one is too much for the other.
struct Pulsed(Vec<Domain>);

impl Source for Pulsed {
    fn name(&self) -> &str {
        "pulsed"
    }

    fn domains(&self) -> &[Domain] {
        &self.0
    }

    fn read(&mut self, batch: &mut Batch) {
        let updates_ns = batch.now_ns() / 5_000_000 * 5_000_000;
        let drawn_ns = updates_ns / 80_000_000 * 40_000_000 + (updates_ns % 80_000_000).min(40_000_000);
        batch.one(0, || Ok(drawn_ns / 10_000));
    }
}

#[test]
fn k03_energy_now_never_falls() {
    let folder = tempfile::tempdir().unwrap();
    let source = Pulsed(vec![Domain::counter("GPU-1", Component::Gpu, "board", "pulsed")]);
    let meter = Meter::open_with(options(folder.path()), vec![Box::new(source)]).unwrap();
    let (mut last, mut rises, until) = (0, 0, Instant::now() + Duration::from_millis(500));
    while Instant::now() < until {
        let Some(now) = meter.now() else { continue };
        assert!(now.total_uj >= last, "fell from {last} to {}", now.total_uj);
        rises += u32::from(now.total_uj > last);
        last = now.total_uj;
    }
    assert!(rises > 20, "{rises}");
}

#[test]
fn a_live_run_and_the_replay_of_its_trace_agree_to_the_microjoule() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("run.csv");
    let options = Options { trace: Some(trace.clone()), ..options(folder.path()) };
    let meter = Meter::open_with(options.clone(), vec![Box::new(Steady::new().0)]).unwrap();
    let (outer, step) = (meter.name("outer span"), meter.name("step"));
    {
        let _outer = meter.span(outer);
        for _ in 0..10 {
            meter.step(step);
            work(7);
        }
    }
    let live = meter.close();
    let replayed = eco2::replay(&eco2_report::Trace::read(&trace).unwrap(), None, &options).unwrap();
    assert_eq!(replayed.energy.total_uj, live.energy.total_uj);
    assert_eq!(replayed.run.duration_ns, live.run.duration_ns);
    let figures = |report: &Report| -> Vec<(String, u64, u64, Option<u64>)> {
        let mut all: Vec<_> =
            report.spans.iter().map(|s| (s.name.clone(), s.count, s.duration_ns, s.energy_uj)).collect();
        all.sort();
        all
    };
    assert_eq!(figures(&replayed), figures(&live));
    let device = |report: &Report| (report.devices[0].energy_uj, report.devices[0].readings);
    assert_eq!(device(&replayed), device(&live));
}

#[test]
fn f28_a_log_that_cannot_be_written_costs_the_log_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (meter, _) = open(&file.join("below a file"));
    work(20);
    assert_eq!(meter.log_path(), None);
    let page = eco2_report::openmetrics(&meter.snapshot(), eco2_report::MetricNames::Eco2);
    assert!(page.lines().any(|line| line.contains(r#"kind="log-failed"} 1"#)), "{page}");
    let report = meter.close();
    let event = report.events.iter().find(|event| event.kind == "log-failed").unwrap();
    assert!(event.text.contains("below a file") && event.text.contains("ECO2_STATE_DIR=FOLDER"), "{}", event.text);
    assert!(report.energy.total_uj > Some(0));
}

#[test]
fn the_log_ends_with_the_final_report() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let path = meter.log_path().unwrap().to_owned();
    work(30);
    let report = meter.close();
    let contents = eco2_report::read_log(&path).unwrap();
    assert_eq!(contents.report().unwrap().energy, report.energy);
    assert_eq!(eco2::runs::find_run("last", &options(folder.path())).unwrap(), path);
}

/// A counter of 50 ms an update.
struct Paced(Vec<Domain>);

impl Source for Paced {
    fn name(&self) -> &str {
        "paced"
    }

    fn domains(&self) -> &[Domain] {
        &self.0
    }

    fn read(&mut self, batch: &mut Batch) {
        let updates = batch.now_ns() / 50_000_000;
        batch.one(0, || Ok(updates * 5_000));
    }
}

#[test]
fn decisions_of_the_schedule_are_in_the_log_of_a_live_run() {
    let folder = tempfile::tempdir().unwrap();
    let paced = Paced(vec![Domain::counter("GPU-2", Component::Gpu, "board", "paced")]);
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Steady::new().0), Box::new(paced)];
    let meter = Meter::open_with(options(folder.path()), sources).unwrap();
    let path = meter.log_path().unwrap().to_owned();
    // A name of a span may be followed by spans: the counters' periods are learned.
    meter.name("step");
    std::thread::sleep(Duration::from_millis(1_500));
    let report = meter.close();
    let policies = eco2_report::read_log(&path).unwrap().policies;
    let of = |name: &str| policies.iter().filter(|policy| policy.name == name).collect::<Vec<_>>();
    let [polled] = of("steady")[..] else { panic!("{policies:?}") };
    let expected = (0, None, "on-demand", Some(1_000_000_000), "start");
    assert_eq!(
        (polled.source, polled.domain, polled.policy.as_str(), polled.every_ns, polled.reason.as_str()),
        expected
    );
    let [start, learned, ..] = of("paced")[..] else { panic!("{policies:?}") };
    assert_eq!((start.source, start.policy.as_str(), start.reason.as_str()), (1, "on-demand", "start"));
    assert_eq!(
        (learned.domain, learned.policy.as_str(), learned.reason.as_str()),
        (Some(1), "on-demand", "period-learned")
    );
    assert!(learned.period_ns.unwrap().abs_diff(50_000_000) < 2_000_000, "{learned:?}");
    assert_eq!(learned.every_ns, None);
    assert!(learned.at_ns - start.at_ns < report.run.duration_ns, "{learned:?}");
    assert!(policies.len() <= 20, "only what changes: {policies:?}");
}

#[test]
fn the_log_names_the_table_that_the_intensity_is_from_by_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let path = meter.log_path().unwrap().to_owned();
    work(30);
    let report = meter.close();
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../grid/data/yearly.csv");
    let ran = std::process::Command::new("sha256sum").arg(table).output().unwrap();
    let hash = String::from_utf8(ran.stdout).unwrap().split(' ').next().unwrap().to_owned();
    let pricing = eco2_report::read_log(&path).unwrap().pricing;
    let record = &pricing[0];
    assert_eq!((record.quantity.as_str(), record.zone.as_str()), ("carbon-intensity", "DE"));
    assert_eq!((record.table_sha256.as_ref(), record.answer_sha256.as_ref()), (Some(&hash), None));
    assert_eq!(report.carbon.unwrap().segments[0].table_sha256, Some(hash));
}

#[test]
fn m29_f33_a_forked_child_records_nothing_and_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let name = meter.name("step");
    // SAFETY: the child makes only calls that neither lock nor allocate, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let quiet = !meter.begin(name) && !meter.end(name) && !meter.step(name) && meter.now().is_none();
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(i32::from(!quiet)) };
    }
    let mut status = -1;
    // SAFETY: waits for the child above; `status` is writable.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "the child recorded something");
    assert!(meter.begin(name) && meter.end(name));
    assert_eq!(meter.close().spans[0].count, 1);
}

#[test]
fn a_dying_source_is_a_gap_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // Read every 10 ms: on demand, a source is not missed before the end.
    let options = Options { sampling: Some("fixed".to_owned()), ..options(folder.path()) };
    let (source, dead) = Steady::new();
    let meter = Meter::open_with(options, vec![Box::new(source)]).unwrap();
    work(60);
    dead.store(true, Ordering::Relaxed);
    work(60);
    let report = meter.close();
    let device = &report.devices[0];
    assert!(device.coverage < 0.9 && device.coverage > 0.1, "{}", device.coverage);
    assert_eq!(device.gaps.last().unwrap().reason, "failed");
    assert!(report.energy.missing_ns > 0);
}

#[test]
fn spans_of_many_threads_meet_in_one_account() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, _) = open(folder.path());
    let name = meter.name("load");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    let _span = meter.span(name);
                }
            });
        }
    });
    let report = meter.close();
    assert_eq!(report.spans[0].count, 1_000);
    assert_eq!(report.own.dropped, 0);
}

#[test]
fn wrong_options_are_reported_before_anything_runs() {
    let mut layer = Layer::default();
    layer.set(&opt::ZONE, "Atlantis", Origin::code("--option")).unwrap();
    let error = Meter::open(Options::resolve([layer]).unwrap()).map(drop).unwrap_err();
    assert!(error.to_string().contains("Atlantis"));
}
