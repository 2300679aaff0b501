//! The budget: how much of the options' limits is spent.

use eco2_core::{Decision, Quality, Spent, Unit};

use crate::guard::on_meter;
use crate::handle::{Boxed as _, Handle};
use crate::layout::{Growable, OutStruct};
use crate::numbers::{
    ECO2_BUDGET_GO, ECO2_BUDGET_PAUSE, ECO2_BUDGET_STOP, ECO2_BUDGET_WARN, ECO2_UNIT_GRAMS, ECO2_UNIT_MICROJOULES,
    ECO2_UNIT_MONEY, quality_number,
};

/// What became of the budget. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BudgetState {
    /// sizeof(eco2_budget).
    pub struct_size: u32,
    /// ECO2_BUDGET_GO, ECO2_BUDGET_WARN, ECO2_BUDGET_PAUSE or ECO2_BUDGET_STOP: the gravest of all limits.
    pub decision: i32,
    /// Number of limits.
    pub limits: u32,
    /// 0.
    pub reserved: u32,
    /// Spent of the limit of which most is spent, as a share of it; 0 without limits, not a number where no limit's is known.
    pub share: f64,
    /// The unit of the limit that decides, in which the amounts below are: ECO2_UNIT_...
    pub unit: i32,
    /// 0.
    pub reserved2: u32,
    /// Spent so far; not a number without limits, as all below, and where it is not known: the decision is then a warning.
    pub spent: f64,
    /// The limit.
    pub limit: f64,
    /// Held back for what goes by until the next look, and as a reserve.
    pub held: f64,
    /// What will have been spent at the end; not a number without a forecast, as the three below.
    pub finish: f64,
    /// Lower end of the forecast's 90 % interval.
    pub finish_low: f64,
    /// Upper end of the forecast's 90 % interval.
    pub finish_high: f64,
    /// Not exceeded at the end in nine of ten runs.
    pub finish_p90: f64,
    /// Lower bound of `spent`; not a number where there is none: without limits, and of money, as a price may be negative.
    pub low: f64,
    /// Upper bound of `spent`; not a number where there is none: the decision is then a warning at least.
    pub high: f64,
    /// Share of the energy that has the quality below, percent; not a number where nothing is known.
    pub quality_percent: f64,
    /// The worst quality among the parts of the energy: ECO2_QUALITY_..., ECO2_QUALITY_MISSING where nothing is known.
    pub quality: i32,
    /// 0.
    pub reserved3: u32,
}

// SAFETY: repr(C) of plain numbers without holes (asserted in layout_checks), the size first.
unsafe impl Growable for BudgetState {
    const FIRST: usize = 24;
}

/// Compares what was spent with every limit of the options (`budget.max_energy_kwh`, `max_co2_kg`, `max_cost`), and what
/// will be at the end where the run's length is known (`budget.total_steps` or `total_hours`).
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
        Some(Decision::Pause) => ECO2_BUDGET_PAUSE,
        Some(Decision::Stop) => ECO2_BUDGET_STOP,
    };
    let shares = spent.iter().filter_map(|spent| Some(spent.spent? / spent.limit));
    // Nothing known is not nothing spent.
    let share = shares.reduce(f64::max).unwrap_or(if spent.is_empty() { 0.0 } else { f64::NAN });
    let decides = spent.iter().max_by(|a, b| a.decision.cmp(&b.decision).then(urgency(a).total_cmp(&urgency(b))));
    let amount = |of: fn(&Spent) -> f64| decides.map_or(f64::NAN, of);
    BudgetState {
        struct_size: 0,
        decision,
        limits: spent.len() as u32,
        reserved: 0,
        share,
        unit: match decides.map(|spent| spent.unit) {
            None | Some(Unit::EnergyUj) => ECO2_UNIT_MICROJOULES,
            Some(Unit::Grams) => ECO2_UNIT_GRAMS,
            Some(Unit::Money) => ECO2_UNIT_MONEY,
        },
        reserved2: 0,
        spent: amount(|spent| spent.spent.unwrap_or(f64::NAN)),
        limit: amount(|spent| spent.limit),
        held: amount(|spent| spent.held),
        finish: amount(|spent| spent.finish.map_or(f64::NAN, |finish| finish.mean)),
        finish_low: amount(|spent| spent.finish.map_or(f64::NAN, |finish| finish.low)),
        finish_high: amount(|spent| spent.finish.map_or(f64::NAN, |finish| finish.high)),
        finish_p90: amount(|spent| spent.finish.map_or(f64::NAN, |finish| finish.p90)),
        low: amount(|spent| spent.low.unwrap_or(f64::NAN)),
        high: amount(|spent| spent.high.unwrap_or(f64::NAN)),
        quality_percent: amount(|spent| spent.quality_percent.unwrap_or(f64::NAN)),
        quality: quality_number(decides.and_then(|spent| spent.quality).unwrap_or(Quality::Missing)),
        reserved3: 0,
    }
}

