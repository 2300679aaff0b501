//! Advice of `eco2 optimize`, each value checked against a calculation by hand.

use eco2_core::schema::*;
use eco2_core::{Component, Domain, Ledger, Quality};
use eco2_report::advice::{
    Advice, AdviceInputs, Claim, Hours, Region, Saving, Suggestions, Topic, advise, combined_percent,
};
use eco2_report::{CalibratedLoad, CalibratedPart, Calibration, TextStyle};
use proptest::prelude::*;

use crate::fixture;

const S: u64 = 1_000_000_000;
const J: u64 = 1_000_000;

fn gauge(name: &str, mean: f64) -> GaugeSummary {
    GaugeSummary { name: name.into(), unit: "1".into(), mean, max: mean, last: mean }
}

/// A GPU of 700 W that drew `mean_w`.
fn gpu(mean_w: f64) -> Device {
    let mut ledger = Ledger::new(0, 1);
    ledger.add_domain(Domain::counter("GPU-1", Component::Gpu, "board", "nvml"));
    let device = ledger.account(1).devices.remove(0);
    let power_w = Some(Quantiles { p50: mean_w, p90: mean_w, p99: mean_w + 60.0 });
    let gauges = vec![gauge("utilization", 0.8), gauge("power_limit", 700.0)];
    Device { quality: Quality::Measured, mean_w: Some(mean_w), power_w, gauges, ..device }
}

fn episode(kind: &str, device: &str, seconds: u64, energy_uj: u64) -> EpisodeRecord {
    EpisodeRecord {
        kind: kind.into(),
        device: device.into(),
        count: 3,
        duration_ns: seconds * S,
        longest_ns: S,
        usual_ns: None,
        energy_uj: Some(energy_uj),
        low_uj: energy_uj - J,
        high_uj: Some(energy_uj + J),
    }
}

/// 100 s, 1000 J between 990 and 1010, 50 g.
fn run(devices: Vec<Device>, spells: Vec<EpisodeRecord>) -> Report {
    let energy = Energy { total_uj: Some(1_000 * J), low_uj: 990 * J, high_uj: Some(1_010 * J), ..Energy::default() };
    let step = SpanRecord { name: "step".into(), count: 9, ..SpanRecord::default() };
    let segment = CarbonSegment {
        from: String::new(),
        to: String::new(),
        energy_uj: 1_000 * J,
        g_per_kwh: 180_000.0,
        kind: Some("lifecycle-average-production".into()),
        source: "test".into(),
        year: Some(2024),
        estimated: false,
        table_sha256: None,
        answer_sha256: None,
    };
    let carbon = Carbon { grams: Some(50.0), low: 49.5, high: Some(50.5), segments: vec![segment], ..priced() };
    let run = Run {
        id: "r".into(),
        duration_ns: 100 * S,
        command: vec!["python".into(), "my train.py".into()],
        ..Run::default()
    };
    Report { run, energy, devices, spells, spans: vec![step], carbon: Some(carbon), ..fixture::bare() }
}

fn priced() -> Carbon {
    fixture::report().carbon.unwrap()
}

fn advised(report: &Report) -> Suggestions {
    advise(report, &AdviceInputs::default())
}

/// CPUs that draw 4 W when idle, between 3.5 and 4.5 W.
fn calibration() -> Calibration {
    let load = |utilization: f64, watts: f64| CalibratedLoad {
        utilization,
        watts,
        low_w: watts - 0.5,
        high_w: watts + 0.5,
        estimate_w: watts,
        estimate_low_w: watts,
        estimate_high_w: watts,
    };
    let cpu =
        CalibratedPart { source: "rapl".into(), idle: load(0.0, 4.0), half: load(0.5, 7.0), full: load(1.0, 10.0) };
    let (measured_at, processor) = ("2026-11-29T20:00:00Z".into(), "Test CPU".into());
    let (firmware, estimated_from) = (String::new(), String::new());
    Calibration { measured_at, processor, cpus: 4, firmware, estimated_from, cpu, memory: None }
}

