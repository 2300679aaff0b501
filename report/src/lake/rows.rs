//! The rows of one record: the tables `runs`, `spans` and `counters`. Values are those of the report, not computed again.

use eco2_core::schema::{Device, Report, SpanRecord, State};
use eco2_core::{Ranged as _, Window};
use eco2_grid::Sha256;
use jiff::Timestamp;

use super::table::{ColumnsOf, Table};
use crate::analysis::record_identity;

/// The identity of a record, which all its rows share.
pub(super) struct Identity<'a> {
    pub(super) report: &'a Report,
    /// Id of the record; of a report of an earlier version its start and command.
    pub(super) part: String,
    /// The machine between two boots: the boot id if known.
    pub(super) node: String,
    /// The time of the record on the clock of the boot.
    pub(super) window: Window,
    /// Nanoseconds since 1970 at the start; `None`: not known.
    pub(super) started_ns: Option<i128>,
    /// Key of this version of the record and of the length of its intervals: equal contents have equal keys.
    record: i64,
    labels: String,
}

impl<'a> Identity<'a> {
    /// Returns the identity of a record whose intervals have this length, nanoseconds.
    pub(super) fn of(report: &'a Report, step_ns: u64) -> Self {
        let (part, node, window) = record_identity(report);
        let started = crate::wall::wall_clock(&report.run.started_at).and_then(|at| at.parse::<Timestamp>().ok());
        let labels = serde_json::to_string(&report.run.labels).unwrap_or_default();
        let content = serde_json::to_string(report).unwrap_or_default();
        let record = key(&format!("{step_ns}\n{content}"));
        Self { report, part, node, window, started_ns: started.map(Timestamp::as_nanosecond), record, labels }
    }

    /// Returns the key of a counter in this version of the record, by which rows refer to it.
    pub(super) fn counter_key(&self, device: &str) -> i64 {
        key(&format!("{}\n{device}", self.record))
    }

    /// Returns the wall clock at an instant of the boot's clock, microseconds since 1970; `None`: not known.
    pub(super) fn wall_us(&self, boot_ns: u64) -> Option<i64> {
        let since_start_ns = i128::from(boot_ns) - i128::from(self.window.from_ns);
        let at_ns = self.started_ns? + since_start_ns;
        // A division of 64 bits is many times quicker, and enough until the year 2262.
        i64::try_from(at_ns)
            .map_or_else(|_| i64::try_from(at_ns.div_euclid(1_000)).ok(), |at_ns| Some(at_ns.div_euclid(1_000)))
    }

    /// Whether no value changes any more, as merging decides it.
    fn is_final(&self) -> bool {
        self.report.run.state == State::Final
    }
}

/// Returns the first 63 bits of a text's hash.
fn key(text: &str) -> i64 {
    let hash = Sha256::of(text.as_bytes()).bytes();
    let first = hash.iter().take(8).fold(0_u64, |key, byte| key << 8 | u64::from(*byte));
    i64::try_from(first >> 1).unwrap_or(0)
}

/// Returns the tables `runs`, `spans` and `counters` of one record.
pub(super) fn tables(id: &Identity<'_>) -> Vec<Table> {
    let day = id.wall_us(id.window.from_ns).and_then(day_of);
    let tables = [runs(id, day.clone()), spans(id, day.clone()), counters(id, day)];
    tables.into_iter().filter(|table| table.rows() > 0).collect()
}

/// Returns the UTC day of an instant in microseconds since 1970.
pub(super) fn day_of(at_us: i64) -> Option<String> {
    Some(Timestamp::from_microsecond(at_us).ok()?.strftime("%Y-%m-%d").to_string())
}

