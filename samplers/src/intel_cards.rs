//! Finds the cards of Intel that a program does not see: Level Zero, their runtime, counts them by PCI address, and graphics
//! within a processor after them.

use crate::visible::IntelMask;
use crate::{Roots, sysfs, topology};

/// Vendor number of Intel.
const INTEL: &str = "8086";
/// The address of graphics within a processor.
const INSIDE: &str = "0000:00:02.0";
/// PCI class of graphics.
const GRAPHICS: &str = "03";

/// Returns the PCI addresses of the cards that a mask hides.
pub(crate) fn hidden(roots: &Roots, mask: &IntelMask) -> Vec<String> {
    if mask.devices.is_none() {
        return Vec::new();
    }
    let mut cards = topology::devices(roots);
    cards.retain(|device| device.vendor == INTEL && device.class.starts_with(GRAPHICS) && device.slot != INSIDE);
    let tiles = |dir: &std::path::Path| {
        let names = sysfs::entries(dir).unwrap_or_default();
        let tiles = names.iter().filter(|name| name.strip_prefix("tile").is_some_and(|at| at.parse::<u32>().is_ok()));
        // Only the driver `xe` lists them.
        tiles.count().max(1)
    };
    let visible = mask.cards(&cards.iter().map(|card| tiles(&card.dir)).collect::<Vec<_>>());
    let cards = cards.into_iter().enumerate().filter(|(number, _)| !visible.contains(number));
    cards.map(|(_, card)| card.slot).collect()
}
