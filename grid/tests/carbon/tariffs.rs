//! Prices over time: files, and the cost of a run.

use eco2_core::Bounded;
use eco2_grid::Pue;
use eco2_grid::carbon::{Tariff, series_cost};
use proptest::prelude::*;

const KWH: u64 = 3_600_000_000_000;
const HOUR_NS: i64 = 3_600_000_000_000;
const DAY: &str = "# unit=EUR/MWh\ntime,price\n1970-01-01T00:00Z,100\n1970-01-01T01:00Z,-20\n1970-01-01T02:00Z,\n";

fn tariff(text: &str) -> Tariff {
    Tariff::parse(text.as_bytes(), "t.csv", None).unwrap()
}

fn refused(text: &str) -> String {
    Tariff::parse(text.as_bytes(), "t.csv", None).unwrap_err().to_string()
}

/// A kilowatt all the time, exactly known.
fn kilowatt(since_ns: u64) -> Bounded<u64> {
    Bounded::exact(since_ns)
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn each_part_costs_the_price_of_its_time_and_prices_may_be_negative() {
    let cost = series_cost(&tariff(DAY), None, (0, 2 * HOUR_NS), Pue::new(1.5).unwrap(), &kilowatt);
    // 1.5 kWh × 0.10 − 1.5 kWh × 0.02.
    assert!(
        near(cost.amount.unwrap(), 0.12) && near(cost.low.unwrap(), 0.12) && near(cost.high.unwrap(), 0.12),
        "{cost:?}"
    );
    assert_eq!((cost.currency.as_deref(), cost.method.as_str(), cost.unpriced_uj), (Some("EUR"), "series", 0));
}

#[test]
fn time_without_a_price_is_not_free() {
    let cost = series_cost(&tariff(DAY), None, (HOUR_NS, 3 * HOUR_NS), Pue::ONE, &kilowatt);
    assert!(near(cost.amount.unwrap(), -0.02));
    assert_eq!(cost.unpriced_uj, KWH);
    let filled = series_cost(&tariff(DAY), Some(0.3), (HOUR_NS, 4 * HOUR_NS), Pue::ONE, &kilowatt);
    assert!(near(filled.amount.unwrap(), -0.02 + 0.6), "{filled:?}");
    assert_eq!((filled.method.as_str(), filled.unpriced_uj), ("series and flat", 0));
}

#[test]
fn files_with_faults_are_refused_with_line_and_remedy() {
    for (text, part) in [
        ("time,a\n1970-01-01T00:00Z,dear\n", "t.csv:2: the price is \"dear\""),
        ("time,a\n1970-01-01T00:00Z,1e9\n", "t.csv:2: the price is \"1000000000\""),
        ("# unit=EUR/J\ntime,a\n1970-01-01T00:00Z,1\n", "t.csv:1: the unit is \"EUR/J\""),
        ("time,a\n1970-01-01T01:00Z,1\n1970-01-01T00:00Z,1\n", "t.csv:3:"),
        ("time,a,b\n1970-01-01T01:00Z,1,2\n", "which column"),
        ("time,a\n", "no rows"),
    ] {
        assert!(refused(text).contains(part), "{text:?}: {}", refused(text));
    }
    let two = Tariff::parse(b"time,a,b\n1970-01-01T00:00Z,1,2\n", "t.csv", Some("b")).unwrap();
    assert_eq!((two.at(0), two.at(HOUR_NS), two.currency), (Some(2.0), None, None));
}

proptest! {
    #[test]
    fn the_true_cost_lies_within_the_bounds(
        hours in prop::collection::vec((-0.5..1.0_f64, 0..1u64 << 42, 0..1u64 << 40, 0..1u64 << 40, 0.0..1.0_f64), 1..10),
        bounded in any::<bool>(),
    ) {
        let rows: Vec<String> =
            hours.iter().enumerate().map(|(at, hour)| format!("1970-01-01T{at:02}:00Z,{}", hour.0)).collect();
        let tariff = tariff(&format!("time,price\n{}\n", rows.join("\n")));
        let (mut reached, mut last) = (0, 0);
        let (mut levels, mut truth) = (Vec::new(), Vec::new());
        for (_, energy, below, above, share) in &hours {
            reached += energy;
            let (low_uj, high_uj) = (reached.saturating_sub(*below), reached + above);
            last = (low_uj + ((high_uj - low_uj) as f64 * share) as u64).max(last).min(high_uj);
            truth.push(last);
            levels.push(Bounded::hard(reached, low_uj, bounded.then_some(high_uj)));
        }
        prop_assume!(truth.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assume!(truth.iter().zip(&levels).all(|(uj, level)| *uj >= level.low));
        let place = |since_ns: u64| (since_ns / HOUR_NS as u64).saturating_sub(1) as usize;
        let to_ns = hours.len() as i64 * HOUR_NS;
        let cost = series_cost(&tariff, None, (0, to_ns), Pue::ONE, &|since: u64| levels[place(since)]);
        let exact = |since: u64| Bounded::exact(truth[place(since)]);
        let true_amount = series_cost(&tariff, None, (0, to_ns), Pue::ONE, &exact).amount;
        prop_assert!(cost.low.is_none_or(|low| low <= true_amount.unwrap() + 1e-6), "{:?} {:?}", cost, true_amount);
        prop_assert!(cost.high.is_none_or(|high| true_amount <= Some(high + 1e-6)), "{:?} {:?}", cost, true_amount);
        prop_assert!(cost.low.is_none_or(|low| low <= cost.amount.unwrap() + 1e-6) && cost.high.is_none_or(|high| cost.amount <= Some(high + 1e-6)));
        prop_assert!(bounded == (cost.high.is_some() && cost.low.is_some()) || !bounded);
    }
}
