//! Attribution of energy to the followed command: its share of CPU time, from the process table and control groups, and of GPU
//! time, from the driver.
//!
//! It has its own lock, so that reading a long process table delays neither the account nor its readers.

use std::collections::BTreeMap;

use eco2_core::Component;
use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
use eco2_core::schema::{Attribution, Device};
use eco2_samplers::usage::{Exited, HostUsage};
use eco2_samplers::{DeviceUse, Roots, Watched, clock};

/// Time between two readings of the process table.
const EVERY_NS: u64 = 1_000_000_000;
/// The time is at least this many times what one reading took: a hundredth of a core, however long the process table is.
const TIMES_ITS_COST: u64 = 100;
/// Ten clock ticks: CPU time is not known more finely, so that shorter runs have no share.
const SHORTEST_NS: u64 = 100_000_000;

/// Follows one process tree.
#[derive(Default)]
pub(crate) struct Sharing {
    host: Option<HostUsage>,
    devices: BTreeMap<usize, DeviceUseSum>,
    began_ns: u64,
    next_ns: u64,
    ended: bool,
}

/// The use of a device so far by its driver's readings, each weighted by the time that it covers.
#[derive(Debug, Clone, Copy, Default)]
struct DeviceUseSum {
    last_ns: u64,
    covered_ns: f64,
    command_ns: f64,
    others_ns: f64,
    unknown_ns: f64,
    /// Whether the command could ever use it.
    reachable: bool,
}

impl Sharing {
    /// Follows `pid` and its descendants from now on.
    pub(crate) fn of(roots: &Roots, pid: u32) -> Self {
        let began_ns = clock::monotonic_ns();
        let host = Some(HostUsage::new(roots, pid));
        Self { host, began_ns, next_ns: began_ns + EVERY_NS, ..Self::default() }
    }

    /// Reads the process table again if it is time.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        if now_ns >= self.next_ns && !self.ended {
            self.read_processes();
            let after_ns = clock::monotonic_ns();
            self.next_ns = after_ns + EVERY_NS.max(after_ns.saturating_sub(now_ns) * TIMES_ITS_COST);
        }
    }

    /// Reads the process table a last time, at the end of the run. A run that is too short for clock ticks has no share.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) && clock::monotonic_ns() >= self.began_ns + SHORTEST_NS {
            self.read_processes();
        }
    }

    /// The followed process has ended: its CPU time is now exact.
    pub(crate) fn exited(&mut self, exited: &Exited) {
        if let Some(host) = &mut self.host {
            host.root_exited(exited);
        }
        self.end();
    }

    /// Orphans of the followed command come to this process: they are counted, too.
    pub(crate) fn with_orphans(mut self) -> Self {
        if let Some(host) = &mut self.host {
            host.follow_orphans();
        }
        self
    }

    /// An orphan of the followed command was waited for.
    pub(crate) fn orphan_exited(&mut self, pid: u32, exited: &Exited) {
        if let Some(host) = &mut self.host {
            host.orphan_exited(pid, exited);
        }
    }

    pub(crate) fn watched(&mut self, out: &mut Watched) {
        if let Some(host) = &mut self.host {
            out.pids.extend(host.pids());
            out.visible = host.visible();
        }
    }

    /// Adds the users of a device since its last reading, as its driver listed them at `now_ns`.
    pub(crate) fn device(&mut self, index: usize, used: &DeviceUse, now_ns: u64) {
        let Some(host) = &self.host else { return };
        let began_ns = self.began_ns;
        let sum = self.devices.entry(index).or_insert(DeviceUseSum { last_ns: began_ns, ..DeviceUseSum::default() });
        let covered_ns = now_ns.saturating_sub(sum.last_ns) as f64;
        let of = host.split(used);
        sum.last_ns = now_ns;
        sum.covered_ns += covered_ns;
        sum.command_ns += of.command * covered_ns;
        sum.others_ns += of.others * covered_ns;
        sum.unknown_ns += of.unknown * covered_ns;
        sum.reachable |= used.reachable;
    }

    /// Splits the energy of the summed devices into the command of that name, others, idle and not attributed; `None` where no
    /// process is followed.
    pub(crate) fn split(&self, devices: &[Device], name: &str) -> Option<Attribution> {
        let host = self.host.as_ref()?;
        let cpu = host.since_start().map(|shares| Use::of(shares.command_ns, shares.others_ns, shares.idle_ns));
        let summed = devices.iter().enumerate().filter(|(_, device)| device.is_summed());
        let parts: Vec<_> = summed
            .map(|(index, device)| {
                let energy = device.energy_uj.map(|energy_uj| DeviceEnergy {
                    energy_uj,
                    low_uj: device.low_uj.unwrap_or(0),
                    high_uj: device.high_uj,
                });
                let of = match device.component {
                    Component::Cpu | Component::Memory => cpu.clone(),
                    _ => self.devices.get(&index).and_then(DeviceUseSum::mean),
                };
                (energy, of)
            })
            .collect();
        let attribution = split(&[ConsumerSpec::command("command", name)], &parts);
        let method = format!("{} CPU time; {}", host.method(), attribution.method);
        Some(Attribution { method, ..attribution })
    }

    fn read_processes(&mut self) {
        if let Some(host) = &mut self.host {
            host.shares();
        }
    }
}

impl DeviceUseSum {
    fn mean(&self) -> Option<Use> {
        let part = |ns: f64| ns / self.covered_ns;
        let known = (self.covered_ns > 0.0)
            .then(|| Use::from_fractions(&[part(self.command_ns)], part(self.others_ns), part(self.unknown_ns)));
        Some(Use { out_of_reach: !self.reachable, ..known.flatten()? })
    }
}
