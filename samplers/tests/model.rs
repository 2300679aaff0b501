//! The estimate for machines without sensors: checked by hand, bounded, explained, and never unasked for.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its machine fails")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2_core::schema::Status;
use eco2_core::{Component, Domain, Fault, Kind, Quality};
use eco2_samplers::clock::Clock;
use eco2_samplers::found::Found;
use eco2_samplers::host_gauges::HostGauges;
use eco2_samplers::model::{ModelOptions, ThreadWatts, discover};
use eco2_samplers::synthetic::{Curve, Part, Synthetic};
use eco2_samplers::{Batch, Roots, Source};
use tempfile::TempDir;

const SECOND: u64 = 1_000_000_000;

struct Machine {
    folder: TempDir,
    now: Arc<AtomicU64>,
}

impl Machine {
    fn new(name: &str, threads: u32, guest: bool) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), now: Arc::new(AtomicU64::new(SECOND)) };
        let flags = if guest { "fpu hypervisor" } else { "fpu" };
        let one =
            |n: u32| format!("processor\t: {n}\nmodel name\t: {name}\nsiblings\t: {threads}\nflags\t\t: {flags}\n\n");
        machine.write("proc/cpuinfo", &(0..threads).map(one).collect::<String>());
        machine.cpu_time(0, 100);
        machine
    }

    fn roots(&self) -> Roots {
        Roots { procfs: self.folder.path().join("proc"), sysfs: self.folder.path().join("sys"), ..Roots::default() }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cpu_time(&self, busy: u64, idle: u64) {
        self.write("proc/stat", &format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n"));
    }

    fn gpu(&self, slot: &str, class: &str, vendor: &str, device: &str) {
        for (file, text) in [("class", class), ("vendor", vendor), ("device", device)] {
            self.write(&format!("sys/bus/pci/devices/{slot}/{file}"), &format!("{text}\n"));
        }
    }

    fn discover(&self) -> Found {
        discover(&self.roots(), false, false, &ModelOptions::default())
    }

    /// Energies after `ns` more nanoseconds.
    fn read(&self, source: &mut dyn Source, ns: u64) -> Vec<Result<u64, Fault>> {
        self.now.fetch_add(ns, Ordering::Relaxed);
        let mut batch = Batch::new(Clock::Scripted(Arc::clone(&self.now)));
        source.read(&mut batch);
        batch.readings().iter().map(|(_, reading)| reading.value).collect()
    }
}

fn method(domain: &Domain) -> &str {
    domain.method.as_deref().unwrap_or_default()
}

/// `AMD EPYC: estimated from …`.
fn calculated(domain: &Domain) -> String {
    format!("{}: {}", domain.name, method(domain))
}

#[test]
fn d02_estimate_follows_utilisation_and_nothing_else() {
    let machine = Machine::new("AMD EPYC 7763 64-Core Processor", 2, true);
    let mut source = machine.discover().source.unwrap();
    let domain = source.domains()[0].clone();
    // 280 W · 2/128 = 4.375 W TDP: 0.525 W idle (0.12), 3.5 W at full load (0.80).
    assert!(method(&domain).ends_with("estimated from TDP 280 W × 2/128 threads"), "{domain:?}");
    // The name is known: idle 0.12 to 3 times, busy 0.5 to 1.55 times.
    assert_eq!((domain.min_uw, domain.max_uw), (Some(63_000), Some(5_425_000)));
    assert_eq!(machine.read(&mut *source, 0), [Ok(0)]);

    // 10 s idle: 5.25 J.
    machine.cpu_time(0, 2_100);
    assert_eq!(machine.read(&mut *source, 10 * SECOND), [Ok(5_250_000)]);
    // 10 s at a half: (0.525 + 2.975 · (1 − 0.5 · 5/6)) W · 10 s = 22.604 J more.
    machine.cpu_time(1_000, 3_100);
    assert_eq!(machine.read(&mut *source, 10 * SECOND), [Ok(27_854_180)]);
    // 10 s full: 35 J more; no factor on top.
    machine.cpu_time(3_000, 3_100);
    assert_eq!(machine.read(&mut *source, 10 * SECOND), [Ok(62_854_180)]);
}

/// A guest of EPYC Genoa whose name is hidden: 2596 MHz are the products of 2.5 and 2.55 GHz (48 threads of 4.17 W, 192 of 2.08 W).
#[test]
fn d02_masked_guest_is_known_by_its_die_and_base_frequency() {
    let machine = Machine::new("AMD EPYC", 2, true);
    let info = fs::read_to_string(machine.folder.path().join("proc/cpuinfo")).unwrap();
    let masked =
        "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nstepping\t: 1\nbogomips\t: 5192.27\nflags";
    machine.write("proc/cpuinfo", &info.replace("flags", masked));
    machine.write("proc/meminfo", "MemTotal:       15625000 kB\n");
    let found = machine.discover();
    let mut source = found.source.unwrap();
    let names: Vec<_> = source.domains().iter().map(calculated).collect();
    assert_eq!(
        names,
        [
            "AMD EPYC: estimated from 2.08 W TDP × 2 threads, Genoa at 2.60 GHz, median of 2 listed near that",
            "main memory: estimated from 0.13 to 0.25 W per GB × 16.0 GB"
        ]
    );
    let reason = &found.statuses[0].reason;
    assert!(
        reason.starts_with("not measured, the processor known by its die and base frequency: AMD EPYC"),
        "{reason}"
    );
    let factors = source.domains()[0].model_range.unwrap();
    assert_eq!((factors.idle_permille, factors.busy_permille), ([100, 3_000], [500, 1_550]));
    machine.read(&mut *source, 0);
    machine.cpu_time(1_000, 100);
    // 400/192 W · 0.8 · 2 threads, and 16 GB · 0.25 W, for 10 s.
    assert_eq!(machine.read(&mut *source, 10 * SECOND), [Ok(33_333_330), Ok(40_000_000)]);
}

#[test]
fn d02_two_packages_on_bare_metal_draw_twice_the_tdp() {
    let machine = Machine::new("Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", 160, false);
    // Two packages of 80 threads each: that is what `siblings` shows on real hardware.
    let info = fs::read_to_string(machine.folder.path().join("proc/cpuinfo")).unwrap();
    machine.write("proc/cpuinfo", &info.replace("siblings\t: 160", "siblings\t: 80"));
    let mut source = machine.discover().source.unwrap();
    assert!(method(&source.domains()[0]).ends_with("TDP 270 W × 160/80 threads"), "{:?}", source.domains()[0]);
    machine.read(&mut *source, 0);
    machine.cpu_time(1_000, 100);
    // 0.95 of twice 270 W.
    assert_eq!(machine.read(&mut *source, SECOND), [Ok(513_000_000)]);
}

#[test]
fn the_counter_advances_every_100_ms_and_never_falls() {
    let machine = Machine::new("AMD EPYC 7763 64-Core Processor", 2, true);
    let mut source = machine.discover().source.unwrap();
    let mut values = Vec::new();
    for _ in 0..25 {
        values.extend(machine.read(&mut *source, SECOND / 100).into_iter().map(Result::unwrap));
    }
    assert!(values.is_sorted());
    values.dedup();
    assert_eq!(values.len(), 3);
}

#[test]
fn a_failed_read_is_no_value_and_the_next_one_covers_its_time() {
    let machine = Machine::new("AMD EPYC 7763 64-Core Processor", 2, true);
    let mut source = machine.discover().source.unwrap();
    machine.read(&mut *source, 0);
    machine.write("proc/stat", "garbage");
    assert_eq!(machine.read(&mut *source, SECOND), [Err(Fault::Failed)]);
    machine.cpu_time(400, 100);
    assert_eq!(machine.read(&mut *source, SECOND), [Ok(7_000_000)]);
}

#[test]
fn f48_a_machine_without_any_counter_explains_its_estimate() {
    let machine = Machine::new("AMD EPYC", 2, true);
    let found = machine.discover();
    let source = found.source.unwrap();
    let domain = &source.domains()[0];
    assert_eq!((source.name(), domain.source.as_str()), ("model", "model"));
    assert_eq!((domain.quality, domain.kind, domain.component), (Quality::Estimated, Kind::Energy, Component::Cpu));
    // No model number, family or frequency: 0.39 to 2.9 W a thread, 0.1 of the idle and 3.6 times the busy value.
    assert_eq!(calculated(domain), "AMD EPYC: estimated from 0.39 to 2.9 W × 2 threads of any server");
    assert_eq!((domain.min_uw, domain.max_uw), (Some(78_000), Some(20_880_000)));
    assert_eq!(found.statuses.len(), 1);
    let status = &found.statuses[0];
    assert_eq!((status.name.as_str(), status.status), ("model", Status::Degraded));
    assert!(
        status.reason.starts_with("not measured, the processor known by the number of its threads: AMD EPYC"),
        "{}",
        status.reason
    );
    assert!(!status.remedy.is_empty());
}

#[test]
fn f48_an_estimate_can_be_refused_and_is_not_added_to_a_sensor() {
    let machine = Machine::new("AMD EPYC", 2, true);
    machine.gpu("0000:01:00.0", "0x030200", "0x10de", "0x1eb8");
    let refused = discover(&machine.roots(), false, false, &ModelOptions { enabled: false, ..ModelOptions::default() });
    let sensed = discover(&machine.roots(), true, true, &ModelOptions::default());
    for found in [refused, sensed] {
        assert!(found.source.is_none());
        assert_eq!(found.statuses[0].status, Status::Off);
    }
    let gpu_only = discover(&machine.roots(), true, false, &ModelOptions::default()).source.unwrap();
    assert_eq!(gpu_only.domains().iter().map(|d| d.component).collect::<Vec<_>>(), [Component::Gpu]);
}

#[test]
fn a_rented_machine_has_its_providers_watts_unless_others_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let procfs = folder.path().join("proc");
    std::fs::create_dir(&procfs).unwrap();
    // Two threads of a processor that the table has; the provider's average goes before it.
    let cpu = |number| format!("processor\t: {number}\nmodel name\t: AMD EPYC 7763 64-Core Processor\n\n");
    std::fs::write(procfs.join("cpuinfo"), cpu(0) + &cpu(1)).unwrap();
    let roots = Roots { procfs, sysfs: folder.path().join("s"), ..Roots::default() };
    let thread = Some(ThreadWatts { idle_w: 0.74, busy_w: 3.5, of: "the average" });
    let domain = |options: ModelOptions| discover(&roots, false, true, &options).source.unwrap().domains()[0].clone();
    let rented = domain(ModelOptions { cpu_thread: thread, ..ModelOptions::default() });
    assert!(calculated(&rented).ends_with(": estimated from 0.74 to 3.5 W × 2 threads, the average"), "{rented:?}");
    // 1.48 W idle and 7 W busy; it may be any of the provider's processors: 0.1 and 3.3 times.
    assert_eq!((rented.min_uw, rented.max_uw), (Some(148_000), Some(23_100_000)));
    let given = domain(ModelOptions { cpu_watts: Some(20.0), cpu_thread: thread, ..ModelOptions::default() });
    assert!(method(&given) == "estimated from given 20 W", "{given:?}");
}

