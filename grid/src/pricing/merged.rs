//! Adds up emissions and cost of reports that are merged into one (`eco2 merge`), and finds the terms that they share.
//!
//! A *share* is the part of the merged energy that one report contributes; it keeps that report's intensities and
//! prices. *Terms* are the options of pricing as a report states them. A *segment* is a part of a run's time with its
//! energy and intensity. The *facility energy* is the energy of the computers times the power usage effectiveness (PUE,
//! the overhead of the data centre).

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Carbon, CarbonSegment, Energy, EventKind, EventRecord, PriceTerms, ProviderCache};
use eco2_core::units::{grams, kwh};
use eco2_core::{Bounded, RangeKind, Ranged};

use super::again::in_proportion;
use crate::{Pue, recompute};

/// A part of a merged energy, and the report whose rates apply to it.
#[derive(Debug, Clone)]
pub struct EnergyShare<'a> {
    /// The energy, before PUE, microjoules.
    pub energy: Bounded<u64>,
    /// Start and end of the time in which it was used, in this order, RFC 3339 UTC.
    pub during: (String, String),
    /// Emissions of the whole report that the share is from.
    pub carbon: &'a Carbon,
    /// Energy of that whole report, to which `carbon` belongs. The share may be less.
    pub own: &'a Energy,
}

/// The sum of shares.
#[derive(Debug, Clone)]
pub struct MergedShares {
    /// Emissions, segments and cost.
    pub carbon: Carbon,
    /// Events that report which sums do not exist, with the reason.
    pub events: Vec<EventRecord>,
}

