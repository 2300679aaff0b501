//! The panic guard: what stands between a fault of ours and the program that called.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;
use std::sync::atomic::Ordering;

use crate::failure::{Failure, told};
use crate::handle::{DEAD, Handle};
use crate::status::{ECO2_ERR_FORKED, ECO2_ERR_PANIC, ECO2_OK};

/// Runs the body of an export that has no meter.
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

/// Runs the body of an export on a meter; `None` is what the caller's NULL became. A panic in it leaves the meter dead.
#[inline]
pub(crate) fn on_meter(meter: Option<&Handle>, body: impl FnOnce(&Handle) -> Result<(), Failure>) -> i32 {
    guard(|| {
        let handle = meter.ok_or_else(|| Failure::null("meter"))?;
        check(handle)?;
        let killer = OnUnwind(handle);
        let result = body(handle);
        std::mem::forget(killer);
        result
    })
}

/// Marks the meter dead if it is dropped, which only unwinding does.
struct OnUnwind<'a>(&'a Handle);

impl Drop for OnUnwind<'_> {
    fn drop(&mut self) {
        // Relaxed: whoever reads it late makes one more call into plain data.
        self.0.state.store(DEAD, Ordering::Relaxed);
    }
}

#[inline]
fn check(handle: &Handle) -> Result<(), Failure> {
    if handle.born.forked() {
        let text = "meter was opened before this process was forked; open another one here";
        return Err(Failure::new(ECO2_ERR_FORKED, text));
    }
    if handle.state.load(Ordering::Relaxed) == DEAD {
        return Err(Failure::new(ECO2_ERR_PANIC, "meter is dead since a fault in the library; free it"));
    }
    Ok(())
}

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
