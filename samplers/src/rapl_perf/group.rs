//! [`Group`] reads several perf counters of one CPU by one system call.
//!
//! Perf is the kernel's interface to counters; an event is one counter. The event that is opened first leads the group,
//! the others are its members. The leader is a [`perf_event::Counter`]. `perf_event::Group` cannot lead here: its own
//! leader counts a task, and a group of a whole CPU needs a leader on that CPU. So members join by `perf_event_open`
//! itself, through the crate's hooked copy of `perf-event-open-sys`, which lets tests replace the kernel. One group
//! read costs a third of four single ones and gives all counters one instant: docs/measured/perf-group-read.md.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use perf_event::hooks::sys;
use perf_event::{Builder, Counter};
use perf_event_open_sys::bindings;

/// Most members of a group. The kernel lists five RAPL events; eight leave room for more.
const MOST: usize = 8;
/// 64-bit words of a group read: the number of members, two times, then value and id of each member.
const WORDS: usize = 3 + 2 * MOST;
/// What a read returns: value and id of each member, the time enabled and the time running (perf_event_open(2)).
const FORMAT: u32 = bindings::PERF_FORMAT_GROUP
    | bindings::PERF_FORMAT_ID
    | bindings::PERF_FORMAT_TOTAL_TIME_ENABLED
    | bindings::PERF_FORMAT_TOTAL_TIME_RUNNING;

/// Why a group gave no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Miss {
    /// The events no longer count: their CPU went offline.
    Moved,
    /// The read failed, or what it returned makes no sense.
    Failed,
}

/// An open group.
#[derive(Debug)]
pub(super) struct Group {
    leader: Counter,
    /// The other events' descriptors, kept open.
    members: Vec<OwnedFd>,
    /// The kernel's ids of all events, the leader's first.
    ids: Vec<u64>,
    /// How the leader was opened, to open members alike.
    attrs: bindings::perf_event_attr,
    cpu: usize,
    /// For how long the events had been enabled at the last read: it stays the same once their CPU is offline.
    enabled_ns: u64,
}

impl Group {
    /// Opens the first event, stopped; others may [`join`](Self::join) until [`start`](Self::start).
    ///
    /// # Errors
    /// Those of `perf_event_open`.
    pub(super) fn lead(kind: u32, config: u64, cpu: usize) -> io::Result<Self> {
        let mut builder = Builder::new();
        // RAPL refuses events that exclude anything: it cannot separate the energy by process.
        builder.include_kernel().include_hv();
        let attrs = builder.attrs_mut();
        (attrs.type_, attrs.config, attrs.read_format) = (kind, config, u64::from(FORMAT));
        let attrs = *attrs;
        let leader = builder.any_pid().one_cpu(cpu).build()?;
        // The crate opens without close-on-exec; children must not inherit the descriptor.
        rustix::io::fcntl_setfd(borrow(&leader), rustix::io::FdFlags::CLOEXEC)?;
        let ids = vec![leader.id()];
        Ok(Self { leader, members: Vec::new(), ids, attrs, cpu, enabled_ns: 0 })
    }

