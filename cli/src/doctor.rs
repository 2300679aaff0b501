//! `eco2 doctor`: which sensors this machine has, why others are missing, and how to enable them.
//!
//! It measures for about half a second exactly as `eco2 run` does, and checks which sensors gave values.

mod page;
mod verdict;

use std::thread;
use std::time::{Duration, Instant};

use eco2::Meter;
use eco2::options::{Layer, Log, Options};
use eco2_core::schema::{Device, Report, Status};
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::out::document;
use crate::{out, settings};
use verdict::{DoctorVerdict, MachineCheck};

/// Time to measure: about twenty updates of a GPU's power sensor, or four of its energy counter.
const MEASURE_FOR: Duration = Duration::from_millis(400);

/// Longest wait for a driver that starts: without persistence mode it takes seconds on a large machine.
const DRIVER_START: Duration = Duration::from_secs(10);

/// Runs the command; returns the exit code: 0 all sources work, 3 some are missing, 4 nothing can be measured.
///
/// # Errors
/// For wrong options, and if the output cannot be written.
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let mut layer = Layer::default();
    args.hardware.copy_to(&mut layer)?;
    let found = check_machine(&settings::resolve(layer)?)?;
    if args.fix_script {
        out::data(&page::fix_script(&found))?;
        return Ok(0);
    }
    if args.json {
        out::data(&document(&as_json(&found)?))?;
    } else {
        out::page(&page::page(&found, &out::data_style()))?;
    }
    Ok(found.verdict.exit_code())
}

fn check_machine(options: &Options) -> anyhow::Result<MachineCheck> {
    // No log: this is not a run of the user. No zone: a wrong one is an error of other commands.
    let options = Options { log: Log::Off, trace: None, zone: None, intensity: None, ..options.clone() };
    let meter = Meter::open(options)?;
    let report = short_run(meter);
    let sources = verdict::confirmed(report.sources, &report.devices, &report.events);
    let verdict = DoctorVerdict::of(&sources, &report.devices);
    Ok(MachineCheck { sources, devices: report.devices, verdict })
}

/// Measures for [`MEASURE_FOR`] and returns the report. It waits for a driver that is still starting: no command is delayed here.
fn short_run(meter: Meter) -> Report {
    let start = Instant::now();
    thread::sleep(MEASURE_FOR);
    let is_hung = || meter.snapshot().sources.iter().any(|source| source.status == Status::Hung);
    if is_hung() {
        while is_hung() && start.elapsed() < DRIVER_START {
            thread::sleep(MEASURE_FOR / 4);
        }
        thread::sleep(MEASURE_FOR);
    }
    meter.close()
}

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
        "exit_code": found.verdict.exit_code(),
        "sources": serde_json::to_value(&found.sources)?,
        "devices": Value::from_iter(found.devices.iter().map(device)),
    }))
}
