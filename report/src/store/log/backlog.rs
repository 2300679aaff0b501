//! The queue of run-log frames that wait for a slow, full or failing disk. It is bounded: when it overflows, the least
//! valuable frames are dropped first.
//!
//! Frames are appended in order. A frame that was appended in part is completed before the next. So the file is always a
//! sequence of whole frames, and only the last one can be incomplete.

use std::collections::VecDeque;
use std::io;

use super::chain::Chain;
use super::disk::Disk;
use super::frame::{self, FrameKind};

/// A disk, the frames that wait for it, and counts of written and lost bytes.
#[derive(Debug)]
pub(super) struct Backlog<D> {
    disk: D,
    chain: Chain,
    queue: VecDeque<(FrameKind, Vec<u8>)>,
    /// Bytes of the first frame that are on the disk already.
    first_written: usize,
    /// Bytes of all frames in the queue.
    bytes: usize,
    /// Largest number of bytes that may wait.
    max_bytes: usize,
    written: u64,
    lost: u64,
    /// Whether bytes were appended since the last sync.
    unsynced: bool,
}

impl<D: Disk> Backlog<D> {
    /// Returns an empty queue in which at most `max_bytes` wait.
    pub(super) fn new(disk: D, max_bytes: usize) -> Self {
        Self {
            disk,
            chain: Chain::default(),
            queue: VecDeque::new(),
            first_written: 0,
            bytes: 0,
            max_bytes,
            written: 0,
            lost: 0,
            unsynced: false,
        }
    }

    /// Returns the number of bytes on the disk.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the number of dropped bytes.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns the number of bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes - self.first_written
    }

    /// Adds finished frames, and drops frames if there are too many bytes.
    pub(super) fn accept(&mut self, frames: &[u8]) {
        for (kind, frame) in frame::split_frames(frames) {
            self.bytes += frame.len();
            self.queue.push_back((kind, frame.to_vec()));
        }
        while self.waiting() > self.max_bytes && self.drop_least_valuable() {}
    }

    /// Drops the least valuable frame that is not partly on the disk. Returns `false` if no frame may be dropped.
    ///
    /// Meta, domains, pricing, the counts at the ends, the summary and the newest report are never dropped.
    fn drop_least_valuable(&mut self) -> bool {
        let first_droppable = usize::from(self.first_written > 0);
        let newest_report = self.queue.iter().rposition(|(kind, _)| is_report(*kind));
        let oldest_index = |wanted: FrameKind| {
            let mut frames = self.queue.iter().enumerate().skip(first_droppable);
            let found = frames.find(|(index, (kind, _))| *kind == wanted && Some(*index) != newest_report);
            found.map(|(index, _)| index)
        };
        // The least valuable kind is first.
        let order = [FrameKind::Ticks, FrameKind::Gauges, FrameKind::Policy, FrameKind::Checkpoint, FrameKind::Event];
        let Some(index) = order.into_iter().find_map(oldest_index) else { return false };
        let Some((_, frame)) = self.queue.remove(index) else { return false };
        self.bytes -= frame.len();
        self.lost += frame.len() as u64;
        true
    }

    /// Appends the waiting frames, each linked to the one before it in the file, until the queue is empty or the disk returns
    /// an error.
    pub(super) fn write_waiting(&mut self) -> io::Result<()> {
        while let Some((_, frame)) = self.queue.front_mut() {
            if self.first_written == 0 {
                // Not earlier: a frame that waits can be dropped.
                self.chain.link(frame);
            }
            let unwritten = frame.get(self.first_written..).unwrap_or_default();
            if unwritten.is_empty() {
                self.bytes -= frame.len();
                self.first_written = 0;
                self.chain.advance();
                self.queue.pop_front();
                continue;
            }
            match self.disk.append(unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.first_written += count.min(unwritten.len());
                    self.written += count as u64;
                    self.unsynced = true;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Syncs the disk if anything was appended since the last sync.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.disk.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Drops all waiting frames and counts them as lost.
    pub(super) fn abandon(&mut self) {
        self.lost += self.waiting() as u64;
        self.queue.clear();
        (self.bytes, self.first_written) = (0, 0);
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

    /// A disk on which the calls in `fail` (counted from 1) return `errno`. It writes at most 7 bytes per call.
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

    fn frame_with(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = frame::start_frame(kind, &mut out);
        out.extend_from_slice(payload);
        frame::finish_frame(start, &mut out);
        out
    }

    fn workload() -> Vec<Vec<u8>> {
        let kinds = [FrameKind::Meta, FrameKind::Ticks, FrameKind::Checkpoint, FrameKind::Ticks, FrameKind::Final];
        kinds.into_iter().map(|kind| frame_with(kind, &[kind as u8; 20])).collect()
    }

    /// The workload as it is on a disk that writes all of it.
    fn linked_workload() -> Vec<u8> {
        let mut all = Vec::new();
        let mut chain = Chain::default();
        for mut frame in workload() {
            chain.link(&mut frame);
            chain.advance();
            all.extend(frame);
        }
        all
    }

    /// Writes the workload and returns whether any call failed.
    fn run(backlog: &mut Backlog<Scripted>) -> bool {
        let mut failed = false;
        for frames in workload() {
            backlog.accept(&frames);
            failed |= backlog.write_waiting().is_err();
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
                backlog.write_waiting().unwrap();
                backlog.sync().unwrap();
                assert_eq!(*content.lock().unwrap(), linked_workload(), "call {nth}");
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
        let all = linked_workload();
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
        backlog.accept(&frame_with(FrameKind::Meta, b"meta"));
        backlog.write_waiting().unwrap_err();
        for round in 0..100 {
            backlog.accept(&frame_with(FrameKind::Ticks, &[round; 50]));
            backlog.accept(&frame_with(FrameKind::Checkpoint, &[round; 30]));
            assert!(backlog.waiting() <= 800);
        }
        let newest = backlog.queue.back().unwrap();
        assert_eq!((newest.0, newest.1.last()), (FrameKind::Checkpoint, Some(&99)));
        assert_eq!(backlog.queue[0].0, FrameKind::Meta);
        // Frames have a head of 16 bytes and, except Meta, a chain slot of 32: 16 + 4, then 100 of 48 + 50 and of 48 + 30.
        let accepted = 20 + 100 * (98 + 78);
        assert_eq!(backlog.lost() + backlog.waiting() as u64 + backlog.written(), accepted);
        // The disk has space again: the waiting frames are appended, and the first frame is completed.
        backlog.disk.fail = 0..0;
        backlog.write_waiting().unwrap();
        let content = disk.content.lock().unwrap();
        let (frames, torn) = counted(&content);
        assert!(frames > 5);
        assert_eq!(torn, 0);
    }
}
