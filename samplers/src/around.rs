//! A source with estimates beside its domains: for what it never reads, or does not read any more.
//!
//! The inner source and the estimates share one list of domains, in the order in which they appeared.

use eco2_core::{Domain, Gauge, Reading};

use crate::{Batch, Change, DeviceUse, Note, Source, Watched};

/// What is estimated beside a source. Indices are those of the common list.
pub(crate) trait Beside: Send {
    /// The inner source has a new domain, shown as it is returned.
    fn found(&mut self, _at: usize, domain: &Domain) -> Domain {
        domain.clone()
    }

    /// The source was read: changes its readings from the one at `first` on, and adds estimates; new domains to the list.
    fn read(&mut self, domains: &mut Vec<Domain>, batch: &mut Batch, first: usize);

    /// Whether gauges are wanted now, before the first ones of the run.
    fn wants_gauges(&self) -> bool {
        false
    }

    /// What the inner source's gauges showed.
    fn gauges(&mut self, _gauges: &[Gauge]) {}
}

/// A source and what is estimated beside it.
pub(crate) struct Around<B> {
    inner: Box<dyn Source>,
    domains: Vec<Domain>,
    /// Where each of the inner source's domains stands in the list.
    places: Vec<usize>,
    beside: B,
}

impl<B: Beside> Around<B> {
    /// `inner`, with the domains of the estimates that are there from the beginning.
    pub(crate) fn new(inner: Box<dyn Source>, beside: B, estimates: &[Domain]) -> Self {
        let mut around = Self { inner, domains: Vec::new(), places: Vec::new(), beside };
        around.sync();
        around.domains.extend_from_slice(estimates);
        around
    }

    fn sync(&mut self) {
        let known = self.places.len();
        for domain in &self.inner.domains()[known..] {
            let at = self.domains.len();
            self.places.push(at);
            self.domains.push(self.beside.found(at, domain));
        }
    }
}

impl<B: Beside> Source for Around<B> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let first = batch.readings().len();
        self.inner.read(batch);
        self.sync();
        batch.renumber(first, &self.places);
        if self.beside.wants_gauges() {
            let mut gauges = Vec::new();
            self.inner.gauges(&mut gauges);
            self.beside.gauges(&gauges);
        }
        self.beside.read(&mut self.domains, batch, first);
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        let first = out.len();
        self.inner.gauges(out);
        self.beside.gauges(&out[first..]);
    }

    fn notes(&mut self, out: &mut Vec<Note>) {
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

/// Where an estimate stood when a sensor was seen last: it begins anew there.
pub(crate) fn stood_at(since_ns: u64, value: u64) -> Reading {
    Reading { before_ns: since_ns, after_ns: since_ns, value: Ok(value) }
}
