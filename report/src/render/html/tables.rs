//! The tables of the HTML report: devices, spans, who used the energy, sensors and events. A cell without a value states so.

use std::collections::BTreeMap;

use eco2_core::schema::{Device, Report, Status};
use eco2_core::{Bounded, Component, Ranged};
use maud::{Markup, html};

use super::super::numbers::{
    Amount, Column, NB, as_f64, clock, count, digits, duration, share, things, widest_percent,
};
use super::bins::PowerOverTime;

/// Most rows of a table of spans, consumers or events; the report as JSON has all of them.
const MAX_ROWS: usize = 100;

/// Returns the table of devices: equal ones are one row, which opens.
pub(super) fn devices(report: &Report, power: Option<&PowerOverTime>) -> Markup {
    let mut groups: BTreeMap<(Component, &str, bool), Vec<&Device>> = BTreeMap::new();
    for device in &report.devices {
        groups.entry((device.component, model_or_name(device), device.is_summed())).or_default().push(device);
    }
    let mut groups: Vec<(&str, Vec<&Device>)> = groups.into_iter().map(|((_, name, _), group)| (name, group)).collect();
    groups.sort_by_key(|(_, group)| {
        (!group[0].is_summed(), std::cmp::Reverse(energy_of(group).value.map(|uj| uj as u64)))
    });
    let total = report.energy.total_uj.unwrap_or(0) as f64;
    let known = groups.iter().map(|(_, group)| energy_of(group));
    let energy = Column::new(Amount::Energy, known.clone().filter_map(|range| range.value));
    let watts = Column::new(Amount::Power, groups.iter().filter_map(|(_, group)| watts_of(group)));
    let most = known.map(|range| range.high.or(range.value).unwrap_or(0.0)).fold(0.0, f64::max);
    let row = |name: &Markup, devices: &[&Device], kid: Option<usize>| {
        let (range, first) = (energy_of(devices), devices[0]);
        html! {
            tr.kid[kid.is_some()] data-k=[kid] {
                th scope="row" { (name) }
                td.r { (known_or(range.value.map(|uj| energy.cell(uj)), "not measured")) }
                td.r.hm { @if range.value.is_some() { (energy.range(&range)) } }
                td.r { @if let Some(mean) = watts_of(devices) { (watts.cell(mean)) } }
                td.r { @if let Some(uj) = range.value.filter(|_| first.is_summed()) { (share(uj, total)) } }
                td.barc.hm { (bar(&range, most, first.component.name(), first.quality == eco2_core::Quality::Estimated)) }
                td.hm { (spark(devices, power)) }
                td { (super::marks::quality(first.quality)) }
            }
        }
    };
    html! {
        div.scroll tabindex="0" role="group" aria-label="Energy by device" { table id="devices" {
            thead { tr {
                th scope="col" { "Device" } th.r scope="col" { "Energy" br; (energy.unit.name) } th.r.hm scope="col" { "Range" br; (energy.unit.name) }
                th.r scope="col" { "Mean" br; (watts.unit.name) } th.r scope="col" { "Share" br; "%" } th.barc.hm scope="col" { span.vh { "Energy with range" } }
                th.hm scope="col" { "Power over time" } th scope="col" { "Quality" }
            } }
            tbody {
                @for (at, (name, group)) in groups.iter().enumerate() {
                    @let swatch = html! { i class=(format!("sw {}", group[0].component.name())) {} };
                    @if group.len() > 1 {
                        (row(&html! { (swatch) button.exp type="button" aria-expanded="true" data-g=(at) { (group.len()) " × " (name) } }, group, None))
                        @for (number, device) in group.iter().enumerate() {
                            (row(&html! { (device_label(device, number)) (lost(device)) }, &[device], Some(at)))
                        }
                    } @else {
                        (row(&html! { (swatch) (name) @if !group[0].is_summed() { " " span.dim.xs { (why_not_summed(group[0])) } } (lost(group[0])) }, group, None))
                    }
                }
                tr.sum {
                    @let whole = as_f64(report.energy.bounded());
                    th scope="row" { "Total" }
                    td.r { (known_or(whole.value.map(|uj| energy.cell(uj)), "not measured")) }
                    td.r.hm { @if whole.value.is_some() { (energy.range(&whole)) } }
                    td.r { @if let Some(uj) = whole.value.filter(|_| report.run.duration_ns > 0) { (watts.cell(uj * 1e3 / report.run.duration_ns as f64)) } }
                    td.r { @if whole.value.is_some() { "100" } }
                    td.hm {} td.hm {} td {}
                }
            }
        } }
    }
}

