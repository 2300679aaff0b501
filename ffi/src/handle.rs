//! Defines the *handle*, the pointer to an open meter in C: what it owns, the only place where it becomes a pointer,
//! and the checks before each call on it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eco2::options::Options;
use eco2::{Meter, NameId, Patience};
use eco2_core::schema::Report;

use crate::failure::Failure;
use crate::guard::guard;
use crate::process::SourceEnd;
use crate::status::{ECO2_ERR_CLOSED, ECO2_ERR_FORKED, ECO2_ERR_PANIC};

/// State of a handle whose run goes on.
const LIVE: u32 = 0;
/// State of a handle whose run has ended, or is being ended by a thread that holds [`OpenMeter::closing`]: it can still be
/// read.
const CLOSED: u32 = 1;
/// State of a handle after a panic: it can only be freed.
const DEAD: u32 = 2;

/// One measured run. Opaque: only the library knows its contents.
pub struct Handle([u8; 0]);

/// What a [`Handle`] points to. A separate type, so that a change of it does not change the exported types.
pub(crate) struct OpenMeter {
    pub(crate) meter: Meter,
    state: AtomicU32,
    /// Held by the thread that ends the run, from before the state is CLOSED until the report is final.
    closing: Mutex<()>,
    /// Name ids below this number were handed out.
    name_count: AtomicU32,
    pub(crate) options: Options,
    pub(crate) sources: Vec<SourceEnd>,
}

/// How ownership of a type crosses the C interface: one call makes it a pointer, one call takes the pointer back.
pub(crate) trait Boxed: Sized {
    /// The type that the pointer points to.
    type Inner;

    /// Hands ownership to the caller.
    fn into_raw(inner: Self::Inner) -> *mut Self {
        Box::into_raw(Box::new(inner)).cast()
    }

    /// Takes ownership back.
    ///
    /// # Safety
    /// `raw` came from [`Boxed::into_raw`] and is not used any more.
    unsafe fn from_raw(raw: *mut Self) -> Box<Self::Inner> {
        // SAFETY: as required of the caller.
        unsafe { Box::from_raw(raw.cast()) }
    }

    /// Borrows it; `None` for NULL.
    ///
    /// # Safety
    /// `raw` is NULL, or came from [`Boxed::into_raw`] and is not taken back during `'a`.
    #[inline]
    unsafe fn borrow<'a>(raw: *const Self) -> Option<&'a Self::Inner> {
        // SAFETY: as required of the caller.
        unsafe { raw.cast::<Self::Inner>().as_ref() }
    }
}

impl Boxed for Handle {
    type Inner = OpenMeter;
}

/// Fails to compile for a type that several threads of the caller may not use at once.
const fn assert_shared<T: Send + Sync>() {}
const _: () = assert_shared::<OpenMeter>();

impl OpenMeter {
    pub(crate) fn new(meter: Meter, options: Options, sources: Vec<SourceEnd>) -> Self {
        let (state, closing) = (AtomicU32::new(LIVE), Mutex::default());
        Self { meter, state, closing, name_count: AtomicU32::new(0), options, sources }
    }

    /// Returns the id of a name: the same id for the same text, and one shared id for all names after the table is full.
    pub(crate) fn intern(&self, name: &str) -> u32 {
        let id = self.meter.name(name).0;
        // Relaxed: the caller passes the id itself to other threads.
        self.name_count.fetch_max(id.saturating_add(1), Ordering::Relaxed);
        id
    }

    /// Returns a name by its id, if this meter handed it out.
    #[inline]
    pub(crate) fn name(&self, id: u32) -> Result<NameId, Failure> {
        if id < self.name_count.load(Ordering::Relaxed) {
            return Ok(NameId(id));
        }
        Err(Self::unknown_name(id))
    }

    /// Returns the failure of a name's id that this meter did not hand out.
    #[cold]
    #[inline(never)]
    fn unknown_name(id: u32) -> Failure {
        Failure::argument(format!("name is {id}, which eco2_span_id did not return for this meter"))
    }

