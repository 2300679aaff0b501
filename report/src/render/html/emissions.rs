//! The sections on emissions, method and provenance of the HTML report.

use std::collections::BTreeMap;

use eco2_core::schema::{Carbon, Report, Supplements};
use eco2_core::{Bounded, Ranged, Unit};
use maud::{Markup, html};

use super::super::export::{factor_sources, kinds, methods};
use super::super::numbers::{Amount, Column, EN, NB, axis, count, digits, duration, plain_number, things};
use super::super::spent_text;
use super::intensity::{changing, class};

/// Most rows of the table of intensities.
const MAX_SEGMENTS: usize = 96;
/// Rows of the table of intensities that are shown at once; more are behind a line that opens.
const OPEN_SEGMENTS: usize = 8;

/// Returns the section on emissions.
pub(super) fn section(report: &Report) -> Markup {
    let Some(carbon) = &report.carbon else {
        return html! { section id="co2" { h2 { "Emissions" } p.dim { "Not known: no carbon intensity was applied. Set a grid zone with --zone." } } };
    };
    let how = match carbon.grams {
        None => html! { "Not known: the energy was not measured." },
        Some(grams) if changing(report).is_some() => {
            html! { (Amount::Mass.text(grams)) ": the energy of each part of the run times its carbon intensity" }
        }
        Some(grams) => html! { (Amount::Mass.text(grams)) ": energy × PUE × carbon intensity" },
    };
    html! {
        section id="co2" {
            div.sh { h2 { "Emissions" } p { (how) } }
            (segments(carbon))
            (facts(report, carbon))
        }
    }
}

/// Returns the table from which the emissions can be computed again.
fn segments(carbon: &Carbon) -> Markup {
    let rows = || carbon.segments.iter().take(MAX_SEGMENTS);
    let energy = Column::new(Amount::Energy, rows().map(|row| row.energy_uj as f64));
    let grams = |row: &eco2_core::schema::CarbonSegment| row.energy_uj as f64 / 3.6e12 * row.g_per_kwh;
    let mass = Column::new(Amount::Mass, rows().map(grams));
    let table = html! {
        div.scroll tabindex="0" role="group" aria-label="Carbon intensity by part of the run" { table {
            thead { tr {
                th scope="col" { "Part of the run, UTC" }
                th.r scope="col" { "Facility energy" br; (energy.unit.name) }
                th.r scope="col" { "Intensity" br; "g/kWh" }
                th.r scope="col" { "Emissions" br; (mass.unit.name) }
                th.hm scope="col" { "Source of the intensity" }
            } }
            tbody {
                @for row in rows() {
                    tr {
                        th scope="row" { (from_to(&row.from, &row.to)) }
                        td.r { (energy.cell(row.energy_uj as f64)) }
                        td.r {
                            svg.cisw width="10" height="10" aria-hidden="true" { rect.(class(row.g_per_kwh)) width="10" height="10" {} }
                            (digits(row.g_per_kwh, 3))
                        }
                        td.r { (mass.cell(grams(row))) }
                        td.hm { (row.source) @if let Some(year) = row.year { ", " (year) } @if row.estimated { ", estimated by the provider" } }
                    }
                }
            }
        } }
        @if carbon.segments.len() > MAX_SEGMENTS {
            p.xs.mut { "and " (count((carbon.segments.len() - MAX_SEGMENTS) as u64)) " more parts: see eco2 report --format json" }
        }
    };
    html! {
        @if carbon.segments.len() > OPEN_SEGMENTS {
            details { summary { "Carbon intensity and emissions of each of " (count(carbon.segments.len() as u64)) " parts" } (table) }
        } @else { (table) }
    }
}

/// Returns a stretch of time: `2026-01-02 03:00:00 – 04:00:00`. A replayed trace has no day.
fn from_to(from: &str, to: &str) -> String {
    let [from, to] = [from, to].map(|at| at.get(..10).zip(at.get(11..19)));
    match (from, to) {
        (Some(("1970-01-01", start)), Some((_, end))) => format!("{start}{EN}{end}"),
        (Some((day, start)), Some((last_day, end))) if day == last_day => format!("{day}{NB}{start}{EN}{end}"),
        (Some((day, start)), Some((last_day, end))) => format!("{day}{NB}{start}{EN}{last_day}{NB}{end}"),
        _ => "not known".to_owned(),
    }
}

