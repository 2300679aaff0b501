//! Exports recording of spans, steps and work in an open meter.
//!
//! A call allocates, locks or waits only where its documentation states it, or where it fails. *Span*: a named stretch of
//! time between two calls on one thread. *Step*: a span whose end begins the next one.

use std::ffi::c_char;

use eco2::{LateSpan, NameId, Step};
use eco2_core::schema::DeviceSync;

use crate::failure::Failure;
use crate::handle::{Boxed as _, Handle, closed, forked, on_hot_meter, on_live_meter};
use crate::layout::{self, Growable, Out, assert_layout};
use crate::numbers::{ECO2_SYNC_EVENT, ECO2_SYNC_NONE, ECO2_SYNC_SYNCHRONIZE, ECO2_WORK_HAS_LOSS};
use crate::status::{ECO2_ERR_DROPPED, ECO2_ERR_NOT_OPEN};
use crate::text;

/// Work of one step. Zero the struct, set struct_size, then the fields.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct StepWork {
    /// sizeof(eco2_work).
    pub struct_size: u32,
    /// ECO2_WORK_HAS_LOSS, or 0.
    pub flags: u32,
    /// Samples processed.
    pub samples: u64,
    /// Tokens processed.
    pub tokens: u64,
    /// Loss, if `flags` has ECO2_WORK_HAS_LOSS; a value that is not finite is ignored.
    pub loss: f64,
}

// SAFETY: repr(C) of plain numbers without padding (asserted below), the size first.
unsafe impl Growable for StepWork {
    const FIRST_SIZE: usize = 32;
}

assert_layout!(StepWork is 32: struct_size 0 flags 4 samples 8 tokens 16 loss 24);

/// Returns the id of a span name (1 to 256 bytes of UTF-8); the same id for the same text. Keep it for the recording calls.
///
/// Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `name` is NULL or ends with NUL; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_id(meter: *const Handle, name: *const c_char, out: *mut u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_live_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let name = unsafe { text::name(name, "name") }?;
        // SAFETY: as required of the caller.
        let out = unsafe { Out::new(out, "out") }?;
        out.put(handle.intern(name));
        Ok(())
    })
}

/// Begins a span on this thread. Wait-free. Any thread. Since 0.1.
///
/// ```c
/// #include <eco2.h>
/// #include <stdio.h>
///
/// int main(void) {
///     eco2_meter *meter = NULL;
///     uint32_t evaluation;
///     eco2_span_sum sum = {.struct_size = sizeof sum};
///     if (eco2_meter_open(NULL, &meter) != ECO2_OK || eco2_span_id(meter, "evaluation", &evaluation) != ECO2_OK) {
///         fprintf(stderr, "%s\n", eco2_last_error());
///         return 1;
///     }
///     eco2_span_begin(meter, evaluation);
///     for (volatile int i = 0; i < 10000000; i = i + 1) {
///     }
///     eco2_span_end(meter, evaluation);
///     eco2_meter_close(meter);
///     if (eco2_span_total(meter, evaluation, &sum) == ECO2_OK && sum.energy_uj != ECO2_UNKNOWN) {
///         printf("%.3f J in %.3f s\n", (double)sum.energy_uj / 1e6, (double)sum.duration_ns / 1e9);
///     } else {
///         printf("energy not known: %s\n", eco2_last_error());
///     }
///     eco2_meter_free(meter);
///     return 0;
/// }
/// ```
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_begin(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| recorded(handle.meter.begin(handle.name(name)?)))
}

/// Ends this thread's nearest open span of that name. ECO2_ERR_NOT_OPEN if there is none. Wait-free. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_end(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| {
        let ended = handle.meter.end(handle.name(name)?);
        if ended { Ok(()) } else { Err(not_open()) }
    })
}

/// Returns the failure of ending a span that is not open.
#[cold]
#[inline(never)]
fn not_open() -> Failure {
    let text = "no span of that name is open on this thread: it was not begun here, has ended, or was dropped";
    Failure::new(ECO2_ERR_NOT_OPEN, text)
}

