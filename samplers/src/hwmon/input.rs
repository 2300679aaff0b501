//! Lists the inputs (sensors) of the kernel's `class/hwmon`, its folder of hardware monitors: chip, label and files.

use std::path::{Path, PathBuf};

use eco2_core::Kind;

use crate::model::table;
use crate::sysfs;

/// The source's name.
pub(crate) const NAME: &str = "hwmon";
/// Chips whose power is the product of a voltage and a current.
const MULTIPLIED: [&str; 1] = ["ina3221"];

/// One sensor of one chip: `powerN_*`, `energyN_input`, or a pair of `inN_input` and `currN_input`.
pub(super) struct Input {
    /// The folder's name, `hwmon3`.
    pub(super) hwmon: String,
    /// Name of the driver or part.
    pub(super) chip: String,
    /// The input's label; empty where there is none.
    pub(super) label: String,
    /// Whether it shows energy or power.
    pub(super) kind: Kind,
    /// The `N` of its files.
    pub(super) number: u32,
    /// Where its value is.
    pub(super) value: Value,
    /// Folder of its files.
    pub(super) dir: PathBuf,
    /// Folder of the device behind it with every link resolved.
    pub(super) device: Option<PathBuf>,
    /// Name of the device behind it, such as its PCI address.
    pub(super) device_name: Option<String>,
}

/// Where an input's value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// In one of these files, best first.
    File(Vec<PathBuf>),
    /// The product of these two: millivolts and milliamperes.
    Product(PathBuf, PathBuf),
}

impl Input {
    pub(super) fn describe(&self) -> String {
        let kind = if self.kind == Kind::Energy { "energy" } else { "power" };
        format!("{} {} {kind}{} {:?}", self.hwmon, self.chip, self.number, self.label)
    }

    /// Returns part and socket that the label names: `(Grace, 0)` of `Grace Power Socket 0`.
    pub(super) fn socket(&self) -> Option<(&str, u32)> {
        let (part, number) = self.label.split_once(" Power Socket ")?;
        Some((part, number.trim().parse().ok()?))
    }

    /// Returns the address of its device, else the folder's name.
    pub(super) fn place(&self) -> &str {
        self.device_name.as_deref().unwrap_or(&self.hwmon)
    }

    /// Whether another label of the chip is `text`.
    pub(super) fn chip_has_label(&self, text: &str) -> bool {
        let files = sysfs::entries(&self.dir).unwrap_or_default();
        let labels = files.iter().filter(|file| file.ends_with("_label"));
        labels.filter_map(|file| sysfs::read_text(&self.dir.join(file)).ok()).any(|label| label == text)
    }

    /// Reads a hexadecimal number of its PCI device from `file`, without `0x`.
    pub(super) fn device_number(&self, file: &str) -> Option<String> {
        let text = sysfs::read_text(&self.device.as_ref()?.join(file)).ok()?;
        Some(text.trim_start_matches("0x").to_lowercase())
    }

    /// Whether it is of a board with a GPU. That of an APU (CPU and GPU in one chip) is not: it shows the socket.
    pub(super) fn is_gpu(&self) -> bool {
        matches!(self.chip.as_str(), "xe" | "i915") || (self.chip == "amdgpu" && !self.chip_has_label("vddnb"))
    }

    /// Returns what the board can draw, microwatts, by its PCI number: 1.5 times its board power in the table.
    pub(super) fn board_ceiling_uw(&self) -> Option<u64> {
        let number = format!("{}:{}", self.device_number("vendor")?, self.device_number("device")?);
        table::gpu(None, &number).map(|row| (row.tdp_w * 1.5e6).round() as u64)
    }

    /// Returns the time over which a reading averages, nanoseconds, where the driver states it for an average that can
    /// be read.
    pub(super) fn average_ns(&self) -> Option<u64> {
        let Value::File(files) = &self.value else { return None };
        let average = files.first().filter(|file| file.to_string_lossy().ends_with("_average"))?;
        let interval = average.with_file_name(format!("power{}_average_interval", self.number));
        let milliseconds = sysfs::read_u64(average).and_then(|_| sysfs::read_u64(&interval)).ok()?;
        milliseconds.checked_mul(1_000_000).filter(|&ns| ns > 0)
    }

    /// Reads the highest power limit that the chip states for this input, microwatts.
    pub(super) fn limit_uw(&self) -> Option<u64> {
        let files = ["cap_max", "rated_max", "max", "cap"].map(|what| format!("power{}_{what}", self.number));
        files.iter().filter_map(|file| sysfs::read_u64(&self.dir.join(file)).ok()).filter(|&uw| uw > 0).max()
    }
}

/// Reads all inputs, chips in numeric order.
pub(super) fn inputs(class: &Path) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for hwmon in sysfs::entries(class).unwrap_or_default() {
        let own = class.join(&hwmon);
        // Drivers of the old interface (acpi_power_meter) keep the files with the device.
        let dirs = [own.clone(), own.join("device")];
        let chip = dirs.iter().find_map(|dir| sysfs::read_text(&dir.join("name")).ok()).unwrap_or_default();
        let device = sysfs::real_path(&dirs[1]).filter(|path| path.is_dir());
        let linked = device.clone().or_else(|| std::fs::read_link(&dirs[1]).ok());
        let device_name = linked.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        for dir in &dirs {
            for file in sysfs::entries(dir).unwrap_or_default() {
                let Some((kind, number)) = parse_name(&file, &chip) else { continue };
                let same = |other: &&mut Input| (&other.hwmon, other.kind, other.number) == (&hwmon, kind, number);
                if let Some(Input { value: Value::File(files), .. }) = inputs.iter_mut().find(same) {
                    // `average` sorts before `input`: the one that covers the time between two readings goes first.
                    files.push(dir.join(&file));
                    continue;
                }
                let value = match file.starts_with("in") {
                    true => Value::Product(dir.join(&file), dir.join(format!("curr{number}_input"))),
                    false => Value::File(vec![dir.join(&file)]),
                };
                inputs.push(Input {
                    hwmon: hwmon.clone(),
                    chip: chip.clone(),
                    label: label(dir, &file, number),
                    kind,
                    number,
                    value,
                    dir: dir.clone(),
                    device: device.clone(),
                    device_name: device_name.clone(),
                });
            }
        }
    }
    inputs
}

/// Kind and number of an input's file name.
fn parse_name(file: &str, chip: &str) -> Option<(Kind, u32)> {
    let (stem, what) = file.split_once('_')?;
    let number = |prefix: &str| stem.strip_prefix(prefix).and_then(|number| number.parse().ok());
    match what {
        "input" if MULTIPLIED.contains(&chip) => Some((Kind::Power, number("in")?)),
        "input" => match number("energy") {
            Some(number) => Some((Kind::Energy, number)),
            None => Some((Kind::Power, number("power")?)),
        },
        "average" => Some((Kind::Power, number("power")?)),
        _ => None,
    }
}

/// The sensor's label; ACPI power meters have it as `oem_info` (so does Grace).
fn label(dir: &Path, file: &str, number: u32) -> String {
    let stem = file.split_once(|c: char| c.is_ascii_digit()).map_or(file, |(stem, _)| stem);
    let read = |what: &str| sysfs::read_text(&dir.join(format!("{stem}{number}_{what}"))).ok();
    read("label").or_else(|| read("oem_info")).unwrap_or_default()
}
