//! The run's budget: watches its progress, forecasts its end, and reports when a decision changes.
//!
//! The sampling thread gives progress and energy (nothing is allocated there). Everything else happens at a look: by the
//! program, for the log's checkpoint, or on the thread that sends alerts. A look takes the account, not the report.

mod outlook;

use std::sync::Mutex;

use eco2_core::schema::{BudgetRecord, Energy, EventKind, Work};
use eco2_core::units::uj_at_power;
use eco2_core::{Account, Decision, Forecaster, Ranged, Spent, Unit};

use crate::live::engine::{Engine, Progress, Reach};
use crate::options::Options;
use crate::run::curves::Curves;
use crate::run::pricing::{Pricing, When};
use crate::sync::lock;
use outlook::Length;

/// The longest that the energy until an instant is waited for.
const PATIENCE_NS: u64 = 2_000_000_000;

/// An event about something that is not known yet waits this long: a power sensor has no energy before its second
/// reading.
const FIRST_NS: u64 = 5_000_000_000;

/// Watches one run.
pub(crate) struct BudgetMonitor {
    length: Option<Length>,
    check_steps: u64,
    limited: bool,
    state: Mutex<State>,
}

/// Who looks at the budget. A program that asks may stop; what goes by between two of its looks is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Asks {
    /// Nobody: a report is made.
    #[default]
    Nobody,
    /// The thread that tells alerts.
    Thread,
    /// The program.
    Program,
}

/// The run as a look sees it.
pub(crate) struct Looked<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) account: &'a Account,
    pub(crate) pricing: &'a Pricing,
    pub(crate) when: &'a When,
    /// Whether the run is over.
    pub(crate) closed: bool,
    pub(crate) asks: Asks,
}

#[derive(Default)]
struct State {
    /// The run's own steps.
    steps: Watched,
    /// The milliseconds of a run of given hours.
    time: Watched,
    looks: Looks,
    /// By limit: whether the last look found the forecast over it, and the decision that was reported.
    soft: Vec<Unit>,
    told: Vec<(Unit, Decision)>,
}

/// One kind of progress, with the energy until each instant. An instant counts once its energy is settled: a counter that
/// changes seldom would otherwise give one step the energy of many.
#[derive(Default)]
struct Watched {
    forecaster: Forecaster,
    /// Progress whose energy is not settled yet, and its time.
    awaited: Option<(u64, u64)>,
    /// The last progress that was taken, and its time.
    taken: Option<(u64, u64)>,
}

impl Watched {
    /// Takes the progress at its own time: first where it began, then where it is now. Allocates nothing.
    fn observe(&mut self, engine: &Engine, now_ns: u64, [from, now]: [(u64, u64); 2]) {
        if let Some((done, at_ns)) = self.awaited {
            match engine.settled_uj(at_ns) {
                Some(energy_uj) => self.forecaster.observe(done, energy_uj, at_ns),
                None if now_ns.saturating_sub(at_ns) < PATIENCE_NS => return,
                None => {}
            }
            (self.taken, self.awaited) = (Some((done, at_ns)), None);
        }
        self.awaited = match self.taken {
            // Steps that were counted as others were, or began later: from the beginning again.
            Some((done, _)) if now.0 < done => Some(from),
            Some((0, at_ns)) if at_ns != from.1 => Some(from),
            Some((done, _)) if now.0 > done => Some(now),
            Some(_) => None,
            None => Some(from),
        };
    }
}

/// Energy and time between two looks, of the program as soon as it asks.
#[derive(Default)]
struct Looks {
    seen: Forecaster,
    count: u64,
    asked: bool,
}

impl Looks {
    fn add(&mut self, asks: Asks, energy_uj: u64, now_ns: u64) {
        match asks {
            Asks::Nobody => return,
            Asks::Thread if self.asked => return,
            Asks::Program if !self.asked => *self = Self { asked: true, ..Self::default() },
            _ => {}
        }
        self.count += 1;
        self.seen.observe(self.count, energy_uj, now_ns);
    }
}

