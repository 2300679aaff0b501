//! Lists the machine's GPUs, TPUs and other accelerators, so that one whose energy no source reads is reported as
//! missing.
//!
//! A source reads one interface, such as NVML (NVIDIA's driver); a domain is one sensor or counter of a device.
//! Graphics and compute devices are recognised by their PCI class, others by the kernel's classes of accelerators, by device
//! nodes (`/dev/accel0`, `/dev/neuron0`), which a container may have without the rest, or by variables that name a TPU.
//! Graphics and neural units within a CPU are not listed, as their energy is in the CPU package's counter. Nor are the
//! display chips of servers and virtual machines, which compute nothing.

use std::path::{Path, PathBuf};

use eco2_core::schema::Status;
use eco2_core::{Component, Domain, Fault, Quality};

use crate::found::{Found, status};
use crate::topology::{self, PciDevice};
use crate::visible::Visible;
use crate::{Batch, Roots, Source, hwmon, nvml, sysfs};

/// Name of the source that reports missing devices. Their domains have another source: the one that would read them.
const NAME: &str = "accelerators";
/// PCI classes of graphics: VGA, 3D and other display controllers.
const GRAPHICS: [&str; 3] = ["0300", "0302", "0380"];
/// PCI class of processing accelerators.
const PROCESSING: &str = "1200";
/// PCI classes under which the vendors of [`CLOUD`] list their accelerators.
const CLOUD_CLASSES: [&str; 3] = ["0880", PROCESSING, "ff00"];
/// Vendors of graphics that compute: NVIDIA, AMD, Intel.
const GRAPHICS_VENDORS: [&str; 3] = [topology::NVIDIA, AMD, INTEL];
const AMD: &str = "1002";
const INTEL: &str = "8086";
/// Vendor number of AMD's processors; its graphics have another.
const AMD_CPU: &str = "1022";
/// Vendors of cloud accelerators: Google (TPU) and Amazon (Inferentia, Trainium).
const CLOUD: [&str; 2] = [GOOGLE, "1d0f"];
const GOOGLE: &str = "1ae0";
/// Name of a TPU of which only a variable is known.
const TPU: &str = "tpu";
/// Intel's graphics and neural unit within the CPU are always at these addresses.
const INTEL_INSIDE: [&str; 2] = ["0000:00:02.0", "0000:00:0b.0"];
/// Classes of the kernel (folders of `/sys/class`) for accelerators without a specific PCI class.
const KERNEL_CLASSES: [&str; 3] = ["accel", "neuron_device", "habanalabs"];
/// How device nodes of accelerators begin, before their number: Google's TPU and others; Amazon's Inferentia and Trainium;
/// Intel's Gaudi.
const NODES: [&str; 3] = ["accel", "neuron", "hl"];

/// An accelerator of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accelerator {
    /// PCI address, `0000:01:00.0`, else the kernel's name, `accel0`.
    pub(crate) slot: String,
    /// Vendor, four hexadecimal digits; empty where unknown.
    pub(crate) vendor: String,
    /// `vendor:device`, `10de:2330`; empty where unknown.
    pub(crate) pci_id: String,
    /// Its folder in sysfs, else its device node, or the variable that names it.
    pub(crate) dir: PathBuf,
}

/// Returns all accelerators: those of a PCI class in the order of their addresses, then those that only a class of the
/// kernel lists.
#[must_use]
pub(crate) fn present(roots: &Roots) -> Vec<Accelerator> {
    let devices = topology::devices(roots);
    let mut found: Vec<Accelerator> =
        devices.iter().filter(|device| is_accelerator(device, &devices)).map(Accelerator::of).collect();
    let is_graphics = |device: &Accelerator| GRAPHICS_VENDORS.contains(&device.vendor.as_str());
    // Nothing shows to which PCI device a node belongs: nodes count where no such device is listed.
    let nodes = if found.iter().all(is_graphics) { nodes(&roots.dev()) } else { Vec::new() };
    let mut in_classes = Vec::new();
    for class in KERNEL_CLASSES {
        let dir = roots.sysfs.join("class").join(class);
        for name in sysfs::entries(&dir).unwrap_or_default() {
            found.extend(unlisted(&name, dir.join(&name), &devices));
            in_classes.push(name);
        }
    }
    found.extend(nodes.into_iter().filter(|node| !in_classes.contains(&node.slot)));
    found
}

