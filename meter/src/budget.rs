//! The run's budget: watches its progress, forecasts its end, and says when a decision changes.
//!
//! The sampling thread tells progress and energy (nothing is allocated there); everything else happens where somebody
//! asks: a caller, the log's checkpoint, or the thread that tells webhooks.

mod ahead;

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use eco2_core::report::{BudgetRecord, Carbon, Energy};
use eco2_core::{Decision, Forecaster, Spent, Unit};

use crate::assemble::{self, Ending};
use crate::engine::Engine;
use crate::options::Options;
use crate::pricing::{Pricing, When};
use crate::shared::{Shared, lock};

/// The longest that the energy until an instant is waited for.
const PATIENCE_NS: u64 = 2_000_000_000;

/// How long a run is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Steps(u64),
    Milliseconds(u64),
}

/// Watches one run.
pub(crate) struct Keeper {
    length: Option<Length>,
    check_steps: u64,
    limited: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    forecaster: Forecaster,
    /// Progress and its time, whose energy is not settled yet.
    awaited: Option<(u64, u64)>,
    /// The last progress that was awaited.
    seen: Option<u64>,
    /// By limit: whether the last look found the forecast over it, and the decision that was told.
    soft: Vec<Unit>,
    told: Vec<(Unit, Decision)>,
}

/// The kind of a decision's event: `budget-stop`.
pub(crate) fn kind(decision: Decision) -> &'static str {
    match decision {
        Decision::Go => "budget-go",
        Decision::Warn => "budget-warn",
        Decision::Pause => "budget-pause",
        Decision::Stop => "budget-stop",
    }
}

impl Keeper {
    pub(crate) fn new(options: &Options) -> Self {
        let budget = &options.budget;
        let hours = budget.total_hours.map(|hours| Length::Milliseconds((hours * 3_600_000.0) as u64));
        let limited = [budget.max_energy_kwh, budget.max_co2_kg, budget.max_cost].iter().any(Option::is_some);
        let length = budget.total_steps.map(|steps| Length::Steps(steps.into())).or(hours);
        Self { length, check_steps: budget.check_steps.into(), limited, state: Mutex::default() }
    }

    /// Steps done, as of the sampling thread's tick. They count once the energy until then is settled: a counter that
    /// changes seldom would give one step the energy of many.
    pub(crate) fn observe(&self, steps: u64, engine: &Engine, now_ns: u64) {
        if self.length.is_none() && !self.limited {
            return;
        }
        let mut state = lock(&self.state);
        if let Some((done, at_ns)) = state.awaited {
            match engine.settled_uj(at_ns) {
                Some(energy_uj) => state.forecaster.observe(done, energy_uj, at_ns),
                None if now_ns.saturating_sub(at_ns) < PATIENCE_NS => return,
                None => {}
            }
            (state.seen, state.awaited) = (Some(done), None);
        }
        let done = match self.length {
            Some(Length::Milliseconds(_)) => now_ns.saturating_sub(engine.ledger.opened_ns()) / 1_000_000,
            _ => steps,
        };
        if state.seen != Some(done) {
            state.awaited = Some((done, now_ns));
        }
    }

    /// Every limit and the forecast; `None` where nothing is limited and no length is given. `unseen_uj`: what has gone by
    /// since the counters' last updates.
    pub(crate) fn assess(
        &self,
        pricing: &Pricing,
        unseen_uj: u64,
        (energy, carbon): (&Energy, &Carbon),
        when: &When,
    ) -> Option<BudgetRecord> {
        if pricing.budgets().is_empty() && self.length.is_none() {
            return None;
        }
        let mut state = lock(&self.state);
        let (outlook, forecast) = ahead::look(self, (&state.forecaster, unseen_uj), pricing, (energy, carbon), when);
        let usage = pricing.usage(energy, carbon);
        let decide =
            |budget: &eco2_core::Budget| budget.decide(&usage, &outlook, state.soft.contains(&budget.limit.unit()));
        let limits: Vec<Spent> = pricing.budgets().iter().filter_map(decide).collect();
        state.soft = limits.iter().filter(|spent| spent.soft).map(|spent| spent.unit).collect();
        Some(BudgetRecord { limits, forecast })
    }

    /// The decisions that are graver than what was told before; they are told now.
    fn news(&self, limits: &[Spent]) -> Vec<Spent> {
        let mut state = lock(&self.state);
        let mut graver = |spent: &&Spent| {
            let before = state.told.iter_mut().find(|(unit, _)| *unit == spent.unit);
            match before {
                Some((_, told)) if spent.decision <= *told => false,
                Some((_, told)) => {
                    *told = spent.decision;
                    true
                }
                None => {
                    state.told.push((spent.unit, spent.decision));
                    spent.decision > Decision::Go
                }
            }
        };
        limits.iter().filter(|spent| graver(spent)).copied().collect()
    }
}

/// Looks at every limit now. A decision that is graver than before becomes an event of the run.
pub(crate) fn look(shared: &Shared, now_ns: u64) -> Vec<Spent> {
    if shared.facts.pricing.budgets().is_empty() {
        return Vec::new();
    }
    let mut engine = lock(&shared.engine);
    engine.drain();
    let ending = Ending { lean: true, ..Ending::default() };
    let report = assemble::report(shared, &engine, &ending, now_ns);
    let limits = report.budget.map_or_else(Vec::new, |budget| budget.limits);
    for spent in shared.budget.news(&limits) {
        engine.event(now_ns, kind(spent.decision), "", eco2_report::spent_text(&spent));
    }
    limits
}

/// Steps done: those whose work was told, or the edges between steps.
pub(crate) fn steps(shared: &Shared, edges: u64) -> u64 {
    // Relaxed: a count that only reports read.
    shared.work.steps.load(Ordering::Relaxed).max(edges.saturating_sub(1))
}
