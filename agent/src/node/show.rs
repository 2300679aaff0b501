//! Makes the snapshots of the node from its account.

use std::sync::Arc;

use eco2_core::{Bounded, Domain, MAX_DOMAINS, Quality, Ranged as _};

use super::consumer::{Used, consumer};
use super::{Node, TEMPERATURE, UTILIZATION};
use crate::jobs::JobState;
use crate::journal::KeptDevice;
use crate::prices::Prices;
use crate::shares::JobKey;
use crate::snapshot::{Consumer, Device, Instant, Resolution, Snapshot};
use crate::view::{Shown, View, total};

impl Node {
    /// Returns the energy of the node: at least the value, where a sensor that would be summed is left out.
    pub(super) fn total(&self, view: &View) -> Bounded<u64> {
        let absent = self.kept.values().map(|kept| shown_of(kept, view.resolution));
        let total = total(view.devices.iter().chain(absent));
        Bounded { high: total.high.filter(|_| !self.live.overflows()), ..total }
    }

    /// Returns the snapshot of one view.
    pub(super) fn snapshot(&self, view: &View, total: &Bounded<u64>, at: Instant) -> Snapshot {
        let absent = self.kept.values().map(|kept| (kept, shown_of(kept, view.resolution)));
        let present = view.devices.iter().enumerate().take(self.ledger.tracks().len().min(MAX_DOMAINS));
        let present = present.map(|(index, shown)| {
            let domain = |index: usize| self.ledger.tracks()[index].domain();
            let id = &domain(index).id;
            Device {
                temperature_c: self.gauges.of(id, TEMPERATURE, at.ns),
                utilization: self.gauges.of(id, UTILIZATION, at.ns),
                is_shared: self.is_shared(index, at.ns),
                ..device(domain(index), domain(self.shown_by(index)), shown, at.ns)
            }
        });
        // What an earlier agent published, and has not appeared since this one started: its energy stays.
        let absent =
            absent.map(|(kept, shown)| Device { is_summed: false, ..device(&kept.domain, &kept.domain, shown, at.ns) });
        Snapshot {
            node: Arc::clone(&self.identity),
            resolution: view.resolution,
            sequence: self.sequence,
            at_ns: at.ns,
            wall_ns: at.wall_ns,
            began_ns: self.began_ns,
            sampled_ns: self.sampled_ns,
            devices: present.chain(absent).collect(),
            left_out: self.left_out(),
            sources: self.states.now(&self.found),
            consumers: self.consumers(view, total, at),
            past: self.past.clone(),
            total_uj: total.value,
            total_low_uj: total.low,
            total_high_uj: total.high,
            total_range_kind: total.kind,
            forgotten_uj: view.shares.forgotten_uj,
            idle_uj: view.shares.idle_uj,
            not_attributed_uj: view.shares.not_attributed_uj,
            emissions: self.prices.as_ref().map(|prices| prices.emissions(total, view.grams)),
            budget: None,
            events: self.events.clone(),
            counts: self.counts_at(at),
            readings: self.readings,
            dropped: self.dropped,
        }
    }

    fn consumers(&self, view: &View, total: &Bounded<u64>, at: Instant) -> Vec<Consumer> {
        let rate = self.prices.as_ref().and_then(Prices::rate);
        let entry = |(key, state): (&JobKey, &JobState)| {
            let sum = view.shares.jobs.get(key).copied().unwrap_or_default();
            let with_inner = view.shares.totals.get(key).copied().unwrap_or_default();
            let (own, all) = (sum.within(total), with_inner.within(total));
            let used = Used {
                own,
                own_grams: sum.grams.bounded(&own, rate),
                total: all,
                total_grams: with_inner.grams.bounded(&all, rate),
                grams_are_estimated: with_inner.grams.is_estimated(rate.filter(|_| state.ended.is_none())),
            };
            Consumer {
                parent: state.parent.and_then(|key| self.jobs.get(&key)).map(|parent| parent.job.id.clone()),
                budget: self.budget(state, &with_inner, total),
                ..consumer(*key, state, at, &used)
            }
        };
        self.jobs.iter().map(entry).collect()
    }
}

/// Returns what an earlier agent published of a device.
fn shown_of(kept: &KeptDevice, resolution: Resolution) -> &Shown {
    if resolution == Resolution::FULL { &kept.state.full } else { &kept.state.public }
}

/// Returns a device as it is shown. `by` is the domain whose readings give its energy at present; `now_ns`: monotonic
/// nanoseconds.
fn device(domain: &Domain, by: &Domain, shown: &Shown, now_ns: u64) -> Device {
    let own = shown.own.bounded();
    let counted = shown.counted.as_ref().map(|counted| counted.shown.bounded());
    Device {
        id: domain.id.clone(),
        component: domain.component,
        domain: domain.domain.clone(),
        name: domain.name.clone(),
        model: domain.model().map(str::to_owned),
        source: by.source.clone(),
        method: by.method.clone(),
        quality: if own.is_known() { domain.quality.max(by.quality) } else { Quality::Missing },
        energy_uj: own.value,
        low_uj: own.low,
        high_uj: own.high,
        range_kind: own.kind,
        power_w: shown.power_w(now_ns),
        temperature_c: None,
        utilization: None,
        is_summed: shown.counted.is_some_and(|counted| counted.is_summed),
        is_shared: false,
        counted_uj: counted.and_then(|counted| counted.value),
        counted_low_uj: counted.map_or(0, |counted| counted.low),
        counted_high_uj: counted.and_then(|counted| counted.high),
    }
}
