//! Predicts the energy and emissions of a run from past runs of its kind, with an interval that is tested on these runs.

use serde::Serialize;

use super::{RunEnd, StoredRun};

/// Fewest runs for a prediction: the spread of two is hardly known, and a test leaves one out.
const FEWEST_RUNS: usize = 3;
/// 0.95 quantiles of Student's t distribution for 1 to 30 degrees of freedom; Abramowitz and Stegun, table 26.10.
const STUDENT: [f64; 30] = [
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746,
    1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
];
/// The same for more degrees of freedom, slightly too large.
const STUDENT_ABOVE: f64 = 1.696;

/// A predicted amount with the interval that contains a further run with a probability of 90 %, if runs vary as a normal
/// distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PredictedAmount {
    /// The mean of past runs.
    pub value: f64,
    /// Lower end of the interval, at least 0.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// A prediction from past runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// Number of past runs that it uses: ended, not failed, with known energy, and with steps if `steps` is given.
    pub runs: u64,
    /// Steps of the predicted run; `None`: a run like the past ones.
    pub steps: Option<u64>,
    /// Energy, microjoules; `None`: too few runs.
    pub energy_uj: Option<PredictedAmount>,
    /// Emissions, grams CO2e; `None`: too few runs with emissions of one kind.
    pub grams: Option<PredictedAmount>,
    /// Duration, nanoseconds.
    pub duration_ns: Option<PredictedAmount>,
    /// Median error of the energy that is predicted for each past run from the others, percent.
    pub backtest_error_percent: Option<f64>,
    /// Share of past runs that lie in the interval that is predicted from the others, percent; `None` below four runs.
    pub backtest_held_percent: Option<f64>,
    /// What limits the prediction; empty if nothing does.
    pub note: String,
}

/// Predicts a run of `steps` steps from past runs; `None`: of a run like them.
#[must_use]
pub fn predict(past: &[StoredRun], steps: Option<u64>) -> Prediction {
    let is_usable = |run: &&StoredRun| {
        let has_steps = steps.is_none() || run.summary.steps.is_some_and(|steps| steps > 0);
        run.end == RunEnd::Ended && !run.failed() && run.energy().is_known() && has_steps
    };
    let runs: Vec<&StoredRun> = past.iter().filter(is_usable).collect();
    // The amount of one step, or of a run.
    let per_unit = |amount: f64, run: &StoredRun| match steps {
        Some(_) => amount / run.summary.steps.unwrap_or(1) as f64,
        None => amount,
    };
    let units = steps.map_or(1.0, |steps| steps as f64);
    let scaled = |amounts: &[f64]| interval(amounts).map(|found| found.times(units));
    let energy: Vec<f64> = runs.iter().map(|run| per_unit(run.energy().value.unwrap_or(0) as f64, run)).collect();
    let duration: Vec<f64> = runs.iter().map(|run| per_unit(run.summary.duration_ns as f64, run)).collect();
    let grams: Vec<f64> = runs.iter().filter_map(|run| Some(per_unit(run.summary.grams?, run))).collect();
    let mut kinds: Vec<&String> = runs.iter().flat_map(|run| &run.summary.kinds).collect();
    kinds.sort();
    kinds.dedup();
    let (backtest_error_percent, backtest_held_percent) = backtest(&energy);
    let note = match runs.len() {
        found if found < FEWEST_RUNS && steps.is_some() => {
            format!(
                "too few past runs: {found} ended without a failure, with known energy and counted steps; {FEWEST_RUNS} are needed"
            )
        }
        found if found < FEWEST_RUNS => {
            format!(
                "too few past runs: {found} ended without a failure and with known energy; {FEWEST_RUNS} are needed"
            )
        }
        _ if kinds.len() > 1 => "the runs' emissions are of different kinds of carbon intensity".to_owned(),
        _ if grams.len() < runs.len() => {
            format!("{} of {} runs have no emissions", runs.len() - grams.len(), runs.len())
        }
        _ => String::new(),
    };
    Prediction {
        runs: runs.len() as u64,
        steps,
        energy_uj: scaled(&energy),
        grams: if kinds.len() <= 1 { scaled(&grams) } else { None },
        duration_ns: scaled(&duration),
        backtest_error_percent,
        backtest_held_percent,
        note,
    }
}

impl PredictedAmount {
    fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }
}