    /// Adds an event to the group.
    ///
    /// # Errors
    /// Those of `perf_event_open`; `EINVAL` also for a PMU that does not group.
    pub(super) fn join(&mut self, config: u64) -> io::Result<()> {
        if self.ids.len() >= MOST {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let mut attrs = self.attrs;
        attrs.config = config;
        attrs.set_disabled(0);
        let (cpu, flags) = (i32::try_from(self.cpu).unwrap_or(-1), bindings::PERF_FLAG_FD_CLOEXEC);
        // SAFETY: `attrs` is a whole, initialised structure whose `size` the builder set; it outlives the call.
        let fd = unsafe { sys::perf_event_open(&mut attrs, -1, cpu, self.leader.as_raw_fd(), flags.into()) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just returned this descriptor and nothing else has it.
        let member = unsafe { OwnedFd::from_raw_fd(fd) };
        self.ids.push(id_of(member.as_raw_fd())?);
        self.members.push(member);
        Ok(())
    }

    /// Lets all members count, from one instant.
    ///
    /// # Errors
    /// That of the ioctl.
    pub(super) fn start(&mut self) -> io::Result<()> {
        self.leader.enable()
    }

    /// Reads the counts of all events, in the order of joining, into `counts`.
    ///
    /// # Errors
    /// Why there are none; a short read or end of file is one of the reasons, never a 0.
    pub(super) fn read(&mut self, counts: &mut Vec<u64>) -> Result<(), Miss> {
        let leader = borrow(&self.leader);
        let words = GroupStatusTexts::read(|buffer| Ok(rustix::io::read(leader, buffer)?))?;
        // The kernel stops the clock of events whose CPU it took away.
        if words.enabled_ns <= self.enabled_ns {
            return Err(Miss::Moved);
        }
        self.enabled_ns = words.enabled_ns;
        counts.clear();
        for id in &self.ids {
            counts.push(words.count(*id).ok_or(Miss::Failed)?);
        }
        Ok(())
    }
}

/// Returns the kernel's id of an event, by which a group read names its members.
fn id_of(fd: RawFd) -> io::Result<u64> {
    let mut id = 0;
    // SAFETY: the ioctl writes one u64 to `id`, which outlives the call; `fd` is open.
    let result = unsafe { sys::ioctls::ID(fd, &mut id) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(id) }
}

fn borrow(counter: &Counter) -> BorrowedFd<'_> {
    // SAFETY: the counter owns the descriptor and keeps it open for as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(counter.as_raw_fd()) }
}

/// The answer to a group read, split into its fields.
#[derive(Debug)]
struct GroupStatusTexts {
    enabled_ns: u64,
    /// Count and id of each member.
    pairs: [[u64; 2]; MOST],
    members: usize,
}

impl GroupStatusTexts {
    /// Reads through interruptions and checks that the answer is whole.
    fn read(mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Result<Self, Miss> {
        let mut bytes = [0_u8; 8 * WORDS];
        let len = loop {
            match read(&mut bytes) {
                Ok(len) => break len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(miss_of(&error)),
            }
        };
        // End of file is how the kernel answers for an event in error state, such as after its CPU went away.
        if len == 0 {
            return Err(Miss::Moved);
        }
        Self::parse(&bytes, len)
    }

    /// Splits `len` bytes of an answer.
    fn parse(bytes: &[u8], len: usize) -> Result<Self, Miss> {
        let word = |index: usize| {
            let bytes = bytes.get(8 * index..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
        };
        let (members, enabled_ns, running_ns) = (word(0), word(1), word(2));
        let members = usize::try_from(members).ok().filter(|&members| members <= MOST).ok_or(Miss::Failed)?;
        // An event that never ran has counted nothing, and its 0 is no measurement.
        if len != 8 * (3 + 2 * members) || (running_ns == 0 && enabled_ns > 0) {
            return Err(Miss::Failed);
        }
        let pairs = std::array::from_fn(|member| [word(3 + 2 * member), word(4 + 2 * member)]);
        Ok(Self { enabled_ns, pairs, members })
    }

    /// Returns the count of the event with this id.
    fn count(&self, id: u64) -> Option<u64> {
        self.pairs[..self.members].iter().find(|[_, member]| *member == id).map(|[count, _]| *count)
    }
}

/// Returns what an error of a read means.
fn miss_of(error: &io::Error) -> Miss {
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => Miss::Moved,
        _ => Miss::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn read(script: Vec<Result<Vec<u8>, i32>>) -> Result<GroupStatusTexts, Miss> {
        let mut script = script.into_iter();
        GroupStatusTexts::read(|buffer| {
            let bytes = script.next().unwrap().map_err(io::Error::from_raw_os_error)?;
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        })
    }

    #[test]
    fn m04_odd_group_reads_are_misses_never_zero() {
        let whole = bytes(&[2, 900, 900, 41, 7, 42, 8]);
        let words = read(vec![Err(libc::EINTR), Ok(whole.clone())]).unwrap();
        assert_eq!((words.count(8), words.count(7), words.count(9)), (Some(42), Some(41), None));
        for (script, miss) in [
            (Ok(whole[..48].to_vec()), Miss::Failed),
            (Ok(whole[..8].to_vec()), Miss::Failed),
            (Ok(whole[..3].to_vec()), Miss::Failed),
            (Ok(bytes(&[u64::MAX, 1, 1])), Miss::Failed),
            (Ok(bytes(&[1, 900, 0, 0, 7])), Miss::Failed),
            (Ok(vec![]), Miss::Moved),
            (Err(libc::ENODEV), Miss::Moved),
            (Err(libc::EIO), Miss::Failed),
            (Err(libc::EBADF), Miss::Failed),
        ] {
            assert_eq!(read(vec![script.clone()]).map(|_| ()), Err(miss), "{script:?}");
        }
    }
}
