//! Tests of the budget: that what a run has used, what is held back for its next step and its forecast lead to the
//! right decision (go on, warn, pause or stop).

use proptest::prelude::*;

use super::*;

/// Returns a use of energy without uncertainty, microjoules.
fn used(energy_uj: u64) -> Usage {
    between(energy_uj as f64, energy_uj as f64, Some(energy_uj as f64))
}

/// Returns a use of energy with its bounds, microjoules.
fn between(value: f64, low: f64, high: Option<f64>) -> Usage {
    let energy_uj = Bounded::hard(value, low, high);
    Usage { amounts: PerUnit { energy_uj, ..Usage::default().amounts }, quality: Some((Quality::Measured, 100.0)) }
}

/// Returns an outlook that expects this energy until the next comparison, microjoules.
fn next(energy_uj: f64) -> Outlook {
    Outlook { next: PerUnit { energy_uj: Some(energy_uj), ..PerUnit::default() }, ..Outlook::default() }
}

#[test]
fn k10_an_open_upper_bound_is_never_go() {
    // A counter died at 141 J of 300 J: the truth is anything from 141 J on.
    let mut budget = Budget::new(Limit::EnergyUj(300_000_000)).unwrap();
    let dead = between(141e6, 141e6, None);
    for found in [budget.check(&dead), budget.judge(&dead)] {
        assert_eq!((found.decision, found.hard), (Decision::Warn, false));
        assert_eq!((found.spent, found.low, found.high), (Some(141e6), Some(141e6), None));
        assert_eq!((found.quality, found.quality_percent), (Some(Quality::Measured), Some(100.0)));
    }
    budget.policy.soft = Decision::Go;
    budget.policy.hard = Decision::Go;
    assert_eq!(budget.check(&dead).decision, Decision::Warn, "whatever the answers to forecast and limit are");
}

#[test]
fn k10_an_upper_bound_that_reaches_the_limit_warns_and_stops_only_a_strict_budget() {
    let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
    let at = |budget: &Budget, high| {
        let found = budget.check(&between(500.0, 400.0, Some(high)));
        (found.decision, found.hard)
    };
    assert_eq!(at(&budget, 999.0), (Decision::Go, false));
    assert_eq!(at(&budget, 1000.0), (Decision::Warn, false));
    budget.policy.strict = true;
    assert_eq!(at(&budget, 999.0), (Decision::Go, false));
    assert_eq!(at(&budget, 1000.0), (Decision::Stop, true));
    assert_eq!(budget.check(&between(1.0, 1.0, None)).decision, Decision::Stop, "no upper bound");
    assert_eq!(budget.check(&Usage::default()).decision, Decision::Stop, "nothing known");
    let over = |high| budget.judge(&between(500.0, 400.0, high)).decision;
    assert_eq!([over(Some(1000.0)), over(Some(1001.0)), over(None)], [Decision::Warn, Decision::Stop, Decision::Stop]);
}

#[test]
fn a_budget_warns_at_four_fifths_and_stops_when_used_up() {
    let budget = Budget::new(Limit::Grams(10.0)).unwrap();
    let at = |grams| {
        let amounts = PerUnit { grams: Bounded::exact(grams), ..Usage::default().amounts };
        budget.check(&Usage { amounts, quality: None }).decision
    };
    assert_eq!([at(7.9), at(8.0), at(9.99), at(10.0)], [Decision::Go, Decision::Warn, Decision::Warn, Decision::Stop]);
    assert_eq!(Budget::new(Limit::Money(f64::NAN)), None);
}

#[test]
fn an_unknown_amount_is_a_warning_and_not_zero() {
    let limits = [Limit::EnergyUj(10), Limit::Grams(10.0), Limit::Money(10.0)];
    // Money may be negative, so that an unknown amount of it is not known to be 0 or more.
    for (limit, low) in limits.into_iter().zip([Some(0.0), Some(0.0), None]) {
        let budget = Budget::new(limit).unwrap();
        for found in [budget.check(&Usage::default()), budget.judge(&Usage::default())] {
            assert_eq!((found.spent, found.decision, found.finish), (None, Decision::Warn, None));
            assert_eq!((found.low, found.high, found.quality), (low, None, None));
        }
    }
}

