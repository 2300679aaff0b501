//! Divides the energy of a report into the four layers of statements about AI ([`Layer`]): accelerators, the machines around
//! them, machines that were provisioned but idle, and the facility. A layer without a measurement is missing, not zero.

use std::collections::BTreeSet;

use eco2_core::schema::{Device, Report};
use eco2_core::{Bounded, Component, Ranged as _};

use super::scope::{Scope, scope_of};

/// One layer of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    /// Name of the layer: `device`, `host`, `idle provisioned`, `facility`.
    pub(crate) name: &'static str,
    /// Its energy, microjoules; `None`: missing, because nothing was read or declared.
    pub(crate) energy: Option<Bounded<u64>>,
    /// What was read, or the reason why it is missing.
    pub(crate) basis: String,
}

/// Returns the layers of a report's energy, from the device to the facility; `None` if devices have no energy, as in a report
/// of the command's part.
///
/// Device and host are the devices in the total, and add up to it. The facility's layer is its overhead only: the total times
/// (PUE − 1).
///
/// `runs` are the runs whose sum the report is, or the report alone.
pub(crate) fn layers(report: &Report, runs: &[Report]) -> Option<[Layer; 4]> {
    if scope_of(report) == Scope::Command || report.energy.total_uj.is_none() {
        return None;
    }
    let of = |is_in: fn(&Device) -> bool| {
        let devices = || report.devices.iter().filter(move |device| device.is_summed() && is_in(device));
        let names: BTreeSet<&str> = devices().map(|device| device.component.name()).collect();
        let energy: Bounded<u64> = devices().map(|device| device.bounded()).sum();
        let is_read = devices().any(|device| device.energy_uj.is_some());
        (Some(energy).filter(|_| is_read), names.into_iter().collect::<Vec<_>>().join(", "))
    };
    let layer = |name, (energy, names): (Option<Bounded<u64>>, String), missing: &str| {
        let basis = if energy.is_some() { names } else { missing.to_owned() };
        Layer { name, energy, basis }
    };
    let overheads: Vec<u64> = runs.iter().filter_map(|run| run.merge.as_ref()?.overhead_uj).collect();
    let of_runs = match overheads.len() {
        known if known < runs.len() => format!(", known for {known} of {} runs", runs.len()),
        _ => String::new(),
    };
    let overhead = overheads.into_iter().reduce(u64::saturating_add);
    let idle = (overhead.map(Bounded::exact), format!("before, between and after the attempts{of_runs}"));
    let pue = report.energy.pue;
    let declared = declared_pue(runs).filter(|_| pue > 1.0 && report.energy.facility_uj.is_some());
    let added = report.energy.bounded().map(|uj| (uj as f64 * (pue - 1.0)).round() as u64);
    let basis = declared.as_ref().map(|values| format!("PUE {values} as declared")).unwrap_or_default();
    let facility = (declared.map(|_| added), basis);
    Some([
        layer("device", of(|device| device.component == Component::Gpu), "no accelerator was read"),
        layer("host", of(|device| device.component != Component::Gpu), "no CPU or memory was read"),
        layer("idle provisioned", idle, "nothing was measured outside the run"),
        layer("facility", facility, "no PUE was declared"),
    ])
}

impl Layer {
    /// Returns the layer in words: `device 3 J (gpu)`, `facility missing: no PUE was declared`.
    pub(crate) fn words(&self, text: impl Fn(u64) -> String) -> String {
        let Self { name, energy, basis } = self;
        match energy {
            Some(Bounded { value: Some(uj), high: Some(_), .. }) => format!("{name} {} ({basis})", text(*uj)),
            Some(Bounded { low, high: None, .. }) => format!("{name} at least {} ({basis})", text(*low)),
            Some(Bounded { low, .. }) => format!("{name} {} ({basis})", text(*low)),
            None => format!("{name} missing: {basis}"),
        }
    }
}

/// Returns the declared PUE of the runs in words: `1.1 and 1.5`, `1.5 in 1 of 2 runs`; `None` if no run has one. Those of a merged
/// run are those of its parts.
pub(crate) fn declared_pue(runs: &[Report]) -> Option<String> {
    let declared = |run: &&Report| pues(run).any(|pue| pue > 1.0);
    let values: BTreeSet<String> = runs.iter().flat_map(pues).filter(|pue| *pue > 1.0).map(thousandths).collect();
    let values = values.into_iter().collect::<Vec<_>>().join(" and ");
    match runs.iter().filter(declared).count() {
        0 => None,
        count if count < runs.len() => Some(format!("{values} in {count} of {} runs", runs.len())),
        _ => Some(values),
    }
}

