//! Exports in the formats of others: values checked by hand and against the JSON report, and nothing private in the summary.

use eco2_core::schema::{Merge, RecordEnding, Report, State};
use eco2_report::{
    Error, SUMMARY_SCHEMA_JSON, ai_act_json, boamps_json, codecarbon_csv, comparison_json, csv, hf_json, json, methods,
    model_card, sci_json, scope2_csv, summary_json, text,
};
use serde_json::Value;

use crate::fixture::{bare, kilowatt_hour, report};

pub(crate) fn value(text: Result<String, Error>) -> Value {
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// A run of 1 kWh at PUE 1 and 56 g, without supplements.
pub(crate) fn plain() -> Report {
    let mut report = kilowatt_hour("run-1", None);
    report.energy.facility_uj = report.energy.total_uj;
    if let Some(carbon) = &mut report.carbon {
        carbon.beside = None;
        (carbon.embodied, carbon.sci, carbon.cost) = (None, None, None);
        (carbon.low, carbon.high) = (54.0, Some(58.0));
        carbon.segments[0].energy_uj = report.energy.total_uj.unwrap();
    }
    report
}

#[test]
fn sci_is_computed_from_its_terms() {
    let made = value(sci_json(&report()));
    assert_eq!(made["sci"]["per"], "step");
    assert_eq!((made["complete"].as_bool(), made["R"]["count"].as_u64()), (Some(true), Some(3000)));
    assert_eq!(made["M"]["total_kg"], 2500.0);
    // Without a functional unit: 56 g over 3000 steps, without embodied emissions.
    let plain = value(sci_json(&plain()));
    assert!((plain["sci"]["g_co2e"].as_f64().unwrap() - 56.0 / 3000.0).abs() < 1e-12);
    assert_eq!((plain["complete"].as_bool(), plain["M"].is_null()), (Some(false), true));
    assert_eq!((plain["E"]["kwh"].as_f64(), plain["O"]["method"].as_str()), (Some(1.0), Some("location-based")));
}

#[test]
fn a_model_card_is_in_grams_and_its_text_cannot_break_out() {
    let mut report = plain();
    report.run.labels.insert("training_type".into(), "fine-tuning".into());
    report.devices[1].model = Some("evil\"\n  emissions: 0".into());
    let card = model_card(&report).unwrap();
    let lines: Vec<&str> = card.lines().collect();
    assert_eq!(lines[..2], ["co2_eq_emissions:", "  emissions: 56"], "{card}");
    assert!(lines.contains(&"  training_type: \"fine-tuning\"") && lines.contains(&"  geographical_location: \"FR\""));
    assert!(lines[5].contains("1 × evil\\\"?  emissions: 0") && lines.len() == 6, "{card}");
    report.carbon.as_mut().unwrap().grams = Some(1.5e-7);
    assert!(model_card(&report).unwrap().contains("emissions: 0.00000015\n"), "no exponent");
}

#[test]
fn boamps_has_kilowatt_hours_and_seconds_and_no_null() {
    let mut full = report();
    full.run.labels.insert("task_stage".into(), "training".into());
    let text = boamps_json(&full).unwrap();
    assert!(!text.contains("null"));
    let made: Value = serde_json::from_str(&text).unwrap();
    let measure = &made["measures"][0];
    assert!((measure["powerConsumption"].as_f64().unwrap() - 1_234_400_000.0 / 3.6e12).abs() < 1e-15);
    assert_eq!(
        (measure["measurementDuration"].as_f64(), made["task"]["taskStage"].as_str()),
        (Some(61.0), Some("training"))
    );
    assert_eq!(made["header"]["reportDatetime"], "2026-01-02 03:05:06");
    assert_eq!(made["task"]["dataset"][0]["dataQuantity"], 1_000_000);
    assert_eq!(
        (made["environment"]["country"].as_str(), made["task"].get("taskFamily")),
        (Some("FR"), Some(&"not stated".into()))
    );
    assert_eq!(made["quality"], "low", "a model is in it");
    full.energy.estimated_uj = 0;
    assert_eq!(value(boamps_json(&full))["quality"], "high", "bounds within 3 %");
}

#[test]
fn scope_2_rows_have_method_factor_and_source_and_nothing_is_netted() {
    let table = scope2_csv(&report()).unwrap();
    let mut reader = csv_rows(&table);
    let head = reader.remove(0);
    let cell = |row: &[String], name: &str| row[head.iter().position(|column| column == name).unwrap()].clone();
    let methods: Vec<String> = reader.iter().map(|row| cell(row, "method")).collect();
    assert_eq!(methods, ["location-based", "location-based total", "market-based", "offset (not subtracted)"]);
    let part = &reader[0];
    assert_eq!((cell(part, "factor_g_per_kwh"), cell(part, "factor_source")), ("56".into(), "Ember 2025".into()));
    let kg: f64 = cell(part, "co2e_kg").parse().unwrap();
    assert!((kg - 1_481_280_000.0 / 3.6e12 * 0.056).abs() < 1e-12, "{kg}");
    assert_eq!(cell(&reader[1], "co2e_kg"), (0.0230_f64 / 1e3).to_string(), "offsets are not in it");
    assert_eq!((cell(&reader[1], "pue"), cell(&reader[1], "energy_basis")), ("1.2".into(), "partly estimated".into()));
    assert_eq!(cell(&reader[2], "instrument"), "PPA wind");
    let plain = scope2_csv(&plain()).unwrap();
    assert!(!plain.contains("market-based"), "no contract, no market-based row");
}

fn csv_rows(table: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn ai_act_block_marks_provisional_values() {
    let of = |state, end| {
        let mut report = plain();
        (report.run.state, report.run.end) = (state, end);
        let made = value(ai_act_json(&report));
        (made["state"].clone(), made["until_last_record"].clone())
    };
    assert_eq!(of(State::Final, Some(RecordEnding::Recorded)), ("final".into(), false.into()));
    assert_eq!(
        of(State::Provisional, Some(RecordEnding::Recorded)),
        ("provisional".into(), false.into()),
        "an update is awaited"
    );
    assert_eq!(of(State::Provisional, Some(RecordEnding::Interrupted)), ("provisional".into(), true.into()));
    assert_eq!(of(State::Provisional, None), ("provisional".into(), true.into()), "of an earlier version");
}

#[test]
fn ai_act_block_has_megawatt_hours_and_their_basis() {
    let made = value(ai_act_json(&plain()));
    assert_eq!((made["energy_mwh"].as_f64(), made["energy_basis"].as_str()), (Some(0.001), Some("measured")));
    assert_eq!(value(ai_act_json(&report()))["energy_basis"], "partly estimated");
    let gone = value(ai_act_json(&bare()));
    assert_eq!((gone["energy_basis"].as_str(), gone["energy_mwh"].is_null()), (Some("not known"), true));
    let hours =
        |report: &Report| value(ai_act_json(report))["computational_resources"]["device_hours"].as_f64().unwrap();
    assert!((hours(&plain()) - 61.0 / 3600.0).abs() < 1e-12);
    // Two starts of half an hour, with an hour between them in which the run had no device.
    let start = |attempt: u32, half_hours: [u64; 2]| {
        let mut part = plain();
        (part.run.attempt, part.run.boot_ns) = (attempt, Some(half_hours.map(|half| half * 1_800_000_000_000)));
        part
    };
    let parts = vec![start(0, [0, 1]), start(1, [3, 4])];
    let merge = Some(Merge { parts, ..Merge::default() });
    assert!((hours(&Report { merge, ..start(0, [0, 4]) }) - 1.0).abs() < 1e-12);
}

#[test]
fn the_methods_paragraph_has_values_intervals_sources_and_boundary() {
    let paragraph = methods(&report()).unwrap();
    insta::assert_snapshot!(paragraph);
    assert_eq!(paragraph.lines().count(), 1);
}

#[test]
fn a_run_without_energy_has_no_grams_to_export() {
    for refused in [sci_json(&bare()), model_card(&bare()), scope2_csv(&bare()), methods(&bare())] {
        assert!(refused.unwrap_err().to_string().contains("has no grams"));
    }
}

#[test]
fn a_summary_holds_nothing_private_and_keeps_to_its_schema() {
    let schema: Value = serde_json::from_str(SUMMARY_SCHEMA_JSON).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let mut report = report();
    report.run.command = vec!["/data/alice/secret-project/train.py".into()];
    report.run.name = "secret-project".into();
    report.carbon.as_mut().unwrap().segments[0].source = "series /data/alice/gb.csv".into();
    report.carbon.as_mut().unwrap().zone = "FR-IDF".into();
    for report in [&report, &bare(), &plain()] {
        let text = summary_json(report).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&serde_json::from_str(&text).unwrap()).map(|fault| fault.to_string()).collect();
        assert_eq!(faults, [""; 0], "{text}");
        for private in [
            "alice",
            "secret",
            "node7",
            "20260102",
            "vision",
            "2026-01-02",
            "b0\"",
            "GPU-5",
            "IDF",
            "outer",
            "PPA",
            "forest",
        ] {
            assert!(!text.contains(private), "{private}: {text}");
        }
    }
    assert_eq!(value(summary_json(&report))["month"], "2026-01");
}

#[test]
fn k14_a_summary_has_the_grams_of_published_national_values_only() {
    let schema: Value = serde_json::from_str(SUMMARY_SCHEMA_JSON).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let of = |zone: &str, source: &str| {
        let mut report = plain();
        let carbon = report.carbon.as_mut().unwrap();
        carbon.zone = zone.into();
        carbon.segments[0].source = source.into();
        let summary = value(summary_json(&report));
        assert!(validator.is_valid(&summary), "{summary:#}");
        summary
    };
    let (state, table) = (eco2_grid::lookup("US-CA").unwrap(), eco2_grid::lookup("FR").unwrap());
    for (zone, source) in [
        ("US-CA", state.source.as_str()),
        ("FR, US-CA", &table.source),
        ("FR", "Electricity Maps (my cellar in Lyon)"),
        ("FR", "Alice's meter in Lyon"),
        ("constant", "given"),
        ("London", "series gb.csv"),
    ] {
        let summary = of(zone, source);
        assert!(summary["carbon"].is_null() && summary["carbon_withheld"].is_string(), "{zone}: {summary:#}");
        assert!(!summary.to_string().contains("Lyon") && !summary.to_string().contains("gb.csv"));
    }
    let cited = eco2_grid::zones().iter().find(|zone| zone.code == "FR").unwrap().citation();
    assert_ne!(cited, table.source, "reports cite the licence as well");
    let open = of("FR", &cited);
    assert_eq!((open["carbon"]["grams"].as_f64(), open["carbon"]["country"].as_str()), (Some(56.0), Some("FR")));
    assert!(open["carbon_withheld"].is_null());
    assert!(of("FR", "Electricity Maps")["carbon"].is_object());
    assert!(of("FR", "Energy-Charts (Fraunhofer ISE) (CC BY 4.0)")["carbon"].is_object());
    let several = of("FR, WORLD", &cited);
    assert!(several["carbon"]["country"].is_null(), "machines in several places are in no one country");
}

#[test]
fn methods_do_not_present_estimates_as_measurements() {
    let mut modelled = plain();
    let all = modelled.energy.total_uj.unwrap();
    (modelled.energy.measured_uj, modelled.energy.derived_uj, modelled.energy.estimated_uj) = (0, 0, all);
    let paragraph = methods(&modelled).unwrap();
    for word in ["every load", "Sensors were read", "power meter"] {
        assert!(!paragraph.contains(word), "{word}: {paragraph}");
    }
    assert!(
        paragraph.contains("The range is that of the model")
            && paragraph.contains("No energy sensor was available, so")
    );
    let mut replayed = plain();
    replayed.run.boot_ns = None;
    let paragraph = methods(&replayed).unwrap();
    assert!(paragraph.contains("every load") && !paragraph.contains("power meter"), "{paragraph}");
    let mut generated = plain();
    (generated.energy.measured_uj, generated.energy.derived_uj, generated.energy.synthetic_uj) = (0, 0, all);
    assert_eq!(value(boamps_json(&generated))["quality"], "low");
    let shares = value(ai_act_json(&bare()))["shares_kwh"].clone();
    assert!(shares.as_object().unwrap().values().all(Value::is_null), "{shares}");
    let mut spread = plain();
    spread.carbon.as_mut().unwrap().zone = "DE, FR".into();
    assert!(value(boamps_json(&spread))["environment"].get("country").is_none());
    spread.carbon.as_mut().unwrap().zone = "DE-BY, DE".into();
    assert_eq!(value(boamps_json(&spread))["environment"]["country"], "DE");
}

#[test]
fn k01_a_format_that_requires_a_number_is_refused_without_one_and_names_it() {
    let nothing = bare();
    assert_eq!(nothing.energy.total_uj, None);
    let refused = boamps_json(&nothing).unwrap_err();
    assert!(matches!(refused, Error::NoEnergy { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("BoAmps") && text.contains("powerConsumption"), "{text}");
    for refused in [sci_json(&nothing), model_card(&nothing)] {
        assert!(matches!(refused, Err(Error::NoGrams { .. })), "{refused:?}");
    }
}

#[test]
fn d35_no_output_claims_that_a_duty_is_met() {
    let report = report();
    let comparison = eco2_report::compare(&[report.clone(), plain()], None, &[]);
    let outputs = [
        sci_json(&report).unwrap(),
        model_card(&report).unwrap(),
        boamps_json(&report).unwrap(),
        scope2_csv(&report).unwrap(),
        ai_act_json(&report).unwrap(),
        methods(&report).unwrap(),
        summary_json(&report).unwrap(),
        json(&report).unwrap(),
        csv(&report).unwrap(),
        hf_json(&report).unwrap(),
        codecarbon_csv(&report).unwrap(),
        text(&report, &eco2_report::TextStyle::default()),
        comparison_json(&comparison).unwrap(),
    ];
    for output in outputs {
        let lower = output.to_lowercase();
        for claim in ["complian", "conform", "certif", "audited", "carbon neutral", "net zero", "net-zero", "meets the"]
        {
            assert!(!lower.contains(claim), "{claim}: {output}");
        }
    }
}

#[test]
fn k02_methods_claim_every_load_only_for_bounds_without_a_power_limit() {
    use eco2_core::RangeKind;
    let paragraph = |kind: RangeKind, free_low_uj: u64| {
        let mut report = plain();
        report.energy.range_kind = Some(kind);
        (report.energy.free_low_uj, report.energy.free_high_uj) = (free_low_uj, report.energy.high_uj);
        methods(&report).unwrap()
    };
    let low_uj = plain().energy.low_uj;
    assert!(paragraph(RangeKind::Hard, low_uj).contains("holds for every load"));
    let limited = paragraph(RangeKind::Hard, low_uj - 1);
    assert!(!limited.contains("every load") && limited.contains("power limit"), "{limited}");
    let plausible = paragraph(RangeKind::Plausible, low_uj);
    assert!(plausible.contains("The range is plausible (90\u{a0}%), not a bound"), "{plausible}");
}

#[test]
fn k14_how_an_estimate_was_calculated_is_in_no_name_of_an_export() {
    let method = "estimated from 3.75 W × 2 threads, the median of server CPUs (name not in the table)";
    let named = |name: String, model: Option<&str>, method: Option<&str>| {
        let mut report = plain();
        report.devices[0].name = name;
        report.devices[0].model = model.map(str::to_owned);
        report.devices[0].method = method.map(str::to_owned);
        serde_json::to_value(report).unwrap()
    };
    let now = named("AMD EPYC".into(), Some("AMD EPYC"), Some(method));
    let mut old = named(format!("AMD EPYC: {method}"), None, None);
    for device in old["devices"].as_array_mut().unwrap() {
        device.as_object_mut().unwrap().retain(|field, _| field != "model" && field != "method");
    }
    for report in [now, old] {
        let report: Report = serde_json::from_value(report).unwrap();
        let outputs = [
            sci_json(&report).unwrap(),
            model_card(&report).unwrap(),
            boamps_json(&report).unwrap(),
            ai_act_json(&report).unwrap(),
            methods(&report).unwrap(),
            summary_json(&report).unwrap(),
            codecarbon_csv(&report).unwrap(),
            hf_json(&report).unwrap(),
            eco2_report::openmetrics(&report, eco2_report::MetricNames::HfTraining),
            eco2_report::openmetrics(&report, eco2_report::MetricNames::Eco2),
        ];
        for output in outputs {
            assert!(!output.contains("estimated from"), "{output}");
        }
        assert!(codecarbon_csv(&report).unwrap().contains(",AMD EPYC,"));
    }
}

#[test]
fn k14_boamps_has_every_field_that_its_schema_requires() {
    let required = |document: &Value| {
        let fields = [
            "/header/reportDatetime",
            "/task/taskStage",
            "/task/taskFamily",
            "/task/algorithms/0",
            "/task/dataset/0/dataUsage",
            "/task/dataset/0/dataType",
            "/measures/0",
            "/system/os",
            "/infrastructure/infraType",
            "/infrastructure/components/0/componentType",
            "/infrastructure/components/0/nbComponent",
        ];
        let missing: Vec<&str> = fields.into_iter().filter(|field| document.pointer(field).is_none()).collect();
        assert_eq!(missing, [""; 0], "{document:#}");
        // `environment` is optional, `environment.country` is required in it.
        assert!(document.get("environment").is_none_or(|place| place.get("country").is_some()), "{document:#}");
    };
    let mut bare_task = plain();
    (bare_task.work.samples, bare_task.work.tokens) = (None, None);
    bare_task.carbon.as_mut().unwrap().zone = "WORLD".into();
    let made = value(boamps_json(&bare_task));
    required(&made);
    assert_eq!(made["task"]["dataset"], serde_json::json!([{"dataUsage": "input", "dataType": "other"}]));
    assert!(made.get("environment").is_none());
    for (name, text) in [("task_stage", "finetuning"), ("data_type", "image"), ("infra_type", "cellar")] {
        bare_task.run.labels.insert(name.into(), text.into());
    }
    bare_task.run.labels.insert("cloud_provider".into(), "aws".into());
    let made = value(boamps_json(&bare_task));
    required(&made);
    assert_eq!(
        (made["task"]["taskStage"].as_str(), made["task"]["dataset"][0]["dataType"].as_str()),
        (Some("finetuning"), Some("image"))
    );
    assert_eq!(made["infrastructure"]["infraType"], "publicCloud", "a word that the format has not is not passed on");
    required(&value(boamps_json(&report())));
}

#[test]
fn k14_a_model_card_names_a_place_only_where_a_zone_is_known() {
    let card = |zone: &str, source: &str| {
        let mut report = plain();
        let carbon = report.carbon.as_mut().unwrap();
        (carbon.zone, carbon.zone_source) = (zone.into(), source.into());
        report.run.labels.insert("training_type".into(), "pre-training".into());
        model_card(&report).unwrap()
    };
    for (zone, source) in
        [("WORLD", "default-world"), ("WORLD", "unknown"), ("constant", "constant"), ("WORLD", "given")]
    {
        assert!(!card(zone, source).contains("geographical_location"), "{zone} {source}");
    }
    for (zone, source) in [("FR", "given"), ("DE", "country"), ("US-CA", "config"), ("IE", "cloud-metadata")] {
        let card = card(zone, source);
        assert!(card.contains(&format!("geographical_location: \"{zone}\"")), "{card}");
        assert!(card.contains("training_type: \"pre-training\""), "{card}");
    }
}

#[test]
fn k14_codecarbon_has_three_letter_countries_and_water() {
    let row = |zone: &str| {
        let mut report = report();
        report.carbon.as_mut().unwrap().zone = zone.into();
        let mut rows = csv_rows(&codecarbon_csv(&report).unwrap());
        let (head, row) = (rows.remove(0), rows.remove(0));
        let cell = |name: &str| row[head.iter().position(|column| column == name).unwrap()].clone();
        ["country_iso_code", "country_name", "region", "water_consumed", "wue"].map(cell)
    };
    assert_eq!(row("FR"), ["FRA", "France", "", "0.002", "1.8"]);
    assert_eq!(row("US-CA"), ["USA", "United States", "CA", "0.002", "1.8"]);
    assert_eq!(row("WORLD"), ["", "", "", "0.002", "1.8"]);
}

#[test]
fn functions_are_exporters_and_write_a_whole_file_or_none() {
    use eco2_report::{Error, Exporter as _};

    let (folder, report) = (tempfile::tempdir().unwrap(), kilowatt_hour("a", None));
    let path = folder.path().join("out.json");
    let fails = |_: &Report| Err::<String, _>(Error::export("no"));
    assert_eq!(fails.export_to(&report, &path).unwrap_err().to_string(), "the export failed: no");
    assert!(!path.exists());
    eco2_report::hf_json.export_to(&report, &path).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), eco2_report::hf_json(&report).unwrap());
}
