//! Runs `eco2 doctor`, which lists the sensors that this machine has, why others are missing, and how to enable them.
//!
//! It measures for a short time exactly as `eco2 run` does, and checks which sensors gave values. Energy counters are
//! tested under load for about a second, or for six with `--self-test`; see [`eco2::SelfTest`]. With `--calibrate` it also
//! measures the machine's power at three loads for about two minutes; see [`eco2::calibrate`].

mod advice;
mod archive;
mod bundle;
mod calibration;
mod page;
mod verdict;

use eco2::options::{Layer, Options};
use eco2::{CalibrationStep, NotCalibrated, SelfTest, TestLength};
use eco2_core::schema::Device;
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::out::document;
use crate::{out, settings, sink};
use advice::Place;
use calibration::CalibrationCheck;
use verdict::{DoctorVerdict, MachineCheck};

/// Exit code if the calibration that was asked for failed.
const NOT_CALIBRATED: u8 = 1;

/// Runs the command; returns the exit code: 0 all sources work, 1 not calibrated, 3 some are missing, 4 nothing can be
/// measured.
///
/// # Errors
/// For wrong options, and if the output cannot be written.
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let mut layer = Layer::default();
    args.hardware.copy_to(&mut layer)?;
    let length = if args.self_test { TestLength::Full } else { TestLength::Short };
    let options = settings::resolve(layer)?;
    sink::check(args.bundle.as_deref())?;
    let found = check_machine(&options, length, args.calibrate)?;
    if let Some(file) = &args.bundle {
        sink::write_bytes(Some(file), &bundle::bundle(&found, &as_json(&found)?, &options))?;
        let (files, file) = (bundle::FILES, file.display());
        out::talk(&format!(
            "eco2: wrote {files} to {file}, without names of host and user; read them before you share them\n"
        ));
        return Ok(0);
    }
    if args.fix_script {
        out::data(&page::fix_script(&found))?;
        return Ok(0);
    }
    if args.json {
        out::data(&document(&as_json(&found)?))?;
    } else {
        out::page(&page::page(&found, &out::data_style()))?;
    }
    Ok(found.exit_code())
}

/// Measures for the time of the test, and returns the sources and devices that were found.
fn check_machine(options: &Options, length: TestLength, calibrates: bool) -> anyhow::Result<MachineCheck> {
    let place = Place::of(options);
    // No zone: a wrong one is an error of other commands.
    let options = Options { zone: None, intensity: None, ..options.clone() };
    let SelfTest { report, counters, warnings } = SelfTest::run(&options, length)?;
    let sources = verdict::confirmed(report.sources, &report.devices, &report.events);
    let sources = verdict::tested(sources, &counters);
    let verdict = DoctorVerdict::of(&sources, &report.devices, &counters);
    // After the self-test: a counter that failed it is nothing to calibrate against.
    let failure = if calibrates { calibrate(&options)?.map(|why| why.to_string()) } else { None };
    let calibration = CalibrationCheck { stored: eco2::stored_calibration(&options), failure };
    Ok(MachineCheck { sources, devices: report.devices, counters, warnings, calibration, verdict, place })
}

/// Calibrates the machine, and reports each phase on standard error; returns why it was not calibrated.
///
/// # Errors
/// Wrong options, and a result that cannot be stored.
fn calibrate(options: &Options) -> anyhow::Result<Option<NotCalibrated>> {
    let mut progress = |step: CalibrationStep| {
        let CalibrationStep { number, of, name, seconds } = step;
        if number == 1 {
            out::talk(
                "eco2: calibrating for two minutes; leave the machine idle. Ctrl-C stops it, and nothing is stored.\n",
            );
        }
        out::talk(&format!("eco2: {number}/{of} {name}, {seconds} s\n"));
    };
    match eco2::calibrate(options, &mut progress) {
        Ok(_) => Ok(None),
        Err(NotCalibrated::Failed(error)) => Err(error.into()),
        Err(why) => Ok(Some(why)),
    }
}

impl MachineCheck {
    fn exit_code(&self) -> u8 {
        if self.calibration.failure.is_some() { NOT_CALIBRATED } else { self.verdict.exit_code() }
    }
}

/// Returns the findings as JSON.
fn as_json(found: &MachineCheck) -> anyhow::Result<Value> {
    let device = |device: &Device| {
        json!({
            "id": device.id,
            "name": device.name,
            "model": device.model,
            "method": device.method,
            "source": device.source,
            "quality": device.quality,
            "alive": verdict::is_alive(device),
            "update_period_ns": device.update_period_ns,
            "mean_w": device.mean_w,
            "readings": device.readings,
            "failures": device.failures,
        })
    };
    Ok(json!({
        "schema": "eco2.doctor/1",
        "verdict": found.verdict.word(),
        "exit_code": found.exit_code(),
        "sources": serde_json::to_value(&found.sources)?,
        "devices": Value::from_iter(found.devices.iter().map(device)),
        "self_test": { "counters": serde_json::to_value(&found.counters)?, "warnings": found.warnings },
        "calibration": found.calibration.as_json()?,
    }))
}