/// Returns the mean of amounts, and the 90 % interval of a further one: the mean ± t · s · √(1 + 1/n), with the sample standard
/// deviation s of n amounts (Hahn and Meeker, Statistical Intervals, 4.7); `None` below three amounts.
fn interval(amounts: &[f64]) -> Option<PredictedAmount> {
    if amounts.len() < FEWEST_RUNS {
        return None;
    }
    let count = amounts.len() as f64;
    let mean = amounts.iter().sum::<f64>() / count;
    let variance = amounts.iter().map(|amount| (amount - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let quantile = STUDENT.get(amounts.len() - 2).copied().unwrap_or(STUDENT_ABOVE);
    let half = quantile * variance.sqrt() * (1.0 + 1.0 / count).sqrt();
    Some(PredictedAmount { value: mean, low: (mean - half).max(0.0), high: mean + half })
}

/// Predicts each amount from the others. Returns the median error, and the share that lies in its interval, percent.
fn backtest(amounts: &[f64]) -> (Option<f64>, Option<f64>) {
    if amounts.len() < FEWEST_RUNS {
        return (None, None);
    }
    let (mut errors, mut held, mut tested) = (Vec::new(), 0_u64, 0_u64);
    for (place, truth) in amounts.iter().enumerate() {
        let others: Vec<f64> =
            amounts.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, amount)| *amount).collect();
        let mean = others.iter().sum::<f64>() / others.len() as f64;
        if *truth > 0.0 {
            errors.push((mean - truth).abs() / truth * 100.0);
        }
        if let Some(found) = interval(&others) {
            tested += 1;
            held += u64::from(found.low <= *truth && *truth <= found.high);
        }
    }
    errors.sort_by(f64::total_cmp);
    let median = match errors.as_slice() {
        [] => None,
        sorted if sorted.len() % 2 == 1 => Some(sorted[sorted.len() / 2]),
        sorted => Some((sorted[sorted.len() / 2 - 1] + sorted[sorted.len() / 2]) / 2.0),
    };
    (median, (tested > 0).then(|| held as f64 / tested as f64 * 100.0))
}

#[cfg(test)]
mod tests {
    use eco2_core::schema::Energy;

    use super::*;
    use crate::store::LogSummary;

    fn run(joules: u64, steps: Option<u64>) -> StoredRun {
        let energy = Energy { total_uj: Some(joules * 1_000_000), ..Energy::default() };
        let kinds = vec!["average".to_owned()];
        let grams = Some(joules as f64 / 100.0);
        let summary = LogSummary {
            energy,
            steps,
            grams,
            kinds,
            exit_code: Some(0),
            duration_ns: joules * 1_000,
            ..LogSummary::default()
        };
        StoredRun { summary, end: RunEnd::Ended, faults: Vec::new(), records: Vec::new(), overlaps: false }
    }

    #[test]
    fn prediction_is_the_mean_with_the_textbook_interval() {
        // Mean 100, sample standard deviation 10, n = 3: 100 ± 2.920 · 10 · √(4/3) = 100 ± 33.72.
        let past = [90, 100, 110].map(|joules| run(joules, None));
        let found = predict(&past, None);
        let energy = found.energy_uj.unwrap().times(1e-6);
        assert!(
            (energy.value - 100.0).abs() < 1e-9
                && (energy.low - 66.28).abs() < 0.01
                && (energy.high - 133.72).abs() < 0.01,
            "{energy:?}"
        );
        assert!((found.grams.unwrap().value - 1.0).abs() < 1e-12);
        // From the others: 105 for 90, 100 for 100, 95 for 110.
        assert!((found.backtest_error_percent.unwrap() - 15.0 / 110.0 * 100.0).abs() < 1e-9, "{found:?}");
        assert_eq!((found.backtest_held_percent, found.note.as_str()), (None, ""));
    }

    #[test]
    fn steps_scale_the_prediction() {
        let past = [(100, 10), (220, 20), (300, 30)].map(|(joules, steps)| run(joules, Some(steps)));
        let energy = predict(&past, Some(40)).energy_uj.unwrap();
        assert!((energy.value / 1e6 - 40.0 * 31.0 / 3.0).abs() < 1e-6, "{energy:?}");
        assert_eq!(predict(&[run(1, None), run(1, Some(0)), run(1, Some(2)), run(1, Some(2))], Some(9)).runs, 2);
    }

    #[test]
    fn too_few_runs_are_reported_and_nothing_is_invented() {
        for count in 0..3 {
            let found = predict(&vec![run(5, None); count], None);
            assert_eq!((found.energy_uj, found.grams, found.backtest_error_percent), (None, None, None));
            assert!(
                found.note.contains(&format!("{count} ended")) && found.note.contains("3 are needed"),
                "{}",
                found.note
            );
        }
        let mut failed = run(5, None);
        failed.summary.exit_code = Some(1);
        let open = StoredRun { end: RunEnd::Open, ..run(5, None) };
        assert_eq!(predict(&[failed, open, run(5, None)], None).runs, 1);
        let mut other = run(5, None);
        other.summary.kinds = vec!["marginal".to_owned()];
        let mixed = predict(&[run(5, None), run(5, None), other], None);
        assert!(mixed.grams.is_none() && mixed.energy_uj.is_some() && mixed.note.contains("different kinds"));
    }
}