fn cpu(energy_uj: Option<u64>) -> Device {
    let device = gpu(1.0);
    Device { component: Component::Cpu, energy_uj, low_uj: energy_uj, high_uj: energy_uj, ..device }
}

#[test]
fn idle_power_of_a_calibrated_machine_is_a_share_of_the_energy() {
    let calibration = calibration();
    let with =
        |report: &Report| advise(report, &AdviceInputs { calibration: Some(&calibration), ..AdviceInputs::default() });
    // 100 s at 4 W [3.5, 4.5] of 1000 J [990, 1010].
    let report = run(vec![cpu(Some(600 * J))], Vec::new());
    let advice = one(&with(&report), Topic::IdleMachine);
    let saving = advice.saving.unwrap();
    assert!((saving.percent - 40.0).abs() < 1e-9 && (saving.grams.unwrap() - 20.0).abs() < 1e-9, "{saving:?}");
    let (low, high) = (100.0 * 350.0 / 1_010.0, 100.0 * 450.0 / 990.0);
    assert!((saving.low_percent - low).abs() < 1e-6 && (saving.high_percent - high).abs() < 1e-6, "{saving:?}");
    assert!(
        advice.text.starts_with("CPUs of this machine draw 4.0 W when idle (calibrated 2026-11-29): 400.0 J"),
        "{}",
        advice.text
    );
    let names: Vec<_> = advice.evidence.iter().map(|evidence| (evidence.name, evidence.value)).collect();
    let energy = ("energy of that power over the run (calibrated)", 400.0);
    assert_eq!(names, [("idle power of the CPUs (calibrated)", 4.0), energy]);
    assert_eq!(advice.claim, Claim::AtMost);
    // There is no such topic without a calibration, and the rest stays.
    let without = advised(&report);
    let topics = |suggestions: &Suggestions| suggestions.not_assessed.iter().map(|none| none.topic).collect::<Vec<_>>();
    assert!(!topics(&without).contains(&Topic::IdleMachine) && without.advice.is_empty());
    assert_eq!(topics(&without), topics(&with(&report)));
}

#[test]
fn calibration_that_cannot_be_true_of_the_run_gives_no_advice() {
    let calibration = calibration();
    let reason_of = |report: &Report| {
        let with = advise(report, &AdviceInputs { calibration: Some(&calibration), ..AdviceInputs::default() });
        reason(&with, Topic::IdleMachine)
    };
    // 3.5 W in the run.
    let weak = run(vec![cpu(Some(350 * J))], Vec::new());
    assert!(reason_of(&weak).contains("less than their idle power by the calibration of 2026-11-29 (4.0 W)"));
    assert!(reason_of(&run(vec![cpu(None)], Vec::new())).contains("CPUs is not known"));
    assert!(reason_of(&run(vec![gpu(10.0)], Vec::new())).contains("CPUs is not known"));
    let mut large = run(vec![cpu(Some(600 * J))], Vec::new());
    large.energy = Energy { total_uj: Some(100_000 * J), low_uj: 100_000 * J, ..large.energy };
    assert!(reason_of(&large).contains("less than 1 %"));
}

fn one(suggestions: &Suggestions, topic: Topic) -> Advice {
    suggestions.advice.iter().find(|advice| advice.topic == topic).cloned().unwrap_or_else(|| panic!("{suggestions:?}"))
}

fn reason(suggestions: &Suggestions, topic: Topic) -> String {
    suggestions
        .not_assessed
        .iter()
        .find(|skipped| skipped.topic == topic)
        .map(|skipped| skipped.reason.clone())
        .unwrap()
}

#[test]
fn d16_idle_gpus_save_at_most_their_idle_energy() {
    let suggestions = advised(&run(vec![gpu(300.0)], vec![episode("idle", "GPU-1", 20, 101 * J)]));
    let idle = one(&suggestions, Topic::IdleGpu);
    let saving = idle.saving.unwrap();
    assert_eq!((idle.claim, saving.percent, saving.grams), (Claim::AtMost, 10.1, Some(5.05)));
    // 100 of 1010 J, and 102 of 990 J.
    assert_eq!((saving.low_percent, saving.high_percent), (100.0 * 100.0 / 1010.0, 100.0 * 102.0 / 990.0));
    let figures: Vec<f64> = idle.evidence.iter().map(|evidence| evidence.value).collect();
    assert_eq!(figures, [20.0, 20.0, 101.0, 80.0]);
    assert_eq!(idle.command, "eco2 run -- python 'my train.py' && eco2 compare r last");
}

