//! Runs `eco2 check-budget`, which compares a run's emissions with a limit, or its energy with that of a baseline, for scripts: the
//! exit code is the result.

mod step_summary;

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::Path;

use eco2::Unrelated;
use eco2::options::{Layer, Options};
use eco2_core::schema::Report;
use eco2_report::{BudgetCheck, Footprint, IncreaseCheck, IncreaseVerdict, RunEnergy, Scope};

use crate::args::CheckBudgetArgs;
use crate::failure::{UsageError, in_one_line};
use crate::{out, settings};

/// The limit is exceeded.
const EXCEEDED: u8 = 1;
/// The range of the measurement contains the limit.
const INCONCLUSIVE: u8 = 2;

/// Runs the command; returns the exit code: 0 within the limit, 1 exceeded, 2 if the range contains the limit. A closed pipe changes
/// none.
///
/// # Errors
/// Always [`UsageError`], exit code 2, so that a failed check never looks like a result: for a limit that is not allowed, a
/// file that cannot be read or has no emissions, and output that cannot be written.
pub(crate) fn check_budget(args: &CheckBudgetArgs) -> anyhow::Result<u8> {
    let checked = match (&args.baseline, args.max_co2) {
        (Some(baseline), _) => check_baseline(args, baseline),
        (None, Some(max_kg)) => check_emissions(args, max_kg),
        // clap requires one of them.
        (None, None) => Err(UsageError("name a limit: --max-co2 or --baseline".to_owned()).into()),
    };
    checked.map_err(|error| UsageError(in_one_line(&error)).into())
}

/// Compares a run with a baseline, prints the result and returns the exit code.
fn check_baseline(args: &CheckBudgetArgs, baseline: &OsStr) -> anyhow::Result<u8> {
    let options = options(args)?;
    let read = |run: &OsStr| -> anyhow::Result<Report> {
        let report = eco2::read_whole(run, &options, Unrelated::Refused)?;
        Ok(eco2_report::in_scope(&report, options.scope).into_owned())
    };
    let max_increase = args.max_increase.unwrap_or_default();
    let check = eco2_report::check_increase(&read(args.run())?, &read(baseline)?, max_increase);
    step_summary::append(&eco2_report::increase_markdown(&check));
    written(if args.wants_json() {
        out::data(&(serde_json::to_string_pretty(&check)? + "\n"))
    } else {
        out::page(&increase_page(&check))
    })?;
    Ok(match check.verdict {
        IncreaseVerdict::Within => 0,
        IncreaseVerdict::Exceeded => EXCEEDED,
        IncreaseVerdict::Inconclusive => INCONCLUSIVE,
    })
}

/// Compares emissions with a limit, prints the result and returns the exit code.
fn check_emissions(args: &CheckBudgetArgs, max_kg: f64) -> anyhow::Result<u8> {
    let options = options(args)?;
    let footprint = footprint(args.run(), &options)?;
    let run = Path::new(args.run()).display().to_string();
    let not_known = || UsageError(format!("{run}: the emissions are not known (total_co2_kg is null)"));
    let check = footprint.against(max_kg).ok_or_else(not_known)?;
    step_summary::append(&eco2_report::budget_markdown(&check, &run));
    written(if args.wants_json() {
        out::data(&(serde_json::to_string_pretty(&check)? + "\n"))
    } else {
        out::page(&page(&check))
    })?;
    Ok(if check.exceeded { EXCEEDED } else { 0 })
}

fn options(args: &CheckBudgetArgs) -> anyhow::Result<Options> {
    let mut layer = Layer::default();
    args.scope.copy_to(&mut layer)?;
    settings::resolve(layer)
}

/// Takes the outcome of printing. A reader that closed the pipe needs the exit code only.
fn written(outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|e| if e.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })
}

/// Returns the emissions of a run by its name, id or file.
fn footprint(run: &OsStr, options: &Options) -> anyhow::Result<Footprint> {
    let path = Path::new(run);
    let saved = if path.is_file() { eco2_report::read_hf_footprint(path)? } else { None };
    if let Some(found) = saved {
        return Ok(found);
    }
    let report = eco2::read_whole(run, options, Unrelated::Refused)?;
    Footprint::of(&eco2_report::in_scope(&report, options.scope)).ok_or_else(|| {
        UsageError(format!(
            "{}: the report has no emissions{}: nothing was measured, or no intensity was set",
            Path::new(run).display(),
            if options.scope == Scope::Command { " of the command (--scope machine has the machine's)" } else { "" }
        ))
        .into()
    })
}

/// Returns the scope as a line.
fn scope_line(scope: Option<Scope>) -> &'static str {
    match scope {
        Some(Scope::Machine) => "Scope   the whole machine\n",
        Some(Scope::Command) => "Scope   the command's part of the machine\n",
        None => "",
    }
}

/// Returns the comparison with a baseline as text.
fn increase_page(check: &IncreaseCheck) -> String {
    let line = |name: &str, run: &RunEnergy| {
        let energy = run.energy_kwh.map_or_else(
            || "energy not known".to_owned(),
            |figure| match figure.high {
                Some(high) => format!("{:.6} kWh  [{:.6} - {high:.6}]", figure.value, figure.low),
                None => format!("{:.6} kWh  (at least {:.6})", figure.value, figure.low),
            },
        );
        format!("{name}{energy}  {}  {}\n", eco2_report::quality_of(run), run.run_id)
    };
    let verdict = match check.verdict {
        IncreaseVerdict::Within => "within the limit",
        IncreaseVerdict::Exceeded => "EXCEEDED",
        IncreaseVerdict::Inconclusive => "INCONCLUSIVE: the range contains the limit, or an energy is not known",
    };
    let (baseline, run) = (line("Base    ", &check.baseline), line("Run     ", &check.run));
    format!("{}{baseline}{run}{}\n{verdict}\n", scope_line(Some(check.scope)), eco2_report::increase_text(check))
}

/// Returns the result as text.
fn page(check: &BudgetCheck) -> String {
    let share = check.percentage_used.map_or_else(String::new, |percent| format!(" ({percent:.1} %)"));
    let bounds = match (check.actual_low_kg, check.actual_high_kg) {
        (Some(low), Some(high)) => format!("  [{low:.6} - {high:.6}]"),
        (Some(low), None) => format!("  (at least {low:.6})"),
        _ => String::new(),
    };
    let quality = check.actual_quality.map_or_else(String::new, |quality| {
        format!("  {}", eco2_report::quality_text(quality, check.actual_quality_percent))
    });
    let verdict = match check.exceeded {
        true => format!("EXCEEDED by {:.6} kg", -check.remaining_kg),
        false => format!("within the budget, {:.6} kg remain", check.remaining_kg),
    };
    let scope = scope_line(check.scope);
    format!(
        "{scope}Budget  {:.6} kg CO2e\nActual  {:.6} kg CO2e{share}{bounds}{quality}\n{verdict}\n",
        check.budget_kg, check.actual_kg
    )
}
