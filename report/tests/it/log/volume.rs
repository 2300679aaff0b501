//! How much a log keeps: about one tick a second, and around what happens to a counter all that matters.

use std::io::Cursor;
use std::path::Path;

use crate::generator::{Brackets, Generator};
use eco2_core::{Component, Domain, Fault, Reading};
use eco2_report::{
    HISTORY_STEP_BYTES, LONGEST_SPACING_NS, LogEncoder, LogSummary, PricingRecord, read_summary, visit_readings,
};

use super::{default_encoder, feed, meta, parse, policy, provisional};
use crate::fixture;

const SECOND_NS: u64 = 1_000_000_000;

/// All readings of one domain in a log.
fn of_domain(log: &[u8], wanted: u32) -> Vec<Reading> {
    let mut found = Vec::new();
    let each = |domain, reading| found.extend((domain == wanted).then_some(reading));
    visit_readings(Cursor::new(log), Path::new("run.eco2log"), each).unwrap();
    found
}

/// A log with one counter, read every 10 ms with these values.
fn with_values(values: impl Iterator<Item = Result<u64, Fault>>) -> Vec<Reading> {
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    encoder.domains(0, &[Domain::counter("d", Component::Cpu, "package", "s")]).unwrap();
    for (at, value) in (0..).zip(values) {
        let before_ns = at * SECOND_NS / 100;
        encoder.readings(0, &[(0, Reading { before_ns, after_ns: before_ns + 10, value })]);
    }
    encoder.flush();
    of_domain(&encoder.take(Vec::new()), 0)
}

#[test]
fn default_volume_is_about_one_record_per_second_and_domain() {
    let mut encoder = default_encoder();
    let head = encoder.take(Vec::new());
    let mut generator = Generator::new(Brackets::Shared);
    let five_minutes = 300 * 100;
    let points = feed(&mut encoder, &mut generator, five_minutes).len();
    encoder.flush();
    let frames = encoder.take(Vec::new());
    let log = [head, frames.clone()].concat();
    let kept = of_domain(&log, 0).len();
    println!(
        "12 domains read at 100 Hz for 300 s: {kept} of {five_minutes} ticks kept, {} bytes, {:.2} a point, {:.0} KiB/h",
        frames.len(),
        frames.len() as f64 / (kept * 12) as f64,
        frames.len() as f64 * 12.0 / 1024.0,
    );
    assert!((300..=400).contains(&kept), "{kept} of {} points", points / 12);
    // A GPU that misses a reading now and then keeps what is around it.
    let gpu = of_domain(&log, 4).len();
    assert!((300..=500).contains(&gpu), "{gpu}");
    assert!(frames.len() < 300 * 12 * 9, "{} bytes", frames.len());
}

#[test]
fn a_run_of_a_tenth_of_a_second_leaves_readings_in_its_log() {
    let readings = with_values((0..12).map(Ok));
    assert_eq!(readings.len(), 12, "all ticks of the first 0.12 s are kept");
    let minute = with_values((0..6_000).map(Ok));
    let early = minute.iter().filter(|reading| reading.before_ns < SECOND_NS).count();
    assert!((30..=70).contains(&early), "{early} in the first second");
    assert!(minute.len() < 60 + 80, "{}", minute.len());
    assert_eq!(minute.last().unwrap().value, Ok(5_999), "the last reading is kept");
}

#[test]
fn both_sides_of_a_reset_and_of_a_failed_read_are_kept() {
    let reset_at = 4_321;
    let values = |at: u64| if at < reset_at { Ok(at * 1_000) } else { Ok((at - reset_at) * 1_000) };
    let kept: Vec<u64> = with_values((0..6_000).map(values)).iter().map(|one| one.value.unwrap()).collect();
    let fall = kept.windows(2).find(|pair| pair[1] < pair[0]).unwrap();
    assert_eq!(fall, [(reset_at - 1) * 1_000, 0]);

    let fails = 3_000..3_007;
    let values = |at: u64| if fails.contains(&at) { Err(Fault::Lost) } else { Ok(at) };
    let kept = with_values((0..6_000).map(values));
    let first = kept.iter().position(|one| one.value.is_err()).unwrap();
    assert_eq!((kept[first - 1].value, kept[first].before_ns), (Ok(2_999), 3_000 * SECOND_NS / 100));
}

