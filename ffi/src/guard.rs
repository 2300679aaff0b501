//! The panic guard: what stands between a fault of ours and the program that called.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;
use std::sync::atomic::Ordering;

use crate::failure::{Failure, told};
use crate::handle::{DEAD, LIVE, Run};
use crate::status::{ECO2_ERR_CLOSED, ECO2_ERR_FORKED, ECO2_ERR_PANIC, ECO2_OK};

/// Runs the body of an export that has no meter. Inlined, as all of it is on the way of every record: what is left of
/// the guard then is a table that only a panic reads.
#[inline(always)]
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let whole = || match body() {
        Ok(()) => ECO2_OK,
        Err(failure) => told(failure),
    };
    catch_unwind(AssertUnwindSafe(whole)).unwrap_or_else(told_panic)
}

/// Runs the body of an export that returns something else than a status.
pub(crate) fn guard_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        dispose(payload);
        otherwise
    })
}

/// Runs the body of an export on a meter, live or closed; `None` is what the caller's NULL became. A panic in it leaves
/// the meter dead.
#[inline(always)]
pub(crate) fn on_meter(meter: Option<&Run>, body: impl FnOnce(&Run) -> Result<(), Failure>) -> i32 {
    on_meter_if(|state| state != DEAD, meter, body)
}

/// The same for a live meter only.
#[inline(always)]
pub(crate) fn on_live_meter(meter: Option<&Run>, body: impl FnOnce(&Run) -> Result<(), Failure>) -> i32 {
    on_meter_if(|state| state == LIVE, meter, body)
}

#[inline(always)]
fn on_meter_if(
    fit: impl FnOnce(u32) -> bool,
    meter: Option<&Run>,
    body: impl FnOnce(&Run) -> Result<(), Failure>,
) -> i32 {
    guard(|| {
        let handle = meter.ok_or_else(|| Failure::null("meter"))?;
        // Relaxed: who sees a change late makes one more call into plain data.
        if handle.born.forked() || !fit(handle.state.load(Ordering::Relaxed)) {
            return Err(unfit(handle));
        }
        let killer = OnUnwind(handle);
        let result = body(handle);
        std::mem::forget(killer);
        result
    })
}

/// Marks the meter dead if it is dropped, which only unwinding does.
struct OnUnwind<'a>(&'a Run);

impl Drop for OnUnwind<'_> {
    fn drop(&mut self) {
        // Relaxed: whoever reads it late makes one more call into plain data.
        self.0.state.store(DEAD, Ordering::Relaxed);
    }
}

/// Why a meter cannot be called. Made out of line, as every failure is, so that the calls of a training loop keep their
/// registers.
#[cold]
#[inline(never)]
fn unfit(handle: &Run) -> Failure {
    if handle.born.forked() {
        let text = "meter was opened before this process was forked; open another one here";
        return Failure::new(ECO2_ERR_FORKED, text);
    }
    if handle.state.load(Ordering::Relaxed) == DEAD {
        return Failure::new(ECO2_ERR_PANIC, "meter is dead since a fault in the library; free it");
    }
    closed()
}

/// What a call on a closed meter is told.
#[cold]
#[inline(never)]
pub(crate) fn closed() -> Failure {
    Failure::new(ECO2_ERR_CLOSED, "meter is closed")
}

#[cold]
#[inline(never)]
fn told_panic(payload: Box<dyn Any + Send>) -> i32 {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let code = told(Failure::new(ECO2_ERR_PANIC, format!("a fault in the library was caught: {text}")));
    dispose(payload);
    code
}

/// Drops a payload that is a message; any other's destructor could panic again, and is never run.
fn dispose(payload: Box<dyn Any + Send>) {
    if !payload.is::<&str>() && !payload.is::<String>() {
        std::mem::forget(payload);
    }
}

/// From now on panics of this library are not printed; the guard tells of them.
///
/// The hook belongs to this library's own copy of the Rust runtime, no other Rust code in the process sees it.
pub(crate) fn silence_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| set_hook(Box::new(|_| {})));
}
