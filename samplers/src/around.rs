//! [`Around`] wraps a source and adds estimates to it: for what the source never reads, or does not read any more.
//!
//! A source reads one interface, such as RAPL or NVML; a domain is one sensor or counter of it. The wrapped (inner)
//! source and the estimates share one list of domains, in the order in which they appeared. A [`Supplement`] makes the
//! estimates. Gauges are values that are not energy, such as utilisation, on which an estimate may rest.

use eco2_core::{Domain, Gauge, Reading};

use crate::{Batch, Change, DeviceUse, Source, SourceEvent, Watched};

/// Makes the estimates that are added to a source. Indices are those of the common list.
pub(crate) trait Supplement: Send {
    /// Called for each new `domain` of the inner source, which gets index `_at`; returns it as the list is to show it.
    fn found(&mut self, _at: usize, domain: &Domain) -> Domain {
        domain.clone()
    }

    /// Called after the inner source was read into `batch`: may change its readings, which begin at position `first`,
    /// adds estimates, and adds new domains to the list.
    fn read(&mut self, domains: &mut Vec<Domain>, batch: &mut Batch, first: usize);

    /// Whether gauges are wanted now, before the first ones of the run.
    fn wants_gauges(&self) -> bool {
        false
    }

    /// Called with what the inner source's gauges showed.
    fn gauges(&mut self, _gauges: &[Gauge]) {}
}

/// A source and the estimates added to it.
pub(crate) struct Around<B> {
    inner: Box<dyn Source>,
    domains: Vec<Domain>,
    /// Index of each of the inner source's domains in the list.
    places: Vec<usize>,
    supplement: B,
}

impl<B: Supplement> Around<B> {
    /// Wraps `inner`; `estimates` are the domains of the estimates that are there from the beginning.
    pub(crate) fn new(inner: Box<dyn Source>, supplement: B, estimates: &[Domain]) -> Self {
        let mut around = Self { inner, domains: Vec::new(), places: Vec::new(), supplement };
        around.sync();
        around.domains.extend_from_slice(estimates);
        around
    }

    /// Adds domains that the inner source has found since the last call.
    fn sync(&mut self) {
        let known = self.places.len();
        for domain in &self.inner.domains()[known..] {
            let at = self.domains.len();
            self.places.push(at);
            self.domains.push(self.supplement.found(at, domain));
        }
    }
}

impl<B: Supplement> Source for Around<B> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let first = batch.readings().len();
        batch.want_at(&self.places);
        self.inner.read(batch);
        self.sync();
        batch.renumber(first, &self.places);
        if self.supplement.wants_gauges() {
            let mut gauges = Vec::new();
            self.inner.gauges(&mut gauges);
            self.supplement.gauges(&gauges);
        }
        self.supplement.read(&mut self.domains, batch, first);
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        let first = out.len();
        self.inner.gauges(out);
        self.supplement.gauges(&out[first..]);
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        self.inner.notes(out);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        self.inner.changes(out);
    }

    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        let first = out.len();
        self.inner.users(watched, out);
        for used in &mut out[first..] {
            used.domain = self.places.get(used.domain).copied().unwrap_or(used.domain);
        }
    }

    fn may_hang(&self) -> bool {
        self.inner.may_hang()
    }
}

/// Returns a reading of an estimate's energy, `value`, at `since_ns`, when its sensor was last seen to work: the
/// estimate starts again there.
pub(crate) fn restart_reading(since_ns: u64, value: u64) -> Reading {
    Reading { before_ns: since_ns, after_ns: since_ns, value: Ok(value) }
}
