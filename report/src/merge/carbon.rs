//! Carbon, cost and the facility's energy, from the merged energy at each machine's own figures.

use std::collections::BTreeSet;

use eco2_core::Merged;
use eco2_core::report::{Carbon, CarbonSegment, Energy, Report};
use eco2_core::units::{grams, kwh};
use eco2_grid::{Pue, recompute};
use jiff::Timestamp;

use super::attempts::Attempts;
use super::energy::Measured;
use super::parts::{machine, wall};

/// Grams and money of a merge.
pub(super) struct Priced {
    pub(super) carbon: Carbon,
}

/// Fills in what the facility took: each attempt's energy on each machine times the PUE that it is priced with.
pub(super) fn with_facility(energy: Energy, parts: &[Report], attempts: &Attempts, measured: &Measured) -> Energy {
    let cells = || {
        let pue = |(attempt, place): &(usize, String)| figures(parts, attempts, *attempt, place).map_or(Pue::ONE, pue);
        measured.cells.iter().map(move |(key, cell)| (pue(key), cell))
    };
    let sum =
        |of: fn(&Merged) -> u64| cells().fold(0, |sum: u64, (pue, cell)| sum.saturating_add(pue.facility_uj(of(cell))));
    let facility_uj = sum(|cell| cell.energy_uj);
    let first = cells().next().map_or(1.0, |(pue, _)| pue.get());
    if !cells().any(|(pue, _)| pue.get() != first) || energy.total_uj == 0 {
        return Energy { facility_uj, pue: first, ..energy };
    }
    // The mean is that of the estimates: bounds lie elsewhere in each part, and have each part's own.
    Energy {
        facility_uj,
        pue: facility_uj as f64 / energy.total_uj as f64,
        facility_low_uj: Some(sum(|cell| cell.low_uj)),
        facility_high_uj: energy.high_uj.map(|_| sum(|cell| cell.high_uj.unwrap_or(u64::MAX))),
        ..energy
    }
}

/// The part whose figures hold for an attempt on a machine: the attempt's longest there that tells its carbon, else another
/// attempt's; where no part tells any, the longest.
fn figures<'a>(parts: &'a [Report], attempts: &Attempts, attempt: usize, place: &str) -> Option<&'a Report> {
    let there = || members(parts, attempts, attempt).filter(|part| machine(part) == place);
    longest(there().filter(|part| part.carbon.is_some()))
        .or_else(|| speaker(parts, place, |part| part.carbon.is_some()))
        .or_else(|| longest(there()))
        .or_else(|| speaker(parts, place, |_| true))
}

fn members<'a>(parts: &'a [Report], attempts: &Attempts, attempt: usize) -> impl Iterator<Item = &'a Report> {
    let members = attempts.list.get(attempt).map(|attempt| attempt.members.clone()).unwrap_or_default();
    members.into_iter().filter_map(|at| parts.get(at))
}

/// Prices every attempt on every machine; `None` where a machine's carbon is not known.
pub(super) fn price(parts: &[Report], attempts: &Attempts, measured: &Measured) -> Option<Priced> {
    let mut sum = Sum::default();
    for ((attempt, place), cell) in &measured.cells {
        let part = figures(parts, attempts, *attempt, place)?;
        let carbon = part.carbon.as_ref()?;
        let pue = pue(part);
        let (low, high) = bounds(part, carbon, cell)?;
        let facility_uj = pue.facility_uj(cell.energy_uj);
        sum.segments.extend(scaled(&carbon.segments, facility_uj, lasted(parts, attempts, *attempt, place)));
        sum.low += low;
        sum.high = sum.high.zip(high).map(|(sum, high)| sum + high);
        let price = carbon.cost.filter(|_| part.energy.facility_uj > 0).map(|cost| cost / kwh(part.energy.facility_uj));
        sum.cost = sum.cost.zip(price).map(|(sum, price)| sum + kwh(facility_uj) * price);
        sum.currencies.extend(carbon.beside.iter().filter_map(|beside| beside.cost.as_ref()?.currency.clone()));
        sum.zones.insert(carbon.zone.clone());
        sum.zone_sources.insert(carbon.zone_source.clone());
    }
    Some(Priced { carbon: sum.carbon() })
}

