//! `eco2 check-budget`: whether a run kept within a limit of carbon, as an exit code.

use std::ffi::OsStr;
use std::io::ErrorKind;

use eco2::options::{Layer, Options};
use eco2_report::{BudgetCheck, Footprint};

use crate::args::CheckBudgetArgs;
use crate::failure::{Usage, told};
use crate::{out, settings};

/// The limit is exceeded.
const EXCEEDED: u8 = 1;

/// Compares and returns the exit code: 0 within the budget, 1 beyond it, in every format, also where nobody reads on.
///
/// # Errors
/// [`Usage`] for a budget that is none, for a file that cannot be read or holds no carbon, and for an answer that cannot
/// be written: exit code 2, so that a broken check never looks like a kept or a broken budget.
pub(crate) fn check_budget(args: &CheckBudgetArgs) -> anyhow::Result<u8> {
    checked(args).map_err(|error| Usage(told(&error)).into())
}

fn checked(args: &CheckBudgetArgs) -> anyhow::Result<u8> {
    let options = settings::resolve(Layer::default())?;
    if !(args.max_co2.is_finite() && args.max_co2 >= 0.0) {
        return Err(
            Usage(format!("--max-co2 is {}; allowed: a finite number of kilograms, 0 or more", args.max_co2)).into()
        );
    }
    let footprint = footprint(args.run(), &options)?;
    let named = std::path::Path::new(args.run()).display();
    let not_known = || Usage(format!("{named}: the report does not know its CO2 (total_co2_kg is null)"));
    let check = footprint.against(args.max_co2).ok_or_else(not_known)?;
    let written = if args.wants_json() {
        out::data(&(serde_json::to_string_pretty(&check)? + "\n"))
    } else {
        out::page(&page(&check))
    };
    // Who closed the pipe wanted the code alone.
    written.or_else(|e| if e.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })?;
    Ok(if check.exceeded { EXCEEDED } else { 0 })
}

fn footprint(run: &OsStr, options: &Options) -> anyhow::Result<Footprint> {
    let path = std::path::Path::new(run);
    if path.is_file()
        && let Some(found) = eco2_report::read_hf_footprint(path)?
    {
        return Ok(found);
    }
    let report = eco2::read_whole(run, options)?;
    Footprint::of(&report).ok_or_else(|| {
        Usage(format!("{}: the report has no carbon: nothing was measured, or nothing priced", run.display())).into()
    })
}

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
