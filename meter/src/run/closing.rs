//! Ends a run ([`Meter::close`], [`Meter::finish`], and when a [`Meter`] is dropped): waits for the last readings, sends the last alerts,
//! makes the final report and ends the log. A *knot* is a change of a counter; the energy until the end of the run is known when
//! every counter has changed after it.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eco2_core::schema::{EventKind, Report};
use eco2_samplers::{Ending as Sampling, Finished, Sampler, clock};

use crate::live::engine::Engine;
use crate::live::thread_rings;
use crate::run::budget::BudgetReader;
use crate::run::meter::Meter;
use crate::run::push::Pushed;
use crate::run::report::Ending;
use crate::sync::lock;

/// The longest that closing waits for the last knots. Counters with short periods need less.
const MAX_WAIT_NS: u64 = 250_000_000;
/// A counter whose period is not known yet is taken to have this one: that of most GPUs.
const USUAL_PERIOD_NS: u64 = 20_000_000;
/// How long the end of a run waits for the servers that its metrics are pushed to. What they did not take waits for the next push.
const PUSH_PATIENCE: Duration = Duration::from_secs(3);
/// The longest that the end of a run waits for a push: that time, and that of a request that has begun.
const PUSH_END: Duration = Duration::from_secs(7);
/// The longest that a hurried end waits for the disk.
const HURRIED_PUSH: Duration = Duration::from_millis(500);

/// How long the end of a run waits for its last readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until the counters have changed after the end, 250 ms at most.
    LastReadings,
    /// One more reading and no wait, as on SIGTERM; the report is then provisional.
    OneReading,
}

impl Meter {
    /// Ends the run and returns its final report. Waits for the counters' next updates, for 250 ms at most, and writes the
    /// end of the log.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let builder = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic");
    /// let meter = builder.open()?;
    /// // train
    /// # std::thread::sleep(std::time::Duration::from_millis(250));
    /// let report = meter.close();
    /// match report.energy.kwh() {
    ///     Some(kwh) => println!("{kwh:.3e} kWh, {:?} g CO2e", report.carbon.and_then(|carbon| carbon.grams)),
    ///     None => println!("energy not known: {:?}", report.sources),
    /// }
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn close(mut self) -> Report {
        self.end_once(clock::monotonic_ns(), None, Patience::LastReadings);
        self.over.take().unwrap_or_else(|| self.snapshot())
    }

    /// Ends the run right after `end_ns` of the monotonic clock (a reading later), with a command's exit code, and returns its final report. Threads
    /// that share the meter may still record: what they record from then on does not count. A second call returns the same
    /// report, and so does [`Meter::snapshot`].
    ///
    /// ```
    /// use eco2::{Patience, monotonic_ns};
    ///
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// let report = meter.finish(monotonic_ns(), Some(1), Patience::LastReadings);
    /// assert_eq!(report.run.exit_code, Some(1));
    /// assert_eq!(meter.snapshot(), report);
    /// # Ok::<(), eco2::Error>(())
    /// ```
    #[must_use]
    pub fn finish(&self, end_ns: u64, exit_code: Option<i32>, patience: Patience) -> Report {
        self.end_once(end_ns, exit_code, patience);
        self.snapshot()
    }

    /// Ends the run at `end_ns` or the reading after it, unless it has ended. Does nothing in a forked child.
    fn end_once(&self, end_ns: u64, exit_code: Option<i32>, patience: Patience) {
        if self.forked() {
            return;
        }
        thread_rings::release(self.id);
        let _ending = lock(&self.ending);
        // A second call waits for the lock, and finds no sampler to stop. The lock of `sampling` is released at once, so that
        // a provisional report does not wait.
        let Some(sampler) = lock(&self.sampling).take() else { return };
        // The run ends right after a reading: without it, its energy would have the lower bound of the last one, which may be a
        // second old.
        sampler.flush();
        let end_ns = end_ns.max(clock::monotonic_ns());
        let is_hurried = patience == Patience::OneReading;
        lock(&self.shared.sharing).end();
        let finished = self.stop_sampler(sampler, end_ns, patience);
        if !is_hurried {
            let identity = &self.shared.identity;
            self.shared.pricing.await_intensities(&identity.when(identity.started_ns, end_ns));
        }
        self.shared.check_budget(end_ns, true, BudgetReader::Report);
        self.shared.check_rates(end_ns, true);
        for (kind, text) in self.shared.alerts.close(is_hurried) {
            lock(&self.shared.engine).record_event(end_ns, kind, "", text);
        }
        let report = self.last_report(&finished, end_ns, exit_code, is_hurried);
        self.over.set(report).ok();
    }

