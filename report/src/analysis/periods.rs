//! Sums of energy and emissions by hour, day, week or month ([`by_period`]): each run is divided by its energy curve, so that the parts
//! of a run add up to its total, and a counter that several runs read at the same time counts once.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Carbon, Report};
use eco2_core::{Bounded, Quality, Ranged as _, RunCurve, worst_quality};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{has_failed, measured_once, whole_runs};
use crate::wall::wall_clock;

/// Seconds of an hour and of a day.
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// Days from the Monday before it to 1970-01-01, a Thursday.
const DAYS_SINCE_MONDAY: i64 = 3;
/// Most periods of one run; a longer one is counted in the last of them. Ten years of hours.
const MAX_PERIODS: usize = 100_000;

/// Length of a period, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From a full hour on.
    Hour,
    /// From midnight on.
    Day,
    /// From Monday on (ISO 8601).
    Week,
    /// From the first day of a month on.
    Month,
}

/// The energy and emissions of a group of runs in a period.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeriodSum {
    /// Start of the period, RFC 3339 UTC; empty for runs whose start is not known.
    pub from: String,
    /// Value of the label; `(none)` for runs without it, `(all)` without a label.
    pub label: String,
    /// Number of runs that were measured in the period, in part or whole.
    pub runs: u64,
    /// Time of the runs in the period, nanoseconds. Runs that ran at the same time on one machine count once.
    pub duration_ns: u128,
    /// Sum of the known energies, microjoules; `None` if none is known.
    pub energy_uj: Option<u128>,
    /// Lower bound, microjoules.
    pub low_uj: u128,
    /// Upper bound, microjoules; `None` if a part has none.
    pub high_uj: Option<u128>,
    /// Worst quality among the runs' energies; a run of several qualities has its worst in every period.
    pub quality: Quality,
    /// Grams CO2e of the priced runs; `None` if there are none, or if kinds of intensity differ.
    pub grams: Option<f64>,
    /// Kinds of the intensities behind the grams.
    pub kinds: BTreeSet<String>,
    /// Number of parts of runs without emissions; `grams` does not cover them.
    pub unpriced: u64,
    /// Part of the energy that runs with an exit code other than 0 used, microjoules.
    pub wasted_uj: u128,
}

/// The part of a run in a period.
pub(super) struct Slice {
    /// Start of the period, seconds since 1970; `None`: not known.
    pub(super) from_s: Option<i64>,
    duration_ns: u64,
    pub(super) energy: Bounded<u64>,
    pub(super) grams: Option<f64>,
}

impl Period {
    /// Returns the start of the period that contains a time, in seconds since 1970.
    fn start_s(self, at_s: i64) -> i64 {
        let even = |seconds: i64, shift_s: i64| at_s - (at_s + shift_s).rem_euclid(seconds);
        match self {
            Self::Hour => even(HOUR_S, 0),
            Self::Day => even(DAY_S, 0),
            Self::Week => even(7 * DAY_S, DAYS_SINCE_MONDAY * DAY_S),
            // The day of the month, counted from 0, is a whole number of days in UTC.
            Self::Month => {
                let day = Timestamp::from_second(at_s).map_or(0, |at| at.to_zoned(TimeZone::UTC).day() - 1);
                even(DAY_S, 0) - i64::from(day) * DAY_S
            }
        }
    }

    /// Returns the start of the period after the one that starts at `from_s`.
    fn next_s(self, from_s: i64) -> i64 {
        match self {
            Self::Hour => from_s + HOUR_S,
            Self::Day => from_s + DAY_S,
            Self::Week => from_s + 7 * DAY_S,
            // 31 days later is a day of the next month, because the period starts at the first.
            Self::Month => self.start_s(from_s + 31 * DAY_S),
        }
    }

