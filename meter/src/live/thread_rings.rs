//! Gives each recording thread its event rings ([`with_ring`]), for [`Meter::begin`](crate::Meter::begin), `end` and `step`.
//!
//! A *ring* is a fixed buffer in which one thread records begins and ends of spans without a lock. A thread claims one ring per
//! meter from the meter's pool when it first records, and gives it back when the thread ends.

use std::cell::RefCell;

use eco2_core::{EventPool, Producer};

thread_local! {
    /// The rings of this thread, each with the id of its meter. A process has few meters, so that a linear search is fastest.
    static RINGS: RefCell<Vec<(u64, Producer)>> = const { RefCell::new(Vec::new()) };
}

/// Records with this thread's ring of one meter; `false` if no ring is left (counted by the pool) or the thread is
/// ending.
#[inline(always)]
pub(crate) fn with_ring(meter: u64, pool: &EventPool, record: impl FnOnce(&mut Producer) -> bool) -> bool {
    let recorded = RINGS.try_with(move |rings| {
        // A signal handler may interrupt this function and record as well. It finds the cell borrowed, and its record is dropped.
        let Ok(mut rings) = rings.try_borrow_mut() else { return false };
        if let Some((_, ring)) = rings.iter_mut().find(|(owner, _)| *owner == meter) {
            return record(ring);
        }
        with_new_ring(&mut rings, meter, pool, record)
    });
    recorded.unwrap_or(false)
}

/// Records with a ring that is claimed first. Not inlined, because it moves a large value over the stack.
#[cold]
#[inline(never)]
fn with_new_ring(
    rings: &mut Vec<(u64, Producer)>,
    meter: u64,
    pool: &EventPool,
    record: impl FnOnce(&mut Producer) -> bool,
) -> bool {
    // Rings of meters that other threads have closed are not needed any more.
    rings.retain(|(_, ring)| !ring.is_orphan());
    let Some(mut ring) = pool.claim() else {
        pool.drop_unclaimed();
        return false;
    };
    let recorded = record(&mut ring);
    rings.push((meter, ring));
    recorded
}

/// Gives back this thread's ring of a meter that is closed.
pub(crate) fn release(meter: u64) {
    let _ = RINGS.try_with(|rings| rings.try_borrow_mut().map(|mut rings| rings.retain(|(owner, _)| *owner != meter)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_no_ring_of_a_meter_that_another_thread_closed() {
        for meter in 1_000..1_100 {
            let (pool, rings) = EventPool::new(1, 8);
            assert!(with_ring(meter, &pool, |ring| ring.begin(0, 1, false)));
            drop((pool, rings));
        }
        RINGS.with_borrow(|rings| assert_eq!(rings.len(), 1));
    }
}
