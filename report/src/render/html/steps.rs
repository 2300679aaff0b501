//! The chart of the energy per step over the run, of the HTML report, with the settled part: the steps without the warm-up.

use eco2_core::schema::{Report, StepCurve};
use eco2_core::{Bounded, RangeKind, steady_part};
use maud::{Markup, html};

use super::super::numbers::{Amount, clock, count};
use super::plot::{Plot, Point, Series, WIDE, marks, time_ticks};

/// Fewest points of the chart: of fewer parts of the run the table of spans has the mean.
const MIN_POINTS: usize = 8;
/// Most points of the chart.
const MAX_POINTS: usize = 160;
/// The axis starts at 0 if the lowest value is below this part of the highest.
const MIN_PART: f64 = 0.5;

/// Returns the chart; `None` without steps over time.
pub(super) fn per_step(report: &Report) -> Option<Markup> {
    let curve = report.step_curve.as_ref().filter(|curve| curve.bin_ns > 0)?;
    let energies = energies(curve, report.run.duration_ns);
    let known = || energies.iter().filter_map(|energy| energy.value);
    if known().count() < MIN_POINTS {
        return None;
    }
    let (least, most) = (known().reduce(f64::min)?, known().reduce(f64::max).filter(|most| *most > 0.0)?);
    let unit = Amount::StepEnergy.unit(most);
    let bounds = bounds(least / unit.size, most / unit.size);
    let quality = super::marks::main_quality(report);
    let point = |energy: &Bounded<f64>| {
        let scaled = energy.times(1.0 / unit.size);
        let value = scaled.value.unwrap_or(0.0);
        Point { value: scaled.value, low: scaled.low, high: scaled.high, quality, extremes: [value, value] }
    };
    let plot = Plot {
        label: format!(
            "Energy per step over time, from {} to {}",
            Amount::StepEnergy.text(least),
            Amount::StepEnergy.text(most)
        ),
        height: 142.0,
        bounds,
        ticks: time_ticks(report.run.duration_ns, WIDE),
        series: vec![Series { color: "total", points: energies.iter().map(point).collect(), is_thin: false }],
        gaps: Vec::new(),
        levels: Vec::new(),
    };
    Some(html! {
        figure {
            div.sh { h2 { "Energy per step" } p { (unit.name) } }
            div.chart { (plot.svg()) }
            p.xs.mut { (settled(curve)) @if bounds[0] > 0.0 { "The axis does not start at 0." } }
        }
    })
}

/// Returns the energy per step, microjoules, in parts of equal length of the run.
fn energies(curve: &StepCurve, duration_ns: u64) -> Vec<Bounded<f64>> {
    let all = usize::try_from(duration_ns.div_ceil(curve.bin_ns)).unwrap_or(usize::MAX).min(curve.count.len() * 2);
    let group = all.max(curve.count.len()).div_ceil(MAX_POINTS).max(1);
    let of_group = |first: usize| {
        let bins = || (first..first + group).filter(|bin| curve.count.get(*bin).is_some_and(|steps| *steps > 0));
        let steps: u64 = bins().filter_map(|bin| curve.count.get(bin)).sum();
        let one = |bin: usize| Bounded {
            value: curve.energy_uj.get(bin).copied().flatten(),
            low: curve.low_uj.get(bin).copied().unwrap_or(0),
            high: curve.high_uj.get(bin).copied().flatten(),
            kind: RangeKind::Plausible,
        };
        let sum: Bounded<u64> = bins().map(one).sum();
        match steps {
            0 => Bounded::unknown(),
            _ => sum.map(|uj| uj as f64 / steps as f64),
        }
    };
    (0..all.max(curve.count.len())).step_by(group).map(of_group).collect()
}

/// Returns the values at the lower and upper edge of the chart.
fn bounds(least: f64, most: f64) -> [f64; 2] {
    if least < MIN_PART * most {
        return [0.0, super::plot::round_top(1.05 * most)];
    }
    let margin = (most - least).max(0.04 * most) / 2.0;
    let ticks = marks(least - margin, most + margin, 4);
    match (ticks.as_slice(), ticks.last()) {
        ([first, second, ..], Some(last)) => [first - (second - first), last + (second - first)],
        _ => [0.0, super::plot::round_top(1.05 * most)],
    }
}

/// Returns the settled part in words; empty if it cannot be found.
fn settled(curve: &StepCurve) -> String {
    let Some(part) = steady_part(curve).filter(|part| part.warm_up_steps > 0) else { return String::new() };
    let each = part.energy.value.map(|uj| Amount::StepEnergy.text(uj as f64 / part.steps.max(1) as f64));
    each.map_or_else(String::new, |each| {
        format!(
            "Settled from {} on: {each} per step, without the first {} steps. ",
            clock(part.from_ns),
            count(part.warm_up_steps)
        )
    })
}
