//! `eco2 doctor`: what can be measured here, why not the rest, and what to do about it. It looks by measuring: half a
//! second of the very run that `eco2 run` would make.

mod page;
mod script;
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
use verdict::{Findings, Verdict};

/// How long is measured: some twenty updates of a GPU's power sensor or four of its energy counter.
const LOOK: Duration = Duration::from_millis(400);

/// Without persistence mode a large machine's driver takes seconds to start.
const SLOW_DRIVER: Duration = Duration::from_secs(10);

/// Looks, tells, and returns 0, 3 or 4.
///
/// # Errors
/// For wrong options, and when the output cannot be written.
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let mut layer = Layer::default();
    args.hardware.put(&mut layer)?;
    let findings = look(&settings::resolve(layer)?)?;
    if args.fix_script {
        out::data(&script::script(&findings))?;
        return Ok(0);
    }
    if args.json {
        out::data(&document(&of(&findings)?))?;
    } else {
        out::page(&page::page(&findings, &out::data_style()))?;
    }
    Ok(findings.verdict.exit_code())
}

fn look(options: &Options) -> anyhow::Result<Findings> {
    // No log: nobody asked for a run. No zone: a wrong one is for another command to tell.
    let options = Options { log: Log::Off, trace: None, zone: None, intensity: None, ..options.clone() };
    let meter = Meter::open_for(options, Vec::new(), Vec::new())?;
    let report = measured(meter);
    let sources = verdict::confirmed(report.sources, &report.devices, &report.events);
    let verdict = Verdict::of(&sources, &report.devices);
    Ok(Findings { sources, devices: report.devices, verdict })
}

/// A moment of measuring. A driver that is still starting is waited for: nobody's command is.
fn measured(meter: Meter) -> Report {
    let begun = Instant::now();
    thread::sleep(LOOK);
    let hangs = || meter.snapshot().sources.iter().any(|source| source.status == Status::Hung);
    if hangs() {
        while hangs() && begun.elapsed() < SLOW_DRIVER {
            thread::sleep(LOOK / 4);
        }
        thread::sleep(LOOK);
    }
    meter.close()
}

fn of(findings: &Findings) -> anyhow::Result<Value> {
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
        "verdict": findings.verdict.word(),
        "exit_code": findings.verdict.exit_code(),
        "sources": serde_json::to_value(&findings.sources)?,
        "devices": Value::from_iter(findings.devices.iter().map(device)),
    }))
}
