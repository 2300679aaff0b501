//! CPU energy from the `power` PMU: over a fake kernel (real events are in rapl_perf_real.rs).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and prints what it skips"
)]

mod fake_pmu;
mod tree;

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Fault, Scale};
use eco2_samplers::discover::Selection;
use eco2_samplers::model::ModelOptions;
use eco2_samplers::rapl_perf::{discover, local_cpus};
use eco2_samplers::{Batch, Source};
use fake_pmu::{FakePmu, TYPE};
use tree::{Tree, as_unprivileged_user, domain, ids, notes, pass, read, scripted};

const UNIT: &str = "2.3283064365386962890625e-10";
const PKG: (&str, &str, &str) = ("energy-pkg", "event=0x02", UNIT);
const RAM: (&str, &str, &str) = ("energy-ram", "event=0x03", UNIT);
const CORES: (&str, &str, &str) = ("energy-cores", "event=0x01", UNIT);
const GPU: (&str, &str, &str) = ("energy-gpu", "event=0x04", UNIT);
const PSYS: (&str, &str, &str) = ("energy-psys", "event=0x05", UNIT);

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

/// One package with these events, CPUs 0 to 3.
fn one_package(events: &[(&str, &str, &str)]) -> Tree {
    let tree = Tree::new();
    tree.pmu(TYPE, "0", events).put("devices/system/cpu/online", "0-3\n");
    for cpu in 0..4 {
        tree.cpu(cpu, 0, 0, "0-3");
    }
    tree
}

/// Kernels before 6.1 take the memory unit of Sapphire Rapids for a quarter of what it is. perf shows all events in one
/// unit, so only powercap's range, or the age of the kernel, shows it.
#[test]
fn k04_memory_of_sapphire_rapids_is_corrected_or_flagged() {
    let _pmu = FakePmu::install();
    let tree = one_package(&[PKG, RAM]);
    let text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Test CPU\n";
    tree.put("../proc/cpuinfo", text).put("../proc/sys/kernel/osrelease", "5.19.0-50-generic\n");
    // Nothing but the kernel's age is known: the declared error holds the truth, four times the reading.
    let (mut source, _) = found(&tree);
    assert_eq!(domain(&*source, "dram-0").gain_percent, Some(300.0));
    assert_eq!(notes(&mut source), [("unit-uncertain", "dram-0".into())]);
    tree.put("../proc/sys/kernel/osrelease", "6.8.0\n");
    assert_eq!(domain(&*found(&tree).0, "dram-0").gain_percent, None, "a kernel that knows it");
    // powercap states a quarter of the package's range: the same mistake, at the same time.
    tree.zone("intel-rapl:0", "package-0", 1).zone("intel-rapl:0:0", "dram", 1);
    tree.put("class/powercap/intel-rapl:0:0/max_energy_range_uj", "65712999613\n");
    let (mut source, _) = found(&tree);
    let memory = domain(&*source, "dram-0");
    assert_eq!((memory.scale.micro(1 << 32), memory.gain_percent), (4_000_000, None));
    assert_eq!(notes(&mut source), [("unit-corrected", "dram-0".into())]);
    assert_eq!(domain(&*source, "package-0").scale.micro(1 << 32), 1_000_000);
}

#[test]
fn m04_failed_group_reads_are_faults_never_zero() {
    let pmu = FakePmu::install();
    let tree = one_package(&[PKG, RAM]);
    let (mut source, _) = found(&tree);
    let mut batch = Batch::default();
    pmu.feed(0, 10, &[(2, 5), (3, 6)]);
    assert_eq!(read(&mut source, &mut batch), [("package-0".into(), Ok(5)), ("dram-0".into(), Ok(6))]);
    let failed = [("package-0".into(), Err(Fault::Failed)), ("dram-0".into(), Err(Fault::Failed))];
    pmu.feed_bytes(0, &[1; 8]);
    assert_eq!(read(&mut source, &mut batch), failed, "short read");
    assert_eq!(read(&mut source, &mut batch), failed, "EAGAIN");
    pmu.feed(0, 20, &[(2, 7), (3, 8)]);
    assert_eq!(read(&mut source, &mut batch), [("package-0".into(), Ok(7)), ("dram-0".into(), Ok(8))]);
    assert!(notes(&mut source).is_empty());
}

