//! The HTML page of `eco2 compare`: a sentence with the result, the groups of runs (or the runs) as a dot plot, two plots of energy
//! against loss and time with the Pareto front, and a table of all runs.

use eco2_core::Bounded;
use maud::{Markup, html};

use super::super::numbers::{Amount, Column, NB, count, digits};
use super::frame::{self, Kind};
use super::plot::{marks, percent};
use super::scatter::{Axis, Dot, scatter};
use crate::analysis::{Compared, Comparison, Difference, Grouping, LeftOut, RunGroup, Scope, Spread};
use crate::wall::wall_clock;

/// The page of a comparison.
const COMPARE: Kind = Kind {
    style: &[frame::STYLE, include_str!("compare.css")],
    script: &[include_str!("compare.js")],
    connects: false,
};
/// Most runs in the table, and most groups.
const MAX_ROWS: usize = 500;
const UJ_PER_KWH: f64 = 3.6e12;

/// Returns a comparison as an HTML page, which like that of [`html`](super::html()) is one file without requests.
#[must_use]
pub fn comparison_html(comparison: &Comparison) -> String {
    let grouping = comparison.grouping.clone().unwrap_or_else(|| each_alone(comparison));
    let by = if grouping.by.is_empty() { "run".to_owned() } else { grouping.by.join(", ") };
    let title = format!("Compare {} runs", comparison.runs.len());
    let unit = if comparison.per == "run" { "run" } else { comparison.per };
    let body = html! {
        a.skip href="#main" { "Skip to the comparison" }
        @if comparison.runs.iter().any(|run| run.synthetic) { div.sample role="note" { b { "Synthetic data." } " Some values were generated and are not a measurement." } }
        header.top id="top" {
            div.bar1 { a.brand href="#top" { "eco" i { "2" } } " comparison of runs" }
            h1 { (title) }
            p.meta { @for (name, value) in constant(comparison) { span { (name) " " (value) } } span { "per " (unit) } span { (scope_words(comparison.scope)) } }
        }
        main id="main" {
            (lead(&grouping, unit))
            section id="groups" {
                div.sh { h2 { "Energy per " (unit) " by " (by) } p { (digits(grouping.confidence_percent, 2)) (NB) "% confidence interval (CI) of repeated runs" } }
                (groups(comparison, &grouping, &by))
                (legend(&grouping))
            }
            (left_out(comparison, &grouping))
            (plots(&grouping, unit))
            section id="runs" { div.sh { h2 { "All runs" } p.jsonly.noprint { "Select a column title to sort" } } (runs(comparison)) }
            @if !comparison.notes.is_empty() { section id="notes" { div.sh { h2 { "Limits" } } ul { @for note in &comparison.notes { li { (note) } } } } }
        }
        footer { span { "schema " (comparison.schema) ". An error that is common to the sensors of one machine cancels in a difference on that machine and is not counted." } }
    };
    frame::document(&COMPARE, &format!("{title} · eco2"), &(), &body)
}

/// Returns whose energy the page compares.
fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::Machine => "energy of the whole machines",
        Scope::Command => "energy attributed to the commands",
    }
}

/// Returns each run as a group of its own.
fn each_alone(comparison: &Comparison) -> Grouping {
    let alone = |(place, run): (usize, &Compared)| {
        let one = |value: Option<f64>| Spread::of(value);
        RunGroup {
            label: name_of(comparison, place),
            runs: vec![place],
            left_out: Vec::new(),
            energy_kwh: one(run.energy_kwh.map(|energy| energy.value)),
            grams: one(run.grams.map(|grams| grams.value)),
            seconds: one(run.seconds),
            loss: one(run.loss),
            more: None,
        }
    };
    let mut groups: Vec<RunGroup> = comparison.runs.iter().enumerate().map(alone).collect();
    let energy = |group: &RunGroup| group.energy_kwh.mean.unwrap_or(f64::INFINITY);
    groups.sort_by(|one, other| energy(one).total_cmp(&energy(other)));
    let least = groups.first().and_then(|group| group.energy_kwh.mean).filter(|least| *least > 0.0);
    for group in groups.iter_mut().skip(1) {
        let ratio = group.energy_kwh.mean.zip(least).map(|(mean, least)| mean / least);
        group.more =
            ratio.map(|ratio| Difference { percent: (ratio - 1.0) * 100.0, low_percent: None, high_percent: None });
    }
    Grouping { by: Vec::new(), confidence_percent: 95.0, groups }
}

