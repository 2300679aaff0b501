//! Reads the emissions of a run from a report of eco2 or HF Eco2AI and compares them with a budget, for `eco2
//! check-budget`. PUE is the factor of the facility's overhead.

use std::path::Path;

use eco2_core::schema::Report;
use eco2_core::{Quality, worst_quality};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::analysis::scope::{Scope, scope_of};
use crate::store::files;
use crate::store::report_file::{self, MAX_REPORT_BYTES};

/// The emissions of a run, kilograms CO2e.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// The estimate; `None` if it is not known, in a report of HF Eco2AI.
    pub kg: Option<f64>,
    /// Lower bound; `None` if it is not known.
    pub low_kg: Option<f64>,
    /// Upper bound; `None` if it is not known or there is none.
    pub high_kg: Option<f64>,
    /// The worst quality among the parts of the energy and the share of the energy that has it, in percent; `None` if
    /// not known.
    pub quality: Option<(Quality, f64)>,
    /// Whose emissions these are; `None` if it is not known, in a report of HF Eco2AI.
    pub scope: Option<Scope>,
}

/// The comparison of a run's emissions with a budget, in kilograms CO2e.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BudgetCheck {
    /// The budget, kilograms.
    pub budget_kg: f64,
    /// The estimate of the emissions, kilograms.
    pub actual_kg: f64,
    /// Whether the estimate is more than the budget.
    pub exceeded: bool,
    /// The estimate as a percentage of the budget; `None` for a budget of 0.
    pub percentage_used: Option<f64>,
    /// Budget minus emissions, kilograms; negative if the budget is exceeded.
    pub remaining_kg: f64,
    /// Lower bound of the emissions, kilograms; `None` if it is not known.
    pub actual_low_kg: Option<f64>,
    /// Upper bound of the emissions, kilograms; `None` if it is not known or there is none.
    pub actual_high_kg: Option<f64>,
    /// The worst quality among the parts of the energy; `None` if it is not known.
    pub actual_quality: Option<Quality>,
    /// Share of the energy that has this quality, percent; `None` if it is not known.
    pub actual_quality_percent: Option<f64>,
    /// Whose emissions these are; `None` if it is not known.
    pub scope: Option<Scope>,
}

impl Footprint {
    /// Returns the emissions of a report; `None` if the report has none, or if its energy is not known.
    #[must_use]
    pub fn of(report: &Report) -> Option<Self> {
        let carbon = report.carbon.as_ref().filter(|_| is_measured(report))?;
        let kg = |grams: f64| grams / 1e3;
        let (low_kg, high_kg) = (Some(kg(carbon.low)), carbon.high.map(kg));
        Some(Self {
            kg: Some(kg(carbon.grams?)),
            low_kg,
            high_kg,
            quality: worst_quality(&report.energy),
            scope: Some(scope_of(report)),
        })
    }

    /// Compares the emissions with a budget in kilograms, finite and at least 0; `None` if they are not known.
    #[must_use]
    pub fn against(&self, budget_kg: f64) -> Option<BudgetCheck> {
        let (kg, (actual_quality, actual_quality_percent)) = (self.kg?, self.quality.unzip());
        Some(BudgetCheck {
            budget_kg,
            actual_kg: kg,
            exceeded: kg > budget_kg,
            percentage_used: (budget_kg > 0.0).then(|| kg / budget_kg * 100.0),
            remaining_kg: budget_kg - kg,
            actual_low_kg: self.low_kg,
            actual_high_kg: self.high_kg,
            actual_quality,
            actual_quality_percent,
            scope: self.scope,
        })
    }
}

/// Whether the run's energy is known, by readings or an estimate. Otherwise the total is not known, which is not 0.
pub(crate) fn is_measured(report: &Report) -> bool {
    report.energy.total_uj.is_some()
}

/// Reads the emissions of a report of HF Eco2AI (`summary.total_co2_kg`); `None` for a file that is no such report.
///
/// # Errors
/// [`Error::Io`], [`Error::TooLarge`].
pub fn read_hf_footprint(path: &Path) -> Result<Option<Footprint>, Error> {
    #[derive(Deserialize)]
    struct Document {
        schema: Option<String>,
        summary: Summary,
    }
    #[derive(Deserialize)]
    struct Summary {
        // `null` means that the value is not known. A file without the field is no report of HF Eco2AI.
        total_co2_kg: serde_json::Value,
    }
    let bytes = files::read_regular(path, "report", MAX_REPORT_BYTES)?;
    let document: Option<Document> = serde_json::from_slice(report_file::without_mark(&bytes)).ok();
    let found = document.filter(|document| document.schema.as_ref().is_none_or(|name| !name.starts_with("eco2.")));
    let footprint = |kg| Footprint { kg, low_kg: None, high_kg: None, quality: None, scope: None };
    Ok(found.and_then(|document| match document.summary.total_co2_kg {
        serde_json::Value::Null => Some(footprint(None)),
        value => value.as_f64().filter(|kg| *kg >= 0.0).map(|kg| footprint(Some(kg))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_exceeded_by_the_estimate_and_never_by_a_bound() {
        let footprint = Footprint { kg: Some(4.0), low_kg: Some(3.0), high_kg: Some(9.0), quality: None, scope: None };
        let against = |kg| footprint.against(kg).unwrap();
        let check = against(5.0);
        assert_eq!((check.exceeded, check.percentage_used, check.remaining_kg), (false, Some(80.0), 1.0));
        assert_eq!(check.actual_high_kg, Some(9.0));
        let over = against(2.5);
        assert_eq!((over.exceeded, over.percentage_used, over.remaining_kg), (true, Some(160.0), -1.5));
        assert!(!against(4.0).exceeded, "all of it is not more than it");
        assert_eq!((against(0.0).exceeded, against(0.0).percentage_used), (true, None));
        assert_eq!(Footprint { kg: None, ..footprint }.against(5.0), None, "not known is not zero");
    }

    #[test]
    fn a_report_of_hf_eco2ai_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = dir.path().join("r.json");
            std::fs::write(&path, text).unwrap();
            read_hf_footprint(&path).unwrap().map(|found| found.kg)
        };
        assert_eq!(
            read(r#"{"metadata": {}, "summary": {"total_co2_kg": 1.25, "total_energy_kwh": 3}}"#),
            Some(Some(1.25))
        );
        assert_eq!(read(r#"{"summary": {"total_co2_kg": null}}"#), Some(None), "not known");
        for other in
            [r#"{"schema": "eco2.report/1", "summary": {"total_co2_kg": 1}}"#, r#"{"summary": {}}"#, "[]", "no"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(read(r#"{"summary": {"total_co2_kg": -1}}"#), None);
        assert!(read_hf_footprint(&dir.path().join("none.json")).is_err());
    }
}
