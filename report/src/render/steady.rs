//! Writes the settled part of runs (`eco2 report RUN --steady`): energy per step without the warm-up, the rule by which it was
//! found, and what was left out.

use eco2_core::schema::Report;
use eco2_core::{Bounded, SteadyPart, steady_part};
use serde::Serialize;

use super::figures::percent;
use super::page::{Page, Tone};
use super::text::TextStyle;
use crate::Error;
use crate::analysis::Scope;

/// The rule, for people.
const RULE: &str = "marginal standard error rule (White 1997): the start whose omission makes the mean energy per step surest, at most half \
                    of the run";

/// A range of energy per step, joules.
#[derive(Debug, Clone, Copy, Serialize)]
struct JoulesPerStep {
    value: Option<f64>,
    low: f64,
    high: Option<f64>,
}

impl JoulesPerStep {
    fn of(energy: Bounded<u64>, steps: u64) -> Option<Self> {
        let each = |uj: u64| uj as f64 / 1e6 / steps as f64;
        (steps > 0).then(|| Self { value: energy.value.map(each), low: each(energy.low), high: energy.high.map(each) })
    }
}

/// Returns the settled part of a run.
///
/// # Errors
/// [`Error::NoSteps`] for a run without enough steps over time.
fn of(report: &Report) -> Result<SteadyPart, Error> {
    let found = report.step_curve.as_ref().and_then(steady_part);
    found.ok_or_else(|| Error::NoSteps { run: report.run.id.clone() })
}

/// Returns the settled part of a run as text.
///
/// # Errors
/// [`Error::NoSteps`].
pub fn steady_text(report: &Report, style: &TextStyle) -> Result<String, Error> {
    let part = of(report)?;
    let mut page = Page::new(*style, report.energy.synthetic_uj > 0);
    let spelling = page.spelling();
    let per = |energy: Bounded<u64>, steps: u64| spelling.energy(energy.map(|uj| uj / steps.max(1)));
    let all = part.steps + part.warm_up_steps;
    let since = spelling.duration(part.from_ns);
    page.row(
        "Steady",
        Tone::Normal,
        &format!(
            "{} per step, whole machine; {} of {all} steps, from {since} on",
            per(part.energy, part.steps),
            part.steps
        ),
    );
    let left_out = match part.warm_up_steps {
        0 => "nothing: no warm-up was found".to_owned(),
        steps => format!(
            "{steps} steps at the start ({}), {} per step",
            percent(steps as f64, all as f64),
            per(part.warm_up, steps)
        ),
    };
    page.row("Left out", Tone::Normal, &left_out);
    page.row("Rule", Tone::Normal, &format!("{RULE}; {} parts of equal length", part.parts));
    Ok(page.finish())
}

/// Returns the settled part of a run as JSON, schema `eco2.steady/1`.
///
/// # Errors
/// [`Error::NoSteps`], [`Error::Encode`].
pub fn steady_json(report: &Report) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        run_id: &'a str,
        scope: Scope,
        steps: u64,
        joules_per_step: Option<JoulesPerStep>,
        seconds_per_step: f64,
        from_ns: u64,
        left_out_steps: u64,
        left_out_joules_per_step: Option<JoulesPerStep>,
        rule: &'static str,
        parts: usize,
    }
    let part = of(report)?;
    let document = Document {
        schema: "eco2.steady/1",
        run_id: &report.run.id,
        scope: Scope::Machine,
        steps: part.steps,
        joules_per_step: JoulesPerStep::of(part.energy, part.steps),
        seconds_per_step: part.duration_ns as f64 / 1e9 / part.steps.max(1) as f64,
        from_ns: part.from_ns,
        left_out_steps: part.warm_up_steps,
        left_out_joules_per_step: JoulesPerStep::of(part.warm_up, part.warm_up_steps),
        rule: RULE,
        parts: part.parts,
    };
    let text = serde_json::to_string_pretty(&document);
    text.map(|text| text + "\n").map_err(|cause| Error::Encode { what: "the settled part", cause })
}
