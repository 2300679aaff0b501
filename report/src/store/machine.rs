//! What is known of one machine over its runs: the result of the self-test of `eco2 doctor`, its calibration, and the notices
//! that its user has read. One file per machine in the state folder.
//!
//! A run reads the file at its start, so that a counter that failed is not trusted and an estimate uses measured powers;
//! see docs/self-test.md. A file that cannot be read is reported and ignored.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use eco2_core::CounterFault;
use serde::{Deserialize, Serialize};

use crate::store::calibration::Calibration;
use crate::store::files;
use crate::{Error, Notice};

/// The schema of the file.
const SCHEMA: &str = "eco2.machine/1";
/// The largest file that is read, bytes: 256 counters with 16 KiB each, which are far more than a machine has.
const MAX_BYTES: u64 = 4 << 20;
/// The longest name of a counter or source that is taken from the file, bytes.
const MAX_NAME_BYTES: usize = 256;

/// The file of one machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MachineState {
    /// `eco2.machine/1`.
    schema: String,
    /// The machine: the first part of a SHA-256 of its machine id, host name, processor and tree of kernel files.
    machine: String,
    /// The last test of each counter.
    pub counters: Vec<CounterTest>,
    /// The last calibration; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Names of the notices about the machine that were shown ([`crate::Notice`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
}

/// The self-test of one energy counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterTest {
    /// The counter's id, as in reports: `package-0`.
    pub id: String,
    /// The source that reads it: `rapl-sysfs`.
    pub source: String,
    /// What the test found.
    pub result: CounterResult,
    /// How often the counter was read.
    pub reads: u64,
    /// How often its value changed.
    pub changes: u64,
    /// Its difference from the integrated power of its device, percent; `None` where the device has no power sensor, or
    /// the test was too short to compare them.
    pub difference_percent: Option<f64>,
    /// Time from one update to the next, nanoseconds; `None` where too few updates were seen.
    pub update_period_ns: Option<u64>,
    /// Its smallest growth between two readings, microjoules.
    pub smallest_step_uj: Option<u64>,
    /// CPU time of one read, microseconds.
    pub read_cpu_us: Option<f64>,
    /// When it was tested (RFC 3339).
    pub tested_at: String,
}

/// What a self-test found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CounterResult {
    /// The counter moves, and nothing contradicts it.
    Passed,
    /// It did not move under load.
    Still,
    /// It contradicts the integrated power of its device.
    Contradicted,
    /// It was not read, or did not move and may be of a part that is switched off.
    Unclear,
}

impl CounterTest {
    /// Why it failed; `None` if it did not.
    #[must_use]
    pub fn fault(&self) -> Option<CounterFault> {
        match self.result {
            CounterResult::Still => Some(CounterFault::Still),
            CounterResult::Contradicted => Some(CounterFault::Contradicted),
            CounterResult::Passed | CounterResult::Unclear => None,
        }
    }

    /// Whether both are tests of one counter.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.source, &self.id) == (&other.source, &other.id)
    }
}

impl MachineState {
    /// A machine of which nothing is known.
    #[must_use]
    pub fn new(machine: &str) -> Self {
        Self { schema: SCHEMA.to_owned(), machine: machine.to_owned(), ..Self::default() }
    }

