//! Sources that are slow, hang or break, from the driver to the report.

use std::time::{Duration, Instant};

use eco2_core::report::{Report, SourceStatus, Status};

use crate::rig::{Ran, Rig, ran};

/// The report of `eco2 run … --json -`.
fn report(ran: &Ran) -> Report {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn source<'a>(report: &'a Report, name: &str) -> &'a SourceStatus {
    report.sources.iter().find(|source| source.name == name).unwrap()
}

/// An NVIDIA board on the PCI bus, as the kernel shows it without a driver.
fn pci_gpu(rig: &Rig) {
    for (file, text) in [("class", "0x030200\n"), ("vendor", "0x10de\n"), ("device", "0x2330\n")] {
        rig.put(&format!("sys/bus/pci/devices/0000:65:00.0/{file}"), text);
    }
}

#[test]
fn k20_a_driver_that_hangs_in_its_start_holds_up_no_command_and_is_not_ok() {
    let rig = Rig::measured();
    pci_gpu(&rig);
    let library = rig.nvml("hang=nvmlInit_v2");
    let begun = Instant::now();
    let ran = ran(rig.command("run --no-log --json - -- sleep 0.3").env("ECO2_NVML", library));
    assert!(begun.elapsed() < Duration::from_secs(5), "the driver was waited for: {:?}", begun.elapsed());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = report(&ran);
    assert_eq!(source(&report, "nvml").status, Status::Hung);
    // The GPU that the kernel shows is not left out of the sum.
    let gpu = report.devices.iter().find(|device| device.id == "gpu-stand-in").unwrap();
    assert!(gpu.is_summed(), "{gpu:?}");
}

#[test]
fn k20_a_driver_that_starts_late_is_bounded_by_its_ceiling_until_it_is_read() {
    let rig = Rig::measured();
    pci_gpu(&rig);
    let library = rig.nvml("slow=nvmlInit_v2@300\n[gpu 0]\npower=200\nlimit_max=400");
    let ran = ran(rig.command("run --no-log --json - -- sleep 1").env("ECO2_NVML", library));
    let report = report(&ran);
    assert_eq!(source(&report, "nvml").status, Status::Ok);
    let gpu = report.devices.iter().find(|device| device.id.starts_with("GPU-") && device.is_summed()).unwrap();
    assert!(gpu.coverage < 0.9 && !gpu.gaps.is_empty(), "{gpu:?}");
    // 400 W and half of it again for as long as nothing was read; what was read is at least 0.5 s of 200 W.
    let (low, high) = (gpu.low_uj.unwrap(), gpu.high_uj.unwrap());
    let truth = 200_000_000 * report.run.duration_ns / 1_000_000_000;
    assert!((50_000_000..=truth).contains(&low) && high >= truth, "{low} {truth} {high}");
    assert!(report.energy.missing_ns >= 100_000_000, "{:?}", report.energy);
    let stand_in = report.devices.iter().find(|device| device.id == "gpu-stand-in").unwrap();
    assert!(!stand_in.is_summed(), "the estimate ends where measuring begins: {stand_in:?}");
}
