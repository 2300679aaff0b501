//! Adds several runs up to one report, for statements about all of them ([`sum_of_runs`]), and the time for which runs
//! occupied their accelerators or processors ([`DeviceTime`]).
//!
//! Unlike a merged report, whose records are of one run, the sum has no curves and no records of counters.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::schema::{Attribution, Carbon, Device, Embodied, Energy, Market, Report, Run, State, Supplements, Work};
use eco2_core::{Bounded, Component, RangeKind, Ranged as _, Window};

use super::merge::{hull, joined as united, length_ns, machine, measured_once, whole_runs, window};
use super::scope::{Scope, scope_of};

/// Several runs, and their sum.
pub(crate) struct RunSum {
    /// One report per run: the records of a run are merged.
    pub(crate) runs: Vec<Report>,
    /// The sum. Energy of a counter that two runs read at the same time counts once. `run.duration_ns` is the sum of the
    /// durations; the devices are those of all runs, one after another.
    pub(crate) sum: Report,
    /// Kinds of carbon intensity, if they differ: then the sum has no grams.
    pub(crate) mixed_kinds: Vec<String>,
    /// Number of runs without emissions.
    pub(crate) unpriced: usize,
    /// Whether some runs were on one machine at the same time.
    pub(crate) overlapped: bool,
}

/// Returns the runs of these reports and their sum; `None` without a report.
pub(crate) fn sum_of_runs(reports: &[Report]) -> Option<RunSum> {
    let runs = whole_runs(reports);
    let unpriced = runs.iter().filter(|run| grams_of(run).value.is_none()).count();
    if let [only] = runs.as_slice() {
        let sum = only.clone();
        return Some(RunSum { runs, sum, mixed_kinds: Vec::new(), unpriced, overlapped: false });
    }
    // The commands' parts are different energies, also of runs at the same time.
    let of_command = runs.iter().find(|run| scope_of(run) == Scope::Command);
    let once = measured_once(&runs.iter().collect::<Vec<_>>());
    let overlapped = once.len() < runs.len();
    let once = if of_command.is_some() { runs.clone() } else { once };
    let segments = || once.iter().filter_map(|run| run.carbon.as_ref()).flat_map(|carbon| &carbon.segments);
    let kinds: BTreeSet<&str> = segments().map(|segment| segment.kind.as_deref().unwrap_or("unknown")).collect();
    let mixed_kinds: Vec<String> = kinds.iter().filter(|_| kinds.len() > 1).map(|kind| (*kind).to_owned()).collect();
    let energy = energy_of(&once);
    let attribution = of_command.and_then(|_| attribution_of(&once, &energy));
    let sum = Report {
        devices: once.iter().flat_map(|run| run.devices.iter().cloned()).collect(),
        work: work_of(&runs),
        attribution,
        carbon: carbon_of(&once).map(|carbon| if mixed_kinds.is_empty() { carbon } else { without_grams(carbon) }),
        energy,
        ..Report::empty(run_of(&runs)?)
    };
    Some(RunSum { runs, sum, mixed_kinds, unpriced, overlapped })
}

/// Returns the distinct texts, joined by commas.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.filter(|text| !text.is_empty()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

fn run_of(runs: &[Report]) -> Option<Run> {
    let first = runs.first()?.run.clone();
    let of = |text: fn(&Run) -> &str| runs.iter().map(move |report| text(&report.run));
    let is_final = runs.iter().all(|report| report.run.state == State::Final);
    let mut run = Run {
        id: String::new(),
        part: String::new(),
        name: joined(of(|run| &run.name)),
        started_at: of(|run| &run.started_at).filter(|at| !at.is_empty()).min().unwrap_or_default().to_owned(),
        ended_at: of(|run| &run.ended_at).max().unwrap_or_default().to_owned(),
        duration_ns: runs.iter().fold(0, |sum, report| sum.saturating_add(report.run.duration_ns)),
        exit_code: None,
        end: runs
            .iter()
            .map(|report| report.run.end)
            .collect::<Option<Vec<_>>>()
            .and_then(|ends| ends.into_iter().max()),
        state: if is_final { State::Final } else { State::Provisional },
        boot_ns: first.boot_ns.filter(|_| runs.iter().all(|report| report.run.boot_ns.is_some())),
        ..first
    };
    run.tool.version = joined(of(|run| &run.tool.version));
    run.labels.retain(|name, value| runs.iter().all(|report| report.run.labels.get(name) == Some(value)));
    Some(run)
}

