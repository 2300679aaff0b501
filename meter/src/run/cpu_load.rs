//! [`CpuLoad`] keeps CPUs busy, for the self-test and the calibration of `eco2 doctor`.

use std::hint;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Numbers in the array of a streaming thread: 4 MiB, above the share of a core in the last cache of most servers, so
/// that main memory is used too.
const NUMBERS: usize = 1 << 20;

/// What the threads do: the two ends of what a CPU draws at one utilisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadKind {
    /// Wait in a loop, as a thread does that waits for a GPU.
    Waits,
    /// Multiply and add over an array, as a thread does that prepares data.
    Streams,
}

/// Threads that are busy until this value is dropped.
pub(crate) struct CpuLoad {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Why not all of the threads run; `None` if they do.
    pub(crate) failure: Option<io::Error>,
}

impl CpuLoad {
    /// Starts one waiting thread for each CPU that this process may use, or as many as can be started.
    pub(crate) fn of_all_cpus() -> Self {
        Self::start(LoadKind::Waits, thread::available_parallelism().map_or(1, usize::from))
    }

    /// Starts `threads` threads; after the first that cannot be started, no more.
    pub(crate) fn start(kind: LoadKind, threads: usize) -> Self {
        let mut load = Self { is_over: Arc::default(), threads: Vec::new(), failure: None };
        for _ in 0..threads {
            let is_over = Arc::clone(&load.is_over);
            match thread::Builder::new().spawn(move || work(kind, &is_over)) {
                Ok(thread) => load.threads.push(thread),
                Err(cause) => {
                    load.failure = Some(cause);
                    break;
                }
            }
        }
        load
    }
}

/// Is busy until `is_over`.
fn work(kind: LoadKind, is_over: &AtomicBool) {
    let mut numbers = vec![1.0_f32; if kind == LoadKind::Streams { NUMBERS } else { 0 }];
    // Relaxed: one pass too many does no harm.
    while !is_over.load(Ordering::Relaxed) {
        match kind {
            LoadKind::Waits => hint::spin_loop(),
            LoadKind::Streams => hint::black_box(&mut numbers).iter_mut().for_each(|x| *x = *x * 0.999 + 0.001),
        }
    }
}

impl Drop for CpuLoad {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_of_each_kind_starts_and_ends() {
        for kind in [LoadKind::Waits, LoadKind::Streams] {
            let load = CpuLoad::start(kind, 2);
            assert_eq!((load.threads.len(), load.failure.is_none()), (2, true));
            let is_over = Arc::clone(&load.is_over);
            drop(load);
            assert_eq!(Arc::strong_count(&is_over), 1, "the threads have ended");
        }
    }
}
