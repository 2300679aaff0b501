//! Writes the sections of the summary for people: energy, devices, missing data, attribution (the command's share),
//! emissions, work, spans (named times), anomalies, events and the cost of measuring, each in a few lines.

use super::figures::{self, Spelling, counted, number, percent};
use super::page::{Page, Tone};
use super::{not_ok, word};
use crate::analysis::{layers, pue_words};
use eco2_core::schema::{Carbon, Device, EpisodeRecord, Report, State, Status};
use eco2_core::{Bounded, Quality, Ranged, units};

/// Largest number of spans and of events that are listed; of the others only the number is shown.
const MAX_SHOWN: usize = 10;

/// Adds the total energy, its parts by quality, and the energy with the facility's overhead.
pub(super) fn energy(report: &Report, page: &mut Page) {
    let (energy, spelling) = (&report.energy, page.spelling());
    let total = energy.total_uj.unwrap_or(0) as f64;
    page.row("Energy", Tone::Strong, &spelling.energy(energy.bounded()));
    let parts = [
        ("measured", energy.measured_uj),
        ("derived from power", energy.derived_uj),
        ("estimated", energy.estimated_uj),
        ("synthetic", energy.synthetic_uj),
    ];
    let shown = parts
        .into_iter()
        .filter(|(_, uj)| *uj > 0)
        .map(|(name, uj)| format!("{name} {} ({})", spelling.energy_only(uj), percent(uj as f64, total)));
    let shown: Vec<String> = shown.collect();
    if !shown.is_empty() {
        page.row("", Tone::Normal, &shown.join(spelling.dot()));
    }
    if energy.estimated_uj > 0 {
        let share = percent(energy.estimated_uj as f64, total);
        // Estimates by a processor's name or frequency are within a factor of about three.
        let is_vague = energy.high_uj.is_none_or(|high_uj| high_uj / 10 > energy.low_uj);
        let how = if is_vague { "order of magnitude only" } else { "see the range" };
        let facts = format!("{share} of the energy is modelled, not measured by a sensor: {how}");
        page.row("Estimated", Tone::Warning, &facts);
    }
    if let Some(facility_uj) = energy.facility_uj.filter(|_| energy.facility_uj != energy.total_uj) {
        let facility = spelling.energy_only(facility_uj);
        let facts = format!("{facility} with the facility's overhead (PUE {})", pue_words(report));
        page.row("Facility", Tone::Normal, &facts);
    }
}

/// Adds the layers of the energy, and the totals with the facility's overhead by both methods. A layer that was not measured
/// is missing.
pub(super) fn by_layer(report: &Report, page: &mut Page) {
    let Some(all) = layers(report, std::slice::from_ref(report)) else { return };
    let spelling = page.spelling();
    let words = all.map(|layer| layer.words(|uj| spelling.energy_only(uj)));
    page.row("Layers", Tone::Normal, &words.join(spelling.dot()));
    let Some(carbon) = &report.carbon else { return };
    let market = carbon.beside.as_deref().and_then(|beside| beside.market.as_ref());
    let market = market.map_or_else(|| "missing: no contract was named".to_owned(), |one| spelling.mass(one.bounded()));
    let location = spelling.mass(carbon.bounded());
    page.row("", Tone::Normal, &format!("total location-based {location}{}market-based {market}", spelling.dot()));
}

/// Adds the table of devices.
pub(super) fn devices(report: &Report, page: &mut Page) {
    if report.devices.is_empty() {
        page.row("Devices", Tone::Warning, "none: nothing on this machine could be read");
        return;
    }
    page.row("Devices", Tone::Strong, "");
    let mut rows = vec![["device", "energy", "mean", "quality", "covered"].map(str::to_owned).to_vec()];
    rows.extend(report.devices.iter().map(|device| device_row(device, page)));
    page.table(&rows);
    let overlapping: Vec<&str> =
        report.devices.iter().filter(|d| !d.overlaps.is_empty()).map(|d| d.id.as_str()).collect();
    if !overlapping.is_empty() {
        page.row(
            "",
            Tone::Faint,
            &format!("* overlaps another device, so it is not in the sum: {}", overlapping.join(", ")),
        );
    }
}

