//! The timeline and the event rings from outside: known answers, and threads that do their worst.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use eco2_core::{
    DomainPoint, Drained, Energies, EventPool, MAX_DOMAINS, MAX_OPEN, Snapshot, SpanEvent, SpanEventKind, Timeline,
    TimelineReader,
};

/// 1 W, rounded to whole µJ per 2^28 ns.
const WATT: u32 = 268_435;

fn point(edge_ns: u64, uj: u64) -> DomainPoint {
    DomainPoint { edge_ns, uj, slope_q28: WATT, flags: 0 }
}

/// A snapshot whose every word follows from its time, so that a mixture of two shows.
fn telltale(at_ns: u64, domains: usize) -> Snapshot {
    let of = |column: u64| DomainPoint {
        edge_ns: at_ns,
        uj: at_ns * 1_000 + column,
        slope_q28: (at_ns as u32) ^ 0x5555,
        flags: (at_ns as u32) << 4,
    };
    let points: Vec<_> = (1..=domains as u64).map(of).collect();
    anchored(Snapshot::new(at_ns, of(0), &points), !at_ns, at_ns ^ 7)
}

/// The snapshot with a clock anchor: the time stamp counter at its time, and nanoseconds per 2^32 ticks.
fn anchored(snapshot: Snapshot, tsc: u64, tsc_mult: u64) -> Snapshot {
    let mut anchored = snapshot;
    (anchored.tsc, anchored.tsc_mult) = (tsc, tsc_mult);
    anchored
}

fn assert_whole(got: &Snapshot) {
    let want = telltale(got.at_ns, got.points().len());
    assert_eq!((got.tsc, got.tsc_mult, got.total), (want.tsc, want.tsc_mult, want.total));
    assert_eq!(got.points(), want.points());
}

/// Reads until `stop` is set; returns how many snapshots it got.
fn read_all(reader: &TimelineReader, stop: &AtomicBool) -> u64 {
    let (mut snapshot, mut energies, mut last, mut got) = (Snapshot::default(), Energies::default(), 0, 0);
    while !stop.load(Ordering::Relaxed) || got == 0 {
        if reader.latest(&mut snapshot) {
            assert_whole(&snapshot);
            assert!(snapshot.at_ns >= last, "time went back");
            (last, got) = (snapshot.at_ns, got + 1);
        }
        let past = last.saturating_sub(1);
        if reader.at(past, &mut energies) && past > 0 && !energies.provisional {
            assert_eq!(energies.uj(0), Some(past * 1_000 + 1), "each tick is a knot");
        }
    }
    got
}

#[test]
fn energies_read_one_by_one_are_those_of_a_whole_read() {
    for domains in [0, 1, 2, 3, 4, 8, 9, 13, 40, MAX_DOMAINS] {
        let Timeline { mut writer, reader } = Timeline::new(domains, 4).unwrap();
        assert!(!reader.each_now(5, 1, |_, _| {}), "nothing is published yet");
        writer.publish(&telltale(1_000, domains));
        let mut energies = Energies::default();
        assert!(reader.now(9_000, &mut energies));
        for count in 0..=domains + 2 {
            let mut read = vec![Some(1); count];
            assert!(reader.each_now(9_000, count, |index, uj| read[index] = uj));
            assert_eq!(read, (0..count).map(|index| energies.uj(index)).collect::<Vec<_>>(), "{domains} domains");
        }
    }
}

#[test]
fn m37_reader_never_blocks_writer_and_never_tears() {
    for (domains, slots) in [(8, 2), (8, 64), (40, 4)] {
        let Timeline { mut writer, reader } = Timeline::new(domains, slots).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers = [0, 1].map(|_| {
                let reader = reader.clone();
                scope.spawn(|| read_all(&{ reader }, &stop))
            });
            // The writer has no loop that could wait: it is done when it has published all, whatever the readers do.
            for at_ns in 1..=100_000 {
                writer.publish(&telltale(at_ns, domains));
            }
            stop.store(true, Ordering::Relaxed);
            let got: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
            assert!(got >= 2);
        });
        assert_eq!(reader.age_ns(100_000), Some(0));
    }
}

#[test]
fn m37_a_dead_writer_shows_in_the_heartbeat() {
    let Timeline { mut writer, reader } = Timeline::new(1, 4).unwrap();
    assert_eq!(reader.age_ns(5), None);
    writer.publish(&telltale(1_000, 1));
    drop(writer);
    let mut snapshot = Snapshot::default();
    assert!(reader.latest(&mut snapshot), "the last snapshot outlives its writer");
    assert_whole(&snapshot);
    assert_eq!(reader.age_ns(5_000_001_000), Some(5_000_000_000));
}

