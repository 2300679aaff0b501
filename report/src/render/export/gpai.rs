//! Writes the energy and the computation of a training for the model documentation form of the EU code of practice for
//! general-purpose AI models, as a Markdown table: megawatt-hours with two significant figures, the method, wall-clock days,
//! device-days and floating-point operations (FLOP).
//!
//! The form of July 2025 was not at hand. Its items are those of two public descriptions of it: the data set
//! `AdrianGonzalezSanchez/GPAI` on the Hugging Face Hub, and notes on the form's PDF of 2026. The text states that.

use super::super::numbers::digits;
use super::super::presentable;
use super::methods::{how, whose};
use super::{basis, hardware_words_of, open_runs, overlap, synthetic_warning};
use crate::analysis::{DeviceTime, RunSum, declared_pue, facility_of, sum_of_runs};
use crate::wall::wall_clock;
use crate::{Error, clean};
use eco2_core::units::{joules, kwh};
use eco2_core::{Bounded, Ranged as _};
use jiff::Timestamp;

/// The form that the text was written for.
const FORM: &str = "the model documentation form of July 2025";
/// Seconds of a day.
const DAY_S: f64 = 86_400.0;
/// Days of a mean month.
const MONTH_DAYS: f64 = 365.25 / 12.0;
/// The value of an item about inference.
const NOT_INFERENCE: &str = "N/A: eco2 measured the training only";

/// Returns the energy and computation of a training, which may be several runs. A value that is not known is `N/A` with the reason.
///
/// # Errors
/// [`Error::NothingToMerge`] without a report.
pub fn gpai(reports: &[eco2_core::schema::Report]) -> Result<String, Error> {
    let reports: Vec<_> = reports.iter().map(|report| presentable(report).into_owned()).collect();
    let all = sum_of_runs(&reports).ok_or(Error::NothingToMerge)?;
    let rows = [
        ("Training time", time(&all)),
        ("Amount of computation used for training", computation(&all)),
        ("Measurement methodology (computation for training)", computation_method(&all)),
        ("Amount of energy used for training", energy(&all)),
        ("Measurement methodology (energy)", methodology(&all)),
        ("Benchmarked amount of computation used for inference", NOT_INFERENCE.to_owned()),
        ("Measurement methodology (computation for inference)", NOT_INFERENCE.to_owned()),
        ("Hardware (no item of the form)", hardware_words_of(&all.runs)),
        ("Energy per computation (no item of the form)", per_flop(&all)),
    ];
    let count = all.runs.len();
    let runs = if count == 1 { "1 run".to_owned() } else { format!("{count} runs") };
    let day = |at: &str| clean::markdown(wall_clock(at).and_then(|at| at.get(..10)).unwrap_or("an unknown day"));
    let warning = synthetic_warning(&all.sum).map_or_else(String::new, |warning| warning + "\n\n");
    let (from, to) = (day(&all.sum.run.started_at), day(&all.sum.run.ended_at));
    let rows: String = rows.iter().map(|(name, value)| format!("| {name} | {} |\n", clean::markdown(value))).collect();
    Ok(format!(
        "{warning}Energy and computation of a training, for {FORM} (EU code of practice for general-purpose AI models).\n\
         As of {to}; not checked against the form itself: its items are those of public descriptions. Values of {runs}, {from} to {to}.\n\n\
         | item | value |\n|---|---|\n{rows}"
    ))
}

/// The direction in which a number is rounded.
#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Nearest,
    Up,
}

/// Returns a number in the notation of the form, with two significant figures: `1.3x10^2`.
fn scientific(value: f64, rounding: Rounding) -> String {
    if value <= 0.0 {
        return "0".to_owned();
    }
    let power = value.log10().floor() as i32;
    let tenths = |power: i32| {
        let exact = value / 10_f64.powi(power) * 10.0;
        // A billionth: what the division may be off.
        match rounding {
            Rounding::Down => (exact + 1e-9).floor(),
            Rounding::Nearest => exact.round(),
            Rounding::Up => (exact - 1e-9).ceil(),
        }
    };
    // 9.96 has a digit more before the point once it is rounded.
    let power = if tenths(power) >= 100.0 { power + 1 } else { power };
    format!("{:.1}x10^{power}", tenths(power) / 10.0)
}

fn energy(all: &RunSum) -> String {
    let whole = facility_of(&all.sum.energy);
    let mwh = |uj: u64| kwh(uj) / 1e3;
    let Some(value) = whole.value.map(mwh) else { return "N/A: no energy was read or estimated".to_owned() };
    let value = scientific(value, Rounding::Nearest);
    let range = match whole.high.map(mwh) {
        None => format!("at least {} MWh", scientific(mwh(whole.low), Rounding::Down)),
        Some(high) => {
            format!("{} to {} MWh", scientific(mwh(whole.low), Rounding::Down), scientific(high, Rounding::Up))
        }
    };
    format!("{value} MWh ({range}; {})", basis(&all.sum))
}

