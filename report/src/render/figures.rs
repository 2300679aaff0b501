//! Formats values for people: with three to six significant digits, as many as the bounds allow, in a unit of fitting
//! size.

use eco2_core::Bounded;

use super::rounding::{Rounding, magnitude, round_at, written};

/// How units and signs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// Whether `uJ`, `-` and `CO2e` are written instead of `µJ`, `–` and `CO₂e`.
    pub(crate) ascii: bool,
}

/// Formats an energy in microjoules with its range in ASCII, for logs and comments: `1234 J  [1200 - 1270]`.
///
/// ```
/// use eco2_core::Bounded;
///
/// assert_eq!(eco2_report::energy_text(Bounded::exact(12_300_000)), "12.3 J");
/// ```
#[must_use]
pub fn energy_text(energy: Bounded<u64>) -> String {
    Spelling { ascii: true }.energy(energy)
}

/// Formats emissions in grams CO2e with their range in ASCII, for logs and comments: `1.14 g CO2e  [0.90 - 1.50]`.
///
/// ```
/// use eco2_core::Bounded;
///
/// assert_eq!(eco2_report::mass_text(Bounded::exact(12.3)), "12.3 g CO2e");
/// ```
#[must_use]
pub fn mass_text(grams: Bounded<f64>) -> String {
    Spelling { ascii: true }.mass(grams)
}

/// Formats a duration in nanoseconds in ASCII: `1 h 02 min 03 s`.
///
/// ```
/// assert_eq!(eco2_report::duration_text(90_000_000_000), "1 min 30 s");
/// ```
#[must_use]
pub fn duration_text(ns: u64) -> String {
    Spelling { ascii: true }.duration(ns)
}

/// Units of energy: the microjoules from which a unit is used, its size in microjoules, and its name.
const ENERGY: [(f64, f64, &str); 5] =
    [(3.6e12, 3.6e12, "kWh"), (1e10, 3.6e9, "Wh"), (1e6, 1e6, "J"), (1e3, 1e3, "mJ"), (0.0, 1.0, "µJ")];
/// Units of mass: the grams from which a unit is used, its size in grams, and its name.
const MASS: [(f64, f64, &str); 5] =
    [(1e6, 1e6, "t"), (1e3, 1e3, "kg"), (0.1, 1.0, "g"), (1e-4, 1e-3, "mg"), (0.0, 1e-6, "µg")];

/// The difference between the two sides of a range, as part of the wider side, up to which it is written with one number.
const SYMMETRIC: f64 = 0.1;
/// The widest range that is written as a percentage: beyond it, the two ends are easier to read.
const MAX_PERCENT: f64 = 50.0;

/// A unit, and its size in microjoules or grams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    size: f64,
    unit: &'static str,
}

impl Scale {
    /// Formats an energy in microjoules with three significant digits and the unit.
    pub(super) fn value(self, uj: u64) -> String {
        let value = uj as f64 / self.size;
        format!("{} {}", grouped(value, three_digits(value)), self.unit)
    }

    /// Formats an energy in microjoules with the decimals that three significant digits of `largest_uj` have: for a
    /// column of numbers.
    pub(super) fn in_column(self, uj: u64, largest_uj: u64) -> String {
        let place = three_digits(largest_uj as f64 / self.size).min(0);
        let value = uj as f64 / self.size;
        let least = 10_f64.powi(place);
        let is_small = uj > 0 && value < least / 2.0;
        let shown = if is_small { format!("<{}", grouped(least, place)) } else { grouped(value, place) };
        format!("{shown} {}", self.unit)
    }
}

/// How far a value is from its bounds, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spread {
    /// No uncertainty is stated.
    None,
    /// `± 1.2 %`: both bounds are equally far.
    Percent(String),
    /// `9 – 41 Wh`.
    Range(String),
    /// There is no upper bound.
    Open,
}

impl Spelling {
    /// Formats an energy: `1234 J  [1200 – 1270]`, or `at least 1200 J (estimate 1234 J)` without an upper bound.
    pub(crate) fn energy(self, energy: Bounded<u64>) -> String {
        if !energy.is_known() && energy.low == 0 {
            return "not measured".to_owned();
        }
        self.bounded(energy.map(|uj| uj as f64), &ENERGY, "")
    }

    /// Formats emissions: `0.163 g CO₂e  [0.158 – 0.168]`.
    pub(crate) fn mass(self, grams: Bounded<f64>) -> String {
        if !grams.is_known() && grams.low == 0.0 {
            return "not known".to_owned();
        }
        self.bounded(grams, &MASS, if self.ascii { " CO2e" } else { " CO₂e" })
    }

