//! Writes the files of a run while it goes on ([`Journal`]): the *log*, from which the run can be recovered after a crash, and the
//! *trace* of `eco2 run --trace`, which has every reading as CSV for `eco2 replay`. A failure of either does not stop the run.
//!
//! A reading has a *bracket*: the times just before and just after the sensor was read.

use std::io;
use std::path::Path;
use std::time::Duration;

use eco2_core::schema::{EventRecord, Report};
use eco2_core::{Domain, Gauge, Reading, RunEnds};
use eco2_report::{LogEncoder, LogMeta, LogStatus, LogWriter, Output, PolicyRecord, TraceWriter};
use eco2_samplers::{ReadDecision, quietly};

use crate::Error;
use crate::live::spool::Spool;

/// The longest that the end of a run waits for its log: well within the grace of any launcher's SIGTERM.
const CLOSE_PATIENCE: Duration = Duration::from_millis(100);

/// The log and the trace of one run; either may be missing.
#[derive(Default)]
pub(crate) struct Journal {
    log: Option<(LogEncoder, LogWriter)>,
    trace: Option<TraceWriter<Spool>>,
    /// Why the trace ended early; reported once.
    trace_failure: Option<String>,
    /// Buffer of [`one_bracket`].
    bracketed: Vec<(usize, Reading)>,
}

impl Journal {
    /// Starts the log of a run in the folder of runs.
    pub(crate) fn open_log(&mut self, runs: &Path, path: &Path, meta: &LogMeta) -> Result<(), Error> {
        let writer = quietly(|| LogWriter::create_in(runs, path))?;
        self.log = Some((LogEncoder::new(meta)?, writer));
        Ok(())
    }

    /// Starts a trace. Does not wait for the reader of a pipe.
    pub(crate) fn open_trace(&mut self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let output = Output::open(path).map_err(failed)?;
        self.trace = Some(TraceWriter::new(Spool::start(output).map_err(failed)?).map_err(failed)?);
        Ok(())
    }

    /// Whether a trace is written.
    pub(crate) fn traces(&self) -> bool {
        self.trace.is_some()
    }

    /// Writes the domains of a source: all of them to the log, and the added ones to the trace, which numbers those of all sources.
    pub(crate) fn domains(&mut self, source: usize, domains: &[Domain], added: &[Domain]) {
        if let Some((encoder, _)) = &mut self.log {
            encoder.domains(source, domains).ok();
        }
        self.with_trace(|trace| trace.domains(added));
    }

    /// Writes the readings of one tick of a source. `domain_indices` has the run's index of each of its domains.
    pub(crate) fn readings(&mut self, source: usize, readings: &[(usize, Reading)], domain_indices: &[usize]) {
        if let Some((encoder, _)) = &mut self.log {
            encoder.readings(source, one_bracket(readings, &mut self.bracketed));
        }
        if self.traces() {
            self.with_trace(|trace| {
                let mapped =
                    readings.iter().filter_map(|(domain, reading)| Some((*domain_indices.get(*domain)?, reading)));
                mapped.into_iter().try_for_each(|(domain, reading)| trace.reading(domain as u32, reading))
            });
        }
    }

    /// Writes a span that has ended to the trace.
    pub(crate) fn span(&mut self, name: &str, begin_ns: u64, end_ns: u64) {
        self.with_trace(|trace| trace.span(name, begin_ns, end_ns));
    }

    /// Writes gauges to the log.
    pub(crate) fn gauges(&mut self, at_ns: u64, gauges: &[Gauge]) {
        if let Some((encoder, _)) = &mut self.log {
            encoder.gauges(at_ns, gauges).ok();
        }
    }

    /// Writes an event to the log.
    pub(crate) fn event(&mut self, event: &EventRecord) {
        if let Some((encoder, _)) = &mut self.log {
            encoder.event(event).ok();
        }
    }

    /// Writes to the log how a source is read from now on, with the source's name.
    pub(crate) fn decided(&mut self, decision: &ReadDecision, name: &str) {
        if let Some((encoder, _)) = &mut self.log {
            encoder.policy(&policy_record(decision, name)).ok();
        }
    }

    /// Whether it is time for another provisional report in the log.
    pub(crate) fn checkpoint_due(&self, now_ns: u64) -> bool {
        self.log.as_ref().is_some_and(|(encoder, _)| encoder.checkpoint_due(now_ns))
    }

