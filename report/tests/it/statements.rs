//! Statements about several runs: the methods paragraph, the checklist of compute resources, and the EU model documentation.
//! Values are calculated by hand.

use eco2_core::schema::{Embodied, Merge, RecordEnding, Report, State, Supplements};
use eco2_core::{Quality, RangeKind};
use eco2_report::{Error, Scope, compute_checklist, esg_csv, gpai, in_scope, methods, methods_of, model_card};

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
    assert_eq!(row("Training time"), "less than 1 month; 8.3x10^-2 wall-clock days, 1.7x10^-1 GPU-days");
    assert_eq!(row("Amount of computation used for training"), "1.2x10^21 FLOP (order of magnitude 10^21)");
    assert!(row("Measurement methodology (computation for training)").contains("model size and tokens"), "{text}");
    // 1200 kWh × 3.6e6 J / 1.2e21 = 3.6e-12 J.
    assert_eq!(
        row("Energy per computation (no item of the form)"),
        "3.60 pJ per FLOP, without the facility's overhead"
    );
    assert!(row("Measurement methodology (energy)").contains("declared PUE of 1.1"), "{text}");
    assert!(text.contains("As of 2026-01-02; not checked against the form itself: "), "{text}");
    let nothing = gpai(&[bare()]).unwrap();
    assert!(
        nothing.contains("| N/A: no energy was read or estimated |") && nothing.contains("| N/A: no run reported"),
        "{nothing}"
    );
}

/// The run with a PUE.
fn with_pue(run: Report, pue: f64) -> Report {
    let mut run = run;
    run.energy.facility_uj = run.energy.total_uj.map(|uj| (uj as f64 * pue) as u64);
    run.energy.pue = pue;
    run
}

#[test]
fn an_energy_of_zero_has_the_quality_of_its_devices() {
    let of = |quality: Quality| {
        let mut report = run("a", "1", 0.0);
        report.devices.iter_mut().for_each(|device| device.quality = quality);
        report
    };
    let basis = |report: &Report| {
        ["measured", "not known", "estimated", "synthetic"]
            .into_iter()
            .find(|word| gpai(std::slice::from_ref(report)).unwrap().contains(&format!("; {word}) |")))
    };
    assert_eq!(
        [Quality::Measured, Quality::Derived, Quality::Estimated, Quality::Synthetic]
            .map(|quality| basis(&of(quality))),
        [Some("measured"), Some("measured"), Some("estimated"), Some("synthetic")]
    );
    let text = methods(&of(Quality::Estimated)).unwrap();
    assert!(text.contains("No energy sensor was available"), "{text}");
    let text = methods(&of(Quality::Measured)).unwrap();
    assert!(!text.contains(": .") && !text.contains("an estimated"), "{text}");
    let list = [of(Quality::Measured)];
    assert!(compute_checklist(&list, None, &list, "1 run").contains("- Basis of the energy: measured\n"));
}

#[test]
fn runs_without_a_recorded_end_are_stated_and_are_in_no_mean() {
    let mut killed = run("k", "1e-3", 9.0);
    (killed.run.state, killed.run.exit_code) = (State::Provisional, None);
    killed.run.end = Some(RecordEnding::Open);
    let mut raised = run("r", "1e-3", 2.0);
    raised.run.exit_code = None;
    let runs = [run("a", "1e-3", 1.0), raised, killed];
    let text = compute_checklist(&runs, None, &runs, "3 runs");
    assert!(text.contains("; of these 1 not ended; 1 without a known end\n"), "{text}");
    assert!(plain(&text).contains("1.00–2.00 kWh (2 of 3 runs;"), "{text}");
    let text = plain(&methods_of(&runs, None).unwrap());
    assert!(text.contains("The end of 1 of the 3 runs is not recorded"), "{text}");
    assert!(text.contains("One run used 1.00–2.00 kWh, 1.50 kWh on average (2 of 3 runs;"), "{text}");
    let text = plain(&methods_of(&runs, Some("lr")).unwrap());
    assert!(text.contains("2 runs). One run is in no mean (it is provisional: its values may still grow)."), "{text}");
    for text in [gpai(&runs[2..]), methods(&runs[2]), model_card(&runs[2])].map(Result::unwrap) {
        assert!(text.contains("end of the run is not recorded"), "{text}");
    }
    assert!(!model_card(&runs[0]).unwrap().contains("recorded"));
}

#[test]
fn a_mean_of_known_runs_has_their_number_and_equal_runs_have_no_range() {
    let mut unknown = run("b", "1", 1.0);
    unknown.energy.total_uj = None;
    let text = plain(&methods_of(&[run("a", "1", 1.0), unknown], None).unwrap());
    assert!(text.contains("One run used 1.00 kWh (1 of 2 runs;"), "{text}");
    let text = plain(&methods_of(&[run("a", "1", 1.0), run("b", "1", 1.0)], None).unwrap());
    assert!(text.contains("One run used 1.00 kWh."), "{text}");
}

