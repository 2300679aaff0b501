//! The options with which a report was priced (zone, prices, factors), stored in the report. `eco2 report` prices it again
//! with them, and changes only the options that are set again.

use serde::{Deserialize, Serialize};

use super::supplements::{Offset, Supplements};

/// The options of a report's grams, money and water; `None` and empty: not set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceTerms {
    /// The grid zone, as the user wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The place whose zone was looked for: `cloud`, or a latitude and a longitude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locate: Option<String>,
    /// An intensity that the user set, grams CO2e per kilowatt-hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub g_per_kwh: Option<f64>,
    /// Name of the file of intensities, without its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Name of the column that is used in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series_column: Option<String>,
    /// The providers that were named, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// What the intensities count, such as `lifecycle-average-production`; `None`: not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Power usage effectiveness, as the user set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pue: Option<f64>,
    /// Price of a kilowatt-hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_kwh: Option<f64>,
    /// Name of the file of prices, without its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff: Option<String>,
    /// Name of the column that is used in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff_column: Option<String>,
    /// SHA-256 of that file, hexadecimal; `None` in reports of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff_sha256: Option<String>,
    /// ISO 4217 code of prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The contract behind market-based grams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market: Option<MarketTerms>,
    /// The hardware whose embodied emissions are shared among its users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embodied: Option<EmbodiedTerms>,
    /// The functional unit of the software carbon intensity (SCI): `step`, `sample`, `token` or `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functional_unit: Option<String>,
    /// Litres of water at the site per kilowatt-hour of IT energy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wue: Option<f64>,
    /// Litres of water at the power plants per kilowatt-hour of facility energy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ewif: Option<f64>,
    /// Price of a tonne CO2e.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carbon_price: Option<f64>,
    /// Offsets that were bought.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<Offset>,
    /// Whether everyday equivalents were requested.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub equivalents: bool,
}

/// The report from which another one was created by pricing it again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RepricedFrom {
    /// Id of its run.
    pub run: String,
    /// Id of its record of the run; empty in a merged report.
    pub part: String,
    /// SHA-256 of the file that it was read from, hexadecimal; `None`: it came from several files or from none.
    pub sha256: Option<String>,
}

/// A contract for electricity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MarketTerms {
    /// The contract, as the user named it.
    pub instrument: String,
    /// Its factor, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
}

/// Embodied emissions of hardware, and the run's share of it. TE, EL, RR and ToR are the symbols of SCI 1.1
/// (ISO/IEC 21031:2024).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EmbodiedTerms {
    /// Total embodied emissions (TE) of the hardware, kilograms CO2e.
    pub total_kg: f64,
    /// Lower bound of TE.
    pub total_low_kg: f64,
    /// Upper bound of TE; `None`: not known.
    pub total_high_kg: Option<f64>,
    /// Expected lifespan (EL), years of 365 days.
    pub life_years: f64,
    /// Share of the hardware that was reserved, 0 to 1: resources reserved (RR) divided by total resources (ToR).
    pub share: f64,
    /// The hardware, and the source of its embodied emissions.
    pub source: String,
}

impl PriceTerms {
    /// Collects the terms that the supplements of a report state.
    pub(super) fn stated_by(supplements: &Supplements) -> Self {
        let price = supplements.carbon_price.as_ref();
        let currency = price.and_then(|price| price.currency.as_ref());
        let water = supplements.water.as_ref();
        let embodied = supplements.embodied.as_ref().map(|made| EmbodiedTerms {
            total_kg: made.total_kg,
            total_low_kg: made.total_low_kg,
            total_high_kg: made.total_high_kg,
            life_years: made.life_years,
            share: made.share,
            source: made.source.clone(),
        });
        let market = supplements
            .market
            .as_ref()
            .map(|market| MarketTerms { instrument: market.instrument.clone(), g_per_kwh: market.g_per_kwh });
        Self {
            currency: currency.or(supplements.cost.as_ref().and_then(|cost| cost.currency.as_ref())).cloned(),
            market,
            embodied,
            functional_unit: supplements.sci.as_ref().map(|sci| sci.per.clone()),
            wue: water.and_then(|water| water.wue),
            ewif: water.and_then(|water| water.ewif),
            carbon_price: price.map(|price| price.per_tonne),
            offsets: supplements.offsets.clone(),
            equivalents: !supplements.equivalents.is_empty(),
            ..Self::default()
        }
    }

    /// Returns these terms, completed by those of `old` that are not set here.
    ///
    /// The options that determine the intensity belong together, and so do those that determine the price: if one of a
    /// group is set here, no option of that group is taken from `old`.
    #[must_use]
    pub fn or(self, old: Self) -> Self {
        let place = if self.asks_for_intensity() { self.clone() } else { old.clone() };
        let money = if self.asks_for_price() { self.clone() } else { old.clone() };
        Self {
            zone: place.zone,
            locate: place.locate,
            g_per_kwh: place.g_per_kwh,
            series: place.series,
            series_column: place.series_column,
            providers: place.providers,
            kind: place.kind,
            pue: self.pue.or(old.pue),
            price_per_kwh: money.price_per_kwh,
            tariff: money.tariff,
            tariff_column: money.tariff_column,
            tariff_sha256: money.tariff_sha256,
            currency: self.currency.or(old.currency),
            market: self.market.or(old.market),
            embodied: self.embodied.or(old.embodied),
            functional_unit: self.functional_unit.or(old.functional_unit),
            wue: self.wue.or(old.wue),
            ewif: self.ewif.or(old.ewif),
            carbon_price: self.carbon_price.or(old.carbon_price),
            offsets: if self.offsets.is_empty() { old.offsets } else { self.offsets },
            equivalents: self.equivalents || old.equivalents,
        }
    }

    /// Whether it states where the intensities come from.
    #[must_use]
    fn asks_for_intensity(&self) -> bool {
        let place = self.zone.is_some() || self.locate.is_some();
        place || self.g_per_kwh.is_some() || self.series.is_some() || !self.providers.is_empty()
    }

    /// Whether it states what energy costs.
    #[must_use]
    fn asks_for_price(&self) -> bool {
        self.price_per_kwh.is_some() || self.tariff.is_some()
    }
}
