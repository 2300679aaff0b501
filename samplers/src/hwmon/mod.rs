//! Source `hwmon`: reads power and energy sensors that the kernel lists in `class/hwmon`, its folder of hardware
//! monitors.
//!
//! They are those of NVIDIA Grace and Jetson, GPUs of AMD and Intel, and AMD's energy drivers. A domain is one sensor.
//! Only sensors whose label states what they measure are read; a supply or a rail of unknown place in the machine could
//! count something twice. Energy inputs are microjoules, power inputs microwatts, voltages millivolts and currents
//! milliamperes (`Documentation/hwmon/sysfs-interface`).

mod amdgpu;
mod input;

use std::cell::LazyCell;

use eco2_core::schema::{EventKind, SourceStatus, Status};
use eco2_core::{Component, Domain, Fault, Kind, Reading};

use crate::ceiling::Ceilings;
use crate::found::{Found, status};
use crate::slot::KernelFile;
use crate::still::{StillGuard, Verdicts};
use crate::visible::Visible;
use crate::{Batch, DeviceUse, Roots, Source, SourceEvent, Watched, clock, intel_cards};
use amdgpu::{Cards, Reach};
pub(crate) use input::NAME;
use input::{Input, Value};

/// Values that sensors show for "not available": 32 bits of ones, also in milli-units turned to micro (kepler#1049).
const SENTINELS: [u64; 3] = [u32::MAX as u64, u32::MAX as u64 * 1000, u64::MAX];
/// What a sensor can show, percent of its stated limit: short excursions above the limit are possible.
const MARGIN_PERCENT: u64 = 150;

/// Looks for sensors on a machine whose CPU is read by nothing else.
///
/// ```
/// use eco2_samplers::{Roots, hwmon};
///
/// let found = hwmon::discover(&Roots::default());
/// assert_eq!(found.statuses[0].name, "hwmon");
/// ```
#[must_use]
pub fn discover(roots: &Roots) -> Found {
    discover_besides(roots, &[])
}

/// Looks for sensors on a machine of which the domains `known` are already read.
///
/// A socket that one of `known` (RAPL) already measures is contained in it here, so that it is never summed twice.
#[must_use]
pub fn discover_besides(roots: &Roots, known: &[Domain]) -> Found {
    discover_visible(roots, known, &Visible::default())
}

/// Looks for sensors like [`discover_besides`], but of the GPUs of AMD and Intel only for those that a program sees and
/// that no source in `known` reads.
#[must_use]
pub fn discover_visible(roots: &Roots, known: &[Domain], visible: &Visible) -> Found {
    let class = roots.sysfs.join("class/hwmon");
    let mut inputs = input::inputs(&class);
    let hidden = intel_cards::hidden(roots, &visible.intel);
    inputs.retain(|input| !input.device_name.as_ref().is_some_and(|address| hidden.contains(address)));
    let cards = Cards::of(&inputs, roots, &visible.amd);
    let ceilings = LazyCell::new(|| Ceilings::read(roots));
    let (mut used, mut skipped) = (Vec::new(), Vec::new());
    skipped.extend(hidden.iter().map(|address| format!("{address}, which ZE_AFFINITY_MASK hides")));
    let mut read_already = Vec::new();
    for input in &inputs {
        match classify(input, &inputs, &cards) {
            Some(domain) if is_read_card(&domain, known) => read_already.push(domain.id),
            Some(domain) => {
                let mut domain = place(domain, input, known, &used);
                domain.ceiling_uw = if input.is_gpu() { input.board_ceiling_uw() } else { ceilings.of(&domain) };
                domain.average_ns = input.average_ns();
                used.push(HwmonSensor { domain, value: input.value.clone(), hwmon: input.hwmon.clone() });
            }
            None if is_part(input, &inputs) || cards.is_left_out(input) => {}
            None => skipped.push(input.describe()),
        }
    }
    if used.is_empty() && !read_already.is_empty() {
        let reason = format!("the energy counter of {} is read", read_already.join(", "));
        return Found::nothing(status(NAME, Status::Off, &with_skipped(reason, &skipped, &cards), ""));
    }
    if used.is_empty() {
        return Found::nothing(absent(&class, &skipped, &cards));
    }
    let source = Hwmon::open(used, &skipped, cards.reach());
    let status = source.status(&skipped, &cards);
    if status.status == Status::Denied { Found::nothing(status) } else { Found::source(source, status) }
}

