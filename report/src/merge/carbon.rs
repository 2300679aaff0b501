//! Carbon, cost and the facility's energy, from the merged energy at each machine's own figures.

use std::collections::BTreeSet;

use eco2_core::report::{Carbon, CarbonSegment, Energy, Report};
use eco2_core::units::{grams, kwh};
use eco2_core::{Bounded, Merged, RangeKind};
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
    let facility: Bounded<u64> = cells().map(|(pue, cell)| cell.energy.map(|uj| pue.facility_uj(uj))).sum();
    let facility_uj = facility.value;
    let first = cells().next().map_or(1.0, |(pue, _)| pue.get());
    let total_uj = energy.total_uj.filter(|uj| *uj > 0 && cells().any(|(pue, _)| pue.get() != first));
    let Some(total_uj) = total_uj else { return Energy { facility_uj, pue: first, ..energy } };
    // The mean is that of the estimates: bounds lie elsewhere in each part, and have each part's own.
    Energy {
        facility_uj,
        pue: facility_uj.unwrap_or(0) as f64 / total_uj as f64,
        facility_low_uj: Some(facility.low),
        facility_high_uj: energy.high_uj.and(facility.high),
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
        let Some(facility_uj) = cell.energy.value.map(|uj| pue.facility_uj(uj)) else {
            // Nothing was read there: it may have emitted anything.
            sum.high = None;
            continue;
        };
        sum.segments.extend(scaled(&carbon.segments, facility_uj, lasted(parts, attempts, *attempt, place)));
        let (low, high) = bounds(part, carbon, cell)?;
        sum.low += low;
        sum.high = sum.high.zip(high).map(|(sum, high)| sum + high);
        let priced_uj = part.energy.facility_uj.filter(|uj| *uj > 0);
        let price = carbon.cost.zip(priced_uj).map(|(cost, uj)| cost / kwh(uj));
        sum.kind = sum.kind.and(carbon.bounded().kind);
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
    kind: RangeKind,
    cost: Option<f64>,
    currencies: BTreeSet<String>,
    zones: BTreeSet<String>,
    zone_sources: BTreeSet<String>,
}

impl Default for Sum {
    fn default() -> Self {
        let (currencies, zones, zone_sources) = Default::default();
        Self {
            segments: Vec::new(),
            low: 0.0,
            high: Some(0.0),
            kind: RangeKind::Hard,
            cost: Some(0.0),
            currencies,
            zones,
            zone_sources,
        }
    }
}

impl Sum {
    fn carbon(self) -> Carbon {
        let words = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
        let value = (!self.segments.is_empty()).then(|| recompute(&self.segments));
        let high = self.high.filter(|_| value.is_some());
        let carbon = Carbon {
            zone: words(self.zones),
            zone_source: words(self.zone_sources),
            // Amounts of two currencies have no sum.
            cost: self.cost.filter(|_| value.is_some() && self.currencies.len() < 2),
            segments: self.segments,
            ..Carbon::default()
        };
        carbon.with_grams(Bounded { value, low: self.low, high, kind: self.kind })
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
    let no_higher = own.high_uj.is_none_or(|own| cell.energy.high.is_some_and(|high| high <= own));
    if cell.energy.value == own.total_uj && cell.energy.low >= own.low_uj && no_higher {
        return (!carbon.segments.is_empty()).then_some((carbon.low, carbon.high));
    }
    let figures = || carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let (least, most) = (figures().reduce(f64::min)?, figures().reduce(f64::max)?);
    let pue = pue(part);
    Some((
        grams(pue.facility_uj(cell.energy.low), least),
        cell.energy.high.map(|high| grams(pue.facility_uj(high), most)),
    ))
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