/// Returns the accelerators that device nodes show: `<dev>/accel0`, `<dev>/accel/accel0`.
fn nodes(dev: &Path) -> Vec<Accelerator> {
    let mut nodes = Vec::new();
    for dir in [dev.to_owned(), dev.join("accel")] {
        let mut names = sysfs::entries(&dir).unwrap_or_default();
        names.retain(|name| NODES.iter().any(|node| name.strip_prefix(node).is_some_and(is_number)));
        nodes.extend(names.iter().map(|name| Accelerator::unknown(name, dir.join(name))));
    }
    nodes
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Accelerator {
    fn of(device: &PciDevice) -> Self {
        Self {
            slot: device.slot.clone(),
            vendor: device.vendor.clone(),
            pci_id: format!("{}:{}", device.vendor, device.device),
            dir: device.dir.clone(),
        }
    }

    /// A device of which only a name is known.
    fn unknown(name: &str, dir: PathBuf) -> Self {
        Self { slot: name.to_owned(), vendor: String::new(), pci_id: String::new(), dir }
    }

    /// Whether NVIDIA's driver is the one that would read it.
    pub(crate) fn is_nvidia(&self) -> bool {
        self.vendor == topology::NVIDIA
    }

    /// Whether its maker is AMD.
    pub(crate) fn is_amd(&self) -> bool {
        self.vendor == AMD
    }

    /// Returns the name of the source that reads such devices.
    fn reader(&self) -> &'static str {
        if self.vendor == topology::NVIDIA { nvml::NAME } else { hwmon::NAME }
    }

    /// Returns how ids of this vendor's domains begin, to count those whose id has no PCI address.
    fn id_prefixes(&self) -> &'static [&'static str] {
        match self.vendor.as_str() {
            AMD => &["amdgpu-"],
            INTEL => &["xe-", "i915-"],
            _ => &[],
        }
    }

    /// Returns its address and numbers for a person.
    fn describe(&self) -> String {
        let known_by = match self.pci_id.as_str() {
            "" if self.slot == TPU => self.dir.to_string_lossy(),
            "" => "unknown maker".into(),
            id => id.into(),
        };
        format!("{} ({known_by})", self.slot)
    }
}

/// Whether a PCI device is an accelerator by class and vendor, and neither within the CPU nor a share of another.
fn is_accelerator(device: &PciDevice, all: &[PciDevice]) -> bool {
    let of_class = |classes: &[&str]| classes.iter().any(|class| device.class.starts_with(class));
    let vendor = device.vendor.as_str();
    let computes = (of_class(&GRAPHICS) && GRAPHICS_VENDORS.contains(&vendor))
        || (of_class(&[PROCESSING]) && vendor != AMD_CPU)
        || (of_class(&CLOUD_CLASSES) && CLOUD.contains(&vendor));
    // A virtual function is a share of the device that the machine has as well.
    computes && !is_inside_cpu(device, all) && !device.dir.join("physfn").exists()
}

/// Whether a device is part of the CPU, and so in its package's energy.
fn is_inside_cpu(device: &PciDevice, all: &[PciDevice]) -> bool {
    match device.vendor.as_str() {
        INTEL => INTEL_INSIDE.contains(&device.slot.as_str()),
        // The other functions of an APU's graphics are the CPU's: its security processor, its USB controllers.
        AMD => {
            let slot = |slot: &str| slot.rsplit_once('.').map(|(slot, _)| slot.to_owned());
            all.iter().any(|other| other.vendor == AMD_CPU && slot(&other.slot) == slot(&device.slot))
        }
        _ => false,
    }
}

/// Returns the accelerator of entry `name` of a kernel class; `None` for one that is listed by its PCI class already or
/// lies within the CPU.
fn unlisted(name: &str, dir: PathBuf, devices: &[PciDevice]) -> Option<Accelerator> {
    let slot = sysfs::real_path(&dir.join("device")).and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    match devices.iter().find(|device| Some(&device.slot) == slot.as_ref()) {
        Some(device) if is_accelerator(device, devices) || is_inside_cpu(device, devices) => None,
        Some(device) if device.vendor == AMD_CPU => None,
        Some(device) => Some(Accelerator::of(device)),
        None => Some(Accelerator::unknown(name, dir)),
    }
}

