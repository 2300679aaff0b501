//! Formats numbers for pages, Markdown and LaTeX: at most three significant digits, one unit per column, and a number that never breaks
//! away from its unit at the end of a line.

use eco2_core::{Bounded, RangeKind};

use super::rounding::{Rounding, magnitude, round_at, written};

/// No-break space: between a number and its unit.
pub(super) const NB: char = '\u{a0}';
/// Between the two ends of a range: an en dash in thin spaces.
pub(super) const EN: &str = "\u{2009}–\u{2009}";
/// Narrow no-break space: between groups of three digits.
const GROUP: char = '\u{202f}';
/// A real minus sign.
const MINUS: char = '−';
/// Space as wide as a digit: aligns decimal points.
const FIGURE: char = '\u{2007}';
/// Space as wide as a full stop: aligns numbers without one.
const PUNCTUATION: char = '\u{2008}';
/// Most decimals in a column.
const MAX_DECIMALS: usize = 3;

/// What a number is, and with it the units it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// Microjoules, up to kilowatt-hours.
    Energy,
    /// Microjoules of one step, up to megajoules.
    StepEnergy,
    /// Watts.
    Power,
    /// Grams CO₂e.
    Mass,
    /// Seconds.
    Time,
}

/// A unit and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unit {
    /// How many of the amount's base unit it is.
    pub(super) size: f64,
    pub(super) name: &'static str,
}

impl Amount {
    /// Returns the units, largest first: the amount from which each is used, its size and its name.
    fn units(self) -> &'static [(f64, f64, &'static str)] {
        match self {
            Self::Energy => {
                &[(3.6e11, 3.6e12, "kWh"), (3.6e8, 3.6e9, "Wh"), (1e6, 1e6, "J"), (1e3, 1e3, "mJ"), (0.0, 1.0, "µJ")]
            }
            Self::StepEnergy => {
                &[(1e12, 1e12, "MJ"), (1e10, 1e9, "kJ"), (1e6, 1e6, "J"), (1e3, 1e3, "mJ"), (0.0, 1.0, "µJ")]
            }
            Self::Power => &[(1e6, 1e6, "MW"), (1e3, 1e3, "kW"), (1.0, 1.0, "W"), (0.0, 1e-3, "mW")],
            Self::Mass => &[
                (1e6, 1e6, "t CO₂e"),
                (1e3, 1e3, "kg CO₂e"),
                (1.0, 1.0, "g CO₂e"),
                (1e-3, 1e-3, "mg CO₂e"),
                (0.0, 1e-6, "µg CO₂e"),
            ],
            Self::Time => &[(7.2e3, 3.6e3, "h"), (300.0, 60.0, "min"), (0.0, 1.0, "s")],
        }
    }

    /// Returns the unit for numbers of which the largest is `most`.
    pub(super) fn unit(self, most: f64) -> Unit {
        let wanted = if most > 0.0 { most } else { 1.0 };
        let found = self.units().iter().find(|(from, ..)| wanted >= *from);
        found.map_or(Unit { size: 1.0, name: "" }, |(_, size, name)| Unit { size: *size, name })
    }

    /// Returns a number with its unit: `10.6 kWh`.
    pub(super) fn text(self, value: f64) -> String {
        let unit = self.unit(value.abs());
        joined(&digits(value / unit.size, 3), unit.name)
    }

    /// Returns a range in words: `± 2.0 %` if it is symmetric to a tenth, else `10.4 – 10.8 kWh`, `at least 3.00 J`, or nothing
    /// for an exact or unknown value. A plausible range of an estimate is named so.
    pub(super) fn range(self, range: &Bounded<f64>, is_estimate: bool) -> String {
        match (range.value, range.high) {
            (None, _) if range.low <= 0.0 => String::new(),
            (_, None) => format!("at least{NB}{}", self.lower(range.low)),
            (Some(value), Some(high)) if high <= range.low && value > 0.0 => String::new(),
            (Some(_), Some(_)) => match symmetric_percent(range).filter(|_| !is_estimate) {
                Some(percent) => format!("±{NB}{percent}{NB}%"),
                None if is_estimate => format!("plausible range {}", self.bounds_text(range)),
                None => self.bounds_text(range),
            },
            (None, Some(_)) => self.bounds_text(range),
        }
    }

    /// Returns the two bounds in the unit of the value: `10.4 – 10.8 kWh`. The printed interval contains the exact one.
    pub(super) fn bounds_text(self, range: &Bounded<f64>) -> String {
        let Some(high) = range.high else { return format!("at least{NB}{}", self.lower(range.low)) };
        let unit = self.unit(range.value.unwrap_or(high).abs());
        let (low, high) = (down(range.low / unit.size, 3), up(high / unit.size, 3));
        joined(&format!("{low}\u{2009}–\u{2009}{high}"), unit.name)
    }

    /// Returns a lower bound, rounded down.
    fn lower(self, low: f64) -> String {
        let unit = self.unit(low.abs());
        joined(&down(low / unit.size, 3), unit.name)
    }
}

