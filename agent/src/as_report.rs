//! Presents the node as a report, for the formats that render reports.

use eco2_core::Ranged as _;
use eco2_core::schema::{Device as ReportDevice, Energy, Report, Run, Tool};

use crate::snapshot::{Device, Snapshot};

/// Returns the node as a report, for formats that render reports: the time since the agent started as the run.
pub(crate) fn as_report(snapshot: &Snapshot) -> Report {
    let run = Run {
        name: snapshot.node.hostname.clone(),
        duration_ns: snapshot.at_ns.saturating_sub(snapshot.began_ns),
        ended_at: wall(snapshot.wall_ns),
        tool: Tool { version: snapshot.node.version.clone() },
        ..Run::default()
    };
    // Of a summed device what is in the total, so that the sum over the devices is the total.
    let energy = |device: &Device| device.counted().unwrap_or_else(|| device.bounded());
    let device = |device: &Device| ReportDevice {
        id: device.id.clone(),
        component: device.component,
        domain: device.domain.clone(),
        name: device.name.clone(),
        model: device.model.clone(),
        source: device.source.clone(),
        quality: device.quality,
        method: device.method.clone(),
        energy_uj: energy(device).value,
        low_uj: energy(device).value.map(|_| energy(device).low),
        high_uj: energy(device).high,
        free_low_uj: None,
        free_high_uj: None,
        range_kind: device.energy_uj.map(|_| device.range_kind),
        range_percent: None,
        gain_percent: None,
        mean_w: device.power_w,
        peak_w: None,
        peak_window_ns: None,
        power_w: None,
        coverage: 1.0,
        update_period_ns: None,
        wraps: 0,
        resets: 0,
        anomalies: 0,
        failures: 0,
        readings: 0,
        gaps: Vec::new(),
        overlaps: if device.counted_uj.is_some() { Vec::new() } else { vec![device.component.name().to_owned()] },
        replaced: Vec::new(),
        cross_check: None,
        gauges: Vec::new(),
    };
    Report {
        energy: Energy {
            total_uj: snapshot.total_uj,
            low_uj: snapshot.total_low_uj,
            high_uj: snapshot.total_high_uj,
            ..Energy::default()
        },
        devices: snapshot.devices.iter().map(device).collect(),
        ..Report::empty(run)
    }
}

fn wall(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |at| at.to_string())
}
