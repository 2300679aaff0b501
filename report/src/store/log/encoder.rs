//! Turns the readings, gauges, events and reports of a run into frames of the run log, in memory ([`LogEncoder`]). It runs on
//! the sampling thread and never touches a file; [`super::LogWriter`] writes the frames.
//!
//! A *tick* is one read of a source. A *bank* collects the ticks of one source with the same domains and is written as one
//! *block*. A *checkpoint* is a provisional report.

use eco2_core::schema::{EventRecord, Report};
use eco2_core::{Domain, Gauge, Kind, Reading, RunEnds};
use serde::Serialize;

use super::block::{Bank, Due, Layout, MAX_TICK_READINGS};
use super::column::Scratch;
use super::frame::{self, FrameKind};
use super::{
    BLOCK_TICKS, FLUSH_NS, HISTORY_STEP_BYTES, LONGEST_SPACING_NS, LogMeta, LogSummary, PolicyRecord, PricingRecord,
    SPACING_NS,
};
use crate::Error;
use crate::render::finite;

/// Largest number of banks. When it is reached, the bank with the oldest first tick is written and removed.
const MAX_BANKS: usize = 64;
/// Largest number of events, and of policies; further ones are only counted.
const MAX_EVENTS: u64 = 10_000;
/// At the start of a run, the time between kept ticks is 1/16 of the time so far, if that is less than the spacing. This gives
/// at least eight ticks in each doubling of the time.
const EARLY_DIVISOR: u64 = 16;
/// Time between checkpoints after the first seconds, nanoseconds.
const CHECKPOINT_NS: u64 = 5_000_000_000;
/// Time of the first checkpoint, nanoseconds. The following ones are each at twice the time of the one before.
const FIRST_CHECKPOINT_NS: u64 = 100_000_000;
/// In a long run, the time between checkpoints is 1/200 of the run, so their number grows with the logarithm of its length.
const CHECKPOINT_DIVISOR: u64 = 200;
/// Largest mean rate of checkpoints, bytes per second: reports with thousands of span names are large.
const CHECKPOINT_BYTES_PER_S: u64 = 64 << 10;

/// Encodes a run as frames.
///
/// Finished frames collect in a buffer that [`LogEncoder::take`] replaces by an empty one. [`LogEncoder::readings`] allocates
/// nothing as long as there is no new domain and no new combination of domains, and the buffers are reused.
#[derive(Debug)]
pub struct LogEncoder {
    /// Finished frames that wait for [`Self::take`].
    out: Vec<u8>,
    banks: Vec<Bank>,
    /// The layout of the present tick, kept to reuse its memory.
    layout: Layout,
    /// For each source, the index in the log of each of its domains.
    log_indices: Vec<Vec<u32>>,
    /// The kind of each domain, by its index in the log.
    kinds: Vec<Kind>,
    scratch: Scratch,
    /// Device, name and unit of the latest set of gauges.
    gauge_names: Vec<(String, String, String)>,
    /// Number of the latest set of gauge names.
    gauge_set: u64,
    gauges_due: Due,
    /// Time between kept ticks at the start of the history, nanoseconds.
    spacing_ns: u64,
    /// Bytes of blocks and gauges so far.
    history_bytes: u64,
    /// Blocks written so far.
    blocks: u64,
    events: u64,
    policies: u64,
    skipped: u64,
    begin_ns: u64,
    /// Time of the last checkpoint, nanoseconds.
    checkpoint_ns: u64,
    /// Size of the last checkpoint.
    checkpoint_bytes: u64,
}

#[derive(Serialize)]
struct DomainsFrame<'a> {
    first: u32,
    domains: &'a [Domain],
}

#[derive(Serialize)]
struct EndsFrame<'a> {
    #[serde(flatten)]
    ends: &'a RunEnds,
    blocks: u64,
}

#[derive(Serialize)]
struct GaugeNames<'a> {
    set: u64,
    names: &'a [(String, String, String)],
}

#[derive(Serialize)]
struct GaugeValues {
    set: u64,
    at: u64,
    values: Vec<f64>,
}

