//! The node as one document for the live page and `eco2 top` (schema `eco2.live/1`): units are joules, watts and seconds.

use eco2_core::schema::{BudgetRecord, SourceStatus, Status};
use eco2_core::units::joules;
use eco2_core::{Bounded, Component, Quality, RangeKind, Ranged};
use serde::Serialize;

use super::history::{Cumulative, PowerColumns, Row, Triple};
use crate::emissions::Emissions;
use crate::snapshot::{Consumer, Device, Snapshot};

/// Name of the document's schema.
pub(crate) const SCHEMA: &str = "eco2.live/1";

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Live {
    pub(crate) schema: &'static str,
    pub(crate) node: NodeText,
    pub(crate) stream: StreamPlace,
    pub(crate) now: Now,
    pub(crate) devices: Vec<DeviceText>,
    pub(crate) history: PowerColumns,
    pub(crate) cumulative: Option<Cumulative>,
    pub(crate) consumers: Vec<ConsumerText>,
    pub(crate) sources: Vec<SourceText>,
    /// Limits of a run with what was used of them; `None`: none are set.
    pub(crate) budget: Option<BudgetRecord>,
    pub(crate) gaps: Vec<(f64, f64, String)>,
    pub(crate) events: Vec<EventText>,
    /// Whether jobs are left out, because the caller may not see them.
    pub(crate) is_restricted: bool,
}

/// Which machine it is.
#[derive(Debug, Serialize)]
pub(crate) struct NodeText {
    pub(crate) hostname: String,
    devices: String,
    /// The grid zone; empty if none is set.
    zone: String,
    /// How the zone was chosen; `default-world` if none was named.
    zone_source: String,
    started_at: f64,
    tool: String,
    /// Whether it is one run, not a node.
    is_run: bool,
}

/// Where the stream goes on after this document.
#[derive(Debug, Serialize)]
pub(crate) struct StreamPlace {
    pub(crate) url: String,
    pub(crate) every_s: u32,
}

/// The newest values.
#[derive(Debug, Serialize)]
pub(crate) struct Now {
    t: f64,
    pub(crate) total_w: Triple,
    pub(crate) energy_j: Triple,
    /// Emissions, grams CO2e.
    grams: Triple,
    /// Carbon intensity, grams per kilowatt-hour.
    g_per_kwh: Option<f64>,
    /// How the largest part of the energy is obtained.
    pub(crate) quality: Quality,
}

/// A device.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceText {
    id: String,
    component: Component,
    domain: String,
    pub(crate) name: String,
    source: String,
    pub(crate) quality: Quality,
    is_summed: bool,
    pub(crate) energy_j: Triple,
    pub(crate) power_w: Option<f64>,
    temperature_c: Option<f64>,
    utilization: Option<f64>,
}

/// A job, the idle devices, or what is not attributed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ConsumerText {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `job`, `other` (processes that are no job), `past` (jobs that ended long ago or belong to other users), `idle` or `unattr`.
    pub(crate) kind: &'static str,
    pub(crate) detail: String,
    pub(crate) energy_j: f64,
    pub(crate) low_j: Option<f64>,
    pub(crate) high_j: Option<f64>,
    /// Share of the energy of all, 0 to 1; `None` if there is none yet.
    pub(crate) share: Option<f64>,
    pub(crate) power_w: Option<f64>,
    pub(crate) steps: Option<u64>,
    /// Energy per step, joules.
    pub(crate) step_j: Triple,
    /// Emissions, grams CO2e.
    pub(crate) grams: Triple,
    pub(crate) is_running: bool,
}

