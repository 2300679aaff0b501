//! Writes the page ([`PageWriter`]).

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eco2_core::{Bounded, Domain, DomainPoint, Kind, Margins, Snapshot, TimelineLine, TimelineWriter};
use rustix::fs::{Gid, Mode};

use crate::clock::monotonic_ns;

use super::header::{ENDED, HEARTBEAT, Header, PageFault, STATE, Steps};
use super::mapping::{Lines, Mapping};

/// A page that is to be written.
#[derive(Debug, Clone)]
pub struct PageSpec<'a> {
    /// The agent's folder. No other process writes there.
    pub folder: &'a Path,
    /// Name of the file in it.
    pub name: &'a str,
    /// Permissions of the file, such as `0o644`.
    pub mode: u32,
    /// Group of the file; `None`: that of this process.
    pub group: Option<u32>,
    /// How fine its energies are.
    pub steps: Steps,
    /// Boot id of the machine.
    pub boot_id: &'a str,
    /// When the writer began, monotonic nanoseconds.
    pub began_ns: u64,
    /// Snapshots that it holds, a power of two from 2 on; [`SLOTS`](super::SLOTS) unless there is a reason.
    pub slots: usize,
    /// The domains whose energies are published.
    pub domains: &'a [Domain],
}

/// The only writer of a page. Dropping it marks the page as ended; the file stays, so that readers keep the last values.
#[derive(Debug)]
pub struct PageWriter {
    lines: Lines,
    writer: TimelineWriter<Lines>,
    path: PathBuf,
    steps: Steps,
    /// Whether each domain is a sensor of power.
    is_power: Vec<bool>,
    /// What a page with steps shows.
    coarse: Snapshot,
    /// When it may change next, monotonic nanoseconds.
    next_ns: u64,
}

/// A timer is late by less than this, so that snapshots once a second are not left out.
const LATE_NS: u64 = 50_000_000;

impl PageWriter {
    /// Makes the file and puts it in the place of an earlier one. Readers of that one go over to the new one.
    ///
    /// ```
    /// use eco2_core::{Component, Domain, DomainPoint, Snapshot};
    /// use eco2_samplers::page::{PUBLIC, PageReader, PageSpec, PageWriter, SLOTS, Steps};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let domains = [Domain::counter("package-0", Component::Cpu, "package", "rapl-perf")];
    /// let spec = PageSpec {
    ///     folder: folder.path(),
    ///     name: PUBLIC,
    ///     mode: 0o644,
    ///     group: None,
    ///     steps: Steps { ns: 1_000_000_000, uj: 100_000 },
    ///     boot_id: "example",
    ///     began_ns: 0,
    ///     slots: SLOTS,
    ///     domains: &domains,
    /// };
    /// let mut writer = PageWriter::create(&spec)?;
    /// let package = DomainPoint { edge_ns: 1, uj: 300_000, slope_q28: 0, flags: 0 };
    /// writer.publish(&Snapshot::new(1, package, &[package]), 1);
    ///
    /// let reader = PageReader::attach(folder.path(), PUBLIC, "example", 2)?;
    /// assert_eq!(reader.timeline().total().map(|total| total.uj), Some(300_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PageFault`] where the file cannot be written, such as on a full disk.
    pub fn create(spec: &PageSpec<'_>) -> Result<Self, PageFault> {
        let mut header = Header {
            bytes: 0,
            slots: spec.slots,
            steps: spec.steps,
            began_ns: spec.began_ns,
            pid: std::process::id(),
            boot_id: spec.boot_id.to_owned(),
            domains: spec.domains.to_vec(),
        };
        let bytes = header.encode(monotonic_ns())?;
        let temporary = spec.folder.join(format!(".{}.new", spec.name));
        let made = fill(&temporary, &header, &bytes, spec).and_then(|file| {
            let made = Self::over(&file, &header, spec.folder.join(spec.name))?;
            fs::rename(&temporary, &made.path)?;
            Ok(made)
        });
        if made.is_err() {
            // Where it was never made, there is nothing to remove.
            let _ = fs::remove_file(&temporary);
        }
        made
    }

    fn over(file: &File, header: &Header, path: PathBuf) -> Result<Self, PageFault> {
        let file_bytes = header.file_bytes().ok_or(PageFault::Damaged("size of the file"))?;
        let mapping = Arc::new(Mapping::new(file, file_bytes / TimelineLine::BYTES, true)?);
        let lines = Lines::new(mapping, header.bytes / TimelineLine::BYTES);
        let writer = TimelineWriter::over(lines.clone(), header.domains.len(), header.slots);
        Ok(Self {
            writer: writer.ok_or(PageFault::Damaged("size of its timeline"))?,
            lines,
            path,
            steps: header.steps,
            is_power: header.domains.iter().map(|domain| domain.kind == Kind::Power).collect(),
            coarse: Snapshot::default(),
            next_ns: 0,
        })
    }

