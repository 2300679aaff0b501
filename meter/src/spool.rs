//! Bytes on their way to a file through a thread of their own: whoever writes never waits for a disk.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use eco2_samplers::quietly;

/// Bytes gathered before they are handed over.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks on their way: 4 MiB, some minutes of readings.
const CHUNKS: usize = 64;
/// The longest that closing waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to one file. An error of it, a full way included, is told by the next write, and at the end.
pub(crate) struct Spool {
    buffer: Vec<u8>,
    chunks: Option<SyncSender<Vec<u8>>>,
    ended: Receiver<io::Result<()>>,
}

impl Spool {
    /// Starts the thread `eco2-trace`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(file: impl Write + Send + 'static) -> io::Result<Self> {
        let (chunks, inbox) = sync_channel(CHUNKS);
        let (end, ended) = sync_channel(1);
        // Nobody may be waiting any more.
        let body = move || _ = end.send(write_all(file, &inbox));
        quietly(|| thread::Builder::new().name("eco2-trace".into()).spawn(body))?;
        Ok(Self { buffer: Vec::with_capacity(CHUNK_BYTES), chunks: Some(chunks), ended })
    }

    /// Hands over the rest and waits, for a bounded time, until it is written.
    ///
    /// # Errors
    /// What became of the file.
    pub(crate) fn close(mut self) -> io::Result<()> {
        let handed_over = self.flush();
        self.chunks = None;
        let late = |_| Err(io::Error::other("the disk did not take the trace in time; its end is missing"));
        self.ended.recv_timeout(PATIENCE).unwrap_or_else(late).and(handed_over)
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
    fn f29_a_disk_that_hangs_holds_up_no_end_and_fills_no_memory() {
        let mut spool = Spool::start(Stuck).unwrap();
        let chunk = vec![0; CHUNK_BYTES];
        let taken = (0..10 * CHUNKS).take_while(|_| spool.write_all(&chunk).is_ok()).count();
        assert!((CHUNKS..=CHUNKS + 2).contains(&taken), "{taken}");
        let begun = Instant::now();
        assert!(spool.close().is_err());
        assert!(begun.elapsed() < 3 * PATIENCE);
    }
}
