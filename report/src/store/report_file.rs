//! Reads report files (`eco2 run --json`) and checks their schema, size, depth and consistency.
//!
//! A report that contradicts itself is refused, because everything computed from it would be wrong without notice. Values
//! are checked against their own bounds and their possible range. Definitions that can change between versions (sums over
//! devices, rounding) are not checked.

use crate::Error;
use crate::store::files;
use eco2_core::schema::{Attribution, Carbon, Device, Energy, Report, SCHEMA, Supplements};
use serde::Deserialize;
use std::fmt::Display;
use std::path::Path;

/// Largest report that is read, bytes.
pub(crate) const MAX_REPORT_BYTES: u64 = 64 << 20;

/// Parses a report; `path` is only for messages.
///
/// Fields that this version does not know are ignored; a schema of a later number is refused. Nesting is capped at 128.
/// Figures outside their own bounds are refused, in the parts of a merged report too.
///
/// # Errors
/// [`Error::Json`] with line and column, [`Error::Contradiction`] with the field, [`Error::NotOurs`], [`Error::Newer`],
/// [`Error::TooLarge`].
pub fn parse_report(bytes: &[u8], path: &Path) -> Result<Report, Error> {
    if bytes.len() as u64 > MAX_REPORT_BYTES {
        return Err(Error::TooLarge { path: path.to_owned(), what: "report", cap_bytes: MAX_REPORT_BYTES });
    }
    let bytes = without_mark(bytes);
    check_schema(bytes, path)?;
    let report: Report = serde_json::from_slice(bytes).map_err(|e| Error::json(path, &e))?;
    let report = report.without_false_zeros();
    check(&report).map_err(|Contradiction { field, found }| Error::Contradiction {
        path: path.to_owned(),
        field,
        found,
    })?;
    Ok(report)
}

/// Returns a text without the byte order mark that some editors put before it.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads a report file.
///
/// # Errors
/// As [`parse_report`], and [`Error::Io`].
pub fn read_report(path: &Path) -> Result<Report, Error> {
    parse_report(&files::read_regular(path, "report", MAX_REPORT_BYTES)?, path)
}

fn check_schema(bytes: &[u8], path: &Path) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Document {
        schema: Option<String>,
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|e| Error::json(path, &e))?;
    let schema = document.schema.unwrap_or_default();
    if schema == SCHEMA {
        return Ok(());
    }
    let later = schema.strip_prefix("eco2.report/").and_then(|number| number.parse().ok()).is_some_and(|n: u64| n > 1);
    if later {
        return Err(Error::Newer { path: path.to_owned(), found: schema, known: SCHEMA });
    }
    let found = if schema.is_empty() { "no field `schema`".into() } else { format!("schema `{}`", clip(&schema)) };
    let remedy = "give a file that `eco2 run --json` or `eco2 report --json` wrote";
    Err(Error::NotOurs { path: path.to_owned(), what: "report", found, remedy })
}

fn clip(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}

/// The relative distance by which rounding can move a number outside its bounds. Sums of some thousand doubles are exact to
/// 1e-12.
const ROUNDING: f64 = 1e-9;

/// A field and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
struct Contradiction {
    /// Path of the field: `devices[2].energy_uj`.
    field: String,
    /// What is wrong, in words.
    found: String,
}

type Checked = Result<(), Contradiction>;

/// Finds the first contradiction in a report and in the parts that it was merged from.
fn check(report: &Report) -> Checked {
    energy(&report.energy)?;
    run(report)?;
    for (at, device) in report.devices.iter().enumerate() {
        in_list("devices", at, self::device(device))?;
    }
    for (at, span) in report.spans.iter().enumerate() {
        in_list("spans", at, range("energy_uj", span.energy_uj, span.low_uj, span.high_uj))?;
        in_list("spans", at, range("energy_uj", span.energy_uj, span.free_low_uj, span.free_high_uj))?;
    }
    for (at, episode) in report.spells.iter().enumerate() {
        in_list("spells", at, range("energy_uj", episode.energy_uj, episode.low_uj, episode.high_uj))?;
    }
    if let Some(shares) = &report.attribution {
        within("attribution", attribution(shares))?;
    }
    if let Some(priced) = &report.carbon {
        within("carbon", carbon(priced))?;
    }
    counters(report)?;
    curves(report)?;
    let parts = report.merge.iter().flat_map(|merge| &merge.parts);
    parts.enumerate().try_for_each(|(at, part)| in_list("merge.parts", at, check(part)))
}

