//! Keeps the energies of the node in one resolution ([`View`]): of every device, and of every job.

use std::collections::BTreeMap;

use eco2_core::attribution::Use;
use eco2_core::units::watts;
use eco2_core::{Bounded, Ranged as _};
use serde::{Deserialize, Serialize};

use crate::Resolution;
use crate::emissions::{Grams, RateChange};
use crate::held::{Held, PackedHeld};
use crate::shares::{Interval, JobKey, Present, ShareSum, Shares};

/// How much later than expected a change may come while the power is taken as that before: a round of accounts, and as much again.
const LATE_NS: u64 = 2_000_000_000;

/// What is known of one device at the end of an interval.
#[derive(Debug, Clone)]
pub(crate) struct DeviceNow {
    /// Its energy since the agent first ran, microjoules. It may fall, where it was corrected.
    pub(crate) energy: Bounded<u64>,
    /// When that was its energy, monotonic nanoseconds: its last counter change. `None`: not known.
    pub(crate) changed_ns: Option<u64>,
    /// Whether no change is to be expected, because its sensor fails or does not move.
    pub(crate) is_silent: bool,
    /// Whether it is part of the total now.
    pub(crate) is_summed: bool,
    /// Who used it in the interval; `None`: not known.
    pub(crate) of: Option<Use>,
}

/// The energy of one device as it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its own energy since the agent first ran.
    pub(crate) own: Held,
    /// What of it is in the total; `None`: it was never summed.
    pub(crate) counted: Option<Counted>,
    /// Growth of its own energy in the last interval.
    #[serde(skip)]
    grown_uj: u64,
    /// When its energy changed last, monotonic nanoseconds.
    #[serde(skip)]
    changed_ns: Option<u64>,
    /// Its power between the last two changes; `None`: not known.
    #[serde(skip)]
    power: Option<MeanPower>,
}

/// A mean power between two instants, monotonic nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MeanPower {
    watts: f64,
    from_ns: u64,
    to_ns: u64,
}

/// The energy of a device while it was summed. Two devices of which one takes the other's place are never summed at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) shown: Held,
    uj: u64,
    /// How far the truth may be off, because the energy was not known exactly where the device joined or left the sum.
    below_uj: u64,
    above_uj: Option<u64>,
    /// Whether it is summed now.
    pub(crate) is_summed: bool,
}

impl Default for Counted {
    fn default() -> Self {
        Self { shown: Held::default(), uj: 0, below_uj: 0, above_uj: Some(0), is_summed: false }
    }
}

/// A [`Shown`] in short, as it is kept: its own energy; what is in the total, with that sum, its errors, and whether it is summed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedShown(PackedHeld, Option<(PackedHeld, u64, u64, Option<u64>, bool)>);

impl From<Shown> for PackedShown {
    fn from(shown: Shown) -> Self {
        let counted = shown.counted.map(|counted| {
            let Counted { shown, uj, below_uj, above_uj, is_summed } = counted;
            (shown.into(), uj, below_uj, above_uj, is_summed)
        });
        Self(shown.own.into(), counted)
    }
}

impl From<PackedShown> for Shown {
    fn from(PackedShown(own, counted): PackedShown) -> Self {
        let counted = counted.map(|(shown, uj, below_uj, above_uj, is_summed)| Counted {
            shown: shown.into(),
            uj,
            below_uj,
            above_uj,
            is_summed,
        });
        Self { own: own.into(), counted, ..Self::default() }
    }
}

impl Shown {
    /// Returns what of it is kept over a restart.
    pub(crate) fn kept(&self) -> Self {
        Self { own: self.own, counted: self.counted, ..Self::default() }
    }

    /// Adds what another device shows, of which nothing is read any more.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.own.absorb(&other.own);
        if let Some(other) = &other.counted {
            let counted = self.counted.get_or_insert_default();
            counted.shown.absorb(&other.shown);
            (counted.uj, counted.is_summed) = (counted.uj.saturating_add(other.uj), false);
        }
    }

    /// Returns its power at `now_ns`, watts: the mean between the last two changes that were seen. `None`: it is not known, or the
    /// next change is overdue.
    pub(crate) fn power_w(&self, now_ns: u64) -> Option<f64> {
        let power = self.power?;
        let due_ns = power.to_ns.saturating_add(2 * (power.to_ns - power.from_ns)).saturating_add(LATE_NS);
        (now_ns <= due_ns).then_some(power.watts)
    }

    /// Takes the energy at the end of an interval. Returns the number of corrections that are held from now on.
    fn advance(&mut self, device: &DeviceNow, resolution: Resolution) -> usize {
        let (slack_before, uj_before) = (self.own.slack_uj(), self.own.uj());
        let mut held = usize::from(self.own.update(&resolution.coarse(device.energy)));
        self.grown_uj = self.own.uj() - uj_before;
        if device.changed_ns > self.changed_ns {
            let between = self.changed_ns.zip(device.changed_ns);
            self.power = between.and_then(|(from_ns, to_ns)| {
                let watts = watts(self.grown_uj, to_ns - from_ns)?;
                Some(MeanPower { watts, from_ns, to_ns })
            });
            self.changed_ns = device.changed_ns;
        }
        self.power = self.power.filter(|_| !device.is_silent);
        if self.counted.is_none() && !device.is_summed {
            return held;
        }
        let counted = self.counted.get_or_insert_default();
        if counted.is_summed != device.is_summed {
            let (below, above) = slack_before;
            let rounded = if uj_before > 0 { resolution.step_uj.saturating_sub(1) } else { 0 };
            // Where it joins, what it counted before is taken away, so that the errors change sides.
            let (low, high) = if device.is_summed { (above, Some(below)) } else { (Some(below), above) };
            counted.below_uj = counted.below_uj.saturating_add(low.unwrap_or(u64::MAX)).saturating_add(rounded);
            counted.above_uj = add(counted.above_uj, add(high, Some(rounded)));
            counted.is_summed = device.is_summed;
        }
        let (mut below, mut above) = (counted.below_uj, counted.above_uj);
        if device.is_summed {
            counted.uj = counted.uj.saturating_add(self.grown_uj);
            let (own_below, own_above) = self.own.slack_uj();
            (below, above) = (below.saturating_add(own_below), add(above, own_above));
        }
        let energy = Bounded {
            value: self.own.bounded().value.map(|_| counted.uj),
            low: counted.uj.saturating_sub(below),
            high: add(Some(counted.uj), above),
            kind: device.energy.kind,
        };
        held += usize::from(counted.shown.update(&resolution.coarse(energy)));
        held
    }
}

