//! Finds out which processes used a GPU, and for which share of its time, so that its energy can be attributed to them.
//!
//! NVML, NVIDIA's driver's library, gives the utilisation of the SMs (the GPU's processors) by process id of the
//! machine: inside a container with process ids of its own they mean other processes, or none. With MIG, which divides
//! a GPU into several devices, and with some drivers it gives nothing: then the time is divided by assumption (`shared.rs`).

use std::collections::BTreeMap;

use eco2_core::Fault;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessUtilizationSample;

use super::fault::{ask, known_u32};

/// The processes of one GPU.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// Timestamp of the newest sample seen, microseconds.
    last_us: u64,
    /// Whether there was a first call.
    begun: bool,
}

/// Fractions of a GPU's time.
#[derive(Debug, Default, PartialEq)]
pub(super) struct UserShares {
    /// Process id and its fraction.
    pub(super) processes: Vec<(u32, f64)>,
    /// Fraction of processes that the driver does not name.
    pub(super) unknown: f64,
    /// Whether the fractions are assumed and not measured.
    pub(super) is_assumed: bool,
    /// UUIDs of the GPU's MIG instances.
    pub(super) instances: Vec<String>,
}

impl UserShares {
    /// Returns the use of a GPU of which only this is known: for how much of its time an unknown process used it.
    pub(super) fn of_unknown(unknown: f64) -> Self {
        Self { unknown, ..Self::default() }
    }

    /// Gives a fraction of the GPU's time to processes, in equal parts.
    pub(super) fn add_equally(&mut self, pids: &[u32], fraction: f64) {
        self.processes.extend(pids.iter().map(|pid| (*pid, fraction / pids.len() as f64)));
    }
}

impl Processes {
    /// Reads the use by process since the last call, as the driver measures it; `None` where it does not report utilisation by
    /// process.
    pub(super) fn look(&mut self, device: &Device<'static>) -> Option<UserShares> {
        let last_us = self.last_us;
        let newer = |device: &Device<'static>| match device.process_utilization_stats(last_us) {
            Err(NvmlError::NotFound) => Ok(Vec::new()),
            answer => answer,
        };
        let samples = ask(device, newer).ok()?;
        let samples: Vec<_> = samples.into_iter().filter(|sample| sample.timestamp > last_us).collect();
        self.last_us = samples.iter().map(|sample| sample.timestamp).max().unwrap_or(last_us);
        if !samples.is_empty() {
            return Some(UserShares { processes: means(&samples), ..UserShares::default() });
        }
        // No new samples: its busy time was used by unknown processes. Where stamps went back, since the clock was set,
        // nothing would be new until it had caught up: the next look takes what the driver has.
        let unknown = utilization(device).ok()?;
        self.last_us = if unknown > 0.0 { 0 } else { last_us };
        Some(UserShares::of_unknown(unknown))
    }

    /// Whether this is not the first call: that only starts the interval.
    pub(super) fn is_begun(&mut self) -> bool {
        std::mem::replace(&mut self.begun, true)
    }
}

/// Returns the mean utilisation of each process over its samples, scaled down if the sum exceeds the whole.
fn means(samples: &[ProcessUtilizationSample]) -> Vec<(u32, f64)> {
    let mut processes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.sm_util <= 100) {
        let entry = processes.entry(sample.pid).or_default();
        *entry = (entry.0 + u64::from(sample.sm_util), entry.1 + 1);
    }
    let mean = |(sum, count): (u64, u64)| sum as f64 / count as f64 / 100.0;
    let whole = processes.values().map(|used| mean(*used)).sum::<f64>().max(1.0);
    processes.into_iter().map(|(pid, used)| (pid, mean(used) / whole)).collect()
}

/// Fraction of the last sampling interval in which a kernel ran.
pub(super) fn utilization(device: &Device<'static>) -> Result<f64, Fault> {
    let percent = ask(device, Device::utilization_rates).and_then(|rates| known_u32(rates.gpu))?;
    Ok((percent as f64 / 100.0).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pid: u32, sm_util: u32) -> ProcessUtilizationSample {
        ProcessUtilizationSample { pid, timestamp: 1, sm_util, mem_util: 0, enc_util: 0, dec_util: 0 }
    }

    #[test]
    fn fractions_are_means_over_samples() {
        let samples = [sample(7, 40), sample(7, 60), sample(8, 20), sample(9, 10)];
        assert_eq!(means(&samples), [(7, 0.5), (8, 0.2), (9, 0.1)]);
    }

    #[test]
    fn fractions_never_exceed_the_whole() {
        assert_eq!(means(&[sample(7, 90), sample(8, 90), sample(9, u32::MAX)]), [(7, 0.5), (8, 0.5)]);
    }
}
