//! Which sources are chosen, and what the machine is called.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2_core::schema::Status;
use eco2_core::{Ledger, Quality};
use eco2_samplers::clock::Clock;
use eco2_samplers::discover::{Discovery, NAMES, Selection, UnknownSource, discover};
use eco2_samplers::host::{self, Usage};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::{Batch, Roots};

fn roots(dir: &Path) -> Roots {
    let nvml = Some(dir.join("no-libnvidia-ml.so"));
    Roots { sysfs: dir.join("sys"), procfs: dir.join("proc"), nvml, ..Roots::default() }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn zone(dir: &Path) {
    let zone = dir.join("sys/class/powercap/intel-rapl:0");
    for (file, text) in [("name", "package-0\n"), ("energy_uj", "123456\n"), ("max_energy_range_uj", "262143328850\n")]
    {
        write(&zone.join(file), text);
    }
    write(&dir.join("sys/devices/system/cpu/online"), "0-3\n");
    write(&dir.join("sys/devices/system/cpu/cpu0/topology/physical_package_id"), "0\n");
    write(&dir.join("sys/devices/system/cpu/cpu0/topology/package_cpus_list"), "0-3\n");
}

fn refused() -> ModelOptions {
    ModelOptions { enabled: false, ..ModelOptions::default() }
}

fn names(found: &Discovery) -> Vec<&str> {
    found.sources.iter().map(|source| source.name()).collect()
}

fn status(found: &Discovery, name: &str) -> Option<Status> {
    found.statuses.iter().find(|status| status.name == name).map(|status| status.status)
}

#[test]
fn lists_of_names_are_parsed_and_slips_are_answered() {
    assert_eq!(Selection::parse(""), Ok(Selection::All));
    assert_eq!(Selection::parse(" nvml , rapl-perf,"), Ok(Selection::Named(vec!["nvml", "rapl-perf"])));
    let unknown = |given: &str, meant: &[&'static str]| {
        assert_eq!(
            Selection::parse(given),
            Err(UnknownSource { given: given.to_owned(), meant: meant.to_vec() }),
            "{given}"
        );
    };
    unknown("nvlm", &["nvml"]);
    unknown("rapl", &["rapl-perf", "rapl-sysfs"]);
    unknown("NVML", &["nvml"]);
    unknown("thermometer", &[]);
}

#[test]
fn synthetic_sources_must_be_named() {
    assert!(!Selection::All.wants("synthetic") && !Selection::All.wants("replay") && Selection::All.wants("model"));
    let dir = tempfile::tempdir().unwrap();
    let all = discover(&roots(dir.path()), &Selection::All, &refused());
    assert_eq!((names(&all), status(&all, "synthetic")), (vec![], None));
    let named = discover(&roots(dir.path()), &Selection::parse("synthetic").unwrap(), &refused());
    assert_eq!(names(&named), ["synthetic"]);
    assert_eq!(status(&named, "nvml"), Some(Status::Off));
}

#[test]
fn an_empty_machine_has_a_status_for_every_source_and_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let found = discover(&roots(dir.path()), &Selection::All, &refused());
    assert_eq!(names(&found), Vec::<&str>::new());
    for name in ["rapl-perf", "rapl-sysfs", "nvml", "amdsmi", "hwmon", "model"] {
        let status = found.statuses.iter().find(|status| status.name == name).unwrap();
        assert!(status.status != Status::Ok && !status.reason.is_empty(), "{status:?}");
    }
}

