//! What the sampling thread hands over: domains, readings, gauges, notes and ticks.

use eco2_core::schema::EventKind;
use eco2_core::{Domain, GapReason, Gauge, Reading};
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::{Change, ReadDecision, Sink, SourceEvent};

use super::{Engine, boot_offset_ns};

impl Sink for Engine {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        if self.map.len() <= source {
            self.map.resize_with(source + 1, Vec::new);
        }
        let known = self.map[source].len().min(domains.len());
        let mut domains = domains.to_vec();
        for (at, domain) in domains.iter_mut().enumerate() {
            let failure = self.self_test.mark(domain).filter(|_| at >= known);
            let id = domain.id.clone();
            failure.into_iter().for_each(|text| self.event(monotonic_ns(), EventKind::SelfTestFailed, &id, text));
        }
        let fresh = &domains[known..];
        for domain in fresh {
            let index = self.ledger.add_domain(domain.clone());
            self.map[source].push(index);
            self.frozen.push(false);
        }
        self.journal.domains(source, &domains, fresh);
        self.publisher.domains(&self.ledger);
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)]) {
        self.samples += readings.len() as u64;
        self.awaited.retain(|awaited| *awaited != source);
        for (domain, reading) in readings {
            let Some(index) = self.global(source, *domain) else { continue };
            if self.ledger.reading(index, reading).is_none() {
                continue;
            }
            for index in self.ledger.counts_for(index).into_iter().chain([index]) {
                self.notices(index);
            }
        }
        self.journal.readings(source, readings, self.map.get(source).map_or(&[], Vec::as_slice));
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        self.boot.set(to_ns, boot_offset_ns());
        self.ledger.break_segment(None, GapReason::Suspend);
        let text =
            format!("the machine slept; {} ms of its clock are a gap", (to_ns.saturating_sub(from_ns)) / 1_000_000);
        self.event(from_ns, EventKind::Suspend, "", text);
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        for gauge in gauges {
            self.gauges.add(gauge);
            self.episodes.gauge(at_ns, gauge);
        }
        self.journal.gauges(at_ns, gauges);
    }

    fn note(&mut self, note: SourceEvent) {
        self.event(note.at_ns, note.kind, &note.device, note.text);
    }

    fn changed(&mut self, change: Change) {
        self.sources.change(change);
    }

    fn decided(&mut self, decision: &ReadDecision) {
        let first = self.global(decision.source, 0).and_then(|index| self.ledger.tracks().get(index));
        self.journal.decided(decision, first.map_or("", |track| &track.domain().source));
    }

    fn tick(&mut self, now_ns: u64) {
        if !self.begun && self.ready(now_ns) {
            self.begin(now_ns);
        }
        self.drain();
        self.bound_pending(now_ns);
        self.publisher.publish(&self.ledger, now_ns);
        self.housekeeping(now_ns);
        if let Some(text) = self.wall.look(now_ns) {
            self.event(now_ns, EventKind::ClockStep, "", text);
        }
        if let Some(warning) = self.journal.submit() {
            self.event(now_ns, EventKind::LogFailed, "", warning);
        }
        if let Some(notice) = self.journal.notice() {
            self.event(now_ns, EventKind::RunsFolderLarge, "", notice);
        }
    }

    fn settled(&self) -> bool {
        self.ending_at_ns.is_some_and(|end_ns| self.ledger.settled(end_ns))
    }

    fn period_ns(&self, source: usize, domain: usize) -> Option<u64> {
        self.ledger.tracks().get(self.global(source, domain)?)?.period_ns()
    }

    fn last_change_ns(&self, source: usize, domain: usize) -> Option<(u64, u64)> {
        self.ledger.tracks().get(self.global(source, domain)?)?.last_change_ns()
    }
}
