//! The run log: bytes per point of a realistic run, the cost of encoding, and whether the submitting thread waits for the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::generator::{Brackets, Generator};
use eco2_core::Reading;
use eco2_report::{Disk, HISTORY_STEP_BYTES, LogEncoder, LogMeta, LogWriter, Pace};

use crate::measure::{Failure, Place, cpu_ms};
use crate::table::{Limit, Row};

/// A quarter of an hour at 100 Hz: below the size at which the log is thinned.
const TICKS: usize = 90_000;
type Tick = [Vec<(usize, Reading)>; 2];

/// Bytes per point where all GPUs share a bracket (the clock readings around a read) and where each has its own; and calls
/// into the disk on the submitting thread.
///
/// # Errors
/// Where the encoder fails.
pub(crate) fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (brackets, limit, what) in [
        (Brackets::Shared, Limit::AtMost(2.0), "one bracket a source"),
        (Brackets::Each, Limit::None, "a bracket for each GPU"),
    ] {
        let (bytes, ns) = encode(brackets)?;
        rows.push(
            Row::new(format!("run log, 12 domains at 100 Hz, {what}, a point"), bytes, "bytes", limit)
                .noting(format!("{TICKS} ticks of the generator, frames included; {ns:.1} ns CPU a point to encode")),
        );
    }
    rows.push(
        Row::new("run log, 12 domains, default volume, an hour", hour()?, "KiB", Limit::None)
            .noting("read at 100 Hz, kept once a second; the first quarter of an hour times four"),
    );
    let (here, all) = syncs()?;
    rows.push(
        Row::new("log syncs and writes on the thread that submits", here as f64, "calls", Limit::AtMost(0.0))
            .noting(format!("of {all} on a disk that takes 20 ms to sync")),
    );
    Ok(rows)
}

/// Bytes and CPU nanoseconds per point.
fn encode(brackets: Brackets) -> Result<(f64, f64), Failure> {
    let mut generator = Generator::new(brackets);
    let ticks: Vec<Tick> = (0..TICKS).map(|_| generator.tick()).collect();
    let points: usize = ticks.iter().flatten().map(Vec::len).sum();
    let mut encoder = encoder()?;
    encoder.keep_every(0);
    // The description of the run is not a point.
    drop(encoder.take(Vec::new()));
    let (mut bytes, mut spare) = (0, Vec::new());
    let ms = cpu_ms(|| {
        for tick in &ticks {
            tick.iter().enumerate().for_each(|(source, readings)| encoder.readings(source, readings));
            spare = encoder.take(std::mem::take(&mut spare));
            bytes += spare.len();
        }
        encoder.flush();
    });
    bytes += encoder.pending();
    if bytes as u64 > HISTORY_STEP_BYTES {
        return Err("the log was thinned: too many ticks for a figure per point".into());
    }
    Ok((bytes as f64 / points as f64, ms * 1e6 / points as f64))
}

/// KiB per hour at the default volume.
fn hour() -> Result<f64, Failure> {
    let (mut generator, mut encoder) = (Generator::new(Brackets::Shared), encoder()?);
    drop(encoder.take(Vec::new()));
    for _ in 0..TICKS {
        generator.tick().iter().enumerate().for_each(|(source, readings)| encoder.readings(source, readings));
    }
    encoder.flush();
    Ok(encoder.pending() as f64 * 4.0 / 1024.0)
}

fn encoder() -> Result<LogEncoder, Failure> {
    let mut encoder = LogEncoder::new(&LogMeta::new(eco2_core::schema::Run::default(), 0))?;
    for (source, domains) in Generator::domains().iter().enumerate() {
        encoder.domains(source, domains)?;
    }
    Ok(encoder)
}

/// A slow disk that counts calls, and those on the submitting thread.
struct Slow {
    submits: thread::ThreadId,
    here: Arc<AtomicU64>,
    all: Arc<AtomicU64>,
}

impl Slow {
    fn called(&self) {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.here.fetch_add(u64::from(thread::current().id() == self.submits), Ordering::Relaxed);
    }
}

impl Disk for Slow {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.called();
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.called();
        thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}

/// Calls into the disk from this thread, and from all threads.
fn syncs() -> Result<(u64, u64), Failure> {
    let (here, all) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let disk = Slow { submits: thread::current().id(), here: Arc::clone(&here), all: Arc::clone(&all) };
    let pace = Pace { sync_every: Duration::from_millis(50), ..Pace::default() };
    let writer = LogWriter::start(disk, pace)?;
    let (mut encoder, mut generator) = (encoder()?, Generator::new(Brackets::Shared));
    for _ in 0..60 {
        for _ in 0..20 {
            generator.tick().iter().enumerate().for_each(|(source, readings)| encoder.readings(source, readings));
        }
        encoder.flush();
        writer.submit(encoder.take(writer.spare()));
        thread::sleep(Duration::from_millis(5));
    }
    let status = writer.close(Duration::from_secs(2));
    if status.hung || status.lost_bytes > 0 {
        return Err("the log lost bytes".into());
    }
    Ok((here.load(Ordering::Relaxed), all.load(Ordering::Relaxed)))
}
