//! The carbon intensity over the time of the run, and the emissions that had been caused until each instant, as charts of the
//! HTML report. Both follow from the report's table of segments, each of which has an energy and an intensity.

use eco2_core::schema::{Carbon, CarbonSegment, Report};
use eco2_core::{Bounded, Ranged};
use eco2_grid::Pue;
use eco2_grid::pricing::{RateStep, Steps, weigh};
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::numbers::{Amount, as_f64, digits};
use super::bins::RelativeRange;
use super::plot::{Level, NARROW, Plot, Point, Series, WIDE, percent, round_top, time_ticks};

/// Points of the emissions' curve.
const POINTS: u64 = 320;

/// Part of the run with one intensity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) to_ns: u64,
    pub(super) g_per_kwh: f64,
    pub(super) is_estimate: bool,
}

/// Returns the intensities over the run; `None` if the segments do not follow each other from its start to its end, as those of
/// a merged report.
pub(super) fn slots(report: &Report) -> Option<Vec<Slot>> {
    let carbon = report.carbon.as_ref().filter(|_| report.merge.is_none())?;
    let [first, ..] = carbon.segments.as_slice() else { return None };
    let start = instant(&first.from)?;
    let mut end_ns = 0;
    let mut slots: Vec<Slot> = Vec::new();
    for segment in &carbon.segments {
        let [from_ns, to_ns] =
            [&segment.from, &segment.to].map(|text| Some(instant(text)?.duration_since(start).as_nanos()));
        let (from_ns, to_ns) = (u64::try_from(from_ns?).ok()?, u64::try_from(to_ns?).ok()?);
        if from_ns != end_ns || to_ns < from_ns {
            return None;
        }
        end_ns = to_ns;
        slots.push(slot(segment, to_ns));
    }
    // Times in reports may be rounded to microseconds.
    if end_ns.abs_diff(report.run.duration_ns) > 1_000_000_000 {
        return None;
    }
    if let Some(last) = slots.last_mut() {
        last.to_ns = report.run.duration_ns;
    }
    Some(slots)
}

fn slot(segment: &CarbonSegment, to_ns: u64) -> Slot {
    Slot { to_ns, g_per_kwh: segment.g_per_kwh, is_estimate: segment.estimated }
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Returns the intensities over the run if they change.
pub(super) fn changing(report: &Report) -> Option<Vec<Slot>> {
    let slots = slots(report)?;
    let first = slots.first()?.g_per_kwh;
    slots.iter().any(|slot| slot.g_per_kwh != first).then_some(slots)
}

/// Returns the class of an intensity, of which each has a colour: the thresholds are the same in every report.
pub(super) fn class(g_per_kwh: f64) -> &'static str {
    match g_per_kwh {
        ..100.0 => "ci1",
        100.0..200.0 => "ci2",
        200.0..350.0 => "ci3",
        350.0..500.0 => "ci4",
        _ => "ci5",
    }
}

