//! Decides the verdict of `eco2 doctor`, and with it the exit code: which sources work, judged by the values that were
//! read. A *source* is an interface that is read for energy or power (`rapl-sysfs`); a *device* is one quantity that it
//! measures.
//!
//! A source that was found and of which no value can be read counts as missing.

use eco2_core::Quality;
use eco2_core::schema::{Device, EventRecord, SourceStatus, Status};
use eco2_report::{CounterResult, CounterTest};
use eco2_samplers::discover::{RAPL, SYNTHETIC};
use eco2_samplers::model;

use super::advice::Place;
use super::calibration::CalibrationCheck;

/// Result of checking this machine.
pub(super) struct MachineCheck {
    pub(super) sources: Vec<SourceStatus>,
    pub(super) devices: Vec<Device>,
    /// The self-test of each energy counter.
    pub(super) counters: Vec<CounterTest>,
    /// Faults of the file that keeps the result.
    pub(super) warnings: Vec<String>,
    pub(super) calibration: CalibrationCheck,
    pub(super) verdict: DoctorVerdict,
    /// What kind of machine it is.
    pub(super) place: Place,
}

/// Whether sources are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DoctorVerdict {
    /// Every source that was looked for can be read.
    Fine,
    /// Some sources can be read and some cannot.
    SomeMissing,
    /// Nothing can be measured.
    NoneMeasurable,
}

impl DoctorVerdict {
    /// Returns the verdict on sources that [`confirmed`] returned.
    pub(super) fn of(sources: &[SourceStatus], devices: &[Device], tests: &[CounterTest]) -> Self {
        let measured = |device: &Device| matches!(device.quality, Quality::Measured | Quality::Derived);
        let is_still = |device: &Device| {
            let is_its = |test: &&CounterTest| (&test.source, &test.id) == (&device.source, &device.id);
            tests.iter().find(is_its).is_some_and(|test| test.result == CounterResult::Still)
        };
        if !devices.iter().any(|device| measured(device) && is_alive(device) && !is_still(device)) {
            return Self::NoneMeasurable;
        }
        let twin_reads = sources.iter().any(|source| is_twin(source) && source.status == Status::Ok);
        let missing = |source: &SourceStatus| is_missing(source) && !(twin_reads && is_twin(source));
        if sources.iter().any(missing) { Self::SomeMissing } else { Self::Fine }
    }

    /// Returns the exit code of `eco2 doctor`: 0, 3 or 4.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::SomeMissing => 3,
            Self::NoneMeasurable => 4,
        }
    }

    /// Returns the verdict as the JSON states it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::SomeMissing => "some-missing",
            Self::NoneMeasurable => "none-measurable",
        }
    }
}

/// Whether a device gave at least one value.
pub(super) fn is_alive(device: &Device) -> bool {
    device.energy_uj.is_some()
}

/// Whether a source should work here and does not. An absent source without remedy is hardware that this machine does
/// not have.
pub(super) fn is_missing(source: &SourceStatus) -> bool {
    // Estimates and synthetic values are not hardware.
    if source.name == model::NAME || SYNTHETIC.contains(&source.name.as_str()) {
        return false;
    }
    match source.status {
        Status::Ok | Status::Off => false,
        Status::Absent => !source.remedy.is_empty(),
        Status::Degraded | Status::Denied | Status::Lost | Status::Hung => true,
    }
}

/// Returns the statuses after measuring: a source is not ok if one of its devices, or all, gave no value.
pub(super) fn confirmed(
    mut sources: Vec<SourceStatus>,
    devices: &[Device],
    events: &[EventRecord],
) -> Vec<SourceStatus> {
    for source in sources.iter_mut().filter(|source| matches!(source.status, Status::Ok | Status::Degraded)) {
        let own: Vec<&Device> = devices.iter().filter(|device| device.source == source.name).collect();
        let dead: Vec<&str> = own.iter().filter(|device| !is_alive(device)).map(|device| device.id.as_str()).collect();
        if own.is_empty() {
            without_device(source);
            continue;
        }
        if dead.is_empty() {
            continue;
        }
        source.status = if dead.len() == own.len() { Status::Lost } else { Status::Degraded };
        let texts = events.iter().filter(|event| dead.contains(&event.device.as_str()) || event.device == source.name);
        let texts: Vec<String> = texts.map(|event| event.text.clone()).collect();
        source.reason = format!("no value could be read of {}", dead.join(", "));
        if !texts.is_empty() {
            source.reason = format!("{}; {}", source.reason, texts.join("; "));
        }
        if source.remedy.is_empty() {
            source.remedy = "look at the kernel log (sudo dmesg) for this device".to_owned();
        }
    }
    sources
}

