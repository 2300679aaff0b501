//! Software carbon intensity as JSON: the figure, and everything it is made of.

use eco2_core::schema::{Report, Sci};
use eco2_core::units::kwh;
use eco2_grid::carbon::{FunctionalUnit, sci};
use serde_json::json;

use super::super::finite;
use super::{basis, document, grams_of};
use crate::Error;

/// `(O + M) per R` with O, E, I, M and R, of the functional unit that the run was given, else per step where steps were
/// counted, else per run. `complete` is false where no embodied figure was given: SCI asks for one.
///
/// # Errors
/// [`Error::NoGrams`], [`Error::Encode`].
pub fn sci_json(report: &Report) -> Result<String, Error> {
    let report = finite(report);
    let (carbon, _) = grams_of(&report)?;
    let beside = carbon.beside.as_deref();
    let embodied = beside.and_then(|beside| beside.embodied.as_ref());
    let given = beside.and_then(|beside| beside.sci.clone());
    let found = given.or_else(|| default_unit(&report, embodied));
    let Some(figure) = found else { return Err(Error::NoGrams { run: report.run.id.clone() }) };
    let energy = &report.energy;
    let value = json!({
        "specification": "SCI 1.1 (ISO/IEC 21031:2024)",
        "run_id": report.run.id,
        "sci": {"g_co2e": figure.grams, "low": figure.low, "high": figure.high, "per": figure.per},
        "O": {"g_co2e": carbon.grams, "low": carbon.low, "high": carbon.high, "method": "location-based"},
        "E": {
            "kwh": energy.facility_uj.map(kwh), "it_kwh": energy.total_uj.map(kwh), "pue": energy.pue, "basis": basis(&report),
        },
        "I": carbon.segments,
        "M": embodied,
        "R": {"unit": figure.per, "count": figure.units},
        "complete": embodied.is_some(),
        "boundary": "CPU packages, memory and GPU boards that were read, times PUE; network, storage and idle spares are outside",
        "tool": format!("eco2 {}", report.run.tool.version),
    });
    document("the SCI figures", &value)
}

fn default_unit(report: &Report, embodied: Option<&eco2_core::schema::Embodied>) -> Option<Sci> {
    let carbon = report.carbon.as_ref()?;
    let of = |unit| sci(carbon, embodied, unit, &report.work);
    of(FunctionalUnit::Step).or_else(|| of(FunctionalUnit::Run))
}