/// Adds the energies; each bound is the sum of the bounds.
fn energy_of(runs: &[Report]) -> Energy {
    let energies = || runs.iter().map(|run| &run.energy);
    let total: Bounded<u64> = energies().map(|energy| energy.bounded()).sum();
    let sum = |field: fn(&Energy) -> u64| energies().map(field).fold(0, u64::saturating_add);
    let all = |field: fn(&Energy) -> Option<u64>| {
        energies().map(field).try_fold(0, |sum: u64, uj| Some(sum.saturating_add(uj?)))
    };
    let facility: Bounded<u64> = energies().map(facility_of).sum();
    let pues: BTreeSet<u64> = energies().map(|energy| energy.pue.to_bits()).collect();
    let mean = facility.value.zip(total.value).filter(|(_, total)| *total > 0).map(|(all, it)| all as f64 / it as f64);
    let first = energies().next();
    let one_pue = first.map(|energy| energy.pue).filter(|_| pues.len() == 1);
    let plausible = energies().find(|energy| energy.range_kind == Some(RangeKind::Plausible)).or(first);
    Energy {
        total_uj: total.value,
        low_uj: total.low,
        high_uj: total.high,
        free_low_uj: sum(|energy| energy.free_low_uj),
        free_high_uj: all(|energy| energy.free_high_uj),
        range_kind: plausible.and_then(|energy| energy.range_kind),
        range_percent: plausible.and_then(|energy| energy.range_percent),
        measured_uj: sum(|energy| energy.measured_uj),
        derived_uj: sum(|energy| energy.derived_uj),
        estimated_uj: sum(|energy| energy.estimated_uj),
        synthetic_uj: sum(|energy| energy.synthetic_uj),
        missing_ns: sum(|energy| energy.missing_ns),
        facility_uj: facility.value,
        pue: one_pue.or(mean).unwrap_or(1.0),
        facility_low_uj: Some(facility.low),
        facility_high_uj: facility.high,
    }
}

/// Adds the attributions of runs whose energy is that of the commands; `None` if no command's part is known.
fn attribution_of(runs: &[Report], energy: &Energy) -> Option<Attribution> {
    let all = || runs.iter().filter_map(|run| run.attribution.as_ref());
    let sum = |field: fn(&Attribution) -> u64| all().map(field).fold(0, u64::saturating_add);
    Some(Attribution {
        command_uj: energy.total_uj?,
        idle_uj: sum(|part| part.idle_uj),
        others_uj: sum(|part| part.others_uj),
        unattributed_uj: sum(|part| part.unattributed_uj),
        low_uj: energy.low_uj,
        high_uj: energy.high_uj,
        free_low_uj: energy.free_low_uj,
        free_high_uj: energy.free_high_uj,
        method: joined(all().map(|part| part.method.as_str())),
        consumers: Vec::new(),
    })
}

/// Returns the energy with the facility's overhead, microjoules.
pub(crate) fn facility_of(energy: &Energy) -> Bounded<u64> {
    let times_pue = |uj: u64| (uj as f64 * energy.pue) as u64;
    let (low, high) = match energy.facility_low_uj {
        Some(low) => (low, energy.facility_high_uj),
        None => (times_pue(energy.low_uj), energy.high_uj.map(times_pue)),
    };
    Bounded { value: energy.facility_uj, low, high, kind: energy.bounded().kind }.around_value()
}