fn run(report: &Report) -> Checked {
    if let Some([from_ns, to_ns]) = report.run.boot_ns.filter(|[from_ns, to_ns]| from_ns > to_ns) {
        return wrong("run.boot_ns", format!("ends at {to_ns}, before it starts at {from_ns}"));
    }
    Ok(())
}

fn energy(energy: &Energy) -> Checked {
    let checks = || {
        range("total_uj", energy.total_uj, energy.low_uj, energy.high_uj)?;
        range("total_uj", energy.total_uj, energy.free_low_uj, energy.free_high_uj)?;
        if let (Some(low), high) = (energy.facility_low_uj, energy.facility_high_uj) {
            range("facility_uj", energy.facility_uj, low, high)?;
        }
        if !(energy.pue.is_finite() && energy.pue >= 1.0) {
            return wrong("pue", format!("is {}, below 1: a facility uses at least what its machines use", energy.pue));
        }
        let parts = [energy.measured_uj, energy.derived_uj, energy.estimated_uj, energy.synthetic_uj];
        let sum: u128 = parts.into_iter().map(u128::from).sum();
        match energy.total_uj.filter(|total| sum > u128::from(*total)) {
            Some(total) => wrong("total_uj", format!("is {total}, less than the {sum} of its parts by quality")),
            None => Ok(()),
        }
    };
    within("energy", checks())
}

fn device(device: &Device) -> Checked {
    range("energy_uj", device.energy_uj, device.low_uj, device.high_uj)?;
    range("energy_uj", device.energy_uj, device.free_low_uj, device.free_high_uj)?;
    if !(0.0..=1.0).contains(&device.coverage) {
        return wrong("coverage", format!("is {}, and a share lies in 0 to 1", device.coverage));
    }
    for (field, watts) in [("mean_w", device.mean_w), ("peak_w", device.peak_w)] {
        not_negative(field, watts)?;
    }
    let reversed = device.gaps.iter().position(|gap| gap.from_ns > gap.to_ns);
    reversed.map_or(Ok(()), |at| in_list("gaps", at, wrong("to_ns", "lies before from_ns".to_owned())))
}

fn attribution(shares: &Attribution) -> Checked {
    range("command_uj", shares.command_uj, shares.low_uj, shares.high_uj)?;
    for (at, user) in shares.consumers.iter().enumerate() {
        in_list("consumers", at, range("energy_uj", user.energy_uj, user.low_uj, user.high_uj))?;
    }
    Ok(())
}

fn carbon(carbon: &Carbon) -> Checked {
    amount("grams", carbon.grams, carbon.low, carbon.high)?;
    for (at, segment) in carbon.segments.iter().enumerate() {
        in_list("segments", at, not_negative("g_per_kwh", segment.g_per_kwh))?;
    }
    not_negative("embodied", carbon.embodied)?;
    not_negative("sci", carbon.sci)?;
    carbon.beside.as_deref().map_or(Ok(()), |found| within("beside", supplements(found)))
}