/// Returns the row of a device.
fn device_row(device: &Device, page: &Page) -> Vec<String> {
    let spelling = page.spelling();
    let energy = match (device.energy_uj, device.quality) {
        (None, _) => Quality::Missing.name().to_owned(),
        (Some(_), _) => spelling.energy(device.bounded()),
    };
    let quality = word(&device.quality);
    let star = if device.overlaps.is_empty() { "" } else { " *" };
    let name = if device.name.is_empty() || device.name == device.id {
        device.id.clone()
    } else {
        format!("{} {}", device.id, device.name)
    };
    let mean = device.mean_w.map_or_else(String::new, |watts| format!("{} W", number(watts)));
    vec![name + star, energy, mean, quality, percent(device.coverage, 1.0)]
}

/// Adds the sources without readings, and the gaps in the readings.
pub(super) fn missing(report: &Report, page: &mut Page) {
    for source in not_ok(report) {
        let reason = or(&source.reason, "no reason given");
        let (label, mut facts) = match source.status {
            Status::Degraded => ("Degraded", format!("{}: {reason}", source.name)),
            status => ("Missing", format!("{}: {}: {reason}", source.name, status.name())),
        };
        if !source.remedy.is_empty() {
            facts.push_str(&format!("; {}", source.remedy));
        }
        page.row(label, Tone::Warning, &facts);
    }
    for device in report.devices.iter().filter(|device| !device.gaps.is_empty() || device.resets > 0) {
        let unknown: u64 =
            device.gaps.iter().map(|gap| gap.to_ns.saturating_sub(gap.from_ns)).fold(0, u64::saturating_add);
        let mut reasons: Vec<&str> = device.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let (count, time) = (device.gaps.len(), page.spelling().duration(unknown));
        let facts = format!("{}: {}, {time} unknown ({})", device.id, counted(count as u64, "gap"), reasons.join(", "));
        page.row("Gaps", Tone::Warning, &facts);
    }
    if report.energy.missing_ns > 0 {
        let time = page.spelling().duration(report.energy.missing_ns);
        page.row(
            "Unknown",
            Tone::Warning,
            &format!("{time} of device time without readings; the bounds include it, the value does not"),
        );
    }
}

/// Adds the command's share of the energy.
pub(super) fn attribution(report: &Report, page: &mut Page) {
    let Some(share) = &report.attribution else { return };
    if report.energy.total_uj.is_none() {
        return page.row("This job", Tone::Normal, "not known: no device was read");
    }
    let (spelling, whole) = (page.spelling(), share.total_uj() as f64);
    let command = spelling.energy(share.bounded());
    let of_command = percent(share.command_uj as f64, whole);
    page.row("This job", Tone::Normal, &format!("{command}, {of_command} of the energy"));
    let part = |name: &str, uj: u64| format!("{name} {} ({})", spelling.energy_only(uj), percent(uj as f64, whole));
    let mut rest = vec![part("other processes", share.others_uj), part("idle", share.idle_uj)];
    if share.unattributed_uj > 0 {
        rest.push(part("not attributed", share.unattributed_uj));
    }
    rest.push(format!("attributed by {}", share.method));
    page.row("", Tone::Normal, &rest.join(spelling.dot()));
}

/// Adds the emissions, their zone and intensity, and the supplements (such as cost and water).
pub(super) fn carbon(report: &Report, page: &mut Page) {
    let Some(carbon) = &report.carbon else { return };
    let spelling = page.spelling();
    page.row("Emissions", Tone::Strong, &format!("{} (location-based)", spelling.mass(carbon.bounded())));
    page.row("", Tone::Normal, &origin(carbon, spelling.dot()));
    let world = match carbon.zone_source.as_str() {
        "default-world" => Some("no grid zone set, using the world average; set yours with --zone, e.g. --zone DE"),
        "unknown" => Some("the zone is not known, using the world average; `eco2 grid` lists all zones"),
        _ => None,
    };
    if let Some(facts) = world {
        page.row("Zone", Tone::Warning, facts);
    }
    match carbon.beside.as_deref() {
        Some(supplements) => super::supplements::rows(supplements, page),
        None => old_supplements(carbon, page),
    }
}

