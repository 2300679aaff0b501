//! A sink that records its calls, and scripted sources.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test rig fails by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use eco2_core::{Component, Domain, Fault, Gauge, Reading, UpdatePeriod};
use eco2_samplers::clock::Clock;
use eco2_samplers::{Batch, Learned, ReadDecision, Sink, Source, SourceEvent};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000 * MS;

pub(crate) fn counter(id: &str) -> Domain {
    Domain::counter(id, Component::Cpu, "package", "test")
}

/// The calls that the sink got.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) domains: Vec<(usize, usize)>,
    pub(crate) readings: Vec<(usize, usize, Reading)>,
    pub(crate) suspended: Vec<(u64, u64)>,
    pub(crate) gauges: Vec<(u64, usize)>,
    pub(crate) notes: Vec<SourceEvent>,
    pub(crate) ticks: Vec<u64>,
    pub(crate) settled: bool,
    pub(crate) period: Option<UpdatePeriod>,
    pub(crate) decisions: Vec<ReadDecision>,
}

#[derive(Clone, Default)]
pub(crate) struct Recorder(pub(crate) Arc<Mutex<Recorded>>);

impl Recorder {
    pub(crate) fn recorded(&self) -> std::sync::MutexGuard<'_, Recorded> {
        self.0.lock().unwrap()
    }

    /// Between which readings a domain's value changed last.
    fn last_change_ns(&self, source: usize, domain: usize) -> Option<(u64, u64)> {
        let recorded = self.recorded();
        let mine = recorded.readings.iter().rev().filter(|r| r.0 == source && r.1 == domain);
        let mine: Vec<_> = mine.filter_map(|r| Some((r.2, r.2.value.ok()?))).collect();
        mine.windows(2).find(|w| w[0].1 != w[1].1).map(|w| (w[1].0.before_ns, w[0].0.after_ns))
    }

    /// Settles when asked first.
    pub(crate) fn settled() -> Self {
        let recorder = Self::default();
        recorder.recorded().settled = true;
        recorder
    }
}

impl Sink for Recorder {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        self.recorded().domains.push((source, domains.len()));
    }
    fn readings(&mut self, source: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>) {
        self.recorded().readings.extend(readings.iter().map(|(domain, reading)| (source, *domain, *reading)));
        for (domain, _) in readings {
            if let Some(change_ns) = self.last_change_ns(source, *domain) {
                learned.push(Learned { domain: *domain, change_ns, period: self.recorded().period });
            }
        }
    }
    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        self.recorded().suspended.push((from_ns, to_ns));
    }
    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        self.recorded().gauges.push((at_ns, gauges.len()));
    }
    fn note(&mut self, note: SourceEvent) {
        self.recorded().notes.push(note);
    }
    fn decided(&mut self, decision: &ReadDecision) {
        self.recorded().decisions.push(*decision);
    }
    fn tick(&mut self, now_ns: u64) {
        self.recorded().ticks.push(now_ns);
    }
    fn settled(&self) -> bool {
        self.recorded().settled
    }
}

/// One counter whose value a closure gives.
pub(crate) struct Scripted<F> {
    pub(crate) name: &'static str,
    pub(crate) domains: Vec<Domain>,
    pub(crate) read: F,
    pub(crate) may_hang: bool,
}

impl<F: FnMut(u64) -> Result<u64, Fault> + Send> Scripted<F> {
    pub(crate) fn boxed(name: &'static str, read: F) -> Box<Self> {
        Box::new(Self { name, domains: vec![counter(name)], read, may_hang: false })
    }
}

impl<F: FnMut(u64) -> Result<u64, Fault> + Send> Source for Scripted<F> {
    fn name(&self) -> &str {
        self.name
    }
    fn domains(&self) -> &[Domain] {
        &self.domains
    }
    fn read(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        batch.one(0, || (self.read)(now_ns));
    }
    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        out.push(Gauge { device: self.name.to_owned(), name: "g".to_owned(), unit: "1".to_owned(), value: 0.5 });
    }
    fn may_hang(&self) -> bool {
        self.may_hang
    }
}

/// A clock that a test moves.
pub(crate) fn script(at_ns: u64) -> (Arc<AtomicU64>, Clock) {
    let now = Arc::new(AtomicU64::new(at_ns));
    (Arc::clone(&now), Clock::Scripted(now))
}

pub(crate) fn set(now: &AtomicU64, at_ns: u64) {
    now.store(at_ns, Ordering::Relaxed);
}
