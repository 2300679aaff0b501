//! The end of a run, and of its handle.

use std::time::Duration;

use eco2::monotonic_ns;

use crate::failure::Failure;
use crate::guard::{closed, guard, guard_or, on_meter};
use crate::handle::{Boxed as _, DEAD, Handle};
use crate::log::say;
use crate::numbers::ECO2_LOG_ERROR;
use crate::source::Gone;
use crate::status::ECO2_ERR_WRITE;

/// How long closing waits until the sampling thread has let go of the host's sources.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Ends the run: waits for the counters' next updates (at most 250 ms), completes the log and the report.
///
/// The meter can then be read (eco2_report(), eco2_span_total(), eco2_device_get(), eco2_series(), eco2_budget_check()),
/// and no more be recorded to. ECO2_ERR_CLOSED if it was closed before. ECO2_ERR_WRITE: it is closed, but the file of
/// the option `json` could not be written. Any thread; other threads may go on calling. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_close(meter: *mut Handle) -> i32 {
    let end_ns = guard_or(0, monotonic_ns);
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_meter(meter, |handle| {
        let Some(over) = handle.finish(end_ns) else { return Err(closed()) };
        let_go(&handle.sources);
        let Some(place) = &handle.options.json else { return Ok(()) };
        let written = eco2_report::json(&over.report).and_then(|text| eco2_report::write_file(place, text.as_bytes()));
        written.map_err(|error| {
            say(ECO2_LOG_ERROR, &error.to_string());
            Failure::new(ECO2_ERR_WRITE, error.to_string())
        })
    })
}

/// Frees a meter; a run that goes on is ended without waiting. NULL: nothing happens.
///
/// In a forked child nothing of the parent's is touched or given back. No other call on this meter may be under way or
/// follow. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_free(meter: *mut Handle) {
    guard(|| {
        // SAFETY: as required of the caller.
        let Some(handle) = (unsafe { Handle::borrowed(meter) }) else { return Ok(()) };
        if handle.born.forked() {
            // The parent's threads may have held any of its locks at the fork: it is left alone.
            return Ok(());
        }
        handle.state.store(DEAD, std::sync::atomic::Ordering::Relaxed);
        // SAFETY: the last use, as required of the caller.
        let mut handle = unsafe { Handle::from_raw(meter) };
        let sources = std::mem::take(&mut handle.sources);
        drop(handle);
        let_go(&sources);
        Ok(())
    });
}

/// Waits for the destructors of the host's sources, so that none runs after the call that ends them.
fn let_go(sources: &[Gone]) {
    let until_ns = monotonic_ns().saturating_add(LETTING_GO.as_nanos() as u64);
    while sources.iter().any(|gone| !gone.is_true()) && monotonic_ns() < until_ns {
        std::thread::sleep(Duration::from_micros(50));
    }
}
