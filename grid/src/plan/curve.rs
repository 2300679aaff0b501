//! Prepares a series of intensities for planning: it stores the intensities as integers together with their cumulative
//! sums. The integral over any period is then one subtraction, and exact.
//!
//! A *slot* is one of the equal periods of a series, with one intensity; a *gap* is a slot without one. An *edge* is
//! the end of a slot and the start of the next.

use super::error::{PlanError, check};
use super::job::HOUR_NS;
use crate::{IntensityKind, Series, SeriesGap, utc};

/// Integer units per gram per kilowatt-hour. Values of up to twelve decimals are exact. The highest intensity that is
/// accepted, 5000 g/kWh, is 5e15 units and fits into an `i64`.
const PER_G: f64 = 1e12;

/// An intensity over time, prepared for planning.
#[derive(Debug, Clone)]
pub struct IntensityCurve {
    /// Start of the first slot, nanoseconds since 1970 UTC.
    first_ns: i64,
    /// Length of each slot, nanoseconds.
    step_ns: i64,
    /// Intensity by slot, 1e-12 g/kWh; 0 in gaps. One more 0 at the end belongs to the end of the series.
    slots: Vec<i64>,
    /// Integral of the intensity up to each edge, 1e-12 g/kWh times nanoseconds.
    sums: Vec<i128>,
    /// Number of gaps before each edge.
    unknown: Vec<u32>,
    gaps: Vec<SeriesGap>,
    /// What the intensities count; `None` if not stated.
    pub kind: Option<IntensityKind>,
}

/// A period of a curve. It may contain slots without a known intensity; no plan runs in them.
#[derive(Debug, Clone, Copy)]
pub struct PlanWindow<'a> {
    curve: &'a IntensityCurve,
    from_ns: i64,
    to_ns: i64,
    has_gaps: bool,
}

/// A part of a window with one intensity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlanPiece {
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
    /// Intensity, 1e-12 g/kWh; 0 if unknown.
    pub(super) cost: i64,
    pub(super) is_known: bool,
}

impl IntensityCurve {
    /// Prepares a series.
    #[must_use]
    pub fn new(series: &Series) -> Self {
        let known = |value: &f64| if value.is_nan() { 0 } else { (value * PER_G).round() as i64 };
        let mut slots: Vec<i64> = series.values().iter().map(known).collect();
        let (mut sum, mut gaps) = (0, 0);
        let (mut sums, mut unknown) = (vec![0], vec![0]);
        for (cost, value) in slots.iter().zip(series.values()) {
            sum += i128::from(*cost) * i128::from(series.step_ns());
            gaps += u32::from(value.is_nan());
            sums.push(sum);
            unknown.push(gaps);
        }
        slots.push(0);
        let (first_ns, step_ns, gaps) = (series.from_ns(), series.step_ns(), series.gaps().to_vec());
        let kind = series.meta.kind;
        Self { first_ns, step_ns, slots, sums, unknown, gaps, kind }
    }

