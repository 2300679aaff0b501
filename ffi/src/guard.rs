//! Guards against panics: a panic inside the library becomes a status and never reaches the calling program.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Once;

use crate::failure::{self, Failure};
use crate::status::{ECO2_ERR_PANIC, ECO2_OK};

/// Runs the body of an export and returns its status.
///
/// Inlined, because every record passes through it: all that remains of the guard then is a table that only a panic reads.
#[inline(always)]
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let with_status = || match body() {
        Ok(()) => ECO2_OK,
        Err(failure) => failure::store(failure),
    };
    catch_unwind(AssertUnwindSafe(with_status)).unwrap_or_else(panic_status)
}

/// Runs the body of an export that returns something other than a status; `fallback` is returned after a panic.
pub(crate) fn guard_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        dispose(payload);
        fallback
    })
}

/// Keeps the message of a panic for `eco2_last_error`, and returns the status.
#[cold]
#[inline(never)]
fn panic_status(payload: Box<dyn Any + Send>) -> i32 {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let code = failure::store(Failure::new(ECO2_ERR_PANIC, format!("a fault in the library was caught: {text}")));
    dispose(payload);
    code
}

/// Drops a panic's payload if it is a message. The destructor of any other payload could panic again: it never runs.
fn dispose(payload: Box<dyn Any + Send>) {
    if !payload.is::<&str>() && !payload.is::<String>() {
        std::mem::forget(payload);
    }
}

/// Stops printing this library's panics; the guard reports them instead.
///
/// The hook belongs to this library's own copy of the Rust runtime: no other Rust code in the process is affected.
pub(crate) fn mute_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| set_hook(Box::new(|_| {})));
}