#[test]
fn m05_type_code_scale_and_unit_come_from_sysfs() {
    let pmu = FakePmu::install();
    let ram = ("energy-ram", "event=0x13", "6.103515625e-02");
    let tree = one_package(&[("energy-pkg", "event=0x12", "1.0"), ram, PSYS, GPU, CORES]);
    tree.put("bus/event_source/devices/power/events/energy-ram.unit", "mJ\n");
    tree.put("bus/event_source/devices/power/events/energy-psys.unit", "Btu\n");
    tree.put("bus/event_source/devices/power/events/energy-gpu.scale", "nan\n");
    tree.put("bus/event_source/devices/power/events/energy-cores", "event=0x100\n");
    let (source, status) = found(&tree);
    assert_eq!(pmu.opened(), [(0, 0x12, false), (0, 0x13, true)], "codes of sysfs, not of the manual");
    assert_eq!(domain(&*source, "package-0").scale, Scale::UNIT);
    let unit = domain(&*source, "dram-0").scale;
    assert_eq!(unit.micro(1 << 20), 64_000_000, "2^20 units of 61.03515625 µJ");
    for word in ["Btu", "nan", "energy-cores: \"event=0x100\" does not fit"] {
        assert!(status.reason.contains(word), "{}", status.reason);
    }
    assert_eq!(source.domains()[0].range, None, "perf counts do not wrap");
    tree.put("bus/event_source/devices/power/type", "garbage\n");
    assert_eq!(nothing(&tree).status, Status::Absent);
}

#[test]
fn m06_packages_and_dies_are_named_by_topology() {
    let pmu = FakePmu::install();
    let tree = Tree::new();
    tree.pmu(TYPE, "0,24", &[PKG]).cpu(0, 1, 0, "0-23").cpu(24, 0, 0, "24-47");
    let (mut source, _) = found(&tree);
    assert_eq!(ids(&*source), ["package-0", "package-1"]);
    pmu.feed(0, 1, &[(2, 111)]);
    pmu.feed(24, 1, &[(2, 222)]);
    let expected = [("package-0".into(), Ok(222)), ("package-1".into(), Ok(111))];
    assert_eq!(read(&mut source, &mut Batch::default()), expected, "CPU 24 is in package 0");

    let tree = Tree::new();
    tree.pmu(TYPE, "0,8,16", &[PKG]).cpu(0, 0, 0, "0-7").cpu(8, 0, 1, "8-15").cpu(16, 1, 0, "16-23");
    assert_eq!(ids(&*found(&tree).0), ["package-0-die-0", "package-0-die-1", "package-1"]);

    let tree = Tree::new();
    tree.pmu(TYPE, "0,8", &[PKG]);
    let (source, status) = found(&tree);
    assert_eq!(ids(&*source), ["package-0", "package-1"]);
    assert!(status.reason.contains("topology"), "{}", status.reason);
}

#[test]
fn m07_the_cpumask_is_a_list() {
    let pmu = FakePmu::install();
    let tree = Tree::new();
    tree.pmu(TYPE, "0-3:2,64", &[PKG]);
    assert_eq!(local_cpus(&tree.roots()), [0, 2, 64]);
    assert_eq!(ids(&*found(&tree).0).len(), 3);
    tree.put("bus/event_source/devices/power/cpumask", "\n");
    let status = nothing(&tree);
    assert_eq!(status.status, Status::Absent);
    assert!(status.reason.contains("cpumask"), "{}", status.reason);
    assert_eq!(pmu.opened().len(), 3);
}

#[test]
fn m08_unknown_events_are_skipped_with_a_note() {
    FakePmu::install();
    let tree = one_package(&[PKG, ("energy-quark", "event=0x09", UNIT)]);
    let (mut source, status) = found(&tree);
    assert_eq!(ids(&*source), ["package-0"]);
    assert_eq!(status.status, Status::Ok);
    assert!(status.reason.contains("energy-quark: unknown event"), "{}", status.reason);
    assert_eq!(notes(&mut source), [("event-skipped", "rapl-perf".into())]);
}

