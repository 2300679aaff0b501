//! [`ReadMethod`] reads the power of one NVIDIA GPU, for boards without an energy counter and for cross-checks.
//!
//! NVML, the driver's library, has three ways, best first. 1. The instantaneous field (186). 2. The driver's buffered
//! samples, each with its own timestamp, which lose nothing between polls. 3. `nvmlDeviceGetPowerUsage`, which from
//! Ampere on (GA100 excepted) is the mean of the second before (NVML API reference): the domain (sensor) states that,
//! and the account, which turns readings into energy, places them in the middle of their second.

use eco2_core::schema::EventKind;
use eco2_core::{Fault, Reading};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::Sampling;
use nvml_wrapper::enums::device::{DeviceArchitecture, SampleValue};
use nvml_wrapper::error::NvmlError;

use super::fault::{ask, gravest, known_u32, known_u64};
use super::raw::{self, FieldScope};
use super::stamp::{Series, StampAnchor};
use crate::Batch;

/// The time over which newer boards average.
const AVERAGE_NS: u64 = 1_000_000_000;
/// More than any board can draw, milliwatts; used where no power limit is known.
const ABSURD_MW: u64 = 10_000_000;

/// Time between two readings of a sensor: none changes more often than every 20 ms.
const SENSOR_EVERY_NS: u64 = 20_000_000;
/// Time between two readings of the driver's buffer, which loses nothing in between.
const SAMPLES_EVERY_NS: u64 = 100_000_000;

/// How power is read.
#[derive(Debug)]
pub(super) enum ReadMethod {
    Instant(FieldScope),
    Samples(Series),
    /// `averages`: the mean of the second before.
    Usage {
        averages: bool,
    },
}

impl ReadMethod {
    /// Returns the first way that works.
    ///
    /// # Errors
    /// Why none does.
    pub(super) fn probe(device: &Device<'static>, name: &str) -> Result<Self, Fault> {
        let instant = raw::field(device, raw::POWER_INSTANT, FieldScope::Gpu);
        let Err(instant) = instant.and_then(drawn) else { return Ok(Self::Instant(FieldScope::Gpu)) };
        let samples = samples(device, 0);
        let Err(samples) = samples else { return Ok(Self::Samples(Series::default())) };
        let Err(usage) = usage(device).and_then(drawn) else {
            return Ok(Self::Usage { averages: averages(device, name) });
        };
        Err(gravest(&[instant, samples, usage]))
    }

    /// Returns what a person should know of this way, if anything: `(kind, text)` of a note.
    pub(super) fn remark(&self) -> Option<(EventKind, &'static str)> {
        match self {
            Self::Usage { averages: true } => {
                Some((EventKind::PowerAveraged, "power is the mean of the last second; readings are placed 0.5 s back"))
            }
            _ => None,
        }
    }

    /// Returns the time over which a reading averages, nanoseconds; `None` for an instantaneous one.
    pub(super) fn average_ns(&self) -> Option<u64> {
        matches!(self, Self::Usage { averages: true }).then_some(AVERAGE_NS)
    }

    /// Returns the time between two readings where it is the board's only value.
    pub(super) fn every_ns(&self) -> u64 {
        if matches!(self, Self::Samples(_)) { SAMPLES_EVERY_NS } else { SENSOR_EVERY_NS }
    }

    /// Reads into `batch`; returns a fault to note, or how many samples the driver's ring lost.
    pub(super) fn read(&mut self, device: &Device<'static>, to: Target, batch: &mut Batch) -> Result<u64, Fault> {
        match self {
            Self::Instant(scope) => one(to, batch, || raw::field(device, raw::POWER_INSTANT, *scope)),
            Self::Usage { .. } => one(to, batch, || usage(device)),
            Self::Samples(series) => buffered(series, device, to, batch),
        }
    }
}

/// Where power readings go, and what is plausible there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// Index of the domain.
    pub(super) domain: usize,
    /// More than this many milliwatts cannot be.
    pub(super) most_mw: u64,
}

impl Target {
    /// Returns a target that takes up to twice what the board may draw at most, if that is known.
    pub(super) fn new(domain: usize, max_uw: Option<u64>) -> Self {
        Self { domain, most_mw: max_uw.map_or(ABSURD_MW, |uw| uw / 1_000 * 2) }
    }

    /// Returns the power, or a fault where it cannot be.
    fn plausible(self, milliwatts: u64) -> Result<u64, Fault> {
        drawn(milliwatts).and_then(|mw| if mw <= self.most_mw { Ok(mw) } else { Err(Fault::Failed) })
    }
}

/// Returns the power, or a fault for 0 W: a board that answers draws power, so 0 is "not known".
fn drawn(milliwatts: u64) -> Result<u64, Fault> {
    if milliwatts == 0 { Err(Fault::NotAvailable) } else { Ok(milliwatts) }
}

/// Reads one value into `batch`; returns its fault, or 0 lost samples.
fn one(to: Target, batch: &mut Batch, read: impl FnOnce() -> Result<u64, Fault>) -> Result<u64, Fault> {
    let before_ns = batch.now_ns();
    let value = read().and_then(|mw| to.plausible(mw));
    let after_ns = batch.now_ns();
    batch.push(to.domain, Reading { before_ns, after_ns, value });
    value.map(|_| 0)
}