#[test]
fn a_sensor_that_comes_and_goes_does_not_fill_the_log() {
    let kept = with_values((0..20_000).map(|at| if at % 2 == 0 { Ok(at) } else { Err(Fault::Failed) }));
    assert!(kept.len() < 1_000, "{} of 20000 in 200 s", kept.len());
}

#[test]
fn long_histories_are_thinned_further_up_to_a_longest_spacing() {
    let domains: Vec<Domain> = (0..64).map(|d| Domain::counter(&d.to_string(), Component::Other, "x", "s")).collect();
    let mut encoder = LogEncoder::new(&meta()).unwrap();
    encoder.domains(0, &domains).unwrap();
    let mut log = Vec::new();
    let (mut random, mut seconds) = (1_u64, 0_u64);
    while encoder.spacing_ns() < 4 * SECOND_NS {
        let tick: Vec<(usize, Reading)> = (0..64)
            .map(|domain| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Rising, or every tick would be a wrap.
                let (before_ns, value) = (seconds * SECOND_NS, Ok((seconds << 40) + (random >> 24)));
                (domain, Reading { before_ns, after_ns: before_ns + 10, value })
            })
            .collect();
        encoder.readings(0, &tick);
        seconds += 1;
        log.extend(encoder.take(Vec::new()));
    }
    // Two steps are written, with every and with every 2nd tick.
    assert!(log.len() as u64 <= 2 * HISTORY_STEP_BYTES + (1 << 17), "{}", log.len());
    let times: Vec<u64> = of_domain(&log, 0).iter().map(|reading| reading.before_ns / SECOND_NS).collect();
    assert_eq!(times[101] - times[100], 1);
    assert_eq!(times[times.len() - 1] - times[times.len() - 2], 2);
    assert!((times.len() as u64) < seconds * 3 / 4, "{} of {seconds}", times.len());
    // A counter of 2^32 units of 61 uJ wraps after 262 s at 1 kW.
    const { assert!(LONGEST_SPACING_NS * 4 <= 262 * SECOND_NS) };
}

#[test]
fn k18_the_summary_is_read_from_the_end_of_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.eco2log");
    let mut encoder = default_encoder();
    encoder.checkpoint(9, &provisional()).unwrap();
    encoder.finish(&fixture::report()).unwrap();
    let log = encoder.take(Vec::new());
    std::fs::write(&path, &log).unwrap();
    let summary = read_summary(&path).unwrap();
    assert_eq!(summary, LogSummary::of(&fixture::report()));
    assert_eq!((summary.run_id.as_str(), summary.exit_code), ("20260102-030405-abcd", Some(0)));
    assert_eq!((summary.energy.low_uj, summary.grams_high), (1_200_000_000, Some(0.0237)));
    assert_eq!(parse(&log).unwrap().summary, Some(summary));
    // A killed run has none; its last checkpoint has the same values, provisionally.
    std::fs::write(&path, &log[..log.len() - 1]).unwrap();
    assert_eq!(read_summary(&path).unwrap(), LogSummary::of(&fixture::report()));
    std::fs::write(&path, [log, default_encoder().take(Vec::new())].concat()).unwrap();
    assert_eq!(
        read_summary(&path).unwrap(),
        LogSummary::of(&fixture::report()),
        "and so does one that is not the last"
    );
}