    /// Ends the run and returns its report; `None` if it was closed before. Waits while another thread closes it.
    pub(crate) fn close(&self, end_ns: u64) -> Option<Report> {
        let _closing = self.lock_closing();
        // Relaxed: a record between this and the end of the run is dropped with its ring.
        let first = self.state.compare_exchange(LIVE, CLOSED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let report = self.meter.finish(end_ns, None, Patience::LastReadings);
        first.then_some(report)
    }

    /// Waits until the report is final, if the run has ended or a thread is ending it: a caller that saw the meter closed
    /// reads no provisional report.
    fn await_final_report(&self) {
        // Relaxed: a thread that reads the old state reads a provisional report, as before the end.
        if self.state.load(Ordering::Relaxed) == CLOSED {
            drop(self.lock_closing());
        }
    }

    fn lock_closing(&self) -> MutexGuard<'_, ()> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the handle as unusable: only freeing it is allowed.
    pub(crate) fn kill(&self) {
        // Relaxed: a thread that reads the old state makes one more call into plain data.
        self.state.store(DEAD, Ordering::Relaxed);
    }
}

/// Runs the body of an export on a meter, live or closed. Waits while another thread closes it. A panic in the body leaves
/// the meter dead. `None` is the caller's NULL.
pub(crate) fn on_meter(meter: Option<&OpenMeter>, body: impl FnOnce(&OpenMeter) -> Result<(), Failure>) -> i32 {
    on_meter_without_wait(meter, |handle| {
        handle.await_final_report();
        body(handle)
    })
}

/// [`on_meter`] for a body that does not read the report.
pub(crate) fn on_meter_without_wait(
    meter: Option<&OpenMeter>,
    body: impl FnOnce(&OpenMeter) -> Result<(), Failure>,
) -> i32 {
    on_meter_if(|meter, state| state != DEAD && !meter.forked(), meter, body)
}

/// [`on_meter`] for a live meter only.
pub(crate) fn on_live_meter(meter: Option<&OpenMeter>, body: impl FnOnce(&OpenMeter) -> Result<(), Failure>) -> i32 {
    on_meter_if(|meter, state| state == LIVE && !meter.forked(), meter, body)
}

/// [`on_live_meter`] for the calls of a training loop. The body's own call checks for a fork and fails there, so that it
/// is checked once.
#[inline(always)]
pub(crate) fn on_hot_meter(meter: Option<&OpenMeter>, body: impl FnOnce(&OpenMeter) -> Result<(), Failure>) -> i32 {
    on_meter_if(|_, state| state == LIVE, meter, |handle| body(handle).map_err(|failure| after_fork(handle, failure)))
}

/// The reason of a failure in a forked child is the fork, whatever the call reported.
#[cold]
#[inline(never)]
fn after_fork(handle: &OpenMeter, failure: Failure) -> Failure {
    if handle.meter.forked() { forked() } else { failure }
}

#[inline(always)]
fn on_meter_if(
    usable: impl FnOnce(&Meter, u32) -> bool,
    meter: Option<&OpenMeter>,
    body: impl FnOnce(&OpenMeter) -> Result<(), Failure>,
) -> i32 {
    guard(|| {
        let handle = meter.ok_or_else(|| Failure::null("meter"))?;
        // Relaxed: a thread that reads the old state makes one more call into plain data.
        if !usable(&handle.meter, handle.state.load(Ordering::Relaxed)) {
            return Err(unusable(handle));
        }
        let on_unwind = KillOnUnwind(handle);
        let result = body(handle);
        std::mem::forget(on_unwind);
        result
    })
}

/// Marks the meter dead when it is dropped, which happens only during a panic.
struct KillOnUnwind<'a>(&'a OpenMeter);

impl Drop for KillOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Returns why a meter cannot be called. Out of line, as every failure is, so that the calls of a training loop keep
/// their registers.
#[cold]
#[inline(never)]
fn unusable(handle: &OpenMeter) -> Failure {
    if handle.meter.forked() {
        return forked();
    }
    if handle.state.load(Ordering::Relaxed) == DEAD {
        return Failure::new(ECO2_ERR_PANIC, "meter is dead since a fault in the library; free it");
    }
    closed()
}

/// Returns the failure of a call in a forked child.
pub(crate) fn forked() -> Failure {
    Failure::new(ECO2_ERR_FORKED, "meter was opened before this process was forked; open another one here")
}

/// Returns the failure of a call on a closed meter.
pub(crate) fn closed() -> Failure {
    Failure::new(ECO2_ERR_CLOSED, "meter is closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2::options::{Log, opt};

    #[test]
    fn thread_that_sees_the_meter_closed_reads_the_final_report() {
        let options = Options { log: Log::Off, ..Options::default() };
        let meter = Meter::builder().options(options.clone()).set(&opt::SOURCES, "synthetic").open().unwrap();
        let handle = OpenMeter::new(meter, options, Vec::new());
        let seen = std::thread::scope(|threads| {
            let reader = threads.spawn(|| {
                while on_live_meter(Some(&handle), |_| Ok(())) != ECO2_ERR_CLOSED {}
                let mut seen = None;
                on_meter(Some(&handle), |handle| {
                    seen = Some(handle.meter.snapshot());
                    Ok(())
                });
                seen
            });
            let last = handle.close(eco2::monotonic_ns());
            (last, reader.join().unwrap())
        });
        assert!(seen.0.is_some());
        assert_eq!(seen.0, seen.1);
    }
}