/// Returns the sum of emissions and cost of all shares.
///
/// Emissions of different kinds have no sum, and neither have costs in different currencies: the sum is then unknown,
/// and an event states a remedy. A share without an intensity may have emitted anything: it adds nothing, and the sum
/// has no upper bound.
#[must_use]
pub fn merge_shares(shares: &[EnergyShare<'_>]) -> MergedShares {
    let mut sum = ShareSum { high: Some(0.0), cost: Some(0.0), ..ShareSum::default() };
    shares.iter().for_each(|share| sum.add(share));
    sum.merged()
}

/// Returns `energy` with its facility energy (with the data centre's overhead) and its PUE filled in.
///
/// Each entry of `shares` is the PUE of a report and the energy that it contributes, microjoules before PUE. The
/// facility energy is the sum of the contributions times their PUEs; it is unknown if one of them is. If the PUEs
/// differ, the PUE is their mean weighted with the energy, and the bounds of the facility energy are the sums of the
/// contributions' bounds. An unknown contribution that may be above 0 counts for the bounds.
#[must_use]
pub fn facility(energy: Energy, shares: &[(Pue, Bounded<u64>)]) -> Energy {
    let all: Bounded<u64> = shares.iter().map(|(pue, energy)| energy.map(|uj| pue.facility_uj(uj))).sum();
    let used = || shares.iter().filter_map(|(pue, energy)| Some((pue.get(), energy.value.filter(|uj| *uj > 0)?)));
    let mut possible =
        shares.iter().filter(|(_, energy)| energy.value.is_some_and(|uj| uj > 0) || energy.high != Some(0));
    let first = used().next().map(|(pue, _)| pue).or(shares.first().map(|(pue, _)| pue.get())).unwrap_or(1.0);
    let weighted = used().fold((0.0, 0.0), |(sum, whole), (pue, uj)| (sum + pue * uj as f64, whole + uj as f64));
    let pue = if used().all(|(pue, _)| pue == first) { first } else { weighted.0 / weighted.1 };
    let energy = Energy { facility_uj: all.value, pue, ..energy };
    if possible.all(|(pue, _)| pue.get() == first) {
        return energy;
    }
    Energy { facility_low_uj: Some(all.low), facility_high_uj: energy.high_uj.and(all.high), ..energy }
}

/// The sum of the shares that were added so far.
#[derive(Default)]
struct ShareSum {
    segments: Vec<CarbonSegment>,
    /// Lower bound of the emissions, grams.
    low: f64,
    /// Upper bound of the emissions, grams; `None` if there is none.
    high: Option<f64>,
    kind: RangeKind,
    /// Cost; `None` if that of a share is unknown.
    cost: Option<f64>,
    currencies: BTreeSet<String>,
    zones: BTreeSet<String>,
    zone_sources: BTreeSet<String>,
    /// Hits and misses of the cache of each provider, in this order.
    caches: BTreeMap<String, (u64, u64)>,
}

impl ShareSum {
    /// Adds a share. A share of exactly no energy and without intensity adds only its use of caches.
    fn add(&mut self, share: &EnergyShare<'_>) {
        self.add_caches(&share.carbon.caches);
        if share.carbon.segments.is_empty() && share.energy.high == Some(0) {
            return;
        }
        let pue = Pue::new(share.own.pue).unwrap_or(Pue::ONE);
        let Some(facility_uj) = share.energy.value.map(|uj| pue.facility_uj(uj)) else {
            // No energy was read, so the share may have emitted anything.
            self.high = None;
            return;
        };
        let carbon = share.carbon;
        self.segments.extend(segments(share, facility_uj));
        let (low, high) = bounds(share, pue).unwrap_or((0.0, None));
        self.low += low;
        self.high = self.high.zip(high).map(|(sum, high)| sum + high);
        self.kind = self.kind.and(carbon.bounded().kind);
        self.cost = self.cost.zip(cost(share, facility_uj)).map(|(sum, cost)| sum + cost);
        self.currencies.extend(carbon.beside.iter().filter_map(|beside| beside.cost.as_ref()?.currency.clone()));
        self.zones.insert(carbon.zone.clone());
        self.zone_sources.insert(carbon.zone_source.clone());
    }

    /// Adds the hits and misses of each provider's cache.
    fn add_caches(&mut self, caches: &[ProviderCache]) {
        for cache in caches {
            let (hits, misses) = self.caches.entry(cache.provider.clone()).or_default();
            *hits = hits.saturating_add(cache.hits);
            *misses = misses.saturating_add(cache.misses);
        }
    }

    /// Returns the sum. Emissions and cost are unknown if they must not be added up, and an event states why.
    fn merged(self) -> MergedShares {
        let words = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let used = self.segments.iter().filter(|segment| segment.energy_uj > 0);
        let kinds: BTreeSet<&str> = used.filter_map(|segment| segment.kind.as_deref()).collect();
        let mut events = Vec::new();
        if kinds.len() > 1 {
            events.push(EventRecord::new(0, EventKind::KindsDiffer, "", kinds_differ(&kinds)));
        }
        if self.currencies.len() > 1 {
            events.push(EventRecord::new(0, EventKind::CurrenciesDiffer, "", currencies_differ(&self.currencies)));
        }
        let value = (!self.segments.is_empty()).then(|| recompute(&self.segments));
        let high = self.high.filter(|_| value.is_some());
        let known = Bounded { value, low: self.low, high, kind: self.kind };
        let carbon = Carbon {
            zone: words(&self.zones),
            zone_source: words(&self.zone_sources),
            cost: self.cost.filter(|_| value.is_some() && self.currencies.len() < 2),
            caches: self.caches.into_iter().map(cache).collect(),
            ..Carbon::default()
        };
        let carbon = carbon.with_grams(if kinds.len() > 1 { Bounded::unknown() } else { known });
        MergedShares { carbon: Carbon { segments: self.segments, ..carbon }, events }
    }
}

/// Returns the use of a provider's cache as a report states it.
fn cache((provider, (hits, misses)): (String, (u64, u64))) -> ProviderCache {
    ProviderCache { provider, hits, misses }
}

/// Returns the text of the event that emissions of several kinds have no sum.
fn kinds_differ(kinds: &BTreeSet<&str>) -> String {
    let named = kinds.iter().copied().collect::<Vec<_>>().join(" and ");
    format!(
        "parts use {named} intensities, which must not be added up, so the total emissions are not known; price all \
         parts by one kind, such as `eco2 report RUN --zone ZONE`"
    )
}

/// Returns the text of the event that costs in several currencies have no sum.
fn currencies_differ(currencies: &BTreeSet<String>) -> String {
    let named = currencies.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
    format!(
        "parts cost {named}, which must not be added up, so the total cost is not known; give all parts one price, such as \
         `eco2 report RUN --price-per-kwh PRICE --currency CODE`"
    )
}

/// Returns the segments of the share's report, scaled to the facility energy of the share. A single segment gets the
/// start and end of the share.
fn segments(share: &EnergyShare<'_>, facility_uj: u64) -> Vec<CarbonSegment> {
    let mut segments = in_proportion(&share.carbon.segments, facility_uj);
    if let [only] = segments.as_mut_slice() {
        (only.from, only.to) = share.during.clone();
    }
    segments
}

/// Returns the cost of a share at the mean price of its report; `None` if the report has no cost, or no energy to
/// divide by.
fn cost(share: &EnergyShare<'_>, facility_uj: u64) -> Option<f64> {
    let (cost, priced_uj) = (share.carbon.cost?, share.own.facility_uj?);
    match priced_uj {
        same if same == facility_uj => Some(cost),
        0 => None,
        other => Some(kwh(facility_uj) * (cost / kwh(other))),
    }
}

/// Returns the lower and the upper bound of a share's emissions, grams; `None` without an intensity, an inner `None`
/// without an upper bound.
///
/// If the share is all of the report's energy, the bounds are those of the report, which include the uncertainty of
/// when the energy was used. Otherwise all of the energy may have been used at the cleanest or at the dirtiest time.
fn bounds(share: &EnergyShare<'_>, pue: Pue) -> Option<(f64, Option<f64>)> {
    let (own, carbon, energy) = (share.own, share.carbon, share.energy);
    let no_higher = own.high_uj.is_none_or(|own| energy.high.is_some_and(|high| high <= own));
    if energy.value == own.total_uj && energy.low >= own.low_uj && no_higher {
        return (!carbon.segments.is_empty()).then_some((carbon.low, carbon.high));
    }
    let figures = || carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let (least, most) = (figures().reduce(f64::min)?, figures().reduce(f64::max)?);
    Some((grams(pue.facility_uj(energy.low), least), energy.high.map(|high| grams(pue.facility_uj(high), most))))
}

/// The terms of a merged report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AgreedTerms {
    /// The terms that all reports share.
    pub terms: PriceTerms,
    /// Names of the terms that differ and are left out.
    pub differ: Vec<&'static str>,
}