impl State {
    /// The most that may be used until the next look, microjoules: what was used since the counters' last updates, ceiling
    /// power for the longest time between two looks, and the largest step.
    fn next_uj(&self, check_steps: u64, reach: Reach) -> u64 {
        let steps = &self.steps.forecaster;
        let (largest_uj, longest_ns) = match steps.longest_step_ns() {
            0 => (self.looks.seen.largest_step_uj(), 0),
            longest_ns => (steps.largest_step_uj(), longest_ns),
        };
        let next_look_ns = longest_ns.saturating_mul(check_steps).max(self.looks.seen.longest_step_ns());
        // Where no power is known yet, steps are.
        let until_then_uj = uj_at_power(reach.ceiling_uw, next_look_ns).max(largest_uj.saturating_mul(check_steps));
        reach.unseen_uj.saturating_add(until_then_uj).saturating_add(largest_uj)
    }
}

/// The kind of a decision's event; going on is none.
pub(crate) fn event_kind(decision: Decision) -> Option<EventKind> {
    match decision {
        Decision::Go => None,
        Decision::Warn => Some(EventKind::BudgetWarn),
        Decision::Pause => Some(EventKind::BudgetPause),
        Decision::Stop => Some(EventKind::BudgetStop),
    }
}

impl BudgetMonitor {
    pub(crate) fn new(options: &Options) -> Self {
        let budget = &options.budget;
        let hours = budget.total_hours.map(|hours| Length::Milliseconds((hours * 3_600_000.0) as u64));
        let limited = [budget.max_energy_kwh, budget.max_co2_kg, budget.max_cost].iter().any(Option::is_some);
        let length = budget.total_steps.map(|steps| Length::Steps(steps.into())).or(hours);
        Self { length, check_steps: budget.check_steps.into(), limited, state: Mutex::default() }
    }

    /// Takes the run's progress, on the sampling thread.
    pub(crate) fn observe(&self, engine: &Engine, now_ns: u64) {
        if self.length.is_none() && !self.limited {
            return;
        }
        let mut state = lock(&self.state);
        if let Some(Progress { from_ns, done, at_ns }) = engine.own_steps.progress() {
            state.steps.observe(engine, now_ns, [(0, from_ns), (done, at_ns)]);
        }
        if let Some(Length::Milliseconds(_)) = self.length {
            let opened_ns = engine.ledger.opened_ns();
            state.time.observe(
                engine,
                now_ns,
                [(0, opened_ns), (now_ns.saturating_sub(opened_ns) / 1_000_000, now_ns)],
            );
        }
    }

    /// Every limit and the forecast; `None` without a limit and a length.
    pub(crate) fn assess(&self, looked: &Looked<'_>) -> Option<BudgetRecord> {
        let Looked { engine, account, pricing, when, closed, asks } = *looked;
        if pricing.budgets().is_empty() && self.length.is_none() {
            return None;
        }
        let mut energy = if closed { account.energy.clone() } else { engine.energy_so_far(account) };
        let curve = |energy: &Energy| Curves::of(&engine.ledger, account).run.with_total(energy.bounded());
        let (carbon, _) = pricing.price(&mut energy, &Work::default(), when, curve);
        let (energy, carbon) = (&energy, &carbon);
        let reach = engine.reach(account.end_ns);
        let mut state = lock(&self.state);
        state.looks.add(asks, energy.total_uj.unwrap_or(0), account.end_ns);
        let next_uj = state.next_uj(self.check_steps, reach);
        let watched = if matches!(self.length, Some(Length::Milliseconds(_))) { &state.time } else { &state.steps };
        let seen = outlook::Seen { forecaster: &watched.forecaster, next_uj, energy, carbon, when };
        let (outlook, forecast) = outlook::look(self.length, pricing, &seen);
        let usage = pricing.usage(energy, carbon);
        let decide = |budget: &eco2_core::Budget| match closed {
            true => budget.judge(&usage),
            false => budget.decide(&usage, &outlook, state.soft.contains(&budget.limit.unit())),
        };
        let limits: Vec<Spent> = pricing.budgets().iter().map(decide).collect();
        state.soft = limits.iter().filter(|spent| spent.soft).map(|spent| spent.unit).collect();
        Some(BudgetRecord { limits, forecast })
    }

    /// The decisions to report now: graver than those reported before, and known, or old enough to be reported unknown.
    pub(crate) fn news(&self, limits: &[Spent], age_ns: u64) -> Vec<Spent> {
        let known = |spent: &&Spent| spent.high.is_some() || spent.decision > Decision::Warn || age_ns >= FIRST_NS;
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
        limits.iter().filter(known).filter(|spent| graver(spent)).copied().collect()
    }
}

#[cfg(test)]
mod tests;
