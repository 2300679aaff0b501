//! Lets an account of the node go on from what an earlier one kept ([`Journal`]).

use std::collections::BTreeMap;

use eco2_core::schema::EventKind;
use eco2_core::{Bounded, Domain, Ledger, Ranged as _, Reading};

use super::consumer::{Used, consumer};
use super::{Node, is_counter};
use crate::job_log::{JobRecord, RecordedGrams};
use crate::journal::{Base, Journal, KeptDevice, KeptReading, VERSION};
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
                    view.shares.totals.entry(record.key).or_insert(record.total);
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

    /// Returns what the next start of the agent goes on from.
    pub(crate) fn journal(&self, now_ns: u64) -> Journal {
        let mut devices = self.kept.clone();
        devices.values_mut().for_each(|kept| kept.is_absent = true);
        let shown = |view: &View, index: usize| view.devices.get(index).copied().unwrap_or_default();
        for index in 0..self.bases.len() {
            let energy = self.energy(index);
            let grown = energy.value.filter(|uj| *uj > self.bases[index].uj);
            // Where nothing was counted since the start, the bounds are those of before.
            let base = grown.map_or(self.bases[index], |uj| Base { uj, low_uj: energy.low, high_uj: energy.high });
            let domain = self.ledger.tracks()[index].domain();
            let last = self.last[index].filter(|_| is_counter(domain));
            let (full, public) = (shown(&self.full, index), shown(&self.public, index));
            devices.insert(
                domain.id.clone(),
                KeptDevice { domain: domain.clone(), base, full, public, is_absent: false, last },
            );
        }
        Journal {
            version: VERSION,
            boot_id: self.identity.boot_id.clone(),
            at_ns: now_ns,
            devices,
            jobs: self.jobs.clone(),
            next_key: self.next_key,
            grams: (self.full.grams, self.public.grams),
            rate: self.prices.as_ref().and_then(Prices::rate).cloned(),
            counts: self.counts.clone(),
            full: self.full.shares.clone(),
            public: self.public.shares.clone(),
            events: self.events.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            records: 0,
        }
    }

    /// Adds up the devices that did not appear since an earlier boot, by component: hardware that is replaced, or divided again, does
    /// not make the list longer without end.
    fn fold_absent(&mut self) {
        let (absent, kept): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.kept).into_iter().partition(|(_, kept)| kept.is_absent);
        self.kept = kept;
        for kept in absent.into_values() {
            let component = kept.domain.component;
            let id = format!("past-{}", component.name());
            let past = self.kept.entry(id.clone()).or_insert_with(|| KeptDevice {
                domain: Domain {
                    name: "Devices of the past".to_owned(),
                    ..Domain::counter(&id, component, "past", "agent")
                },
                base: Base::default(),
                full: Shown::default(),
                public: Shown::default(),
                is_absent: true,
                last: None,
            });
            past.full.absorb(&kept.full);
            past.public.absorb(&kept.public);
        }
    }

    /// Gives a new domain what was kept of it.
    pub(super) fn go_on(&mut self, index: usize, domain: &Domain) {
        let kept = self.kept.remove(&domain.id);
        self.bases.push(kept.as_ref().map_or(Base::default(), |kept| kept.base));
        self.last.push(None);
        self.failing_since.push(None);
        self.full.devices.push(kept.as_ref().map_or_else(Default::default, |kept| kept.full));
        self.public.devices.push(kept.as_ref().map_or_else(Default::default, |kept| kept.public));
        if let Some(last) = kept.and_then(|kept| kept.last).filter(|_| self.is_same_boot && is_counter(domain)) {
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