/// Returns the run's name, with its id if another run has the same one.
fn name_of(comparison: &Comparison, place: usize) -> String {
    let run = &comparison.runs[place];
    let alike = comparison.runs.iter().filter(|other| other.name == run.name).count();
    match (run.name.as_str(), alike) {
        ("", _) => run.run_id.clone(),
        (name, 1) => name.to_owned(),
        (name, _) => format!("{name} ({})", run.run_id),
    }
}

/// Returns the labels that all runs share.
fn constant(comparison: &Comparison) -> Vec<(&String, &String)> {
    let Some(first) = comparison.runs.first() else { return Vec::new() };
    let is_shared =
        |(name, value): &(&String, &String)| comparison.runs.iter().all(|run| run.labels.get(*name) == Some(*value));
    first.labels.iter().filter(is_shared).take(8).collect()
}

/// Returns the labels whose values differ.
fn varying(comparison: &Comparison) -> Vec<&String> {
    let mut names: Vec<&String> = comparison.runs.iter().flat_map(|run| run.labels.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let shared: Vec<&String> = constant(comparison).into_iter().map(|(name, _)| name).collect();
    names.into_iter().filter(|name| !shared.contains(name)).take(6).collect()
}

fn kwh_text(kwh: f64) -> String {
    Amount::Energy.text(kwh * UJ_PER_KWH)
}

/// Returns the signed percent with two digits.
fn signed(percent: f64) -> String {
    format!("{}{}{NB}%", if percent < 0.0 { "" } else { "+" }, digits(percent, 2))
}

/// Returns the result in one or two sentences.
fn lead(grouping: &Grouping, unit: &str) -> Markup {
    let known: Vec<&RunGroup> = grouping.groups.iter().filter(|group| group.energy_kwh.mean.is_some()).collect();
    let Some((least, others)) = known.split_first() else {
        return html! { p.leadp { "The energy of no run is known." } };
    };
    let tied = |group: &&RunGroup| group.more.is_some_and(|more| more.is_within_variation() == Some(true));
    let (ties, singles) = (
        others.iter().filter(|group| tied(group)).count(),
        known.iter().filter(|group| group.energy_kwh.count == 1).count(),
    );
    let is_tie = !others.is_empty() && ties == others.len();
    html! {
        p.leadp {
            b { (least.label) } @if is_tie { " has the lowest mean: " } @else { " used the least energy: " }
            b.nb { (kwh_text(least.energy_kwh.mean.unwrap_or(0.0))) } " per " (unit)
            @if let (Some(low), Some(high)) = (least.energy_kwh.low, least.energy_kwh.high) {
                " " span.nb { "(" (digits(grouping.confidence_percent, 2)) (NB) "% CI " (Amount::Energy.bounds_text(&Bounded::plausible(low, low, Some(high)).times(UJ_PER_KWH))) ", " (least.runs.len()) " runs)" }
            }
            ". "
            @if is_tie { "No group differs from it beyond the variation between runs." }
            @else if let Some((group, more)) = others.last().and_then(|group| Some((group, group.more?))) {
                b { (group.label) } " used " b.nb { (digits(more.percent, 2)) (NB) "% more" }
                @if let (Some(low), Some(high)) = (more.low_percent, more.high_percent) { " " span.nb { "(CI " (signed(low)) " to " (signed(high)) ")" } }
                "."
            }
        }
        p.mut.s {
            @if ties > 0 && !is_tie { "Not distinguishable from the least: " (others.iter().filter(|group| tied(group)).map(|group| group.label.clone()).collect::<Vec<_>>().join("; ")) ". " }
            @if singles > 0 { "Only one run: " (count(singles as u64)) " of " (count(known.len() as u64)) ". Repeat runs to see the variation between them." }
        }
    }
}

/// The range of a plot, with a margin.
fn widened(values: impl Iterator<Item = f64> + Clone) -> [f64; 2] {
    let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() || !high.is_finite() {
        return [0.0, 1.0];
    }
    let margin = 0.06 * if high > low { high - low } else { high.abs().max(1.0) };
    [low - margin, high + margin]
}

/// Returns the table of groups with a dot for each run.
fn groups(comparison: &Comparison, grouping: &Grouping, by: &str) -> Markup {
    let rows = || grouping.groups.iter().take(MAX_ROWS);
    let column =
        Column::new(Amount::Energy, rows().filter_map(|group| group.energy_kwh.mean).map(|kwh| kwh * UJ_PER_KWH));
    let seconds = Column::new(Amount::Time, rows().filter_map(|group| group.seconds.mean));
    let figures = || rows().flat_map(|group| &group.runs).filter_map(|place| comparison.runs[*place].energy_kwh);
    let singles = rows().filter(|group| group.energy_kwh.count == 1).flat_map(|group| &group.runs);
    let bounds = singles
        .filter_map(|place| comparison.runs[*place].energy_kwh)
        .flat_map(|figure| [Some(figure.low), figure.high])
        .flatten();
    let ends = rows().flat_map(|group| [group.energy_kwh.low, group.energy_kwh.high]).flatten();
    let all: Vec<f64> = figures().map(|figure| figure.value).chain(bounds).chain(ends).collect();
    let [low, high] = widened(all.iter().copied());
    let place = |kwh: f64| percent((kwh - low) / (high - low));
    let size = column.unit.size / UJ_PER_KWH;
    let ticks: Vec<f64> = marks(low / size, high / size, 6).into_iter().filter(|tick| *tick * size > low).collect();
    html! {
        div.scroll tabindex="0" role="group" aria-label="Groups of runs" { table {
            thead { tr {
                th scope="col" { (by) } th.r.hm scope="col" { "Runs" } th.r scope="col" { "Mean" br; (column.unit.name) } th.r.hm scope="col" { "CI" br; (column.unit.name) }
                th.pc scope="col" {
                    span.vh { "Runs, mean and interval" }
                    svg width="100%" height="14" aria-hidden="true" { @for tick in &ticks { text x=(place(tick * size)) y="11" text-anchor="middle" { (super::super::numbers::axis(*tick)) } } }
                }
                th.r scope="col" { "vs least" } th.r.hm scope="col" { "Time" br; (seconds.unit.name) } th.r.hm scope="col" { "Loss" }
            } }
            tbody {
                @for (at, group) in rows().enumerate() {
                    tr.best[at == 0] {
                        th scope="row" { (group.label) @if !group.left_out.is_empty() { " " span.dim.xs { "+ " (group.left_out.len()) " left out" } } }
                        td.r.hm { (group.runs.len()) }
                        td.r { @if let Some(kwh) = group.energy_kwh.mean { (column.cell(kwh * UJ_PER_KWH)) } @else { span.nm { "not measured" } } }
                        td.r.hm.ci { @if let (Some(low), Some(high)) = (group.energy_kwh.low, group.energy_kwh.high) { (column.range(&Bounded::plausible(low, low, Some(high)).times(UJ_PER_KWH))) } @else { "–" } }
                        td.pc { (dots(comparison, group, &ticks.iter().map(|tick| place(tick * size)).collect::<Vec<_>>(), &place)) }
                        td.r { (versus(at, group)) }
                        td.r.hm { @if let Some(mean) = group.seconds.mean { (seconds.cell(mean)) } }
                        td.r.hm { @if let Some(loss) = group.loss.mean { (digits(loss, 3)) } @else { span.nm { "not reported" } } }
                    }
                }
            }
        } }
    }
}

/// Returns the difference from the group with the least energy.
fn versus(at: usize, group: &RunGroup) -> Markup {
    html! {
        @if let Some(more) = group.more {
            (signed(more.percent)) br;
            span.ci.xs {
                @match (more.is_within_variation(), more.low_percent, more.high_percent) {
                    (Some(true), ..) => { "within variation" }
                    (_, Some(low), Some(high)) => { (signed(low)) " to " (signed(high)) }
                    _ => { "one run: no CI" }
                }
            }
        } @else if at == 0 && group.energy_kwh.mean.is_some() { "least" }
    }
}

/// Returns the runs of a group as circles, its mean as a diamond and its interval as a block; of one run the measurement's bounds.
fn dots(comparison: &Comparison, group: &RunGroup, ticks: &[String], place: &dyn Fn(f64) -> String) -> Markup {
    let is_single = group.energy_kwh.count < 2;
    let (row, spread) = (if is_single { "15" } else { "9" }, group.energy_kwh);
    html! {
        svg width="100%" height="32" aria-hidden="true" {
            @for tick in ticks { line.grid x1=(tick) x2=(tick) y1="0" y2="32" {} }
            @if let (Some(low), Some(high)) = (spread.low, spread.high) {
                line.cil x1=(place(low)) x2=(place(high)) y1="23.5" y2="23.5" stroke-opacity=".25" {}
            }
            @for run in group.runs.iter().map(|place| &comparison.runs[*place]) {
                @if let Some(figure) = run.energy_kwh {
                    @if is_single { line.bnd x1=(place(figure.low)) x2=(figure.high.map_or("100%".to_owned(), place)) y1=(row) y2=(row) {} }
                    circle.dot cx=(place(figure.value)) cy=(row) r="3.2" { title { (run.run_id) ": " (kwh_text(figure.value)) } }
                }
            }
            @if let Some(mean) = spread.mean.filter(|_| !is_single) { svg x=(place(mean)) y="23.5" overflow="visible" { path.mean d="M0-5.5l4.5 5.5-4.5 5.5-4.5-5.5z" {} } }
        }
    }
}

fn legend(grouping: &Grouping) -> Markup {
    let has = |single: bool| grouping.groups.iter().any(|group| (group.energy_kwh.count < 2) == single);
    html! {
        div.leg {
            @if has(false) { span { svg width="30" height="12" aria-hidden="true" { line.cil x1="2" x2="28" y1="6" y2="6" stroke-opacity=".25" {} path.mean d="M15 1l5 5-5 5-5-5z" {} } "mean with CI" } }
            span { svg width="10" height="12" aria-hidden="true" { circle.dot cx="5" cy="6" r="3.2" {} } "one run" }
            @if has(true) { span { svg width="26" height="12" aria-hidden="true" { line.bnd x1="0" x2="26" y1="6" y2="6" {} } "one run only: measurement uncertainty, no CI" } }
        }
    }
}

/// Returns the runs that are in no mean, with the reason.
fn left_out(comparison: &Comparison, grouping: &Grouping) -> Markup {
    let all: Vec<&LeftOut> = grouping.groups.iter().flat_map(|group| &group.left_out).collect();
    html! {
        @if !all.is_empty() {
            section { @for out in all { p.note { b { "!" } "Run " span.mono { (comparison.runs[out.run].run_id) } " is not in the means: " (out.why) "." } } }
        }
    }
}

/// Returns the plots of energy against loss and time.
fn plots(grouping: &Grouping, unit: &str) -> Markup {
    let known = |of: fn(&RunGroup) -> Spread| -> Vec<Dot> {
        let dot = |group: &RunGroup| {
            Dot::new(
                &group.label,
                [group.energy_kwh.mean?, of(group).mean?],
                [group.energy_kwh, of(group)].map(|spread| spread.low.zip(spread.high)),
            )
        };
        grouping.groups.iter().take(MAX_ROWS).filter_map(dot).collect()
    };
    let energy = |dots: &[Dot]| {
        let most = dots.iter().map(|dot| dot.at[0]).fold(0.0, f64::max) * UJ_PER_KWH;
        let unit_of = Amount::Energy.unit(most);
        Axis { name: format!("energy per {unit}, {}", unit_of.name), size: unit_of.size / UJ_PER_KWH }
    };
    let (loss, time) = (known(|group| group.loss), known(|group| group.seconds));
    let longest = Amount::Time.unit(time.iter().map(|dot| dot.at[1]).fold(0.0, f64::max));
    html! {
        section.two.keep {
            @if loss.len() > 1 { figure { div.sh { h2 { "Energy and loss" } p { "lower left is better" } } (scatter(&loss, &energy(&loss), &Axis { name: "final loss".into(), size: 1.0 })) } }
            @if time.len() > 1 { figure { div.sh { h2 { "Energy and time" } p { "lower left is better" } } (scatter(&time, &energy(&time), &Axis { name: format!("time per {unit}, {}", longest.name), size: longest.size })) } }
        }
        @if loss.len() > 1 || time.len() > 1 {
            div.leg { span { svg width="26" height="12" aria-hidden="true" { path.front d="M0 6H26" {} } "Pareto front of the means: no group is better in both" } }
        }
    }
}

/// Returns the table of all runs.
fn runs(comparison: &Comparison) -> Markup {
    let labels = varying(comparison);
    let runs = || comparison.runs.iter().take(MAX_ROWS);
    let energy =
        Column::new(Amount::Energy, runs().filter_map(|run| run.energy_kwh).map(|figure| figure.value * UJ_PER_KWH));
    let mass = Column::new(Amount::Mass, runs().filter_map(|run| run.grams).map(|figure| figure.value));
    let time = Column::new(Amount::Time, runs().filter_map(|run| run.seconds));
    let sorted = |name: &str| html! { button.sort type="button" { (name) } };
    html! {
        div.scroll tabindex="0" role="group" aria-label="All runs" { table id="all" {
            thead { tr {
                th scope="col" { (sorted("Run")) } @for label in &labels { th scope="col" { (sorted(label)) } } th.hm scope="col" { (sorted("Started")) }
                th.r scope="col" { (sorted("Energy")) br; (energy.unit.name) } th.r.hm scope="col" { "Range" br; (energy.unit.name) } th.r.hm scope="col" { (sorted("Emissions")) br; (mass.unit.name) }
                th.r.hm scope="col" { (sorted("Time")) br; (time.unit.name) } th.r scope="col" { (sorted("Loss")) } th scope="col" { (sorted("Quality")) }
            } }
            tbody {
                @for (place, run) in runs().enumerate() {
                    tr {
                        th scope="row" data-v=(run.name) { (name_of(comparison, place)) @if run.undominated == Some(true) { " " span.dim.xs { "Pareto-optimal" } } }
                        @for label in &labels { @let value = run.labels.get(*label).map_or("", String::as_str); td.nb data-v=(value) { (value) } }
                        @if let Some(at) = wall_clock(&run.started_at) { td.hm.nb data-v=(at) { (at.get(..10).unwrap_or_default()) " " (at.get(11..16).unwrap_or_default()) } } @else { td.hm { span.nm { "not known" } } }
                        @if let Some(figure) = run.energy_kwh {
                            td.r data-v=(figure.value) { (energy.cell(figure.value * UJ_PER_KWH)) }
                            td.r.hm.ci { (energy.range(&Bounded::plausible(figure.value, figure.low, figure.high).times(UJ_PER_KWH))) }
                        } @else { td.r { span.nm { "not measured" } } td.hm {} }
                        @if let Some(figure) = run.grams { td.r.hm data-v=(figure.value) { (mass.cell(figure.value)) } } @else { td.r.hm { span.nm { "not known" } } }
                        @if let Some(seconds) = run.seconds { td.r.hm data-v=(seconds) { (time.cell(seconds)) } } @else { td.r.hm { span.nm { "not counted" } } }
                        @if let Some(loss) = run.loss { td.r data-v=(loss) { (digits(loss, 3)) } } @else { td.r { span.nm { "not reported" } } }
                        td data-v=(run.quality().name()) { (super::marks::quality(run.quality())) }
                    }
                }
            }
        } }
        @if comparison.runs.len() > MAX_ROWS { p.xs.mut { "and " (count((comparison.runs.len() - MAX_ROWS) as u64)) " more runs: see --format json" } }
    }
}
