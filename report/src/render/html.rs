//! Writes a report as one HTML page that needs nothing else: no request, no library, and no script to be read. Charts are SVG.
//!
//! Data flow: the report → [`bins`] (power per bin with bounds) → [`plot`] (SVG) → the sections → [`frame`] (the document). Sections
//! read the report only; nothing here computes energy or emissions other than sums and differences.

mod bins;
mod compare;
mod emissions;
mod frame;
mod head;
mod host;
mod intensity;
mod lanes;
mod marks;
mod plot;
mod scatter;
mod steps;
mod tables;
mod tracks;

use eco2_core::schema::Report;
use maud::html;

pub use compare::comparison_html;
pub use frame::{Kind, STYLE, document};

use super::presentable;

/// The page of one run.
const REPORT: Kind = Kind {
    style: &[frame::STYLE, include_str!("html/report.css")],
    script: &[include_str!("html/report.js")],
    connects: false,
};

/// Returns the report as an HTML page: one file without requests, for any browser, screen and printer.
///
/// The page shows energy, emissions and power over time with their ranges, devices, spans, attribution, sources and events, and
/// how the values came about. It is complete without scripts. Text from the report is escaped.
///
/// ```
/// use eco2_core::schema::{Report, Run};
///
/// let run = Run { id: "a".to_owned(), name: "<b>train</b>".to_owned(), ..Run::default() };
/// let page = eco2_report::html(&Report::empty(run));
/// assert!(page.contains("&lt;b&gt;train") && page.contains("not measured"));
/// ```
#[must_use]
pub fn html(report: &Report) -> String {
    let report = presentable(report);
    let power = bins::power_over_time(&report);
    let tracks = power.as_ref().map(|power| tracks::section(&report, power));
    let (power_section, data) = tracks.unzip();
    let priced = report.carbon.as_ref();
    let cumulative = priced.and_then(|carbon| intensity::cumulative(&report, carbon, emissions::budget_g(&report)));
    let energy = power.as_ref().and_then(|_| intensity::cumulative_energy(&report));
    let steps = steps::per_step(&report);
    let sections = [
        ("power", "Power", power.is_some()),
        ("where", "Devices", !report.devices.is_empty()),
        ("use", "Use", true),
        ("co2", "Emissions", true),
        ("provenance", "Method", true),
        ("details", "Details", true),
    ];
    let sections: Vec<(&str, &str)> =
        sections.iter().filter(|(.., has)| *has).map(|(id, name, _)| (*id, *name)).collect();
    let body = html! {
        (marks::patterns())
        a.skip href="#main" { "Skip to the content" }
        @if marks::is_synthetic(&report) { div.sample role="note" { b { "Synthetic data." } " These numbers were generated and are not a measurement." } }
        (head::header(&report, &sections))
        main id="main" {
            @if let Some(section) = power_section { (section) } @else {
                section id="power" { h2 { "Power over time" } p.dim { "Not available: this report has no power history." } }
            }
            (head::findings(&report))
            @if !report.devices.is_empty() {
                section id="where" { div.sh { h2 { "Energy by device" } } (tables::devices(&report, power.as_ref())) (host::totals(&report)) }
            }
            section.two id="use" {
                @if !report.spans.is_empty() { div { div.sh { h2 { "Energy by span" } } (tables::spans(&report)) } }
                div { div.sh { h2 { "Who used it" } } (tables::attribution(&report)) }
            }
            @if energy.is_some() || cumulative.is_some() || steps.is_some() {
                section.two id="trend" {
                    @if let Some(energy) = energy { (energy) }
                    @if let Some(grams) = cumulative { (grams) }
                    @if let Some(steps) = steps { (steps) }
                }
            }
            (emissions::section(&report))
            (emissions::statement(&report))
            (emissions::provenance(&report))
            section.two id="details" {
                div { div.sh { h2 { "Sensors" } } (tables::sources(&report)) }
                div { div.sh { h2 { "Events" } } (tables::events(&report)) (tables::overhead(&report)) }
            }
        }
        footer { span { "eco2 " (report.run.tool.version) " · schema " (report.schema) } span.noprint { button.jsonly id="pr" type="button" { "Print or save as PDF" } } }
    };
    frame::document(&REPORT, &format!("{} · eco2 report", head::title(&report)), &data, &body)
}