/// docs/hardware.md has a row for each source that reads hardware, and each test that it names exists.
#[test]
fn the_page_on_hardware_has_every_source_and_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/hardware.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|row| row.starts_with("| `")).map(|row| row.split(" | ").collect()).collect();
    let in_table: Vec<&str> = rows.iter().map(|row| row[0].trim_matches(['|', ' ', '`'])).collect();
    let without_hardware = ["replay", "synthetic"];
    let expected = NAMES.iter().filter(|name| !without_hardware.contains(name));
    assert_eq!(
        expected.filter(|name| !in_table.contains(name)).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "sources without a row"
    );
    assert!(rows.iter().all(|row| row.len() == 6 && row[5].contains("::")), "each row has six columns and a test");
    for test in page.split('`').filter(|text| text.contains(".rs::")) {
        let (file, name) = test.split_once("::").unwrap();
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(
            source.contains(&format!("#[test]\nfn {name}(")),
            "docs/hardware.md names {test}, which does not exist"
        );
    }
}

#[test]
fn powercap_is_read_where_perf_is_not_to_be_had_and_the_cpu_is_then_not_estimated() {
    let dir = tempfile::tempdir().unwrap();
    zone(dir.path());
    let found = discover(&roots(dir.path()), &Selection::All, &ModelOptions::default());
    assert_eq!(names(&found)[0], "rapl-sysfs");
    assert_eq!(found.cpus, [0, 1, 2, 3]);
    let domains: Vec<_> = found.sources.iter().flat_map(|source| source.domains().to_vec()).collect();
    let ids: Vec<_> = domains.iter().map(|domain| domain.id.as_str()).collect();
    assert_eq!(ids, ["package-0", "package-0/estimate"], "{:?}", found.statuses);
    assert_eq!(eco2_core::summed(domains.iter()), [true, false], "a standby estimate is in no sum");
    let off = discover(&roots(dir.path()), &Selection::parse("nvml").unwrap(), &ModelOptions::default());
    assert_eq!((names(&off), status(&off, "rapl-sysfs")), (vec![], Some(Status::Off)));
}

#[test]
fn f27_after_a_reboot_the_boot_id_differs_and_counters_do_not_belong_together() {
    let dir = tempfile::tempdir().unwrap();
    let roots = roots(dir.path());
    let kernel = dir.path().join("proc/sys/kernel");
    write(&kernel.join("random/boot_id"), "8f5c1b6e-0000-4000-8000-000000000001\n");
    write(&kernel.join("hostname"), "node-7\n");
    write(&kernel.join("osrelease"), "6.1.0-18-amd64\n");
    let before = host::read(&roots);
    assert_eq!((before.hostname.as_str(), before.kernel.as_str()), ("node-7", "6.1.0-18-amd64"));
    assert_eq!(before.boot_id, host::read(&roots).boot_id);
    write(&kernel.join("random/boot_id"), "8f5c1b6e-0000-4000-8000-000000000002\n");
    assert_ne!(before.boot_id, host::read(&roots).boot_id);
    fs::remove_file(kernel.join("random/boot_id")).unwrap();
    assert!(host::read(&roots).boot_id.is_empty(), "unknown");
}

