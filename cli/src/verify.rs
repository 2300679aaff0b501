//! Runs `eco2 verify`: checks whether stored runs were changed, and seals them. A *record* is the log or the report
//! file of one process.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use eco2::options::Layer;
use eco2_report::{
    FigureDifference, LogCheck, LogFinding, SealCheck, SealError, SealKey, SealPublicKey, check_log, check_seal,
    write_seal,
};
use serde_json::{Value, json};

use crate::args::VerifyArgs;
use crate::failure::{FAILED, UsageError};
use crate::{out, settings};

/// Findings of one record that are printed; JSON has all.
const SHOWN: usize = 20;

/// Note on a log that ended without the counts at both ends of the run.
const NO_COUNTS: &str = "this log has no counts at both ends of the run (older logs have none): energies are checked by the range of \
    the kept readings only";

/// Runs the command.
///
/// # Errors
/// If a run is not found, or a key cannot be used. A record that is broken is no error: it is printed, and the code is 1.
pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<u8> {
    if let Some(file) = &args.keygen {
        let key = SealKey::generate(file)?.public().text();
        out::data(&if args.json { out::document(&json!({ "public_key": key })) } else { format!("{key}\n") })?;
        return Ok(0);
    }
    let public = args.public_key.as_deref().map(SealPublicKey::parse).transpose();
    let public = public.map_err(|error| UsageError(error.to_string()))?;
    let key = args.key.as_deref().map(SealKey::read).transpose()?;
    let options = settings::resolve(Layer::default())?;
    let mut records = Vec::new();
    let folder = eco2::runs::runs_folder(&options).ok();
    for run in &args.runs {
        for path in eco2::runs::find_records(run, &options)? {
            records.push(check(path, folder.as_deref(), public.as_ref(), key.as_ref())?);
        }
    }
    let is_sound = |record: &Record| record.is_sound() && (record.is_closed() || !args.require_closed);
    let verdict = records.iter().all(is_sound);
    if args.json {
        let found: Vec<Value> = records.iter().map(|record| record.json(is_sound(record))).collect();
        let findings: Vec<Value> = records.iter().flat_map(Record::findings_json).collect();
        let word = word(verdict);
        out::data(&out::document(
            &json!({ "schema": "eco2.verify/1", "verdict": word, "records": found, "findings": findings }),
        ))?;
    } else {
        let texts: Vec<String> = records.iter().map(|record| record.text(is_sound(record))).collect();
        out::page(&texts.join("\n"))?;
    }
    Ok(if verdict { 0 } else { FAILED })
}

fn word(is_sound: bool) -> &'static str {
    if is_sound { "sound" } else { "broken" }
}

/// What was found in a record.
#[derive(Default)]
struct Record {
    path: PathBuf,
    /// The frames; `None` for a report file.
    log: Option<LogCheck>,
    figures: Option<eco2::RecordCheck>,
    seal: Option<SealCheck>,
    /// The file of the seal that was written.
    sealed: Option<PathBuf>,
    /// Why the record could not be read.
    unreadable: Option<String>,
    /// What is wrong with the seal as a whole.
    seal_fault: Option<String>,
    /// That the log is of another run than the name of its file states.
    misnamed: Option<String>,
}

/// Checks a record, and seals it with `key`. `folder`: the folder of runs.
fn check(
    path: PathBuf,
    folder: Option<&Path>,
    public: Option<&SealPublicKey>,
    key: Option<&SealKey>,
) -> Result<Record, SealError> {
    let mut record = Record { path, ..Record::default() };
    let is_log = is_log(&record.path);
    if is_log {
        match check_log(&record.path) {
            Ok(log) => {
                record.misnamed = misnamed(&record.path, folder, &log);
                record.log = Some(log);
            }
            Err(error) => record.unreadable = Some(error.to_string()),
        }
    }
    // A log that ends within its first frame has no figures.
    let is_empty = record.log.as_ref().is_some_and(|log| log.frames == 0);
    if record.unreadable.is_none() && !is_empty {
        match eco2::check_record(&record.path, is_log) {
            Ok(figures) => record.figures = Some(figures),
            Err(error) => record.unreadable = Some(error.to_string()),
        }
    }
    if let Some(key) = key {
        match &record.log {
            Some(log) if record.is_sound() => match write_seal(&record.path, log, key) {
                Ok(path) => record.sealed = Some(path),
                Err(error) => record.seal_fault = Some(error.to_string()),
            },
            Some(_) => record.seal_fault = Some("was not sealed, because it is broken".to_owned()),
            None => record.seal_fault = Some("was not sealed: only run logs are".to_owned()),
        }
    }
    if let Some(log) = &record.log {
        record.seal = check_seal(&record.path, log, public)?;
    }
    if let (Some(public), None) = (public, &record.seal) {
        record.seal_fault = Some(format!("has no seal, and one of {} was asked for", public.name()));
    }
    Ok(record)
}

