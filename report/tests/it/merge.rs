//! Merging reports: every counter counts once, and the result does not depend on the order of merging.

use std::path::Path;

use eco2_core::schema::*;
use eco2_core::{Component, Quality, Ranged, Stretch};
use eco2_report::{json, merge, parse_report};
use proptest::prelude::*;

use crate::fixture;

mod attempts;
mod curves;
mod groups;
mod host_totals;
#[cfg(feature = "parquet")]
mod lake;
mod oracle;
mod priced;
mod supplements;

const S: u64 = 1_000_000_000;
/// The package draws 20 W and the GPU 100 W, all the time.
const CPU_W: u64 = 20;
const GPU_W: u64 = 100;

/// One process's record.
#[derive(Debug, Clone)]
struct Seen {
    id: &'static str,
    part: String,
    rank: Option<(u32, u32)>,
    attempt: u32,
    boot: &'static str,
    from_ns: u64,
    to_ns: u64,
}

fn rank(rank: u32, world: u32, from_s: u64, to_s: u64) -> Seen {
    let part = format!("p{rank}-{from_s}");
    Seen { id: "job", part, rank: Some((rank, world)), attempt: 0, boot: "b0", from_ns: from_s * S, to_ns: to_s * S }
}

fn other(id: &'static str, part: &str, from_s: u64, to_s: u64) -> Seen {
    Seen { id, part: part.to_owned(), rank: None, ..rank(0, 1, from_s, to_s) }
}

/// Merges one process's reports with the others'.
fn all(seen: &[Seen]) -> Report {
    merge(&seen.iter().map(report).collect::<Vec<_>>()).unwrap()
}

fn report(seen: &Seen) -> Report {
    let lasted = seen.to_ns - seen.from_ns;
    let devices =
        vec![device("package-0", Component::Cpu, CPU_W, lasted), device("GPU-1", Component::Gpu, GPU_W, lasted)];
    let counters = devices.iter().map(|device| counter(seen, device)).collect();
    let total_uj = (CPU_W + GPU_W) * lasted / 1_000;
    let at = |ns: u64| format!("2026-01-01T00:{:02}:{:02}.{:09}Z", ns / S / 60, ns / S % 60, ns % S);
    Report {
        run: Run {
            id: seen.id.into(),
            name: "train".into(),
            part: seen.part.clone(),
            rank: seen.rank.map(|rank| rank.0),
            world_size: seen.rank.map(|rank| rank.1),
            attempt: seen.attempt,
            boot_ns: Some([seen.from_ns, seen.to_ns]),
            started_at: at(seen.from_ns),
            ended_at: at(seen.to_ns),
            duration_ns: lasted,
            labels: [("team".to_owned(), "nlp".to_owned()), ("rank".to_owned(), format!("{:?}", seen.rank))].into(),
            host: Host { boot_id: seen.boot.into(), hostname: format!("host-{}", seen.boot), kernel: "6.1".into() },
            state: State::Final,
            exit_code: Some(0),
            ..Run::default()
        },
        energy: Energy { total_uj: Some(total_uj), facility_uj: Some(total_uj), pue: 1.0, ..Energy::default() },
        devices,
        counters,
        work: Work { steps: Some(10), samples: Some(80), ..Work::default() },
        carbon: Some(carbon(total_uj)),
        ..fixture::bare()
    }
}

fn device(id: &str, component: Component, watts: u64, lasted_ns: u64) -> Device {
    let uj = Some(watts * lasted_ns / 1_000);
    Device {
        id: id.into(),
        component,
        energy_uj: uj,
        low_uj: uj,
        high_uj: uj,
        free_low_uj: uj,
        free_high_uj: uj,
        overlaps: Vec::new(),
        gaps: Vec::new(),
        quality: Quality::Measured,
        ..fixture::report().devices[0].clone()
    }
}