/// Returns the terms that all reports share, with the names of those that differ.
///
/// A contract, water factors and hardware belong to the energy of a machine. Each entry of `places` holds the terms of
/// the reports of one machine, and every machine must have the same. A functional unit, a carbon price and a currency
/// are shared if one report states them and no other contradicts. `all` holds the terms of every report.
#[must_use]
pub fn agreed(places: &[Vec<PriceTerms>], all: &[PriceTerms]) -> AgreedTerms {
    let market = everywhere(places, |terms| terms.market.clone());
    let water = everywhere(places, |terms| (terms.wue.or(terms.ewif)).map(|_| (terms.wue, terms.ewif)));
    let embodied = everywhere(places, |terms| terms.embodied.clone());
    let functional_unit = anywhere(all.iter().filter_map(|terms| terms.functional_unit.clone()));
    let carbon_price = anywhere(all.iter().filter_map(|terms| terms.carbon_price));
    let currency = anywhere(all.iter().filter_map(|terms| terms.currency.clone()));
    let checks = [
        ("market-based grams", market.is_ok()),
        ("water", water.is_ok()),
        ("embodied emissions", embodied.is_ok()),
        ("SCI", functional_unit.is_ok()),
        ("the price of carbon", carbon_price.is_ok() && (currency.is_ok() || carbon_price == Ok(None))),
    ];
    let (wue, ewif) = water.unwrap_or(None).unwrap_or_default();
    let terms = PriceTerms {
        market: market.unwrap_or(None),
        wue,
        ewif,
        embodied: embodied.unwrap_or(None),
        functional_unit: functional_unit.unwrap_or(None),
        carbon_price: carbon_price.unwrap_or(None).filter(|_| currency.is_ok()),
        currency: currency.unwrap_or(None),
        offsets: Vec::new(),
        equivalents: all.iter().any(|terms| terms.equivalents),
        ..common_terms(all)
    };
    let differ = checks.into_iter().filter(|(_, agreed)| !agreed).map(|(what, _)| what).collect();
    AgreedTerms { terms: with_offsets(terms, all), differ }
}

