//! OpenMetrics and CodeCarbon renderings: golden pages written by hand, and the rules of the format.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::*;
use eco2_report::{Footprint, MetricNames, codecarbon_csv, openmetrics};

use crate::fixture::{bare, report};

const GOLDEN: &str = include_str!("golden/openmetrics.txt");
const GOLDEN_HF: &str = include_str!("golden/openmetrics_hf.txt");
const GOLDEN_CODECARBON: &str = include_str!("golden/emissions.csv");

#[test]
fn the_pages_are_those_that_were_written_by_hand() {
    assert_eq!(openmetrics(&report(), MetricNames::Eco2), GOLDEN);
    assert_eq!(openmetrics(&report(), MetricNames::HfTraining), GOLDEN_HF);
    assert_eq!(codecarbon_csv(&report()).unwrap(), GOLDEN_CODECARBON);
}

#[test]
fn events_are_counted_by_kind_and_kinds_of_other_versions_have_one_label() {
    let event = |kind| EventRecord::new(0, kind, "GPU-5", "text");
    let later = |kind: &str| EventRecord { kind: kind.into(), ..event(EventKind::Xid) };
    let events =
        [event(EventKind::Xid), event(EventKind::Xid), later("later-kind"), later("another-later-kind")].to_vec();
    let page = openmetrics(&Report { events, ..report() }, MetricNames::Eco2);
    let count = |kind: &str| {
        let start = format!("eco2_events{{run=\"{}\",kind=\"{kind}\"}} ", report().run.id);
        page.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    };
    assert_eq!([count("xid"), count("other")], [Some("2".to_owned()), Some("2".to_owned())]);
    assert_eq!(count("gpu-lost").as_deref(), Some("0"), "an increase needs a sample before it");
    assert_eq!([count("suspend"), count("later-kind")], [None, None]);
}

/// A page by family: its kind, its unit, and its samples by name with labels.
type Families = BTreeMap<String, (String, String, Vec<(String, f64)>)>;

/// Reads a page by the rules of OpenMetrics 1.0; breaks off where one is broken.
fn families(page: &str) -> Families {
    let mut families = Families::new();
    let mut current = String::new();
    let body = page.strip_suffix("# EOF\n").expect("ends with # EOF");
    for line in body.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "TYPE", name, kind] => {
                assert!(!families.contains_key(*name), "{name} is described twice");
                current = (*name).to_owned();
                families.insert(current.clone(), ((*kind).to_owned(), String::new(), Vec::new()));
            }
            ["#", "UNIT", name, unit] => {
                assert!(*name == current && name.ends_with(&format!("_{unit}")), "{line}");
                families.get_mut(&current).unwrap().1 = (*unit).to_owned();
            }
            ["#", "HELP", name, help] => assert!(*name == current && help.ends_with('.'), "{line}"),
            _ => {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let (kind, _, samples) = families.get_mut(&current).unwrap();
                let suffix = match kind.as_str() {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => "",
                };
                assert_eq!(sample.split('{').next().unwrap(), format!("{current}{suffix}"), "{line}");
                let value: f64 = value.parse().unwrap();
                assert!(value.is_finite() && (kind == "gauge" || value >= 0.0), "{line}");
                assert!(samples.iter().all(|(other, _)| other != sample), "{line} twice");
                samples.push((sample.to_owned(), value));
            }
        }
    }
    assert!(families.values().all(|(.., samples)| !samples.is_empty()), "a family without samples");
    families
}

fn sum(families: &Families, name: &str) -> f64 {
    families[name].2.iter().map(|(_, value)| value).sum()
}

#[test]
fn sums_over_labels_are_meaningful() {
    let report = report();
    let families = families(&openmetrics(&report, MetricNames::Eco2));
    let total = report.energy.total_uj.unwrap() as f64 / 1e6;
    let summed: f64 =
        report.devices.iter().filter(|d| d.is_summed()).filter_map(|d| d.energy_uj).sum::<u64>() as f64 / 1e6;
    assert!((sum(&families, "eco2_energy_joules") - summed).abs() < 1e-9);
    assert!((sum(&families, "eco2_run_energy_joules") - summed).abs() < 1e-9);
    assert!(total > 0.0 && !families["eco2_energy_joules"].2.iter().any(|(name, _)| name.contains("psys")));
    assert!((sum(&families, "eco2_run_co2e_grams") - report.carbon.unwrap().grams.unwrap()).abs() < 1e-9);
    let units: BTreeSet<&str> = families.values().map(|(_, unit, _)| unit.as_str()).collect();
    assert_eq!(units, ["", "grams", "grams_per_joule", "joules", "seconds", "watts"].into(), "base units only");
}