#[test]
fn the_part_of_the_command_is_stated_if_that_of_the_first_run_is_not_known() {
    let of_command = |id: &str, is_known: bool| {
        let mut report = run(id, "1", 2.0);
        let job = report.attribution.as_mut().unwrap();
        (job.command_uj, job.idle_uj, job.others_uj) = (3_600_000_000_000, 3_600_000_000_000, 0);
        job.unattributed_uj = 0;
        if !is_known {
            (job.command_uj, job.idle_uj, job.unattributed_uj) = (0, 0, 7_200_000_000_000);
        }
        in_scope(&report, Scope::Command).into_owned()
    };
    let runs = [of_command("a", false), of_command("b", true)];
    for text in [methods_of(&runs, None), gpai(&runs)].map(Result::unwrap) {
        assert!(text.contains("part of the machine's energy that is attributed to the training"), "{text}");
    }
}

#[test]
fn hours_of_a_device_that_runs_had_at_the_same_time_count_once() {
    let at = |id: &str, from_h: u64| {
        let mut report = run(id, "1", 1.0);
        report.run.host.boot_id = "boot".into();
        let from_ns = from_h * 3_600_000_000_000;
        report.run.boot_ns = Some([from_ns, from_ns + 7_200_000_000_000]);
        report
    };
    // 0–2 h and 1–3 h on one GPU.
    let text = plain(&methods_of(&[at("a", 0), at("b", 1)], None).unwrap());
    assert!(text.contains("(3.00 GPU-hours)") && text.contains("on one machine at the same time"), "{text}");
    let text = plain(&methods_of(&[at("a", 0), at("b", 2)], None).unwrap());
    assert!(text.contains("(4.00 GPU-hours)") && !text.contains("at the same time"), "{text}");
}

#[test]
fn declared_pues_are_listed_and_cooling_is_left_out_if_one_run_has_none() {
    let runs = [with_pue(run("a", "1", 1.0), 1.5), with_pue(run("b", "1", 1.0), 1.2)];
    let text = plain(&methods_of(&runs, None).unwrap());
    assert!(text.contains("(PUE 1.2 and 1.5 as declared)") && text.contains("a PUE of 1.2 and 1.5 ("), "{text}");
    assert!(!text.contains("cooling"), "{text}");
    assert!(gpai(&runs).unwrap().contains("declared PUE of 1.2 and 1.5."));
    let runs = [with_pue(run("a", "1", 1.0), 1.5), run("b", "1", 1.0)];
    let text = plain(&methods_of(&runs, None).unwrap());
    assert!(text.contains("(PUE 1.5 in 1 of 2 runs as declared)") && text.contains("and cooling"), "{text}");
}

#[test]
fn idle_energy_of_several_runs_is_that_of_the_runs_that_know_it() {
    let mut restarted = run("a", "1", 1.0);
    let parts = vec![restarted.clone()];
    restarted.merge = Some(Merge { overhead_uj: Some(3_600_000_000_000), parts, ..Merge::default() });
    let text = plain(&methods_of(&[restarted, run("b", "1", 1.0)], None).unwrap());
    assert!(
        text.contains("idle provisioned 1.00 kWh (before, between and after the attempts, known for 1 of 2 runs)"),
        "{text}"
    );
}

#[test]
fn different_service_lives_are_listed() {
    let of = |id: &str, life_years: f64| {
        let mut report = run(id, "1", 1.0);
        let embodied = Embodied { life_years, ..report_embodied() };
        let beside = Supplements { embodied: Some(embodied), ..Supplements::default() };
        report.carbon.as_mut().unwrap().beside = Some(Box::new(beside));
        report
    };
    let text = methods_of(&[of("a", 4.0), of("b", 6.0)], None).unwrap();
    assert!(text.contains("4 and 6 years"), "{text}");
}

#[test]
fn an_unknown_part_of_the_command_is_not_the_whole_machine() {
    let report = Report { attribution: None, ..run("a", "1", 1.0) };
    let text = gpai(&[in_scope(&report, Scope::Command).into_owned()]).unwrap();
    assert!(text.contains("attributed to the training is not known.") && !text.contains("whole machine"), "{text}");
    let text = gpai(&[report]).unwrap();
    assert!(text.contains("energy of the whole machine"), "{text}");
}

/// The embodied emissions of the full fixture.
fn report_embodied() -> Embodied {
    crate::fixture::report().carbon.unwrap().beside.unwrap().embodied.unwrap()
}

