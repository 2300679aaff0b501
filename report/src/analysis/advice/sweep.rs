//! Compares the runs of `eco2 optimize --sweep-power-limit` (a *sweep*): one command ran under several power limits of
//! the GPUs, and each limit is compared with the one that applied before (the *old limit*).

use serde_json::{Value, json};

use super::types::percent;

/// The name and version of the schema that [`Sweep::json`] writes.
const SWEEP_SCHEMA: &str = "eco2.sweep/1";

/// One run of the command under a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// The limit of every GPU, milliwatts; `None`: the old limit of each GPU.
    pub limit_mw: Option<u32>,
    /// Duration of the run, nanoseconds.
    pub duration_ns: u64,
    /// Energy of the run, microjoules.
    pub energy_uj: u64,
    /// Lower bound of the energy, microjoules.
    pub low_uj: u64,
    /// Upper bound of the energy, microjoules; `None`: there is none.
    pub high_uj: Option<u64>,
    /// The part of the energy that a model estimated, microjoules: no sensor shows the effect of the limit on it.
    pub estimated_uj: u64,
}

/// How the energy under a limit compares with that under the old limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SweepVerdict {
    /// This is the old limit.
    Old,
    /// The run needs less energy, by more than the uncertainty.
    Less,
    /// The run needs more energy, by more than the uncertainty.
    More,
    /// The uncertainty ranges overlap, so the difference may be chance.
    Indistinct,
}

/// All runs under one limit.
#[derive(Debug, Clone, PartialEq)]
pub struct AtLimit {
    /// The limit of every GPU, milliwatts; `None`: the old limit of each GPU.
    pub limit_mw: Option<u32>,
    /// Number of runs under this limit.
    pub runs: u32,
    /// Mean duration, nanoseconds.
    pub duration_ns: u64,
    /// Mean energy, microjoules.
    pub energy_uj: u64,
    /// The smallest lower bound of the runs, microjoules.
    pub low_uj: u64,
    /// The largest upper bound of the runs, microjoules; `None`: there is none.
    pub high_uj: Option<u64>,
    /// Energy saved relative to the old limit, percent; negative if it took more.
    pub saved_percent: f64,
    /// Lower bound of the saving, percent; `None`: there is none.
    pub low_percent: Option<f64>,
    /// Upper bound of the saving, percent.
    pub high_percent: f64,
    /// Additional time relative to the old limit, percent.
    pub longer_percent: f64,
    /// The comparison in one word.
    pub verdict: SweepVerdict,
}

/// All runs of a sweep, and their comparison by limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// All runs, in the order in which they ran.
    pub trials: Vec<Trial>,
    /// The runs by limit, in the order of their first runs.
    pub limits: Vec<AtLimit>,
}

impl Sweep {
    /// Compares runs with those under the old limit; `None` if none ran under the old limit.
    #[must_use]
    pub fn of(trials: Vec<Trial>) -> Option<Self> {
        let old = mean_at(&trials, None)?;
        let mut order: Vec<Option<u32>> = Vec::new();
        for trial in &trials {
            if !order.contains(&trial.limit_mw) {
                order.push(trial.limit_mw);
            }
        }
        let limits = order.into_iter().filter_map(|limit| Some(compared(mean_at(&trials, limit)?, &old))).collect();
        Some(Self { trials, limits })
    }

    /// Returns the limit with the least energy among those with a verdict of [`SweepVerdict::Less`]; `None` if there is
    /// none.
    #[must_use]
    pub fn best(&self) -> Option<&AtLimit> {
        let less = self.limits.iter().filter(|limit| limit.verdict == SweepVerdict::Less);
        less.min_by_key(|limit| limit.energy_uj)
    }

    /// Returns the share of all runs' energy that a model estimated, percent.
    #[must_use]
    pub fn estimated_percent(&self) -> f64 {
        let sum = |field: fn(&Trial) -> u64| self.trials.iter().map(field).fold(0, u64::saturating_add);
        percent(sum(|trial| trial.estimated_uj), sum(|trial| trial.energy_uj))
    }