/// Returns the emissions with their bounds; unknown for a report without any.
fn grams_of(report: &Report) -> Bounded<f64> {
    report.carbon.as_ref().map_or_else(Bounded::unknown, |carbon| carbon.bounded())
}

/// Adds the emissions; `None` if no run has any.
fn carbon_of(runs: &[Report]) -> Option<Carbon> {
    let all: Vec<&Carbon> = runs.iter().filter_map(|run| run.carbon.as_ref()).collect();
    let first = all.first()?;
    let grams: Bounded<f64> = runs.iter().map(grams_of).sum();
    let zone_source = |carbon: &&&Carbon| carbon.zone_source == first.zone_source;
    Some(Carbon {
        grams: grams.value,
        low: grams.low,
        high: grams.high,
        range_kind: grams.value.map(|_| grams.kind),
        range_percent: all
            .iter()
            .find(|carbon| carbon.range_kind == Some(grams.kind))
            .and_then(|one| one.range_percent),
        zone: joined(all.iter().map(|carbon| carbon.zone.as_str())),
        zone_source: if all.iter().all(|one| zone_source(&one)) { first.zone_source.clone() } else { String::new() },
        segments: all.iter().flat_map(|carbon| carbon.segments.iter().cloned()).collect(),
        beside: Some(Box::new(supplements_of(runs))),
        ..Carbon::default()
    })
}

/// Adds the supplements that every run has: market-based and embodied emissions.
fn supplements_of(runs: &[Report]) -> Supplements {
    let beside = |run: &'_ Report| run.carbon.as_ref().and_then(|carbon| carbon.beside.clone());
    let all: Vec<Supplements> = runs.iter().filter_map(beside).map(|beside| *beside).collect();
    let every = |count: usize| count == runs.len();
    let markets: Vec<&Market> = all.iter().filter_map(|one| one.market.as_ref()).collect();
    let embodied: Vec<&Embodied> = all.iter().filter_map(|one| one.embodied.as_ref()).collect();
    Supplements {
        market: markets.first().filter(|_| every(markets.len())).map(|first| {
            let grams: Bounded<f64> = markets.iter().map(|one| one.bounded()).sum();
            let kwh: f64 = runs.iter().filter_map(|run| run.energy.facility_uj).map(eco2_core::units::kwh).sum();
            let is_same = markets.iter().all(|one| one.g_per_kwh == first.g_per_kwh);
            let mean = grams.value.filter(|_| kwh > 0.0).map(|grams| grams / kwh);
            Market {
                grams: grams.value,
                low: grams.low,
                high: grams.high,
                g_per_kwh: mean.filter(|_| !is_same).unwrap_or(first.g_per_kwh),
                instrument: joined(markets.iter().map(|one| one.instrument.as_str())),
            }
        }),
        embodied: embodied.first().filter(|_| every(embodied.len())).map(|first| {
            let grams: Bounded<f64> = embodied.iter().map(|one| one.bounded()).sum();
            Embodied {
                grams: grams.value.unwrap_or(0.0),
                low: grams.low,
                high: grams.high,
                source: joined(embodied.iter().map(|one| one.source.as_str())),
                ..(*first).clone()
            }
        }),
        ..Supplements::default()
    }
}

/// Returns emissions whose kinds of intensity differ: their grams are not one sum.
fn without_grams(carbon: Carbon) -> Carbon {
    Carbon { grams: None, low: 0.0, high: None, range_kind: None, range_percent: None, ..carbon }
}

/// Adds the work; a count that one run lacks is not known.
fn work_of(runs: &[Report]) -> Work {
    let sum = |count: fn(&Work) -> Option<u64>| {
        runs.iter().map(|run| count(&run.work)).try_fold(0_u64, |sum, one| Some(sum.saturating_add(one?)))
    };
    let names = runs.first().into_iter().flat_map(|run| run.work.extra.keys());
    let total = |name: &String| {
        let mut each = runs.iter().map(|run| run.work.extra.get(name));
        Some((name.clone(), each.try_fold(0.0, |sum, one| Some(sum + one?))?))
    };
    // The last value of most numbers is no amount that could be added.
    let extra = names.filter(|name| *name == Work::FLOP).filter_map(total).collect();
    Work {
        steps: sum(|work| work.steps),
        samples: sum(|work| work.samples),
        tokens: sum(|work| work.tokens),
        loss: None,
        extra,
    }
}