fn counter(seen: &Seen, device: &Device) -> CounterRecord {
    let stretch = Stretch {
        quality: device.quality,
        at_ns: vec![seen.from_ns, seen.to_ns],
        uj: vec![0, device.energy_uj.unwrap()],
        slack_ns: 0,
        below_uj: 0,
        above_uj: Some(0),
        free_below_uj: 0,
        free_above_uj: Some(0),
    };
    CounterRecord { boot_id: seen.boot.into(), device: device.id.clone(), stretches: vec![stretch] }
}

/// 400 g and 0.30 a kilowatt-hour.
fn carbon(uj: u64) -> Carbon {
    let kwh = uj as f64 / 3.6e12;
    let segment =
        CarbonSegment { energy_uj: uj, g_per_kwh: 400.0, ..fixture::report().carbon.unwrap().segments[0].clone() };
    Carbon {
        grams: Some(kwh * 400.0),
        low: kwh * 400.0,
        high: Some(kwh * 400.0),
        cost: Some(kwh * 0.3),
        zone: "DE".into(),
        segments: vec![segment],
        ..fixture::report().carbon.unwrap()
    }
}

/// Microjoules of both devices over this many seconds.
fn truth(seconds: u64) -> u64 {
    (CPU_W + GPU_W) * seconds * 1_000_000
}

fn kinds(report: &Report) -> Vec<&str> {
    report.events.iter().map(|event| event.kind.as_str()).collect()
}

fn event_text<'a>(report: &'a Report, kind: &str) -> &'a str {
    &report
        .events
        .iter()
        .find(|event| event.kind == kind)
        .unwrap_or_else(|| panic!("no {kind}: {:?}", report.events))
        .text
}

#[test]
fn f39_ranks_an_agent_and_the_command_make_one_total() {
    let mut seen: Vec<Seen> = (0..8).map(|at| rank(at, 8, 10, 70)).collect();
    let ranks = all(&seen);
    assert_eq!(ranks.energy.total_uj, Some(truth(60)));
    assert_eq!((ranks.energy.low_uj, ranks.energy.high_uj, ranks.energy.missing_ns), (truth(60), Some(truth(60)), 0));
    seen.push(other("job", "command", 8, 73));
    seen.push(other("node", "agent", 0, 600));
    let merged = all(&seen);
    assert_eq!(merged.energy.total_uj, Some(truth(60)), "the attempt's, not the command's and not the agent's");
    let merge = merged.merge.as_ref().unwrap();
    assert_eq!((merge.ranks, merge.world_size, merge.machines), (Some(8), Some(8), 1));
    assert_eq!(
        (merge.overhead_uj, merge.overhead_ns),
        (Some(truth(5)), 5 * S),
        "the command's start and end are separate windows"
    );
    assert_eq!(merged.energy.measured_uj, truth(60));
    assert_eq!(merged.devices.len(), 2);
    assert!(event_text(&merged, "overhead").contains("no total"));
}

#[test]
fn f37_rank_without_a_record_is_reported_and_its_machine_still_counts() {
    let seen: Vec<Seen> = [0, 1, 2, 4, 5, 6, 7].map(|at| rank(at, 8, 10, if at == 0 { 40 } else { 70 })).into();
    let merged = all(&seen);
    assert_eq!(merged.energy.total_uj, Some(truth(60)));
    let merge = merged.merge.as_ref().unwrap();
    assert_eq!((merge.ranks, merge.world_size, merge.missing_ranks.as_slice()), (Some(7), Some(8), &[3][..]));
    assert!(event_text(&merged, "ranks-missing").starts_with("attempt 0: 7 of 8 ranks have a record (missing: 3)"));
    assert_eq!(merged.work.samples, Some(7 * 80), "nothing is invented for the missing one");
}

