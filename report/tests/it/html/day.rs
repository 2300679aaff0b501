//! The report of a training of 24 hours on eight GPUs: the largest that a page has to show quickly. Its powers are synthetic and
//! seeded; qualities are set as a real node's would be, to draw each of them.

use eco2_core::schema::*;
use eco2_core::{Component, CurveRecord, Quality, RangeKind};

use crate::fixture;

const DAY_NS: u64 = 86_400_000_000_000;
/// Points of a curve: what a report keeps of a day, with one for each hour of the intensity.
const POINTS: u64 = 536;
/// The hour in which GPU 5 was not read.
const LOST_NS: [u64; 2] = [43_200_000_000_000, 45_000_000_000_000];

/// Returns a pseudo-random part from 0 to 1 (splitmix64).
fn noise(seed: u64) -> f64 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a device draws at a point, watts: training, with a check of the model every two hours and one hot GPU.
fn watts(device: &Device, number: u64, point: u64) -> f64 {
    let checks = point % 45 < 3;
    let jitter = noise(number * 1_000 + point) - 0.5;
    match device.component {
        Component::Gpu if checks => 180.0 + 30.0 * jitter,
        Component::Gpu if number == 6 && (200..300).contains(&point) => 505.0 + 12.0 * jitter,
        Component::Gpu => 590.0 + 2.0 * number as f64 + 24.0 * jitter,
        Component::Cpu if checks => 300.0 + 20.0 * jitter,
        Component::Cpu => 205.0 + 10.0 * jitter,
        _ => 86.0 + 3.0 * jitter,
    }
}

fn device(id: &str, component: Component, name: &str, quality: Quality, number: u64) -> (Device, CurveRecord) {
    let Report { devices, .. } = fixture::report();
    let base = Device {
        id: id.into(),
        component,
        name: name.into(),
        model: Some(name.into()),
        quality,
        method: None,
        gaps: Vec::new(),
        overlaps: Vec::new(),
        replaced: Vec::new(),
        update_period_ns: Some(100_000_000),
        ..devices[0].clone()
    };
    let mut curve = CurveRecord { device: id.into(), ..CurveRecord::default() };
    let (mut at_ns, mut uj) = (0, 0.0);
    for point in 1..=POINTS {
        let next_ns = DAY_NS / POINTS * point;
        let next_ns = if point == POINTS { DAY_NS } else { next_ns };
        uj += watts(&base, number, point) * (next_ns - at_ns) as f64 / 1e3;
        at_ns = next_ns;
        let loose = if quality == Quality::Estimated { 0.3 } else { 0.0 };
        curve.t_ns.push(at_ns);
        curve.energy_uj.push(uj as u64);
        curve.low_uj.push((uj * (1.0 - loose)) as u64 - 60_000_000);
        curve.high_uj.push(Some((uj * (1.0 + loose)) as u64 + 60_000_000));
    }
    let last = |column: &[u64]| column.last().copied();
    let range_kind = if quality == Quality::Estimated { RangeKind::Plausible } else { RangeKind::Hard };
    let device = Device {
        energy_uj: last(&curve.energy_uj),
        low_uj: last(&curve.low_uj),
        high_uj: curve.high_uj.last().copied().flatten(),
        mean_w: Some(uj * 1e3 / DAY_NS as f64),
        range_kind: Some(range_kind),
        ..base
    };
    (device, curve)
}

