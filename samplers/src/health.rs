//! Whether a sensor works, by what it was seen to show.

use eco2_core::{Fault, Kind, Reading};

/// A counter whose value has been the same for this long is frozen.
const STILL_NS: u64 = 1_000_000_000;

/// What was seen of one sensor.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    kind: Kind,
    last: Option<u64>,
    moved: bool,
    /// When it showed a new value last, nanoseconds.
    changed_ns: u64,
    /// When it showed any, nanoseconds.
    good_ns: u64,
    fault: Option<Fault>,
}

impl Health {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, last: None, moved: false, changed_ns: 0, good_ns: 0, fault: None }
    }

    /// Takes a reading in.
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

    /// Whether it has shown that it counts.
    pub(crate) fn moved(&self) -> bool {
        self.moved
    }

    /// Why its last reading failed.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// When it was last known to work, of a sensor that does not: it fails, or is frozen. Nanoseconds.
    pub(crate) fn dead_since(&self) -> Option<u64> {
        let still = self.kind == Kind::Energy && self.good_ns.saturating_sub(self.changed_ns) > STILL_NS;
        match (self.last, self.fault) {
            (None, _) => None,
            (Some(_), Some(_)) => Some(self.good_ns),
            (Some(_), None) => still.then_some(self.changed_ns),
        }
    }
}
