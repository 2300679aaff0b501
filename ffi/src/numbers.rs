//! Defines the constants that functions take and return, and converts to them. A number is never reused for another
//! meaning.

use eco2_core::schema::DeviceSync;
use eco2_core::{Quality, RangeKind};

/// Level of a log message: an operation failed.
pub const ECO2_LOG_ERROR: i32 = 1;
/// Level of a log message: something is missing or was ignored.
pub const ECO2_LOG_WARN: i32 = 2;
/// Level of a log message: a detail, such as a sensor that this machine does not have.
pub const ECO2_LOG_DEBUG: i32 = 4;

/// Flag of eco2_work: `loss` is given.
pub const ECO2_WORK_HAS_LOSS: u32 = 1;
/// Spans of a name begin and end without a wait for queued GPU work; the default.
pub const ECO2_SYNC_NONE: i32 = 0;
/// The host waits for the device when a span begins and ends.
pub const ECO2_SYNC_SYNCHRONIZE: i32 = 1;
/// The device records itself when a span begins and ends.
pub const ECO2_SYNC_EVENT: i32 = 2;

/// Flag of eco2_energy_now: every device's part is known.
pub const ECO2_NOW_COMPLETE: u32 = 1;
/// Values that may still change with a counter's next update.
pub const ECO2_STATE_PROVISIONAL: i32 = 0;
/// Final values.
pub const ECO2_STATE_FINAL: i32 = 1;

/// A processor package or a part of one.
pub const ECO2_COMPONENT_CPU: i32 = 0;
/// Main memory.
pub const ECO2_COMPONENT_MEMORY: i32 = 1;
/// A GPU board or a part of one.
pub const ECO2_COMPONENT_GPU: i32 = 2;
/// Anything else.
pub const ECO2_COMPONENT_OTHER: i32 = 3;
/// Read from an energy counter.
pub const ECO2_QUALITY_MEASURED: i32 = 0;
/// Integrated from power readings.
pub const ECO2_QUALITY_DERIVED: i32 = 1;
/// Computed by a model.
pub const ECO2_QUALITY_ESTIMATED: i32 = 2;
/// Generated, because an option requested it.
pub const ECO2_QUALITY_SYNTHETIC: i32 = 3;
/// Nothing is known.
pub const ECO2_QUALITY_MISSING: i32 = 4;
/// Nothing is known, so there is no range.
pub const ECO2_RANGE_UNKNOWN: i32 = 0;
/// The range contains the true value whatever the load did.
pub const ECO2_RANGE_HARD: i32 = 1;
/// The range contains the true value with the stated coverage.
pub const ECO2_RANGE_PLAUSIBLE: i32 = 2;
/// Flag of eco2_device: its energy is part of the total.
pub const ECO2_DEVICE_SUMMED: u32 = 1;
/// Text of a device: its id, as in the report (`package-0`, `GPU-...`).
pub const ECO2_TEXT_ID: i32 = 0;
/// Text of a device: its name for people.
pub const ECO2_TEXT_NAME: i32 = 1;
/// Text of a device: which quantity it is (`package`, `dram`, `board`, ...).
pub const ECO2_TEXT_DOMAIN: i32 = 2;
/// Text of a device: the source that reads it.
pub const ECO2_TEXT_SOURCE: i32 = 3;
/// Text of a device: the model of its hardware (`AMD EPYC 7763`); empty where it is not known. Since 0.2.
pub const ECO2_TEXT_MODEL: i32 = 4;
/// Text of a device: how its energy was estimated; empty for a sensor. Since 0.2.
pub const ECO2_TEXT_METHOD: i32 = 5;

/// The domain is a counter of energy.
pub const ECO2_KIND_ENERGY: i32 = 0;
/// The domain is an instantaneous power.
pub const ECO2_KIND_POWER: i32 = 1;

/// The read failed.
pub const ECO2_FAULT_FAILED: i32 = 101;
/// Permission was denied.
pub const ECO2_FAULT_DENIED: i32 = 102;
/// The device does not offer this quantity.
pub const ECO2_FAULT_UNSUPPORTED: i32 = 103;
/// The device reports that it has no value now.
pub const ECO2_FAULT_NOT_AVAILABLE: i32 = 104;
/// The device is lost.
pub const ECO2_FAULT_LOST: i32 = 105;
/// The interface is gone.
pub const ECO2_FAULT_GONE: i32 = 106;

