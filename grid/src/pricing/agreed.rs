//! The terms that several records share.

use eco2_core::schema::PriceTerms;

/// Terms of a merged report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AgreedTerms {
    /// Those that hold for all.
    pub terms: PriceTerms,
    /// What was not asked for alike, and so left out.
    pub differ: Vec<&'static str>,
}

/// The terms that hold for all records. A contract, water and hardware go with the energy of a place, so every one of
/// `places` must have them (each the terms of the records there); a price of carbon is one as soon as nobody gives another.
#[must_use]
pub fn agreed(places: &[Vec<PriceTerms>], all: &[PriceTerms]) -> AgreedTerms {
    let market = everywhere(places, |terms| terms.market.clone());
    let water = everywhere(places, |terms| (terms.wue.or(terms.ewif)).map(|_| (terms.wue, terms.ewif)));
    let embodied = everywhere(places, |terms| terms.embodied.clone());
    let functional_unit = anywhere(all.iter().filter_map(|terms| terms.functional_unit.clone()));
    let carbon_price = anywhere(all.iter().filter_map(|terms| terms.carbon_price));
    let currency = anywhere(all.iter().filter_map(|terms| terms.currency.clone()));
    let checks = [
        ("market-based grams", market.is_ok()),
        ("water", water.is_ok()),
        ("the making of the hardware", embodied.is_ok()),
        ("SCI", functional_unit.is_ok()),
        ("the price of carbon", carbon_price.is_ok() && (currency.is_ok() || carbon_price == Ok(None))),
    ];
    let (wue, ewif) = water.unwrap_or(None).unwrap_or_default();
    let terms = PriceTerms {
        market: market.unwrap_or(None),
        wue,
        ewif,
        embodied: embodied.unwrap_or(None),
        functional_unit: functional_unit.unwrap_or(None),
        carbon_price: carbon_price.unwrap_or(None).filter(|_| currency.is_ok()),
        currency: currency.unwrap_or(None),
        offsets: Vec::new(),
        equivalents: all.iter().any(|terms| terms.equivalents),
        ..alike(all)
    };
    let differ = checks.into_iter().filter(|(_, agreed)| !agreed).map(|(what, _)| what).collect();
    AgreedTerms { terms: with_offsets(terms, all), differ }
}

/// Where intensities and prices of energy come from, as far as all records say the same.
fn alike(all: &[PriceTerms]) -> PriceTerms {
    let Some((first, rest)) = all.split_first() else { return PriceTerms::default() };
    rest.iter().fold(first.clone(), |common, terms| PriceTerms {
        zone: common.zone.filter(|zone| terms.zone.as_ref() == Some(zone)),
        locate: common.locate.filter(|place| terms.locate.as_ref() == Some(place)),
        g_per_kwh: common.g_per_kwh.filter(|figure| terms.g_per_kwh == Some(*figure)),
        series: common.series.filter(|file| terms.series.as_ref() == Some(file)),
        series_column: common.series_column.filter(|column| terms.series_column.as_ref() == Some(column)),
        providers: if terms.providers == common.providers { common.providers } else { Vec::new() },
        kind: common.kind.filter(|kind| terms.kind.as_ref() == Some(kind)),
        pue: common.pue.filter(|pue| terms.pue == Some(*pue)),
        price_per_kwh: common.price_per_kwh.filter(|price| terms.price_per_kwh == Some(*price)),
        tariff: common.tariff.filter(|file| terms.tariff.as_ref() == Some(file)),
        tariff_sha256: common.tariff_sha256.filter(|hash| terms.tariff_sha256.as_ref() == Some(hash)),
        tariff_column: common.tariff_column.filter(|column| terms.tariff_column.as_ref() == Some(column)),
        ..common
    })
}

/// Every offset that any record lists, once: ranks share their variables, and so the lines.
fn with_offsets(mut terms: PriceTerms, all: &[PriceTerms]) -> PriceTerms {
    for offset in all.iter().flat_map(|terms| &terms.offsets) {
        if !terms.offsets.contains(offset) {
            terms.offsets.push(offset.clone());
        }
    }
    terms
}

/// Not the same in all records.
#[derive(Debug, PartialEq)]
struct Differ;

/// A term that every place has, and none another; `None` where nobody has it.
fn everywhere<T: PartialEq>(
    places: &[Vec<PriceTerms>],
    of: impl Fn(&PriceTerms) -> Option<T>,
) -> Result<Option<T>, Differ> {
    let found: Result<Vec<Option<T>>, Differ> =
        places.iter().map(|place| anywhere(place.iter().filter_map(&of))).collect();
    let mut found = found?.into_iter();
    let first = found.next().unwrap_or(None);
    if found.all(|term| term == first) { Ok(first) } else { Err(Differ) }
}

/// A term that somebody has, and nobody another.
fn anywhere<T: PartialEq>(mut given: impl Iterator<Item = T>) -> Result<Option<T>, Differ> {
    let first = given.next();
    if given.all(|term| Some(&term) == first.as_ref()) { Ok(first) } else { Err(Differ) }
}
