//! The section "Power over time" of the HTML report: one chart above the other with a common time axis, for the total, each GPU, the
//! CPUs, the memory and other parts; the carbon intensity below them; and the same values as data for the script.

use eco2_core::schema::Report;
use eco2_core::{Component, Quality};
use maud::{Markup, html};
use serde::Serialize;

use super::super::numbers::{Amount, as_f64, clock, digits, duration};
use super::bins::{Bin, DevicePower, Grid, PowerOverTime, summed};
use super::intensity;
use super::lanes::{self, Lane};
use super::plot::{Gap, Plot, Point, Series, WIDE, percent, round_top, time_ticks};
use eco2_core::Ranged;

/// Most lines of equal devices in one chart; of more only their sum is drawn.
const MAX_LINES: usize = 64;
/// Most events that are marked.
const MAX_MARKS: usize = 200;

/// One chart of the section.
struct Track<'a> {
    name: &'static str,
    color: &'static str,
    members: Vec<&'a DevicePower>,
    bins: Vec<Bin>,
    height: f64,
    /// Whether the members are drawn separately, and the bins are their mean.
    is_each: bool,
}

/// The values of the charts, for the script that shows them at the pointer.
#[derive(Serialize)]
pub(super) struct TrackData<'a> {
    lanes: Vec<Lane<'a>>,
    end_s: f64,
    tracks: Vec<NamedValues>,
    /// Energy of the run until each edge of a bin, joules, with its bounds.
    energy_j: Vec<Option<f64>>,
    low_j: Vec<f64>,
    high_j: Vec<Option<f64>>,
}

/// The power in each bin of one chart, watts.
#[derive(Serialize)]
struct NamedValues {
    name: &'static str,
    w: Vec<Option<f64>>,
    low: Vec<Option<f64>>,
    high: Vec<Option<f64>>,
}

/// Returns the section, and the data of its charts.
pub(super) fn section<'a>(report: &'a Report, power: &PowerOverTime) -> (Markup, TrackData<'a>) {
    let tracks = tracks(power);
    let last = tracks.len().saturating_sub(1);
    let steps = intensity::changing(report);
    let lanes = lanes::lanes(report);
    let markup = html! {
        section id="power" {
            div.sh { h2 { "Power over time" } p.jsonly.noprint { "Drag to select a range." span.keys { " Keys: ← → move, Shift extends, Esc resets." } } }
            div.readout { span.rv id="rv" { (whole_run(report)) } span.vh id="spoken" aria-live="polite" {} }
            div.tracks id="tracks" tabindex="0" role="group" aria-label="Power over time. The arrow keys read the values." {
                @if !report.events.is_empty() { (marks(report)) }
                (lanes::rows(report, &lanes))
                @for (at, track) in tracks.iter().enumerate() { (row(report, power.grid, track, at == last && steps.is_none())) }
                @if let Some(steps) = &steps { (intensity::track(report, steps)) }
                div.sel id="sel" hidden {}
                div.cur id="cur" hidden {}
            }
            (legend(&tracks, report))
        }
    };
    (markup, TrackData { lanes, ..data(report, power.grid, &tracks) })
}

/// Returns the charts: the total if there are several devices, then the components.
fn tracks(power: &PowerOverTime) -> Vec<Track<'_>> {
    let all: Vec<&DevicePower> = power.devices.iter().collect();
    let mut tracks = Vec::new();
    if all.len() > 1 {
        let bins = summed(power.grid, &all);
        tracks.push(Track { name: "Total", color: "total", members: all, bins, height: 104.0, is_each: false });
    }
    for component in [Component::Gpu, Component::Cpu, Component::Memory, Component::Other] {
        let members: Vec<&DevicePower> = power.devices.iter().filter(|device| device.component == component).collect();
        if members.is_empty() {
            continue;
        }
        let is_each = component == Component::Gpu && (2..=MAX_LINES).contains(&members.len());
        let mut bins = summed(power.grid, &members);
        if is_each {
            let part = 1.0 / members.len() as f64;
            bins.iter_mut().for_each(|bin| {
                bin.watts = bin.watts.times(part);
                bin.extremes = bin.extremes.map(|watts| watts * part);
            });
        }
        let (name, color) = match component {
            Component::Gpu if is_each => ("Each GPU", "gpu"),
            Component::Gpu => ("GPU", "gpu"),
            Component::Cpu => ("CPU", "cpu"),
            Component::Memory => ("Memory", "memory"),
            _ => ("Other", "other"),
        };
        let height = if component == Component::Gpu { 84.0 } else { 60.0 };
        tracks.push(Track { name, color, members, bins, height, is_each });
    }
    tracks
}

