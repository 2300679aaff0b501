//! Sensors of class/hwmon, over fake trees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and prints what it skips"
)]

mod tree;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use eco2_core::schema::Status;
use eco2_core::{Component, Domain, Fault, Kind, Quality, Track};
use eco2_samplers::discover::{Selection, discover_visible as discover_all};
use eco2_samplers::hwmon::{discover, discover_besides, discover_visible};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::visible::Visible;
use eco2_samplers::{Batch, Source, Watched};
use tree::{Tree, as_unprivileged_user, domain, ids, notes, pass, read, scripted};

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
fn grace_sockets_hold_their_rails_and_modules_are_separate() {
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
    let mut source = source(&tree);
    assert_eq!(ids(&*source), ["amdgpu-0000:03:00.0"]);
    assert_eq!(source.domains()[0].component, Component::Gpu);
    assert_eq!(read(&mut source, &mut Batch::default())[0].1, Ok(30_000_000), "the average, where there are both");
}

#[test]
fn the_energy_driver_of_amd_counts_sockets_once_with_rapl() {
    let tree = Tree::new();
    let cores = [("energy1_input", "7"), ("energy1_label", "Ecore000")];
    let socket = [("energy2_input", "70000000"), ("energy2_label", "Esocket0")];
    chip(&tree, 1, "amd_energy", &[cores, socket].concat());
    let alone = source(&tree);
    assert_eq!((ids(&*alone), alone.domains()[0].parent.clone()), (vec!["package-0"], None));
    assert_eq!((alone.domains()[0].kind, alone.domains()[0].range), (Kind::Energy, None));
    let rapl = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
    let beside = discover_besides(&tree.roots(), &[rapl]).source.unwrap();
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
fn k05_an_input_is_read_where_the_average_may_not_be() {
    let tree = Tree::new();
    chip(&tree, 4, "amdgpu", &[("power1_average", "30000000"), ("power1_input", "31000000"), ("power1_label", "PPT")]);
    fs::set_permissions(tree.sys("class/hwmon/hwmon4/power1_average"), fs::Permissions::from_mode(0o000)).unwrap();
    let value = as_unprivileged_user(|| read(&mut source(&tree), &mut Batch::default())[0].1);
    assert_eq!(value, Ok(31_000_000));
    // The same where the average is there and gives no number: what a driver means by "operation not supported".
    fs::remove_file(tree.sys("class/hwmon/hwmon4/power1_average")).unwrap();
    fs::create_dir(tree.sys("class/hwmon/hwmon4/power1_average")).unwrap();
    assert_eq!(read(&mut source(&tree), &mut Batch::default())[0].1, Ok(31_000_000));
}

#[test]
fn k02_an_average_declares_its_window() {
    let tree = Tree::new();
    meter(&tree, 0, "Grace Power Socket 0", 5);
    assert_eq!(source(&tree).domains()[0].average_ns, None, "not stated");
    tree.put("class/hwmon/hwmon0/device/power1_average_interval", "50\n");
    assert_eq!(source(&tree).domains()[0].average_ns, Some(50_000_000));
}

/// MangoHud issue 1874: on an APU the sensor of amdgpu shows the whole socket; only APUs have a voltage named vddnb.
#[test]
fn k07_power_of_an_apu_lies_inside_its_package() {
    let tree = Tree::new();
    let ppt = [("power1_input", "20000000"), ("power1_label", "PPT"), ("in1_label", "vddnb"), ("in1_input", "1190")];
    chip(&tree, 4, "amdgpu", &ppt);
    let rapl = Domain::counter("package-0", Component::Cpu, "package", "rapl-sysfs");
    let beside = discover_besides(&tree.roots(), &[rapl]).source.unwrap();
    let apu = &beside.domains()[0];
    assert_eq!((apu.id.as_str(), apu.component), ("amdgpu-hwmon4", Component::Cpu));
    assert_eq!(apu.parent.as_deref(), Some("package-0"));
    // Where nothing else reads the package, it is the package's power.
    let alone = source(&tree);
    assert_eq!((alone.domains()[0].parent.clone(), alone.domains()[0].component), (None, Component::Cpu));
}

#[test]
fn k07_slow_power_of_a_handheld_is_its_socket_too() {
    let tree = Tree::new();
    let slow = [("power1_average", "9000000"), ("power1_label", "slowPPT")];
    chip(&tree, 5, "amdgpu", &[slow, [("power2_average", "10000000"), ("power2_label", "fastPPT")]].concat());
    let mut source = source(&tree);
    assert_eq!((ids(&*source), source.domains()[0].component), (vec!["amdgpu-hwmon5"], Component::Cpu));
    assert_eq!(read(&mut source, &mut Batch::default()), [("amdgpu-hwmon5".into(), Ok(9_000_000))]);
}

/// MI300A: CPU, GPU and memory in one socket, whose power amdgpu shows; vddnb is not there.
#[test]
fn k07_the_socket_of_a_server_apu_holds_its_package() {
    let tree = Tree::new();
    chip(&tree, 4, "amdgpu", &[("power1_input", "400000000"), ("power1_label", "PPT")]);
    tree.put(
        "../proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Instinct MI300A Accelerator\n",
    );
    let source = source(&tree);
    assert_eq!((source.domains()[0].component, source.domains()[0].domain.as_str()), (Component::Gpu, "socket"));
    let package = Domain::counter("package-0", Component::Cpu, "package", "rapl-perf");
    let memory = Domain::counter("dram-0", Component::Memory, "dram", "rapl-perf");
    let all = [&source.domains()[0], &package, &memory];
    assert_eq!(eco2_core::summed(all.into_iter()), [true, false, true]);
}

/// Four dies of two cards: the first of each card shows the card, the second shows 0.
fn two_cards_of_two_dies() -> Tree {
    let tree = Tree::new();
    for (die, microwatts) in [(0, "237000000"), (1, "0"), (2, "230000000"), (3, "0")] {
        chip(&tree, die, "amdgpu", &[("power1_average", microwatts), ("power1_label", "PPT")]);
        let device = format!("devices/pci000{die}:00/0000:c{die}:00.0");
        fs::create_dir_all(tree.sys(&device)).unwrap();
        symlink(format!("../../../{device}"), tree.sys(&format!("class/hwmon/hwmon{die}/device"))).unwrap();
    }
    tree
}

#[test]
fn k08_a_second_die_is_shown_by_its_card_and_not_as_nothing() {
    let tree = two_cards_of_two_dies();
    let found = discover(&tree.roots());
    let mut source = found.source.unwrap();
    assert_eq!(ids(&*source), ["amdgpu-0000:c0:00.0", "amdgpu-0000:c2:00.0"]);
    assert!(source.domains()[0].name.contains("0000:c1:00.0"), "{}", source.domains()[0].name);
    assert_eq!(read(&mut source, &mut Batch::default()).len(), 2);
    // A sleeping card whose kind is known is a card.
    tree.put("devices/pci0001:00/0000:c1:00.0/device", "0x740f\n");
    assert_eq!(ids(&*source_of(&tree, &[])), ["amdgpu-0000:c0:00.0", "amdgpu-0000:c1:00.0", "amdgpu-0000:c2:00.0"]);
}

fn source_of(tree: &Tree, vars: &[(&str, &str)]) -> Box<dyn Source> {
    let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
    discover_visible(&tree.roots(), &[], &Visible::from_vars(vars)).source.unwrap()
}

#[test]
fn k08_hip_and_rocr_masks_choose_the_cards_that_are_read() {
    let tree = two_cards_of_two_dies();
    for (vars, cards) in [
        (vec![("HIP_VISIBLE_DEVICES", "0"), ("ROCR_VISIBLE_DEVICES", "0")], vec!["amdgpu-0000:c0:00.0"]),
        (vec![("HIP_VISIBLE_DEVICES", "3")], vec!["amdgpu-0000:c2:00.0"]),
        (vec![("ROCR_VISIBLE_DEVICES", "2,3"), ("HIP_VISIBLE_DEVICES", "0")], vec!["amdgpu-0000:c2:00.0"]),
        (vec![("CUDA_VISIBLE_DEVICES", "0")], vec!["amdgpu-0000:c0:00.0"]),
    ] {
        assert_eq!(ids(&*source_of(&tree, &vars)), cards, "{vars:?}");
    }
    tree.put("devices/pci0002:00/0000:c2:00.0/unique_id", "8f1a2b\n");
    assert_eq!(ids(&*source_of(&tree, &[("ROCR_VISIBLE_DEVICES", "GPU-8f1a2b")])), ["amdgpu-0000:c2:00.0"]);
    let none = discover_visible(&tree.roots(), &[], &Visible::from_vars([("HIP_VISIBLE_DEVICES".into(), "".into())]));
    assert!(none.source.is_none() && none.statuses[0].reason.contains("HIP_VISIBLE_DEVICES"), "{:?}", none.statuses);
}

/// The users of an AMD GPU are not reported; a process whose mask hides it cannot be one.
#[test]
fn k08_a_card_that_the_watched_processes_masks_hide_is_out_of_their_reach() {
    let tree = two_cards_of_two_dies();
    let mut source = source_of(&tree, &[]);
    let mut reach = |masks: &[&[(&str, &str)]]| {
        let of =
            |mask: &&[(&str, &str)]| Visible::from_vars(mask.iter().map(|(name, value)| (name.into(), value.into())));
        let watched = Watched { visible: masks.iter().map(of).collect(), ..Watched::default() };
        let mut uses = Vec::new();
        source.users(&watched, &mut uses);
        assert!(uses.iter().all(|used| used.unknown == 1.0 && used.processes.is_empty()));
        uses.iter().map(|used| used.reachable).collect::<Vec<_>>()
    };
    assert_eq!(reach(&[&[("HIP_VISIBLE_DEVICES", "0")]]), [true, false]);
    assert_eq!(reach(&[&[("ROCR_VISIBLE_DEVICES", "")]]), [false, false]);
    assert_eq!(reach(&[&[]]), [true, true], "without a mask it may use any");
    assert_eq!(reach(&[&[("HIP_VISIBLE_DEVICES", "0")], &[]]), [true, true], "one of several may");
    assert_eq!(reach(&[]), [false; 0], "without processes nothing is known");
}

#[test]
fn k08_an_intel_card_is_read_and_its_package_lies_inside() {
    let tree = Tree::new();
    let card = [("energy1_input", "5000000"), ("energy1_label", "card")];
    chip(&tree, 3, "xe", &[card, [("energy2_input", "4000000"), ("energy2_label", "pkg")]].concat());
    tree.put("class/hwmon/hwmon3/power1_max", "200000000\n");
    chip(&tree, 4, "i915", &[("energy1_input", "7000000")]);
    chip(&tree, 5, "i915_gt0", &[("energy1_input", "6000000")]);
    let mut source = source(&tree);
    assert_eq!(ids(&*source), ["xe-hwmon3", "xe-hwmon3/pkg", "i915-hwmon4"]);
    let parents: Vec<_> = source.domains().iter().map(|domain| domain.parent.as_deref()).collect();
    assert_eq!(parents, [None, Some("xe-hwmon3"), None]);
    assert!(source.domains().iter().all(|domain| domain.component == Component::Gpu && domain.kind == Kind::Energy));
    assert_eq!(source.domains()[0].max_uw, Some(300_000_000), "half as much again as the stated limit");
    assert_eq!(read(&mut source, &mut Batch::default())[0].1, Ok(5_000_000));
    // A card that shows its package only.
    let tree = Tree::new();
    chip(&tree, 3, "xe", &[("energy2_input", "4000000"), ("energy2_label", "pkg")]);
    assert_eq!(ids(&*discover(&tree.roots()).source.unwrap()), ["xe-hwmon3"]);
}

#[test]
fn k08_intel_cards_that_level_zero_hides_are_neither_read_nor_missing() {
    let tree = Tree::new();
    for (hwmon, slot) in [(3, "0000:03:00.0"), (4, "0000:04:00.0")] {
        for (file, text) in [("class", "0x030000"), ("vendor", "0x8086"), ("device", "0xe20b")] {
            tree.put(&format!("bus/pci/devices/{slot}/{file}"), &format!("{text}\n"));
        }
        chip(&tree, hwmon, "xe", &[("energy1_input", "5000000"), ("energy1_label", "card")]);
        let device = tree.sys(&format!("class/hwmon/hwmon{hwmon}/device"));
        symlink(tree.sys(&format!("bus/pci/devices/{slot}")), device).unwrap();
    }
    let shown = |mask: &str| {
        let visible = Visible::from_vars([("ZE_AFFINITY_MASK".into(), mask.into())]);
        let options = ModelOptions { enabled: false, ..ModelOptions::default() };
        let found = discover_all(&tree.roots(), &Selection::All, &options, &visible);
        found.sources.iter().flat_map(|source| source.domains().to_vec()).map(|domain| domain.id).collect::<Vec<_>>()
    };
    assert_eq!(shown(""), ["xe-0000:03:00.0", "xe-0000:04:00.0"]);
    assert_eq!(shown("1"), ["xe-0000:04:00.0"]);
}

#[test]
fn k08_zenergy_is_the_energy_driver_of_amd() {
    let tree = Tree::new();
    for core in 1..=16 {
        let (input, label) = (format!("energy{core}_input"), format!("energy{core}_label"));
        chip(&tree, 3, "zenergy", &[(&input, "5000000"), (&label, &format!("Ecore{:03}", core - 1))]);
    }
    chip(&tree, 3, "zenergy", &[("energy17_input", "90000000"), ("energy17_label", "Esocket0")]);
    let found = discover(&tree.roots());
    let mut source = found.source.unwrap();
    assert_eq!(read(&mut source, &mut Batch::default()), [("package-0".into(), Ok(90_000_000))]);
    assert!(!found.statuses[0].reason.contains("Ecore"), "parts of what is read: {}", found.statuses[0].reason);
}

#[test]
fn update_period_of_a_counter_in_a_file_is_learned() {
    let tree = Tree::new();
    chip(&tree, 3, "zenergy", &[("energy1_input", "0"), ("energy1_label", "Esocket0")]);
    let mut source = source(&tree);
    let mut track = Track::new(domain(&*source, "package-0"));
    let (mut batch, clock) = scripted();
    for at_ms in (0..4_000).step_by(10) {
        // 90 W, updated every 100 ms, as the driver `amd_energy` adds up its cores.
        tree.put("class/hwmon/hwmon3/energy1_input", &format!("{}\n", at_ms / 100 * 9_000_000));
        batch.clear();
        source.read(&mut batch);
        // Readings before the first change come with it.
        batch.readings().iter().for_each(|(_, reading)| _ = track.push(reading));
        pass(&clock, 10);
    }
    assert!(track.period_ns().is_some_and(|ns| ns.abs_diff(100_000_000) < 1_000_000), "{:?}", track.period_ns());
}

#[test]
fn k08_the_supply_of_a_jetson_module_is_volts_times_amperes() {
    let tree = Tree::new();
    let rail = |n: u32, label: &'static str, milliamps: &'static str| {
        let name = |what: &str| format!("{what}{n}");
        [(name("in") + "_label", label), (name("in") + "_input", "5000"), (name("curr") + "_input", milliamps)]
    };
    for (file, text) in
        [rail(1, "VDD_IN", "1200"), rail(2, "VDD_CPU_GPU_CV", "400"), rail(3, "VDD_SOC", "300")].concat()
    {
        chip(&tree, 1, "ina3221", &[(&file, text)]);
    }
    let mut source = source(&tree);
    let module = &source.domains()[0];
    assert_eq!(
        (module.id.as_str(), module.component, module.domain.as_str()),
        ("module-0", Component::Other, "module")
    );
    assert_eq!((module.kind, module.quality), (Kind::Power, Quality::Derived));
    // 5 V × 1.2 A.
    assert_eq!(read(&mut source, &mut Batch::default()), [("module-0".into(), Ok(6_000_000))]);
    tree.put("class/hwmon/hwmon1/curr1_input", "garbage\n");
    assert_eq!(read(&mut source, &mut Batch::default())[0].1, Err(Fault::Failed), "never half a product");
    // Without a rail that holds the whole module it is named, not guessed.
    let tree = Tree::new();
    chip(&tree, 1, "ina3221", &[("in1_label", "VDD_GPU_SOC"), ("in1_input", "5000"), ("curr1_input", "400")]);
    let found = discover(&tree.roots());
    assert!(found.source.is_none() && found.statuses[0].reason.contains("ina3221"), "{:?}", found.statuses);
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
