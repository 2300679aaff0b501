//! The total of a machine in a merged report: of its own machine only, and in no sum.

use eco2_core::Component;
use eco2_core::schema::{Device, Report};
use eco2_report::merge;

use super::{Seen, counter, device, rank, report};

/// A process that also read the machine's BMC, 200 W.
fn with_bmc(seen: &Seen) -> Report {
    let bmc = device("bmc-1", Component::Other, 200, seen.to_ns - seen.from_ns);
    let bmc = Device { domain: "host".into(), overlaps: vec!["platform".into()], ..bmc };
    let mut report = report(seen);
    report.counters.push(counter(seen, &bmc));
    report.devices.push(bmc);
    report
}

#[test]
fn a_machines_total_is_compared_with_its_own_parts_and_counted_once() {
    let elsewhere = Seen { boot: "b1", ..rank(2, 3, 0, 100) };
    let merged = merge(&[with_bmc(&rank(0, 3, 0, 100)), with_bmc(&rank(1, 3, 0, 100)), report(&elsewhere)]).unwrap();
    assert_eq!(merged.energy.total_uj, Some(2 * 120 * 100_000_000), "two machines, without the total");
    let [total] = merged.host_totals.as_slice() else { panic!("{:?}", merged.host_totals) };
    assert_eq!((total.energy_uj, total.parts_uj), (Some(200 * 100_000_000), Some(120 * 100_000_000)));
    assert_eq!((total.remainder_uj, total.to_ns), (Some(80 * 100_000_000), 100_000_000_000));
}

#[test]
fn remainder_is_unknown_where_a_part_of_the_machine_was_not_read() {
    let mut part = with_bmc(&rank(0, 1, 0, 100));
    let gpu = part.devices.iter_mut().find(|device| device.id == "GPU-1").unwrap();
    (gpu.energy_uj, gpu.low_uj, gpu.high_uj) = (None, None, None);
    part.counters.retain(|counter| counter.device != "GPU-1");
    let merged = merge(&[part]).unwrap();
    let total = &merged.host_totals[0];
    assert_eq!((total.remainder_uj, total.remainder_low_uj), (None, None));
    assert_eq!(total.remainder_high_uj, Some((200 - 20) * 100_000_000), "at most, without the package");
}
