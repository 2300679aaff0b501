//! Bytes of a log back to what they hold, whatever a crash has left.

use std::collections::BTreeMap;
use std::path::Path;

use eco2_core::report::{EventRecord, Report};
use eco2_core::{Domain, Gauge, Reading};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::frame::{Frame, FrameKind, Frames, known_version};
use super::{GaugeReading, LOG_SCHEMA, LogMeta, MAX_LOG_BYTES, MAX_POINTS, block};
use crate::report_file::parse_report;
use crate::{Error, files};

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
    /// What happened.
    pub events: Vec<EventRecord>,
    /// Gauges, thinned like readings.
    pub gauges: Vec<GaugeReading>,
    /// Bytes that belong to no whole frame: the tail that a crash tore, or damage.
    pub torn_bytes: u64,
    /// Frames that were whole but not understood: of a later version, or not what their kind should hold.
    pub unknown_frames: u64,
    blocks: Vec<Vec<u8>>,
    gauge_names: BTreeMap<u64, Vec<(String, String, String)>>,
}

/// Reads a log of at most [`MAX_LOG_BYTES`].
///
/// # Errors
/// As [`parse_log`], and [`Error::Io`] or [`Error::TooLarge`].
pub fn read_log(path: &Path) -> Result<LogContents, Error> {
    parse_log(&files::read_regular(path, "run log", MAX_LOG_BYTES)?, path)
}

/// Reads a log from memory; `path` is only for messages. Torn and damaged frames are dropped and counted.
///
/// # Errors
/// [`Error::NotOurs`] for bytes that hold no frame at all, [`Error::Newer`] for a log of a later schema, and what
/// [`crate::parse_report`] says of a report in it.
pub fn parse_log(bytes: &[u8], path: &Path) -> Result<LogContents, Error> {
    let mut contents = LogContents::default();
    let mut frames = Frames::new(bytes);
    let mut any = false;
    let mut reports = Reports::default();
    for frame in frames.by_ref() {
        any = true;
        contents.take(&frame, &mut reports, path)?;
    }
    contents.final_report = reports.last.map(|payload| parse_report(payload, path)).transpose()?;
    contents.checkpoint = match (&contents.final_report, reports.checkpoint) {
        (None, Some(payload)) => Some(parse_report(payload, path)?),
        _ => None,
    };
    contents.torn_bytes = frames.torn();
    if !any {
        let found = format!("{} bytes without a whole frame", bytes.len());
        let remedy = "check that this file is a run log (*.eco2log), or that the run got beyond its start";
        return Err(Error::NotOurs { path: path.to_owned(), what: "run log", found, remedy });
    }
    Ok(contents)
}

/// Reports found so far, not parsed yet.
#[derive(Default)]
struct Reports<'a> {
    checkpoint: Option<&'a [u8]>,
    last: Option<&'a [u8]>,
}

#[derive(Deserialize)]
struct DomainsFrame {
    first: u32,
    domains: Vec<Domain>,
}

#[derive(Deserialize)]
struct GaugesFrame {
    set: u64,
    names: Option<Vec<(String, String, String)>>,
    at: Option<u64>,
    values: Option<Vec<Option<f64>>>,
}

impl LogContents {
    /// The final report, else the last checkpoint.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.final_report.as_ref().or(self.checkpoint.as_ref())
    }

    /// Readings block by block, as `(domain index, reading)`. Within a block ticks are in order; blocks of different
    /// sources overlap in time. Needs the memory of one block.
    pub fn readings(&self) -> impl Iterator<Item = (u32, Reading)> + '_ {
        self.blocks.iter().filter_map(|payload| block::unpack(payload)).flatten()
    }

    /// All readings of known domains in the order of time; at most [`MAX_POINTS`], the earliest.
    #[must_use]
    pub fn history(&self) -> Vec<(u32, Reading)> {
        let known = self.readings().filter(|(domain, _)| self.domains.contains_key(domain));
        let mut all: Vec<(u32, Reading)> = known.take(MAX_POINTS).collect();
        all.sort_by_key(|(_, reading)| reading.before_ns);
        all
    }

    fn take<'a>(&mut self, frame: &Frame<'a>, reports: &mut Reports<'a>, path: &Path) -> Result<(), Error> {
        let understood = match FrameKind::from_code(frame.code).filter(|_| known_version(frame)) {
            Some(FrameKind::Meta) => self.take_meta(frame.payload, path)?,
            Some(FrameKind::Domains) => json(frame.payload).map(|found| self.take_domains(found)),
            Some(FrameKind::Ticks) => block::unpack(frame.payload).map(|_| self.blocks.push(frame.payload.to_vec())),
            Some(FrameKind::Gauges) => json(frame.payload).and_then(|found| self.take_gauges(found)),
            Some(FrameKind::Event) => json(frame.payload).map(|event| self.events.push(event)),
            // Only the last of each is read: a long run has thousands of checkpoints.
            Some(FrameKind::Checkpoint) => {
                reports.checkpoint = Some(frame.payload);
                Some(())
            }
            Some(FrameKind::Final) => {
                reports.last = Some(frame.payload);
                Some(())
            }
            None => None,
        };
        self.unknown_frames += u64::from(understood.is_none());
        Ok(())
    }

    fn take_meta(&mut self, payload: &[u8], path: &Path) -> Result<Option<()>, Error> {
        #[derive(Deserialize)]
        struct Schema {
            schema: String,
        }
        match json::<Schema>(payload) {
            Some(Schema { schema }) if schema != LOG_SCHEMA && schema.starts_with("eco2.log/") => {
                Err(Error::Newer { path: path.to_owned(), found: schema, known: LOG_SCHEMA })
            }
            _ => {
                self.meta = json(payload);
                Ok(self.meta.is_some().then_some(()))
            }
        }
    }

    fn take_domains(&mut self, found: DomainsFrame) {
        let numbered = (0..).zip(found.domains);
        self.domains.extend(numbered.filter_map(|(at, domain)| Some((found.first.checked_add(at)?, domain))));
    }

    fn take_gauges(&mut self, found: GaugesFrame) -> Option<()> {
        if let Some(names) = found.names {
            self.gauge_names.insert(found.set, names);
            return Some(());
        }
        let names = self.gauge_names.get(&found.set)?;
        let pairs = names.iter().zip(found.values?).filter_map(|(names, value)| Some((names, value?)));
        let gauge = |((device, name, unit), value): (&(String, String, String), f64)| Gauge {
            device: device.clone(),
            name: name.clone(),
            unit: unit.clone(),
            value,
        };
        self.gauges.push(GaugeReading { at_ns: found.at?, gauges: pairs.map(gauge).collect() });
        Some(())
    }
}

fn json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
