//! Attributes the energy of a run to the measured command ([`Sharing`]): by its share of CPU time, from the process table and
//! control groups, and by its share of GPU time, from the driver. The *followed* process is the command, or the process that
//! [`Meter::follow`](crate::Meter::follow) names; its descendants belong to it.
//!
//! [`Sharing`] has a lock of its own, so that reading a long process table delays neither the engine nor its readers.

use std::collections::BTreeMap;

use eco2_core::Component;
use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
use eco2_core::schema::{Attribution, Device};
use eco2_samplers::usage::{Exited, HostUsage};
use eco2_samplers::{DeviceUse, Roots, Watched, clock};

/// The time between two readings is at least this many times the duration of one, so that they use 1 % of a core at most.
const MIN_COST_FACTOR: u64 = 100;
/// Shorter runs have no attribution: the kernel counts CPU time in clock ticks of 10 ms, so that a run needs ten of them.
const MIN_RUN_NS: u64 = 100_000_000;

/// Follows one process tree.
#[derive(Default)]
pub(crate) struct Sharing {
    /// The CPU time of the machine's processes; `None` where no process is followed.
    host: Option<HostUsage>,
    /// The use of each device, by its index in the report.
    devices: BTreeMap<usize, DeviceUseSum>,
    /// Monotonic time since which the process is followed.
    began_ns: u64,
    /// Monotonic time before which the process table is not read again.
    next_ns: u64,
    ended: bool,
}

/// The use of a device so far, by the readings of its driver. Each share is multiplied by the time that its reading covers.
#[derive(Debug, Clone, Copy, Default)]
struct DeviceUseSum {
    /// Time of the last reading.
    last_ns: u64,
    covered_ns: f64,
    /// Use by the command and by others, as the driver measured it.
    measured_ns: [f64; 2],
    /// The same where it was assumed.
    assumed_ns: [f64; 2],
    unknown_ns: f64,
    /// Whether the command could use the device at any time.
    reachable: bool,
}

impl Sharing {
    /// Follows the process `pid` and its descendants from now on.
    pub(crate) fn follow(roots: &Roots, pid: u32) -> Self {
        let began_ns = clock::monotonic_ns();
        let host = Some(HostUsage::new(roots, pid));
        Self { host, began_ns, next_ns: began_ns + MIN_RUN_NS, ..Self::default() }
    }

    /// Reads the process table a last time, at the end of the run, unless the run was too short ([`MIN_RUN_NS`]).
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) && clock::monotonic_ns() >= self.began_ns + MIN_RUN_NS {
            self.read_processes();
        }
    }

    /// Records that the followed process has ended, with its exact CPU time.
    pub(crate) fn exited(&mut self, exited: &Exited) {
        if let Some(host) = &mut self.host {
            host.root_exited(exited);
        }
        self.end();
    }

    /// Also counts orphans of the followed command. They become children of this process.
    pub(crate) fn with_orphans(mut self) -> Self {
        if let Some(host) = &mut self.host {
            host.follow_orphans();
        }
        self
    }

    /// Records that an orphan of the followed command has ended, with its exact CPU time.
    pub(crate) fn orphan_exited(&mut self, pid: u32, exited: &Exited) {
        if let Some(host) = &mut self.host {
            host.orphan_exited(pid, exited);
        }
    }

    /// Reads the process table again, and adds the processes whose use of devices the drivers are asked about. The schedule
    /// of sampling decides how often: once a second at first, every ten seconds in a long run without viewers.
    pub(crate) fn watched(&mut self, out: &mut Watched) {
        let now_ns = clock::monotonic_ns();
        if now_ns >= self.next_ns && !self.ended {
            self.read_processes();
            let after_ns = clock::monotonic_ns();
            self.next_ns = after_ns + after_ns.saturating_sub(now_ns) * MIN_COST_FACTOR;
        }
        if let Some(host) = &mut self.host {
            out.pids.extend(host.pids());
            out.visible = host.visible();
        }
    }

    /// Adds the use of a device since its last reading, as its driver listed it at `now_ns`.
    pub(crate) fn add_device_use(&mut self, device_index: usize, used: &DeviceUse, now_ns: u64) {
        let Some(host) = &self.host else { return };
        let began_ns = self.began_ns;
        let sum =
            self.devices.entry(device_index).or_insert(DeviceUseSum { last_ns: began_ns, ..DeviceUseSum::default() });
        let covered_ns = now_ns.saturating_sub(sum.last_ns) as f64;
        let shares = host.split(used);
        sum.last_ns = now_ns;
        sum.covered_ns += covered_ns;
        let into = if used.is_assumed { &mut sum.assumed_ns } else { &mut sum.measured_ns };
        into[0] += shares.command * covered_ns;
        into[1] += shares.others * covered_ns;
        sum.unknown_ns += shares.unknown * covered_ns;
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
                let device_use = match device.component {
                    Component::Cpu | Component::Memory => cpu.clone(),
                    _ => self.devices.get(&index).and_then(DeviceUseSum::mean),
                };
                (energy, device_use)
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
    /// Returns the mean use over the covered time; `None` before the first reading.
    fn mean(&self) -> Option<Use> {
        if self.covered_ns <= 0.0 {
            return None;
        }
        // Next to a use that was measured, one that was assumed is not known: it widens the range by its part only.
        let is_assumed = self.measured_ns == [0.0; 2] && self.assumed_ns != [0.0; 2];
        let [command_ns, others_ns] = if is_assumed { self.assumed_ns } else { self.measured_ns };
        let assumed_ns = if is_assumed { 0.0 } else { self.assumed_ns.iter().sum() };
        let part = |ns: f64| ns / self.covered_ns;
        let used = Use::from_fractions(&[part(command_ns)], part(others_ns), part(self.unknown_ns + assumed_ns))?;
        Some(Use { out_of_reach: !self.reachable, is_assumed, ..used })
    }
}