/// Returns zone, uncertainty, budget, and the values that were requested in addition.
fn facts(report: &Report, carbon: &Carbon) -> Markup {
    let supplements = carbon.beside.as_deref().cloned().unwrap_or_default();
    html! {
        dl.facts id="extras" {
            dt { "Zone" } dd { (carbon.zone) " (" (carbon.zone_source) ")" @if !kinds(carbon).is_empty() { ", " (kinds(carbon).join(", ")) } }
            dt { "Uncertainty" } dd { "from the energy only; the carbon intensity has no stated uncertainty" }
            @for spent in report.budget.iter().flat_map(|budget| &budget.limits) { dt { "Budget" } dd { (spent_text(spent)) } }
            (additional(&supplements))
            @if supplements.embodied.is_none() { dt { "Embodied emissions" } dd { span.nm { "not known" } " " span.mut { "(set with --embodied)" } } }
            @if supplements.cost.is_none() { dt { "Electricity cost" } dd { span.nm { "not known" } " " span.mut { "(set with --price-per-kwh)" } } }
            @if supplements.water.is_none() { dt { "Water" } dd { span.nm { "not known" } " " span.mut { "(no water factor; set with --wue)" } } }
        }
    }
}

/// Returns the supplements that the report has.
fn additional(supplements: &Supplements) -> Markup {
    let Supplements { market, embodied, sci, water, cost, carbon_price, offsets, equivalents } = supplements;
    html! {
        @if let Some(market) = market { dt { "Market-based" } dd { (mass(&market.bounded())) " " span.mut { "(" (market.instrument) ", " (digits(market.g_per_kwh, 3)) " g/kWh)" } } }
        @if let Some(embodied) = embodied {
            dt { "Embodied emissions" }
            dd { "≈ " (mass(&embodied.bounded())) " " span.mut { "(" (embodied.source) ", " (duration(embodied.reserved_ns)) " of " (digits(embodied.life_years, 3)) " years of " (digits(embodied.total_kg, 3)) " kg; not in the total)" } }
        }
        @if let Some(sci) = sci { dt { "SCI" } dd { (mass(&sci.bounded())) " per " (sci.per) @if sci.embodied_g.is_none() { " " span.mut { "(without embodied emissions, which SCI requires)" } } } }
        @if let Some(water) = water { dt { "Water" } dd { (plain(&water.bounded())) " l" } }
        @if let Some(cost) = cost {
            dt { "Electricity cost" }
            dd { (plain(&cost.bounded())) " " (cost.currency.as_deref().unwrap_or("(no currency)")) " " span.mut { "(" (cost.method) ")" } @if cost.unpriced_uj > 0 { ", " (Amount::Energy.text(cost.unpriced_uj as f64)) " without a price" } }
        }
        @if let Some(price) = carbon_price { dt { "Carbon price" } dd { (plain(&price.bounded())) " " (price.currency.as_deref().unwrap_or("(no currency)")) " " span.mut { "at " (digits(price.per_tonne, 3)) " per tonne" } } }
        @for offset in offsets { dt { "Offset" } dd { (offset.name) ": " (digits(offset.kg, 3)) " kg claimed " span.mut { "(not subtracted)" } } }
        @if !equivalents.is_empty() {
            dt { "As much as" }
            dd { @for (at, one) in equivalents.iter().enumerate() { @if at > 0 { ", " } @if let Some(amount) = one.amount { (plain_number(amount)) } @else { "unknown" } " " (one.what) } " " span.mut { "(" (equivalents[0].source) ")" } }
        }
    }
}

/// Returns emissions with their range.
fn mass(range: &Bounded<f64>) -> Markup {
    html! { @if let Some(grams) = range.value { (Amount::Mass.text(grams)) " " span.mut { (Amount::Mass.range(range, false)) } } @else { span.nm { "not known" } } }
}

