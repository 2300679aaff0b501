//! Pricing, pricing again and merging: the same terms give the same emissions and cost.
//!
//! The prefix `k09_` of test names refers to docs/acceptance.md.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use eco2_core::Bounded;
use eco2_core::schema::{BudgetRecord, Carbon, Energy, Report, Work};
use eco2_core::units::kwh;
use eco2_grid::pricing::{EnergyCurve, EnergyShare, PriceInput, PriceRequest, Pricing, When, facility, merge_shares};
use eco2_grid::{Pue, recompute};
use proptest::prelude::*;

const MINUTE_NS: u64 = 60_000_000_000;
const HOUR_NS: u64 = 60 * MINUTE_NS;
/// Duration of every run of these tests, which starts at 12:30.
const LASTED_NS: u64 = 4 * HOUR_NS;

fn when() -> When {
    When::new("2026-03-01T12:30:00Z".parse().unwrap(), LASTED_NS)
}

/// Cumulative energy at each quarter of an hour, with bounds.
#[derive(Debug, Clone)]
struct Levels(Vec<Bounded<u64>>);

impl EnergyCurve for Levels {
    fn at(&self, since_ns: u64) -> Bounded<u64> {
        let place = usize::try_from(since_ns / (15 * MINUTE_NS)).unwrap();
        place.checked_sub(1).map_or(Bounded::exact(0), |place| self.0[place.min(self.0.len() - 1)])
    }
}

impl Levels {
    fn energy(&self) -> Energy {
        Energy { pue: 1.0, ..Energy::default().with_total(*self.0.last().unwrap()) }
    }
}

fn levels() -> impl Strategy<Value = Levels> {
    let step = (0..1u64 << 42, 0..1u64 << 36, 0..1u64 << 36);
    prop::collection::vec(step, 16).prop_map(|steps| {
        let mut reached = 0;
        let level = |(energy, below, above): (u64, u64, u64)| {
            reached += energy;
            Bounded::hard(reached, reached.saturating_sub(below), Some(reached + above))
        };
        Levels(steps.into_iter().map(level).collect())
    })
}

/// The terms of a generated run.
#[derive(Debug, Clone)]
struct PriceCase {
    by_series: bool,
    by_tariff: bool,
    intensities: Vec<f64>,
    prices: Vec<f64>,
    pue: f64,
}

fn price_case() -> impl Strategy<Value = PriceCase> {
    let figures = |range| prop::collection::vec(range, 6);
    (any::<bool>(), any::<bool>(), figures(0.0..2000.0_f64), figures(-1.0..2.0_f64), 1.0..2.0_f64).prop_map(
        |(by_series, by_tariff, intensities, prices, pue)| PriceCase { by_series, by_tariff, intensities, prices, pue },
    )
}

/// A file with values for the hours from noon on.
fn file(folder: &Path, column: &str, figures: &[f64]) -> std::path::PathBuf {
    let rows = figures.iter().zip(12..).map(|(figure, hour)| format!("2026-03-01T{hour:02}:00Z,{figure}\n"));
    let path = folder.join(format!("{column}.csv"));
    std::fs::write(&path, format!("time,{column}\n") + &rows.collect::<String>()).unwrap();
    path
}

fn request(case: &PriceCase, folder: &Path) -> PriceRequest {
    PriceRequest {
        g_per_kwh: (!case.by_series).then_some(case.intensities[0]),
        series: case.by_series.then(|| file(folder, "gco2e_per_kwh", &case.intensities)),
        price_per_kwh: (!case.by_tariff).then_some(case.prices[0].abs()),
        tariff: case.by_tariff.then(|| file(folder, "price_per_kwh", &case.prices)),
        pue: Some(case.pue),
        wue: Some(1.8),
        carbon_price: Some(80.0),
        ..PriceRequest::default()
    }
}

fn resolved(request: &PriceRequest) -> Pricing {
    Pricing::resolve(request.clone(), Vec::new()).unwrap()
}

