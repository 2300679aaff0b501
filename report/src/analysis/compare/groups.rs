//! Groups the runs of a comparison by labels (`eco2 compare --by LABEL`): the mean of each group's runs with its confidence interval,
//! and how each group differs from the one with the least energy.
//!
//! The interval of a mean comes from the variation between repeated runs (Student's t). Errors of sensors are not added to it: an
//! error that is common to the runs of one machine shifts all means alike and cancels in a difference. That part of an
//! estimate's error which belongs to the load does not cancel: a note states it. The interval of a difference
//! is Welch's, for the ratio of two means. One run has no interval.

use std::collections::BTreeMap;

use eco2_core::Quality;
use eco2_core::schema::Report;
use serde::Serialize;

use super::Compared;
use super::increase::OWN_FACTOR;

/// Probability that an interval contains the mean of all runs that could be repeated, percent.
const CONFIDENCE_PERCENT: f64 = 95.0;

/// The runs of a comparison by the values of labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grouping {
    /// The labels.
    pub by: Vec<String>,
    /// Probability that the intervals state, percent.
    pub confidence_percent: f64,
    /// The groups, the one with the least energy first; those without a known energy last.
    pub groups: Vec<RunGroup>,
}

/// Runs with the same values of the labels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunGroup {
    /// The values of the labels, joined by commas.
    pub label: String,
    /// Places of the runs in the comparison that are in the means.
    pub runs: Vec<usize>,
    /// Runs that are in no mean, with the reason.
    pub left_out: Vec<LeftOut>,
    /// Kilowatt-hours per unit of work.
    pub energy_kwh: Spread,
    /// Grams CO2e per unit of work.
    pub grams: Spread,
    /// Seconds per unit of work.
    pub seconds: Spread,
    /// Loss that the runs reported last.
    pub loss: Spread,
    /// Difference of the energy from the group with the least; `None` for that group, and if a mean is not known.
    pub more: Option<Difference>,
}

/// A run that is in no mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    /// Place of the run in the comparison.
    pub run: usize,
    /// The reason.
    pub why: &'static str,
}

/// The mean of repeated runs with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Spread {
    /// Number of runs with a known value.
    pub count: usize,
    /// `None`: no run has a known value.
    pub mean: Option<f64>,
    /// Ends of the interval; `None` for fewer than two runs.
    pub low: Option<f64>,
    /// See `low`.
    pub high: Option<f64>,
    /// Variance of the mean, divided by its square.
    #[serde(skip)]
    relative_variance: Option<f64>,
}

/// How much more energy a group needs than the group with the least.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Of the means, percent.
    pub percent: f64,
    /// Ends of its interval; `None` if one of the groups has one run.
    pub low_percent: Option<f64>,
    /// See `low_percent`.
    pub high_percent: Option<f64>,
}

impl Difference {
    /// Whether the variation between runs alone explains the difference; `None` without an interval.
    #[must_use]
    pub fn is_within_variation(&self) -> Option<bool> {
        self.low_percent.map(|low| low <= 0.0)
    }
}

/// Groups the runs by labels. `runs` are those of the comparison, in the order of `reports`.
pub(super) fn grouped(reports: &[Report], runs: &[Compared], by: &[String]) -> Grouping {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, report) in reports.iter().enumerate() {
        let value = |name: &String| report.run.labels.get(name).map_or_else(|| format!("no {name}"), Clone::clone);
        places.entry(by.iter().map(value).collect::<Vec<_>>().join(", ")).or_default().push(place);
    }
    let some_measured = runs.iter().any(is_measured);
    let mut groups: Vec<RunGroup> =
        places.into_iter().map(|(label, places)| group(label, &places, reports, runs, some_measured)).collect();
    groups.sort_by(|one, other| {
        let key = |group: &RunGroup| group.energy_kwh.mean.unwrap_or(f64::INFINITY);
        key(one).total_cmp(&key(other))
    });
    let least = groups.first().map(|group| group.energy_kwh);
    for group in groups.iter_mut().skip(1) {
        group.more = least.and_then(|least| difference(&group.energy_kwh, &least));
    }
    Grouping { by: by.to_vec(), confidence_percent: CONFIDENCE_PERCENT, groups }
}

/// Returns what the intervals of groups of estimated runs lack; `None` without estimated runs in the means.
pub(super) fn note_on_estimates(grouping: &Grouping, runs: &[Compared]) -> Option<String> {
    let some = grouping.groups.iter().flat_map(|group| &group.runs).any(|run| runs[*run].is_estimated());
    some.then(|| {
        format!(
            "intervals of groups show the variation between runs; an estimate may also be off by a factor of {OWN_FACTOR} at \
             another load, which is not in them"
        )
    })
}

/// Whether the larger part of the run's energy was read from sensors.
fn is_measured(run: &Compared) -> bool {
    run.quality() == Quality::Measured
}

