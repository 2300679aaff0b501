//! [`Sampler`] starts and ends the sampling thread: the one thread of a run that reads energy sensors.
//!
//! Terms: a source reads one interface of the system, such as RAPL (CPU energy) or NVML (NVIDIA GPUs). A sink takes
//! what the sources read. A tick is one wake-up of the thread. A flush reads everything once, at once. A knot is a
//! reading that the sink still needs after the end of a span of time, to know the energy at that end.
//!
//! The thread sleeps until an absolute instant, reads what is due and hands it to the sink. It blocks all signals but
//! those that a fault of its own raises, has a small stack, and is pinned to a CPU where that saves reads from another
//! CPU. The thread that closes it gets the sink back within a bounded time, whatever a source or the sink does.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::clock::{Clock, monotonic_ns, thread_cpu_ns};
use crate::deadline::quiet_thread;
use crate::fork::ForkGuard;
use crate::options::Options;
use crate::sink_slot::FutexEvent;
use crate::sink_slot::SinkSlot;
use crate::tick_loop::{Now, TickLoop};
use crate::{Sink, Source};

/// Stack of the thread: the loop calls only a few frames deep. Vendor libraries, which need more, have their own
/// threads.
const STACK_BYTES: usize = 256 << 10;
/// Longest wait for a source or the sink that does not return: of a flush, and of the end beyond the time given to it.
/// A tenth of a second: a person does not notice it, and a read that works takes a small part of it.
const GRACE_NS: u64 = 100_000_000;
/// Time between two readings of everything while the end waits for the last counter changes: 1 ms, in which the
/// fastest counters (RAPL) change once.
const CLOSING_NS: u64 = 1_000_000;
/// Time between two looks for the answer of a source that has a thread of its own.
const LOOK: Duration = Duration::from_micros(500);
/// Most looks that one flush takes: 40 × 0.5 ms = 20 ms, well within [`GRACE_NS`].
const LOOKS: usize = 40;

/// Why there is no sampling thread.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system refused a thread.
    #[error("cannot start the sampling thread: {0}; raise the limit on processes (ulimit -u)")]
    Thread(#[source] io::Error),
}

/// What sampling cost: CPU time and ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SamplingCost {
    /// CPU time of the sampling thread and of those that sources have of their own, nanoseconds.
    pub cpu_ns: u64,
    /// Number of ticks (wake-ups that read something) that took place.
    pub ticks: u64,
    /// Number of ticks that were skipped, because the thread woke a whole interval late or more.
    pub missed_ticks: u64,
}

/// How sampling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sink had all readings that it needed: a counter change after the end of every span.
    Settled,
    /// The time given to [`Sampler::stop`] was over before that; results stay provisional.
    Deadline,
    /// A source or the sink did not return; the thread was left behind.
    Hung,
    /// The sink panicked: what it holds may be incomplete.
    Panicked,
    /// This process is a fork of the one that sampled.
    Forked,
}

/// What [`Sampler::stop`] returns: the sink, the cost and how sampling ended.
pub struct Finished {
    /// The sink; `None` if a call into it never returned, or after a fork.
    pub sink: Option<Box<dyn Sink>>,
    /// What sampling cost, as far as the thread has reported it.
    pub cost: SamplingCost,
    /// How sampling ended.
    pub ended: Ending,
}

/// State that the thread shares with its owner, the [`Sampler`].
struct SamplerShared {
    sink_slot: SinkSlot,
    /// Raised by the owner to wake the thread: for a flush or for the end.
    asks: FutexEvent,
    /// Raised by the thread once for each flush that it has done.
    flushed: FutexEvent,
    /// Raised by the thread once, when it ends.
    ended: FutexEvent,
    /// Number of flushes that were requested.
    flushes: AtomicU64,
    /// Monotonic nanoseconds at which to stop waiting for the last counter changes; `RUNNING` until the end is
    /// requested.
    stop_ns: AtomicU64,
    /// The three numbers of [`SamplingCost`], as last reported by the thread.
    cpu_ns: AtomicU64,
    ticks: AtomicU64,
    missed: AtomicU64,
    /// CPU that the thread is pinned to, plus one; 0 while it is not pinned.
    pinned: AtomicU64,
    /// How the thread ended: `PANICKED` until it sets one of the other two.
    ending: AtomicU64,
}

/// Value of `SamplerShared::stop_ns` while no end is requested.
const RUNNING: u64 = u64::MAX;
// Values of `SamplerShared::ending`. It starts as `PANICKED`, which a thread that panics leaves in place.
const PANICKED: u64 = 0;
const SETTLED: u64 = 1;
const DEADLINE: u64 = 2;

