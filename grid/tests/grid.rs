//! Lookup of zones and pricing by the public API.
//!
//! Prefixes of test names (`d11_`, `k16_`) refer to docs/acceptance.md.

use eco2_core::Ranged;
use std::collections::HashMap;

use eco2_grid::{
    Consumption, IntensityKind, Pue, ZoneError, ZoneSource, constant, lookup, price, recompute, world, zones,
};
use proptest::prelude::*;

fn code(zone: &str) -> Result<String, ZoneError> {
    lookup(zone).map(|intensity| intensity.zone)
}

fn used(energy_uj: u64) -> Consumption<'static> {
    let high_uj = energy_uj.checked_add(energy_uj / 10);
    let low_uj = energy_uj - energy_uj / 10;
    Consumption {
        energy: eco2_core::Bounded::hard(energy_uj, low_uj, high_uj),
        from: "2026-01-01T00:00:00Z",
        to: "2026-01-01T01:00:00Z",
    }
}

#[test]
fn names_codes_and_aliases_meet() {
    let same = [
        ("DE", &["DEU", "de", "Germany", "deutschland", " GERMANY "][..]),
        ("US", &["USA", "us", "United States", "United States of America", "U.S.A."]),
        ("GB", &["GBR", "UK", "u.k.", "Great Britain", "united kingdom"]),
        ("NL", &["NLD", "The Netherlands", "Holland"]),
        ("CI", &["Cote d'Ivoire", "Côte d’Ivoire", "Ivory Coast"]),
        ("TR", &["Turkey", "Türkiye", "turkiye"]),
        ("CD", &["DRC", "COD"]),
        ("CG", &["COG", "Congo"]),
        ("WORLD", &["world", "Global"]),
        ("US-TX", &["us-tx", "US/TX", "Texas", "texas, usa"]),
        ("EGRID:CAMX", &["CAMX", "egrid:camx", "WECC California"]),
    ];
    for (zone, spellings) in same {
        assert_eq!(code(zone).as_deref(), Ok(zone));
        for spelling in spellings {
            assert_eq!(code(spelling).as_deref(), Ok(zone), "{spelling}");
        }
    }
}

#[test]
fn values_are_the_published_ones() {
    // Ember Yearly Electricity Data, 2024, and EPA eGRID2022, as their redistributors have them (see NOTICE).
    for (zone, year, g_per_kwh) in
        [("DE", 2024, 342.06), ("FR", 2024, 44.18), ("US", 2024, 383.55), ("US-CA", 2022, 207.512)]
    {
        let intensity = lookup(zone).unwrap();
        assert_eq!((intensity.year, intensity.g_per_kwh), (Some(year), g_per_kwh), "{zone}");
    }
    assert_eq!(lookup("US").unwrap().kind, Some(IntensityKind::LifecycleAverageProduction));
    assert_eq!(lookup("US-CA").unwrap().kind, Some(IntensityKind::DirectAverageProduction));
}

#[test]
fn shared_code_is_the_countrys_and_the_note_names_the_state() {
    let canada = lookup("CA").unwrap();
    assert_eq!(canada.zone, "CA");
    let note = canada.note.unwrap();
    assert!(note.contains("Canada") && note.contains("US-CA"), "{note}");
    let georgia = lookup("Georgia").unwrap();
    assert_eq!(georgia.zone, "GE");
    assert!(georgia.note.unwrap().contains("US-GA"));
    for clear in ["Canada", "CAN", "FR", "US-CA", "California", "Georgia, USA"] {
        assert_eq!(lookup(clear).unwrap().note, None, "{clear}");
    }
}

#[test]
fn every_row_is_whole() {
    for zone in zones() {
        let name = &zone.code;
        assert!(zone.g_per_kwh > 0.0 && zone.g_per_kwh <= 2000.0, "{name}");
        assert!((2009..=2026).contains(&zone.year), "{name}");
        assert!(!zone.source.is_empty() && !zone.name.is_empty(), "{name}");
        assert!(["CC-BY-4.0", "public domain"].contains(&zone.licence.as_str()), "{name}");
        let direct = name.starts_with("US-") || name.starts_with("EGRID:");
        assert_eq!(zone.kind == IntensityKind::DirectAverageProduction, direct, "{name}");
        let country = zone.alpha3.as_ref().is_some_and(|alpha3| alpha3.len() == 3) && name.len() == 2;
        assert!(country || direct || name == "WORLD", "{name}");
    }
}

