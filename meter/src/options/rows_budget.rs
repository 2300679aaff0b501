//! Options of limits, of prices, and of what happens at a limit, one declaration each.

use std::ops::RangeInclusive;

use eco2_core::Decision;

use super::field::{Shown as _, TakeValue as _};
use super::input::Input;
use super::parse;
use super::row::{Flag, Row, Subject, rows};
use super::trust::Effect;

/// No share of a limit of 0 can be spent.
const LIMIT: RangeInclusive<f64> = f64::from_bits(1)..=f64::MAX;

rows! {
    /// Limits of a run, what happens at them, and what energy costs. `None` is no limit.
    Budget named "budget.";

    /// Limit on emissions, kg CO2e
    MAX_CO2_KG max_co2_kg: Option<f64>;
        |input| parse::number(input, LIMIT), allowed "a finite number of kilograms above 0", such as "5";
        Budget, Describes, unset "no limit",
        flag Flag::value("--max-co2", "KG").help("Warn when emissions exceed KG (does not stop the command)");

    /// Limit on energy use, kWh with the facility's overhead (PUE)
    MAX_ENERGY_KWH max_energy_kwh: Option<f64>;
        |input| parse::number(input, parse::LEAST_KWH..=f64::MAX),
        allowed "a finite number of kilowatt-hours, a microjoule (2.8e-13) or more", such as "12.5";
        Budget, Describes, unset "no limit",
        flag Flag::value("--max-energy", "KWH").help("Warn when energy use exceeds KWH (does not stop the command)");

    /// Limit on the cost of energy, money; requires a price or a tariff
    MAX_COST max_cost: Option<f64>;
        |input| parse::number(input, LIMIT), allowed "a finite amount of money above 0", such as "20";
        Budget, Describes, unset "no limit";

    /// Planned duration in hours, to forecast use at its end (90 % interval)
    TOTAL_HOURS total_hours: Option<f64>;
        |input| parse::number(input, 0.001..=100_000.0), allowed "0.001 to 100000 hours", such as "12.5";
        Budget, Describes, flag Flag::value("--total-hours", "H").rare();

    /// Planned number of steps, to forecast use at the last one
    TOTAL_STEPS total_steps: Option<u32>;
        parse::positive, allowed "a whole number from 1 to 4294967295", such as "10000";
        Budget, Describes;

    /// Percent of every limit reserved for a checkpoint and a step larger than any before
    RESERVE_PERCENT reserve_percent: f64;
        |input| parse::number(input, 0.0..=90.0), allowed "0 to 90 percent of every limit", such as "2";
        Budget, Describes, unset "0", flag Flag::value("--reserve", "PERCENT").rare();

    /// Steps between two checks of the budget; as many are reserved
    CHECK_STEPS check_steps: u32 = 1;
        parse::positive, allowed "a whole number from 1 to 4294967295", such as "100";
        Budget, Describes, unset "1";

    /// Decision when the forecast exceeds a limit
    BUDGET_SOFT soft: Decision = Decision::Warn;
        parse::answer, allowed "off, warn, pause or stop", such as "\"pause\"";
        Budget, Describes, unset "warn";

    /// Decision when a limit is used up except for the reserve
    BUDGET_HARD hard: Decision = Decision::Stop;
        parse::answer, allowed "off, warn, pause or stop", such as "\"pause\"";
        Budget, Describes, unset "stop";

    /// Decide by the upper bound: one that reaches a limit, or is not known, counts like a value that does
    BUDGET_STRICT strict: bool;
        parse::flag, allowed "true or false", such as "true";
        Budget, Describes;

    /// Electricity price per kWh
    PRICE_PER_KWH price_per_kwh: Option<f64>;
        |input| parse::number(input, parse::AMOUNT),
        allowed "a finite amount of money for a kilowatt-hour, 0 or more", such as "0.3";
        Supplements, Describes, flag Flag::value("--price-per-kwh", "PRICE").rare();

    /// Currency of prices and limits, an ISO 4217 code such as EUR
    CURRENCY currency: Option<String>;
        parse::currency, allowed "an ISO 4217 code of three capital letters", such as "\"EUR\"";
        Supplements, Describes, flag Flag::value("--currency", "CODE").rare();
}
