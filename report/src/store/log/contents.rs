//! What a log holds, taken in frame by frame and bounded in every part: a log is data from outside.

use std::collections::BTreeMap;
use std::path::Path;

use eco2_core::schema::{EventRecord, Report};
use eco2_core::{Domain, Gauge, Reading};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::frame::FrameKind;
use super::scan::Found;
use super::thin::{Gauges, Readings};
use super::{
    EARLIER_SCHEMAS, GaugeReading, LOG_SCHEMA, LogMeta, LogSummary, MAX_UNPACKED, PolicyRecord, PricingRecord, block,
};
use crate::Error;

/// The most domains of a log that are known.
const MAX_DOMAINS: usize = 1 << 14;
/// The most events that are kept, as many as are written; and the most of other records.
const MAX_RECORDS: usize = 10_000;
/// Bytes of the log that are kept as events, and as other records of each kind.
const RECORD_BYTES: usize = 8 << 20;

/// What a log holds.
#[derive(Debug, Default)]
pub struct LogContents {
    /// Which run; `None` when the very first frame was lost.
    pub meta: Option<LogMeta>,
    /// Domains by the index that readings use.
    pub domains: BTreeMap<u32, Domain>,
    /// The last provisional report; `None` where there is a final one.
    pub checkpoint: Option<Report>,
    /// The report that the run ended with; `None` when it was killed.
    pub final_report: Option<Report>,
    /// What a run that ended was, in short; `None` when it was killed, and in a log of version 1.
    pub summary: Option<LogSummary>,
    /// What happened.
    pub events: Vec<EventRecord>,
    /// How the schedule read the sources.
    pub policies: Vec<PolicyRecord>,
    /// What the energy was priced with.
    pub pricing: Vec<PricingRecord>,
    /// Gauges, thinned where there are too many.
    pub gauges: Vec<GaugeReading>,
    /// Readings of known domains in the order of time, at most [`super::MAX_POINTS`] and the last of each domain; thinned
    /// where there are more, see [`super::visit_readings`] for all.
    pub history: Vec<(u32, Reading)>,
    /// Whether readings were left out of `history`.
    pub thinned: bool,
    /// Bytes that belong to no whole frame: the tail that a crash tore, or damage.
    pub torn_bytes: u64,
    /// Frames that were whole but not understood: of a later version, or not what their kind should hold, or more than is
    /// kept.
    pub unknown_frames: u64,
}

impl LogContents {
    /// The final report, else the last checkpoint.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.final_report.as_ref().or(self.checkpoint.as_ref())
    }
}

/// Where the reports lie that a log ends with.
#[derive(Debug, Default)]
pub(super) struct ReportsAt {
    pub(super) checkpoint: Option<Found>,
    pub(super) last: Option<Found>,
}

/// A log that is being read.
#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) contents: LogContents,
    pub(super) reports: ReportsAt,
    readings: Readings,
    gauges: Gauges,
    unpacked: u64,
    event_bytes: usize,
    policy_bytes: usize,
    pricing_bytes: usize,
    /// The set of gauges that values name by its number: the latest.
    gauge_names: Option<(u64, Vec<GaugeName>)>,
}

/// Device, name, unit.
type GaugeName = (String, String, String);

#[derive(Deserialize)]
struct DomainsFrame {
    first: u32,
    domains: Vec<Domain>,
}

#[derive(Deserialize)]
struct GaugesFrame {
    set: u64,
    names: Option<Vec<GaugeName>>,
    at: Option<u64>,
    values: Option<Vec<Option<f64>>>,
}

