//! Cloud regions, places without a value, and mixes by the public API.
//!
//! Prefixes of test names (`d12_`, `d14_`) refer to docs/acceptance.md.

use eco2_grid::{Pue, ZoneError, cloud_region, cloud_regions, lookup, mix, price, zones};

#[test]
fn a_region_is_found_by_every_spelling() {
    let spellings = ["aws:us-east-1", "AWS/us-east-1", "aws us east 1", "us-east-1", " US-EAST-1 "];
    for spelling in spellings {
        assert_eq!(
            cloud_region(spelling.trim()).map(|region| region.code()).as_deref(),
            Some("aws:us-east-1"),
            "{spelling}"
        );
        assert_eq!(lookup(spelling).unwrap().zone, "US-VA", "{spelling}");
    }
    assert_eq!(lookup("gcp:us-central1").unwrap().zone, "gcp:us-central1");
    assert!(lookup("aws:us-central1").is_err());
}

#[test]
fn d14_every_region_has_a_dated_and_cited_value_with_its_owner() {
    for region in cloud_regions() {
        let found = lookup(&region.code()).unwrap_or_else(|error| panic!("{}: {error}", region.code()));
        assert!(found.year.is_some() && found.kind.is_some() && !found.source.is_empty() && !found.licence.is_empty());
        let own = found.zone == region.code();
        assert_eq!(found.note.is_none(), own, "{}", region.code());
        assert!(own || found.zone == region.zone, "{}", region.code());
    }
}

#[test]
fn a_misspelt_region_names_near_ones() {
    for (typed, near) in
        [("us-east-9", "aws:us-east-1"), ("gcp:europe-west44", "gcp:europe-west4"), ("westeurop", "azure:westeurope")]
    {
        let error = lookup(typed).unwrap_err().to_string();
        assert!(error.contains(near), "{typed}: {error}");
    }
}

#[test]
fn d14_a_place_without_a_figure_gets_none_from_around_it() {
    for (typed, label, around) in [
        ("Quebec", "Quebec (CA-QC)", Some("Canada (CA)")),
        ("CA-ON", "Ontario (CA-ON)", Some("Canada (CA)")),
        ("Alberta, Canada", "Alberta (CA-AB)", Some("Canada (CA)")),
        ("Monaco", "Monaco (MC)", None),
        ("AND", "Andorra (AD)", None),
    ] {
        let Err(ZoneError::NoFigure { zone, around: found }) = lookup(typed) else { panic!("{typed}") };
        assert_eq!((zone.as_str(), found.as_deref()), (label, around));
    }
}

#[test]
fn d12_a_mix_is_shown_and_changes_no_gram() {
    for zone in zones().iter().filter(|zone| mix(&zone.code).is_some()) {
        let kwh = 3_600_000_000_000;
        let used = eco2_grid::Consumption { energy: eco2_core::Bounded::exact(kwh), from: "", to: "" };
        let carbon = price(&used, Pue::ONE, &lookup(&zone.code).unwrap());
        assert!((carbon.grams.unwrap() - zone.g_per_kwh).abs() < 1e-9, "{}", zone.code);
    }
    assert!(mix("US-CA").is_none() && mix("XK").is_none_or(|mix| mix.fossil_percent > 50.0));
}
