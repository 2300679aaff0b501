//! Runs side by side: known answers, bounds in words, undominated runs against brute force.

use eco2_core::schema::Report;
use eco2_core::{Component, Quality};
use eco2_grid::carbon::FunctionalUnit;
use eco2_report::{
    Comparison, Increase, Objective, Overlap, TextStyle, compare, comparison_json, comparison_text, increase,
};
use proptest::prelude::*;

use crate::fixture::{bare, kilowatt_hour};

/// A run of one hour with this energy (bounds 1 % off), 100 g/kWh and this number of samples.
fn run(id: &str, kwh: f64, samples: u64) -> Report {
    let mut report = kilowatt_hour(id, None);
    let uj = |kwh: f64| (kwh * 3.6e12).round() as u64;
    (report.energy.total_uj, report.energy.facility_uj) = (Some(uj(kwh)), Some(uj(kwh)));
    (report.energy.low_uj, report.energy.high_uj) = (uj(kwh * 0.99), Some(uj(kwh * 1.01)));
    report.run.name = String::new();
    report.run.duration_ns = 3_600_000_000_000;
    report.work.samples = Some(samples);
    if let Some(carbon) = &mut report.carbon {
        carbon.beside = None;
        (carbon.grams, carbon.low, carbon.high) = (Some(kwh * 100.0), kwh * 99.0, Some(kwh * 101.0));
        carbon.cost = Some(kwh * 0.5);
    }
    report
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn figures_are_per_sample_where_all_have_counted_them() {
    let both = compare(&[run("a", 2.0, 1000), run("b", 3.0, 3000)], None, &[]);
    assert_eq!(both.per, "sample");
    let [a, b] = &both.runs[..] else { panic!() };
    assert!(near(a.energy_kwh.unwrap().value, 0.002) && near(b.energy_kwh.unwrap().value, 0.001));
    assert!(near(a.grams.unwrap().low, 0.198) && near(b.seconds.unwrap(), 1.2) && near(a.cost.unwrap(), 0.001));
    // The run that took more is the one that took less a sample.
    assert_eq!((both.verdicts[0].run_id.as_str(), both.verdicts[0].least_run_id.as_str()), ("a", "b"));
    assert!(near(both.verdicts[0].more_percent.unwrap(), 100.0));
    let whole = compare(&[run("a", 2.0, 1000), run("b", 3.0, 0)], Some(FunctionalUnit::Run), &[]);
    assert!(near(whole.runs[1].energy_kwh.unwrap().value, 3.0));
    let tokens = compare(&[run("a", 2.0, 1000), run("b", 3.0, 0)], None, &[]);
    assert_eq!(tokens.per, "token", "samples were not counted in both");
}

#[test]
fn verdict_states_whether_bounds_overlap() {
    let verdict = |kwh: f64| compare(&[run("a", 1.0, 1), run("b", kwh, 1)], None, &[]).verdicts.remove(0);
    // 1 % either way: 1.01 against 0.99 × 1.03 = 1.0197, and against 0.99 × 1.015 = 1.00485.
    assert_eq!(verdict(1.03).overlap, Overlap::Apart);
    assert!(verdict(1.03).text.contains("outside measurement uncertainty"), "{}", verdict(1.03).text);
    assert_eq!(verdict(1.015).overlap, Overlap::Overlap);
    assert!(verdict(1.015).text.contains("within measurement uncertainty"));
    let mut open = run("a", 1.0, 1);
    open.energy.high_uj = None;
    let unknown = compare(&[open, run("b", 9.0, 1)], None, &[]).verdicts.remove(0);
    assert_eq!(unknown.overlap, Overlap::Unknown);
}

#[test]
fn what_is_not_known_is_null_and_not_the_least() {
    let runs = compare(&[run("a", 2.0, 10), bare()], Some(FunctionalUnit::Sample), &[Objective::Grams]);
    let gone = &runs.runs[1];
    assert_eq!((gone.energy_kwh, gone.grams, gone.undominated), (None, None, None));
    assert_eq!(runs.runs[0].undominated, Some(true));
    assert!(
        runs.verdicts.is_empty() && runs.notes.iter().any(|note| note.contains("the energy of some runs is not known"))
    );
    let json = comparison_json(&runs).unwrap();
    assert!(json.contains("\"schema\": \"eco2.comparison/1\"") && json.contains("\"energy_kwh\": null"));
}

#[test]
fn grams_of_different_kinds_are_noted() {
    let mut other = run("b", 1.0, 1);
    other.carbon.as_mut().unwrap().segments[0].kind = Some("marginal-operating".into());
    let notes = compare(&[run("a", 1.0, 1), other], None, &[]).notes;
    assert!(notes.iter().any(|note| note.contains("kinds of intensity differ")), "{notes:?}");
}

#[test]
fn d15_runs_are_compared_with_each_other_and_with_no_invented_benchmark() {
    let comparison = compare(&[run("a", 2.0, 1000), run("b", 3.0, 3000)], None, &Objective::ALL);
    let json = comparison_json(&comparison).unwrap().to_lowercase();
    let text = comparison_text(&comparison, &TextStyle::default()).to_lowercase();
    for invented in ["percentile", "benchmark", "industry", "tier", "rank", "score"] {
        assert!(!json.contains(invented) && !text.contains(invented), "{invented}");
    }
    assert!(comparison.notes[0].contains("only one run per configuration"));
    // No figure that is not of these runs.
    assert_eq!(comparison.runs.len(), 2);
}

#[test]
fn table_marks_undominated_runs_and_shows_verdicts() {
    let runs = [run("least", 1.0, 100), run("more", 2.0, 100), run("same", 1.005, 100)];
    let comparison = compare(&runs, None, &[Objective::Grams, Objective::Duration]);
    let style = TextStyle { width: 120, ..TextStyle::default() };
    insta::assert_snapshot!(comparison_text(&comparison, &style));
}

#[test]
fn synthetic_runs_are_not_marked_and_kinds_and_currencies_are_never_mixed() {
    let marks = |runs: &[Report], objective| -> Vec<Option<bool>> {
        compare(runs, None, &[objective]).runs.iter().map(|run| run.undominated).collect()
    };
    let mut generated = run("generated", 0.5, 1);
    generated.energy.synthetic_uj = 1;
    assert_eq!(marks(&[run("a", 1.0, 1), generated], Objective::Energy), [Some(true), None]);
    let mut other = run("b", 1.0, 1);
    other.carbon.as_mut().unwrap().segments[0].kind = Some("marginal-operating".into());
    let kinds = [run("a", 2.0, 1), other];
    assert_eq!(marks(&kinds, Objective::Grams), [None, None]);
    assert_eq!(marks(&kinds, Objective::Energy), [Some(false), Some(true)], "no kind is asked of energy");
    let priced = |id: &str, currency: &str| {
        let mut run = run(id, 1.0, 1);
        let mut supplements = crate::fixture::report().carbon.unwrap().beside.unwrap();
        supplements.cost.as_mut().unwrap().currency = Some(currency.into());
        run.carbon.as_mut().unwrap().beside = Some(supplements);
        run
    };
    assert_eq!(marks(&[priced("a", "EUR"), priced("b", "USD")], Objective::Cost), [None, None]);
    assert_eq!(marks(&[priced("a", "EUR"), priced("b", "EUR")], Objective::Cost), [Some(true), Some(true)]);
    let notes = compare(&kinds, None, &[Objective::Grams]).notes;
    assert!(notes.iter().any(|note| note.contains("would be mixed")), "{notes:?}");
}

/// A run of which a model on `host` estimated all energy: from a third of it to three times as much.
fn estimated(id: &str, kwh: f64, host: &str) -> Report {
    let mut report = run(id, kwh, 1);
    let energy = &mut report.energy;
    energy.estimated_uj = energy.total_uj.unwrap();
    (energy.measured_uj, energy.low_uj, energy.high_uj) = (0, energy.estimated_uj / 3, Some(energy.estimated_uj * 3));
    report.run.host.hostname = host.into();
    report.devices = crate::fixture::report().devices;
    report.devices.retain(|device| device.component != Component::Gpu);
    report.devices.iter_mut().for_each(|device| device.quality = Quality::Estimated);
    report
}

/// By how much the ratio of two estimates of one machine may be off: two independent factors of 1.25.
const RESIDUAL: f64 = 1.3711;

#[test]
fn estimated_runs_stay_undominated_unless_the_ranges_are_certain_and_common_error_cancels() {
    let marks = |runs: &[Report]| -> Vec<Option<bool>> {
        let comparison = compare(runs, None, &[Objective::Energy]);
        comparison.runs.iter().map(|run| run.undominated).collect()
    };
    // One model on one machine: the factor of the machine cancels, those of the two loads do not.
    assert_eq!(marks(&[estimated("a", 1.0, "n1"), estimated("b", 1.2, "n1")]), [Some(true), Some(true)], "1.2 < 1.37");
    assert_eq!(marks(&[estimated("a", 1.0, "n1"), estimated("b", 1.4, "n1")]), [Some(true), Some(false)], "1.4 > 1.37");
    // Models of two machines may be wrong by a factor of 3 each: 1.2 / 3 < 1 × 3, but 10 / 3 > 1 × 3.
    assert_eq!(marks(&[estimated("a", 1.0, "n1"), estimated("b", 1.2, "n2")]), [Some(true), Some(true)]);
    assert_eq!(marks(&[estimated("a", 1.0, "n1"), estimated("b", 10.0, "n2")]), [Some(true), Some(false)]);
    assert_eq!(marks(&[run("a", 1.0, 1), estimated("b", 2.0, "n1")]), [Some(true), Some(true)], "2 / 3 < 0.99");
    assert_eq!(marks(&[run("a", 1.0, 1), estimated("b", 4.0, "n1")]), [Some(true), Some(false)]);
    let comparison = compare(&[estimated("a", 1.0, "n1"), estimated("b", 1.5, "n1")], None, &[Objective::Energy]);
    let verdict = &comparison.verdicts[0];
    let (low, high) = (verdict.low_percent.unwrap() / 100.0 + 1.0, verdict.high_percent.unwrap() / 100.0 + 1.0);
    assert!(verdict.is_common_error && (low - 1.5 / RESIDUAL).abs() < 1e-3, "{verdict:?}");
    assert!((high - 1.5 * RESIDUAL).abs() < 1e-3 && verdict.overlap == Overlap::Apart, "{verdict:?}");
    let range =
        "(plausible range 9.41 to 106 %; the error that both estimates share cancels, the rest is in the range)";
    assert!(verdict.text.ends_with(range), "{}", verdict.text);
    let text = comparison_text(&comparison, &TextStyle { width: 200, ..TextStyle::default() });
    assert!(text.contains("b (estimated)"), "{text}");
    let apart = compare(&[estimated("a", 1.0, "n1"), estimated("b", 1.2, "n2")], None, &[]).verdicts.remove(0);
    // 1.2 / 3 of 1 × 3 to 1.2 × 3 of 1 / 3.
    assert!(!apart.is_common_error && apart.overlap == Overlap::Overlap);
    let ends = (apart.low_percent.unwrap(), apart.high_percent.unwrap());
    assert!((ends.0 + 86.67).abs() < 0.01 && (ends.1 - 980.0).abs() < 0.01, "{ends:?}");
}

#[test]
fn only_the_error_of_the_machine_cancels_between_estimates() {
    let more = |base: &Report, run: &Report| {
        let runs = compare(&[base.clone(), run.clone()], None, &[]).runs;
        increase(&runs[1], &runs[0]).unwrap()
    };
    let ends = |found: Increase| (found.low_percent.unwrap() / 100.0 + 1.0, found.high_percent.unwrap() / 100.0 + 1.0);
    let (busy, other) = (estimated("a", 1.0, "n1"), estimated("b", 1.5, "n1"));
    // Equal energies are not exactly equal.
    let (low, high) = ends(more(&busy, &busy));
    assert!((low - 1.0 / RESIDUAL).abs() < 1e-3 && (high - RESIDUAL).abs() < 1e-3, "{low} to {high}");
    // Another load: its range has another shape, which does not cancel either.
    let mut idle = estimated("c", 0.1, "n1");
    (idle.energy.low_uj, idle.energy.high_uj) = (43_200_000_000, Some(1_080_000_000_000));
    let (low, high) = ends(more(&idle, &busy));
    assert!((low - 10.0 / RESIDUAL).abs() < 0.01 && high > 27.0 * RESIDUAL, "{low} to {high}");
    // A GPU of one utilisation draws very different powers: nothing cancels.
    let gpu = |report: &Report| Report { devices: crate::fixture::report().devices, ..report.clone() };
    let mut runs = [gpu(&busy), gpu(&other)];
    runs.iter_mut().flat_map(|run| &mut run.devices).for_each(|device| device.quality = Quality::Estimated);
    let found = more(&runs[0], &runs[1]);
    assert!(!found.is_common_error && ends(found).1 > 10.0, "{found:?}");
    // Half of the energy is measured: that half has no such error. Nothing is estimated: there is no residual.
    let half = |report: &Report| {
        let mut half = report.clone();
        half.energy.measured_uj = half.energy.estimated_uj * 2 / 5;
        half.energy.estimated_uj -= half.energy.measured_uj;
        half
    };
    let (low, high) = ends(more(&half(&busy), &half(&busy)));
    assert!(low > 1.0 / 1.25 && high < 1.25 && high > 1.2, "{low} to {high}");
    // A duration has no error.
    let marks = compare(&[busy, other], None, &[Objective::Duration]).runs;
    assert_eq!(marks.iter().map(|run| run.undominated).collect::<Vec<_>>(), [Some(true), Some(true)], "equally long");
}

fn undominated(comparison: &Comparison) -> Vec<bool> {
    comparison.runs.iter().map(|run| run.undominated == Some(true)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Measured runs of a sweep over batch size, precision and number of GPUs; energy and time of few values, so that ties occur.
    #[test]
    fn undominated_runs_are_those_of_brute_force(
        points in prop::collection::vec((1..5_u64, 1..5_u64, 0..3_usize, 0..3_usize, 0..4_u32), 1..10),
    ) {
        let runs: Vec<Report> = points.iter().enumerate().map(|(at, (kwh, hours, batch, precision, gpus))| {
            let mut run = run(&format!("r{at}"), *kwh as f64, 1);
            run.run.duration_ns = hours * 3_600_000_000_000;
            let labels = [("batch", ["16", "32", "64"][*batch].to_owned()), ("precision", ["fp32", "bf16", "fp8"][*precision].to_owned()),
                ("gpus", 2_u32.pow(*gpus).to_string())];
            run.run.labels = labels.map(|(name, value)| (name.to_owned(), value)).into();
            run
        }).collect();
        let found = undominated(&compare(&runs, Some(FunctionalUnit::Run), &[Objective::Grams, Objective::Duration]));
        let expected: Vec<bool> = points.iter().map(|own| {
            !points.iter().any(|other| other.0 <= own.0 && other.1 <= own.1 && (other.0, other.1) != (own.0, own.1))
        }).collect();
        prop_assert_eq!(found, expected);
    }
}
