//! The top of the HTML report: name and labels of the run, the four headline values, where the energy value comes from, and what
//! needs the reader's attention.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use eco2_core::schema::{Report, SourceStatus, Status};
use eco2_core::{Bounded, Component, Decision, Quality, Ranged};
use eco2_grid::carbon::FunctionalUnit;
use maud::{Markup, html};

use crate::analysis::{pue_words, scope_of};
use crate::wall::wall_clock;

use super::super::export::{kinds, mean_intensity};
use super::super::numbers::{Amount, EN, NB, as_f64, axis, count, digits, duration, share};
use super::super::provisional::provisional_text;
use super::super::{not_ok, spent_text};

/// Most sources without readings that are listed above the tables.
const MAX_NOTES: usize = 6;

/// Returns the title, the headline values and the sources of the energy.
pub(super) fn header(report: &Report, sections: &[(&str, &str)]) -> Markup {
    let run = &report.run;
    html! {
        header.top id="top" {
            div.bar1 {
                span { a.brand href="#top" { "eco" i { "2" } } " energy and emissions report" }
                nav aria-label="Sections" { @for (id, name) in sections { a href={ "#" (id) } { (name) } } }
            }
            div.title {
                h1 { (title(report)) }
                span.tags { @for (name, value) in &run.labels { span.tag { (name) "=" (value) } } }
            }
            p.meta {
                span { "run " span.mono { (run.id) } }
                @if !run.host.hostname.is_empty() { span { (run.host.hostname) } }
                @for hardware in hardware(report) { span { (hardware) } }
                @if let Some(day) = day(&run.started_at) { span { (day) } }
            }
            dl.head { (energy(report)) (emissions(report)) (per_unit(report)) (time(report)) }
            (quality_row(report))
        }
    }
}

/// Returns the run's name, or its id.
pub(super) fn title(report: &Report) -> &str {
    if report.run.name.is_empty() { &report.run.id } else { &report.run.name }
}

/// Returns the day of a time; `None` for a replayed trace, which has no wall clock.
fn day(at: &str) -> Option<&str> {
    wall_clock(at)?.get(..10)
}

/// Returns the models of processors and GPUs in the total: `8 × NVIDIA H100 80GB`.
fn hardware(report: &Report) -> Vec<String> {
    let mut counts: BTreeMap<(Reverse<Component>, &str), usize> = BTreeMap::new();
    for device in report.devices.iter().filter(|device| device.is_summed()) {
        if let Some(model) = &device.model {
            *counts.entry((Reverse(device.component), model)).or_default() += 1;
        }
    }
    let words = |((_, model), count): ((Reverse<Component>, &str), usize)| match count {
        1 => model.to_owned(),
        _ => format!("{count} × {model}"),
    };
    counts.into_iter().map(words).collect()
}

/// One headline value. `value` is a number and a unit.
fn headline(name: &str, is_large: bool, value: &Markup, range: &Markup, facts: &Markup) -> Markup {
    html! {
        div {
            dt { (name) }
            dd {
                div class=(if is_large { "v" } else { "v2" }) { (value) }
                div.e { (range) }
                div.w { (facts) }
            }
        }
    }
}

/// Returns a number with a small unit; a lower bound of an unknown value is "at least".
fn large(amount: Amount, range: &Bounded<f64>, unknown: &str) -> Markup {
    let Some(value) = range.value else {
        return match range.low > 0.0 {
            true => html! { small { "at least " } (number_and_unit(amount, range.low)) },
            false => html! { span.nm { (unknown) } },
        };
    };
    number_and_unit(amount, value)
}

fn number_and_unit(amount: Amount, value: f64) -> Markup {
    let unit = amount.unit(value.abs());
    html! { (digits(value / unit.size, 3)) " " small { (unit.name) } }
}

/// Returns a range with its bounds behind `±`.
fn range(amount: Amount, range: &Bounded<f64>, is_estimate: bool) -> Markup {
    let words = if range.value.is_some() { amount.range(range, is_estimate) } else { String::new() };
    html! { (words) @if words.starts_with('±') { " " span.rg { (amount.bounds_text(range)) } } }
}

