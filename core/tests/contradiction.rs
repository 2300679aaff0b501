//! A counter that contradicts the power of its own device (K5).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use eco2_core::report::Device;
use eco2_core::{Account, Component, Domain, Ledger, Quality, RangeKind, Reading, Scale};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

/// A board at 400 W whose counter shows `percent` of that, read every 100 ms; one span from 1 s to 3 s.
fn board(percent: u64, seconds: u64) -> Account {
    let mut ledger = Ledger::new(0, 4);
    let counter = Domain { scale: Scale::MILLI, ..Domain::counter("GPU-1", Component::Gpu, "board", "nvml") };
    let power =
        Domain { parent: Some("GPU-1".into()), ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let (counter, power) = (ledger.add_domain(counter), ledger.add_domain(power));
    let span = ledger.intern("step");
    for tick in 0..=seconds * 10 {
        let at_ns = tick * 100 * MS;
        let reading = |value| Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(value) };
        // 400 W are 40 J, 40,000 mJ, in 100 ms.
        ledger.reading(counter, &reading(7_000_000 + tick * 400 * percent));
        ledger.reading(power, &reading(400_000_000));
        match at_ns {
            S => ledger.begin(0, span, at_ns, 0),
            at_ns if at_ns == 3 * S => assert!(ledger.end(0, span, at_ns, 0)),
            _ => {}
        }
    }
    ledger.account(seconds * S)
}

fn gpu(account: &Account) -> &Device {
    account.devices.iter().find(|device| device.id == "GPU-1").unwrap()
}

#[test]
fn k05_a_frozen_counter_is_replaced_by_integrated_power() {
    let account = board(0, 4);
    // 400 W × 4 s.
    let device = gpu(&account);
    assert_eq!((device.energy_uj, device.quality), (Some(1_600_000_000), Quality::Derived));
    assert_eq!((account.energy.total_uj, account.energy.derived_uj), (Some(1_600_000_000), 1_600_000_000));
    assert_eq!(account.energy.measured_uj, 0);
    assert_eq!(account.spans[0].by_device["GPU-1"], 800_000_000);
    assert_eq!(account.spans[0].energy_uj, Some(800_000_000));
}

#[test]
fn k05_a_counter_that_is_far_off_its_power_keeps_both_in_its_bounds() {
    // zeus#181: 57 % of the power, for 8 s: 1824 J by the counter, 3200 J by power.
    let account = board(57, 8);
    let device = gpu(&account);
    assert_eq!((device.energy_uj, device.quality), (Some(3_200_000_000), Quality::Derived));
    assert!(device.low_uj.unwrap() <= 1_824_000_000, "{device:?}");
    assert!(device.high_uj.is_none_or(|high| high >= 3_200_000_000), "{device:?}");
    assert_eq!(device.range_kind, Some(RangeKind::Plausible));
    assert!(device.cross_check.as_ref().unwrap().difference_percent < -42.0);
    let span = &account.spans[0];
    assert!(span.low_uj <= 456_000_000 && span.energy_uj == Some(800_000_000), "{span:?}");
}

#[test]
fn k05_a_counter_that_agrees_with_its_power_stays_the_value() {
    for (percent, seconds) in [(97, 8), (57, 2)] {
        let account = board(percent, seconds);
        assert_eq!(gpu(&account).quality, Quality::Measured, "{percent} % for {seconds} s");
        assert_eq!(account.energy.total_uj, Some(4_000_000 * percent * seconds));
    }
}