/// Returns the report.
pub(crate) fn report() -> Report {
    let gpus =
        (0..8).map(|gpu| device(&format!("GPU-{gpu}"), Component::Gpu, "NVIDIA H100 80GB", Quality::Measured, gpu));
    let cpus = (0..2)
        .map(|cpu| device(&format!("package-{cpu}"), Component::Cpu, "AMD EPYC 9654", Quality::Measured, 10 + cpu));
    let memory = device("dram", Component::Memory, "Memory", Quality::Estimated, 20);
    let (mut devices, curves): (Vec<Device>, Vec<CurveRecord>) = gpus.chain(cpus).chain([memory]).unzip();
    devices[5].gaps = vec![GapRecord { from_ns: LOST_NS[0], to_ns: LOST_NS[1], reason: "no-answer".into() }];
    let sum = |of: fn(&Device) -> Option<u64>| devices.iter().filter_map(of).sum::<u64>();
    let (total_uj, estimated_uj) = (sum(|device| device.energy_uj), devices[10].energy_uj.unwrap_or(0));
    let fixture::Parts { run, sources } = fixture::parts();
    let mut report = Report::empty(Run {
        name: "train.py".into(),
        duration_ns: DAY_NS,
        started_at: "2026-01-02T03:00:00Z".into(),
        ended_at: "2026-01-03T03:00:00Z".into(),
        ..run
    });
    report.energy = Energy {
        total_uj: Some(total_uj),
        low_uj: sum(|device| device.low_uj),
        high_uj: Some(sum(|device| device.high_uj)),
        free_low_uj: sum(|device| device.low_uj),
        range_kind: Some(RangeKind::Plausible),
        range_percent: Some(90.0),
        measured_uj: total_uj - estimated_uj,
        estimated_uj,
        facility_uj: Some(total_uj),
        pue: 1.0,
        ..Energy::default()
    };
    report.carbon = Some(carbon(&curves));
    report.devices = devices;
    report.curves = curves;
    report.spans = fixture::report().spans;
    // Two minutes of loading, then training with a check every two hours.
    const MINUTE_NS: u64 = 60_000_000_000;
    let lane = |name: &str, parts: Vec<(u64, u64)>| SpanTimeRecord {
        name: name.into(),
        joined_ns: 1_000_000,
        from_ns: parts.iter().map(|part| part.0 * MINUTE_NS).collect(),
        to_ns: parts.iter().map(|part| part.1 * MINUTE_NS).collect(),
    };
    report.span_times = vec![
        lane("load", vec![(0, 2)]),
        lane("train", (0..12).map(|check| (check * 120 + 8, check * 120 + 119)).collect()),
        lane("eval", (0..12).map(|check| (check * 120, check * 120 + 8)).collect()),
    ];
    // 192 steps a bin; the first half hour needs a quarter more.
    let bin_uj = |bin: u64| 192 * (if bin < 10 { 1_065_000_000 } else { 852_000_000 }) + bin % 7 * 40_000_000;
    report.step_curve = Some(StepCurve {
        name: "step".into(),
        bin_ns: 200_000_000_000,
        count: vec![192; 432],
        duration_ns: vec![190_000_000_000; 432],
        energy_uj: (0..432).map(|bin| Some(bin_uj(bin))).collect(),
        low_uj: (0..432).map(|bin| bin_uj(bin) / 100 * 98).collect(),
        high_uj: (0..432).map(|bin| Some(bin_uj(bin) / 100 * 102)).collect(),
    });
    report.work = Work { steps: Some(512_000), samples: Some(131_072_000), ..Work::default() };
    report.attribution = Some(Attribution {
        command_uj: total_uj / 100 * 92,
        idle_uj: total_uj / 100 * 6,
        others_uj: total_uj / 100,
        unattributed_uj: total_uj - total_uj / 100 * 99,
        low_uj: total_uj / 100 * 91,
        high_uj: Some(total_uj / 100 * 94),
        method: "process tree CPU time; GPUs by process".into(),
        ..Attribution::default()
    });
    report.events = vec![
        EventRecord::new(
            36_000_000_000_000,
            EventKind::Hot,
            "GPU-6",
            "the GPU reduced its clock because of its temperature",
        ),
        EventRecord::new(LOST_NS[0], EventKind::GpuLost, "GPU-5", "the driver did not answer for 30 min"),
    ];
    report.sources = sources;
    report
}

/// Returns the emissions by hourly intensities.
fn carbon(curves: &[CurveRecord]) -> Carbon {
    let at = |hour: u64| -> u64 {
        let point = usize::try_from(hour * POINTS / 24).unwrap();
        curves.iter().map(|curve| point.checked_sub(1).map_or(0, |point| curve.energy_uj[point])).sum()
    };
    let day = |hour: u64| format!("2026-01-{:02}T{:02}:00:00Z", 2 + (hour + 3) / 24, (hour + 3) % 24);
    let segment = |hour: u64| CarbonSegment {
        from: day(hour),
        to: day(hour + 1),
        energy_uj: at(hour + 1) - at(hour),
        g_per_kwh: 60.0 + 440.0 * (0.5 + 0.5 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin()),
        kind: Some("lifecycle-average-production".into()),
        source: "a series".into(),
        year: None,
        estimated: hour > 20,
        table_sha256: None,
        answer_sha256: None,
    };
    let segments: Vec<CarbonSegment> = (0..24).map(segment).collect();
    let grams: f64 = segments.iter().map(|part| part.energy_uj as f64 / 3.6e12 * part.g_per_kwh).sum();
    Carbon {
        grams: Some(grams),
        low: grams * 0.99,
        high: Some(grams * 1.01),
        range_kind: Some(RangeKind::Plausible),
        range_percent: Some(90.0),
        zone: "DE".into(),
        zone_source: "given".into(),
        segments,
        ..Carbon::default()
    }
}