    /// Returns the start of the first slot, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn from_ns(&self) -> i64 {
        self.first_ns
    }

    /// Returns the end of the last slot, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.first_ns + self.step_ns * (self.slots.len() as i64 - 1)
    }

    /// Returns the window from a job's release to its deadline.
    ///
    /// # Errors
    /// [`PlanError::OutsideSeries`], or [`PlanError::Gap`] if nothing in it is known.
    pub fn window(&self, from_ns: i64, to_ns: i64) -> Result<PlanWindow<'_>, PlanError> {
        if from_ns < self.first_ns || to_ns > self.to_ns() || from_ns >= to_ns {
            let (from, to) = (utc(self.first_ns), utc(self.to_ns()));
            let (wanted_from, wanted_to) = (utc(from_ns), utc(to_ns));
            return Err(PlanError::OutsideSeries { from, to, wanted_from, wanted_to });
        }
        let (first, end) = (self.place(from_ns).0, self.place(to_ns - 1).0 + 1);
        let unknown = (self.unknown[end] - self.unknown[first]) as usize;
        if unknown == end - first {
            return Err(self.gap_after(from_ns));
        }
        Ok(PlanWindow { curve: self, from_ns, to_ns, has_gaps: unknown > 0 })
    }

    /// Returns the edges of slots between two instants within the curve.
    pub(super) fn edges(&self, from_ns: i64, to_ns: i64) -> impl Iterator<Item = i64> {
        let first = self.place(from_ns).0 as i64;
        let edges = (first..).map(|slot| self.first_ns + self.step_ns * slot);
        edges.take_while(move |edge| *edge <= to_ns)
    }

    /// Returns the intensity at an instant within the curve, 1e-12 g/kWh; `None` if unknown.
    pub(super) fn cost_at(&self, at_ns: i64) -> Option<i64> {
        let slot = self.place(at_ns).0;
        self.knows(slot).then(|| self.slots[slot])
    }

    /// Returns the first known intensity at or after an instant, grams CO2e per kilowatt-hour.
    ///
    /// # Errors
    /// [`PlanError`] outside the curve, or if nothing is known after the instant.
    pub(super) fn known_from(&self, at_ns: i64) -> Result<f64, PlanError> {
        self.window(at_ns, self.to_ns())?;
        let first = self.place(at_ns).0;
        let known = (first..self.unknown.len() - 1).find(|slot| self.knows(*slot));
        known.map(|slot| self.slots[slot] as f64 / PER_G).ok_or_else(|| self.gap_after(at_ns))
    }

    /// Whether the intensity of a slot is known.
    fn knows(&self, slot: usize) -> bool {
        self.unknown[slot + 1] == self.unknown[slot]
    }

    /// Returns the error that names the first gap that ends after an instant.
    fn gap_after(&self, from_ns: i64) -> PlanError {
        let gap = self.gaps.iter().find(|gap| gap.to_ns > from_ns);
        let (from_ns, to_ns, place) =
            gap.map_or((from_ns, from_ns, Default::default()), |g| (g.from_ns, g.to_ns, g.place));
        PlanError::Gap { from: utc(from_ns), to: utc(to_ns), place }
    }

    /// Returns the slot of an instant within the curve, and the time since the start of that slot.
    fn place(&self, at_ns: i64) -> (usize, i64) {
        let passed_ns = at_ns - self.first_ns;
        ((passed_ns / self.step_ns) as usize, passed_ns % self.step_ns)
    }
}