/// Returns one chart with its label.
fn row(report: &Report, grid: Grid, track: &Track<'_>, has_axis: bool) -> Markup {
    let lines = || track.members.iter().filter(|_| track.is_each).flat_map(|device| &device.bins);
    let values =
        track.bins.iter().chain(lines()).filter_map(|bin| Some((bin.watts.value?, bin.watts.high, bin.extremes[1])));
    let most = values.clone().fold(0.0, |most: f64, (value, _, peak)| most.max(value).max(peak));
    let highest = values.filter_map(|(_, high, _)| high).fold(most, f64::max);
    // A band far above the values would press them to the bottom; it is cut at the top instead.
    let top_w = highest.min(most * 1.6);
    let unit = Amount::Power.unit(top_w);
    let series = |bins: &[Bin], is_thin| Series {
        color: track.color,
        points: bins.iter().map(|bin| Point::of_bin(bin, unit.size)).collect(),
        is_thin,
    };
    let members = track.members.iter().filter(|_| track.is_each);
    let devices: u64 = track.members.iter().map(|device| device.devices).sum();
    let mean = mean(&track.bins);
    let plot = Plot {
        label: format!(
            "{} power over time in {}, mean {}",
            track.name,
            unit.name,
            mean.map_or_else(|| "not known".to_owned(), |w| Amount::Power.text(w))
        ),
        height: track.height,
        bounds: [0.0, round_top(top_w / unit.size)],
        ticks: if has_axis { time_ticks(report.run.duration_ns, WIDE) } else { Vec::new() },
        series: members.map(|device| series(&device.bins, true)).chain([series(&track.bins, false)]).collect(),
        gaps: gaps(grid, &track.bins),
        levels: Vec::new(),
    };
    html! {
        div.track {
            div.tl {
                b { (track.name) }
                span { (unit.name) @if let Some(mean) = mean { ", mean " (digits(mean / unit.size, 3)) } }
                @if devices > 1 { span { (devices) " devices" @if track.is_each { ", and their mean" } } }
                @for quality in marked_qualities(&track.bins) { (super::marks::quality(quality)) }
            }
            div.tc { (plot.svg()) }
        }
    }
}

/// Returns the qualities other than measured that a label has to state.
fn marked_qualities(bins: &[Bin]) -> Vec<Quality> {
    let all = [Quality::Derived, Quality::Estimated, Quality::Synthetic];
    all.into_iter().filter(|quality| bins.iter().any(|bin| bin.quality == *quality)).collect()
}