#[test]
fn overlapping_devices_have_another_family() {
    let mut report = report();
    let overlapping = |id: &str, domain: &str| Device {
        id: id.into(),
        domain: domain.into(),
        overlaps: vec!["package-0".into()],
        ..report.devices[0].clone()
    };
    let more = [overlapping("package-0/core", "core"), overlapping("psys", "psys")];
    report.devices.pop();
    report.devices.extend(more);
    let families = families(&openmetrics(&report, MetricNames::Eco2));
    assert_eq!((sum(&families, "eco2_energy_joules"), sum(&families, "eco2_run_energy_joules")), (1234.4, 1234.4));
    assert_eq!(sum(&families, "eco2_domain_energy_joules"), 434.4);
    assert_eq!(sum(&families, "eco2_host_energy_joules"), 434.4);
}

#[test]
fn d28_a_run_that_nothing_measured_has_no_footprint_and_not_one_of_nothing() {
    let Report { carbon, .. } = report();
    let mut nothing = Report { carbon, ..bare() };
    assert_eq!(Footprint::of(&nothing), None);
    nothing.energy.total_uj = Some(0);
    assert!(Footprint::of(&nothing).is_some(), "a reading of 0 is one");
}

#[test]
fn m40_the_seconds_of_gaps_never_fall_while_a_run_goes_on() {
    let page = |duration_ns: u64, covered_ns: u64, gaps: &[(u64, u64)]| {
        let mut report = report();
        (report.run.state, report.run.duration_ns) = (State::Provisional, duration_ns);
        let gap = |&(from_ns, to_ns): &(u64, u64)| GapRecord { from_ns, to_ns, reason: "uncovered".into() };
        let device = &mut report.devices[0];
        (device.coverage, device.gaps) = (covered_ns as f64 / duration_ns as f64, gaps.iter().map(gap).collect());
        report.devices.truncate(1);
        sum(&families(&openmetrics(&report, MetricNames::Eco2)), "eco2_gap_seconds")
    };
    const S: u64 = 1_000_000_000;
    // A gap of 2 s, then 3 s without a reading, which the next one fills.
    let before = page(10 * S, 5 * S, &[(S, 3 * S), (7 * S, 10 * S)]);
    let after = page(11 * S, 9 * S, &[(S, 3 * S)]);
    assert!((before - 2.0).abs() < 1e-9 && (after - 2.0).abs() < 1e-9, "{before} {after}");
    let mut ended = report();
    ended.devices[0].coverage = 0.5;
    ended.devices[0].gaps = vec![GapRecord { from_ns: 0, to_ns: ended.run.duration_ns, reason: "lost".into() }];
    let ended = families(&openmetrics(&ended, MetricNames::Eco2));
    assert!(ended["eco2_gap_seconds"].2[0].1 > 30.0, "a run that is over has no open tail");
}

#[test]
fn what_is_not_known_has_no_sample() {
    let nothing = families(&openmetrics(&bare(), MetricNames::Eco2));
    for name in ["eco2_energy_joules", "eco2_run_energy_joules", "eco2_run_energy_low_joules", "eco2_run_co2e_grams"] {
        assert!(!nothing.contains_key(name), "{name}");
    }
    let mut unbounded = report();
    unbounded.energy.high_uj = None;
    unbounded.devices[0].high_uj = None;
    let found = families(&openmetrics(&unbounded, MetricNames::Eco2));
    assert!(!found.contains_key("eco2_run_energy_high_joules") && found.contains_key("eco2_run_energy_low_joules"));
    let legacy = families(&openmetrics(&bare(), MetricNames::HfTraining));
    assert!(!legacy.contains_key("hf_training_energy_kwh") && legacy.contains_key("hf_training_step_count"));
    let row = codecarbon_csv(&bare()).unwrap();
    let cells: Vec<&str> = row.lines().nth(1).unwrap().split(',').collect();
    assert_eq!((cells[5], cells[13]), ("", ""), "no carbon, no energy: not 0");
}

