//! A report with every field filled in, and smaller ones made from it.

mod carbon;
mod machines;

pub(crate) use machines::{guest, server};

use std::collections::BTreeMap;

use eco2_core::schema::*;
use eco2_core::{Component, CurveRecord, Decision, Finish, Quality, RangeKind, Spent, Stretch, Unit};

/// A report in which no option is empty and no list either.
pub(crate) fn report() -> Report {
    Report {
        schema: SCHEMA.into(),
        run: run(),
        energy: energy(),
        devices: vec![package(), gpu(), psys()],
        host_totals: vec![host_total()],
        spans: vec![
            span("step", 3000, 1_000_000_000, Some(1_060_000_000)),
            span("load, \"data\"", 12, 30_000_000, Some(40_000_000)),
        ],
        work: Work {
            steps: Some(3000),
            samples: Some(96_000),
            tokens: Some(1_000_000),
            loss: Some(0.25),
            extra: BTreeMap::from([("learning_rate".into(), 1e-4)]),
        },
        attribution: Some(Attribution {
            command_uj: 812_000_000,
            idle_uj: 300_000_000,
            others_uj: 122_400_000,
            low_uj: 780_000_000,
            high_uj: Some(850_000_000),
            method: "cpu time and gpu processes".into(),
            unattributed_uj: 0,
            consumers: vec![Consumer {
                id: "command".into(),
                kind: "process-tree".into(),
                name: "train.py".into(),
                energy_uj: 812_000_000,
                low_uj: 780_000_000,
                high_uj: Some(850_000_000),
                parent: None,
            }],
            ..Attribution::default()
        }),
        carbon: Some(carbon::carbon()),
        sources: sources(),
        events: vec![EventRecord {
            at: 12_340_000_000,
            kind: "reset".into(),
            device: "GPU-5".into(),
            text: "the counter was reset, a new segment began".into(),
        }],
        spells: vec![EpisodeRecord {
            kind: EpisodeRecord::STALLED.into(),
            device: String::new(),
            count: 2,
            duration_ns: 6_100_000_000,
            longest_ns: 4_000_000_000,
            usual_ns: Some(20_000_000),
            energy_uj: Some(123_440_000),
            low_uj: 120_000_000,
            high_uj: Some(130_000_000),
        }],
        own: SelfCost {
            cpu_ns: 12_000_000,
            max_rss_bytes: 9_000_000,
            samples: 24_000,
            dropped: 1,
            missed_ticks: 2,
            log_lost_bytes: 3,
        },
        counters: vec![counter()],
        curves: vec![CurveRecord {
            device: "gpu".into(),
            devices: Some(2),
            t_ns: vec![1, 9],
            energy_uj: vec![3, 7],
            low_uj: vec![2, 6],
            high_uj: vec![Some(4), None],
        }],
        step_curve: Some(StepCurve {
            name: "step".into(),
            bin_ns: 100_000_000,
            count: vec![1],
            duration_ns: vec![9],
            energy_uj: vec![Some(7)],
            low_uj: vec![6],
            high_uj: vec![None],
        }),
        span_times: vec![SpanTimeRecord {
            name: "step".into(),
            joined_ns: 0,
            from_ns: vec![0, 30_000_000_000],
            to_ns: vec![29_000_000_000, 61_000_000_000],
        }],
        host_gauges: vec![GaugeSummary {
            name: "cpu_utilization".into(),
            unit: "1".into(),
            mean: 0.5,
            max: 1.0,
            last: 0.25,
        }],
        budget: Some(budget()),
        merge: Some(merge()),
    }
}

/// A limit of 1 kWh of which 0.343 are spent, and its forecast.
fn budget() -> BudgetRecord {
    let finish = Finish { mean: 2.5e12, low: 2.3e12, high: 2.7e12, p90: 2.65e12 };
    let limit = Spent {
        unit: Unit::EnergyUj,
        spent: Some(1.2344e12),
        low: Some(1.23e12),
        high: Some(1.24e12),
        quality: Some(Quality::Derived),
        quality_percent: Some(3.0),
        limit: 3.6e12,
        held: 1e9,
        finish: Some(finish),
        soft: false,
        hard: false,
        decision: Decision::Go,
    };
    let forecast = ForecastRecord {
        progress: "steps".into(),
        done: 3000,
        total: 6000,
        warm_up: 24,
        rest_ns: 60_000_000_000,
        energy_uj: finish,
        g_per_kwh: 342.06,
        intensity: "the same hour 24 h before (back-test error 7.9 %)".into(),
        intensity_error_percent: Some(7.9),
        grams: Some(Finish { mean: 237.5, low: 218.5, high: 256.6, p90: 251.8 }),
        backtest_error_percent: Some(0.91),
        backtest_held_percent: Some(91.7),
        backtest_runs: Some(24),
    };
    BudgetRecord { limits: vec![limit], forecast: Some(forecast), scope: "command".into() }
}