#[test]
fn f38_a_restart_with_fewer_ranks_adds_up_and_the_time_between_is_not_in_it() {
    let first = (0..4).map(|at| rank(at, 4, 0, 30));
    let second = (0..2).map(|at| Seen { attempt: 1, ..rank(at, 2, 40, 60) });
    let merged = all(&first.chain(second).collect::<Vec<_>>());
    let attempts: Vec<_> = merged.run.attempts.iter().map(|a| (a.number, a.energy_uj, a.ranks, a.world_size)).collect();
    assert_eq!(attempts, [(0, Some(truth(30)), Some(4), Some(4)), (1, Some(truth(20)), Some(2), Some(2))]);
    assert_eq!((merged.energy.total_uj.unwrap(), merged.run.duration_ns), (truth(50), 50 * S));
    assert_eq!(event_text(&merged, "world-size-changed"), "attempt 1 had 2 ranks, not 4");
    assert_eq!(merged.merge.as_ref().unwrap().overhead_uj, None, "nothing was measured between the attempts: not 0");
    assert_eq!(merged.work.samples, Some((4 + 2) * 80));
    assert_eq!(merged.work.steps, Some(10 + 10), "ranks step together, attempts after each other");
}

#[test]
fn f38_uncounted_processes_of_one_rank_are_attempts_in_the_order_of_time() {
    let merged = all(&[rank(0, 1, 0, 30), Seen { part: "late".into(), ..rank(0, 1, 50, 60) }]);
    assert_eq!(merged.run.attempts.len(), 2);
    assert_eq!(merged.energy.total_uj, Some(truth(40)));
    let resumed = all(&[other("a", "one", 0, 30), other("a", "two", 35, 60)]);
    assert_eq!((resumed.run.attempts.len(), resumed.energy.total_uj.unwrap()), (2, truth(55)));
    let nested = all(&[other("a", "command", 0, 30), other("a", "script", 5, 25)]);
    assert_eq!((nested.run.attempts.len(), nested.energy.total_uj.unwrap()), (1, truth(30)));
}

#[test]
fn f38_attempts_that_overlap_in_time_share_no_energy() {
    let merged = all(&[rank(0, 2, 0, 30), rank(1, 2, 0, 40), Seen { attempt: 1, ..rank(0, 2, 35, 60) }]);
    let energies: Vec<u64> = merged.run.attempts.iter().filter_map(|attempt| attempt.energy_uj).collect();
    assert_eq!(energies, [truth(35), truth(25)], "rank 1 of the first start lingered until 40");
    assert_eq!(merged.energy.total_uj, Some(truth(60)));
}

#[test]
fn f40_two_nodes_of_one_host_are_one_machine_and_two_hosts_of_one_name_are_two() {
    let node = |at: u32, name: &str| {
        let mut report = report(&rank(at, 2, 0, 10));
        report.run.labels.insert("node".into(), name.into());
        report
    };
    let merged = merge(&[node(0, "n1"), node(1, "n2")]).unwrap();
    assert_eq!(merged.energy.total_uj, Some(truth(10)));
    assert!(event_text(&merged, "one-machine").starts_with("n1, n2 are one machine"));
    let mut twins = [rank(0, 2, 0, 10), Seen { boot: "b1", ..rank(1, 2, 0, 10) }].map(|seen| report(&seen));
    twins.iter_mut().for_each(|twin| twin.run.host.hostname = "trainer".into());
    let merged = merge(&twins).unwrap();
    assert_eq!(merged.energy.total_uj, Some(2 * truth(10)));
    assert!(event_text(&merged, "host-name-shared").contains("trainer"));
    let ids: Vec<&str> = merged.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["trainer@b0/GPU-1", "trainer@b0/package-0", "trainer@b1/GPU-1", "trainer@b1/package-0"]);
}

#[test]
fn f40_copies_of_a_machine_with_one_boot_id_are_noticed_by_their_figures() {
    let honest = report(&rank(0, 2, 0, 10));
    let mut copy = report(&rank(1, 2, 0, 10));
    copy.devices[1] = device("GPU-1", Component::Gpu, 2 * GPU_W, 10 * S);
    let merged = merge(&[honest.clone(), copy]).unwrap();
    assert!(event_text(&merged, "counter-contradicts").contains("copies of one virtual machine"));
    let merged = merge(&[honest, report(&rank(1, 2, 0, 10))]).unwrap();
    assert!(!kinds(&merged).contains(&"counter-contradicts"));
}

