//! Implements [`Sink`] for [`Engine`]: the methods by which the sampling thread passes what it read to a run.
//!
//! A *source* is a group of counters and power sensors that are read together, such as NVML; a *domain* is one of these counters
//! or sensors. A source numbers its domains from 0; the ledger, the account of the whole run, numbers the domains of all
//! sources in the order in which they appeared. `Engine::domains_by_source` has the second number for the first. A *gauge* is a
//! value that is not energy, such as a temperature. A *tick* is one round of the sampling thread.

use eco2_core::schema::EventKind;
use eco2_core::{Domain, GapReason, Gauge, Reading};
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::schedule::Demand;
use eco2_samplers::{Change, Learned, ReadDecision, Sink, SourceEvent};

use super::{Engine, boot_offset_ns};

impl Sink for Engine {
    fn domains(&mut self, source: usize, domains: &[Domain]) {
        if self.domains_by_source.len() <= source {
            self.domains_by_source.resize_with(source + 1, Vec::new);
        }
        // A source passes its whole list each time; the list only grows at its end.
        let known_count = self.domains_by_source[source].len().min(domains.len());
        let mut domains = domains.to_vec();
        for (index, domain) in domains.iter_mut().enumerate() {
            let failure = self.self_test.mark(domain).filter(|_| index >= known_count);
            let device = domain.id.clone();
            if let Some(text) = failure {
                self.record_event(monotonic_ns(), EventKind::SelfTestFailed, &device, text);
            }
        }
        let added = &domains[known_count..];
        for domain in added {
            let domain_index = self.ledger.add_domain(domain.clone());
            self.domains_by_source[source].push(domain_index);
            // One entry per domain of the ledger, in its order.
            self.was_frozen.push(false);
        }
        self.journal.domains(source, &domains, added);
        self.publisher.live.domains(&self.ledger);
    }

    fn readings(&mut self, source: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>) {
        self.samples += readings.len() as u64;
        // The source has answered: the run need not wait for it any longer.
        self.awaited_sources.retain(|awaited| *awaited != source);
        for (domain, reading) in readings {
            let Some(domain_index) = self.domain_index(source, *domain) else { continue };
            if self.ledger.reading(domain_index, reading).is_none() {
                continue;
            }
            let track = self.ledger.tracks().get(domain_index);
            if let Some((track, change_ns)) = track.and_then(|track| Some((track, track.last_change_ns()?))) {
                learned.push(Learned { domain: *domain, change_ns, period: track.precise_period() });
            }
            // A reading may also advance the domain whose failed counter this one replaces, so that both may have notices.
            if let Some(replaced_index) = self.ledger.counts_for(domain_index) {
                self.report_notices(replaced_index);
            }
            self.report_notices(domain_index);
        }
        self.journal.readings(source, readings, self.domains_by_source.get(source).map_or(&[], Vec::as_slice));
    }

    fn suspended(&mut self, from_ns: u64, to_ns: u64) {
        // The boot-time clock went on while the monotonic clock stopped: their difference is another one from now on.
        self.boot.add_offset(to_ns, boot_offset_ns());
        self.ledger.break_segment(None, GapReason::Suspend);
        let text =
            format!("the machine slept; {} ms of its clock are a gap", to_ns.saturating_sub(from_ns) / 1_000_000);
        self.record_event(from_ns, EventKind::Suspend, "", text);
    }

    fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        for gauge in gauges {
            self.gauges.add(gauge);
            self.episodes.gauge(at_ns, gauge);
        }
        self.journal.gauges(at_ns, gauges);
    }

    fn note(&mut self, note: SourceEvent) {
        self.record_event(note.at_ns, note.kind, &note.device, note.text);
    }

    fn changed(&mut self, change: Change) {
        self.sources.change(change);
    }

    fn decided(&mut self, decision: &ReadDecision) {
        // Every domain of a source has the source's name, so that the first one serves.
        let first_track = self.domain_index(decision.source, 0).and_then(|index| self.ledger.tracks().get(index));
        self.journal.decided(decision, first_track.map_or("", |track| &track.domain().source));
    }

    /// Begins a tick: moves recorded spans into the ledger, and hands their edges to the schedule. Spans that were recorded
    /// before the run begins wait for it.
    fn look(&mut self, _now_ns: u64, demand: &mut Demand) {
        if self.has_begun {
            self.drain();
        }
        demand.named = !self.ledger.names().is_empty();
        demand.edges.append(&mut self.found_edges);
    }

    /// Ends a tick: every reading of it was passed before. Begins the run if it waited, publishes the energies, and writes the
    /// log.
    fn tick(&mut self, now_ns: u64) {
        if !self.has_begun && self.may_begin(now_ns) {
            self.begin(now_ns);
        }
        self.limit_pending_spans(now_ns);
        self.publisher.publish(&self.ledger, now_ns);
        self.check_each_second(now_ns);
        if let Some(text) = self.wall_watch.check(now_ns) {
            self.record_event(now_ns, EventKind::ClockStep, "", text);
        }
        if let Some(warning) = self.journal.submit() {
            self.record_event(now_ns, EventKind::LogFailed, "", warning);
        }
        if let Some(notice) = self.journal.notice() {
            self.record_event(now_ns, EventKind::RunsFolderLarge, "", notice);
        }
    }

    /// Whether the energy until the run's end is final: every counter has changed since. `false` while no end is fixed.
    fn settled(&self) -> bool {
        self.ending_at_ns.is_some_and(|end_ns| self.ledger.settled(end_ns))
    }
}