    /// Reads a machine's file; one that is not there is empty.
    ///
    /// # Errors
    /// [`Error`] for a file that cannot be read, is no regular file, is too large, damaged, or of another machine.
    pub fn load(path: &Path, machine: &str) -> Result<Self, Error> {
        let bytes = match files::read_regular(path, "machine file", MAX_BYTES) {
            Err(Error::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::new(machine));
            }
            bytes => bytes?,
        };
        let damaged = |found: String| {
            let remedy = "`eco2 doctor` writes it again";
            Error::NotOurs { path: path.to_owned(), what: "machine file", found, remedy }
        };
        let state: Self = serde_json::from_slice(&bytes).map_err(|cause| damaged(cause.to_string()))?;
        state.fault(machine).map_or(Ok(state), |found| Err(damaged(found)))
    }

    /// Why the content is not used.
    fn fault(&self, machine: &str) -> Option<String> {
        if self.schema != SCHEMA {
            return Some(format!("its schema is not `{SCHEMA}`"));
        }
        if self.machine != machine {
            return Some("it is of another machine".to_owned());
        }
        let is_long =
            |test: &CounterTest| test.id.len().max(test.source.len()).max(test.tested_at.len()) > MAX_NAME_BYTES;
        let is_long_notice = self.notices.iter().any(|name| name.len() > MAX_NAME_BYTES);
        if is_long_notice || self.counters.iter().any(is_long) {
            return Some(format!("a name is longer than {MAX_NAME_BYTES} bytes"));
        }
        self.calibration.as_ref().and_then(Calibration::fault).map(str::to_owned)
    }

    /// Replaces the tests of these counters. A difference from integrated power that is known from an earlier, longer test
    /// is kept, and the failure with it, where the new test was too short to compare.
    pub fn update(&mut self, tests: &[CounterTest]) {
        for test in tests {
            let mut test = test.clone();
            let compares = test.difference_percent.is_some() || test.result != CounterResult::Passed;
            if let Some(old) = self.counters.iter().find(|old| !compares && old.is_of(&test)) {
                test.difference_percent = old.difference_percent;
                if old.result == CounterResult::Contradicted {
                    test.result = CounterResult::Contradicted;
                }
            }
            self.counters.retain(|old| !old.is_of(&test));
            self.counters.push(test);
        }
    }

    /// Returns the notices that were shown on this machine; those of other versions are left out.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.iter().filter_map(|name| Notice::from_name(name)).collect()
    }

    /// Adds notices that were shown; returns whether one of them is new.
    pub fn add_notices(&mut self, shown: &[Notice]) -> bool {
        let known = self.notices.len();
        for notice in shown {
            if !self.notices.iter().any(|name| name == notice.name()) {
                self.notices.push(notice.name().to_owned());
            }
        }
        self.notices.len() > known
    }

    /// Writes the file whole, with mode 0600 in a folder with mode 0700.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Encode`] for a number that JSON does not have.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        if let Some(folder) = path.parent() {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            created.map_err(|cause| Error::io("create", folder, cause))?;
        }
        let encode = |cause| Error::Encode { what: "the machine file", cause };
        let mut bytes = serde_json::to_vec_pretty(self).map_err(encode)?;
        bytes.push(b'\n');
        files::write_file(path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn test(id: &str, result: CounterResult) -> CounterTest {
        CounterTest {
            id: id.to_owned(),
            source: "nvml".to_owned(),
            result,
            reads: 100,
            changes: 12,
            difference_percent: None,
            update_period_ns: Some(100_000_000),
            smallest_step_uj: Some(1_000),
            read_cpu_us: Some(3.5),
            tested_at: "2026-11-29T20:00:00Z".to_owned(),
        }
    }

    #[test]
    fn machine_file_is_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/machine/abc.json");
        assert_eq!(MachineState::load(&path, "abc").unwrap(), MachineState::new("abc"), "no file yet");
        let mut state = MachineState::new("abc");
        state.update(&[test("GPU-1", CounterResult::Still), test("GPU-2", CounterResult::Passed)]);
        state.save(&path).unwrap();
        assert_eq!(MachineState::load(&path, "abc").unwrap(), state);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        let faults: Vec<_> = state.counters.iter().map(CounterTest::fault).collect();
        assert_eq!(faults, [Some(CounterFault::Still), None]);
    }

    /// A file of a version without calibration has none; a self-test keeps the calibration that there is.
    #[test]
    fn calibration_is_optional_and_stays_in_the_file() {
        let old = br#"{"schema":"eco2.machine/1","machine":"abc","counters":[]}"#;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc.json");
        fs::write(&path, old).unwrap();
        let mut state = MachineState::load(&path, "abc").unwrap();
        assert_eq!(state.calibration, None);
        state.calibration = Some(Calibration::example());
        state.save(&path).unwrap();
        let mut state = MachineState::load(&path, "abc").unwrap();
        state.update(&[test("GPU-1", CounterResult::Passed)]);
        state.save(&path).unwrap();
        assert_eq!(MachineState::load(&path, "abc").unwrap().calibration, Some(Calibration::example()));
        let torn = fs::read(&path).unwrap();
        fs::write(&path, &torn[..torn.len() - 20]).unwrap();
        assert!(MachineState::load(&path, "abc").unwrap_err().to_string().contains("EOF"));
    }

    #[test]
    fn notices_are_kept_once_and_those_of_other_versions_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc.json");
        let mut state = MachineState::new("abc");
        assert!(state.add_notices(&[Notice::NoZone]) && !state.add_notices(&[Notice::NoZone]));
        state.notices.push("of-a-later-version".to_owned());
        state.save(&path).unwrap();
        let again = MachineState::load(&path, "abc").unwrap();
        assert_eq!(again.notices(), [Notice::NoZone]);
        assert_eq!(again, state, "names of other versions are kept in the file");
    }

    #[test]
    fn short_test_keeps_what_a_longer_one_found_out_about_power() {
        let mut state = MachineState::new("abc");
        let contradicted =
            CounterTest { difference_percent: Some(-42.0), ..test("GPU-1", CounterResult::Contradicted) };
        state.update(&[contradicted, test("GPU-2", CounterResult::Still)]);
        state.update(&[test("GPU-1", CounterResult::Passed), test("GPU-2", CounterResult::Passed)]);
        let found: Vec<_> = state.counters.iter().map(|test| (test.result, test.difference_percent)).collect();
        assert_eq!(found, [(CounterResult::Contradicted, Some(-42.0)), (CounterResult::Passed, None)]);
        let agrees = CounterTest { difference_percent: Some(1.0), ..test("GPU-1", CounterResult::Passed) };
        state.update(&[agrees]);
        let repaired = state.counters.iter().find(|test| test.id == "GPU-1").unwrap();
        assert_eq!((repaired.result, repaired.difference_percent), (CounterResult::Passed, Some(1.0)));
    }

    #[test]
    fn hostile_machine_files_are_named_and_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc.json");
        let error = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            MachineState::load(&path, "abc").unwrap_err().to_string()
        };
        let long = format!(r#"{{"schema":"eco2.machine/1","machine":"abc","counters":[{}]}}"#, {
            serde_json::to_string(&test(&"x".repeat(300), CounterResult::Still)).unwrap()
        });
        let powerless = br#"{"schema":"eco2.machine/1","machine":"abc","counters":[],"calibration":{"cpu":null}}"#;
        for (bytes, reason) in [
            (&b"\xff\xfe not json"[..], "abc.json"),
            (powerless, "invalid type"),
            (b"", "EOF"),
            (b"[1e999]", "abc.json"),
            (&[b'['; 100_000], "invalid type"),
            (br#"{"schema":"eco2.machine/2","machine":"abc","counters":[]}"#, "schema"),
            (br#"{"schema":"eco2.machine/1","machine":"xyz","counters":[]}"#, "another machine"),
            (br#"{"schema":"eco2.machine/1","machine":"abc","counters":[{"id":7}]}"#, "invalid type"),
            (long.as_bytes(), "256 bytes"),
            (&vec![b' '; MAX_BYTES as usize + 1], "larger than"),
        ] {
            let text = error(bytes);
            assert!(text.contains(reason) && text.contains("abc.json"), "{reason}: {text}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(MachineState::load(&path, "abc").unwrap_err().to_string().contains("not a regular file"));
    }
}
