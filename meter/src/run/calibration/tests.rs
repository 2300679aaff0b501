//! The calibration on a tree of fake kernel files whose counters move with a scripted clock.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2_samplers::discover::Discovery;
use tempfile::TempDir;

use super::*;
use crate::run::machine::{StoredCalibration, stored, stored_calibration};

const CPUS: u64 = 4;
const SECOND: u64 = 1_000_000_000;
/// An update of the fake files is a reading of the calibration: 100 ms.
const TICKS: u64 = CPUS * 10;

/// A server of two packages and one memory counter.
struct Server {
    folder: TempDir,
    now_ns: Arc<AtomicU64>,
    /// Load that was asked for.
    load: (LoadKind, usize),
    /// Energy so far: each package, memory; microjoules. Numbers start so that they keep their number of digits.
    uj: [u64; 2],
    /// CPU time so far, clock ticks of all CPUs.
    busy: u64,
    idle: u64,
    /// Busy ticks per update without any load.
    background: u64,
    /// CPUs that the load can use.
    usable: usize,
    /// Whether power follows the load.
    follows: bool,
    /// When the counter of the second package can no longer be read.
    fails_at_ns: u64,
    /// Whether threads can be started.
    starts: bool,
    phases: Cell<usize>,
}

impl Server {
    fn new() -> Self {
        let server = Self {
            folder: tempfile::tempdir().unwrap(),
            now_ns: Arc::new(AtomicU64::new(SECOND)),
            load: (LoadKind::Waits, 0),
            uj: [100_000_000_000; 2],
            busy: 1_000_000,
            idle: 1_000_000,
            background: 1,
            usable: usize::MAX,
            follows: true,
            fails_at_ns: u64::MAX,
            starts: true,
            phases: Cell::default(),
        };
        server.describe_cpus(CPUS, "fpu");
        server.put("proc/meminfo", "MemTotal: 64000000 kB\n");
        server.put("sys/class/dmi/id/bios_version", "1.0\n");
        for (folder, name) in [("0", "package-0"), ("1", "package-1"), ("0:0", "dram")] {
            let path = |file: &str| format!("sys/class/powercap/intel-rapl:{folder}/{file}");
            server.put(&path("name"), name);
            server.put(&path("max_energy_range_uj"), "262143328850");
        }
        server.show();
        server
    }

    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn describe_cpus(&self, cpus: u64, flags: &str) {
        let cpu = |n: u64| {
            format!(
                "processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz\n\
                 siblings\t: {cpus}\nflags\t\t: {flags}\n\n"
            )
        };
        self.put("proc/cpuinfo", &(0..cpus).map(cpu).collect::<String>());
    }

    /// Overwrites the counters, which keep their length: a file that is cut off first is slow on some file systems.
    fn show(&self) {
        let overwrite = |path: &str, text: &str| {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
            file.write_all_at(text.as_bytes(), 0).unwrap();
        };
        let [package, memory] = self.uj;
        for (folder, uj) in [("0", package), ("1", package), ("0:0", memory)] {
            let is_lost = folder == "1" && self.now_ns.load(Ordering::Relaxed) >= self.fails_at_ns;
            let text = if is_lost { "garbage-----".to_owned() } else { uj.to_string() };
            overwrite(&format!("sys/class/powercap/intel-rapl:{folder}/energy_uj"), &text);
        }
        let Self { busy, idle, .. } = self;
        overwrite("proc/stat", &format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\n"));
    }

    /// Power of both packages and of memory now, watts.
    fn watts(&self) -> [u64; 2] {
        match self.load {
            _ if !self.follows => [40, 4],
            (_, 0) => [40, 4],
            (LoadKind::Waits, 2) => [60, 4],
            (LoadKind::Streams, 2) => [80, 12],
            (LoadKind::Streams, _) => [110, 20],
            (LoadKind::Waits, _) => [90, 4],
        }
    }

    fn options(&self) -> Options {
        let path = |name: &str| self.folder.path().join(name);
        Options {
            sysfs: path("sys"),
            procfs: path("proc"),
            nvml: Some(path("none")),
            state_dir: Some(path("state")),
            ..Options::default()
        }
    }

    fn calibrate(&mut self) -> Result<Calibration, NotCalibrated> {
        let options = self.options();
        calibrate_under(self, &options, &mut |_| ())
    }

    /// The text of the error; checks that nothing was stored.
    fn refusal(&mut self) -> String {
        let text = self.calibrate().unwrap_err().to_string();
        assert!(!self.folder.path().join("state").exists(), "{text}");
        text
    }

    fn sources(&self) -> Discovery {
        let options = self.options();
        open::find(&options, stored(&options).measured(&options)).unwrap()
    }

    /// The reason of the source `model`: what it estimates, and from what.
    fn estimate(&self) -> String {
        self.sources().statuses.into_iter().find(|status| status.name == model::NAME).unwrap().reason
    }

    fn without_counters(&self) {
        fs::remove_dir_all(self.folder.path().join("sys/class/powercap")).unwrap();
    }
}

impl Conditions for Server {
    fn clock(&self) -> Clock {
        Clock::Scripted(Arc::clone(&self.now_ns))
    }

