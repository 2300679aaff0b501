//! A board whose counter dies while its power can still be read: live, and in the replay of its trace.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod steady;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eco2::Meter;
use eco2::options::Options;
use eco2::schema::Report;
use eco2::source::{Batch, Source};
use eco2_core::{Component, Domain, Quality};
use steady::{options, work};

/// 100 W, by a counter that moves every 5 ms until it is stopped, or counts only a part, and by its power.
struct Board {
    domains: Vec<Domain>,
    percent: u64,
    stops: Arc<AtomicBool>,
    stopped_at: Option<u64>,
}

impl Board {
    fn boxed(percent: u64) -> (Box<dyn Source>, Arc<AtomicBool>) {
        let board = Domain { max_uw: Some(150_000_000), ..Domain::counter("GPU-1", Component::Gpu, "board", "nvml") };
        let parent = Some("GPU-1".to_owned());
        let power = Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
        let stops = Arc::new(AtomicBool::new(false));
        let domains = vec![board, power];
        (Box::new(Self { domains, percent, stops: Arc::clone(&stops), stopped_at: None }), stops)
    }
}

impl Source for Board {
    fn name(&self) -> &str {
        "board"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        if self.stops.load(Ordering::Relaxed) {
            self.stopped_at.get_or_insert(now_ns);
        }
        let (at_ns, percent) = (self.stopped_at.unwrap_or(now_ns), self.percent);
        batch.one(0, || Ok(at_ns / 5_000_000 * 5_000 * percent));
        batch.one(1, || Ok(100_000_000));
    }
}

fn near(uj: Option<u64>, right: u64) -> bool {
    uj.is_some_and(|uj| uj.abs_diff(right) < right / 20)
}

/// 100 W times the run's length, microjoules.
fn drawn(report: &Report) -> u64 {
    report.run.duration_ns / 10
}

#[test]
fn k05_a_counter_that_dies_in_a_live_run_is_followed_by_its_power_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.csv");
    let options = Options { trace: Some(trace.clone()), ..options(folder.path()) };
    let (board, stops) = Board::boxed(100);
    let meter = Meter::open_with(options, vec![board]).unwrap();
    let opened = std::time::Instant::now();
    work(300);
    stops.store(true, Ordering::Relaxed);
    let counted_uj = opened.elapsed().as_nanos() as u64 / 10;
    work(1_500);
    let (before, asked) = (meter.now().unwrap().total_uj, std::time::Instant::now());
    work(500);
    let gone = meter.now().unwrap().total_uj - before;
    assert!(near(Some(gone), asked.elapsed().as_nanos() as u64 / 10), "{gone} uJ in {:?}", asked.elapsed());
    let report = meter.close();
    let device = &report.devices[0];
    assert!(near(device.energy_uj, drawn(&report)), "{device:?} of {}", drawn(&report));
    assert_eq!((device.quality, report.energy.total_uj), (Quality::Derived, device.energy_uj));
    assert!(report.events.iter().any(|event| event.kind == "sensor-replaced"), "{:?}", report.events);
    // The board counts until it is read again, within a fifth of a second.
    let counted = counted_uj - counted_uj / 20..counted_uj + 20_000_000;
    assert!(counted.contains(&report.energy.measured_uj), "{counted:?}: {:?}", report.energy);

    let trace = eco2_report::Trace::parse(&std::fs::read(&trace).unwrap()[..], &trace).unwrap();
    let again = eco2::replay(&trace, None, &Options::default()).unwrap();
    assert_eq!(again.energy.total_uj, report.energy.total_uj);
    assert_eq!(again.devices[0].replaced, device.replaced);
    assert!(again.events.iter().any(|event| event.kind == "sensor-replaced"), "{:?}", again.events);
}

#[test]
fn k05_a_counter_that_counts_too_little_is_replaced_in_energy_now_and_in_records() {
    let folder = tempfile::tempdir().unwrap();
    let (board, _) = Board::boxed(57);
    let meter = Meter::open_with(options(folder.path()), vec![board]).unwrap();
    // Its power is read about once a second: the difference is more than sampling explains after some readings.
    work(10_000);
    let now = meter.now().unwrap().total_uj;
    let report = meter.close();
    assert!(near(Some(now), drawn(&report)), "{now} of {}", drawn(&report));
    assert!(near(report.energy.total_uj, drawn(&report)), "{:?}", report.energy);
    let kinds: Vec<_> = report.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["counter-disagrees"]);
    assert!(report.events[0].text.ends_with("reported instead, with bounds around both"));
    // What merging has of it is the power's profile: half of the energy by half of the time.
    let stretch = &report.counters.iter().find(|record| record.device == "GPU-1").unwrap().stretches[0];
    assert_eq!(stretch.uj.last(), Some(&report.energy.total_uj.unwrap()));
    let (begin, end) = (stretch.at_ns[0], *stretch.at_ns.last().unwrap());
    let middle = stretch.at_ns.iter().position(|at_ns| *at_ns >= begin.midpoint(end)).unwrap();
    let (part, whole) = (stretch.at_ns[middle] - begin, end - begin);
    let right = report.energy.total_uj.unwrap() as f64 * part as f64 / whole as f64;
    assert!((stretch.uj[middle] as f64 - right).abs() < right / 50.0, "{stretch:?}");
    assert_eq!(stretch.quality, Quality::Derived);
}