/// The time for which runs occupied devices of one kind, summed over the devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DeviceTime {
    /// GPUs if there are any, else CPU packages.
    pub(crate) component: Component,
    pub(crate) ns: u128,
}

impl DeviceTime {
    /// Returns the time of these runs; `None` without a GPU or CPU.
    ///
    /// A device counts from the first start to the last end of the processes on its machine in an attempt, also while it is idle.
    /// Time in which several runs had the device counts once.
    pub(crate) fn of(runs: &[Report]) -> Option<Self> {
        let of = |component| {
            let mut devices = Occupied::new();
            runs.iter().for_each(|run| occupy(run, component, &mut devices));
            let ns = devices.into_values().map(|windows| u128::from(length_ns(&united(windows)))).sum();
            Some(Self { component, ns }).filter(|time| time.ns > 0)
        };
        of(Component::Gpu).or_else(|| of(Component::Cpu))
    }

    pub(crate) fn hours(self) -> f64 {
        self.ns as f64 / 3.6e12
    }

    /// Returns the name of a device: `GPU`.
    pub(crate) fn device(self) -> &'static str {
        if self.component == Component::Gpu { "GPU" } else { "CPU" }
    }
}

/// The windows in which runs had a device, by machine and device.
type Occupied = BTreeMap<(String, String), Vec<Window>>;