/// Whether another source reads the card of a sensor: it has the same id.
fn is_read_card(domain: &Domain, known: &[Domain]) -> bool {
    domain.component == Component::Gpu && known.iter().any(|other| other.id == domain.id)
}

/// Returns the PCI addresses of GPUs of AMD and Intel that are left out on purpose: hidden from a program, or shown by
/// another die.
pub(crate) fn left_out_addresses(roots: &Roots, visible: &Visible) -> Vec<String> {
    let inputs = input::inputs(&roots.sysfs.join("class/hwmon"));
    let cards = Cards::of(&inputs, roots, &visible.amd);
    let of_amd = inputs.iter().filter(|input| cards.is_left_out(input)).filter_map(|input| input.device_name.clone());
    of_amd.chain(intel_cards::hidden(roots, &visible.intel)).collect()
}

/// A sensor that is read.
struct HwmonSensor {
    domain: Domain,
    value: Value,
    hwmon: String,
}

/// Returns the domain that an input measures; `None` for one that is not known to be a CPU, GPU or module.
fn classify(input: &Input, all: &[Input], cards: &Cards) -> Option<Domain> {
    match input.chip.as_str() {
        "power_meter" | "acpi_power_meter" => grace(input, all),
        "amdgpu" => cards.domain(input),
        // zenergy is amd_energy under another name, readable by all.
        "amd_energy" | "zenergy" => {
            let socket: u32 = input.label.strip_prefix("Esocket")?.parse().ok()?;
            (input.kind == Kind::Energy).then(|| package(Domain::counter, socket))
        }
        "xe" | "i915" => intel(input, all),
        "ina3221" => jetson(input),
        _ => None,
    }
}

/// Whether an input that is not read is a part of one that is, so that no note is needed.
fn is_part(input: &Input, all: &[Input]) -> bool {
    let read = |label: &str| all.iter().any(|other| other.hwmon == input.hwmon && other.label.starts_with(label));
    match input.chip.as_str() {
        "amd_energy" | "zenergy" => input.label.starts_with("Ecore") && read("Esocket"),
        "i915_gt0" | "i915_gt1" => all.iter().any(|other| other.chip == "i915"),
        "ina3221" => MODULE_SUPPLIES.iter().any(|supply| read(supply)),
        // The other limits of a chip whose power is read.
        "amdgpu" => input.number > 1,
        _ => false,
    }
}

fn package(make: fn(&str, Component, &str, &str) -> Domain, socket: u32) -> Domain {
    make(&format!("package-{socket}"), Component::Cpu, "package", NAME)
}

/// Returns the domain of an input of NVIDIA Grace: `Module` holds GPU and CPU, `Grace` the CPU with its memory and
/// regulators, `CPU` and `SysIO` its rails (NVIDIA Grace Performance Tuning Guide, power and thermals).
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

/// Returns the domain of an input of Intel's discrete GPUs: `card` is the board, `pkg` the chip on it (Linux,
/// sysfs-driver-intel-xe-hwmon); i915 shows one value without a label. Graphics within a CPU have no such sensor.
fn intel(input: &Input, all: &[Input]) -> Option<Domain> {
    let same = |other: &&Input| other.hwmon == input.hwmon && other.kind == Kind::Energy;
    let card = all.iter().filter(same).any(|other| other.label == "card");
    let board = format!("{}-{}", input.chip, input.place());
    let whole = matches!(input.label.as_str(), "" | "card") || (input.label == "pkg" && !card);
    let make = |id: &str, domain| Domain::counter(id, Component::Gpu, domain, NAME);
    match (input.kind, input.label.as_str()) {
        (Kind::Energy, _) if whole => Some(make(&board, "board")),
        (Kind::Energy, "pkg") => Some(Domain { parent: Some(board.clone()), ..make(&format!("{board}/pkg"), "chip") }),
        _ => None,
    }
}