fn energy(report: &Report) -> Markup {
    let (energy, quality) = (as_f64(report.energy.bounded()), super::marks::main_quality(report));
    let total = energy.value.unwrap_or(0.0);
    let facts = match quality {
        Quality::Missing => html! { "no readable sensor, and estimates are off" },
        Quality::Synthetic => html! { "synthetic, not a measurement" },
        Quality::Estimated if report.energy.measured_uj == 0 => {
            html! { "estimated: no energy sensor is readable here" }
        }
        _ => html! { (share((report.energy.measured_uj + report.energy.derived_uj) as f64, total)) (NB) "% measured" },
    };
    let is_estimate = quality == Quality::Estimated;
    headline(
        "Energy",
        true,
        &large(Amount::Energy, &energy, "not measured"),
        &range(Amount::Energy, &energy, is_estimate),
        &facts,
    )
}

fn emissions(report: &Report) -> Markup {
    let Some(carbon) = &report.carbon else {
        let why = html! { "no carbon intensity was applied" };
        return headline("Emissions", true, &html! { span.nm { "not known" } }, &html! {}, &why);
    };
    let facts = html! {
        @if carbon.zone_source == "default-world" { "world average" } @else { (carbon.zone) }
        @if let Some(mean) = mean_intensity(carbon) { ", " (digits(mean, 3)) (NB) "g/kWh" @if carbon.segments.len() > 1 { " (mean)" } }
        br;
        "location-based, PUE " (pue_words(report))
        @if kinds(carbon).len() > 1 { ", several kinds of intensity" }
    };
    let is_estimate = super::marks::main_quality(report) == Quality::Estimated;
    let grams = carbon.bounded();
    headline(
        "Emissions",
        true,
        &large(Amount::Mass, &grams, "not known"),
        &range(Amount::Mass, &grams, is_estimate),
        &facts,
    )
}

/// Returns the energy per unit of work: of a step, else of a sample or token.
fn per_unit(report: &Report) -> Markup {
    let units = [FunctionalUnit::Step, FunctionalUnit::Sample, FunctionalUnit::Token];
    let counted = units.into_iter().find_map(|unit| Some((unit.as_str(), unit.count(&report.work)?)));
    let Some((unit, number)) = counted.filter(|(_, number)| *number > 0) else {
        let why = html! { "no steps reported" };
        return headline("Energy per step", false, &html! { span.nm { "not counted" } }, &html! {}, &why);
    };
    let each = as_f64(report.energy.bounded()).times(1.0 / number as f64);
    let work = &report.work;
    let per_kwh =
        work.samples.zip(report.energy.kwh()).filter(|(_, kwh)| *kwh > 0.0).map(|(samples, kwh)| samples as f64 / kwh);
    let facts = html! {
        (count(number)) " " (unit) "s"
        @if let Some(samples) = per_kwh { br; (large_count(samples)) " samples/kWh" }
    };
    let is_estimate = super::marks::main_quality(report) == Quality::Estimated;
    let name = format!("Energy per {unit}");
    headline(
        &name,
        false,
        &large(Amount::StepEnergy, &each, "not measured"),
        &range(Amount::StepEnergy, &each, is_estimate),
        &facts,
    )
}

/// Returns a large number of things with a prefix: `1.16 M`.
fn large_count(number: f64) -> String {
    match number {
        1e9.. => format!("{}{NB}G", digits(number / 1e9, 3)),
        1e6.. => format!("{}{NB}M", digits(number / 1e6, 3)),
        _ => digits(number, 3),
    }
}

