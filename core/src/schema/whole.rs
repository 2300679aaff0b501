//! The whole report, of one process or merged from several: the JSON that `eco2 run`, `show` and `merge` read and
//! write.

use super::carbon::Carbon;
use super::device::{Device, GaugeSummary};
use super::energy::{Attribution, Energy, SpanRecord, SpanTimeRecord, StepCurve};
use super::events::{EpisodeRecord, EventRecord, SelfCost, SourceStatus};
use super::host_total::HostTotal;
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
    /// Identity and times of the run.
    pub run: Run,
    /// Sums over the devices that do not overlap.
    pub energy: Energy,
    /// One entry per domain (one sensor of a device), overlapping ones included.
    pub devices: Vec<Device>,
    /// The whole machine as sensors outside its parts show it, each compared with the sum of the parts; in no total. Empty
    /// without such a sensor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_totals: Vec<HostTotal>,
    /// Totals by span name.
    pub spans: Vec<SpanRecord>,
    /// The work that was done with the energy.
    pub work: Work,
    /// The command's share of the host's energy; `None` where it cannot be determined.
    pub attribution: Option<Attribution>,
    /// Emissions with their sources; `None` when pricing was not requested.
    pub carbon: Option<Carbon>,
    /// Every source (an interface such as NVML or RAPL) that was tried.
    pub sources: Vec<SourceStatus>,
    /// What happened during the run.
    pub events: Vec<EventRecord>,
    /// Times in which a device or the run was idle, stalled, hot or held back; empty where none was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spells: Vec<EpisodeRecord>,
    /// Overhead of measuring.
    #[serde(rename = "self")]
    pub own: SelfCost,
    /// How the energy of each counter grew, for merging with reports of other processes; empty where the boot is not
    /// known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<CounterRecord>,
    /// How the energy grew over the run: one curve per device, or one per component where there are more than 64 devices.
    /// Empty in provisional reports and in those of older versions. In a merged report their time is that of the
    /// attempts, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<CurveRecord>,
    /// Energy of the run's own steps over time; `None` where no step has ended, and in a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_curve: Option<StepCurve>,
    /// When the spans of each name ran; empty where none has ended, and in a merged report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub span_times: Vec<SpanTimeRecord>,
    /// Gauges of the machine over the run: `cpu_utilization` (0 to 1), `memory_used` and `memory_total` (bytes); empty in a
    /// replayed or merged report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_gauges: Vec<GaugeSummary>,
    /// Limits and forecast as of the report; `None` without either, and in a merged report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetRecord>,
    /// The reports from which this one was merged; `None` for the report of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

impl Report {
    /// Returns the report of a run in which nothing was measured: the energy is not known, which is not zero.
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
            host_totals: Vec::new(),
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
            span_times: Vec::new(),
            host_gauges: Vec::new(),
            budget: None,
            merge: None,
        }
    }
}

/// How the energy of one counter grew, as this process read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// Kernel's boot id: a device id names one counter within one boot only.
    pub boot_id: String,
    /// Stable device id within the machine.
    pub device: String,
    /// Energy over parts of the boot's time.
    pub stretches: Vec<Stretch>,
}

/// The parts of a merged report, and what is missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Merge {
    /// Ranks of which there is a record, of the last attempt; `None` where no process was a rank.
    pub ranks: Option<u32>,
    /// Ranks that the launcher of the last attempt started.
    pub world_size: Option<u32>,
    /// Ranks without a record, in the last attempt.
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
    /// The reports that were merged, without their counters and curves; none where `records` is given.
    pub parts: Vec<Report>,
    /// Number of reports that were merged, in a report that does not hold them because there are more than 1,024. Such a report
    /// cannot be merged again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Records that could not be read and are in no total, each with the error; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Merge {
    /// Returns the number of reports that were merged.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        self.records.unwrap_or(self.parts.len() as u64)
    }
}

/// Steps that were done twice: those of an attempt after the checkpoint from which the next attempt continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// The attempt whose steps were lost.
    pub attempt: u32,
    /// Number of steps.
    pub steps: u64,
    /// Their share of the attempt's energy, microjoules. It is an estimate that assumes steps of equal energy, and part
    /// of the attempt's energy and of the total. `None`: the attempt's energy is not known.
    pub energy_uj: Option<u64>,
}

/// Limits and forecast of a run, as of the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// Every limit, with the amount spent.
    pub limits: Vec<Spent>,
    /// The forecast; `None` where the run's length is not known, or too little of it is over.
    pub forecast: Option<ForecastRecord>,
    /// Whose energy is limited: `command`; empty: the machine's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
}

/// Forecast of energy and emissions at the end of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ForecastRecord {
    /// Unit of progress: `steps`, or `milliseconds`.
    pub progress: String,
    /// Progress made.
    pub done: u64,
    /// Progress of the whole run.
    pub total: u64,
    /// Progress that is taken as warm-up and is not extrapolated.
    pub warm_up: u64,
    /// Expected time until the end, nanoseconds.
    pub rest_ns: u64,
    /// Energy at the end with the facility's overhead (PUE), microjoules.
    pub energy_uj: Finish,
    /// Carbon intensity of the rest of the run, grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Source of that intensity.
    pub intensity: String,
    /// Error of that source's forecasts in the past, percent; `None` where it is not known.
    pub intensity_error_percent: Option<f64>,
    /// Grams CO2e at the end; `None` where the grams so far are not known.
    #[serde(default)]
    pub grams: Option<Finish>,
    /// Median error of energy forecasts at this point of recorded runs, percent of the run's energy. `None` earlier in a
    /// run than forecasts were tested.
    #[serde(default)]
    pub backtest_error_percent: Option<f64>,
    /// Share of the 90 % intervals that contained the end in those runs, percent.
    #[serde(default)]
    pub backtest_held_percent: Option<f64>,
    /// Number of those runs.
    #[serde(default)]
    pub backtest_runs: Option<u32>,
}
