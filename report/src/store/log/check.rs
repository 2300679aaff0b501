//! Checks the frames of a run log for `eco2 verify` ([`check_log`]): whether each continues the chain, whether bytes belong to
//! no frame, and whether the log was closed.
//!
//! A log that a crash ended is sound: its last frame may be cut off, also if it is the first one, and the closing record (Summary)
//! is missing. Any other byte outside a whole frame is a finding. Nothing here compares figures.

use std::io::{Cursor, Read, Seek};
use std::path::Path;

use eco2_grid::Sha256;

use super::chain::{Link, link_of};
use super::contents::{parse_json, parse_meta};
use super::frame::{FrameKind, HEAD_BYTES, Head, MAGIC};
use super::reader::no_frame_error;
use super::scan::{FoundFrame, Scanner};
use super::{LogMeta, LogSummary, MAX_LOG_BYTES};
use crate::Error;
use crate::store::files;

/// Largest number of findings that are kept; further ones are counted.
const MAX_FINDINGS: usize = 1_000;
/// Largest number of marks. If there are more, every second one is dropped, and marks are set half as often from there on.
const MAX_MARKS: usize = 64;
/// The slot of a frame whose link was not computed: eco2 before it wrote chains.
const NO_LINK: Link = [0; 32];

/// What is wrong at one place of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFinding {
    /// Number of the frame, from 1. Bytes that belong to no whole frame count as one.
    pub frame: u64,
    /// Position of its first byte in the file.
    pub offset: u64,
    /// What is wrong.
    pub text: String,
}

/// The link of one frame of a chained log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMark {
    /// Number of the frame, from 1.
    pub frame: u64,
    /// Position after its last byte.
    pub end: u64,
    /// Its link, hexadecimal.
    pub link: String,
}

/// The result of [`check_log`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogCheck {
    /// Id of the run in the first frame; empty if that is lost.
    pub run_id: String,
    /// Id of the record in the first frame.
    pub part: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Whole frames.
    pub frames: u64,
    /// Head of the chain, hexadecimal; `None` in a log without a chain, in which changed frames cannot be found.
    pub head: Option<String>,
    /// Whether the last frame is the closing record.
    pub is_closed: bool,
    /// Bytes of the last frame that was cut off by a crash.
    pub cut_bytes: u64,
    /// SHA-256 of the final report as it is in the log, hexadecimal; `None` if the run did not end.
    pub report_sha256: Option<String>,
    /// Links at up to 64 frames at equal distances, for seals; empty without a chain.
    pub marks: Vec<LogMark>,
    /// What is wrong, in the order of the file; at most 1,000.
    pub findings: Vec<LogFinding>,
    /// Further findings that were only counted.
    pub more_findings: u64,
}

/// Checks the frames of a log. Needs the memory of the largest frame.
///
/// # Errors
/// [`Error::Io`], [`Error::TooLarge`], [`Error::Newer`], and [`Error::NotOurs`] for a file without any frame, unless it ends within the first.
pub fn check_log(path: &Path) -> Result<LogCheck, Error> {
    check_frames(files::open_regular(path, "run log", MAX_LOG_BYTES)?, path)
}

/// Checks the frames of a log in memory; `path` is only for messages.
///
/// # Errors
/// As [`check_log`].
pub fn check_log_bytes(bytes: &[u8], path: &Path) -> Result<LogCheck, Error> {
    check_frames(Cursor::new(bytes), path)
}

/// Checks the frames of `input`; `path` is only for messages.
fn check_frames(input: impl Read + Seek, path: &Path) -> Result<LogCheck, Error> {
    let io = |e| Error::io("read", path, e);
    let mut scanner = Scanner::new(input, MAX_LOG_BYTES).map_err(io)?;
    let (mut payload, mut walk) = (Vec::new(), Walk::default());
    while let Some(found) = scanner.next_of_any_kind(&mut payload).map_err(io)? {
        walk.add(&found, &payload, path)?;
    }
    let rest = FoundFrame { offset: walk.end, length: HEAD_BYTES, ..FoundFrame::default() };
    let start_of_rest = scanner.payload(&rest).map_err(io)?;
    if walk.check.frames == 0 && !is_cut_frame(&start_of_rest, scanner.end()) {
        return Err(no_frame_error(path, scanner.end()));
    }
    Ok(walk.finish(scanner.end(), &start_of_rest))
}

/// The state between two frames.
#[derive(Debug, Default)]
struct Walk {
    check: LogCheck,
    /// Number of the last frame, damaged ones included.
    number: u64,
    /// Position after the last whole frame.
    end: u64,
    /// Link of the last frame; `None` if it is not known.
    previous: Option<Link>,
    /// Whether any frame has a link.
    is_chained: bool,
    /// Frames after the first without a link. They are findings if other frames have one.
    unlinked: Vec<LogFinding>,
    meta: Option<LogMeta>,
    /// The frame of the closing record.
    closing: Option<u64>,
    /// Number, end and link of some frames, all with a number that is a multiple of `mark_every`.
    marks: Vec<(u64, u64, Link)>,
    mark_every: u64,
}