fn supplements(supplements: &Supplements) -> Checked {
    if let Some(market) = &supplements.market {
        within("market", amount("grams", market.grams, market.low, market.high))?;
    }
    if let Some(embodied) = &supplements.embodied {
        within("embodied", amount("grams", embodied.grams, embodied.low, embodied.high))?;
    }
    if let Some(sci) = &supplements.sci {
        within("sci", amount("grams", sci.grams, sci.low, sci.high))?;
    }
    if let Some(water) = &supplements.water {
        within("water", amount("litres", water.litres, water.low, water.high))?;
    }
    if let Some(price) = &supplements.carbon_price {
        within("carbon_price", amount("amount", price.amount, price.low, price.high))?;
    }
    // Electricity has negative prices.
    supplements.cost.as_ref().map_or(Ok(()), |cost| within("cost", rounded("amount", cost.amount, cost.low, cost.high)))
}

fn counters(report: &Report) -> Checked {
    for (at, counter) in report.counters.iter().enumerate() {
        if let Some(place) = counter.stretches.iter().position(|stretch| !stretch.is_sound()) {
            let found = "times do not rise, or energies fall, or there are not as many of both".to_owned();
            return wrong(&format!("counters[{at}].stretches[{place}]"), found);
        }
    }
    Ok(())
}

fn curves(report: &Report) -> Checked {
    if let Some(at) = report.curves.iter().position(|curve| !curve.is_sound()) {
        let found =
            "times do not rise, energies fall or lie outside their bounds, or columns differ in length".to_owned();
        return wrong(&format!("curves[{at}]"), found);
    }
    Ok(())
}

/// Checks an integer against its bounds; a value that is not known passes.
fn range(
    field: &str,
    value: impl Into<Option<u64>>,
    low: impl Into<Option<u64>>,
    high: impl Into<Option<u64>>,
) -> Checked {
    compared(field, value.into(), low.into(), high.into())
}

/// Checks an amount of 0 or more against its bounds.
fn amount(
    field: &str,
    value: impl Into<Option<f64>>,
    low: impl Into<Option<f64>>,
    high: impl Into<Option<f64>>,
) -> Checked {
    let (value, low, high) = (value.into(), low.into(), high.into());
    [value, low, high].into_iter().try_for_each(|one| not_negative(field, one))?;
    rounded(field, value, low, high)
}

/// Checks an amount against its bounds, with a tolerance of [`ROUNDING`].
fn rounded(
    field: &str,
    value: impl Into<Option<f64>>,
    low: impl Into<Option<f64>>,
    high: impl Into<Option<f64>>,
) -> Checked {
    let (value, low, high) = (value.into(), low.into(), high.into());
    let slack = |amount: f64| amount.abs() * ROUNDING + f64::MIN_POSITIVE;
    compared(field, value, low.map(|low| low - slack(low)), high.map(|high| high + slack(high)))
}

fn compared<T: PartialOrd + Display>(field: &str, value: Option<T>, low: Option<T>, high: Option<T>) -> Checked {
    match (&value, &low, &high) {
        (_, Some(low), Some(high)) if low > high => {
            wrong(field, format!("has a lower bound of {low} above its upper bound of {high}"))
        }
        (Some(value), Some(low), _) if value < low => wrong(field, format!("is {value}, below its lower bound {low}")),
        (Some(value), _, Some(high)) if value > high => {
            wrong(field, format!("is {value}, above its upper bound {high}"))
        }
        _ => Ok(()),
    }
}

fn not_negative(field: &str, value: impl Into<Option<f64>>) -> Checked {
    match value.into() {
        Some(value) if !(value.is_finite() && value >= 0.0) => {
            wrong(field, format!("is {value}, and such an amount is a number of 0 or more"))
        }
        _ => Ok(()),
    }
}

fn wrong(field: &str, found: String) -> Checked {
    Err(Contradiction { field: field.to_owned(), found })
}

fn within(parent: &str, checked: Checked) -> Checked {
    checked.map_err(|fault| Contradiction { field: format!("{parent}.{}", fault.field), ..fault })
}

fn in_list(list: &str, at: usize, checked: Checked) -> Checked {
    checked.map_err(|fault| Contradiction { field: format!("{list}[{at}].{}", fault.field), ..fault })
}