/// Labels of the rail that feeds a whole Jetson module: Orin and Xavier, TX2 and Nano (NVIDIA Jetson Linux developer
/// guide, "Power monitor"). Modules without such a rail have several that nothing adds up.
const MODULE_SUPPLIES: [&str; 2] = ["VDD_IN", "POM_5V_IN"];

fn jetson(input: &Input) -> Option<Domain> {
    let whole = MODULE_SUPPLIES.contains(&input.label.as_str());
    whole.then(|| Domain::power("module-0", Component::Other, "module", NAME))
}

/// Names the domain, keeps its id unique and puts it inside the domain that already measures the same socket.
fn place(mut domain: Domain, input: &Input, known: &[Domain], used: &[HwmonSensor]) -> Domain {
    if domain.name == domain.id {
        domain.name = [input.chip.as_str(), input.label.as_str()].join(" ").trim().to_owned();
    }
    if domain.component != Component::Other && domain.max_uw.is_none() {
        domain.max_uw = input.limit_uw().map(|uw| uw.saturating_mul(MARGIN_PERCENT) / 100);
    }
    let same = |other: &Domain| other.id == domain.id;
    let measured = known.iter().any(same);
    if measured || used.iter().any(|other| same(&other.domain)) {
        domain.parent = measured.then(|| domain.id.clone()).or(domain.parent);
        domain.id = format!("{}@{}", domain.id, input.hwmon);
    } else if input.chip == "amdgpu" && domain.component == Component::Cpu {
        // Of a socket that holds CPU and GPU there is one in a machine.
        let package = known.iter().find(|other| other.component == Component::Cpu && other.parent.is_none());
        domain.parent = package.map(|package| package.id.clone());
    }
    domain
}

fn absent(class: &std::path::Path, skipped: &[String], cards: &Cards) -> SourceStatus {
    let mut reason = format!("no CPU, GPU or module sensor that is known under {}", class.display());
    if cards.hidden > 0 {
        let vars = "ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES, GPU_DEVICE_ORDINAL or CUDA_VISIBLE_DEVICES";
        reason = format!("{vars} hide every AMD GPU; {reason}");
    }
    status(NAME, Status::Absent, &with_skipped(reason, skipped, cards), "")
}

fn with_skipped(mut reason: String, skipped: &[String], cards: &Cards) -> String {
    if cards.hidden > 0 {
        reason = format!("{reason}; not visible to the program: {} AMD GPUs", cards.hidden);
    }
    for remark in &cards.remarks {
        reason = format!("{reason}; {remark}");
    }
    if !skipped.is_empty() {
        reason = format!("{reason}; not used: {}", skipped.join(", "));
    }
    reason
}

/// The source: one kept file a sensor.
struct Hwmon {
    /// One for each domain, in the same order.
    sensors: Vec<Sensor>,
    domains: Vec<Domain>,
    /// Each domain's hwmon folder.
    folders: Vec<String>,
    reach: Reach,
    verdicts: Verdicts,
    notes: Vec<SourceEvent>,
}

/// An open sensor.
struct Sensor {
    /// Its file, or the voltage where power is a product.
    slot: KernelFile,
    /// The current where power is a product of voltage and current.
    factor: Option<KernelFile>,
    guard: StillGuard,
}

