//! Reports made to mislead or to break a reader: refused with file, field and remedy, and nothing panics.

use std::path::Path;

use eco2_core::schema::Report;
use eco2_report::advice::{AdviceInputs, advise};
use eco2_report::{
    Error, MetricNames, Objective, TextStyle, ai_act_json, boamps_json, by_label, codecarbon_csv, compare,
    comparison_csv, comparison_html, comparison_json, comparison_latex, comparison_text, csv, firefox_profile,
    groups_csv, groups_json, groups_text, hf_json, html, json, markdown, merge, methods, model_card, openmetrics,
    parse_report, sci_json, scope2_csv, spans_csv, summary_json, text,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture;

fn parse(document: &Value) -> Result<Report, Error> {
    parse_report(document.to_string().as_bytes(), Path::new("dir/r.json"))
}

/// The fixture with one field set.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = serde_json::to_value(fixture::report()).unwrap();
    *document.pointer_mut(pointer).unwrap_or_else(|| panic!("no field {pointer}")) = value;
    document
}

#[test]
fn k18_figures_outside_their_own_bounds_are_refused_with_file_field_and_remedy() {
    let energy = 1_234_400_000_u64;
    for (pointer, value, field) in [
        ("/energy/total_uj", json!(1_199_999_999), "energy.total_uj"),
        ("/energy/total_uj", json!(1_270_000_001), "energy.total_uj"),
        ("/energy/low_uj", json!(1_270_000_001), "energy.total_uj"),
        ("/energy/free_high_uj", json!(energy - 1), "energy.total_uj"),
        ("/energy/measured_uj", json!(energy), "energy.total_uj"),
        ("/energy/facility_high_uj", json!(1_481_279_999), "energy.facility_uj"),
        ("/energy/pue", json!(0.5), "energy.pue"),
        ("/energy/pue", json!(-1.0), "energy.pue"),
        ("/devices/0/energy_uj", json!(1), "devices[0].energy_uj"),
        ("/devices/1/free_low_uj", json!(800_000_001), "devices[1].energy_uj"),
        ("/devices/0/coverage", json!(1.5), "devices[0].coverage"),
        ("/devices/0/mean_w", json!(-0.1), "devices[0].mean_w"),
        ("/devices/0/gaps/0/to_ns", json!(4), "devices[0].gaps[0].to_ns"),
        ("/spans/1/low_uj", json!(30_000_001), "spans[1].energy_uj"),
        ("/spans/0/high_uj", json!(999_999_999), "spans[0].energy_uj"),
        ("/spells/0/energy_uj", json!(0), "spells[0].energy_uj"),
        ("/attribution/command_uj", json!(1), "attribution.command_uj"),
        ("/carbon/grams", json!(-1.0), "carbon.grams"),
        ("/carbon/grams", json!(0.5), "carbon.grams"),
        ("/carbon/low", json!(0.0231), "carbon.grams"),
        ("/carbon/high", json!(0.0229), "carbon.grams"),
        ("/carbon/segments/0/g_per_kwh", json!(-56.0), "carbon.segments[0].g_per_kwh"),
        ("/carbon/embodied", json!(-1.0), "carbon.embodied"),
        ("/carbon/beside/market/high", json!(0.0001), "carbon.beside.market.grams"),
        ("/carbon/beside/embodied/low", json!(-3.0), "carbon.beside.embodied.grams"),
        ("/carbon/beside/sci/grams", json!(9.0), "carbon.beside.sci.grams"),
        ("/carbon/beside/water/litres", json!(9.0), "carbon.beside.water.litres"),
        ("/carbon/beside/carbon_price/amount", json!(9.0), "carbon.beside.carbon_price.amount"),
        ("/carbon/beside/cost/amount", json!(9.0), "carbon.beside.cost.amount"),
        ("/counters/0/stretches/0/uj/1", json!(null), "null"),
        ("/counters/0/stretches/0/at_ns/1", json!(0), "counters[0].stretches[0]"),
        ("/counters/0/stretches/0/uj", json!([0]), "counters[0].stretches[0]"),
        ("/run/boot_ns/0", json!(u64::MAX), "run.boot_ns"),
    ] {
        let error = parse(&with(pointer, value)).expect_err(pointer).to_string();
        for part in ["dir/r.json", field, "the file is damaged or was edited"] {
            assert!(error.contains(part), "{pointer}: {error}");
        }
    }
    assert_eq!(parse(&serde_json::to_value(fixture::report()).unwrap()).unwrap(), fixture::report());
}

#[test]
fn k18_the_parts_of_a_merged_report_are_checked_too() {
    let mut part = with("/spans/0/low_uj", json!(1_000_000_001));
    part["merge"] = Value::Null;
    let error = parse(&with("/merge/parts", json!([serde_json::to_value(fixture::bare()).unwrap(), part])));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("merge.parts[1].spans[0].energy_uj is 1000000000, below"), "{error}");
}

