//! From options to a request.

use eco2_core::schema::Offset;
use eco2_grid::pricing::PriceRequest;

use crate::Error;
use crate::options::{Level, Options, OptionsError, Row, opt};

/// Options that say where intensities come from.
static PLACE: [&Row; 5] = [&opt::ZONE, &opt::INTENSITY, &opt::INTENSITY_SERIES, &opt::INTENSITY_PROVIDER, &opt::LOCATE];
/// Options that say what energy costs.
static PRICE: [&Row; 2] = [&opt::PRICE_PER_KWH, &opt::TARIFF_SERIES];
/// Options of the hardware.
static HARDWARE: [&Row; 3] = [&opt::EMBODIED, &opt::EMBODIED_YEARS, &opt::EMBODIED_SHARE];
/// Options of the contract.
static MARKET: [&Row; 2] = [&opt::MARKET_INSTRUMENT, &opt::MARKET_INTENSITY];

/// All that the options ask for.
///
/// # Errors
/// [`OptionsError::Missing`] for a contract without its factor, or a factor without its contract.
pub(crate) fn request(options: &Options) -> Result<PriceRequest, Error> {
    let more = &options.supplements;
    let pue_is_given = options.origin(&opt::PUE).level() != Level::Default || options.pue != 1.0;
    let offset = |(name, kg): &(String, f64)| Offset { name: name.clone(), kg: *kg };
    Ok(PriceRequest {
        zone: options.zone.clone(),
        zone_from_file: options.origin(&opt::ZONE).is_file(),
        zone_fallback: options.zone_fallback,
        locate: options.locate.clone(),
        metadata_url: std::env::var("ECO2_METADATA_URL").ok(),
        g_per_kwh: options.intensity,
        series: options.intensity_series.clone(),
        series_column: options.intensity_column.clone(),
        providers: options.intensity_provider.clone(),
        pue: pue_is_given.then_some(options.pue),
        price_per_kwh: options.budget.price_per_kwh,
        tariff: more.tariff_series.clone(),
        tariff_column: more.tariff_column.clone(),
        currency: options.budget.currency.clone(),
        market: market(options)?,
        embodied: more.embodied.clone(),
        embodied_years: more.embodied_years,
        embodied_share: more.embodied_share,
        functional_unit: more.functional_unit.clone(),
        wue: more.wue,
        ewif: more.ewif,
        carbon_price: more.carbon_price,
        offsets: more.offsets.iter().map(offset).collect(),
        equivalents: more.equivalents,
    })
}

/// What is asked for by flags or by the program itself: files and variables say how runs are priced that begin now, not
/// those that are over. A question that is asked at all is answered by all options that belong to it.
///
/// # Errors
/// As [`request`].
pub(crate) fn asked_now(options: &Options) -> Result<PriceRequest, Error> {
    let is_asked = |row: &Row| matches!(options.origin(row).level(), Level::Default | Level::Code);
    let any = |rows: &[&Row]| rows.iter().any(|row| is_asked(row) && options.show(row).is_some());
    let all = request(options)?;
    let mut asked = PriceRequest { metadata_url: all.metadata_url.clone(), ..PriceRequest::default() };
    if any(&PLACE) {
        (asked.zone, asked.zone_from_file, asked.zone_fallback) = (all.zone, all.zone_from_file, all.zone_fallback);
        (asked.locate, asked.g_per_kwh, asked.providers) = (all.locate, all.g_per_kwh, all.providers);
        (asked.series, asked.series_column) = (all.series, all.series_column);
    }
    let carbon_price = all.carbon_price.filter(|_| is_asked(&opt::CARBON_PRICE));
    if any(&PRICE) {
        (asked.price_per_kwh, asked.tariff, asked.tariff_column) = (all.price_per_kwh, all.tariff, all.tariff_column);
    }
    if any(&PRICE) || carbon_price.is_some() || is_asked(&opt::CURRENCY) {
        asked.currency = all.currency;
    }
    if any(&HARDWARE) {
        (asked.embodied, asked.embodied_years, asked.embodied_share) =
            (all.embodied, all.embodied_years, all.embodied_share);
    }
    Ok(PriceRequest {
        pue: all.pue.filter(|_| is_asked(&opt::PUE)),
        market: all.market.filter(|_| any(&MARKET)),
        functional_unit: all.functional_unit.filter(|_| is_asked(&opt::FUNCTIONAL_UNIT)),
        wue: all.wue.filter(|_| is_asked(&opt::WUE)),
        ewif: all.ewif.filter(|_| is_asked(&opt::EWIF)),
        carbon_price,
        offsets: if is_asked(&opt::OFFSETS) { all.offsets } else { Vec::new() },
        equivalents: all.equivalents && is_asked(&opt::EQUIVALENTS),
        ..asked
    })
}

fn market(options: &Options) -> Result<Option<(String, f64)>, Error> {
    let (name, factor) = (&opt::MARKET_INSTRUMENT, &opt::MARKET_INTENSITY);
    let missing = |row: &'static Row, needs: &'static Row| OptionsError::Missing {
        place: options.origin(row).to_string(),
        key: row.name,
        needs: needs.name,
    };
    match (&options.supplements.market_instrument, options.supplements.market_intensity) {
        (Some(contract), Some(g_per_kwh)) => Ok(Some((contract.clone(), g_per_kwh))),
        (Some(_), None) => Err(missing(name, factor).into()),
        (None, Some(_)) => Err(missing(factor, name).into()),
        (None, None) => Ok(None),
    }
}