/// Returns the accelerators that a program sees (by its environment variables) and that none of the domains `known`
/// reads.
#[must_use]
pub(crate) fn unread(roots: &Roots, known: &[Domain], visible: &Visible) -> Vec<Accelerator> {
    let mut rest = present(roots);
    // Of a TPU whose devices are shown, the variables add nothing.
    let may_be_tpu = |device: &Accelerator| device.vendor == GOOGLE || device.slot.starts_with("accel");
    if let Some(variable) = visible.tpu.filter(|_| !rest.iter().any(may_be_tpu)) {
        rest.push(Accelerator::unknown(TPU, PathBuf::from(variable)));
    }
    let left_out = hwmon::left_out_addresses(roots, visible);
    rest.retain(|device| !left_out.contains(&device.slot) && !known.iter().any(|domain| shows(domain, &device.slot)));
    let mut nvidia = rest.iter().filter(|device| device.vendor == topology::NVIDIA).count();
    let shown = visible.cuda.indices(nvidia);
    let boards = known.iter().filter(|domain| domain.source == nvml::NAME && domain.domain == "board").count();
    // As many boards as the driver reads are not missing, nor are those that the environment hides.
    let missing: Vec<usize> = shown.into_iter().skip(boards).collect();
    nvidia = 0;
    rest.retain(|device| {
        let index = nvidia;
        nvidia += usize::from(device.vendor == topology::NVIDIA);
        device.vendor != topology::NVIDIA || missing.contains(&index)
    });
    // A sensor that does not show its address may belong to any device of its vendor.
    let unaddressed = |device: &Accelerator| {
        let prefixes = device.id_prefixes().iter().map(|prefix| format!("{prefix}hwmon")).collect::<Vec<_>>();
        known
            .iter()
            .filter(|domain| domain.parent.is_none() && prefixes.iter().any(|p| domain.id.starts_with(p)))
            .count()
    };
    let mut passed: Vec<String> = Vec::new();
    rest.retain(|device| {
        let read = passed.iter().filter(|vendor| **vendor == device.vendor).count() < unaddressed(device);
        passed.extend(read.then(|| device.vendor.clone()));
        !read
    });
    rest
}

/// Whether a domain is of the device at address `slot`, by its id or name.
fn shows(domain: &Domain, slot: &str) -> bool {
    domain.component != Component::Memory && (domain.id.contains(slot) || domain.name.contains(slot))
}

/// Returns those of `devices` that `known`, the domains of the model's estimates, does not cover either.
#[must_use]
pub(crate) fn unestimated(mut devices: Vec<Accelerator>, known: &[Domain]) -> Vec<Accelerator> {
    devices.retain(|device| !known.iter().any(|domain| shows(domain, &device.slot)));
    devices
}

/// Returns a source that reports each of these devices as missing.
#[must_use]
pub(crate) fn missing(devices: &[Accelerator]) -> Found {
    let Some(first) = devices.first() else { return Found::default() };
    let names: Vec<String> = devices.iter().map(Accelerator::describe).collect();
    let reason = format!("nothing reads {}: the energy is known to be missing", names.join(", "));
    let remedy = if first.vendor == topology::NVIDIA {
        "install the NVIDIA driver"
    } else {
        "give the board's power in watts (gpu_watts)"
    };
    let domain = |device: &Accelerator| Domain {
        name: format!("accelerator {}", device.describe()),
        quality: Quality::Missing,
        ..Domain::power(&format!("gpu-{}", device.slot), Component::Gpu, "board", device.reader())
    };
    let source = Missing { domains: devices.iter().map(domain).collect(), next_ns: 0 };
    Found::source(source, status(NAME, Status::Absent, &reason, remedy))
}

/// Time between two reports that a device is missing: a second, as nothing about it changes.
const EVERY_NS: u64 = 1_000_000_000;

/// The source that reports devices as missing: each of its readings is a fault.
struct Missing {
    domains: Vec<Domain>,
    next_ns: u64,
}

impl Source for Missing {
    fn name(&self) -> &str {
        NAME
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let now_ns = batch.now_ns();
        if now_ns < self.next_ns && !batch.wants_all() {
            return;
        }
        self.next_ns = now_ns + EVERY_NS;
        for index in 0..self.domains.len() {
            batch.one(index, || Err(Fault::Unsupported));
        }
    }
}
