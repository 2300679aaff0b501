//! Opening a meter: from a JSON text, the environment and the configuration files to a handle.

use std::ffi::c_char;
use std::path::Path;

use eco2::Meter;
use eco2::options::{Layer, Options, OptionsError, Origin, opt};
use eco2_core::schema::Status;

use crate::failure::Failure;
use crate::guard::{guard, silence_panics};
use crate::handle::{Boxed as _, Handle, Run};
use crate::layout::Out;
use crate::log::say;
use crate::numbers::ECO2_LOG_WARN;
use crate::status::{ECO2_ERR_OPEN, ECO2_ERR_OPTIONS, ECO2_ERR_UTF8};
use crate::{source, text};

/// Opens a meter and begins the run.
///
/// `options_json` is one JSON object with the options' names (`{"name": "bert", "zone": "DE"}`), or NULL. It goes before
/// the environment (`ECO2_*`), `./eco2.toml`, the user's and the machine's configuration. Sources that were registered
/// with eco2_register_source() go to this meter. Hardware that is missing is no error: the report says so, and the log.
/// On success `*out` is a meter that eco2_meter_free() frees. Waits up to 250 ms for the first readings.
/// Any thread; no other thread may change the environment meanwhile. Since 0.1.
///
/// # Safety
/// `options_json` is NULL or ends with NUL; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_meter_open(options_json: *const c_char, out: *mut *mut Handle) -> i32 {
    guard(|| {
        silence_panics();
        // SAFETY: as required of the caller.
        let out = unsafe { Out::new(out, "out") }?;
        // SAFETY: as required of the caller.
        let given = unsafe { text::bytes(options_json) };
        let options = resolve(given)?;
        out.put(Handle::give(open(options)?));
        Ok(())
    })
}

fn resolve(given: Option<&[u8]>) -> Result<Options, Failure> {
    let code =
        given.map_or_else(|| Ok(Layer::default()), |text| Options::from_json(text, Origin::code("options_json")));
    let code = code.map_err(refused)?;
    let (options, warnings) = Options::load_with(code).map_err(refused)?;
    if options.json.as_deref() == Some(Path::new("-")) {
        let place = options.origin(&opt::JSON);
        return Err(Failure::new(
            ECO2_ERR_OPTIONS,
            format!("{place}: {} is -, but a library does not print; give a file", opt::JSON.name),
        ));
    }
    if !options.hides_refusals() {
        options.refused.iter().for_each(|refused| say(ECO2_LOG_WARN, &refused.to_string()));
    }
    if !options.quiet {
        warnings.iter().for_each(|warning| say(ECO2_LOG_WARN, &warning.to_string()));
    }
    Ok(options)
}

fn refused(error: OptionsError) -> Failure {
    let code = if matches!(error, OptionsError::NotUtf8 { .. }) { ECO2_ERR_UTF8 } else { ECO2_ERR_OPTIONS };
    Failure::new(code, error.to_string())
}

fn open(options: Options) -> Result<Run, Failure> {
    let registered = source::take();
    let own = registered.iter().map(source::adapted).collect();
    let meter = match Meter::open_with(options.clone(), own) {
        Ok(meter) => meter,
        Err(error) => {
            source::put_back(registered);
            return Err(failed(&error));
        }
    };
    if let Some(pid) = options.pid {
        meter.follow(pid);
    }
    if !options.quiet {
        warn_of_sources(&meter);
    }
    Ok(Run::new(meter, options, registered.iter().map(|source| source.gone()).collect()))
}

fn failed(error: &eco2::Error) -> Failure {
    let wrong = matches!(
        error,
        eco2::Error::Options(_)
            | eco2::Error::Webhook(_)
            | eco2::Error::Email(_)
            | eco2::Error::Zone(_)
            | eco2::Error::Range(_)
            | eco2::Error::Sources(_)
    );
    Failure::new(if wrong { ECO2_ERR_OPTIONS } else { ECO2_ERR_OPEN }, error.to_string())
}

fn warn_of_sources(meter: &Meter) {
    for source in meter.snapshot().sources {
        if !matches!(source.status, Status::Ok | Status::Off) {
            say(ECO2_LOG_WARN, &format!("{}: {}; {}", source.name, source.reason, source.remedy));
        }
    }
}
