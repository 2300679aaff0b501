//! Draws charts as SVG. A chart is as wide as its place on the page, at any width and without a script: horizontal positions
//! are percentages, and curves are in a nested drawing that is stretched horizontally. Vertical positions are pixels.
//!
//! A curve is a list of [`Point`]s of equal length, drawn as steps. What is not known has no line and no band. A band without an
//! upper bound reaches the top of the chart and has no upper edge.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::super::numbers::axis;
use super::bins::Bin;
use eco2_core::Quality;

/// Height that the labels of the time axis need, pixels.
const AXIS_HEIGHT: f64 = 20.0;
/// Space above a chart, pixels: half of the topmost label.
const TOP: f64 = 8.0;

/// One bin of a curve, in the unit of the chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// `None`: not known.
    pub(super) value: Option<f64>,
    pub(super) low: f64,
    /// `None`: no upper bound.
    pub(super) high: Option<f64>,
    pub(super) quality: Quality,
    pub(super) extremes: [f64; 2],
}

impl Point {
    /// Returns a bin of power in a unit of `size` watts.
    pub(super) fn of_bin(bin: &Bin, size: f64) -> Self {
        let watts = bin.watts.times(1.0 / size);
        Self {
            value: watts.value,
            low: watts.low,
            high: watts.high,
            quality: bin.quality,
            extremes: bin.extremes.map(|watts| watts / size),
        }
    }
}

/// A curve of a chart.
pub(super) struct Series {
    /// Name of its colour in the style sheet.
    pub(super) color: &'static str,
    pub(super) points: Vec<Point>,
    /// Whether it is one of several lines of equal devices: thin and without a band.
    pub(super) is_thin: bool,
}

/// A part of the time axis in which something was not measured.
pub(super) struct Gap {
    /// Start and end as parts of the run, 0 to 1.
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) text: String,
}

/// A mark of the time axis.
pub(super) struct Tick {
    /// Place as part of the run, 0 to 1.
    pub(super) at: f64,
    pub(super) label: String,
}

/// A horizontal line with a text, such as a limit.
pub(super) struct Level {
    pub(super) value: f64,
    pub(super) text: String,
}

/// A chart over the time of the run.
pub(super) struct Plot {
    /// What the chart shows, for readers who cannot see it.
    pub(super) label: String,
    /// Height of the area of the curves, pixels.
    pub(super) height: f64,
    /// Value at the lower and upper edge.
    pub(super) bounds: [f64; 2],
    /// Marks of the time axis; empty: it has none.
    pub(super) ticks: Vec<Tick>,
    pub(super) series: Vec<Series>,
    pub(super) gaps: Vec<Gap>,
    pub(super) levels: Vec<Level>,
}

impl Plot {
    /// Returns the pixel row of a value; values outside the chart are drawn at its edge.
    fn row(&self, value: f64) -> f64 {
        let [low, high] = self.bounds;
        let part = ((value - low) / (high - low)).clamp(0.0, 1.0);
        TOP + self.height * (1.0 - part)
    }

    /// Returns the chart.
    pub(super) fn svg(&self) -> Markup {
        let below = if self.ticks.is_empty() { 4.0 } else { AXIS_HEIGHT };
        let (bottom, whole) = (TOP + self.height, TOP + self.height + below);
        let [low, high] = self.bounds;
        html! {
            svg.pl width="100%" height=(pixels(whole)) role="img" aria-label=(self.label) {
                @for value in marks(low, high, if self.height < 100.0 { 2 } else { 4 }) {
                    @let row = pixels(self.row(value));
                    line class=(if value == low { "axis" } else { "grid" }) x1="0" x2="100%" y1=(row) y2=(row) {}
                    text x="-6" y=(pixels(self.row(value) + 3.5)) text-anchor="end" { (axis(value)) }
                }
                (self.curves(bottom))
                @for gap in &self.gaps {
                    rect.gap x=(percent(gap.from)) width=(percent((gap.to - gap.from).max(0.003))) y=(pixels(TOP)) height=(pixels(self.height)) {
                        title { (gap.text) }
                    }
                }
                @for level in self.levels.iter().filter(|level| level.value <= high) {
                    @let row = self.row(level.value);
                    line.limit x1="0" x2="100%" y1=(pixels(row)) y2=(pixels(row)) {}
                    text.halo x="100%" y=(pixels(row - 4.0)) text-anchor="end" { (level.text) }
                }
                @for (at, tick) in self.ticks.iter().enumerate() {
                    line.axis x1=(percent(tick.at)) x2=(percent(tick.at)) y1=(pixels(bottom)) y2=(pixels(bottom + 4.0)) {}
                    text.t2[at % 2 == 1] x=(percent(tick.at)) y=(pixels(bottom + 15.0)) text-anchor=(anchor(tick.at)) { (tick.label) }
                }
            }
        }
    }

    /// Returns bands and lines: bands first, so that no band hides a line.
    fn curves(&self, bottom: f64) -> Markup {
        let count = self.series.iter().map(|series| series.points.len()).max().unwrap_or(1);
        html! {
            svg width="100%" height=(pixels(bottom)) viewBox=(format!("0 0 {count} {}", pixels(bottom))) preserveAspectRatio="none" aria-hidden="true" {
                @for series in self.series.iter().filter(|series| !series.is_thin) {
                    @let (band, open) = self.bands(&series.points);
                    @if !band.is_empty() { path class=(format!("b k-{}", series.color)) d=(band) {} }
                    @if !open.is_empty() { path class=(format!("b open k-{}", series.color)) d=(open) {} }
                    @let peaks = self.peaks(&series.points);
                    @if !peaks.is_empty() { path class=(format!("l peak c-{}", series.color)) d=(peaks) {} }
                }
                @for series in &self.series {
                    @for (class, quality) in LINES {
                        @let line = self.line(&series.points, quality);
                        @if !line.is_empty() {
                            path class=(format!("l{}{class} c-{}", if series.is_thin { " thin" } else { "" }, series.color)) d=(line) {}
                        }
                    }
                }
            }
        }
    }