/// Returns the half-width of a range as percent of its value, rounded up to two digits; `None` if the range is not symmetric
/// to a tenth.
fn symmetric_percent(range: &Bounded<f64>) -> Option<String> {
    let (value, high) = (range.value?, range.high?);
    let (below, above) = (value - range.low, high - value);
    let widest = below.max(above);
    let is_symmetric = (below - above).abs() <= 0.1 * widest && value > 0.0;
    is_symmetric.then(|| up(100.0 * widest / value, 2))
}

/// Returns the range as plain percent: `2.0`, or `at least` bounds as an empty text. For a column whose head has the unit.
pub(super) fn widest_percent(range: &Bounded<f64>) -> String {
    match (range.value, range.high) {
        (Some(value), Some(high)) if value > 0.0 => up(100.0 * (high - value).max(value - range.low) / value, 2),
        _ => String::new(),
    }
}

/// Returns a number and a unit that stay on one line.
fn joined(number: &str, unit: &str) -> String {
    let unit = unit.replace(' ', "\u{a0}");
    if unit.is_empty() { number.to_owned() } else { format!("{number}{NB}{unit}") }
}

/// Returns a number with `count` significant digits.
pub(super) fn digits(value: f64, count: i32) -> String {
    rounded(value, count, Rounding::Nearest)
}

/// Returns a value of an axis: without zeros at its end, and with enough digits to be another one than that of the next mark where an
/// axis shows a thousandth of its values.
pub(super) fn axis(value: f64) -> String {
    let text = digits(value, 6);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Returns a lower bound: rounded down.
fn down(value: f64, count: i32) -> String {
    rounded(value, count, Rounding::Down)
}

/// Returns an upper bound: rounded up.
fn up(value: f64, count: i32) -> String {
    rounded(value, count, Rounding::Up)
}

fn rounded(value: f64, count: i32, rounding: Rounding) -> String {
    let near = round_at(value, magnitude(value) - count + 1, rounding);
    if near == 0.0 || !near.is_finite() {
        return "0".to_owned();
    }
    // 9.996 has one more digit before the point once it is rounded.
    written(near, (magnitude(near) - count + 1).min(0), MINUS, GROUP)
}

/// Returns a number without a unit: three digits, and `< 0.001` for what has none in three decimals.
pub(super) fn plain_number(value: f64) -> String {
    if value > 0.0 && value < 0.001 { format!("<{NB}0.001") } else { digits(value, 3) }
}

/// Returns a number of things: `1 machine`, `2 machines`.
pub(super) fn things(number: u64, thing: &str) -> String {
    format!("{}{NB}{thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Returns a count with all its digits.
pub(super) fn count(value: u64) -> String {
    written(value as f64, 0, MINUS, GROUP)
}

/// Returns a part of a whole in percent, without the sign: `94`, `1.8`, `< 0.1`.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return String::new();
    }
    match 100.0 * part / whole {
        percent if percent > 0.0 && percent < 0.1 => format!("<{NB}0.1"),
        percent => digits(percent, 2),
    }
}

/// Returns a duration: `2 h 14 min`, `61 s`, `45.6 ms`.
pub(super) fn duration(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0 if ns > 0 => format!("{}{NB}ms", digits(ns as f64 / 1e6, 3)),
        0..120 => format!("{}{NB}s", digits(ns as f64 / 1e9, 3)),
        120..3600 => format!("{}{NB}min{NB}{:02}{NB}s", seconds / 60, seconds % 60),
        _ => format!("{}{NB}h{NB}{:02}{NB}min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Returns an instant of the run as `h:mm:ss`.
pub(super) fn clock(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A column of numbers: one unit, decimal points below each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) unit: Unit,
    decimals: usize,
}

impl Column {
    /// Returns the column for these numbers.
    pub(super) fn new(amount: Amount, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let unit = amount.unit(values.iter().fold(0.0, |most, value| most.max(value.abs())));
        let decimals = values.iter().map(|value| decimals_of(&plain(value / unit.size))).max().unwrap_or(0);
        Self { unit, decimals }
    }

    /// Returns a number, filled with spaces as wide as digits.
    pub(super) fn cell(&self, value: f64) -> String {
        let text = plain(value / self.unit.size);
        let missing = self.decimals - decimals_of(&text).min(self.decimals);
        let point =
            if decimals_of(&text) == 0 && self.decimals > 0 { String::from(PUNCTUATION) } else { String::new() };
        text + &point + &String::from(FIGURE).repeat(missing)
    }

    /// Returns the bounds: `10.4 – 10.8`, or `≥ 10.4`.
    pub(super) fn range(&self, range: &Bounded<f64>) -> String {
        let low = down(range.low / self.unit.size, 3);
        match range.high {
            None => format!("≥{NB}{low}"),
            Some(high) => format!("{low}\u{2009}–\u{2009}{}", up(high / self.unit.size, 3)),
        }
    }
}

/// Returns a number with three significant digits and at most [`MAX_DECIMALS`] decimals.
fn plain(value: f64) -> String {
    let text = digits(value, 3);
    if decimals_of(&text) <= MAX_DECIMALS {
        return text;
    }
    let text = format!("{value:.MAX_DECIMALS$}");
    if text.trim_matches(['0', '.']).is_empty() { format!("<{NB}0.001") } else { text }
}

fn decimals_of(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, rest)| rest.len())
}

