//! The one state of a loaded library: its script, its clock, its counts.

use std::ffi::{CStr, OsStr, c_void};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::gpu::Gpu;
use crate::script::Script;
use crate::{code, curve};

/// An event set: which GPUs it watches and up to when it has reported.
pub(crate) type Watch = Vec<(usize, u64)>;

pub(crate) struct Fake {
    pub(crate) script: Script,
    pub(crate) sets: Mutex<Vec<Watch>>,
    origin: OnceLock<Instant>,
    inits: AtomicI64,
    /// Power limits that were set, milliwatts by UUID, where the script names no file for them.
    limits: Mutex<Vec<(String, u32)>>,
}

static FAKE: OnceLock<Result<Fake, String>> = OnceLock::new();

fn fake() -> Result<&'static Fake, u32> {
    FAKE.get_or_init(load).as_ref().map_err(|_| code::UNKNOWN)
}

fn load() -> Result<Fake, String> {
    stay_loaded();
    let beside = own_path().map(|path| path.with_file_name("fake-nvml.conf")).filter(|path| path.exists());
    let path = beside.or_else(|| std::env::var_os("ECO2_FAKE_NVML").map(PathBuf::from));
    let text = match &path {
        Some(path) => std::fs::read_to_string(path).map_err(|why| why.to_string())?,
        None => String::new(),
    };
    let script = Script::parse(&text).inspect_err(|why| complain(why))?;
    Ok(Fake {
        script,
        sets: Mutex::default(),
        origin: OnceLock::new(),
        inits: AtomicI64::new(0),
        limits: Mutex::default(),
    })
}

#[expect(clippy::print_stderr, reason = "a wrong script has no other way to be seen")]
fn complain(why: &str) {
    eprintln!("fake-nvml: {why}");
}

