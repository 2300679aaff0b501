//! The table of host totals of the HTML report: the whole machine as a BMC or `psys` shows it, and the remainder that no part
//! explains. They are in no sum.

use eco2_core::schema::{HostTotal, Report};
use eco2_core::{Bounded, RangeKind, Ranged};
use maud::{Markup, html};

use super::super::numbers::{Amount, Column, as_f64, duration};
use super::marks;

/// Returns the table; empty without a host total.
pub(super) fn totals(report: &Report) -> Markup {
    let totals = &report.host_totals;
    let known = totals.iter().flat_map(|total| [total.energy_uj, total.high_uj, total.parts_uj]).flatten();
    let energy = Column::new(Amount::Energy, known.map(|uj| uj as f64));
    let cell = |uj: Option<u64>| html! { @if let Some(uj) = uj { (energy.cell(uj as f64)) } @else { span.nm { "not known" } } };
    html! {
        @if !totals.is_empty() {
            div.sh.host { h3 { "Host totals: the whole machine by other sensors" } p { "not in the sum" } }
            div.scroll tabindex="0" role="group" aria-label="Host totals" { table id="host" {
                thead { tr {
                    th scope="col" { "Sensor" } th.r scope="col" { "Total" br; (energy.unit.name) } th.r.hm scope="col" { "Range" br; (energy.unit.name) }
                    th.r scope="col" { "Sum of the parts" br; (energy.unit.name) } th.r scope="col" { "Unexplained" br; (energy.unit.name) }
                    th.r.hm scope="col" { "Range" br; (energy.unit.name) } th scope="col" { "Quality" }
                } }
                tbody {
                    @for total in totals {
                        @let remainder = remainder(total);
                        tr {
                            th scope="row" { (total.device) " " span.dim.xs { "by " (total.source) (covered(report, total)) } }
                            td.r { (cell(total.energy_uj)) }
                            td.r.hm { @if total.energy_uj.is_some() { (energy.range(&as_f64(total.bounded()))) } }
                            td.r { (cell(total.parts_uj)) }
                            td.r { @if total.remainder_uj.is_some_and(|uj| uj < 0) { "none" } @else { (cell(remainder.value)) } }
                            td.r.hm { @if remainder.is_known() { (energy.range(&as_f64(remainder))) } }
                            td { (marks::quality(total.quality)) }
                        }
                    }
                }
            } }
            @if totals.iter().any(|total| total.remainder_uj.is_some_and(|uj| uj < 0)) {
                p.xs.mut { "The parts show more than a total: it does not cover all of them, or a sensor is wrong." }
            }
        }
    }
}

/// Returns the part of a total that no part explains; not known where it is negative.
fn remainder(total: &HostTotal) -> Bounded<u64> {
    let at_least_zero = |uj: i64| u64::try_from(uj).unwrap_or(0);
    Bounded {
        value: total.remainder_uj.and_then(|uj| u64::try_from(uj).ok()),
        low: total.remainder_low_uj.map_or(0, at_least_zero),
        high: total.remainder_high_uj.map(at_least_zero),
        kind: RangeKind::Plausible,
    }
}

/// Returns for how long the sensor was read, if that was not the whole run.
fn covered(report: &Report, total: &HostTotal) -> String {
    let is_whole = (total.from_ns, total.to_ns) == (0, report.run.duration_ns);
    if is_whole { String::new() } else { format!(", in {}", duration(total.to_ns.saturating_sub(total.from_ns))) }
}
