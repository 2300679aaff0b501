//! GPUs that the system has but nothing reads: neither a driver library nor a power sensor.
//!
//! Their board power comes from the user or from the table, their utilisation from the kernel driver where it shows
//! one: the share of time in which any kernel ran, which indicates power only roughly.
//!
//! | known | power, of board power | 90 % range |
//! | --- | --- | --- |
//! | utilisation | 0.18 idle (a process keeps the board awake), 0.80 at full, straight between | 0.5 to 1.4 times, at most 1.1 of board power |
//! | nothing | 0.40 | 0.04 to 1.0 of board power |
//!
//! Read off published readings of boards that have sensors (docs/estimates.md); not back-tested.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::load::Load;
use super::power::{Factors, Power, Shape};
use super::table;
use crate::Roots;
use crate::accelerators::{self, Accelerator};

/// Power at full utilisation, as a share of board power; see the table above.
const FULL_SHARE: f64 = 0.8;

/// A GPU that nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BareGpu {
    /// PCI address, `0000:01:00.0`.
    pub(crate) slot: String,
    /// Name, where the kernel driver shows it.
    pub(crate) name: Option<String>,
    /// `vendor:device`, `10de:2330`.
    pub(crate) pci_id: String,
    /// A file with its utilisation in percent, where the kernel driver has one.
    pub(crate) busy_percent: Option<PathBuf>,
}

/// Returns the accelerators without a power sensor: PCI devices in the order of their addresses, then others.
#[must_use]
pub(crate) fn find(roots: &Roots) -> Vec<BareGpu> {
    let present = accelerators::present(roots);
    present.iter().filter(|device| !has_power_sensor(&device.dir)).map(|device| BareGpu::of(device, roots)).collect()
}

/// Returns what to assume about a board; `None` where its wattage is unknown.
#[must_use]
pub(crate) fn estimate(gpu: &BareGpu, given_w: Option<f64>) -> Option<BoardEstimate> {
    let row = table::gpu(gpu.name.as_deref(), &gpu.pci_id);
    let watts = BoardWatts::of(given_w, row)?;
    let is_known = gpu.busy_percent.is_some();
    let load = if is_known { "utilisation" } else { "unknown utilisation" };
    let name = gpu.name.clone().or(row.map(|row| row.pattern.to_owned())).unwrap_or_else(|| gpu.pci_id.clone());
    let power = if is_known { board_power(watts.board_w()) } else { unknown_load(watts.board_w()) };
    Some(BoardEstimate { power, name, method: format!("estimated from {watts} and {load}") })
}

/// The watts that an estimate of a board starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BoardWatts {
    /// What the user states that the board draws when it is busy.
    FullLoad(f64),
    /// The table's board power, the limit that the maker states.
    BoardPower(f64),
}

impl BoardWatts {
    /// Returns the user's watts, else the table's; `None` without either.
    pub(crate) fn of(given_w: Option<f64>, row: Option<table::GpuRow>) -> Option<Self> {
        given_w.map(Self::FullLoad).or_else(|| Some(Self::BoardPower(row?.tdp_w)))
    }

    /// Returns the watts of board power.
    pub(crate) fn board_w(self) -> f64 {
        match self {
            Self::FullLoad(watts) => watts / FULL_SHARE,
            Self::BoardPower(watts) => watts,
        }
    }
}

impl fmt::Display for BoardWatts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FullLoad(watts) => write!(out, "given {watts} W at full load"),
            Self::BoardPower(watts) => write!(out, "board power {watts} W"),
        }
    }
}

/// What is assumed about a board, and how it was calculated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoardEstimate {
    /// Power of the board.
    pub(crate) power: Power,
    /// The board's name: `Tesla T4`.
    pub(crate) name: String,
    /// `estimated from board power 70 W and utilisation`.
    pub(crate) method: String,
}

/// Returns the power of a board of this board power (watts) whose utilisation is known.
#[must_use]
pub(crate) fn board_power(watts: f64) -> Power {
    let factors = Factors { idle: [0.5, 1.4], busy: [0.5, 1.4] };
    Power::from_watts([0.18 * watts, FULL_SHARE * watts], Shape::Straight, factors).at_most(1.1 * watts)
}

/// Returns the power of a board of which only the board power is known.
fn unknown_load(watts: f64) -> Power {
    let factors = Factors { idle: [0.1, 2.5], busy: [0.1, 2.5] };
    Power::from_watts([0.4 * watts; 2], Shape::Straight, factors)
}

impl BareGpu {
    /// Whether NVIDIA's driver is the one that would read it.
    #[must_use]
    pub(crate) fn is_nvidia(&self) -> bool {
        self.pci_id.split(':').next() == Some(crate::topology::NVIDIA)
    }

    /// Reads what the kernel shows of a device.
    #[must_use]
    pub(crate) fn of(device: &Accelerator, roots: &Roots) -> Self {
        let busy_percent = Some(device.dir.join("gpu_busy_percent")).filter(|path| fs::read_to_string(path).is_ok());
        let Accelerator { slot, pci_id, .. } = device.clone();
        Self { name: driver_name(roots, &slot), pci_id, slot, busy_percent }
    }

    /// Returns where its utilisation comes from.
    #[must_use]
    pub(crate) fn load(&self) -> Load {
        self.busy_percent.clone().map_or(Load::Unknown, Load::Percent)
    }
}

/// Whether the device has a hardware monitor (`hwmon`) that shows power or energy.
fn has_power_sensor(device: &Path) -> bool {
    let Ok(sensors) = fs::read_dir(device.join("hwmon")) else { return false };
    let files = ["power1_average", "power1_input", "energy1_input"];
    sensors.flatten().any(|sensor| files.iter().any(|file| sensor.path().join(file).exists()))
}

/// Reads the board's name, which NVIDIA's kernel driver shows even where its library is missing (containers).
fn driver_name(roots: &Roots, slot: &str) -> Option<String> {
    let path = roots.procfs.join("driver/nvidia/gpus").join(slot).join("information");
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_owned()))
}
