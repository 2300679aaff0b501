//! The page: one process writes, others read; whatever becomes of the writer or of the file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eco2_core::{Component, Domain, DomainPoint, Snapshot};
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::page::{FINE, PUBLIC, PageFault, PageReader, PageSpec, PageState, PageWriter, SLOTS, Steps};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
/// Set for the process that writes until it is killed.
const WRITES: &str = "ECO2_TEST_PAGE_FOLDER";

fn domains(count: usize) -> Vec<Domain> {
    (0..count).map(|n| Domain::counter(&format!("gpu-{n}"), Component::Gpu, "board", "nvml")).collect()
}

fn writer(folder: &Path, domains: &[Domain]) -> PageWriter {
    writer_with(folder, domains, SLOTS)
}

fn writer_with(folder: &Path, domains: &[Domain], slots: usize) -> PageWriter {
    let (steps, began_ns) = (Steps { ns: 0, uj: 1 }, monotonic_ns());
    let (name, mode, group, boot_id) = (PUBLIC, 0o644, None, BOOT);
    let spec = PageSpec { folder, name, mode, group, steps, boot_id, began_ns, slots, domains };
    PageWriter::create(&spec).unwrap()
}

fn attach(folder: &Path) -> Result<PageReader, PageFault> {
    PageReader::attach(folder, PUBLIC, BOOT, monotonic_ns())
}

/// A snapshot in which every number is a function of `n`, so that a mixture of two is seen.
fn numbered(n: u64, domains: usize) -> Snapshot {
    let point =
        |column: u64| DomainPoint { edge_ns: n * 7 + column, uj: n * 100 + column, slope_q28: n as u32, flags: 0 };
    let points: Vec<DomainPoint> = (1..=domains as u64).map(point).collect();
    Snapshot::new(n, point(0), &points)
}

fn assert_whole(snapshot: &Snapshot) {
    let n = snapshot.at_ns;
    for (column, point) in std::iter::once(&snapshot.total).chain(snapshot.points()).enumerate() {
        let column = column as u64;
        assert_eq!((point.edge_ns, point.uj, point.slope_q28), (n * 7 + column, n * 100 + column, n as u32), "torn");
    }
}

/// The process that is killed: it publishes as fast as it can.
#[test]
fn writes_until_killed() {
    let Some(folder) = std::env::var_os(WRITES) else { return };
    let mut writer = writer(Path::new(&folder), &domains(12));
    for n in 1.. {
        writer.publish(&numbered(n, 12), monotonic_ns());
    }
}

fn start_writer(folder: &Path) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_until_killed"])
        .env(WRITES, folder)
        .stdout(Stdio::null())
        .spawn();
    child.unwrap()
}

/// Waits for something that another process does; a minute is beyond any delay.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::yield_now();
    }
}

#[test]
fn f32_a_writer_that_is_killed_leaves_whole_snapshots_and_is_dead_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_writer(folder.path());
    let mut snapshot = Snapshot::default();
    let reader = until(|| attach(folder.path()).ok().filter(|reader| reader.timeline().latest(&mut snapshot)));
    let mut whole = 0;
    for _ in 0..100_000 {
        if reader.timeline().latest(&mut snapshot) {
            assert_whole(&snapshot);
            whole += 1;
        }
    }
    assert!(whole > 10_000, "{whole} snapshots of another process");
    assert_eq!(reader.state(monotonic_ns()), PageState::Live);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reader.timeline().latest(&mut snapshot), "the last whole snapshot stays");
    assert_whole(&snapshot);
    let heartbeat_ns = reader.heartbeat_ns();
    assert_eq!(reader.state(heartbeat_ns + 2_000_000_000), PageState::Live);
    assert_eq!(reader.state(heartbeat_ns + 2_000_000_001), PageState::Dead);
    let late = PageReader::attach(folder.path(), PUBLIC, BOOT, heartbeat_ns + 3_000_000_000);
    assert!(matches!(late, Err(PageFault::Dead)));

    // Another writer takes the place of the dead one, whose readers notice it.
    let mut next = writer(folder.path(), &domains(2));
    next.publish(&numbered(5, 2), monotonic_ns());
    assert_eq!(reader.state(heartbeat_ns), PageState::Replaced);
    assert!(reader.timeline().latest(&mut snapshot), "the old mapping stays readable");
    let reader = attach(folder.path()).unwrap();
    assert!(reader.timeline().latest(&mut snapshot));
    assert_eq!((snapshot.at_ns, snapshot.points().len()), (5, 2));
    drop(next);
    assert_eq!(reader.state(monotonic_ns()), PageState::Dead, "it ended");
}

