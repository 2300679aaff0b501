//! What stands beside the grams, in the summary for people: a line each, with bounds and terms.

use eco2_core::Ranged;
use eco2_core::schema::{CarbonPrice, Cost, Embodied, Market, Sci, Supplements, Water};

use super::figures::number;
use super::page::{Page, Tone};

pub(super) fn beside(beside: &Supplements, page: &mut Page) {
    let Supplements { market, embodied, sci, water, cost, carbon_price, offsets, equivalents } = beside;
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

fn market_row(market: &Market, page: &mut Page) {
    let grams = page.spelling().mass(market.bounded());
    let factor = number(market.g_per_kwh);
    page.row("Market", Tone::Normal, &format!("{grams}, market-based by {} ({factor} g/kWh)", market.instrument));
}

fn embodied_row(made: &Embodied, page: &mut Page) {
    let grams = page.spelling().mass(made.bounded());
    let time = page.spelling().duration(made.reserved_ns);
    let share = if made.share < 1.0 { format!(", {} of it", number(made.share)) } else { String::new() };
    let (years, total) = (number(made.life_years), number(made.total_kg));
    let facts = format!("{grams} of making: {time} of {years} years of {total} kg{share} ({})", made.source);
    page.row("Embodied", Tone::Normal, &facts);
}

fn sci_row(sci: &Sci, page: &mut Page) {
    let grams = page.spelling().mass(sci.bounded());
    let made = if sci.embodied_g.is_some() { "making included" } else { "without making, which SCI asks for" };
    page.row("SCI", Tone::Normal, &format!("{grams} per {}; {made}", sci.per));
}

fn water_row(water: &Water, page: &mut Page) {
    let factor = |name, factor: Option<f64>| factor.map(|litres| format!("{name} {}", number(litres)));
    let factors: Vec<String> = [factor("WUE", water.wue), factor("EWIF", water.ewif)].into_iter().flatten().collect();
    let litres = between(water.litres, Some(water.low), water.high);
    page.row("Water", Tone::Normal, &format!("{litres} l ({})", factors.join(", ")));
}

fn cost_row(cost: &Cost, page: &mut Page) {
    let amount = between(cost.amount, cost.low, cost.high);
    let facts = format!("{amount} {} ({})", cost.currency.as_deref().unwrap_or("money"), cost.method);
    page.row("Cost", Tone::Normal, &facts);
    if cost.unpriced_uj > 0 {
        let energy = page.spelling().energy_only(cost.unpriced_uj);
        page.row("", Tone::Warning, &format!("{energy} have no price and are not in it"));
    }
}

fn price_row(price: &CarbonPrice, page: &mut Page) {
    let amount = between(price.amount, Some(price.low), price.high);
    let currency = price.currency.as_deref().unwrap_or("money");
    page.row("Carbon cost", Tone::Normal, &format!("{amount} {currency} at {} a tonne", number(price.per_tonne)));
}

/// `0.12 [0.11 – 0.13]`.
fn between(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    let Some(value) = value else { return "not known".to_owned() };
    match (low, high) {
        (Some(low), Some(high)) if low >= high => number(value),
        (Some(low), Some(high)) => format!("{} [{} to {}]", number(value), number(low), number(high)),
        (Some(low), None) => format!("{}, at least {}", number(value), number(low)),
        _ => format!("{}, bounds not known", number(value)),
    }
}
