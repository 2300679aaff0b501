//! A RAPL PMU without hardware: `perf_event_open` and its ioctls replaced for the calling thread.
//!
//! It refuses what the real one refuses (exclude bits, sampling, events of a task) and answers reads through datagram
//! sockets: one datagram is one read.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its kernel has failed")]

use std::ffi::{c_int, c_uint, c_ulong};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use perf_event::hooks::{Hooks, set_thread_hooks};
use perf_event_open_sys::bindings::perf_event_attr;

/// The type that trees must state.
pub(crate) const TYPE: u32 = 31;

/// One event that was opened.
struct Opened {
    cpu: i32,
    config: u64,
    leader: i32,
    fd: i32,
    id: u64,
    feeder: UnixDatagram,
}

#[derive(Default)]
struct State {
    opened: Vec<Opened>,
    refuse_all: Option<i32>,
    refuse_cpus: Vec<(i32, i32)>,
    refuse_configs: Vec<(u64, i32)>,
    no_groups: bool,
}

/// The PMU; a handle for the test.
#[derive(Clone, Default)]
pub(crate) struct FakePmu(Arc<Mutex<State>>);

impl FakePmu {
    /// Replaces the kernel on this thread.
    pub(crate) fn install() -> Self {
        let pmu = Self::default();
        // SAFETY: the hooks return descriptors that they own and hand over, as the real calls do.
        unsafe { set_thread_hooks(Box::new(pmu.clone())) };
        pmu
    }

    fn with<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        body(&mut self.0.lock().unwrap())
    }

    /// Every event is refused with this error.
    pub(crate) fn refuse(&self, errno: i32) {
        self.with(|state| state.refuse_all = Some(errno));
    }

    /// Events on this CPU are refused.
    pub(crate) fn refuse_cpu(&self, cpu: i32, errno: i32) {
        self.with(|state| state.refuse_cpus.push((cpu, errno)));
    }

    /// Events on this CPU are accepted again.
    pub(crate) fn accept_cpu(&self, cpu: i32) {
        self.with(|state| state.refuse_cpus.retain(|(refused, _)| *refused != cpu));
    }

    /// This event is refused.
    pub(crate) fn refuse_config(&self, config: u64, errno: i32) {
        self.with(|state| state.refuse_configs.push((config, errno)));
    }

    /// This event is accepted again.
    pub(crate) fn accept_config(&self, config: u64) {
        self.with(|state| state.refuse_configs.retain(|(refused, _)| *refused != config));
    }

    /// Events join no group.
    pub(crate) fn no_groups(&self) {
        self.with(|state| state.no_groups = true);
    }

    /// `(cpu, config, in a group)` of every event opened so far.
    pub(crate) fn opened(&self) -> Vec<(i32, u64, bool)> {
        self.with(|state| state.opened.iter().map(|event| (event.cpu, event.config, event.leader >= 0)).collect())
    }

    /// The next read on `cpu` finds these counts, by config, after the events ran for `enabled_ns`.
    pub(crate) fn feed(&self, cpu: i32, enabled_ns: u64, counts: &[(u64, u64)]) {
        self.with(|state| {
            let count = |config: u64| counts.iter().find(|(known, _)| *known == config).map_or(0, |(_, count)| *count);
            let mut fed = Vec::new();
            // The latest events of each config are the ones in use.
            for leader in state.opened.iter().rev().filter(|event| event.cpu == cpu && event.leader < 0) {
                if fed.contains(&leader.config) {
                    continue;
                }
                fed.push(leader.config);
                let members = state.opened.iter().filter(|event| event.fd == leader.fd || event.leader == leader.fd);
                let members: Vec<&Opened> = members.filter(|event| event.id >= leader.id).collect();
                let mut words = vec![members.len() as u64, enabled_ns, enabled_ns];
                // In no order that can be relied on.
                words.extend(members.iter().rev().flat_map(|event| [count(event.config), event.id]));
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                // Refused where no one has the event open any more: then no one reads either.
                let _ = leader.feeder.send(&bytes);
            }
        });
    }

    /// The next read of the latest group on `cpu` finds these bytes; none is the end of the file.
    pub(crate) fn feed_bytes(&self, cpu: i32, bytes: &[u8]) {
        self.with(|state| {
            let leader = state.opened.iter().rev().find(|event| event.cpu == cpu && event.leader < 0).unwrap();
            leader.feeder.send(bytes).unwrap();
        });
    }
}

impl State {
    fn open(&mut self, attrs: &perf_event_attr, pid: i32, cpu: i32, leader: i32) -> Result<i32, i32> {
        let refused = |list: &[(i32, i32)]| list.iter().find(|(known, _)| *known == cpu).map(|(_, errno)| *errno);
        let config = self.refuse_configs.iter().find(|(known, _)| *known == attrs.config).map(|(_, errno)| *errno);
        if let Some(errno) = self.refuse_all.or(refused(&self.refuse_cpus)).or(config) {
            return Err(errno);
        }
        if attrs.type_ != TYPE {
            return Err(libc::ENOENT);
        }
        let excludes = attrs.exclude_user() + attrs.exclude_kernel() + attrs.exclude_hv() + attrs.exclude_idle();
        // SAFETY: both members of the union are plain integers of the same size.
        let samples = unsafe { attrs.__bindgen_anon_1.sample_period } > 0;
        if excludes > 0 || samples || pid != -1 || cpu < 0 || (leader >= 0 && self.no_groups) {
            return Err(libc::EINVAL);
        }
        let (feeder, reader) = UnixDatagram::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        let (fd, id) = (reader.into_raw_fd(), 100 + self.opened.len() as u64);
        self.opened.push(Opened { cpu, config: attrs.config, leader, fd, id, feeder });
        Ok(fd)
    }
}

fn answer(result: Result<c_int, i32>) -> c_int {
    result.unwrap_or_else(|errno| {
        // SAFETY: the C library's errno of this thread may be written at any time.
        unsafe { *libc::__errno_location() = errno };
        -1
    })
}

impl Hooks for FakePmu {
    unsafe fn perf_event_open(
        &mut self,
        attrs: *mut perf_event_attr,
        pid: libc::pid_t,
        cpu: c_int,
        group_fd: c_int,
        _flags: c_ulong,
    ) -> c_int {
        // SAFETY: the caller hands over a valid structure, as the system call demands.
        let attrs = unsafe { &*attrs };
        answer(self.with(|state| state.open(attrs, pid, cpu, group_fd)))
    }

    unsafe fn ENABLE(&mut self, _fd: c_int, _arg: c_uint) -> c_int {
        0
    }

    unsafe fn ID(&mut self, fd: c_int, arg: *mut u64) -> c_int {
        // Descriptors are used again; the latest is the one that is open.
        let id = self.with(|state| state.opened.iter().rev().find(|event| event.fd == fd).map(|event| event.id));
        // SAFETY: the caller hands over a place for the id, as the ioctl demands.
        unsafe { *arg = id.unwrap() };
        0
    }
}
