//! The sampling thread's way into a run: a lock that is free unless somebody asks for a report.

use std::sync::Arc;

use eco2_core::{Domain, Gauge, Reading};
use eco2_samplers::{Change, DeviceUse, ReadDecision, Sink, SourceEvent, Watched, clock};

use crate::run::report::Ending;
use crate::run::shared::Shared;
use crate::sync::lock;

/// Feeds one run.
pub(crate) struct Feed(pub(crate) Arc<Shared>);

impl Sink for Feed {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        lock(&self.0.engine).domains(source, domains);
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)]) {
        lock(&self.0.engine).readings(source, readings);
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        lock(&self.0.engine).suspended(from_ns, to_ns);
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        lock(&self.0.engine).gauges(at_ns, gauges);
    }

    fn note(&mut self, note: SourceEvent) {
        lock(&self.0.engine).note(note);
    }

    fn changed(&mut self, change: Change) {
        lock(&self.0.engine).changed(change);
    }

    fn decided(&mut self, decision: &ReadDecision) {
        lock(&self.0.engine).decided(decision);
    }

    fn tick(&mut self, now_ns: u64) {
        let mut engine = lock(&self.0.engine);
        let begun = engine.begun;
        engine.tick(now_ns);
        if engine.journal.checkpoint_due(now_ns) && engine.begun {
            let report = self.0.report(&engine, &Ending::default(), now_ns);
            engine.journal.checkpoint(now_ns, &report);
        }
        if engine.begun && !begun {
            self.0.begun.notify_all();
        }
        if engine.begun {
            self.0.budget.observe(&engine, now_ns);
        }
        drop(engine);
        lock(&self.0.sharing).tick(now_ns);
    }

    fn settled(&self) -> bool {
        lock(&self.0.engine).settled()
    }

    fn period_ns(&self, source: usize, domain: usize) -> Option<u64> {
        lock(&self.0.engine).period_ns(source, domain)
    }

    fn last_change_ns(&self, source: usize, domain: usize) -> Option<(u64, u64)> {
        lock(&self.0.engine).last_change_ns(source, domain)
    }

    fn watched(&mut self, out: &mut Watched) {
        lock(&self.0.sharing).watched(out);
    }

    fn users(&mut self, source: usize, uses: &[DeviceUse]) {
        let engine = lock(&self.0.engine);
        let mut sharing = lock(&self.0.sharing);
        let now_ns = clock::monotonic_ns();
        for used in uses {
            if let Some(index) = engine.global(source, used.domain) {
                sharing.device(index, used, now_ns);
            }
        }
    }
}
