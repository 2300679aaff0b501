//! Energy that is settled, and what has gone by since: for the budget, on the sampling thread.

use super::Engine;

impl Engine {
    /// Energy since the counters' last updates, if the power has stayed what it was; microjoules.
    pub(crate) fn unseen_uj(&self, now_ns: u64) -> u64 {
        self.publisher.unseen_uj(now_ns)
    }

    /// Energy from the run's beginning to `at_ns`, microjoules; `None` until every counter has changed since, and where
    /// nothing is known. Allocates nothing.
    pub(crate) fn settled_uj(&self, at_ns: u64) -> Option<u64> {
        let begun_ns = self.ledger.opened_ns();
        let tracks = self.ledger.tracks().iter().zip(self.publisher.summed());
        let mut live = tracks.filter(|(track, summed)| **summed && track.last_knot().is_some());
        live.try_fold(None, |sum: Option<u64>, (track, _)| {
            // Who has fallen silent is not waited for.
            let known = track.is_silent() || track.is_frozen() || track.resolvable(at_ns);
            let used_uj = track.at(at_ns, 0).uj.saturating_sub(track.at(begun_ns, 0).uj);
            known.then(|| Some(sum.unwrap_or(0).saturating_add(used_uj)))
        })?
    }
}
