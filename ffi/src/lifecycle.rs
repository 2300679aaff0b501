//! Exports opening, closing and freeing of a meter, and the queries that a meter answers in any state.

use std::ffi::c_char;
use std::path::Path;
use std::time::Duration;

use eco2::options::{Layer, Options, OptionsError, Origin, opt};
use eco2::{Meter, monotonic_ns};
use eco2_core::schema::Status;

use crate::failure::Failure;
use crate::guard::{guard, guard_or, mute_panics};
use crate::handle::{Boxed as _, Handle, OpenMeter, closed, forked, on_meter, on_meter_without_wait};
use crate::layout::Out;
use crate::numbers::{ECO2_LOG_DEBUG, ECO2_LOG_ERROR, ECO2_LOG_WARN};
use crate::process::{self, SourceEnd};
use crate::status::{ECO2_ERR_NO_DATA, ECO2_ERR_OPEN, ECO2_ERR_OPTIONS, ECO2_ERR_UTF8, ECO2_ERR_WRITE};
use crate::{source, text};

/// The longest wait at closing for the sampling thread to release the caller's sources.
///
/// A read that does not return in this time is taken to hang; a working one takes milliseconds.
const SOURCE_RELEASE_TIMEOUT: Duration = Duration::from_millis(500);

/// Opens a meter and starts the run.
///
/// `options_json` is one JSON object with the options' names (`{"name": "bert", "zone": "DE"}`), or NULL. It takes
/// precedence over the environment (`ECO2_*`), `./eco2.toml`, the user's and the machine's configuration. Sources that were
/// registered with eco2_register_source() go to this meter. Missing hardware is no error: the report and the log name it.
/// On success `*out` is a meter that eco2_meter_free() frees. Waits up to 250 ms for the first readings.
/// Any thread; no other thread may change the environment meanwhile. Since 0.1.
///
/// ```c
/// #include <eco2.h>
/// #include <stdio.h>
///
/// int main(void) {
///     eco2_meter *meter = NULL;
///     uint32_t step;
///     static char report[1 << 16];
///     size_t needed;
///     if (eco2_meter_open("{\"name\": \"train\", \"zone\": \"DE\"}", &meter) != ECO2_OK
///         || eco2_span_id(meter, "step", &step) != ECO2_OK) {
///         fprintf(stderr, "%s\n", eco2_last_error());
///         return 1;
///     }
///     for (int i = 0; i < 100; i++) {
///         eco2_work work = {.struct_size = sizeof work, .samples = 32};
///         eco2_step_work(meter, step, &work);
///     }
///     eco2_meter_close(meter);
///     if (eco2_report(meter, ECO2_REPORT_TEXT, report, sizeof report, &needed) == ECO2_OK) {
///         fputs(report, stdout);
///     }
///     eco2_meter_free(meter);
///     return 0;
/// }
/// ```
///
/// # Safety
/// `options_json` is NULL or ends with NUL; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_open(options_json: *const c_char, out: *mut *mut Handle) -> i32 {
    guard(|| {
        mute_panics();
        // SAFETY: as required of the caller.
        let out = unsafe { Out::new(out, "out") }?;
        // SAFETY: as required of the caller.
        let json = unsafe { text::bytes(options_json) };
        let options = resolve(json)?;
        out.put(Handle::into_raw(open(options)?));
        Ok(())
    })
}

/// Reads the options from files, the environment and the JSON text of the caller.
fn resolve(json: Option<&[u8]>) -> Result<Options, Failure> {
    let from_code =
        json.map_or_else(|| Ok(Layer::default()), |text| Options::from_json(text, Origin::code("options_json")));
    let from_code = from_code.map_err(options_failure)?;
    let (options, warnings) = Options::load_with(from_code).map_err(options_failure)?;
    if options.json.as_deref() == Some(Path::new("-")) {
        let place = options.origin(&opt::JSON);
        return Err(Failure::new(
            ECO2_ERR_OPTIONS,
            format!("{place}: {} is -, but the library does not print; name a file", opt::JSON.name),
        ));
    }
    if !options.hides_refusals() {
        options.refused.iter().for_each(|refused| process::log(ECO2_LOG_WARN, &refused.to_string()));
    }
    if !options.quiet {
        warnings.iter().for_each(|warning| process::log(ECO2_LOG_WARN, &warning.to_string()));
    }
    Ok(options)
}

/// Returns an error of the options as a failure.
fn options_failure(error: OptionsError) -> Failure {
    let code = if matches!(error, OptionsError::NotUtf8 { .. }) { ECO2_ERR_UTF8 } else { ECO2_ERR_OPTIONS };
    Failure::new(code, error.to_string())
}

/// Opens a meter with resolved options.
fn open(options: Options) -> Result<OpenMeter, Failure> {
    let registered = process::take_sources();
    let sources = registered.iter().map(source::adapter).collect();
    let meter = match Meter::open_with(options.clone(), sources) {
        Ok(meter) => meter,
        Err(error) => {
            process::return_sources(registered);
            return Err(open_failure(&error));
        }
    };
    if let Some(pid) = options.pid {
        meter.follow(pid);
    }
    if !options.quiet {
        log_missing_sources(&meter);
    }
    Ok(OpenMeter::new(meter, options, registered.iter().map(|source| source.end.clone()).collect()))
}

