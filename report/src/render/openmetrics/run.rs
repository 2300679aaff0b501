//! Writes the OpenMetrics families (`eco2_…`) of the run: energy, carbon, cost, work, spans (named times), episodes
//! (times of stalled steps, idle GPUs and the like), events and lost samples. A *family* is a metric with its help text
//! and samples.

use std::collections::BTreeMap;

use eco2_core::schema::{Carbon, EpisodeRecord, EventKind, ProviderCache, Report, SpanRecord};
use eco2_core::units::{UJ_PER_KWH, joules};

use super::exposition::{Family, Labels, MetricSet};
use crate::analysis::is_measured;
use crate::render::{supplements, word};

/// Largest number of span names with their own series: those with most energy. The user chooses the names, and there
/// can be many.
const MAX_SPANS: usize = 64;

const ENERGY: Family = Family::counter("eco2_run_energy_joules", "Energy of the run by component.").unit("joules");
const LOW: Family = Family::gauge("eco2_run_energy_low_joules", "Lower bound of the run's energy.").unit("joules");
const HIGH: Family =
    Family::gauge("eco2_run_energy_high_joules", "Upper bound of the run's energy; absent where there is none.")
        .unit("joules");
const CO2E: Family =
    Family::counter("eco2_run_co2e_grams", "CO2e of the run's energy with the facility's overhead, location-based.")
        .unit("grams");
// A gauge: at negative prices it falls.
const COST: Family = Family::gauge("eco2_run_cost", "Cost of the run's energy in the currency of the given price.");
const DURATION: Family = Family::counter("eco2_run_duration_seconds", "Monotonic duration of the run.").unit("seconds");
const STEPS: Family = Family::counter("eco2_run_steps", "Steps done.");
const SAMPLES: Family = Family::counter("eco2_run_samples", "Samples processed.");
const TOKENS: Family = Family::counter("eco2_run_tokens", "Tokens processed.");
const SPAN_ENERGY: Family =
    Family::counter("eco2_span_energy_joules", "Energy of all spans of a name; names may overlap each other.")
        .unit("joules");
const SPAN_DURATION: Family =
    Family::counter("eco2_span_duration_seconds", "Duration of all spans of a name.").unit("seconds");
const SPANS: Family = Family::counter("eco2_spans", "Spans of a name that have ended.");
// Gauges, because a wait can turn out not to be a stall.
const EPISODE_DURATION: Family =
    Family::gauge("eco2_spell_duration_seconds", "Time stalled, and time of a GPU idle, hot or held back.")
        .unit("seconds");
const EPISODE_ENERGY: Family =
    Family::gauge("eco2_spell_energy_joules", "Energy used in that time, where it is known.").unit("joules");
// A gauge: the final report may have fewer events of a kind than a provisional one, such as waits that were no stalls.
const EVENTS: Family = Family::gauge("eco2_events", "Events of the run by kind; docs/events.md describes the kinds.");
const DROPPED: Family = Family::counter("eco2_samples_dropped", "What could not be recorded or read in time.");
const INTENSITY: Family =
    Family::gauge("eco2_grid_intensity_grams_per_joule", "CO2e of a joule of grid energy; 1 g/kWh is 1/3600000 of it.")
        .unit("grams_per_joule");
const CACHE_HITS: Family =
    Family::counter("eco2_intensity_cache_hits", "Questions for an intensity that the cache answered.");
const CACHE_MISSES: Family =
    Family::counter("eco2_intensity_cache_misses", "Questions for an intensity that the provider answered.");
const BUILD: Family = Family::info("eco2_build", "Version of eco2.");