    /// Stops the sampling thread, after it has read on until every counter has changed or `patience` is over.
    fn stop_sampler(&self, sampler: Sampler, end_ns: u64, patience: Patience) -> Finished {
        let mut engine = lock(&self.shared.engine);
        engine.end_at(end_ns);
        let wait_ns = if patience == Patience::OneReading { 0 } else { patience_ns(engine.ledger.tracks().iter()) };
        drop(engine);
        sampler.stop(wait_ns)
    }

    /// Makes the final report, and ends the trace and the log.
    fn last_report(&self, finished: &Finished, end_ns: u64, exit_code: Option<i32>, is_hurried: bool) -> Report {
        let mut engine = lock(&self.shared.engine);
        engine.drain();
        if let Some((kind, text)) = trouble(finished.ended) {
            engine.record_event(end_ns, kind, "", text.to_owned());
        }
        let begin_ns = engine.ledger.opened_ns();
        if let Some(failure) = engine.journal.close_trace((begin_ns, end_ns.max(begin_ns))) {
            engine.record_event(end_ns, EventKind::TraceFailed, "", failure);
        }
        let ending = Ending { exit_code, cost: finished.cost, closed: true, ..Ending::default() };
        let mut report = self.shared.report(&engine, &ending, end_ns);
        drop(engine);
        let problems = self.push(&report, is_hurried);
        let mut engine = lock(&self.shared.engine);
        if !problems.is_empty() {
            for problem in problems {
                engine.record_event(end_ns, EventKind::PushFailed, "", problem);
            }
            report = self.shared.report(&engine, &ending, end_ns);
        }
        let Engine { journal, ledger, .. } = &mut *engine;
        if let Some(status) = journal.close_log(&report, || ledger.run_ends(end_ns)) {
            if let Some(warning) = status.warning {
                engine.record_event(end_ns, EventKind::LogFailed, "", warning);
                report = self.shared.report(&engine, &ending, end_ns);
            }
            report.own.log_lost_bytes = status.lost_bytes;
        }
        report
    }
}

impl Meter {
    /// Pushes the metrics of the run to the places that the options name, and sends what waited for them; in a hurry it stores
    /// them for the next push. A thread does so, because a disk or a server may hang. Returns texts about what failed.
    fn push(&self, report: &Report, is_hurried: bool) -> Vec<String> {
        let mut targets = std::mem::take(&mut *lock(&self.push));
        if targets.is_empty() {
            return Vec::new();
        }
        let (report, (done, result)) = (report.clone(), mpsc::channel());
        let pushing = move || {
            let pushed = Pushed::of_run(&report);
            let mut problems = targets.put_for_all(&pushed);
            problems.extend(targets.put(&pushed));
            if !is_hurried {
                problems.extend(targets.send(PUSH_PATIENCE));
            }
            // The end of the run may not have waited.
            done.send(problems).ok();
        };
        let thread = thread::Builder::new().name("eco2-push".to_owned()).spawn(pushing);
        let patience = if is_hurried { HURRIED_PUSH } else { PUSH_END };
        let problems = thread.ok().and_then(|_| result.recv_timeout(patience).ok());
        problems
            .unwrap_or_else(|| vec!["push: not done in time, because the disk or a server does not answer".to_owned()])
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end_once(clock::monotonic_ns(), None, Patience::OneReading);
    }
}

/// Returns how long to wait for the last knots: one and a half periods of the slowest counter, because a period varies. Frozen
/// counters do not change and are left out.
fn patience_ns<'a>(tracks: impl Iterator<Item = &'a eco2_core::Track>) -> u64 {
    let periods = tracks.filter(|track| !track.is_frozen()).filter_map(eco2_core::Track::period_ns);
    let slowest_ns = periods.max().unwrap_or(0).max(USUAL_PERIOD_NS);
    (slowest_ns + slowest_ns / 2).min(MAX_WAIT_NS)
}

/// Returns the event for a sampling thread that did not end by itself; `None`: it did.
fn trouble(ended: Sampling) -> Option<(EventKind, &'static str)> {
    match ended {
        Sampling::Hung => {
            Some((EventKind::SamplerHung, "a source did not return; the run ends with what was read before"))
        }
        Sampling::Panicked => {
            Some((EventKind::SamplerPanicked, "a fault in eco2 ended sampling early; nothing was read since"))
        }
        _ => None,
    }
}
