//! Prices an existing report again with new options (`eco2 report RUN --zone ZONE`, for example). Only the values that
//! the options affect are computed again.
//!
//! *Terms* are the options of pricing as the report states them. *Supplements* are the figures that a report holds in
//! addition to emissions and cost, such as water. A *segment* is a part of the run's time with one intensity. The
//! *facility energy* is the energy of the computers times the power usage effectiveness (PUE, the overhead of the data
//! centre).

use eco2_core::schema::{Carbon, CarbonSegment, Cost, Energy, EventRecord, PriceTerms, Report};
use eco2_core::{Bounded, Ranged};

use super::resolved::{kind_of, set_pue};
use super::supplements::with_reservation;
use super::{EnergyCurve, PriceInput, Pricing, When};
use crate::carbon::{RunFacts, SupplementTerms, flat_cost};
use crate::provider::Coverage;
use crate::{Pue, recompute};

impl Pricing {
    /// Returns the report with every value computed again that the request affects. Measured energies do not change;
    /// the facility energy changes with the PUE.
    ///
    /// If the request names no zone, intensity, series, provider or place, the zone, the segments and their kinds stay,
    /// and a new PUE scales them. If it names no price, the cost stays and is scaled to the new PUE. A report without
    /// emissions gets emissions, cost and supplements only if the request states a source of intensities.
    #[must_use]
    pub fn price_again(
        &self,
        mut report: Report,
        when: &When,
        curve: &dyn EnergyCurve,
        coverage: Option<&Coverage>,
    ) -> Report {
        let old = report.carbon.take();
        let before = report.energy.clone();
        let run = PriceInput { when, work: &report.work, curve: Some(curve), coverage };
        let (grams, events) = self.grams_again(old.as_ref(), &mut report.energy, &run);
        if let Some(mut carbon) = grams {
            self.supplements_again(&mut carbon, &PricedBefore { carbon: old.as_ref(), energy: &before }, &report, &run);
            report.carbon = Some(carbon);
        }
        let has_new_cost = self.request.asks_for_price() && report.carbon.is_some();
        if self.request.pue.is_some() || self.request.asks_for_intensity() || has_new_cost {
            // The budget's use and forecast refer to the old facility energy, emissions and cost.
            report.budget = None;
        }
        report.events.extend(events);
        report
    }

    /// Returns zone, segments and emissions, with the events to report. They are computed at the PUE that the request
    /// names, otherwise at the one that the report states.
    fn grams_again(
        &self,
        old: Option<&Carbon>,
        energy: &mut Energy,
        run: &PriceInput<'_>,
    ) -> (Option<Carbon>, Vec<EventRecord>) {
        let stated = Pue::new(energy.pue).ok().filter(|_| self.request.pue.is_none());
        let pue = stated.unwrap_or(self.pue);
        if self.request.asks_for_intensity() {
            let (carbon, events) = self.grams(energy, pue, run);
            return (Some(carbon), events);
        }
        let ratio = pue.get() / energy.pue.max(1.0);
        if self.request.pue.is_some() {
            set_pue(energy, pue);
        }
        (old.map(|old| at_ratio(old, ratio, energy.facility_uj)), Vec::new())
    }

    /// Fills in cost, supplements and terms of the newly priced `carbon`.
    fn supplements_again(&self, carbon: &mut Carbon, before: &PricedBefore<'_>, report: &Report, run: &PriceInput<'_>) {
        let energy = &report.energy;
        let old_terms = before.carbon.map(Carbon::price_terms).unwrap_or_default();
        let terms = self.stated().or(with_reservation(old_terms, &self.request));
        let terms = PriceTerms { kind: kind_of(carbon).or(terms.kind.clone()), ..terms };
        let cost = match self.request.asks_for_price() {
            true => self.supplementary.cost(energy, run.when, run.curve),
            false => before.cost(&terms, energy),
        };
        let facts = RunFacts { energy, work: run.work, reserved_ns: run.when.lasted_ns };
        SupplementTerms::from(&terms).apply(carbon, facts, cost);
        // A report of an older version states the amount of the cost only, without its method.
        if !self.request.asks_for_price() && before.cost_record().is_none() {
            let amount = before.carbon.and_then(|old| old.cost);
            carbon.cost = amount.map(|amount| amount * before.ratio(energy));
        }
        carbon.terms = Some(Box::new(terms));
    }
}

/// Emissions and energy of a report before it is priced again.
struct PricedBefore<'a> {
    /// The old emissions; `None` if the report had none.
    carbon: Option<&'a Carbon>,
    energy: &'a Energy,
}

impl PricedBefore<'_> {
    /// Returns the old cost with its method and bounds; `None` if the report states none.
    fn cost_record(&self) -> Option<&Cost> {
        self.carbon?.beside.as_ref()?.cost.as_ref()
    }

    /// Returns the new facility energy divided by the old one. The factor is the same at all times.
    fn ratio(&self, now: &Energy) -> f64 {
        now.pue.max(1.0) / self.energy.pue.max(1.0)
    }

    /// Returns the old cost, scaled to the new facility energy. A flat price is multiplied by that energy again, so
    /// that nothing is rounded twice.
    fn cost(&self, terms: &PriceTerms, now: &Energy) -> Option<Cost> {
        let old = self.cost_record()?;
        let ratio = self.ratio(now);
        if ratio == 1.0 {
            return Some(old.clone());
        }
        let is_flat = |price: &f64| old.method == "flat" && price.is_finite() && *price >= 0.0;
        if let Some(flat) = terms.price_per_kwh.filter(is_flat) {
            return Some(flat_cost(now, flat, old.currency.as_deref()));
        }
        let [amount, low, high] = [old.amount, old.low, old.high].map(|money| money.map(|money| money * ratio));
        let unpriced_uj = (old.unpriced_uj as f64 * ratio).round() as u64;
        Some(Cost { amount, low, high, unpriced_uj, ..old.clone() })
    }
}

/// Returns the emissions `old` of a facility that uses `ratio` times as much energy at all times. The energies of the
/// segments add up to `facility_uj`.
fn at_ratio(old: &Carbon, ratio: f64, facility_uj: Option<u64>) -> Carbon {
    let Some(facility_uj) = facility_uj.filter(|_| ratio != 1.0) else { return old.clone() };
    let segments = in_proportion(&old.segments, facility_uj);
    let value = old.grams.map(|grams| if segments.is_empty() { grams * ratio } else { recompute(&segments) });
    let grams = Bounded { value, ..old.bounded().times(ratio) }.around_value();
    Carbon { segments, ..old.clone() }.with_grams(grams)
}

/// Returns segments scaled to another total energy. The last segment takes what rounding leaves, so the sum is exact.
pub(super) fn in_proportion(segments: &[CarbonSegment], facility_uj: u64) -> Vec<CarbonSegment> {
    let whole: u128 = segments.iter().map(|segment| u128::from(segment.energy_uj)).sum();
    let mut left_uj = facility_uj;
    let mut out = Vec::with_capacity(segments.len());
    for (place, segment) in segments.iter().enumerate() {
        let last = place + 1 == segments.len();
        let part = (u128::from(facility_uj) * u128::from(segment.energy_uj)).checked_div(whole).unwrap_or(0);
        let energy_uj = if last { left_uj } else { u64::try_from(part).unwrap_or(u64::MAX).min(left_uj) };
        left_uj -= energy_uj;
        out.push(CarbonSegment { energy_uj, ..segment.clone() });
    }
    out
}