#[test]
fn steps_after_the_checkpoint_are_reported_as_replayed() {
    let with = |seen: Seen, first: f64, steps: u64| {
        let mut report = report(&seen);
        report.work = Work { steps: Some(steps), extra: [("first_step".to_owned(), first)].into(), ..report.work };
        report
    };
    // 100 steps were done, the checkpoint held 80.
    let merged = merge(&[with(rank(0, 1, 0, 50), 0.0, 100), with(Seen { attempt: 1, ..rank(0, 1, 60, 80) }, 80.0, 40)]);
    let replayed = merged.unwrap().merge.unwrap().replayed;
    assert_eq!(replayed, [Replayed { attempt: 0, steps: 20, energy_uj: Some(truth(10)) }]);
}

#[test]
fn carbon_and_cost_follow_the_merged_energy() {
    let merged = all(&[rank(0, 2, 0, 3600), rank(1, 2, 0, 3600)]);
    let carbon = merged.carbon.unwrap();
    // 120 W for an hour at 400 g and 0.30 a kilowatt-hour.
    assert!((carbon.grams.unwrap() - 48.0).abs() < 1e-9 && (carbon.cost.unwrap() - 0.036).abs() < 1e-12, "{carbon:?}");
    assert_eq!((carbon.segments.len(), carbon.segments[0].energy_uj), (1, truth(3600)));
    assert_eq!((carbon.low, carbon.high), (carbon.grams.unwrap(), Some(carbon.grams.unwrap())));
}

#[test]
fn estimate_yields_to_a_reading_of_the_counter() {
    let blind = |at: u32, from_s, to_s| {
        let seen = rank(at, 2, from_s, to_s);
        let mut report = report(&seen);
        let uj = device("cpu-estimate", Component::Cpu, 55, (to_s - from_s) * S);
        report.devices[0] = Device { quality: Quality::Estimated, ..uj };
        report.counters[0] = counter(&seen, &report.devices[0]);
        report
    };
    let merged = merge(&[blind(0, 0, 20), report(&rank(1, 2, 10, 20))]).unwrap();
    assert_eq!(merged.energy.measured_uj, (GPU_W * 20 + CPU_W * 10) * 1_000_000);
    assert_eq!(merged.energy.estimated_uj, 55 * 10 * 1_000_000, "only while no process read the package");
}

#[test]
fn overlapping_domain_is_not_in_the_total() {
    let with_core = |at: u32| {
        let seen = rank(at, 2, 0, 10);
        let mut report = report(&seen);
        let mut core = device("core-0", Component::Cpu, 15, 10 * S);
        core.overlaps = vec!["package-0".into()];
        report.counters.push(counter(&seen, &core));
        report.devices.push(core);
        report
    };
    let merged = merge(&[with_core(0), with_core(1)]).unwrap();
    assert_eq!((merged.energy.total_uj.unwrap(), merged.devices.len()), (truth(10), 3));
    let core = merged.devices.iter().find(|device| device.id == "core-0").unwrap();
    assert_eq!((core.energy_uj, core.is_summed()), (Some(150_000_000), false));
}

#[test]
fn labels_that_differ_are_joined_and_a_ranks_own_are_dropped() {
    let mut two = [rank(0, 2, 0, 10), rank(1, 2, 0, 10)].map(|seen| report(&seen));
    two[1].run.labels.insert("team".into(), "vision".into());
    let labels = merge(&two).unwrap().run.labels;
    assert_eq!(labels, [("team".to_owned(), "nlp,vision".to_owned())].into());
}

