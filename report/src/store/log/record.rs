//! Records of a log that are JSON: the first, the last, and what explains the figures between them.

use std::collections::BTreeMap;

use eco2_core::schema::{Carbon, Energy, Host, PriceTerms, Report, Run, State};
use serde::{Deserialize, Serialize};

use super::LOG_SCHEMA;

/// First record of a log: which run this is and where its clock began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogMeta {
    /// `eco2.log/2`, or that of an earlier version.
    pub schema: String,
    /// The run as known at its start.
    pub run: Run,
    /// Monotonic nanoseconds at the run's start; readings count on the same clock.
    pub begin_ns: u64,
}

impl LogMeta {
    /// Meta of a run that starts at `begin_ns` of the monotonic clock.
    #[must_use]
    pub fn new(run: Run, begin_ns: u64) -> Self {
        Self { schema: LOG_SCHEMA.to_owned(), run, begin_ns }
    }
}

/// Last record of a log: what a list of runs shows, and what a check compares with.
///
/// It repeats figures of the final report, so that a list of ten thousand runs reads a few kilobytes of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSummary {
    /// Id of the run.
    pub run_id: String,
    /// Id of this record of the run.
    pub part: String,
    /// The record of the command that this process ran under; empty where there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// The run's name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Wall clock at the start, RFC 3339 UTC.
    pub started_at: String,
    /// Monotonic duration, nanoseconds.
    pub duration_ns: u64,
    /// The command's exit code; `None` without a command.
    pub exit_code: Option<i32>,
    /// Whether the figures may still change.
    pub state: State,
    /// Where it ran.
    pub host: Host,
    /// Which of several processes this is; `None` for a process that is no rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Totals with their bounds and the part of each quality.
    pub energy: Energy,
    /// Location-based grams CO2e; `None`: not priced or not known.
    pub grams: Option<f64>,
    /// Lower bound of the grams.
    pub grams_low: Option<f64>,
    /// Upper bound; `None`: unbounded or not known.
    pub grams_high: Option<f64>,
    /// Grid zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl LogSummary {
    /// The summary of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let (run, carbon) = (&report.run, report.carbon.as_ref());
        Self {
            run_id: run.id.clone(),
            part: run.part.clone(),
            parent: run.parent.clone(),
            name: run.name.clone(),
            labels: run.labels.clone(),
            started_at: run.started_at.clone(),
            duration_ns: run.duration_ns,
            exit_code: run.exit_code,
            state: run.state,
            host: run.host.clone(),
            rank: run.rank,
            energy: report.energy.clone(),
            grams: carbon.and_then(|carbon| carbon.grams),
            grams_low: carbon.map(|carbon| carbon.low),
            grams_high: carbon.and_then(|carbon| carbon.high),
            zone: carbon.map(|carbon| carbon.zone.clone()),
        }
    }
}

/// A decision of the schedule: how a source, or one domain of it, is read from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Monotonic nanoseconds.
    pub at_ns: u64,
    /// The source, counted from 0 as the run held them.
    pub source: u32,
    /// Its name, as in its domains; empty if not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The domain, by the index that readings use; `None`: all of the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<u32>,
    /// How it is read: `poll`, `locked`, `random`, `on-demand`, `off`.
    pub policy: String,
    /// Mean time between two readings, nanoseconds; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ns: Option<u64>,
    /// Learned period of the domain's updates, nanoseconds; `None` where it led to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ns: Option<u64>,
    /// Why: `start`, `period-learned`, `period-lost`, `wrap`, `pace`, `domains`, `source-ended`, `viewer`, `budget`, …
    pub reason: String,
}

/// Factors that the energy was priced with, each for a time; from them anyone can compute grams and money again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PricingRecord {
    /// What the values are: `carbon-intensity`, `price`, `pue`, `wue`, `ewif`.
    pub quantity: String,
    /// Their unit: `g/kWh`, `EUR/kWh`, `1`, `l/kWh`.
    pub unit: String,
    /// Grid zone; empty where the factor belongs to none.
    pub zone: String,
    /// The source of the value.
    pub source: String,
    /// Kind of intensity, such as `lifecycle-average-production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Year of the factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    /// SHA-256 of the table that the factor is from, hexadecimal; `None` where it is from none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_sha256: Option<String>,
    /// SHA-256 of the provider's answer, hexadecimal; `None` where no provider was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<String>,
    /// The values, in the order of time; empty where the table is named by its hash alone.
    pub slots: Vec<PricingSlot>,
}

/// One value and the time it holds for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PricingSlot {
    /// Start, RFC 3339 UTC.
    pub from: String,
    /// End, RFC 3339 UTC.
    pub to: String,
    /// The value in the record's unit.
    pub value: f64,
    /// Whether the provider calls it an estimate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl PricingRecord {
    /// What a report was priced with: intensities, PUE, price and water factors.
    #[must_use]
    pub fn of(report: &Report) -> Vec<Self> {
        let Some(carbon) = &report.carbon else { return Vec::new() };
        let mut records = Self::intensities(carbon);
        records.extend(carbon.terms.iter().flat_map(|terms| Self::factors(terms, &report.run)));
        records
    }

    /// Factors that hold for all of a run, as they were given. A tariff is named by its file's hash.
    fn factors(terms: &PriceTerms, run: &Run) -> Vec<Self> {
        let money = format!("{}/kWh", terms.currency.as_deref().unwrap_or("1"));
        let slot =
            |value| PricingSlot { from: run.started_at.clone(), to: run.ended_at.clone(), value, estimated: false };
        let given = |quantity: &str, unit: &str, value: Option<f64>| {
            let slots = vec![slot(value?)];
            let [quantity, unit, source] = [quantity, unit, "given"].map(str::to_owned);
            Some(Self { quantity, unit, source, slots, ..Self::default() })
        };
        let tariff = terms.tariff.clone().map(|source| Self {
            quantity: "price".to_owned(),
            unit: money.clone(),
            source,
            table_sha256: terms.tariff_sha256.clone(),
            ..Self::default()
        });
        let factors = [
            given("pue", "1", terms.pue),
            tariff,
            given("price", &money, terms.price_per_kwh),
            given("wue", "l/kWh", terms.wue),
            given("ewif", "l/kWh", terms.ewif),
        ];
        factors.into_iter().flatten().collect()
    }

    /// The intensities that a report's grams were computed with, one record per source, table and answer.
    fn intensities(carbon: &Carbon) -> Vec<Self> {
        let mut records: Vec<Self> = Vec::new();
        for segment in &carbon.segments {
            let same = |record: &&mut Self| {
                let from =
                    (&record.table_sha256, &record.answer_sha256) == (&segment.table_sha256, &segment.answer_sha256);
                from && record.source == segment.source && record.kind == segment.kind && record.year == segment.year
            };
            let slot = PricingSlot {
                from: segment.from.clone(),
                to: segment.to.clone(),
                value: segment.g_per_kwh,
                estimated: segment.estimated,
            };
            match records.iter_mut().find(same) {
                Some(record) => record.slots.push(slot),
                None => records.push(Self {
                    quantity: "carbon-intensity".to_owned(),
                    unit: "g/kWh".to_owned(),
                    zone: carbon.zone.clone(),
                    source: segment.source.clone(),
                    kind: segment.kind.clone(),
                    year: segment.year,
                    table_sha256: segment.table_sha256.clone(),
                    answer_sha256: segment.answer_sha256.clone(),
                    slots: vec![slot],
                }),
            }
        }
        records
    }
}
