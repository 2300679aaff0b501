//! Who used a GPU: utilisation by process, for attribution.
//!
//! NVML tells the utilisation of the SMs by process id of the host; inside a container with its own process ids the
//! command is not recognised, and with MIG nothing is told.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessUtilizationSample;

use super::fault::ask;
use super::gpu::utilization;

/// The processes of one GPU.
#[derive(Debug, Default)]
pub(super) struct Processes {
    last_us: u64,
}

impl Processes {
    /// Fractions of the GPU's time that `pids` and that others used since the last call; `None` when not known.
    pub(super) fn shares(&mut self, device: &Device<'static>, pids: &[u32]) -> Option<(f64, f64)> {
        let last_us = self.last_us;
        let newer = |device: &Device<'static>| match device.process_utilization_stats(last_us) {
            Err(NvmlError::NotFound) => Ok(Vec::new()),
            answer => answer,
        };
        let samples = ask(device, newer).ok()?;
        let samples: Vec<_> = samples.into_iter().filter(|sample| sample.timestamp > last_us).collect();
        self.last_us = samples.iter().map(|sample| sample.timestamp).max().unwrap_or(last_us);
        if samples.is_empty() {
            // No news: nobody, if the GPU did nothing. Else not known; and where stamps went back, since the clock was
            // set, nothing would be new until it had caught up: the next look takes what the driver has.
            let idle = utilization(device).is_ok_and(|busy| busy == 0.0);
            self.last_us = if idle { last_us } else { 0 };
            return idle.then_some((0.0, 0.0));
        }
        Some(split(&samples, pids))
    }
}

/// Mean utilisation of each process over its samples, summed by side; scaled down if the sum exceeds the whole.
fn split(samples: &[ProcessUtilizationSample], pids: &[u32]) -> (f64, f64) {
    let mut processes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.sm_util <= 100) {
        let entry = processes.entry(sample.pid).or_default();
        *entry = (entry.0 + u64::from(sample.sm_util), entry.1 + 1);
    }
    let side = |command: bool| -> f64 {
        let of_side = processes.iter().filter(|(pid, _)| pids.contains(pid) == command);
        of_side.map(|(_, (sum, count))| *sum as f64 / *count as f64 / 100.0).sum()
    };
    let (command, others) = (side(true), side(false));
    let whole = (command + others).max(1.0);
    (command / whole, others / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pid: u32, sm_util: u32) -> ProcessUtilizationSample {
        ProcessUtilizationSample { pid, timestamp: 1, sm_util, mem_util: 0, enc_util: 0, dec_util: 0 }
    }

    #[test]
    fn shares_are_means_over_samples() {
        let samples = [sample(7, 40), sample(7, 60), sample(8, 20), sample(9, 10)];
        let (command, others) = split(&samples, &[7, 8]);
        assert!((command - 0.7).abs() < 1e-9 && (others - 0.1).abs() < 1e-9, "{command} {others}");
    }

    #[test]
    fn shares_never_exceed_the_whole() {
        let (command, others) = split(&[sample(7, 90), sample(8, 90), sample(9, u32::MAX)], &[7]);
        assert!((command - 0.5).abs() < 1e-9 && (others - 0.5).abs() < 1e-9);
    }
}