fn runs(id: &Identity<'_>, day: Option<String>) -> Table {
    let instant = |text: &str| Some(text.parse::<Timestamp>().ok()?.as_microsecond());
    ColumnsOf::new(std::slice::from_ref(id.report))
        .text("part", |_| Some(&id.part))
        .text("run_id", |report| Some(&report.run.id))
        .text("parent", |report| Some(&report.run.parent))
        .text("name", |report| Some(&report.run.name))
        .text("hostname", |report| Some(&report.run.host.hostname))
        .text("boot_id", |report| Some(&report.run.host.boot_id))
        .text("labels", |_| Some(&id.labels))
        .text("version", |report| Some(&report.run.tool.version))
        .instant("started_at", |_| id.wall_us(id.window.from_ns))
        .instant("ended_at", |report| id.started_ns.and_then(|_| instant(&report.run.ended_at)))
        .integer("duration_ns", |report| Some(report.run.duration_ns))
        .integer("from_ns", |_| Some(id.window.from_ns))
        .integer("to_ns", |_| Some(id.window.to_ns))
        .flag("is_final", |_| id.is_final())
        .integer("rank", |report| report.run.rank.map(u64::from))
        .integer("world_size", |report| report.run.world_size.map(u64::from))
        .integer("attempt", |report| Some(report.run.attempt.into()))
        .integer("requeue", |report| Some(report.run.requeue.into()))
        .signed("exit_code", |report| report.run.exit_code.map(i64::from))
        .integer("total_uj", |report| report.energy.total_uj)
        .integer("low_uj", |report| Some(report.energy.low_uj))
        .integer("high_uj", |report| report.energy.bounded().high)
        .integer("measured_uj", |report| report.energy.total_uj.map(|_| report.energy.measured_uj))
        .integer("derived_uj", |report| report.energy.total_uj.map(|_| report.energy.derived_uj))
        .integer("estimated_uj", |report| report.energy.total_uj.map(|_| report.energy.estimated_uj))
        .integer("synthetic_uj", |report| report.energy.total_uj.map(|_| report.energy.synthetic_uj))
        .integer("missing_ns", |report| Some(report.energy.missing_ns))
        .integer("facility_uj", |report| report.energy.facility_uj)
        .number("pue", |report| Some(report.energy.pue))
        .integer("steps", |report| report.work.steps)
        .integer("samples", |report| report.work.samples)
        .integer("tokens", |report| report.work.tokens)
        .text("zone", |report| Some(&report.carbon.as_ref()?.zone))
        .number("grams", |report| report.carbon.as_ref()?.grams)
        .number("grams_low", |report| Some(report.carbon.as_ref()?.low))
        .number("grams_high", |report| report.carbon.as_ref()?.high)
        .number("cost", |report| report.carbon.as_ref()?.cost)
        .table("runs", day)
}

fn spans(id: &Identity<'_>, day: Option<String>) -> Table {
    let spans: &[SpanRecord] = &id.report.spans;
    ColumnsOf::new(spans)
        .text("part", |_| Some(&id.part))
        .text("run_id", |_| Some(&id.report.run.id))
        .text("name", |span| Some(&span.name))
        .flag("is_final", |_| id.is_final())
        .integer("run_duration_ns", |_| Some(id.report.run.duration_ns))
        .integer("count", |span| Some(span.count))
        .integer("duration_ns", |span| Some(span.duration_ns))
        .integer("energy_uj", |span| span.energy_uj)
        .integer("low_uj", |span| Some(span.low_uj))
        .integer("high_uj", |span| span.energy_uj.and(span.high_uj))
        .table("spans", day)
}

fn counters(id: &Identity<'_>, day: Option<String>) -> Table {
    let (devices, run): (&[Device], _) = (&id.report.devices, &id.report.run);
    ColumnsOf::new(devices)
        .key("counter", |device| id.counter_key(&device.id))
        .key("record", |_| id.record)
        .text("part", |_| Some(&id.part))
        .text("run_id", |_| Some(&run.id))
        .text("hostname", |_| Some(&run.host.hostname))
        .text("device", |device| Some(&device.id))
        .text("component", |device| Some(device.component.name()))
        .text("domain", |device| Some(&device.domain))
        .text("name", |device| Some(&device.name))
        .text("model", |device| device.model.as_deref())
        .text("source", |device| Some(&device.source))
        .text("quality", |device| Some(device.quality.name()))
        .flag("is_summed", Device::is_summed)
        .flag("is_final", |_| id.is_final())
        .integer("run_duration_ns", |_| Some(run.duration_ns))
        .integer("from_ns", |_| Some(id.window.from_ns))
        .integer("to_ns", |_| Some(id.window.to_ns))
        .integer("energy_uj", |device| device.energy_uj)
        .integer("low_uj", |device| device.low_uj)
        .integer("high_uj", |device| device.energy_uj.and(device.high_uj))
        .number("coverage", |device| Some(device.coverage))
        .integer("wraps", |device| Some(device.wraps))
        .integer("resets", |device| Some(device.resets))
        .integer("gaps", |device| Some(device.gaps.len() as u64))
        .number("pue", |_| Some(id.report.energy.pue))
        .table("counters", day)
}