#[test]
fn m09_parts_name_their_package_and_dram_and_psys_do_not() {
    FakePmu::install();
    let (source, _) = found(&one_package(&[PKG, RAM, CORES, GPU, PSYS]));
    let parents: Vec<_> = source.domains().iter().map(|d| (d.id.as_str(), d.parent.as_deref())).collect();
    let part = Some("package-0");
    let expected = [("package-0", None), ("dram-0", None), ("core-0", part), ("uncore-0", part), ("psys", None)];
    assert_eq!(parents, expected);
    assert_eq!(domain(&*source, "psys").component, eco2_core::Component::Other);
}

#[test]
fn m11_each_domain_has_its_own_unit() {
    FakePmu::install();
    // Haswell-EP: 2^-14 J for the package, 15.3 µJ (2^-16 J) for DRAM.
    let tree = one_package(&[
        ("energy-pkg", "event=0x02", "6.103515625e-05"),
        ("energy-ram", "event=0x03", "1.52587890625e-05"),
    ]);
    let (source, _) = found(&tree);
    assert_eq!(domain(&*source, "package-0").scale.micro(1 << 14), 1_000_000);
    assert_eq!(domain(&*source, "dram-0").scale.micro(1 << 16), 1_000_000);
}

#[test]
fn m12_amd_has_packages_only() {
    let pmu = FakePmu::install();
    let tree = one_package(&[PKG, RAM, CORES]);
    tree.cpuinfo("AuthenticAMD", "fpu").put("bus/event_source/devices/power_core/type", "32\n");
    let (source, status) = found(&tree);
    assert_eq!((ids(&*source), pmu.opened().len()), (vec!["package-0"], 1));
    for word in ["energy-ram: only the package", "energy-cores: only the package", "power_core"] {
        assert!(status.reason.contains(word), "{}", status.reason);
    }
}

#[test]
fn m13_a_counter_that_stays_at_zero_is_unsupported() {
    let pmu = FakePmu::install();
    let (mut source, _) = found(&one_package(&[PKG, RAM]));
    let (mut batch, clock) = scripted();
    pmu.feed(0, 1, &[]);
    assert!(read(&mut source, &mut batch).is_empty(), "counts begin at 0: held back");
    pass(&clock, 10);
    pmu.feed(0, 2, &[(2, 50)]);
    let baseline = [("package-0".into(), Ok(0)), ("package-0".into(), Ok(50))];
    assert_eq!(read(&mut source, &mut batch), baseline, "an honest 0 is handed over late, with its own time");
    assert!(batch.readings()[0].1.after_ns < batch.readings()[1].1.before_ns);
    pass(&clock, 1100);
    pmu.feed(0, 3, &[(2, 70)]);
    let expected = [("package-0".into(), Ok(70)), ("dram-0".into(), Err(Fault::Unsupported))];
    assert_eq!(read(&mut source, &mut batch), expected);
    pmu.feed(0, 4, &[(2, 70)]);
    assert_eq!(read(&mut source, &mut batch), expected);
    assert_eq!(notes(&mut source), [("counter-unsupported", "dram-0".into())]);
}

/// The package's values while its CPU goes away in the way of `leave`.
fn leave_cpu(leave: impl FnOnce(&FakePmu, &Tree)) {
    let pmu = FakePmu::install();
    let tree = one_package(&[PKG, RAM]);
    let (mut source, _) = found(&tree);
    let (mut batch, clock) = scripted();
    pmu.feed(0, 1000, &[(2, 500), (3, 50)]);
    read(&mut source, &mut batch);
    tree.put("devices/system/cpu/online", "1-3\n").put("bus/event_source/devices/power/cpumask", "2\n");
    pmu.refuse_cpu(0, libc::ENODEV);
    leave(&pmu, &tree);
    pass(&clock, 10);
    let gone = [("package-0".into(), Err(Fault::Gone)), ("dram-0".into(), Err(Fault::Gone))];
    assert_eq!(read(&mut source, &mut batch), gone, "a gap, not a 0");
    assert_eq!(pmu.opened().last(), Some(&(2, 3, true)), "on the CPU that the kernel names now");
    assert_eq!(notes(&mut source), [("cpu-moved", "package-0".into())]);
    pass(&clock, 10);
    pmu.feed(2, 10, &[(2, 7), (3, 1)]);
    let on = [("package-0".into(), Ok(507)), ("dram-0".into(), Ok(51))];
    assert_eq!(read(&mut source, &mut batch), on, "new events count from 0, the value goes on");
    pmu.feed(2, 20, &[(2, 8), (3, 2)]);
    assert_eq!(read(&mut source, &mut batch)[0].1, Ok(508));
}

