//! [`HotClock`] is the clock of the measured program's recording threads: cheap to read, converted to nanoseconds
//! later.
//!
//! It reads the CPU's time-stamp counter where the kernel trusts that counter, else the kernel's monotonic clock. The
//! counter is used once three things hold. The kernel reports that it never changes rate nor stops (`constant_tsc` and
//! `nonstop_tsc` in `/proc/cpuinfo`; the latter is CPUID 8000_0007h EDX bit 8, "invariant TSC"). The kernel itself
//! keeps time by it (`current_clocksource` is `tsc`). The sampling thread has calibrated it in the background over at
//! least 50 ms. Until then, and from the moment it jumps, [`HotClock::ticks`] reads the monotonic clock (vDSO).
//!
//! An anchor is one look at both clocks. States: waiting → counting → given up; only the sampling thread moves them.
//! What a reader needs to turn the counter into nanoseconds *now* is `base`, `mult` (both written once, before
//! `counting` is published) and `offset_ns`, one word that every tick (wake-up of the sampling thread) replaces:
//! nothing could be read half old and half new.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::anchors::{Anchor, Anchors};
use crate::clock::Clock;
use crate::{Roots, sysfs};

/// Shortest time over which the counter is calibrated: anchors are good to about 30 ns, so this gives about 1 ppm.
const CALIBRATION_NS: u64 = 50_000_000;
/// Looks taken for one anchor; the narrowest counts, as an interruption widens a look.
const LOOKS: usize = 3;
/// `mult` is nanoseconds a count, times 2^32.
const SHIFT: u32 = 32;
/// An instant as the recording thread saw it, cheap to take, to be converted later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// Counter value, or monotonic nanoseconds.
    pub value: u64,
    /// Whether `value` is of the time-stamp counter.
    pub tsc: bool,
}

/// The clock of the recording threads; clones share one state.
///
/// ```
/// use eco2_samplers::{Roots, clock::Clock, tsc::HotClock};
///
/// let clock = HotClock::new(Clock::Monotonic, &Roots::default());
/// let before = clock.ticks(); // cheap; converted later
/// assert!(clock.now_ns() > 0 && before.value > 0);
/// ```
#[derive(Debug, Clone)]
pub struct HotClock {
    shared: Arc<CalibrationShared>,
}

/// State that all clones share. Nanoseconds = `offset_ns` + (counter − `base`) × `mult` / 2^32. Aligned so that it
/// shares no cache lines (64 bytes, read in pairs) with other data.
#[derive(Debug)]
#[repr(align(128))]
struct CalibrationShared {
    /// Whether the counter is used now.
    counting: AtomicBool,
    /// Counter value at the first anchor.
    base: AtomicU64,
    /// Nanoseconds a count, times 2^32.
    mult: AtomicU64,
    offset_ns: AtomicU64,
    error_ns: AtomicU64,
    /// Clock that is read while the counter is not used.
    clock: Clock,
    /// Whether the kernel trusts the counter.
    trusted: bool,
    /// Anchors so far, to convert earlier instants.
    history: Mutex<Anchors>,
}

impl HotClock {
    /// Returns a clock that will use the time-stamp counter if the machine under `roots` lets it; never with a scripted
    /// clock.
    #[must_use]
    pub fn new(clock: Clock, roots: &Roots) -> Self {
        let trusted = matches!(clock, Clock::Monotonic) && kernel_trusts_tsc(roots);
        Self {
            shared: Arc::new(CalibrationShared {
                counting: AtomicBool::new(false),
                base: AtomicU64::new(0),
                mult: AtomicU64::new(0),
                offset_ns: AtomicU64::new(0),
                error_ns: AtomicU64::new(0),
                clock,
                trusted,
                history: Mutex::default(),
            }),
        }
    }

    /// Returns the present instant, unconverted: one relaxed load, then either the counter or the monotonic clock.
    #[must_use]
    #[inline]
    pub fn ticks(&self) -> Ticks {
        // Relaxed: a late view only means one more look at the slower clock.
        if self.shared.counting.load(Ordering::Relaxed) {
            Ticks { value: counter(), tsc: true }
        } else {
            Ticks { value: self.shared.clock.now_ns(), tsc: false }
        }
    }

    /// Returns the time-stamp counter if [`HotClock::ticks`] uses it now. A recording path can then keep the other
    /// clock, and the registers that a call to it costs, out of line.
    #[must_use]
    #[inline]
    pub fn counted(&self) -> Option<u64> {
        // Relaxed: as in `ticks`.
        self.shared.counting.load(Ordering::Relaxed).then(counter)
    }

    /// Returns the present instant in monotonic nanoseconds, by the counter and the latest anchor where possible.
    /// Successive anchors may move it by up to [`HotClock::error_ns`], in either direction.
    #[must_use]
    #[inline]
    pub fn now_ns(&self) -> u64 {
        let shared = &*self.shared;
        // Acquire pairs with the Release in `start_counting`: base, mult and a first offset are seen, too.
        if !shared.counting.load(Ordering::Acquire) {
            return shared.clock.now_ns();
        }
        let since = counter().wrapping_sub(shared.base.load(Ordering::Relaxed));
        let scaled = scale(since, shared.mult.load(Ordering::Relaxed));
        // Relaxed: whichever tick's offset is seen, it is a whole one.
        shared.offset_ns.load(Ordering::Relaxed).wrapping_add(scaled)
    }

