//! [`behind`] adds standby estimates to a source of CPU counters: they give values while a counter does not.
//!
//! A counter may be there and never count, as in many virtual machines, or fail in the middle of a run. An estimate (by
//! the model of the CPU's power) runs from the first reading on, until its counter has moved, which takes a working one
//! about a millisecond. From then on it reports no value. It starts again where a counter that had moved fails or stays
//! still, and ends when the counter is back. The account, which turns readings into energy, leaves the estimate out
//! where the counter moves, and the counter where it never did.

use eco2_core::{Component, Domain, Fault, Quality};

use crate::around::{Around, Supplement, restart_reading};
use crate::health::Health;
use crate::model::{self, Model, ModelOptions};
use crate::{Batch, Roots, Source};

/// The estimates for a source's CPU counters.
struct StandBy {
    /// Index of the first estimate's domain.
    own: usize,
    model: Model,
    /// One for each estimate, in the same order.
    watched: Vec<WatchedSensor>,
}

/// The counters that one standby estimate would replace.
struct WatchedSensor {
    /// Index of each counter's domain, and whether the counter works.
    counters: Vec<(usize, Health)>,
    state: StandbyState,
}

/// What an estimate does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StandbyState {
    /// Counts because its counter has not moved yet.
    Waits,
    /// Reports no value because its counter works.
    Rests,
    /// Counts for a counter that has died.
    Acts,
    /// Counts for the last time because the counter is back; it rests from the next reading on.
    Ends,
}

/// Adds standby estimates for the packages of a source; returns it unchanged where it has none.
pub(crate) fn behind(inner: Box<dyn Source>, roots: &Roots, options: &ModelOptions) -> Box<dyn Source> {
    let wholes: Vec<usize> = (0..inner.domains().len()).filter(|&at| is_whole_cpu(&inner.domains()[at])).collect();
    let ids: Vec<String> = wholes.iter().map(|&at| inner.domains()[at].id.clone()).collect();
    let Some(model) = model::stand_by(roots, &ids, options) else { return inner };
    let counter = |&at: &usize| (at, Health::new(inner.domains()[at].kind));
    let watched = |counters| WatchedSensor { counters, state: StandbyState::Waits };
    let watched = match model.domains().len() {
        1 => vec![watched(wholes.iter().map(counter).collect())],
        _ => wholes.iter().map(|at| watched(vec![counter(at)])).collect(),
    };
    let (own, estimates) = (inner.domains().len(), model.domains().to_vec());
    Box::new(Around::new(inner, StandBy { own, model, watched }, &estimates))
}

/// Whether a domain is a sensor of a whole CPU package.
pub(crate) fn is_whole_cpu(domain: &Domain) -> bool {
    let sensor = matches!(domain.quality, Quality::Measured | Quality::Derived);
    domain.component == Component::Cpu && domain.parent.is_none() && sensor
}

impl WatchedSensor {
    /// Whether any of the counters has moved: an estimate for all of them is of no use as soon as one counts.
    fn moved(&self) -> bool {
        self.counters.iter().any(|(_, health)| health.moved())
    }

    /// Returns when its only counter was last known to work, if it does not work any more; `None` with several
    /// counters.
    fn dead_since(&self) -> Option<u64> {
        let [(_, health)] = &self.counters[..] else { return None };
        health.dead_since()
    }

    /// Returns what the estimate is to do now, by what the counters were seen to do.
    fn next(&self) -> StandbyState {
        match (self.state, self.dead_since()) {
            (StandbyState::Waits, _) if !self.moved() => StandbyState::Waits,
            (StandbyState::Waits, None) | (StandbyState::Rests | StandbyState::Ends, None) => StandbyState::Rests,
            (StandbyState::Acts, None) => StandbyState::Ends,
            (_, Some(_)) => StandbyState::Acts,
        }
    }
}

impl Supplement for StandBy {
    fn read(&mut self, _domains: &mut Vec<Domain>, batch: &mut Batch, first: usize) {
        for (index, watched) in self.watched.iter_mut().enumerate() {
            for (domain, reading) in &batch.readings()[first..] {
                let counter = watched.counters.iter_mut().find(|(at, _)| at == domain);
                counter.into_iter().for_each(|(_, health)| health.look(reading));
            }
            let next = watched.next();
            let before = std::mem::replace(&mut watched.state, next);
            let begins =
                watched.state == StandbyState::Acts && matches!(before, StandbyState::Waits | StandbyState::Rests);
            let since = watched.dead_since().filter(|_| begins);
            if watched.state == StandbyState::Rests && before == StandbyState::Rests {
                continue;
            }
            let estimated_uj = self.model.energy_uj_so_far(index);
            since.into_iter().for_each(|since_ns| self.model.begin_at(index, since_ns));
            let Some(mut reading) = self.model.read_one(index, batch) else { continue };
            if let Some(since_ns) = since {
                batch.push(self.own + index, restart_reading(since_ns, estimated_uj));
            }
            if watched.state == StandbyState::Rests {
                reading.value = Err(Fault::NotAvailable);
            }
            batch.push(self.own + index, reading);
        }
    }
}
