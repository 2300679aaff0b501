//! Who used the devices: the command's share of CPUs (process table, control groups) and of GPUs (the driver's figures).

use std::collections::BTreeMap;

use eco2_core::attribution::{DeviceEnergy, Shares, split};
use eco2_core::report::{Attribution, Device};
use eco2_core::Component;
use eco2_samplers::Roots;
use eco2_samplers::usage::{Exited, HostUsage};

use crate::engine::shares_of;

/// Follows one process tree.
pub(crate) struct Sharing {
    host: Option<HostUsage>,
    devices: BTreeMap<usize, Looks>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    count: u32,
    command: f64,
    others: f64,
}

impl Sharing {
    pub(crate) fn nobody() -> Self {
        Self { host: None, devices: BTreeMap::new() }
    }

    /// Follows `pid` and its descendants from now on.
    pub(crate) fn follow(&mut self, roots: &Roots, pid: u32) {
        self.host = Some(HostUsage::new(roots, pid));
        self.devices.clear();
    }

    /// Looks at the processes again; about once a second.
    pub(crate) fn look(&mut self) {
        if let Some(host) = &mut self.host {
            host.shares();
        }
    }

    pub(crate) fn pids(&self, out: &mut Vec<u32>) {
        out.extend(self.host.iter().flat_map(HostUsage::pids));
    }

    /// A device's driver said who used it since the last look.
    pub(crate) fn device(&mut self, index: usize, command: f64, others: f64) {
        let looks = self.devices.entry(index).or_default();
        looks.count += 1;
        looks.command += command;
        looks.others += others;
    }

    /// The followed process has ended: its CPU time is now exact.
    pub(crate) fn exited(&mut self, exited: &Exited) {
        if let Some(host) = &mut self.host {
            host.root_exited(exited);
            host.shares();
        }
    }

    /// Splits the energy of the devices that are summed; `None` when nobody was followed.
    pub(crate) fn split(&self, devices: &[Device]) -> Option<Attribution> {
        let host = self.host.as_ref()?;
        let cpu = host.since_start().map(|shares| Shares {
            command: shares.command_ns,
            others: shares.others_ns,
            idle: shares.idle_ns,
        });
        let summed = devices.iter().enumerate().filter(|(_, device)| device.is_summed());
        let parts: Vec<_> = summed
            .filter_map(|(index, device)| {
                let energy = DeviceEnergy {
                    energy_uj: device.energy_uj?,
                    low_uj: device.low_uj.unwrap_or(0),
                    high_uj: device.high_uj,
                };
                let shares = match device.component {
                    Component::Cpu | Component::Memory => cpu,
                    _ => self.devices.get(&index).and_then(|looks| looks.mean()),
                };
                Some((energy, shares))
            })
            .collect();
        let attribution = split(&parts);
        let method = format!("{} CPU time; {}", host.method(), attribution.method);
        Some(Attribution { method, ..attribution })
    }
}

impl Looks {
    fn mean(&self) -> Option<Shares> {
        let count = f64::from(self.count);
        (self.count > 0).then(|| shares_of(self.command / count, self.others / count)).flatten()
    }
}
