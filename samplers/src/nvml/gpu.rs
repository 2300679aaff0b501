//! [`Gpu`] is one NVIDIA GPU that is measured: its identity, its state, its readings, gauges and users.
//!
//! NVML is the driver's library, which names a GPU by its UUID. A domain is one sensor or counter; a meter reads one.
//! Gauges are values that are not energy, such as utilisation. Users are the processes that run on the GPU. XIDs are
//! error codes of the driver. MIG divides a GPU into several devices.

use std::path::Path;

use eco2_core::schema::EventKind;
use eco2_core::{Domain, Fault, Gauge};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor, TemperatureThreshold};

use super::events::Xids;
use super::fault::{ask, known_u32, known_u64};
use super::meter::{Meter, Probe};
use super::shared::{equal_users, mig_users, with_clients};
use super::shares::{Processes, UserShares, utilization};
use super::visible::Identity;
use crate::Batch;

/// Whether a GPU can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GpuState {
    Live,
    /// Fell off the bus; still enumerated or not, nothing is read.
    Lost,
    /// No longer enumerated.
    Gone,
}

/// A GPU that is measured.
pub(super) struct Gpu {
    pub(super) identity: Identity,
    /// Its number in the driver's list.
    pub(super) number: u32,
    pub(super) state: GpuState,
    pub(super) device: Device<'static>,
    meters: Vec<Meter>,
    xids: Option<Xids>,
    processes: Processes,
}

/// Result of one read of a GPU.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Round {
    /// Why the GPU was lost or is gone; `None` while it answers.
    pub(super) fault: Option<Fault>,
    /// Number of samples that the driver's buffer lost.
    pub(super) lost_samples: u64,
    /// Whether a reading failed or was not plausible.
    pub(super) implausible: bool,
}

impl Gpu {
    /// Opens a GPU; its domains get indices from `first` on.
    pub(super) fn open(device: Device<'static>, identity: Identity, first: usize) -> (Self, Probe) {
        let mut probe = Probe::run(&device, &identity.uuid, &identity.name, first);
        if !identity.mig.is_empty() {
            let text = format!("energy is the whole board's; {} MIG devices share it", identity.mig.len());
            probe.remarks.push((EventKind::Mig, format!("{text}: {}", identity.mig.join(", "))));
        }
        let xids = Xids::watch(&device);
        let meters = std::mem::take(&mut probe.meters);
        (
            Self { identity, number: 0, state: GpuState::Live, device, meters, xids, processes: Processes::default() },
            probe,
        )
    }

    /// Takes a new handle of the same GPU, which is there again.
    pub(super) fn reopen(&mut self, device: Device<'static>) {
        self.xids = Xids::watch(&device);
        self.device = device;
        self.state = GpuState::Live;
    }

    /// Returns the index of the board's own domain.
    pub(super) fn domain(&self) -> Option<usize> {
        self.meters.first().map(|meter| meter.domain)
    }

    /// Reads what is due. When the GPU is lost, every domain of it reports that once, and never an old value.
    pub(super) fn read(&mut self, batch: &mut Batch) -> Round {
        let mut round = Round::default();
        let mut closed = None;
        for meter in &mut self.meters {
            if let Some(fault) = closed {
                meter.close(fault, batch);
                continue;
            }
            match meter.read(&self.device, batch) {
                Ok(lost) => round.lost_samples += lost,
                Err(fault @ (Fault::Lost | Fault::Gone)) => closed = Some(fault),
                Err(Fault::Failed) => round.implausible = true,
                Err(_) => {}
            }
        }
        round.fault = closed;
        round
    }

    /// Ends every domain of the GPU.
    pub(super) fn close(&mut self, state: GpuState, batch: &mut Batch) {
        let fault = if state == GpuState::Lost { Fault::Lost } else { Fault::Gone };
        self.state = state;
        self.meters.iter_mut().for_each(|meter| meter.close(fault, batch));
    }