/// Returns the mean of the known bins, watts.
fn mean(bins: &[Bin]) -> Option<f64> {
    let known: Vec<f64> = bins.iter().filter_map(|bin| bin.watts.value).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Returns the stretches without a value.
fn gaps(grid: Grid, bins: &[Bin]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut start = 0;
    while let Some(bin) = bins.get(start) {
        let length =
            bins[start..].iter().take_while(|other| other.watts.value.is_some() == bin.watts.value.is_some()).count();
        if bin.watts.value.is_none() {
            let place = |at: usize| at as f64 / bins.len() as f64;
            let [from, to] = [start, start + length].map(|at| clock(grid.edge_ns(at as u64)));
            gaps.push(Gap {
                from: place(start),
                to: place(start + length),
                text: format!("not measured, {from} to {to}"),
            });
        }
        start += length;
    }
    gaps
}

/// Returns the lane with a mark for each event.
fn marks(report: &Report) -> Markup {
    let part = |at: u64| at as f64 / report.run.duration_ns.max(1) as f64;
    html! {
        div.track {
            div.tl { span { "Events" } }
            div.tc {
                svg.lane width="100%" height="14" role="img" aria-label="Events; the table of events below lists them" {
                    line.grid x1="0" x2="100%" y1="7" y2="7" {}
                    @for event in report.events.iter().take(MAX_MARKS) {
                        svg x=(percent(part(event.at))) y="7" overflow="visible" {
                            path.mark d="M0-5l5 5-5 5-5-5z" { title { (clock(event.at)) " " (event.text) } }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the values of the whole run, which the script replaces by those at the pointer.
fn whole_run(report: &Report) -> Markup {
    let energy = as_f64(report.energy.bounded());
    let range = Amount::Energy.range(&energy, super::marks::main_quality(report) == Quality::Estimated);
    html! {
        span { b { "Whole run" } " " (duration(report.run.duration_ns)) }
        @if let Some(uj) = energy.value {
            span { b { (Amount::Energy.text(uj)) } " " (range) }
            span { "mean " b { (Amount::Power.text(uj * 1e3 / report.run.duration_ns.max(1) as f64)) } }
        }
    }
}

/// Returns what the marks of the charts mean; only of those that occur.
fn legend(tracks: &[Track<'_>], report: &Report) -> Markup {
    let bins = || tracks.iter().flat_map(|track| &track.bins);
    let has = |quality: Quality| bins().any(|bin| bin.quality == quality && bin.watts.value.is_some());
    let has_peaks = tracks
        .iter()
        .any(|track| track.bins.iter().any(|bin| bin.watts.value.is_some_and(|watts| bin.extremes[1] > 1.05 * watts)));
    let plausible = bins().any(|bin| super::super::numbers::is_plausible(&bin.watts));
    html! {
        div.leg {
            span { svg width="26" height="12" aria-hidden="true" { rect.b.k-total x="0" y="1" width="26" height="10" {} path.l.c-total d="M0 6H26" {} } "mean power and its range" }
            @if has(Quality::Derived) { span { svg width="26" height="12" aria-hidden="true" { path.l.der.c-total d="M0 6H26" {} } "derived from power readings" } }
            @if has(Quality::Estimated) { span { svg width="26" height="12" aria-hidden="true" { path.l.est.c-total d="M0 6H26" {} } "estimated" } }
            @if has(Quality::Synthetic) { span { svg width="26" height="12" aria-hidden="true" { path.l.syn.c-total d="M0 6H26" {} } "synthetic" } }
            @if tracks.iter().any(|track| track.is_each) { span { svg width="26" height="12" aria-hidden="true" { path.l.thin.c-gpu d="M0 6H26" {} } "one device" } }
            @if bins().any(|bin| bin.watts.value.is_some() && bin.watts.high.is_none()) { span { svg width="26" height="12" aria-hidden="true" { rect.b.open.k-total x="0" y="0" width="26" height="12" {} } "no upper bound" } }
            @if bins().any(|bin| bin.watts.value.is_none()) { span { svg width="18" height="12" aria-hidden="true" { rect.gap width="18" height="12" {} } "not measured" } }
            @if has_peaks { span { svg width="14" height="12" aria-hidden="true" { path.l.peak.c-total d="M4 1V11M9 3V9" {} } "lowest and highest power" } }
            @if !report.events.is_empty() { span { svg width="12" height="12" aria-hidden="true" { path.mark d="M6 1l5 5-5 5-5-5z" {} } "event" } }
        }
        @if plausible { p.xs.mut { "Plausible ranges are those of the whole run, applied to each moment." } }
    }
}

/// Returns the values of the charts with four digits, which is more than a chart shows.
fn data(report: &Report, grid: Grid, tracks: &[Track<'_>]) -> TrackData<'static> {
    let rounded = |value: f64| -> f64 { format!("{value:.3e}").parse().unwrap_or(value) };
    let named = |track: &Track<'_>| NamedValues {
        name: track.name,
        w: track.bins.iter().map(|bin| bin.watts.value.map(rounded)).collect(),
        low: track.bins.iter().map(|bin| bin.watts.value.map(|_| rounded(bin.watts.low))).collect(),
        high: track.bins.iter().map(|bin| bin.watts.value.and(bin.watts.high).map(rounded)).collect(),
    };
    let curve = report.curve();
    let energy: Vec<_> = (0..=grid.bins).map(|edge| as_f64(curve.at(grid.edge_ns(edge))).times(1e-6)).collect();
    let precise = |joules: f64| -> f64 { format!("{joules:.7e}").parse().unwrap_or(joules) };
    TrackData {
        lanes: Vec::new(),
        end_s: grid.end_ns as f64 / 1e9,
        tracks: tracks.iter().map(named).collect(),
        energy_j: energy.iter().map(|energy| energy.value.map(precise)).collect(),
        low_j: energy.iter().map(|energy| precise(energy.low)).collect(),
        high_j: energy.iter().map(|energy| energy.high.map(precise)).collect(),
    }
}