/// Readers that are preempted in the middle of a copy, of a page with as few slots as a ring may have, and of one as the agent makes
/// it: the writer goes round both many thousand times per second. `ECO2_TEST_PAGE_READS` sets how many snapshots are compared.
#[test]
fn no_read_is_torn_with_a_writer_at_full_speed_and_more_readers_than_cores() {
    let reads: u64 = std::env::var("ECO2_TEST_PAGE_READS").ok().and_then(|n| n.parse().ok()).unwrap_or(300_000);
    for slots in [2, SLOTS] {
        let (whole, lapped) = read_at_full_speed(slots, reads / 2);
        println!("{slots} slots: {whole} whole snapshots, 0 torn, {lapped} reads that found none in three tries");
    }
}

/// Returns how many snapshots were read whole, and how many reads gave up. A torn one is a panic.
fn read_at_full_speed(slots: usize, reads: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer_with(folder.path(), &domains(12), slots);
    writer.publish(&numbered(1, 12), monotonic_ns());
    let (over, whole, lapped) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let reader = attach(folder.path()).unwrap();
                let mut snapshot = Snapshot::default();
                while !over.load(Ordering::Relaxed) {
                    // Counted in groups, so that the threads share no cache line at every read.
                    let found = (0..1_000).filter(|_| {
                        let is_found = reader.timeline().latest(&mut snapshot);
                        if is_found {
                            assert_whole(&snapshot);
                        }
                        is_found
                    });
                    let found = found.count() as u64;
                    whole.fetch_add(found, Ordering::Relaxed);
                    lapped.fetch_add(1_000 - found, Ordering::Relaxed);
                }
            });
        }
        let mut n = 2;
        while whole.load(Ordering::Relaxed) < reads {
            writer.publish(&numbered(n, 12), monotonic_ns());
            n += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    (whole.into_inner(), lapped.into_inner())
}

#[test]
fn damaged_and_foreign_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join(PUBLIC);
    let refused = || attach(folder.path()).unwrap_err().to_string();
    assert!(refused().contains("No such file"));
    drop(writer(folder.path(), &domains(3)));
    let whole = fs::read(&page).unwrap();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("empty", Vec::new(), "not a page"),
        ("text", b"eco2pagx and some other text".to_vec(), "not a page"),
        ("cut", whole[..whole.len() - 1].to_vec(), "cut off"),
        ("other version", [&whole[..8], &[9], &whole[9..]].concat(), "version 9"),
    ];
    for (name, bytes, reason) in cases {
        fs::write(&page, bytes).unwrap();
        assert!(refused().contains(reason), "{name}: {}", refused());
    }
    fs::write(&page, &whole).unwrap();
    assert!(refused().contains("stopped"), "{}", refused());
    let other_boot = PageReader::attach(folder.path(), PUBLIC, "another", monotonic_ns()).unwrap_err();
    assert!(matches!(other_boot, PageFault::OtherBoot));

    fs::remove_file(&page).unwrap();
    let held = writer(folder.path(), &domains(3));
    held.live(monotonic_ns() + 100_000_000_000);
    assert!(refused().contains("another clock"), "{}", refused());
    fs::set_permissions(&page, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refused().contains("can write to it (mode 666)"), "{}", refused());
    fs::set_permissions(&page, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused().contains("its folder (mode 777)"), "{}", refused());
}

