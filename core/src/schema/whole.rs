//! The whole report, of one process or merged from several: the JSON that `eco2 run`, `show` and `merge` read and
//! write.

use super::carbon::Carbon;
use super::device::{Device, GaugeSummary};
use super::energy::{Attribution, Energy, SpanRecord, StepCurve};
use super::events::{EpisodeRecord, EventRecord, SelfCost, SourceStatus};
use super::run::{Run, Work};
use crate::{CurveRecord, Finish, Spent, Stretch};
use serde::{Deserialize, Serialize};

/// The schema's name.
pub const SCHEMA: &str = "eco2.report/1";

/// A whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Which run this is.
    pub run: Run,
    /// Sums over the devices that do not overlap.
    pub energy: Energy,
    /// One entry a domain, overlapping ones included.
    pub devices: Vec<Device>,
    /// Totals by span name.
    pub spans: Vec<SpanRecord>,
    /// What was done with the energy.
    pub work: Work,
    /// The command's share of the host's energy; `None` where it cannot be determined.
    pub attribution: Option<Attribution>,
    /// Grams, with where each came from; `None` when pricing was not asked for.
    pub carbon: Option<Carbon>,
    /// Every source that was looked for.
    pub sources: Vec<SourceStatus>,
    /// What happened during the run.
    pub events: Vec<EventRecord>,
    /// Times in which a device or the run was idle, stalled, hot or held back; empty where none was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spells: Vec<EpisodeRecord>,
    /// What measuring cost.
    #[serde(rename = "self")]
    pub own: SelfCost,
    /// What was seen of each counter, for merging; empty where the boot is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<CounterRecord>,
    /// How the energy of each device grew over the run: a device's id once, or one sum a component where there are more
    /// than 64; empty in provisional reports and in those of older versions. Of a merged report on the time of its
    /// attempts, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<CurveRecord>,
    /// Energy of the run's own steps over time; `None` where none was seen to end, and in a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_curve: Option<StepCurve>,
    /// Gauges of the machine over the run: `cpu_utilization` (0 to 1), `memory_used` and `memory_total` (bytes); empty in a
    /// replayed or merged report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_gauges: Vec<GaugeSummary>,
    /// Limits and forecast as of the report; `None` without either, and in a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetRecord>,
    /// What this report was merged from; `None` for the report of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

impl Report {
    /// The report of a run in which nothing was measured: the energy is not known, which is not zero.
    ///
    /// ```
    /// use eco2_core::schema::{Report, Run};
    ///
    /// let report = Report::empty(Run { id: "a".to_owned(), ..Run::default() });
    /// assert_eq!((report.energy.total_uj, report.energy.high_uj, report.work.steps), (None, None, None));
    /// ```
    #[must_use]
    pub fn empty(run: Run) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            run,
            energy: Energy { pue: 1.0, ..Energy::default() },
            devices: Vec::new(),
            spans: Vec::new(),
            work: Work::default(),
            attribution: None,
            carbon: None,
            sources: Vec::new(),
            events: Vec::new(),
            spells: Vec::new(),
            own: SelfCost::default(),
            counters: Vec::new(),
            curves: Vec::new(),
            step_curve: None,
            host_gauges: Vec::new(),
            budget: None,
            merge: None,
        }
    }
}

/// What was seen of one counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// Kernel's boot id: a counter's name is good within one boot.
    pub boot_id: String,
    /// Stable device id within the machine.
    pub device: String,
    /// Energy over stretches of boot time.
    pub stretches: Vec<Stretch>,
}

/// How a merged report came about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Merge {
    /// Ranks of which there is a record, of the last attempt; `None` where no process was a rank.
    pub ranks: Option<u32>,
    /// Ranks that the launcher of the last attempt started.
    pub world_size: Option<u32>,
    /// Those without a record, in the last attempt.
    pub missing_ranks: Vec<u32>,
    /// Machines (boots) that were measured.
    pub machines: u32,
    /// Energy in the run's own records outside its attempts (start, between, after), microjoules; it is in no
    /// total. `None` where nothing was measured there.
    pub overhead_uj: Option<u64>,
    /// Time outside the attempts that those records cover, summed over machines, nanoseconds.
    pub overhead_ns: u64,
    /// Steps that were done again after a restart, as far as the steps' numbers are known.
    pub replayed: Vec<Replayed>,
    /// The reports that were merged, without their counters and curves.
    pub parts: Vec<Report>,
    /// Records that could not be read and are in no total, each with the error; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Steps of an attempt behind the checkpoint that the next one went on from: done, and done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// The attempt whose steps were lost.
    pub attempt: u32,
    /// How many.
    pub steps: u64,
    /// Their share of the attempt's energy, microjoules: an estimate that takes all its steps for equal. It is in the
    /// attempt's energy and in the total. `None`: the attempt's energy is not known.
    pub energy_uj: Option<u64>,
}

/// Limits and forecast of a run, as of the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// Every limit, and what is spent of it.
    pub limits: Vec<Spent>,
    /// The forecast; `None` where the run's length is not known, or too little was seen.
    pub forecast: Option<ForecastRecord>,
}

/// A run's end, forecast.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ForecastRecord {
    /// What progress is counted in: `steps`, or `milliseconds`.
    pub progress: String,
    /// Progress made.
    pub done: u64,
    /// Progress of the whole run.
    pub total: u64,
    /// How much of it was taken for warm-up, which is not carried on.
    pub warm_up: u64,
    /// How long the rest will take, nanoseconds.
    pub rest_ns: u64,
    /// Energy at the end, microjoules, times PUE.
    pub energy_uj: Finish,
    /// Intensity that the rest is priced with, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Where that intensity comes from.
    pub intensity: String,
    /// Its error in the past, percent; `None` where it is not known.
    pub intensity_error_percent: Option<f64>,
    /// Grams CO2e at the end; `None` where the grams so far are not known.
    #[serde(default)]
    pub grams: Option<Finish>,
    /// How far off the energy that was forecast at this point was in recorded runs: median, percent of the run's
    /// energy. `None` earlier in a run than forecasts were tested.
    #[serde(default)]
    pub backtest_error_percent: Option<f64>,
    /// Share of the 90 % intervals that contained the end in those runs, percent.
    #[serde(default)]
    pub backtest_held_percent: Option<f64>,
    /// How many runs those are.
    #[serde(default)]
    pub backtest_runs: Option<u32>,
}
