//! Stored logs of earlier versions, which every version can read.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::generator::{Brackets, Generator};
use eco2_core::Reading;
use eco2_core::schema::State;
use eco2_report::{Error, read_log, read_run, visit_readings};

pub(super) fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/log-v1").join(name)
}

/// What the generator gives, by global index, as both files were fed.
fn expected(brackets: Brackets, ticks: usize) -> Vec<(u32, Reading)> {
    let mut generator = Generator::new(brackets);
    let mut all = Vec::new();
    for _ in 0..ticks {
        for (source, readings) in generator.tick().iter().enumerate() {
            all.extend(readings.iter().map(|(local, reading)| ((source * 4 + local) as u32, *reading)));
        }
    }
    sorted(all)
}

fn sorted(mut readings: Vec<(u32, Reading)>) -> Vec<(u32, Reading)> {
    readings.sort_by_key(|(domain, reading)| (reading.before_ns, *domain));
    readings
}

#[test]
fn k18_a_log_of_version_1_that_ended_is_read() {
    let log = read_log(&stored("ended.eco2log")).unwrap();
    assert_eq!((log.torn_bytes, log.unknown_frames, log.thinned), (0, 0, false));
    let meta = log.meta.as_ref().unwrap();
    assert_eq!((meta.schema.as_str(), meta.begin_ns, meta.run.name.as_str()), ("eco2.log/1", 1_000, "train"));
    assert_eq!((log.domains.len(), log.domains[&4].id.as_str()), (12, "GPU-0"));
    assert_eq!(sorted(log.history.clone()), expected(Brackets::Shared, 300));
    assert_eq!(log.gauges.iter().map(|one| (one.at_ns, one.gauges.len())).collect::<Vec<_>>(), [(7, 1), (8, 2)]);
    assert_eq!((log.events.len(), log.events[0].kind.as_str()), (1, "xid"));
    let report = log.final_report.unwrap();
    assert_eq!((report.run.state, report.run.id.as_str()), (State::Final, "20260102-030405-abcd"));
    assert_eq!((report.energy.low_uj, report.energy.high_uj), (1_200_000_000, Some(1_270_000_000)));
    assert_eq!(report.devices.len(), 3);
    assert_eq!(report.spans[0].count, 3000);
    assert_eq!(read_run(&stored("ended.eco2log")).unwrap(), report);
}

#[test]
fn k18_a_log_of_version_1_of_a_killed_run_is_read() {
    let log = read_log(&stored("killed.eco2log")).unwrap();
    assert!(log.torn_bytes > 0 && log.final_report.is_none());
    assert_eq!(log.report().unwrap().run.state, State::Provisional);
    assert_eq!(read_run(&stored("killed.eco2log")).unwrap().run.state, State::Provisional);
    assert_eq!(log.history.len(), 140 * 12);
}

#[test]
fn k18_a_log_of_version_1_without_a_report_gives_its_readings() {
    let path = stored("no-report.eco2log");
    assert!(matches!(read_run(&path), Err(Error::NoReport { .. })));
    let mut all = Vec::new();
    let count = visit_readings(File::open(&path).unwrap(), &path, |domain, reading| all.push((domain, reading)));
    assert_eq!(count.unwrap(), 400 * 12);
    let expected = expected(Brackets::Each, 400);
    assert_eq!(sorted(all), expected);
    assert_eq!(sorted(read_log(&path).unwrap().history), expected);
}
