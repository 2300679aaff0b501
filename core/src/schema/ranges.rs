//! Converts the value and bounds in a report's records to [`Bounded`] values, and back.
//!
//! A record has them in separate fields (`energy_uj`, `low_uj`, `high_uj`), as JSON needs them. A [`Bounded`] is one value
//! with its bounds, for arithmetic. The *free* bounds use no assumption on power. Also: correcting reports of old versions,
//! which stored 0 where nothing was read.

use super::carbon::Carbon;
use super::device::Device;
use super::energy::{Attribution, Consumer};
use super::energy::{Energy, SpanRecord};
use super::events::EpisodeRecord;
use super::supplements::{CarbonPrice, Cost, Embodied, Market, Sci, Water};
use super::whole::Report;
use crate::{Bounded, RangeKind, Ranged, units};

/// Returns the kind of range that a report states. One of an older version states none, and is taken as plausible.
fn range_kind_of(stated: Option<RangeKind>) -> RangeKind {
    stated.unwrap_or(RangeKind::Plausible)
}

impl Ranged for Energy {
    type Amount = u64;

    /// The total with its bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.total_uj, low: self.low_uj, high: self.high_uj, kind: range_kind_of(self.range_kind) }
    }
}

impl Energy {
    /// The total in kilowatt-hours, without the overhead of the facility; `None` where no energy is known.
    ///
    /// ```
    /// use eco2_core::schema::Energy;
    ///
    /// let energy = Energy { total_uj: Some(1_800_000_000_000), ..Energy::default() };
    /// assert_eq!(energy.kwh(), Some(0.5));
    /// assert_eq!(Energy::default().kwh(), None);
    /// ```
    #[must_use]
    pub fn kwh(&self) -> Option<f64> {
        self.total_uj.map(units::kwh)
    }

    /// The total with the bounds that rest on no assumption about power, microjoules.
    #[must_use]
    pub fn free(&self) -> Bounded<u64> {
        Bounded { value: self.total_uj, low: self.free_low_uj, high: self.free_high_uj, kind: RangeKind::Hard }
    }

    /// With another total; the facility's energy is left alone.
    #[must_use]
    pub fn with_total(self, total: Bounded<u64>) -> Self {
        let (range_kind, range_percent) = stated(&total);
        Self { total_uj: total.value, low_uj: total.low, high_uj: total.high, range_kind, range_percent, ..self }
    }
}

impl Ranged for Device {
    type Amount = u64;

    /// Its energy with bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        let low = self.low_uj.unwrap_or(0);
        Bounded { value: self.energy_uj, low, high: self.high_uj, kind: range_kind_of(self.range_kind) }
    }
}

impl Device {
    /// Its energy with the bounds that rest on no assumption about power, microjoules.
    #[must_use]
    pub fn free(&self) -> Bounded<u64> {
        let low = self.free_low_uj.unwrap_or(0);
        Bounded { value: self.energy_uj, low, high: self.free_high_uj, kind: RangeKind::Hard }
    }
}

impl Ranged for SpanRecord {
    type Amount = u64;

    /// The sum of energies with bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: range_kind_of(self.range_kind) }
    }
}

impl SpanRecord {
    /// The sum of energies with the bounds that rest on no assumption about power, microjoules.
    #[must_use]
    pub fn free(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.free_low_uj, high: self.free_high_uj, kind: RangeKind::Hard }
    }
}

impl Ranged for EpisodeRecord {
    type Amount = u64;

    /// The energy with bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: RangeKind::Plausible }
    }
}

impl Ranged for Attribution {
    type Amount = u64;

    /// The command's energy with bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        Bounded::plausible(self.command_uj, self.low_uj, self.high_uj)
    }
}

impl Attribution {
    /// The energy of the attributed devices: of the command, of others, of idle capacity and of unknown users,
    /// microjoules.
    #[must_use]
    pub fn total_uj(&self) -> u64 {
        let parts = [self.command_uj, self.idle_uj, self.others_uj, self.unattributed_uj];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl Ranged for Consumer {
    type Amount = u64;

    /// Its energy with bounds, microjoules.
    fn bounded(&self) -> Bounded<u64> {
        Bounded::plausible(self.energy_uj, self.low_uj, self.high_uj)
    }
}

impl Ranged for Carbon {
    type Amount = f64;

    /// The grams with bounds.
    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, kind: range_kind_of(self.range_kind) }
    }
}

