//! The run log: lossless, small, and readable whatever a crash or a bad disk leaves of it.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fixture;
use crate::generator::{Brackets, Generator};
use eco2_core::schema::{EventRecord, Report, State};
use eco2_core::{Gauge, Reading};
use eco2_report::{
    Disk, Error, LogContents, LogEncoder, LogMeta, LogSummary, LogWriter, Pace, PolicyRecord, PricingRecord, parse_log,
    read_log, read_run,
};

mod check;
mod ends;
mod hostile;
#[cfg(feature = "seal")]
mod seal;
mod stored;
mod volume;

fn meta() -> LogMeta {
    LogMeta::new(fixture::report().run, 1_000)
}

fn parse(bytes: &[u8]) -> Result<LogContents, Error> {
    parse_log(bytes, Path::new("run.eco2log"))
}

/// An encoder that knows the generator's domains and keeps every tick.
fn encoder() -> LogEncoder {
    let mut encoder = default_encoder();
    encoder.keep_every(0);
    encoder
}

/// An encoder that knows the generator's domains.
fn default_encoder() -> LogEncoder {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    for (source, domains) in Generator::domains().iter().enumerate() {
        encoder.domains(source, domains).unwrap();
    }
    encoder
}

/// Feeds `ticks` ticks; what went in, by global index.
fn feed(encoder: &mut LogEncoder, generator: &mut Generator, ticks: usize) -> Vec<(u32, Reading)> {
    let mut all = Vec::new();
    for _ in 0..ticks {
        for (source, readings) in generator.tick().iter().enumerate() {
            encoder.readings(source, readings);
            all.extend(readings.iter().map(|(local, reading)| ((source * 4 + local) as u32, *reading)));
        }
    }
    all
}

/// A small log with every kind of frame.
fn small_log() -> Vec<u8> {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    encoder.keep_every(0);
    encoder.domains(0, &Generator::domains()[0]).unwrap();
    let mut generator = Generator::new(Brackets::Each);
    for _ in 0..20 {
        encoder.readings(0, &generator.tick()[0]);
    }
    encoder.flush();
    encoder.event(&EventRecord { at: 5, kind: "xid".into(), device: "GPU-0".into(), text: "79".into() }).unwrap();
    encoder.gauges(7, &[gauge(1.5), gauge(f64::NAN)]).unwrap();
    encoder.policy(&policy(Some(2))).unwrap();
    encoder.pricing(&PricingRecord::of(&fixture::report())[0]).unwrap();
    encoder.checkpoint(9, &Report { run: provisional().run, ..fixture::bare() }).unwrap();
    encoder.finish(&fixture::bare()).unwrap();
    encoder.take(Vec::new())
}

fn gauge(value: f64) -> Gauge {
    Gauge { device: "GPU-0".into(), name: "temperature".into(), unit: "Cel".into(), value }
}

fn policy(domain: Option<u32>) -> PolicyRecord {
    let (policy, reason) = ("locked".to_owned(), "period-learned".to_owned());
    let (every_ns, period_ns) = (Some(100_000_000), Some(200_000_000));
    PolicyRecord { at_ns: 6, source: 0, name: "nvml".to_owned(), domain, policy, every_ns, period_ns, reason }
}

fn provisional() -> Report {
    let mut report = fixture::report();
    report.run.state = State::Provisional;
    report
}

#[test]
fn readings_survive_to_the_bit() {
    for brackets in [Brackets::Shared, Brackets::Each] {
        let mut encoder = encoder();
        let mut expected = feed(&mut encoder, &mut Generator::new(brackets), 1000);
        encoder.flush();
        let mut log = parse(&encoder.take(Vec::new())).unwrap();
        expected.sort_by_key(|(domain, reading)| (reading.before_ns, *domain));
        let history = &mut log.history;
        history.sort_by_key(|(domain, reading)| (reading.before_ns, *domain));
        assert_eq!(*history, expected);
        assert!(history.iter().any(|(_, reading)| reading.value.is_err()), "failed reads must be among them");
        assert_eq!(log.domains[&4].id, "GPU-0");
    }
}

#[test]
fn a_point_takes_at_most_two_bytes() {
    let mut sizes = Vec::new();
    for brackets in [Brackets::Shared, Brackets::Each] {
        let mut encoder = encoder();
        let before = encoder.pending();
        let points = feed(&mut encoder, &mut Generator::new(brackets), 12_800).len();
        encoder.flush();
        let size = (encoder.pending() - before) as f64 / points as f64;
        println!("{brackets:?} brackets, 4 RAPL + 8 GPU domains at 100 Hz: {size:.2} bytes a point");
        sizes.push(size);
    }
    assert!(sizes[0] <= 2.0, "target is 2.0 where a tick shares its brackets: {sizes:?}");
    assert!(sizes[1] <= 3.0, "with a bracket a GPU: {sizes:?}");
}

