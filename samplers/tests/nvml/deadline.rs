//! A driver that hangs or is slow delays no other thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eco2_core::schema::Status;
use eco2_core::{Domain, Fault, Reading};
use eco2_samplers::clock::Clock;
use eco2_samplers::nvml::{Visibility, discover_within};
use eco2_samplers::{Batch, Change, Deadline, Roots, Source, SourceEvent};

use crate::rig::{MS, Rig};

/// Reads until something arrives; the wrapped thread runs in real time, whatever the scripted clock shows.
fn until(
    source: &mut dyn Source,
    clock: &Clock,
    enough: impl Fn(&[(usize, Reading)]) -> bool,
) -> Vec<(usize, Reading)> {
    let began = Instant::now();
    let mut batch = Batch::new(clock.clone());
    while !enough(batch.readings()) {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing came: {:?}", batch.readings());
        source.read(&mut batch);
        std::thread::yield_now();
    }
    batch.readings().to_vec()
}

fn wait(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::yield_now();
    }
}

fn calls(rig: &Rig) -> usize {
    rig.calls("nvmlDeviceGetTotalEnergyConsumption")
}

fn notes(source: &mut dyn Source) -> Vec<&'static str> {
    let mut notes: Vec<SourceEvent> = Vec::new();
    source.notes(&mut notes);
    notes.into_iter().map(|note| note.kind.name()).collect()
}

fn wrapped(rig: &mut Rig) -> Deadline {
    Deadline::spawn(rig.source.take().unwrap(), rig.clock.clone(), Deadline::DEFAULT).unwrap()
}