/// Returns the hardware's model, or the device's name where it is not known.
pub(super) fn model_or_name(device: &Device) -> &str {
    device.model.as_deref().filter(|model| !model.is_empty()).unwrap_or(&device.name)
}

/// Returns why a device is not in the total.
fn why_not_summed(device: &Device) -> &'static str {
    if device.is_host_total() {
        "the whole machine, not in the total"
    } else {
        "part of another device, not in the total"
    }
}

/// Returns the name of one of several equal devices: `GPU 0`, with its id.
fn device_label(device: &Device, number: usize) -> Markup {
    let word = match device.component {
        Component::Gpu => "GPU",
        Component::Cpu => "CPU",
        Component::Memory => "Memory",
        Component::Other => "Device",
    };
    html! { (word) " " (number) " " span.dim.xs.mono { (device.id) } }
}

/// Returns for how long a device was not measured.
fn lost(device: &Device) -> Markup {
    let gaps = device.gaps.iter().filter(|gap| !gap.is_counted());
    let ns: u64 = gaps.map(|gap| gap.to_ns.saturating_sub(gap.from_ns)).fold(0, u64::saturating_add);
    html! { @if ns > 0 { " " span.dim.xs { "not measured for " (duration(ns)) } } }
}

fn energy_of(devices: &[&Device]) -> Bounded<f64> {
    as_f64(devices.iter().map(|device| device.bounded()).sum())
}

fn watts_of(devices: &[&Device]) -> Option<f64> {
    let known: Vec<f64> = devices.iter().filter_map(|device| device.mean_w).collect();
    (!known.is_empty()).then(|| known.iter().sum())
}

fn known_or(text: Option<String>, otherwise: &str) -> Markup {
    html! { @if let Some(text) = text { (text) } @else { span.nm { (otherwise) } } }
}

/// Returns a bar with a whisker for the range; an open range has no end.
pub(super) fn bar(range: &Bounded<f64>, most: f64, color: &str, is_estimate: bool) -> Markup {
    let place = |value: f64| super::plot::percent(if most > 0.0 { value / most } else { 0.0 });
    let fill = format!("k-{}{color}", if is_estimate { "est-" } else { "" });
    let Some(value) = range.value else { return html! {} };
    html! {
        svg.bar width="100%" height="12" aria-hidden="true" {
            rect class=(fill) width=(place(value)) y="1" height="10" {}
            line.wh x1=(place(range.low)) x2=(range.high.map_or("100%".to_owned(), place)) y1="6" y2="6" {}
            line.wh x1=(place(range.low)) x2=(place(range.low)) y1="3" y2="9" {}
            @if let Some(high) = range.high { line.wh x1=(place(high)) x2=(place(high)) y1="3" y2="9" {} }
        }
    }
}

/// Returns the power of devices over time as a small line.
fn spark(devices: &[&Device], power: Option<&PowerOverTime>) -> Markup {
    const POINTS: usize = 60;
    let Some(power) = power else { return html! {} };
    let lines: Vec<_> = power.devices.iter().filter(|line| devices.iter().any(|device| device.id == line.id)).collect();
    if lines.is_empty() {
        return html! {};
    }
    let bins = super::bins::summed(power.grid, &lines);
    let each = bins.len().div_ceil(POINTS).max(1);
    let mean = |part: &[super::bins::Bin]| -> Option<f64> {
        let known: Option<Vec<f64>> = part.iter().map(|bin| bin.watts.value).collect();
        known.map(|known| known.iter().sum::<f64>() / known.len() as f64)
    };
    let values: Vec<Option<f64>> = bins.chunks(each).map(mean).collect();
    let most = values.iter().flatten().fold(1e-9, |most: f64, value| most.max(*value)) * 1.05;
    let (mut path, mut is_down) = (String::new(), false);
    for (at, value) in values.iter().enumerate() {
        if let Some(value) = value {
            let command = if is_down { 'L' } else { 'M' };
            path += &format!(
                "{command}{} {:.1}",
                at * 120 / values.len().max(2).saturating_sub(1).max(1),
                17.0 - 16.0 * value / most
            );
        }
        is_down = value.is_some();
    }
    html! {
        svg.spark width="120" height="18" aria-hidden="true" {
            line.grid x1="0" x2="120" y1="17.5" y2="17.5" {}
            path class=(format!("l c-{}", lines[0].component.name())) d=(path) {}
        }
    }
}