/// Returns an error of opening as a failure.
fn open_failure(error: &eco2::Error) -> Failure {
    let of_options = matches!(
        error,
        eco2::Error::Options(_)
            | eco2::Error::Webhook(_)
            | eco2::Error::Email(_)
            | eco2::Error::Push { .. }
            | eco2::Error::Zone(_)
            | eco2::Error::Range(_)
            | eco2::Error::Sources(_)
    );
    Failure::new(if of_options { ECO2_ERR_OPTIONS } else { ECO2_ERR_OPEN }, error.to_string())
}

fn log_missing_sources(meter: &Meter) {
    for source in meter.snapshot().sources {
        if !matches!(source.status, Status::Ok | Status::Off) {
            let remedy = if source.remedy.is_empty() { String::new() } else { format!("; {}", source.remedy) };
            process::log(ECO2_LOG_DEBUG, &format!("{}: {}{remedy}", source.name, source.reason));
        }
    }
}

/// Ends the run: waits for the counters' next updates (at most 250 ms), completes the log and the report.
///
/// After that the meter can be read (eco2_report(), eco2_span_total(), eco2_device_get(), eco2_series(),
/// eco2_budget_check()), and records nothing more. ECO2_ERR_CLOSED if it was closed before. ECO2_ERR_WRITE: it is closed,
/// but the file of the option `json` could not be written. Any thread; other threads may go on calling: those that read the
/// meter wait until it is closed. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_close(meter: *mut Handle) -> i32 {
    let end_ns = guard_or(0, monotonic_ns);
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        let Some(report) = handle.close(end_ns) else { return Err(closed()) };
        wait_for_destructors(&handle.sources);
        let Some(path) = &handle.options.json else { return Ok(()) };
        let written = eco2_report::json(&report).and_then(|text| eco2_report::write_file(path, text.as_bytes()));
        written.map_err(|error| {
            process::log(ECO2_LOG_ERROR, &error.to_string());
            Failure::new(ECO2_ERR_WRITE, error.to_string())
        })
    })
}

/// Frees a meter. A run that goes on is ended without waiting. NULL: nothing happens.
///
/// In a forked child nothing of the parent's is touched or freed. No other call on this meter may be under way or
/// follow. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; no thread uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_free(meter: *mut Handle) {
    guard(|| {
        // SAFETY: as required of the caller.
        let Some(handle) = (unsafe { Handle::borrow(meter) }) else { return Ok(()) };
        if handle.meter.forked() {
            // A thread of the parent may have held any of its locks at the fork: the meter is left alone.
            return Ok(());
        }
        handle.kill();
        // SAFETY: the last use, as required of the caller.
        let mut handle = unsafe { Handle::from_raw(meter) };
        let sources = std::mem::take(&mut handle.sources);
        drop(handle);
        wait_for_destructors(&sources);
        Ok(())
    });
}

/// Waits for the destructors of the caller's sources, so that none runs after the call that ends them.
fn wait_for_destructors(sources: &[SourceEnd]) {
    let until_ns = monotonic_ns().saturating_add(SOURCE_RELEASE_TIMEOUT.as_nanos() as u64);
    while sources.iter().any(|end| !end.is_reached()) && monotonic_ns() < until_ns {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// ECO2_ERR_FORKED if this process is a fork of the one that opened the meter, ECO2_OK if not.
///
/// Wait-free. Any thread; in a closed meter, and after a fault in the library, too. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_forked(meter: *const Handle) -> i32 {
    guard(|| {
        // SAFETY: as required of the caller.
        let handle = unsafe { Handle::borrow(meter) }.ok_or_else(|| Failure::null("meter"))?;
        if handle.meter.forked() { Err(forked()) } else { Ok(()) }
    })
}

/// This process's rank among those that a launcher started (torchrun, mpirun, srun and others), as in the report.
///
/// ECO2_ERR_NO_DATA if no launcher gave it one. Takes no lock. Any thread; in a closed meter too. Since 0.2.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_rank(meter: *const Handle, out: *mut u32) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter_without_wait(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { Out::new(out, "out") }?;
        let rank = handle.meter.rank();
        out.put(rank.ok_or_else(|| Failure::new(ECO2_ERR_NO_DATA, "no launcher gave this process a rank"))?);
        Ok(())
    })
}

/// Causes a fault inside the library, to test how a program reacts: returns ECO2_ERR_PANIC, and the meter is dead.
///
/// Any thread. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed.
#[unsafe(no_mangle)]
#[expect(clippy::panic, reason = "the caller asks for a panic, to test the guard around it")]
pub unsafe extern "C" fn eco2_debug_panic(meter: *const Handle) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |_| panic!("asked for by eco2_debug_panic"))
}
