//! Writes the metrics of the node for Prometheus, in OpenMetrics text or the older text format.
//!
//! Counters hold joules since the agent first ran on this machine and never fall. Series of devices have no labels of jobs: the
//! number of series does not grow with the number of jobs. `eco2_run_info` has the names of jobs, to be joined by `run`. A value
//! that is not known has no sample.

use std::collections::BTreeMap;

use eco2_core::schema::{EventKind, Status};
use eco2_core::units::{UJ_PER_KWH, joules};
use eco2_report::{Family, Labels, MetricNames, MetricSet, MetricsFormat, openmetrics};

use crate::as_report::as_report;
use crate::snapshot::{Consumer, Device, Snapshot};

/// Largest number of jobs with series of their own: those that go on first, then those that ended last.
const MOST_JOBS: usize = 180;
/// Longest value of a label, characters.
const LONGEST_LABEL: usize = 128;

const ENERGY: Family = Family::counter(
    "eco2_energy_joules",
    "Energy of devices that do not overlap, since the agent first ran here; their sum is the node's.",
)
.unit("joules");
const LOW: Family =
    Family::counter("eco2_energy_low_joules", "Lower bound of eco2_energy_joules_total.").unit("joules");
const HIGH: Family =
    Family::counter("eco2_energy_high_joules", "Upper bound of eco2_energy_joules_total; absent where there is none.")
        .unit("joules");
const DOMAIN: Family = Family::counter(
    "eco2_domain_energy_joules",
    "Energy of domains that overlap a device: not to be added to eco2_energy_joules.",
)
.unit("joules");
const POWER: Family = Family::gauge("eco2_power_watts", "Mean power in the last second or more.").unit("watts");
const DEVICE: Family =
    Family::info("eco2_device", "What is measured, by which source, and how its values are obtained.");
const CONSUMED: Family = Family::counter(
    "eco2_consumer_energy_joules",
    "Energy of the node by use: jobs, idle devices, not attributed. The sum is that of eco2_energy_joules_total.",
)
.unit("joules");
const RUN: Family = Family::counter("eco2_run_energy_joules", "Energy of a job.").unit("joules");
const RUN_LOW: Family = Family::gauge("eco2_run_energy_low_joules", "Lower bound of the job's energy.").unit("joules");
const RUN_HIGH: Family =
    Family::gauge("eco2_run_energy_high_joules", "Upper bound of the job's energy; absent where there is none.")
        .unit("joules");
const RUN_CO2E: Family =
    Family::counter("eco2_run_co2e_grams", "CO2e of the job's energy with the facility's overhead.").unit("grams");
const RUN_BUDGET: Family = Family::gauge(
    "eco2_run_budget_state",
    "Whether a job keeps to its limits: 0 within, 1 may exceed one within the bounds, 2 exceeded. Absent for a job without limits.",
);
const RUN_DURATION: Family = Family::counter("eco2_run_duration_seconds", "Duration of the job.").unit("seconds");
const RUN_STEPS: Family = Family::counter("eco2_run_steps", "Steps that the job reported.");
const RUN_INFO: Family = Family::info("eco2_run", "Name, kind and user of a job, to be joined by the label run.");
const CO2E: Family = Family::counter(
    "eco2_co2e_grams",
    "CO2e of eco2_energy_joules_total with the facility's overhead, each part with the intensity that was set at its time.",
)
.unit("grams");
const INTENSITY: Family = Family::gauge(
    "eco2_grid_intensity_grams_per_joule",
    "CO2e of a joule of grid energy; 1 g/kWh is 1/3600000 of it. Grid WORLD: no zone was set.",
);
const COST: Family = Family::gauge("eco2_cost", "Cost of eco2_energy_joules_total at the present price.");
const READ: Family = Family::gauge(
    "eco2_source_last_success_timestamp_seconds",
    "When a sensor of the source was read last, seconds since 1970.",
)
.unit("seconds");
const ERRORS: Family = Family::counter("eco2_source_errors", "Reads of a sensor that failed.");
const WRAPS: Family = Family::counter("eco2_source_wraps", "Wraps of counters, which were continued.");
const RESETS: Family = Family::counter("eco2_source_resets", "Resets of counters.");
const GAPS: Family =
    Family::counter("eco2_gap_seconds", "Time in which a sensor could not be read, added over sensors.")
        .unit("seconds");
const UP: Family = Family::gauge("eco2_source_up", "Whether a source that was looked for reads.");
const SAMPLED: Family =
    Family::gauge("eco2_last_reading_age_seconds", "Time since the last reading of any sensor.").unit("seconds");
const EVENTS: Family =
    Family::counter("eco2_events", "Events of the agent by kind; docs/events.md describes the kinds.");
const DROPPED: Family =
    Family::counter("eco2_samples_dropped", "Readings that could not be processed in time.").of_sender();