impl Walk {
    /// Checks the next whole frame.
    fn add(&mut self, found: &FoundFrame, payload: &[u8], path: &Path) -> Result<(), Error> {
        let is_after_damage = found.start() > self.end;
        if is_after_damage {
            self.number += 1;
            let text =
                format!("{} bytes are no whole frame: they were changed, or written over", found.start() - self.end);
            self.note(self.end, text);
        }
        self.number += 1;
        self.check.frames += 1;
        if let Some(closing) = self.closing {
            self.note(found.start(), format!("follows the closing record, frame {closing}: it was added later"));
        }
        if self.number == 1 && found.kind == Some(FrameKind::Meta) && found.slot.is_none() {
            parse_meta(&mut self.meta, payload, path)?;
            self.previous = Some(link_of(&NO_LINK, &found.head_bytes, payload));
        } else {
            if self.number == 1 {
                self.note(
                    found.start(),
                    "is not the description of a run, which is the first frame of a log".to_owned(),
                );
            }
            self.link(found, payload, is_after_damage);
        }
        self.take(found, payload);
        self.end = found.end();
        self.mark();
        Ok(())
    }

    /// Keeps the link of the last frame, if its turn has come.
    fn mark(&mut self) {
        let every = self.mark_every.max(1);
        let Some(link) = self.previous.filter(|_| self.number % every == 0) else { return };
        self.marks.push((self.number, self.end, link));
        if self.marks.len() > MAX_MARKS {
            self.mark_every = every * 2;
            self.marks.retain(|(frame, ..)| frame % (every * 2) == 0);
        }
    }

    /// Checks the link of a frame.
    fn link(&mut self, found: &FoundFrame, payload: &[u8], is_after_damage: bool) {
        let computed = self.previous.map(|previous| link_of(&previous, &found.head_bytes, payload));
        match found.slot {
            None => self.unlinked(found, "has no link of the chain: it was inserted"),
            Some(NO_LINK) => {
                self.unlinked(found, "has an empty link of the chain: it was changed or inserted");
                self.previous = computed;
            }
            Some(slot) => {
                self.is_chained = true;
                if computed.is_some_and(|link| link != slot) && !is_after_damage {
                    let text = format!(
                        "does not continue frame {}: one of the two was changed, or frames were removed, moved or inserted",
                        self.number.saturating_sub(1)
                    );
                    self.note(found.start(), text);
                }
                self.previous = Some(slot);
            }
        }
    }

    /// Keeps what the result has of a frame.
    fn take(&mut self, found: &FoundFrame, payload: &[u8]) {
        match found.kind {
            Some(FrameKind::Final) => self.check.report_sha256 = Some(Sha256::of(payload).to_string()),
            Some(FrameKind::Summary) => {
                self.closing = Some(self.number);
                let summary = parse_json::<LogSummary>(payload);
                let is_of_this_run = |summary: &LogSummary, meta: &LogMeta| {
                    (&summary.run_id, &summary.part) == (&meta.run.id, &meta.run.part)
                };
                match (summary, &self.meta) {
                    (None, _) => self.note(found.start(), "is a closing record that cannot be read".to_owned()),
                    (Some(summary), Some(meta)) if !is_of_this_run(&summary, meta) => {
                        let text = format!("closes run {}, and the log is of run {}", summary.run_id, meta.run.id);
                        self.note(found.start(), text);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn unlinked(&mut self, found: &FoundFrame, what: &str) {
        if self.unlinked.len() < MAX_FINDINGS {
            self.unlinked.push(LogFinding { frame: self.number, offset: found.start(), text: what.to_owned() });
        }
    }

    /// Adds a finding about the frame with the present number.
    fn note(&mut self, offset: u64, text: String) {
        if self.check.findings.len() < MAX_FINDINGS {
            self.check.findings.push(LogFinding { frame: self.number, offset, text });
        } else {
            self.check.more_findings += 1;
        }
    }

    /// Returns the result for a file of `bytes` bytes; `start_of_rest` are the first bytes after the last whole frame.
    fn finish(mut self, bytes: u64, start_of_rest: &[u8]) -> LogCheck {
        let rest = bytes.saturating_sub(self.end);
        if rest > 0 && self.closing.is_none() && is_cut_frame(start_of_rest, rest) {
            self.check.cut_bytes = rest;
        } else if rest > 0 {
            self.number += 1;
            self.note(self.end, format!("the last {rest} bytes are no whole frame: they were changed, or added later"));
        }
        if self.is_chained {
            let mark = |(frame, end, link)| LogMark { frame, end, link: Sha256::from_bytes(link).to_string() };
            self.check.marks = self.marks.into_iter().map(mark).collect();
            self.check.head = self.previous.map(|head| Sha256::from_bytes(head).to_string());
            self.check.findings.append(&mut self.unlinked);
            self.check.findings.sort_by_key(|finding| finding.offset);
        }
        self.check.is_closed = self.closing == Some(self.number);
        let run = self.meta.map(|meta| meta.run).unwrap_or_default();
        (self.check.run_id, self.check.part) = (run.id, run.part);
        LogCheck { bytes, ..self.check }
    }
}

/// Whether the bytes after the last whole frame are the start of another, as a crash leaves it, or zeros, as a power cut may.
fn is_cut_frame(start: &[u8], rest: u64) -> bool {
    let is_empty = start.iter().all(|byte| *byte == 0);
    let is_start = match start.first_chunk::<HEAD_BYTES>() {
        Some(head) => Head::parse(head).is_some_and(|head| (HEAD_BYTES + head.length) as u64 > rest),
        None => start.starts_with(MAGIC) || MAGIC.starts_with(start),
    };
    is_empty || is_start
}