fn time(report: &Report) -> Markup {
    let run = &report.run;
    let clock = |at: &str| day(at).and_then(|_| at.get(11..16)).map(str::to_owned);
    let value = duration(run.duration_ns);
    let words: Vec<&str> = value.split(NB).collect();
    let value =
        html! { @for pair in words.chunks(2) { (pair[0]) @if let Some(unit) = pair.get(1) { small { (unit) } } " " } };
    let mean =
        report.energy.total_uj.filter(|_| run.duration_ns > 0).map(|uj| uj as f64 * 1e3 / run.duration_ns as f64);
    let range = html! { @if let Some(watts) = mean { "mean " (Amount::Power.text(watts)) } };
    let facts = html! {
        @if let (Some(from), Some(to)) = (clock(&run.started_at), clock(&run.ended_at)) { (from) (EN) (to) " UTC" }
        @if let Some(code) = run.exit_code { ", exit " (code) }
        @if let Some(why) = provisional_text(run) { br; "provisional: " (why) }
    };
    headline("Duration", false, &value, &range, &facts)
}

/// Returns the shares of the energy by how they came about, and what is not in it.
fn quality_row(report: &Report) -> Markup {
    let energy = &report.energy;
    let Some(total) = energy.total_uj.filter(|total| *total > 0) else { return html! {} };
    let parts = [
        (Quality::Synthetic, energy.synthetic_uj),
        (Quality::Measured, energy.measured_uj),
        (Quality::Derived, energy.derived_uj),
        (Quality::Estimated, energy.estimated_uj),
    ];
    let range = energy.range_kind.zip(energy.range_percent);
    html! {
        div.quality {
            span { "Source of the energy value" }
            @for (quality, uj) in parts.into_iter().filter(|(_, uj)| *uj > 0) {
                span.nb { (super::marks::quality(quality)) " " (share(uj as f64, total as f64)) (NB) "%" }
            }
            span { "Energy " (scope_of(report).words()) }
            @if let Some((kind, percent)) = range { span { "Range: " (super::super::word(&kind)) ", " (axis(percent)) (NB) "%" } }
            span { "Not included: network, storage, other parts of the machines" @if energy.pue == 1.0 { ", cooling (PUE 1)" } }
        }
    }
}

/// Returns what the reader should act on: budgets, sources that could not be read, missing time and anomalies.
pub(super) fn findings(report: &Report) -> Markup {
    let mut notes: Vec<(String, String)> = Vec::new();
    let limits = report.budget.iter().flat_map(|budget| &budget.limits);
    notes.extend(limits.filter(|spent| spent.decision > Decision::Go).map(|spent| (spent_text(spent), String::new())));
    if report.energy.missing_ns > 0 && report.energy.total_uj.is_some() {
        let time = duration(report.energy.missing_ns);
        notes.push((
            format!("{time} of device time without readings: the bounds include it, the value does not."),
            String::new(),
        ));
    }
    for part in report.spells.iter().filter(|part| part.is_anomaly() && part.energy_uj != Some(0)) {
        let device = if part.device.is_empty() { "The run" } else { part.device.as_str() };
        let energy = part.energy_uj.map_or_else(String::new, |uj| format!(", {}", Amount::Energy.text(uj as f64)));
        notes.push((
            format!("{device}: {} {} × for {}{energy}.", part.kind, part.count, duration(part.duration_ns)),
            String::new(),
        ));
    }
    if report.carbon.as_ref().is_some_and(|carbon| carbon.zone_source == "default-world") {
        notes.push((
            "No grid zone set, using the world average.".to_owned(),
            "Set yours for all runs, e.g. eco2 config set zone DE.".to_owned(),
        ));
    }
    // What the machine does not have is in the table of sensors; here is what can be changed.
    let is_fixable = |source: &&SourceStatus| source.status != Status::Absent && source.status != Status::Off;
    let sources = not_ok(report).filter(is_fixable).filter(|source| !source.remedy.is_empty()).take(MAX_NOTES);
    notes.extend(sources.map(|source| (format!("{}: {}.", source.name, source.reason), format!("{}.", source.remedy))));
    html! {
        @if !notes.is_empty() {
            section id="act" {
                h2.vh { "Findings" }
                @for (text, remedy) in &notes { p.note { b { "!" } (text) @if !remedy.is_empty() { " " span.mut { (remedy) } } } }
            }
        }
    }
}