const READINGS: Family = Family::counter("eco2_readings", "Readings of sensors.").of_sender();
const UPTIME: Family = Family::gauge("eco2_agent_uptime_seconds", "Time since the agent started.").unit("seconds");
const BUILD: Family = Family::info("eco2_build", "Version of eco2.");

/// Returns the page of metrics of a snapshot, which holds what the reader may see.
#[must_use]
pub fn node_metrics(snapshot: &Snapshot, format: MetricsFormat) -> String {
    node_metric_set(snapshot).text(format)
}

/// Returns the metrics of a snapshot, for a page or a push.
#[must_use]
pub fn node_metric_set(snapshot: &Snapshot) -> MetricSet {
    let mut page = MetricSet::default();
    devices(snapshot, &mut page);
    uses(snapshot, &mut page);
    emissions(snapshot, &mut page);
    jobs(snapshot, &mut page);
    sources(snapshot, &mut page);
    health(snapshot, &mut page);
    page
}

/// Returns since when the counters of jobs count, nanoseconds since 1970, by the label of the job. Jobs of several users can have one id,
/// and a job can have that of an ended one: then it is the earliest start, because no counter may have a start after its energy.
pub(crate) fn job_starts(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let mut starts = BTreeMap::new();
    for job in &snapshot.consumers {
        let Ok(began_ns) = u64::try_from(job.began_wall_ns) else { continue };
        starts.entry(label(&job.id)).and_modify(|start: &mut u64| *start = began_ns.min(*start)).or_insert(began_ns);
    }
    starts
}

/// Returns the same node under the names `hf_training_…` of HF Eco2AI, for existing dashboards.
#[must_use]
pub fn legacy_metrics(snapshot: &Snapshot) -> String {
    openmetrics(&as_report(snapshot), MetricNames::HfTraining)
}

fn devices(snapshot: &Snapshot, page: &mut MetricSet) {
    let counted = || snapshot.devices.iter().filter_map(|device| Some((place(device), device.counted()?)));
    let value = |uj: Option<u64>| uj.map(joules);
    page.family(ENERGY, counted().filter_map(|(place, energy)| Some((place, value(energy.value)?))));
    page.family(LOW, counted().map(|(place, energy)| (place, joules(energy.low))));
    page.family(HIGH, counted().filter_map(|(place, energy)| Some((place, value(energy.high)?))));
    let overlapping = snapshot.devices.iter().filter(|device| device.counted_uj.is_none());
    let domain = |device: &Device| [place(device), vec![("domain", label(&device.domain))]].concat();
    page.family(DOMAIN, overlapping.filter_map(|device| Some((domain(device), value(device.energy_uj)?))));
    let summed = snapshot.devices.iter().filter(|device| device.is_summed);
    page.family(POWER, summed.filter_map(|device| Some((place(device), device.power_w?))));
    page.family(DEVICE, snapshot.devices.iter().map(|device| (about(device), 1.0)));
}

/// Adds the energy by use.
fn uses(snapshot: &Snapshot, page: &mut MetricSet) {
    if snapshot.total_uj.is_none() {
        return;
    }
    let jobs = snapshot.consumers.iter().map(|job| job.energy_uj).fold(snapshot.forgotten_uj, u64::saturating_add);
    let kinds = [("job", jobs), ("idle", snapshot.idle_uj), ("unattributed", snapshot.not_attributed_uj)];
    page.family(CONSUMED, kinds.into_iter().map(|(kind, uj)| (vec![("kind", kind.to_owned())], joules(uj))));
}

/// Adds what the energy emits and costs.
fn emissions(snapshot: &Snapshot, page: &mut MetricSet) {
    let Some(emissions) = &snapshot.emissions else { return };
    page.one(CO2E, &Labels::new(), emissions.grams);
    let grid = vec![
        ("grid", label(&emissions.zone)),
        ("signal", label(&emissions.signal)),
        ("provider", label(&emissions.provider)),
    ];
    page.one(INTENSITY, &grid, emissions.g_per_kwh.map(|g_per_kwh| g_per_kwh * 1e6 / UJ_PER_KWH));
    let currency = emissions.currency.as_deref().unwrap_or("unknown");
    page.one(COST, &vec![("currency", label(currency))], emissions.cost);
}

