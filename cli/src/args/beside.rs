//! Flags for what stands beside the grams: money, making, water, a contract, offsets.

use std::path::PathBuf;

use clap::Args;
use eco2::options::{Layer, OptionsError};

use super::flags::{put, put_if, put_path};

/// What is asked for beside the location-based grams; none of it changes them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Beside the grams")]
pub(crate) struct Beside {
    /// Money for a kilowatt-hour
    #[arg(long, value_name = "PRICE", hide_short_help = true)]
    pub(crate) price_per_kwh: Option<String>,
    /// Prices over time from a CSV file; its form is that of --intensity-series
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) tariff_series: Option<PathBuf>,
    /// The file's column; its only one, or price_per_kwh, without it
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    pub(crate) tariff_column: Option<String>,
    /// Currency of prices: EUR
    #[arg(long, value_name = "CODE", hide_short_help = true)]
    pub(crate) currency: Option<String>,
    /// Money for a tonne CO2e
    #[arg(long, value_name = "PRICE", hide_short_help = true)]
    pub(crate) carbon_price: Option<String>,
    /// Making the hardware: kilograms, LOW:KG:HIGH, or pieces such as server,8xa100-sxm4-40gb
    #[arg(long, value_name = "HARDWARE", hide_short_help = true)]
    pub(crate) embodied: Option<String>,
    /// Years that the hardware lasts; 4 without it
    #[arg(long, value_name = "YEARS", hide_short_help = true)]
    pub(crate) embodied_years: Option<String>,
    /// Share of the hardware that the run reserves, 0 to 1; all without it
    #[arg(long, value_name = "SHARE", hide_short_help = true)]
    pub(crate) embodied_share: Option<String>,
    /// The contract behind market-based grams; with --market-intensity
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) market_instrument: Option<String>,
    /// Its factor, grams CO2e per kilowatt-hour
    #[arg(long, value_name = "G", hide_short_help = true)]
    pub(crate) market_intensity: Option<String>,
    /// Litres of water at the site per kilowatt-hour of the computers
    #[arg(long, value_name = "LITRES", hide_short_help = true)]
    pub(crate) wue: Option<String>,
    /// Litres of water at the power plants per kilowatt-hour of the facility
    #[arg(long, value_name = "LITRES", hide_short_help = true)]
    pub(crate) ewif: Option<String>,
    /// Offsets bought elsewhere, shown and never subtracted: NAME=KG,…
    #[arg(long, value_name = "LIST", hide_short_help = true)]
    pub(crate) offsets: Option<String>,
    /// Software carbon intensity per step, sample, token or run
    #[arg(long, value_name = "UNIT", hide_short_help = true)]
    pub(crate) functional_unit: Option<String>,
    /// Say what else weighs as much
    #[arg(long, hide_short_help = true)]
    pub(crate) equivalents: bool,
}

impl Beside {
    /// Options by their names, their flags, and what was given.
    fn texts(&self) -> [(&'static str, &'static str, &Option<String>); 13] {
        [
            ("budget.price_per_kwh", "--price-per-kwh", &self.price_per_kwh),
            ("tariff_column", "--tariff-column", &self.tariff_column),
            ("budget.currency", "--currency", &self.currency),
            ("carbon_price", "--carbon-price", &self.carbon_price),
            ("embodied", "--embodied", &self.embodied),
            ("embodied_years", "--embodied-years", &self.embodied_years),
            ("embodied_share", "--embodied-share", &self.embodied_share),
            ("market_instrument", "--market-instrument", &self.market_instrument),
            ("market_intensity", "--market-intensity", &self.market_intensity),
            ("wue", "--wue", &self.wue),
            ("ewif", "--ewif", &self.ewif),
            ("offsets", "--offsets", &self.offsets),
            ("functional_unit", "--functional-unit", &self.functional_unit),
        ]
    }

    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        self.texts().into_iter().try_for_each(|(key, flag, text)| put(layer, key, flag, text))?;
        put_path(layer, "tariff_series", "--tariff-series", &self.tariff_series)?;
        put_if(layer, self.equivalents, "equivalents", "--equivalents", true)
    }

    /// Whether any of them was given.
    pub(crate) fn is_given(&self) -> bool {
        self.equivalents || self.tariff_series.is_some() || self.texts().iter().any(|(_, _, text)| text.is_some())
    }
}
