//! Money: for the facility's energy at one price, and for its carbon at a price per tonne.

use eco2_core::Bounded;
use eco2_core::schema::{Carbon, CarbonPrice, Cost, Energy};

use super::facility_kwh;
use crate::credit_cost;

/// What the facility's energy costs at one price per kilowatt-hour, 0 or more.
#[must_use]
pub fn flat_cost(energy: &Energy, price_per_kwh: f64, currency: Option<&str>) -> Cost {
    let Bounded { value: amount, low, high, .. } = facility_kwh(energy).times(price_per_kwh);
    let currency = currency.map(str::to_owned);
    Cost { amount, low: Some(low), high, currency, method: "flat".to_owned(), unpriced_uj: 0 }
}

/// What the location-based grams cost at a price per tonne CO2e, 0 or more. Nothing but a price: no right is bought by it.
#[must_use]
pub fn carbon_price(carbon: &Carbon, per_tonne: f64, currency: Option<&str>) -> CarbonPrice {
    let price = |grams| credit_cost(grams, per_tonne);
    CarbonPrice {
        amount: carbon.grams.map(price),
        low: price(carbon.low),
        high: carbon.high.map(price),
        per_tonne,
        currency: currency.map(str::to_owned),
    }
}
