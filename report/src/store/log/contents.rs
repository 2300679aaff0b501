//! The contents of a run log ([`LogContents`]), collected frame by frame. Every list is bounded, because a log can come from
//! an untrusted source.

use std::collections::BTreeMap;
use std::path::Path;

use eco2_core::schema::{EventRecord, Report};
use eco2_core::{Domain, Gauge, Reading, RunEnds};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::frame::FrameKind;
use super::scan::FoundFrame;
use super::thin::{Gauges, Readings};
use super::{
    EARLIER_SCHEMAS, GaugeReading, LOG_SCHEMA, LogMeta, LogSummary, MAX_UNPACKED_READINGS, PolicyRecord, PricingRecord,
    block,
};
use crate::Error;

/// Largest number of domains of a log; further ones are ignored.
const MAX_DOMAINS: usize = 1 << 14;
/// Largest number of events that are kept (the writer has the same limit), and of records of each other kind.
const MAX_RECORDS: usize = 10_000;
/// Largest number of payload bytes that are kept as events, and as records of each other kind.
const MAX_RECORD_BYTES: usize = 8 << 20;

/// The contents of a run log.
#[derive(Debug, Default)]
pub struct LogContents {
    /// The identity of the run; `None` if the first frame was lost.
    pub meta: Option<LogMeta>,
    /// The domains by the index that readings use.
    pub domains: BTreeMap<u32, Domain>,
    /// The last provisional report; `None` if there is a final one.
    pub checkpoint: Option<Report>,
    /// The final report; `None` if the run was killed.
    pub final_report: Option<Report>,
    /// The summary of the final report; `None` if the run was killed, and in a log of version 1.
    pub summary: Option<LogSummary>,
    /// What each domain had counted at both ends of the run; `None` if the run was killed, and in logs of versions without it.
    pub ends: Option<RunEnds>,
    /// The events of the run.
    pub events: Vec<EventRecord>,
    /// How each source was read, from which time on.
    pub policies: Vec<PolicyRecord>,
    /// The carbon intensities, prices and factors of the run.
    pub pricing: Vec<PricingRecord>,
    /// The gauges, thinned if there are too many.
    pub gauges: Vec<GaugeReading>,
    /// Readings of known domains in the order of time. At most [`super::MAX_POINTS`] and the last of each domain: a longer
    /// history is thinned, and [`super::visit_readings`] reads all of it.
    pub history: Vec<(u32, Reading)>,
    /// Whether readings were left out of `history`.
    pub thinned: bool,
    /// Blocks of readings that the run wrote and the file does not have: a slow disk lost them, for example. 0 if it is not known.
    pub missing_blocks: u64,
    /// Bytes that belong to no whole frame: the last frame after a crash, or damage.
    pub torn_bytes: u64,
    /// Whole frames that were not used: of a later version, with an invalid payload, or beyond the limits of this reader.
    pub unknown_frames: u64,
}

impl LogContents {
    /// Returns the final report, else the last checkpoint.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.final_report.as_ref().or(self.checkpoint.as_ref())
    }
}

/// The frames of the last checkpoint and of the final report.
#[derive(Debug, Default)]
pub(super) struct ReportFrames {
    pub(super) checkpoint: Option<FoundFrame>,
    pub(super) final_report: Option<FoundFrame>,
}

/// Builds the contents of a log from its frames.
#[derive(Debug, Default)]
pub(super) struct ContentsBuilder {
    pub(super) contents: LogContents,
    pub(super) reports: ReportFrames,
    readings: Readings,
    gauges: Gauges,
    /// Number of readings unpacked so far.
    unpacked: u64,
    /// Number of blocks, and that of the run; 0 if it is not known.
    blocks: u64,
    written_blocks: u64,
    event_bytes: usize,
    policy_bytes: usize,
    pricing_bytes: usize,
    /// The latest set of gauge names, with the number by which later values refer to it.
    gauge_names: Option<(u64, Vec<GaugeName>)>,
}

/// Device, name and unit of a gauge.
type GaugeName = (String, String, String);

#[derive(Deserialize)]
struct DomainsFrame {
    first: u32,
    domains: Vec<Domain>,
}

#[derive(Deserialize)]
struct EndsFrame {
    #[serde(flatten)]
    ends: RunEnds,
    #[serde(default)]
    blocks: u64,
}

#[derive(Deserialize)]
struct GaugesFrame {
    set: u64,
    names: Option<Vec<GaugeName>>,
    at: Option<u64>,
    values: Option<Vec<Option<f64>>>,
}

