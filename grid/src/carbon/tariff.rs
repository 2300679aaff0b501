//! What a kilowatt-hour costs over time: a step function like that of intensities, from a CSV file of the same form.
//!
//! ```text
//! # unit=EUR/MWh
//! time,price_per_kwh
//! 2026-01-01T00:00Z,84.2
//! 2026-01-01T01:00Z,-3.1
//! ```
//! Prices may be negative. An empty one is not known: a flat price stands in if there is one, else the energy in it has
//! no price, and the report says how much that is.

use std::path::Path;

use eco2_core::report::Cost;
use eco2_core::units::kwh;

use crate::series::rows::{Rows, text};
use crate::series::{FileError, FileFault, Meta, Place, Point, Series, Slots, bytes, chosen, shown, unknown_slots};
use crate::{Level, Outlook, Pue, outlook};

/// The column that is taken where none is named.
const PLAIN: &str = "price_per_kwh";
/// The highest price of a kilowatt-hour, either way: a million catches energies and times in the wrong column.
const MOST: f64 = 1e6;

/// Prices over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Tariff {
    prices: Series,
    currency: Option<String>,
}

/// What a header line says.
struct Stated {
    currency: Option<String>,
    /// Kilowatt-hours that a price is for.
    kwh: f64,
    slots: Slots,
}

impl Tariff {
    /// Reads a file; `column` is the literal name of its column, else `price_per_kwh` or the only one.
    ///
    /// # Errors
    /// The first fault, with its line and what mends it.
    pub fn read(path: &Path, column: Option<&str>) -> Result<Self, FileError> {
        Self::parse(&bytes(path)?, &path.display().to_string(), column)
    }

    /// The same from bytes; `file` is for messages.
    ///
    /// # Errors
    /// As for [`Tariff::read`].
    pub fn parse(bytes: &[u8], file: &str, column: Option<&str>) -> Result<Self, FileError> {
        let text = text(bytes, file)?;
        let stated = stated(text, file)?;
        let mut rows = Rows::new(text, file)?;
        let column = chosen(&rows, file, column, PLAIN)?;
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            let known = !row.text(column).is_empty();
            let value = known.then(|| row.number(column, "the price")).transpose()?;
            points.push(Point { from_ns: row.instant(0)?, value, place: row.place() });
        }
        let price = |point: &Point, _: &Meta| price(point, stated.kwh);
        let meta = Meta { slots: stated.slots, ..Meta::default() };
        let prices = Series::checked(meta, &points, price);
        let prices = prices.map_err(|(place, fault)| FileError::new(file, place, fault))?;
        Ok(Self { prices, currency: stated.currency })
    }

    /// ISO 4217 code from the line `# unit=`; `None` where there is none.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// Money for a kilowatt-hour at an instant, nanoseconds since 1970 UTC; `None` where it is not known.
    #[must_use]
    pub fn at(&self, at_ns: i64) -> Option<f64> {
        self.prices.at(at_ns)
    }

    /// The highest price that is known between two instants; `flat` stands in where none is.
    #[must_use]
    pub fn dearest(&self, flat: Option<f64>, from_ns: i64, to_ns: i64) -> Option<f64> {
        let mut dearest = self.at(from_ns).or(flat)?;
        let mut at_ns = self.prices.next_edge(from_ns);
        while at_ns < to_ns {
            dearest = self.at(at_ns).or(flat).map_or(dearest, |price| price.max(dearest));
            at_ns = self.prices.next_edge(at_ns);
        }
        Some(dearest)
    }

    /// The mean price of a time to come: what is published, else what was paid at the same hour before; `flat` stands in
    /// where the series knows nothing. The figures are money for a kilowatt-hour, not grams.
    #[must_use]
    pub fn outlook(&self, flat: Option<f64>, now_ns: i64, to_ns: i64) -> Option<Outlook> {
        outlook(&|at_ns| self.at(at_ns).or(flat), self.prices.from_ns(), now_ns, to_ns)
    }
}

/// The lines `# unit=EUR/kWh` (or `EUR/MWh`; a kilowatt-hour without it) and `# slots=` before the header.
fn stated(text: &str, file: &str) -> Result<Stated, FileError> {
    let mut stated = Stated { currency: None, kwh: 1.0, slots: Slots::default() };
    let comments = text.lines().zip(1..).map_while(|(line, number)| Some((line.strip_prefix('#')?, number)));
    for (comment, number) in comments {
        let fault = |fault| FileError::new(file, Place::Line(number), fault);
        match comment.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("unit", value)) => {
                let (currency, kwh) = unit(value).ok_or_else(|| fault(unknown_unit(value)))?;
                (stated.currency, stated.kwh) = (Some(currency), kwh);
            }
            Some(("slots", value)) => stated.slots = Slots::named(value).ok_or_else(|| fault(unknown_slots(value)))?,
            _ => {}
        }
    }
    Ok(stated)
}