#[test]
fn m45_memory_is_this_programs_own_not_its_parents() {
    if std::env::var_os("ECO2_TEST_CHILD").is_some() {
        return println!("peak {} bytes", Usage::now().max_rss_bytes);
    }
    let ballast = std::hint::black_box(vec![1u8; 256 << 20]);
    let name = "m45_memory_is_this_programs_own_not_its_parents";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let status = child.args(["--exact", name, "--nocapture"]).env("ECO2_TEST_CHILD", "1").output().unwrap();
    drop(ballast);
    let status = String::from_utf8(status.stdout).unwrap();
    let peak = status.split("peak ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(peak.unwrap() < 128 << 20, "{status}");
}

#[test]
fn this_process_uses_time_and_memory() {
    let before = Usage::now();
    let mut sum = 0u64;
    while Usage::now().cpu_ns == before.cpu_ns {
        sum = std::hint::black_box(sum + 1);
    }
    assert!(before.max_rss_bytes > 100_000 && before.max_rss_bytes < 1 << 40, "bytes, not kilobytes: {before:?}");
}

/// Reads a machine of one package every 100 ms, of a scripted clock, into an account.
struct MeasuredTree {
    found: Discovery,
    clock: Arc<AtomicU64>,
    ledger: Ledger,
}

impl MeasuredTree {
    fn new(dir: &Path) -> Self {
        zone(dir);
        write(
            &dir.join("proc/cpuinfo"),
            "processor\t: 0\nmodel name\t: AMD EPYC 7763 64-Core Processor\nsiblings\t: 1\n",
        );
        write(&dir.join("proc/stat"), "cpu  0 0 0 100 0 0 0 0 0 0\n");
        let found =
            discover(&roots(dir), &Selection::All, &ModelOptions { cpu_watts: Some(100.0), ..ModelOptions::default() });
        let mut ledger = Ledger::new(SECOND, 1);
        found.sources[0].domains().iter().for_each(|domain| _ = ledger.add_domain(domain.clone()));
        Self { found, clock: Arc::new(AtomicU64::new(SECOND)), ledger }
    }

    fn read(&mut self, at_ns: u64) {
        self.clock.store(at_ns, Ordering::Relaxed);
        let mut batch = Batch::new(Clock::Scripted(Arc::clone(&self.clock)));
        self.found.sources[0].read(&mut batch);
        for (domain, reading) in batch.readings() {
            self.ledger.reading(*domain, reading);
        }
    }
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn k05_a_package_whose_counter_dies_in_mid_run_is_estimated_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let energy = dir.path().join("sys/class/powercap/intel-rapl:0/energy_uj");
    for gone in [true, false] {
        let mut tree_run = MeasuredTree::new(dir.path());
        // 60 W for 2 s; then the file cannot be read, or its value is frozen. All CPUs are busy, 100 W, and show that
        // in clock ticks.
        for tick in 0..=100_u64 {
            if tick <= 20 {
                write(&energy, &format!("{}\n", 123_456 + tick * 6_000_000));
            } else if gone {
                fs::remove_file(&energy).ok();
            }
            write(&dir.path().join("proc/stat"), &format!("cpu  {} 0 0 100 0 0 0 0 0 0\n", tick * 10));
            tree_run.read(SECOND + tick * SECOND / 10);
        }
        let account = tree_run.ledger.account(11 * SECOND);
        let [package, estimate] = &account.devices[..] else { unreachable!("{:?}", account.devices) };
        // 120 J counted, then 8 s at 100 W.
        let joules = package.energy_uj.unwrap() / 1_000_000;
        assert!((880..=930).contains(&joules), "gone {gone}: {package:?}");
        let estimated = account.energy.estimated_uj / 1_000_000;
        assert!((770..=805).contains(&estimated), "gone {gone}: {:?}", account.energy);
        assert_eq!((package.quality, estimate.is_summed()), (Quality::Estimated, false));
        assert_eq!(account.energy.total_uj, package.energy_uj);
    }
}

#[test]
fn k05_an_estimate_ends_when_its_package_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let energy = dir.path().join("sys/class/powercap/intel-rapl:0/energy_uj");
    let mut tree_run = MeasuredTree::new(dir.path());
    // 60 W; from 2 s to 5 s the zone is not there. What it counts when it is back may be another counter's: its own
    // part starts again, 0.3 s later, where it is looked for again.
    for tick in 0..=100_u64 {
        match (21..50).contains(&tick) {
            true => _ = fs::remove_file(&energy),
            false => write(&energy, &format!("{}\n", 123_456 + tick * 6_000_000)),
        }
        write(&dir.path().join("proc/stat"), &format!("cpu  {} 0 0 100 0 0 0 0 0 0\n", tick * 10));
        tree_run.read(SECOND + tick * SECOND / 10);
    }
    let account = tree_run.ledger.account(11 * SECOND);
    let joules = account.energy.total_uj.unwrap() / 1_000_000;
    // 6.7 s at 60 W and 3.3 s at 100 W.
    assert!((725..=740).contains(&joules), "nothing twice, nothing left out: {:?}", account.devices[0]);
    let readings = account.devices[1].readings;
    assert!(readings < 45, "the estimate rests again: {readings}");
}