/// Returns the chart of the intensity below those of the power.
pub(super) fn track(report: &Report, slots: &[Slot]) -> Markup {
    let most = slots.iter().map(|slot| slot.g_per_kwh).fold(0.0, f64::max);
    let end_ns = report.run.duration_ns.max(1) as f64;
    let top = round_top(most);
    let plot = Plot {
        label: format!("Carbon intensity over time in g/kWh, up to {}", digits(most, 3)),
        height: 60.0,
        bounds: [0.0, top],
        ticks: time_ticks(report.run.duration_ns, WIDE),
        series: Vec::new(),
        gaps: Vec::new(),
        levels: Vec::new(),
    };
    let starts = std::iter::once(0).chain(slots.iter().map(|slot| slot.to_ns));
    html! {
        div.track {
            div.tl { b { "Carbon intensity" } span { "g/kWh" } }
            div.tc.ciplot {
                (plot.svg())
                svg.bars width="100%" height="68" aria-hidden="true" {
                    @for (slot, from_ns) in slots.iter().zip(starts) {
                        @let height = 60.0 * slot.g_per_kwh.max(0.0) / top;
                        rect.(class(slot.g_per_kwh)).pale[slot.is_estimate] x=(percent(from_ns as f64 / end_ns))
                            width=(percent(slot.to_ns.saturating_sub(from_ns) as f64 / end_ns))
                            y=(format!("{:.1}", 68.0 - height)) height=(format!("{height:.1}")) {
                            title { (digits(slot.g_per_kwh, 3)) " g/kWh" @if slot.is_estimate { ", estimated by the provider" } }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the chart of the emissions until each instant, with the limit if one was set; `None` if they are not known over time.
pub(super) fn cumulative(report: &Report, carbon: &Carbon, limit_g: Option<f64>) -> Option<Markup> {
    carbon.grams?;
    let slots = slots(report)?;
    let pue = Pue::new(report.energy.pue).ok()?;
    let (curve, end_ns) = (report.curve(), report.run.duration_ns);
    let until = |at_ns: u64| -> Bounded<f64> {
        let passed = slots.iter().take_while(|slot| slot.to_ns < at_ns).map(|slot| (slot.to_ns, slot.g_per_kwh));
        let now = slots.iter().find(|slot| slot.to_ns >= at_ns).map(|slot| (at_ns, slot.g_per_kwh));
        let steps = passed.chain(now).map(|(to_ns, rate)| RateStep { to_ns, per_kwh: Some(rate) });
        weigh(&curve, &Steps::new(steps), pue)
    };
    let at = |point: u64| (u128::from(end_ns) * u128::from(point) / u128::from(POINTS)) as u64;
    let relative = RelativeRange::of(&carbon.bounded());
    let grams: Vec<Bounded<f64>> = (1..=POINTS).map(|point| ranged(until(at(point)), relative.as_ref())).collect();
    let most = carbon.high.or(carbon.grams).unwrap_or(0.0).max(carbon.grams.unwrap_or(0.0));
    let shown_limit = limit_g.filter(|limit| *limit < 4.0 * most);
    let most = most.max(shown_limit.unwrap_or(0.0));
    let unit = Amount::Mass.unit(most);
    let quality = super::marks::main_quality(report);
    let point = |grams: &Bounded<f64>| {
        let scaled = grams.times(1.0 / unit.size);
        let value = scaled.value.unwrap_or(0.0);
        Point { value: scaled.value, low: scaled.low, high: scaled.high, quality, extremes: [value, value] }
    };
    let plot = Plot {
        label: format!("Emissions since the start in {}: {} at the end", unit.name, Amount::Mass.text(carbon.grams?)),
        height: 142.0,
        bounds: [0.0, round_top(1.05 * most / unit.size)],
        ticks: time_ticks(end_ns, NARROW),
        series: vec![Series { color: "total", points: grams.iter().map(point).collect(), is_thin: false }],
        gaps: Vec::new(),
        levels: shown_limit
            .map(|limit| Level { value: limit / unit.size, text: format!("budget {}", Amount::Mass.text(limit)) })
            .into_iter()
            .collect(),
    };
    Some(html! {
        figure { div.sh { h2 { "Cumulative emissions" } p { (unit.name) } } div.chart { (plot.svg()) } }
    })
}

/// Returns an amount with the run's plausible range applied to it, or with its own hard range.
fn ranged(amount: Bounded<f64>, relative: Option<&RelativeRange>) -> Bounded<f64> {
    amount.value.zip(relative).map_or(amount, |(value, range)| range.around(value))
}

/// Returns the chart of the energy until each instant; `None` if the energy is not known.
pub(super) fn cumulative_energy(report: &Report) -> Option<Markup> {
    let total = report.energy.bounded();
    let value_uj = total.value? as f64;
    let most = total.high.map_or(value_uj, |high| high as f64).min(3.0 * value_uj);
    let unit = Amount::Energy.unit(value_uj);
    let relative = RelativeRange::of(&as_f64(total));
    let (curve, end_ns, quality) = (report.curve(), report.run.duration_ns, super::marks::main_quality(report));
    let point = |at: u64| {
        let at_ns = (u128::from(end_ns) * u128::from(at) / u128::from(POINTS)) as u64;
        let energy = ranged(as_f64(curve.at(at_ns)), relative.as_ref()).times(1.0 / unit.size);
        let value = energy.value.unwrap_or(0.0);
        Point { value: energy.value, low: energy.low, high: energy.high, quality, extremes: [value, value] }
    };
    let plot = Plot {
        label: format!("Energy since the start in {}: {} at the end", unit.name, Amount::Energy.text(value_uj)),
        height: 142.0,
        bounds: [0.0, round_top(1.05 * most / unit.size)],
        ticks: time_ticks(end_ns, NARROW),
        series: vec![Series { color: "total", points: (1..=POINTS).map(point).collect(), is_thin: false }],
        gaps: Vec::new(),
        levels: Vec::new(),
    };
    Some(html! {
        figure { div.sh { h2 { "Cumulative energy" } p { (unit.name) } } div.chart { (plot.svg()) } }
    })
}
