//! Finds the file of this machine in the state folder: its name, and what it stores: the results of `eco2 doctor`, which are
//! those of the self-test and of the calibration, and the notices that were shown.

use std::path::PathBuf;

use eco2_core::schema::Report;
use eco2_grid::Sha256;
use eco2_report::{CalibratedLoad, CalibratedPart, Calibration, MachineState, Notice};
use eco2_samplers::hardware::Hardware;
use eco2_samplers::host;
use eco2_samplers::model::{LoadPower, MeasuredMachine, MeasuredPower};

use crate::Error;
use crate::live::stored_test::StoredTest;
use crate::options::Options;
use crate::run::{open, runs};

/// Number of hexadecimal digits of the machine's hash in its name. 64 bits are unique among up to about 2^32 machines.
const DIGITS: usize = 16;

/// Returns the machine's name and its file, `<state folder>/machine/<name>.json`.
///
/// # Errors
/// As [`runs::runs_folder`].
pub(crate) fn file(options: &Options) -> Result<(String, PathBuf), Error> {
    let name = name(options);
    let path = folder(options)?.join(format!("{name}.json"));
    Ok((name, path))
}

/// What is known of this machine from earlier calls of `eco2 doctor`.
#[derive(Debug, Default)]
pub(crate) struct StoredMachine {
    pub(crate) self_test: StoredTest,
    calibration: Option<Calibration>,
}

/// A stored calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCalibration {
    /// What was measured.
    pub calibration: Calibration,
    /// Why estimates do not use it; `None` if they do.
    pub unused: Option<String>,
}

/// Returns what is stored of this machine; nothing if it was not tested.
pub(crate) fn stored(options: &Options) -> StoredMachine {
    // To find the machine's name takes longer than to find that there is no folder.
    if !folder(options).is_ok_and(|folder| folder.is_dir()) {
        return StoredMachine::default();
    }
    match load(options) {
        Ok((MachineState { counters, calibration, .. }, _)) => {
            StoredMachine { self_test: StoredTest::of(counters), calibration }
        }
        Err(error) => {
            let self_test = StoredTest { unreadable: Some(error.to_string()), ..StoredTest::default() };
            StoredMachine { self_test, calibration: None }
        }
    }
}

/// Returns the stored calibration of this machine; `None` where there is none, or where the machine's file cannot be
/// read.
///
/// ```
/// if let Some(stored) = eco2::stored_calibration(&eco2::Options::default()) {
///     println!("calibrated at {}", stored.calibration.measured_at);
/// }
/// ```
#[must_use]
pub fn stored_calibration(options: &Options) -> Option<StoredCalibration> {
    let calibration = stored(options).calibration?;
    let unused = difference(&calibration, &Hardware::read(&open::roots(options)));
    Some(StoredCalibration { calibration, unused })
}

/// Returns the calibration of the machine on which a run was measured; `None` where that is another machine than this one,
/// by its host name, or where this one has no calibration that still applies.
///
/// ```
/// # fn example(report: &eco2_core::schema::Report) {
/// if let Some(calibration) = eco2::calibration_of(report, &eco2::Options::default()) {
///     println!("{} W when idle", calibration.cpu.idle.watts);
/// }
/// # }
/// ```
#[must_use]
pub fn calibration_of(report: &Report, options: &Options) -> Option<Calibration> {
    let here = host::read(&open::roots(options)).hostname;
    if here.is_empty() || report.run.host.hostname != here {
        return None;
    }
    stored_calibration(options).filter(|stored| stored.unused.is_none()).map(|stored| stored.calibration)
}

impl StoredMachine {
    /// Returns the measured powers that estimates use; `None` where the machine was not calibrated, or was another one
    /// then.
    pub(crate) fn measured(&self, options: &Options) -> Option<MeasuredMachine> {
        let calibration = self.calibration.as_ref()?;
        if difference(calibration, &Hardware::read(&open::roots(options))).is_some() {
            return None;
        }
        let load = |load: CalibratedLoad| {
            let CalibratedLoad { utilization, watts, low_w, high_w, .. } = load;
            LoadPower { utilization, watts, low_w, high_w }
        };
        let power = |part: &CalibratedPart| {
            let [idle, half, full] = part.loads().map(load);
            MeasuredPower { idle, half, full }
        };
        Some(MeasuredMachine { cpu: power(&calibration.cpu), memory: calibration.memory.as_ref().map(power) })
    }
}

/// Returns how the machine differs from the one that was calibrated; `None` if it is the same.
fn difference(calibration: &Calibration, hardware: &Hardware) -> Option<String> {
    let text = |what: &str, then: &str, now: &str| (then != now).then(|| format!("{what} was '{then}', is '{now}'"));
    text("the processor", &calibration.processor, &hardware.processor)
        .or_else(|| text("the number of CPUs", &calibration.cpus.to_string(), &hardware.cpus.to_string()))
        .or_else(|| text("the firmware", &calibration.firmware, &hardware.firmware))
        .or_else(|| hardware.is_guest.then(|| "it is now a virtual machine".to_owned()))
}

/// Returns the notices that were shown on this machine before, for summaries; none if the file cannot be read.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("eco2-notices-{}", std::process::id()));
/// use eco2::options::Options;
/// use eco2::render::Notice;
///
/// let options = Options { state_dir: Some(folder.clone()), ..Options::default() };
/// assert!(eco2::shown_notices(&options).is_empty());
/// eco2::remember_notices(&options, &[Notice::NoZone]);
/// assert_eq!(eco2::shown_notices(&options), [Notice::NoZone]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn shown_notices(options: &Options) -> Vec<Notice> {
    if !folder(options).is_ok_and(|folder| folder.is_dir()) {
        return Vec::new();
    }
    load(options).map_or_else(|_| Vec::new(), |(state, _)| state.notices())
}

/// Stores that notices were shown on this machine. If the file cannot be written, they are shown again.
pub fn remember_notices(options: &Options, shown: &[Notice]) {
    if shown.is_empty() {
        return;
    }
    let Ok((mut state, path)) = load(options) else { return };
    if state.add_notices(shown) {
        // The notices are then shown again, which is no harm.
        state.save(&path).ok();
    }
}

/// Reads the file of this machine.
fn load(options: &Options) -> Result<(MachineState, PathBuf), Error> {
    let (name, path) = file(options)?;
    Ok((MachineState::load(&path, &name)?, path))
}

/// Returns the folder `machine` in the state folder.
fn folder(options: &Options) -> Result<PathBuf, Error> {
    Ok(runs::state_folder(options)?.join("machine"))
}

/// Returns the name of this machine: a hash, because machine-id(5) asks programs not to expose the id.
fn name(options: &Options) -> String {
    let hash = Sha256::of(host::machine(&open::roots(options)).as_bytes()).to_string();
    hash.chars().take(DIGITS).collect()
}