#[test]
fn f16_a_call_that_never_returns_is_hung_after_its_deadline() {
    let mut rig = Rig::new("hang=nvmlDeviceGetTotalEnergyConsumption@1000..9000\n[gpu 0]\n[gpu 1]");
    let probed = calls(&rig);
    let mut source = wrapped(&mut rig);
    let clock = rig.clock.clone();
    until(&mut source, &clock, |readings| readings.iter().any(|(_, reading)| reading.value.is_ok()));
    // One round was handed over and the next is under way: let it pass both counters, then ask into the hang.
    wait(|| calls(&rig) == probed + 4);
    rig.set_ms(1_000);
    let mut batch = Batch::new(clock.clone());
    wait(|| {
        source.read(&mut batch);
        calls(&rig) == probed + 5
    });
    rig.set_ms(2_900);
    batch.clear();
    source.read(&mut batch);
    assert!(batch.readings().is_empty(), "not late yet");
    rig.set_ms(3_000);
    source.read(&mut batch);
    let values: Vec<_> = batch.readings().iter().map(|(domain, reading)| (*domain, reading.value)).collect();
    assert_eq!(values, [0, 1, 2, 3].map(|domain| (domain, Err(Fault::Hung))));
    assert_eq!(notes(&mut source), ["source-hung"]);
    let mut changes = Vec::new();
    source.changes(&mut changes);
    let [Change::Silent(status)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((status.name.as_str(), status.status), ("nvml", Status::Hung));
    batch.clear();
    source.read(&mut batch);
    assert!(batch.readings().is_empty(), "once");
    // The call returns: what it read is from before, and reading goes on.
    rig.set_ms(9_000);
    let back = until(&mut source, &clock, |readings| readings.iter().any(|(domain, _)| *domain == 0));
    assert!(back.iter().all(|(_, reading)| reading.before_ns == 9_000 * MS), "{back:?}");
    assert!(back.iter().all(|(_, reading)| reading.value.is_ok()), "{back:?}");
    assert_eq!(notes(&mut source), ["source-back"]);
    changes.clear();
    source.changes(&mut changes);
    assert_eq!(changes, [Change::Answers("nvml".into())]);
}

#[test]
fn f16_a_hung_driver_holds_up_neither_search_nor_exit() {
    let folder = tempfile::tempdir().unwrap();
    let library = nvidia_ml_fake::install(folder.path(), "hang=nvmlInit_v2").unwrap();
    let roots = Roots { nvml: Some(library), ..Roots::default() };
    let began = Instant::now();
    let found = discover_within(&roots, &Visibility::default(), Duration::from_millis(20));
    assert!(began.elapsed() < Duration::from_secs(5), "the search gives up at its deadline");
    assert_eq!(found.statuses[0].status, Status::Hung);
    let mut source = found.source.unwrap();
    let mut batch = Batch::default();
    source.read(&mut batch);
    assert!(source.domains().is_empty() && batch.readings().is_empty(), "it waits, and its caller does not");
    let mut rig = Rig::new("hang=nvmlDeviceGetTotalEnergyConsumption@1000\n[gpu 0]");
    let mut source = wrapped(&mut rig);
    rig.set_ms(1_000);
    source.read(&mut Batch::new(rig.clock.clone()));
    let began = Instant::now();
    drop(source);
    assert!(began.elapsed() < Duration::from_secs(1), "dropping does not wait");
}

#[test]
fn f17_a_slow_driver_does_not_slow_the_others() {
    let mut rig = Rig::new("slow=nvmlDeviceGetTotalEnergyConsumption@200\n[gpu 0]");
    let mut source = wrapped(&mut rig);
    let mut batch = Batch::new(rig.clock.clone());
    let began = Instant::now();
    // Fifty ticks of a sampling loop; read in place they would take ten seconds.
    for _ in 0..50 {
        source.read(&mut batch);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let readings = until(&mut source, &rig.clock.clone(), |readings| !readings.is_empty());
    assert!(readings[0].1.value.is_ok());
    assert!(notes(&mut source).is_empty(), "slow is not hung");
}

/// A source that grows, records which thread reads it, and which signals that thread blocks.
struct Growing(Vec<Domain>);

impl Source for Growing {
    fn name(&self) -> &str {
        "growing"
    }

    fn domains(&self) -> &[Domain] {
        &self.0
    }

    fn read(&mut self, batch: &mut Batch) {
        let id = std::thread::current().name().unwrap_or_default().to_owned();
        self.0.push(Domain::counter(&id, eco2_core::Component::Other, "x", "growing"));
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
        batch.one(self.0.len() - 1, || Ok(u64::from_str_radix(blocked, 16).unwrap()));
    }

    fn gauges(&mut self, out: &mut Vec<eco2_core::Gauge>) {
        out.push(eco2_core::Gauge { device: "x".into(), name: "x".into(), unit: "1".into(), value: 1.0 });
    }

    fn may_hang(&self) -> bool {
        true
    }
}

#[test]
fn a_wrapped_source_grows_has_a_name_and_blocks_signals() {
    let mut source = Deadline::spawn(Box::new(Growing(Vec::new())), Clock::Monotonic, Deadline::DEFAULT).unwrap();
    assert!(!source.may_hang());
    let readings = until(&mut source, &Clock::Monotonic, |readings| readings.len() >= 3);
    let most = readings.iter().map(|(domain, _)| *domain).max().unwrap();
    assert!(source.domains().len() > most, "every index is known when it is used");
    assert_eq!(source.domains()[0].id, "eco2-growing");
    let blocked = readings[0].1.value.unwrap();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1] {
        assert_ne!(blocked & (1 << (signal - 1)), 0, "signal {signal}");
    }
    assert_eq!(blocked & (1 << (libc::SIGSEGV - 1)), 0, "a crash is still seen");
    let mut gauges = Vec::new();
    source.gauges(&mut gauges);
    assert_eq!(gauges.len(), 1, "gauges outlive the rounds that bring none");
}

#[test]
fn k20_a_driver_that_takes_its_time_is_read_when_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let clock_file = folder.path().join("clock");
    std::fs::write(&clock_file, "0").unwrap();
    let script = format!("clock_file={}\nhang=nvmlInit_v2@0..1", clock_file.display());
    let library = nvidia_ml_fake::install(folder.path(), &script).unwrap();
    let roots = Roots { nvml: Some(library), ..Roots::default() };
    let found = discover_within(&roots, &Visibility::default(), Duration::from_millis(1));
    let mut source = found.source.unwrap();
    let now = Arc::new(AtomicU64::new(0));
    let clock = Clock::Scripted(Arc::clone(&now));
    let mut batch = Batch::new(clock.clone());
    source.read(&mut batch);
    let described = |source: &mut dyn Source| {
        let mut changes = Vec::new();
        source.changes(&mut changes);
        changes.into_iter().map(|change| match change {
            Change::Described(status) => status.status,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(described(source.as_mut()).count(), 0);
    now.store(2_000 * MS, Ordering::Relaxed);
    source.read(&mut batch);
    assert_eq!(described(source.as_mut()).collect::<Vec<_>>(), [Status::Hung], "lost after two seconds");
    assert_eq!(notes(source.as_mut()), ["source-hung"]);
    std::fs::write(&clock_file, "2000000").unwrap();
    until(source.as_mut(), &clock, |readings| !readings.is_empty());
    assert_eq!(source.domains().len(), 2);
    assert_eq!(described(source.as_mut()).collect::<Vec<_>>(), [Status::Ok]);
    assert!(notes(source.as_mut()).contains(&"source-late"));
}