/// A running sampling thread. Dropping it ends the thread without waiting for the last counter changes.
///
/// ```
/// use eco2_samplers::synthetic::{Curve, Synthetic};
/// use eco2_samplers::{Options, Sampler, clock::Clock};
///
/// let source = Synthetic::new(Curve::default(), Clock::Monotonic);
/// let sampler = Sampler::start(vec![Box::new(source)], Box::new(()), Options::default())?; // `()` drops readings
/// let finished = sampler.stop(1_000_000_000); // waits up to 1 s for the last updates
/// assert!(finished.sink.is_some() && finished.cost.ticks > 0);
/// # Ok::<(), eco2_samplers::StartError>(())
/// ```
pub struct Sampler {
    shared: Arc<SamplerShared>,
    /// Notices when this process is a fork, in which the thread does not exist.
    born: ForkGuard,
    /// Whether the end was requested already, so that dropping requests nothing.
    over: bool,
}

impl Sampler {
    /// Starts the thread `eco2-sampler`, which hands what `sources` read to `sink`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(sources: Vec<Box<dyn Source>>, sink: Box<dyn Sink>, options: Options) -> Result<Self, StartError> {
        let shared = Arc::new(SamplerShared {
            sink_slot: SinkSlot::new(sink),
            asks: FutexEvent::default(),
            flushed: FutexEvent::default(),
            ended: FutexEvent::default(),
            flushes: AtomicU64::new(0),
            stop_ns: AtomicU64::new(RUNNING),
            cpu_ns: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
            ending: AtomicU64::new(PANICKED),
        });
        let rounds = TickLoop::new(sources, &options, Now::of(&options.clock));
        let thread = SamplingThread { shared: Arc::clone(&shared), rounds, flushes: 0 };
        quiet_thread("eco2-sampler", STACK_BYTES, move || thread.run(&options)).map_err(StartError::Thread)?;
        Ok(Self { shared, born: ForkGuard::here(), over: false })
    }

    /// Makes the thread read everything now and waits until the sink has the readings.
    ///
    /// Returns `false` if that took longer than 0.1 s, if the thread has ended, or in a fork.
    pub fn flush(&self) -> bool {
        if self.born.forked() {
            return false;
        }
        let (deadline_ns, mut seen) = (monotonic_ns() + GRACE_NS, self.shared.flushed.count());
        let mine = self.shared.flushes.fetch_add(1, Ordering::AcqRel) + 1;
        self.shared.asks.raise();
        while u64::from(seen) < mine && monotonic_ns() < deadline_ns && self.shared.ended.count() == 0 {
            seen = self.shared.flushed.wait(seen, deadline_ns);
        }
        u64::from(seen) >= mine && self.shared.ended.count() == 0
    }

    /// Makes the thread look at once for what the sink needs, without waiting for it.
    pub fn wake(&self) {
        if !self.born.forked() {
            self.shared.asks.raise();
        }
    }

    /// Returns a handle that does what [`Sampler::wake`] does, for threads that do not own the sampler.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { shared: Arc::clone(&self.shared), born: self.born }
    }

    /// Ends sampling: reads everything once more, then reads on until the sink needs no more.
    ///
    /// Reading on takes `within_ns` at most; pass 0 in a process that must exit now. The call returns at the latest a
    /// tenth of a second after that, even if a source hangs.
    #[must_use]
    pub fn stop(mut self, within_ns: u64) -> Finished {
        self.end(within_ns)
    }

    /// Returns what sampling has cost so far; the thread updates the numbers once a second.
    #[must_use]
    pub fn cost(&self) -> SamplingCost {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SamplingCost {
            cpu_ns: of(&self.shared.cpu_ns),
            ticks: of(&self.shared.ticks),
            missed_ticks: of(&self.shared.missed),
        }
    }

    /// Returns the CPU that the thread is pinned to, or `None` if it is not pinned.
    #[must_use]
    pub fn pinned_cpu(&self) -> Option<usize> {
        usize::try_from(self.shared.pinned.load(Ordering::Relaxed)).ok()?.checked_sub(1)
    }

    /// Whether this process is a fork of the one that started sampling. It costs one relaxed load.
    #[must_use]
    #[inline]
    pub fn forked(&self) -> bool {
        self.born.forked()
    }

    /// Requests the end, waits for the thread for a bounded time and takes the sink back.
    fn end(&mut self, within_ns: u64) -> Finished {
        self.over = true;
        if self.born.forked() {
            return Finished { sink: None, cost: self.cost(), ended: Ending::Forked };
        }
        let stop_ns = monotonic_ns().saturating_add(within_ns).min(RUNNING - 1);
        let patience_ns = stop_ns.saturating_add(GRACE_NS);
        self.shared.stop_ns.store(stop_ns, Ordering::Relaxed);
        self.shared.asks.raise();
        let returned = self.shared.ended.wait(0, patience_ns) != 0;
        let ended = match self.shared.ending.load(Ordering::Relaxed) {
            _ if !returned => Ending::Hung,
            SETTLED => Ending::Settled,
            DEADLINE => Ending::Deadline,
            _ => Ending::Panicked,
        };
        Finished { sink: self.shared.sink_slot.take(patience_ns), cost: self.cost(), ended }
    }
}

/// Wakes the sampling thread; see [`Sampler::waker`]. It does nothing after the thread has ended, and in a fork.
#[derive(Clone)]
pub struct Waker {
    shared: Arc<SamplerShared>,
    born: ForkGuard,
}

