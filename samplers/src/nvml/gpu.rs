//! One GPU: its identity, its state, and its gauges and users.

use eco2_core::schema::EventKind;
use eco2_core::{Domain, Fault, Gauge};
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor, TemperatureThreshold};

use super::events::Xids;
use super::fault::{ask, known_u32, known_u64};
use super::meter::{Meter, Probe};
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
    pub(super) state: GpuState,
    pub(super) device: Device<'static>,
    meters: Vec<Meter>,
    xids: Option<Xids>,
    processes: Processes,
}

/// What a round of reading a GPU came to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Round {
    /// The board's own domain gave no value.
    pub(super) fault: Option<Fault>,
    /// Samples that the driver's ring lost.
    pub(super) lost_samples: u64,
    /// A power reading that cannot be.
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
        (Self { identity, state: GpuState::Live, device, meters, xids, processes: Processes::default() }, probe)
    }

    /// The same GPU is there again, perhaps behind another handle.
    pub(super) fn reopen(&mut self, device: Device<'static>) {
        self.xids = Xids::watch(&device);
        self.device = device;
        self.state = GpuState::Live;
    }

    /// Index of the board's own domain.
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

    /// XIDs since the last call.
    pub(super) fn xids(&self) -> Vec<u64> {
        self.xids.as_ref().map(Xids::since_last).unwrap_or_default()
    }

    /// The processes that used the GPU since the last call.
    pub(super) fn used(&mut self) -> Option<UserShares> {
        self.processes.used(&self.device)
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

/// Identity of a device; MIG devices included.
pub(super) fn identify(device: &Device<'static>) -> Result<Identity, Fault> {
    let uuid = ask(device, Device::uuid)?;
    let name = ask(device, Device::name).unwrap_or_else(|_| "NVIDIA GPU".into());
    let pci = ask(device, Device::pci_info).map_or((u32::MAX, 0, 0), |pci| (pci.domain, pci.bus, pci.device));
    Ok(Identity { uuid, name, pci, mig: mig(device) })
}

fn mig(device: &Device<'static>) -> Vec<String> {
    if !ask(device, Device::mig_mode).is_ok_and(|mode| mode.current == 1) {
        return Vec::new();
    }
    let count = ask(device, Device::mig_device_count).unwrap_or(0);
    (0..count).filter_map(|index| device.mig_device_by_index(index).ok()?.uuid().ok()).collect()
}

/// What is kept of an probe once its meters are in place: the domains to publish.
pub(super) fn publish(probe: &mut Probe, domains: &mut Vec<Domain>) {
    domains.append(&mut probe.domains);
}