#[test]
fn k18_numbers_that_json_does_not_have_are_refused() {
    let whole = serde_json::to_string(&fixture::report()).unwrap();
    for number in ["NaN", "1e999", "-1e999", "Infinity", "-5", "1e3"] {
        let edited = whole.replacen("\"total_uj\":1234400000", &format!("\"total_uj\":{number}"), 1);
        assert_ne!(edited, whole);
        assert!(parse_report(edited.as_bytes(), Path::new("r.json")).is_err(), "{number}");
    }
    for number in ["NaN", "1e999"] {
        let edited = whole.replacen("\"grams\":0.023", &format!("\"grams\":{number}"), 1);
        assert_ne!(edited, whole);
        assert!(parse_report(edited.as_bytes(), Path::new("r.json")).is_err(), "{number}");
    }
}

#[test]
fn k18_a_cost_may_be_negative_and_rounding_is_no_contradiction() {
    let mut document = with("/carbon/beside/cost/amount", json!(-0.1));
    *document.pointer_mut("/carbon/beside/cost/low").unwrap() = json!(-0.2);
    parse(&document).unwrap();
    parse(&with("/carbon/low", json!(0.023 * (1.0 + 1e-12)))).unwrap();
}

/// Everything that a report can become, none of which may panic.
fn use_all(report: &Report) {
    let reports = [report.clone(), fixture::report()];
    if let Ok(merged) = merge(&reports) {
        let _ = (json(&merged), text(&merged, &TextStyle::default()), merge(&[merged.clone(), report.clone()]));
    }
    let groups = by_label(&reports, "team");
    let _ = (groups_json(&groups, "team"), groups_csv(&groups, "team"));
    let _ = groups_text(&groups, "team", &TextStyle::default());
    let comparison = compare(&reports, None, &[Objective::Energy, Objective::Grams]);
    let _ = (comparison_text(&comparison, &TextStyle::default()), comparison_json(&comparison));
    let _ = (text(report, &TextStyle::default()), advise(report, &AdviceInputs::default()));
    for names in [MetricNames::Eco2, MetricNames::HfTraining] {
        let _ = openmetrics(report, names);
    }
    let _ = (csv(report), spans_csv(report), codecarbon_csv(report), hf_json(report), json(report));
    let _ = (boamps_json(report), methods(report), model_card(report), summary_json(report));
    let _ = (sci_json(report), scope2_csv(report), ai_act_json(report), html(report), firefox_profile(report));
    let _ =
        (comparison_html(&comparison), comparison_latex(&comparison), comparison_csv(&comparison), markdown(report));
}

/// Every number in a document.
fn numbers<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Number(_) | Value::Null => found.push(value),
        Value::Array(list) => list.iter_mut().for_each(|one| numbers(one, found)),
        Value::Object(map) => map.values_mut().for_each(|one| numbers(one, found)),
        _ => {}
    }
}

fn extreme() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(0)),
        Just(json!(u64::MAX)),
        Just(json!(u64::MAX - 1)),
        Just(json!(u32::MAX)),
        Just(json!(i64::MIN)),
        Just(json!(1e308)),
        Just(json!(-1e308)),
        Just(json!(1e-308)),
        Just(Value::Null),
        any::<u64>().prop_map(|number| json!(number)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn k18_no_report_that_is_accepted_makes_anything_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), extreme()), 1..4),
    ) {
        let mut document = serde_json::to_value(fixture::report()).unwrap();
        {
            let mut found = Vec::new();
            numbers(&mut document, &mut found);
            for (place, value) in changes {
                let at = place.index(found.len());
                *found[at] = value;
            }
        }
        if let Ok(report) = parse(&document) {
            use_all(&report);
        }
    }
}

#[test]
fn k18_every_number_at_its_largest_one_by_one_makes_nothing_panic() {
    let mut count = 0;
    let total = {
        let mut document = serde_json::to_value(fixture::report()).unwrap();
        let mut found = Vec::new();
        numbers(&mut document, &mut found);
        found.len()
    };
    for at in 0..total {
        for value in [json!(u64::MAX), json!(0), json!(1e300)] {
            let mut document = serde_json::to_value(fixture::report()).unwrap();
            let mut found = Vec::new();
            numbers(&mut document, &mut found);
            *found[at] = value;
            if let Ok(report) = parse(&document) {
                use_all(&report);
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count} of {total} numbers can be extreme");
}

#[test]
fn k18_a_curve_whose_columns_do_not_fit_is_refused() {
    assert!(parse(&serde_json::to_value(fixture::report()).unwrap()).is_ok());
    for (column, spoilt) in
        [("high_uj", json!([])), ("t_ns", json!([9, 1])), ("energy_uj", json!([7, 3])), ("low_uj", json!([9, 9]))]
    {
        let error = parse(&with(&format!("/curves/0/{column}"), spoilt)).unwrap_err().to_string();
        assert!(error.contains("curves[0]") && error.contains("dir/r.json"), "{error}");
    }
}

#[test]
fn k07_a_curve_that_is_there_twice_counts_once() {
    let mut report = fixture::report();
    let middle_ns = report.run.duration_ns / 2;
    let once = report.curve().at(middle_ns);
    report.curves.push(report.curves[0].clone());
    assert_eq!(report.curve().at(middle_ns), once);
}
