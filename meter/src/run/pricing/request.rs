//! From options to a request.

use eco2_core::report::Offset;
use eco2_grid::pricing::PriceRequest;

use crate::Error;
use crate::options::{Level, Options, OptionsError};

/// Options that say where intensities come from.
const PLACE: [&str; 5] = ["zone", "intensity", "intensity_series", "intensity_provider", "locate"];
/// Options that say what energy costs.
const PRICE: [&str; 2] = ["budget.price_per_kwh", "tariff_series"];
/// Options of the hardware.
const HARDWARE: [&str; 3] = ["embodied", "embodied_years", "embodied_share"];
/// Options of the contract.
const MARKET: [&str; 2] = ["market_instrument", "market_intensity"];

/// All that the options ask for.
///
/// # Errors
/// [`OptionsError::Missing`] for a contract without its factor, or a factor without its contract.
pub(crate) fn request(options: &Options) -> Result<PriceRequest, Error> {
    let beside = &options.beside;
    let pue_is_given = options.origin("pue").level() != Level::Default || options.pue != 1.0;
    let offset = |(name, kg): &(String, f64)| Offset { name: name.clone(), kg: *kg };
    Ok(PriceRequest {
        zone: options.zone.clone(),
        zone_from_file: options.origin("zone").is_file(),
        zone_fallback: options.zone_fallback,
        locate: options.locate.clone(),
        metadata_url: std::env::var("ECO2_METADATA_URL").ok(),
        g_per_kwh: options.intensity,
        series: options.intensity_series.clone(),
        series_column: options.intensity_column.clone(),
        providers: options.intensity_provider.clone(),
        pue: pue_is_given.then_some(options.pue),
        price_per_kwh: options.budget.price_per_kwh,
        tariff: beside.tariff_series.clone(),
        tariff_column: beside.tariff_column.clone(),
        currency: options.budget.currency.clone(),
        market: market(options)?,
        embodied: beside.embodied.clone(),
        embodied_years: beside.embodied_years,
        embodied_share: beside.embodied_share,
        functional_unit: beside.functional_unit.clone(),
        wue: beside.wue,
        ewif: beside.ewif,
        carbon_price: beside.carbon_price,
        offsets: beside.offsets.iter().map(offset).collect(),
        equivalents: beside.equivalents,
    })
}

/// What is asked for by flags or by the program itself: files and variables say how runs are priced that begin now, not
/// those that are over. A question that is asked at all is answered by all options that belong to it.
///
/// # Errors
/// As [`request`].
pub(crate) fn asked_now(options: &Options) -> Result<PriceRequest, Error> {
    let is_asked = |key: &&str| matches!(options.origin(key).level(), Level::Default | Level::Code);
    let any = |keys: &[&str]| keys.iter().any(|key| is_asked(key) && is_set(options, key));
    let all = request(options)?;
    let mut asked = PriceRequest { metadata_url: all.metadata_url.clone(), ..PriceRequest::default() };
    if any(&PLACE) {
        (asked.zone, asked.zone_from_file, asked.zone_fallback) = (all.zone, all.zone_from_file, all.zone_fallback);
        (asked.locate, asked.g_per_kwh, asked.providers) = (all.locate, all.g_per_kwh, all.providers);
        (asked.series, asked.series_column) = (all.series, all.series_column);
    }
    let carbon_price = all.carbon_price.filter(|_| is_asked(&"carbon_price"));
    if any(&PRICE) {
        (asked.price_per_kwh, asked.tariff, asked.tariff_column) = (all.price_per_kwh, all.tariff, all.tariff_column);
    }
    if any(&PRICE) || carbon_price.is_some() || is_asked(&"budget.currency") {
        asked.currency = all.currency;
    }
    if any(&HARDWARE) {
        (asked.embodied, asked.embodied_years, asked.embodied_share) =
            (all.embodied, all.embodied_years, all.embodied_share);
    }
    Ok(PriceRequest {
        pue: all.pue.filter(|_| is_asked(&"pue")),
        market: all.market.filter(|_| any(&MARKET)),
        functional_unit: all.functional_unit.filter(|_| is_asked(&"functional_unit")),
        wue: all.wue.filter(|_| is_asked(&"wue")),
        ewif: all.ewif.filter(|_| is_asked(&"ewif")),
        carbon_price,
        offsets: if is_asked(&"offsets") { all.offsets } else { Vec::new() },
        equivalents: all.equivalents && is_asked(&"equivalents"),
        ..asked
    })
}

/// Whether one of the options that make up a question has a value.
fn is_set(options: &Options, key: &str) -> bool {
    let beside = &options.beside;
    match key {
        "zone" => options.zone.is_some(),
        "intensity" => options.intensity.is_some(),
        "intensity_series" => options.intensity_series.is_some(),
        "intensity_provider" => !options.intensity_provider.is_empty(),
        "locate" => options.locate.is_some(),
        "budget.price_per_kwh" => options.budget.price_per_kwh.is_some(),
        "tariff_series" => beside.tariff_series.is_some(),
        "embodied" => beside.embodied.is_some(),
        "embodied_years" => beside.embodied_years.is_some(),
        "embodied_share" => beside.embodied_share.is_some(),
        _ => beside.market_instrument.is_some() && beside.market_intensity.is_some(),
    }
}

fn market(options: &Options) -> Result<Option<(String, f64)>, Error> {
    let (name, factor) = ("market_instrument", "market_intensity");
    let missing = |key, needs| OptionsError::Missing { place: options.origin(key).to_string(), key, needs };
    match (&options.beside.market_instrument, options.beside.market_intensity) {
        (Some(contract), Some(g_per_kwh)) => Ok(Some((contract.clone(), g_per_kwh))),
        (Some(_), None) => Err(missing(name, factor).into()),
        (None, Some(_)) => Err(missing(factor, name).into()),
        (None, None) => Ok(None),
    }
}
