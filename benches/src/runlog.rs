//! The run log: bytes per point of a realistic run, the cost of encoding, whether the submitting thread waits for the disk, and the
//! time in which `eco2 verify` checks a large log.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::generator::{Brackets, Generator};
use eco2_core::Reading;
use eco2_core::schema::{EventKind, EventRecord};
use eco2_report::{Disk, HISTORY_STEP_BYTES, LogEncoder, LogMeta, LogWriter, Pace, check_log_bytes, parse_log};

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
    let (checked_s, read_s, bytes) = check()?;
    rows.push(
        Row::new("check of a chained run log of 1e6 records (wall)", checked_s + read_s, "s", Limit::AtMost(1.0))
            .noting(format!("chain {checked_s:.3} s, contents {read_s:.3} s; {} MB in memory", bytes / 1_000_000)),
    );
    Ok(rows)
}

/// Records of the log that is checked.
const RECORDS: usize = 1_000_000;

/// A disk in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Disk for Memory {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Seconds to check the chain of a log of a million events and to read its contents, and its bytes.
fn check() -> Result<(f64, f64, usize), Failure> {
    let mut encoder = encoder()?;
    let disk = Memory::default();
    let writer = LogWriter::start(disk.clone(), Pace::default())?;
    writer.submit(encoder.take(Vec::new()));
    let event = EventRecord::new(1, EventKind::Reset, "GPU-0", "the counter was reset, a new segment began".to_owned());
    // An encoder writes 10,000 events at most, so that one frame is repeated.
    encoder.event(&event)?;
    let frame = encoder.take(Vec::new());
    let batch = frame.repeat(5_000);
    for number in 0..RECORDS as u64 / 5_000 {
        // The queue accepts 4 MiB.
        while writer.status().written_bytes < number * batch.len() as u64 {
            thread::yield_now();
        }
        writer.submit(batch.clone());
    }
    let status = writer.close(Duration::from_secs(60));
    if status.hung || status.lost_bytes > 0 {
        return Err("the log lost bytes".into());
    }
    let log = std::mem::take(&mut *disk.0.lock().unwrap_or_else(PoisonError::into_inner));
    let path = Path::new("1e6.eco2log");
    let begin = Instant::now();
    let found = check_log_bytes(&log, path)?;
    let checked_s = begin.elapsed().as_secs_f64();
    if !found.findings.is_empty() || found.frames < RECORDS as u64 {
        return Err("the log is not sound".into());
    }
    let begin = Instant::now();
    drop(parse_log(&log, path)?);
    Ok((checked_s, begin.elapsed().as_secs_f64(), log.len()))
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
