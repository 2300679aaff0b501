//! Readings to finished frames, in memory: runs on the sampling thread and never touches a file.

use eco2_core::schema::{EventRecord, Report};
use eco2_core::{Domain, Gauge, Kind, Reading};
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

/// The most banks that fill at a time; the one unused for longest makes room.
const MAX_BANKS: usize = 64;
/// The most events that are kept, and the most decisions of the schedule; the rest is counted.
const MAX_EVENTS: u64 = 10_000;
/// At the start of a run, the time between kept ticks is this part of the time so far, if that is less than the spacing.
const EARLY_SHARE: u64 = 16;
/// Least time between checkpoints, nanoseconds; the first ones are closer, each at twice the time of the one before.
const CHECKPOINT_NS: u64 = 5_000_000_000;
const FIRST_CHECKPOINT_NS: u64 = 100_000_000;
/// And at least this part of the run, so that their number grows with the logarithm of its length.
const CHECKPOINT_SHARE: u64 = 200;
/// And as far as it takes to write them at this many bytes a second: reports of thousands of span names are large.
const CHECKPOINT_BYTES: u64 = 64 << 10;

/// Turns what a run delivers into frames.
///
/// Finished frames gather in a buffer that [`LogEncoder::take`] swaps against an empty one. In steady state (no new
/// domain, no new combination of domains, buffers handed back) nothing is allocated by [`LogEncoder::readings`].
#[derive(Debug)]
pub struct LogEncoder {
    out: Vec<u8>,
    banks: Vec<Bank>,
    layout: Layout,
    /// Global index of each source's domains.
    indices: Vec<Vec<u32>>,
    /// What each domain is, by its global index.
    kinds: Vec<Kind>,
    scratch: Scratch,
    gauge_names: Vec<(String, String, String)>,
    gauge_set: u64,
    gauges_due: Due,
    spacing_ns: u64,
    history_bytes: u64,
    events: u64,
    policies: u64,
    skipped: u64,
    begin_ns: u64,
    checkpoint_ns: u64,
    checkpoint_bytes: u64,
}