/// Returns the table of spans.
pub(super) fn spans(report: &Report) -> Markup {
    let mut spans: Vec<_> = report.spans.iter().collect();
    spans.sort_by_key(|span| std::cmp::Reverse(span.energy_uj));
    let time = Column::new(Amount::Time, spans.iter().map(|span| span.duration_ns as f64 / 1e9));
    let energy = Column::new(Amount::Energy, spans.iter().filter_map(|span| span.energy_uj).map(|uj| uj as f64));
    let each = |span: &eco2_core::schema::SpanRecord| {
        span.energy_uj.filter(|_| span.count > 0).map(|uj| uj as f64 / span.count as f64)
    };
    let per = Column::new(Amount::StepEnergy, spans.iter().filter_map(|span| each(span)));
    html! {
        div.scroll tabindex="0" role="group" aria-label="Energy by span" { table {
            thead { tr {
                th scope="col" { "Span" } th.r scope="col" { "Count" } th.r.hm scope="col" { "Time" br; (time.unit.name) } th.r scope="col" { "Energy" br; (energy.unit.name) }
                th.r scope="col" { "Range" br; "± %" } th.r scope="col" { "Each" br; (per.unit.name) }
            } }
            tbody {
                @for span in spans.iter().take(MAX_ROWS) {
                    @let range = as_f64(span.bounded());
                    tr {
                        th scope="row" { (span.name) }
                        td.r { (count(span.count)) }
                        td.r.hm { (time.cell(span.duration_ns as f64 / 1e9)) }
                        td.r { (known_or(range.value.map(|uj| energy.cell(uj)), "not measured")) }
                        td.r { @if range.value.is_some() && range.high.is_none() { "open" } @else { (widest_percent(&range)) } }
                        td.r { @if let Some(uj) = each(span) { (per.cell(uj)) } }
                    }
                }
            }
        } }
        (more(spans.len(), "span names"))
    }
}

/// Returns who used the energy: a stacked bar and a table.
pub(super) fn attribution(report: &Report) -> Markup {
    let Some(shares) = &report.attribution else {
        return html! { p.dim { "Not available: this report has no attribution to processes." } };
    };
    let command =
        Bounded::plausible(shares.command_uj as f64, shares.low_uj as f64, shares.high_uj.map(|uj| uj as f64));
    let parts = [
        ("This job", "job", shares.command_uj, Some(command)),
        ("Other processes", "other", shares.others_uj, None),
        ("Idle", "idle", shares.idle_uj, None),
        ("Not attributed", "unattr", shares.unattributed_uj, None),
    ];
    let total = shares.total_uj() as f64;
    let energy = Column::new(Amount::Energy, parts.iter().map(|(_, _, uj, _)| *uj as f64));
    let mut left = 0.0;
    let mut blocks = Vec::new();
    for (name, kind, uj, _) in &parts {
        let width = if total > 0.0 { *uj as f64 / total } else { 0.0 };
        blocks.push((*name, *kind, left, width));
        left += width;
    }
    html! {
        svg.stack width="100%" height="16" aria-hidden="true" {
            @for (name, kind, left, width) in blocks { rect class=(format!("k-{kind}")) x=(super::plot::percent(left)) width=(super::plot::percent(width)) height="100%" { title { (name) } } }
        }
        div.scroll tabindex="0" role="group" aria-label="Who used the energy" { table {
            thead { tr { th scope="col" { "Used by" } th.r scope="col" { "Energy" br; (energy.unit.name) } th.r scope="col" { "Range" br; (energy.unit.name) } th.r scope="col" { "Share" br; "%" } } }
            tbody {
                @for (name, kind, uj, range) in &parts {
                    tr {
                        th scope="row" { i class=(format!("sw {kind}")) {} (name) }
                        td.r { (energy.cell(*uj as f64)) }
                        td.r { @if let Some(range) = range { (energy.range(range)) } }
                        td.r { (share(*uj as f64, total)) }
                    }
                }
                @for consumer in shares.consumers.iter().filter(|consumer| consumer.id != "command").take(MAX_ROWS) {
                    tr.sub {
                        th scope="row" { (consumer.name) " " span.dim.xs { (consumer.kind) } }
                        td.r { (energy.cell(consumer.energy_uj as f64)) }
                        td.r { (energy.range(&as_f64(consumer.bounded()))) }
                        td.r { (share(consumer.energy_uj as f64, total)) }
                    }
                }
            }
        } }
        p.xs.mut.gapt { "Attributed by " (shares.method) ". " (energy_scope(report, total)) }
    }
}