#[test]
fn f48_without_proc_the_own_cpu_time_still_bounds_the_estimate() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Roots { procfs: folder.path().join("p"), sysfs: folder.path().join("s"), ..Roots::default() };
    let mut source =
        discover(&nowhere, false, false, &ModelOptions { cpu_watts: Some(100.0), ..ModelOptions::default() })
            .source
            .unwrap();
    assert_eq!(calculated(&source.domains()[0]), "unnamed CPU: estimated from given 100 W");
    let now = Arc::new(AtomicU64::new(0));
    let mut read = |at| {
        now.store(at, Ordering::Relaxed);
        let mut batch = Batch::new(Clock::Scripted(Arc::clone(&now)));
        source.read(&mut batch);
        batch.readings()[0].1.value.unwrap()
    };
    assert_eq!(read(0), 0);
    // An hour in which this process used a little: idle is 12 W, so 43 200 J and a little.
    let energy = read(3_600 * SECOND);
    assert!((43_200_000_000..44_000_000_000).contains(&energy), "{energy}");
}

#[test]
fn gpus_without_readings_are_estimated_from_board_power() {
    let machine = Machine::new("AMD EPYC", 2, true);
    machine.gpu("0000:01:00.0", "0x030200", "0x10de", "0x1eb8");
    machine.write("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t Tesla T4\nIRQ: 5\n");
    machine.gpu("0000:02:00.0", "0x030000", "0x1002", "0xffff");
    machine.write("sys/bus/pci/devices/0000:02:00.0/gpu_busy_percent", "50\n");
    machine.gpu("0000:03:00.0", "0x030000", "0x1002", "0xfffe");
    machine.write("sys/bus/pci/devices/0000:03:00.0/hwmon/hwmon3/power1_average", "5\n");
    machine.gpu("0000:04:00.0", "0x020000", "0x10de", "0x1eb8");

    let found = discover(&machine.roots(), true, false, &ModelOptions::default());
    let mut source = found.source.unwrap();
    let names: Vec<_> = source.domains().iter().map(calculated).collect();
    assert_eq!(names, ["Tesla T4: estimated from board power 70 W and unknown utilisation"]);
    assert!(found.statuses[0].reason.contains("no wattage known for GPU 1002:ffff"), "{}", found.statuses[0].reason);
    // 0.40 of 70 W for 10 s.
    machine.read(&mut *source, 0);
    assert_eq!(machine.read(&mut *source, 10 * SECOND), [Ok(280_000_000)]);

    let given = ModelOptions { gpu_watts: Some(200.0), ..ModelOptions::default() };
    let mut source = discover(&machine.roots(), true, false, &given).source.unwrap();
    assert_eq!(source.domains().len(), 2);
    assert_eq!(calculated(&source.domains()[1]), "1002:ffff: estimated from given 200 W at full load and utilisation");
    machine.read(&mut *source, 0);
    // 200 W at full load is a board power of 250 W: 250 W · (0.18 + 0.5 · 0.62) · 10 s.
    assert_eq!(machine.read(&mut *source, 10 * SECOND)[1], Ok(1_225_000_000));
}

