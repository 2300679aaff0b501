//! Computes the energy of each device from the ledger, once between two readings.

use eco2_core::{Bounded, RangeKind, Ranged as _};

use super::Node;

impl Node {
    /// Forgets what was computed: a reading, or a choice of counters, changes it.
    pub(super) fn energies_changed(&mut self) {
        self.energies.iter_mut().for_each(|energy| *energy.get_mut() = None);
    }

    /// Returns the energy of a device since the agent first ran, as of its last counter change.
    pub(super) fn energy(&self, index: usize) -> Bounded<u64> {
        let Some(known) = self.energies.get(index) else { return self.computed_energy(index) };
        known.get().unwrap_or_else(|| {
            let energy = self.computed_energy(index);
            known.set(Some(energy));
            energy
        })
    }

    fn computed_energy(&self, index: usize) -> Bounded<u64> {
        let source = self.live.source(index);
        // Another source that counts in its place is no counter of the same silicon.
        let is_own = self.shown_by(index) == index;
        let kind = if is_own { self.ledger.tracks()[index].domain().range_kind() } else { RangeKind::Plausible };
        let base = Bounded { kind, ..self.bases[index].bounded() };
        let Some(last) = self.ledger.last_knot(source) else {
            // What was counted before this start is there at least.
            return Bounded { value: base.value.filter(|uj| *uj > 0), high: None, ..base };
        };
        // As of that instant: later the bounds widen until the next reading.
        let bounds = self.ledger.used_bounds(source, last.at_ns);
        let low = bounds.map_or(0, |bounds| bounds.low_uj.min(last.uj));
        let high = bounds.and_then(|bounds| bounds.high_uj).map(|high| high.max(last.uj));
        base + Bounded { value: Some(last.uj), low, high, kind }
    }
}