impl<'a> PlanWindow<'a> {
    /// Returns the curve that contains the window.
    #[must_use]
    pub(super) fn curve(&self) -> &'a IntensityCurve {
        self.curve
    }

    /// Returns the release, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn from_ns(&self) -> i64 {
        self.from_ns
    }

    /// Returns the deadline, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.to_ns
    }

    /// Returns the length of the window in hours.
    #[must_use]
    pub(super) fn hours(&self) -> f64 {
        (self.to_ns - self.from_ns) as f64 / HOUR_NS as f64
    }

    /// Returns the time with a known intensity, nanoseconds.
    #[must_use]
    pub(crate) fn known_ns(&self) -> i64 {
        if !self.has_gaps {
            return self.to_ns - self.from_ns;
        }
        self.pieces().filter(|piece| piece.is_known).map(|piece| piece.to_ns - piece.from_ns).sum()
    }

    /// Whether the intensity is known throughout a period within the curve.
    pub(super) fn is_known(&self, from_ns: i64, to_ns: i64) -> bool {
        let unknown = &self.curve.unknown;
        !self.has_gaps || unknown[self.curve.place(to_ns - 1).0 + 1] == unknown[self.curve.place(from_ns).0]
    }

    /// Returns an error that names the first unknown period in the window.
    pub(super) fn gap(&self) -> PlanError {
        self.curve.gap_after(self.from_ns)
    }

    /// Returns the integral of the intensity over a period within the curve, 1e-12 g/kWh times nanoseconds, exact.
    pub(super) fn integral(&self, from_ns: i64, to_ns: i64) -> i128 {
        self.sum(to_ns) - self.sum(from_ns)
    }

    /// Returns the window cut at the edges of slots, including those without a known intensity.
    pub(super) fn pieces(&self) -> impl Iterator<Item = PlanPiece> + use<'a> {
        let (curve, from_ns, to_ns) = (self.curve, self.from_ns, self.to_ns);
        let (first, end) = (curve.place(from_ns).0, curve.place(to_ns - 1).0 + 1);
        (first..end).map(move |slot| {
            let edge_ns = curve.first_ns + curve.step_ns * slot as i64;
            let (from_ns, to_ns) = (edge_ns.max(from_ns), (edge_ns + curve.step_ns).min(to_ns));
            PlanPiece { from_ns, to_ns, cost: curve.slots[slot], is_known: curve.knows(slot) }
        })
    }

    /// Returns the integrals and starts of periods of `length_ns`: the first starts at `start_ns`, each further one a
    /// slot later, up to `last_ns`. Periods that are not fully known are left out.
    pub(super) fn slide(
        &self,
        start_ns: i64,
        length_ns: i64,
        last_ns: i64,
    ) -> impl Iterator<Item = (i128, i64)> + use<'a> {
        let (window, curve) = (*self, self.curve);
        let ((from, from_ns), (to, to_ns)) = (curve.place(start_ns), curve.place(start_ns + length_ns));
        let count = if start_ns > last_ns { 0 } else { (last_ns - start_ns) / curve.step_ns + 1 };
        let stretches = (0..count as usize).map(move |by| {
            let sum = |slot: usize, ns: i64| curve.sums[slot] + i128::from(curve.slots[slot]) * i128::from(ns);
            (sum(to + by, to_ns) - sum(from + by, from_ns), start_ns + curve.step_ns * by as i64)
        });
        stretches.filter(move |(_, from_ns)| window.is_known(*from_ns, from_ns + length_ns))
    }

    /// Returns the first instant of the window for which a slot starts `later_ns` later.
    pub(super) fn first_edge(&self, later_ns: i64) -> i64 {
        let past_ns = (self.from_ns + later_ns - self.curve.first_ns).rem_euclid(self.curve.step_ns);
        self.from_ns + if past_ns == 0 { 0 } else { self.curve.step_ns - past_ns }
    }

    /// Returns the integral from the start of the curve to an instant, 1e-12 g/kWh times nanoseconds.
    fn sum(&self, at_ns: i64) -> i128 {
        let (slot, ns) = self.curve.place(at_ns);
        self.curve.sums[slot] + i128::from(self.curve.slots[slot]) * i128::from(ns)
    }
}

impl PlanPiece {
    /// Returns the length of the part in hours.
    pub(super) fn hours(&self) -> f64 {
        (self.to_ns - self.from_ns) as f64 / HOUR_NS as f64
    }

    /// Returns the grams CO2e per kilowatt-hour.
    pub(super) fn g_per_kwh(&self) -> f64 {
        self.cost as f64 / PER_G
    }
}

/// Returns the emissions of an integral at a constant power, grams.
pub(super) fn grams(integral: i128, power_w: f64) -> f64 {
    integral as f64 / PER_G / HOUR_NS as f64 * (power_w / 1000.0)
}

/// Checks that a job of `duration_ns` fits into a window.
///
/// # Errors
/// [`PlanError::DeadlineBeforeDuration`], or [`RangeError`] for a duration that is not above 0.
pub(super) fn check_fits(window: &PlanWindow<'_>, duration_ns: i64) -> Result<(), PlanError> {
    let need_h = duration_ns as f64 / HOUR_NS as f64;
    check(need_h, "duration in hours", |hours| hours > 0.0, "a finite number above 0")?;
    if duration_ns <= window.to_ns() - window.from_ns() {
        return Ok(());
    }
    Err(too_long(window, need_h))
}

/// Returns the error for a job of `need_h` hours that is longer than its window.
pub(super) fn too_long(window: &PlanWindow<'_>, need_h: f64) -> PlanError {
    let (from, to) = (utc(window.from_ns()), utc(window.to_ns()));
    PlanError::DeadlineBeforeDuration { need_h, have_h: window.hours(), from, to }
}
