//! Who used the devices: the command's share of CPUs (process table, control groups) and of GPUs (the driver's figures).
//!
//! Behind a lock of its own: a look at a long process table holds up neither the account nor who asks for it.

use std::collections::BTreeMap;

use eco2_core::Component;
use eco2_core::attribution::{DeviceEnergy, Shares, split};
use eco2_core::report::{Attribution, Device};
use eco2_samplers::usage::{Exited, HostUsage};
use eco2_samplers::{Roots, clock};

/// Between two looks at the processes.
const EVERY_NS: u64 = 1_000_000_000;
/// And at least this many times what a look takes: a hundredth of a core, however long the process table is.
const TIMES_ITS_COST: u64 = 100;
/// Ten clock ticks: what is shorter, they cannot tell apart.
const TELLING_NS: u64 = 100_000_000;

/// Follows one process tree.
#[derive(Default)]
pub(crate) struct Sharing {
    host: Option<HostUsage>,
    devices: BTreeMap<usize, Looks>,
    began_ns: u64,
    next_ns: u64,
    ended: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    count: u32,
    command: f64,
    others: f64,
}

impl Sharing {
    /// Follows `pid` and its descendants from now on.
    pub(crate) fn of(roots: &Roots, pid: u32) -> Self {
        let began_ns = clock::monotonic_ns();
        let host = Some(HostUsage::new(roots, pid));
        Self { host, began_ns, next_ns: began_ns + EVERY_NS, ..Self::default() }
    }

    /// Looks at the processes again if it is time.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        if now_ns >= self.next_ns && !self.ended {
            self.look();
            let after_ns = clock::monotonic_ns();
            self.next_ns = after_ns + EVERY_NS.max(after_ns.saturating_sub(now_ns) * TIMES_ITS_COST);
        }
    }

    /// The run is over: a last look, and none later. Of a run that is too short for the clock ticks no share is known.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) && clock::monotonic_ns() >= self.began_ns + TELLING_NS {
            self.look();
        }
    }

    /// The followed process has ended: its CPU time is now exact.
    pub(crate) fn exited(&mut self, exited: &Exited) {
        if let Some(host) = &mut self.host {
            host.root_exited(exited);
        }
        self.end();
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

    fn look(&mut self) {
        if let Some(host) = &mut self.host {
            host.shares();
        }
    }
}

impl Looks {
    fn mean(&self) -> Option<Shares> {
        let count = f64::from(self.count);
        (self.count > 0).then(|| Shares::from_fractions(self.command / count, self.others / count)).flatten()
    }
}