    /// Returns the line of the bins of one quality, as steps.
    fn line(&self, points: &[Point], quality: Quality) -> String {
        let mut path = String::new();
        let mut last_row = None;
        for (at, point) in points.iter().enumerate() {
            let Some(value) = point.value.filter(|_| point.quality == quality) else {
                last_row = None;
                continue;
            };
            let row = short(self.row(value));
            match &last_row {
                None => push(&mut path, format_args!("M{at} {row}h1")),
                Some(last) if *last == row => push(&mut path, format_args!("h1")),
                Some(_) => push(&mut path, format_args!("V{row}h1")),
            }
            last_row = Some(row);
        }
        path
    }

    /// Returns the bands of the bins with an upper bound, and of those without one.
    fn bands(&self, points: &[Point]) -> (String, String) {
        let (mut closed, mut open) = (String::new(), String::new());
        let mut start = 0;
        while let Some(point) = points.get(start) {
            let is_alike = |other: &&Point| {
                other.value.is_some() == point.value.is_some() && other.high.is_none() == point.high.is_none()
            };
            let length = points[start..].iter().take_while(is_alike).count();
            if point.value.is_some() {
                let part = self.band(start, &points[start..start + length]);
                if point.high.is_none() { open += &part } else { closed += &part }
            }
            start += length;
        }
        (closed, open)
    }

    /// Returns one closed outline: forwards along the upper bounds, back along the lower ones.
    fn band(&self, start: usize, points: &[Point]) -> String {
        let mut path = String::new();
        for (at, point) in points.iter().enumerate() {
            let row = short(point.high.map_or(TOP, |high| self.row(high)));
            match at {
                0 => push(&mut path, format_args!("M{start} {row}h1")),
                _ => push(&mut path, format_args!("V{row}h1")),
            }
        }
        for point in points.iter().rev() {
            push(&mut path, format_args!("V{}h-1", short(self.row(point.low))));
        }
        path + "Z"
    }

    /// Returns a vertical line for each bin in which the power differed from the mean by more than one pixel.
    fn peaks(&self, points: &[Point]) -> String {
        let mut path = String::new();
        for (at, point) in points.iter().enumerate() {
            let Some(mean) = point.value.map(|value| self.row(value)) else { continue };
            let [least, most] = point.extremes.map(|value| self.row(value));
            if (least - mean).max(mean - most) > 1.0 {
                push(&mut path, format_args!("M{at}.5 {}V{}", short(least), short(most)));
            }
        }
        path
    }
}

/// How a line is drawn for each quality: solid, long dashes, short dashes, dots.
const LINES: [(&str, Quality); 4] =
    [("", Quality::Measured), (" der", Quality::Derived), (" est", Quality::Estimated), (" syn", Quality::Synthetic)];

fn push(path: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = path.write_fmt(part);
}

/// Returns a coordinate with at most one decimal.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn pixels(value: f64) -> String {
    short(value)
}

/// Returns a place on the time axis as an SVG length.
pub(super) fn percent(part: f64) -> String {
    format!("{}%", short3(100.0 * part.clamp(0.0, 1.0)))
}

fn short3(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns on which side of its place a label lies, so that it stays on the chart.
fn anchor(part: f64) -> &'static str {
    if part > 0.97 { "end" } else { "middle" }
}

/// Returns round values between two values, about `count` of them.
pub(super) fn marks(low: f64, high: f64, count: u32) -> Vec<f64> {
    let rough = (high - low) / f64::from(count.max(1));
    if rough <= 0.0 || !rough.is_finite() {
        return vec![low];
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil() as i64;
    (first..).map(|at| at as f64 * step).take_while(|value| *value <= high * (1.0 + 1e-9)).collect()
}

/// Returns a round value that is at least `value`.
pub(super) fn round_top(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let factors = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    factors.into_iter().map(|factor| factor * power).find(|top| *top >= value * 0.999).unwrap_or(value)
}

/// Lengths between the marks of a time axis, seconds.
const TIME_STEPS: [u64; 22] = [
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800,
    604_800, 2_592_000,
];

/// Marks of a time axis as wide as the page.
pub(super) const WIDE: f64 = 9.0;
/// Marks of a time axis half as wide.
pub(super) const NARROW: f64 = 5.0;
/// Most marks of a time axis.
const MAX_TICKS: usize = 40;

/// Returns the marks of the time axis of a run, at most `most` and the start: `0:15` (hours and minutes), `30 s`, or `2 d`.
pub(super) fn time_ticks(duration_ns: u64, most: f64) -> Vec<Tick> {
    let seconds = duration_ns as f64 / 1e9;
    let step = TIME_STEPS.into_iter().find(|step| seconds / *step as f64 <= most).unwrap_or(2_592_000);
    let label = |at: u64| match step {
        _ if seconds < 300.0 => format!("{at}\u{a0}s"),
        86_400.. => format!("{}\u{a0}d", at / 86_400),
        _ => format!("{}:{:02}", at / 3600, at / 60 % 60),
    };
    let instants = (0..).map(|tick| tick * step).take_while(|at| *at as f64 <= seconds);
    instants
        .take(MAX_TICKS)
        .map(|at| Tick { at: if seconds > 0.0 { at as f64 / seconds } else { 0.0 }, label: label(at) })
        .collect()
}