    /// Returns the sweep as one JSON object that ends with a line end. It contains `boards` as the caller describes
    /// them; numbers are not rounded.
    #[must_use]
    pub fn json(&self, boards: &Value) -> String {
        let watts = |limit_mw: Option<u32>| limit_mw.map(|mw| f64::from(mw) / 1e3);
        let trial = |trial: &Trial| {
            json!({
                "limit_w": watts(trial.limit_mw), "duration_ns": trial.duration_ns, "energy_uj": trial.energy_uj,
                "low_uj": trial.low_uj, "high_uj": trial.high_uj, "estimated_uj": trial.estimated_uj,
            })
        };
        let limit = |limit: &AtLimit| {
            json!({
                "limit_w": watts(limit.limit_mw), "runs": limit.runs, "duration_ns": limit.duration_ns,
                "energy_uj": limit.energy_uj, "low_uj": limit.low_uj, "high_uj": limit.high_uj,
                "saved_percent": limit.saved_percent, "low_percent": limit.low_percent,
                "high_percent": limit.high_percent, "longer_percent": limit.longer_percent,
                "verdict": limit.verdict.as_str(),
            })
        };
        let whole = json!({
            "schema": SWEEP_SCHEMA,
            "boards": boards,
            "trials": self.trials.iter().map(trial).collect::<Vec<_>>(),
            "limits": self.limits.iter().map(limit).collect::<Vec<_>>(),
            "estimated_percent": self.estimated_percent(),
            "best_limit_w": self.best().and_then(|best| watts(best.limit_mw)),
        });
        format!("{whole:#}\n")
    }
}

impl SweepVerdict {
    /// Returns the name of this verdict in JSON.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Less => "less",
            Self::More => "more",
            Self::Indistinct => "not-told-apart",
        }
    }
}

/// Returns the mean of the runs under one limit, not yet compared; `None` if there are none.
fn mean_at(trials: &[Trial], limit_mw: Option<u32>) -> Option<AtLimit> {
    let at_limit: Vec<&Trial> = trials.iter().filter(|trial| trial.limit_mw == limit_mw).collect();
    let runs = u64::try_from(at_limit.len()).ok().filter(|runs| *runs > 0)?;
    let mean = |figure: fn(&Trial) -> u64| {
        let sum: u128 = at_limit.iter().map(|trial| u128::from(figure(trial))).sum();
        u64::try_from(sum / u128::from(runs)).unwrap_or(u64::MAX)
    };
    Some(AtLimit {
        limit_mw,
        runs: u32::try_from(runs).unwrap_or(u32::MAX),
        duration_ns: mean(|trial| trial.duration_ns),
        energy_uj: mean(|trial| trial.energy_uj),
        low_uj: at_limit.iter().map(|trial| trial.low_uj).min()?,
        high_uj: at_limit
            .iter()
            .map(|trial| trial.high_uj)
            .collect::<Option<Vec<u64>>>()
            .and_then(|all| all.into_iter().max()),
        saved_percent: 0.0,
        low_percent: None,
        high_percent: 0.0,
        longer_percent: 0.0,
        verdict: SweepVerdict::Old,
    })
}