/// The shortest report there is.
pub(crate) fn bare() -> Report {
    let Report { run, work, own, .. } = report();
    Report { energy: nothing_read(), work, own, ..Report::empty(run) }
}

/// The parts of the full report that other fixtures use.
pub(crate) struct Parts {
    pub(crate) run: Run,
    pub(crate) sources: Vec<SourceStatus>,
}

pub(crate) fn parts() -> Parts {
    Parts { run: run(), sources: sources() }
}

fn run() -> Run {
    Run {
        parent: "outer".into(),
        id: "20260102-030405-abcd".into(),
        name: "train".into(),
        labels: BTreeMap::from([("team".into(), "vision".into())]),
        command: ["python", "train.py", "--epochs", "3"].map(String::from).to_vec(),
        started_at: "2026-01-02T03:04:05Z".into(),
        ended_at: "2026-01-02T03:05:06Z".into(),
        duration_ns: 61_000_000_000,
        exit_code: Some(0),
        state: State::Final,
        end: Some(RecordEnding::Recorded),
        attempts: vec![Attempt {
            number: 0,
            started_at: "2026-01-02T03:04:05Z".into(),
            duration_ns: 61_000_000_000,
            energy_uj: Some(1_234_400_000),
            ranks: Some(1),
            world_size: Some(2),
        }],
        host: Host { boot_id: "b0".into(), hostname: "node7".into(), kernel: "6.1.0".into() },
        tool: Tool { version: "0.1.0".into() },
        part: "20260102-030405-abcd".into(),
        rank: Some(0),
        world_size: Some(2),
        attempt: 0,
        requeue: 0,
        boot_ns: Some([77_000_000_000, 138_000_000_000]),
    }
}

fn counter() -> CounterRecord {
    let stretch = Stretch {
        quality: Quality::Measured,
        at_ns: vec![77_000_000_000, 138_000_000_000],
        uj: vec![0, 1_100_400_000],
        slack_ns: 1_000_000,
        below_uj: 20_000_000,
        above_uj: Some(30_000_000),
        free_below_uj: 25_000_000,
        free_above_uj: Some(40_000_000),
    };
    CounterRecord { boot_id: "b0".into(), device: "package-0".into(), stretches: vec![stretch] }
}

fn merge() -> Merge {
    Merge {
        ranks: Some(1),
        world_size: Some(2),
        missing_ranks: vec![1],
        machines: 1,
        overhead_uj: Some(5_000_000),
        overhead_ns: 1_000_000_000,
        replayed: vec![Replayed { attempt: 0, steps: 10, energy_uj: Some(4_000_000) }],
        parts: Vec::new(),
        records: Some(1_100),
        left_out: vec!["b.json: no report".into()],
    }
}

/// The energy of a run in which no device was read.
pub(crate) fn nothing_read() -> Energy {
    Energy { missing_ns: 61_000_000_000, pue: 1.0, ..Energy::default() }
}

fn energy() -> Energy {
    Energy {
        total_uj: Some(1_234_400_000),
        low_uj: 1_200_000_000,
        high_uj: Some(1_270_000_000),
        free_low_uj: 1_190_000_000,
        free_high_uj: Some(1_300_000_000),
        range_kind: Some(RangeKind::Plausible),
        range_percent: Some(90.0),
        measured_uj: 1_100_400_000,
        derived_uj: 100_000_000,
        estimated_uj: 34_000_000,
        synthetic_uj: 0,
        missing_ns: 1_200_000_000,
        facility_uj: Some(1_481_280_000),
        pue: 1.2,
        facility_low_uj: Some(1_440_000_000),
        facility_high_uj: Some(1_524_000_000),
    }
}

fn package() -> Device {
    Device {
        id: "package-0".into(),
        component: Component::Cpu,
        domain: "package".into(),
        name: "AMD EPYC, package 0".into(),
        model: Some("AMD EPYC".into()),
        method: None,
        source: "rapl-perf".into(),
        quality: Quality::Measured,
        energy_uj: Some(434_400_000),
        low_uj: Some(430_000_000),
        high_uj: Some(440_000_000),
        free_low_uj: Some(429_000_000),
        free_high_uj: Some(450_000_000),
        range_kind: Some(RangeKind::Hard),
        range_percent: Some(100.0),
        gain_percent: Some(2.5),
        mean_w: Some(7.12),
        peak_w: Some(21.5),
        peak_window_ns: Some(1_000_000_000),
        power_w: Some(Quantiles { p50: 7.0, p90: 12.0, p99: 20.0 }),
        coverage: 1.0,
        update_period_ns: Some(1_000_000),
        wraps: 1,
        resets: 0,
        anomalies: 0,
        failures: 0,
        readings: 6100,
        gaps: vec![GapRecord { from_ns: 5, to_ns: 1_000_005, reason: "frozen".into() }],
        overlaps: Vec::new(),
        replaced: vec![ReplacedPart {
            from_ns: 5_000_000_000,
            to_ns: 6_000_000_000,
            source: "model".into(),
            quality: Quality::Estimated,
            sensor_quality: Quality::Measured,
            energy_uj: 34_000_000,
        }],
        cross_check: Some(CrossCheck {
            method: "hwmon power".into(),
            energy_uj: 430_000_000,
            difference_percent: 1.02,
        }),
        gauges: vec![GaugeSummary {
            name: "temperature".into(),
            unit: "Cel".into(),
            mean: 55.5,
            max: 61.0,
            last: 58.0,
        }],
    }
}