#[test]
fn nothing_published_is_nothing_known() {
    let reader = Timeline::new(2, 4).unwrap().reader;
    let (mut snapshot, mut energies) = (telltale(9, 2), Energies::default());
    assert!(!reader.latest(&mut snapshot) && snapshot.points().is_empty() && !snapshot.total.is_known());
    assert!(!reader.now(1, &mut energies) && !reader.at(1, &mut energies));
    assert_eq!((energies.total_uj(), energies.uj(0), reader.total()), (None, None, None));
    assert_eq!(Timeline::new(MAX_DOMAINS + 1, 4).unwrap_err().domains, MAX_DOMAINS + 1);
}

#[test]
fn every_number_of_domains_comes_back_whole() {
    for domains in 0..=MAX_DOMAINS {
        let Timeline { mut writer, reader } = Timeline::new(domains, 2).unwrap();
        let (mut snapshot, mut energies) = (Snapshot::default(), Energies::default());
        writer.publish(&telltale(77, domains));
        assert!(reader.latest(&mut snapshot));
        assert_eq!(snapshot.points().len(), domains);
        assert_whole(&snapshot);
        let want: Vec<_> = (1..=domains as u64).map(|column| Some(77_000 + column)).chain([None]).collect();
        let all = |energies: &Energies| (0..=domains).map(|domain| energies.uj(domain)).collect::<Vec<_>>();
        assert!(reader.now(77, &mut energies));
        assert_eq!(all(&energies), want);
        snapshot.extrapolate(77, &mut energies);
        assert_eq!(all(&energies), want);
        assert!(reader.at(77, &mut energies) && !energies.provisional);
        assert_eq!(all(&energies), want);
        assert_eq!((energies.total_uj(), energies.len()), (Some(77_000), domains));
    }
}

#[test]
fn a_domain_that_was_not_published_is_missing_even_where_an_older_one_lay() {
    let Timeline { mut writer, reader } = Timeline::new(9, 2).unwrap();
    for at_ns in 1..5 {
        writer.publish(&telltale(at_ns, 9));
    }
    for at_ns in 5..7 {
        writer.publish(&telltale(at_ns, 2));
    }
    let mut snapshot = Snapshot::default();
    assert!(reader.latest(&mut snapshot));
    assert!(snapshot.points()[..2].iter().all(DomainPoint::is_known));
    assert!(!snapshot.points()[2..].iter().any(DomainPoint::is_known));
}

#[test]
fn power_is_carried_on_for_four_seconds_and_no_longer() {
    let knot = point(1_000, 500);
    assert_eq!(knot.uj_at(0), Some(500), "before the edge");
    assert_eq!(knot.uj_at(1_000 + (1 << 28)), Some(500 + 268_435));
    let limit = 500 + ((u64::from(WATT) * u64::from(u32::MAX)) >> 28);
    assert_eq!(knot.uj_at(1_000 + (1 << 32)), Some(limit));
    assert_eq!(knot.uj_at(u64::MAX), Some(limit));
    assert_eq!(DomainPoint { uj: u64::MAX, ..knot }.uj_at(u64::MAX), Some(u64::MAX));
    assert_eq!(DomainPoint::default().uj_at(5), None);
}

#[test]
fn a_total_without_a_part_is_flagged() {
    let known = DomainPoint { edge_ns: 0, uj: 7, slope_q28: 1 << 28, flags: DomainPoint::ESTIMATED };
    let sum = DomainPoint::sum(&[known, DomainPoint::default()], 3); // 1 µJ per ns for 3 ns
    assert_eq!((sum.edge_ns, sum.uj, sum.slope_q28), (3, 10, 1 << 28));
    assert_eq!(sum.flags, DomainPoint::PARTIAL | DomainPoint::ESTIMATED);
    assert!(!DomainPoint::sum(&[DomainPoint::default()], 3).is_known());
}

#[test]
fn a_snapshot_replaces_its_domains_and_leaves_out_those_beyond_the_most() {
    let mut snapshot = telltale(3, 4);
    snapshot.set_points(&[point(0, 1)]);
    assert_eq!(snapshot.points(), [point(0, 1)]);
    snapshot.set_points(&[point(0, 2); MAX_DOMAINS + 1]);
    assert_eq!(snapshot.points(), [point(0, 2); MAX_DOMAINS]);
}

#[test]
fn tsc_counts_from_the_anchor() {
    let snapshot = anchored(Snapshot::new(50, point(0, 0), &[]), 1_000, 1 << 31); // 2 GHz
    assert_eq!(snapshot.ns_of_tsc(3_000), Some(1_050));
    assert_eq!(snapshot.ns_of_tsc(10), Some(50), "a value from before the anchor");
    assert_eq!(Snapshot::new(50, point(0, 0), &[]).ns_of_tsc(3_000), None);
}