#[test]
fn m14_cpu_offline_is_seen_at_the_end_of_file_and_nothing_jumps() {
    leave_cpu(|pmu, _| pmu.feed_bytes(0, &[]));
}

#[test]
fn m14_cpu_offline_is_seen_when_the_events_clock_stops() {
    leave_cpu(|pmu, _| pmu.feed(0, 1000, &[(2, 500), (3, 50)]));
}

#[test]
fn f12_without_a_sibling_the_package_is_missing_until_one_returns() {
    let pmu = FakePmu::install();
    let tree = one_package(&[PKG]);
    let (mut source, _) = found(&tree);
    let (mut batch, clock) = scripted();
    pmu.feed(0, 1, &[(2, 500)]);
    read(&mut source, &mut batch);
    (0..4).for_each(|cpu| pmu.refuse_cpu(cpu, libc::ENODEV));
    pmu.feed_bytes(0, &[]);
    let gone = [("package-0".into(), Err(Fault::Gone))];
    for _ in 0..5 {
        assert_eq!(read(&mut source, &mut batch), gone);
        pass(&clock, 10);
    }
    assert!(notes(&mut source).is_empty());
    pmu.accept_cpu(3);
    pass(&clock, 100);
    assert_eq!(read(&mut source, &mut batch).len(), 1);
    assert_eq!(pmu.opened().last(), Some(&(3, 2, false)));
    pmu.feed(3, 1, &[(2, 1)]);
    assert_eq!(read(&mut source, &mut batch), [("package-0".into(), Ok(501))]);
    assert_eq!(notes(&mut source), [("cpu-moved", "package-0".into())]);
}

#[test]
fn f12_events_that_open_and_never_count_are_not_opened_at_every_tick() {
    let pmu = FakePmu::install();
    let (mut source, _) = found(&one_package(&[PKG]));
    let (mut batch, clock) = scripted();
    for _ in 0..100 {
        // The clock of the events stays at 0 wherever they are opened.
        (0..4).filter(|cpu| pmu.opened().iter().any(|(on, ..)| on == cpu)).for_each(|cpu| pmu.feed(cpu, 0, &[]));
        assert!(read(&mut source, &mut batch)[0].1.is_err());
        pass(&clock, 10);
    }
    // In one second: at once, then after 50, 100, 200 and 400 ms.
    assert_eq!(pmu.opened().len(), 6);
}

#[test]
fn m15_one_read_a_package_gives_all_domains_one_instant() {
    let pmu = FakePmu::install();
    let tree = Tree::new();
    tree.pmu(TYPE, "0,8", &[PSYS, CORES, RAM, PKG]).cpu(0, 0, 0, "0-7").cpu(8, 1, 0, "8-15");
    assert_eq!(local_cpus(&tree.roots()), [0, 8], "where to pin the reader");
    let (mut source, status) = found(&tree);
    let leaders: Vec<_> = pmu.opened().into_iter().filter(|(_, _, member)| !member).collect();
    assert_eq!(leaders, [(0, 2, false), (8, 2, false)], "one group a package, led by its package counter");
    assert_eq!(status.status, Status::Ok);
    pmu.feed(0, 1, &[(1, 1), (2, 2), (3, 3), (5, 5)]);
    pmu.feed(8, 1, &[(1, 11), (2, 12), (3, 13), (5, 15)]);
    let mut batch = Batch::default();
    let values: Vec<_> = read(&mut source, &mut batch).into_iter().map(|(_, value)| value.unwrap()).collect();
    assert_eq!(values, [2, 3, 1, 5, 12, 13, 11, 15], "by id, in whatever order the kernel lists them");
    let brackets: Vec<_> = batch.readings().iter().map(|(_, r)| (r.before_ns, r.after_ns)).collect();
    assert!(brackets[..4].iter().all(|bracket| *bracket == brackets[0]));
    assert!(brackets[4..].iter().all(|bracket| *bracket == brackets[4]) && brackets[4] > brackets[0]);
}