#[test]
fn d16_power_limit_claims_no_saving_without_a_sweep() {
    let suggestions = advised(&run(vec![gpu(630.0)], vec![episode("power-capped", "GPU-1", 40, 400 * J)]));
    let limit = one(&suggestions, Topic::PowerLimit);
    assert_eq!((limit.claim, limit.saving, suggestions.combined_percent), (Claim::Unknown, None, None));
    let figures: Vec<f64> = limit.evidence.iter().map(|evidence| evidence.value).collect();
    assert_eq!(figures, [700.0, 630.0, 90.0, 40.0, 690.0]);
    assert!(limit.command.starts_with("sudo eco2 optimize --sweep-power-limit -- python"), "{}", limit.command);
}

#[test]
fn power_limit_is_dismissed_only_if_the_gpu_reports_no_throttling_and_stays_below_it() {
    let far = |p99: f64, is_reported: bool| {
        let mut gpu = gpu(140.0);
        gpu.power_w = Some(Quantiles { p50: 140.0, p90: 140.0, p99 });
        gpu.gauges.extend(is_reported.then(|| gauge("throttle_reasons", 0.0)));
        advised(&run(vec![gpu], Vec::new()))
    };
    let text = reason(&far(210.0, true), Topic::PowerLimit);
    assert_eq!(
        text,
        "GPU-1 used 20 % of its limit of 700 W and at most 30 % in 99 % of the time; the limit never reduced its clock"
    );
    let text = reason(&far(210.0, false), Topic::PowerLimit);
    assert!(text.ends_with("whether the limit reduced its clock is not known"), "{text}");
    let at_times = one(&far(690.0, false), Topic::PowerLimit);
    assert!(at_times.text.contains("How long the limit reduced its clock is not known"), "{}", at_times.text);
    assert!(at_times.evidence.iter().all(|evidence| evidence.name != "time held back by the limit"));
}

#[test]
fn pauses_between_readings_are_not_reported_as_absent() {
    let none = advised(&run(vec![gpu(300.0)], Vec::new()));
    assert!(reason(&none, Topic::IdleGpu).contains("too short to see"), "{none:?}");
    let mut brief = episode("idle", "GPU-1", 0, 2 * J);
    brief.high_uj = Some(99 * J);
    let brief = advised(&run(vec![gpu(300.0)], vec![brief]));
    let reason = reason(&brief, Topic::IdleGpu);
    assert!(reason.contains("at most 10.0 %") && !reason.contains("less than"), "{reason}");
    let shown =
        advised(&run(vec![gpu(300.0)], vec![episode("idle", "GPU-1", 20, 101 * J)])).text(&TextStyle::default());
    assert!(shown.contains("at most 10.3 % of the energy"), "{shown}");
}

#[test]
fn combined_saving_is_at_least_the_sum_of_the_upper_bounds() {
    let episodes = vec![episode("idle", "GPU-1", 20, 100 * J), episode("stalled", "", 30, 300 * J)];
    let suggestions = advised(&run(vec![gpu(140.0)], episodes));
    let high = 100.0 * (101.0 + 301.0) / 990.0;
    assert!((suggestions.combined_percent.unwrap() - high).abs() < 1e-9, "{suggestions:?}");
}

