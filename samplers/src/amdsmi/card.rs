//! Finds the cards (boards) that `libamd_smi`, the library of AMD's GPUs, reads: one for each board, whatever dies and
//! partitions the library lists for it.
//!
//! A card has an energy counter. Cards without one are left to the source `hwmon`, and so are processors that hold a
//! GPU and the CPU: their counter shows the whole socket, which `hwmon` puts in its place among the CPU's domains
//! (sensors).

use std::path::PathBuf;

use eco2_core::{Component, Domain, Scale};

use super::library::{EnergyCount, Library, NAME, Processor};
use crate::model::table;
use crate::topology::{self, PciDevice};
use crate::visible::{AmdMask, Chosen};
use crate::{Roots, accelerators, sysfs};

/// Microjoules that the library states for a unit of 2^-16 J: it rounds 15.2588 to 15.3, the driver's documentation to
/// 15.259 (Linux, `kgd_pp_interface.h`).
const ROUNDED_UJ: std::ops::RangeInclusive<f32> = 15.25..=15.31;
/// Joules in a unit of the counter.
const UNIT_J: f64 = 1.0 / 65_536.0;
/// What a card can draw, percent of its stated limit: short excursions above it are possible.
const MARGIN_PERCENT: u64 = 150;

/// A die, or a partition of one, with an address of its own.
struct Die {
    gpu: Processor,
    address: String,
    /// Its entry in sysfs.
    pci: Option<PciDevice>,
    energy: Option<EnergyCount>,
}

/// A board that is read.
pub(super) struct Card {
    pub(super) gpu: Processor,
    pub(super) address: String,
    /// The folder that the kernel removes with the card, if it shows one.
    pub(super) folder: Option<PathBuf>,
    pub(super) resolution_uj: f32,
    /// The counter, and its check where the card reports power.
    pub(super) counter: Domain,
    pub(super) check: Option<Domain>,
    /// Indices of its dies in [`Cards::ids`].
    pub(super) dies: Vec<usize>,
}

/// All cards that a program sees.
#[derive(Default)]
pub(super) struct Cards {
    pub(super) cards: Vec<Card>,
    /// What ROCm calls each die, in the order in which it counts them.
    pub(super) ids: Vec<Option<String>>,
    pub(super) has_nvidia: bool,
    /// How many cards a mask hides.
    pub(super) hidden: usize,
    /// What the masks name and what is not there.
    pub(super) remarks: Vec<String>,
    /// Addresses of GPUs whose energy the library does not read.
    pub(super) left: Vec<String>,
}

impl Cards {
    /// Sorts out the cards among all processors of the library.
    pub(super) fn of(library: &Library, gpus: &[Processor], roots: &Roots, mask: &AmdMask) -> Self {
        let dies = dies(library, gpus, roots);
        let discrete: Vec<String> = accelerators::present(roots).into_iter().map(|device| device.slot).collect();
        let ids: Vec<Option<String>> = dies.iter().map(Die::unique_id).collect();
        let has_nvidia = topology::has_nvidia(roots);
        let Chosen { indices, remarks } = mask.choose(&ids, has_nvidia);
        let owners: Vec<usize> = (0..dies.len()).map(|at| owner(&dies, at)).collect();
        let mut all = Self { ids, has_nvidia, remarks, ..Self::default() };
        for (at, die) in dies.iter().enumerate().filter(|(at, _)| owners[*at] == *at) {
            let own: Vec<usize> = (0..dies.len()).filter(|&die| owners[die] == at).collect();
            let within_cpu = die.pci.is_some() && !discrete.contains(&die.address);
            if within_cpu || die.number() == Some(topology::AMD_SERVER_APU) {
                all.left.push(die.address.clone());
            } else if !own.iter().any(|die| indices.contains(die)) {
                all.hidden += 1;
            } else if let Some(scale) = die.energy.and_then(|energy| scale(energy.resolution_uj)) {
                let others = own.iter().filter(|&&die| die != at).map(|&die| dies[die].address.as_str()).collect();
                all.cards.push(die.card(library, others, scale, own));
            } else {
                all.left.push(die.address.clone());
            }
        }
        all
    }
}