#[test]
fn a_pmu_that_does_not_group_is_read_one_by_one() {
    let pmu = FakePmu::install();
    pmu.no_groups();
    let (mut source, status) = found(&one_package(&[PKG, RAM]));
    assert!(status.reason.contains("one by one"), "{}", status.reason);
    pmu.feed(0, 1, &[(2, 5), (3, 6)]);
    let expected = [("package-0".into(), Ok(5)), ("dram-0".into(), Ok(6))];
    assert_eq!(read(&mut source, &mut Batch::default()), expected);
}

#[test]
fn an_event_that_is_refused_is_missing_and_the_others_go_on() {
    let pmu = FakePmu::install();
    pmu.refuse_config(3, libc::EINVAL);
    let (mut source, status) = found(&one_package(&[PKG, RAM]));
    assert_eq!(status.status, Status::Degraded);
    assert!(status.reason.contains("refused by the PMU: energy-ram"), "{}", status.reason);
    pmu.feed(0, 1, &[(2, 5)]);
    let expected = [("package-0".into(), Ok(5)), ("dram-0".into(), Err(Fault::Gone))];
    assert_eq!(read(&mut source, &mut Batch::default()), expected);
}

#[test]
fn a_package_that_cannot_be_opened_is_missing_not_left_out() {
    let pmu = FakePmu::install();
    let tree = Tree::new();
    tree.pmu(TYPE, "0,8", &[PKG]).cpu(0, 0, 0, "0-7").cpu(8, 1, 0, "8-15");
    pmu.refuse_cpu(8, libc::EMFILE);
    let (mut source, status) = found(&tree);
    assert_eq!((status.status, status.remedy.as_str()), (Status::Degraded, "ulimit -n 4096"));
    pmu.feed(0, 1, &[(2, 5)]);
    let values = read(&mut source, &mut Batch::default());
    assert_eq!(values, [("package-0".into(), Ok(5)), ("package-1".into(), Err(Fault::Failed))]);
}

#[test]
fn f11_refusals_have_a_reason_and_a_remedy() {
    for (errno, status, reason, remedy) in [
        (libc::EACCES, Status::Denied, "kernel.perf_event_paranoid is 4", "setcap cap_perfmon+ep $(command -v eco2)"),
        (libc::EPERM, Status::Denied, "seccomp", "--cap-add PERFMON"),
        (libc::ENOENT, Status::Absent, "does not offer its events", "sudo modprobe rapl"),
        (libc::EMFILE, Status::Denied, "too many open files", "ulimit -n"),
        (libc::ENOSYS, Status::Absent, "has no perf_event_open", "--cap-add PERFMON"),
        (libc::EINVAL, Status::Denied, "refuses its own events", "sudo modprobe intel_rapl_msr"),
    ] {
        FakePmu::install().refuse(errno);
        let tree = one_package(&[PKG, RAM]);
        std::fs::create_dir_all(tree.roots().procfs.join("sys/kernel")).unwrap();
        std::fs::write(tree.roots().procfs.join("sys/kernel/perf_event_paranoid"), "4\n").unwrap();
        let found = nothing(&tree);
        assert_eq!(found.status, status, "{errno}");
        assert!(found.reason.contains(reason) && found.remedy.contains(remedy), "{errno}: {found:?}");
    }
}