    /// Returns the XIDs since the last call.
    pub(super) fn xids(&self) -> Vec<u64> {
        self.xids.as_ref().map(Xids::since_last).unwrap_or_default()
    }

    /// Returns the processes that used the GPU since the last call; `None` at the first call.
    pub(super) fn used(&mut self, procfs: &Path) -> Option<UserShares> {
        let device = &self.device;
        let is_divided = ask(device, Device::mig_mode).is_ok_and(|mode| mode.current == 1);
        let measured = if is_divided { None } else { self.processes.look(device) };
        let used = match measured {
            Some(used) if used.unknown == 0.0 => Some(with_clients(used, device, procfs)),
            // It was busy, and the driver does not name by whom.
            Some(used) => Some(equal_users(device).unwrap_or(used)),
            None if is_divided => mig_users(device),
            None => equal_users(device),
        };
        self.processes.is_begun().then(|| used.unwrap_or_else(|| UserShares::of_unknown(1.0)))
    }

    /// Pushes what the GPU reports besides energy; what it does not report is left out.
    pub(super) fn gauges(&self, out: &mut Vec<Gauge>) {
        let device = &self.device;
        let mut push = |name: &str, unit: &str, value: Result<f64, Fault>| {
            if let Ok(value) = value {
                let (device, name, unit) = (self.identity.uuid.clone(), name.to_owned(), unit.to_owned());
                out.push(Gauge { device, name, unit, value });
            }
        };
        push("utilization", "1", utilization(device));
        let memory = ask(device, Device::memory_info);
        let bytes = |of: fn(&nvml_wrapper::struct_wrappers::device::MemoryInfo) -> u64| {
            memory.as_ref().map_err(|fault| *fault).and_then(|memory| known_u64(of(memory))).map(|bytes| bytes as f64)
        };
        push("memory_used", "By", bytes(|memory| memory.used));
        push("memory_total", "By", bytes(|memory| memory.total));
        let celsius = ask(device, |device| device.temperature(TemperatureSensor::Gpu)).and_then(known_u32);
        push("temperature", "Cel", celsius.map(|value| value as f64));
        // From here on the board may slow down: each board reports its own limit.
        let most = ask(device, |device| device.temperature_threshold(TemperatureThreshold::GpuMax)).and_then(known_u32);
        push("temperature_limit", "Cel", most.map(|value| value as f64));
        let megahertz = ask(device, |device| device.clock_info(Clock::SM)).and_then(known_u32);
        push("sm_clock", "Hz", megahertz.map(|value| value as f64 * 1e6));
        let milliwatts = ask(device, Device::enforced_power_limit).and_then(known_u32);
        push("power_limit", "W", milliwatts.map(|value| value as f64 / 1e3));
        let reasons = ask(device, Device::current_throttle_reasons);
        push("throttle_reasons", "bits", reasons.map(|reasons| reasons.bits() as f64));
    }
}

/// Reads the identity of a device, with its MIG devices.
pub(super) fn identify(device: &Device<'static>) -> Result<Identity, Fault> {
    let uuid = ask(device, Device::uuid)?;
    let name = ask(device, Device::name).unwrap_or_else(|_| "NVIDIA GPU".into());
    let pci = ask(device, Device::pci_info).map_or((u32::MAX, 0, 0), |pci| (pci.domain, pci.bus, pci.device));
    Ok(Identity { uuid, name, pci, mig: mig(device) })
}

/// Reads the UUIDs of a GPU's MIG devices.
fn mig(device: &Device<'static>) -> Vec<String> {
    if !ask(device, Device::mig_mode).is_ok_and(|mode| mode.current == 1) {
        return Vec::new();
    }
    let count = ask(device, Device::mig_device_count).unwrap_or(0);
    (0..count).filter_map(|index| device.mig_device_by_index(index).ok()?.uuid().ok()).collect()
}

/// Moves the domains of a probe, the result of opening a GPU, to the source's list.
pub(super) fn publish(probe: &mut Probe, domains: &mut Vec<Domain>) {
    domains.append(&mut probe.domains);
}