#[test]
fn a_later_version_of_a_part_replaces_the_earlier_one() {
    let mut early = report(&rank(0, 1, 0, 20));
    early.run.state = State::Provisional;
    let merged = merge(&[report(&rank(0, 1, 0, 30)), early.clone()]).unwrap();
    assert_eq!(
        (merged.energy.total_uj.unwrap(), merged.run.state, merged.work.samples.unwrap()),
        (truth(30), State::Final, 80)
    );
    let reversed = merge(&[early.clone(), report(&rank(0, 1, 0, 30))]).unwrap();
    assert_eq!(json(&reversed).unwrap(), json(&merged).unwrap());
    assert_eq!(merge(&[early]).unwrap().run.state, State::Provisional);
    assert!(merge(&[]).is_err());
}

#[test]
fn reports_without_records_of_counters_are_placed_by_the_wall_clock_and_flagged() {
    let old = |at: u32| {
        let mut report = report(&rank(at, 2, 10, 70));
        report.counters.clear();
        report.run.boot_ns = None;
        report
    };
    let merged = merge(&[old(0), old(1)]).unwrap();
    assert_eq!(merged.energy.total_uj, Some(truth(60)));
    assert!(kinds(&merged).contains(&"boot-unknown"));
}

fn read_back(report: &Report) -> Report {
    parse_report(json(report).unwrap().as_bytes(), Path::new("merged")).unwrap()
}

fn joined(reports: &[&Report]) -> Report {
    let read: Vec<Report> = reports.iter().map(|report| read_back(report)).collect();
    merge(&read).unwrap()
}