/// How much of the limit will be spent, as far as is known.
fn urgency(spent: &Spent) -> f64 {
    spent.finish.map_or(spent.spent.unwrap_or(0.0), |finish| finish.p90) / spent.limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{ECO2_QUALITY_ESTIMATED, ECO2_QUALITY_MEASURED, ECO2_QUALITY_MISSING};
    use eco2_core::Finish;

    #[test]
    fn k10_bounds_and_quality_are_those_of_the_limit_that_decides() {
        let dead = Spent {
            unit: Unit::EnergyUj,
            spent: Some(141e6),
            low: Some(140e6),
            high: None,
            quality: Some(Quality::Estimated),
            quality_percent: Some(62.5),
            limit: 300e6,
            held: 3e6,
            finish: None,
            soft: false,
            hard: false,
            decision: Decision::Warn,
        };
        let alive = Spent { high: Some(142e6), quality: Some(Quality::Measured), decision: Decision::Go, ..dead };
        let state = worst(&[alive, dead]);
        assert_eq!((state.spent, state.low, state.held), (141e6, 140e6, 3e6));
        assert!(state.high.is_nan(), "an open upper bound is not the value");
        assert_eq!((state.quality, state.quality_percent), (ECO2_QUALITY_ESTIMATED, 62.5));
        assert_eq!((worst(&[alive]).high, worst(&[alive]).quality), (142e6, ECO2_QUALITY_MEASURED));
    }

    #[test]
    fn the_worst_limit_decides() {
        let of = |spent, decision| Spent {
            unit: Unit::Grams,
            spent: Some(spent),
            low: Some(spent),
            high: Some(spent),
            quality: None,
            quality_percent: None,
            limit: 10.0,
            held: 0.5,
            finish: None,
            soft: false,
            hard: false,
            decision,
        };
        let state = worst(&[of(1.0, Decision::Go), of(9.0, Decision::Warn), of(2.0, Decision::Go)]);
        assert_eq!((state.decision, state.limits, state.share), (ECO2_BUDGET_WARN, 3, 0.9));
        assert_eq!((state.unit, state.spent, state.limit, state.held), (ECO2_UNIT_GRAMS, 9.0, 10.0, 0.5));
        assert!(state.finish.is_nan() && state.finish_p90.is_nan());
        let finish = Some(Finish { mean: 12.0, low: 11.0, high: 14.0, p90: 13.0 });
        let pause = Spent { finish, soft: true, ..of(1.0, Decision::Pause) };
        let state = worst(&[of(9.0, Decision::Warn), pause]);
        assert_eq!((state.decision, state.share), (ECO2_BUDGET_PAUSE, 0.9));
        let amounts = [state.spent, state.finish, state.finish_low, state.finish_high, state.finish_p90];
        assert_eq!(amounts, [1.0, 12.0, 11.0, 14.0, 13.0]);
        let unknown = worst(&[Spent { spent: None, low: None, high: None, ..of(0.0, Decision::Warn) }]);
        assert!(unknown.low.is_nan() && unknown.high.is_nan() && unknown.quality_percent.is_nan());
        assert_eq!(unknown.quality, ECO2_QUALITY_MISSING);
        assert!(unknown.share.is_nan() && unknown.spent.is_nan() && unknown.decision == ECO2_BUDGET_WARN);
        let none = worst(&[]);
        assert_eq!((none.decision, none.limits, none.share), (ECO2_BUDGET_GO, 0, 0.0));
    }
}
