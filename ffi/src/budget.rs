//! Exports `eco2_budget_check`, which compares the energy, emissions and cost of a run until now with the limits in the
//! options.

use eco2_core::{Decision, Quality, Spent, Unit};

use crate::handle::{Boxed as _, Handle, on_meter};
use crate::layout::{Growable, OutStruct, assert_layout};
use crate::numbers::{
    ECO2_BUDGET_GO, ECO2_BUDGET_PAUSE, ECO2_BUDGET_STOP, ECO2_BUDGET_WARN, ECO2_UNIT_GRAMS, ECO2_UNIT_MICROJOULES,
    ECO2_UNIT_MONEY, quality_number,
};

/// State of the budget. Set struct_size before the call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BudgetState {
    /// sizeof(eco2_budget).
    pub struct_size: u32,
    /// ECO2_BUDGET_GO, ECO2_BUDGET_WARN, ECO2_BUDGET_PAUSE or ECO2_BUDGET_STOP: the most severe of all limits.
    pub decision: i32,
    /// Number of limits.
    pub limits: u32,
    /// 0.
    pub reserved: u32,
    /// Highest share of a limit that is spent; 0 without limits, NaN where no spent amount is known.
    pub share: f64,
    /// The unit of the limit that decides, in which the amounts below are: ECO2_UNIT_...
    pub unit: i32,
    /// 0.
    pub reserved2: u32,
    /// Spent so far; NaN where it is not known (the decision is then a warning), and without limits, as all fields below.
    pub spent: f64,
    /// The limit.
    pub limit: f64,
    /// Held back for the energy until the next check, and as a reserve.
    pub held: f64,
    /// Forecast of the amount at the end of the run; NaN without a forecast, as the next three fields.
    pub finish: f64,
    /// Lower end of the forecast's 90 % interval.
    pub finish_low: f64,
    /// Upper end of the forecast's 90 % interval.
    pub finish_high: f64,
    /// Not exceeded at the end in nine of ten runs.
    pub finish_p90: f64,
    /// Lower bound of `spent`; NaN where there is none: without limits, and for money, because a price may be negative.
    pub low: f64,
    /// Upper bound of `spent`; NaN where there is none: the decision is then at least a warning.
    pub high: f64,
    /// Share of the energy that has the quality below, percent; NaN where nothing is known.
    pub quality_percent: f64,
    /// The worst quality among the parts of the energy: ECO2_QUALITY_..., ECO2_QUALITY_MISSING where nothing is known.
    pub quality: i32,
    /// 0.
    pub reserved3: u32,
}

// SAFETY: repr(C) of plain numbers without padding (asserted below), the size first.
unsafe impl Growable for BudgetState {
    const FIRST_SIZE: usize = 24;
}

assert_layout!(BudgetState is 120: struct_size 0 decision 4 limits 8 reserved 12 share 16 unit 24 reserved2 28 spent 32 limit 40 held 48
    finish 56 finish_low 64 finish_high 72 finish_p90 80 low 88 high 96 quality_percent 104 quality 112 reserved3 116);

