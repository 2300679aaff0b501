//! Bounds the size of the merged report of very many processes ([`condensed`]).
//!
//! A merged report holds the reports it was made from and the readings of every counter, so that it can be merged again. Those of
//! 10,000 ranks are some hundred megabytes. A condensed report has the same totals, and states how many records and devices
//! they are of.

use std::collections::BTreeMap;

use eco2_core::schema::{Device, Merge, Report, stated};
use eco2_core::{Bounded, Component, Quality, Ranged};

/// Merged reports of more records than this are condensed.
const MAX_RECORDS: usize = 1_024;
/// Devices that a condensed report lists one by one. Where there are more, those of one kind are summed.
const MAX_DEVICES: usize = 1_024;

/// Returns a merged report with a bounded size: of more than 1,024 records it keeps none, nor their counters; and of more than
/// 1,024 devices it has one entry for those of the same kind and model. No sum changes. Other reports are returned as they
/// are.
///
/// A condensed report cannot be merged or priced again ([`crate::Error::Condensed`]): that takes the records.
#[must_use]
pub fn condensed(mut report: Report) -> Report {
    let Some(merge) = report.merge.take_if(|merge| merge.parts.len() > MAX_RECORDS) else { return report };
    let records = u64::try_from(merge.parts.len()).ok();
    let devices = if report.devices.len() > MAX_DEVICES { by_kind(&report.devices) } else { report.devices };
    let merge = Merge { parts: Vec::new(), records, ..merge };
    Report { devices, counters: Vec::new(), merge: Some(merge), ..report }
}

/// What devices of one kind have in common.
type DeviceKind<'a> = (Component, &'a str, &'a str, &'a str, Quality, bool, bool);

/// Returns one entry for all devices of the same kind.
fn by_kind(devices: &[Device]) -> Vec<Device> {
    let mut kinds: BTreeMap<DeviceKind<'_>, Vec<&Device>> = BTreeMap::new();
    for device in devices {
        let is_read = device.energy_uj.is_some();
        let kind = (device.component, device.hardware(), &*device.domain, &*device.source, device.quality);
        let kind = (kind.0, kind.1, kind.2, kind.3, kind.4, device.is_summed(), is_read);
        kinds.entry(kind).or_default().push(device);
    }
    kinds.into_values().filter_map(|devices| sum(&devices)).collect()
}

/// Returns one entry for several devices: energies, powers and counts are summed.
fn sum(devices: &[&Device]) -> Option<Device> {
    let first = *devices.first()?;
    if devices.len() == 1 {
        return Some(first.clone());
    }
    let energy = devices.iter().map(|device| device.bounded()).sum::<Bounded<u64>>();
    let free = devices.iter().map(|device| device.free()).sum::<Bounded<u64>>();
    let is_read = energy.value.is_some();
    let (range_kind, range_percent) = stated(&energy);
    let count = |field: fn(&Device) -> u64| devices.iter().fold(0_u64, |sum, device| sum.saturating_add(field(device)));
    let mean_w: Option<f64> = devices.iter().map(|device| device.mean_w).sum();
    let named = format!("{} devices of {}", devices.len(), first.hardware());
    Some(Device {
        id: format!("{} and {} more", first.id, devices.len() - 1),
        name: named,
        energy_uj: energy.value,
        low_uj: is_read.then_some(energy.low),
        high_uj: energy.high,
        free_low_uj: is_read.then_some(free.low),
        free_high_uj: free.high.filter(|_| is_read),
        range_kind,
        range_percent,
        mean_w,
        peak_w: None,
        peak_window_ns: None,
        power_w: None,
        coverage: devices.iter().map(|device| device.coverage).sum::<f64>() / devices.len() as f64,
        update_period_ns: None,
        wraps: count(|device| device.wraps),
        resets: count(|device| device.resets),
        anomalies: count(|device| device.anomalies),
        failures: count(|device| device.failures),
        readings: count(|device| device.readings),
        gaps: Vec::new(),
        replaced: Vec::new(),
        cross_check: None,
        gauges: Vec::new(),
        ..first.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::merge::merge;

    /// The report of a rank, with one GPU.
    fn rank(rank: u32) -> Report {
        let empty = Report::empty(eco2_core::schema::Run::default());
        let mut run = empty.run.clone();
        (run.rank, run.world_size, run.duration_ns) = (Some(rank), Some(1_100), 1_000_000_000);
        (run.id, run.part) = ("job".into(), format!("r{rank}"));
        run.host.boot_id = format!("boot-{}", rank / 8);
        run.boot_ns = Some([0, 1_000_000_000]);
        let text = serde_json::json!({
            "id": format!("GPU-{rank}"), "component": "gpu", "domain": "board", "name": "NVIDIA H200", "model": "NVIDIA H200",
            "source": "nvml", "quality": "measured", "energy_uj": rank, "low_uj": rank, "high_uj": rank, "free_low_uj": rank,
            "free_high_uj": rank, "gain_percent": null, "mean_w": null, "peak_w": null, "power_w": null, "coverage": 1.0,
            "update_period_ns": null, "wraps": 0, "resets": 0, "anomalies": 0, "failures": 0, "readings": 1, "gaps": [],
            "overlaps": [], "cross_check": null, "gauges": []
        });
        Report { run, devices: vec![serde_json::from_value(text).expect("a device")], ..empty }
    }

    #[test]
    fn a_report_of_many_ranks_keeps_its_sums_and_not_their_records() {
        let merged = merge(&(0..1_100).map(rank).collect::<Vec<_>>()).expect("reports of one run");
        let short = condensed(merged.clone());
        assert_eq!((short.energy.clone(), short.work.clone()), (merged.energy, merged.work));
        assert_eq!(short.energy.total_uj, Some(1_100 * 1_099 / 2));
        let kept = short.merge.as_ref().expect("it is merged");
        assert_eq!((kept.records, kept.parts.len(), kept.machines), (Some(1_100), 0, 138));
        assert_eq!((short.devices.len(), short.devices[0].energy_uj), (1, Some(1_100 * 1_099 / 2)));
        assert_eq!(short.devices[0].name, "1100 devices of NVIDIA H200");
        assert!(matches!(merge(std::slice::from_ref(&short)), Err(crate::Error::Condensed { run }) if run == "job"));
        assert_eq!(condensed(short.clone()), short, "once is enough");
    }

    #[test]
    fn a_report_of_few_records_stays_whole() {
        let merged = merge(&[rank(0), rank(1)]).expect("reports of one run");
        assert_eq!(condensed(merged.clone()), merged);
    }
}
