//! Writes the supplements of a report as rows of the summary: values in addition to the location-based emissions, which
//! are market-based and embodied emissions, SCI (software carbon intensity), water, cost, carbon price, offsets and
//! equivalents. Also returns the cost with its currency for other formats.

use super::figures::number;
use super::page::{Page, Tone};
use eco2_core::Ranged;
use eco2_core::schema::{CarbonPrice, Cost, Embodied, Market, Report, Sci, Supplements, Water};

/// Adds one row for each value that the report has.
pub(super) fn rows(supplements: &Supplements, page: &mut Page) {
    let Supplements { market, embodied, sci, water, cost, carbon_price, offsets, equivalents } = supplements;
    market.iter().for_each(|one| market_row(one, page));
    embodied.iter().for_each(|one| embodied_row(one, page));
    sci.iter().for_each(|one| sci_row(one, page));
    water.iter().for_each(|one| water_row(one, page));
    cost.iter().for_each(|one| cost_row(one, page));
    carbon_price.iter().for_each(|one| price_row(one, page));
    for offset in offsets {
        let facts = format!("{}: {} kg claimed; not subtracted from anything", offset.name, number(offset.kg));
        page.row("Offset", Tone::Normal, &facts);
    }
    if let Some(first) = equivalents.first() {
        let each = equivalents
            .iter()
            .map(|one| format!("{} {}", one.amount.map_or_else(|| "not known".to_owned(), number), one.what));
        let all = each.collect::<Vec<_>>().join(page.spelling().dot());
        page.row("As much as", Tone::Normal, &format!("{all} ({})", first.source));
    }
}

/// Adds the row of the market-based emissions.
fn market_row(market: &Market, page: &mut Page) {
    let grams = page.spelling().mass(market.bounded());
    let factor = number(market.g_per_kwh);
    page.row("Market", Tone::Normal, &format!("{grams}, market-based by {} ({factor} g/kWh)", market.instrument));
}

/// Adds the row of the embodied emissions.
fn embodied_row(embodied: &Embodied, page: &mut Page) {
    let grams = page.spelling().mass(embodied.bounded());
    let time = page.spelling().duration(embodied.reserved_ns);
    let share = if embodied.share < 1.0 { format!(", {} of it", number(embodied.share)) } else { String::new() };
    let (years, total) = (number(embodied.life_years), number(embodied.total_kg));
    let facts = format!("{grams} ({time} of {years} years of {total} kg{share}; {})", embodied.source);
    page.row("Embodied", Tone::Normal, &facts);
}

/// Adds the row of the software carbon intensity.
fn sci_row(sci: &Sci, page: &mut Page) {
    let grams = page.spelling().mass(sci.bounded());
    let scope = if sci.embodied_g.is_some() {
        "with embodied emissions"
    } else {
        "without embodied emissions, which SCI requires"
    };
    page.row("SCI", Tone::Normal, &format!("{grams} per {}; {scope}", sci.per));
}

/// Adds the row of the water.
fn water_row(water: &Water, page: &mut Page) {
    let factor = |name, factor: Option<f64>| factor.map(|litres| format!("{name} {}", number(litres)));
    let factors: Vec<String> = [factor("WUE", water.wue), factor("EWIF", water.ewif)].into_iter().flatten().collect();
    let litres = between(water.litres, Some(water.low), water.high);
    page.row("Water", Tone::Normal, &format!("{litres} l ({})", factors.join(", ")));
}

/// Adds the row of the cost.
fn cost_row(cost: &Cost, page: &mut Page) {
    let amount = between(cost.amount, cost.low, cost.high);
    let facts = format!("{amount} {} ({})", cost.currency.as_deref().unwrap_or("money"), cost.method);
    page.row("Cost", Tone::Normal, &facts);
    if cost.unpriced_uj > 0 {
        let energy = page.spelling().energy_only(cost.unpriced_uj);
        page.row("", Tone::Warning, &format!("{energy} have no price and are not in it"));
    }
}

/// Adds the row of the carbon price.
fn price_row(price: &CarbonPrice, page: &mut Page) {
    let amount = between(price.amount, Some(price.low), price.high);
    let currency = price.currency.as_deref().unwrap_or("money");
    page.row("Carbon cost", Tone::Normal, &format!("{amount} {currency} at {} a tonne", number(price.per_tonne)));
}

/// Formats a value with its bounds: `0.12 [0.11 to 0.13]`.
fn between(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    let Some(value) = value else { return "not known".to_owned() };
    match (low, high) {
        (Some(low), Some(high)) if low >= high => number(value),
        (Some(low), Some(high)) => format!("{} [{} to {}]", number(value), number(low), number(high)),
        (Some(low), None) => format!("{}, at least {}", number(value), number(low)),
        _ => format!("{}, bounds not known", number(value)),
    }
}

/// An amount of money with its currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Money<'a> {
    pub(super) amount: f64,
    /// ISO 4217 code of the currency; `None` if it is not known.
    pub(super) currency: Option<&'a str>,
}

impl Money<'_> {
    /// Returns the amount if it is in dollars.
    pub(super) fn usd(&self) -> Option<f64> {
        Some(self.amount).filter(|_| self.currency == Some("USD"))
    }
}

/// Returns the cost of the run's energy; `None` if it is not known.
pub(super) fn energy_cost(report: &Report) -> Option<Money<'_>> {
    let carbon = report.carbon.as_ref()?;
    let priced = carbon.beside.as_deref().and_then(|supplements| supplements.cost.as_ref());
    let terms = || carbon.terms.as_deref().and_then(|terms| terms.currency.as_deref());
    Some(Money { amount: carbon.cost?, currency: priced.and_then(|cost| cost.currency.as_deref()).or_else(terms) })
}

/// Returns the reason why a field in dollars is empty although there is a price; `None` if it is not empty or there is
/// no price.
pub(super) fn why_not_usd(money: Option<Money<'_>>) -> Option<String> {
    match money?.currency {
        Some("USD") => None,
        Some(currency) => Some(format!("the price is in {currency}: no exchange rate is applied")),
        None => Some("the price has no currency: state it with --currency".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k14_only_dollars_are_dollars() {
        let money = |currency| Some(Money { amount: 2.5, currency });
        assert_eq!(money(Some("USD")).and_then(|money| money.usd()), Some(2.5));
        assert_eq!((money(Some("EUR")).unwrap().usd(), money(None).unwrap().usd()), (None, None));
        assert_eq!((why_not_usd(money(Some("USD"))), why_not_usd(None)), (None, None));
        assert!(why_not_usd(money(Some("EUR"))).unwrap().contains("EUR"));
        assert!(why_not_usd(money(None)).unwrap().contains("--currency"));
    }
}