/// Adds embodied emissions, SCI and cost of a report from a version that did not store their terms.
fn old_supplements(carbon: &Carbon, page: &mut Page) {
    let spelling = page.spelling();
    let mut more = Vec::new();
    more.extend(carbon.embodied.map(|grams| format!("embodied {}", spelling.mass(Bounded::exact(grams)))));
    more.extend(carbon.sci.map(|sci| format!("SCI {} g per unit", number(sci))));
    more.extend(carbon.cost.map(|cost| format!("cost {cost:.2}")));
    if !more.is_empty() {
        page.row("", Tone::Normal, &more.join(spelling.dot()));
    }
}

/// Returns the origin of the intensity: `zone FR (given) · 56 g/kWh · 2024 · source`.
fn origin(carbon: &Carbon, dot: &str) -> String {
    let mut facts = vec![format!("zone {} ({})", carbon.zone, carbon.zone_source)];
    let intensities = carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let (least, most) = intensities.fold((f64::INFINITY, 0.0_f64), |(least, most), g| (least.min(g), most.max(g)));
    if least <= most {
        let range = if least < most { format!("{} to {}", number(least), number(most)) } else { number(least) };
        facts.push(format!("{range} g/kWh"));
    }
    for list in [
        carbon.segments.iter().filter_map(|segment| segment.year).map(|year| year.to_string()).collect::<Vec<_>>(),
        carbon.segments.iter().filter_map(|segment| segment.kind.clone()).collect(),
        carbon.segments.iter().map(|segment| segment.source.clone()).collect(),
    ] {
        facts.extend(distinct(list));
    }
    if carbon.segments.iter().any(|segment| segment.estimated) {
        facts.push("estimated by the provider".into());
    }
    facts.join(dot)
}

/// Returns the texts sorted, each once, joined by commas; `None` if there are none.
fn distinct(mut list: Vec<String>) -> Option<String> {
    list.sort_unstable();
    list.dedup();
    (!list.is_empty()).then(|| list.join(", "))
}

/// Adds the counted steps, samples and tokens, with the energy of each.
pub(super) fn work(report: &Report, page: &mut Page) {
    let (work, spelling) = (&report.work, page.spelling());
    let per = |count: Option<u64>, name: &str| {
        let count = count.filter(|count| *count > 0)?;
        let each = report.energy.total_uj.map(|uj| format!(" ({} each)", spelling.energy_only(uj / count)));
        Some(counted(count, name) + &each.unwrap_or_default())
    };
    let flop = work.flop().map(|flop| {
        let each = report.energy.total_uj.map(|uj| format!(" ({} pJ each)", number(units::joules(uj) / flop * 1e12)));
        format!("{flop:.2e} FLOP{}", each.unwrap_or_default())
    });
    let facts = [per(work.steps, "step"), per(work.samples, "sample"), per(work.tokens, "token"), flop];
    let facts: Vec<String> = facts.into_iter().flatten().chain(work.loss.map(|loss| format!("loss {loss}"))).collect();
    if !facts.is_empty() {
        page.row("Work", Tone::Normal, &facts.join(spelling.dot()));
    }
}