fn add(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
    sum.zip(more).map(|(sum, more)| sum.saturating_add(more))
}

/// The energies of the node in one resolution.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) resolution: Resolution,
    pub(crate) devices: Vec<Shown>,
    pub(crate) shares: Shares,
    /// What the total emitted.
    pub(crate) grams: Grams,
}

impl View {
    pub(crate) fn new(resolution: Resolution) -> Self {
        Self { resolution, devices: Vec::new(), shares: Shares::default(), grams: Grams::default() }
    }

    /// Adds an interval, at whose end the devices are `now` and in which these jobs were present. Returns the number of
    /// corrections that are held from now on.
    pub(crate) fn advance(&mut self, now: &[DeviceNow], present: &[Present]) -> usize {
        self.devices.resize(self.devices.len().max(now.len()), Shown::default());
        let mut intervals: Vec<Interval> = Vec::with_capacity(now.len());
        let mut held = 0;
        for (shown, device) in self.devices.iter_mut().zip(now) {
            held += shown.advance(device, self.resolution);
            if device.is_summed {
                intervals.push((shown.grown_uj, device.of.clone()));
            }
        }
        self.shares.add(present, &intervals);
        held
    }

    /// Returns the energies of which emissions are summed up. `total`: that of the devices.
    pub(crate) fn energies(&self, total: &Bounded<u64>) -> Energies {
        let of = |sums: &BTreeMap<JobKey, ShareSum>| sums.iter().map(|(key, sum)| (*key, sum.within(total))).collect();
        Energies { total: *total, own: of(&self.shares.jobs), totals: of(&self.shares.totals) }
    }

    /// Applies changes of the intensity within the interval that has ended. `before`: the energies at its beginning; `present`: the jobs
    /// of the interval.
    pub(crate) fn change_intensity(
        &mut self,
        changes: &[RateChange],
        before: &Energies,
        total: &Bounded<u64>,
        present: &[Present],
    ) {
        let now = self.energies(total);
        for change in changes {
            self.grams.change(&between(Some(&before.total), &now.total, change.part), change, true);
            let sums = [
                (&mut self.shares.jobs, &before.own, &now.own),
                (&mut self.shares.totals, &before.totals, &now.totals),
            ];
            for (sums, before, now) in sums {
                for (key, sum) in sums {
                    let energy = now.get(key).map(|now| between(before.get(key), now, change.part));
                    let is_present = present.iter().any(|job| job.key == *key);
                    energy.iter().for_each(|energy| sum.grams.change(energy, change, is_present));
                }
            }
        }
    }
}

/// Energies at the end of an interval: of the node, and of each job without and with the jobs within it.
#[derive(Debug)]
pub(crate) struct Energies {
    total: Bounded<u64>,
    own: BTreeMap<JobKey, Bounded<u64>>,
    totals: BTreeMap<JobKey, Bounded<u64>>,
}

/// Returns an energy when a part of an interval had passed: its value is linear, and its bounds hold for any profile. `before`, `now`: at
/// the interval's ends; `None`: it began in it.
fn between(before: Option<&Bounded<u64>>, now: &Bounded<u64>, part: f64) -> Bounded<u64> {
    let zero = Bounded::exact(0);
    let before = before.unwrap_or(&zero);
    if part <= 0.0 {
        return *before;
    }
    let first_uj = before.value.unwrap_or(before.low);
    let value = now.value.map(|uj| first_uj + (uj.saturating_sub(first_uj) as f64 * part) as u64);
    Bounded { value, low: before.low, ..*now }.around_value()
}

/// Returns the total of devices: what they counted while they were summed.
pub(crate) fn total<'a>(devices: impl Iterator<Item = &'a Shown>) -> Bounded<u64> {
    devices.filter_map(|device| device.counted.as_ref()).map(|counted| counted.shown.bounded()).sum()
}