fn jobs(snapshot: &Snapshot, page: &mut MetricSet) {
    let mut jobs: Vec<&Consumer> = snapshot.consumers.iter().collect();
    jobs.sort_by_key(|job| std::cmp::Reverse((job.ended_wall_ns.is_none(), job.ended_wall_ns, job.began_wall_ns)));
    jobs.truncate(MOST_JOBS);
    let run = |job: &Consumer| vec![("run", label(&job.id))];
    let all = || jobs.iter();
    page.family(RUN, all().map(|job| (run(job), joules(job.energy_uj))));
    page.family(RUN_LOW, all().map(|job| (run(job), joules(job.low_uj))));
    page.family(RUN_HIGH, all().filter_map(|job| Some((run(job), joules(job.high_uj?)))));
    page.family(RUN_CO2E, all().filter_map(|job| Some((run(job), job.grams?))));
    let budget = |job: &&Consumer| Some((run(job), job.budget.as_ref()?.state.number()));
    page.family(RUN_BUDGET, all().filter_map(budget));
    page.family(RUN_DURATION, all().map(|job| (run(job), job.duration_ns as f64 / 1e9)));
    page.family(RUN_STEPS, all().filter_map(|job| Some((run(job), job.steps? as f64))));
    let info = |job: &Consumer| {
        let state = if job.ended_wall_ns.is_some() { "ended" } else { "running" };
        let own = vec![
            ("name", label(&job.name)),
            ("kind", job.kind.to_owned()),
            ("uid", job.uid.to_string()),
            ("state", state.to_owned()),
        ];
        [run(job), own].concat()
    };
    page.family(RUN_INFO, all().map(|job| (info(job), 1.0)));
}

/// Adds what happened at each source.
fn sources(snapshot: &Snapshot, page: &mut MetricSet) {
    let up = |status| matches!(status, Status::Ok | Status::Degraded);
    let sources = snapshot.sources.iter();
    page.family(
        UP,
        sources.map(|source| (vec![("source", source_name(&source.name))], f64::from(u8::from(up(source.status))))),
    );
    let seconds = |ns: u64| ns as f64 / 1e9;
    let all = || snapshot.counts.iter().map(|(name, counts)| (vec![("source", source_name(name))], counts));
    page.family(READ, all().filter_map(|(source, counts)| Some((source, counts.read_wall_ns? as f64 / 1e9))));
    let errors = all().flat_map(|(source, counts)| {
        let one = move |(reason, count): (&String, &u64)| {
            ([source.clone(), vec![("reason", reason.replace('-', "_"))]].concat(), *count as f64)
        };
        counts.errors.iter().map(one)
    });
    page.family(ERRORS, errors);
    page.family(WRAPS, all().map(|(source, counts)| (source, counts.wraps as f64)));
    page.family(RESETS, all().map(|(source, counts)| (source, counts.resets as f64)));
    page.family(GAPS, all().map(|(source, counts)| (source, seconds(counts.gap_ns))));
}

/// Adds whether the agent itself works.
fn health(snapshot: &Snapshot, page: &mut MetricSet) {
    let none = Labels::new();
    let seconds = |ns: u64| ns as f64 / 1e9;
    page.one(SAMPLED, &none, snapshot.sampled_ns.map(|at| seconds(snapshot.at_ns.saturating_sub(at))));
    page.one(UPTIME, &none, Some(seconds(snapshot.at_ns.saturating_sub(snapshot.began_ns))));
    // Kinds of alerts start at 0, because Prometheus needs a sample before an increase.
    let alerts = EventKind::ALL.iter().filter(|kind| kind.is_alert()).map(|kind| (kind.name(), 0));
    let mut counts: BTreeMap<&str, u64> = alerts.collect();
    counts.extend(snapshot.events.iter().map(|(kind, count)| (*kind, *count)));
    page.family(EVENTS, counts.into_iter().map(|(kind, count)| (vec![("kind", kind.to_owned())], count as f64)));
    page.one(READINGS, &none, Some(snapshot.readings as f64));
    page.one(DROPPED, &vec![("reason", "queue_full".to_owned())], Some(snapshot.dropped as f64));
    page.one(BUILD, &vec![("version", snapshot.node.version.clone())], Some(1.0));
}

/// Returns the labels of a device's samples.
fn place(device: &Device) -> Labels {
    vec![("component", device.component.name().to_owned()), ("device", label(&device.id))]
}

/// Returns the labels that describe a device.
fn about(device: &Device) -> Labels {
    let quality = device.quality.name().to_owned();
    let model = device.model.as_deref().unwrap_or(&device.name);
    let own = [
        ("source", source_name(&device.source)),
        ("quality", quality),
        ("domain", label(&device.domain)),
        ("model", label(model)),
    ];
    std::iter::once(("device", label(&device.id))).chain(own).collect()
}

/// Returns the name of a source as a label value: without hyphens, which names of metrics do not have either.
fn source_name(name: &str) -> String {
    name.replace('-', "_")
}