    /// Publishes a snapshot, and that the writer lives at `now_ns`. It never waits for a reader.
    ///
    /// Where the page has steps, a snapshot is left out that comes too early, energies are rounded down, and powers are the means
    /// of these energies, or, of a sensor of power, rounded to a step per second: a page shows no more than its steps, whatever it
    /// is given.
    pub fn publish(&mut self, snapshot: &Snapshot, now_ns: u64) {
        if self.steps.uj <= 1 && self.steps.ns == 0 {
            self.writer.publish(snapshot);
        } else if self.is_due(snapshot.at_ns) {
            let is_on_time = self.coarse.at_ns > 0 && snapshot.at_ns.abs_diff(self.next_ns) <= LATE_NS;
            let from_ns = if is_on_time { self.next_ns } else { snapshot.at_ns };
            self.next_ns = from_ns.saturating_add(self.steps.ns);
            let ns = snapshot.at_ns.saturating_sub(self.coarse.at_ns);
            let step_uj = self.steps.uj.max(1);
            let coarse = |point: &DomainPoint, before: &DomainPoint, is_power: bool| {
                let uj = point.uj - point.uj % step_uj;
                let power = || DomainPoint::slope_of_uw((point.power_uw() + step_uj / 2) / step_uj * step_uj);
                DomainPoint { uj, slope_q28: if is_power { power() } else { mean_slope(before, uj, ns) }, ..*point }
            };
            let missing = DomainPoint::default();
            let before = self.coarse.points().iter().chain(std::iter::repeat(&missing));
            let kinds = self.is_power.iter().copied().chain(std::iter::repeat(false));
            let points = snapshot.points().iter().zip(before).zip(kinds);
            let points: Vec<DomainPoint> =
                points.map(|((point, before), is_power)| coarse(point, before, is_power)).collect();
            let total = coarse(&snapshot.total, &self.coarse.total, false);
            // What was rounded down may be above.
            let energy = snapshot.margins.around(&snapshot.total);
            let energy = Bounded { value: energy.value.map(|_| total.uj), ..energy };
            let margins = Margins::of(&energy, u32::try_from(step_uj.div_ceil(1_000)).unwrap_or(u32::MAX));
            self.coarse = Snapshot::new(snapshot.at_ns, total, &points).with_margins(margins);
            self.writer.publish(&self.coarse);
        }
        self.live(now_ns);
    }

    /// Whether a snapshot of `at_ns` would be shown: one that comes before the next step need not be made.
    #[must_use]
    pub fn is_due(&self, at_ns: u64) -> bool {
        self.coarse.at_ns == 0 || at_ns.saturating_add(LATE_NS) >= self.next_ns
    }

    /// Publishes that the writer lives at `now_ns`.
    pub fn live(&self, now_ns: u64) {
        self.set(HEARTBEAT, now_ns);
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn set(&self, word: usize, value: u64) {
        if let Some(head) = self.lines.head() {
            head.store_beat(word, value);
        }
    }
}

impl Drop for PageWriter {
    fn drop(&mut self) {
        self.set(STATE, ENDED);
    }
}

/// Returns the mean power since a point, in the unit of [`DomainPoint::slope_q28`].
fn mean_slope(before: &DomainPoint, uj: u64, ns: u64) -> u32 {
    if ns == 0 || !before.is_known() {
        return 0;
    }
    let slope = (u128::from(uj.saturating_sub(before.uj)) << 28) / u128::from(ns);
    u32::try_from(slope).unwrap_or(u32::MAX)
}

/// Makes the file with its header and a timeline of zeros. All of it is written, so that a full disk is noticed here, and not at
/// the first store into the mapping.
fn fill(path: &Path, header: &Header, bytes: &[u8], spec: &PageSpec<'_>) -> Result<File, PageFault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let file_bytes = header.file_bytes().ok_or(PageFault::Damaged("size of the file"))?;
    file.write_all(bytes)?;
    file.write_all(&vec![0; file_bytes - bytes.len()])?;
    if let Some(group) = spec.group {
        rustix::fs::fchown(&file, None, Some(Gid::from_raw(group))).map_err(std::io::Error::from)?;
    }
    // The mask of this process does not apply.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(spec.mode)).map_err(std::io::Error::from)?;
    Ok(file)
}