#[test]
fn gpai_warns_of_generated_energy_has_no_day_of_1970_and_one_order_of_magnitude() {
    let mut report = run("a", "1", 1.0);
    (report.energy.synthetic_uj, report.energy.measured_uj) = (report.energy.measured_uj, 0);
    (report.run.started_at, report.run.ended_at) = ("1970-01-01T00:00:00Z".into(), "1970-01-01T02:00:00Z".into());
    report.work.extra.insert("total_flos".into(), 9.96e18);
    let list = [report];
    let checklist = compute_checklist(&list, None, &list, "1 run");
    assert!(checklist.contains("- Range of the energy: none: the energy was generated"), "{checklist}");
    let text = gpai(&list).unwrap();
    assert!(text.starts_with("SYNTHETIC: ") && !text.contains("1970"), "{text}");
    assert!(text.contains("1.0x10^19 FLOP (order of magnitude 10^19)"), "{text}");
}

/// The rows of a table as maps.
fn rows(table: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head: Vec<String> =
        reader.headers().unwrap().iter().map(|name| name.split(" (").next().unwrap().to_owned()).collect();
    reader.records().map(|row| head.iter().cloned().zip(row.unwrap().iter().map(str::to_owned)).collect()).collect()
}

#[test]
fn electricity_and_scope_2_by_month_and_site_are_by_hand() {
    let market = |instrument: &str, grams: f64| eco2_core::schema::Market {
        grams: Some(grams),
        low: grams,
        high: Some(grams),
        g_per_kwh: grams,
        instrument: instrument.into(),
    };
    let in_month = |id: &str, site: &str, day: &str, contract: Option<f64>| {
        let mut report = run(id, "1", 1.0);
        report.run.labels.insert("site".into(), site.into());
        report.run.started_at = format!("{day}T03:00:00Z");
        report.energy.facility_uj = report.energy.total_uj.map(|uj| uj / 10 * 15);
        report.energy.pue = 1.5;
        let beside = contract.map(|grams| {
            Box::new(eco2_core::schema::Supplements { market: Some(market("PPA", grams)), ..Default::default() })
        });
        report.carbon.as_mut().unwrap().beside = beside;
        report
    };
    let runs = [
        in_month("a", "lyon", "2026-01-02", Some(3.0)),
        in_month("b", "lyon", "2026-01-31", Some(6.0)),
        in_month("c", "lyon", "2026-02-01", None),
        in_month("d", "paris", "2026-01-02", None),
    ];
    let table = rows(&esg_csv(&runs, Some("site")).unwrap());
    let keys: Vec<_> =
        table.iter().map(|row| (row["month"].as_str(), row["site"].as_str(), row["runs"].as_str())).collect();
    assert_eq!(keys, [("2026-01", "lyon", "2"), ("2026-01", "paris", "1"), ("2026-02", "lyon", "1")]);
    let number = |row: usize, name: &str| table[row][name].parse::<f64>().ok();
    let near =
        |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?} {expected}");
    // Two runs of 1 kWh at PUE 1.5; 10 % below and above.
    near(number(0, "electricity_kwh"), 3.0);
    near(number(0, "electricity_low_kwh"), 2.7);
    near(number(0, "electricity_high_kwh"), 3.3);
    near(number(0, "measured_percent"), 100.0);
    // The fixture's emissions are 56 g each; 3 g and 6 g by the contract.
    near(number(0, "scope2_location_t"), 112e-6);
    near(number(0, "location_factor_g_per_kwh"), 112.0 / 3.0);
    near(number(0, "scope2_market_t"), 9e-6);
    near(number(0, "market_factor_g_per_kwh"), 3.0);
    assert_eq!((table[0]["market_instrument"].as_str(), table[0]["location_factor_year"].as_str()), ("PPA", "2024"));
    assert_eq!((table[1]["scope2_market_t"].as_str(), table[1]["runs_without_contract"].as_str()), ("", "1"));
    // A replayed trace has no wall clock, and so no month.
    let replayed = rows(&esg_csv(&[in_month("e", "lab", "1970-01-01", None)], Some("site")).unwrap());
    assert_eq!((replayed[0]["month"].as_str(), replayed[0]["site"].as_str()), ("", "lab"));
    assert!(table.iter().all(|row| row["mapping"] == "not checked"));
    let by_zone = rows(&esg_csv(&runs, None).unwrap());
    assert_eq!(by_zone.iter().map(|row| row["site"].as_str()).collect::<Vec<_>>(), ["FR", "FR"]);
    near(by_zone[0]["electricity_kwh"].parse().ok(), 4.5);
    assert_eq!(by_zone[0]["scope2_market_t"], "", "one of three runs has no contract");
    let nothing = rows(&esg_csv(&[bare()], None).unwrap());
    assert_eq!(
        (nothing[0]["electricity_kwh"].as_str(), nothing[0]["scope2_location_t"].as_str()),
        ("", ""),
        "not known is not zero"
    );
}
