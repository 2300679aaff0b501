//! Keeps, for each *host total* (a sensor of the whole machine, such as a BMC), the time that its readings cover.
//!
//! A host total may answer seconds after the run's start, and once a second at most. It is compared with the machine's parts
//! over the time from its first reading to its last one, so that no energy is compared with energy of another time. Nothing
//! waits for its next reading. An *edge* is an instant with the energy that each domain (sensor or counter) had counted
//! until then.

use super::Ledger;
use super::threads::EdgeIndex;
use super::window::{HostEdges, HostWindow};
use crate::{Kind, Reading};

impl Ledger {
    /// Records that a host total was read; does nothing for another domain.
    pub(super) fn note_host_reading(&mut self, domain: usize, reading: &Reading) {
        let Some(track) = self.tracks.get(domain).filter(|track| track.domain.is_host_total()) else { return };
        let is_power = track.domain.kind == Kind::Power;
        // The power of a reading is that of its middle; what a counter shows had been used by its end.
        let early_ns = if is_power { reading.after_ns.saturating_sub(reading.before_ns).div_ceil(2) } else { 0 };
        let at_ns = reading.after_ns - early_ns.min(reading.after_ns);
        if !self.tracks.iter().all(|track| track.remembers(at_ns)) {
            // It took so long that the energy of a part at that instant is not known any more: the next one will do.
            return;
        }
        let window = self.host_windows.get(domain).copied().unwrap_or_default();
        let is_first = !window.is_read && at_ns > self.opened_ns;
        let first = if is_first { Some(self.add_edge(at_ns, 0)) } else { window.first };
        let last = is_power.then(|| self.add_edge(at_ns, 0));
        window.last.into_iter().for_each(|old| self.release(old));
        self.host_windows.resize(self.tracks.len().max(self.host_windows.len()), HostWindow::default());
        self.host_windows[domain] = HostWindow { is_read: true, first, last };
    }

    /// Moves the start of the windows to a later start of the run.
    pub(super) fn restart_host_windows(&mut self) {
        for domain in 0..self.host_windows.len() {
            let first = self.host_windows[domain].first;
            if let Some(first) = first.filter(|&first| self.edges[first as usize].at_ns <= self.opened_ns) {
                self.host_windows[domain].first = None;
                self.release(first);
            }
        }
    }

    /// Returns the time until `end_ns` that the readings of a host total cover; `None` if they cover none.
    pub(crate) fn host_edges(&self, domain: usize, end_ns: u64) -> Option<HostEdges> {
        let window = self.host_windows.get(domain).filter(|window| window.is_read)?;
        let at_ns = |edge: EdgeIndex| self.edges[edge as usize].at_ns;
        let first = window.first.unwrap_or(self.run);
        let (to_ns, ends) = match window.last.filter(|&last| at_ns(last) < end_ns) {
            Some(last) => (at_ns(last), self.edges_now(last)),
            None => (end_ns, self.run_end(end_ns)),
        };
        let (from_ns, starts) = (at_ns(first), self.edges_now(first));
        (from_ns < to_ns).then_some(HostEdges { from_ns, to_ns, starts, ends })
    }
}