impl LogEncoder {
    /// Returns an encoder whose first frame is `meta`.
    ///
    /// # Errors
    /// [`Error::Encode`], for example if the meta is larger than a frame can be.
    pub fn new(meta: &LogMeta) -> Result<Self, Error> {
        let mut encoder = Self {
            out: Vec::new(),
            banks: Vec::new(),
            layout: Layout::default(),
            log_indices: Vec::new(),
            kinds: Vec::new(),
            scratch: Scratch::default(),
            gauge_names: Vec::new(),
            gauge_set: 0,
            gauges_due: Due::default(),
            spacing_ns: SPACING_NS,
            history_bytes: 0,
            blocks: 0,
            events: 0,
            policies: 0,
            skipped: 0,
            begin_ns: meta.begin_ns,
            checkpoint_ns: meta.begin_ns,
            checkpoint_bytes: 0,
        };
        encoder.put_json(FrameKind::Meta, "the run's meta data", meta)?;
        Ok(encoder)
    }

    /// Sets the time between kept ticks, at least a microsecond [default: one second].
    pub fn keep_every(&mut self, spacing_ns: u64) {
        self.spacing_ns = spacing_ns.max(1_000);
    }

    /// Sets the domains of a source. `domains` is the whole list of the source; those after the known ones are written.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn domains(&mut self, source: usize, domains: &[Domain]) -> Result<(), Error> {
        if self.log_indices.len() <= source {
            self.log_indices.resize_with(source + 1, Vec::new);
        }
        let new_domains = domains.get(self.log_indices[source].len()..).unwrap_or_default();
        if new_domains.is_empty() {
            return Ok(());
        }
        let first = self.kinds.len() as u32;
        self.kinds.extend(new_domains.iter().map(|domain| domain.kind));
        self.log_indices[source].extend(first..self.kinds.len() as u32);
        self.put_json(FrameKind::Domains, "domains", &DomainsFrame { first, domains: new_domains })
    }

    /// Adds the readings of one tick of a source, each with the index of its domain in the list of the source.
    ///
    /// A tick with a domain that [`LogEncoder::domains`] did not set is skipped and counted in [`LogEncoder::skipped`].
    pub fn readings(&mut self, source: usize, readings: &[(usize, Reading)]) {
        let Some(now_ns) = readings.first().map(|(_, reading)| reading.before_ns) else { return };
        if !self.set_layout(source, readings) {
            self.skipped += readings.len() as u64;
            return;
        }
        let spacing_ns = self.spacing_at(now_ns);
        let bank_index = self.find_bank();
        self.banks[bank_index].offer(readings.iter().map(|(_, reading)| reading), spacing_ns, &self.kinds);
        // Plus 2, because the next tick can add itself and the one before it.
        self.seal_where(|bank| {
            bank.ticks() + 2 > BLOCK_TICKS || bank.ticks() > 0 && now_ns.saturating_sub(bank.first_ns) >= FLUSH_NS
        });
    }

    /// Returns the present time between kept ticks, nanoseconds. It doubles with every further [`HISTORY_STEP_BYTES`] of
    /// history, up to [`LONGEST_SPACING_NS`].
    #[must_use]
    pub fn spacing_ns(&self) -> u64 {
        // At most 40, because 1 << 64 would overflow.
        let doublings = (self.history_bytes / HISTORY_STEP_BYTES).min(40);
        self.spacing_ns.saturating_mul(1 << doublings).min(LONGEST_SPACING_NS.max(self.spacing_ns))
    }

    /// Returns the time between kept ticks at an instant of the run, which is shorter at its start.
    fn spacing_at(&self, now_ns: u64) -> u64 {
        self.spacing_ns().min(now_ns.saturating_sub(self.begin_ns) / EARLY_DIVISOR)
    }

    /// Returns the number of readings of unknown domains, plus events and policies beyond the 10 000th.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Adds the gauges of one moment. They are thinned like ticks.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) -> Result<(), Error> {
        let spacing_ns = self.spacing_at(at_ns);
        if gauges.is_empty() || !self.gauges_due.take(at_ns, spacing_ns) {
            return Ok(());
        }
        let start = self.out.len();
        let has_same_name = |((device, name, unit), gauge): (&(String, String, String), &Gauge)| {
            *device == gauge.device && *name == gauge.name && *unit == gauge.unit
        };
        if self.gauge_names.len() != gauges.len() || !self.gauge_names.iter().zip(gauges).all(has_same_name) {
            self.gauge_set += 1;
            self.gauge_names = gauges.iter().map(|g| (g.device.clone(), g.name.clone(), g.unit.clone())).collect();
            let names = std::mem::take(&mut self.gauge_names);
            let outcome =
                self.put_json(FrameKind::Gauges, "gauges", &GaugeNames { set: self.gauge_set, names: &names });
            self.gauge_names = names;
            outcome?;
        }
        let values = gauges.iter().map(|gauge| gauge.value).collect();
        self.put_json(FrameKind::Gauges, "gauges", &GaugeValues { set: self.gauge_set, at: at_ns, values })?;
        self.history_bytes += (self.out.len() - start) as u64;
        Ok(())
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn event(&mut self, event: &EventRecord) -> Result<(), Error> {
        self.events += 1;
        if self.events > MAX_EVENTS {
            self.skipped += 1;
            return Ok(());
        }
        self.put_json(FrameKind::Event, "an event", event)
    }

    /// Adds a policy, whose domain is given as the index in the list of the source.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn policy(&mut self, policy: &PolicyRecord) -> Result<(), Error> {
        let log_indices = self.log_indices.get(policy.source as usize);
        let global = |local: u32| log_indices.and_then(|log_indices| log_indices.get(local as usize)).copied();
        let domain = policy.domain.map(global);
        self.policies += 1;
        // The domain is unknown, or there are too many policies.
        if domain == Some(None) || self.policies > MAX_EVENTS {
            self.skipped += 1;
            return Ok(());
        }
        let policy = PolicyRecord { domain: domain.flatten(), ..policy.clone() };
        self.put_json(FrameKind::Policy, "a decision of the schedule", &policy)
    }

    /// Adds factors of emissions or cost.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn pricing(&mut self, pricing: &PricingRecord) -> Result<(), Error> {
        self.put_json(FrameKind::Pricing, "the pricing", pricing)
    }

    /// Whether a checkpoint is due: after 0.1 s, 0.2 s, 0.4 s and so on, then 5 s after the last one, or 0.5 % of the run if
    /// that is more. If the last checkpoint was larger than 64 KiB per second of this time, the next is later.
    #[must_use]
    pub fn checkpoint_due(&self, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.begin_ns);
        let early_ns = (elapsed_ns / 2).clamp(FIRST_CHECKPOINT_NS, CHECKPOINT_NS);
        let large_ns = self.checkpoint_bytes * (1_000_000_000 / CHECKPOINT_BYTES_PER_S);
        let interval_ns = early_ns.max(elapsed_ns / CHECKPOINT_DIVISOR).max(large_ns);
        now_ns.saturating_sub(self.checkpoint_ns) >= interval_ns
    }

    /// Adds a provisional report. If the run is killed, the last one is its result.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn checkpoint(&mut self, now_ns: u64, report: &Report) -> Result<(), Error> {
        let start = self.out.len();
        self.checkpoint_ns = now_ns;
        let outcome = self.put_json(FrameKind::Checkpoint, "a checkpoint", finite(report).as_ref());
        self.checkpoint_bytes = (self.out.len() - start) as u64;
        outcome
    }

    /// Writes the blocks of all banks, with the last tick of each.
    pub fn flush(&mut self) {
        self.banks.iter_mut().for_each(Bank::keep_latest);
        self.seal_where(|_| true);
    }

    /// Writes all blocks, and then what each domain had counted at both ends of the run. [`Self::finish`] follows.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn ends(&mut self, ends: &RunEnds) -> Result<(), Error> {
        self.flush();
        let frame = EndsFrame { ends, blocks: self.blocks };
        self.put_json(FrameKind::Ends, "the counts at the ends of the run", &frame)
    }

    /// Writes all blocks that are left, the pricing, the final report and its summary.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn finish(&mut self, report: &Report) -> Result<(), Error> {
        self.flush();
        let report = finite(report);
        let pricing = PricingRecord::of(&report).iter().try_for_each(|pricing| self.pricing(pricing));
        let written = self.put_json(FrameKind::Final, "the final report", report.as_ref());
        // All three are written even if one fails, because each is useful alone.
        self.put_json(FrameKind::Summary, "the summary", &LogSummary::of(&report)).and(written).and(pricing)
    }

    /// Returns the number of bytes that wait for [`LogEncoder::take`].
    #[must_use]
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// Returns the finished frames and collects further ones in `spare`, which is emptied.
    pub fn take(&mut self, mut spare: Vec<u8>) -> Vec<u8> {
        spare.clear();
        std::mem::replace(&mut self.out, spare)
    }

    /// Sets `self.layout` to the layout of a tick. Returns `false` if a domain is unknown, or if there are more than
    /// [`MAX_TICK_READINGS`] readings.
    fn set_layout(&mut self, source: usize, readings: &[(usize, Reading)]) -> bool {
        self.layout.source = source as u32;
        self.layout.brackets.clear();
        self.layout.domains.clear();
        let Some(log_indices) = self.log_indices.get(source) else { return false };
        let mut bracket = None;
        for (local, reading) in readings {
            let Some(global) = log_indices.get(*local) else { return false };
            self.layout.domains.push(*global);
            let reading_bracket = Some((reading.before_ns, reading.after_ns));
            match self.layout.brackets.last_mut() {
                Some(count) if reading_bracket == bracket => *count += 1,
                _ => self.layout.brackets.push(1),
            }
            bracket = reading_bracket;
        }
        readings.len() <= MAX_TICK_READINGS
    }

    /// Returns the index of the bank with the layout `self.layout`; adds one if there is none.
    fn find_bank(&mut self) -> usize {
        if let Some(index) = self.banks.iter().position(|bank| bank.layout == self.layout) {
            return index;
        }
        if self.banks.len() == MAX_BANKS {
            let oldest = self.banks.iter().enumerate().min_by_key(|(_, bank)| bank.first_ns).map_or(0, |(at, _)| at);
            self.banks[oldest].keep_latest();
            self.seal(oldest);
            self.banks.swap_remove(oldest);
        }
        self.banks.push(Bank::new(self.layout.clone()));
        self.banks.len() - 1
    }

    /// Writes the blocks of the banks that are due.
    fn seal_where(&mut self, is_due: impl Fn(&Bank) -> bool) {
        for bank_index in 0..self.banks.len() {
            if is_due(&self.banks[bank_index]) {
                self.seal(bank_index);
            }
        }
    }

    /// Writes the block of a bank, if it has any tick.
    fn seal(&mut self, bank_index: usize) {
        let bank = &mut self.banks[bank_index];
        if bank.ticks() == 0 {
            return;
        }
        let start = frame::start_frame(FrameKind::Ticks, &mut self.out);
        bank.seal(&mut self.scratch, &mut self.out);
        frame::finish_frame(start, &mut self.out);
        self.history_bytes += (self.out.len() - start) as u64;
        self.blocks += 1;
    }

    /// Writes a frame with a JSON payload. `what` names the value in an error.
    fn put_json<T: Serialize + ?Sized>(&mut self, kind: FrameKind, what: &'static str, value: &T) -> Result<(), Error> {
        let start = frame::start_frame(kind, &mut self.out);
        let outcome = serde_json::to_writer(&mut self.out, value);
        if outcome.is_ok() && !frame::finish_frame(start, &mut self.out) {
            let cause = serde::ser::Error::custom("larger than a frame can be");
            return Err(Error::Encode { what, cause });
        }
        outcome.map_err(|cause| {
            self.out.truncate(start);
            Error::Encode { what, cause }
        })
    }
}
