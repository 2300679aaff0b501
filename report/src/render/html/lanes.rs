//! The lanes above the charts of the HTML report: when the spans of each name ran, on the time axis of the charts.

use std::cmp::Reverse;

use eco2_core::schema::{Report, SpanTimeRecord};
use maud::{Markup, html};
use serde::Serialize;

use super::super::numbers::{clock, duration, things};
use super::plot::percent;

/// Most lanes; of more names those that ran for the longest time are shown.
const MAX_LANES: usize = 6;
/// Least width of a part, as part of the run: a pixel of the widest chart.
const MIN_WIDTH: f64 = 0.0011;

/// The spans of one name.
#[derive(Serialize)]
pub(super) struct Lane<'a> {
    name: &'a str,
    /// Start and end of each part, nanoseconds.
    #[serde(skip)]
    parts: Vec<(u64, u64)>,
    /// The same in seconds, for the script.
    s: Vec<(f64, f64)>,
}

impl Lane<'_> {
    fn covered_ns(&self) -> u64 {
        self.parts.iter().map(|(from_ns, to_ns)| to_ns.saturating_sub(*from_ns)).fold(0, u64::saturating_add)
    }
}

/// Returns the lanes of a report, in the order in which the names first ended.
pub(super) fn lanes(report: &Report) -> Vec<Lane<'_>> {
    let end_ns = report.run.duration_ns;
    let lane = |record: &'_ SpanTimeRecord| -> Vec<(u64, u64)> {
        let pairs = record.from_ns.iter().copied().zip(record.to_ns.iter().copied());
        pairs.filter(|(from_ns, to_ns)| from_ns <= to_ns && *from_ns < end_ns).collect()
    };
    let seconds = |ns: u64| (ns as f64 / 1e7).round() / 100.0;
    let all = report.span_times.iter().map(|record| {
        let parts = lane(record);
        let s = parts.iter().map(|(from_ns, to_ns)| (seconds(*from_ns), seconds(*to_ns))).collect();
        Lane { name: &record.name, parts, s }
    });
    let mut lanes: Vec<(usize, Lane<'_>)> = all.filter(|lane| !lane.parts.is_empty()).enumerate().collect();
    lanes.sort_by_key(|(_, lane)| Reverse(lane.covered_ns()));
    lanes.truncate(MAX_LANES);
    lanes.sort_by_key(|(place, _)| *place);
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

/// Returns one row per lane.
pub(super) fn rows(report: &Report, lanes: &[Lane<'_>]) -> Markup {
    let end_ns = report.run.duration_ns.max(1);
    let place = |ns: u64| ns.min(end_ns) as f64 / end_ns as f64;
    let rows = lanes.iter().enumerate().map(|(at, lane)| {
        let count = lane.parts.len() as u64;
        let label = format!("Spans {}: {} of the run, {}", lane.name, duration(lane.covered_ns()), things(count, "part"));
        html! {
            div.track {
                div.tl.ln { span title=(lane.name) { @if at == 0 { "Spans: " } (lane.name) } }
                div.tc {
                    svg.lane width="100%" height="14" role="img" aria-label=(label) {
                        @for (from_ns, to_ns) in &lane.parts {
                            rect.(if at % 2 == 0 { "ln0" } else { "ln1" }) x=(percent(place(*from_ns))) width=(percent((place(*to_ns) - place(*from_ns)).max(MIN_WIDTH))) y="2" height="10" {
                                title { (lane.name) ", " (clock(*from_ns)) " to " (clock(*to_ns)) }
                            }
                        }
                    }
                }
            }
        }
    });
    let hidden = report.span_times.len().saturating_sub(lanes.len());
    html! {
        @for row in rows { (row) }
        @if hidden > 0 && !lanes.is_empty() { p.xs.mut { "and " (things(hidden as u64, "more span name")) } }
    }
}
