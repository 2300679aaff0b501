//! Draws a scatter plot of groups of runs with their Pareto front. Its horizontal positions are percentages, as in [`plot`](super::plot).

use maud::{Markup, html};

use super::super::numbers::axis;
use super::plot::{marks, percent};

/// Height of the plot, pixels.
const HEIGHT: f64 = 240.0;
/// Width that labels are placed for, pixels: half a page.
const WIDTH: f64 = 470.0;
/// Width of a character of a label, pixels.
const CHARACTER: f64 = 6.6;

/// What an axis shows.
pub(super) struct Axis {
    pub(super) name: String,
    /// Unit, as a multiple of the values' own.
    pub(super) size: f64,
}

/// One group.
pub(super) struct Dot {
    label: String,
    /// Values on the horizontal and vertical axis.
    pub(super) at: [f64; 2],
    /// Intervals on the two axes.
    intervals: [Option<(f64, f64)>; 2],
}

impl Dot {
    /// Returns the dot of a group; `None` for values that are not finite.
    pub(super) fn new(label: &str, at: [f64; 2], intervals: [Option<(f64, f64)>; 2]) -> Option<Self> {
        let label =
            if label.chars().count() > 28 { label.chars().take(27).chain(['…']).collect() } else { label.to_owned() };
        at.iter().all(|value| value.is_finite()).then_some(Self { label, at, intervals })
    }
}

/// A label's place, pixels.
#[derive(Clone, Copy)]
struct Place {
    left: f64,
    top: f64,
    width: f64,
}

impl Place {
    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && (self.top - other.top).abs() < 13.0
    }
}

/// Returns the plot.
pub(super) fn scatter(dots: &[Dot], horizontal: &Axis, vertical: &Axis) -> Markup {
    let [low_x, high_x] = range(dots, 0);
    let [low_y, high_y] = range(dots, 1);
    let part = |value: f64| (value - low_x) / (high_x - low_x);
    let row = |value: f64| 8.0 + HEIGHT * (high_y - value) / (high_y - low_y);
    let (bottom, front) = (8.0 + HEIGHT, front(dots));
    let pixel = |value: f64| format!("{value:.1}");
    let ticks = |low: f64, high: f64, size: f64| {
        marks(low / size, high / size, 4)
            .into_iter()
            .map(move |tick| (tick, tick * size))
            .filter(move |(_, value)| *value >= low)
    };
    let places = places(dots, &|dot: &Dot| (part(dot.at[0]) * WIDTH, row(dot.at[1])));
    html! {
        div.chart {
            p.xs.axisname { (vertical.name) }
            svg.pl width="100%" height=(pixel(bottom + 20.0)) role="img" aria-label={ (horizontal.name) " against " (vertical.name) "; Pareto front: " (front.iter().map(|at| dots[*at].label.clone()).collect::<Vec<_>>().join("; ")) } {
                @for (tick, value) in ticks(low_x, high_x, horizontal.size) {
                    line.grid x1=(percent(part(value))) x2=(percent(part(value))) y1="8" y2=(pixel(bottom)) {}
                    text x=(percent(part(value))) y=(pixel(bottom + 15.0)) text-anchor="middle" { (axis(tick)) }
                }
                @for (tick, value) in ticks(low_y, high_y, vertical.size) {
                    line.grid x1="0" x2="100%" y1=(pixel(row(value))) y2=(pixel(row(value))) {}
                    text x="-6" y=(pixel(row(value) + 3.5)) text-anchor="end" { (axis(tick)) }
                }
                line.axis x1="0" x2="100%" y1=(pixel(bottom)) y2=(pixel(bottom)) {}
                line.axis x1="0" x2="0" y1="8" y2=(pixel(bottom)) {}
                svg width="100%" height=(pixel(bottom)) viewBox={ "0 0 1000 " (pixel(bottom)) } preserveAspectRatio="none" {
                    path.front d=(staircase(&front.iter().map(|at| (1000.0 * part(dots[*at].at[0]), row(dots[*at].at[1]))).collect::<Vec<_>>())) {}
                }
                @for dot in dots {
                    @let (x, y) = (percent(part(dot.at[0])), pixel(row(dot.at[1])));
                    @if let Some((low, high)) = dot.intervals[0] { line.cross x1=(percent(part(low))) x2=(percent(part(high))) y1=(y) y2=(y) {} }
                    @if let Some((low, high)) = dot.intervals[1] { line.cross x1=(x) x2=(x) y1=(pixel(row(low))) y2=(pixel(row(high))) {} }
                }
                @for (at, dot) in dots.iter().enumerate() {
                    circle class=(if front.contains(&at) { "onf" } else { "offf" }) cx=(percent(part(dot.at[0]))) cy=(pixel(row(dot.at[1]))) r="5" { title { (dot.label) } }
                }
                @for (at, dot) in dots.iter().enumerate() {
                    @if let Some(place) = places[at] {
                        // The label keeps its distance from the dot at any width.
                        text.halo.lab[front.contains(&at)] x=(percent(part(dot.at[0]))) dx=(pixel(place.left - part(dot.at[0]) * WIDTH)) y=(pixel(place.top + 10.0)) { (dot.label) }
                    }
                }
            }
            p.xs.axisname.r { (horizontal.name) }
        }
    }
}

