//! Writes the advice of `eco2 optimize` that comes from the calibration of the run's machine (`eco2 doctor --calibrate`):
//! how much of the run's energy the machine would have drawn without any load.

use eco2_core::schema::{Device, Report};
use eco2_core::{Bounded, Component, RangeKind, Ranged};

use super::types::{Advice, Claim, Evidence, Findings, Topic, WORTH_PERCENT, run_and_compare, share_of};
use crate::store::{CalibratedLoad, CalibratedPart, Calibration};

/// A run whose CPUs drew less than this share of their calibrated idle power was on another machine, or the calibration
/// is out of date.
const LEAST_OF_IDLE: f64 = 0.9;

/// Adds advice on the energy that the machine draws without any load, or the reason why there is none.
pub(super) fn idle(report: &Report, calibration: &Calibration, run_name: &str, findings: &mut Findings) {
    let parts = [(Component::Cpu, Some(&calibration.cpu)), (Component::Memory, calibration.memory.as_ref())];
    let read: Vec<Part<'_>> = parts.into_iter().filter_map(|(of, part)| Part::new(report, of, part?)).collect();
    if !read.iter().any(|part| part.component == Component::Cpu) {
        return findings.skip(Topic::IdleMachine, "the energy of the run's CPUs is not known");
    }
    if let Some(part) = read.iter().find(|part| part.drawn_w < LEAST_OF_IDLE * part.idle.watts) {
        let reason = format!(
            "the run's {} drew {:.1} W, less than their idle power by the calibration of {} ({:.1} W): the calibration is \
             out of date",
            part.name(),
            part.drawn_w,
            day(calibration),
            part.idle.watts
        );
        return findings.skip(Topic::IdleMachine, reason);
    }
    let idle_uj: Bounded<u64> = read.iter().map(|part| part.idle_uj(report.run.duration_ns)).sum();
    let Some(saving) = share_of(report, idle_uj).filter(|saving| saving.percent >= WORTH_PERCENT) else {
        let reason = format!("idle power, as calibrated, was less than {WORTH_PERCENT} % of the energy");
        return findings.skip(Topic::IdleMachine, reason);
    };
    let (watts, joules) =
        (read.iter().map(|part| part.idle.watts).sum::<f64>(), idle_uj.value.unwrap_or(0) as f64 / 1e6);
    let names: Vec<&str> = read.iter().map(Part::name).collect();
    let mut evidence: Vec<Evidence> = read.iter().map(Part::evidence).collect();
    evidence.push(Evidence { name: "energy of that power over the run (calibrated)", value: joules, unit: "J" });
    findings.advice.push(Advice {
        topic: Topic::IdleMachine,
        title: "The machine draws much of this energy without any load".to_owned(),
        text: format!(
            "{} of this machine draw {watts:.1} W when idle (calibrated {}): {joules:.1} J of this run. Several jobs at a time \
             share that energy, and a run that ends sooner needs less of it",
            capitalised(&names.join(" and ")),
            day(calibration)
        ),
        evidence,
        claim: Claim::AtMost,
        saving: Some(saving),
        command: run_and_compare(report, run_name),
        difficulty: "medium",
    });
}

/// One part of the machine that was calibrated and whose energy the run has.
struct Part<'a> {
    component: Component,
    idle: &'a CalibratedLoad,
    /// Mean power in the run, watts.
    drawn_w: f64,
}

impl<'a> Part<'a> {
    /// `None` where the run has no complete energy of the part.
    fn new(report: &Report, component: Component, part: &'a CalibratedPart) -> Option<Self> {
        let devices = || report.devices.iter().filter(|device| device.component == component && device.is_summed());
        let drawn: Bounded<u64> = devices().map(Device::bounded).sum();
        let is_whole = devices().next().is_some() && devices().all(|device| device.energy_uj.is_some());
        let seconds = report.run.duration_ns as f64 / 1e9;
        let drawn_w = drawn.value.filter(|_| is_whole && seconds > 0.0)? as f64 / 1e6 / seconds;
        Some(Self { component, idle: &part.idle, drawn_w })
    }

    fn name(&self) -> &'static str {
        if self.component == Component::Cpu { "CPUs" } else { "memory modules" }
    }

    /// Returns the energy of the idle power over a time.
    fn idle_uj(&self, duration_ns: u64) -> Bounded<u64> {
        let uj = |watts: f64| (watts * duration_ns as f64 / 1e3) as u64;
        let CalibratedLoad { watts, low_w, high_w, .. } = *self.idle;
        Bounded { value: Some(uj(watts)), low: uj(low_w), high: Some(uj(high_w)), kind: RangeKind::Plausible }
    }

    fn evidence(&self) -> Evidence {
        let name = match self.component {
            Component::Cpu => "idle power of the CPUs (calibrated)",
            _ => "idle power of the memory (calibrated)",
        };
        Evidence { name, value: self.idle.watts, unit: "W" }
    }
}

/// Returns the day of a calibration.
fn day(calibration: &Calibration) -> &str {
    calibration.measured_at.get(..10).unwrap_or(&calibration.measured_at)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
