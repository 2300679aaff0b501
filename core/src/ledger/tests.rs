//! Unit tests of the ledger.

use super::*;
use crate::Component;

/// 100 000 steps leave nothing behind but one total: memory does not grow with the run.
#[test]
fn d22_a_settled_step_leaves_nothing_behind() {
    let mut ledger = Ledger::new(0, 16);
    ledger.add_domain(Domain::counter("package-0", Component::Cpu, "package", "t"));
    let step = ledger.intern("step");
    for tick in 0..100_000u64 {
        let at_ns = tick * 1_000_000;
        ledger.reading(0, &Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(tick * 7) });
        ledger.step(0, step, at_ns + 500, 0);
    }
    assert!(ledger.edges.len() < 10 && ledger.closed.len() < 5, "{} edges", ledger.edges.len());
    assert_eq!(ledger.totals.len(), 1);
}