fn any_seen() -> impl Strategy<Value = Vec<Seen>> {
    let one = (0..4_u32, 0..3_u32, 0..2_usize, 0..1_000_u64, 1..500_u64, prop::bool::ANY);
    prop::collection::vec(one, 1..5).prop_map(|list| {
        let seen =
            |(at, (number, attempt, boot, from, length, ranked)): (usize, (u32, u32, usize, u64, u64, bool))| Seen {
                rank: ranked.then_some((number, 4)),
                attempt,
                part: format!("{at}-{number}-{attempt}-{boot}-{from}-{length}-{ranked}"),
                boot: ["b0", "b1"][boot],
                from_ns: from * 7_654_321,
                to_ns: (from + length) * 7_654_321,
                ..rank(0, 4, 0, 1)
            };
        list.into_iter().enumerate().map(seen).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn f39_merging_documents_is_idempotent_commutative_and_associative(a in any_seen(), b in any_seen(), c in any_seen()) {
        let (a, b, c) = (all(&a), all(&b), all(&c));
        prop_assert_eq!(json(&joined(&[&a])).unwrap(), json(&a).unwrap());
        prop_assert_eq!(json(&joined(&[&a, &a])).unwrap(), json(&a).unwrap());
        prop_assert_eq!(json(&joined(&[&a, &b])).unwrap(), json(&joined(&[&b, &a])).unwrap());
        let (left, right) = (joined(&[&joined(&[&a, &b]), &c]), joined(&[&a, &joined(&[&b, &c])]));
        prop_assert_eq!(json(&left).unwrap(), json(&right).unwrap());
    }

    /// The total lies within its bounds and is what the attempts add up to.
    #[test]
    fn attempts_add_up_to_the_total(a in any_seen()) {
        let merged = all(&a);
        prop_assert_eq!(merged.run.attempts.iter().filter_map(|attempt| attempt.energy_uj).sum::<u64>(), merged.energy.total_uj.unwrap());
        prop_assert!(merged.energy.low_uj <= merged.energy.total_uj.unwrap());
        prop_assert!(merged.energy.high_uj.is_none_or(|high| high >= merged.energy.total_uj.unwrap()));
        prop_assert_eq!(merged.devices.iter().filter_map(|device| device.energy_uj).sum::<u64>(), merged.energy.total_uj.unwrap());
    }
}

fn stalled(device: &str, seconds: u64, energy_uj: u64) -> EpisodeRecord {
    EpisodeRecord {
        kind: if device.is_empty() { EpisodeRecord::STALLED } else { EpisodeRecord::IDLE }.into(),
        device: device.into(),
        count: 1,
        duration_ns: seconds * S,
        longest_ns: seconds * S,
        usual_ns: device.is_empty().then_some(S / 10),
        energy_uj: Some(energy_uj),
        low_uj: energy_uj,
        high_uj: Some(energy_uj),
    }
}

#[test]
fn ranks_that_waited_for_one_step_make_one_stall() {
    let of = |seen: &Seen, energy_uj| Report { spells: vec![stalled("", 1, energy_uj)], ..report(seen) };
    let (first, second) = (of(&rank(0, 2, 0, 10), 7), of(&rank(1, 2, 0, 10), 9));
    let merged = merge(&[first.clone(), second]).unwrap();
    assert_eq!(merged.spells, [stalled("", 1, 9)]);
    assert_eq!(merge(&[merged.clone(), first]).unwrap().spells, merged.spells);
}

#[test]
fn episodes_of_restarts_add_up_and_those_at_one_time_share_it() {
    let of = |seen: &Seen, spells: &[EpisodeRecord]| Report { spells: spells.to_vec(), ..report(seen) };
    let restarted = Seen { attempt: 1, ..rank(0, 1, 20, 30) };
    let both = [of(&rank(0, 1, 0, 10), &[stalled("", 2, 7)]), of(&restarted, &[stalled("", 3, 9)])];
    let merged = merge(&both).unwrap();
    assert_eq!(merged.spells, [EpisodeRecord { count: 2, duration_ns: 5 * S, ..stalled("", 3, 16) }]);
    assert_eq!(merge(&[merged.clone(), both[0].clone()]).unwrap().spells, merged.spells);
    let there = Seen { boot: "b1", ..rank(1, 2, 0, 10) };
    let idle = stalled("GPU-1", 4, 100);
    let here = of(&rank(0, 2, 0, 10), &[stalled("", 2, 7), idle.clone()]);
    let merged = merge(&[here, of(&there, &[stalled("", 3, 9), idle])]).unwrap();
    let idle = EpisodeRecord { count: 2, duration_ns: 8 * S, ..stalled("GPU-1", 4, 200) };
    assert_eq!(merged.spells, [stalled("", 3, 16), idle], "one wait on both, and a GPU of one name on each");
}

/// Attempts follow each other on the time of a merged run, and a counter that two ranks read has one curve.
#[test]
fn merged_curves_are_of_the_union_and_end_with_the_devices() {
    let again = Seen { attempt: 1, part: "again".into(), ..rank(0, 2, 400, 450) };
    let merged = all(&[rank(0, 2, 100, 200), rank(1, 2, 101, 201), again]);
    assert_eq!(merged.run.duration_ns, 151 * S);
    assert_eq!(merged.curves.len(), merged.devices.len());
    for (curve, device) in merged.curves.iter().zip(&merged.devices) {
        assert_eq!((&curve.device, curve.energy_uj.last().copied()), (&device.id, device.energy_uj));
        assert_eq!(curve.t_ns.last(), Some(&merged.run.duration_ns));
    }
    let gpu_uj = |at_ns: u64| GPU_W * at_ns / 1_000;
    let gpu = merged.devices.iter().position(|device| device.id == "GPU-1").unwrap();
    let curve = merged.curves[gpu].curve(151 * S, merged.devices[gpu].bounded());
    // 101 s until the first attempt ended; then the second, from 400 s on the machine's clock.
    for at_s in [0, 50, 101, 120, 151] {
        assert_eq!(curve.at(at_s * S).value, Some(gpu_uj(at_s * S)), "{at_s} s");
    }
    let run = merged.curve();
    assert_eq!(run.at(120 * S).value, Some((CPU_W + GPU_W) * 120 * S / 1_000));
    assert!(merged.merge.unwrap().parts.iter().all(|part| part.curves.is_empty()));
}