fn methodology(all: &RunSum) -> String {
    let facility = match declared_pue(&all.runs) {
        None => "No facility overhead is included (PUE 1.0).".to_owned(),
        Some(pue) => format!("The energy of the devices was multiplied by a declared PUE of {pue}."),
    };
    let boundary =
        "CPU packages, memory and GPU boards that were read; storage, network and idle machines are not included.";
    let noted = open_runs(&all.runs).into_iter().chain(overlap(all).map(str::to_owned)).collect();
    [how(&all.sum), noted, vec![whose(&all.sum), facility, boundary.to_owned()]].concat().join(" ")
}

/// Returns the range of the training time, the wall-clock time in which at least one run went on, and the device-days.
fn time(all: &RunSum) -> String {
    let days = |days: f64| scientific(days, Rounding::Nearest);
    let wall_days = wall_s(all) / DAY_S;
    let (range, wall) = (time_range(wall_days), days(wall_days));
    let devices = DeviceTime::of(&all.runs).map_or_else(
        || "device-days not known".to_owned(),
        |time| format!("{} {}-days", days(time.hours() / 24.0), time.device()),
    );
    format!("{range}; {wall} wall-clock days, {devices}")
}

/// Returns the range of a training time that the form offers.
fn time_range(days: f64) -> &'static str {
    match days / MONTH_DAYS {
        months if months < 1.0 => "less than 1 month",
        months if months < 3.0 => "1 to 3 months",
        months if months < 6.0 => "3 to 6 months",
        _ => "more than 6 months",
    }
}

/// Returns the seconds in which at least one run went on; without wall clocks the sum of the durations.
fn wall_s(all: &RunSum) -> f64 {
    let interval = |run: &eco2_core::schema::Report| {
        let start: Timestamp = wall_clock(&run.run.started_at)?.parse().ok()?;
        let start_s = start.as_second() as f64;
        Some((start_s, start_s + run.run.duration_ns as f64 / 1e9))
    };
    let Some(mut intervals) = all.runs.iter().map(interval).collect::<Option<Vec<_>>>() else {
        return all.sum.run.duration_ns as f64 / 1e9;
    };
    intervals.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut sum, mut until) = (0.0, f64::NEG_INFINITY);
    for (from, to) in intervals {
        sum += (to - from.max(until)).max(0.0);
        until = to.max(until);
    }
    sum
}

fn computation(all: &RunSum) -> String {
    match all.sum.work.flop() {
        Some(flop) => {
            let number = scientific(flop, Rounding::Nearest);
            let order = number.split_once('x').map_or("0", |(_, order)| order);
            format!("{number} FLOP (order of magnitude {order})")
        }
        None => "N/A: no run reported its floating-point operations (total_flos)".to_owned(),
    }
}

fn computation_method(all: &RunSum) -> String {
    match all.sum.work.flop() {
        Some(_) => "The trainer's own estimate from model size and tokens (total_flos).".to_owned(),
        None => "N/A".to_owned(),
    }
}

fn per_flop(all: &RunSum) -> String {
    let energy: Bounded<f64> = all.sum.energy.bounded().map(joules);
    match all.sum.work.flop().zip(energy.value) {
        Some((flop, joules)) => {
            format!("{} pJ per FLOP, without the facility's overhead", digits(joules / flop * 1e12, 3))
        }
        None => "N/A".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_figures_and_bounds_are_rounded_outwards() {
        let near = |value| scientific(value, Rounding::Nearest);
        assert_eq!([0.001, 129.6, 9.96, 0.0].map(near), ["1.0x10^-3", "1.3x10^2", "1.0x10^1", "0"]);
        assert_eq!(
            (scientific(1.29, Rounding::Down), scientific(1.21, Rounding::Up)),
            ("1.2x10^0".into(), "1.3x10^0".into())
        );
        assert_eq!(
            (scientific(1.2, Rounding::Down), scientific(1.2, Rounding::Up)),
            ("1.2x10^0".into(), "1.2x10^0".into())
        );
        assert_eq!(scientific(9.91, Rounding::Up), "1.0x10^1");
    }

    #[test]
    fn training_times_have_the_ranges_of_the_form() {
        assert_eq!(
            [0.0, 30.4, 30.5, 91.4, 182.7].map(time_range),
            ["less than 1 month", "less than 1 month", "1 to 3 months", "3 to 6 months", "more than 6 months"]
        );
    }
}