/// A fast domain with knots at 100 and 200 and a slow one with knots at 50 and 250, as three ticks saw them.
fn two_domains(slots: usize) -> Timeline {
    let mut timeline = Timeline::new(2, slots).unwrap();
    let ticks = [
        (110, point(100, 1_000), point(50, 10)),
        (210, point(200, 3_000), point(50, 10)),
        (260, point(200, 3_000), point(250, 210)),
    ];
    for (at_ns, fast, slow) in ticks {
        timeline.writer.publish(&Snapshot::new(at_ns, fast, &[fast, slow]));
    }
    timeline
}

#[test]
fn the_past_is_interpolated_between_knots() {
    let reader = two_domains(8).reader;
    let mut energies = Energies::default();
    assert!(reader.at(150, &mut energies));
    assert!(!energies.provisional);
    assert_eq!((energies.uj(0), energies.uj(1)), (Some(2_000), Some(110)));
    assert!(reader.at(225, &mut energies));
    assert!(energies.provisional, "no knot of the fast domain after 200");
    assert_eq!((energies.uj(0), energies.uj(1)), (Some(3_000), Some(185)));
    assert!(reader.at(60, &mut energies));
    assert_eq!((energies.uj(0), energies.uj(1)), (None, Some(20)), "no knot of the fast domain before 100");
}

#[test]
fn a_past_that_was_evicted_is_not_guessed() {
    let reader = two_domains(2).reader;
    let mut energies = Energies::default();
    assert!(!reader.at(150, &mut energies));
    assert_eq!((energies.uj(0), energies.uj(1), energies.total_uj()), (None, None, None));
    assert!(reader.at(250, &mut energies), "at the last knot");
}

/// Everything that was recorded so far.
fn drained(consumer: &mut eco2_core::EventConsumer) -> Vec<(usize, u64, SpanEvent)> {
    let mut got = Vec::new();
    consumer.drain(|thread, generation, drained| {
        if let Drained::Event(event) = drained {
            got.push((thread, generation, event));
        }
    });
    got
}

fn kinds(consumer: &mut eco2_core::EventConsumer) -> Vec<(SpanEventKind, u32)> {
    drained(consumer).into_iter().map(|(_, _, event)| (event.kind, event.id)).collect()
}

#[test]
fn ids_clocks_and_ticks_survive() {
    let (pool, mut consumer) = EventPool::new(1, 16);
    let mut producer = pool.claim().unwrap();
    for (id, tsc) in [(0, false), (1 << 20, true), (u32::MAX, false)] {
        assert!(producer.begin(id, u64::MAX - 2, tsc) && producer.step(id, u64::MAX - 1, tsc));
        assert!(producer.end(id, u64::MAX, tsc));
        let event = |kind, ticks| (0, 0, SpanEvent { ticks, id, kind, tsc });
        let want = [(SpanEventKind::Begin, 2), (SpanEventKind::Step, 1), (SpanEventKind::End, 0)];
        assert_eq!(drained(&mut consumer), want.map(|(kind, before)| event(kind, u64::MAX - before)));
    }
}

#[test]
fn a_full_ring_drops_whole_spans() {
    let (pool, mut consumer) = EventPool::new(1, 4);
    let mut producer = pool.claim().unwrap();
    assert!(producer.begin(1, 1, false) && producer.begin(2, 2, false), "two begins and their two ends fill it");
    assert!(!producer.begin(1, 3, false));
    assert!(!producer.end(1, 4, false), "the end of the dropped span, not of the first");
    assert!(producer.end(1, 5, false) && producer.end(2, 6, false));
    assert_eq!((pool.dropped(), pool.unmatched()), (1, 0));
    use SpanEventKind::{Begin, End};
    assert_eq!(kinds(&mut consumer), [(Begin, 1), (Begin, 2), (End, 1), (End, 2)]);
    assert!(producer.begin(3, 7, false), "room again");
}

#[test]
fn steps_in_a_full_ring_end_the_last_one_that_fits() {
    let (pool, mut consumer) = EventPool::new(1, 4);
    let mut producer = pool.claim().unwrap();
    assert!([1, 2, 3].iter().all(|at| producer.step(9, *at, false)), "three steps and an end fill it");
    assert!(!producer.step(9, 4, false) && !producer.step(9, 5, false));
    use SpanEventKind::{Begin, End, Step};
    assert_eq!(kinds(&mut consumer), [(Step, 9), (Step, 9), (Step, 9), (End, 9)]);
    assert!(producer.step(9, 6, false) && producer.end(9, 7, false));
    assert_eq!(kinds(&mut consumer), [(Begin, 9), (End, 9)]);
    assert_eq!((pool.dropped(), pool.unmatched()), (2, 0));
}

