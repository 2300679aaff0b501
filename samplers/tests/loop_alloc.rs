//! A tick allocates nothing once everything has its place; nor does taking the time.

mod loop_rig;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use eco2_samplers::schedule::Pace;
use eco2_samplers::tsc::HotClock;
use eco2_samplers::{Options, Roots, Stepped};
use loop_rig::{Scripted, script, set};

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator; the counter is a plain thread-local integer.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as for the system's allocator.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    // SAFETY: as for the system's allocator.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_tick_allocates_nothing_in_steady_state() {
    let (now, clock) = script(0);
    let hot = Some(HotClock::new(Default::default(), &Roots::default()));
    let options = Options { clock, hot, pace: Pace::Fixed(10_000_000), ..Options::default() };
    let mut sampling = Stepped::new(vec![Scripted::boxed("a", Ok), Scripted::boxed("b", Ok)], Box::new(()), &options);
    let mut run = |ticks: u64| {
        let before = CALLS.with(Cell::get);
        for _ in 0..ticks {
            let next_ns = sampling.next_ns();
            set(&now, next_ns);
            sampling.step(next_ns, 0);
        }
        CALLS.with(Cell::get) - before
    };
    run(10);
    // A thousand ticks of 10 ms have ten seconds' gauges in them: two, with three strings each. Nothing else allocates,
    // although the clock's history is thinned meanwhile.
    assert_eq!(run(1_000), 10 * 2 * 3);
    assert_eq!(run(80), 0);
}

#[test]
fn taking_the_time_allocates_nothing() {
    let hot = HotClock::new(Default::default(), &Roots::default());
    let before = CALLS.with(Cell::get);
    let last = (0..1_000).map(|_| hot.ticks().value ^ hot.now_ns()).fold(0, u64::wrapping_add);
    assert_eq!(CALLS.with(Cell::get) - before, 0, "{last}");
}