fn priced(pricing: &Pricing, levels: &Levels) -> (Energy, Carbon) {
    let (mut energy, when) = (levels.energy(), when());
    let coverage = pricing.sources.as_ref().map(|sources| sources.cover(&when, when.to_ns()));
    let run = PriceInput { when: &when, work: &Work::default(), curve: Some(levels), coverage: coverage.as_ref() };
    let (carbon, _) = pricing.price(&mut energy, &run);
    (energy, carbon)
}

fn again(pricing: &Pricing, levels: &Levels, energy: &Energy, carbon: &Carbon) -> (Energy, Carbon) {
    let when = when();
    let coverage = pricing.sources.as_ref().map(|sources| sources.cover(&when, when.to_ns()));
    let report = Report { energy: energy.clone(), carbon: Some(carbon.clone()), ..bare() };
    let report = pricing.price_again(report, &when, levels, coverage.as_ref());
    (report.energy, report.carbon.unwrap())
}

fn bare() -> Report {
    let report = serde_json::json!({
        "schema": "eco2.report/1",
        "run": {"id": "r", "name": "r", "labels": {}, "command": [], "started_at": "2026-03-01T12:30:00Z", "ended_at": "",
            "duration_ns": LASTED_NS, "exit_code": null, "state": "final", "attempts": [],
            "host": {"boot_id": "", "hostname": "", "kernel": ""}, "tool": {"version": ""}},
        "energy": Energy::default(), "devices": [], "spans": [], "work": Work::default(), "attribution": null,
        "carbon": null, "sources": [], "events": [],
        "self": {"cpu_ns": 0, "max_rss_bytes": 0, "samples": 0, "dropped": 0, "missed_ticks": 0, "log_lost_bytes": 0},
    });
    serde_json::from_value(report).unwrap()
}

#[test]
fn price_of_a_report_without_emissions_leaves_its_budget() {
    let levels = Levels(vec![Bounded::exact(1_000_000)]);
    let pricing = resolved(&PriceRequest { price_per_kwh: Some(0.3), ..PriceRequest::default() });
    let budget = Some(BudgetRecord { limits: Vec::new(), forecast: None, scope: String::new() });
    let report = Report { energy: levels.energy(), budget: budget.clone(), ..bare() };
    let repriced = pricing.price_again(report, &when(), &levels, None);
    assert_eq!((repriced.carbon, repriced.budget), (None, budget));
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-7 * one.abs().max(other.abs()).max(1e-9)
}

