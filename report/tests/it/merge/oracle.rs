//! Merged energy checked against a simulation second by second: of each device on each machine the best reading counts, and
//! the energy is not known in a second in which a part has the device and no part read it.

use eco2_core::schema::*;
use eco2_core::{Component, Quality, RangeKind, Stretch};
use eco2_report::{by_label, compare, merge};
use proptest::prelude::*;

use super::{S, Seen, device, rank, report};

const DEVICES: [(&str, Component); 3] =
    [("package-0", Component::Cpu), ("GPU-1", Component::Gpu), ("dram-0", Component::Memory)];
const QUALITIES: [Quality; 3] = [Quality::Measured, Quality::Derived, Quality::Estimated];
/// How far the energy of a record that is not measured may lie off, microjoules.
const OFF_UJ: u64 = 1_000;

/// What one process has of one device.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Had {
    /// Not in its list.
    Absent,
    /// In its list, and never read.
    Unread,
    /// Read: the quality's place, and whether it has an upper bound.
    Read(usize, bool),
}

/// One process: its machine, when it ran in seconds, and what it had of each device.
#[derive(Debug, Clone)]
struct Process {
    machine: &'static str,
    from_s: u64,
    to_s: u64,
    had: [Had; 3],
}

/// Sensors of one quality agree with each other, those of different ones do not.
fn watts(machine: &str, device: usize, quality: usize) -> u64 {
    10 + device as u64 * 30 + quality as u64 * 7 + if machine == "b1" { 3 } else { 0 }
}

fn any_had() -> impl Strategy<Value = Had> {
    prop_oneof![
        2 => Just(Had::Absent),
        2 => Just(Had::Unread),
        5 => (0..3_usize, prop::bool::weighted(0.8)).prop_map(|(quality, bounded)| Had::Read(quality, bounded)),
    ]
}

fn any_processes() -> impl Strategy<Value = Vec<Process>> {
    let machine = prop::sample::select(vec!["b0", "b1"]);
    let one = (machine, 0..30_u64, 1..20_u64, [any_had(), any_had(), any_had()]);
    let process = one.prop_map(|(machine, from_s, lasted, mut had)| {
        // Every machine has a processor.
        if had == [Had::Absent; 3] {
            had[0] = Had::Unread;
        }
        Process { machine, from_s, to_s: from_s + lasted, had }
    });
    prop::collection::vec(process, 1..6)
}

/// What is known of a sum.
#[derive(Debug, Clone, Default, PartialEq)]
struct Oracle {
    uj: Option<u64>,
    by_quality: [u64; 3],
    open: bool,
    missing_s: u64,
}

/// Goes through the seconds in which the machine's energy belongs to the sum by `counts`.
fn oracle(processes: &[Process], counts: impl Fn(&str, u64) -> bool) -> Oracle {
    let mut sum = Oracle::default();
    for machine in ["b0", "b1"] {
        let here: Vec<&Process> = processes.iter().filter(|process| process.machine == machine).collect();
        for (device, _) in DEVICES.iter().enumerate() {
            let listed = here.iter().any(|process| process.had[device] != Had::Absent);
            for second in (0..60).filter(|second| listed && counts(machine, *second)) {
                let there = here.iter().filter(|process| (process.from_s..process.to_s).contains(&second));
                let had: Vec<Had> = there.map(|process| process.had[device]).collect();
                let read = had.iter().filter_map(|had| match had {
                    Had::Read(quality, bounded) => Some((*quality, !bounded)),
                    _ => None,
                });
                match read.min() {
                    Some((quality, open)) => {
                        let uj = watts(machine, device, quality) * 1_000_000;
                        sum.uj = Some(sum.uj.unwrap_or(0) + uj);
                        sum.by_quality[quality] += uj;
                        sum.open |= open;
                    }
                    None => {
                        sum.missing_s += 1;
                        sum.open |= had.contains(&Had::Unread);
                    }
                }
            }
        }
    }
    sum.open |= sum.uj.is_none();
    sum
}

