//! Merging reports whose attempts, ranks or readings are not all there, or not what they seem.

use super::*;

#[test]
fn f38_a_launcher_that_is_started_again_counts_from_0_and_no_start_is_lost() {
    let start = |attempt, from_s: u64| Seen { attempt, ..rank(0, 1, from_s, from_s + 10) };
    let merged = all(&[start(0, 0), start(1, 20), start(0, 40)]);
    let energies: Vec<u64> = merged.run.attempts.iter().filter_map(|attempt| attempt.energy_uj).collect();
    assert_eq!((energies, merged.energy.total_uj.unwrap()), (vec![truth(10); 3], truth(30)));
    // A start within another: what the earlier one has behind it is not lost either.
    let within = all(&[rank(0, 2, 0, 100), Seen { attempt: 1, ..rank(1, 2, 20, 30) }]);
    assert_eq!(within.energy.total_uj, Some(truth(100)));
}

#[test]
fn f38_a_rank_whose_first_record_is_missing_is_placed_by_time() {
    let late = |at| Seen { part: format!("late{at}"), ..rank(at, 2, 100, 110) };
    let merged = all(&[rank(0, 2, 0, 10), late(0), late(1), other("job", "command", 0, 110)]);
    assert_eq!(merged.energy.total_uj, Some(truth(20)));
    let ranks: Vec<Option<u32>> = merged.run.attempts.iter().map(|attempt| attempt.ranks).collect();
    assert_eq!(ranks, [Some(1), Some(2)]);
    assert_eq!(merged.merge.unwrap().overhead_uj, Some(truth(90)));
}

#[test]
fn f39_a_gap_within_a_record_is_missing_or_another_ranks() {
    let holed = |at: u32| {
        let mut report = report(&rank(at, 2, 0, 100));
        report.counters.clear();
        for (device, watts) in report.devices.iter_mut().zip([CPU_W, GPU_W]) {
            device.gaps = vec![GapRecord { from_ns: 30 * S, to_ns: 80 * S, reason: "lost".into() }];
            device.energy_uj = Some(watts * 50 * 1_000_000);
            [device.low_uj, device.high_uj, device.free_low_uj, device.free_high_uj] = [device.energy_uj; 4];
        }
        report
    };
    let merged = merge(&[holed(0)]).unwrap();
    assert_eq!((merged.energy.total_uj.unwrap(), merged.energy.missing_ns), (truth(50), 2 * 50 * S));
    assert!((merged.devices[0].coverage - 0.5).abs() < 1e-9);
    let merged = merge(&[holed(0), report(&rank(1, 2, 0, 100))]).unwrap();
    assert_eq!((merged.energy.total_uj.unwrap(), merged.energy.missing_ns), (truth(100), 0));
}

#[test]
fn f39_command_with_a_rank_variable_is_no_rank_next_to_those_below_it() {
    let mut list = vec![report(&Seen { part: "outer".into(), ..rank(0, 1, 0, 110) })];
    for (attempt, from_s, to_s) in [(0, 5, 50), (1, 80, 100)] {
        let below = (0..8).map(|at| report(&Seen { attempt, ..rank(at, 8, from_s, to_s) }));
        list.extend(below.map(|part| Report { run: Run { parent: "outer".into(), ..part.run }, ..part }));
    }
    let merged = merge(&list).unwrap();
    assert_eq!(merged.energy.total_uj, Some(truth(65)));
    assert_eq!(merged.merge.as_ref().unwrap().overhead_uj, Some(truth(45)));
    assert_eq!(merge(&[read_back(&merged)]).unwrap().energy, merged.energy);
}

#[test]
fn f37_command_record_replaces_missing_ranks_of_a_machine() {
    let command = Seen { boot: "b1", ..other("job", "command", 0, 100) };
    let merged = all(&[rank(0, 2, 10, 90), command.clone()]);
    assert_eq!((merged.energy.total_uj.unwrap(), merged.merge.as_ref().unwrap().machines), (2 * truth(80), 2));
    assert_eq!(merged.merge.unwrap().overhead_uj, Some(truth(20)), "before and after the attempt");
    let whole = all(&[rank(0, 1, 10, 90), command]);
    assert_eq!(whole.energy.total_uj, Some(truth(80)), "a machine that no rank is missing on is the launcher's");
}

#[test]
fn f39_overlapping_device_is_summed_while_the_overlapped_one_is_not_read() {
    let with = |seen: Seen, package: bool| {
        let mut report = report(&seen);
        let mut module = device("module", Component::Other, 50, seen.to_ns - seen.from_ns);
        module.overlaps = if package { vec!["package-0".into()] } else { Vec::new() };
        let first = usize::from(!package);
        report.devices = report.devices.drain(first..).collect();
        report.devices.push(module);
        report.counters = report.devices.iter().map(|device| counter(&seen, device)).collect();
        report
    };
    let parts = [with(rank(0, 1, 0, 10), false), with(Seen { attempt: 1, ..rank(0, 1, 20, 30) }, true)];
    let merged = merge(&parts).unwrap();
    let energies: Vec<u64> = merged.run.attempts.iter().filter_map(|attempt| attempt.energy_uj).collect();
    assert_eq!(energies, [(50 + GPU_W) * 10_000_000, (CPU_W + GPU_W) * 10_000_000]);
    let module = |merged: &Report| merged.devices.iter().find(|device| device.id == "module").unwrap().clone();
    assert_eq!((module(&merged).energy_uj, module(&merged).is_summed()), (Some(1_000_000_000), false));
}

#[test]
fn facility_energy_and_carbon_of_an_attempt_use_one_pue() {
    let with = |seen: Seen, pue: f64| {
        let mut report = report(&seen);
        report.energy.pue = pue;
        report
    };
    let merged = merge(&[with(rank(0, 1, 0, 10), 1.0), with(Seen { attempt: 1, ..rank(0, 1, 20, 40) }, 2.0)]).unwrap();
    let segments: u64 = merged.carbon.unwrap().segments.iter().map(|segment| segment.energy_uj).sum();
    assert_eq!((merged.energy.facility_uj.unwrap(), segments), (truth(10) + 2 * truth(20), truth(10) + 2 * truth(20)));
}

#[test]
fn f38_trainings_that_one_process_started_in_turn_are_noticed() {
    let of = |id| {
        merge(&[(0, 0, 10), (1, 0, 10), (0, 20, 30), (1, 20, 30)].map(|(at, from_s, to_s)| {
            report(&Seen { id, part: format!("{at}-{from_s}"), ..rank(at, 2, from_s, to_s) })
        }))
    };
    let guessed = of("launch-0123abcd-7-9876").unwrap();
    assert!(event_text(&guessed, "starts-uncounted").starts_with("launch-0123abcd-7-9876 was started 2 times"));
    assert!(!kinds(&of("given").unwrap()).contains(&"starts-uncounted"));
}

#[test]
fn f39_unreadable_records_are_listed_by_every_later_merge() {
    let left_out = ["b.json: no report".to_owned()];
    let merged = eco2_report::merge_without(&[report(&rank(0, 1, 0, 10))], &left_out).unwrap();
    assert_eq!(event_text(&merged, "record-unreadable"), "left out: b.json: no report");
    assert_eq!(json(&joined(&[&merged])).unwrap(), json(&merged).unwrap());
    let both = eco2_report::merge_without(std::slice::from_ref(&merged), &left_out).unwrap();
    assert_eq!(json(&both).unwrap(), json(&merged).unwrap(), "each once");
}
