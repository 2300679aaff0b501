//! Fake `/sys` and `/proc` in a temporary folder, built from tables, and a thread that moves counters on a known curve.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its tree has failed")]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eco2_core::{Domain, Fault};
use eco2_samplers::clock::Clock;
use eco2_samplers::{Batch, Roots, Source, SourceEvent};

/// A 32-bit counter in units of 61 µJ: what powercap states as its highest value.
pub(crate) const RANGE: &str = "262143328850\n";

/// The folder; gone when dropped.
pub(crate) struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// Empty `sys` and `proc`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Other users must be able to enter: permission tests become one.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("sys")).unwrap();
        fs::create_dir(dir.path().join("proc")).unwrap();
        Self { dir }
    }

    /// What sources are pointed at.
    pub(crate) fn roots(&self) -> Roots {
        Roots { sysfs: self.dir.path().join("sys"), procfs: self.dir.path().join("proc"), ..Roots::default() }
    }

    /// A path under `sys`.
    pub(crate) fn sys(&self, path: &str) -> PathBuf {
        self.dir.path().join("sys").join(path)
    }

    /// Writes a file under `sys`, in place where it exists.
    pub(crate) fn put(&self, path: &str, text: &str) -> &Self {
        write(&self.sys(path), text);
        self
    }

    /// Writes `proc/cpuinfo`.
    pub(crate) fn cpuinfo(&self, vendor: &str, flags: &str) -> &Self {
        let text = format!("processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: Test CPU\nflags\t\t: {flags}\n");
        write(&self.dir.path().join("proc/cpuinfo"), &text);
        self
    }

    /// One powercap zone with the usual range.
    pub(crate) fn zone(&self, dir: &str, name: &str, energy_uj: u64) -> &Self {
        let path = |file: &str| format!("class/powercap/{dir}/{file}");
        self.put(&path("name"), &format!("{name}\n"));
        self.put(&path("max_energy_range_uj"), RANGE);
        self.put(&path("energy_uj"), &format!("{energy_uj}\n"))
    }

    /// Sets a zone's counter.
    pub(crate) fn energy(&self, dir: &str, energy_uj: u64) -> &Self {
        self.put(&format!("class/powercap/{dir}/energy_uj"), &format!("{energy_uj}\n"))
    }

    /// The `power` PMU: `(event, terms, scale)` each, in joules.
    pub(crate) fn pmu(&self, kind: u32, cpumask: &str, events: &[(&str, &str, &str)]) -> &Self {
        let path = |file: &str| format!("bus/event_source/devices/power/{file}");
        self.put(&path("type"), &format!("{kind}\n"));
        self.put(&path("cpumask"), &format!("{cpumask}\n"));
        self.put(&path("format/event"), "config:0-7\n");
        for (event, terms, scale) in events {
            self.put(&path(&format!("events/{event}")), &format!("{terms}\n"));
            self.put(&path(&format!("events/{event}.scale")), &format!("{scale}\n"));
            self.put(&path(&format!("events/{event}.unit")), "Joules\n");
        }
        self
    }

    /// Topology of one CPU: package, die and the list of its die's CPUs.
    pub(crate) fn cpu(&self, cpu: usize, package: u32, die: u32, siblings: &str) -> &Self {
        let path = |file: &str| format!("devices/system/cpu/cpu{cpu}/topology/{file}");
        self.put(&path("physical_package_id"), &format!("{package}\n"));
        self.put(&path("die_id"), &format!("{die}\n"));
        self.put(&path("die_cpus_list"), &format!("{siblings}\n"))
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Names and values read in one go.
pub(crate) type Values = Vec<(String, Result<u64, Fault>)>;

/// Reads a source once.
pub(crate) fn read(source: &mut Box<dyn Source>, batch: &mut Batch) -> Values {
    batch.clear();
    source.read(batch);
    let id = |index: usize| source.domains()[index].id.clone();
    batch.readings().iter().map(|(index, reading)| (id(*index), reading.value)).collect()
}

/// Notes since the last call, as `(kind, device)`.
pub(crate) fn notes(source: &mut Box<dyn Source>) -> Vec<(&'static str, String)> {
    let mut notes: Vec<SourceEvent> = Vec::new();
    source.notes(&mut notes);
    notes.into_iter().map(|note| (note.kind.name(), note.device)).collect()
}

/// The domain of an id.
pub(crate) fn domain(source: &dyn Source, id: &str) -> Domain {
    source.domains().iter().find(|domain| domain.id == id).cloned().unwrap()
}

/// Ids of a source's domains.
pub(crate) fn ids(source: &dyn Source) -> Vec<&str> {
    source.domains().iter().map(|domain| domain.id.as_str()).collect()
}

/// A batch on a clock that the test moves. It starts late enough for everything that waits for the real clock.
pub(crate) fn scripted() -> (Batch, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(1 << 60));
    (Batch::new(Clock::Scripted(Arc::clone(&clock))), clock)
}

/// Moves a scripted clock on.
pub(crate) fn pass(clock: &AtomicU64, ms: u64) {
    clock.fetch_add(ms * 1_000_000, Ordering::Relaxed);
}

/// Runs `body` on a thread of its own that has lost root's rights, if it had them.
pub(crate) fn as_unprivileged_user<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let drop_rights = || {
        if rustix::process::geteuid().is_root() {
            let (root, nobody) = (rustix::process::Uid::ROOT, rustix::process::Uid::from_raw(65_534));
            // The bare system call changes this thread only.
            rustix::thread::set_thread_res_uid(root, nobody, root).unwrap();
        }
        body()
    };
    std::thread::scope(|scope| scope.spawn(drop_rights).join().unwrap())
}

/// A thread that writes `curve(elapsed)` into a counter file about every millisecond until dropped.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts now. Each value goes out in one write of fixed width, so that no reader meets half of it.
    pub(crate) fn start(path: PathBuf, curve: impl Fn(Duration) -> u64 + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(format!("{:020}\n", curve(Duration::ZERO)).as_bytes(), 0).unwrap();
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                file.write_all_at(format!("{:020}\n", curve(begin.elapsed())).as_bytes(), 0).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
