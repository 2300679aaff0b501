//! Forecast error in, regret out: what planning on a forecast costs against having known.

use super::curve::grams;
use super::error::check;
use super::{Job, PlanError, PlanSlot, PlanWindow, plan};

/// A plan made on a forecast, weighed with what came.
#[derive(Debug, Clone, PartialEq)]
pub struct Regret {
    /// When the job ran.
    pub slots: Vec<PlanSlot>,
    /// Grams CO2e of it, by what came.
    pub grams: f64,
    /// Grams CO2e of the best plan for what came.
    pub best_grams: f64,
    /// Grams CO2e of the job begun at once, by what came; `None` where that is not known.
    pub now_grams: Option<f64>,
}

impl Regret {
    /// How much more than the best, grams CO2e; never negative.
    #[must_use]
    pub fn grams_lost(&self) -> f64 {
        (self.grams - self.best_grams).max(0.0)
    }

    /// The same as a share of the best, percent; `None` where the best weighs nothing.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.best_grams > 0.0).then(|| 100.0 * self.grams_lost() / self.best_grams)
    }

    /// What was saved all the same against starting at once, percent; negative where the forecast misled, `None` where the
    /// start at once is not known.
    #[must_use]
    pub fn saving_percent(&self) -> Option<f64> {
        super::saving_percent(self.grams, self.now_grams)
    }
}

/// Plans a job on a forecast and weighs the plan with what came, over one window of time.
///
/// # Errors
/// [`PlanError`] where the job does not fit, the two windows are not of the same time, or it is not known what came.
pub fn regret(forecast: &PlanWindow<'_>, actual: &PlanWindow<'_>, job: &Job) -> Result<Regret, PlanError> {
    let made = plan(forecast, job)?;
    let seen = actual.curve().window(forecast.from_ns(), forecast.to_ns())?;
    let best = plan(&seen, job)?;
    if !made.slots.iter().all(|slot| seen.is_known(slot.from_ns, slot.to_ns)) {
        return Err(seen.gap());
    }
    let cost = made.slots.iter().map(|slot| seen.integral(slot.from_ns, slot.to_ns)).sum();
    let grams = grams(cost, job.power_w);
    Ok(Regret { slots: made.slots, grams, best_grams: best.grams, now_grams: best.now_grams })
}

/// The most that a plan can lose, percent of the best, when every figure of its forecast is within `error_percent` of
/// what comes.
///
/// With e = error/100 a plan's true grams are at most 1/(1 - e) of its forecast ones; these are at most the best plan's
/// forecast ones, which are at most 1 + e of its true ones. So the loss is at most (1 + e)/(1 - e) - 1.
///
/// # Errors
/// [`PlanError::Range`] unless the error is from 0 to below 100.
pub fn worst_regret_percent(error_percent: f64) -> Result<f64, PlanError> {
    check(error_percent, "forecast error in percent", |error| (0.0..100.0).contains(&error), "0 to below 100")?;
    let error = error_percent / 100.0;
    Ok(100.0 * 2.0 * error / (1.0 - error))
}