/// Returns a text as a label's value: cut, and without characters that could hide in a terminal.
fn label(text: &str) -> String {
    let clean = eco2_report::clean::terminal(text);
    clean.chars().take(LONGEST_LABEL).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::Resolution;
    use crate::fixture::{SECOND_UJ, job, snapshot};

    fn samples(page: &str) -> Vec<(String, f64)> {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
            .collect()
    }

    fn sum(page: &str, family: &str) -> f64 {
        let start = format!("{family}{{");
        (samples(page)
            .iter()
            .filter(|(name, _)| name.starts_with(&start))
            .map(|(_, value)| (value * 1e6).round())
            .sum::<f64>())
            / 1e6
    }

    #[test]
    fn node_of_eight_gpus_and_two_sockets_has_few_series_and_bytes() {
        let page = node_metrics(&snapshot(100, Resolution::FULL), MetricsFormat::OpenMetrics);
        let names: BTreeSet<String> = samples(&page).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), samples(&page).len(), "no series twice");
        assert!(names.len() <= 150, "{} series", names.len());
        assert!(page.len() <= 20_000, "{} bytes", page.len());
        assert!(names.iter().filter(|name| name.contains("device=")).all(|name| !name.contains("run=")));
    }

    #[test]
    fn number_of_series_is_bounded_whatever_the_number_of_jobs() {
        let mut node = snapshot(100, Resolution::FULL);
        let one = |n| Consumer { began_wall_ns: n, ..job(&format!("job-{n}"), 1000, 1, (n % 2 == 0).then_some(n)) };
        node.consumers = (0..10_000).map(one).collect();
        let page = node_metrics(&node, MetricsFormat::OpenMetrics);
        assert!(samples(&page).len() <= 2000, "{} series", samples(&page).len());
        assert!(page.contains("run=\"job-9999\"") && !page.contains("run=\"job-0\""), "those that go on come first");
        assert_eq!(
            sum(&page, "eco2_consumer_energy_joules_total"),
            (10_000 + node.idle_uj) as f64 / 1e6,
            "none is lost in the sum"
        );
    }

    #[test]
    fn uses_add_up_to_the_devices_to_the_microjoule() {
        for resolution in [Resolution::FULL, Resolution::PUBLIC] {
            let page = node_metrics(&snapshot(12_345, resolution), MetricsFormat::Prometheus);
            assert_eq!(sum(&page, "eco2_consumer_energy_joules_total"), sum(&page, "eco2_energy_joules_total"));
        }
        let page = node_metrics(&snapshot(1, Resolution::FULL), MetricsFormat::Prometheus);
        assert_eq!(sum(&page, "eco2_energy_joules_total"), (12 * SECOND_UJ) as f64 / 1e6);
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let mut node = Snapshot { total_uj: None, ..snapshot(5, Resolution::FULL) };
        for device in &mut node.devices {
            (device.energy_uj, device.high_uj, device.power_w) = (None, None, None);
            *device = device.clone().counting_all();
        }
        let page = node_metrics(&node, MetricsFormat::OpenMetrics);
        for family in
            ["eco2_energy_joules_total", "eco2_energy_low", "eco2_energy_high", "eco2_power_watts", "eco2_consumer"]
        {
            assert!(!page.contains(&format!("\n{family}")), "{family}: {page}");
        }
        assert!(page.contains("eco2_device_info"));
    }

    #[test]
    fn hostile_labels_are_cut_and_stay_on_their_line() {
        let mut node = snapshot(1, Resolution::FULL);
        node.consumers[0].name = format!("a\"}} 1\n# TYPE x counter\\\u{1b}[2J{}", "y".repeat(10_000));
        let page = node_metrics(&node, MetricsFormat::OpenMetrics);
        assert!(page.len() < 20_000 && !page.contains('\u{1b}'));
        assert_eq!(page.lines().filter(|line| line.starts_with("# TYPE x")).count(), 0);
    }

    #[test]
    fn counters_of_alerts_exist_before_the_first() {
        let page = node_metrics(&snapshot(1, Resolution::FULL), MetricsFormat::Prometheus);
        let counts: BTreeMap<String, f64> =
            samples(&page).into_iter().filter(|(name, _)| name.starts_with("eco2_events_total")).collect();
        assert_eq!(counts["eco2_events_total{kind=\"gpu-lost\"}"], 2.0);
        assert_eq!(counts["eco2_events_total{kind=\"xid\"}"], 0.0);
    }

    // The names are published: docs/metrics.md is written from this page.
    #[test]
    fn page_is_the_one_that_was_reviewed() {
        let mut node = snapshot(1, Resolution::FULL);
        node.devices.retain(|device| device.id.ends_with('0'));
        node.consumers[0].high_uj = Some(2_500_000);
        let total: u64 =
            node.devices.iter().filter(|device| device.is_summed).filter_map(|device| device.energy_uj).sum();
        (node.total_uj, node.idle_uj) = (Some(total), total - 5_000_000);
        let page = node_metrics(&node, MetricsFormat::OpenMetrics);
        assert_eq!(page, include_str!("metrics.txt"), "{page}");
    }
}