/// Returns the PUE of a report in words: `1.2`, or `1.35 (mean of 1.2 and 1.5)` if the parts of a merged run have several.
pub(crate) fn pue_words(report: &Report) -> String {
    if !is_mean_pue(report) {
        return report.energy.pue.to_string();
    }
    let values: BTreeSet<String> = pues(report).map(thousandths).collect();
    let values = values.into_iter().collect::<Vec<_>>().join(" and ");
    format!("{} (mean of {values})", thousandths(report.energy.pue))
}

/// Whether the PUE of a merged run is a mean, which was not declared.
pub(crate) fn is_mean_pue(report: &Report) -> bool {
    pues(report).all(|pue| (pue - report.energy.pue).abs() > f64::EPSILON)
}

/// Returns the PUE of each part of a merged run, or of the run. That of a merged run is the mean weighted with the energies.
fn pues(report: &Report) -> impl Iterator<Item = f64> {
    let parts = report.merge.as_ref().map(|merge| &merge.parts[..]).filter(|parts| !parts.is_empty());
    parts.unwrap_or(std::slice::from_ref(report)).iter().map(|part| part.energy.pue)
}

/// Returns a factor as text, rounded to three decimals.
fn thousandths(factor: f64) -> String {
    ((factor * 1e3).round() / 1e3).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::schema::{Energy, Merge, Run};

    fn device(component: Component, uj: Option<u64>) -> Device {
        let text = serde_json::json!({
            "id": "d", "component": component, "domain": "board", "name": "d", "source": "s", "quality": "measured",
            "energy_uj": uj, "low_uj": uj, "high_uj": uj, "free_low_uj": uj, "free_high_uj": uj, "gain_percent": null,
            "mean_w": null, "peak_w": null, "power_w": null, "coverage": 1.0, "update_period_ns": null, "wraps": 0, "resets": 0,
            "anomalies": 0, "failures": 0, "readings": 1, "gaps": [], "overlaps": [], "cross_check": null, "gauges": []
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_pue_of_a_merged_run_is_that_of_its_parts_or_their_mean() {
        let of = |pue: f64| Report { energy: Energy { pue, ..Energy::default() }, ..Report::empty(Run::default()) };
        let merged = |pue: f64, parts: &[f64]| Report {
            merge: Some(Merge { parts: parts.iter().map(|pue| of(*pue)).collect(), ..Merge::default() }),
            ..of(pue)
        };
        let mean = merged(1.35, &[1.2, 1.5]);
        assert!(is_mean_pue(&mean));
        assert_eq!(pue_words(&mean), "1.35 (mean of 1.2 and 1.5)");
        assert_eq!(declared_pue(&[mean]).as_deref(), Some("1.2 and 1.5"), "the mean was not declared");
        assert_eq!([of(1.2), merged(1.2, &[1.2, 1.2])].map(|report| pue_words(&report)), ["1.2", "1.2"]);
        assert_eq!(declared_pue(&[of(1.0), merged(1.1, &[1.0, 1.2])]).as_deref(), Some("1.2 in 1 of 2 runs"));
    }

    #[test]
    fn layers_have_what_was_measured_and_name_what_is_missing() {
        let energy = Energy {
            total_uj: Some(100),
            low_uj: 90,
            high_uj: Some(110),
            facility_uj: Some(150),
            pue: 1.5,
            ..Energy::default()
        };
        let devices = vec![
            device(Component::Gpu, Some(70)),
            device(Component::Cpu, Some(25)),
            device(Component::Memory, Some(5)),
        ];
        let mut report = Report { energy, devices, ..Report::empty(Run::default()) };
        let values = |report: &Report| {
            layers(report, std::slice::from_ref(report))
                .unwrap()
                .map(|layer| layer.energy.and_then(|energy| energy.value))
        };
        assert_eq!(values(&report), [Some(70), Some(30), None, Some(50)]);
        report.merge = Some(Merge { overhead_uj: Some(7), ..Merge::default() });
        assert_eq!(values(&report), [Some(70), Some(30), Some(7), Some(50)], "device and host are the total");
        report.energy.pue = 1.0;
        report.devices = vec![device(Component::Gpu, None), device(Component::Cpu, Some(100))];
        report.merge = None;
        let all = layers(&report, std::slice::from_ref(&report)).unwrap();
        assert_eq!(
            all.each_ref().map(|layer| layer.energy.is_some()),
            [false, true, false, false],
            "missing is not zero"
        );
        assert_eq!((all[0].basis.as_str(), all[3].basis.as_str()), ("no accelerator was read", "no PUE was declared"));
        report.energy.total_uj = None;
        assert_eq!(layers(&report, &[]), None);
    }
}