    /// Returns the measured error of [`HotClock::now_ns`] at the latest anchor, nanoseconds; 0 where the monotonic
    /// clock is read.
    #[must_use]
    pub fn error_ns(&self) -> u64 {
        self.shared.error_ns.load(Ordering::Relaxed)
    }

    /// Whether [`HotClock::ticks`] uses the counter now.
    #[must_use]
    pub fn counting(&self) -> bool {
        self.shared.counting.load(Ordering::Relaxed)
    }

    /// Returns the monotonic nanoseconds of an earlier instant, and the measured error by which its bounds are to be
    /// widened.
    ///
    /// Instants of one thread keep their order within that error. Takes a lock that only converters and the
    /// sampling thread's tick share; recording threads never do.
    #[must_use]
    pub fn convert(&self, ticks: Ticks) -> (u64, u64) {
        if !ticks.tsc {
            return (ticks.value, 0);
        }
        let history = self.shared.history.lock().unwrap_or_else(PoisonError::into_inner);
        // Without two anchors there can be no such ticks; all of time is then the honest error.
        history.convert(ticks.value).unwrap_or((0, u64::MAX))
    }

    /// Takes an anchor; the sampling thread calls this once a tick, just before it drains the event rings.
    pub fn anchor(&self) {
        if self.shared.trusted {
            self.observe(look());
        }
    }

    /// Gives the counter up, which may have jumped: the machine slept until `now_ns` or was moved to another host.
    pub fn jumped(&self, now_ns: u64) {
        self.shared.counting.store(false, Ordering::Relaxed);
        self.shared.error_ns.store(0, Ordering::Relaxed);
        self.shared.history.lock().unwrap_or_else(PoisonError::into_inner).give_up(now_ns);
    }

    /// Takes an anchor: starts to use the counter, corrects its offset, or gives it up.
    fn observe(&self, at: Anchor) {
        let shared = &*self.shared;
        let mut history = shared.history.lock().unwrap_or_else(PoisonError::into_inner);
        if !history.push(at) {
            shared.counting.store(false, Ordering::Relaxed);
            shared.error_ns.store(0, Ordering::Relaxed);
            return;
        }
        if shared.counting.load(Ordering::Relaxed) {
            shared.publish(at);
        } else {
            let first = history.first().filter(|first| at.mono_ns.saturating_sub(first.mono_ns) >= CALIBRATION_NS);
            first.into_iter().for_each(|first| shared.start_counting(first, at));
        }
        shared.error_ns.store(history.error_ns().unwrap_or(0), Ordering::Relaxed);
    }
}

impl CalibrationShared {
    /// Computes the counter's rate from the first anchor and this one, and starts to use it.
    fn start_counting(&self, first: Anchor, at: Anchor) {
        let per_count = (u128::from(at.mono_ns - first.mono_ns) << SHIFT) / u128::from((at.tsc - first.tsc).max(1));
        self.base.store(first.tsc, Ordering::Relaxed);
        self.mult.store(u64::try_from(per_count).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.publish(at);
        // Release pairs with the Acquire in `now_ns`.
        self.counting.store(true, Ordering::Release);
    }

    /// Makes the line through `now_ns` pass through this anchor.
    fn publish(&self, at: Anchor) {
        let since = at.tsc.wrapping_sub(self.base.load(Ordering::Relaxed));
        let scaled = scale(since, self.mult.load(Ordering::Relaxed));
        self.offset_ns.store(at.mono_ns.wrapping_sub(scaled), Ordering::Relaxed);
    }
}

/// Returns `counts` in nanoseconds.
fn scale(counts: u64, mult: u64) -> u64 {
    // The low word is the result modulo 2^64, as the wrapping arithmetic around it expects.
    ((u128::from(counts) * u128::from(mult)) >> SHIFT) as u64
}

/// Whether the kernel under `roots` reports that the counter is invariant and keeps time by it.
#[must_use]
pub fn kernel_trusts_tsc(roots: &Roots) -> bool {
    cfg!(target_arch = "x86_64") && invariant(roots) && keeps_time(roots)
}

fn invariant(roots: &Roots) -> bool {
    // The first CPU's entry: a file of hundreds takes the kernel milliseconds to make up.
    let cpuinfo = sysfs::read_head(&roots.procfs.join("cpuinfo")).unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let has = |flag| flags.split_ascii_whitespace().any(|word| word == flag);
    has("constant_tsc") && has("nonstop_tsc")
}

fn keeps_time(roots: &Roots) -> bool {
    let path = roots.sysfs.join("devices/system/clocksource/clocksource0/current_clocksource");
    fs::read_to_string(path).is_ok_and(|name| name.trim() == "tsc")
}

/// Returns the narrowest of a few looks at both clocks.
fn look() -> Anchor {
    let mut best = one_look();
    for _ in 1..LOOKS {
        let next = one_look();
        if next.half_width_ns < best.half_width_ns {
            best = next;
        }
    }
    best
}

/// Reads the counter between two readings of the monotonic clock.
fn one_look() -> Anchor {
    let before = crate::clock::monotonic_ns();
    let tsc = ordered_counter();
    let after = crate::clock::monotonic_ns();
    let width = after.saturating_sub(before);
    Anchor { tsc, mono_ns: before + width / 2, half_width_ns: width.div_ceil(2) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: reads a register and touches no memory; `trusted` saw the kernel use the same instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn ordered_counter() -> u64 {
    // SAFETY: a fence without operands (SSE2, part of x86_64); it keeps the counter between the two clock readings.
    unsafe { core::arch::x86_64::_mm_lfence() };
    counter()
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn ordered_counter() -> u64 {
    0
}