fn share<'a>(levels: &Levels, (energy, carbon): &'a (Energy, Carbon)) -> EnergyShare<'a> {
    let whole = *levels.0.last().unwrap();
    EnergyShare { energy: whole, during: (when().from, when().to), carbon, own: energy }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn k09_pricing_again_by_the_same_terms_gives_the_same_figures_to_the_bit(case in price_case(), levels in levels()) {
        let folder = tempfile::tempdir().unwrap();
        let request = request(&case, folder.path());
        let pricing = resolved(&request);
        let (energy, carbon) = priced(&pricing, &levels);
        prop_assert_eq!(again(&pricing, &levels, &energy, &carbon), (energy.clone(), carbon.clone()));
        // Asked for nothing, or for the PUE that it has: nothing changes.
        let nothing = resolved(&PriceRequest::default());
        prop_assert_eq!(again(&nothing, &levels, &energy, &carbon), (energy.clone(), carbon.clone()));
        let same_pue = resolved(&PriceRequest { pue: Some(case.pue), ..PriceRequest::default() });
        prop_assert_eq!(again(&same_pue, &levels, &energy, &carbon), (energy.clone(), carbon.clone()));
        prop_assert_eq!(recompute(&carbon.segments), carbon.grams.unwrap());
    }

    #[test]
    fn k09_another_pue_alone_scales_all_but_the_computers_own_water(
        case in price_case(), levels in levels(), pue in 1.0..2.0_f64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let request = request(&case, folder.path());
        let (energy, carbon) = priced(&resolved(&request), &levels);
        let alone = resolved(&PriceRequest { pue: Some(pue), ..PriceRequest::default() });
        let (kept_energy, kept) = again(&alone, &levels, &energy, &carbon);
        // What a run at that PUE would have been priced with: the segments' edges are rounded to a microjoule each.
        let (fresh_energy, fresh) = priced(&resolved(&PriceRequest { pue: Some(pue), ..request }), &levels);
        prop_assert_eq!(&kept_energy, &fresh_energy);
        prop_assert_eq!((&kept.terms, kept.segments.len()), (&fresh.terms, fresh.segments.len()));
        prop_assert_eq!(
            kept.segments.iter().map(|segment| segment.energy_uj).sum::<u64>(), kept_energy.facility_uj.unwrap()
        );
        prop_assert!(near(kept.grams.unwrap(), fresh.grams.unwrap()));
        prop_assert!(near(kept.low, fresh.low) && near(kept.high.unwrap(), fresh.high.unwrap()));
        prop_assert!((kept.cost.unwrap() - fresh.cost.unwrap()).abs() < 1e-7 * kwh(kept_energy.facility_uj.unwrap()));
        prop_assert_eq!(&kept.beside.unwrap().water, &fresh.beside.unwrap().water);
    }

    #[test]
    fn k09_what_is_merged_after_pricing_is_what_its_parts_come_to(
        cases in prop::collection::vec((price_case(), levels()), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let parts: Vec<(Energy, Carbon)> = cases
            .iter()
            .map(|(case, levels)| priced(&resolved(&request(case, folder.path())), levels))
            .collect();
        let shares: Vec<EnergyShare<'_>> = cases.iter().zip(&parts).map(|((_, levels), part)| share(levels, part)).collect();
        let merged = merge_shares(&shares);
        let sum = |of: fn(&Carbon) -> f64| parts.iter().map(|(_, carbon)| of(carbon)).sum::<f64>();
        let segments: Vec<_> = parts.iter().flat_map(|(_, carbon)| carbon.segments.clone()).collect();
        prop_assert_eq!(&merged.carbon.segments, &segments, "a share of all of a record keeps its segments");
        prop_assert_eq!(merged.carbon.grams, Some(recompute(&segments)));
        prop_assert_eq!(merged.carbon.cost, Some(sum(|carbon| carbon.cost.unwrap()) + 0.0));
        prop_assert!(near(merged.carbon.low, sum(|carbon| carbon.low)));
        prop_assert!(near(merged.carbon.high.unwrap(), sum(|carbon| carbon.high.unwrap())));
        if let [(_, alone)] = parts.as_slice() {
            prop_assert_eq!((merged.carbon.grams, merged.carbon.low, merged.carbon.high), (alone.grams, alone.low, alone.high));
        }
    }

    #[test]
    fn k09_a_merged_pue_lies_between_the_stated_ones_and_equal_ones_stay(
        shares in prop::collection::vec((1.0..2.0_f64, 0..1u64 << 50), 1..8), same in 1.0..2.0_f64,
    ) {
        let of = |pue: &dyn Fn(f64) -> f64| -> Energy {
            let shares: Vec<_> =
                shares.iter().map(|(own, uj)| (Pue::new(pue(*own)).unwrap(), Bounded::exact(*uj))).collect();
            facility(Energy { high_uj: Some(0), ..Energy::default() }, &shares)
        };
        prop_assert_eq!(of(&|_| same).pue, same);
        let used: Vec<(f64, u64)> = shares.iter().copied().filter(|(_, uj)| *uj > 0).collect();
        prop_assume!(!used.is_empty());
        let mean = of(&|own| own).pue;
        let (least, most) = used.iter().fold((2.0_f64, 1.0_f64), |(least, most), (pue, _)| (least.min(*pue), most.max(*pue)));
        prop_assert!(least - 1e-12 <= mean && mean <= most + 1e-12, "{} {} {}", least, mean, most);
    }
}
