//! Declares the options of reports in addition to location-based emissions ([`Supplements`]): cost, water, embodied emissions and
//! the like. [`super::rows`] declares the others, and explains what a declaration has.

use std::path::PathBuf;

use super::field::{ShowField as _, TakeValue as _};
use super::input::Input;
use super::parse;
use super::row::{Effect, Flag, Row, Subject, rows};

rows! {
    /// What is reported in addition to location-based emissions. `None` is not requested.
    Supplements named "", rows in supplements;

    /// Electricity prices over time from a CSV file, in the format of --intensity-series
    TARIFF_SERIES tariff_series: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"prices.csv\"";
        Supplements, ReadsPath, flag Flag::path("--tariff-series", "FILE").rare();

    /// Column of the price file
    TARIFF_COLUMN tariff_column: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"DE\"";
        Supplements, Describes, unset "price_per_kwh, or the only one", flag Flag::value("--tariff-column", "COLUMN").rare();

    /// Carbon price per tonne CO2e
    CARBON_PRICE carbon_price: Option<f64>;
        |input| parse::number(input, parse::AMOUNT),
        allowed "a finite amount of money for a tonne CO2e, 0 or more", such as "80";
        Supplements, Describes, flag Flag::value("--carbon-price", "PRICE").rare();

    /// Embodied emissions of the hardware: kg CO2e, LOW:BEST:HIGH, or parts such as server,8xa100-sxm4-40gb
    EMBODIED embodied: Option<String>;
        parse::embodied, allowed "kilograms CO2e, LOW:KG:HIGH, or pieces that docs/carbon.md lists",
        such as "\"server,8xa100-sxm4-40gb\"";
        Supplements, Describes, flag Flag::value("--embodied", "HARDWARE").rare();

    /// Service life of the hardware in years
    EMBODIED_YEARS embodied_years: Option<f64>;
        |input| parse::number(input, 0.01..=100.0), allowed "0.01 to 100 years", such as "5";
        Supplements, Describes, unset "4", flag Flag::value("--embodied-years", "YEARS").rare();

    /// Share of the hardware reserved for the run, 0 to 1
    EMBODIED_SHARE embodied_share: Option<f64>;
        |input| parse::number(input, 0.0..=1.0), allowed "0 to 1", such as "0.5";
        Supplements, Describes, unset "1", flag Flag::value("--embodied-share", "SHARE").rare();

    /// Contract for market-based emissions; requires --market-intensity
    MARKET_INSTRUMENT market_instrument: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"PPA-wind-2026\"";
        Supplements, Describes, flag Flag::value("--market-instrument", "NAME").rare();

    /// Emission factor of the contract, g CO2e/kWh; requires --market-instrument
    MARKET_INTENSITY market_intensity: Option<f64>;
        |input| parse::number(input, 0.0..=eco2_grid::MAX_G_PER_KWH),
        allowed "0 to 5000 grams CO2e per kilowatt-hour", such as "12";
        Supplements, Describes, flag Flag::value("--market-intensity", "G").rare();

    /// Water usage effectiveness (WUE): litres used on site per kWh of IT equipment
    WUE wue: Option<f64>;
        |input| parse::number(input, 0.0..=100.0), allowed "0 to 100 litres per kilowatt-hour", such as "1.8";
        Supplements, Describes, flag Flag::value("--wue", "LITRES").rare();

    /// Energy-water intensity factor (EWIF): litres used by power plants per kWh of the facility
    EWIF ewif: Option<f64>;
        |input| parse::number(input, 0.0..=100.0), allowed "0 to 100 litres per kilowatt-hour", such as "3.1";
        Supplements, Describes, flag Flag::value("--ewif", "LITRES").rare();

    /// Purchased offsets in kg CO2e, NAME=KG,…; listed and never subtracted
    OFFSETS offsets: Vec<(String, f64)>;
        parse::offsets, allowed "names with kilograms CO2e, 0 or more", such as "{ forest = 120 }";
        Supplements, Describes, flag Flag::value("--offsets", "LIST").rare();

    /// Report software carbon intensity (SCI) per step, sample, token or run
    FUNCTIONAL_UNIT functional_unit: Option<String>;
        parse::functional_unit, allowed "step, sample, token or run", such as "\"step\"";
        Supplements, Describes, flag Flag::value("--functional-unit", "UNIT").rare();

    /// Show everyday equivalents (km driven, phone charges)
    EQUIVALENTS equivalents: bool;
        parse::flag, allowed "true or false", such as "true";
        Supplements, Describes, flag Flag::on("--equivalents").rare();
}