fn group(label: String, places: &[usize], reports: &[Report], runs: &[Compared], some_measured: bool) -> RunGroup {
    let some_final = places.iter().any(|place| runs[*place].state != "provisional");
    let reason = |place: usize| match &runs[place] {
        run if run.energy_kwh.is_none() && run.units.is_none() => Some("its work was not counted"),
        run if run.energy_kwh.is_none() => Some("its energy is not known"),
        run if some_final && run.state == "provisional" => Some("it is provisional: its values may still grow"),
        run if some_measured && !is_measured(run) => {
            Some("it is estimated or synthetic: not comparable with measured runs")
        }
        _ => None,
    };
    let (left, kept): (Vec<usize>, Vec<usize>) = places.iter().partition(|place| reason(**place).is_some());
    let spread = |of: &dyn Fn(usize) -> Option<f64>| Spread::of(kept.iter().filter_map(|place| of(*place)));
    RunGroup {
        label,
        energy_kwh: spread(&|place| runs[place].energy_kwh.map(|energy| energy.value)),
        grams: spread(&|place| runs[place].grams.map(|grams| grams.value)),
        seconds: spread(&|place| runs[place].seconds),
        loss: spread(&|place| reports[place].work.loss.filter(|loss| loss.is_finite())),
        left_out: left.iter().filter_map(|run| Some(LeftOut { run: *run, why: reason(*run)? })).collect(),
        runs: kept,
        more: None,
    }
}

impl Spread {
    /// Returns the mean of values with its interval.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        if count == 0 {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let single = Self { count, mean: Some(mean), ..Self::default() };
        if count < 2 {
            return single;
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let variance = squares / (count - 1) as f64 / count as f64;
        let half = student_t(count - 1) * variance.sqrt();
        let relative_variance = (mean > 0.0).then(|| variance / mean.powi(2));
        Self { low: Some(mean - half), high: Some(mean + half), relative_variance, ..single }
    }
}

/// Returns the difference of two means; `None` if one is not known or the least is 0.
fn difference(group: &Spread, least: &Spread) -> Option<Difference> {
    let ratio = group.mean? / least.mean.filter(|mean| *mean > 0.0)?;
    let percent = (ratio - 1.0) * 100.0;
    let interval = group.relative_variance.zip(least.relative_variance).map(|(one, other)| {
        let sum = one + other;
        // Degrees of freedom by Welch and Satterthwaite.
        let parts = one.powi(2) / (group.count - 1) as f64 + other.powi(2) / (least.count - 1) as f64;
        let freedom = if parts > 0.0 { (sum.powi(2) / parts).floor().max(1.0) as usize } else { 1 };
        student_t(freedom) * sum.sqrt() * ratio * 100.0
    });
    Some(Difference {
        percent,
        low_percent: interval.map(|half| percent - half),
        high_percent: interval.map(|half| percent + half),
    })
}

/// 97.5 % quantiles of Student's t distribution with 1 to 30 degrees of freedom. Source: any table of the distribution.
const QUANTILES: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Returns the 97.5 % quantile of Student's t distribution. Above 30 degrees of freedom it is the normal quantile with the first
/// two terms of the expansion in 1/freedom (Abramowitz and Stegun 26.7.5), right to four digits.
fn student_t(freedom: usize) -> f64 {
    const Z: f64 = 1.959_963_985;
    let at = freedom.max(1);
    QUANTILES.get(at - 1).copied().unwrap_or_else(|| {
        let count = at as f64;
        Z + (Z.powi(3) + Z) / (4.0 * count) + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * count * count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_interval_are_those_of_a_text_book() {
        // 9, 10, 11: standard deviation 1, t(2) = 4.303, half-width 4.303 / √3.
        let spread = Spread::of([9.0, 10.0, 11.0]);
        assert_eq!((spread.count, spread.mean), (3, Some(10.0)));
        assert!(
            (spread.high.unwrap() - 12.484).abs() < 1e-3 && (spread.low.unwrap() - 7.516).abs() < 1e-3,
            "{spread:?}"
        );
        assert_eq!(Spread::of([5.0]).low, None, "one run shows no variation");
        assert_eq!(Spread::of([]).mean, None, "nothing is not zero");
    }

    #[test]
    fn quantiles_beyond_the_table_are_right() {
        for (freedom, expected) in [(31, 2.0395), (40, 2.0211), (60, 2.0003), (120, 1.9799)] {
            assert!((student_t(freedom) - expected).abs() < 1e-4, "{freedom}: {}", student_t(freedom));
        }
        assert!(student_t(30) > student_t(31), "the two ways meet");
    }

    #[test]
    fn difference_of_two_groups_has_an_interval_by_welch() {
        let (one, other) = (Spread::of([20.0, 22.0]), Spread::of([10.0, 10.0, 10.0]));
        let more = difference(&one, &other).unwrap();
        // Relative variance of the mean 21: (2/2)/21² ; the other's is 0, so 1 degree of freedom: 12.706 × 1/21 × 2.1.
        assert!(
            (more.percent - 110.0).abs() < 1e-9 && (more.high_percent.unwrap() - 110.0 - 127.06).abs() < 1e-6,
            "{more:?}"
        );
        assert_eq!(more.is_within_variation(), Some(true));
        let single = difference(&Spread::of([20.0]), &other).unwrap();
        assert_eq!((single.low_percent, single.is_within_variation()), (None, None));
    }
}
