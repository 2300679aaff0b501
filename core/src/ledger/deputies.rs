//! Decides when another sensor of a device, its *deputy*, starts to count for one that has stopped working, its *chief*,
//! and when it stops. `take_over.rs` defines both. A *part* is an energy that a deputy counted for its chief. A *knot* is a
//! counter change; an [`Edge`] is the energy counted until an instant, with its bounds.

use super::threads::{EdgeIndex, Pending};
use crate::fold::Outcome;
use crate::part_share::{DroppedPart, OpenPart, OwnCount};
use crate::take_over::DeputyPart;
use crate::{Edge, Kind, Knot, Ledger, Quality, Reading};

/// A deputy takes over only if it has counted more than this many of the chief's units since the chief's last update. Less
/// is no evidence that the chief should have changed.
const MIN_UNITS: u64 = 20;
/// Parts that are kept per domain, so that memory is bounded. A sensor that stops more often is not replaced any more.
const MAX_PARTS: usize = 64;

impl Ledger {
    /// Returns a domain's energy at an instant that is known to `±error_ns`, with what its deputies counted.
    pub(crate) fn energy_at(&self, domain: usize, at_ns: u64, error_ns: u64) -> Edge {
        let mut edge = self.tracks[domain].at(at_ns, error_ns);
        let parts = self.parts.get(domain).map_or(&[][..], Vec::as_slice);
        for part in parts.iter().filter(|part| at_ns > part.from_ns) {
            edge.add(&part.from, &part.edge(&self.tracks[part.by], at_ns, error_ns));
        }
        edge
    }

    /// Whether no further knot is expected of a domain, or of the deputy that counts for it.
    pub(crate) fn is_silent(&self, domain: usize) -> bool {
        self.deputy(domain).map_or(&self.tracks[domain], |part| &self.tracks[part.by]).is_silent()
    }

    /// Whether the knots that determine a domain's energy at an instant have arrived.
    pub(crate) fn resolvable(&self, domain: usize, at_ns: u64) -> bool {
        match self.deputy(domain) {
            Some(part) => at_ns <= part.from_ns || self.tracks[part.by].resolvable(at_ns),
            None => self.tracks[domain].resolvable(at_ns),
        }
    }

    /// Returns the parts of a domain's energy that its deputies counted, oldest first.
    pub(crate) fn parts(&self, domain: usize) -> &[DeputyPart] {
        self.parts.get(domain).map_or(&[], Vec::as_slice)
    }

    /// Returns the parts that deputies count now.
    pub(super) fn open_parts(&self) -> Vec<OpenPart> {
        let open = |(chief, parts): (usize, &Vec<DeputyPart>)| {
            let part = parts.last().filter(|part| part.to_ns.is_none())?;
            Some(OpenPart { chief, from_ns: part.from_ns })
        };
        self.parts.iter().enumerate().filter_map(open).collect()
    }

    /// Returns a part's energy between two instants, microjoules.
    pub(crate) fn part_uj(&self, part: &DeputyPart, from_ns: u64, until_ns: u64) -> u64 {
        let uj_at = |at_ns: u64| {
            if at_ns <= part.from_ns {
                return part.from.uj;
            }
            part.edge(&self.tracks[part.by], at_ns, 0).uj
        };
        uj_at(until_ns).saturating_sub(uj_at(from_ns))
    }

    /// Returns the index of the domain whose readings count for a domain now: its own, or its deputy's.
    #[must_use]
    pub fn read_by(&self, domain: usize) -> usize {
        self.deputy(domain).map_or(domain, |part| part.by)
    }

    /// Returns the index of the domain for which `deputy` counts now.
    #[must_use]
    pub fn counts_for(&self, deputy: usize) -> Option<usize> {
        let chief = self.chiefs.get(deputy).copied().flatten()?;
        self.deputy(chief).is_some_and(|part| part.by == deputy).then_some(chief)
    }

    /// Returns a domain's last knot, with what its deputies counted.
    #[must_use]
    pub fn last_knot(&self, domain: usize) -> Option<Knot> {
        let last = *self.tracks.get(domain)?.last_knot()?;
        if self.parts(domain).is_empty() {
            return Some(last);
        }
        let latest = *self.tracks[self.read_by(domain)].last_knot()?;
        let latest = if latest.at_ns < last.at_ns { last } else { latest };
        Some(Knot { uj: self.energy_at(domain, latest.at_ns, 0).uj.max(last.uj), first: false, ..latest })
    }

    /// Returns the part that a deputy counts for a domain now.
    fn deputy(&self, domain: usize) -> Option<&DeputyPart> {
        self.parts(domain).last().filter(|part| part.to_ns.is_none())
    }

    /// Updates parts after a reading of `domain`: a deputy's part ends if `domain` works again, and `domain` takes over if it
    /// is the deputy of a chief that has stopped working. Returns the chief whose energy changed by this reading.
    pub(crate) fn update_deputies(&mut self, domain: usize, reading: &Reading, outcome: Outcome) -> Option<usize> {
        if self.dropped[domain].is_some_and(|part| self.tracks[domain].resolvable(part.now_ns)) {
            self.correct_spans(domain);
        }
        if self.deputy(domain).is_some() {
            self.end_part_if_back(domain, reading, outcome);
        }
        let chief = self.chiefs.get(domain).copied().flatten()?;
        match self.parts[chief].last_mut() {
            Some(part) if part.to_ns.is_none() => return self.counts_for(domain),
            // The last part has ended; the readings since then determine its energy.
            Some(part) if part.by == domain && part.end.is_none() => {
                let at_end = part.to_ns.map(|to_ns| self.tracks[domain].at(to_ns, 0));
                part.end = at_end.filter(|edge| edge.settled);
                return Some(chief);
            }
            _ => {}
        }
        if reading.value.is_ok() {
            self.take_over(domain, chief, reading);
        }
        self.counts_for(domain)
    }

