//! Compares a run with its limits ([`Meter::budget`](crate::Meter::budget)): follows its progress, forecasts its use at
//! the end, and reports decisions (go on, warn, pause, stop) that are graver than those before.
//!
//! Progress is a count of steps or milliseconds. The energy until an instant is *settled* once every counter has
//! changed after it, so that later readings do not change it. The sampling thread passes progress and energy, and
//! allocates nothing. Everything else happens in a *check*, which compares the energy, emissions and cost so far with
//! every limit: for the program, for a report, or on the thread that sends alerts.

mod outlook;

use std::sync::Mutex;

use eco2_core::schema::{Attribution, BudgetRecord, Energy, EventKind, Work};
use eco2_core::units::uj_at_power;
use eco2_core::{Account, Decision, Forecaster, Ranged, Spent, Unit};
use eco2_report::Scope;

use crate::live::engine::{Engine, Progress, UnreadUse};
use crate::options::Options;
use crate::run::curves::Curves;
use crate::run::pricing::{RunPricing, When};
use crate::run::scoped::of_scope;
use crate::sync::lock;
use outlook::Length;

/// The longest that a step waits until its energy is settled; afterwards the forecaster gets no energy for it. Two
/// seconds are longer than the update interval of usual counters.
const PATIENCE_NS: u64 = 2_000_000_000;

/// Age of a run from which a value that is not known yet is reported as unknown. A power sensor has no energy before
/// its second reading.
const FIRST_NS: u64 = 5_000_000_000;

/// Compares one run with its limits, and remembers its progress and the decisions that were reported.
pub(crate) struct BudgetMonitor {
    length: Option<Length>,
    check_steps: u64,
    limited: bool,
    /// Whose energy is compared with the limits.
    pub(crate) scope: Scope,
    state: Mutex<State>,
}

/// The caller of a check. Only a program can stop the run, so the energy until the program's next check is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BudgetReader {
    /// A report, which decides nothing.
    Report,
    /// The thread that sends alerts.
    AlertThread,
    /// The program.
    Program,
}

/// The data of a run that a check reads.
pub(crate) struct BudgetInput<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) account: &'a Account,
    pub(crate) pricing: &'a RunPricing,
    pub(crate) when: &'a When,
    /// The command's part of the energy; `None`: not known.
    pub(crate) attribution: Option<Attribution>,
    /// Whether the run is over.
    pub(crate) closed: bool,
    pub(crate) reader: BudgetReader,
}

#[derive(Default)]
struct State {
    /// Progress by the run's own steps (those of the declared step name).
    steps: ProgressTrack,
    /// Progress by the milliseconds of a run with a planned duration.
    time: ProgressTrack,
    checks: CheckIntervals,
    /// Units of the soft limits that the forecast exceeded at the last check.
    soft: Vec<Unit>,
    /// The gravest decision that was reported for each unit.
    reported: Vec<(Unit, Decision)>,
}

/// Progress at an instant: the number of steps or milliseconds that were done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    done: u64,
    at_ns: u64,
}

/// One kind of progress, with the energy until each instant. The forecaster gets an instant once its energy is settled:
/// a counter that changes seldom would otherwise give one step the energy of many.
#[derive(Default)]
struct ProgressTrack {
    forecaster: Forecaster,
    /// Progress whose energy is not settled yet.
    pending: Option<Mark>,
    /// The latest progress that was passed to the forecaster.
    settled: Option<Mark>,
}

impl ProgressTrack {
    /// Records the progress between the start and `now`: first the start, then `now`. Allocates nothing.
    fn observe(&mut self, engine: &Engine, now_ns: u64, start: Mark, now: Mark) {
        if let Some(mark) = self.pending {
            match engine.settled_uj(mark.at_ns) {
                Some(energy_uj) => self.forecaster.observe(mark.done, energy_uj, mark.at_ns),
                None if now_ns.saturating_sub(mark.at_ns) < PATIENCE_NS => return,
                None => {}
            }
            (self.settled, self.pending) = (Some(mark), None);
        }
        self.pending = match self.settled {
            // The count restarted, or an earlier start of the steps was wrong: begin again from the start.
            Some(settled) if now.done < settled.done => Some(start),
            Some(settled) if settled.done == 0 && settled.at_ns != start.at_ns => Some(start),
            Some(settled) if now.done > settled.done => Some(now),
            Some(_) => None,
            None => Some(start),
        };
    }
}

/// Energy and time between two checks. From the first check by the program on, only the program's checks count.
#[derive(Default)]
struct CheckIntervals {
    forecaster: Forecaster,
    count: u64,
    by_program: bool,
}

impl CheckIntervals {
    /// Adds a check and the energy until it; checks that do not count are left out.
    fn add(&mut self, reader: BudgetReader, energy_uj: u64, now_ns: u64) {
        match reader {
            BudgetReader::Report => return,
            BudgetReader::AlertThread if self.by_program => return,
            BudgetReader::Program if !self.by_program => *self = Self { by_program: true, ..Self::default() },
            _ => {}
        }
        self.count += 1;
        self.forecaster.observe(self.count, energy_uj, now_ns);
    }
}