/// Returns money or litres with their range. A lower bound may be missing.
fn plain(range: &Bounded<f64>) -> Markup {
    html! {
        @if let Some(value) = range.value {
            (plain_number(value))
            @if let Some(high) = range.high.filter(|high| range.low.is_finite() && *high > range.low) { " " span.mut { (plain_number(range.low)) (EN) (plain_number(high)) } }
        } @else { span.nm { "not known" } }
    }
}

/// Returns the limit of the emissions' budget, grams.
pub(super) fn budget_g(report: &Report) -> Option<f64> {
    let mut limits = report.budget.iter().flat_map(|budget| &budget.limits);
    limits.find(|spent| spent.unit == Unit::Grams).map(|spent| spent.limit)
}

/// Returns the paragraph for a paper; empty if the report has no grams.
pub(super) fn statement(report: &Report) -> Markup {
    let text = methods(report).unwrap_or_default();
    html! {
        @if !text.is_empty() {
            section id="method" {
                div.sh { h2 { "Statement for a paper" } button.jsonly id="cp" type="button" { "Copy text" } }
                p.method id="mt" { (text.trim_end()) }
            }
        }
    }
}

/// Returns how the values came about, so that they can be checked.
pub(super) fn provenance(report: &Report) -> Markup {
    let run = &report.run;
    let tables: Vec<&str> = {
        let hashes = report.carbon.iter().flat_map(|carbon| &carbon.segments);
        let mut hashes: Vec<&str> =
            hashes.flat_map(|part| [&part.table_sha256, &part.answer_sha256]).flatten().map(String::as_str).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    };
    html! {
        section id="provenance" {
            div.sh { h2 { "Method and provenance" } }
            dl.facts {
                dt { "Run" } dd { span.mono { (run.id) } ", " (from_to(&run.started_at, &run.ended_at)) " UTC, " (super::super::word(&run.state)) }
                @if !run.command.is_empty() { dt { "Command" } dd { span.mono { (super::super::text_command(&run.command)) } } }
                @if !run.host.hostname.is_empty() { dt { "Machine" } dd { (run.host.hostname) ", Linux " (run.host.kernel) ", boot " span.mono { (run.host.boot_id) } } }
                @for ((name, how), number) in &instruments(report) { dt { @if *number > 1 { (number) " × " } (name) } dd { (how) } }
                @if let Some(carbon) = &report.carbon { dt { "Carbon intensity" } dd { (factor_sources(carbon).join("; ")) } }
                @if !tables.is_empty() { dt { "Data, SHA-256" } dd { @for hash in tables.iter().take(8) { span.mono { (hash) } " " } } }
                @if let Some(merge) = &report.merge { dt { "Merged from" } dd { (things(merge.record_count(), "record")) " on " (things(merge.machines.into(), "machine")) @if !merge.missing_ranks.is_empty() { ", " (things(merge.missing_ranks.len() as u64, "rank")) " without a record" } } }
                dt { "Ranges" } dd { (range_words(report)) }
                dt { "Tool" } dd { "eco2 " (run.tool.version) ", schema " (report.schema) }
            }
        }
    }
}

/// Returns how the devices were read, and how many of one name were read alike.
fn instruments(report: &Report) -> BTreeMap<(&str, String), usize> {
    let mut alike = BTreeMap::new();
    for device in report.devices.iter().filter(|device| device.is_summed()) {
        let mut how = vec![device.source.clone(), device.domain.clone()];
        how.extend(device.method.clone());
        how.extend(device.update_period_ns.map(|ns| format!("updated every {}", duration(ns))));
        how.extend(
            device.gain_percent.map(|gain| format!("gain error up to {}{NB}% (not in the range)", digits(gain, 2))),
        );
        how.push(format!("{}{NB}% of the time covered", axis(100.0 * device.coverage)));
        *alike.entry((super::tables::model_or_name(device), how.join(", "))).or_default() += 1;
    }
    alike
}

/// Returns what the range of the energy promises.
fn range_words(report: &Report) -> &'static str {
    match report.energy.range_kind {
        Some(eco2_core::RangeKind::Hard) => "hold for every load between two readings",
        Some(eco2_core::RangeKind::Plausible) => {
            "contain the true value with a probability of 90 %; estimates assume it"
        }
        None => "not stated",
    }
}