    /// Starts a part if the chief has stopped working and the deputy has counted enough since its last update.
    fn take_over(&mut self, deputy: usize, chief: usize, reading: &Reading) {
        let (chief_track, deputy_track) = (&self.tracks[chief], &self.tracks[deputy]);
        let Some(last) = chief_track.last_knot().filter(|_| self.parts(chief).len() < MAX_PARTS) else { return };
        let is_estimate = deputy_track.domain().quality == Quality::Estimated;
        // A counter that has never moved is replaced by its estimate for the whole run; see `overlap.rs`.
        let has_never_moved = last.first && last.uj == 0;
        if !chief_track.is_dead(reading.before_ns) || (is_estimate && has_never_moved) {
            return;
        }
        let from_ns = last.at_ns;
        let mut from = deputy_track.at(from_ns, 0);
        if is_estimate {
            // It was on standby, and starts with its last value before the chief's last update.
            let before = deputy_track.knots.iter().rev().find(|knot| knot.at_ns <= from_ns);
            from.uj = before.map_or(from.uj, |knot| knot.uj);
        } else if !deputy_track.remembers(from_ns) {
            return;
        }
        let drawn_uj = deputy_track.at(reading.after_ns, 0).uj.saturating_sub(from.uj);
        if drawn_uj <= chief_track.domain().scale.quantum().saturating_mul(MIN_UNITS) {
            return;
        }
        self.correct_spans(chief);
        self.parts[chief].push(DeputyPart { by: deputy, from_ns, from, to_ns: None, end: None });
        self.tracks[chief].record_replacement(reading.after_ns, is_estimate);
    }

    /// Ends the present part if `domain` works again, or drops it if `domain` has counted on in the meantime.
    fn end_part_if_back(&mut self, domain: usize, reading: &Reading, outcome: Outcome) {
        let has_counted_on = match outcome {
            Outcome::Baseline | Outcome::Reset => false,
            Outcome::Grew { .. } | Outcome::AtLeast => {
                let Some(part) = self.deputy(domain) else { return };
                let drawn_uj = self.part_uj(part, 0, reading.after_ns);
                // A first change of more than half of what was drawn: the counter was only not readable.
                let track = &self.tracks[domain];
                track.domain().kind == Kind::Energy && track.last_growth_uj() > drawn_uj / 2
            }
            _ => return,
        };
        let (tracks, parts) = (&mut self.tracks, &mut self.parts[domain]);
        let Some(part) = parts.last_mut() else { return };
        let from_ns = part.from_ns;
        if has_counted_on {
            parts.pop();
        } else {
            part.to_ns = Some(reading.before_ns.max(from_ns));
        }
        tracks[domain].record_return(reading.after_ns);
        if has_counted_on {
            let next_ns = self.tracks[domain].last_knot().map_or(from_ns, |knot| knot.at_ns);
            self.dropped[domain] = Some(DroppedPart { from_ns, next_ns, now_ns: reading.after_ns });
            self.settle_again(domain, from_ns);
        } else {
            self.totals.iter_mut().for_each(|total| total.keep_part(domain));
            self.steps.iter_mut().for_each(|steps| steps.keep_part(domain));
        }
    }

    /// Gives the settled spans the domain's own count in place of what they got from its last part, if that was dropped.
    pub(super) fn correct_spans(&mut self, domain: usize) {
        let Some(DroppedPart { from_ns, next_ns, now_ns }) = self.dropped[domain].take() else { return };
        let energy_at = |ledger: &Self, at_ns| ledger.energy_at(domain, at_ns, 0);
        let (from, now) = (energy_at(self, from_ns), energy_at(self, now_ns));
        let own = OwnCount { from, now, next_ns, next_uj: energy_at(self, next_ns).uj };
        let (mut totals, mut steps) = (std::mem::take(&mut self.totals), self.steps.take());
        totals.iter_mut().for_each(|total| total.drop_part(domain, &own, |at_ns| energy_at(self, at_ns)));
        steps.iter_mut().for_each(|steps| steps.drop_part(domain, &own, |at_ns| energy_at(self, at_ns)));
        (self.totals, self.steps) = (totals, steps);
    }

    /// Lets the edges that were settled with a part from `from_ns` on, which was dropped, wait for the domain's own changes.
    fn settle_again(&mut self, domain: usize, from_ns: u64) {
        for index in 0..self.edges.len() as EdgeIndex {
            let Pending { at_ns, error_ns, ref seen, references, is_movable, .. } = self.edges[index as usize];
            let is_settled = references > 0 && !is_movable && seen.get(domain).is_some_and(|edge| edge.settled);
            if at_ns <= from_ns || !is_settled {
                continue;
            }
            let seen = self.energy_at(domain, at_ns, error_ns);
            let waits = !seen.settled;
            let missing = usize::from(waits && self.is_waited_for(domain));
            let edge = &mut self.edges[index as usize];
            edge.seen[domain] = seen;
            edge.missing += missing;
            if waits {
                self.waiting[domain].push_back(index);
                self.sort_back(index, at_ns);
            }
            self.keep_changes_of(index, domain);
        }
    }
}