/// Compares the spent amount with every limit of the options (`budget.max_energy_kwh`, `max_co2_kg`, `max_cost`), and the
/// forecast for the end where the run's length is known (`budget.total_steps` or `total_hours`).
///
/// Nothing is stopped: the program decides. Takes a lock and allocates. Any thread; in a closed meter too. Since 0.1.
///
/// ```c
/// #include <eco2.h>
/// #include <stdio.h>
///
/// int main(void) {
///     eco2_meter *meter = NULL;
///     uint32_t step;
///     if (eco2_meter_open("{\"budget\": {\"max_energy_kwh\": 5, \"total_steps\": 1000}}", &meter) != ECO2_OK
///         || eco2_span_id(meter, "step", &step) != ECO2_OK) {
///         fprintf(stderr, "%s\n", eco2_last_error());
///         return 1;
///     }
///     for (int i = 0; i < 1000; i++) {
///         eco2_step(meter, step);
///         if (i % 100 == 99) {
///             eco2_budget budget = {.struct_size = sizeof budget};
///             if (eco2_budget_check(meter, &budget) == ECO2_OK && budget.decision == ECO2_BUDGET_STOP) {
///                 printf("stopped: %.0f of %.0f are spent\n", budget.spent, budget.limit);
///                 break;
///             }
///         }
///     }
///     eco2_meter_close(meter);
///     printf("done\n");
///     eco2_meter_free(meter);
///     return 0;
/// }
/// ```
///
/// # Safety
/// `meter` is NULL or was opened and not freed; `out` is NULL or as long as its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eco2_budget_check(meter: *const Handle, out: *mut BudgetState) -> i32 {
    // SAFETY: as required of the caller.
    let meter = unsafe { Handle::borrow(meter) };
    on_meter(meter, |handle| {
        // SAFETY: as required of the caller.
        let out = unsafe { OutStruct::new(out, "out") }?;
        out.put(worst(&handle.meter.budget()));
        Ok(())
    })
}

/// Returns the state with the most severe decision, and the amounts of the limit that decides.
fn worst(spent: &[Spent]) -> BudgetState {
    let decision = match spent.iter().map(|spent| spent.decision).max() {
        None | Some(Decision::Go) => ECO2_BUDGET_GO,
        Some(Decision::Warn) => ECO2_BUDGET_WARN,
        Some(Decision::Pause) => ECO2_BUDGET_PAUSE,
        Some(Decision::Stop) => ECO2_BUDGET_STOP,
    };
    let shares = spent.iter().filter_map(|spent| Some(spent.spent? / spent.limit));
    // An unknown amount is not zero.
    let share = shares.reduce(f64::max).unwrap_or(if spent.is_empty() { 0.0 } else { f64::NAN });
    let decides = spent.iter().max_by(|a, b| a.decision.cmp(&b.decision).then(urgency(a).total_cmp(&urgency(b))));
    let amount = |field: fn(&Spent) -> f64| decides.map_or(f64::NAN, field);
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

/// Returns the expected share of the limit at the end of the run, as far as it is known.
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
    fn worst_limit_decides() {
        let spent = |spent, decision| Spent {
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
        let state = worst(&[spent(1.0, Decision::Go), spent(9.0, Decision::Warn), spent(2.0, Decision::Go)]);
        assert_eq!((state.decision, state.limits, state.share), (ECO2_BUDGET_WARN, 3, 0.9));
        assert_eq!((state.unit, state.spent, state.limit, state.held), (ECO2_UNIT_GRAMS, 9.0, 10.0, 0.5));
        assert!(state.finish.is_nan() && state.finish_p90.is_nan());
        let finish = Some(Finish { mean: 12.0, low: 11.0, high: 14.0, p90: 13.0 });
        let pause = Spent { finish, soft: true, ..spent(1.0, Decision::Pause) };
        let state = worst(&[spent(9.0, Decision::Warn), pause]);
        assert_eq!((state.decision, state.share), (ECO2_BUDGET_PAUSE, 0.9));
        let amounts = [state.spent, state.finish, state.finish_low, state.finish_high, state.finish_p90];
        assert_eq!(amounts, [1.0, 12.0, 11.0, 14.0, 13.0]);
        let unknown = worst(&[Spent { spent: None, low: None, high: None, ..spent(0.0, Decision::Warn) }]);
        assert!(unknown.low.is_nan() && unknown.high.is_nan() && unknown.quality_percent.is_nan());
        assert_eq!(unknown.quality, ECO2_QUALITY_MISSING);
        assert!(unknown.share.is_nan() && unknown.spent.is_nan() && unknown.decision == ECO2_BUDGET_WARN);
        let none = worst(&[]);
        assert_eq!((none.decision, none.limits, none.share), (ECO2_BUDGET_GO, 0, 0.0));
    }
}
