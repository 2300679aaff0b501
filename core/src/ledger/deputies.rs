//! The ledger's side of taking over (see `take_over.rs`): when a deputy starts to count for its chief, and when it
//! stops.

use crate::fold::Outcome;
use crate::take_over::DeputyPart;
use crate::{Edge, Kind, Knot, Ledger, Quality, Reading};

/// A deputy that counted no more than this many of the counter's units is no evidence against it.
const UNITS: u64 = 20;
/// Parts kept a domain. A sensor that dies more often is not replaced any more.
const PARTS: usize = 64;

impl Ledger {
    /// A domain's energy at an instant, with what its deputies counted.
    pub(crate) fn level(&self, domain: usize, at_ns: u64, error_ns: u64) -> Edge {
        let mut edge = self.tracks[domain].at(at_ns, error_ns);
        let parts = self.parts.get(domain).map_or(&[][..], Vec::as_slice);
        for part in parts.iter().filter(|part| at_ns > part.from_ns) {
            edge.add(&part.from, &part.edge(&self.tracks[part.by], at_ns, error_ns));
        }
        edge
    }

    /// Whether no further knot of a domain, or of its deputy, is to be expected.
    pub(crate) fn is_silent(&self, domain: usize) -> bool {
        self.deputy(domain).map_or(&self.tracks[domain], |part| &self.tracks[part.by]).is_silent()
    }

    /// Whether an instant's knots have arrived.
    pub(crate) fn resolvable(&self, domain: usize, at_ns: u64) -> bool {
        match self.deputy(domain) {
            Some(part) => at_ns <= part.from_ns || self.tracks[part.by].resolvable(at_ns),
            None => self.tracks[domain].resolvable(at_ns),
        }
    }

    /// The stretches of a domain that its deputies counted, oldest first.
    pub(crate) fn parts(&self, domain: usize) -> &[DeputyPart] {
        self.parts.get(domain).map_or(&[], Vec::as_slice)
    }

    /// A part's energy between two instants, microjoules.
    pub(crate) fn part_uj(&self, part: &DeputyPart, from_ns: u64, until_ns: u64) -> u64 {
        let until = |at_ns: u64| match at_ns > part.from_ns {
            true => part.edge(&self.tracks[part.by], at_ns, 0).uj,
            false => part.from.uj,
        };
        until(until_ns).saturating_sub(until(from_ns))
    }

    /// The domain whose readings are a domain's latest: itself, or its deputy.
    #[must_use]
    pub fn read_by(&self, domain: usize) -> usize {
        self.deputy(domain).map_or(domain, |part| part.by)
    }

    /// The domain that `deputy` counts for now.
    #[must_use]
    pub fn counts_for(&self, deputy: usize) -> Option<usize> {
        let chief = self.chiefs.get(deputy).copied().flatten()?;
        self.deputy(chief).is_some_and(|part| part.by == deputy).then_some(chief)
    }

    /// A domain's last knot, with what its deputies counted.
    #[must_use]
    pub fn last_knot(&self, domain: usize) -> Option<Knot> {
        let last = *self.tracks.get(domain)?.last_knot()?;
        if self.parts(domain).is_empty() {
            return Some(last);
        }
        let latest = *self.tracks[self.read_by(domain)].last_knot()?;
        let latest = if latest.at_ns < last.at_ns { last } else { latest };
        Some(Knot { uj: self.level(domain, latest.at_ns, 0).uj.max(last.uj), first: false, ..latest })
    }

    fn deputy(&self, domain: usize) -> Option<&DeputyPart> {
        self.parts(domain).last().filter(|part| part.to_ns.is_none())
    }

    /// After a reading of `domain`: its part ends if it is back; as a deputy it takes over where its chief has died.
    /// Returns the chief whose energy went on.
    pub(crate) fn succeed(&mut self, domain: usize, reading: &Reading, outcome: Outcome) -> Option<usize> {
        if self.deputy(domain).is_some() {
            self.returned(domain, reading, outcome);
        }
        let chief = self.chiefs.get(domain).copied().flatten()?;
        match self.parts[chief].last_mut() {
            Some(part) if part.to_ns.is_none() => return self.counts_for(domain),
            // Its last part has ended, and is settled by what was read since.
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

    fn take_over(&mut self, deputy: usize, chief: usize, reading: &Reading) {
        let (track, other) = (&self.tracks[chief], &self.tracks[deputy]);
        let Some(last) = track.last_knot().filter(|_| self.parts(chief).len() < PARTS) else { return };
        let estimated = other.domain().quality == Quality::Estimated;
        // An estimate takes the place of a package's counter that has never moved as a whole; see `overlap`.
        let still = last.first && last.uj == 0;
        if !track.is_dead(reading.before_ns) || (estimated && still) {
            return;
        }
        let from_ns = last.at_ns;
        let mut from = other.at(from_ns, 0);
        if estimated {
            // It was on standby, and starts again where its chief was seen last.
            let before = other.knots.iter().rev().find(|knot| knot.at_ns <= from_ns);
            from.uj = before.map_or(from.uj, |knot| knot.uj);
        } else if !other.remembers(from_ns) {
            return;
        }
        let drawn_uj = other.at(reading.after_ns, 0).uj.saturating_sub(from.uj);
        if drawn_uj <= track.domain().scale.quantum().saturating_mul(UNITS) {
            return;
        }
        self.parts[chief].push(DeputyPart { by: deputy, from_ns, from, to_ns: None, end: None });
        self.tracks[chief].record_replacement(reading.after_ns, estimated);
    }

    fn returned(&mut self, domain: usize, reading: &Reading, outcome: Outcome) {
        let counted_on = match outcome {
            Outcome::Baseline | Outcome::Reset => false,
            Outcome::Grew { .. } | Outcome::AtLeast => {
                let Some(part) = self.deputy(domain) else { return };
                let drawn_uj = self.part_uj(part, 0, reading.after_ns);
                // What the counter shows at once, it has counted in the meantime; else it starts only now.
                let track = &self.tracks[domain];
                track.domain().kind == Kind::Energy && track.last_growth_uj() > drawn_uj / 2
            }
            _ => return,
        };
        let (tracks, parts) = (&mut self.tracks, &mut self.parts[domain]);
        let Some(part) = parts.last_mut() else { return };
        if counted_on {
            parts.pop();
        } else {
            part.to_ns = Some(reading.before_ns.max(part.from_ns));
        }
        tracks[domain].record_return(reading.after_ns);
    }
}