fn own_path() -> Option<PathBuf> {
    // SAFETY: all-zero is a valid `Dl_info`.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let here = own_path as fn() -> Option<PathBuf> as *const c_void;
    // SAFETY: `info` is writable and `here` is an address; dladdr only looks it up.
    let found = unsafe { libc::dladdr(here, &raw mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr set `dli_fname` to a NUL-terminated string that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

/// A caller that closes the library after a failed `nvmlInit` must not restart the script.
fn stay_loaded() {
    let path = own_path().and_then(|path| std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).ok());
    if let Some(path) = path {
        // SAFETY: `path` is NUL-terminated; the library is loaded already, so this only pins it.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NODELETE | libc::RTLD_NOLOAD) };
    }
}

/// Runs one exported function: logs it, applies the script's rules for it, then `body` with the time.
pub(crate) fn call(name: &str, body: impl FnOnce(&'static Fake, u64) -> Result<(), u32>) -> u32 {
    let run = || {
        let fake = fake()?;
        fake.enter(name)?;
        if fake.inits.load(Ordering::Relaxed) <= 0 {
            return Err(code::UNINITIALIZED);
        }
        body(fake, fake.now())
    };
    run().err().unwrap_or(code::SUCCESS)
}

/// `nvmlInit`: succeeds unless the script refuses it, and counts.
pub(crate) fn init(name: &str) -> u32 {
    let run = || {
        let fake = fake()?;
        fake.enter(name)?;
        let now = fake.now();
        if let Some((code, _)) = fake.script.init.iter().find(|(_, when)| when.contains(now)) {
            return Err(*code);
        }
        fake.inits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    run().err().unwrap_or(code::SUCCESS)
}

impl Fake {
    /// `nvmlShutdown`: counts down; at 0 the library is closed.
    pub(crate) fn shutdown(&self) {
        self.inits.fetch_sub(1, Ordering::Relaxed);
    }

    /// Script time, nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        let origin = self.origin.get_or_init(Instant::now);
        match (&self.script.clock_file, self.script.origin_ns) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                text.trim().parse().unwrap_or(0)
            }
            (None, Some(origin_ns)) => monotonic_ns().saturating_sub(origin_ns),
            (None, None) => u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The timestamp that the driver would give to a script time, microseconds.
    pub(crate) fn stamp_us(&self, at_ns: u64) -> u64 {
        if self.script.clock_file.is_some() {
            let now = self.now();
            let epoch = self.script.epoch_us.iter().rev().find(|(_, when)| when.contains(now));
            return at_ns / 1_000 + epoch.map_or(0, |(us, _)| *us);
        }
        let age = Duration::from_nanos(self.now().saturating_sub(at_ns));
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.saturating_sub(age).as_micros()).unwrap_or(u64::MAX)
    }

    /// Indices into the script's GPUs, in the driver's order of the moment.
    pub(crate) fn present(&self, at_ns: u64) -> Vec<usize> {
        let all: Vec<usize> = match &self.script.order {
            Some((order, from)) if at_ns >= *from => order.clone(),
            _ => (0..self.script.gpus.len()).collect(),
        };
        let here = |index: &usize| self.script.gpus.get(*index).is_some_and(|gpu| !is_gone(gpu, at_ns));
        all.into_iter().filter(here).collect()
    }

    /// The GPU behind a handle, if it is there.
    pub(crate) fn gpu(&self, device: *mut c_void, at_ns: u64) -> Result<&Gpu, u32> {
        let gpu = (device as usize).checked_sub(1).and_then(|index| self.script.gpus.get(index));
        gpu.filter(|gpu| !is_gone(gpu, at_ns)).ok_or(code::INVALID_ARGUMENT)
    }

    /// The power limit of a GPU, milliwatts: the last one that was set, else the script's.
    pub(crate) fn limit_mw(&self, gpu: &Gpu) -> u32 {
        let set = match &self.script.limits {
            Some(path) => std::fs::read_to_string(path).unwrap_or_default().lines().rev().find_map(|line| {
                let (uuid, mw) = line.split_once(' ')?;
                (uuid == gpu.uuid).then(|| mw.parse().ok()).flatten()
            }),
            None => {
                let set = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
                set.iter().rev().find(|(uuid, _)| *uuid == gpu.uuid).map(|(_, mw)| *mw)
            }
        };
        set.unwrap_or(gpu.limits.0)
    }

    /// Sets the power limit of a GPU, milliwatts.
    pub(crate) fn set_limit_mw(&self, gpu: &Gpu, mw: u32) {
        let Some(path) = &self.script.limits else {
            self.limits.lock().unwrap_or_else(PoisonError::into_inner).push((gpu.uuid.clone(), mw));
            return;
        };
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
            // A file that cannot be written is seen by the test that reads it.
            let _ = file.write_all(format!("{} {mw}\n", gpu.uuid).as_bytes());
        }
    }

    fn enter(&self, name: &str) -> Result<(), u32> {
        self.log(name);
        if self.script.missing.iter().any(|missing| missing == name) {
            return Err(code::FUNCTION_NOT_FOUND);
        }
        if let Some((_, ms)) = self.script.slow.iter().find(|(slow, _)| slow == name) {
            std::thread::sleep(Duration::from_millis(*ms));
        }
        for (_, when) in self.script.hang.iter().filter(|(hang, _)| hang == name) {
            while when.contains(self.now()) {
                std::thread::sleep(Duration::from_nanos(curve::MS));
            }
        }
        Ok(())
    }

    fn log(&self, name: &str) {
        let Some(path) = &self.script.calls else { return };
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
            // A log that cannot be written is seen by the test that reads it.
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }
}

/// A scripted process: a pid, this process, its parent or its first child.
pub(crate) fn pid(who: &str) -> Option<u32> {
    match who {
        "self" => Some(std::process::id()),
        "parent" => Some(std::os::unix::process::parent_id()),
        "child" => first_child(),
        other => other.parse().ok(),
    }
}

fn first_child() -> Option<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let children = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).ok();
    tasks.flatten().filter_map(children).find_map(|list| list.split_whitespace().next()?.parse().ok())
}

fn is_gone(gpu: &Gpu, at_ns: u64) -> bool {
    gpu.gone.is_some_and(|window| window.contains(at_ns))
}

fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000_000 + rest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_one_time_for_all_processes() {
        let origin_ns = monotonic_ns() / 2;
        let script = Script::parse(&format!("origin_ns={origin_ns}")).unwrap();
        let fake = Fake {
            script,
            sets: Mutex::default(),
            origin: OnceLock::new(),
            inits: AtomicI64::new(0),
            limits: Mutex::default(),
        };
        let (before, shown, after) = (monotonic_ns(), fake.now(), monotonic_ns());
        assert!((before - origin_ns..=after - origin_ns).contains(&shown), "{shown}");
    }
}
