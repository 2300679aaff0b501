//! When a sensor counts as dead, and what its track does while something else counts its device.

use super::{FROZEN_CHANGES, FROZEN_NS, Track};
use crate::notice::NoticeKind;
use crate::{Gap, Kind};

/// A sensor that has failed for this long is dead.
const FAILED_NS: u64 = 1_000_000_000;

impl Track {
    /// Whether the sensor has stopped working: it fails, or does not change though updates are due.
    pub(crate) fn is_dead(&self, now_ns: u64) -> bool {
        if self.failing.is_some() {
            return self.last_good.is_some_and(|(_, good_ns)| now_ns.saturating_sub(good_ns) >= FAILED_NS);
        }
        let due_ns = FROZEN_NS.max(self.period.median_ns().unwrap_or(0).saturating_mul(FROZEN_CHANGES));
        let still = |last: &crate::Knot| last.first && now_ns.saturating_sub(last.hi_ns) > due_ns;
        self.frozen || (self.domain.kind == Kind::Energy && self.knots.back().is_some_and(still))
    }

    /// How much the last change was, microjoules.
    pub(crate) fn last_growth_uj(&self) -> u64 {
        let mut last = self.knots.iter().rev().map(|knot| knot.uj);
        let (now_uj, before_uj) = (last.next().unwrap_or(0), last.next().unwrap_or(0));
        now_uj.saturating_sub(before_uj)
    }

    /// Something else counts the device since the last update (`Some`: whether it is an estimate), or no longer does.
    pub(crate) fn replaced(&mut self, at_ns: u64, by: Option<bool>) {
        self.bridged = by.is_some();
        self.notices.add(at_ns, by.map_or(NoticeKind::Returned, |estimated| NoticeKind::Replaced { estimated }));
    }

    /// A gap of which the counter knows nothing, nor anything else.
    pub(super) fn uncounted(&mut self, gap: Gap, open: (u64, u64)) {
        match self.bridged {
            true => self.slack.mark(gap),
            false => self.slack.add(gap, open),
        }
    }
}
