//! The chain of the run log: written by the log's thread, and checked by `eco2 verify`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eco2_core::schema::{EventRecord, Run};
use eco2_report::{Disk, Error, LogCheck, LogEncoder, LogMeta, LogWriter, Pace, check_log, read_log};

use super::{small_log, stored};
use crate::fixture;

/// Bytes of a frame before its payload, and of a frame without a chain slot.
const AROUND: usize = 48;
const BARE: usize = 16;

/// A disk in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Disk for Memory {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The frames as the log's thread writes them.
pub(super) fn chained(frames: Vec<u8>) -> Vec<u8> {
    let disk = Memory::default();
    let writer = LogWriter::start(disk.clone(), Pace::default()).unwrap();
    writer.submit(frames);
    assert_eq!(writer.close(Duration::from_secs(60)).lost_bytes, 0);
    std::mem::take(&mut *disk.0.lock().unwrap())
}

fn check(bytes: &[u8]) -> Result<LogCheck, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.eco2log");
    std::fs::write(&path, bytes).unwrap();
    check_log(&path)
}

/// Position of each frame of a log of this version.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        starts.push(at);
        at += BARE + u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    starts
}

/// The frames of a log, one by one.
pub(super) fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut ends = starts(bytes);
    ends.push(bytes.len());
    ends.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

/// Numbers of the frames with a finding, and their positions.
fn places(check: &LogCheck) -> Vec<(u64, usize)> {
    check.findings.iter().map(|found| (found.frame, found.offset as usize)).collect()
}

/// Gives a changed frame the right checksum.
pub(super) fn with_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    let crc = crc32([&frame[4..12], &frame[16..]].concat());
    frame[12..16].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// CRC-32 (IEEE 802.3), bit by bit.
fn crc32(bytes: Vec<u8>) -> u32 {
    !bytes
        .into_iter()
        .fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1))))
}

#[test]
fn d34_log_of_the_thread_is_chained_and_closed() {
    let bytes = chained(small_log());
    let found = check(&bytes).unwrap();
    assert_eq!((found.findings.len(), found.is_closed, found.cut_bytes), (0, true, 0));
    assert_eq!((found.frames as usize, found.bytes as usize), (starts(&bytes).len(), bytes.len()));
    assert_eq!((found.run_id, found.part), (fixture::report().run.id, fixture::report().run.part));
    let last = *starts(&bytes).last().unwrap();
    let hex: String = bytes[last + BARE..last + AROUND].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found.head, Some(hex), "the head is in the slot of the closing record");
    assert!(found.report_sha256.is_some());
}

#[test]
fn d34_every_prefix_is_checked_and_only_a_cut_is_excused() {
    let bytes = chained(small_log());
    let starts = starts(&bytes);
    for cut in 0..bytes.len() {
        let whole = starts.iter().filter(|start| **start <= cut).count() - 1;
        let found = check(&bytes[..cut]).unwrap();
        assert_eq!((found.frames as usize, found.is_closed), (whole, false), "cut at {cut}");
        assert!(found.findings.is_empty(), "cut at {cut}");
        assert_eq!(found.cut_bytes as usize, cut - starts[whole], "cut at {cut}");
    }
    assert!(matches!(check(b"ec0 is no log"), Err(Error::NotOurs { .. })));
}

#[test]
fn d34_changed_bytes_are_found_with_their_place() {
    let clean = chained(small_log());
    let starts = starts(&clean);
    let lengths = || (0..starts.len()).flat_map(|frame| (8..12).map(move |byte| (frame, byte)));
    for at in 0..clean.len() {
        let mut bytes = clean.clone();
        bytes[at] ^= 0x10;
        let frame = starts.iter().filter(|start| **start <= at).count() - 1;
        let found = check(&bytes).unwrap();
        // A changed length of the last frame is like a crash in a longer one.
        if lengths().any(|(of, byte)| of == frame && starts[of] + byte == at) && frame + 1 == starts.len() {
            assert!(!found.is_closed || !found.findings.is_empty(), "change at {at}");
        } else {
            assert_eq!(places(&found)[0], (frame as u64 + 1, starts[frame]), "change at {at}");
        }
    }
}

#[test]
fn d34_change_with_a_right_checksum_is_found() {
    let clean = split(&chained(small_log()));
    for at in 1..clean.len() {
        let mut frames = clean.clone();
        *frames[at].last_mut().unwrap() ^= 1;
        frames[at] = with_checksum(frames[at].clone());
        let found = check(&frames.concat()).unwrap();
        assert_eq!(places(&found)[0].0, at as u64 + 1, "frame {at}: {:?}", found.findings);
    }
    // Of the first frame the link is in the second.
    let mut frames = clean.clone();
    *frames[0].iter_mut().rfind(|byte| **byte == b'1').unwrap() = b'2';
    frames[0] = with_checksum(frames[0].clone());
    assert_eq!(places(&check(&frames.concat()).unwrap())[0].0, 2);
}

