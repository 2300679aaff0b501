//! Source `model`: estimates the energy of what has no sensor, quality *estimated*, with wide bounds.
//!
//! Power lies between idle and full load by utilisation. There is no other factor: every number is in the tables of
//! `model/cpu.rs`, `model/memory.rs` and `model/gpu.rs` and in the shipped data, and the `method` of the domain (the
//! estimated part) states the sum. The range goes with the load: factors of the power (`ModelRange`), 90 %, by what is
//! known of the part (docs/estimates.md). Components that a sensor reads are never estimated; memory is estimated where
//! the processors are.
//!
//! The counter advances every 100 ms, and when a reading of everything is asked for: at the end of a run it covers the
//! run, however short. The clock ticks behind the utilisation are 10 ms long; a run that is shorter than a few of them
//! is estimated from this process's and its children's own CPU time.

#[cfg(test)]
mod back_test;
pub(crate) mod boards;
pub(crate) mod cpu;
pub(crate) mod cpu_name;
pub(crate) mod dies;
pub(crate) mod gpu;
pub(crate) mod identity;
mod load;
mod measured;
mod memory;
mod options;
mod power;
mod stand_in;
pub(crate) mod table;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Component, Domain, Fault, Quality, Reading};

use crate::found::Found;
use crate::{Batch, Roots, Source};
use cpu::{CpuEstimate, Level};
use gpu::{BareGpu, BoardEstimate};
use identity::CpuFacts;
use load::Load;
pub use measured::{LoadPower, MeasuredMachine, MeasuredPower};
pub use options::{ModelOptions, NAME, ThreadWatts};
use options::{UPDATE_NS, plausible};
use power::{Integral, Power};
pub(crate) use stand_in::stand_in;

/// Sets up estimates for what has no sensor, and reports what was assumed.
#[must_use]
pub fn discover(roots: &Roots, has_cpu_sensor: bool, has_gpu_sensor: bool, options: &ModelOptions) -> Found {
    let gpus = if has_gpu_sensor { Vec::new() } else { gpu::find(roots) };
    discover_for(roots, Unread { cpus: !has_cpu_sensor, memory: !has_cpu_sensor, gpus: &gpus }, options)
}

/// The parts of a machine that no sensor reads.
pub(crate) struct Unread<'a> {
    pub(crate) cpus: bool,
    /// Memory is estimated only where the CPUs are.
    pub(crate) memory: bool,
    pub(crate) gpus: &'a [BareGpu],
}

/// Sets up estimates of what is unread.
#[must_use]
pub(crate) fn discover_for(roots: &Roots, unread: Unread<'_>, options: &ModelOptions) -> Found {
    if !options.enabled {
        return result(None, Status::Off, "estimates are refused", "");
    }
    let mut model = Model::default();
    let mut without = Vec::new();
    let mut level = None;
    if unread.cpus {
        let facts = CpuFacts::read(&roots.procfs);
        let estimate = cpu_estimate(&facts, options);
        let load = || Load::cpus(&roots.procfs, facts.threads);
        let bytes = identity::memory_bytes(&roots.procfs).filter(|_| unread.memory);
        let memory = bytes.map(|bytes| memory_estimate(bytes, estimate.class, options));
        level = Some(estimate.level);
        model.add_cpu(cpu_domain("cpu-estimate"), estimate, load());
        if let Some((power, method)) = memory {
            let dram = Domain::counter("memory-estimate", Component::Memory, "dram", NAME);
            model.add(Domain { name: "main memory".to_owned(), method: Some(method), ..dram }, power, load());
        }
    }
    for bare in unread.gpus {
        match gpu::estimate(bare, plausible(options.gpu_watts)) {
            Some(BoardEstimate { power, name, method }) => {
                let id = format!("gpu-estimate-{}", bare.slot);
                let board =
                    Domain { name, method: Some(method), ..Domain::counter(&id, Component::Gpu, "board", NAME) };
                model.add(board, power, bare.load());
            }
            None => without.push(bare.name.clone().unwrap_or_else(|| bare.pci_id.clone())),
        }
    }
    found(model, &without, level)
}

/// Returns the estimate of all CPUs: by this machine's calibration if there is one, else by what is known of them.
fn cpu_estimate(facts: &CpuFacts, options: &ModelOptions) -> CpuEstimate {
    cpu::estimate(facts, plausible(options.cpu_watts), options.cpu_thread).calibrated(options.measured)
}

/// Returns the estimate of main memory, and how it was calculated: by calibration, else by its size.
fn memory_estimate(bytes: u64, class: table::Class, options: &ModelOptions) -> (Power, String) {
    let (power, method) = memory::estimate(bytes, class);
    match options.measured.and_then(|measured| measured.memory) {
        Some(measured) => (measured.power(power.factors), measured.method()),
        None => (power, method),
    }
}

