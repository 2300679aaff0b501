//! Sensors of class/hwmon, over fake trees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and says what it skips"
)]

mod tree;

use std::fs;
use std::os::unix::fs::symlink;

use eco2_core::report::Status;
use eco2_core::{Component, Domain, Fault, Kind, Quality};
use eco2_samplers::hwmon::{discover, discover_beside};
use eco2_samplers::{Batch, Source};
use tree::{Tree, domain, ids, notes, read};

/// A power meter of ACPI, which keeps its files with the device.
fn meter(tree: &Tree, hwmon: u32, label: &str, microwatts: u64) {
    let path = |file: &str| format!("class/hwmon/hwmon{hwmon}/{file}");
    tree.put(&path("name"), "power_meter\n").put(&path("device/power1_average"), &format!("{microwatts}\n"));
    tree.put(&path("device/power1_oem_info"), &format!("{label}\n"));
}

/// A chip with ordinary files: `(file, text)` each.
fn chip(tree: &Tree, hwmon: u32, name: &str, files: &[(&str, &str)]) {
    tree.put(&format!("class/hwmon/hwmon{hwmon}/name"), &format!("{name}\n"));
    for (file, text) in files {
        tree.put(&format!("class/hwmon/hwmon{hwmon}/{file}"), &format!("{text}\n"));
    }
}

fn source(tree: &Tree) -> Box<dyn Source> {
    let found = discover(&tree.roots());
    found.source.expect(&found.statuses[0].reason)
}

#[test]
fn grace_sockets_hold_their_rails_and_modules_stand_beside() {
    let tree = Tree::new();
    for (hwmon, label) in ["CPU Power Socket 1", "Module Power Socket 0", "Grace Power Socket 0", "CPU Power Socket 0"]
        .into_iter()
        .chain(["SysIO Power Socket 0", "Grace Power Socket 10"])
        .enumerate()
    {
        meter(&tree, u32::try_from(hwmon).unwrap(), label, 1_000_000 + hwmon as u64);
    }
    let mut source = source(&tree);
    let part = Some("package-0");
    for (id, component, kind, parent) in [
        ("package-1", Component::Cpu, "package", None),
        ("module-0", Component::Other, "module", None),
        ("package-0", Component::Cpu, "package", None),
        ("core-0", Component::Cpu, "core", part),
        ("uncore-0", Component::Cpu, "uncore", part),
        ("package-10", Component::Cpu, "package", None),
    ] {
        let domain = domain(&*source, id);
        assert_eq!((domain.component, domain.domain.as_str(), domain.parent.as_deref()), (component, kind, parent));
        assert_eq!((domain.kind, domain.quality), (Kind::Power, Quality::Derived));
    }
    let values = read(&mut source, &mut Batch::default());
    assert_eq!(values[2], ("package-0".into(), Ok(1_000_002)));
}

#[test]
fn sentinels_are_not_power() {
    let tree = Tree::new();
    meter(&tree, 0, "Grace Power Socket 0", 4_294_967_295_000);
    let mut source = source(&tree);
    let mut batch = Batch::default();
    for (text, value) in [
        ("4294967295000\n", Err(Fault::NotAvailable)),
        ("4294967295\n", Err(Fault::NotAvailable)),
        ("18446744073709551615\n", Err(Fault::NotAvailable)),
        ("-1000\n", Err(Fault::Failed)),
        ("", Err(Fault::Failed)),
        ("0\n", Ok(0)),
        ("250000000\n", Ok(250_000_000)),
    ] {
        tree.put("class/hwmon/hwmon0/device/power1_average", text);
        assert_eq!(read(&mut source, &mut batch)[0].1, value, "{text:?}");
    }
}

#[test]
fn amd_boards_are_named_by_their_address() {
    let tree = Tree::new();
    fs::create_dir_all(tree.sys("devices/pci0000:00/0000:03:00.0")).unwrap();
    chip(&tree, 4, "amdgpu", &[("power1_average", "30000000"), ("power1_input", "31000000"), ("power1_label", "PPT")]);
    symlink("../../../devices/pci0000:00/0000:03:00.0", tree.sys("class/hwmon/hwmon4/device")).unwrap();
    // An APU: its power includes the CPU's.
    chip(&tree, 5, "amdgpu", &[("power1_average", "9000000"), ("power1_label", "slowPPT")]);
    let mut source = source(&tree);
    assert_eq!(ids(&*source), ["amdgpu-0000:03:00.0"]);
    assert_eq!(source.domains()[0].component, Component::Gpu);
    assert_eq!(read(&mut source, &mut Batch::default())[0].1, Ok(30_000_000), "the average, where there are both");
    assert_eq!(notes(&mut source), [("sensor-skipped", "hwmon".into())]);
}

#[test]
fn the_energy_driver_of_amd_counts_sockets_once_beside_rapl() {
    let tree = Tree::new();
    let cores = [("energy1_input", "7"), ("energy1_label", "Ecore000")];
    let socket = [("energy2_input", "70000000"), ("energy2_label", "Esocket0")];
    chip(&tree, 1, "amd_energy", &[cores, socket].concat());
    let alone = source(&tree);
    assert_eq!((ids(&*alone), alone.domains()[0].parent.clone()), (vec!["package-0"], None));
    assert_eq!((alone.domains()[0].kind, alone.domains()[0].range), (Kind::Energy, None));
    let rapl = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
    let beside = discover_beside(&tree.roots(), &[rapl]).source.unwrap();
    let domain = &beside.domains()[0];
    assert_eq!((domain.id.as_str(), domain.parent.as_deref()), ("package-0@hwmon1", Some("package-0")));
}

#[test]
fn sensors_of_unknown_place_are_not_used() {
    let tree = Tree::new();
    chip(&tree, 0, "ina226", &[("power1_input", "5000000")]);
    chip(&tree, 1, "corsairpsu", &[("power1_input", "200000000"), ("power1_label", "power total")]);
    chip(&tree, 2, "power_meter", &[("power1_average", "300000000")]);
    chip(&tree, 3, "coretemp", &[("temp1_input", "40000")]);
    let found = discover(&tree.roots());
    assert!(found.source.is_none());
    assert_eq!(found.statuses[0].status, Status::Absent);
    for word in ["ina226", "corsairpsu", "power_meter"] {
        assert!(found.statuses[0].reason.contains(word), "{}", found.statuses[0].reason);
    }
    assert!(!found.statuses[0].reason.contains("coretemp"));
    assert_eq!(discover(&Tree::new().roots()).statuses[0].status, Status::Absent);
}

#[test]
fn a_sensor_that_vanishes_is_gone() {
    let tree = Tree::new();
    meter(&tree, 0, "Grace Power Socket 0", 5);
    let mut source = source(&tree);
    let mut batch = Batch::default();
    assert_eq!(read(&mut source, &mut batch)[0].1, Ok(5));
    fs::remove_dir_all(tree.sys("class/hwmon/hwmon0")).unwrap();
    assert_eq!(read(&mut source, &mut batch)[0].1, Err(Fault::Gone));
    assert_eq!(notes(&mut source), [("zone-gone", "package-0".into())]);
}