/// Returns the terms about intensities and prices that are equal in all reports. The others are empty.
fn common_terms(all: &[PriceTerms]) -> PriceTerms {
    let Some((first, rest)) = all.split_first() else { return PriceTerms::default() };
    rest.iter().fold(first.clone(), |common, terms| PriceTerms {
        zone: common.zone.filter(|zone| terms.zone.as_ref() == Some(zone)),
        locate: common.locate.filter(|place| terms.locate.as_ref() == Some(place)),
        g_per_kwh: common.g_per_kwh.filter(|figure| terms.g_per_kwh == Some(*figure)),
        series: common.series.filter(|file| terms.series.as_ref() == Some(file)),
        series_column: common.series_column.filter(|column| terms.series_column.as_ref() == Some(column)),
        providers: if terms.providers == common.providers { common.providers } else { Vec::new() },
        kind: common.kind.filter(|kind| terms.kind.as_ref() == Some(kind)),
        pue: common.pue.filter(|pue| terms.pue == Some(*pue)),
        price_per_kwh: common.price_per_kwh.filter(|price| terms.price_per_kwh == Some(*price)),
        tariff: common.tariff.filter(|file| terms.tariff.as_ref() == Some(file)),
        tariff_sha256: common.tariff_sha256.filter(|hash| terms.tariff_sha256.as_ref() == Some(hash)),
        tariff_column: common.tariff_column.filter(|column| terms.tariff_column.as_ref() == Some(column)),
        ..common
    })
}

/// Adds every offset that any report lists, once: the processes of one job share their options, and so the same
/// offsets.
fn with_offsets(mut terms: PriceTerms, all: &[PriceTerms]) -> PriceTerms {
    for offset in all.iter().flat_map(|terms| &terms.offsets) {
        if !terms.offsets.contains(offset) {
            terms.offsets.push(offset.clone());
        }
    }
    terms
}

/// The reports state different values.
#[derive(Debug, PartialEq)]
struct Differ;

/// Returns a term that is the same on every machine (entry of `places`); `None` if no machine has it.
fn everywhere<T: PartialEq>(
    places: &[Vec<PriceTerms>],
    term: impl Fn(&PriceTerms) -> Option<T>,
) -> Result<Option<T>, Differ> {
    let found: Result<Vec<Option<T>>, Differ> =
        places.iter().map(|place| anywhere(place.iter().filter_map(&term))).collect();
    let mut found = found?.into_iter();
    let first = found.next().unwrap_or(None);
    if found.all(|term| term == first) { Ok(first) } else { Err(Differ) }
}

/// Returns a term that is the same in all reports that state it; `None` if no report states it.
fn anywhere<T: PartialEq>(mut stated: impl Iterator<Item = T>) -> Result<Option<T>, Differ> {
    let first = stated.next();
    if stated.all(|term| Some(&term) == first.as_ref()) { Ok(first) } else { Err(Differ) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_of_caches_is_summed_by_provider() {
        let cache = |provider: &str, hits, misses| ProviderCache { provider: provider.to_owned(), hits, misses };
        let caches = [vec![cache("neso", 3, 1), cache("entsoe", 0, 2)], vec![cache("neso", 4, 0)], Vec::new()];
        let carbons = caches.map(|caches| Carbon { caches, ..Carbon::default() });
        let own = Energy::default();
        let share = |carbon| EnergyShare { energy: Bounded::exact(0), during: Default::default(), carbon, own: &own };
        let merged = merge_shares(&carbons.iter().map(share).collect::<Vec<_>>());
        assert_eq!(merged.carbon.caches, [cache("entsoe", 0, 2), cache("neso", 7, 1)]);
    }

    #[test]
    fn k09_what_a_machine_may_have_used_counts_at_its_own_pue() {
        let shares = [
            (Pue::new(2.0).unwrap(), Bounded::hard(0, 0, Some(100))),
            (Pue::new(1.0).unwrap(), Bounded::hard(50, 50, Some(60))),
        ];
        let energy = facility(Energy { high_uj: Some(160), ..Energy::default() }, &shares);
        // Upper bound: 100 × PUE 2 + 60 × PUE 1 = 260.
        assert_eq!((energy.facility_low_uj, energy.facility_high_uj), (Some(50), Some(260)));
        assert_eq!((energy.pue, energy.facility_uj), (1.0, Some(50)), "what was used, was used at PUE 1");
        // A share of exactly 0 does not count.
        let idle = [(Pue::new(2.0).unwrap(), Bounded::exact(0)), shares[1]];
        let energy = facility(Energy { high_uj: Some(60), ..Energy::default() }, &idle);
        assert_eq!((energy.pue, energy.facility_low_uj, energy.facility_high_uj), (1.0, None, None));
    }
}
