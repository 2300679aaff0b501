//! Energy that is settled, and what may have been used since: for the budget.

use eco2_core::schema::Energy;
use eco2_core::units::uj_at_power;
use eco2_core::{Account, Track};

use super::{Engine, SILENT_NS};

/// A failure that is younger than this may pass; the counter then has the energy of the time between.
const PASSING_NS: u64 = 250_000_000;

/// What may be used unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct UnreadUse {
    /// Used since the counters' last updates at most, microjoules.
    pub(crate) unseen_uj: u64,
    /// Sum of the devices' ceilings, microwatts.
    pub(crate) ceiling_uw: u64,
}

impl Engine {
    /// What may have been used since the counters' last updates, and from now on. A device whose ceiling is not known is
    /// taken to draw at most the highest power seen. For a counter that has died nothing is held back: its upper bound shows
    /// what is not known, and a fault of measuring alone stops nothing.
    pub(crate) fn unread_use(&self, now_ns: u64) -> UnreadUse {
        self.summed().fold(UnreadUse::default(), |sum, (_, track)| {
            let Some(last) = track.last_knot() else { return sum };
            let ceiling_uw = track.domain().max_uw.or(track.domain().ceiling_uw).unwrap_or_else(|| track.peak_uw());
            let lives = answers(track, now_ns) || failed_just_now(track, now_ns);
            let gone_ns = if lives { now_ns.saturating_sub(last.at_ns) } else { 0 };
            let gone_uj = uj_at_power(ceiling_uw, gone_ns);
            UnreadUse {
                unseen_uj: sum.unseen_uj.saturating_add(gone_uj),
                ceiling_uw: sum.ceiling_uw.saturating_add(ceiling_uw),
            }
        })
    }

    /// The energy of an account of now as a budget sees it: of a counter that answers, but has no ceiling, the upper bound
    /// is that of its last update. What it has used since is not unknown, but not read yet: [`Engine::unread_use`] has it.
    pub(crate) fn energy_so_far(&self, account: &Account) -> Energy {
        let mut energy = account.energy.clone();
        // What is not known has no upper bound, also where no counter is there that could open it.
        if energy.high_uj.is_some() || energy.total_uj.is_none() {
            return energy;
        }
        let tracks = self.ledger.tracks();
        let high = |index: usize| {
            let uj = account.devices[index].energy_uj?;
            let high_uj = account.devices[index].high_uj.or_else(|| {
                let track = &tracks[index];
                let last = track.last_knot().filter(|_| answers(track, account.end_ns))?;
                self.ledger.used_bounds(index, last.lo_ns)?.high_uj
            })?;
            Some(high_uj.max(uj))
        };
        let summed = (0..tracks.len()).filter(|index| account.devices[*index].is_summed());
        energy.high_uj = summed.map(high).try_fold(0_u64, |sum, high| Some(sum.saturating_add(high?)));
        energy
    }

    /// Energy from the run's beginning to `at_ns`, microjoules; `None` until every counter has changed since, and where
    /// nothing is known. Allocates nothing.
    pub(crate) fn settled_uj(&self, at_ns: u64) -> Option<u64> {
        let mut live = self.summed().filter(|(_, track)| track.last_knot().is_some());
        live.try_fold(None, |sum: Option<u64>, (index, track)| {
            // A silent counter is not waited for.
            let known = track.is_silent() || track.resolvable(at_ns);
            known.then(|| Some(sum.unwrap_or(0).saturating_add(self.ledger.used_uj(index, at_ns))))
        })?
    }

    /// The domains whose energies enter the total, with what they are read by now.
    fn summed(&self) -> impl Iterator<Item = (usize, &Track)> {
        let devices = self.publisher.summed().iter().enumerate().filter(|(_, summed)| **summed);
        devices.map(|(device, _)| self.publisher.source(device)).map(|domain| {
            let read_by = self.ledger.read_by(domain);
            (domain, &self.ledger.tracks()[read_by])
        })
    }
}

/// Whether a counter was read lately and goes on.
fn answers(track: &Track, now_ns: u64) -> bool {
    !track.is_silent() && was_read(track, now_ns, SILENT_NS)
}

/// Whether the failure of a counter may be a passing one.
fn failed_just_now(track: &Track, now_ns: u64) -> bool {
    !track.is_frozen() && was_read(track, now_ns, PASSING_NS)
}

fn was_read(track: &Track, now_ns: u64, within_ns: u64) -> bool {
    track.last_good_ns().is_some_and(|(_, after_ns)| now_ns.saturating_sub(after_ns) < within_ns)
}