#[test]
fn a_run_that_is_over_is_judged_by_what_it_used() {
    let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
    budget.policy.reserve = 0.5;
    let at = |energy| {
        let found = budget.judge(&used(energy));
        (found.held, found.hard, found.decision, found.finish.map(|finish| finish.p90))
    };
    assert_eq!(at(690), (0.0, false, Decision::Go, Some(690.0)), "no reserve is needed any more");
    assert_eq!(at(1000), (0.0, false, Decision::Warn, Some(1000.0)), "kept, to the last");
    assert_eq!(at(1001), (0.0, true, Decision::Stop, Some(1001.0)));
}

#[test]
fn a_forecast_over_the_limit_is_a_soft_finding_and_does_not_flap() {
    let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
    let at = |budget: &Budget, p90: f64, was| {
        let finish = Finish { mean: p90 - 50.0, low: p90 - 100.0, high: p90 + 20.0, p90 };
        let finish = PerUnit { energy_uj: Some(finish), ..PerUnit::default() };
        let found = budget.decide(&used(100), &Outlook { finish, ..Outlook::default() }, was);
        (found.soft, found.decision)
    };
    assert_eq!(at(&budget, 1000.0, false), (false, Decision::Go));
    assert_eq!(at(&budget, 1001.0, false), (true, Decision::Warn));
    assert_eq!(at(&budget, 960.0, true), (true, Decision::Warn), "not yet far enough below");
    assert_eq!(at(&budget, 950.0, true), (false, Decision::Go));
    budget.policy.soft = Decision::Pause;
    assert_eq!(at(&budget, 1001.0, false), (true, Decision::Pause));
}

#[test]
fn a_hard_finding_holds_back_what_is_next_and_the_reserve() {
    let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
    budget.policy.reserve = 0.1;
    let at = |energy| {
        let found = budget.decide(&used(energy), &next(50.0), false);
        (found.held, found.hard, found.decision)
    };
    assert_eq!(at(849), (150.0, false, Decision::Warn));
    assert_eq!(at(850), (150.0, true, Decision::Stop), "reaching the limit is enough");
}

proptest! {
    #[test]
    fn a_hard_stop_never_overshoots_while_no_step_is_larger_than_the_reserve(
        limit in 1_000_u64..1_000_000,
        reserve in 0.0..0.9_f64,
        shares in prop::collection::vec(0.0..=1.0_f64, 1..400),
        wrong_guess in 0_u64..1_000,
    ) {
        let mut budget = Budget::new(Limit::EnergyUj(limit)).unwrap();
        budget.policy.reserve = reserve;
        let largest = (reserve * limit as f64).floor();
        let (mut spent, mut steps) = (0, 0);
        for share in &shares {
            // What is expected of the next step may be anything: the reserve alone is enough.
            if budget.decide(&used(spent), &next(wrong_guess as f64), false).decision == Decision::Stop {
                break;
            }
            spent += (share * largest) as u64;
            steps += 1;
        }
        prop_assert!(spent <= limit, "{spent} of {limit} after {steps} steps");
    }

    #[test]
    fn k10_go_needs_an_upper_bound_below_the_limit(
        value in prop::option::of(0.0..2_000.0_f64),
        below in 0.0..500.0_f64,
        above in prop::option::of(0.0..500.0_f64),
        held in 0.0..2_000.0_f64,
        strict: bool,
    ) {
        let mut budget = Budget::new(Limit::EnergyUj(1000)).unwrap();
        budget.policy.strict = strict;
        let known = value.map(|value| between(value, (value - below).max(0.0), above.map(|above| value + above)));
        let usage = known.unwrap_or_default();
        for found in [budget.decide(&usage, &next(held), false), budget.judge(&usage)] {
            let sure = value.zip(above).is_some_and(|(value, above)| value + above < 1000.0);
            prop_assert!(found.decision > Decision::Go || sure, "{found:?}");
        }
    }
}
