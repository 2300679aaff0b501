//! The page of a comparison, with repeats, an estimated run that is left out, and hostile labels; and the other formats of a comparison.

use eco2_core::schema::Report;
use eco2_grid::carbon::FunctionalUnit;
use eco2_report::{
    Comparison, compare, compare_by, comparison_csv, comparison_html, comparison_json, comparison_latex,
    comparison_markdown,
};

use crate::fixture::{bare, kilowatt_hour};

/// Returns a run of a sweep over precision and learning rate.
fn run(id: &str, precision: &str, lr: &str, kwh: f64, minutes: f64, loss: f64) -> Report {
    let mut report = kilowatt_hour(id, None);
    let uj = |kwh: f64| (kwh * 3.6e12) as u64;
    let energy = &mut report.energy;
    (energy.total_uj, energy.low_uj, energy.high_uj) = (Some(uj(kwh)), uj(kwh * 0.98), Some(uj(kwh * 1.02)));
    (energy.measured_uj, energy.estimated_uj, energy.derived_uj) = (uj(kwh), 0, 0);
    report.run.name = "train.py".into();
    report.run.duration_ns = (minutes * 6e10) as u64;
    report.run.labels = [("precision", precision), ("lr", lr), ("model", "vit-l/16")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    report.work.loss = Some(loss);
    if let Some(carbon) = &mut report.carbon {
        (carbon.grams, carbon.low, carbon.high) = (Some(kwh * 340.0), kwh * 333.0, Some(kwh * 347.0));
    }
    report
}

/// Returns the runs: two precisions by two learning rates, three of them repeated.
fn sweep() -> Vec<Report> {
    let mut runs = vec![
        run("a1", "fp8", "3e-4", 7.94, 103.0, 2.73),
        run("a2", "fp8", "3e-4", 8.01, 103.4, 2.72),
        run("a3", "fp8", "3e-4", 7.96, 102.8, 2.74),
        run("b1", "fp8", "1e-3", 7.99, 104.0, 2.69),
        run("b2", "fp8", "1e-3", 8.11, 104.8, 2.70),
        run("c1", "bf16", "3e-4", 10.62, 134.0, 2.71),
        run("c2", "bf16", "3e-4", 10.55, 133.0, 2.72),
        run("c3", "bf16", "3e-4", 10.7, 135.0, 2.70),
        run("d1", "bf16", "1e-3", 10.9, 136.0, 2.65),
    ];
    let mut estimated = run("e1", "bf16", "3e-4", 9.1, 140.0, 2.7);
    (estimated.energy.measured_uj, estimated.energy.estimated_uj) = (0, estimated.energy.total_uj.unwrap());
    runs.push(estimated);
    runs
}

fn by(labels: &[&str], runs: &[Report]) -> Comparison {
    let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    compare_by(runs, Some(FunctionalUnit::Run), &[], &labels)
}

#[test]
fn repeats_have_a_mean_and_an_interval_and_one_run_has_none() {
    let comparison = by(&["precision", "lr"], &sweep());
    let groups = &comparison.grouping.as_ref().unwrap().groups;
    let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
    assert_eq!(labels, ["fp8, 3e-4", "fp8, 1e-3", "bf16, 3e-4", "bf16, 1e-3"], "the least energy first");
    let first = groups[0].energy_kwh;
    assert!((first.mean.unwrap() - 7.97).abs() < 1e-6 && first.count == 3);
    // Standard deviation 0.03606, t(2) = 4.303: half-width 0.0896.
    assert!((first.high.unwrap() - first.mean.unwrap() - 0.0896).abs() < 1e-3, "{first:?}");
    assert_eq!(groups[1].more.unwrap().is_within_variation(), Some(true), "8.05 of 7.99 and 8.11 may be chance");
    assert_eq!(groups[2].more.unwrap().is_within_variation(), Some(false));
    assert_eq!((groups[3].energy_kwh.low, groups[3].more.unwrap().is_within_variation()), (None, None));
    assert_eq!(groups[2].left_out.len(), 1, "the estimated run");
    assert!(groups[2].left_out[0].why.contains("estimated"));
}

#[test]
fn page_of_a_comparison() {
    let page = comparison_html(&by(&["precision", "lr"], &sweep()));
    std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/compare.html"), &page).unwrap();
    assert!(page.len() < 80_000, "{} bytes", page.len());
    insta::assert_snapshot!(super::words(&page));
    super::assert_policy(&page);
}

#[test]
fn page_of_runs_without_groups_shows_each_run() {
    let mut runs = sweep();
    runs.push(bare());
    let page = comparison_html(&compare(&runs, Some(FunctionalUnit::Run), &[]));
    for words in ["train.py (a1)", "one run only: measurement uncertainty, no CI", "not measured"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn tables_of_a_comparison() {
    let comparison = by(&["precision", "lr"], &sweep()[..6]);
    insta::assert_snapshot!(comparison_markdown(&comparison));
    insta::assert_snapshot!(comparison_latex(&comparison));
    insta::assert_snapshot!(comparison_csv(&comparison).unwrap());
    assert!(comparison_json(&comparison).unwrap().contains("\"confidence_percent\": 95.0"));
}

#[test]
fn hostile_labels_are_text_in_every_format() {
    let hostile = "=1+1</script><script>alert(1)</script> \\input{x} $y$ |\u{1b}[2J";
    let mut runs = sweep();
    runs[0].run.labels.insert("lr".into(), hostile.into());
    runs[1].run.name = hostile.into();
    runs[2].run.labels.insert(hostile.into(), hostile.into());
    let comparison = by(&["lr"], &runs);
    let page = comparison_html(&comparison);
    assert!(!page.contains("<script>alert") && page.matches("<script").count() == 3, "markup from a label");
    assert!(!comparison_latex(&comparison).contains("\\input") && !comparison_latex(&comparison).contains("$y$"));
    let markdown = comparison_markdown(&comparison);
    let markup = markdown.replace("\\<", "").replace("\\$", "");
    assert!(!markup.contains(['<', '$']), "{markdown}");
    let csv = comparison_csv(&comparison).unwrap();
    assert!(!csv.contains(",=1") && !csv.contains(",\"=1"), "{csv}");
    for text in [page, markdown, csv, comparison_latex(&comparison)] {
        assert!(!text.contains('\u{1b}'));
    }
}
