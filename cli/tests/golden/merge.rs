//! Merged runs and reports that are priced again.

use serde_json::{Value, json};

use crate::check;
use crate::rig::Rig;
use crate::tape::{Tape, steady};

const S: u64 = 1_000_000_000;

/// One process's record: the package at 20 W and one GPU at 100 W over a stretch of boot time.
struct Part {
    id: &'static str,
    part: &'static str,
    rank: Option<(u32, u32)>,
    attempt: u32,
    gpu: &'static str,
    from_s: u64,
    to_s: u64,
}

const RANK: Part = Part { id: "job", part: "r0", rank: Some((0, 2)), attempt: 0, gpu: "GPU-0", from_s: 100, to_s: 130 };

/// Writes the report of a process: that of a replay, with the process's identity and counters.
fn put(rig: &Rig, part: &Part) -> String {
    let lasted_ms = (part.to_s - part.from_s) * 1_000;
    let tape = Tape::of(lasted_ms)
        .domain("package-0 component=cpu kind=energy unit=uJ max_w=100")
        .domain(&format!("{} component=gpu kind=energy unit=uJ max_w=700", part.gpu))
        .spans("step", &[(0, lasted_ms / 2), (lasted_ms / 2, lasted_ms)])
        .poll("package-0", (0, lasted_ms + 100, 100), steady(20, 100))
        .poll(part.gpu, (0, lasted_ms + 100, 100), steady(100, 100));
    rig.put("trace.csv", &tape.text());
    let at_s = part.from_s;
    let words =
        format!("replay trace.csv --started-at 2026-03-01T12:{:02}:{:02}Z --zone DE --json -", at_s / 60, at_s % 60);
    let mut report: Value = serde_json::from_str(&rig.eco2(&words).out).unwrap();
    let run = &mut report["run"];
    run["id"] = part.id.into();
    run["part"] = part.part.into();
    run["name"] = "train".into();
    run["attempt"] = part.attempt.into();
    run["boot_ns"] = json!([part.from_s * S, part.to_s * S]);
    run["host"] = json!({"boot_id": "b0", "hostname": "node7", "kernel": "6.1"});
    if let Some((rank, world)) = part.rank {
        (run["rank"], run["world_size"]) = (rank.into(), world.into());
    }
    report["work"]["steps"] = 10.into();
    report["work"]["samples"] = 320.into();
    report["counters"] =
        [("package-0", 20), (part.gpu, 100)].map(|(id, watts)| counter(part, id, watts)).into_iter().collect();
    let name = format!("{}-{}.json", part.part, part.from_s);
    rig.put(&name, &report.to_string());
    name
}

fn counter(part: &Part, id: &str, watts: u64) -> Value {
    let at_ns: Vec<u64> = (part.from_s..=part.to_s).step_by(5).map(|at| at * S).collect();
    let uj: Vec<u64> = at_ns.iter().map(|at| (at - part.from_s * S) / 1_000 * watts).collect();
    let stretch = json!({
        "quality": "measured", "at_ns": at_ns, "uj": uj, "slack_ns": 1_000_000,
        "below_uj": 20_000, "above_uj": 30_000, "free_below_uj": 25_000, "free_above_uj": 40_000,
    });
    json!({"boot_id": "b0", "device": id, "stretches": [stretch]})
}

fn merged(name: &str, parts: &[Part]) {
    let rig = Rig::bare();
    let files: Vec<String> = parts.iter().map(|part| put(&rig, part)).collect();
    let ran = rig.eco2(&format!("merge {} --json", files.join(" ")));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{name}");
    check::json(name, &ran.out, &[]);
}

#[test]
fn two_ranks_that_share_a_package() {
    let second = Part { part: "r1", rank: Some((1, 2)), gpu: "GPU-1", from_s: 105, to_s: 135, ..RANK };
    merged("merge_ranks", &[RANK, second]);
}

#[test]
fn a_restart_within_the_command_around_it() {
    let alone = Part { rank: Some((0, 1)), ..RANK };
    let again = Part { rank: Some((0, 1)), part: "r0b", attempt: 1, from_s: 150, to_s: 170, ..RANK };
    let command = Part { part: "command", rank: None, from_s: 95, to_s: 175, ..RANK };
    merged("merge_restart", &[alone, again, command]);
}

#[test]
fn one_record_twice_and_a_longer_one_of_the_same_counters() {
    let agent = Part { part: "agent", rank: None, from_s: 90, to_s: 140, ..RANK };
    merged("merge_doubled", &[RANK, RANK, agent]);
}

/// A report with counters, priced again by flags.
fn priced(name: &str, flags: &str) {
    let rig = Rig::bare();
    let file = put(&rig, &Part { rank: None, ..RANK });
    rig.put(
        "series.csv",
        "# source=Test grid\ntime,gco2e_per_kwh\n2026-03-01T12:00Z,100\n2026-03-01T12:01Z,200\n2026-03-01T12:02Z,400\n",
    );
    rig.put("prices.csv", "# unit=EUR/MWh\ntime,price_per_kwh\n2026-03-01T12:00Z,100\n2026-03-01T12:02Z,300\n");
    let ran = rig.eco2(&format!("report {file} --json {flags}"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{name}");
    check::json(name, &ran.out, &["carbon.repriced_from.sha256"]);
}

#[test]
fn priced_again_for_another_zone_and_facility() {
    priced("reprice_zone", "--zone FR --pue 1.5");
}

#[test]
fn priced_again_by_a_series_over_time() {
    priced("reprice_series", "--intensity-series series.csv");
}

#[test]
fn priced_again_in_money() {
    priced("reprice_tariff", "--zone DE --tariff-series prices.csv --carbon-price 50");
}

#[test]
fn summed_by_a_label_and_compared() {
    let rig = Rig::bare();
    let parts = [RANK, Part { id: "other", part: "p", rank: None, from_s: 200, to_s: 225, ..RANK }];
    let files = parts.map(|part| put(&rig, &Part { rank: None, ..part }));
    for (file, team) in files.iter().zip(["nlp", "vision"]) {
        let mut report: Value = serde_json::from_str(&std::fs::read_to_string(rig.path(file)).unwrap()).unwrap();
        report["run"]["labels"] = json!({"team": team});
        rig.put(file, &report.to_string());
    }
    let files = files.join(" ");
    check::json("group", &rig.eco2(&format!("report {files} --by team --json")).out, &[]);
    check::text("compare", &rig.eco2(&format!("compare {files}")).out);
}
