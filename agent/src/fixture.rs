//! Snapshots for tests: a node with eight GPUs and two sockets.

use std::collections::BTreeMap;
use std::sync::Arc;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Bounded, Component, Quality, RangeKind};
use eco2_grid::Pue;

use crate::budget::JobLimits;
use crate::emissions::{Emissions, Grams};
use crate::job_log::JobRecord;
use crate::jobs::{Job, JobProcesses, JobState};
use crate::prices::{Prices, rates};
use crate::shares::{JobKey, ShareSum};
use crate::snapshot::{ConsumerKind, Instant};
use crate::{Consumer, Device, EndReason, Latest, NodeIdentity, Resolution, Snapshot, SourceCounts, Views};

/// Energy of a device after a second, microjoules.
pub(crate) const SECOND_UJ: u64 = 100_050_001;
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Returns a device after some seconds.
fn device(id: &str, component: Component, is_summed: bool, seconds: u64) -> Device {
    let energy = SECOND_UJ * seconds;
    let device = Device {
        id: id.to_owned(),
        component,
        domain: if is_summed { "package" } else { "core" }.to_owned(),
        name: format!("{id} \"fast\"\n<b>"),
        model: Some("Xeon".to_owned()),
        source: if component == Component::Gpu { "nvml" } else { "rapl-perf" }.to_owned(),
        method: None,
        quality: Quality::Measured,
        energy_uj: Some(energy),
        low_uj: energy - energy / 100,
        high_uj: Some(energy + energy / 100),
        range_kind: RangeKind::Hard,
        power_w: Some(100.05),
        temperature_c: (component == Component::Gpu).then_some(61.0),
        utilization: (component == Component::Gpu).then_some(0.97),
        is_summed,
        is_shared: false,
        counted_uj: None,
        counted_low_uj: 0,
        counted_high_uj: None,
    };
    if is_summed { device.counting_all() } else { device }
}

/// Returns what happened at a source.
fn counts(name: &str, at_ns: u64) -> SourceCounts {
    SourceCounts {
        read_ns: Some(at_ns),
        read_wall_ns: Some(1_700_000_000_000_000_000),
        errors: (name == "nvml").then(|| ("not-available".to_owned(), 3)).into_iter().collect(),
        wraps: 2,
        resets: 0,
        gap_ns: SECOND_NS / 2,
    }
}

/// Returns the record of a job of user 5 that goes on, and has used nothing.
pub(crate) fn record(key: JobKey) -> JobRecord {
    let job = Job {
        id: format!("job-{key}"),
        name: "n".to_owned(),
        uid: 5,
        processes: JobProcesses::Tree(7),
        kind: ConsumerKind::Job,
        by_operator: true,
        labels: BTreeMap::new(),
    };
    let (state, total) = (JobState::new(job, Instant::default(), Some(3)), ShareSum::default());
    JobRecord { number: 0, boot_id: "b".to_owned(), key, state, wall_ns: 1, total, grams: None, own: None }
}

/// Returns the record of a job that used some energy and ended after some seconds; `None`: it goes on.
pub(crate) fn past_record(boot: &str, key: JobKey, energy_uj: u64, ended_s: Option<u64>) -> JobRecord {
    let mut record = JobRecord { boot_id: boot.to_owned(), wall_ns: 99 * SECOND_NS as i64, ..record(key) };
    if let Some(seconds) = ended_s {
        let ns = seconds * SECOND_NS;
        record.state.end(Instant { ns, wall_ns: ns as i64 }, None, EndReason::Request);
    }
    let total = &mut record.total;
    (total.energy_uj, total.low_uj, total.high_uj) = (energy_uj, energy_uj, Some(energy_uj));
    record
}

