//! Statements about several runs: the methods paragraph, the checklist of compute resources, and the EU model documentation.
//! Values are calculated by hand.

use eco2_core::RangeKind;
use eco2_core::schema::Report;
use eco2_report::{Error, compute_checklist, gpai, methods, methods_of};

use crate::fixture::{bare, kilowatt_hour};

/// A run of a given energy, in kilowatt-hours, that lasted two hours with one GPU and one CPU package.
fn run(id: &str, lr: &str, kwh: f64) -> Report {
    let mut report = kilowatt_hour(id, None);
    let uj = (kwh * 3.6e12) as u64;
    report.run.labels.insert("lr".into(), lr.into());
    report.run.duration_ns = 7_200_000_000_000;
    report.run.boot_ns = Some([0, 7_200_000_000_000]);
    (report.run.started_at, report.run.ended_at) = ("2026-01-02T03:00:00Z".into(), "2026-01-02T05:00:00Z".into());
    report.merge = None;
    report.energy.total_uj = Some(uj);
    (report.energy.low_uj, report.energy.high_uj) = (uj - uj / 10, Some(uj + uj / 10));
    (report.energy.free_low_uj, report.energy.free_high_uj) = (report.energy.low_uj, report.energy.high_uj);
    (report.energy.measured_uj, report.energy.facility_uj) = (uj, Some(uj));
    report.energy.range_kind = Some(RangeKind::Hard);
    let carbon = report.carbon.as_mut().unwrap();
    (carbon.grams, carbon.low, carbon.high) = (Some(56.0 * kwh), 50.4 * kwh, Some(61.6 * kwh));
    (carbon.beside, carbon.embodied, carbon.sci, carbon.cost) = (None, None, None, None);
    carbon.segments[0].energy_uj = uj;
    report
}

/// The text with ordinary spaces.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

#[test]
fn paragraph_about_several_runs_has_their_sum_and_the_means_of_repeats_by_hand() {
    let runs = [run("a", "1e-3", 1.0), run("b", "1e-3", 1.2), run("c", "3e-4", 2.0)];
    let text = plain(&methods_of(&runs, Some("lr")).unwrap());
    assert_eq!(text.lines().count(), 1);
    // 1 + 1.2 + 2 kWh; 3 runs of 2 h with one GPU.
    assert!(text.starts_with("3 runs took 6 h 00 min in total on 1 × AMD EPYC, 1 × NVIDIA H200 (6.00 GPU-hours) and used 4.20 kWh (± 10 %)."), "{text}");
    // Mean 1.1, standard deviation 0.1414, t(1) = 12.706: 1.1 ± 1.2706, and no energy is below 0.
    assert!(text.contains("1e-3: 1.10 kWh (0–2.38 kWh, 2 runs); 3e-4: 2.00 kWh (1 run)."), "{text}");
    assert!(text.contains("95 % confidence interval of the mean"), "{text}");
    // 4.2 kWh × 56 g.
    assert!(text.contains("56.0 gCO₂e/kWh (FR; ") && text.contains("emissions of 235 g CO₂e (± 10 %)."), "{text}");
    assert!(text.contains("The range holds for every load") && text.contains("100 % from energy counters"), "{text}");
    assert!(
        text.contains("Storage, network and cooling are not included") || text.contains("Memory, storage"),
        "{text}"
    );

    let text = plain(&methods_of(&runs, None).unwrap());
    assert!(
        text.contains("One run used 1.00–2.00 kWh, 1.40 kWh on average.") && !text.contains("confidence"),
        "{text}"
    );
    assert_eq!(methods_of(&runs[..1], None).unwrap(), methods(&runs[0]).unwrap());
}

#[test]
fn paragraph_does_not_add_emissions_of_different_kinds_and_counts_runs_without_them() {
    let mut marginal = run("b", "1", 1.0);
    marginal.carbon.as_mut().unwrap().segments[0].kind = Some("marginal".into());
    let text = methods_of(&[run("a", "1", 1.0), marginal], None).unwrap();
    assert!(text.contains("Emissions are not summed") && !text.contains("this corresponds"), "{text}");
    let mut unpriced = run("b", "1", 1.0);
    unpriced.carbon = None;
    let text = plain(&methods_of(&[run("a", "1", 1.0), unpriced.clone()], None).unwrap());
    assert!(text.contains("One run is without emissions and not in this sum.") && text.contains("at least"), "{text}");
    assert!(matches!(methods_of(&[unpriced], None), Err(Error::NoGrams { .. })));
    assert!(methods_of(&[], None).is_err());
}