#[test]
fn f30_a_log_of_a_killed_run_gives_its_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.eco2log");
    let mut encoder = encoder();
    feed(&mut encoder, &mut Generator::new(Brackets::Shared), 600);
    encoder.checkpoint(9, &provisional()).unwrap();
    let mut bytes = encoder.take(Vec::new());
    encoder.finish(&fixture::report()).unwrap();
    let rest = encoder.take(Vec::new());
    bytes.extend_from_slice(&rest[..rest.len() / 2]);
    std::fs::write(&path, &bytes).unwrap();
    let log = read_log(&path).unwrap();
    assert_eq!(log.report(), Some(&provisional()));
    assert!(log.torn_bytes > 0 && log.final_report.is_none());
    assert!(log.history.len() > 500 * 12);
    assert_eq!(read_run(&path).unwrap().run.state, State::Provisional);
}

#[test]
fn f31_every_prefix_of_a_log_is_readable() {
    let bytes = small_log();
    let whole = parse(&bytes).unwrap();
    assert_eq!((whole.torn_bytes, whole.unknown_frames), (0, 0));
    assert_eq!((whole.events.len(), whole.gauges[0].gauges.len()), (1, 1));
    assert_eq!((&whole.policies[..], whole.pricing.len()), (&[policy(Some(2))][..], 1));
    assert_eq!(whole.summary, Some(LogSummary::of(&fixture::bare())));
    assert_eq!(whole.final_report, Some(fixture::bare()));
    assert_eq!(whole.meta, Some(meta()));
    let mut readings = 0;
    for cut in 0..bytes.len() {
        match parse(&bytes[..cut]) {
            Ok(log) => {
                assert!(log.torn_bytes < cut as u64 && log.summary.is_none(), "cut at {cut}");
                let found = log.history.len();
                assert!(found >= readings, "cut at {cut}: nothing whole is given up");
                readings = found;
            }
            Err(Error::NotOurs { .. }) => assert_eq!(readings, 0, "cut at {cut}"),
            Err(other) => panic!("cut at {cut}: {other}"),
        }
    }
    assert_eq!(readings, 20 * 4);
}

#[test]
fn f42_a_damaged_log_gives_the_frames_around_the_damage() {
    let bytes = small_log();
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        let log = parse(&damaged).unwrap();
        assert!(log.torn_bytes > 0 && log.torn_bytes < bytes.len() as u64, "damage at {at}");
        assert!(log.report().is_some(), "damage at {at} costs one frame, not both reports");
    }
    assert!(matches!(parse(b"{\"schema\": 1}"), Err(Error::NotOurs { .. })));
    assert!(matches!(parse(b""), Err(Error::NotOurs { .. })));
}

#[test]
fn f43_a_log_of_a_newer_schema_is_refused_with_its_version() {
    let mut newer = meta();
    newer.schema = "eco2.log/3".into();
    let bytes = LogEncoder::new(&newer).unwrap().take(Vec::new());
    let error = parse(&bytes).unwrap_err().to_string();
    assert!(error.contains("eco2.log/3") && error.contains("newer eco2"), "{error}");
}

#[test]
fn checkpoints_spread_with_the_length_of_the_run() {
    let mut encoder = encoder();
    // Small enough that its size does not delay the next one.
    let small = Report { devices: Vec::new(), spans: Vec::new(), carbon: None, budget: None, ..provisional() };
    let second = 1_000_000_000;
    assert!(!encoder.checkpoint_due(1_000 + second / 20));
    // A run that is killed early has left something, too.
    let mut due = Vec::new();
    for tick in (0..3_000).map(|tick| tick * second / 100) {
        if encoder.checkpoint_due(1_000 + tick) {
            encoder.checkpoint(1_000 + tick, &small).unwrap();
            due.push(tick * 10 / second);
        }
    }
    assert_eq!(due, [1, 2, 4, 8, 16, 32, 64, 114, 164, 214, 264]);
    encoder.checkpoint(1_000 + 10_000 * second, &small).unwrap();
    assert!(!encoder.checkpoint_due(1_000 + 10_040 * second));
    assert!(encoder.checkpoint_due(1_000 + 10_051 * second));
}

#[test]
fn undeclared_domains_are_skipped_and_counted() {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    encoder.readings(0, &Generator::new(Brackets::Shared).tick()[0]);
    assert_eq!(encoder.skipped(), 4);
}