/// Returns a job of a user.
pub(crate) fn job(id: &str, uid: u32, energy_uj: u64, ended_wall_ns: Option<i64>) -> Consumer {
    let limits = JobLimits { max_energy_kwh: Some(1.0), max_co2_kg: None };
    Consumer {
        key: id.bytes().fold(0, |key: u64, byte| key.wrapping_mul(31).wrapping_add(byte.into())),
        id: id.to_owned(),
        kind: "job",
        name: format!("secret-{id} <script>alert(1)</script>"),
        uid,
        energy_uj,
        low_uj: energy_uj / 2,
        high_uj: None,
        grams: Some(energy_uj as f64 / 1e6),
        grams_low: energy_uj as f64 / 2e6,
        grams_high: None,
        began_wall_ns: 5,
        ended_wall_ns,
        duration_ns: SECOND_NS,
        steps: Some(7),
        end_reason: ended_wall_ns.map(|_| EndReason::Request),
        labels: BTreeMap::new(),
        parent: None,
        total_uj: energy_uj,
        total_low_uj: energy_uj / 2,
        total_high_uj: None,
        total_grams: Some(energy_uj as f64 / 1e6),
        total_grams_low: energy_uj as f64 / 2e6,
        total_grams_high: None,
        grams_are_estimated: false,
        budget: limits.check(&Bounded::hard(energy_uj, energy_uj / 2, None), &Bounded::unknown(), Pue::ONE),
    }
}

/// Returns what an energy emitted, microjoules.
fn emissions(uj: u64) -> Emissions {
    let mut prices = Prices::fixed(rates(360.0));
    prices.changes(0, 0);
    prices.emissions(&Bounded::exact(uj), Grams::default())
}

/// Returns the snapshot after some seconds, exact or in coarse steps.
pub(crate) fn snapshot(seconds: u64, resolution: Resolution) -> Snapshot {
    let mut devices: Vec<Device> = (0..8).map(|n| device(&format!("GPU-{n}"), Component::Gpu, true, seconds)).collect();
    for n in 0..2 {
        devices.push(device(&format!("package-{n}"), Component::Cpu, true, seconds));
        devices.push(device(&format!("core-{n}"), Component::Cpu, false, seconds));
        devices.push(device(&format!("dram-{n}"), Component::Memory, true, seconds));
    }
    for device in &mut devices {
        device.energy_uj = device.energy_uj.map(|uj| resolution.floor_uj(uj));
        device.low_uj = resolution.floor_uj(device.low_uj);
        device.high_uj = device.high_uj.map(|uj| resolution.ceil_uj(uj));
        if device.is_summed {
            *device = device.clone().counting_all();
        }
    }
    let consumers = vec![job("48213", 1000, 2_000_000, None), job("48214", 1001, 3_000_000, None)];
    let total: u64 = devices.iter().filter(|device| device.is_summed).filter_map(|device| device.energy_uj).sum();
    let source = |name: &str, status| SourceStatus {
        name: name.to_owned(),
        status,
        reason: "why".to_owned(),
        remedy: String::new(),
    };
    let at_ns = 1_000_000_000_000 + seconds * SECOND_NS;
    Snapshot {
        node: Arc::new(NodeIdentity {
            hostname: "node03".to_owned(),
            version: "0.1.0".to_owned(),
            ..NodeIdentity::default()
        }),
        resolution,
        sequence: seconds,
        at_ns,
        wall_ns: 1_700_000_000_000_000_000 + i64::try_from(seconds * SECOND_NS).unwrap_or(i64::MAX),
        began_ns: 1_000_000_000_000,
        sampled_ns: Some(at_ns),
        devices,
        left_out: 0,
        sources: vec![
            source("nvml", Status::Ok),
            source("rapl-perf", Status::Ok),
            source("hwmon", Status::Absent),
            source("ipmi", Status::Off),
        ],
        consumers,
        past: Vec::new(),
        total_uj: Some(total),
        total_low_uj: total / 100 * 99,
        total_high_uj: Some(total / 100 * 101),
        total_range_kind: RangeKind::Hard,
        forgotten_uj: 0,
        idle_uj: total - 5_000_000,
        not_attributed_uj: 0,
        emissions: Some(emissions(total)),
        budget: None,
        counts: ["nvml", "rapl-perf"].map(|name| (name.to_owned(), counts(name, at_ns))).into(),
        events: std::iter::once(("gpu-lost", 2)).collect(),
        readings: 10 * seconds,
        dropped: 0,
    }
}

/// Returns both views after some seconds.
pub(crate) fn views(seconds: u64) -> Views {
    Views {
        full: Arc::new(snapshot(seconds, Resolution::FULL)),
        public: Arc::new(snapshot(seconds, Resolution::PUBLIC)),
    }
}

/// Returns a place that shows the views after some seconds.
pub(crate) fn latest(seconds: u64) -> Latest {
    Latest::new(views(seconds))
}
