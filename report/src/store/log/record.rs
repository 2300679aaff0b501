//! Records of a run log that are stored as JSON: meta (the first frame), summary (the last), policies (how sources are read)
//! and pricing (the factors of emissions and cost).

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Carbon, Energy, Host, PriceTerms, Report, Run, State};
use serde::{Deserialize, Serialize};

use super::LOG_SCHEMA;

/// First record of a log: the identity of the run and the start of its clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogMeta {
    /// The schema of the log: `eco2.log/2`, or that of an earlier version.
    pub schema: String,
    /// The run as known at its start.
    pub run: Run,
    /// Monotonic nanoseconds at the run's start; readings count on the same clock.
    pub begin_ns: u64,
}

impl LogMeta {
    /// Returns the meta of a run that starts at `begin_ns` of the monotonic clock.
    #[must_use]
    pub fn new(run: Run, begin_ns: u64) -> Self {
        Self { schema: LOG_SCHEMA.to_owned(), run, begin_ns }
    }
}

/// Last record of a log, for lists of runs and as a check of the final report.
///
/// It repeats values of the final report, so that a list of ten thousand runs reads a few kilobytes per run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// Whether the values may still change.
    pub state: State,
    /// Where it ran.
    pub host: Host,
    /// Rank of the process in a distributed run; `None` for a process without a rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Total energy with its bounds, and the part of each quality.
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
    /// Steps that the run counted; `None`: not counted, or written by a version without this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Samples that it counted; `None` as for `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Tokens that it counted; `None` as for `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Kinds of the intensities behind the grams, such as `lifecycle-average-production`, each once; empty in logs of
    /// versions that did not write them. Grams of different kinds cannot be added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl LogSummary {
    /// Returns the summary of a run of which only the start is known: nothing was read.
    #[must_use]
    pub fn of_start(run: Run) -> Self {
        Self {
            run_id: run.id,
            part: run.part,
            parent: run.parent,
            name: run.name,
            labels: run.labels,
            started_at: run.started_at,
            host: run.host,
            rank: run.rank,
            energy: Energy { pue: 1.0, ..Energy::default() },
            ..Self::default()
        }
    }

    /// Returns the summary of a report.
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
            steps: report.work.steps,
            samples: report.work.samples,
            tokens: report.work.tokens,
            kinds: carbon.map(intensity_kinds).unwrap_or_default(),
        }
    }
}

/// Returns the kinds of the intensities behind the grams, each once.
fn intensity_kinds(carbon: &Carbon) -> Vec<String> {
    let kinds: BTreeSet<&str> =
        carbon.segments.iter().map(|segment| segment.kind.as_deref().unwrap_or("unknown")).collect();
    kinds.into_iter().map(str::to_owned).collect()
}

/// How a source, or one domain of it, is read from `at_ns` on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Time of the change on the run's monotonic clock, nanoseconds.
    pub at_ns: u64,
    /// Index of the source in the run's list of sources, from 0.
    pub source: u32,
    /// The name of the source; empty if not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Index of the domain, as readings use it; `None`: all domains of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<u32>,
    /// How it is read: `poll`, `locked`, `random`, `on-demand`, `off`.
    pub policy: String,
    /// Mean time between two readings, nanoseconds; `None` if the source is not read regularly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ns: Option<u64>,
    /// Learned update period of the domain, nanoseconds; `None` if it did not influence the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ns: Option<u64>,
    /// The reason of the change: `start`, `period-learned`, `period-lost`, `wrap`, `pace`, `domains`, `source-ended`, `viewer`, `budget`, …
    pub reason: String,
}

/// Factors of emissions and cost, each with the time it holds for. With them, grams and cost can be recomputed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PricingRecord {
    /// The quantity of the values: `carbon-intensity`, `price`, `pue`, `wue`, `ewif`.
    pub quantity: String,
    /// Their unit: `g/kWh`, `EUR/kWh`, `1`, `l/kWh`.
    pub unit: String,
    /// Grid zone; empty if the factor does not belong to one.
    pub zone: String,
    /// The source of the value.
    pub source: String,
    /// Kind of intensity, such as `lifecycle-average-production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Year of the factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    /// SHA-256 of the table that contains the factor, hexadecimal; `None` if it is not from a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_sha256: Option<String>,
    /// SHA-256 of the provider's answer, hexadecimal; `None` if the factor is not from a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sha256: Option<String>,
    /// The values in the order of time; empty if the table is identified by its hash only.
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
    /// Returns the factors of a report: intensities, PUE, price and water factors.
    #[must_use]
    pub fn of(report: &Report) -> Vec<Self> {
        let Some(carbon) = &report.carbon else { return Vec::new() };
        let mut records = Self::intensities(carbon);
        records.extend(carbon.terms.iter().flat_map(|terms| Self::factors(terms, &report.run)));
        records
    }

    /// Returns the factors that hold for the whole run, from the user's settings. A tariff is identified by the hash of its
    /// file.
    fn factors(terms: &PriceTerms, run: &Run) -> Vec<Self> {
        let money = format!("{}/kWh", terms.currency.as_deref().unwrap_or("1"));
        let slot =
            |value| PricingSlot { from: run.started_at.clone(), to: run.ended_at.clone(), value, estimated: false };
        let constant = |quantity: &str, unit: &str, value: Option<f64>| {
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
            constant("pue", "1", terms.pue),
            tariff,
            constant("price", &money, terms.price_per_kwh),
            constant("wue", "l/kWh", terms.wue),
            constant("ewif", "l/kWh", terms.ewif),
        ];
        factors.into_iter().flatten().collect()
    }

    /// Returns the intensities of a report's grams, one record per source, table and answer.
    fn intensities(carbon: &Carbon) -> Vec<Self> {
        let mut records: Vec<Self> = Vec::new();
        for segment in &carbon.segments {
            let has_same_origin = |record: &&mut Self| {
                let has_same_hashes =
                    (&record.table_sha256, &record.answer_sha256) == (&segment.table_sha256, &segment.answer_sha256);
                has_same_hashes
                    && record.source == segment.source
                    && record.kind == segment.kind
                    && record.year == segment.year
            };
            let slot = PricingSlot {
                from: segment.from.clone(),
                to: segment.to.clone(),
                value: segment.g_per_kwh,
                estimated: segment.estimated,
            };
            match records.iter_mut().find(has_same_origin) {
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