#[test]
fn no_name_belongs_to_two_zones() {
    let mut owners: HashMap<String, &str> = HashMap::new();
    for zone in zones() {
        let names = zone.aliases.iter().chain(&zone.alpha3).chain([&zone.name, &zone.code]);
        for name in names.map(|name| name.to_lowercase()) {
            let owner = *owners.entry(name.clone()).or_insert(&zone.code);
            // The one shared name: the country comes first, and the lookup notes the state.
            assert!(owner == zone.code || name == "georgia", "{name}: {owner} and {}", zone.code);
        }
    }
}

#[test]
fn the_default_is_flagged() {
    let default = world();
    assert_eq!((default.zone.as_str(), default.zone_source), ("WORLD", ZoneSource::DefaultWorld));
    assert!(default.note.is_some());
    assert_eq!(lookup("world").unwrap().zone_source, ZoneSource::Given);
}

#[test]
fn constant_is_used_unchanged_or_refused() {
    assert_eq!(constant(0.0).unwrap().g_per_kwh, 0.0);
    assert_eq!(constant(5000.0).unwrap().zone_source, ZoneSource::Constant);
    for wrong in [-1.0, 5000.1, f64::NAN, f64::INFINITY] {
        assert!(constant(wrong).unwrap_err().to_string().contains("0 to 5000"));
    }
}

#[test]
fn an_unknown_zone_names_near_ones() {
    let error = lookup("Germny").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no carbon intensity for zone \"Germny\"; nearest: Germany (DE); `eco2 grid` lists all zones"
    );
    assert!(lookup("TX").unwrap_err().to_string().contains("Texas (US-TX)"));
    assert_eq!(lookup(" ").unwrap_err(), ZoneError::Empty);
    let long = "x".repeat(1_000_000);
    assert!(lookup(&long).unwrap_err().to_string().len() < 200);
}

#[test]
fn pricing_a_known_hour() {
    // 1 kWh at 342.06 g/kWh and PUE 1.5: 1.5 kWh of the facility, 513.09 g.
    let carbon = price(&used(3_600_000_000_000), Pue::new(1.5).unwrap(), &lookup("DE").unwrap());
    assert!((carbon.grams.unwrap() - 513.09).abs() < 1e-9);
    assert!((carbon.low - 461.781).abs() < 1e-9);
    assert!((carbon.high.unwrap() - 564.399).abs() < 1e-9);
    let [segment] = carbon.segments.as_slice() else { panic!("one segment") };
    assert_eq!(segment.energy_uj, 5_400_000_000_000);
    assert_eq!(segment.kind.as_deref(), Some("lifecycle-average-production"));
    assert_eq!((segment.year, segment.source.as_str()), (Some(2024), "Ember, Yearly Electricity Data (CC-BY-4.0)"));
    assert_eq!((carbon.zone.as_str(), carbon.zone_source.as_str()), ("DE", "given"));
}

#[test]
fn pue_below_one_is_refused() {
    for wrong in [0.999, 0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Pue::new(wrong).is_err(), "{wrong}");
    }
    assert_eq!(Pue::ONE.facility_uj(u64::MAX), u64::MAX);
    assert_eq!(Pue::new(2.0).unwrap().facility_uj(u64::MAX), u64::MAX);
}

#[test]
fn d12_renewables_are_never_subtracted() {
    // An intensity already holds the mix: grams are exactly facility energy times the published figure, nothing else.
    for zone in zones() {
        let carbon = price(&used(3_600_000_000_000), Pue::ONE, &lookup(&zone.code).unwrap());
        assert!((carbon.grams.unwrap() - zone.g_per_kwh).abs() < 1e-9, "{}", zone.code);
    }
}

#[test]
fn d14_one_figure_a_zone_and_no_silent_default() {
    let mut seen = HashMap::new();
    for zone in zones() {
        assert_eq!(seen.insert((&zone.code, zone.kind, zone.year), zone.g_per_kwh), None, "{}", zone.code);
        assert_eq!(lookup(&zone.code).unwrap().g_per_kwh, zone.g_per_kwh);
    }
    let california = lookup("US-CA").unwrap();
    for spelling in ["California", "USA/CA", "USA/California", "us_ca", "United States/California", "California, US"] {
        assert_eq!(lookup(spelling).unwrap(), california, "{spelling}");
    }
    for nowhere in ["Narnia", "XX", "USA/Bavaria", "DE-BY", "Germany/Bavaria", "Bavaria"] {
        assert!(lookup(nowhere).is_err(), "{nowhere}");
    }
    let bavaria = lookup("Bavaria, Germany").unwrap_err().to_string();
    assert!(bavaria.contains("Germany (DE)"), "{bavaria}");
}