impl Carbon {
    /// With other grams.
    #[must_use]
    pub fn with_grams(self, grams: Bounded<f64>) -> Self {
        let (range_kind, range_percent) = stated(&grams);
        Self { grams: grams.value, low: grams.low, high: grams.high, range_kind, range_percent, ..self }
    }
}

impl Ranged for Market {
    type Amount = f64;

    /// The grams with bounds.
    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Ranged for Embodied {
    type Amount = f64;

    /// The grams with bounds.
    fn bounded(&self) -> Bounded<f64> {
        Bounded::plausible(self.grams, self.low, self.high)
    }
}

impl Ranged for Sci {
    type Amount = f64;

    /// The grams per unit with bounds.
    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.grams, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Ranged for Water {
    type Amount = f64;

    /// The litres with bounds.
    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.litres, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Ranged for Cost {
    type Amount = f64;

    /// The amount with bounds; `low` is `f64::NEG_INFINITY` where it is unbounded.
    fn bounded(&self) -> Bounded<f64> {
        let low = self.low.unwrap_or(f64::NEG_INFINITY);
        Bounded { value: self.amount, low, high: self.high, kind: RangeKind::Plausible }
    }
}

impl Ranged for CarbonPrice {
    type Amount = f64;

    /// The amount with bounds.
    fn bounded(&self) -> Bounded<f64> {
        Bounded { value: self.amount, low: self.low, high: self.high, kind: RangeKind::Plausible }
    }
}

/// `range_kind` and `range_percent` as the schema has them: null where there is no value.
#[must_use]
pub fn stated<T>(range: &Bounded<T>) -> (Option<RangeKind>, Option<f64>) {
    let kind = range.value.is_some().then_some(range.kind);
    (kind, kind.map(RangeKind::percent))
}

impl Report {
    /// The same with null for what reports of versions before 0.2 wrote as zero: counts that were not given, and the
    /// energy of a run in which no summed device was read.
    #[must_use]
    pub fn without_false_zeros(mut self) -> Self {
        let work = &mut self.work;
        for count in [&mut work.steps, &mut work.samples, &mut work.tokens] {
            *count = count.filter(|count| *count > 0);
        }
        let is_read = self.devices.iter().any(|device| device.is_summed() && device.energy_uj.is_some());
        if is_read || self.energy.total_uj != Some(0) {
            return self;
        }
        let nothing = Energy { free_low_uj: 0, free_high_uj: None, facility_uj: None, ..self.energy };
        let missing_ns = nothing.missing_ns.max(self.run.duration_ns);
        self.energy = Energy { missing_ns, ..nothing.with_total(Bounded::unknown()) };
        for attempt in &mut self.run.attempts {
            attempt.energy_uj = attempt.energy_uj.filter(|uj| *uj > 0);
        }
        for span in self.spans.iter_mut().filter(|span| span.energy_uj == Some(0)) {
            (span.energy_uj, span.high_uj, span.free_high_uj) = (None, None, None);
        }
        self.carbon = self.carbon.map(|carbon| {
            let segments = carbon.segments.into_iter().filter(|segment| segment.energy_uj > 0).collect();
            Carbon { segments, ..carbon }.with_grams(Bounded::unknown())
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k01_zero_of_an_old_report_without_readings_is_read_as_not_known() {
        let old = serde_json::json!({
            "total_uj": 0, "low_uj": 0, "high_uj": 0, "free_low_uj": 0, "free_high_uj": 0, "measured_uj": 0, "derived_uj": 0,
            "estimated_uj": 0, "synthetic_uj": 0, "missing_ns": 0, "facility_uj": 0, "pue": 1.0,
        });
        let energy: Energy = serde_json::from_value(old).unwrap();
        let report = Report {
            energy,
            spans: vec![SpanRecord { energy_uj: Some(0), high_uj: Some(0), ..SpanRecord::default() }],
            work: crate::schema::Work { steps: Some(0), samples: Some(3), ..Default::default() },
            carbon: Some(Carbon { grams: Some(0.0), high: Some(0.0), ..Carbon::default() }),
            ..Report::empty(crate::schema::Run { duration_ns: 7, ..Default::default() })
        };
        let report = report.without_false_zeros();
        let energy = &report.energy;
        assert_eq!((energy.total_uj, energy.low_uj, energy.high_uj, energy.missing_ns), (None, 0, None, 7));
        assert_eq!((report.spans[0].energy_uj, report.carbon.unwrap().high), (None, None));
        assert_eq!((report.work.steps, report.work.samples), (None, Some(3)));
        assert!(serde_json::from_value::<Energy>(serde_json::json!({"total": 1})).is_err(), "absent is an error");
    }
}
