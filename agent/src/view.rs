//! Keeps the energies of the node in one resolution ([`View`]): of every device, and of every job.

use eco2_core::attribution::Use;
use eco2_core::{Bounded, RangeKind};
use serde::{Deserialize, Serialize};

use crate::Resolution;
use crate::shares::{Interval, Present, Shares};

/// What is known of one device at the end of an interval.
#[derive(Debug, Clone)]
pub(crate) struct DeviceNow {
    /// Its energy so far, microjoules; `None`: not known.
    pub(crate) energy_uj: Option<u64>,
    /// How far the true energy may be below and above, microjoules; `None`: unbounded.
    pub(crate) below_uj: u64,
    pub(crate) above_uj: Option<u64>,
    /// What these bounds promise.
    pub(crate) kind: RangeKind,
    /// Whether it is part of the total now.
    pub(crate) is_summed: bool,
    /// Who used it in the interval; `None`: not known.
    pub(crate) of: Option<Use>,
}

/// The energy of one device as it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its own energy at the end of the last interval, rounded down to the resolution.
    own_uj: u64,
    /// What it counted while it was summed.
    counted_uj: u64,
    /// Whether it has been summed; then it shows what it counted.
    was_summed: bool,
    /// Growth in the last interval.
    #[serde(skip)]
    grown_uj: u64,
}

impl Shown {
    pub(crate) fn was_summed(self) -> bool {
        self.was_summed
    }

    pub(crate) fn grown_uj(self) -> u64 {
        self.grown_uj
    }

    /// Returns the energy to show: what it counted while summed, so that the sum over the devices is the total.
    pub(crate) fn energy_uj(self) -> u64 {
        if self.was_summed { self.counted_uj } else { self.own_uj }
    }
}

/// The energies of the node in one resolution.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) resolution: Resolution,
    pub(crate) devices: Vec<Shown>,
    pub(crate) shares: Shares,
}

impl View {
    pub(crate) fn new(resolution: Resolution) -> Self {
        Self { resolution, devices: Vec::new(), shares: Shares::default() }
    }

    /// Adds an interval, at whose end the devices are `now` and in which these jobs were present.
    pub(crate) fn advance(&mut self, now: &[DeviceNow], present: &[Present]) {
        self.devices.resize(self.devices.len().max(now.len()), Shown::default());
        let mut intervals: Vec<Interval> = Vec::with_capacity(now.len());
        for (shown, device) in self.devices.iter_mut().zip(now) {
            let own_uj = device.energy_uj.map_or(shown.own_uj, |uj| self.resolution.floor_uj(uj).max(shown.own_uj));
            shown.grown_uj = own_uj - shown.own_uj;
            shown.own_uj = own_uj;
            if device.is_summed {
                shown.was_summed = true;
                shown.counted_uj = shown.counted_uj.saturating_add(shown.grown_uj);
                intervals.push((shown.grown_uj, device.of.clone()));
            }
        }
        self.shares.add(present, &intervals);
    }

    /// Returns the energy of a device as this view shows it.
    pub(crate) fn energy(&self, index: usize, device: &DeviceNow) -> Bounded<u64> {
        let Some(shown) = self.devices.get(index).filter(|_| device.energy_uj.is_some()) else {
            return Bounded::unknown();
        };
        let uj = shown.energy_uj();
        // What the resolution hides may lie above.
        let hidden_uj = self.resolution.step_uj.saturating_sub(1);
        let high =
            device.above_uj.map(|above| self.resolution.ceil_uj(uj.saturating_add(above).saturating_add(hidden_uj)));
        let low = self.resolution.floor_uj(uj.saturating_sub(device.below_uj));
        Bounded { value: Some(uj), low, high, kind: device.kind }
    }

    /// Returns the total: what the devices counted while they were summed.
    pub(crate) fn total(&self, now: &[DeviceNow]) -> Bounded<u64> {
        let summed = self.devices.iter().zip(now).enumerate().filter(|(_, (shown, _))| shown.was_summed);
        summed.map(|(index, (_, device))| self.energy(index, device)).sum()
    }

    /// Returns the width that the devices' own bounds add to every job's range, microjoules; `None`: unbounded.
    pub(crate) fn slack_uj(&self, now: &[DeviceNow]) -> (u64, Option<u64>) {
        let total = self.total(now);
        let value = total.value.unwrap_or(0);
        (value.saturating_sub(total.low), total.high.map(|high| high.saturating_sub(value)))
    }
}