/// Returns what is wrong if a log is of another run than its name states: in the folder of runs a log has the id of its run. A log
/// elsewhere may have any name, but not the id of another run.
fn misnamed(path: &Path, folder: Option<&Path>, log: &LogCheck) -> Option<String> {
    if log.part.is_empty() {
        return None;
    }
    let stem = path.file_stem()?.to_str()?;
    let is_stored = folder.is_some_and(|folder| path.starts_with(folder));
    let is_right = match folder.filter(|_| is_stored) {
        Some(folder) => eco2::runs::log_path(folder, &log.run_id, &log.part) == path,
        None => !is_run_id(stem) || [&log.part, &log.run_id].iter().any(|id| is_id_or_copy(stem, id)),
    };
    (!is_right).then(|| {
        format!("is the log of run {}, and has the name of another run: it was replaced, or renamed", log.run_id)
    })
}

/// Whether a name is an id, or that of a copy, with more after it: `…-5456-copy`, but not another id: `…-5456a`, or `…-5456-r1` of rank 1.
fn is_id_or_copy(name: &str, id: &str) -> bool {
    let Some(rest) = name.strip_prefix(id) else { return false };
    let is_part =
        |letter| rest.strip_prefix('-').and_then(|rest| rest.strip_prefix(letter)).is_some_and(starts_with_digit);
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && !is_part('r') && !is_part('a')
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether a text starts as the id of a run: `20261201-022325-183026ba-5456`.
fn is_run_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').take(4).collect();
    let [day, second, nanosecond, pid] = parts.as_slice() else { return false };
    let are_digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits(day, 8) && are_digits(second, 6) && is_hex(nanosecond) && is_hex(pid)
}

/// Whether a file starts as a run log does, or is named as one.
fn is_log(path: &Path) -> bool {
    let mut first = [0; 4];
    let starts_as_one = File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && &first == b"eco2";
    starts_as_one || path.extension().is_some_and(|suffix| suffix == eco2_report::LOG_EXTENSION)
}

impl Record {
    /// Whether nothing is wrong. A log without its closing record is sound.
    fn is_sound(&self) -> bool {
        let has_differences = self.figures.as_ref().is_some_and(|found| !found.figures.differences.is_empty());
        let places = self.places().next().is_some();
        self.faults().next().is_none() && !has_differences && !places
    }

    /// Whether the closing record is there. A report file needs none.
    fn is_closed(&self) -> bool {
        self.log.as_ref().map_or(self.figures.is_some(), |log| log.is_closed)
    }

    /// Findings in the log and in its seal.
    fn places(&self) -> impl Iterator<Item = &LogFinding> {
        let of_log = self.log.iter().flat_map(|log| &log.findings);
        of_log.chain(self.seal.iter().flat_map(|seal| &seal.findings))
    }

    fn differences(&self) -> &[FigureDifference] {
        self.figures.as_ref().map_or(&[], |found| &found.figures.differences)
    }

    /// Problems of the record as a whole.
    fn faults(&self) -> impl Iterator<Item = &String> {
        self.unreadable.iter().chain(&self.misnamed).chain(&self.seal_fault)
    }

    /// Every finding with its file and, where there is one, its place.
    fn findings_json(&self) -> Vec<Value> {
        let path = self.path.display().to_string();
        let faults = self.faults().map(|text| json!({ "file": path, "frame": null, "offset": null, "text": text }));
        let places = self.places().map(|found| {
            let frame = (found.frame > 0).then_some(found.frame);
            json!({ "file": path, "frame": frame, "offset": frame.map(|_| found.offset), "text": found.text })
        });
        let differences = self.differences().iter().map(|one| {
            let text = format!("{} is {}, and its parts give {}", one.field, one.stored, one.computed);
            json!({ "file": path, "frame": null, "offset": null, "field": one.field, "stored": one.stored,
                "computed": one.computed, "text": text })
        });
        faults.chain(places).chain(differences).collect()
    }

    fn json(&self, is_sound: bool) -> Value {
        let log = self.log.as_ref();
        let seal = self.seal.as_ref().map(|seal| json!({ "key": seal.key, "checked": seal.is_checked }));
        json!({
            "file": self.path.display().to_string(),
            "kind": if log.is_some() || is_log(&self.path) { "log" } else { "report" },
            "verdict": word(is_sound),
            "run": self.run_id(),
            "closed": self.is_closed(),
            "bytes": log.map(|log| log.bytes),
            "frames": log.map(|log| log.frames),
            "cut_bytes": log.map(|log| log.cut_bytes),
            "chained": log.map(|log| log.head.is_some()),
            "chain_head": log.and_then(|log| log.head.as_deref()),
            "report_sha256": log.and_then(|log| log.report_sha256.as_deref()),
            "more_findings": log.map(|log| log.more_findings),
            "figures_compared": self.figures.as_ref().map(|found| found.figures.compared),
            "counts_at_ends": self.figures.as_ref().map(|found| found.has_counts),
            "devices_exact": self.figures.as_ref().map(|found| found.exact_devices),
            "devices_in_range": self.figures.as_ref().map(|found| found.devices_in_range),
            "devices_not_confirmed": self.figures.as_ref().map(|found| found.not_confirmed.iter().map(note).collect::<Vec<_>>()),
            "seal": seal,
        })
    }

