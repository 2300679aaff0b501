//! Tests of attribution: how the energy of a host's devices is divided among the command that is measured, other users,
//! idle time and unknown users, by the time that each used of a device.

use super::*;

/// Returns a device of exactly known energy, microjoules.
fn device(energy_uj: u64) -> Option<DeviceEnergy> {
    Some(DeviceEnergy { energy_uj, low_uj: energy_uj, high_uj: Some(energy_uj) })
}

/// Returns a list with the measured command as the only consumer.
fn command() -> Vec<ConsumerSpec> {
    vec![ConsumerSpec::command("pid-1", "train.py")]
}

#[test]
fn the_command_gets_its_time_and_idle_stays_separate() {
    // 1000 µJ over 2 s of command, 3 s of others, 5 s idle: 200, 300, 500; if idle cost nothing, 1000 · 2/5 = 400.
    let split = split(&command(), &[(device(1_000), Some(Use::of(2, 3, 5)))]);
    assert_eq!((split.command_uj, split.others_uj, split.idle_uj, split.unattributed_uj), (200, 300, 500, 0));
    assert_eq!((split.low_uj, split.high_uj), (200, Some(400)));
    assert_eq!((split.free_low_uj, split.free_high_uj), (0, Some(1_000)), "a share by time is a convention");
}

#[test]
fn bounds_of_the_device_go_into_the_bounds_of_the_command() {
    let wide = DeviceEnergy { energy_uj: 1_000, low_uj: 900, high_uj: Some(1_200) };
    let split = split(&command(), &[(Some(wide), Some(Use::of(1, 1, 2)))]);
    // low 900 · 1/4, high 1200 · 1/2.
    assert_eq!((split.low_uj, split.command_uj, split.high_uj), (225, 250, Some(600)));
    // A third of 10 µJ: bounds are rounded outwards.
    let third = super::split(&command(), &[(device(10), Some(Use::of(1, 2, 0)))]);
    assert_eq!((third.low_uj, third.high_uj), (3, Some(4)));
}

#[test]
fn k08_energy_whose_user_is_not_known_is_unattributed_and_not_idle() {
    let split = split(&command(), &[(device(100), Some(Use::of(1, 0, 1))), (device(70), None)]);
    assert_eq!((split.command_uj, split.others_uj, split.idle_uj, split.unattributed_uj), (50, 0, 50, 70));
    assert_eq!((split.low_uj, split.high_uj), (50, Some(170)));
    assert!(split.method.contains("1 of 2 devices is not known"), "{}", split.method);
}

#[test]
fn k08_use_by_someone_unknown_may_be_the_commands() {
    // 900 µJ, 90 % used by a process that is not in this namespace, 10 % idle.
    let foreign = Use::from_fractions(&[0.0], 0.0, 0.9).unwrap();
    let split_of = |of: Use| split(&command(), &[(device(900), Some(of))]);
    let split = split_of(foreign.clone());
    assert_eq!((split.command_uj, split.others_uj, split.idle_uj, split.unattributed_uj), (0, 0, 90, 810));
    assert_eq!((split.low_uj, split.high_uj), (0, Some(900)), "nothing or the whole GPU");
    // A GPU that the command's environment hides from it is not its own.
    let hidden = split_of(Use { out_of_reach: true, ..foreign });
    assert_eq!((hidden.command_uj, hidden.unattributed_uj, hidden.high_uj), (0, 810, Some(0)));
    assert_eq!(hidden.free_high_uj, Some(0));
}

#[test]
fn k08_a_device_of_unknown_energy_opens_the_commands_upper_bound() {
    let split = split(&command(), &[(device(100), Some(Use::of(1, 0, 1))), (None, None)]);
    assert_eq!((split.command_uj, split.low_uj, split.high_uj), (50, 50, None));
    assert_eq!((split.idle_uj, split.unattributed_uj), (50, 0), "what is not known is in no sum");
}

#[test]
fn k08_consumers_nest_and_sums_are_over_leaves() {
    let specs =
        |id: &str, kind, parent, is_command| ConsumerSpec { id: id.into(), kind, name: id.into(), parent, is_command };
    let specs = [
        specs("job", "job", None, true),
        specs("pod", "pod", Some(0), true),
        specs("a", "container", Some(1), true),
        specs("b", "container", Some(1), true),
        specs("neighbour", "process-tree", None, false),
    ];
    // Thirds of 100 µJ, rounded down to 33 each; the odd one goes to the first.
    let of = Use { consumers: vec![0, 0, 1, 1, 1], ..Use::default() };
    let split = split(&specs, &[(device(100), Some(of))]);
    let energies: Vec<u64> = split.consumers.iter().map(|consumer| consumer.energy_uj).collect();
    assert_eq!(energies, [67, 67, 34, 33, 33]);
    assert_eq!((split.command_uj, split.others_uj), (67, 33), "a job that is not the command's is another's");
    let parents: Vec<_> = split.consumers.iter().map(|consumer| consumer.parent.as_deref()).collect();
    assert_eq!(parents, [None, Some("job"), Some("pod"), Some("pod"), None]);
    // What a container of others used itself has no leaf.
    let odd = Use { consumers: vec![5, 0, 1, 1, 1], ..Use::default() };
    let split = super::split(&specs, &[(device(800), Some(odd))]);
    assert_eq!((split.command_uj, split.others_uj), (200, 600));
}

#[test]
fn m26_of_a_device_that_was_divided_by_assumption_a_consumer_used_nothing_or_all() {
    let specs =
        [ConsumerSpec::command("a", "a"), ConsumerSpec { is_command: false, ..ConsumerSpec::command("b", "b") }];
    // A GPU of 7 slices: one job has 3 of them, the other none.
    let slices = Use { consumers: vec![3, 0], idle: 4, is_assumed: true, ..Use::default() };
    let split = super::split(&specs, &[(device(700), Some(slices))]);
    assert_eq!((split.command_uj, split.idle_uj, split.low_uj, split.high_uj), (300, 400, 0, Some(700)));
    let other = &split.consumers[1];
    assert_eq!((other.energy_uj, other.high_uj), (0, Some(0)), "one that has no process on it used nothing");
}

#[test]
fn fractions_become_weights_and_nonsense_does_not() {
    let of = |consumer, others, idle, unknown| {
        Some(Use { consumers: vec![consumer], others, idle, unknown, ..Use::default() })
    };
    assert_eq!(Use::from_fractions(&[0.25], 0.5, 0.0), of(250_000_000, 500_000_000, 250_000_000, 0));
    assert_eq!(Use::from_fractions(&[0.9], 0.6, 0.1), of(900_000_000, 600_000_000, 0, 100_000_000));
    for (command, others) in [(f64::NAN, 0.0), (0.0, f64::INFINITY), (-0.1, 0.5)] {
        assert_eq!(Use::from_fractions(&[command], others, 0.0), None);
    }
}

#[test]
fn no_time_is_no_knowledge_and_no_bound_stays_none() {
    let open = DeviceEnergy { energy_uj: 5, low_uj: 5, high_uj: None };
    let split = split(&command(), &[(Some(open), Some(Use::of(0, 0, 0)))]);
    assert_eq!((split.command_uj, split.unattributed_uj, split.high_uj), (0, 5, None));
    assert_eq!(split.free_high_uj, None);
}