/// Adds the windows of a run's devices of one kind: one per attempt and machine.
fn occupy(run: &Report, component: Component, devices: &mut Occupied) {
    let parts = run.merge.as_ref().map(|merge| &merge.parts[..]).filter(|parts| !parts.is_empty());
    let mut attempts: BTreeMap<(u32, u32, String), (Window, BTreeSet<&str>)> = BTreeMap::new();
    for part in parts.unwrap_or(std::slice::from_ref(run)) {
        let key = (part.run.requeue, part.run.attempt, machine(part));
        let (whole, ids) = attempts.entry(key).or_insert_with(|| (window(part), BTreeSet::new()));
        *whole = hull(*whole, window(part));
        let is_counted = |device: &&Device| device.component == component && device.is_summed();
        ids.extend(part.devices.iter().filter(is_counted).map(|device| device.id.as_str()));
    }
    for ((.., machine), (whole, ids)) in attempts {
        for id in ids {
            devices.entry((machine.clone(), id.to_owned())).or_default().push(whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eco2_core::Quality;

    const H: u64 = 3_600_000_000_000;

    fn device(id: &str, component: Component) -> Device {
        let domain = if component == Component::Gpu { "board" } else { "package" };
        let text = serde_json::json!({
            "id": id, "component": component, "domain": domain, "name": id, "source": "s", "quality": Quality::Measured,
            "energy_uj": 1, "low_uj": 1, "high_uj": 1, "free_low_uj": 1, "free_high_uj": 1, "gain_percent": null, "mean_w": null,
            "peak_w": null, "power_w": null, "coverage": 1.0, "update_period_ns": null, "wraps": 0, "resets": 0, "anomalies": 0,
            "failures": 0, "readings": 1, "gaps": [], "overlaps": [], "cross_check": null, "gauges": []
        });
        serde_json::from_value(text).unwrap()
    }

    fn part(attempt: u32, boot_id: &str, boot_ns: [u64; 2], gpus: &[&str]) -> Report {
        let mut run = Run { attempt, boot_ns: Some(boot_ns), ..Run::default() };
        run.host.boot_id = boot_id.to_owned();
        let devices =
            gpus.iter().map(|id| device(id, Component::Gpu)).chain([device("package-0", Component::Cpu)]).collect();
        Report { devices, ..Report::empty(run) }
    }

    #[test]
    fn devices_of_a_restarted_run_count_once_per_attempt_and_machine() {
        let parts = vec![
            // Two ranks on one machine, each with the same two GPUs, 1 h and half an hour later.
            part(0, "a", [0, H], &["g0", "g1"]),
            part(0, "a", [H / 2, H + H / 2], &["g0", "g1"]),
            // After a pause the restart has another machine, for 2 h.
            part(1, "b", [9 * H, 11 * H], &["g2"]),
        ];
        let merge = eco2_core::schema::Merge { parts, ..eco2_core::schema::Merge::default() };
        let run = Report { merge: Some(merge), ..part(0, "a", [0, 11 * H], &["g0", "g1", "g2"]) };
        // 1.5 h × 2 GPUs + 2 h × 1 GPU.
        let time = DeviceTime::of(&[run]).unwrap();
        assert_eq!((time.hours(), time.device()), (5.0, "GPU"));
        assert_eq!(
            DeviceTime::of(&[part(0, "a", [0, H], &[])]).map(|time| (time.hours(), time.device())),
            Some((1.0, "CPU"))
        );
        assert_eq!(DeviceTime::of(&[]), None);
    }

    fn run(id: &str, uj: Option<u64>, grams: Option<f64>) -> Report {
        let mut report = part(0, id, [0, H], &[]);
        (report.run.id, report.run.duration_ns) = (id.to_owned(), H);
        report.energy = Energy {
            total_uj: uj,
            low_uj: uj.unwrap_or(0),
            high_uj: uj.map(|uj| uj + 1),
            facility_uj: uj.map(|uj| uj * 2),
            pue: 2.0,
            ..Energy::default()
        };
        report.carbon =
            grams.map(|grams| Carbon { grams: Some(grams), low: grams, high: Some(grams), ..Carbon::default() });
        report
    }

    #[test]
    fn a_sum_of_runs_has_the_sums_of_the_bounds_and_an_unknown_run_makes_it_at_least() {
        let all = sum_of_runs(&[run("a", Some(10), Some(1.0)), run("b", Some(20), Some(2.0))]).unwrap();
        let energy = &all.sum.energy;
        assert_eq!(
            (energy.total_uj, energy.low_uj, energy.high_uj, energy.facility_uj),
            (Some(30), 30, Some(32), Some(60))
        );
        assert_eq!((energy.pue, all.sum.run.duration_ns, all.unpriced), (2.0, 2 * H, 0));
        assert_eq!(all.sum.carbon.unwrap().grams, Some(3.0));
        let open = sum_of_runs(&[run("a", Some(10), Some(1.0)), run("b", None, None)]).unwrap();
        assert_eq!((open.sum.energy.total_uj, open.sum.energy.high_uj, open.unpriced), (Some(10), None, 1));
        assert_eq!(open.sum.carbon.unwrap().high, None, "at least");
        assert!(sum_of_runs(&[]).is_none());
    }

    #[test]
    fn the_commands_parts_are_added_and_an_unknown_one_is_not_zero() {
        let of_command = |id: &str, uj: Option<u64>| {
            let mut report = run(id, Some(1_000), None);
            report.attribution =
                uj.map(|uj| Attribution { command_uj: uj, idle_uj: 1_000 - uj, ..Attribution::default() });
            crate::in_scope(&report, Scope::Command).into_owned()
        };
        let all = sum_of_runs(&[of_command("a", Some(10)), of_command("b", Some(30))]).unwrap().sum;
        assert_eq!((all.energy.total_uj, scope_of(&all)), (Some(40), Scope::Command));
        assert_eq!(all.attribution.map(|sum| (sum.command_uj, sum.idle_uj)), Some((40, 1_960)));
        let unknown = sum_of_runs(&[of_command("a", None), of_command("b", None)]).unwrap().sum;
        assert_eq!((unknown.energy.total_uj, unknown.attribution.is_none()), (None, true));
        assert_eq!(scope_of(&unknown), Scope::Command, "still of the commands");
    }
}