    fn run_id(&self) -> &str {
        let of_log = self.log.as_ref().map(|log| log.run_id.as_str());
        of_log.or(self.figures.as_ref().map(|found| found.run_id.as_str())).unwrap_or_default()
    }

    /// The text for people.
    fn text(&self, is_sound: bool) -> String {
        let mut text = format!("{}: {}\n", self.path.display(), word(is_sound));
        let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<9}{}\n", in_one_line(&value)));
        if !self.run_id().is_empty() {
            line("run", self.run_id().to_owned());
        }
        if let Some(log) = &self.log {
            line("chain", chain_words(log));
            line("closed", closed_words(log));
        }
        if let Some(found) = &self.figures {
            line("figures", figure_words(found));
        }
        if self.log.is_some() {
            line("seal", seal_words(self.seal.as_ref(), self.sealed.as_deref()));
        }
        let places = self.places().map(|found| match found.frame {
            0 => found.text.clone(),
            frame => format!("frame {frame} at byte {}: {}", found.offset, found.text),
        });
        let differences = self
            .differences()
            .iter()
            .map(|one| format!("{} is {}; recomputed: {}", one.field, one.stored, one.computed));
        let all: Vec<String> = self.faults().cloned().chain(places).chain(differences).collect();
        all.iter().take(SHOWN).for_each(|finding| text.push_str(&format!("  ! {}\n", in_one_line(finding))));
        let notes = self.figures.iter().flat_map(|found| found.not_confirmed.iter().map(note));
        let without_counts =
            self.figures.iter().filter(|found| found.readings > 0 && !found.has_counts && self.is_closed());
        let without_counts = without_counts.map(|_| NO_COUNTS.to_owned());
        notes
            .chain(without_counts)
            .take(SHOWN)
            .for_each(|note| text.push_str(&format!("  note     {}\n", in_one_line(&note))));
        let more =
            (all.len() as u64).saturating_sub(SHOWN as u64) + self.log.as_ref().map_or(0, |log| log.more_findings);
        if more > 0 {
            text.push_str(&format!("  ! and {more} more; --json has up to 1,000\n"));
        }
        text
    }
}

/// Returns a text without line ends, which could imitate another line of the output.
fn in_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Returns the text about a device whose energy the readings do not confirm.
fn note(one: &FigureDifference) -> String {
    format!("{}: {}, and the kept readings give {}; not confirmed", one.field, one.stored, one.computed)
}

fn chain_words(log: &LogCheck) -> String {
    match &log.head {
        Some(head) => format!("{} frames, {} bytes, head {head}", log.frames, log.bytes),
        None if log.frames <= 1 => format!("{} frames, {} bytes: it ends before the first link", log.frames, log.bytes),
        None => format!(
            "not chained ({} frames, {} bytes): an earlier eco2 wrote it, and changed frames cannot be found",
            log.frames, log.bytes
        ),
    }
}

fn closed_words(log: &LogCheck) -> String {
    match (log.is_closed, log.cut_bytes, &log.report_sha256) {
        (true, ..) => "yes".to_owned(),
        (false, 0, Some(_)) => "no: the closing record is missing".to_owned(),
        (false, 0, None) if log.bytes == 0 => "not closed: the run was killed before the first record".to_owned(),
        (false, 0, None) => "not closed: the run was killed, goes on, or the end was cut off".to_owned(),
        (false, cut, _) => format!("not closed: the last frame is cut off, {cut} bytes of it are there"),
    }
}

fn figure_words(found: &eco2::RecordCheck) -> String {
    let (compared, differ) = (found.figures.compared, found.figures.differences.len());
    let result = if differ == 0 { "all agree".to_owned() } else { format!("{differ} differ") };
    let devices = match (found.exact_devices, found.devices_in_range) {
        (exact, in_range) if found.has_counts => format!(
            "; energy of {exact} devices exact by their counts at both ends, {in_range} of these confirmed by {} readings",
            found.readings
        ),
        (0, 0) => String::new(),
        (exact, 0) => format!("; energy of {exact} devices from {} readings, exact", found.readings),
        (exact, in_range) => {
            format!(
                "; energy of devices from {} readings: {exact} exact, {in_range} by the kept readings' range",
                found.readings
            )
        }
    };
    format!("{compared} recomputed, {result}{devices}")
}

fn seal_words(seal: Option<&SealCheck>, written: Option<&Path>) -> String {
    match (seal, written) {
        (_, Some(path)) => format!("written to {}", path.display()),
        (None, _) => "none".to_owned(),
        (Some(seal), _) if !seal.is_checked => {
            format!("by key {}, signature not checked: give --public-key", seal.key)
        }
        (Some(seal), _) if seal.findings.is_empty() => format!("signed by {}", seal.key),
        (Some(seal), _) => format!("by key {}, broken", seal.key),
    }
}