/// A source and whether it reads.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct SourceText {
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) reason: String,
    remedy: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EventText {
    pub(crate) t: f64,
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// Returns seconds since 1970 on a clock that does not jump: the wall clock at the start of the stream, and monotonic time since.
/// `anchor_ns` is the first less the second at one instant.
pub(crate) fn time(snapshot: &Snapshot, anchor_ns: i64) -> f64 {
    let at = i64::try_from(snapshot.at_ns).unwrap_or(i64::MAX);
    tenths((anchor_ns.saturating_add(at)) as f64 / 1e9)
}

/// Returns the power of a snapshot's devices. `before` is the snapshot of which the difference is the power.
pub(crate) fn row(snapshot: &Snapshot, before: Option<&Snapshot>, anchor_ns: i64) -> Row {
    let of = |component: Option<Component>| {
        let is_part = |device: &&Device| component.is_none_or(|of| device.component == of);
        let parts = snapshot.devices.iter().filter(|device| device.is_summed).filter(is_part);
        triple(parts.map(|device| power(device, snapshot, before)).reduce(|sum, part| sum + part))
    };
    Row {
        t: time(snapshot, anchor_ns),
        total: of(None),
        cpu: of(Some(Component::Cpu)),
        memory: of(Some(Component::Memory)),
        gpu: gpus(snapshot).map(|device| device.power_w.map(tenths)).collect(),
    }
}

/// Returns the GPUs of a snapshot, in the order of the columns.
pub(crate) fn gpus(snapshot: &Snapshot) -> impl Iterator<Item = &Device> {
    snapshot.devices.iter().filter(|device| device.is_summed && device.component == Component::Gpu)
}

/// Returns the power of a device since the snapshot before, watts. The bounds are those of the difference of two energies with hard
/// bounds; of a plausible range over the whole time, nothing follows for one second, and the power has no bounds.
fn power(device: &Device, snapshot: &Snapshot, before: Option<&Snapshot>) -> Bounded<f64> {
    let earlier = before.and_then(|before| before.devices.iter().find(|other| other.id == device.id));
    let Some(watts) = device.power_w else { return Bounded::unknown() };
    let open = Bounded { value: Some(watts), ..Bounded::unknown() };
    let Some((before, earlier)) = before.zip(earlier) else { return open };
    let seconds = snapshot.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
    let is_hard = device.range_kind == RangeKind::Hard && earlier.range_kind == RangeKind::Hard;
    let (Some(high), Some(earlier_high)) = (device.high_uj, earlier.high_uj) else { return open };
    // Without a change nothing is known of the energy since the last one.
    if !is_hard || seconds <= 0.0 || device.energy_uj == earlier.energy_uj {
        return open;
    }
    let low = joules(device.low_uj.saturating_sub(earlier_high)) / seconds;
    let high = joules(high.saturating_sub(earlier.low_uj)) / seconds;
    Bounded::hard(watts, low.min(watts), Some(high.max(watts)))
}

/// Returns a power as it is shown: without a lower bound if that is zero, as then nothing is known of it.
fn triple(power: Option<Bounded<f64>>) -> Triple {
    let Some(power) = power else { return [None; 3] };
    let low = power.value.map(|_| power.low).filter(|low| *low > 0.0 || power.high.is_some());
    [power.value, low, power.high].map(|value| value.map(tenths))
}

/// Returns an energy in joules with its bounds.
pub(crate) fn energy(energy: &Bounded<u64>) -> Triple {
    let low = energy.value.map(|_| joules(energy.low));
    [energy.value.map(joules), low, energy.high.map(joules)]
}

/// Returns an amount with its bounds.
fn bounds(amount: &Bounded<f64>) -> Triple {
    [amount.value, amount.value.map(|_| amount.low), amount.high.filter(|_| amount.value.is_some())]
}

/// Returns emissions in grams with their bounds.
pub(crate) fn grams(emissions: Option<&Emissions>) -> Triple {
    emissions.map_or([None; 3], |emissions| bounds(&emissions.bounded()))
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Returns what the page's head shows of the node.
pub(crate) fn node(snapshot: &Snapshot, anchor_ns: i64) -> NodeText {
    let emissions = snapshot.emissions.as_ref();
    let mut models: Vec<(&str, usize)> = Vec::new();
    for device in snapshot.devices.iter().filter(|device| device.is_summed) {
        let name = device.model.as_deref().unwrap_or(&device.name);
        match models.iter_mut().find(|(model, _)| *model == name) {
            Some((_, count)) => *count += 1,
            None => models.push((name, 1)),
        }
    }
    let one =
        |(name, count): &(&str, usize)| if *count > 1 { format!("{count} × {name}") } else { (*name).to_owned() };
    let began = anchor_ns.saturating_add(i64::try_from(snapshot.began_ns).unwrap_or(i64::MAX));
    NodeText {
        hostname: snapshot.node.hostname.clone(),
        devices: models.iter().map(one).collect::<Vec<_>>().join(", "),
        zone: emissions.map_or_else(String::new, |emissions| emissions.zone.clone()),
        zone_source: emissions.map_or_else(String::new, |emissions| emissions.zone_source.clone()),
        started_at: tenths(began as f64 / 1e9),
        tool: snapshot.node.version.clone(),
        is_run: snapshot.node.boot_id.is_empty(),
    }
}

/// Returns the newest values.
pub(crate) fn now(snapshot: &Snapshot, total_w: Triple, anchor_ns: i64) -> Now {
    let emissions = snapshot.emissions.as_ref();
    let part = |quality: Quality| {
        let devices = snapshot.devices.iter().filter(|device| device.quality == quality);
        (quality, devices.filter_map(|device| device.counted_uj).fold(0, u64::saturating_add))
    };
    let kinds = [Quality::Synthetic, Quality::Estimated, Quality::Derived, Quality::Measured].map(part);
    let total = snapshot.bounded();
    let largest = kinds.into_iter().max_by_key(|(_, uj)| *uj).filter(|_| total.value.is_some());
    Now {
        t: time(snapshot, anchor_ns),
        total_w,
        energy_j: energy(&total),
        grams: grams(emissions),
        g_per_kwh: emissions.and_then(|emissions| emissions.g_per_kwh),
        quality: largest.map_or(Quality::Missing, |(quality, _)| quality),
    }
}

/// Returns the devices.
pub(crate) fn devices(snapshot: &Snapshot) -> Vec<DeviceText> {
    let text = |device: &Device| DeviceText {
        id: device.id.clone(),
        component: device.component,
        domain: device.domain.clone(),
        name: device.name.clone(),
        source: device.source.clone(),
        quality: device.quality,
        is_summed: device.is_summed,
        energy_j: energy(&device.bounded()),
        power_w: device.power_w,
        temperature_c: device.temperature_c,
        utilization: device.utilization,
    };
    snapshot.devices.iter().map(text).collect()
}

/// Returns who used the energy: jobs, then idle devices, then what is not attributed. `before` is an earlier snapshot, from which
/// power is computed.
pub(crate) fn consumers(snapshot: &Snapshot, before: Option<&Snapshot>) -> Vec<ConsumerText> {
    let seconds = before.map(|before| snapshot.at_ns.saturating_sub(before.at_ns) as f64 / 1e9).filter(|s| *s > 0.0);
    let total = snapshot.total_uj.filter(|uj| *uj > 0);
    let share = |uj: u64| total.map(|total| uj as f64 / total as f64);
    let watts = |uj: u64, earlier: Option<u64>| Some(tenths(joules(uj.checked_sub(earlier?)?) / seconds?));
    let job = |job: &Consumer| ConsumerText {
        id: job.id.clone(),
        name: job.name.clone(),
        kind: if job.kind == "others" { "other" } else { "job" },
        detail: job.kind.to_owned(),
        energy_j: joules(job.energy_uj),
        low_j: Some(joules(job.low_uj)),
        high_j: job.high_uj.map(joules),
        share: share(job.energy_uj),
        power_w: watts(job.energy_uj, before.and_then(|before| same(before, job)).map(|before| before.energy_uj)),
        steps: job.steps,
        step_j: bounds(&job.per_step()),
        grams: bounds(&job.emitted()),
        is_running: job.ended_wall_ns.is_none(),
    };
    let rest = |kind, name: &str, uj: u64, earlier: Option<u64>| ConsumerText {
        id: kind_id(kind),
        name: name.to_owned(),
        kind,
        detail: String::new(),
        energy_j: joules(uj),
        low_j: None,
        high_j: None,
        share: share(uj),
        power_w: watts(uj, earlier),
        steps: None,
        step_j: [None; 3],
        grams: [None; 3],
        is_running: true,
    };
    let mut all: Vec<ConsumerText> = snapshot.consumers.iter().map(job).collect();
    all.sort_by(|a, b| b.is_running.cmp(&a.is_running).then(b.energy_j.total_cmp(&a.energy_j)));
    if total.is_some() {
        if snapshot.forgotten_uj > 0 {
            all.push(rest("past", "Other jobs", snapshot.forgotten_uj, None));
        }
        all.push(rest("idle", "Idle devices", snapshot.idle_uj, before.map(|before| before.idle_uj)));
        let earlier = before.map(|before| before.not_attributed_uj);
        all.push(rest("unattr", "Not attributed", snapshot.not_attributed_uj, earlier));
    }
    all
}

fn kind_id(kind: &str) -> String {
    format!("({kind})")
}

/// Returns the same job in another snapshot: an id may be used again after its job has ended.
fn same<'a>(snapshot: &'a Snapshot, job: &Consumer) -> Option<&'a Consumer> {
    snapshot.consumers.iter().find(|other| other.id == job.id && other.began_wall_ns == job.began_wall_ns)
}

/// Returns the sources.
pub(crate) fn sources(sources: &[SourceStatus]) -> Vec<SourceText> {
    let text = |source: &SourceStatus| SourceText {
        name: source.name.clone(),
        status: source.status,
        reason: source.reason.clone(),
        remedy: source.remedy.clone(),
    };
    sources.iter().map(text).collect()
}