/// Returns the statuses after the self-test: a source is not ok if one of its counters, or all, failed.
pub(super) fn tested(mut sources: Vec<SourceStatus>, tests: &[CounterTest]) -> Vec<SourceStatus> {
    for source in sources.iter_mut().filter(|source| source.status == Status::Ok) {
        let own: Vec<&CounterTest> = tests.iter().filter(|test| test.source == source.name).collect();
        let failed: Vec<&str> = own.iter().filter(|test| test.fault().is_some()).map(|test| test.id.as_str()).collect();
        if failed.is_empty() {
            continue;
        }
        let is_still = own.iter().all(|test| test.result == CounterResult::Still);
        source.status = if is_still { Status::Lost } else { Status::Degraded };
        source.reason = format!("the self-test failed for {}; see the table of counters", failed.join(", "));
        if source.remedy.is_empty() {
            source.remedy = "update the kernel or the driver; runs use another sensor or an estimate".to_owned();
        }
    }
    sources
}

/// Marks a source that was found and has no device: it measures nothing.
fn without_device(source: &mut SourceStatus) {
    source.status = Status::Lost;
    source.reason = format!("it was found and has no device to read ({})", source.reason);
    if source.remedy.is_empty() {
        source.remedy = "look at the kernel log (sudo dmesg) for its devices".to_owned();
    }
}

/// Whether a source is one of the interfaces that read the same processor counters (RAPL).
fn is_twin(source: &SourceStatus) -> bool {
    RAPL.contains(&source.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::{Component, Domain};

    fn source(name: &str, status: Status, remedy: &str) -> SourceStatus {
        SourceStatus { name: name.into(), status, reason: "why".into(), remedy: remedy.into() }
    }

    /// Returns a device of a source, read twice or not at all.
    fn device(source: &str, quality: Quality, alive: bool) -> Device {
        let domain = Domain { quality, ..Domain::counter(source, Component::Cpu, "package", source) };
        let reading = |at_ns, value| (0, eco2_core::Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) });
        let readings = if alive { vec![reading(0, 0), reading(1_000, 5)] } else { Vec::new() };
        let trace = eco2_report::Trace { domains: vec![domain], run: Some((0, 1_000)), readings, ..Default::default() };
        eco2::replay(&trace, None, &eco2::Options::default()).unwrap().devices.remove(0)
    }

    #[test]
    fn d36_a_dead_source_is_not_fine() {
        let found = vec![source("nvml", Status::Ok, "")];
        let dead = [device("nvml", Quality::Measured, false)];
        let sources = confirmed(found.clone(), &dead, &[]);
        assert_eq!(sources[0].status, Status::Lost);
        assert_eq!(DoctorVerdict::of(&sources, &dead, &[]).exit_code(), 4);
        let alive = [device("nvml", Quality::Measured, true)];
        assert_eq!(DoctorVerdict::of(&confirmed(found.clone(), &alive, &[]), &alive, &[]).exit_code(), 0);
        let half = [device("nvml", Quality::Measured, true), device("nvml", Quality::Measured, false)];
        assert_eq!(DoctorVerdict::of(&confirmed(found, &half, &[]), &half, &[]).exit_code(), 3);
    }

    #[test]
    fn k13_a_source_that_was_found_without_any_device_is_not_ok() {
        let found = vec![source("rapl-sysfs", Status::Ok, ""), source("nvml", Status::Ok, "")];
        let alive = [device("rapl-sysfs", Quality::Measured, true)];
        let sources = confirmed(found, &alive, &[]);
        assert_eq!((sources[0].status, sources[1].status), (Status::Ok, Status::Lost));
        assert!(!sources[1].remedy.is_empty());
        assert_eq!(DoctorVerdict::of(&sources, &alive, &[]).exit_code(), 3);
        let off = vec![source("nvml", Status::Off, "")];
        assert_eq!(confirmed(off, &alive, &[])[0].status, Status::Off, "it was not looked for");
    }

    #[test]
    fn f48_a_model_alone_is_nothing_measurable() {
        let sources = [source("rapl-sysfs", Status::Absent, "sudo modprobe x"), source("model", Status::Ok, "")];
        assert_eq!(
            DoctorVerdict::of(&sources, &[device("model", Quality::Estimated, true)], &[]),
            DoctorVerdict::NoneMeasurable
        );
    }

    #[test]
    fn one_of_the_twins_is_enough_and_an_absence_without_remedy_is_fine() {
        let alive = [device("rapl-sysfs", Quality::Measured, true)];
        let mut sources = vec![
            source("rapl-perf", Status::Denied, "sudo x"),
            source("rapl-sysfs", Status::Ok, ""),
            source("hwmon", Status::Absent, ""),
        ];
        assert_eq!(DoctorVerdict::of(&sources, &alive, &[]), DoctorVerdict::Fine);
        sources.push(source("nvml", Status::Absent, "install it"));
        assert_eq!(DoctorVerdict::of(&sources, &alive, &[]), DoctorVerdict::SomeMissing);
    }
}