/// The whole report as JSON, schema eco2.report/1.
pub const ECO2_REPORT_JSON: i32 = 0;
/// A summary for people.
pub const ECO2_REPORT_TEXT: i32 = 1;
/// Total and devices as CSV.
pub const ECO2_REPORT_CSV: i32 = 2;
/// Spans as CSV.
pub const ECO2_REPORT_SPANS_CSV: i32 = 3;
/// Metrics as OpenMetrics text, names `eco2_...` in base units.
pub const ECO2_REPORT_OPENMETRICS: i32 = 4;
/// Metrics as OpenMetrics text under the names of HF Eco2AI, `hf_training_...`.
pub const ECO2_REPORT_OPENMETRICS_HF: i32 = 5;
/// A header and a row of CodeCarbon's emissions.csv.
pub const ECO2_REPORT_CODECARBON: i32 = 6;
/// The values in the names and units of HF Eco2AI, as JSON.
pub const ECO2_REPORT_HF_JSON: i32 = 7;
/// Software carbon intensity with all its terms, as JSON.
pub const ECO2_REPORT_SCI: i32 = 8;
/// The block `co2_eq_emissions` of a Hugging Face model card, in grams, as YAML.
pub const ECO2_REPORT_HF: i32 = 9;
/// A BoAmps report, as JSON.
pub const ECO2_REPORT_BOAMPS: i32 = 10;
/// Purchased electricity by method and period, with factors and sources, as CSV.
pub const ECO2_REPORT_SCOPE2: i32 = 11;
/// The energy values that Annex XI of the EU AI Act names, as JSON.
pub const ECO2_REPORT_AI_ACT: i32 = 12;
/// A paragraph for the methods section of a paper.
pub const ECO2_REPORT_METHODS: i32 = 13;
/// A summary to share, without names, hosts, ids, labels, commands and days, as JSON.
pub const ECO2_REPORT_SUMMARY: i32 = 14;

/// eco2_batch: energies of intervals, microjoules, and their durations.
pub const ECO2_BATCH_ENERGIES: i32 = 0;
/// eco2_batch: running totals, microjoules, at rising instants; the first is where counting starts.
pub const ECO2_BATCH_TOTALS: i32 = 1;
/// eco2_batch: mean powers of intervals, microwatts, and their durations.
pub const ECO2_BATCH_POWERS: i32 = 2;

/// eco2_powers: `duration_s` has one element, for all rows.
pub const ECO2_POWERS_ONE_DURATION: u32 = 1;
/// eco2_powers: `g_per_kwh` has one element, for all rows.
pub const ECO2_POWERS_ONE_INTENSITY: u32 = 2;

/// No limit is close, or there is none.
pub const ECO2_BUDGET_GO: i32 = 0;
/// Most of a limit is spent, or the forecast exceeds it.
pub const ECO2_BUDGET_WARN: i32 = 1;
/// A limit is spent, or would be by the next steps and the reserve.
pub const ECO2_BUDGET_STOP: i32 = 2;
/// Between a warning and a stop: wait for an hour with a lower carbon intensity, or for a person to decide. Returned only
/// where an option enables it. Since 0.1.
pub const ECO2_BUDGET_PAUSE: i32 = 3;

/// Unit of a limit: microjoules.
pub const ECO2_UNIT_MICROJOULES: i32 = 0;
/// Unit of a limit: grams CO2e.
pub const ECO2_UNIT_GRAMS: i32 = 1;
/// Unit of a limit: money, in the option's currency.
pub const ECO2_UNIT_MONEY: i32 = 2;

/// Converts a quality to ECO2_QUALITY_...
pub(crate) fn quality_number(quality: Quality) -> i32 {
    match quality {
        Quality::Measured => ECO2_QUALITY_MEASURED,
        Quality::Derived => ECO2_QUALITY_DERIVED,
        Quality::Estimated => ECO2_QUALITY_ESTIMATED,
        Quality::Synthetic => ECO2_QUALITY_SYNTHETIC,
        Quality::Missing => ECO2_QUALITY_MISSING,
    }
}

/// Converts a kind of range to ECO2_RANGE_...
pub(crate) fn range_number(kind: Option<RangeKind>) -> i32 {
    match kind {
        None => ECO2_RANGE_UNKNOWN,
        Some(RangeKind::Hard) => ECO2_RANGE_HARD,
        Some(RangeKind::Plausible) => ECO2_RANGE_PLAUSIBLE,
    }
}

/// Converts a synchronisation with the device to ECO2_SYNC_...
pub(crate) fn sync_number(sync: DeviceSync) -> i32 {
    match sync {
        DeviceSync::None => ECO2_SYNC_NONE,
        DeviceSync::Synchronize => ECO2_SYNC_SYNCHRONIZE,
        DeviceSync::Event => ECO2_SYNC_EVENT,
    }
}