/// The words of a command line, split by a shell.
fn words(line: &str) -> Vec<String> {
    let out = std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn commands_are_quoted_for_the_shell_and_name_the_run_as_the_user_did() {
    let report = run(vec![gpu(300.0)], vec![episode("idle", "GPU-1", 20, 101 * J)]);
    let of =
        |typed| one(&advise(&report, &AdviceInputs { run: typed, ..AdviceInputs::default() }), Topic::IdleGpu).command;
    assert!(of("my runs/a.json").ends_with("&& eco2 compare 'my runs/a.json' last"), "{}", of("my runs/a.json"));
    assert!(of("last").ends_with("&& eco2 compare r last"), "`last` will be another run");
    let mut report = report;
    report.run.started_at = "2026-01-01T01:00:00Z".into();
    let csv = "time,my zone\n2026-01-01T00:00Z,400\n2026-01-01T01:00Z,300\n2026-01-01T02:00Z,100\n";
    let series = eco2_grid::Series::parse_csv(csv.as_bytes(), "s.csv", None).unwrap();
    let energy = |since_ns: u64| eco2_core::Bounded::exact(10 * (since_ns / 1_000));
    let pue = eco2_grid::Pue::new(1.5).unwrap();
    let inputs = AdviceInputs {
        calibration: None,
        run: "r",
        course: Some(eco2_grid::EnergyProfile { lasted_ns: 100 * S, energy: &energy, pue }),
        hours: Some(Hours {
            series: &series,
            file: std::path::Path::new("my series.csv"),
            column: "my zone",
            within_ns: 7_200 * S as i64,
        }),
        regions: vec![Region::Column("my zone", &series)],
    };
    let suggestions = advise(&report, &inputs);
    let hour = one(&suggestions, Topic::Hour).command;
    assert_eq!(
        words(&hour)[2..],
        [
            "--series",
            "my series.csv",
            "--zone",
            "my zone",
            "--start",
            "2026-01-01T01:00:00Z",
            "--duration",
            "0.027777777777777776",
            "--within",
            "2",
            "--power",
            "10.0",
            "--pue",
            "1.5"
        ],
        "{hour}"
    );
    assert_eq!(reason(&suggestions, Topic::Region), "my zone is not cleaner: the same");
}

#[test]
fn other_hours_and_zones_are_not_assessed_without_a_measurement() {
    let mut report = run(Vec::new(), Vec::new());
    report.energy.synthetic_uj = 1;
    let regions = || vec![Region::Yearly(Box::new(eco2_grid::lookup("FR").unwrap()))];
    let compared = |report: &Report| advise(report, &AdviceInputs { regions: regions(), ..AdviceInputs::default() });
    let synthetic = compared(&report);
    assert!(synthetic.advice.is_empty() && reason(&synthetic, Topic::Region).contains("synthetic"), "{synthetic:?}");
    (report.energy.synthetic_uj, report.energy.total_uj) = (0, Some(0));
    assert!(reason(&compared(&report), Topic::Hour).contains("no energy"));
}

#[test]
fn d19_sample_counts_do_not_change_advice() {
    // Advice rests on joules, seconds and grams of the run, so counted work changes nothing.
    let mut report =
        run(vec![gpu(630.0)], vec![episode("idle", "GPU-1", 20, 100 * J), episode("stalled", "", 30, 300 * J)]);
    let before = advised(&report);
    report.work = Work { steps: Some(1_000_000), samples: Some(7), tokens: Some(1), ..Work::default() };
    assert_eq!(advised(&report), before);
    let units = before.advice.iter().flat_map(|advice| &advice.evidence).map(|evidence| evidence.unit);
    assert!(units.into_iter().all(|unit| ["s", "J", "W", "%", "1"].contains(&unit)));
}

#[test]
fn d15_no_run_is_ranked_against_an_unmeasured_benchmark() {
    let report = run(vec![gpu(630.0)], vec![episode("idle", "GPU-1", 20, 100 * J)]);
    let suggestions = advised(&report);
    for text in [suggestions.json(), suggestions.text(&TextStyle::default()), eco2_report::json(&report).unwrap()] {
        for word in ["percentile", "benchmark", "rating", "grade"] {
            assert!(!text.to_lowercase().contains(word), "{word}: {text}");
        }
    }
    // A carbon report 1.0 has the key, always without a number.
    let old: serde_json::Value = serde_json::from_str(&eco2_report::hf_json(&report).unwrap()).unwrap();
    assert!(
        old.pointer("/environmental_impact/efficiency_percentile").is_none_or(serde_json::Value::is_null),
        "{old:#}"
    );
    assert_eq!(old.to_string().matches("percentile").count(), 1, "{old:#}");
}

#[test]
fn topics_without_advice_are_listed_with_the_reason() {
    let suggestions = advised(&run(vec![gpu(140.0)], vec![episode("idle", "GPU-1", 2, 5 * J)]));
    assert_eq!((suggestions.advice.len(), suggestions.combined_percent, suggestions.not_assessed.len()), (0, None, 5));
    assert!(reason(&suggestions, Topic::IdleGpu).contains("less than 1 %"));
    assert!(suggestions.text(&TextStyle::default()).contains("No suggestions."));
    let mut short = run(vec![gpu(630.0)], vec![episode("idle", "GPU-1", 5, 500 * J)]);
    short.run.duration_ns = 9 * S;
    assert!(reason(&advised(&short), Topic::IdleGpu).contains("shorter than 10 s"));
    let mut synthetic = run(vec![gpu(630.0)], vec![episode("idle", "GPU-1", 20, 500 * J)]);
    synthetic.energy.synthetic_uj = 1;
    assert!(reason(&advised(&synthetic), Topic::Stalls).contains("synthetic"));
    let nameless = Report { spans: Vec::new(), ..run(Vec::new(), Vec::new()) };
    assert!(reason(&advised(&nameless), Topic::Stalls).contains("name the span of a step"));
}

#[test]
fn energy_without_upper_bound_leaves_the_share_open() {
    let mut report = run(vec![gpu(300.0)], vec![episode("idle", "GPU-1", 20, 100 * J)]);
    report.energy.high_uj = None;
    report.spells[0].high_uj = None;
    let saving = one(&advised(&report), Topic::IdleGpu).saving.unwrap();
    assert_eq!((saving.low_percent, saving.percent, saving.high_percent), (0.0, 10.0, 100.0));
}

#[test]
fn intensities_of_another_kind_are_not_compared() {
    let mut report = run(Vec::new(), Vec::new());
    let regions = || vec![Region::Yearly(Box::new(eco2_grid::lookup("FR").unwrap()))];
    let suggestions = advise(&report, &AdviceInputs { regions: regions(), ..AdviceInputs::default() });
    let region = one(&suggestions, Topic::Region);
    let france = eco2_grid::lookup("FR").unwrap().g_per_kwh;
    assert!((region.saving.unwrap().percent - 100.0 * (1.0 - france / 180_000.0)).abs() < 1e-9);
    report.carbon.as_mut().unwrap().segments[0].kind = Some("marginal-operating".into());
    let suggestions = advise(&report, &AdviceInputs { regions: regions(), ..AdviceInputs::default() });
    assert!(reason(&suggestions, Topic::Region).contains("not compared"), "{suggestions:?}");
}

proptest! {
    #[test]
    fn d16_savings_multiply_and_never_pass_100(shares in prop::collection::vec((0..5usize, 0.0..=100.0_f64), 0..20)) {
        let report = run(vec![gpu(300.0)], vec![episode("idle", "GPU-1", 20, 100 * J)]);
        let template = one(&advised(&report), Topic::IdleGpu);
        let topics = [Topic::IdleGpu, Topic::IdleMachine, Topic::Stalls, Topic::PowerLimit, Topic::Hour, Topic::Region];
        let advice: Vec<Advice> = shares.iter().map(|(topic, percent)| {
            let saving = template.saving.map(|saving| Saving { percent: *percent, high_percent: *percent, ..saving });
            Advice { topic: topics[*topic], saving, ..template.clone() }
        }).collect();
        let combined = combined_percent(&advice);
        prop_assert_eq!(combined.is_none(), shares.is_empty());
        let largest = shares.iter().map(|(_, percent)| *percent).fold(0.0, f64::max);
        let combined = combined.unwrap_or(0.0);
        prop_assert!((0.0..=100.0).contains(&combined) && combined >= largest - 1e-9, "{combined} {largest}");
    }
}