#[test]
fn memory_is_reused() {
    let mut encoder = encoder();
    let mut generator = Generator::new(Brackets::Shared);
    feed(&mut encoder, &mut generator, 1_000);
    let first = encoder.take(Vec::with_capacity(1 << 16));
    feed(&mut encoder, &mut generator, 1_000);
    let second = encoder.take(first);
    assert_eq!(second.capacity(), 1 << 16, "the buffer handed in is the one handed out");
}

type Leave = Sender<io::Result<()>>;
type Content = Arc<Mutex<Vec<u8>>>;

/// A disk that waits for leave before each call, or fails.
struct HeldDisk {
    leave: Receiver<io::Result<()>>,
    content: Content,
}

impl HeldDisk {
    fn new() -> (Self, Leave, Content) {
        let (sender, leave) = channel();
        let content = Arc::new(Mutex::new(Vec::new()));
        (Self { leave, content: Arc::clone(&content) }, sender, content)
    }
}

impl Disk for HeldDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.leave.recv().unwrap_or(Ok(()))?;
        self.content.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame() -> Vec<u8> {
    LogEncoder::new(&meta()).unwrap().take(Vec::new())
}

#[test]
fn f28_a_full_disk_warns_once_and_counts_what_is_lost() {
    let (disk, leave, content) = HeldDisk::new();
    let pace = Pace { retry_after: Duration::from_secs(3600), ..Pace::default() };
    let mut writer = LogWriter::start(disk, pace).unwrap();
    for _ in 0..2 {
        leave.send(Err(io::Error::from_raw_os_error(28))).unwrap();
    }
    let one = frame();
    writer.submit(one.clone());
    while writer.status().failures == 0 {
        std::thread::yield_now();
    }
    let warning = writer.warning().unwrap();
    assert!(warning.contains("No space left"), "{warning}");
    assert_eq!(writer.warning(), None);
    // Still full at the close: the run ends, and its report can list what the log lacks.
    let status = writer.close(Duration::from_secs(60));
    assert_eq!((status.written_bytes, status.lost_bytes, status.hung), (0, one.len() as u64, false));
    assert!(content.lock().unwrap().is_empty());
}

#[test]
fn f29_a_disk_that_recovers_gets_everything() {
    let (disk, leave, content) = HeldDisk::new();
    let pace = Pace { retry_after: Duration::from_millis(1), ..Pace::default() };
    let writer = LogWriter::start(disk, pace).unwrap();
    for errno in [5, 30, 116, 122] {
        leave.send(Err(io::Error::from_raw_os_error(errno))).unwrap();
    }
    drop(leave);
    writer.submit(frame());
    writer.submit(frame());
    // The spare comes back once its bytes were taken.
    let status = writer.close(Duration::from_secs(60));
    assert!(status.failures <= 4, "{status:?}");
    let lost = status.lost_bytes;
    let written = content.lock().unwrap().len() as u64;
    assert_eq!((status.written_bytes, written + lost), (written, 2 * frame().len() as u64));
}

#[test]
fn f28_a_disk_that_hangs_never_blocks_the_caller() {
    let (disk, leave, _) = HeldDisk::new();
    let writer = LogWriter::start(disk, Pace::default()).unwrap();
    let (mut sent, big) = (0, vec![frame(); 500].concat());
    for _ in 0..400 {
        sent += big.len() as u64;
        writer.submit(big.clone());
    }
    assert!(writer.status().lost_bytes > 0, "the queue is bounded");
    let status = writer.close(Duration::from_millis(1));
    assert!(status.hung);
    assert_eq!(status.lost_bytes, sent, "nothing of it is known to be on the disk");
    drop(leave);
}

#[test]
fn a_log_written_by_the_thread_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs").join("a.eco2log");
    let writer = LogWriter::create(&path).unwrap();
    let mut encoder = encoder();
    let mut generator = Generator::new(Brackets::Shared);
    for _ in 0..10 {
        feed(&mut encoder, &mut generator, 100);
        let spare = writer.spare();
        writer.submit(encoder.take(spare));
    }
    encoder.finish(&fixture::report()).unwrap();
    writer.submit(encoder.take(Vec::new()));
    let status = writer.close(Duration::from_secs(60));
    assert_eq!((status.lost_bytes, status.failures), (0, 0));
    let log = read_log(&path).unwrap();
    assert_eq!(log.history.len(), 12_000);
    assert_eq!(read_run(&path).unwrap(), fixture::report());
    assert!(matches!(LogWriter::create(&path), Err(Error::Io { .. })), "never over an existing log");
}
