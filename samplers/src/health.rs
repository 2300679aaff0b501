//! [`Health`] judges whether one sensor works, by the readings that it gave.

use eco2_core::{Fault, Kind, Reading};

/// A counter whose value has been the same for this long is frozen: a second, ten times the period of a GPU's counter.
const STILL_NS: u64 = 1_000_000_000;

/// What was seen of one sensor.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    kind: Kind,
    /// Last value.
    last: Option<u64>,
    moved: bool,
    /// When it showed a new value last, nanoseconds.
    changed_ns: u64,
    /// When it last showed any value, nanoseconds.
    good_ns: u64,
    /// Why its last reading failed; `None` if it did not.
    fault: Option<Fault>,
}

impl Health {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, last: None, moved: false, changed_ns: 0, good_ns: 0, fault: None }
    }

    /// Takes note of a reading.
    pub(crate) fn look(&mut self, reading: &Reading) {
        self.fault = reading.value.err();
        let Ok(value) = reading.value else { return };
        if self.last != Some(value) {
            self.moved |= self.last.is_some();
            self.changed_ns = reading.after_ns;
        }
        self.moved |= self.kind == Kind::Power;
        self.good_ns = reading.after_ns;
        self.last = Some(value);
    }

    /// Whether it has shown that it works: a counter by moving, a sensor of power by any value.
    pub(crate) fn moved(&self) -> bool {
        self.moved
    }

    /// Returns why its last reading failed; `None` if it did not.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Returns when a sensor that fails or is frozen was last known to work, nanoseconds; `None` for one that works, or
    /// that never gave a value.
    pub(crate) fn dead_since(&self) -> Option<u64> {
        let still = self.kind == Kind::Energy && self.good_ns.saturating_sub(self.changed_ns) > STILL_NS;
        match (self.last, self.fault) {
            (None, _) => None,
            (Some(_), Some(_)) => Some(self.good_ns),
            (Some(_), None) => still.then_some(self.changed_ns),
        }
    }
}