    /// Formats an energy in microjoules without bounds: `12.3 J`.
    pub(crate) fn energy_only(self, uj: u64) -> String {
        self.only(uj as f64, &ENERGY)
    }

    /// Formats emissions in grams without bounds: `0.163 g CO₂e`.
    pub(crate) fn mass_only(self, grams: f64) -> String {
        self.only(grams, &MASS) + if self.ascii { " CO2e" } else { " CO₂e" }
    }

    /// Formats a value without bounds in a fitting unit.
    fn only(self, value: f64, units: &[(f64, f64, &'static str)]) -> String {
        let (size, unit) = self.unit(value, units);
        format!("{} {unit}", grouped(value / size, three_digits(value / size)))
    }

    /// Formats a value with its bounds in a fitting unit; `what` follows the unit.
    fn bounded(self, range: Bounded<f64>, units: &[(f64, f64, &'static str)], what: &str) -> String {
        let (size, unit) = self.unit(range.value.unwrap_or(range.low), units);
        let low = range.low / size;
        let Some(value) = range.value.map(|value| value / size) else {
            return format!("at least {} {unit}{what}", down(low, three_digits(low)));
        };
        let Some(high) = range.high.map(|high| high / size) else {
            let place = three_digits(value);
            let (low, value) = (down(low, place), grouped(value, place));
            return format!("at least {low} {unit}{what} (estimate {value} {unit})");
        };
        let place = place(value, low, high);
        let shown = grouped(value, place);
        if low >= high {
            return format!("{} {unit}{what}", trimmed(&shown));
        }
        let dash = if self.ascii { "-" } else { "–" };
        format!("{shown} {unit}{what}  [{} {dash} {}]", down(low, place), up(high, place))
    }

    /// Returns size and name of the unit that fits a value; J or g for 0.
    fn unit(self, value: f64, units: &[(f64, f64, &'static str)]) -> (f64, &'static str) {
        let found = units.iter().find(|(from, ..)| value >= *from);
        match found {
            _ if value == 0.0 => {
                units.iter().find(|(.., name)| matches!(*name, "J" | "g")).map_or((1.0, ""), |u| (u.1, u.2))
            }
            Some((_, size, "µJ")) if self.ascii => (*size, "uJ"),
            Some((_, size, "µg")) if self.ascii => (*size, "ug"),
            Some((_, size, name)) => (*size, name),
            None => (1.0, ""),
        }
    }

    /// Returns the unit in which an energy in microjoules has a fitting size.
    pub(super) fn energy_scale(self, uj: u64) -> Scale {
        let (size, unit) = self.unit(uj as f64, &ENERGY);
        Scale { size, unit }
    }

    /// Formats how far a value is from its bounds. `scale` is the unit of the value.
    pub(super) fn spread(self, range: Bounded<f64>, scale: Scale) -> Spread {
        let (Some(value), Some(high)) = (range.value, range.high) else { return Spread::Open };
        let (below, above) = (value - range.low, high - value);
        let widest = below.max(above);
        let is_symmetric = (above - below).abs() <= SYMMETRIC * widest;
        if widest <= 0.0 {
            return Spread::None;
        }
        if is_symmetric && widest <= value * MAX_PERCENT / 100.0 {
            let percent = widest / value * 100.0;
            let sign = if self.ascii { "+-" } else { "±" };
            return Spread::Percent(format!("{sign} {} %", up(percent, magnitude(percent) - 1)));
        }
        // A range that is wide needs no third digit.
        let third = three_digits(value / scale.size);
        let place = if widest > value / 2.0 { third + 1 } else { third };
        let dash = if self.ascii { "-" } else { "–" };
        let (low, high) = (down(range.low / scale.size, place), up(high / scale.size, place));
        Spread::Range(format!("{low} {dash} {high} {}", scale.unit))
    }

    /// Formats a duration in nanoseconds: `1 h 02 min 03 s`, `12.3 s`, `45.6 ms`, `789 µs`.
    pub(crate) fn duration(self, ns: u64) -> String {
        let seconds = ns as f64 / 1e9;
        let whole = ns / 1_000_000_000;
        let micro = if self.ascii { "us" } else { "µs" };
        match ns {
            0 => "0 s".into(),
            1..1_000_000 => format!("{} {micro}", grouped(seconds * 1e6, three_digits(seconds * 1e6))),
            1_000_000..1_000_000_000 => format!("{} ms", grouped(seconds * 1e3, three_digits(seconds * 1e3))),
            _ if whole < 60 => format!("{} s", grouped(seconds, three_digits(seconds))),
            _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
            _ => format!("{} h {:02} min {:02} s", grouped((whole / 3600) as f64, 0), whole / 60 % 60, whole % 60),
        }
    }

    /// Formats a duration as [`Self::duration`], from one hour on without seconds: `2 h 14 min`.
    pub(super) fn short_duration(self, ns: u64) -> String {
        let minutes = (ns / 1_000_000_000 + 30) / 60;
        if ns < 3_600_000_000_000 {
            return self.duration(ns);
        }
        format!("{} h {:02} min", grouped((minutes / 60) as f64, 0), minutes % 60)
    }

    /// Returns the separator between facts in one line.
    pub(crate) fn dot(self) -> &'static str {
        if self.ascii { ", " } else { " · " }
    }
}

/// Returns a decimal number without the zeros at its end.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Formats a part as percent of a whole: `66 %`, `0.03 %`.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 || !whole.is_finite() {
        return "no share".into();
    }
    let value = part / whole * 100.0;
    match value {
        _ if value >= 10.0 => format!("{value:.0} %"),
        _ if value == 0.0 => "0 %".into(),
        _ if value < 0.001 => "under 0.001 %".into(),
        _ => format!("{} %", grouped(value, three_digits(value) + 1)),
    }
}

/// Formats a share in whole percent.
pub(super) fn share(part: f64, whole: f64) -> String {
    match part / whole * 100.0 {
        // Next to a part of 0.3 %, the rest is not all of it.
        percent if (99.5..100.0).contains(&percent) => ">99 %".to_owned(),
        percent if percent >= 0.5 => format!("{percent:.0} %"),
        percent if percent > 0.0 => "<1 %".to_owned(),
        _ => "0 %".to_owned(),
    }
}

/// Formats a number without bounds, with three significant digits.
pub(crate) fn number(value: f64) -> String {
    grouped(value, three_digits(value).min(0))
}

/// Formats a number with three significant digits, whole numbers too.
pub(super) fn rounded(value: f64) -> String {
    grouped(value, three_digits(value))
}

/// Formats a count with all its digits.
pub(crate) fn count(value: u64) -> String {
    grouped(value as f64, 0)
}

/// Returns a count with its noun: `1 span`, `2 spans`.
pub(crate) fn counted(count: u64, name: &str) -> String {
    if count == 1 { format!("1 {name}") } else { format!("{} {name}s", self::count(count)) }
}

/// Returns the decimal place of the last of three significant digits.
fn three_digits(value: f64) -> i32 {
    magnitude(value) - 2
}

/// Returns the decimal place of the last digit to print: the second digit of half the interval's width, but such that
/// the value has three to six significant digits.
fn place(value: f64, low: f64, high: f64) -> i32 {
    let three = three_digits(value);
    let half = (high - low) / 2.0;
    if half > 0.0 { (magnitude(half) - 1).clamp(three - 3, three) } else { three - 3 }
}

/// Formats a value that is rounded to a decimal place, with digits in groups of three.
fn grouped(value: f64, place: i32) -> String {
    rounded_at(value, place, Rounding::Nearest)
}

/// Formats a lower bound, rounded down: the printed interval must contain the exact one.
fn down(value: f64, place: i32) -> String {
    rounded_at(value, place, Rounding::Down)
}

/// Formats an upper bound, rounded up.
fn up(value: f64, place: i32) -> String {
    rounded_at(value, place, Rounding::Up)
}

fn rounded_at(value: f64, place: i32, rounding: Rounding) -> String {
    written(round_at(value, place, rounding), place, '-', ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Spelling = Spelling { ascii: false };

    fn energy(value: u64, low: u64, high: Option<u64>) -> String {
        PLAIN.energy(Bounded::hard(value, low, high))
    }

    #[test]
    fn digits_follow_the_bounds() {
        assert_eq!(energy(1_234_400_000, 1_200_000_000, Some(1_270_000_000)), "1234 J  [1200 – 1270]");
        assert_eq!(energy(1_234_400_000, 800_000_000, Some(1_900_000_000)), "1230 J  [800 – 1900]");
        assert_eq!(energy(1_234_567_890, 1_234_567_000, Some(1_234_569_000)), "1234.57 J  [1234.56 – 1234.57]");
        assert_eq!(energy(5_000_000, 5_000_000, Some(5_000_000)), "5 J");
        assert_eq!(energy(1_234_400_000, 1_200_000_000, None), "at least 1200 J (estimate 1230 J)");
        assert_eq!(energy(0, 0, Some(0)), "0 J");
    }

    #[test]
    fn k01_nothing_read_is_not_printed_as_zero() {
        assert_eq!(PLAIN.energy(Bounded::unknown()), "not measured");
        assert_eq!(PLAIN.mass(Bounded::unknown()), "not known");
        assert_eq!(PLAIN.energy(Bounded { low: 1_200_000_000, ..Bounded::unknown() }), "at least 1200 J");
    }

    #[test]
    fn units_follow_the_size() {
        assert_eq!(energy(999, 990, Some(1_010)), "999 µJ  [990 – 1010]");
        assert_eq!(energy(12_000, 11_000, Some(13_000)), "12.0 mJ  [11.0 – 13.0]");
        assert_eq!(energy(36_000_000_000, 35_000_000_000, Some(37_000_000_000)), "10.00 Wh  [9.72 – 10.28]");
        assert_eq!(energy(7_200_000_000_000, 7_000_000_000_000, Some(7_400_000_000_000)), "2.000 kWh  [1.944 – 2.056]");
        assert_eq!(Spelling { ascii: true }.energy(Bounded::hard(5, 4, Some(6))), "5.00 uJ  [4.00 - 6.00]");
        let grams = Bounded::hard(0.163, 0.158, Some(0.168));
        assert_eq!(
            PLAIN.mass(grams),
            "163.0 mg CO₂e  [158.0 – 168.0]"
                .replace("163.0 mg", "0.1630 g")
                .replace("158.0", "0.1580")
                .replace("168.0", "0.1680")
        );
    }

    #[test]
    fn range_is_a_percentage_where_both_sides_are_equal_to_a_tenth() {
        let spread = |value, low, high| {
            let range = Bounded::hard(value, low, high);
            PLAIN.spread(range, Scale { size: 3.6e9, unit: "Wh" })
        };
        let percent = |text: &str| Spread::Percent(text.to_owned());
        let range = |text: &str| Spread::Range(text.to_owned());
        assert_eq!(spread(3.6e10, 3.56e10, Some(3.64e10)), percent("± 1.2 %"), "1.11 % is rounded up");
        assert_eq!(spread(3.6e10, 3.5e10, Some(3.68e10)), range("9.7 – 10.3 Wh"), "80 to 100 is no tenth");
        assert_eq!(spread(6.624e10, 3.24e10, Some(14.7e10)), range("9 – 41 Wh"));
        assert_eq!(spread(3.6e10, 3.6e10, Some(3.6e10)), Spread::None);
        assert_eq!(spread(3.6e10, 3.0e10, None), Spread::Open);
    }

    #[test]
    fn column_has_one_unit_and_the_decimals_of_its_largest_value() {
        let scale = PLAIN.energy_scale(35_820_000_000_000);
        let column = [35_820_000_000_000, 1_728_000_000_000, 684_000_000_000, 3_600_000, 0];
        let shown = column.map(|uj| scale.in_column(uj, column[0]));
        assert_eq!(shown, ["9.95 kWh", "0.48 kWh", "0.19 kWh", "<0.01 kWh", "0.00 kWh"]);
    }

    #[test]
    fn a_share_is_neither_nothing_nor_all_unless_it_is() {
        let shown = [0.0, 0.3, 40.0, 99.7, 100.0].map(|part| share(part, 100.0));
        assert_eq!(shown, ["0 %", "<1 %", "40 %", ">99 %", "100 %"]);
    }

    #[test]
    fn small_masses_have_a_small_unit() {
        assert_eq!(
            [0.531e-6, 10.8e-6, 0.401e-3, 0.163].map(|grams| PLAIN.mass_only(grams)),
            ["0.531 µg CO₂e", "10.8 µg CO₂e", "0.401 mg CO₂e", "0.163 g CO₂e"]
        );
        assert_eq!(Spelling { ascii: true }.mass_only(10.8e-6), "10.8 ug CO2e");
    }

    #[test]
    fn durations_and_shares_read_well() {
        let shown = |ns| PLAIN.duration(ns);
        assert_eq!(shown(3_723_000_000_000), "1 h 02 min 03 s");
        assert_eq!(shown(12_340_000_000), "12.3 s");
        assert_eq!(shown(61_000_000_000), "1 min 01 s");
        assert_eq!(shown(45_600_000), "45.6 ms");
        assert_eq!(shown(789_000), "789 µs");
        assert_eq!(
            (percent(2.0, 3.0), percent(3.0, 10_000.0), percent(1.0, 0.0)),
            ("67 %".into(), "0.030 %".into(), "no share".into())
        );
    }
}