#[test]
fn k10_a_first_step_and_a_start_are_events_of_their_own() {
    let (pool, mut consumer) = EventPool::new(1, 8);
    let mut producer = pool.claim().unwrap();
    assert!(producer.step(9, 1, false) && producer.start(9, 2, false) && producer.step(9, 3, false));
    assert!(producer.start(7, 4, false) && producer.end(7, 5, false));
    use SpanEventKind::{End, Start, Step};
    assert_eq!(kinds(&mut consumer), [(Step, 9), (Start, 9), (Step, 9), (Start, 7), (End, 7)]);
    assert_eq!((pool.dropped(), pool.unmatched()), (0, 0));
}

#[test]
fn a_start_in_a_full_ring_is_dropped_and_the_open_step_goes_on() {
    let (pool, mut consumer) = EventPool::new(1, 4);
    let mut producer = pool.claim().unwrap();
    assert!([1, 2, 3].iter().all(|at| producer.step(9, *at, false)));
    assert!(!producer.start(9, 4, false), "no room for it and an end");
    assert!(producer.end(9, 5, false));
    use SpanEventKind::{End, Start, Step};
    assert_eq!(kinds(&mut consumer), [(Step, 9), (Step, 9), (Step, 9), (End, 9)]);
    assert!(producer.begin(1, 6, false) && producer.begin(2, 7, false) && !producer.start(9, 8, false));
    assert!(producer.end(2, 9, false) && producer.end(1, 10, false));
    assert_eq!(drained(&mut consumer).len(), 4);
    assert!(producer.start(9, 11, false), "room again, over the one that was dropped");
    assert_eq!(kinds(&mut consumer), [(Start, 9)]);
}

#[test]
fn the_end_of_a_thread_comes_after_its_events() {
    let (pool, mut consumer) = EventPool::new(2, 8);
    let mut thread = pool.claim().unwrap();
    assert!(thread.step(1, 1, false));
    drop(thread);
    let mut seen = Vec::new();
    consumer.drain(|thread, _, drained| seen.push((thread, drained == Drained::Over)));
    assert_eq!(seen, [(0, false), (0, true)]);
}

#[test]
fn spans_deeper_than_the_limit_are_dropped_and_strays_counted() {
    let (pool, mut consumer) = EventPool::new(1, 1_024);
    let mut producer = pool.claim().unwrap();
    assert!(!producer.end(5, 0, false));
    let recorded = (0..100).filter(|id| producer.begin(*id, 0, false)).count();
    assert!(!producer.step(99, 0, false));
    let ended = (0..100).rev().filter(|id| producer.end(*id, 0, false)).count();
    assert_eq!((recorded, ended, drained(&mut consumer).len()), (MAX_OPEN, MAX_OPEN, 2 * MAX_OPEN));
    assert_eq!((pool.dropped(), pool.unmatched()), (100 - MAX_OPEN as u64 + 1, 1));
}

#[test]
fn a_dropped_producer_s_ring_is_drained_then_recycled() {
    let (pool, mut consumer) = EventPool::new(1, 8);
    let mut first = pool.claim().unwrap();
    assert!(pool.claim().is_none());
    pool.drop_unclaimed();
    first.begin(1, 10, false);
    drop(first);
    assert!(pool.claim().is_none(), "not before it was drained");
    assert_eq!(drained(&mut consumer).len(), 1);
    let mut second = pool.claim().unwrap();
    assert!(!second.end(1, 20, false), "the first thread's open span is not the second's");
    assert!(second.begin(1, 30, false));
    assert_eq!(drained(&mut consumer)[0].1, 1, "a new generation");
    assert_eq!((pool.dropped(), pool.unmatched()), (1, 1));
}

#[test]
fn threads_record_while_the_consumer_drains() {
    const SPANS: u64 = 50_000;
    let (pool, mut consumer) = EventPool::new(2, 64);
    let running = AtomicU64::new(2);
    let record = || {
        let mut producer = pool.claim().unwrap();
        let recorded = (0..SPANS).filter(|at| producer.begin(3, 2 * at, true) && producer.end(3, 2 * at + 1, true));
        let recorded = recorded.count();
        running.fetch_sub(1, Ordering::Release);
        recorded
    };
    thread::scope(|scope| {
        let threads = [0, 1].map(|_| scope.spawn(record));
        let (mut last, mut got) = ([None; 2], [0; 2]);
        loop {
            let done = running.load(Ordering::Acquire) == 0;
            consumer.drain(|thread, generation, drained| {
                let Drained::Event(event) = drained else { return };
                assert_eq!(event.ticks % 2 == 0, event.kind == SpanEventKind::Begin);
                // A thread that starts late may be given the other's ring, under the next generation.
                let order = Some((generation, event.ticks));
                assert!(last[thread] < order, "in order");
                (last[thread], got[thread]) = (order, got[thread] + 1);
            });
            if done {
                break;
            }
        }
        let recorded: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(got.iter().sum::<usize>(), 2 * recorded);
        assert_eq!(recorded as u64 + pool.dropped(), 2 * SPANS);
    });
}