/// Pushes every new sample with its own time; before the first look, only the newest is of interest.
fn buffered(series: &mut Series, device: &Device<'static>, to: Target, batch: &mut Batch) -> Result<u64, Fault> {
    let before_ns = batch.now_ns();
    let last_us = series.last_us(StampAnchor::now(before_ns));
    let answer = samples(device, last_us);
    let after_ns = batch.now_ns();
    let mut samples = match answer {
        Ok(samples) => samples,
        Err(fault) => {
            batch.push(to.domain, Reading { before_ns, after_ns, value: Err(fault) });
            return Err(fault);
        }
    };
    let anchor = StampAnchor::now(after_ns);
    // An impossible stamp does not show when its sample was taken, nor which others are new.
    samples.retain(|(stamp_us, _)| anchor.monotonic(*stamp_us).is_some());
    if last_us == 0 {
        samples.drain(..samples.len().saturating_sub(1));
    }
    Ok(samples.into_iter().map(|sample| push(series, sample, anchor, to, batch)).sum())
}

/// Pushes one sample (microseconds, milliwatts), and a fault before it where samples were lost; returns how many were.
fn push(series: &mut Series, sample: (u64, u64), anchor: StampAnchor, to: Target, batch: &mut Batch) -> u64 {
    let (stamp_us, milliwatts) = sample;
    let Some(at_ns) = anchor.monotonic(stamp_us) else { return 0 };
    let (lost, from_us) = series.next(stamp_us);
    if lost > 0 {
        let before_ns = anchor.monotonic(from_us).unwrap_or(at_ns);
        batch.push(to.domain, Reading { before_ns, after_ns: at_ns, value: Err(Fault::NotAvailable) });
    }
    // The stamp was cut to microseconds.
    batch.push(to.domain, Reading { before_ns: at_ns, after_ns: at_ns + 999, value: to.plausible(milliwatts) });
    lost
}

/// Reads the samples after a timestamp, oldest first: `(microseconds, milliwatts)`. None yet is no fault.
fn samples(device: &Device<'static>, after_us: u64) -> Result<Vec<(u64, u64)>, Fault> {
    let newer = |device: &Device<'static>| match device.samples(Sampling::Power, after_us) {
        Err(NvmlError::NotFound) => Ok(Vec::new()),
        answer => answer,
    };
    let mut samples = ask(device, newer)?
        .into_iter()
        .filter(|sample| sample.timestamp > after_us)
        .map(|sample| whole(&sample.value).map(|mw| (sample.timestamp, mw)))
        .collect::<Result<Vec<_>, _>>()?;
    samples.sort_unstable();
    Ok(samples)
}

/// Returns a sample's value as a whole number.
fn whole(value: &SampleValue) -> Result<u64, Fault> {
    match *value {
        SampleValue::U32(value) => known_u32(value),
        SampleValue::U64(value) => known_u64(value),
        SampleValue::I64(value) => u64::try_from(value).map_err(|_| Fault::NotAvailable),
        SampleValue::F64(value) if (0.0..1e12).contains(&value) => Ok(value as u64),
        SampleValue::F64(_) => Err(Fault::Failed),
    }
}

/// Reads `nvmlDeviceGetPowerUsage`, milliwatts.
fn usage(device: &Device<'static>) -> Result<u64, Fault> {
    ask(device, Device::power_usage).and_then(known_u32)
}

/// Whether `nvmlDeviceGetPowerUsage` is the mean of a second: Ampere and newer, but not GA100 (A100, A800, A30).
fn averages(device: &Device<'static>, name: &str) -> bool {
    match device.architecture() {
        Ok(DeviceArchitecture::Ampere) => !is_ga100(name),
        Ok(DeviceArchitecture::Ada | DeviceArchitecture::Hopper | DeviceArchitecture::Blackwell) => true,
        // What the wrapper does not know is newer than it.
        Ok(DeviceArchitecture::Unknown) | Err(NvmlError::UnexpectedVariant(_)) => true,
        _ => false,
    }
}

/// Whether a board of this name has the chip GA100.
fn is_ga100(name: &str) -> bool {
    name.split([' ', '-']).any(|word| ["A100", "A800", "A30"].contains(&word))
}

/// Whether the board's power sensor looks at a quarter of the time only (arXiv 2312.02741: A100, H100).
pub(super) fn sees_a_quarter(name: &str) -> bool {
    name.split([' ', '-']).any(|word| ["A100", "H100"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_recognised_by_whole_words() {
        assert!(is_ga100("NVIDIA A100-SXM4-80GB") && is_ga100("NVIDIA A30"));
        assert!(!is_ga100("NVIDIA A3000 Laptop GPU") && !is_ga100("NVIDIA A10"));
        assert!(sees_a_quarter("NVIDIA H100 80GB HBM3") && !sees_a_quarter("NVIDIA L40S"));
    }

    #[test]
    fn zero_and_absurd_power_are_no_readings() {
        let to = Target::new(0, Some(1_050_000_000));
        assert_eq!(to.plausible(0), Err(Fault::NotAvailable));
        assert_eq!(to.plausible(2_100_000), Ok(2_100_000));
        assert_eq!(to.plausible(2_100_001), Err(Fault::Failed));
        assert_eq!(Target::new(0, None).plausible(10_000_001), Err(Fault::Failed));
    }
}
