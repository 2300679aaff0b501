//! Publishes the energies of a run for [`Meter::now`](crate::Meter::now) ([`Publisher`]): one snapshot per tick of the sampling
//! thread, in the *timeline*, which other threads read without a lock.

use eco2_core::{Ledger, LivePoints, Snapshot, TimelineWriter};

/// Publishes the energies of a ledger.
pub(crate) struct Publisher {
    writer: TimelineWriter,
    /// Buffer of [`Publisher::publish`].
    snapshot: Snapshot,
    /// The points that are published. Domains beyond their number are in the report only.
    pub(crate) live: LivePoints,
}

impl Publisher {
    /// Returns a publisher of up to `capacity` domains.
    pub(crate) fn new(writer: TimelineWriter, capacity: usize) -> Self {
        Self { writer, snapshot: Snapshot::default(), live: LivePoints::new(capacity) }
    }

    /// Publishes the energies at `now_ns`. A published energy never falls.
    pub(crate) fn publish(&mut self, ledger: &Ledger, now_ns: u64) {
        self.live.update(ledger);
        let points = self.live.points();
        (self.snapshot.at_ns, self.snapshot.total) = (now_ns, self.live.total(points, now_ns));
        self.snapshot.set_points(points);
        self.writer.publish(&self.snapshot);
    }
}