#[test]
fn a_gpu_alone_without_wattage_is_absent_not_zero() {
    let machine = Machine::new("AMD EPYC", 2, true);
    machine.gpu("0000:02:00.0", "0x030000", "0x1002", "0xffff");
    let found = discover(&machine.roots(), true, false, &ModelOptions::default());
    assert!(found.source.is_none());
    assert_eq!(found.statuses[0].status, Status::Absent);
    assert_eq!(found.statuses[0].remedy, "give the GPU's board power in watts");
}

#[test]
fn d03_nothing_synthetic_or_random_comes_unasked() {
    // On a machine with nothing at all, no search yields a synthetic figure…
    let empty = tempfile::tempdir().unwrap();
    let roots = Roots { procfs: empty.path().into(), sysfs: empty.path().into(), ..Roots::default() };
    let found = discover(&roots, false, false, &ModelOptions::default());
    let domains = found.source.iter().flat_map(|source| source.domains());
    assert!(domains.clone().count() > 0);
    assert!(domains.clone().all(|domain| domain.quality == Quality::Estimated && domain.source == "model"));
    // …twice the same machine gives twice the same figures…
    let run = || {
        let machine = Machine::new("AMD EPYC 7763 64-Core Processor", 2, true);
        let mut source = machine.discover().source.unwrap();
        (0..20).flat_map(|_| machine.read(&mut *source, SECOND)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
    // …and what was asked for carries its mark on every domain, and is its curve, exactly.
    let now = Arc::new(AtomicU64::new(5));
    let clock = Clock::Scripted(Arc::clone(&now));
    let curve = Curve { seed: 7, ..Curve::default() };
    let mut synthetic = Synthetic::new(curve.clone(), clock.clone());
    assert!(synthetic.domains().iter().all(|d| d.quality == Quality::Synthetic && d.source == "synthetic"));
    now.store(5 + 42_250_000_000, Ordering::Relaxed);
    let mut batch = Batch::new(clock);
    synthetic.read(&mut batch);
    let values: Vec<_> = batch.readings().iter().map(|(_, reading)| reading.value.unwrap()).collect();
    // Counters advance every 100 ms: at 42.25 s they show what they showed at 42.2 s.
    assert_eq!(values, [Part::Cpu, Part::Gpu].map(|part| curve.energy_uj(part, 42_200_000_000)));
}

#[test]
fn host_gauges_show_what_can_be_read_and_count_disks_once() {
    let machine = Machine::new("AMD EPYC", 2, true);
    machine.write("proc/meminfo", "MemTotal:  1000 kB\nMemFree:  1 kB\nMemAvailable:  400 kB\n");
    let line = |name: &str| format!(" 8 0 {name} 1 0 10 0 1 0 20 0 0 0 0\n");
    let names = ["sda", "sda1", "nvme0n1", "nvme0n1p2", "loop0", "dm-0", "md127", "ram0"];
    machine.write("proc/diskstats", &names.iter().map(|name| line(name)).collect::<String>());
    for disk in ["sda", "nvme0n1", "loop0", "dm-0", "md127", "ram0"] {
        fs::create_dir_all(machine.folder.path().join("sys/block").join(disk)).unwrap();
    }
    let mut host = HostGauges::new(&machine.roots());
    machine.cpu_time(30, 170);
    let mut gauges = Vec::new();
    host.gauges(&mut gauges);
    let recorded: Vec<_> =
        gauges.iter().map(|g| (g.device.as_str(), g.name.as_str(), g.unit.as_str(), g.value)).collect();
    assert_eq!(
        recorded,
        [
            ("host", "cpu_utilization", "1", 0.3),
            ("host", "memory_used", "By", 614_400.0),
            ("host", "memory_total", "By", 1_024_000.0),
            ("host", "disk_read_bytes", "By", 10_240.0),
            ("host", "disk_written_bytes", "By", 20_480.0),
        ]
    );

    let nothing =
        Roots { procfs: Path::new("/nonexistent").into(), sysfs: Path::new("/nonexistent").into(), ..Roots::default() };
    let mut gauges = Vec::new();
    HostGauges::new(&nothing).gauges(&mut gauges);
    assert!(gauges.is_empty());
}

#[test]
fn a_run_that_is_over_at_once_has_its_estimate_too() {
    let machine = Machine::new("AMD EPYC 7763 64-Core Processor", 2, true);
    let mut source = machine.discover().source.unwrap();
    machine.read(&mut *source, 0);
    // 2 ms in which no clock ticked, and the end: between idle (0.525 W) and busy (3.5 W), not 0 J.
    machine.now.fetch_add(2_000_000, Ordering::Relaxed);
    let mut end = Batch::new(Clock::Scripted(Arc::clone(&machine.now))).of_all(true);
    source.read(&mut end);
    let energy_uj = end.readings()[0].1.value.unwrap();
    assert!((1_050..=7_000).contains(&energy_uj), "{energy_uj}");
    // 40 ms more with 12 ticks, half of them busy: 0.525 W + 2.975 W (1 − 0.5 · 5/6) = 2.26 W, so 90.4 mJ more.
    machine.cpu_time(6, 106);
    machine.now.fetch_add(40_000_000, Ordering::Relaxed);
    let mut end = Batch::new(Clock::Scripted(Arc::clone(&machine.now))).of_all(true);
    source.read(&mut end);
    let last_uj = end.readings()[0].1.value.unwrap();
    // The sum is rounded once, not part by part: the difference can be one microjoule more.
    assert!((energy_uj + 90_416..=energy_uj + 90_417).contains(&last_uj), "{energy_uj} {last_uj}");
}