/// When an attempt lasted on a machine; where none of its processes has a record there, when it lasted.
fn lasted(parts: &[Report], attempts: &Attempts, attempt: usize, place: &str) -> (String, String) {
    let there: Vec<&Report> = members(parts, attempts, attempt).filter(|part| machine(part) == place).collect();
    if there.is_empty() { ends(members(parts, attempts, attempt)) } else { ends(there.into_iter()) }
}

struct Sum {
    segments: Vec<CarbonSegment>,
    low: f64,
    high: Option<f64>,
    cost: Option<f64>,
    currencies: BTreeSet<String>,
    zones: BTreeSet<String>,
    zone_sources: BTreeSet<String>,
}

impl Default for Sum {
    fn default() -> Self {
        let (currencies, zones, zone_sources) = Default::default();
        Self { segments: Vec::new(), low: 0.0, high: Some(0.0), cost: Some(0.0), currencies, zones, zone_sources }
    }
}

impl Sum {
    fn carbon(self) -> Carbon {
        let words = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
        Carbon {
            grams: recompute(&self.segments),
            low: self.low,
            high: self.high,
            zone: words(self.zones),
            zone_source: words(self.zone_sources),
            // Amounts of two currencies have no sum.
            cost: self.cost.filter(|_| !self.segments.is_empty() && self.currencies.len() < 2),
            segments: self.segments,
            embodied: None,
            sci: None,
            beside: None,
        }
    }
}

/// The part whose figures hold for a machine: of those that will do the longest, and of several the first.
fn speaker<'a>(parts: &'a [Report], place: &str, will_do: impl Fn(&Report) -> bool) -> Option<&'a Report> {
    longest(parts.iter().filter(|part| machine(part) == place && will_do(part)))
}

/// The longest, and of several the first.
fn longest<'a>(parts: impl Iterator<Item = &'a Report>) -> Option<&'a Report> {
    parts.fold(None, |best: Option<&Report>, part| match best {
        Some(best) if best.run.duration_ns >= part.run.duration_ns => Some(best),
        _ => Some(part),
    })
}

fn pue(part: &Report) -> Pue {
    Pue::new(part.energy.pue).unwrap_or(Pue::ONE)
}

/// Bounds of a cell's grams: the part's own where its energy is the part's, as they hold what is not known of when it was
/// used; else those of all of it at the cleanest, or the dirtiest time. `None` without a figure.
fn bounds(part: &Report, carbon: &Carbon, cell: &Merged) -> Option<(f64, Option<f64>)> {
    let own = &part.energy;
    let no_higher = own.high_uj.is_none_or(|own| cell.high_uj.is_some_and(|high| high <= own));
    if cell.energy_uj == own.total_uj && cell.low_uj >= own.low_uj && no_higher {
        return (!carbon.segments.is_empty()).then_some((carbon.low, carbon.high));
    }
    let figures = || carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let (least, most) = (figures().reduce(f64::min)?, figures().reduce(f64::max)?);
    let pue = pue(part);
    Some((grams(pue.facility_uj(cell.low_uj), least), cell.high_uj.map(|high| grams(pue.facility_uj(high), most))))
}

/// Segments with another sum, in the proportions they had. One segment alone lasts as long as the attempt.
fn scaled(segments: &[CarbonSegment], facility_uj: u64, (from, to): (String, String)) -> Vec<CarbonSegment> {
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
    if let [only] = out.as_mut_slice() {
        (only.from, only.to) = (from, to);
    }
    out
}

/// The first beginning and the last end of parts, RFC 3339 UTC.
pub(super) fn ends<'a>(parts: impl Iterator<Item = &'a Report>) -> (String, String) {
    let windows: Vec<_> = parts.map(wall).collect();
    let text = |ns: Option<u64>| {
        let at = ns.and_then(|ns| Timestamp::from_nanosecond(i128::from(ns)).ok());
        at.map_or_else(String::new, |at| at.to_string())
    };
    (text(windows.iter().map(|w| w.from_ns).min()), text(windows.iter().map(|w| w.to_ns).max()))
}
