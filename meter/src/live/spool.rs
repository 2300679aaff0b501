//! Writes the trace of a run to its file on the thread `eco2-trace` ([`Spool`]), so that the sampling thread never waits for a disk.
//! The bytes pass through a bounded queue of chunks.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use eco2_report::Output;
use eco2_samplers::quietly;

/// Size of a chunk: bytes are collected until there are as many.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that the queue holds: 4 MiB, some minutes of readings. A disk that hangs for longer ends the trace.
const MAX_CHUNKS: usize = 64;
/// The longest that closing waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The queue to one file. An error, a full queue included, is returned by the next write, and at the end.
pub(crate) struct Spool {
    /// The chunk that is being collected.
    buffer: Vec<u8>,
    /// The queue to the thread; `None` once it is closed.
    chunks: Option<SyncSender<Vec<u8>>>,
    /// Receives the outcome when the thread ends.
    ended: Receiver<io::Result<()>>,
    /// Set when nothing more will be written, so that the thread stops waiting for a reader of a pipe.
    over: Arc<AtomicBool>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Relaxed: the flag orders nothing; the channel does.
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Spool {
    /// Starts the thread `eco2-trace`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(output: Output) -> io::Result<Self> {
        Self::start_with(|over| output.wait(|| over.load(Ordering::Relaxed)))
    }

    /// Starts the thread with a function that opens the file.
    fn start_with<W: Write>(open: impl FnOnce(&AtomicBool) -> io::Result<W> + Send + 'static) -> io::Result<Self> {
        let (chunks, inbox) = sync_channel(MAX_CHUNKS);
        let (end, ended) = sync_channel(1);
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        // The receiver may have been dropped: then the outcome is of no use.
        let body = move || _ = end.send(open(&is_over).and_then(|file| write_all(file, &inbox)));
        quietly(|| thread::Builder::new().name("eco2-trace".into()).spawn(body))?;
        Ok(Self { buffer: Vec::with_capacity(CHUNK_BYTES), chunks: Some(chunks), ended, over })
    }

    /// Passes on the last chunk and waits until it is written, for one second at most.
    ///
    /// # Errors
    /// The first error of the file or the queue, or that the disk did not answer in time.
    pub(crate) fn close(mut self) -> io::Result<()> {
        let passed_on = self.flush();
        self.chunks = None;
        self.over.store(true, Ordering::Relaxed);
        let late = |_| Err(io::Error::other("the disk did not take the trace in time; its end is missing"));
        self.ended.recv_timeout(PATIENCE).unwrap_or_else(late).and(passed_on)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        let sent = self.chunks.as_ref().is_some_and(|chunks| chunks.try_send(full).is_ok());
        if sent { Ok(()) } else { Err(io::Error::other("the disk does not take the trace; is it full?")) }
    }
}

/// Writes chunks to the file until the queue is closed.
fn write_all(mut file: impl Write, inbox: &Receiver<Vec<u8>>) -> io::Result<()> {
    for chunk in inbox {
        file.write_all(&chunk)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Takes nothing and never returns, as a file on a server that is gone.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn k20_pipe_without_reader_keeps_neither_the_start_nor_the_end_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let mut spool = Spool::start(Output::open(&pipe).unwrap()).unwrap();
        spool.write_all(b"1").unwrap();
        let error = spool.close().unwrap_err().to_string();
        assert!(error.contains("no process reads from this pipe"), "{error}");
        let mut spool = Spool::start(Output::open(&pipe).unwrap()).unwrap();
        spool.write_all(b"from the start").unwrap();
        let reader = thread::spawn(move || std::fs::read(pipe).unwrap());
        // A reader that comes late gets all; this test ends once it has come.
        while spool.ended.try_recv().is_err() {
            spool.flush().ok();
            spool.chunks = None;
        }
        assert_eq!(reader.join().unwrap(), b"from the start");
    }

    #[test]
    fn f29_a_disk_that_hangs_holds_up_no_end_and_fills_no_memory() {
        let mut spool = Spool::start_with(|_| Ok(Stuck)).unwrap();
        let chunk = vec![0; CHUNK_BYTES];
        let taken = (0..10 * MAX_CHUNKS).take_while(|_| spool.write_all(&chunk).is_ok()).count();
        assert!((MAX_CHUNKS..=MAX_CHUNKS + 2).contains(&taken), "{taken}");
        let begun = Instant::now();
        assert!(spool.close().is_err());
        assert!(begun.elapsed() < 3 * PATIENCE);
    }
}