impl Intake {
    /// Takes a frame; of a report only its place.
    ///
    /// # Errors
    /// [`Error::Newer`].
    pub(super) fn take(&mut self, found: &Found, payload: &[u8], path: &Path) -> Result<(), Error> {
        let understood = match found.kind {
            Some(FrameKind::Meta) => take_meta(&mut self.contents.meta, payload, path)?,
            Some(FrameKind::Domains) => json(payload).map(|found| self.take_domains(found)),
            Some(FrameKind::Ticks) => self.take_ticks(payload),
            Some(FrameKind::Gauges) => json(payload).and_then(|found| self.take_gauges(found)),
            Some(FrameKind::Event) => keep(payload, &mut self.contents.events, &mut self.event_bytes),
            Some(FrameKind::Policy) => keep(payload, &mut self.contents.policies, &mut self.policy_bytes),
            Some(FrameKind::Pricing) => keep(payload, &mut self.contents.pricing, &mut self.pricing_bytes),
            Some(FrameKind::Summary) => json(payload).map(|found| self.contents.summary = Some(found)),
            // Only the last of each is read: a long run has thousands of checkpoints.
            Some(FrameKind::Checkpoint) => {
                self.reports.checkpoint = Some(*found);
                Some(())
            }
            Some(FrameKind::Final) => {
                self.reports.last = Some(*found);
                Some(())
            }
            None => None,
        };
        self.contents.unknown_frames += u64::from(understood.is_none());
        Ok(())
    }

    /// What was taken, and where the reports are.
    pub(super) fn finish(self) -> (LogContents, ReportsAt) {
        let mut contents = self.contents;
        contents.thinned = self.readings.thinned() || self.unpacked > MAX_UNPACKED;
        contents.history = self.readings.sorted();
        contents.gauges = self.gauges.list();
        (contents, self.reports)
    }

    fn take_domains(&mut self, found: DomainsFrame) {
        for (at, domain) in (0..).zip(found.domains) {
            if let Some(index) = found.first.checked_add(at).filter(|_| self.contents.domains.len() < MAX_DOMAINS) {
                self.contents.domains.insert(index, domain);
            }
        }
    }

    fn take_ticks(&mut self, payload: &[u8]) -> Option<()> {
        if self.unpacked > MAX_UNPACKED {
            return None;
        }
        let (domains, readings) = (&self.contents.domains, &mut self.readings);
        let count = block::unpack(payload, |index, reading| {
            if let Some(domain) = domains.get(&index) {
                readings.push(index, domain.kind, reading);
            }
        })?;
        self.unpacked += count as u64;
        Some(())
    }

    fn take_gauges(&mut self, found: GaugesFrame) -> Option<()> {
        if let Some(names) = found.names {
            self.gauge_names = Some((found.set, names));
            return Some(());
        }
        let (_, names) = self.gauge_names.as_ref().filter(|(set, _)| *set == found.set)?;
        let pairs = names.iter().zip(found.values?).filter_map(|(names, value)| Some((names, value?)));
        let gauge = |((device, name, unit), value): (&GaugeName, f64)| Gauge {
            device: device.clone(),
            name: name.clone(),
            unit: unit.clone(),
            value,
        };
        self.gauges.push(GaugeReading { at_ns: found.at?, gauges: pairs.map(gauge).collect() });
        Some(())
    }
}

/// Takes the first frame of a log.
///
/// # Errors
/// [`Error::Newer`] for a schema of a later number.
pub(super) fn take_meta(meta: &mut Option<LogMeta>, payload: &[u8], path: &Path) -> Result<Option<()>, Error> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    let known = |schema: &str| schema == LOG_SCHEMA || EARLIER_SCHEMAS.contains(&schema);
    match json::<Schema>(payload) {
        Some(Schema { schema }) if schema.starts_with("eco2.log/") && !known(&schema) => {
            Err(Error::Newer { path: path.to_owned(), found: schema, known: LOG_SCHEMA })
        }
        _ => {
            *meta = json(payload);
            Ok(meta.is_some().then_some(()))
        }
    }
}

/// Adds a record to a list whose length and bytes are bounded.
fn keep<T: DeserializeOwned>(payload: &[u8], list: &mut Vec<T>, bytes: &mut usize) -> Option<()> {
    *bytes = bytes.saturating_add(payload.len());
    if list.len() >= MAX_RECORDS || *bytes > RECORD_BYTES {
        return None;
    }
    list.push(json(payload)?);
    Some(())
}

pub(super) fn json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