/// Adds the table of spans with most energy.
pub(super) fn spans(report: &Report, page: &mut Page) {
    if report.spans.is_empty() {
        return;
    }
    let spelling = page.spelling();
    let mut spans: Vec<_> = report.spans.iter().collect();
    spans.sort_by(|a, b| b.energy_uj.cmp(&a.energy_uj).then_with(|| a.name.cmp(&b.name)));
    page.row("Spans", Tone::Strong, "");
    let mut rows = vec![["span", "count", "time", "energy", "mean"].map(str::to_owned).to_vec()];
    rows.extend(spans.iter().take(MAX_SHOWN).map(|span| {
        let energy = spelling.energy(span.bounded());
        let open = if span.state == State::Provisional { " provisional" } else { "" };
        let mean = span.energy_uj.and_then(|uj| units::watts(uj, span.duration_ns));
        let mean = mean.map_or_else(String::new, |w| format!("{} W", number(w)));
        vec![span.name.clone(), figures::count(span.count), spelling.duration(span.duration_ns), energy + open, mean]
    }));
    page.table(&rows);
    if spans.len() > MAX_SHOWN {
        page.row("", Tone::Faint, &format!("and {} more; all are in the JSON", spans.len() - MAX_SHOWN));
    }
    let wide = spans.iter().filter_map(|span| Some((span, span.wide.filter(|wide| *wide > 0)?)));
    let wide: Vec<String> =
        wide.take(MAX_SHOWN).map(|(span, wide)| format!("{} {}", span.name, figures::count(wide))).collect();
    if !wide.is_empty() {
        let text = format!("{} (read around less closely than usual: wider bounds)", wide.join(spelling.dot()));
        page.row("Wide edges", Tone::Faint, &text);
    }
}

/// Adds the first events.
pub(super) fn events(report: &Report, page: &mut Page) {
    for event in report.events.iter().take(MAX_SHOWN) {
        let device = if event.device.is_empty() { String::new() } else { format!(" {}", event.device) };
        let at = page.spelling().duration(event.at);
        page.row("Event", Tone::Normal, &format!("{at}: {}{device}: {}", event.kind, event.text));
    }
    if report.events.len() > MAX_SHOWN {
        page.row("", Tone::Faint, &format!("and {} more; all are in the JSON", report.events.len() - MAX_SHOWN));
    }
}

/// Adds the cost of measuring, and data that was lost.
pub(super) fn own_cost(report: &Report, page: &mut Page) {
    let (own, spelling) = (&report.own, page.spelling());
    let share = percent(own.cpu_ns as f64, report.run.duration_ns as f64);
    let readings = figures::count(own.samples);
    // A late reading loses no energy: counters continue, and the bounds include the time between readings.
    let late =
        if own.missed_ticks > 0 { format!(", {} late", figures::count(own.missed_ticks)) } else { String::new() };
    let facts =
        format!("{share} of one core ({} of CPU time), {readings} readings{late}", spelling.duration(own.cpu_ns));
    page.row("Overhead", Tone::Faint, &facts);
    let losses = [(own.dropped, "spans or names"), (own.log_lost_bytes, "bytes of the run log")];
    let losses: Vec<String> = losses.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !losses.is_empty() {
        page.row("Lost", Tone::Warning, &losses.join(spelling.dot()));
    }
}

/// Returns a text, or the other one if it is empty.
fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Adds stalls and hot GPUs in one line; nothing if there were none.
pub(super) fn anomalies(report: &Report, page: &mut Page) {
    let spelling = page.spelling();
    let episodes = report.spells.iter().filter(|episode| episode.is_anomaly() && episode.energy_uj != Some(0));
    let facts: Vec<String> =
        episodes.map(|episode| anomaly(episode, report.energy.total_uj.unwrap_or(0), spelling)).collect();
    if !facts.is_empty() {
        page.row("Anomalies", Tone::Warning, &facts.join(spelling.dot()));
    }
}

/// Returns an anomaly in words: `stalled 2 times for 6.10 s, 123 J (10 % of the energy)`.
fn anomaly(episode: &EpisodeRecord, total_uj: u64, spelling: Spelling) -> String {
    let device = if episode.device.is_empty() { String::new() } else { format!("{} ", episode.device) };
    let times = if episode.count == 1 { "once".to_owned() } else { format!("{} times", figures::count(episode.count)) };
    let energy = episode.energy_uj.map_or_else(String::new, |uj| {
        format!(", {} ({} of the energy)", spelling.energy_only(uj), percent(uj as f64, total_uj as f64))
    });
    format!("{device}{} {times} for {}{energy}", episode.kind, spelling.duration(episode.duration_ns))
}
