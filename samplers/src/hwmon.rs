//! Power and energy sensors of `class/hwmon`: NVIDIA Grace, AMD GPUs, AMD's energy driver.
//!
//! Only sensors whose label says what they measure are read; a supply or a rail of unknown place in the machine could
//! count something twice. Energy inputs are microjoules, power inputs microwatts (`Documentation/hwmon/sysfs-interface`).

use std::path::{Path, PathBuf};

use eco2_core::report::{SourceStatus, Status};
use eco2_core::{Component, Domain, Fault, Kind, Reading};

use crate::found::{Found, status};
use crate::slot::Slot;
use crate::zero::{self, ZeroGuard};
use crate::{Batch, Note, Roots, Source, clock, sysfs};

/// The source's name.
pub(crate) const NAME: &str = "hwmon";
/// What sensors say instead of "I do not know": 32 bits of ones, also in milli-units turned to micro (kepler#1049).
const SENTINELS: [u64; 3] = [u32::MAX as u64, u32::MAX as u64 * 1000, u64::MAX];

/// Looks for sensors on a machine whose CPU is read by nothing else.
#[must_use]
pub fn discover(roots: &Roots) -> Found {
    discover_beside(roots, &[])
}

/// Looks for sensors beside domains that are already read.
///
/// A socket that one of `known` (RAPL) already measures is contained in it here, so that it is never summed twice.
#[must_use]
pub fn discover_beside(roots: &Roots, known: &[Domain]) -> Found {
    let class = roots.sysfs.join("class/hwmon");
    let inputs = inputs(&class);
    let (mut used, mut skipped) = (Vec::new(), Vec::new());
    for input in &inputs {
        match classify(input, &inputs) {
            Some(domain) => used.push((place(domain, input, known, &used), input.path.clone())),
            None => skipped.push(input.describe()),
        }
    }
    if used.is_empty() {
        return Found::nothing(absent(&class, &skipped));
    }
    let source = Hwmon::open(used, &skipped);
    let status = source.status(&skipped);
    if status.status == Status::Denied { Found::nothing(status) } else { Found::source(source, status) }
}

/// One `powerN_*` or `energyN_input` of one chip.
struct Input {
    hwmon: String,
    chip: String,
    label: String,
    kind: Kind,
    number: u32,
    path: PathBuf,
    /// Name of the device behind it, such as its PCI address.
    device: Option<String>,
}

impl Input {
    fn describe(&self) -> String {
        let kind = if self.kind == Kind::Energy { "energy" } else { "power" };
        format!("{} {} {kind}{} {:?}", self.hwmon, self.chip, self.number, self.label)
    }

    /// `(Grace, 0)` of `Grace Power Socket 0`.
    fn socket(&self) -> Option<(&str, u32)> {
        let (part, number) = self.label.split_once(" Power Socket ")?;
        Some((part, number.trim().parse().ok()?))
    }
}

/// All inputs, chips in numeric order.
fn inputs(class: &Path) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for hwmon in sysfs::entries(class).unwrap_or_default() {
        let own = class.join(&hwmon);
        // Drivers of the old interface (acpi_power_meter) keep the files with the device.
        let dirs = [own.clone(), own.join("device")];
        let chip = dirs.iter().find_map(|dir| sysfs::read_text(&dir.join("name")).ok()).unwrap_or_default();
        let device = sysfs::real_path(&dirs[1]).and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        for dir in &dirs {
            for file in sysfs::entries(dir).unwrap_or_default() {
                let Some((kind, number)) = parse_name(&file) else { continue };
                // `average` sorts before `input`: the one that covers the time between two readings is taken.
                if inputs.iter().any(|other| (&other.hwmon, other.kind, other.number) == (&hwmon, kind, number)) {
                    continue;
                }
                let (path, label) = (dir.join(&file), label(dir, kind, number));
                let (hwmon, chip, device) = (hwmon.clone(), chip.clone(), device.clone());
                inputs.push(Input { hwmon, chip, label, kind, number, path, device });
            }
        }
    }
    inputs
}

/// Kind and number of an input's file name.
fn parse_name(file: &str) -> Option<(Kind, u32)> {
    let (stem, what) = file.split_once('_')?;
    let (kind, number) = match (stem.strip_prefix("energy"), stem.strip_prefix("power")) {
        (Some(number), _) if what == "input" => (Kind::Energy, number),
        (_, Some(number)) if matches!(what, "average" | "input") => (Kind::Power, number),
        _ => return None,
    };
    Some((kind, number.parse().ok()?))
}

/// The sensor's label; ACPI power meters say it as `oem_info` (so Grace does).
fn label(dir: &Path, kind: Kind, number: u32) -> String {
    let stem = if kind == Kind::Energy { "energy" } else { "power" };
    let read = |what: &str| sysfs::read_text(&dir.join(format!("{stem}{number}_{what}"))).ok();
    read("label").or_else(|| read("oem_info")).unwrap_or_default()
}

/// What an input measures; `None` for one that is not known to be a CPU, GPU or module.
fn classify(input: &Input, all: &[Input]) -> Option<Domain> {
    match input.chip.as_str() {
        "power_meter" | "acpi_power_meter" => grace(input, all),
        "amdgpu" => amdgpu(input),
        "amd_energy" => {
            let socket: u32 = input.label.strip_prefix("Esocket")?.parse().ok()?;
            (input.kind == Kind::Energy).then(|| package(Domain::counter, socket))
        }
        _ => None,
    }
}