    /// Returns the name of the period.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// Sums runs by period, and by the value of label `key` if there is one; in the order of time, then of values.
#[must_use]
pub fn by_period(reports: &[Report], key: Option<&str>, period: Period) -> Vec<PeriodSum> {
    let whole = whole_runs(reports);
    let mut groups: BTreeMap<String, Vec<&Report>> = BTreeMap::new();
    for report in &whole {
        let label = match key {
            None => "(all)".to_owned(),
            Some(key) => report.run.labels.get(key).cloned().unwrap_or_else(|| "(none)".to_owned()),
        };
        groups.entry(label).or_default().push(report);
    }
    let mut sums: BTreeMap<(Option<i64>, String), PeriodSum> = BTreeMap::new();
    for (label, runs) in groups {
        for run in &runs {
            for from_s in periods_of(run, period) {
                sums.entry((from_s, label.clone())).or_insert_with(|| PeriodSum::new(from_s, &label)).runs += 1;
            }
        }
        for report in measured_once(&runs) {
            for slice in slices(&report, period) {
                let key = (slice.from_s, label.clone());
                sums.entry(key).or_insert_with(|| PeriodSum::new(slice.from_s, &label)).add(&report, &slice);
            }
        }
    }
    sums.into_values().map(PeriodSum::without_mixed_kinds).collect()
}

impl PeriodSum {
    fn new(from_s: Option<i64>, label: &str) -> Self {
        let from =
            from_s.and_then(|from_s| Timestamp::from_second(from_s).ok()).map_or_else(String::new, |at| at.to_string());
        Self {
            from,
            label: label.to_owned(),
            runs: 0,
            duration_ns: 0,
            energy_uj: None,
            low_uj: 0,
            high_uj: Some(0),
            quality: Quality::Measured,
            grams: None,
            kinds: BTreeSet::new(),
            unpriced: 0,
            wasted_uj: 0,
        }
    }

    /// Returns the energy with its bounds, microjoules.
    pub(crate) fn energy(&self) -> Bounded<u128> {
        Bounded { value: self.energy_uj, low: self.low_uj, high: self.high_uj, kind: eco2_core::RangeKind::Plausible }
    }

    fn add(&mut self, report: &Report, slice: &Slice) {
        let energy = slice.energy.map(u128::from);
        // A part without a value counts with its lower bound once another part is known.
        let value = energy.value.or((energy.low > 0).then_some(energy.low));
        self.energy_uj = match (self.energy_uj, value) {
            (None, None) => None,
            (one, two) => Some(one.unwrap_or(0) + two.unwrap_or(0)),
        };
        self.wasted_uj += value.filter(|_| has_failed(report)).unwrap_or(0);
        self.low_uj += energy.low;
        self.high_uj = self.high_uj.zip(energy.high).map(|(sum, high)| sum + high);
        self.duration_ns += u128::from(slice.duration_ns);
        let quality = match report.energy.total_uj {
            None => Quality::Missing,
            Some(_) => worst_quality(&report.energy).map_or(Quality::Measured, |(quality, _)| quality),
        };
        self.quality = self.quality.max(quality);
        match slice.grams {
            Some(grams) => self.grams = Some(self.grams.unwrap_or(0.0) + grams),
            None => self.unpriced += 1,
        }
        let segments = report.carbon.iter().flat_map(|carbon| &carbon.segments);
        self.kinds.extend(segments.map(|segment| segment.kind.clone().unwrap_or_else(|| "unknown".to_owned())));
    }

