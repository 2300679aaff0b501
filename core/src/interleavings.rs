//! Loom models of the timeline's ring and of the event rings: every interleaving of their threads, and every value
//! that the memory model lets a load return.
//!
//! `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p eco2-core --lib --release interleavings`
//!
//! The models run the crate's own code. Those named `…_is_caught` break one ordering each and must fail: they show that
//! the models above them would see such a fault.

use std::sync::Arc;

use loom::thread;

use crate::events::spsc::Spsc;
use crate::sync::{Ordering, Orderings, Sound};
use crate::timeline::ring::{Line, Ring, load_beat, store_beat};
use crate::{Drained, EventPool, SpanEventKind};

/// What word `word` of snapshot `index` holds.
fn content(index: u64, word: u64) -> u64 {
    index * 10 + word
}

/// One writer publishes `writes` snapshots into two slots; each reader's every good copy is the snapshot it asked for.
fn timeline_model<O: Orderings + 'static>(writes: u64, readers: usize) {
    loom::model(move || {
        let mut ring = Ring::<O>::new(2, 1);
        let readers: Vec<_> = (0..readers).map(|_| ring.share()).collect();
        let readers: Vec<_> = readers.into_iter().map(|ring| thread::spawn(move || read_twice(&ring))).collect();
        for _ in 0..writes {
            ring.write(|index, lines| {
                for word in 0..2 {
                    lines[0].0[word as usize].store(content(index, word), Ordering::Relaxed);
                }
            });
        }
        readers.into_iter().for_each(|reader| assert!(reader.join().is_ok()));
        assert_eq!(ring.head(), writes);
    });
}

fn read_twice<O: Orderings>(ring: &Ring<O>) {
    let mut last = 0;
    for _ in 0..2 {
        let head = ring.head();
        assert!(head >= last, "the newest snapshot went back");
        last = head;
        let mut copy = [0; 2];
        let good = head > 0
            && ring.read(head, |lines| copy = [0, 1].map(|word: usize| lines[0].0[word].load(Ordering::Relaxed)));
        if good {
            assert_eq!(copy, [content(head, 0), content(head, 1)], "a mixture");
        }
    }
}

#[test]
fn timeline_one_reader() {
    timeline_model::<Sound>(4, 1);
}

#[test]
fn timeline_two_readers() {
    timeline_model::<Sound>(3, 2);
}

/// A broken variant per missing ordering.
macro_rules! must_fail {
    ($test:ident, $variant:ident, $item:item, $model:expr) => {
        struct $variant;
        impl Orderings for $variant {
            $item
        }
        #[test]
        #[should_panic(expected = "mixture")]
        fn $test() {
            $model
        }
    };
}

must_fail!(
    no_release_fence_is_caught,
    NoReleaseFence,
    const RESERVE_FENCE: bool = false;,
    timeline_model::<NoReleaseFence>(3, 1)
);
must_fail!(
    no_acquire_fence_before_the_copy_is_caught,
    NoHeadFence,
    const HEAD_FENCE: bool = false;,
    timeline_model::<NoHeadFence>(3, 1)
);
must_fail!(
    no_acquire_fence_after_the_copy_is_caught,
    NoCheckFence,
    const CHECK_FENCE: bool = false;,
    timeline_model::<NoCheckFence>(3, 1)
);
must_fail!(
    a_relaxed_head_is_caught,
    RelaxedHead,
    const HEAD_STORE: Ordering = Ordering::Relaxed;,
    timeline_model::<RelaxedHead>(3, 1)
);
must_fail!(no_lap_check_is_caught, NoLapCheck, const LAP_CHECK: bool = false;, timeline_model::<NoLapCheck>(3, 1));

