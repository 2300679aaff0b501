//! A fault on request: how a program, and our tests, see that one does not end it.

use crate::guard::on_meter;
use crate::handle::{Boxed as _, Handle};

/// Makes a fault inside the library, to try out what a program does then: returns ECO2_ERR_PANIC, the meter is dead.
///
/// Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
#[expect(clippy::panic, reason = "a panic is what is asked for; the guard around it is what is tested")]
pub unsafe extern "C" fn eco2_debug_panic(meter: *const Handle) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_meter(meter, |_| panic!("asked for by eco2_debug_panic"))
}