/// The report that a process would have written.
fn written(process: &Process, seen: Seen) -> Report {
    let seen = Seen { boot: process.machine, from_ns: process.from_s * S, to_ns: process.to_s * S, ..seen };
    let mut written = report(&seen);
    (written.devices, written.counters) = (Vec::new(), Vec::new());
    for (at, (id, component)) in DEVICES.iter().enumerate() {
        let Had::Read(quality, bounded) = process.had[at] else {
            if process.had[at] == Had::Unread {
                let unread = device(id, *component, 0, 0);
                let nothing = (None, None, None, None, None);
                let mut unread = Device { quality: Quality::Missing, coverage: 0.0, ..unread };
                (unread.energy_uj, unread.low_uj, unread.high_uj, unread.free_low_uj, unread.free_high_uj) = nothing;
                written.devices.push(unread);
            }
            continue;
        };
        let off_uj = if quality == 0 { 0 } else { OFF_UJ };
        let (lasted_s, each_uj) = (process.to_s - process.from_s, watts(process.machine, at, quality) * 1_000_000);
        let above_uj = bounded.then_some(off_uj);
        let read = device(id, *component, watts(process.machine, at, quality), lasted_s * S);
        let high = above_uj.map(|above| lasted_s * each_uj + above);
        let low = Some(lasted_s * each_uj - off_uj);
        let (quality_of, read) = (QUALITIES[quality], Device { low_uj: low, free_low_uj: low, ..read });
        written.devices.push(Device { quality: quality_of, high_uj: high, free_high_uj: high, ..read });
        let stretch = Stretch {
            quality: QUALITIES[quality],
            at_ns: (process.from_s..=process.to_s).map(|second| second * S).collect(),
            uj: (0..=lasted_s).map(|second| second * each_uj).collect(),
            slack_ns: 0,
            below_uj: off_uj,
            above_uj,
            free_below_uj: off_uj,
            free_above_uj: above_uj,
        };
        let boot_id = process.machine.to_owned();
        written.counters.push(CounterRecord { boot_id, device: (*id).to_owned(), stretches: vec![stretch] });
    }
    let known = written.devices.iter().filter_map(|device| device.energy_uj);
    let total = known.reduce(|sum, uj| sum + uj);
    let open = written.devices.iter().any(|device| device.high_uj.is_none());
    let all = |uj: Option<u64>| uj.filter(|_| !open);
    let highs: u64 = written.devices.iter().filter_map(|device| device.high_uj).sum();
    written.energy = Energy {
        total_uj: total,
        low_uj: written.devices.iter().filter_map(|device| device.low_uj).sum(),
        high_uj: all(Some(highs)).filter(|_| total.is_some()),
        facility_uj: total,
        pue: 1.0,
        ..Energy::default()
    };
    for device in written.devices.iter().filter(|device| device.energy_uj.is_some()) {
        let part = match device.quality {
            Quality::Measured => &mut written.energy.measured_uj,
            Quality::Derived => &mut written.energy.derived_uj,
            _ => &mut written.energy.estimated_uj,
        };
        *part += device.energy_uj.unwrap_or(0);
    }
    written.carbon = None;
    written
}

/// All ranks of one run: the attempt lasts on each machine from its first beginning to its last end there.
fn ranks(processes: &[Process]) -> (Vec<Report>, Oracle) {
    let world = processes.len() as u32;
    let seen = |at: usize| Seen { part: format!("p{at}"), ..rank(at as u32, world, 0, 1) };
    let reports = processes.iter().enumerate().map(|(at, process)| written(process, seen(at))).collect();
    let within = |machine: &str, second: u64| {
        let here = || processes.iter().filter(|process| process.machine == machine);
        here().any(|process| process.from_s <= second) && here().any(|process| process.to_s > second)
    };
    (reports, oracle(processes, within))
}

