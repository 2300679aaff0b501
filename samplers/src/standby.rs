//! CPU counters with estimates that stand by: a counter may be there and never count, as in many virtual machines.
//!
//! The estimate runs from the first reading on, until its counter has moved, which takes a working one about a
//! millisecond. From then on it says that it has no value. The account leaves it out where the counter moved, and
//! leaves the counter out where it did not.

use eco2_core::{Component, Domain, Fault, Gauge, Kind, Quality, Reading};

use crate::model::{self, Model, ModelOptions};
use crate::{Batch, Change, DeviceUse, Note, Roots, Source};

/// A source of CPU counters and the estimates for them.
struct StandBy {
    inner: Box<dyn Source>,
    domains: Vec<Domain>,
    /// How many of the domains are the inner source's.
    own: usize,
    model: Model,
    watched: Vec<Watched>,
}

/// The counters that one estimate stands by for.
struct Watched {
    counters: Vec<Counter>,
    retired: bool,
}

struct Counter {
    domain: usize,
    first: Option<u64>,
    moved: bool,
}

/// Lets estimates stand by for the packages of a source; gives it back as it is where it has none.
pub(crate) fn behind(inner: Box<dyn Source>, roots: &Roots, options: &ModelOptions) -> Box<dyn Source> {
    let wholes: Vec<usize> = (0..inner.domains().len()).filter(|&at| is_whole_cpu(&inner.domains()[at])).collect();
    let ids: Vec<String> = wholes.iter().map(|&at| inner.domains()[at].id.clone()).collect();
    let Some(model) = model::stand_by(roots, &ids, options) else { return inner };
    let counter = |&domain: &usize| Counter { domain, first: None, moved: false };
    let watched = match model.domains().len() {
        1 => vec![Watched { counters: wholes.iter().map(counter).collect(), retired: false }],
        _ => wholes.iter().map(|at| Watched { counters: vec![counter(at)], retired: false }).collect(),
    };
    let own = inner.domains().len();
    let domains = inner.domains().iter().chain(model.domains()).cloned().collect();
    Box::new(StandBy { inner, domains, own, model, watched })
}

/// Whether a domain is a sensor of a whole CPU package.
pub(crate) fn is_whole_cpu(domain: &Domain) -> bool {
    let sensor = matches!(domain.quality, Quality::Measured | Quality::Derived);
    domain.component == Component::Cpu && domain.parent.is_none() && sensor
}

impl Watched {
    fn look(&mut self, domain: usize, reading: &Reading, kind: Kind) {
        let Some(counter) = self.counters.iter_mut().find(|counter| counter.domain == domain) else { return };
        if let Ok(value) = reading.value {
            counter.moved |= kind == Kind::Power || counter.first.is_some_and(|first| first != value);
            counter.first.get_or_insert(value);
        }
    }

    /// One estimate for all is of no use as soon as one of them counts.
    fn moved(&self) -> bool {
        self.counters.iter().any(|counter| counter.moved)
    }
}

impl Source for StandBy {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let before = batch.readings().len();
        self.inner.read(batch);
        for (index, watched) in self.watched.iter_mut().enumerate().filter(|(_, watched)| !watched.retired) {
            for (domain, reading) in &batch.readings()[before..] {
                let kind = self.domains.get(*domain).map_or(Kind::Energy, |domain| domain.kind);
                watched.look(*domain, reading, kind);
            }
            let Some(mut reading) = self.model.read_one(index, batch) else { continue };
            if watched.moved() {
                watched.retired = true;
                reading.value = Err(Fault::NotAvailable);
            }
            batch.push(self.own + index, reading);
        }
    }

    fn gauges(&mut self, out: &mut Vec<Gauge>) {
        self.inner.gauges(out);
    }

    fn notes(&mut self, out: &mut Vec<Note>) {
        self.inner.notes(out);
    }

    fn changes(&mut self, out: &mut Vec<Change>) {
        self.inner.changes(out);
    }

    fn users(&mut self, watched: &crate::Watched, out: &mut Vec<DeviceUse>) {
        self.inner.users(watched, out);
    }

    fn may_hang(&self) -> bool {
        self.inner.may_hang()
    }
}