/// Returns the limit with its comparison with the old limit.
fn compared(limit: AtLimit, old: &AtLimit) -> AtLimit {
    let saved = |new: u64, old: u64| 100.0 * (old as f64 - new as f64) / (old as f64).max(1.0);
    if limit.limit_mw.is_none() {
        return AtLimit { low_percent: Some(0.0), ..limit };
    }
    let is_less = limit.high_uj.is_some_and(|high_uj| high_uj < old.low_uj);
    let is_more = old.high_uj.is_some_and(|old_high_uj| limit.low_uj > old_high_uj);
    let verdict = match (is_less, is_more) {
        (true, _) => SweepVerdict::Less,
        (_, true) => SweepVerdict::More,
        _ => SweepVerdict::Indistinct,
    };
    AtLimit {
        saved_percent: saved(limit.energy_uj, old.energy_uj),
        low_percent: limit.high_uj.filter(|_| old.low_uj > 0).map(|high_uj| saved(high_uj, old.low_uj)),
        high_percent: old.high_uj.map_or(100.0, |old_high_uj| saved(limit.low_uj, old_high_uj)),
        longer_percent: -saved(limit.duration_ns, old.duration_ns),
        verdict,
        ..limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(limit_mw: Option<u32>, energy_uj: u64, duration_ns: u64) -> Trial {
        Trial {
            limit_mw,
            duration_ns,
            energy_uj,
            low_uj: energy_uj - 10,
            high_uj: Some(energy_uj + 10),
            estimated_uj: 0,
        }
    }

    #[test]
    fn estimated_share_is_reported() {
        let part = Trial { estimated_uj: 500, ..trial(Some(1), 1_000, 1) };
        let sweep = Sweep::of(vec![trial(None, 1_000, 1), part]).unwrap();
        assert_eq!(sweep.estimated_percent(), 25.0);
        let json: Value = serde_json::from_str(&sweep.json(&Value::Null)).unwrap();
        assert_eq!(
            (json["estimated_percent"].as_f64(), json["trials"][1]["estimated_uj"].as_u64()),
            (Some(25.0), Some(500))
        );
    }

    #[test]
    fn saving_within_the_bounds_is_not_claimed() {
        let trials = vec![
            trial(None, 1_000, 100),
            trial(Some(500_000), 995, 101),
            trial(Some(400_000), 800, 110),
            trial(Some(300_000), 900, 150),
            trial(Some(200_000), 1_200, 300),
        ];
        let sweep = Sweep::of(trials).unwrap();
        let verdicts: Vec<&str> = sweep.limits.iter().map(|limit| limit.verdict.as_str()).collect();
        assert_eq!(verdicts, ["old", "not-told-apart", "less", "less", "more"]);
        let best = sweep.best().unwrap();
        assert_eq!((best.limit_mw, best.saved_percent, best.longer_percent), (Some(400_000), 20.0, 10.0));
        // The saving is at least from 990 to 810 and at most from 1010 to 790.
        assert!((best.low_percent.unwrap() - 100.0 * 180.0 / 990.0).abs() < 1e-9);
        assert!((best.high_percent - 100.0 * 220.0 / 1010.0).abs() < 1e-9);
        assert!((sweep.limits[4].saved_percent + 20.0).abs() < 1e-9);
    }

    #[test]
    fn repeated_runs_widen_the_interval_of_their_limit() {
        let trials = vec![
            trial(None, 1_000, 100),
            trial(None, 1_100, 100),
            trial(Some(1), 950, 100),
            trial(Some(1), 1_020, 100),
        ];
        let sweep = Sweep::of(trials).unwrap();
        assert_eq!(
            (sweep.limits[0].energy_uj, sweep.limits[0].low_uj, sweep.limits[0].high_uj),
            (1_050, 990, Some(1_110))
        );
        assert_eq!((sweep.limits[1].runs, sweep.limits[1].verdict, sweep.best()), (2, SweepVerdict::Indistinct, None));
    }

    #[test]
    fn sweep_without_the_old_limit_is_not_compared() {
        assert_eq!(Sweep::of(vec![trial(Some(1), 1_000, 1)]), None);
        let open = Trial { high_uj: None, ..trial(Some(1), 100, 1) };
        let sweep = Sweep::of(vec![trial(None, 1_000, 1), open]).unwrap();
        assert_eq!((sweep.limits[1].verdict, sweep.limits[1].low_percent), (SweepVerdict::Indistinct, None));
    }
}