/// Runs of one team: each counts while it lasts.
fn runs(processes: &[Process]) -> (Vec<Report>, Oracle) {
    const IDS: [&str; 6] = ["r0", "r1", "r2", "r3", "r4", "r5"];
    let seen = |at: usize| Seen { id: IDS[at], part: format!("p{at}"), rank: None, ..rank(0, 1, 0, 1) };
    let reports = processes.iter().enumerate().map(|(at, process)| written(process, seen(at))).collect();
    let within = |machine: &str, second: u64| {
        let lasts = |process: &Process| (process.from_s..process.to_s).contains(&second);
        processes.iter().any(|process| process.machine == machine && lasts(process))
    };
    (reports, oracle(processes, within))
}

/// Value, low and high of a sum against the oracle.
fn agrees(oracle: &Oracle, value: Option<u64>, low: u64, high: Option<u64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(value, oracle.uj);
    prop_assert_eq!(high.is_none(), oracle.open, "open where something is not known, and only there");
    let known = oracle.uj.unwrap_or(0);
    let exact = oracle.by_quality[1] + oracle.by_quality[2] == 0;
    let off = if exact { 0 } else { OFF_UJ };
    prop_assert!(low <= known - off.min(known) && known - low <= off * 200, "{low} of {known}");
    if let Some(high) = high {
        prop_assert!(high >= known + off && high - known <= off * 200, "{high} of {known}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn k01_a_merged_total_is_the_sum_of_what_is_known_and_open_where_something_is_not(processes in any_processes()) {
        let (reports, oracle) = ranks(&processes);
        let merged = merge(&reports).unwrap();
        let energy = &merged.energy;
        agrees(&oracle, energy.total_uj, energy.low_uj, energy.high_uj)?;
        prop_assert_eq!([energy.measured_uj, energy.derived_uj, energy.estimated_uj], oracle.by_quality);
        prop_assert_eq!(energy.missing_ns, oracle.missing_s * S);
        prop_assert_eq!(energy.facility_uj, oracle.uj);
        if oracle.uj.is_some() && !oracle.open {
            let exact = oracle.by_quality[1] + oracle.by_quality[2] == 0;
            prop_assert_eq!(energy.range_kind, Some(if exact { RangeKind::Hard } else { RangeKind::Plausible }));
        }
        let devices = merged.devices.iter().filter_map(|device| device.energy_uj).reduce(|sum, uj| sum + uj);
        prop_assert_eq!(devices, oracle.uj);
        // Merging the merged report again gives the same.
        let again = merge(&[merged.clone(), reports[0].clone()]).unwrap();
        prop_assert_eq!(&again.energy, energy);
        let row = &compare(std::slice::from_ref(&merged), Some(eco2_grid::carbon::FunctionalUnit::Run), &[]).runs[0];
        let kwh = |uj: u64| uj as f64 / 3.6e12;
        let figure = row.energy_kwh.as_ref();
        prop_assert_eq!(figure.is_some(), oracle.uj.is_some());
        if let Some(figure) = figure {
            prop_assert!((figure.value - kwh(oracle.uj.unwrap())).abs() < 1e-12 && figure.high.is_none() == oracle.open);
        }
    }

    #[test]
    fn k07_a_grouped_total_is_that_of_every_counter_once(processes in any_processes()) {
        let (reports, oracle) = runs(&processes);
        let groups = by_label(&reports, "team");
        prop_assert_eq!(groups.len(), 1);
        let group = &groups[0];
        let narrow = |uj: u128| u64::try_from(uj).unwrap();
        agrees(&oracle, group.energy_uj.map(narrow), narrow(group.low_uj), group.high_uj.map(narrow))?;
        prop_assert_eq!([group.measured_uj, group.derived_uj, group.estimated_uj].map(narrow), oracle.by_quality);
    }
}
