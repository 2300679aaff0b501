//! Defines what changes of a journal from one second to the next ([`Change`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Base, DeviceState, Journal, KeptDevice, KeptReading};
use crate::emissions::{Grams, Rate};
use crate::jobs::JobState;
use crate::shares::{JobKey, PackedSum, ShareSum, Shares};
use crate::source_counts::SourceCounts;
use crate::view::PackedShown;

/// What has changed of a journal. Devices, sources and events are never removed while an agent runs.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    pub(crate) at_ns: u64,
    pub(crate) next_key: JobKey,
    pub(crate) records: u64,
    /// New devices, with what never changes of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) found: Vec<KeptDevice>,
    /// The state of known devices, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) devices: Vec<(String, PackedDevice)>,
    /// `None`: the job is listed no longer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) jobs: Vec<(JobKey, Option<JobState>)>,
    #[serde(skip_serializing_if = "SharesChange::is_empty")]
    pub(crate) full: SharesChange,
    #[serde(skip_serializing_if = "SharesChange::is_empty")]
    pub(crate) public: SharesChange,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grams: Option<(Grams, Grams)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Rate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) counts: Vec<(String, SourceCounts)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<(String, u64)>,
}

/// What has changed of the sums of one view.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SharesChange {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    jobs: Vec<(JobKey, Option<PackedSum>)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    totals: Vec<(JobKey, Option<PackedSum>)>,
    /// The energies of no listed job: forgotten, idle, not attributed.
    #[serde(skip_serializing_if = "Option::is_none")]
    others_uj: Option<[u64; 3]>,
}

/// A [`DeviceState`] in short: its base, its two views, whether it is absent, and its last reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct PackedDevice((u64, u64, Option<u64>), PackedShown, PackedShown, bool, Option<(u64, u64, u64)>);

impl From<DeviceState> for PackedDevice {
    fn from(state: DeviceState) -> Self {
        let DeviceState { base, full, public, is_absent, last } = state;
        let last = last.map(|last| (last.before_ns, last.after_ns, last.raw));
        Self((base.uj, base.low_uj, base.high_uj), full.into(), public.into(), is_absent, last)
    }
}

impl From<PackedDevice> for DeviceState {
    fn from(PackedDevice((uj, low_uj, high_uj), full, public, is_absent, last): PackedDevice) -> Self {
        let last = last.map(|(before_ns, after_ns, raw)| KeptReading { before_ns, after_ns, raw });
        Self { base: Base { uj, low_uj, high_uj }, full: full.into(), public: public.into(), is_absent, last }
    }
}

impl SharesChange {
    /// Returns what has changed since `before`.
    pub(crate) fn between(before: &Shares, now: &Shares) -> Self {
        let others_uj = |shares: &Shares| [shares.forgotten_uj, shares.idle_uj, shares.not_attributed_uj];
        let packed = |(key, sum): (JobKey, Option<ShareSum>)| (key, sum.map(PackedSum::from));
        let sums = |before, now| differences(before, now).into_iter().map(packed).collect();
        Self {
            jobs: sums(&before.jobs, &now.jobs),
            totals: sums(&before.totals, &now.totals),
            others_uj: Some(others_uj(now)).filter(|now| *now != others_uj(before)),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn apply(self, shares: &mut Shares) {
        for (sums, changed) in [(&mut shares.jobs, self.jobs), (&mut shares.totals, self.totals)] {
            apply(sums, changed.into_iter().map(|(key, sum)| (key, sum.map(ShareSum::from))));
        }
        if let Some([forgotten_uj, idle_uj, not_attributed_uj]) = self.others_uj {
            (shares.forgotten_uj, shares.idle_uj) = (forgotten_uj, idle_uj);
            shares.not_attributed_uj = not_attributed_uj;
        }
    }
}

impl Journal {
    /// Takes what has changed.
    pub(crate) fn apply(&mut self, change: Change) {
        let Change { at_ns, next_key, records, found, devices, jobs, full, public, grams, rate, counts, events } =
            change;
        (self.at_ns, self.next_key, self.records) = (at_ns, next_key, records);
        self.devices.extend(found.into_iter().map(|device| (device.domain.id.clone(), device)));
        for (id, state) in devices {
            self.devices.get_mut(&id).into_iter().for_each(|device| device.state = state.into());
        }
        apply(&mut self.jobs, jobs);
        full.apply(&mut self.full);
        public.apply(&mut self.public);
        self.grams = grams.unwrap_or(self.grams);
        self.rate = rate.or(self.rate.take());
        self.counts.extend(counts);
        self.events.extend(events);
    }
}

/// Returns the entries of `now` that are new or others than before, and the keys that are gone.
pub(crate) fn differences<V: Clone + PartialEq>(
    before: &BTreeMap<JobKey, V>,
    now: &BTreeMap<JobKey, V>,
) -> Vec<(JobKey, Option<V>)> {
    let changed = now.iter().filter(|(key, value)| before.get(key) != Some(value));
    let changed = changed.map(|(key, value)| (*key, Some(value.clone())));
    let gone = before.keys().filter(|key| !now.contains_key(key)).map(|key| (*key, None));
    changed.chain(gone).collect()
}

fn apply<V>(map: &mut BTreeMap<JobKey, V>, changed: impl IntoIterator<Item = (JobKey, Option<V>)>) {
    for (key, value) in changed {
        match value {
            Some(value) => drop(map.insert(key, value)),
            None => drop(map.remove(&key)),
        }
    }
}