fn unknown_unit(value: &str) -> FileFault {
    let allowed = "a currency's ISO 4217 code with /kWh or /MWh, such as EUR/MWh".to_owned();
    FileFault::Word { what: "the unit", text: shown(value), allowed }
}

/// Currency, and kilowatt-hours that a price is for.
fn unit(text: &str) -> Option<(String, f64)> {
    let (code, energy) = text.split_once('/')?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let kwh = match energy.to_ascii_lowercase().as_str() {
        "kwh" => 1.0,
        "mwh" => 1e3,
        _ => return None,
    };
    is_code.then(|| (code.to_owned(), kwh))
}

fn price(point: &Point, kwh: f64) -> Result<f64, (Place, FileFault)> {
    let Some(value) = point.value else { return Ok(f64::NAN) };
    let each = value / kwh;
    if each.abs() <= MOST {
        return Ok(each);
    }
    let allowed = "up to 1000000 a kilowatt-hour, or nothing where it is not known";
    Err((point.place, FileFault::Figure { what: "the price", text: value.to_string(), allowed }))
}

/// A stretch of the run at one price.
struct Step {
    price: Option<f64>,
    level: Level,
}

/// What a run's energy costs, each part at the price of its own time. `level` says what had been used so many nanoseconds
/// after `from_ns`; it rises, and its last value is the run's. `flat` prices what the series does not know.
///
/// With `p` the prices and `E` the facility's energies at their ends, the cost is `p_n E_n + Σ E_k (p_k − p_{k+1})`; for
/// the bounds each `E_k` is taken at the end that its factor makes worst.
#[must_use]
pub fn series_cost(
    tariff: &Tariff,
    flat: Option<f64>,
    from_ns: i64,
    to_ns: i64,
    pue: Pue,
    level: impl Fn(u64) -> Level,
) -> Cost {
    let steps = steps(tariff, from_ns, to_ns, level);
    let (mut amount, mut unpriced_uj, mut before_uj, mut filled) = (0.0, 0_u64, 0, false);
    for step in &steps {
        let reached_uj = pue.facility_uj(step.level.energy_uj).max(before_uj);
        let energy_uj = reached_uj - before_uj;
        before_uj = reached_uj;
        filled |= step.price.is_none() && flat.is_some() && energy_uj > 0;
        match step.price.or(flat) {
            Some(price) => amount += kwh(energy_uj) * price,
            None => unpriced_uj = unpriced_uj.saturating_add(energy_uj),
        }
    }
    let (low, high) = bounds(&steps, flat, pue);
    let method = if filled { "series and flat" } else { "series" }.to_owned();
    Cost { amount: Some(amount), low, high, currency: tariff.currency.clone(), method, unpriced_uj }
}

fn steps(tariff: &Tariff, from_ns: i64, to_ns: i64, level: impl Fn(u64) -> Level) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at_ns = from_ns;
    while at_ns < to_ns || steps.is_empty() {
        let end_ns = tariff.prices.next_edge(at_ns).min(to_ns.max(at_ns));
        let since_ns = u64::try_from(end_ns.saturating_sub(from_ns)).unwrap_or(0);
        steps.push(Step { price: tariff.at(at_ns), level: level(since_ns) });
        at_ns = end_ns;
    }
    steps
}

fn bounds(steps: &[Step], flat: Option<f64>, pue: Pue) -> (Option<f64>, Option<f64>) {
    let price = |at: usize| steps.get(at).and_then(|step| step.price.or(flat)).unwrap_or(0.0);
    let (mut low, mut high) = (Some(0.0), Some(0.0));
    for (at, step) in steps.iter().enumerate() {
        let factor = price(at) - if at + 1 < steps.len() { price(at + 1) } else { 0.0 };
        let money = |uj: u64| kwh(pue.facility_uj(uj)) * factor;
        let (least, most) = (Some(money(step.level.low_uj)), step.level.high_uj.map(money));
        let (worst, best) = if factor >= 0.0 { (least, most) } else { (most, least) };
        low = sum(low, worst.or((factor == 0.0).then_some(0.0)));
        high = sum(high, best.or((factor == 0.0).then_some(0.0)));
    }
    let extreme = |fold: fn(f64, f64) -> f64| (0..steps.len()).map(price).reduce(fold).unwrap_or(0.0);
    let Some(last) = steps.last().map(|step| step.level) else { return (low, high) };
    let (least, most) = (extreme(f64::min), extreme(f64::max));
    let floor = (least >= 0.0).then(|| kwh(pue.facility_uj(last.low_uj)) * least);
    let ceiling = last.high_uj.map(|uj| kwh(pue.facility_uj(uj)) * most.max(0.0));
    (tighter(low, floor, f64::max), tighter(high, ceiling, f64::min))
}

fn sum(one: Option<f64>, two: Option<f64>) -> Option<f64> {
    one.zip(two).map(|(one, two)| one + two)
}

fn tighter(one: Option<f64>, two: Option<f64>, better: fn(f64, f64) -> f64) -> Option<f64> {
    one.zip(two).map(|(one, two)| better(one, two)).or(one).or(two)
}
