//! Recording: spans, steps, work. Nothing here allocates, locks or waits unless it says so or fails.

use std::ffi::c_char;

use eco2::{NameId, Step};
use eco2_core::schema::DeviceSync;

use crate::failure::Failure;
use crate::guard::on_live_meter;
use crate::handle::{Boxed as _, Handle};
use crate::layout::{self, Growable, Out};
use crate::numbers::{ECO2_SYNC_EVENT, ECO2_SYNC_NONE, ECO2_SYNC_SYNCHRONIZE, ECO2_WORK_HAS_LOSS};
use crate::status::{ECO2_ERR_DROPPED, ECO2_ERR_NOT_OPEN};
use crate::text;

/// What a step did. Zero the struct, set struct_size, then the fields.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// sizeof(eco2_work).
    pub struct_size: u32,
    /// ECO2_WORK_HAS_LOSS, or 0.
    pub flags: u32,
    /// Samples processed.
    pub samples: u64,
    /// Tokens processed.
    pub tokens: u64,
    /// Loss, if the flag says so; a value that is not finite is ignored.
    pub loss: f64,
}

// SAFETY: repr(C) of plain numbers without holes (asserted in layout_checks), the size first.
unsafe impl Growable for Work {
    const FIRST: usize = 32;
}

/// Gives the id of a span name (1 to 256 bytes of UTF-8); the same id for the same text. Keep it: recording takes it.
///
/// Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `name` is NULL or ends with NUL; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_id(meter: *const Handle, name: *const c_char, out: *mut u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
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
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_begin(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_live_meter(meter, |handle| recorded(handle.meter.begin(handle.name(name)?)))
}

/// Ends this thread's nearest open span of that name. ECO2_ERR_NOT_OPEN if there is none. Wait-free. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_end(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_live_meter(meter, |handle| {
        let ended = handle.meter.end(handle.name(name)?);
        if ended { Ok(()) } else { Err(not_open()) }
    })
}

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
    let meter = unsafe { Handle::borrowed(meter) };
    on_live_meter(meter, |handle| recorded(handle.meter.step(handle.name(name)?)))
}

/// Starts the steps of that name on this thread: the next one begins here. For set-up before the first step, and for pauses
/// between steps; a step that is open is given up and does not count. Wait-free. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_start_steps(meter: *const Handle, name: u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_live_meter(meter, |handle| recorded(handle.meter.start_steps(handle.name(name)?)))
}

/// eco2_step(), and counts what was done: one step, its samples and tokens. A loss takes a lock. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `work` is NULL or as long as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_step_work(meter: *const Handle, name: u32, work: *const Work) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_live_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let work = unsafe { layout::read(work, "work") }?;
        let name = handle.name(name)?;
        recorded(handle.meter.step_work(name, done(&work)?))
    })
}

fn done(work: &Work) -> Result<Step, Failure> {
    if work.flags & !ECO2_WORK_HAS_LOSS != 0 {
        return Err(Failure::argument(format!("work: flags is {:#x}; allowed: 0 or ECO2_WORK_HAS_LOSS", work.flags)));
    }
    let loss = (work.flags & ECO2_WORK_HAS_LOSS != 0).then_some(work.loss);
    Ok(Step { samples: work.samples, tokens: work.tokens, loss })
}

/// Adds a figure of the program's own to the report; the last value of a name counts. Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `name` is NULL or ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_extra(meter: *const Handle, name: *const c_char, value: f64) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
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

/// Says what the edges of a name's spans do about queued GPU work (ECO2_SYNC_...). Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_declare_sync(meter: *const Handle, name: u32, sync: i32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
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

/// The number of a sync, as in the interface.
pub(crate) fn sync_number(sync: DeviceSync) -> i32 {
    match sync {
        DeviceSync::None => ECO2_SYNC_NONE,
        DeviceSync::Synchronize => ECO2_SYNC_SYNCHRONIZE,
        DeviceSync::Event => ECO2_SYNC_EVENT,
    }
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
