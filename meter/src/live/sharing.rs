//! Who used the devices: the command's share of CPUs (process table, control groups) and of GPUs (the driver's figures).
//!
//! Behind a lock of its own: a look at a long process table holds up neither the account nor who asks for it.

use std::collections::BTreeMap;

use eco2_core::Component;
use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
use eco2_core::schema::{Attribution, Device};
use eco2_samplers::usage::{Exited, HostUsage};
use eco2_samplers::{DeviceUse, Roots, Watched, clock};

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

/// What a device's driver said of its users so far, each look weighted by the time that it covers.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    last_ns: u64,
    covered_ns: f64,
    command_ns: f64,
    others_ns: f64,
    unknown_ns: f64,
    /// Whether it was ever within the command's reach.
    reachable: bool,
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

    /// A device's driver said at `now_ns` who used it since the last look.
    pub(crate) fn device(&mut self, index: usize, used: &DeviceUse, now_ns: u64) {
        let Some(host) = &self.host else { return };
        let began_ns = self.began_ns;
        let looks = self.devices.entry(index).or_insert(Looks { last_ns: began_ns, ..Looks::default() });
        let covered_ns = now_ns.saturating_sub(looks.last_ns) as f64;
        let of = host.split(used);
        looks.last_ns = now_ns;
        looks.covered_ns += covered_ns;
        looks.command_ns += of.command * covered_ns;
        looks.others_ns += of.others * covered_ns;
        looks.unknown_ns += of.unknown * covered_ns;
        looks.reachable |= used.reachable;
    }

    /// Splits the energy of the devices that are summed between the command of that name, others, nobody and what is not
    /// known; `None` when nobody was followed.
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
                    _ => self.devices.get(&index).and_then(Looks::mean),
                };
                (energy, of)
            })
            .collect();
        let attribution = split(&[ConsumerSpec::command("command", name)], &parts);
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
    fn mean(&self) -> Option<Use> {
        let part = |ns: f64| ns / self.covered_ns;
        let known = (self.covered_ns > 0.0)
            .then(|| Use::from_fractions(&[part(self.command_ns)], part(self.others_ns), part(self.unknown_ns)));
        Some(Use { out_of_reach: !self.reachable, ..known.flatten()? })
    }
}
