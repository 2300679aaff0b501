//! Formats the output of a power limit sweep (`eco2 optimize --sweep-power-limit`): messages, the table, and the GPU
//! boards as JSON.

use eco2_report::advice::sweep::{AtLimit, Sweep, SweepVerdict, Trial};
use eco2_samplers::nvml::BoardLimit;
use serde_json::{Value, json};

/// Returns the message before the first change: the current limit, and how to restore it if eco2 is killed.
pub(super) fn before(board: &BoardLimit) -> String {
    let BoardLimit { uuid, name, now_mw, min_mw, max_mw } = board;
    let (now, min, max) = (watts(*now_mw), watts(*min_mw), watts(*max_mw));
    let killed = format!("if eco2 is killed (SIGKILL), restore with: nvidia-smi -i {uuid} -pl {now}");
    format!("eco2: {uuid} {name}: {now} W now, {min} to {max} W allowed; {killed}\n")
}

/// Returns the message after a run.
pub(super) fn progress(trial: Option<&Trial>) -> String {
    trial.map_or_else(String::new, |trial| {
        let (joules, seconds) = (trial.energy_uj as f64 / 1e6, trial.duration_ns as f64 / 1e9);
        format!("eco2: {}: {joules:.1} J in {seconds:.2} s\n", named(trial.limit_mw))
    })
}

/// Returns the boards with their old limits, which are restored, and the allowed range.
pub(super) fn boards(boards: &[BoardLimit]) -> Value {
    let board = |board: &BoardLimit| {
        let (now, min, max) = (watts(board.now_mw), watts(board.min_mw), watts(board.max_mw));
        json!({"id": board.uuid, "name": board.name, "limit_w": now, "min_w": min, "max_w": max})
    };
    boards.iter().map(board).collect()
}

/// Returns one line per limit, then the conclusion.
pub(super) fn page(sweep: &Sweep) -> String {
    let mut text = format!("{:>9}  {:>12}  {:>10}  {:>24}  {:>8}  \n", "limit", "energy", "time", "saved", "longer");
    text = text.trim_end().to_owned() + "\n";
    text.extend(sweep.limits.iter().map(line));
    text + &estimated(sweep) + &conclusion(sweep)
}

/// Returns the row of a limit: energy, time, and both compared with the old limit.
fn line(limit: &AtLimit) -> String {
    let (joules, seconds) = (limit.energy_uj as f64 / 1e6, limit.duration_ns as f64 / 1e9);
    let low = limit.low_percent.map_or_else(|| "?".to_owned(), |low| format!("{low:.1}"));
    let saved = format!("{:.1} % [{low} to {:.1}]", limit.saved_percent, limit.high_percent);
    let (saved, longer) = match limit.verdict {
        SweepVerdict::Old => (String::new(), String::new()),
        _ => (saved, format!("{:.1} %", limit.longer_percent)),
    };
    let line = format!("{:>9}  {joules:>10.1} J  {seconds:>8.2} s  {saved:>24}  {longer:>8}", named(limit.limit_mw));
    let words = match limit.verdict {
        SweepVerdict::Less => "  less, beyond the uncertainty",
        SweepVerdict::More => "  more, beyond the uncertainty",
        SweepVerdict::Indistinct => "  within the uncertainty",
        _ => "",
    };
    format!("{}{words}\n", line.trim_end())
}

/// Returns a warning if a part of the energy is an estimate; otherwise an empty text.
fn estimated(sweep: &Sweep) -> String {
    match sweep.estimated_percent() {
        percent if percent > 0.0 => {
            format!("ESTIMATED: {percent:.0} % of the energy comes from a model, which does not depend on the limit\n")
        }
        _ => String::new(),
    }
}

/// Returns the last lines: the limit that used least energy, and how certain that is.
fn conclusion(sweep: &Sweep) -> String {
    let result = match sweep.best() {
        Some(best) => {
            let (saved, longer) = (best.saved_percent, best.longer_percent);
            format!("{} used least: {saved:.1} % less energy, {longer:.1} % more time\n", named(best.limit_mw))
        }
        None => "no limit uses less energy than the old one beyond the uncertainty\n".to_owned(),
    };
    let once = sweep.limits.iter().any(|limit| limit.runs < 3);
    result
        + if once {
            "the intervals are the bounds of the sensors; --repeat 3 also shows the variation between runs\n"
        } else {
            ""
        }
        + "the old limits are restored\n"
}

/// Returns the name of a limit; `None` is the old one.
fn named(limit_mw: Option<u32>) -> String {
    limit_mw.map_or_else(|| "old limit".to_owned(), |mw| format!("{} W", watts(mw)))
}

/// Converts milliwatts to watts.
fn watts(mw: u32) -> f64 {
    f64::from(mw) / 1e3
}
