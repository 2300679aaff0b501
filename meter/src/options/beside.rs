//! Options for what stands beside the grams: market, making, water, money, offsets, a functional unit.

use std::path::PathBuf;

use super::input::Input;
use super::parse;

/// What is asked for beside the location-based grams; nothing of it changes them. `None` is not asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Beside {
    /// File of electricity prices over time.
    pub tariff_series: Option<PathBuf>,
    /// Its column; `None`: the only one, or `price_per_kwh`.
    pub tariff_column: Option<String>,
    /// Price of a tonne CO2e, in the budget's currency.
    pub carbon_price: Option<f64>,
    /// Hardware for embodied grams, as `eco2_grid::carbon::Hardware::named` takes it.
    pub embodied: Option<String>,
    /// Years that it lasts; `None`: 4.
    pub embodied_years: Option<f64>,
    /// Share of it that the run reserves, 0 to 1; `None`: all.
    pub embodied_share: Option<f64>,
    /// The contract behind market-based grams; needs `market_intensity`.
    pub market_instrument: Option<String>,
    /// Its factor, grams CO2e per kilowatt-hour; needs `market_instrument`.
    pub market_intensity: Option<f64>,
    /// Litres of water at the site per kilowatt-hour of IT energy.
    pub wue: Option<f64>,
    /// Litres of water at the power plants per kilowatt-hour of facility energy.
    pub ewif: Option<f64>,
    /// What was bought elsewhere: names with kilograms CO2e.
    pub offsets: Vec<(String, f64)>,
    /// What SCI is divided by: `step`, `sample`, `token` or `run`.
    pub functional_unit: Option<String>,
    /// Whether to say what weighs as much as the grams.
    pub equivalents: bool,
}

/// One of them with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    TariffSeries(PathBuf),
    TariffColumn(String),
    CarbonPrice(f64),
    Embodied(String),
    EmbodiedYears(f64),
    EmbodiedShare(f64),
    MarketInstrument(String),
    MarketIntensity(f64),
    Wue(f64),
    Ewif(f64),
    Offsets(Vec<(String, f64)>),
    FunctionalUnit(String),
    Equivalents(bool),
}

impl Asked {
    /// Puts the value in its place and returns the option's name.
    pub(super) fn apply(self, beside: &mut Beside) -> &'static str {
        match self {
            Self::TariffSeries(value) => set("tariff_series", &mut beside.tariff_series, Some(value)),
            Self::TariffColumn(value) => set("tariff_column", &mut beside.tariff_column, Some(value)),
            Self::CarbonPrice(value) => set("carbon_price", &mut beside.carbon_price, Some(value)),
            Self::Embodied(value) => set("embodied", &mut beside.embodied, Some(value)),
            Self::EmbodiedYears(value) => set("embodied_years", &mut beside.embodied_years, Some(value)),
            Self::EmbodiedShare(value) => set("embodied_share", &mut beside.embodied_share, Some(value)),
            Self::MarketInstrument(value) => set("market_instrument", &mut beside.market_instrument, Some(value)),
            Self::MarketIntensity(value) => set("market_intensity", &mut beside.market_intensity, Some(value)),
            Self::Wue(value) => set("wue", &mut beside.wue, Some(value)),
            Self::Ewif(value) => set("ewif", &mut beside.ewif, Some(value)),
            Self::Offsets(value) => set("offsets", &mut beside.offsets, value),
            Self::FunctionalUnit(value) => set("functional_unit", &mut beside.functional_unit, Some(value)),
            Self::Equivalents(value) => set("equivalents", &mut beside.equivalents, value),
        }
    }
}

fn set<T>(name: &'static str, place: &mut T, value: T) -> &'static str {
    *place = value;
    name
}

/// Hardware with a figure.
pub(super) fn embodied(input: &Input) -> Option<String> {
    let text = match input {
        Input::Number(number) => number.to_string(),
        input => parse::text(input)?,
    };
    eco2_grid::carbon::Hardware::named(&text).is_ok().then_some(text)
}

/// Names with kilograms: a table, or `name=kg` pairs between commas.
pub(super) fn offsets(input: &Input) -> Option<Vec<(String, f64)>> {
    let kg = |(name, text): (String, String)| {
        let kg: f64 = text.parse().ok()?;
        (kg.is_finite() && kg >= 0.0).then_some((name, kg))
    };
    parse::pairs(input)?.into_iter().map(kg).collect()
}

/// A functional unit's name.
pub(super) fn functional_unit(input: &Input) -> Option<String> {
    parse::text(input).filter(|name| eco2_grid::carbon::Functional::named(name).is_some())
}

/// Offsets as they were given.
pub(super) fn show_offsets(beside: &Beside) -> String {
    if beside.offsets.is_empty() {
        return "not set".to_owned();
    }
    beside.offsets.iter().map(|(name, kg)| format!("{name}={kg}")).collect::<Vec<_>>().join(",")
}