/// The page: writer and reader have handles of their own on one memory, and a heartbeat lies before the ring. A reader that sees
/// the heartbeat of a snapshot finds this one or a newer one, and whole.
fn page_model<O: Orderings + 'static>(writes: u64) {
    loom::model(move || {
        let memory: Arc<[Line]> = (0..3).map(|_| Line::default()).collect();
        let beat = Arc::new(Line::default());
        let handle = || Ring::<O, Arc<[Line]>>::over(Arc::clone(&memory), 2, 1).unwrap();
        let (mut writer, reader, seen) = (handle(), handle(), Arc::clone(&beat));
        let reading = thread::spawn(move || {
            let beat = load_beat::<O>(&seen.0[3]);
            let head = reader.head();
            assert!(head >= beat, "a mixture: a heartbeat of {beat} and a snapshot of {head}");
            let mut copy = [0; 2];
            let good = head > 0
                && reader.read(head, |lines| copy = [0, 1].map(|word: usize| lines[0].0[word].load(Ordering::Relaxed)));
            assert!(!good || copy == [content(head, 0), content(head, 1)], "a mixture");
        });
        for index in 1..=writes {
            writer.write(|index, lines| {
                for word in 0..2 {
                    lines[0].0[word as usize].store(content(index, word), Ordering::Relaxed);
                }
            });
            store_beat::<O>(&beat.0[3], index);
        }
        assert!(reading.join().is_ok());
    });
}

#[test]
fn page_with_heartbeat() {
    page_model::<Sound>(4);
}

must_fail!(
    a_relaxed_heartbeat_is_caught,
    RelaxedBeat,
    const BEAT_STORE: Ordering = Ordering::Relaxed;,
    page_model::<RelaxedBeat>(2)
);
must_fail!(
    no_acquire_fence_after_the_heartbeat_is_caught,
    NoBeatFence,
    const BEAT_FENCE: bool = false;,
    page_model::<NoBeatFence>(2)
);
must_fail!(
    page_without_lap_check_is_caught,
    NoPageLapCheck,
    const LAP_CHECK: bool = false;,
    page_model::<NoPageLapCheck>(3)
);

/// A producer writes three pairs into two slots as room appears; the consumer gets them all, in order and whole.
fn spsc_model<O: Orderings + Sync + Send + 'static>() {
    loom::model(|| {
        let ring = Arc::new(Spsc::<O>::new(2));
        let producer = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let mut head = 0;
                while head < 3 && head - ring.tail() < ring.capacity() {
                    ring.publish(head, [content(head, 1), content(head, 2)]);
                    head += 1;
                }
                head
            })
        };
        let mut taken = 0;
        let mut take = |pair| {
            assert_eq!(pair, [content(taken, 1), content(taken, 2)], "a mixture");
            taken += 1;
        };
        ring.drain(&mut take);
        ring.drain(&mut take);
        let written = producer.join().unwrap_or(0);
        ring.drain(&mut take);
        assert_eq!(taken, written);
    });
}

#[test]
fn events_arrive_whole_and_in_order() {
    spsc_model::<Sound>();
}

must_fail!(
    a_relaxed_event_store_is_caught,
    RelaxedEvent,
    const EVENT_STORE: Ordering = Ordering::Relaxed;,
    spsc_model::<RelaxedEvent>()
);

/// A ring is claimed, used, dropped, drained and claimed again by another thread, while the consumer drains.
#[test]
fn a_recycled_ring_loses_and_mixes_nothing() {
    loom::model(|| {
        let (pool, mut consumer) = EventPool::new(1, 2);
        let threads = [1u32, 2].map(|id| {
            let pool = pool.clone();
            thread::spawn(move || {
                let Some(mut producer) = pool.claim() else { return 0 };
                let recorded = producer.begin(id, u64::from(id), false) && producer.end(id, u64::from(id) + 10, false);
                u64::from(recorded) * 2
            })
        });
        let mut got = Vec::new();
        let mut drain = |got: &mut Vec<_>| {
            consumer.drain(|_, generation, drained| {
                if let Drained::Event(event) = drained {
                    got.push((generation, event));
                }
            })
        };
        drain(&mut got);
        drain(&mut got);
        let recorded: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        drain(&mut got);
        assert_eq!(got.len() as u64, recorded);
        for (at, pair) in got.chunks(2).enumerate() {
            assert_eq!((pair[0].0, pair[1].0), (at as u64, at as u64), "one generation per producer");
            assert_eq!((pair[0].1.kind, pair[1].1.kind), (SpanEventKind::Begin, SpanEventKind::End));
            assert_eq!((pair[0].1.id, pair[0].1.ticks + 10), (pair[1].1.id, pair[1].1.ticks));
        }
    });
}
