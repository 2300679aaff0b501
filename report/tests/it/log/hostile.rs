//! Logs made to be large in memory: every part of what is kept has a bound of its own.

use std::io::Cursor;
use std::path::Path;

use eco2_core::schema::EventRecord;
use eco2_core::{Component, Domain, Fault, Gauge, Reading};
use eco2_report::{BLOCK_TICKS, LogEncoder, MAX_POINTS, visit_readings};

use super::{meta, parse};

/// A log whose one block holds as many readings as a block can, `times` times.
fn bomb(times: usize) -> Vec<u8> {
    let domains: Vec<Domain> =
        (0..4096).map(|at| Domain::counter(&format!("d{at}"), Component::Other, "x", "s")).collect();
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    encoder.domains(0, &domains).unwrap();
    let mut log = encoder.take(Vec::new());
    for tick in 0..BLOCK_TICKS as u64 {
        let at = Reading { before_ns: tick, after_ns: tick + 1, value: Err(Fault::Failed) };
        let tick: Vec<(usize, Reading)> = (0..4096).map(|domain| (domain, at)).collect();
        encoder.readings(0, &tick);
    }
    encoder.flush();
    log.extend(encoder.take(Vec::new()).repeat(times));
    log
}

#[test]
fn k18_a_small_log_of_many_readings_is_held_thinned() {
    let log = bomb(2);
    assert!(log.len() < 2 << 20, "{} bytes claim {} readings", log.len(), 2 * 4096 * BLOCK_TICKS);
    let contents = parse(&log).unwrap();
    assert_eq!(contents.domains.len(), 4096);
    assert!(contents.thinned);
    // One reading of each domain is the newest and is kept in addition to the others.
    assert!(contents.history.len() <= MAX_POINTS + 4096, "{}", contents.history.len());
}

#[test]
fn k18_every_reading_of_a_thinned_log_can_be_visited() {
    let log = bomb(1);
    let mut count = 0;
    let visited = visit_readings(Cursor::new(&log), Path::new("bomb"), |_, _| count += 1).unwrap();
    assert_eq!((visited, count), (4096 * BLOCK_TICKS as u64, visited));
}

#[test]
fn k18_events_beyond_their_bound_are_counted_not_kept() {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    let event = EventRecord { at: 1, kind: "x".into(), device: String::new(), text: "t".repeat(1 << 19) };
    (0..40).for_each(|_| encoder.event(&event).unwrap());
    let contents = parse(&encoder.take(Vec::new())).unwrap();
    let kept: usize = contents.events.iter().map(|event| event.text.len()).sum();
    assert!(kept <= 8 << 20, "{kept}");
    assert_eq!(contents.events.len() as u64 + contents.unknown_frames, 40);
}

#[test]
fn k18_an_event_larger_than_a_frame_of_its_kind_is_refused_when_written() {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    let before = encoder.pending();
    let event = EventRecord { at: 1, kind: "x".into(), device: String::new(), text: "t".repeat(1 << 20) };
    let error = encoder.event(&event).unwrap_err().to_string();
    assert!(error.contains("larger than a frame"), "{error}");
    assert_eq!(encoder.pending(), before, "nothing of it is written");
}

#[test]
fn k18_gauges_with_long_names_are_bounded_by_their_bytes() {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    let gauge = |value| Gauge { device: "d".repeat(1 << 16), name: "n".repeat(1 << 16), unit: "Cel".into(), value };
    for at in 0..4_000 {
        encoder.gauges(at, &[gauge(at as f64)]).unwrap();
    }
    let log = encoder.take(Vec::new());
    assert!(log.len() < 1 << 20, "names are written once: {}", log.len());
    let contents = parse(&log).unwrap();
    let kept: usize =
        contents.gauges.iter().flat_map(|at| &at.gauges).map(|one| one.device.len() + one.name.len()).sum();
    assert!(kept <= 8 << 20 && contents.gauges.len() > 8, "{} gauges of {kept} bytes", contents.gauges.len());
}