#[test]
fn m16_permission_ladder_from_perf_to_powercap() {
    let tree = Tree::new();
    assert_eq!(nothing(&tree).status, Status::Absent);
    tree.pmu(TYPE, "0", &[PKG]).zone("intel-rapl:0", "package-0", 5);
    let (perf, powercap) = as_unprivileged_user(|| {
        FakePmu::install().refuse(libc::EACCES);
        (discover(&tree.roots()), eco2_samplers::rapl_sysfs::discover(&tree.roots()))
    });
    assert!(perf.source.is_none() && powercap.source.is_some(), "the next rung");
    let status = &perf.statuses[0];
    assert_eq!(status.status, Status::Denied);
    assert_eq!(status.remedy.lines().count(), 1, "one action");
    assert!(status.reason.contains("CAP_PERFMON"), "{}", status.reason);
}

#[test]
fn m18_energy_filtering_is_reported() {
    FakePmu::install();
    let tree = one_package(&[PKG]);
    tree.cpuinfo("GenuineIntel", "fpu sgx");
    let (mut source, status) = found(&tree);
    assert!(status.reason.contains("SGX"), "{}", status.reason);
    assert_eq!(notes(&mut source), [("energy-filtering", "rapl-perf".into())]);
}

#[test]
fn package_limits_come_from_powercap() {
    FakePmu::install();
    let tree = one_package(&[PKG, RAM]);
    tree.zone("intel-rapl:0", "package-0", 5);
    tree.put("class/powercap/intel-rapl:0/constraint_0_max_power_uw", "205000000\n");
    let (source, _) = found(&tree);
    assert_eq!(domain(&*source, "package-0").max_uw, Some(410_000_000));
    assert_eq!(domain(&*source, "dram-0").max_uw, None);
}

/// One event of two was refused: for want of a descriptor it is tried again, for want of the event it is not.
#[test]
fn k06_an_event_that_was_refused_for_a_moment_is_opened_later() {
    for (errno, comes) in [(libc::EMFILE, true), (libc::EBUSY, true), (libc::ENOENT, false)] {
        let pmu = FakePmu::install();
        pmu.refuse_config(3, errno);
        let tree = one_package(&[PKG, RAM]);
        let (mut source, status) = found(&tree);
        assert!(status.reason.contains("energy-ram"), "{}", status.reason);
        let (mut batch, clock) = scripted();
        let mut passed_ms = 0;
        let mut ram = |ms: u64, pmu: &FakePmu| {
            passed_ms += ms;
            pass(&clock, ms);
            pmu.feed(0, passed_ms, &[(2, passed_ms), (3, passed_ms)]);
            read(&mut source, &mut batch)[1].1
        };
        assert_eq!(ram(10, &pmu), Err(Fault::Gone));
        pmu.accept_config(3);
        let opened = pmu.opened().len();
        let later: Vec<_> = (0..40).map(|_| ram(100, &pmu)).collect();
        assert_eq!(later.iter().any(Result::is_ok), comes, "errno {errno}");
        assert_eq!(pmu.opened().len() - opened, usize::from(comes), "opened once, or not tried");
    }
}

/// As some guests show it: the PMU has psys, which never counts, and nothing of the packages.
#[test]
fn packages_that_the_pmu_does_not_show_are_read_from_powercap() {
    let _pmu = FakePmu::install();
    let tree = one_package(&[PSYS]);
    let chosen = || {
        let rapl = Selection::parse("rapl-perf,rapl-sysfs").unwrap();
        let found = eco2_samplers::discover::discover(&tree.roots(), &rapl, &ModelOptions::default());
        let status = |name| found.statuses.iter().find(|status| status.name == name).unwrap().status;
        (found.sources[0].name().to_owned(), status("rapl-perf"), status("rapl-sysfs"))
    };
    assert_eq!(chosen(), ("rapl-perf".to_owned(), Status::Ok, Status::Absent));
    tree.zone("intel-rapl:1", "psys", 123_456);
    assert_eq!(chosen(), ("rapl-perf".to_owned(), Status::Ok, Status::Off), "powercap shows no more");
    tree.zone("intel-rapl:0", "package-0", 123_456);
    assert_eq!(chosen(), ("rapl-sysfs".to_owned(), Status::Off, Status::Ok));
}
