//! A scripted machine: a copy of the fake library with a script and a clock of its own, and a source that reads it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eco2_core::schema::SourceStatus;
use eco2_core::{Fault, Reading};
use eco2_samplers::clock::Clock;
use eco2_samplers::nvml::{Visibility, discover_visible};
use eco2_samplers::{Batch, Roots, Source, SourceEvent};
use nvidia_ml_fake::{Gpu, Script, install};
use tempfile::TempDir;

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) roots: Roots,
    pub(crate) source: Option<Box<dyn Source>>,
    pub(crate) statuses: Vec<SourceStatus>,
    pub(crate) script: Script,
    pub(crate) clock: Clock,
    now: Arc<AtomicU64>,
}

impl Rig {
    /// A machine that follows `script`, opened at time 0 by a program that sees all GPUs.
    pub(crate) fn new(script: &str) -> Self {
        Self::seen_by(script, None)
    }

    /// As seen by a program with this `CUDA_VISIBLE_DEVICES`.
    pub(crate) fn seen_by(script: &str, devices: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let clock_file = path("clock");
        std::fs::write(&clock_file, "0").unwrap();
        let script = format!("clock_file={}\ncalls={}\n{script}", clock_file.display(), path("calls").display());
        let library = install(folder.path(), &script).unwrap();
        let roots = Roots { nvml: Some(library), procfs: path("proc"), sysfs: path("sys"), ..Roots::default() };
        let visibility = Visibility { devices: devices.map(Into::into), pci_order: true };
        let found = discover_visible(&roots, &visibility);
        let now = Arc::new(AtomicU64::new(0));
        Self {
            source: found.source,
            statuses: found.statuses,
            script: Script::parse(&script).unwrap(),
            clock: Clock::Scripted(Arc::clone(&now)),
            folder,
            roots,
            now,
        }
    }

    pub(crate) fn source(&mut self) -> &mut dyn Source {
        self.source.as_deref_mut().expect("there is a source")
    }

    pub(crate) fn gpu(&self, index: usize) -> &Gpu {
        &self.script.gpus[index]
    }

    /// Moves both clocks.
    pub(crate) fn set_ms(&self, ms: u64) {
        // Ours first: a call that waits for the driver's clock must return to a clock that is not behind.
        self.now.store(ms * MS, Ordering::Relaxed);
        let file = self.folder.path().join("clock");
        let new = self.folder.path().join("clock.new");
        std::fs::write(&new, (ms * MS).to_string()).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    /// Moves the clocks and reads.
    pub(crate) fn at_ms(&mut self, ms: u64) -> Vec<(usize, Reading)> {
        self.set_ms(ms);
        let mut batch = Batch::new(self.clock.clone());
        self.source().read(&mut batch);
        batch.readings().to_vec()
    }

    /// The reading of one domain at a time.
    pub(crate) fn values(&mut self, domain: usize, ms: u64) -> Vec<Result<u64, Fault>> {
        let readings = self.at_ms(ms);
        readings.into_iter().filter(|(of, _)| *of == domain).map(|(_, reading)| reading.value).collect()
    }

    pub(crate) fn notes(&mut self) -> Vec<SourceEvent> {
        let mut notes = Vec::new();
        self.source().notes(&mut notes);
        notes
    }

    /// Kinds of the notes since the last call.
    pub(crate) fn kinds(&mut self) -> Vec<&'static str> {
        self.notes().into_iter().map(|note| note.kind.name()).collect()
    }

    pub(crate) fn ids(&mut self) -> Vec<String> {
        self.source().domains().iter().map(|domain| domain.id.clone()).collect()
    }

    /// How often a function of the library was called.
    pub(crate) fn calls(&self, name: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        log.lines().filter(|line| *line == name).count()
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.roots.nvml.clone().unwrap()
    }
}
