//! Loads `libnvidia-ml` (NVML), the library of NVIDIA's driver, once in a process and for good.
//!
//! A loaded library is leaked on purpose. The wrapper's `Drop` calls `nvmlShutdown` and panics where the symbol is
//! missing; worse, it would unload code in which a hung thread of ours may still be. NVML counts initialisations, so
//! holding one for the life of the process disturbs no other user, and no other `nvmlShutdown` closes it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};

use crate::fork::ForkGuard;

/// The driver's library, and the name that only development packages give it.
const NAMES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// By path, and by process: a forked child has to initialise the driver again.
static LOADED: Mutex<Vec<(PathBuf, ForkGuard, &'static Nvml)>> = Mutex::new(Vec::new());

/// Loads and initialises the library at `path`, or the system's. May hang as long as the driver does.
///
/// # Errors
/// The loader's or the driver's error; for the system's library, that of its usual name.
pub(super) fn load(path: Option<&Path>) -> Result<&'static Nvml, NvmlError> {
    let names = match path {
        Some(path) => vec![path],
        None => NAMES.map(Path::new).to_vec(),
    };
    let mut first = None;
    for name in names {
        match load_one(name) {
            Ok(nvml) => return Ok(nvml),
            Err(error @ NvmlError::LibloadingError(_)) => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or(NvmlError::LibraryNotFound))
}

fn load_one(name: &Path) -> Result<&'static Nvml, NvmlError> {
    let here = ForkGuard::here();
    let known = |loaded: &[(PathBuf, ForkGuard, &'static Nvml)]| {
        loaded.iter().find(|(path, born, _)| path == name && *born == here).map(|found| found.2)
    };
    if let Some(nvml) = known(&LOADED.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(nvml);
    }
    // Not under the lock: a driver that hangs here must not delay users of another library.
    let nvml: &'static Nvml = Box::leak(Box::new(Nvml::builder().lib_path(OsStr::new(name)).init()?));
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(earlier) = known(&loaded) {
        return Ok(earlier);
    }
    loaded.push((name.to_path_buf(), here, nvml));
    Ok(nvml)
}

/// Initialises a loaded library again: NVML counts, so this undoes one `nvmlShutdown` too many by someone else.
pub(super) fn init(nvml: &Nvml) -> Result<(), NvmlError> {
    let call = nvml_sym(nvml.lib().nvmlInit_v2.as_ref())?;
    // SAFETY: takes no arguments and may be called at any time, from any thread.
    nvml_try(unsafe { call() })
}