/// Ends this thread's step and begins the next at one instant. A loop of ten calls is ten steps: the first began when the
/// meter opened, or where eco2_start_steps() was called. After an explicit eco2_span_end() of that name the next call only
/// begins. Until 0.1 the first call only began a step, so that ten calls were nine steps. Wait-free. Since 0.1.
///
/// Steps are counted on each thread. The run's own steps, which budgets, forecasts and the report's work count, are those
/// of the name in the option `step_name`: by default `step`, and without spans of that name the first that is stepped.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_step(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| recorded(handle.meter.step(handle.name(name)?)))
}

/// Starts the steps of that name on this thread: the next one begins here. For set-up before the first step, and for pauses
/// between steps; an open step is discarded and does not count. Wait-free. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_start_steps(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| recorded(handle.meter.start_steps(handle.name(name)?)))
}

/// eco2_step() with the work of the ended step: its samples and tokens. A loss takes a lock. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `work` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_step_work(meter: *const Handle, name: u32, work: *const StepWork) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_hot_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let work = unsafe { layout::read(work, "work") }?;
        let name = handle.name(name)?;
        recorded(handle.meter.step_work(name, step(&work)?))
    })
}

/// Converts the work of a step from the struct of the C interface, and checks it.
fn step(work: &StepWork) -> Result<Step, Failure> {
    if work.flags & !ECO2_WORK_HAS_LOSS != 0 {
        return Err(Failure::argument(format!("work: flags is {:#x}; allowed: 0 or ECO2_WORK_HAS_LOSS", work.flags)));
    }
    let loss = (work.flags & ECO2_WORK_HAS_LOSS != 0).then_some(work.loss);
    Ok(Step { samples: work.samples, tokens: work.tokens, loss })
}

/// Records a span by its start and end, nanoseconds of the monotonic clock (as in eco2_energy_now), soon after it ended.
///
/// For times that a device records (ECO2_SYNC_EVENT) and the host reads later. ECO2_ERR_ARGUMENT: `end_ns` is before `begin_ns`
/// or in the future, or `begin_ns` is before the run or too long ago (5 s at 100 readings per second).
/// ECO2_ERR_CLOSED: the run has ended, nothing is recorded. Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_between(meter: *const Handle, name: u32, begin_ns: u64, end_ns: u64) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_live_meter(meter, |handle| {
        let name = handle.name(name)?;
        handle.meter.between(name, begin_ns, end_ns).map_err(|late| match late {
            LateSpan::Over => closed(),
            LateSpan::Forked => forked(),
            _ => Failure::argument(late.to_string()),
        })
    })
}

/// Adds a value of the program to the report; the last value of a name counts. Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `name` is NULL or ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_extra(meter: *const Handle, name: *const c_char, value: f64) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_live_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let name = unsafe { text::name(name, "name") }?;
        if !value.is_finite() {
            return Err(Failure::argument(format!("value is {value}; allowed: a finite number")));
        }
        handle.meter.extra(name, value);
        Ok(())
    })
}

/// Declares whether a name's spans begin and end with a wait for queued GPU work (ECO2_SYNC_...). Takes a lock. Any thread.
/// Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_declare_sync(meter: *const Handle, name: u32, sync: i32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_live_meter(meter, |handle| {
        let sync = match sync {
            ECO2_SYNC_NONE => DeviceSync::None,
            ECO2_SYNC_SYNCHRONIZE => DeviceSync::Synchronize,
            ECO2_SYNC_EVENT => DeviceSync::Event,
            other => return Err(Failure::argument(format!("sync is {other}; allowed: ECO2_SYNC_... (0 to 2)"))),
        };
        let name: NameId = handle.name(name)?;
        handle.meter.declare_sync(name, sync);
        Ok(())
    })
}

#[inline(always)]
fn recorded(recorded: bool) -> Result<(), Failure> {
    if recorded { Ok(()) } else { Err(dropped()) }
}

#[cold]
#[inline(never)]
fn dropped() -> Failure {
    let text = "there was no room to record the span (too many threads, open spans, or events between two readings)";
    Failure::new(ECO2_ERR_DROPPED, text)
}
