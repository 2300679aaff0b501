//! Edits of a run log: its frames one by one, and a final report that was changed together with everything that repeats it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eco2_core::schema::Report;
use eco2_report::{Disk, LogSummary, LogWriter, Pace};
use serde_json::Value;

/// Bytes before the payload: the head, and in frames of version 2 the link of the chain.
const HEAD_BYTES: usize = 16;
const LINK_BYTES: usize = 32;
const FINAL: u8 = 7;
const SUMMARY: u8 = 8;
const ENDS: u8 = 11;

/// The frames of a log.
pub(super) fn frames(mut log: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while log.len() >= HEAD_BYTES {
        let length = u32::from_le_bytes(log[8..12].try_into().unwrap()) as usize;
        let (frame, rest) = log.split_at(HEAD_BYTES + length);
        frames.push(frame.to_vec());
        log = rest;
    }
    frames
}

/// The kind of a frame, as the format of logs has it.
pub(super) fn kind(frame: &[u8]) -> u8 {
    frame[4]
}

/// Keeps only some frames of a log. The chain is that of the frames before.
pub(super) fn rewrite(log: &Path, is_kept: impl Fn(&[u8]) -> bool) {
    let kept = frames(&fs::read(log).unwrap()).into_iter().filter(|frame| is_kept(frame));
    fs::write(log, kept.collect::<Vec<_>>().concat()).unwrap();
}

/// Changes the final report of a log, the grams that follow from it, and its summary, and computes all hashes again.
pub(super) fn edited_and_chained(log: &Path, edit: impl Fn(&mut Value)) {
    let mut report = Value::Null;
    let edited = frames(&fs::read(log).unwrap()).into_iter().map(|frame| match kind(&frame) {
        FINAL => {
            report = serde_json::from_slice(&frame[HEAD_BYTES + LINK_BYTES..]).unwrap();
            edit(&mut report);
            reprice(&mut report);
            with_payload(&frame, report.to_string().as_bytes())
        }
        SUMMARY => {
            let report: Report = serde_json::from_value(report.clone()).unwrap();
            with_payload(&frame, &serde_json::to_vec(&LogSummary::of(&report)).unwrap())
        }
        _ => frame,
    });
    let edited: Vec<Vec<u8>> = edited.collect();
    assert!(report.is_object(), "the log has a final report");
    write_chained(log, edited);
}

/// Removes the counts at both ends of the run, and computes all hashes again: a log as older versions wrote it.
pub(super) fn without_counts(log: &Path) {
    let mut kept = frames(&fs::read(log).unwrap());
    let before = kept.len();
    kept.retain(|frame| kind(frame) != ENDS);
    assert_eq!(kept.len() + 1, before);
    write_chained(log, kept);
}

fn write_chained(log: &Path, frames: Vec<Vec<u8>>) {
    let disk = Memory::default();
    let writer = LogWriter::start(disk.clone(), Pace::default()).unwrap();
    writer.submit(frames.concat());
    assert_eq!(writer.close(Duration::from_secs(60)).lost_bytes, 0);
    fs::write(log, &*disk.0.lock().unwrap()).unwrap();
}

/// Gives the report the grams of its energy at its one intensity.
fn reprice(report: &mut Value) {
    let g_per_kwh = report["carbon"]["segments"][0]["g_per_kwh"].as_f64().unwrap();
    for (grams, energy) in [("grams", "total_uj"), ("low", "low_uj"), ("high", "high_uj")] {
        let uj = report["energy"][energy].as_f64().unwrap();
        report["carbon"][grams] = (uj / 3.6e12 * g_per_kwh).into();
    }
}

fn with_payload(frame: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = (LINK_BYTES + payload.len()) as u32;
    let mut out = [&frame[..8], &length.to_le_bytes(), &[0; 4 + LINK_BYTES]].concat();
    out.extend_from_slice(payload);
    out
}

/// A disk in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Disk for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