    /// Writes a provisional report to the log: what is left of a run that is killed.
    pub(crate) fn checkpoint(&mut self, now_ns: u64, report: &Report) {
        if let Some((encoder, _)) = &mut self.log {
            encoder.checkpoint(now_ns, report).ok();
        }
    }

    /// Passes encoded data to the log's thread. Returns a warning of that thread, once.
    pub(crate) fn submit(&mut self) -> Option<String> {
        let (encoder, writer) = self.log.as_mut()?;
        if encoder.pending() > 0 {
            let frames = encoder.take(writer.spare());
            writer.submit(frames);
        }
        writer.warning()
    }

    /// Returns a notice about the size of the folder of runs, once.
    pub(crate) fn notice(&mut self) -> Option<String> {
        self.log.as_mut().and_then(|(_, writer)| writer.notice())
    }

    /// Ends the trace; `run` has the start and the end of the run. Returns why the trace is incomplete, if it is.
    pub(crate) fn close_trace(&mut self, run: (u64, u64)) -> Option<String> {
        if let Some(trace) = self.trace.take() {
            let closed = trace.finish(Some(run)).and_then(Spool::close);
            if let Err(error) = closed {
                self.trace_failure.get_or_insert(error.to_string());
            }
        }
        self.trace_failure.take()
    }

    /// Returns the bytes of log data that were lost so far.
    pub(crate) fn lost_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, |(_, writer)| writer.status().lost_bytes)
    }

    /// Appends the counts at the ends of the run and the final report, and waits, for a bounded time, until the log is on disk.
    pub(crate) fn close_log(&mut self, report: &Report, ends: impl FnOnce() -> RunEnds) -> Option<LogStatus> {
        let (mut encoder, writer) = self.log.take()?;
        encoder.ends(&ends()).ok();
        encoder.finish(report).ok();
        writer.submit(encoder.take(Vec::new()));
        Some(writer.close(CLOSE_PATIENCE))
    }

    /// Writes to the trace, if there is one. A trace that cannot be written is ended; [`Journal::close_trace`] returns why.
    fn with_trace(&mut self, write: impl FnOnce(&mut TraceWriter<Spool>) -> io::Result<()>) {
        let Some(trace) = &mut self.trace else { return };
        if let Err(error) = write(trace) {
            self.trace_failure.get_or_insert(error.to_string());
            self.trace = None;
        }
    }
}

/// Returns a decision in the format of the log.
fn policy_record(decision: &ReadDecision, name: &str) -> PolicyRecord {
    let index = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    PolicyRecord {
        at_ns: decision.at_ns,
        source: index(decision.source),
        name: name.to_owned(),
        domain: decision.domain.map(index),
        policy: decision.way.name().to_owned(),
        every_ns: decision.every_ns,
        period_ns: decision.period_ns,
        reason: decision.reason.to_owned(),
    }
}

/// Returns the readings of a tick with one bracket, which spans the brackets of all. The log then keeps two times per tick
/// instead of two per reading. Bounds from a wider bracket are still valid. If a domain was read twice, all brackets are kept.
fn one_bracket<'a>(readings: &'a [(usize, Reading)], buffer: &'a mut Vec<(usize, Reading)>) -> &'a [(usize, Reading)] {
    let is_each_domain_once = readings.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let before_ns = readings.iter().map(|(_, reading)| reading.before_ns).min();
    let after_ns = readings.iter().map(|(_, reading)| reading.after_ns).max();
    let (true, Some(before_ns), Some(after_ns)) = (is_each_domain_once, before_ns, after_ns) else { return readings };
    buffer.clear();
    buffer.extend(readings.iter().map(|(domain, reading)| (*domain, Reading { before_ns, after_ns, ..*reading })));
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_one_bracket_a_tick_and_none_of_a_domain_read_twice() {
        let at = |before_ns, after_ns| Reading { before_ns, after_ns, value: Ok(1) };
        let mut buffer = Vec::new();
        let tick = [(0, at(10, 12)), (1, at(12, 15))];
        assert_eq!(one_bracket(&tick, &mut buffer), [(0, at(10, 15)), (1, at(10, 15))]);
        let samples = [(0, at(10, 12)), (0, at(20, 22))];
        assert_eq!(one_bracket(&samples, &mut buffer), samples);
    }
}