#[test]
fn names_from_outside_cannot_break_a_page_and_series_are_few() {
    let mut many = report();
    many.run.id = "a\"} 1\n# EOF\n".into();
    many.devices[0].id = "x\\\n{}".into();
    many.spans =
        (0..500).map(|at| SpanRecord { name: format!("span {at}\n"), count: 1, ..SpanRecord::default() }).collect();
    let device = many.devices[1].clone();
    many.devices.extend((10..20).map(|at| Device { id: format!("GPU-{at}"), ..device.clone() }));
    many.devices.push(device);
    let page = openmetrics(&many, MetricNames::Eco2);
    let series: usize = families(&page).values().map(|(.., samples)| samples.len()).sum();
    assert!(series < 2_000, "{series}");
    assert!(page.contains("x\\\\?{}"));
}

#[test]
fn k07_power_of_devices_that_overlap_is_a_family_of_its_own() {
    let mut report = report();
    report.devices.truncate(1);
    let mut core = report.devices[0].clone();
    (core.id, core.domain, core.overlaps) = ("package-0/core".into(), "core".into(), vec!["package-0".into()]);
    report.devices.push(core);
    let families = families(&openmetrics(&report, MetricNames::Eco2));
    assert_eq!((sum(&families, "eco2_power_watts"), sum(&families, "eco2_domain_power_watts")), (7.12, 7.12));
}

#[test]
fn k14_cost_is_a_gauge_with_its_currency_and_may_be_negative() {
    let mut report = report();
    let carbon = report.carbon.as_mut().unwrap();
    carbon.cost = Some(-0.5);
    let page = openmetrics(&report, MetricNames::Eco2);
    let (kind, _, samples) = families(&page)["eco2_run_cost"].clone();
    assert_eq!((kind.as_str(), samples[0].1), ("gauge", -0.5));
    assert!(page.contains("eco2_run_cost{run=\"20260102-030405-abcd\",currency=\"EUR\"} -0.5\n"), "{page}");
    let old = openmetrics(&report, MetricNames::HfTraining);
    assert!(!old.contains("_usd"), "euros are no dollars: {old}");
}

#[test]
fn k14_documented_names_of_hf_training_are_all_there() {
    use eco2_core::Unit;
    let mut report = report();
    let carbon = report.carbon.as_mut().unwrap();
    carbon.beside.as_mut().unwrap().cost.as_mut().unwrap().currency = Some("USD".into());
    let limit = report.budget.as_ref().unwrap().limits[0];
    let grams = eco2_core::Spent { unit: Unit::Grams, spent: Some(1_200.0), limit: 1_000.0, ..limit };
    report.budget.as_mut().unwrap().limits.push(grams);
    report.devices[0].failures = 4;
    let page = openmetrics(&report, MetricNames::HfTraining);
    let families = families(&page);
    let value = |name: &str| families.get(name).unwrap_or_else(|| panic!("{name}: {page}")).2[0].1;
    assert_eq!(value("hf_training_carbon_budget_kg"), 1.0);
    assert!((value("hf_training_carbon_budget_remaining_kg") + 0.2).abs() < 1e-12, "0.2 kg over it");
    assert_eq!(value("hf_training_energy_cost_usd"), 0.12);
    // 2026-01-02T03:05:06Z: 20 455 days and 11 106 seconds since 1970.
    assert_eq!(value("hf_training_last_update_timestamp"), 20_455.0 * 86_400.0 + 11_106.0);
    assert_eq!(sum(&families, "hf_training_monitoring_errors"), 4.0 + 1.0 + 2.0);
    assert!(
        page.contains("hf_training_monitoring_errors_total{project_name=\"train\",error_type=\"read_failed\"} 4\n")
    );
    assert!(page.contains("country=\"FR\",region=\"FR\"} 56\n"), "{page}");
}

#[test]
fn metrics_that_the_page_on_switching_names_exist() {
    let page = include_str!("../../../docs/switching.md");
    let table = page.split("### Metrics\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let is_of_a_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let words = table.split(|letter: char| !is_of_a_name(letter));
    let names: Vec<_> = words.filter(|word| word.starts_with("eco2_") || word.starts_with("hf_training_")).collect();
    assert!(names.len() > 15, "{names:?}");
    let pages = [MetricNames::Eco2, MetricNames::HfTraining].map(|names| openmetrics(&report(), names)).concat();
    for name in names {
        assert!(pages.lines().any(|line| line.starts_with(&format!("{name}{{"))), "{name}");
    }
}
