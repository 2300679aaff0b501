//! The budget: how much of the options' limits is spent.

use eco2_core::{Decision, Spent};

use crate::guard::on_meter;
use crate::handle::{Boxed as _, Handle};
use crate::layout::{Growable, OutStruct};
use crate::numbers::{ECO2_BUDGET_GO, ECO2_BUDGET_STOP, ECO2_BUDGET_WARN};

/// What became of the budget. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BudgetState {
    /// sizeof(eco2_budget).
    pub struct_size: u32,
    /// ECO2_BUDGET_GO, ECO2_BUDGET_WARN or ECO2_BUDGET_STOP: the worst of all limits.
    pub decision: i32,
    /// Number of limits.
    pub limits: u32,
    /// 0.
    pub reserved: u32,
    /// Spent of the limit of which most is spent, as a share of it; 0 without limits.
    pub share: f64,
}

// SAFETY: repr(C) of plain numbers without holes (asserted in layout_checks), the size first.
unsafe impl Growable for BudgetState {
    const FIRST: usize = 24;
}

/// Compares what was spent with every limit of the options (`budget.max_energy_kwh`, `max_co2_kg`, `max_cost`).
///
/// Nothing is stopped: the program decides. Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_budget_check(meter: *const Handle, out: *mut BudgetState) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrowed(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        out.put(worst(&handle.spent()));
        Ok(())
    })
}

fn worst(spent: &[Spent]) -> BudgetState {
    let decision = match spent.iter().map(|spent| spent.decision).max() {
        None | Some(Decision::Go) => ECO2_BUDGET_GO,
        Some(Decision::Warn) => ECO2_BUDGET_WARN,
        Some(Decision::Stop) => ECO2_BUDGET_STOP,
    };
    let share = spent.iter().map(|spent| spent.spent / spent.limit).fold(0.0, f64::max);
    BudgetState { struct_size: 0, decision, limits: spent.len() as u32, reserved: 0, share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_limit_decides() {
        let of = |spent, decision| Spent { spent, limit: 10.0, decision };
        let state = worst(&[of(1.0, Decision::Go), of(9.0, Decision::Warn), of(2.0, Decision::Go)]);
        assert_eq!((state.decision, state.limits, state.share), (ECO2_BUDGET_WARN, 3, 0.9));
        let none = worst(&[]);
        assert_eq!((none.decision, none.limits, none.share), (ECO2_BUDGET_GO, 0, 0.0));
    }
}
