//! Acceptance M42: command + idle + others is the host's energy, exactly, whatever the shares.

use eco2_core::attribution::{DeviceEnergy, Shares, split};
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

fn shares() -> impl Strategy<Value = Option<Shares>> {
    let known = (weight(), weight(), weight()).prop_map(|(command, others, idle)| Shares { command, others, idle });
    proptest::option::weighted(0.8, known)
}

proptest! {
    #[test]
    fn m42_command_idle_and_others_are_the_host_exactly(
        host in proptest::collection::vec((device(), shares()), 0..12)
    ) {
        let total: u64 = host.iter().map(|(device, _)| device.energy_uj).sum();
        let split = split(&host);
        prop_assert_eq!(split.command_uj + split.idle_uj + split.others_uj, total);
        prop_assert!(split.low_uj <= split.command_uj);
        if let Some(high) = split.high_uj {
            prop_assert!(split.command_uj <= high);
            prop_assert!(high <= host.iter().map(|(device, _)| device.high_uj.unwrap_or(u64::MAX / 16)).sum());
        }
    }

    /// The stated model: busy seconds cost `p`, idle seconds `q <= p`. The command's true energy `p·c` is in the bounds.
    #[test]
    fn m42_bounds_hold_the_truth_of_the_stated_model(
        command in 0..1u64 << 20, others in 0..1u64 << 20, idle in 0..1u64 << 20, p in 0..1_000_000u64, q in 0..1_000_000u64
    ) {
        let q = q.min(p);
        let energy_uj = p * (command + others) + q * idle;
        let exact = DeviceEnergy { energy_uj, low_uj: energy_uj, high_uj: Some(energy_uj) };
        let split = split(&[(exact, Some(Shares { command, others, idle }))]);
        prop_assert!(split.low_uj <= p * command);
        prop_assert!(split.high_uj.is_some_and(|high| p * command <= high));
    }

    /// Two jobs on one host, each looked at as the command: together with idle they are the host (rounding aside).
    #[test]
    fn m42_two_jobs_and_idle_are_the_host(
        energy_uj in 0..1u64 << 50, one in 0..1u64 << 40, two in 0..1u64 << 40, idle in 1..1u64 << 40
    ) {
        let exact = DeviceEnergy { energy_uj, low_uj: energy_uj, high_uj: Some(energy_uj) };
        let first = split(&[(exact, Some(Shares { command: one, others: two, idle }))]);
        let second = split(&[(exact, Some(Shares { command: two, others: one, idle }))]);
        prop_assert_eq!(first.others_uj, second.command_uj);
        prop_assert_eq!(first.command_uj + second.command_uj + first.idle_uj, energy_uj);
    }
}
