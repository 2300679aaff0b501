//! Acceptance M42: command + idle + others + unattributed is the host's energy, exactly, whatever the use.

use eco2_core::attribution::{ConsumerSpec, DeviceEnergy, Use, split};
use proptest::prelude::*;

fn device() -> impl Strategy<Value = DeviceEnergy> {
    // Up to a few centuries of a megawatt in all, so that no sum saturates.
    (0..1u64 << 58, 0..1u64 << 56, 0..1u64 << 56, any::<bool>()).prop_map(|(energy_uj, below, above, bounded)| {
        DeviceEnergy {
            energy_uj,
            low_uj: energy_uj.saturating_sub(below),
            high_uj: bounded.then_some(energy_uj + above),
        }
    })
}

fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..10u64, any::<u64>(), Just(u64::MAX)]
}

/// Use of a device: weights for more or fewer consumers than there are.
fn device_use() -> impl Strategy<Value = Option<Use>> {
    let consumers = proptest::collection::vec(weight(), 0..8);
    let known = (consumers, weight(), weight(), weight(), any::<[bool; 2]>()).prop_map(
        |(consumers, others, idle, unknown, [out_of_reach, is_assumed])| Use {
            consumers,
            others,
            idle,
            unknown,
            out_of_reach,
            is_assumed,
        },
    );
    proptest::option::weighted(0.8, known)
}

/// Consumers in any forest; also parents that do not come first, which are none.
fn who() -> impl Strategy<Value = Vec<ConsumerSpec>> {
    let one = (proptest::option::of(0..6usize), any::<bool>());
    proptest::collection::vec(one, 0..6).prop_map(|all| {
        let who = |(index, (parent, is_command)): (usize, (Option<usize>, bool))| ConsumerSpec {
            parent,
            is_command,
            ..ConsumerSpec::command(&format!("c{index}"), "")
        };
        all.into_iter().enumerate().map(who).collect()
    })
}

fn exact(energy_uj: u64) -> Option<DeviceEnergy> {
    Some(DeviceEnergy { energy_uj, low_uj: energy_uj, high_uj: Some(energy_uj) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn k08_command_others_idle_and_unattributed_are_the_devices_exactly(
        who in who(),
        host in proptest::collection::vec((proptest::option::weighted(0.9, device()), device_use()), 0..12),
    ) {
        let total: u64 = host.iter().flat_map(|(device, _)| device).map(|device| device.energy_uj).sum();
        let split = split(&who, &host);
        prop_assert_eq!(split.command_uj + split.idle_uj + split.others_uj + split.unattributed_uj, total);
        prop_assert!(split.low_uj <= split.command_uj);
        prop_assert!(split.high_uj.is_none_or(|high| split.command_uj <= high));
        if let (Some(high), Some(free)) = (split.high_uj, split.free_high_uj) {
            prop_assert!(high <= free + who.len() as u64, "{} > {}", high, free);
        }
        let parent_of = |id: &str| {
            let index = who.iter().position(|who| who.id == id)?;
            who[index].parent.filter(|parent| *parent < index)
        };
        let is_leaf = |index: usize| !who.iter().any(|other| parent_of(&other.id) == Some(index));
        let mut leaves = 0;
        for (index, consumer) in split.consumers.iter().enumerate() {
            prop_assert!(consumer.low_uj <= consumer.energy_uj);
            prop_assert!(consumer.high_uj.is_none_or(|high| consumer.energy_uj <= high));
            if is_leaf(index) {
                leaves += consumer.energy_uj * u64::from(who[index].is_command);
            } else {
                let children = split.consumers.iter().filter(|child| parent_of(&child.id) == Some(index));
                prop_assert_eq!(consumer.energy_uj, children.map(|child| child.energy_uj).sum::<u64>());
            }
        }
        prop_assert_eq!(leaves, split.command_uj, "the command is the sum of its leaves");
    }

    /// The stated model: busy seconds cost `p`, idle seconds `q <= p`, and any part of the unknown time is the
    /// command's.
    #[test]
    fn m42_bounds_hold_the_truth_of_the_stated_model(
        command in 0..1u64 << 20, others in 0..1u64 << 20, idle in 0..1u64 << 20, unknown in 0..1u64 << 20,
        own in 0..=100u64, p in 0..1_000_000u64, q in 0..1_000_000u64
    ) {
        let q = q.min(p);
        let own = unknown * own / 100;
        let energy_uj = p * (command + others + unknown) + q * idle;
        let of = Use { unknown, ..Use::of(command, others, idle) };
        let split = split(&[ConsumerSpec::command("c", "")], &[(exact(energy_uj), Some(of))]);
        prop_assert!(split.low_uj <= p * (command + own));
        prop_assert!(split.high_uj.is_some_and(|high| p * (command + own) <= high));
    }

    /// Two jobs on one host: together with idle they are the host.
    #[test]
    fn m42_two_jobs_and_idle_are_the_host(
        energy_uj in 0..1u64 << 50, one in 0..1u64 << 40, two in 0..1u64 << 40, idle in 1..1u64 << 40
    ) {
        let who = [ConsumerSpec::command("one", ""), ConsumerSpec { is_command: false, ..ConsumerSpec::command("two", "") }];
        let of = Use { consumers: vec![one, two], idle, ..Use::default() };
        let split = split(&who, &[(exact(energy_uj), Some(of))]);
        prop_assert_eq!((split.command_uj, split.others_uj), (split.consumers[0].energy_uj, split.consumers[1].energy_uj));
        prop_assert_eq!(split.command_uj + split.others_uj + split.idle_uj, energy_uj);
    }
}
