//! Lets an account of the node go on from what an earlier one kept ([`Journal`]).

use eco2_core::schema::EventKind;
use eco2_core::{Domain, Ledger, Reading};

use super::{Node, is_counter};
use crate::journal::{Base, Journal, KeptDevice, KeptReading, VERSION};
use crate::view::View;

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
        (self.full.shares, self.public.shares) = (journal.full, journal.public);
        (self.jobs, self.next_key) = (journal.jobs, journal.next_key);
        // Of kinds that this version knows.
        let known = |(name, count): (&String, &u64)| Some((EventKind::from_name(name)?.name(), *count));
        self.events = journal.events.iter().filter_map(known).collect();
        true
    }

    /// Returns what the next start of the agent goes on from.
    pub(crate) fn journal(&self, now_ns: u64) -> Journal {
        let mut devices = self.kept.clone();
        let shown = |view: &View, index: usize| view.devices.get(index).copied().unwrap_or_default();
        for index in 0..self.bases.len() {
            let energy = self.energy(index);
            let grown = energy.value.filter(|uj| *uj > self.bases[index].uj);
            // Where nothing was counted since the start, the bounds are those of before.
            let base = grown.map_or(self.bases[index], |uj| Base { uj, low_uj: energy.low, high_uj: energy.high });
            let domain = self.ledger.tracks()[index].domain();
            let last = self.last[index].filter(|_| is_counter(domain));
            let (full, public) = (shown(&self.full, index), shown(&self.public, index));
            devices.insert(domain.id.clone(), KeptDevice { domain: domain.clone(), base, full, public, last });
        }
        Journal {
            version: VERSION,
            boot_id: self.identity.boot_id.clone(),
            at_ns: now_ns,
            devices,
            jobs: self.jobs.clone(),
            next_key: self.next_key,
            full: self.full.shares.clone(),
            public: self.public.shares.clone(),
            events: self.events.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        }
    }

    /// Gives a new domain what was kept of it.
    pub(super) fn go_on(&mut self, index: usize, domain: &Domain) {
        let kept = self.kept.remove(&domain.id);
        self.bases.push(kept.as_ref().map_or(Base::default(), |kept| kept.base));
        self.last.push(None);
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
