//! Sums of electricity and Scope 2 emissions by month and site for environmental reports ([`by_site`]): location-based
//! emissions with their factor, and market-based ones if every run has a contract.
//!
//! A *site* is the value of a label, else the grid zone. Runs are divided by month as for sums by time.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Carbon, Report};
use eco2_core::units::kwh;
use eco2_core::{Bounded, Ranged as _};

use super::periods::{Period, Slice, slices};
use super::sum::facility_of;
use super::{measured_once, whole_runs};

/// The electricity and the emissions of a site in a month.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteMonth {
    /// Number of runs in the month, in part or whole.
    pub(crate) runs: u64,
    /// Electricity with the facility's overhead, kilowatt-hours.
    pub(crate) kwh: Option<Bounded<f64>>,
    /// Part of the device energy from sensors, microjoules.
    pub(crate) measured_uj: f64,
    /// All known device energy, microjoules.
    pub(crate) total_uj: f64,
    /// Location-based emissions of the runs that have some, grams.
    pub(crate) location_g: Option<Bounded<f64>>,
    /// Electricity of these runs, kilowatt-hours.
    pub(crate) priced_kwh: f64,
    /// Sources of the factors.
    pub(crate) sources: BTreeSet<String>,
    /// Kinds of the factors.
    pub(crate) kinds: BTreeSet<String>,
    /// Years of the factors.
    pub(crate) years: BTreeSet<i32>,
    /// Market-based emissions of the runs with a contract, grams.
    pub(crate) market_g: Option<Bounded<f64>>,
    /// Electricity of these runs, kilowatt-hours.
    pub(crate) contract_kwh: f64,
    /// The contracts.
    pub(crate) instruments: BTreeSet<String>,
    /// Number of runs without emissions.
    pub(crate) unpriced: u64,
    /// Number of runs without a contract.
    pub(crate) without_contract: u64,
}

/// A month, as the start of it in seconds since 1970 (`None`: not known), and a site.
pub(crate) type SiteKey = (Option<i64>, String);

/// Sums runs by month and site, in this order.
pub(crate) fn by_site(reports: &[Report], label: Option<&str>) -> BTreeMap<SiteKey, SiteMonth> {
    let whole = whole_runs(reports);
    let mut sites: BTreeMap<String, Vec<&Report>> = BTreeMap::new();
    for report in &whole {
        sites.entry(site_of(report, label)).or_default().push(report);
    }
    let mut months: BTreeMap<SiteKey, SiteMonth> = BTreeMap::new();
    for (site, runs) in sites {
        for slice in runs.iter().flat_map(|run| slices(run, Period::Month)) {
            months.entry((slice.from_s, site.clone())).or_default().runs += 1;
        }
        for report in measured_once(&runs) {
            for slice in slices(&report, Period::Month) {
                months.entry((slice.from_s, site.clone())).or_default().add(&report, &slice);
            }
        }
    }
    months
}

/// Returns the site of a run: the value of the label, else the zone.
fn site_of(report: &Report, label: Option<&str>) -> String {
    let zone = || report.carbon.as_ref().map(|carbon| carbon.zone.clone()).filter(|zone| !zone.is_empty());
    let labelled = label.and_then(|label| report.run.labels.get(label).cloned());
    labelled.or_else(zone).unwrap_or_else(|| "(none)".to_owned())
}

fn plus(sum: Option<Bounded<f64>>, more: Bounded<f64>) -> Option<Bounded<f64>> {
    Some(sum.map_or(more, |sum| sum + more))
}

impl SiteMonth {
    fn add(&mut self, report: &Report, slice: &Slice) {
        let energy = &report.energy;
        // The share of the run in the month, by energy; without energy it is the whole, whose bounds are open.
        let total = energy.total_uj.filter(|uj| *uj > 0);
        let share = total.zip(slice.energy.value).map_or(1.0, |(total, part)| part as f64 / total as f64);
        let overhead = total.zip(energy.facility_uj).map_or(energy.pue, |(total, all)| all as f64 / total as f64);
        let own = slice.energy.map(|uj| kwh(uj) * overhead);
        // A run within one month has the bounds of its report.
        let electricity = if share >= 1.0 { facility_of(energy).map(kwh) } else { own };
        self.kwh = plus(self.kwh, electricity);
        self.measured_uj += (energy.measured_uj.saturating_add(energy.derived_uj)) as f64 * share;
        self.total_uj += slice.energy.value.unwrap_or(0) as f64;
        let Some(carbon) = report.carbon.as_ref().filter(|carbon| carbon.grams.is_some()) else {
            self.unpriced += 1;
            self.without_contract += 1;
            return;
        };
        let gram_share =
            slice.grams.zip(carbon.grams).filter(|(_, all)| *all > 0.0).map_or(share, |(part, all)| part / all);
        self.location_g = plus(self.location_g, carbon.bounded().times(gram_share));
        self.priced_kwh += electricity.value.unwrap_or(0.0);
        self.factors_of(carbon);
        match carbon.beside.as_deref().and_then(|beside| beside.market.as_ref()) {
            Some(market) => {
                self.market_g = plus(self.market_g, market.bounded().times(share));
                self.contract_kwh += electricity.value.unwrap_or(0.0);
                self.instruments.insert(market.instrument.clone());
            }
            None => self.without_contract += 1,
        }
    }

    fn factors_of(&mut self, carbon: &Carbon) {
        for segment in &carbon.segments {
            self.sources.insert(segment.source.clone());
            self.kinds.insert(segment.kind.clone().unwrap_or_else(|| "unknown".to_owned()));
            self.years.extend(segment.year);
        }
    }

    /// Returns the location-based emissions, grams; `None` if there are none, or if their factors are of different kinds.
    pub(crate) fn location(&self) -> Option<Bounded<f64>> {
        self.location_g.filter(|_| self.kinds.len() <= 1)
    }

    /// Returns the market-based emissions, grams; `None` unless every run has a contract.
    pub(crate) fn market(&self) -> Option<Bounded<f64>> {
        self.market_g.filter(|_| self.without_contract == 0)
    }
}