/// Returns the range of an axis with a margin; intervals lie inside.
fn range(dots: &[Dot], at: usize) -> [f64; 2] {
    let values = || {
        dots.iter()
            .flat_map(|dot| {
                [Some(dot.at[at]), dot.intervals[at].map(|ends| ends.0), dot.intervals[at].map(|ends| ends.1)]
            })
            .flatten()
    };
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let margin = 0.07 * if high > low { high - low } else { high.abs().max(1e-9) };
    [low - margin, high + margin]
}

/// Returns the dots that no other is better than in both values, from left to right.
fn front(dots: &[Dot]) -> Vec<usize> {
    let dominates = |one: &Dot, other: &Dot| one.at[0] <= other.at[0] && one.at[1] <= other.at[1] && one.at != other.at;
    let mut front: Vec<usize> =
        (0..dots.len()).filter(|at| !dots.iter().any(|other| dominates(other, &dots[*at]))).collect();
    front.sort_by(|one, other| dots[*one].at[0].total_cmp(&dots[*other].at[0]));
    front
}

/// Returns the border of what the front dominates, as steps.
fn staircase(front: &[(f64, f64)]) -> String {
    let Some(((x, y), rest)) = front.split_first() else { return String::new() };
    let mut path = format!("M{x:.1} 8V{y:.1}");
    for (x, y) in rest {
        path += &format!("H{x:.1}V{y:.1}");
    }
    path + "H1000"
}

/// Returns a free place for each label: to the left or right, above or below its dot; `None` if there is none.
fn places(dots: &[Dot], pixel: &dyn Fn(&Dot) -> (f64, f64)) -> Vec<Option<Place>> {
    let taken: Vec<Place> =
        dots.iter().map(pixel).map(|(x, y)| Place { left: x - 6.0, top: y - 6.0, width: 12.0 }).collect();
    let mut labels: Vec<Place> = Vec::new();
    let mut places = Vec::new();
    for (at, dot) in dots.iter().enumerate() {
        let ((x, y), width) = (pixel(dot), dot.label.chars().count() as f64 * CHARACTER);
        // Left and right of a dot lie its intervals and the front, so these places come last.
        let candidates = [
            (10.0, -19.0),
            (10.0, 7.0),
            (-10.0 - width, -19.0),
            (-10.0 - width, 7.0),
            (10.0, -6.0),
            (-10.0 - width, -6.0),
            (-width / 2.0, -22.0),
            (-width / 2.0, 10.0),
            (8.0 - width, -22.0),
            (8.0 - width, 10.0),
        ];
        let free =
            candidates.into_iter().map(|(right, down)| Place { left: x + right, top: y + down, width }).find(|place| {
                let is_inside = place.left > 0.0
                    && place.left + width < WIDTH
                    && place.top > -8.0
                    && place.top + 12.0 < 8.0 + HEIGHT;
                let others = taken.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, place)| place);
                is_inside && !labels.iter().chain(others).any(|other| other.overlaps(place))
            });
        labels.extend(free);
        places.push(free);
    }
    places
}
