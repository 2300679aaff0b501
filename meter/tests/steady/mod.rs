//! A source whose truth is known: 0.1 W by the monotonic clock.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eco2::Meter;
use eco2::options::{Log, Options};
use eco2::source::{Batch, Source};
use eco2_core::{Component, Domain, Fault};

/// A microjoule every 10 us, updated every 5 ms.
pub(crate) struct Steady {
    domains: Vec<Domain>,
    dead: Arc<AtomicBool>,
}

impl Steady {
    /// Of a ceiling of 0.15 W: what a budget holds back then fits the energies of a short test.
    pub(crate) fn small() -> Self {
        let (mut steady, _) = Self::new();
        steady.domains[0].max_uw = Some(150_000);
        steady
    }

    pub(crate) fn new() -> (Self, Arc<AtomicBool>) {
        let dead = Arc::new(AtomicBool::new(false));
        let domain =
            Domain { max_uw: Some(150_000_000), ..Domain::counter("GPU-1", Component::Gpu, "board", "steady") };
        (Self { domains: vec![domain], dead: Arc::clone(&dead) }, dead)
    }
}

impl Source for Steady {
    fn name(&self) -> &str {
        "steady"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let dead = self.dead.load(Ordering::Relaxed);
        let now_ns = batch.now_ns();
        batch.one(0, || if dead { Err(Fault::Failed) } else { Ok(now_ns / 5_000_000 * 5_000_000 / 10_000) });
    }
}

/// Options under which nothing but the given sources is read.
pub(crate) fn options(folder: &Path) -> Options {
    let none = folder.join("none");
    Options {
        log: Log::Folder(folder.to_owned()),
        sysfs: none.clone(),
        nvml: Some(none),
        estimate: false,
        zone: Some("DE".to_owned()),
        ..Options::default()
    }
}

/// A meter on a steady source, and the switch that kills it.
pub(crate) fn open(folder: &Path) -> (Meter, Arc<AtomicBool>) {
    let (source, dead) = Steady::new();
    (Meter::open_with(options(folder), vec![Box::new(source)]).unwrap(), dead)
}

/// Keeps a core busy.
pub(crate) fn work(milliseconds: u64) {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}
