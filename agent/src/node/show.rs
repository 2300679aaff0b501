//! Makes the snapshots of the node from its account.

use std::sync::Arc;

use eco2_core::{Bounded, Quality, Ranged};

use super::Node;
use crate::jobs::JobState;
use crate::journal::KeptDevice;
use crate::shares::JobKey;
use crate::snapshot::{Consumer, Device, Instant, Resolution, Snapshot};
use crate::view::{DeviceNow, View};

impl Node {
    /// Returns the snapshot of one view; `interval_ns` is the time since the one before.
    pub(super) fn snapshot(&self, view: &View, now: &[DeviceNow], at: Instant, interval_ns: Option<u64>) -> Snapshot {
        let absent = self.absent(view);
        let summed = absent.iter().filter(|device| device.is_summed).map(Ranged::bounded);
        let total: Bounded<u64> = summed.chain([view.total(now)]).sum();
        Snapshot {
            node: Arc::clone(&self.identity),
            resolution: view.resolution,
            sequence: self.sequence,
            at_ns: at.ns,
            wall_ns: at.wall_ns,
            began_ns: self.began_ns,
            sampled_ns: self.sampled_ns,
            devices: self.present_devices(view, now, interval_ns).chain(absent).collect(),
            sources: self.states.now(&self.found),
            consumers: self.consumers(view, now, at),
            total_uj: total.value,
            total_low_uj: total.low,
            total_high_uj: total.high,
            total_range_kind: total.kind,
            forgotten_uj: view.shares.forgotten_uj,
            idle_uj: view.shares.idle_uj,
            not_attributed_uj: view.shares.not_attributed_uj,
            events: self.events.clone(),
            readings: self.readings,
            dropped: self.dropped,
        }
    }

    fn present_devices(
        &self,
        view: &View,
        now: &[DeviceNow],
        interval_ns: Option<u64>,
    ) -> impl Iterator<Item = Device> {
        now.iter().enumerate().map(move |(index, device)| self.show(view, index, device, interval_ns))
    }

    /// Returns the devices that an earlier agent published, and that have not appeared since this one started: their energies stay.
    fn absent(&self, view: &View) -> Vec<Device> {
        let device = |kept: &KeptDevice| {
            let shown = if view.resolution == Resolution::FULL { kept.full } else { kept.public };
            let (domain, uj) = (&kept.domain, shown.energy_uj());
            Device {
                id: domain.id.clone(),
                component: domain.component,
                domain: domain.domain.clone(),
                name: domain.name.clone(),
                model: domain.model().map(str::to_owned),
                source: domain.source.clone(),
                method: domain.method.clone(),
                quality: domain.quality,
                energy_uj: Some(uj),
                low_uj: view.resolution.floor_uj(uj.saturating_sub(kept.base.below_uj)),
                high_uj: kept.base.above_uj.map(|above| view.resolution.ceil_uj(uj.saturating_add(above))),
                range_kind: domain.range_kind(),
                power_w: None,
                is_summed: shown.was_summed(),
            }
        };
        self.kept.values().map(device).collect()
    }

    fn show(&self, view: &View, index: usize, device: &DeviceNow, interval_ns: Option<u64>) -> Device {
        let domain = self.ledger.tracks()[index].domain();
        let by = self.ledger.tracks()[self.shown_by(index)].domain();
        let energy = view.energy(index, device);
        let shown = view.devices.get(index).copied().unwrap_or_default();
        let power_w =
            interval_ns.filter(|ns| *ns > 0 && energy.is_known()).map(|ns| shown.grown_uj() as f64 * 1e3 / ns as f64);
        Device {
            id: domain.id.clone(),
            component: domain.component,
            domain: domain.domain.clone(),
            name: domain.name.clone(),
            model: domain.model().map(str::to_owned),
            source: by.source.clone(),
            method: by.method.clone(),
            quality: if energy.is_known() { domain.quality.max(by.quality) } else { Quality::Missing },
            energy_uj: energy.value,
            low_uj: energy.low,
            high_uj: energy.high,
            range_kind: energy.kind,
            power_w,
            is_summed: shown.was_summed(),
        }
    }

    fn consumers(&self, view: &View, now: &[DeviceNow], at: Instant) -> Vec<Consumer> {
        let (below_uj, above_uj) = view.slack_uj(now);
        let consumer = |(key, state): (&JobKey, &JobState)| {
            let sum = view.shares.jobs.get(key).copied().unwrap_or_default();
            let end = state.ended.unwrap_or(at);
            Consumer {
                id: state.job.id.clone(),
                kind: state.job.kind(),
                name: state.job.name.clone(),
                uid: state.job.uid,
                energy_uj: sum.energy_uj,
                low_uj: sum.low_uj.min(sum.energy_uj).saturating_sub(below_uj),
                high_uj: sum.high_uj.zip(above_uj).map(|(high, above)| high.max(sum.energy_uj).saturating_add(above)),
                began_wall_ns: state.began.wall_ns,
                ended_wall_ns: state.ended.map(|ended| ended.wall_ns),
                duration_ns: end.ns.saturating_sub(state.began.ns),
                steps: state.steps,
            }
        };
        self.jobs.iter().map(consumer).collect()
    }
}