proptest! {
    #[test]
    fn d11_more_energy_never_means_fewer_grams(
        first in any::<u64>(), second in any::<u64>(), pue in 1.0..3.0_f64, g_per_kwh in 0.0..5000.0_f64,
    ) {
        let intensity = constant(g_per_kwh).unwrap();
        let pue = Pue::new(pue).unwrap();
        let (less, more) = (first.min(second), first.max(second));
        let (less, more) = (price(&used(less), pue, &intensity), price(&used(more), pue, &intensity));
        prop_assert!(less.grams <= more.grams && less.grams >= Some(0.0));
        prop_assert!(more.bounded().is_consistent());
    }

    #[test]
    fn the_table_recomputes_the_total(uj in any::<u64>(), pue in 1.0..3.0_f64, g_per_kwh in 0.0..5000.0_f64) {
        let carbon = price(&used(uj), Pue::new(pue).unwrap(), &constant(g_per_kwh).unwrap());
        prop_assert_eq!(recompute(&carbon.segments).to_bits(), carbon.grams.unwrap().to_bits());
    }

    #[test]
    fn facility_energy_is_monotone_and_no_less(first in any::<u64>(), second in any::<u64>(), pue in 1.0..3.0_f64) {
        let pue = Pue::new(pue).unwrap();
        let (less, more) = (first.min(second), first.max(second));
        prop_assert!(pue.facility_uj(less) <= pue.facility_uj(more));
        prop_assert!(pue.facility_uj(less) >= less);
    }

    #[test]
    fn any_text_is_answered_without_panic(text in "\\PC{0,300}") {
        let _ = lookup(&text);
    }
}

#[test]
fn k16_country_that_replaces_a_region_and_world_that_replaces_a_zone_are_noted() {
    let around = |zone: &str| {
        let found = eco2_grid::lookup_or_around(zone);
        (found.zone, found.zone_source.as_str(), found.note.unwrap_or_default())
    };
    for (typed, zone) in [("Germany/Bavaria", "DE"), ("DE-BY", "DE"), ("Quebec", "CA"), ("Guinea-Bissau/Cacheu", "GW")]
    {
        let (found, source, note) = around(typed);
        assert_eq!((found.as_str(), source), (zone, "country"), "{typed}: {note}");
        assert!(note.contains(&format!("({zone}) is used instead")), "{note}");
    }
    let (found, source, note) = around("Atlantis");
    assert_eq!((found.as_str(), source), ("WORLD", "unknown"));
    assert!(note.contains("\"Atlantis\"") && note.ends_with("the world average is used instead"), "{note}");
    assert_eq!((around("DE").0.as_str(), around("DE").1), ("DE", "given"));
}

#[test]
fn k16_a_value_more_than_five_years_old_gets_a_notice() {
    let sahara = lookup("Western Sahara").unwrap();
    assert_eq!(sahara.year, Some(2009));
    let notice = sahara.age_notice(2026).unwrap();
    assert!(notice.contains("EH is of 2009, 17 years old"), "{notice}");
    let germany = lookup("DE").unwrap();
    assert_eq!((germany.age_notice(2029), germany.age_notice(2030).is_some()), (None, true), "2024 and five years");
    assert_eq!(eco2_grid::constant(5.0).unwrap().age_notice(2030), None);
}

/// The output of `sha256sum` for a file of this crate.
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
fn sha256sum(file: &str) -> String {
    let ran = std::process::Command::new("sha256sum").arg(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).output();
    String::from_utf8(ran.unwrap().stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn figures_of_the_table_name_the_committed_file_and_given_ones_none() {
    let hash = |intensity: eco2_grid::Intensity| intensity.table.map(|hash| hash.to_string());
    let table = Some(sha256sum("data/yearly.csv"));
    assert_eq!((hash(lookup("DE").unwrap()), hash(world())), (table.clone(), table));
    assert_eq!(hash(lookup("gcp:europe-west4").unwrap()), Some(sha256sum("data/clouds.csv")));
    assert_eq!(hash(constant(100.0).unwrap()), None);
}