impl Sensor {
    fn open(domain: &Domain, value: &Value, at_ns: u64) -> Self {
        let (files, factor) = match value {
            Value::File(files) => (files.clone(), None),
            Value::Product(volts, amperes) => (vec![volts.clone()], Some(vec![amperes.clone()])),
        };
        Self {
            slot: KernelFile::open(files, &domain.id, at_ns),
            factor: factor.map(|files| KernelFile::open(files, &domain.id, at_ns)),
            // A sleeping device may draw no power, but a counter of energy that works is above 0.
            guard: if domain.kind == Kind::Power { StillGuard::off() } else { StillGuard::of(&domain.domain) },
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.slot.fault().or(self.factor.as_ref().and_then(KernelFile::fault))
    }

    fn reading(&mut self, batch: &Batch, notes: &mut Vec<SourceEvent>) -> Reading {
        let first = without_sentinel(self.slot.reading(batch, notes));
        let Some(factor) = &mut self.factor else { return first };
        let second = without_sentinel(factor.reading(batch, notes));
        // Millivolts times milliamperes are microwatts.
        let value = first.value.and_then(|a| a.checked_mul(second.value?).ok_or(Fault::Failed));
        Reading { before_ns: first.before_ns, after_ns: second.after_ns, value }
    }
}

impl Hwmon {
    fn open(used: Vec<HwmonSensor>, skipped: &[String], reach: Reach) -> Self {
        let at_ns = clock::monotonic_ns();
        let sensors = used.iter().map(|used| Sensor::open(&used.domain, &used.value, at_ns)).collect();
        let mut notes = Vec::new();
        if !skipped.is_empty() {
            let text = format!("sensors of unknown place are not used: {}", skipped.join(", "));
            notes.push(SourceEvent { at_ns, kind: EventKind::SensorSkipped, device: NAME.to_owned(), text });
        }
        let (domains, folders) = used.into_iter().map(|used| (used.domain, used.hwmon)).unzip();
        Self { sensors, domains, folders, reach, verdicts: Verdicts::default(), notes }
    }

    fn status(&self, skipped: &[String], cards: &Cards) -> SourceStatus {
        let ids: Vec<&str> = self.domains.iter().map(|domain| domain.id.as_str()).collect();
        let reason = with_skipped(format!("reads {}", ids.join(", ")), skipped, cards);
        let shut: Vec<&KernelFile> =
            self.sensors.iter().filter(|sensor| sensor.fault().is_some()).map(|sensor| &sensor.slot).collect();
        let Some(first) = shut.first() else { return status(NAME, Status::Ok, &reason, "") };
        let state = if shut.len() == self.sensors.len() { Status::Denied } else { Status::Degraded };
        let reason = format!("{reason}; {} of them cannot be opened", shut.len());
        status(NAME, state, &reason, &format!("sudo chmod a+r {}", first.path().display()))
    }
}

/// Returns the reading, with a fault instead of a value that means "not available".
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
        let mut dead = Vec::new();
        for (index, sensor) in self.sensors.iter_mut().enumerate() {
            if !batch.wants(index) {
                continue;
            }
            let reading = sensor.reading(batch, &mut self.notes);
            if sensor.guard.admit(index, reading, batch) {
                dead.push(&self.domains[index]);
            }
        }
        self.notes.extend(self.verdicts.take(NAME, &dead, batch));
    }

    fn notes(&mut self, out: &mut Vec<SourceEvent>) {
        out.append(&mut self.notes);
    }

    /// The users of an AMD GPU are not known; the masks of the watched processes show which processes cannot use it.
    fn users(&mut self, watched: &Watched, out: &mut Vec<DeviceUse>) {
        for (domain, hwmon) in self.folders.iter().enumerate() {
            let seen: Vec<bool> =
                watched.visible.iter().filter_map(|visible| self.reach.of(hwmon, &visible.amd)).collect();
            if !seen.is_empty() {
                let reachable = seen.contains(&true);
                out.push(DeviceUse { domain, reachable, unknown: 1.0, ..DeviceUse::default() });
            }
        }
    }
}
