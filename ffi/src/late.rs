//! Spans that the device stamped: recorded after they ended.

use eco2::LateSpan;

use crate::failure::Failure;
use crate::guard::{closed, on_live_meter};
use crate::handle::{Boxed as _, Handle};
use crate::status::ECO2_ERR_FORKED;

/// Records a span by its edges, nanoseconds of the monotonic clock (as in eco2_energy_now), soon after it ended.
///
/// For edges that a device stamps (ECO2_SYNC_EVENT) and the host learns later. ECO2_ERR_ARGUMENT: the end is before the
/// beginning or not yet reached, or the beginning is before the run's or too long ago (5 s at 100 readings a second).
/// ECO2_ERR_CLOSED: the run is over, nothing is recorded. Takes a lock. Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_span_between(meter: *const Handle, name: u32, begin_ns: u64, end_ns: u64) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_live_meter(meter, |handle| {
        let name = handle.name(name)?;
        handle.meter.between(name, begin_ns, end_ns).map_err(|late| match late {
            LateSpan::Over => closed(),
            LateSpan::Forked => Failure::new(ECO2_ERR_FORKED, late.to_string()),
            _ => Failure::argument(late.to_string()),
        })
    })
}
