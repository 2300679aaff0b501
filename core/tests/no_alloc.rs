//! Recording and reading allocate nothing: an allocator that counts proves it.
#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use eco2_core::{DomainPoint, Energies, EventPool, Snapshot, Timeline};

thread_local! {
    /// Allocations of this thread; the test harness's own threads do not disturb it.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; counting touches a thread-local that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's layout, as the caller promised it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the block came from `alloc` above, that is from the system allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often the allocator was called while `run` ran.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

#[test]
fn recording_allocates_nothing() {
    let (pool, mut consumer) = EventPool::new(2, 64);
    // The first claim of a ring allocates it; it is free again once its events are read.
    drop(pool.claim());
    consumer.drain(|_, _, _| {});
    let mut seen = 0;
    let count = allocations(|| {
        for _ in 0..3 {
            let mut producer = pool.claim().unwrap();
            for at in 0..1_000 {
                // Every path: nested, overlapping, stray, too deep, full.
                producer.begin(at % 7, u64::from(at), true);
                producer.step(at % 5, u64::from(at), true);
                producer.start(at % 6, u64::from(at), true);
                producer.end(at % 3, u64::from(at), true);
            }
            drop(producer);
            consumer.drain(|_, _, _| seen += 1);
        }
    });
    assert_eq!(count, 0);
    assert!(seen > 0 && pool.dropped() > 0 && pool.unmatched() > 0);
}

#[test]
fn publishing_and_reading_allocate_nothing() {
    let Timeline { mut writer, reader } = Timeline::new(20, 4).unwrap();
    let (mut snapshot, mut energies) = (Snapshot::default(), Energies::default());
    let point = DomainPoint { edge_ns: 1, uj: 2, slope_q28: 3, flags: 0 };
    let count = allocations(|| {
        for at_ns in 1..100 {
            writer.publish(&Snapshot::new(at_ns, point, &[point; 20]));
            assert!(reader.latest(&mut snapshot) && reader.now(at_ns, &mut energies) && reader.at(1, &mut energies));
            snapshot.extrapolate(at_ns, &mut energies);
            assert!(reader.clone().total().is_some_and(|total| total.uj_at(at_ns).is_some()));
        }
    });
    assert_eq!(count, 0);
}
