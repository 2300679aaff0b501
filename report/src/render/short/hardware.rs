//! The table of hardware in the short summary: one row for all devices of one model, with energy, mean power and share.

use eco2_core::schema::{Device, Report};
use eco2_core::{Component, Quality};

use super::layout::{MARGIN, shortened};
use crate::render::figures::{Spelling, rounded, share};
use crate::render::page::{Page, Tone, clean};

/// Most rows; further models are summed in the last one.
const MAX_ROWS: usize = 5;
/// Columns between two columns of the table.
const GAP: usize = 3;
/// Columns of a label that suffice for the names of most models.
const FULL_LABEL: usize = 24;
/// Fewest columns of the first column.
const MIN_LABEL: usize = 12;

/// Devices that look alike: of one model, read with one quality.
#[derive(Debug, Clone, PartialEq)]
struct Alike {
    label: String,
    count: u64,
    energy_uj: Option<u64>,
    mean_w: f64,
}

/// Returns the cells of the table: label, energy, power, share. Empty if everything is estimated by models, which the first
/// row of the summary states.
pub(super) fn table(report: &Report, spelling: Spelling) -> Vec<[String; 4]> {
    let summed = || report.devices.iter().filter(|device| device.is_summed());
    if summed().all(|device| matches!(device.quality, Quality::Estimated | Quality::Missing)) {
        return Vec::new();
    }
    let mut groups = limited(grouped(summed()));
    let largest_uj = groups.iter().filter_map(|group| group.energy_uj).max().unwrap_or(0);
    groups.sort_by_key(|group| std::cmp::Reverse(group.energy_uj));
    let scale = spelling.energy_scale(largest_uj);
    let most_w = groups.iter().fold(0.0, |most: f64, group| most.max(group.mean_w));
    let whole = report.energy.total_uj.unwrap_or(0) as f64;
    let row = |group: &Alike| {
        let sign = if spelling.ascii { "x" } else { "×" };
        let label =
            if group.count == 1 { group.label.clone() } else { format!("{} {sign} {}", group.count, group.label) };
        match group.energy_uj {
            None => [label, "not measured".to_owned(), String::new(), String::new()],
            Some(uj) => [label, scale.in_column(uj, largest_uj), watts(group.mean_w, most_w), share(uj as f64, whole)],
        }
    };
    groups.iter().map(row).collect()
}

/// Returns the devices in groups, in the order of the report.
fn grouped<'a>(devices: impl Iterator<Item = &'a Device>) -> Vec<Alike> {
    let mut groups: Vec<Alike> = Vec::new();
    for device in devices {
        let label = label(device);
        let mean_w = device.mean_w.unwrap_or(0.0);
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => {
                group.count += 1;
                group.mean_w += mean_w;
                group.energy_uj = match (group.energy_uj, device.energy_uj) {
                    (Some(one), Some(two)) => Some(one.saturating_add(two)),
                    (one, two) => one.or(two),
                };
            }
            None => groups.push(Alike { label, count: 1, energy_uj: device.energy_uj, mean_w }),
        }
    }
    groups
}

/// Returns at most [`MAX_ROWS`] groups: the smallest ones are summed.
fn limited(mut groups: Vec<Alike>) -> Vec<Alike> {
    if groups.len() <= MAX_ROWS {
        return groups;
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.energy_uj));
    let rest = groups.split_off(MAX_ROWS - 1);
    groups.push(Alike {
        label: "other devices".to_owned(),
        count: rest.iter().map(|group| group.count).sum(),
        energy_uj: rest.iter().filter_map(|group| group.energy_uj).reduce(u64::saturating_add),
        mean_w: rest.iter().map(|group| group.mean_w).sum(),
    });
    groups
}

/// Returns what a device is, without the numbers by which it differs from others of its kind.
fn label(device: &Device) -> String {
    let is_modelled = device.quality == Quality::Estimated;
    let kind = match (device.component, device.domain.as_str()) {
        (Component::Cpu, domain) if !domain.is_empty() && !is_modelled => format!("CPU {domain}"),
        (Component::Cpu, _) => "CPU".to_owned(),
        (Component::Memory, _) => "Memory".to_owned(),
        (Component::Gpu, _) => device.hardware().to_owned(),
        (Component::Other, domain) => domain.to_owned(),
    };
    match device.quality {
        Quality::Estimated => format!("{kind} (estimated)"),
        Quality::Derived | Quality::Measured | Quality::Missing | Quality::Synthetic => kind,
    }
}

/// Formats a power in the unit of its column.
fn watts(value: f64, most: f64) -> String {
    const KILOWATTS_FROM: f64 = 10_000.0;
    let (size, unit) = if most >= KILOWATTS_FROM { (1e3, "kW") } else { (1.0, "W") };
    let value = value / size;
    // Three digits of the largest power; the others have the same decimals.
    let decimals = if most / size >= 100.0 { 0 } else { 1 };
    if value >= 100.0 { format!("{} {unit}", rounded(value)) } else { format!("{value:.decimals$} {unit}") }
}

/// Adds the table to a page: the first column to the left, numbers to the right.
pub(super) fn write(rows: &[[String; 4]], page: &mut Page) {
    let ascii = page.spelling().ascii;
    let width = |at: usize| rows.iter().map(|row| clean(&row[at], ascii).chars().count()).max().unwrap_or(0);
    let room = |columns: &[usize]| {
        let numbers: usize = columns.iter().map(|at| width(*at) + GAP).sum();
        page.width().saturating_sub(MARGIN + numbers)
    };
    // On a narrow page the name of the hardware is worth more than its power.
    let columns: &[usize] = if room(&[1, 2, 3]) >= width(0).min(FULL_LABEL) { &[1, 2, 3] } else { &[1, 3] };
    let label_width = width(0).min(room(columns).max(MIN_LABEL));
    for row in rows {
        let mut line = format!("  {:label_width$}", shortened(&clean(&row[0], ascii), label_width));
        for at in columns {
            line.push_str(&format!("{}{:>2$}", " ".repeat(GAP), clean(&row[*at], ascii), width(*at)));
        }
        page.line(&line, Tone::Normal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_has_one_unit_in_a_column() {
        assert_eq!([4_450.0, 215.0, 85.4].map(|value| watts(value, 4_450.0)), ["4450 W", "215 W", "85 W"]);
        assert_eq!([12_000.0, 215.0].map(|value| watts(value, 12_000.0)), ["12.0 kW", "0.2 kW"]);
        assert_eq!([66.62, 3.0].map(|value| watts(value, 66.6)), ["66.6 W", "3.0 W"]);
    }
}
