//! Presents a run that goes on as a node, for the live page of one run ([`run_views`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use eco2_core::schema::{Device as ReportDevice, Report};
use eco2_core::units::watts;
use eco2_core::{Bounded, RangeKind, Ranged as _};

use crate::emissions::Emissions;
use crate::latest::Views;
use crate::node::{TEMPERATURE, UTILIZATION};
use crate::snapshot::{Consumer, Device, Instant, NodeIdentity, Resolution, Snapshot};

/// Returns the views of a run from its report so far. `before` is what this function returned last: power is computed from it, and
/// energies never fall below it. The page of a run is for its own user, so that both views are exact.
#[must_use]
pub fn run_views(report: &Report, at: Instant, before: Option<&Snapshot>) -> Views {
    let devices: Vec<Device> = report.devices.iter().map(|one| device(one, at, before)).collect();
    let total_uj = report.energy.total_uj.map(|uj| uj.max(before.and_then(|before| before.total_uj).unwrap_or(0)));
    let consumers = consumers(report);
    let used: u64 = consumers.iter().map(|one| one.energy_uj).fold(0, u64::saturating_add);
    let idle_uj = report.attribution.as_ref().map_or(0, |attribution| attribution.idle_uj);
    let name = if report.run.name.is_empty() { &report.run.id } else { &report.run.name };
    let snapshot = Arc::new(Snapshot {
        node: Arc::new(NodeIdentity {
            hostname: name.clone(),
            version: report.run.tool.version.clone(),
            ..NodeIdentity::default()
        }),
        resolution: Resolution::FULL,
        sequence: before.map_or(1, |before| before.sequence + 1),
        at_ns: at.ns,
        wall_ns: at.wall_ns,
        began_ns: at.ns.saturating_sub(report.run.duration_ns),
        sampled_ns: Some(at.ns),
        devices,
        left_out: 0,
        sources: report.sources.clone(),
        consumers,
        past: Vec::new(),
        total_uj,
        total_low_uj: report.energy.low_uj,
        total_high_uj: report.energy.high_uj.map(|high| high.max(total_uj.unwrap_or(0))),
        total_range_kind: report.energy.range_kind.unwrap_or(RangeKind::Plausible),
        forgotten_uj: 0,
        idle_uj,
        not_attributed_uj: total_uj.unwrap_or(0).saturating_sub(used.saturating_add(idle_uj)),
        emissions: emissions(report),
        budget: report.budget.clone(),
        counts: BTreeMap::new(),
        events: events(report),
        readings: report.own.samples,
        dropped: report.own.dropped,
    });
    Views { full: Arc::clone(&snapshot), public: snapshot }
}

/// Returns the views of a run that everyone on the machine may see: in the public one energies are in steps of 0.1 J, and there is
/// neither the run's name nor who used its energy.
#[must_use]
pub fn run_views_for_all(views: &Views) -> Views {
    let step = Resolution::PUBLIC;
    let mut public = Snapshot::clone(&views.full);
    public.node = Arc::new(NodeIdentity {
        hostname: "run".to_owned(),
        version: public.node.version.clone(),
        ..NodeIdentity::default()
    });
    public.resolution = step;
    for device in &mut public.devices {
        *device = device.clone().coarse(step);
    }
    let exact_uj = public.total_uj;
    let total: Bounded<u64> = public.devices.iter().filter_map(Device::counted).sum();
    let coarse = step.coarse(public.bounded());
    public.total_uj = public.total_uj.and(total.value);
    (public.total_low_uj, public.total_high_uj) = (coarse.low, coarse.high);
    public.budget = None;
    // As exact as the energy that it is computed from.
    let part = public.total_uj.zip(exact_uj).map_or(0.0, |(uj, exact)| uj as f64 / exact.max(1) as f64);
    public.emissions = public.emissions.map(|emissions| emissions.scaled(part));
    (public.consumers, public.idle_uj) = (Vec::new(), 0);
    public.not_attributed_uj = public.total_uj.unwrap_or(0);
    Views { full: Arc::clone(&views.full), public: Arc::new(public) }
}

fn device(report: &ReportDevice, at: Instant, before: Option<&Snapshot>) -> Device {
    let earlier = before.and_then(|before| before.devices.iter().find(|device| device.id == report.id));
    let earlier_uj = earlier.and_then(|device| device.energy_uj);
    let energy_uj = report.energy_uj.map(|uj| uj.max(earlier_uj.unwrap_or(0)));
    let since_ns = before.map_or(0, |before| at.ns.saturating_sub(before.at_ns));
    let power_w = energy_uj.zip(earlier_uj).and_then(|(now, earlier)| watts(now - earlier, since_ns));
    let gauge = |name: &str| report.gauges.iter().find(|gauge| gauge.name == name).map(|gauge| gauge.last);
    let device = Device {
        id: report.id.clone(),
        component: report.component,
        domain: report.domain.clone(),
        name: report.name.clone(),
        model: report.model.clone(),
        source: report.source.clone(),
        method: report.method.clone(),
        quality: report.quality,
        energy_uj,
        low_uj: report.low_uj.unwrap_or(0),
        high_uj: report.high_uj.map(|high| high.max(energy_uj.unwrap_or(0))),
        range_kind: report.range_kind.unwrap_or(RangeKind::Plausible),
        power_w,
        temperature_c: gauge(TEMPERATURE),
        utilization: gauge(UTILIZATION),
        is_summed: report.is_summed(),
        is_shared: false,
        counted_uj: None,
        counted_low_uj: 0,
        counted_high_uj: None,
    };
    if device.is_summed { device.counting_all() } else { device }
}