fn found(model: Model, without: &[String], level: Option<Level>) -> Found {
    let mut reason = match model.domains.is_empty() {
        true => "nothing to estimate".to_owned(),
        false => {
            let calculated =
                |domain: &Domain| format!("{}: {}", domain.name, domain.method.as_deref().unwrap_or_default());
            let names: Vec<String> = model.domains.iter().map(calculated).collect();
            let known = level.map_or(String::new(), |level| format!(", the processor known by {}", level.known_by()));
            format!("not measured{known}: {}", names.join("; "))
        }
    };
    let mut remedy = "";
    if !without.is_empty() {
        reason.push_str(&format!("; no wattage known for GPU {}", without.join(", ")));
        remedy = "give the GPU's board power in watts";
    } else if !model.domains.is_empty() {
        remedy = match level {
            Some(Level::Given | Level::Calibrated | Level::Name) | None => {
                "make a sensor readable: see the other sources"
            }
            Some(_) => "a sensor, the processor's full name or its watts under full load would narrow the range",
        };
    }
    match (model.domains.is_empty(), without.is_empty()) {
        (false, _) => result(Some(Box::new(model)), Status::Degraded, &reason, remedy),
        (true, true) => result(None, Status::Off, "every component has a sensor", ""),
        (true, false) => result(None, Status::Absent, &reason, remedy),
    }
}

/// Returns standby estimates, which replace the counters of these packages while those do not count: one for each
/// package, or one for all in a virtual machine. `None` where estimates are refused.
pub(crate) fn stand_by(roots: &Roots, packages: &[String], options: &ModelOptions) -> Option<Model> {
    let first = packages.first().filter(|_| options.enabled)?;
    let facts = CpuFacts::read(&roots.procfs);
    let estimate = cpu_estimate(&facts, options);
    let load = || Load::cpus(&roots.procfs, facts.threads);
    let mut model = Model::default();
    // In a guest either every counter works or none does, and the packages that it is shown are not the host's.
    if facts.guest {
        model.add_cpu(Domain { parent: Some(first.clone()), ..cpu_domain("cpu-estimate") }, estimate, load());
        return Some(model);
    }
    for package in packages {
        let domain = Domain { parent: Some(package.clone()), ..cpu_domain(&format!("{package}/estimate")) };
        let share = if packages.len() > 1 { format!(", 1/{} of it", packages.len()) } else { String::new() };
        let method = format!("{}{share}", estimate.method);
        let part = CpuEstimate { power: estimate.power.divided(packages.len()), method, ..estimate.clone() };
        model.add_cpu(domain, part, load());
    }
    Some(model)
}

fn cpu_domain(id: &str) -> Domain {
    Domain::counter(id, Component::Cpu, "package", NAME)
}

fn result(source: Option<Box<dyn Source>>, status: Status, reason: &str, remedy: &str) -> Found {
    let status = SourceStatus { name: NAME.into(), status, reason: reason.into(), remedy: remedy.into() };
    Found { source, statuses: vec![status], ..Found::default() }
}

/// The source.
#[derive(Debug, Default)]
pub(crate) struct Model {
    domains: Vec<Domain>,
    estimates: Vec<Estimate>,
}

/// One component's running estimate.
#[derive(Debug)]
struct Estimate {
    power: Power,
    load: Load,
    integral: Integral,
    /// Up to when it has counted; `None` before the first reading.
    at_ns: Option<u64>,
}

impl Model {
    /// Reads one estimate.
    pub(crate) fn read_one(&mut self, index: usize, batch: &Batch) -> Option<Reading> {
        let estimate = self.estimates.get_mut(index)?;
        // The energy belongs to the instant that it was computed for: the bracket starts there.
        let before_ns = batch.now_ns();
        let value = estimate.energy_uj(before_ns, batch.wants_all());
        Some(Reading { before_ns, after_ns: batch.now_ns(), value })
    }

    /// Returns the energy of an estimate so far, microjoules.
    pub(crate) fn energy_uj_so_far(&self, index: usize) -> u64 {
        self.estimates.get(index).map_or(0, |estimate| estimate.integral.microjoules())
    }

    /// Lets an estimate that rested go on from the past instant `since_ns`.
    pub(crate) fn begin_at(&mut self, index: usize, since_ns: u64) {
        if let Some(estimate) = self.estimates.get_mut(index) {
            estimate.at_ns = Some(since_ns);
        }
    }

    fn add_cpu(&mut self, domain: Domain, cpu: CpuEstimate, load: Load) {
        let CpuEstimate { power, name, method, .. } = cpu;
        self.add(Domain { name, method: Some(method), ..domain }, power, load);
    }

    fn add(&mut self, domain: Domain, power: Power, load: Load) {
        let (min_uw, max_uw, model_range) = (Some(power.min_uw()), Some(power.max_uw()), Some(power.range()));
        self.domains.push(Domain { quality: Quality::Estimated, min_uw, max_uw, model_range, ..domain });
        self.estimates.push(Estimate { power, load, integral: Integral::default(), at_ns: None });
    }
}

impl Estimate {
    /// Returns the microjoules since the first call, as of the last update before `now_ns`, or with `now` as of
    /// `now_ns`.
    fn energy_uj(&mut self, now_ns: u64, now: bool) -> Result<u64, Fault> {
        if self.at_ns.is_none() {
            self.load.begin();
        }
        let at_ns = *self.at_ns.get_or_insert(now_ns);
        let passed_ns = now_ns.saturating_sub(at_ns);
        if passed_ns >= UPDATE_NS || (now && passed_ns > 0) {
            let ppm = self.load.since_last(passed_ns)?;
            self.integral.add(self.power.at(ppm), passed_ns);
            self.at_ns = Some(now_ns);
        }
        Ok(self.integral.microjoules())
    }
}

impl Source for Model {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        for index in 0..self.estimates.len() {
            if let Some(reading) = self.read_one(index, batch) {
                batch.push(index, reading);
            }
        }
    }
}