    /// Returns the sum without grams that do not count the same emissions.
    fn without_mixed_kinds(self) -> Self {
        let grams = self.grams.filter(|_| self.kinds.len() <= 1);
        Self { grams, ..self }
    }
}

/// Returns the starts of the periods in which a run was measured; `None` for a run whose start is not known.
fn periods_of(report: &Report, period: Period) -> Vec<Option<i64>> {
    edges(report, period).map_or_else(|| vec![None], |edges| edges.iter().map(|(from_s, _)| Some(*from_s)).collect())
}

/// Returns the starts of the periods of a run, and when each begins within the run, nanoseconds.
fn edges(report: &Report, period: Period) -> Option<Vec<(i64, u64)>> {
    let started: Timestamp = wall_clock(&report.run.started_at)?.parse().ok()?;
    let lasted = SignedDuration::from_nanos(i64::try_from(report.run.duration_ns).ok()?);
    let ended = started.checked_add(lasted).ok()?;
    let mut from_s = period.start_s(started.as_second());
    let mut edges = vec![(from_s, 0)];
    while edges.len() < MAX_PERIODS {
        from_s = period.next_s(from_s);
        let edge = Timestamp::from_second(from_s).ok()?;
        if edge >= ended {
            break;
        }
        let since_ns = edge.duration_since(started).as_nanos();
        edges.push((from_s, u64::try_from(since_ns).ok()?));
    }
    Some(edges)
}

/// Divides a run by periods.
pub(super) fn slices(report: &Report, period: Period) -> Vec<Slice> {
    let grams = report.carbon.as_ref().and_then(|carbon| carbon.grams);
    let whole_ns = report.run.duration_ns;
    let Some(edges) = edges(report, period) else {
        return vec![Slice { from_s: None, duration_ns: whole_ns, energy: report.energy.bounded(), grams }];
    };
    let curve = report.curve();
    let ends = edges.iter().skip(1).map(|(_, at_ns)| *at_ns).chain(std::iter::once(whole_ns));
    let spans: Vec<(i64, u64, u64)> =
        edges.iter().zip(ends).map(|((from_s, at_ns), to_ns)| (*from_s, *at_ns, to_ns)).collect();
    let shares = gram_shares(report.carbon.as_ref(), &curve, &report.run.started_at, &spans);
    let slice = |((from_s, at_ns, to_ns), share): ((i64, u64, u64), f64)| Slice {
        from_s: Some(from_s),
        duration_ns: to_ns.saturating_sub(at_ns),
        energy: if spans.len() == 1 { report.energy.bounded() } else { curve.between(at_ns, to_ns) },
        grams: grams.map(|grams| grams * share),
    };
    spans.iter().copied().zip(shares).map(slice).collect()
}

/// Returns the share of each span of a run in its emissions: its energy in each segment, multiplied by the segment's
/// intensity. Shares add up to 1.
fn gram_shares(carbon: Option<&Carbon>, curve: &RunCurve, started_at: &str, spans: &[(i64, u64, u64)]) -> Vec<f64> {
    let started: Timestamp = started_at.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let since_ns = |at: &str| {
        let at: Option<Timestamp> = at.parse().ok();
        at.and_then(|at| u64::try_from(at.duration_since(started).as_nanos().max(0)).ok())
    };
    let energy = |from_ns: u64, to_ns: u64| {
        if from_ns < to_ns { curve.between(from_ns, to_ns).value.unwrap_or(0) as f64 } else { 0.0 }
    };
    let segments: Vec<(u64, u64, f64)> = carbon
        .iter()
        .flat_map(|carbon| &carbon.segments)
        .filter_map(|segment| Some((since_ns(&segment.from)?, since_ns(&segment.to)?, segment.g_per_kwh)))
        .collect();
    let amount = |from_ns: u64, to_ns: u64| match segments.as_slice() {
        // One intensity: the share is that of the energy.
        [] | [_] => energy(from_ns, to_ns),
        several => {
            let part =
                |(start_ns, end_ns, rate): &(u64, u64, f64)| energy(from_ns.max(*start_ns), to_ns.min(*end_ns)) * rate;
            several.iter().map(part).sum()
        }
    };
    let amounts: Vec<f64> = spans.iter().map(|(_, from_ns, to_ns)| amount(*from_ns, *to_ns)).collect();
    let end_ns = spans.last().map_or(1, |(_, _, to_ns)| *to_ns);
    let (sum, length_ns) = (amounts.iter().sum::<f64>(), end_ns.max(1) as f64);
    // Without energy, emissions such as a lower bound are spread over the time.
    let by_time = |(_, from_ns, to_ns): &(i64, u64, u64)| (to_ns - from_ns) as f64 / length_ns;
    if sum > 0.0 { amounts.iter().map(|amount| amount / sum).collect() } else { spans.iter().map(by_time).collect() }
}