    fn pass(&mut self, ns: u64) {
        assert_eq!(ns, INTERVAL_NS);
        self.now_ns.fetch_add(ns, Ordering::Relaxed);
        let [packages_w, memory_w] = self.watts();
        // Watts times 100 ms, half of it each package.
        self.uj[0] += packages_w * 100_000 / 2;
        self.uj[1] += memory_w * 100_000;
        let threads = u64::try_from(self.load.1.min(self.usable)).unwrap();
        let busy = (threads * 10).max(self.background);
        self.busy += busy;
        self.idle += TICKS - busy;
        self.show();
    }

    fn load(&mut self, kind: LoadKind, threads: usize) -> io::Result<()> {
        self.load = (kind, threads);
        self.phases.set(self.phases.get() + 1);
        if threads == 0 || self.starts { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

/// By hand: idle 40 W; half of the CPUs 60 and 80 W, so 70 W; all 90 and 110 W, so 100 W. The estimate is of TDP 270 W:
/// 32.4 W idle, 256.5 W busy; at 2.5 % 32.4 + 224.1 / 24 = 41.74 W, at 50 % 32.4 + 224.1 · 7/12 = 163.1 W.
#[test]
fn calibration_by_hand_is_stored_and_replaces_the_table_when_counters_cannot_be_read() {
    let mut server = Server::new();
    let found = server.calibrate().unwrap();
    assert_eq!(server.phases.get(), PHASES.len());
    let near = |value: f64, expected: f64| (value - expected).abs() < expected * 0.003;
    let loads = found.cpu.loads();
    for (load, [utilization, watts, low_w, high_w, estimate_w]) in loads.iter().zip([
        [0.025, 40.0, 40.0, 40.0, 41.74],
        [0.5, 70.0, 60.0, 80.0, 163.13],
        [1.0, 100.0, 90.0, 110.0, 256.5],
    ]) {
        assert!(near(load.utilization, utilization) && near(load.watts, watts), "{load:?}");
        assert!(near(load.estimate_w, estimate_w), "{load:?}");
        // The bounds of the counters are those of an update of 100 ms in 10 s at each end.
        assert!(load.low_w <= low_w + 0.01 && load.low_w > low_w * 0.98, "{load:?}");
        assert!(load.high_w >= high_w - 0.01 && load.high_w < high_w * 1.02, "{load:?}");
    }
    assert!(loads[2].factor().is_some_and(|factor| near(factor, 100.0 / 256.5)), "{loads:?}");
    assert_eq!(loads.map(|load| load.is_in_range()), [true, false, false], "0.5 times 163.1 W is above 70 W");
    let memory = found.memory.as_ref().unwrap();
    assert!(
        near(memory.idle.watts, 4.0) && near(memory.half.watts, 8.0) && near(memory.full.watts, 12.0),
        "{memory:?}"
    );
    assert_eq!((found.cpus, found.firmware.as_str(), found.cpu.source.as_str()), (4, "1.0", "rapl-sysfs"));
    assert!(found.estimated_from.contains("TDP 270 W"), "{}", found.estimated_from);

    // With counters nothing changes; without them, the estimate is the measured power.
    assert_eq!(server.estimate(), "every component has a sensor");
    server.without_counters();
    let reason = server.estimate();
    assert!(reason.contains("the processor known by its calibration"), "{reason}");
    assert!(reason.contains("calibration: 40.0 W idle, 70.0 W at 50 % load, 100.0 W at full load"), "{reason}");
    assert!(reason.contains("main memory: estimated from this machine's calibration: 4.0 W idle"), "{reason}");
    let options = server.options();
    assert_eq!(stored_calibration(&options), Some(StoredCalibration { calibration: found, unused: None }));
    let given = Options { cpu_watts: Some(65.0), ..options };
    let found = open::find(&given, stored(&given).measured(&given)).unwrap();
    assert!(found.statuses.iter().any(|status| status.reason.contains("given 65 W")), "{:?}", found.statuses);
}

#[test]
fn calibration_of_another_machine_is_not_used() {
    let mut server = Server::new();
    server.calibrate().unwrap();
    let unused = |server: &Server| stored_calibration(&server.options()).unwrap().unused;
    server.without_counters();
    assert_eq!(unused(&server), None);
    server.put("sys/class/dmi/id/bios_version", "2.0\n");
    assert_eq!(unused(&server).unwrap(), "the firmware was '1.0', is '2.0'");
    assert!(server.estimate().contains("TDP 270 W"), "{}", server.estimate());
    server.put("sys/class/dmi/id/bios_version", "1.0\n");
    server.describe_cpus(2, "fpu");
    assert_eq!(unused(&server).unwrap(), "the number of CPUs was '4', is '2'");
    server.describe_cpus(CPUS, "fpu hypervisor");
    assert_eq!(unused(&server).unwrap(), "it is now a virtual machine");
    server.describe_cpus(CPUS, "fpu");
    assert!(server.estimate().contains("calibration"), "{}", server.estimate());
    // Another processor is another machine, with another file; its own file with this content is damaged.
    let (_, path) = machine::file(&server.options()).unwrap();
    server.put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Another CPU\n");
    assert_eq!(stored_calibration(&server.options()), None);
    let (_, other) = machine::file(&server.options()).unwrap();
    assert_ne!(path, other);
    fs::rename(path, other).unwrap();
    assert_eq!(stored_calibration(&server.options()), None);
    let text = stored(&server.options()).self_test.unreadable.unwrap();
    assert!(text.contains("another machine"), "{text}");
}

#[test]
fn torn_file_gives_the_estimate_of_the_table_and_a_new_calibration_replaces_it() {
    let mut server = Server::new();
    server.calibrate().unwrap();
    let (_, path) = machine::file(&server.options()).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for text in
        [&whole[..whole.len() / 2], &whole.replace("\"cpus\": 4", "\"cpus\": -4"), &whole.replace("40.0", "1e9")]
    {
        fs::write(&path, text).unwrap();
        assert!(stored(&server.options()).self_test.unreadable.is_some(), "{text}");
        assert_eq!(stored_calibration(&server.options()), None);
    }
    server.calibrate().unwrap();
    assert!(stored_calibration(&server.options()).is_some());
}

#[test]
fn machine_without_counter_has_nothing_to_calibrate_against() {
    let mut server = Server::new();
    server.without_counters();
    assert!(server.refusal().contains("nothing to calibrate against"));
    assert_eq!(server.phases.get(), 0, "no load was started");
    let mut guest = Server::new();
    guest.describe_cpus(CPUS, "fpu hypervisor");
    assert!(guest.refusal().contains("virtual machine"));
    let mut single = Server::new();
    single.describe_cpus(1, "fpu");
    assert!(single.refusal().contains("at least two CPUs"));
}

#[test]
fn fault_during_the_calibration_is_named_and_nothing_is_stored() {
    let text = Server { starts: false, ..Server::new() }.refusal();
    assert!(text.contains("cannot start the threads") && text.contains("ulimit"), "{text}");
    let text = Server { fails_at_ns: 24 * SECOND, ..Server::new() }.refusal();
    assert!(text.contains("package-1") && text.contains("half of the CPUs waiting"), "{text}");
    let text = Server { background: 8, ..Server::new() }.refusal();
    assert!(text.contains("20 % busy in the phase 'idle'") && text.contains("end other programs"), "{text}");
    let text = Server { usable: 3, ..Server::new() }.refusal();
    assert!(text.contains("75 % busy in the phase 'all CPUs computing'") && text.contains("taskset"), "{text}");
    let text = Server { follows: false, ..Server::new() }.refusal();
    assert!(text.contains("do not follow the load"), "{text}");
}