fn gpu() -> Device {
    Device {
        id: "GPU-5".into(),
        component: Component::Gpu,
        domain: "board".into(),
        name: "NVIDIA H200".into(),
        model: Some("NVIDIA H200".into()),
        method: Some("estimated from board power 700 W and the driver's utilisation".into()),
        source: "nvml".into(),
        quality: Quality::Estimated,
        energy_uj: Some(800_000_000),
        low_uj: Some(770_000_000),
        high_uj: None,
        free_low_uj: Some(760_000_000),
        free_high_uj: None,
        mean_w: Some(13.1),
        coverage: 0.98,
        resets: 1,
        gaps: vec![GapRecord { from_ns: 12_000_000_000, to_ns: 13_200_000_000, reason: "reset".into() }],
        overlaps: Vec::new(),
        gauges: Vec::new(),
        ..package()
    }
}

/// A BMC that showed 2 kJ in 54 s, in which the parts used 1.2 kJ.
fn host_total() -> HostTotal {
    HostTotal {
        device: "bmc-1".into(),
        source: "redfish".into(),
        from_ns: 5_300_000_000,
        to_ns: 59_300_000_000,
        energy_uj: Some(2_000_000_000),
        low_uj: 1_960_000_000,
        high_uj: Some(2_040_000_000),
        parts_uj: Some(1_200_000_000),
        remainder_uj: Some(800_000_000),
        remainder_low_uj: Some(740_000_000),
        remainder_high_uj: Some(860_000_000),
        quality: Quality::Estimated,
        range_kind: Some(RangeKind::Plausible),
        range_percent: Some(90.0),
    }
}

fn psys() -> Device {
    Device {
        id: "psys".into(),
        component: Component::Other,
        domain: "psys".into(),
        name: "psys".into(),
        model: None,
        quality: Quality::Missing,
        energy_uj: None,
        low_uj: None,
        high_uj: None,
        mean_w: None,
        gaps: Vec::new(),
        coverage: 0.0,
        overlaps: vec!["platform".into()],
        ..package()
    }
}

fn span(name: &str, count: u64, energy_uj: u64, high_uj: Option<u64>) -> SpanRecord {
    SpanRecord {
        name: name.into(),
        count,
        duration_ns: 50_000_000_000,
        energy_uj: Some(energy_uj),
        low_uj: energy_uj / 100 * 96,
        high_uj,
        free_low_uj: energy_uj / 100 * 95,
        free_high_uj: high_uj.map(|high| high + high / 100),
        range_kind: Some(RangeKind::Hard),
        range_percent: Some(100.0),
        wide: Some(count / 20),
        state: State::Final,
        sync: DeviceSync::None,
        by_device: BTreeMap::from([("package-0".into(), energy_uj / 4), ("GPU-5".into(), energy_uj - energy_uj / 4)]),
    }
}

fn sources() -> Vec<SourceStatus> {
    let source = |name: &str, status, reason: &str, remedy: &str| SourceStatus {
        name: name.into(),
        status,
        reason: reason.into(),
        remedy: remedy.into(),
    };
    vec![
        source("rapl-perf", Status::Ok, "reading 2 domains", ""),
        source("nvml", Status::Absent, "libnvidia-ml.so.1 was not found", "install the NVIDIA driver"),
        source("hwmon", Status::Denied, "power1_input is readable by root only", "sudo chmod a+r power1_input"),
    ]
}

/// A run of one kilowatt-hour with a label, and ids counted up.
pub(crate) fn kilowatt_hour(id: &str, team: Option<&str>) -> Report {
    let mut report = report();
    report.run.id = id.into();
    // Runs of this kind were each on a machine of its own.
    (report.run.part, report.run.host.boot_id) = (id.into(), format!("boot-{id}"));
    report.run.labels = team.map(|team| ("team".to_owned(), team.to_owned())).into_iter().collect();
    report.energy = Energy {
        total_uj: Some(3_600_000_000_000),
        low_uj: 3_500_000_000_000,
        high_uj: Some(3_700_000_000_000),
        measured_uj: 3_600_000_000_000,
        facility_uj: Some(3_600_000_000_000),
        pue: 1.0,
        ..Energy::default()
    };
    if let Some(carbon) = &mut report.carbon {
        (carbon.grams, carbon.low, carbon.high) = (Some(56.0), 54.0, Some(58.0));
    }
    report
}