#[derive(Serialize)]
struct DomainsFrame<'a> {
    first: u32,
    domains: &'a [Domain],
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
    /// An encoder whose first frame is `meta`.
    ///
    /// # Errors
    /// [`Error::Encode`], which a meta of plain text does not cause.
    pub fn new(meta: &LogMeta) -> Result<Self, Error> {
        let mut encoder = Self {
            out: Vec::new(),
            banks: Vec::new(),
            layout: Layout::default(),
            indices: Vec::new(),
            kinds: Vec::new(),
            scratch: Scratch::default(),
            gauge_names: Vec::new(),
            gauge_set: 0,
            gauges_due: Due::default(),
            spacing_ns: SPACING_NS,
            history_bytes: 0,
            events: 0,
            policies: 0,
            skipped: 0,
            begin_ns: meta.begin_ns,
            checkpoint_ns: meta.begin_ns,
            checkpoint_bytes: 0,
        };
        encoder.json(FrameKind::Meta, "the run's meta data", meta)?;
        Ok(encoder)
    }

    /// Sets the time between kept ticks instead of one second; at least a microsecond.
    pub fn keep_every(&mut self, spacing_ns: u64) {
        self.spacing_ns = spacing_ns.max(1_000);
    }

    /// `source` has these domains from now on: its whole list, as sources hand it over; what is new is written.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn domains(&mut self, source: usize, domains: &[Domain]) -> Result<(), Error> {
        if self.indices.len() <= source {
            self.indices.resize_with(source + 1, Vec::new);
        }
        let fresh = domains.get(self.indices[source].len()..).unwrap_or_default();
        if fresh.is_empty() {
            return Ok(());
        }
        let first = self.kinds.len() as u32;
        self.kinds.extend(fresh.iter().map(|domain| domain.kind));
        self.indices[source].extend(first..self.kinds.len() as u32);
        self.json(FrameKind::Domains, "domains", &DomainsFrame { first, domains: fresh })
    }

    /// Takes the readings of one tick of a source; indices count in its list.
    ///
    /// Readings of domains that were not declared are skipped and counted in [`LogEncoder::skipped`].
    pub fn readings(&mut self, source: usize, readings: &[(usize, Reading)]) {
        let Some(now_ns) = readings.first().map(|(_, reading)| reading.before_ns) else { return };
        if !self.lay_out(source, readings) {
            self.skipped += readings.len() as u64;
            return;
        }
        let spacing_ns = self.spacing_at(now_ns);
        let at = self.bank();
        self.banks[at].offer(readings.iter().map(|(_, reading)| reading), spacing_ns, &self.kinds);
        // The next tick may bring the one in front of it along.
        self.seal_where(|bank| {
            bank.ticks() + 2 > BLOCK_TICKS || bank.ticks() > 0 && now_ns.saturating_sub(bank.first_ns) >= FLUSH_NS
        });
    }

    /// Time between the ticks that are kept, nanoseconds: doubles with every further [`HISTORY_STEP_BYTES`] of history up to
    /// [`LONGEST_SPACING_NS`].
    #[must_use]
    pub fn spacing_ns(&self) -> u64 {
        let doublings = (self.history_bytes / HISTORY_STEP_BYTES).min(40);
        self.spacing_ns.saturating_mul(1 << doublings).min(LONGEST_SPACING_NS.max(self.spacing_ns))
    }

    /// The same at an instant of the run: shorter at its start.
    fn spacing_at(&self, now_ns: u64) -> u64 {
        self.spacing_ns().min(now_ns.saturating_sub(self.begin_ns) / EARLY_SHARE)
    }

    /// Readings that named a domain without a declaration, and events beyond the 10 000th.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes the gauges of one moment; thinned like ticks.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) -> Result<(), Error> {
        let spacing_ns = self.spacing_at(at_ns);
        if gauges.is_empty() || !self.gauges_due.take(at_ns, spacing_ns) {
            return Ok(());
        }
        let before = self.out.len();
        let same = |((device, name, unit), gauge): (&(String, String, String), &Gauge)| {
            *device == gauge.device && *name == gauge.name && *unit == gauge.unit
        };
        if self.gauge_names.len() != gauges.len() || !self.gauge_names.iter().zip(gauges).all(same) {
            self.gauge_set += 1;
            self.gauge_names = gauges.iter().map(|g| (g.device.clone(), g.name.clone(), g.unit.clone())).collect();
            let names = std::mem::take(&mut self.gauge_names);
            let written = self.json(FrameKind::Gauges, "gauges", &GaugeNames { set: self.gauge_set, names: &names });
            self.gauge_names = names;
            written?;
        }
        let values = gauges.iter().map(|gauge| gauge.value).collect();
        self.json(FrameKind::Gauges, "gauges", &GaugeValues { set: self.gauge_set, at: at_ns, values })?;
        self.history_bytes += (self.out.len() - before) as u64;
        Ok(())
    }

    /// Takes an event.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn event(&mut self, event: &EventRecord) -> Result<(), Error> {
        self.events += 1;
        if self.events > MAX_EVENTS {
            self.skipped += 1;
            return Ok(());
        }
        self.json(FrameKind::Event, "an event", event)
    }

    /// Takes a decision of the schedule, whose domain is the index in the source's list.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn policy(&mut self, policy: &PolicyRecord) -> Result<(), Error> {
        let indices = self.indices.get(policy.source as usize);
        let global = |local: u32| indices.and_then(|indices| indices.get(local as usize)).copied();
        let domain = policy.domain.map(global);
        self.policies += 1;
        // An undeclared domain, or too many of them.
        if domain == Some(None) || self.policies > MAX_EVENTS {
            self.skipped += 1;
            return Ok(());
        }
        let policy = PolicyRecord { domain: domain.flatten(), ..policy.clone() };
        self.json(FrameKind::Policy, "a decision of the schedule", &policy)
    }

    /// Takes factors that the energy is priced with.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn pricing(&mut self, pricing: &PricingRecord) -> Result<(), Error> {
        self.json(FrameKind::Pricing, "the pricing", pricing)
    }

    /// Whether a checkpoint is due: after 0.1 s, 0.2 s, 0.4 s and so on, then 5 s after the last one, and 0.5 % of the
    /// run where that is more; later where checkpoints are larger than 64 KiB for each second between them.
    #[must_use]
    pub fn checkpoint_due(&self, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.begin_ns);
        let early_ns = (elapsed_ns / 2).clamp(FIRST_CHECKPOINT_NS, CHECKPOINT_NS);
        let large_ns = self.checkpoint_bytes * (1_000_000_000 / CHECKPOINT_BYTES);
        let interval_ns = early_ns.max(elapsed_ns / CHECKPOINT_SHARE).max(large_ns);
        now_ns.saturating_sub(self.checkpoint_ns) >= interval_ns
    }

    /// Takes a provisional report: what remains if the run is killed before the next one.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn checkpoint(&mut self, now_ns: u64, report: &Report) -> Result<(), Error> {
        let before = self.out.len();
        self.checkpoint_ns = now_ns;
        let taken = self.json(FrameKind::Checkpoint, "a checkpoint", finite(report).as_ref());
        self.checkpoint_bytes = (self.out.len() - before) as u64;
        taken
    }

    /// Ends every block; the last tick of each bank is kept.
    pub fn flush(&mut self) {
        self.banks.iter_mut().for_each(Bank::keep_latest);
        self.seal_where(|_| true);
    }

    /// Ends every block, takes the final report, and closes with the summary of it.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn finish(&mut self, report: &Report) -> Result<(), Error> {
        self.flush();
        let report = finite(report);
        let pricing = PricingRecord::of(&report).iter().try_for_each(|pricing| self.pricing(pricing));
        let whole = self.json(FrameKind::Final, "the final report", report.as_ref());
        // Each of them is of use without the others.
        self.json(FrameKind::Summary, "the summary", &LogSummary::of(&report)).and(whole).and(pricing)
    }

    /// Bytes of finished frames that wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// Hands over the finished frames and gathers further ones in `spare`, whose content is dropped.
    pub fn take(&mut self, mut spare: Vec<u8>) -> Vec<u8> {
        spare.clear();
        std::mem::replace(&mut self.out, spare)
    }

    /// Describes the tick in `self.layout`; `false` for an undeclared domain or an absurd number of readings.
    fn lay_out(&mut self, source: usize, readings: &[(usize, Reading)]) -> bool {
        self.layout.source = source as u32;
        self.layout.brackets.clear();
        self.layout.domains.clear();
        let Some(indices) = self.indices.get(source) else { return false };
        let mut bracket = None;
        for (local, reading) in readings {
            let Some(global) = indices.get(*local) else { return false };
            self.layout.domains.push(*global);
            let own = Some((reading.before_ns, reading.after_ns));
            match self.layout.brackets.last_mut() {
                Some(count) if own == bracket => *count += 1,
                _ => self.layout.brackets.push(1),
            }
            bracket = own;
        }
        readings.len() <= MAX_TICK_READINGS
    }

    /// The bank of `self.layout`, made if there is none.
    fn bank(&mut self) -> usize {
        if let Some(at) = self.banks.iter().position(|bank| bank.layout == self.layout) {
            return at;
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

    fn seal_where(&mut self, due: impl Fn(&Bank) -> bool) {
        for at in 0..self.banks.len() {
            if due(&self.banks[at]) {
                self.seal(at);
            }
        }
    }

    fn seal(&mut self, at: usize) {
        let bank = &mut self.banks[at];
        if bank.ticks() == 0 {
            return;
        }
        let start = frame::begin(FrameKind::Ticks, &mut self.out);
        bank.seal(&mut self.scratch, &mut self.out);
        frame::end(start, &mut self.out);
        self.history_bytes += (self.out.len() - start) as u64;
    }

    fn json<T: Serialize + ?Sized>(&mut self, kind: FrameKind, what: &'static str, value: &T) -> Result<(), Error> {
        let start = frame::begin(kind, &mut self.out);
        let written = serde_json::to_writer(&mut self.out, value);
        if written.is_ok() && !frame::end(start, &mut self.out) {
            let cause = serde::ser::Error::custom("larger than a frame can be");
            return Err(Error::Encode { what, cause });
        }
        written.map_err(|cause| {
            self.out.truncate(start);
            Error::Encode { what, cause }
        })
    }
}