#[test]
fn runs_of_one_counter_at_the_same_time_are_not_added_twice() {
    // The same record twice is one run.
    let text = plain(&methods_of(&[run("a", "1", 1.0), run("a", "1", 1.0)], None).unwrap());
    assert!(text.starts_with("Training ran for 2 h 00 min") && text.contains("1.00 kWh"), "{text}");
}

#[test]
fn a_group_without_measured_runs_has_the_reason_in_place_of_a_mean() {
    let mut estimated = run("b", "2", 1.0);
    (estimated.energy.measured_uj, estimated.energy.estimated_uj) = (0, estimated.energy.measured_uj);
    let text = plain(&methods_of(&[run("a", "1", 1.0), estimated], Some("lr")).unwrap());
    assert!(text.contains("2: not known") && text.contains("One run is in no mean (it is estimated"), "{text}");
}

#[test]
fn checklist_has_the_runs_of_the_paper_and_of_the_whole_project() {
    let paper = [run("a", "1e-3", 1.0), run("b", "3e-4", 2.0)];
    let mut failed = run("c", "1e-3", 3.0);
    failed.run.exit_code = Some(1);
    let text = plain(&compute_checklist(&paper, Some("lr"), &[paper.to_vec(), vec![failed]].concat(), "3 stored runs"));
    for line in [
        "- Compute workers: 1 × AMD EPYC, 1 × NVIDIA H200",
        "- Runs in the paper: 2 runs, 4 h 00 min, 4.00 GPU-hours, 3.00 kWh (± 10 %)",
        "- One run: 2.00 h, at most 2.00 GPU-hours, 1.00–2.00 kWh",
        "- Repeats: by lr: 1e-3: 1 run, 3e-4: 1 run",
        "- All runs, with preliminary ones: 3 stored runs, 6 h 00 min, 6.00 GPU-hours, 6.00 kWh (± 10 %); of these 1 failed: \
         2 h 00 min, 2.00 GPU-hours, 3.00 kWh (± 10 %)",
        "- Range of the energy: hard: contains the true value whatever the load did",
        "- Basis of the energy: 100 % from sensors",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let alone = compute_checklist(&paper, None, &paper, "2 stored runs");
    assert!(alone.contains("none of them failed") && alone.contains("--by LABEL"), "{alone}");
}

#[test]
fn gpai_has_megawatt_hours_days_and_operations_by_hand() {
    let runs = [200.0, 1000.0].map(|kwh| {
        let mut report = run(if kwh > 500.0 { "b" } else { "a" }, "1", kwh);
        report.work.extra.insert("total_flos".into(), 1e18 * kwh);
        report.energy.facility_uj = report.energy.total_uj.map(|uj| uj / 10 * 11);
        report.energy.pue = 1.1;
        report
    });
    let text = gpai(&runs).unwrap();
    let row = |name: &str| {
        let found = text.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap_or_default();
        plain(found.trim_start_matches(&format!("| {name} |")).trim_end_matches('|').trim())
    };
    // 1.2 MWh × 1.1; low 1.08 × 1.1 = 1.188, high 1.32 × 1.1 = 1.452.
    assert_eq!(row("Amount of energy used for training"), "1.3x10^0 MWh (1.1x10^0 to 1.5x10^0 MWh; measured)");
    // Both ran from 03:00 to 05:00: 2 h on the clock, 2 × 2 h of a GPU.
    assert_eq!(row("Training time"), "8.3x10^-2 wall-clock days, 1.7x10^-1 GPU-days");
    assert!(
        row("Amount of computation used for training").starts_with("1.2x10^21 FLOP (order of magnitude 10^21;"),
        "{text}"
    );
    // 1200 kWh × 3.6e6 J / 1.2e21 = 3.6e-12 J.
    assert_eq!(row("Energy per computation"), "3.60 pJ per FLOP, without the facility's overhead");
    assert!(row("Methodology of the energy").contains("declared PUE of 1.1"), "{text}");
    assert!(text.contains("As of 2026-01-02; not checked against the form."), "{text}");
    let nothing = gpai(&[bare()]).unwrap();
    assert!(
        nothing.contains("| N/A: no energy was read or estimated |") && nothing.contains("| N/A: no run reported"),
        "{nothing}"
    );
}
