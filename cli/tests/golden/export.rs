//! Every format of one report.

use crate::check;
use crate::rig::Rig;
use crate::tape::{Tape, steady};

/// A priced run with spans, work and an overlapping domain.
fn rig() -> Rig {
    let rig = Rig::bare();
    let tape = Tape::of(4_000)
        .domain("package-0 component=cpu kind=energy unit=uJ domain=package max_w=150 name=CPU")
        .domain("core-0 component=cpu kind=energy unit=uJ domain=core parent=package-0")
        .domain("dram-0 component=memory kind=energy unit=uJ domain=dram range=65536000")
        .domain("GPU-1 component=gpu kind=energy unit=mJ domain=board max_w=700 name=NVIDIA%20H200")
        .spans("epoch", &[(0, 4_000)])
        .spans("step", &[(0, 1_000), (1_000, 2_000), (2_000, 3_000), (3_000, 4_000)])
        .poll("package-0", (0, 4_100, 10), steady(60, 10))
        .poll("core-0", (0, 4_100, 10), steady(45, 10))
        .poll("dram-0", (0, 4_100, 10), steady(9, 10))
        .poll("GPU-1", (0, 4_100, 20), |at| Some(at / 100 * 100 * 400));
    rig.put("trace.csv", &tape.text());
    let words = "replay trace.csv --started-at 2026-03-01T12:00:00Z --zone DE --pue 1.2 --price-per-kwh 0.3 --currency EUR \
        --embodied 900:1000:1200 --functional-unit run --wue 1.8 --ewif 3 --name train --label team=nlp --json report.json";
    let ran = rig.eco2(&words.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let path = rig.path("report.json");
    let mut report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    report["work"]["steps"] = 4.into();
    report["work"]["samples"] = 128.into();
    report["run"]["host"] = serde_json::json!({"boot_id": "b0", "hostname": "node7", "kernel": "6.1"});
    rig.put("report.json", &report.to_string());
    rig
}

#[test]
fn every_format_of_one_report() {
    let rig = rig();
    for format in ["hf-json", "hf", "boamps", "sci", "summary", "scope2", "ai-act"] {
        let ran = rig.eco2(&format!("report report.json --format {format}"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
        match serde_json::from_str::<serde_json::Value>(&ran.out) {
            Ok(_) => check::json(&format!("export_{format}"), &ran.out, &[]),
            Err(_) => check::text(&format!("export_{format}"), &ran.out),
        }
    }
    for format in ["text", "csv", "spans-csv", "codecarbon", "openmetrics", "openmetrics-hf", "methods"] {
        let ran = rig.eco2(&format!("report report.json --format {format}"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
        check::text(&format!("export_{format}"), &ran.out);
    }
}