#[test]
fn f46_links_and_special_files_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    let held = writer(&real, &domains(1));
    held.live(monotonic_ns());
    assert!(attach(&real).is_ok());
    let link = folder.path().join("link");
    symlink(&real, &link).unwrap();
    assert!(attach(&link).is_err(), "a folder that is a link");
    symlink(real.join(PUBLIC), real.join(FINE)).unwrap();
    let fine = PageReader::attach(&real, FINE, BOOT, monotonic_ns());
    assert!(fine.is_err(), "a page that is a link");
    fs::remove_file(real.join(FINE)).unwrap();
    fs::create_dir(real.join(FINE)).unwrap();
    let folder_fault = PageReader::attach(&real, FINE, BOOT, monotonic_ns());
    assert!(matches!(folder_fault, Err(PageFault::NotAPage)), "{folder_fault:?}");
}

#[test]
fn a_file_that_shrank_is_not_read_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let held = writer(folder.path(), &domains(1));
    held.live(monotonic_ns());
    let reader = attach(folder.path()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(held.path()).unwrap();
    let size = file.metadata().unwrap().len();
    // Less than a memory page, so that what this process maps stays there.
    file.set_len(size - 1).unwrap();
    assert_eq!(reader.state(monotonic_ns()), PageState::Dead);
}

#[test]
fn the_file_has_all_of_its_blocks_and_the_permissions_that_were_asked_for() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = tempfile::tempdir().unwrap();
    let held = writer(folder.path(), &domains(12));
    let metadata = fs::metadata(held.path()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
    assert!(metadata.blocks() * 512 >= metadata.len(), "{} blocks of {} bytes", metadata.blocks(), metadata.len());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no file of another name stays");
}

/// PLATYPUS: whatever is published, a page with steps changes once per step and by whole steps.
#[test]
fn a_page_shows_no_more_than_its_steps_whatever_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let domains = domains(3);
    let steps = Steps { ns: 1_000_000_000, uj: 100_000 };
    let spec = PageSpec {
        folder: folder.path(),
        name: PUBLIC,
        mode: 0o644,
        group: None,
        steps,
        boot_id: BOOT,
        began_ns: 0,
        slots: SLOTS,
        domains: &domains,
    };
    let mut writer = PageWriter::create(&spec).unwrap();
    let reader = attach(folder.path()).unwrap();
    let (mut snapshot, mut seen) = (Snapshot::default(), Vec::new());
    // 100 Hz for five seconds, with energies and powers of every digit.
    for n in 1..=500_u64 {
        let point =
            |column: u64| DomainPoint { edge_ns: n, uj: n * 123_457 + column, slope_q28: 98_765 + n as u32, flags: 0 };
        writer.publish(&Snapshot::new(n * 10_000_000, point(0), &[point(1), point(2), point(3)]), n * 10_000_000);
        assert!(reader.timeline().latest(&mut snapshot));
        assert!(std::iter::once(&snapshot.total).chain(snapshot.points()).all(|point| point.uj % 100_000 == 0));
        if seen.last().is_none_or(|(at_ns, _)| *at_ns != snapshot.at_ns) {
            seen.push((snapshot.at_ns, snapshot.points()[0]));
        }
    }
    assert!((5..=6).contains(&seen.len()), "{seen:?}");
    for pair in seen.windows(2) {
        let ns = pair[1].0 - pair[0].0;
        assert!(ns >= 950_000_000, "{seen:?}");
        let steps = ((u128::from(pair[1].1.slope_q28) * u128::from(ns)) >> 28) as f64 / 100_000.0;
        assert!((steps - steps.round()).abs() < 0.001, "the power is that of whole steps: {steps}");
    }
}
