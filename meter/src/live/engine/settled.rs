//! Methods of [`Engine`] for the budget of a run: the energy that is certain, and the most that may have been used since.
//!
//! A counter changes at intervals, so that the use since its last change is not read yet. The energy at a time is *settled* when
//! every counter has changed after it. A *ceiling* is the highest power that a device can draw. A counter is *silent* while
//! its reads fail, and *frozen* while it does not change though it should. A *knot* is a change of a counter.

use eco2_core::schema::Energy;
use eco2_core::units::uj_at_power;
use eco2_core::{Account, Track};

use super::{Engine, SILENT_NS};

/// A failure that is younger than this may pass, as that of a driver that is busy does. The counter then includes the energy since.
const PASSING_NS: u64 = 250_000_000;

/// The use that no counter has shown yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct UnreadUse {
    /// The most that was used since the counters' last changes, microjoules.
    pub(crate) unseen_uj: u64,
    /// Sum of the ceilings of all devices, microwatts.
    pub(crate) ceiling_uw: u64,
}

impl Engine {
    /// Returns the most that may have been used since the counters' last changes, and the power at which use may go on. For a
    /// device without a known ceiling, the ceiling is the highest power that was read. A counter that has failed for good adds
    /// nothing: its upper bound shows that its energy is unknown, and a measurement that fails must not stop a training.
    pub(crate) fn unread_use(&self, now_ns: u64) -> UnreadUse {
        self.summed().fold(UnreadUse::default(), |sum, (_, track)| {
            let Some(last) = track.last_knot() else { return sum };
            let ceiling_uw = track.domain().max_uw.or(track.domain().ceiling_uw).unwrap_or_else(|| track.peak_uw());
            let is_alive = answers(track, now_ns) || failed_just_now(track, now_ns);
            let unread_ns = if is_alive { now_ns.saturating_sub(last.at_ns) } else { 0 };
            let unseen_uj = uj_at_power(ceiling_uw, unread_ns);
            UnreadUse {
                unseen_uj: sum.unseen_uj.saturating_add(unseen_uj),
                ceiling_uw: sum.ceiling_uw.saturating_add(ceiling_uw),
            }
        })
    }

    /// Returns the energy of an account that ends now, with upper bounds for a budget. A counter that is read, but has no ceiling,
    /// gets the upper bound of its last change. Its use since is added by [`Engine::unread_use`].
    pub(crate) fn energy_so_far(&self, account: &Account) -> Energy {
        let mut energy = account.energy.clone();
        // Energy that is not known has no upper bound, even without a counter whose bound is open.
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

    /// Returns the energy from the run's beginning to `at_ns`, microjoules; `None` until every counter has changed after
    /// `at_ns`, and where no counter was read. Allocates nothing.
    pub(crate) fn settled_uj(&self, at_ns: u64) -> Option<u64> {
        let mut live = self.summed().filter(|(_, track)| track.last_knot().is_some());
        live.try_fold(None, |sum: Option<u64>, (index, track)| {
            // A silent counter may never change again.
            let known = track.is_silent() || track.resolvable(at_ns);
            known.then(|| Some(sum.unwrap_or(0).saturating_add(self.ledger.used_uj(index, at_ns))))
        })?
    }

    /// Returns the domains whose energies are summed into the total, each with the track that has its latest readings.
    fn summed(&self) -> impl Iterator<Item = (usize, &Track)> {
        let devices = self.publisher.live.summed().iter().enumerate().filter(|(_, summed)| **summed);
        devices.map(|(device, _)| self.publisher.live.source(device)).map(|domain| {
            let read_by = self.ledger.read_by(domain);
            (domain, &self.ledger.tracks()[read_by])
        })
    }
}

/// Whether a counter was read within the last two seconds and does not fail now.
fn answers(track: &Track, now_ns: u64) -> bool {
    !track.is_silent() && was_read(track, now_ns, SILENT_NS)
}

/// Whether the failure of a counter may be a passing one.
fn failed_just_now(track: &Track, now_ns: u64) -> bool {
    !track.is_frozen() && was_read(track, now_ns, PASSING_NS)
}

/// Whether the last successful read of a counter is younger than `within_ns`.
fn was_read(track: &Track, now_ns: u64, within_ns: u64) -> bool {
    track.last_good_ns().is_some_and(|(_, after_ns)| now_ns.saturating_sub(after_ns) < within_ns)
}