fn package(make: fn(&str, Component, &str, &str) -> Domain, socket: u32) -> Domain {
    make(&format!("package-{socket}"), Component::Cpu, "package", NAME)
}

/// NVIDIA Grace: `Module` holds GPU and CPU, `Grace` the CPU with its memory and regulators, `CPU` and `SysIO` its rails
/// (NVIDIA Grace Performance Tuning Guide, power and thermals).
fn grace(input: &Input, all: &[Input]) -> Option<Domain> {
    let (part, socket) = input.socket().filter(|_| input.kind == Kind::Power)?;
    let whole = all.iter().any(|other| other.socket() == Some(("Grace", socket)));
    let rail = |kind: &str| {
        let mut domain = Domain::power(&format!("{kind}-{socket}"), Component::Cpu, kind, NAME);
        domain.parent = Some(format!("package-{socket}"));
        domain
    };
    match part {
        "Module" => Some(Domain::power(&format!("module-{socket}"), Component::Other, "module", NAME)),
        "Grace" => Some(package(Domain::power, socket)),
        "CPU" if whole => Some(rail("core")),
        "CPU" => Some(package(Domain::power, socket)),
        "SysIO" if whole => Some(rail("uncore")),
        _ => None,
    }
}

/// An AMD board. Slow and fast PPT are what an APU has, and include its CPU.
fn amdgpu(input: &Input) -> Option<Domain> {
    let board = input.kind == Kind::Power && input.number == 1 && matches!(input.label.as_str(), "" | "PPT");
    let device = input.device.as_deref().unwrap_or(&input.hwmon);
    board.then(|| Domain::power(&format!("amdgpu-{device}"), Component::Gpu, "board", NAME))
}

/// Names the domain, keeps its id unique and puts it inside the domain that already measures the same socket.
fn place(mut domain: Domain, input: &Input, known: &[Domain], used: &[(Domain, PathBuf)]) -> Domain {
    domain.name = [input.chip.as_str(), input.label.as_str()].join(" ").trim().to_owned();
    let same = |other: &Domain| other.id == domain.id;
    let measured = known.iter().any(same);
    if measured || used.iter().any(|(other, _)| same(other)) {
        domain.parent = measured.then(|| domain.id.clone()).or(domain.parent);
        domain.id = format!("{}@{}", domain.id, input.hwmon);
    }
    domain
}

fn absent(class: &Path, skipped: &[String]) -> SourceStatus {
    let mut reason = format!("no CPU, GPU or module sensor that is known under {}", class.display());
    if !skipped.is_empty() {
        reason = format!("{reason}; not used: {}", skipped.join(", "));
    }
    status(NAME, Status::Absent, &reason, "")
}

/// The source: one kept file a sensor.
struct Hwmon {
    sensors: Vec<Sensor>,
    domains: Vec<Domain>,
    notes: Vec<Note>,
}

struct Sensor {
    slot: Slot,
    guard: ZeroGuard,
}

impl Hwmon {
    fn open(used: Vec<(Domain, PathBuf)>, skipped: &[String]) -> Self {
        let at_ns = clock::monotonic_ns();
        let sensor = |(domain, path): &(Domain, PathBuf)| Sensor {
            slot: Slot::open(path, &domain.id, at_ns),
            // No power is a fact of a sleeping device, no energy ever is none of a counter.
            guard: if domain.kind == Kind::Power { ZeroGuard::Counting } else { ZeroGuard::Fresh },
        };
        let note = |text: &String| Note { at_ns, kind: "sensor-skipped", device: NAME.to_owned(), text: text.clone() };
        let notes = skipped.iter().map(note).collect();
        let sensors = used.iter().map(sensor).collect();
        Self { sensors, domains: used.into_iter().map(|(domain, _)| domain).collect(), notes }
    }

    fn status(&self, skipped: &[String]) -> SourceStatus {
        let ids: Vec<&str> = self.domains.iter().map(|domain| domain.id.as_str()).collect();
        let mut reason = format!("reads {}", ids.join(", "));
        if !skipped.is_empty() {
            reason = format!("{reason}; not used: {}", skipped.join(", "));
        }
        let shut: Vec<&Slot> =
            self.sensors.iter().map(|sensor| &sensor.slot).filter(|slot| slot.fault().is_some()).collect();
        let Some(first) = shut.first() else { return status(NAME, Status::Ok, &reason, "") };
        let state = if shut.len() == self.sensors.len() { Status::Denied } else { Status::Degraded };
        let reason = format!("{reason}; {} of them cannot be opened", shut.len());
        status(NAME, state, &reason, &format!("sudo chmod a+r {}", first.path().display()))
    }
}

/// A reading that is a sensor's way of having none.
fn without_sentinel(reading: Reading) -> Reading {
    let absent = reading.value.is_ok_and(|value| SENTINELS.contains(&value));
    Reading { value: if absent { Err(Fault::NotAvailable) } else { reading.value }, ..reading }
}

impl Source for Hwmon {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        for (index, sensor) in self.sensors.iter_mut().enumerate() {
            let reading = without_sentinel(sensor.slot.reading(batch, &mut self.notes));
            if sensor.guard.admit(index, reading, batch) {
                self.notes.push(zero::note(&self.domains[index], reading.after_ns));
            }
        }
    }

    fn notes(&mut self, out: &mut Vec<Note>) {
        out.append(&mut self.notes);
    }
}