impl State {
    /// Returns the most that may be used until the next check, microjoules: the use since the counters' last updates,
    /// the larger of ceiling power over the longest time between two checks and the largest steps, and one more largest
    /// step.
    fn next_uj(&self, check_steps: u64, unread_use: UnreadUse) -> u64 {
        let steps = &self.steps.forecaster;
        let (largest_uj, longest_ns) = match steps.longest_step_ns() {
            0 => (self.checks.forecaster.largest_step_uj(), 0),
            longest_ns => (steps.largest_step_uj(), longest_ns),
        };
        let next_check_ns = longest_ns.saturating_mul(check_steps).max(self.checks.forecaster.longest_step_ns());
        // Without a known ceiling power, the largest steps determine the result.
        let until_then_uj =
            uj_at_power(unread_use.ceiling_uw, next_check_ns).max(largest_uj.saturating_mul(check_steps));
        unread_use.unseen_uj.saturating_add(until_then_uj).saturating_add(largest_uj)
    }
}

/// Returns the kind of the event for a decision; `None` for going on.
pub(crate) fn event_kind(decision: Decision) -> Option<EventKind> {
    match decision {
        Decision::Go => None,
        Decision::Warn => Some(EventKind::BudgetWarn),
        Decision::Pause => Some(EventKind::BudgetPause),
        Decision::Stop => Some(EventKind::BudgetStop),
    }
}

impl BudgetMonitor {
    /// Returns a monitor for the limits and the planned length of the options.
    pub(crate) fn new(options: &Options) -> Self {
        let budget = &options.budget;
        let hours = budget.total_hours.map(|hours| Length::Milliseconds((hours * 3_600_000.0) as u64));
        let limited = [budget.max_energy_kwh, budget.max_co2_kg, budget.max_cost].iter().any(Option::is_some);
        let length = budget.total_steps.map(|steps| Length::Steps(steps.into())).or(hours);
        Self { length, check_steps: budget.check_steps.into(), limited, scope: options.scope, state: Mutex::default() }
    }

    /// Records the run's progress. Called on the sampling thread.
    pub(crate) fn observe(&self, engine: &Engine, now_ns: u64) {
        if self.length.is_none() && !self.limited {
            return;
        }
        let mut state = lock(&self.state);
        if let Some(Progress { from_ns, done, at_ns }) = engine.own_steps.progress() {
            state.steps.observe(engine, now_ns, Mark { done: 0, at_ns: from_ns }, Mark { done, at_ns });
        }
        if let Some(Length::Milliseconds(_)) = self.length {
            let opened_ns = engine.ledger.opened_ns();
            let now = Mark { done: now_ns.saturating_sub(opened_ns) / 1_000_000, at_ns: now_ns };
            state.time.observe(engine, now_ns, Mark { done: 0, at_ns: opened_ns }, now);
        }
    }

    /// Returns the state of every limit and the forecast; `None` without a limit and without a planned length.
    ///
    /// With the scope of the command, the command's part is compared and its share of the machine's energy is forecast to stay. What
    /// is held back stays that of the machine, because the command may use all of it until the next check.
    pub(crate) fn assess(&self, input: &BudgetInput<'_>) -> Option<BudgetRecord> {
        let BudgetInput { engine, account, pricing, when, ref attribution, closed, reader } = *input;
        if pricing.budgets().is_empty() && self.length.is_none() {
            return None;
        }
        let mut energy = if closed { account.energy.clone() } else { engine.energy_so_far(account) };
        let curve = |energy: &Energy| Curves::of(&engine.ledger, account).run.with_total(energy.bounded());
        let (carbon, _) = pricing.price(&mut energy, &Work::default(), when, curve);
        let machine_uj = energy.total_uj;
        let (energy, carbon) = of_scope(self.scope, energy, carbon, attribution.clone(), account.energy.high_uj);
        let (energy, carbon) = (&energy, &carbon);
        let unread_use = engine.unread_use(account.end_ns);
        let mut state = lock(&self.state);
        if let Some(total_uj) = energy.total_uj {
            state.checks.add(reader, total_uj, account.end_ns);
        }
        let next_uj = state.next_uj(self.check_steps, unread_use);
        let progress = if matches!(self.length, Some(Length::Milliseconds(_))) { &state.time } else { &state.steps };
        let forecaster = &progress.forecaster;
        let seen = outlook::OutlookInput { forecaster, next_uj, machine_uj, energy, carbon, when };
        let (outlook, forecast) = outlook::outlook(self.length, pricing, &seen);
        let usage = pricing.usage(energy, carbon);
        let decide = |budget: &eco2_core::Budget| match closed {
            true => budget.judge(&usage),
            false => budget.decide(&usage, &outlook, state.soft.contains(&budget.limit.unit())),
        };
        let limits: Vec<Spent> = pricing.budgets().iter().map(decide).collect();
        state.soft = limits.iter().filter(|spent| spent.soft).map(|spent| spent.unit).collect();
        let scope = if self.scope == Scope::Command { self.scope.name().to_owned() } else { String::new() };
        Some(BudgetRecord { limits, forecast, scope })
    }

    /// Returns the decisions to report now: graver than those reported before, and either known or old enough to be
    /// reported as unknown.
    pub(crate) fn news(&self, limits: &[Spent], age_ns: u64) -> Vec<Spent> {
        let known = |spent: &&Spent| spent.high.is_some() || spent.decision > Decision::Warn || age_ns >= FIRST_NS;
        let mut state = lock(&self.state);
        let mut graver = |spent: &&Spent| {
            let before = state.reported.iter_mut().find(|(unit, _)| *unit == spent.unit);
            match before {
                Some((_, gravest)) if spent.decision <= *gravest => false,
                Some((_, gravest)) => {
                    *gravest = spent.decision;
                    true
                }
                None => {
                    state.reported.push((spent.unit, spent.decision));
                    spent.decision > Decision::Go
                }
            }
        };
        limits.iter().filter(known).filter(|spent| graver(spent)).copied().collect()
    }
}

#[cfg(test)]
mod tests;
