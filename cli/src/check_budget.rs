//! Runs `eco2 check-budget`, which compares a run's emissions with a limit, for scripts: the exit code is the result.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;

use eco2::Unrelated;
use eco2::options::{Layer, Options};
use eco2_report::{BudgetCheck, Footprint, Scope};

use crate::args::CheckBudgetArgs;
use crate::failure::{UsageError, in_one_line};
use crate::{out, settings};

/// The limit is exceeded.
const EXCEEDED: u8 = 1;

/// Runs the command; returns the exit code: 0 within the budget, 1 exceeded. A closed pipe changes neither.
///
/// # Errors
/// Always [`UsageError`], exit code 2, so that a failed check never looks like a result: for a limit that is not a
/// number of kilograms, a file that cannot be read or has no emissions, and output that cannot be written.
pub(crate) fn check_budget(args: &CheckBudgetArgs) -> anyhow::Result<u8> {
    check(args).map_err(|error| UsageError(in_one_line(&error)).into())
}

/// Compares, prints the result and returns the exit code.
fn check(args: &CheckBudgetArgs) -> anyhow::Result<u8> {
    let mut layer = Layer::default();
    args.scope.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let footprint = footprint(args.run(), &options)?;
    let run = std::path::Path::new(args.run()).display();
    let not_known = || UsageError(format!("{run}: the emissions are not known (total_co2_kg is null)"));
    let check = footprint.against(args.max_co2).ok_or_else(not_known)?;
    let written = if args.wants_json() {
        out::data(&(serde_json::to_string_pretty(&check)? + "\n"))
    } else {
        let scope = if options.scope == Scope::Command { "Scope   the command's part of the machine\n" } else { "" };
        out::page(&format!("{scope}{}", page(&check)))
    };
    // A reader that closed the pipe needs the exit code only.
    written.or_else(|e| if e.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })?;
    Ok(if check.exceeded { EXCEEDED } else { 0 })
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
    format!(
        "Budget  {:.6} kg CO2e\nActual  {:.6} kg CO2e{share}{bounds}{quality}\n{verdict}\n",
        check.budget_kg, check.actual_kg
    )
}