impl Waker {
    /// Makes the thread look at once for what the sink needs, without waiting for it.
    pub fn wake(&self) {
        if !self.born.forked() {
            self.shared.asks.raise();
        }
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if !self.over {
            drop(self.end(0));
        }
    }
}

/// What runs on the thread: the loop over the sources, and how many flushes it has done.
struct SamplingThread {
    shared: Arc<SamplerShared>,
    rounds: TickLoop,
    flushes: u64,
}

/// Raises `ended` when it is dropped: at the end of the thread, also when a panic of the sink unwinds it.
struct Farewell(Arc<SamplerShared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.cpu_ns.fetch_max(thread_cpu_ns(), Ordering::Relaxed);
        self.0.ended.raise();
        // A thread that waits for a flush checks again, and sees the end.
        self.0.flushed.raise();
    }
}

impl SamplingThread {
    /// Runs ticks until the sink was taken back or the end is complete.
    fn run(mut self, options: &Options) {
        let _farewell = Farewell(Arc::clone(&self.shared));
        if let Some(cpu) = options.pin.then(|| pin(&options.cpus)).flatten() {
            self.shared.pinned.store(cpu as u64 + 1, Ordering::Relaxed);
        }
        let (mut asked, mut reported_ns, mut stopping) = (0, 0, false);
        loop {
            let stops = !stopping && self.shared.stop_ns.load(Ordering::Relaxed) != RUNNING;
            stopping |= stops;
            if stops {
                self.report_cost();
                self.rounds.judge_limit(monotonic_ns(), self.shared.cpu_ns.load(Ordering::Relaxed));
            }
            let first = self.rounds.counted().0 == 0;
            if !self.tick(stopping, stops || first, &options.clock) || (stopping && self.is_over()) {
                break;
            }
            let now_ns = monotonic_ns();
            if now_ns.saturating_sub(reported_ns) >= 1_000_000_000 {
                reported_ns = now_ns;
                self.report_cost();
                self.rounds.govern(now_ns, self.shared.cpu_ns.load(Ordering::Relaxed));
            }
            let next_ns = self.rounds.next_ns();
            asked = self.shared.asks.wait(asked, if stopping { next_ns.min(now_ns + CLOSING_NS) } else { next_ns });
        }
        self.report_cost();
    }

    /// Runs one tick; returns `false` once the sink was taken back.
    ///
    /// It reads everything if sampling is `stopping` or a flush was requested, else only what is due. With `awaits`
    /// (the first tick of a run and the first one of its end) it gives sources that have threads of their own, which
    /// answer later than they are asked, up to 20 ms to answer.
    fn tick(&mut self, stopping: bool, awaits: bool, clock: &Clock) -> bool {
        // Acquire pairs with the AcqRel in `flush`: a flush that is counted here is read for here.
        let flushes = self.shared.flushes.load(Ordering::Acquire);
        let flushing = self.flushes < flushes;
        let now = Now::of(clock);
        let mut open = self.rounds.tick(now, stopping || flushing, &self.shared.sink_slot);
        if (awaits || flushing) && self.rounds.has_threaded() {
            self.collect(now.ns);
            open &= self.shared.sink_slot.with(|sink| sink.tick(clock.now_ns())).is_some();
        }
        while self.flushes < flushes {
            self.flushes += 1;
            self.shared.flushed.raise();
        }
        open
    }

    /// Waits until each source on a thread of its own has answered what it was asked at `since_ns` or later, at most 20
    /// ms.
    fn collect(&mut self, since_ns: u64) {
        for _ in 0..LOOKS {
            std::thread::sleep(LOOK);
            if self.rounds.collect(since_ns, &self.shared.sink_slot) {
                return;
            }
        }
    }

    /// Whether the end is complete: the sink has what it needs, or the time is over. Records which of the two it is.
    fn is_over(&self) -> bool {
        let settled = self.shared.sink_slot.with(|sink| sink.settled()).unwrap_or(true);
        let over = settled || monotonic_ns() >= self.shared.stop_ns.load(Ordering::Relaxed);
        if over {
            self.shared.ending.store(if settled { SETTLED } else { DEADLINE }, Ordering::Relaxed);
        }
        over
    }

    /// Publishes ticks and CPU time for [`Sampler::cost`].
    fn report_cost(&self) {
        let (ticks, missed) = self.rounds.counted();
        self.shared.ticks.store(ticks, Ordering::Relaxed);
        self.shared.missed.store(missed, Ordering::Relaxed);
        self.shared.cpu_ns.store(thread_cpu_ns() + self.rounds.threaded_cpu_ns(), Ordering::Relaxed);
    }
}

/// Pins this thread to the first of `cpus` that it may run on and returns that CPU; `None` when there is none or the
/// kernel refused.
fn pin(cpus: &[usize]) -> Option<usize> {
    let allowed = sched_getaffinity(None).ok()?;
    let cpu = cpus.iter().copied().find(|cpu| *cpu < CpuSet::MAX_CPU && allowed.is_set(*cpu))?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).ok().map(|()| cpu)
}