/// Returns the emissions of a run from its report so far.
fn emissions(report: &Report) -> Option<Emissions> {
    let carbon = report.carbon.as_ref()?;
    let segment = carbon.segments.last();
    let is_marginal = segment.and_then(|part| part.kind.as_deref()).is_some_and(|kind| kind.contains("marginal"));
    let cost = carbon.beside.as_ref().and_then(|beside| beside.cost.as_ref());
    Some(Emissions {
        grams: carbon.grams,
        low: carbon.low,
        high: carbon.high,
        g_per_kwh: segment.map(|segment| segment.g_per_kwh),
        zone: carbon.zone.clone(),
        zone_source: carbon.zone_source.clone(),
        signal: if is_marginal { "marginal" } else { "average" }.to_owned(),
        provider: segment.map(|segment| segment.source.clone()).unwrap_or_default(),
        cost: carbon.cost,
        currency: cost.and_then(|cost| cost.currency.clone()),
        is_estimated: segment.is_some_and(|segment| segment.estimated),
    })
}

/// Returns the command and the other processes as consumers, if the energy is attributed.
fn consumers(report: &Report) -> Vec<Consumer> {
    let Some(attribution) = &report.attribution else { return Vec::new() };
    let one = |kind: &'static str, name: &str, energy_uj, low_uj, high_uj, steps| Consumer {
        key: if kind == "others" { 2 } else { 1 },
        id: kind.to_owned(),
        kind,
        name: name.to_owned(),
        uid: rustix::process::getuid().as_raw(),
        energy_uj,
        low_uj,
        high_uj,
        grams: None,
        grams_low: 0.0,
        grams_high: None,
        began_wall_ns: 0,
        ended_wall_ns: None,
        duration_ns: report.run.duration_ns,
        steps,
        end_reason: None,
        labels: BTreeMap::new(),
        parent: None,
        total_uj: energy_uj,
        total_low_uj: low_uj,
        total_high_uj: high_uj,
        total_grams: None,
        total_grams_low: 0.0,
        total_grams_high: None,
        grams_are_estimated: false,
        budget: None,
    };
    let (command, others) = (attribution.command_uj, attribution.others_uj);
    vec![
        one("process-tree", "This command", command, attribution.low_uj, attribution.high_uj, report.work.steps),
        one("others", "Other processes", others, 0, None, None),
    ]
}

fn events(report: &Report) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for kind in report.events.iter().filter_map(|event| event.event_kind()) {
        *counts.entry(kind.name()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as_report::as_report;
    use crate::fixture::{SECOND_NS, SECOND_UJ, snapshot};
    use eco2_core::schema::Attribution;

    fn at(seconds: u64) -> Instant {
        Instant { ns: 1_000_000_000_000 + seconds * SECOND_NS, wall_ns: 7 }
    }

    #[test]
    fn power_is_that_between_two_reports_and_energy_never_falls() {
        let first = run_views(&as_report(&snapshot(4, Resolution::FULL)), at(4), None);
        assert!(first.full.devices.iter().all(|device| device.power_w.is_none()), "one report has no power");
        let second = run_views(&as_report(&snapshot(6, Resolution::FULL)), at(6), Some(&first.full));
        let power = second.full.devices[0].power_w.unwrap();
        assert!((power - SECOND_UJ as f64 / 1e6).abs() < 1e-9, "{power}");
        let third = run_views(&as_report(&snapshot(5, Resolution::FULL)), at(7), Some(&second.full));
        assert_eq!(third.full.devices[0].energy_uj, second.full.devices[0].energy_uj);
        assert_eq!((third.full.total_uj, third.full.sequence), (second.full.total_uj, 3));
    }

    #[test]
    fn what_everyone_may_see_of_a_run_has_steps_and_no_names() {
        let mut report = as_report(&snapshot(4, Resolution::FULL));
        report.run.name = "secret".to_owned();
        report.attribution = Some(Attribution { command_uj: 5, others_uj: 6, idle_uj: 7, ..Attribution::default() });
        let views = run_views_for_all(&run_views(&report, at(4), None));
        let (full, public) = (views.full, views.public);
        assert_eq!(full.node.hostname, "secret");
        let text = serde_json::to_string(&*public).unwrap();
        let exact = (4 * SECOND_UJ).to_string();
        assert!(!text.contains("secret") && !text.contains(&exact) && public.consumers.is_empty(), "{text}");
        for (exact, coarse) in full.devices.iter().zip(&public.devices) {
            let (exact, coarse) = (exact.energy_uj.unwrap(), coarse);
            let shown = coarse.energy_uj.unwrap();
            assert_eq!(coarse.counted_uj, coarse.is_summed.then_some(shown));
            assert!(shown % 100_000 == 0 && (exact - 99_999..=exact).contains(&shown), "{shown} of {exact}");
            assert!(coarse.low_uj <= exact && coarse.high_uj.unwrap() >= exact);
        }
        let sum: u64 = public.devices.iter().filter(|one| one.is_summed).filter_map(|one| one.energy_uj).sum();
        assert_eq!((public.total_uj, public.not_attributed_uj), (Some(sum), sum));
    }

    #[test]
    fn uses_of_a_run_add_up_to_its_energy() {
        let mut report = as_report(&snapshot(4, Resolution::FULL));
        let attribution = Attribution { command_uj: 5, others_uj: 6, idle_uj: 7, ..Attribution::default() };
        report.attribution = Some(attribution);
        let views = run_views(&report, at(4), None);
        let used: u64 = views.full.consumers.iter().map(|one| one.energy_uj).sum();
        assert_eq!((used, views.full.idle_uj), (11, 7));
        assert_eq!(Some(used + 7 + views.full.not_attributed_uj), views.full.total_uj);
        report.energy.total_uj = None;
        assert_eq!(run_views(&report, at(5), None).full.total_uj, None, "not known stays not known");
    }
}