fn dies(library: &Library, gpus: &[Processor], roots: &Roots) -> Vec<Die> {
    let devices = topology::devices(roots);
    let mut dies: Vec<Die> = Vec::new();
    for &gpu in gpus {
        let Ok(address) = library.address(gpu) else { continue };
        let pci = devices.iter().find(|device| device.slot == address).cloned();
        dies.push(Die { gpu, address, pci, energy: library.energy(gpu).ok() });
    }
    // ROCm counts in the order of addresses.
    dies.sort_by(|a, b| a.address.cmp(&b.address));
    dies
}

/// The die that shows this one's energy: the first partition of a chip, or the first die of a board with two.
fn owner(dies: &[Die], at: usize) -> usize {
    let Some(die) = dies.get(at) else { return at };
    let chip = |address: &str| address.rsplit_once('.').map(|(chip, _)| chip.to_owned());
    let first = dies.iter().position(|other| chip(&other.address) == chip(&die.address)).unwrap_or(at);
    let two = die.number().is_none_or(|number| topology::AMD_TWO_DIES.contains(&number));
    let dark = |die: &Die| die.energy.is_some_and(|energy| energy.count == 0);
    let lit = |&other: &usize| dies.get(other).is_some_and(|other| !dark(other) && other.number() == die.number());
    if first == at && two && dark(die) { (0..at).rev().find(lit).unwrap_or(at) } else { first }
}

impl Die {
    /// Its PCI number, four hexadecimal digits.
    fn number(&self) -> Option<&str> {
        self.pci.as_ref().map(|pci| pci.device.as_str())
    }

    fn unique_id(&self) -> Option<String> {
        let id = sysfs::read_text(&self.pci.as_ref()?.dir.join("unique_id")).ok()?;
        Some(format!("GPU-{}", id.trim_start_matches("0x")))
    }

    fn card(&self, library: &Library, others: Vec<&str>, scale: Scale, dies: Vec<usize>) -> Card {
        let id = format!("amdgpu-{}", self.address);
        let mut name = library.market_name(self.gpu).unwrap_or_else(|| "AMD GPU".into());
        if !others.is_empty() {
            name = format!("{name} (with the die {})", others.join(", "));
        }
        let max_uw = self.limit_uw().map(|uw| uw.saturating_mul(MARGIN_PERCENT) / 100);
        let row = self.number().and_then(|number| table::gpu(None, &format!("1002:{number}")));
        let ceiling_uw = row.map(|row| (row.tdp_w * 1.5e6).round() as u64);
        let counter = Domain {
            name: name.clone(),
            scale,
            max_uw,
            ceiling_uw,
            ..Domain::counter(&id, Component::Gpu, "board", NAME)
        };
        let check = library.power(self.gpu).is_ok().then(|| Domain {
            name,
            scale: Scale::UNIT,
            max_uw,
            ceiling_uw,
            parent: Some(id.clone()),
            ..Domain::power(&format!("{id}/power"), Component::Gpu, "power", NAME)
        });
        Card {
            gpu: self.gpu,
            address: self.address.clone(),
            folder: self.pci.as_ref().map(|pci| pci.dir.clone()),
            resolution_uj: self.energy.map_or(0.0, |energy| energy.resolution_uj),
            counter,
            check,
            dies,
        }
    }

    /// The highest power limit that the kernel states for the card, microwatts.
    fn limit_uw(&self) -> Option<u64> {
        let sensors = self.pci.as_ref()?.dir.join("hwmon");
        let folders = sysfs::entries(&sensors).unwrap_or_default();
        let files = folders
            .iter()
            .flat_map(|folder| ["power1_cap_max", "power1_cap"].map(|file| sensors.join(folder).join(file)));
        files.filter_map(|file| sysfs::read_u64(&file).ok()).filter(|&uw| uw > 0).max()
    }
}

/// The unit of a counter with this resolution; `None` for one that cannot be.
fn scale(resolution_uj: f32) -> Option<Scale> {
    let rounded = ROUNDED_UJ.contains(&resolution_uj);
    Scale::from_base_per_raw(if rounded { UNIT_J } else { f64::from(resolution_uj) * 1e-6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_resolution_is_the_unit_of_the_driver() {
        let million = |resolution_uj| scale(resolution_uj).map(|scale| scale.micro(1 << 16));
        assert_eq!(million(15.3), Some(1_000_000), "2^16 units of 2^-16 J");
        assert_eq!(million(15.259), Some(1_000_000));
        assert_eq!(million(20.0), Some(20 << 16));
        assert_eq!([0.0, -1.0, f32::NAN, f32::INFINITY].map(million), [None; 4]);
    }
}