#[test]
fn d34_removed_moved_doubled_and_inserted_frames_are_found() {
    let clean = split(&chained(small_log()));
    let last = clean.len() - 1;
    for at in 1..last {
        let mut removed = clean.clone();
        removed.remove(at);
        assert_eq!(places(&check(&removed.concat()).unwrap())[0].0, at as u64 + 1, "removed {at}");
        let mut moved = clean.clone();
        moved.swap(at, at + 1);
        assert!(!check(&moved.concat()).unwrap().findings.is_empty(), "moved {at}");
        let mut doubled = clean.clone();
        doubled.insert(at, clean[at].clone());
        assert_eq!(places(&check(&doubled.concat()).unwrap())[0].0, at as u64 + 2, "doubled {at}");
        let mut bare = clean.clone();
        bare.insert(at, clean[0].clone());
        let text = check(&bare.concat()).unwrap().findings[0].clone();
        assert!(text.frame == at as u64 + 1 && text.text.contains("inserted"), "{text:?}");
    }
    let appended = [clean.concat(), clean[2].clone()].concat();
    let found = check(&appended).unwrap();
    assert!(found.findings[0].text.contains("follows the closing record") && !found.is_closed, "{found:?}");
    let found = check(&[clean.concat(), b"more".to_vec()].concat()).unwrap();
    assert!(found.findings[0].text.contains("the last 4 bytes"), "{found:?}");
}

#[test]
fn d34_frame_without_room_for_its_link_is_no_frame() {
    let mut frames = split(&chained(small_log()));
    frames.pop();
    let short = with_checksum([&b"eco2"[..], &[5, 2, 0, 0], &[0; 8]].concat());
    let found = check(&[frames.concat(), short].concat()).unwrap();
    assert_eq!((found.frames as usize, found.findings.len(), found.cut_bytes), (frames.len(), 1, 0), "{found:?}");
}

#[test]
fn d34_frames_of_another_run_are_found() {
    let of_run = |id: &str| {
        let run = Run { id: id.to_owned(), ..Run::default() };
        let mut encoder = LogEncoder::new(&LogMeta::new(run, 1_000)).unwrap();
        (0..4).for_each(|at| {
            let event = EventRecord { at, kind: "xid".into(), device: String::new(), text: String::new() };
            encoder.event(&event).unwrap();
        });
        split(&chained(encoder.take(Vec::new())))
    };
    let (mine, other) = (of_run("a"), of_run("b"));
    for at in 1..mine.len() {
        let spliced = [&mine[..at], &other[at..]].concat().concat();
        assert_eq!(places(&check(&spliced).unwrap())[0].0, at as u64 + 1);
    }
}

#[test]
fn logs_of_earlier_versions_are_not_chained_and_sound() {
    for name in ["ended.eco2log", "no-report.eco2log"] {
        let found = check_log(&stored::stored(name)).unwrap();
        assert_eq!((found.head, found.findings.len(), found.is_closed), (None, 0, false), "{name}");
    }
    // As eco2 0.1 wrote it: slots of zeros.
    let found = check(&small_log()).unwrap();
    assert_eq!((found.head, found.findings.len(), found.is_closed), (None, 0, true));
    // In a chained log an empty slot is a finding.
    let mut frames = split(&chained(small_log()));
    frames[2][BARE..AROUND].fill(0);
    frames[2] = with_checksum(frames[2].clone());
    assert_eq!(places(&check(&frames.concat()).unwrap())[0].0, 3);
}

#[test]
fn d34_a_large_log_is_checked_in_little_more_than_the_time_to_read_it() {
    let count: u64 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    let mut encoder = LogEncoder::new(&LogMeta::new(Run::default(), 0)).unwrap();
    let small = "x".repeat(60);
    let event = EventRecord { at: 1, kind: "xid".into(), device: "GPU-0".into(), text: small };
    // An encoder writes 10,000 events at most; the frames are the same.
    encoder.event(&event).unwrap();
    let frames = split(&encoder.take(Vec::new()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.eco2log");
    let disk = Memory::default();
    let writer = LogWriter::start(disk.clone(), Pace::default()).unwrap();
    // In parts that the queue accepts.
    writer.submit(frames[0].clone());
    for start in (0..count).step_by(5_000) {
        writer.submit(frames[1].repeat((count - start).min(5_000) as usize));
        while disk.0.lock().unwrap().len() < frames[0].len() + start as usize * frames[1].len() {
            std::thread::yield_now();
        }
    }
    assert_eq!(writer.close(Duration::from_secs(60)).lost_bytes, 0);
    std::fs::write(&path, &*disk.0.lock().unwrap()).unwrap();
    let timed = |work: &dyn Fn()| {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64()
    };
    let checked_s = timed(&|| assert_eq!(check_log(&path).unwrap().frames, count + 1));
    let read_s = timed(&|| drop(read_log(&path).unwrap()));
    println!("{count} frames: checked in {checked_s:.3} s, read in {read_s:.3} s, ratio {:.2}", checked_s / read_s);
    assert!(cfg!(debug_assertions) || checked_s < 1.0, "{checked_s} s");
}