/// Adds the families of the run to the page.
pub(super) fn families(report: &Report, page: &mut MetricSet) {
    let run = vec![("run", report.run.id.clone())];
    page.family(ENERGY, energies(report, &run).into_iter());
    let read = is_measured(report);
    page.one(LOW, &run, read.then(|| joules(report.energy.low_uj)));
    page.one(HIGH, &run, report.energy.high_uj.filter(|_| read).map(joules));
    let carbon = report.carbon.as_ref();
    page.one(CO2E, &run, carbon.and_then(|carbon| carbon.grams));
    let cost = supplements::energy_cost(report);
    let currency = cost.map(|cost| ("currency", cost.currency.unwrap_or("unknown").to_owned()));
    page.one(COST, &[&run[..], &Vec::from_iter(currency)].concat(), cost.map(|cost| cost.amount));
    page.one(DURATION, &run, Some(report.run.duration_ns as f64 / 1e9));
    for (family, count) in [(STEPS, report.work.steps), (SAMPLES, report.work.samples), (TOKENS, report.work.tokens)] {
        page.one(family, &run, count.map(|count| count as f64));
    }
    spans(report, &run, page);
    episodes(report, &run, page);
    page.family(EVENTS, events(report).into_iter().map(|(kind, count)| (labels(&run, "kind", kind), count as f64)));
    let dropped = |reason: &str, count: u64| (vec![("reason", reason.to_owned())], count as f64);
    let lost = [dropped("ring_full", report.own.dropped), dropped("missed_tick", report.own.missed_ticks)];
    page.family(DROPPED, lost.into_iter());
    page.family(INTENSITY, carbon.and_then(intensity).into_iter());
    let caches = || carbon.iter().flat_map(|carbon| &carbon.caches);
    let provider = |cache: &ProviderCache| vec![("provider", cache.provider.clone())];
    page.family(CACHE_HITS, caches().map(|cache| (provider(cache), cache.hits as f64)));
    page.family(CACHE_MISSES, caches().map(|cache| (provider(cache), cache.misses as f64)));
    page.one(BUILD, &vec![("version", report.run.tool.version.clone())], Some(1.0));
}

/// Returns the energy of the run by component.
fn energies(report: &Report, run: &Labels) -> Vec<(Labels, f64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for device in report.devices.iter().filter(|device| device.is_summed()) {
        if let Some(uj) = device.energy_uj {
            let sum = sums.entry(word(&device.component)).or_default();
            *sum = sum.saturating_add(uj);
        }
    }
    sums.into_iter().map(|(component, uj)| (labels(run, "component", &component), joules(uj))).collect()
}

/// Adds the spans with most energy.
fn spans(report: &Report, run: &Labels, page: &mut MetricSet) {
    let mut spans: Vec<&SpanRecord> = report.spans.iter().collect();
    spans.sort_by(|a, b| b.energy_uj.cmp(&a.energy_uj).then_with(|| a.name.cmp(&b.name)));
    spans.truncate(MAX_SPANS);
    let labels = |span: &SpanRecord| labels(run, "span", &span.name);
    page.family(SPAN_ENERGY, spans.iter().filter_map(|span| Some((labels(span), joules(span.energy_uj?)))));
    page.family(SPAN_DURATION, spans.iter().map(|span| (labels(span), span.duration_ns as f64 / 1e9)));
    page.family(SPANS, spans.iter().map(|span| (labels(span), span.count as f64)));
}

/// Adds the episodes (times of stalled steps, idle GPUs and the like).
fn episodes(report: &Report, run: &Labels, page: &mut MetricSet) {
    let labels = |episode: &EpisodeRecord| {
        let own = vec![("kind", episode.kind.clone()), ("device", episode.device.clone())];
        [run.clone(), own].concat()
    };
    let episodes = report.spells.iter();
    page.family(EPISODE_DURATION, episodes.clone().map(|episode| (labels(episode), episode.duration_ns as f64 / 1e9)));
    page.family(EPISODE_ENERGY, episodes.filter_map(|episode| Some((labels(episode), joules(episode.energy_uj?)))));
}

/// Returns the number of events by kind. Kinds of alerts start at 0, because Prometheus needs a sample before an
/// increase. Kinds of other versions are counted as `other`.
fn events(report: &Report) -> BTreeMap<&'static str, u64> {
    let alerts = EventKind::ALL.iter().filter(|kind| kind.is_alert());
    let mut counts: BTreeMap<&str, u64> = alerts.map(|kind| (kind.name(), 0)).collect();
    for event in &report.events {
        *counts.entry(event.event_kind().map_or("other", EventKind::name)).or_default() += 1;
    }
    counts
}

/// Returns the labels of the run and one more label.
fn labels(run: &Labels, name: &'static str, value: &str) -> Labels {
    [run.clone(), vec![(name, value.to_owned())]].concat()
}

/// Returns labels and value of the carbon intensity of the last segment; `None` if there is none.
fn intensity(carbon: &Carbon) -> Option<(Labels, f64)> {
    let segment = carbon.segments.last()?;
    let marginal = segment.kind.as_deref().is_some_and(|kind| kind.contains("marginal"));
    let labels = vec![
        ("grid", carbon.zone.clone()),
        ("signal", if marginal { "marginal" } else { "average" }.to_owned()),
        ("provider", segment.source.clone()),
    ];
    Some((labels, segment.g_per_kwh * 1e6 / UJ_PER_KWH))
}