#[test]
fn intensities_of_a_report_become_pricing_records_by_source() {
    let mut report = fixture::report();
    let carbon = report.carbon.as_mut().unwrap();
    let mut later = carbon.segments[0].clone();
    (later.g_per_kwh, later.estimated) = (61.5, true);
    let other = eco2_core::schema::CarbonSegment { source: "given".into(), kind: None, ..later.clone() };
    carbon.segments.extend([later, other]);
    let records = PricingRecord::of(&report);
    let values: Vec<(&str, Vec<f64>)> =
        records.iter().map(|one| (one.source.as_str(), one.slots.iter().map(|slot| slot.value).collect())).collect();
    let intensities = [("Ember 2025", vec![56.0, 61.5]), ("given", vec![61.5])];
    let factors = [
        ("given", vec![1.2]),
        ("prices.csv", vec![]),
        ("given", vec![0.3]),
        ("given", vec![1.8]),
        ("given", vec![3.1]),
    ];
    assert_eq!(values, [&intensities[..], &factors].concat());
    let units: Vec<(&str, &str)> = records[2..].iter().map(|one| (one.quantity.as_str(), one.unit.as_str())).collect();
    let (price, litres) = (("price", "EUR/kWh"), "l/kWh");
    assert_eq!(units, [("pue", "1"), price, price, ("wue", litres), ("ewif", litres)]);
    let hashes = |one: &PricingRecord| (one.table_sha256.clone(), one.answer_sha256.clone());
    assert_eq!(hashes(&records[0]), (Some("ab".repeat(32)), Some("cd".repeat(32))));
    assert_eq!(hashes(&records[3]), (Some("12".repeat(32)), None));
    let log = {
        let mut encoder = LogEncoder::new(&meta()).unwrap();
        encoder.finish(&report).unwrap();
        encoder.take(Vec::new())
    };
    assert_eq!(parse(&log).unwrap().pricing, records);
}

#[test]
fn intensities_of_one_source_and_two_answers_are_two_pricing_records() {
    let mut report = fixture::report();
    let carbon = report.carbon.as_mut().unwrap();
    carbon.terms = None;
    let later = eco2_core::schema::CarbonSegment { answer_sha256: Some("99".repeat(32)), ..carbon.segments[0].clone() };
    let first = carbon.segments[0].clone();
    carbon.segments.extend([later, first]);
    let notices: Vec<_> =
        PricingRecord::of(&report).into_iter().map(|one| (one.answer_sha256.unwrap(), one.slots.len())).collect();
    assert_eq!(notices, [("cd".repeat(32), 2), ("99".repeat(32), 1)]);
}

#[test]
fn a_decision_on_an_undeclared_domain_is_skipped_and_a_global_index_written() {
    let mut encoder = default_encoder();
    encoder.policy(&policy(Some(4))).unwrap();
    assert_eq!(encoder.skipped(), 1, "source 0 has four domains");
    let second = eco2_report::PolicyRecord { source: 1, ..policy(Some(3)) };
    encoder.policy(&second).unwrap();
    encoder.policy(&policy(None)).unwrap();
    let policies = parse(&encoder.take(Vec::new())).unwrap().policies;
    assert_eq!(policies.iter().map(|one| one.domain).collect::<Vec<_>>(), [Some(7), None]);
}

#[test]
fn k18_short_run_gets_the_notice_of_a_large_folder() {
    let runs = tempfile::tempdir().unwrap();
    let old = std::fs::File::create(runs.path().join("old.eco2log")).unwrap();
    old.set_len((1 << 30) + 1).unwrap();
    let mut writer = eco2_report::LogWriter::create_in(runs.path(), &runs.path().join("new.eco2log")).unwrap();
    // Before the first sync, which comes after 5 s.
    let begun = std::time::Instant::now();
    let notice = loop {
        if let Some(notice) = writer.notice() {
            break notice;
        }
        assert!(begun.elapsed().as_secs() < 4, "no notice");
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    assert!(notice.contains("1.0 GiB"), "{notice}");
    assert!(!writer.close(std::time::Duration::from_secs(1)).hung);
}
