//! Lets an account of the node go on from what an earlier one kept ([`Journal`]), and keeps what has changed.

use std::cell::Cell;
use std::collections::BTreeMap;

use eco2_core::schema::EventKind;
use eco2_core::{Bounded, Domain, Ledger, Ranged as _, Reading};

use super::consumer::{Used, consumer};
use super::{Node, is_counter};
use crate::job_log::{JobRecord, RecordedGrams};
use crate::journal::{Base, Change, DeviceState, Journal, KeptDevice, KeptReading, SharesChange, VERSION, differences};
use crate::prices::Prices;
use crate::shares::{JobKey, ShareSum};
use crate::snapshot::Consumer;
use crate::view::{Shown, View};

/// Most jobs of an earlier boot that are listed.
const MOST_PAST: usize = 100;

impl Node {
    /// Goes on from what was kept, before the first input. `false` where it is of a version that is not known.
    pub(crate) fn resume(&mut self, journal: Journal) -> bool {
        if journal.version != VERSION {
            return false;
        }
        self.is_same_boot = journal.boot_id == self.identity.boot_id && journal.at_ns <= self.began_ns;
        if self.is_same_boot {
            // The account begins with the readings that were kept.
            self.ledger = Ledger::new(journal.at_ns, 1);
        }
        self.kept = journal.devices;
        if journal.boot_id != self.identity.boot_id {
            self.fold_absent();
        }
        (self.full.shares, self.public.shares) = (journal.full, journal.public);
        (self.full.grams, self.public.grams) = journal.grams;
        self.counts = journal.counts;
        self.prices.iter_mut().for_each(|prices| prices.go_on(journal.rate.clone()));
        (self.jobs, self.next_key) = (journal.jobs, journal.next_key);
        if journal.boot_id != self.identity.boot_id {
            // The times of another boot cannot be compared with those of this one.
            self.jobs.values_mut().for_each(|state| state.reboot(journal.at_ns));
            for key in self.jobs.keys().copied().collect::<Vec<_>>() {
                self.past.extend(self.job_record(key, 0).as_ref().map(past_job));
                self.forget_job(key);
            }
        }
        // Of kinds that this version knows.
        let known = |(name, count): (&String, &u64)| Some((EventKind::from_name(name)?.name(), *count));
        self.events = journal.events.iter().filter_map(known).collect();
        true
    }

    /// Takes over the records of jobs. `kept`: the last one that the journal contains. Jobs of another boot are listed, and their
    /// energy is in no sum.
    pub(crate) fn replay(&mut self, records: &[JobRecord], kept: u64) {
        let mut past: BTreeMap<(&str, JobKey), &JobRecord> = BTreeMap::new();
        for record in records {
            self.next_key = self.next_key.max(record.key.saturating_add(1));
            if record.boot_id != self.identity.boot_id {
                past.insert((&record.boot_id, record.key), record);
            } else if record.number > kept {
                self.jobs.insert(record.key, record.state.clone());
                // Where the journal was lost, this is what is known of the job.
                for view in [&mut self.full, &mut self.public] {
                    let total = if record.state.pue.is_none() { record.total.thawed() } else { record.total };
                    view.shares.totals.entry(record.key).or_insert(total);
                }
            }
        }
        // Those that the journal of the boot before has are listed already.
        past.retain(|(_, key), _| !self.past.iter().any(|listed| listed.key == *key));
        let mut past: Vec<&JobRecord> = past.into_values().collect();
        past.sort_by_key(|record| record.wall_ns);
        let newest = past.split_off(past.len().saturating_sub(MOST_PAST));
        self.past.extend(newest.into_iter().map(past_job));
    }

