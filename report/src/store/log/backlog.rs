//! What waits for the disk: bounded, and when it overflows the least valuable is dropped first.
//!
//! Frames are appended in order, and a frame that was appended in part is finished before anything else: whatever the
//! disk refuses in between, the file stays a sequence of whole frames with at most one torn tail.

use std::collections::VecDeque;
use std::io;

use super::disk::Disk;
use super::frame::{self, FrameKind};

/// A disk, the frames that wait for it, and what was lost on the way.
#[derive(Debug)]
pub(super) struct Backlog<D> {
    disk: D,
    queue: VecDeque<(FrameKind, Vec<u8>)>,
    /// Bytes of the first frame that are on the disk already.
    begun: usize,
    bytes: usize,
    cap: usize,
    written: u64,
    lost: u64,
    unsynced: bool,
}

impl<D: Disk> Backlog<D> {
    pub(super) fn new(disk: D, cap: usize) -> Self {
        Self { disk, queue: VecDeque::new(), begun: 0, bytes: 0, cap, written: 0, lost: 0, unsynced: false }
    }

    /// Bytes on the disk.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes - self.begun
    }

    /// Takes finished frames; drops what is too much.
    pub(super) fn accept(&mut self, frames: &[u8]) {
        for (kind, frame) in frame::split(frames) {
            self.bytes += frame.len();
            self.queue.push_back((kind, frame.to_vec()));
        }
        while self.waiting() > self.cap && self.drop_one() {}
    }

    /// Drops the least valuable frame that is not on the disk in part; `false` when only the indispensable is left.
    fn drop_one(&mut self) -> bool {
        let first = usize::from(self.begun > 0);
        let newest_report = self.queue.iter().rposition(|(kind, _)| is_report(*kind));
        let oldest = |wanted: FrameKind| {
            let mut rest = self.queue.iter().enumerate().skip(first);
            rest.find(|(at, (kind, _))| *kind == wanted && Some(*at) != newest_report).map(|(at, _)| at)
        };
        // What every other frame needs, and the newest report, are kept to the last.
        let order = [FrameKind::Ticks, FrameKind::Gauges, FrameKind::Policy, FrameKind::Checkpoint, FrameKind::Event];
        let Some(at) = order.into_iter().find_map(oldest) else { return false };
        let Some((_, frame)) = self.queue.remove(at) else { return false };
        self.bytes -= frame.len();
        self.lost += frame.len() as u64;
        true
    }

    /// Appends what waits, as far as the disk takes it.
    pub(super) fn pump(&mut self) -> io::Result<()> {
        while let Some((_, frame)) = self.queue.front() {
            let left = frame.get(self.begun..).unwrap_or_default();
            if left.is_empty() {
                self.bytes -= frame.len();
                self.begun = 0;
                self.queue.pop_front();
                continue;
            }
            match self.disk.append(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.begun += count.min(left.len());
                    self.written += count as u64;
                    self.unsynced = true;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Makes what is on the disk last; nothing to do when nothing was appended.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.disk.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Gives up: everything that waits is lost.
    pub(super) fn abandon(&mut self) {
        self.lost += self.waiting() as u64;
        self.queue.clear();
        (self.bytes, self.begun) = (0, 0);
    }
}

fn is_report(kind: FrameKind) -> bool {
    matches!(kind, FrameKind::Checkpoint | FrameKind::Final)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::scan::counted;
    use super::*;

    /// Fails chosen operations, and writes at most 7 bytes at a time.
    #[derive(Debug, Clone, Default)]
    struct Scripted {
        content: Arc<Mutex<Vec<u8>>>,
        calls: u32,
        fail: std::ops::Range<u32>,
        errno: i32,
    }

    impl Scripted {
        fn call(&mut self) -> io::Result<()> {
            self.calls += 1;
            if self.fail.contains(&self.calls) { Err(io::Error::from_raw_os_error(self.errno)) } else { Ok(()) }
        }
    }

    impl Disk for Scripted {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.call()?;
            let count = bytes.len().min(7);
            self.content.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn sync(&mut self) -> io::Result<()> {
            self.call()
        }
    }

    fn one(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = frame::begin(kind, &mut out);
        out.extend_from_slice(payload);
        frame::end(start, &mut out);
        out
    }

    fn workload() -> Vec<Vec<u8>> {
        let kinds = [FrameKind::Meta, FrameKind::Ticks, FrameKind::Checkpoint, FrameKind::Ticks, FrameKind::Final];
        kinds.into_iter().map(|kind| one(kind, &[kind as u8; 20])).collect()
    }

    /// Runs the workload; whether anything failed.
    fn run(backlog: &mut Backlog<Scripted>) -> bool {
        let mut failed = false;
        for frames in workload() {
            backlog.accept(&frames);
            failed |= backlog.pump().is_err();
            failed |= backlog.sync().is_err();
        }
        failed
    }

    /// ENOSPC, EIO, EROFS, EDQUOT, ESTALE on Linux.
    const ERRNOS: [i32; 5] = [28, 5, 30, 122, 116];

    #[test]
    fn f29_one_failure_at_any_call_costs_nothing() {
        for errno in ERRNOS {
            let mut failures = 0;
            for nth in 1.. {
                let disk = Scripted { fail: nth..nth + 1, errno, ..Scripted::default() };
                let content = Arc::clone(&disk.content);
                let mut backlog = Backlog::new(disk, 1 << 20);
                let failed = run(&mut backlog);
                backlog.pump().unwrap();
                backlog.sync().unwrap();
                assert_eq!(*content.lock().unwrap(), workload().concat(), "call {nth}");
                assert_eq!((backlog.lost(), backlog.waiting()), (0, 0));
                if !failed {
                    break;
                }
                failures += 1;
            }
            assert!(failures > 20, "the script must reach every call");
        }
    }

    #[test]
    fn f28_a_disk_that_stays_full_leaves_whole_frames_and_the_lost_bytes() {
        let all = workload().concat();
        for nth in 1..40 {
            let disk = Scripted { fail: nth..u32::MAX, errno: 28, ..Scripted::default() };
            let content = Arc::clone(&disk.content);
            let mut backlog = Backlog::new(disk, 1 << 20);
            run(&mut backlog);
            backlog.abandon();
            let on_disk = content.lock().unwrap().clone();
            assert!(all.starts_with(&on_disk), "call {nth}");
            assert_eq!(backlog.lost() + on_disk.len() as u64, all.len() as u64, "call {nth}");
            let mut end = 0;
            let ends: Vec<usize> = workload()
                .iter()
                .map(|frame| {
                    end += frame.len();
                    end
                })
                .collect();
            let whole = ends.iter().filter(|end| **end <= on_disk.len()).count();
            let torn = on_disk.len() - whole.checked_sub(1).map_or(0, |last| ends[last]);
            assert_eq!(counted(&on_disk), (whole, torn as u64));
        }
    }

    #[test]
    fn f28_memory_stays_bounded_and_history_goes_first() {
        let disk = Scripted { fail: 2..u32::MAX, errno: 28, ..Scripted::default() };
        let mut backlog = Backlog::new(disk.clone(), 800);
        backlog.accept(&one(FrameKind::Meta, b"meta"));
        backlog.pump().unwrap_err();
        for round in 0..100 {
            backlog.accept(&one(FrameKind::Ticks, &[round; 50]));
            backlog.accept(&one(FrameKind::Checkpoint, &[round; 30]));
            assert!(backlog.waiting() <= 800);
        }
        let newest = backlog.queue.back().unwrap();
        assert_eq!((newest.0, newest.1.last()), (FrameKind::Checkpoint, Some(&99)));
        assert_eq!(backlog.queue[0].0, FrameKind::Meta);
        let taken = 20 + 100 * (98 + 78);
        assert_eq!(backlog.lost() + backlog.waiting() as u64 + backlog.written(), taken);
        // Space again: what waited is appended, and the first frame is completed.
        backlog.disk.fail = 0..0;
        backlog.pump().unwrap();
        let content = disk.content.lock().unwrap();
        let (frames, torn) = counted(&content);
        assert!(frames > 5);
        assert_eq!(torn, 0);
    }
}