/// Returns which part of the run's energy the shares divide.
fn energy_scope(report: &Report, attributed_uj: f64) -> Markup {
    let whole = report.energy.total_uj.unwrap_or(0) as f64;
    html! { @if whole > 0.0 && attributed_uj < 0.995 * whole { "The shares divide " (share(attributed_uj, whole)) (NB) "% of the energy of the run." } }
}

/// Returns the table of sources.
pub(super) fn sources(report: &Report) -> Markup {
    let status = |status: Status| match status {
        Status::Ok => ("ok", "✓ ok"),
        Status::Degraded => ("partial", "! partial"),
        Status::Denied => ("partial", "! denied"),
        Status::Lost => ("partial", "! lost"),
        Status::Hung => ("partial", "! does not answer"),
        Status::Absent => ("missing", "– not available"),
        Status::Off => ("missing", "– off"),
    };
    html! {
        div.scroll tabindex="0" role="group" aria-label="Sensors" { table {
            thead { tr { th scope="col" { "Source" } th scope="col" { "Status" } th scope="col" { "Detail" } } }
            tbody {
                @for source in &report.sources {
                    @let (class, word) = status(source.status);
                    tr {
                        th.mono scope="row" { (source.name) }
                        td { span class=(format!("st {class}")) { (word) } }
                        td { (source.reason) @if !source.remedy.is_empty() { br; span.mut { (source.remedy) } } }
                    }
                }
            }
        } }
    }
}

/// Returns the table of events.
pub(super) fn events(report: &Report) -> Markup {
    if report.events.is_empty() {
        return html! { p.dim { "No events." } };
    }
    html! {
        div.scroll tabindex="0" role="group" aria-label="Events" { table {
            thead { tr { th.r scope="col" { "At" br; "h:mm:ss" } th scope="col" { "Event" } th scope="col" { "Kind" } } }
            tbody {
                @for event in report.events.iter().take(MAX_ROWS) {
                    tr {
                        td.r { (clock(event.at)) }
                        td { @if !event.device.is_empty() { span.mono { (event.device) } " " } (event.text) }
                        td.mut { (event.kind) }
                    }
                }
            }
        } }
        (more(report.events.len(), "events"))
    }
}

/// Returns how many rows are not shown.
pub(super) fn more(rows: usize, what: &str) -> Markup {
    let hidden = rows.saturating_sub(MAX_ROWS);
    html! { @if hidden > 0 { p.xs.mut { "and " (count(hidden as u64)) " more " (what) ": see eco2 report --format json" } } }
}

/// Returns the overhead of measuring.
pub(super) fn overhead(report: &Report) -> Markup {
    let own = &report.own;
    let share = 100.0 * own.cpu_ns as f64 / report.run.duration_ns.max(1) as f64;
    html! {
        p.xs.mut.gapt {
            "Overhead: " @if own.cpu_ns > 0 { (digits(share, 2)) (NB) "% of one core, " } (things(own.samples, "sample")) ", " (count(own.missed_ticks)) " late, "
            (things(own.dropped, "span")) " dropped."
        }
    }
}
