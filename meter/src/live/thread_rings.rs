//! The recording side: one event ring a thread, claimed on first use and given back when the thread ends.

use std::cell::RefCell;

use eco2_core::{EventPool, Producer};

thread_local! {
    /// This thread's rings, by meter. A handful at most: searched in order.
    static RINGS: RefCell<Vec<(u64, Producer)>> = const { RefCell::new(Vec::new()) };
}

/// Records with this thread's ring of one meter; `false` if no ring is left (counted by the pool) or the thread is
/// ending.
#[inline(always)]
pub(crate) fn with_ring(meter: u64, pool: &EventPool, record: impl FnOnce(&mut Producer) -> bool) -> bool {
    let recorded = RINGS.try_with(move |rings| {
        // A signal handler that records during a record finds the cell borrowed: its record is dropped, so that it never waits.
        let Ok(mut rings) = rings.try_borrow_mut() else { return false };
        if let Some((_, ring)) = rings.iter_mut().find(|(owner, _)| *owner == meter) {
            return record(ring);
        }
        with_new_ring(&mut rings, meter, pool, record)
    });
    recorded.unwrap_or(false)
}

/// The first record of a thread. Out of line: it moves a whole ring's end over the stack.
#[cold]
#[inline(never)]
fn with_new_ring(
    rings: &mut Vec<(u64, Producer)>,
    meter: u64,
    pool: &EventPool,
    record: impl FnOnce(&mut Producer) -> bool,
) -> bool {
    // Other threads' meters may have been closed meanwhile; their rings are of no more use.
    rings.retain(|(_, ring)| !ring.is_orphan());
    let Some(mut ring) = pool.claim() else {
        pool.drop_unclaimed();
        return false;
    };
    let recorded = record(&mut ring);
    rings.push((meter, ring));
    recorded
}

/// Gives this thread's ring of a closed meter back.
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