/// Returns an amount of whole microjoules as a range of numbers.
pub(super) fn as_f64(range: Bounded<u64>) -> Bounded<f64> {
    range.map(|uj| uj as f64)
}

/// Whether the range is one that a model or random readings give, not one that holds for every load.
pub(super) fn is_plausible(range: &Bounded<f64>) -> bool {
    range.kind == RangeKind::Plausible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_at_most_three_digits_and_stays_with_its_unit() {
        assert_eq!(Amount::Energy.text(3.8160e13), "10.6\u{a0}kWh");
        assert_eq!(Amount::Energy.text(9.996e6), "10.0\u{a0}J");
        assert_eq!(Amount::Mass.text(0.000_000_531), "0.531\u{a0}µg\u{a0}CO₂e");
        assert_eq!(Amount::Power.text(0.0), "0\u{a0}W");
        assert_eq!((count(48_000), count(9_999)), ("48\u{202f}000".into(), "9999".into()));
        assert_eq!(digits(-1234.5, 3), "−1230");
        assert_eq!([axis(11.47), axis(11.475), axis(0.1 + 0.2), axis(400.0)], ["11.47", "11.475", "0.3", "400"]);
    }

    #[test]
    fn a_printed_range_contains_the_exact_one() {
        let range = |value, low, high| Amount::Energy.range(&Bounded::hard(value, low, high), false);
        assert_eq!(range(100e6, 98.01e6, Some(101.99e6)), "±\u{a0}2.0\u{a0}%");
        assert_eq!(range(100e6, 50.09e6, Some(101.01e6)), "50.0\u{2009}–\u{2009}102\u{a0}J");
        assert_eq!(range(100e6, 50.09e6, None), "at least\u{a0}50.0\u{a0}J", "an open range is never closed");
        assert_eq!(range(100e6, 100e6, Some(100e6)), "");
        assert_eq!(Amount::Energy.range(&Bounded::unknown(), false), "", "nothing is known");
    }

    #[test]
    fn decimal_points_of_a_column_are_below_each_other() {
        let column = Column::new(Amount::Energy, [3.6e13, 1.706e12, 0.0]);
        assert_eq!(column.unit.name, "kWh");
        assert_eq!(column.cell(3.6e13), "10.0\u{2007}\u{2007}");
        assert_eq!(column.cell(1.706e12), "0.474");
        assert_eq!(column.cell(0.0), "0\u{2008}\u{2007}\u{2007}\u{2007}");
        assert_eq!(column.cell(3.6e8), "<\u{a0}0.001");
    }

    #[test]
    fn durations_and_shares() {
        let shown = [61_000_000_000, 8_040_000_000_000, 45_600_000, 125_000_000_000].map(duration);
        assert_eq!(shown, ["61.0\u{a0}s", "2\u{a0}h\u{a0}14\u{a0}min", "45.6\u{a0}ms", "2\u{a0}min\u{a0}05\u{a0}s"]);
        assert_eq!((share(1.0, 3.0), share(1.0, 1e5)), ("33".into(), "<\u{a0}0.1".into()));
        assert_eq!(clock(8_040_500_000_000), "2:14:00");
    }
}