impl ContentsBuilder {
    /// Adds a frame. Of a report only the position is kept.
    ///
    /// # Errors
    /// [`Error::Newer`] for a log of a later schema.
    pub(super) fn add_frame(&mut self, found: &FoundFrame, payload: &[u8], path: &Path) -> Result<(), Error> {
        let understood = match found.kind {
            Some(FrameKind::Meta) => parse_meta(&mut self.contents.meta, payload, path)?,
            Some(FrameKind::Domains) => parse_json(payload).map(|found| self.add_domains(found)),
            Some(FrameKind::Ticks) => self.add_ticks(payload),
            Some(FrameKind::Gauges) => parse_json(payload).and_then(|found| self.add_gauges(found)),
            Some(FrameKind::Event) => push_record(payload, &mut self.contents.events, &mut self.event_bytes),
            Some(FrameKind::Policy) => push_record(payload, &mut self.contents.policies, &mut self.policy_bytes),
            Some(FrameKind::Pricing) => push_record(payload, &mut self.contents.pricing, &mut self.pricing_bytes),
            Some(FrameKind::Summary) => parse_json(payload).map(|found| self.contents.summary = Some(found)),
            Some(FrameKind::Ends) => parse_json(payload).map(|found| self.add_ends(found)),
            // Only the last of each is read: a long run has thousands of checkpoints.
            Some(FrameKind::Checkpoint) => {
                self.reports.checkpoint = Some(*found);
                Some(())
            }
            Some(FrameKind::Final) => {
                self.reports.final_report = Some(*found);
                Some(())
            }
            None => None,
        };
        self.contents.unknown_frames += u64::from(understood.is_none());
        Ok(())
    }

    /// Returns the contents, without the reports, and the frames of the reports.
    pub(super) fn finish(self) -> (LogContents, ReportFrames) {
        let mut contents = self.contents;
        contents.thinned = self.readings.thinned() || self.unpacked > MAX_UNPACKED_READINGS;
        contents.missing_blocks = self.written_blocks.saturating_sub(self.blocks);
        contents.history = self.readings.into_sorted();
        contents.gauges = self.gauges.into_moments();
        (contents, self.reports)
    }

    fn add_domains(&mut self, found: DomainsFrame) {
        for (offset, domain) in (0..).zip(found.domains) {
            if let Some(index) = found.first.checked_add(offset).filter(|_| self.contents.domains.len() < MAX_DOMAINS) {
                self.contents.domains.insert(index, domain);
            }
        }
    }

    fn add_ticks(&mut self, payload: &[u8]) -> Option<()> {
        if self.unpacked > MAX_UNPACKED_READINGS {
            return None;
        }
        let (domains, readings) = (&self.contents.domains, &mut self.readings);
        let count = block::unpack(payload, |index, reading| {
            if let Some(domain) = domains.get(&index) {
                readings.push(index, domain.kind, reading);
            }
        })?;
        self.unpacked += count as u64;
        self.blocks += 1;
        Some(())
    }

    fn add_ends(&mut self, found: EndsFrame) {
        self.contents.ends = Some(found.ends);
        self.written_blocks = found.blocks;
    }

    fn add_gauges(&mut self, found: GaugesFrame) -> Option<()> {
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

/// Parses the first frame of a log into `meta`. Returns `Some` if it was valid.
///
/// # Errors
/// [`Error::Newer`] for a schema of a later number.
pub(super) fn parse_meta(meta: &mut Option<LogMeta>, payload: &[u8], path: &Path) -> Result<Option<()>, Error> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    let known = |schema: &str| schema == LOG_SCHEMA || EARLIER_SCHEMAS.contains(&schema);
    match parse_json::<Schema>(payload) {
        Some(Schema { schema }) if schema.starts_with("eco2.log/") && !known(&schema) => {
            Err(Error::Newer { path: path.to_owned(), found: schema, known: LOG_SCHEMA })
        }
        _ => {
            *meta = parse_json(payload);
            Ok(meta.is_some().then_some(()))
        }
    }
}

/// Adds a JSON record to a list. Returns `None` if the record is invalid, or if the list would have too many records or bytes.
fn push_record<T: DeserializeOwned>(payload: &[u8], list: &mut Vec<T>, bytes: &mut usize) -> Option<()> {
    *bytes = bytes.saturating_add(payload.len());
    if list.len() >= MAX_RECORDS || *bytes > MAX_RECORD_BYTES {
        return None;
    }
    list.push(parse_json(payload)?);
    Some(())
}

/// Parses a JSON payload; `None` if it is invalid.
pub(super) fn parse_json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