    /// Returns what the next start of the agent goes on from, at `now_ns`: what has changed since `before`. `records`: the last record
    /// of the log of jobs.
    pub(crate) fn changes(&self, before: &Journal, now_ns: u64, records: u64) -> Change {
        let absent =
            self.kept.iter().map(|(id, kept)| (id, &kept.domain, DeviceState { is_absent: true, ..kept.state }));
        let tracks = self.ledger.tracks().iter().map(|track| track.domain()).enumerate();
        let present = tracks.map(|(index, domain)| (&domain.id, domain, self.device_state(index, domain)));
        let (mut found, mut devices) = (Vec::new(), Vec::new());
        for (id, domain, state) in absent.chain(present) {
            match before.devices.get(id) {
                None => found.push(KeptDevice { domain: domain.clone(), state }),
                Some(before) if before.domain != *domain => found.push(KeptDevice { domain: domain.clone(), state }),
                Some(before) if before.state != state => devices.push((id.clone(), state.into())),
                Some(_) => {}
            }
        }
        let grams = (self.full.grams, self.public.grams);
        let rate = self.prices.as_ref().and_then(Prices::rate);
        let counts = self
            .counts
            .iter()
            .filter(|(source, now)| !before.counts.get(*source).is_some_and(|before| before.is_same(now)));
        let events = self.events.iter().filter(|(name, count)| before.events.get(**name) != Some(count));
        Change {
            at_ns: now_ns,
            next_key: self.next_key,
            records,
            found,
            devices,
            jobs: differences(&before.jobs, &self.jobs),
            full: SharesChange::between(&before.full, &self.full.shares),
            public: SharesChange::between(&before.public, &self.public.shares),
            grams: Some(grams).filter(|grams| *grams != before.grams),
            rate: rate.filter(|rate| before.rate.as_ref() != Some(rate)).cloned(),
            counts: counts.map(|(source, counts)| (source.clone(), counts.kept())).collect(),
            events: events.map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        }
    }

    /// Returns all of it.
    #[cfg(test)]
    pub(crate) fn journal(&self, now_ns: u64) -> Journal {
        let mut journal = Journal::new(self.identity.boot_id.clone());
        let change = self.changes(&journal, now_ns, 0);
        journal.apply(change);
        journal
    }

    /// Returns what is kept of a domain.
    fn device_state(&self, index: usize, domain: &Domain) -> DeviceState {
        let shown = |view: &View| view.devices.get(index).map(Shown::kept).unwrap_or_default();
        let energy = self.energy(index);
        let grown = energy.value.filter(|uj| *uj > self.bases[index].uj);
        // Where nothing was counted since the start, the bounds are those of before.
        let base = grown.map_or(self.bases[index], |uj| Base { uj, low_uj: energy.low, high_uj: energy.high });
        let last = self.last[index].filter(|_| is_counter(domain));
        DeviceState { base, full: shown(&self.full), public: shown(&self.public), is_absent: false, last }
    }

    /// Adds up the devices that did not appear since an earlier boot, by component: hardware that is replaced, or divided again, does
    /// not make the list longer without end.
    fn fold_absent(&mut self) {
        let (absent, kept): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.kept).into_iter().partition(|(_, kept)| kept.state.is_absent);
        self.kept = kept;
        for kept in absent.into_values() {
            let component = kept.domain.component;
            let id = format!("past-{}", component.name());
            let past = self.kept.entry(id.clone()).or_insert_with(|| KeptDevice {
                domain: Domain {
                    name: "Devices of the past".to_owned(),
                    ..Domain::counter(&id, component, "past", "agent")
                },
                state: DeviceState { is_absent: true, ..DeviceState::default() },
            });
            past.state.full.absorb(&kept.state.full);
            past.state.public.absorb(&kept.state.public);
        }
    }

    /// Gives a new domain what was kept of it.
    pub(super) fn go_on(&mut self, index: usize, domain: &Domain) {
        let kept = self.kept.remove(&domain.id).map(|kept| kept.state).unwrap_or_default();
        self.bases.push(kept.base);
        self.last.push(None);
        self.energies.push(Cell::new(None));
        self.failing_since.push(None);
        self.full.devices.push(kept.full);
        self.public.devices.push(kept.public);
        if let Some(last) = kept.last.filter(|_| self.is_same_boot && is_counter(domain)) {
            let KeptReading { before_ns, after_ns, raw } = last;
            self.ledger.reading(index, &Reading { before_ns, after_ns, value: Ok(raw) });
            self.last[index] = Some(last);
            self.unread.insert(index);
        }
    }
}

/// Returns a job of an earlier boot, with its last record. One that went on ended with the machine.
pub(crate) fn past_job(record: &JobRecord) -> Consumer {
    let mut state = record.state.clone();
    state.reboot_at(record.wall_ns);
    let range = |sum: ShareSum| sum.within(&Bounded::exact(0));
    let emitted = |grams: Option<RecordedGrams>| grams.map_or_else(Bounded::unknown, |grams| grams.bounded());
    let (own, own_grams) = record.own.unwrap_or((record.total, record.grams));
    let used = Used {
        own: range(own),
        own_grams: emitted(own_grams),
        total: range(record.total),
        total_grams: emitted(record.grams),
        grams_are_estimated: record.grams.is_some_and(|grams| grams.is_estimated),
    };
    consumer(record.key, &state, state.began, &used)
}
