//! Compares the jobs of the node with their limits.

use eco2_core::Bounded;
use eco2_core::schema::EventKind;
use eco2_grid::Pue;
use eco2_samplers::LOST_NS;

use super::Node;
use crate::budget::JobBudget;
use crate::jobs::JobState;
use crate::prices::Prices;
use crate::shares::{JobKey, ShareSum};
use crate::snapshot::Resolution;

/// Time after the start of the agent in which no event is counted: until the first reading no upper bound is known. A driver has
/// [`LOST_NS`] to answer, whatever the interval of sampling, and is read at the next account, which is [`Resolution::PUBLIC`] later at most.
const SETTLE_NS: u64 = LOST_NS + Resolution::PUBLIC.step_ns;

impl Node {
    /// Returns the limits of a job with what it used of them. `used`: its energy with the jobs within it; `total`: that of the devices.
    pub(super) fn budget(&self, state: &JobState, used: &ShareSum, total: &Bounded<u64>) -> Option<JobBudget> {
        let energy = used.within(total);
        let grams = used.grams.bounded(&energy, self.prices.as_ref().and_then(Prices::rate));
        state.terms.limits.check(&energy, &grams, state.pue.and_then(|pue| Pue::new(pue).ok()).unwrap_or(self.pue()))
    }

    fn pue(&self) -> Pue {
        self.prices.as_ref().map_or(Pue::ONE, Prices::pue)
    }

    /// Keeps what the range and the budget of each job that has ended depend on besides its own energy: how far the devices may be off,
    /// and the overhead of the facility. `totals`: the energy of the devices in full and in public.
    pub(super) fn freeze_ended(&mut self, totals: &[Bounded<u64>; 2]) {
        let pue = self.pue();
        let is_new = |state: &JobState| state.ended.is_some() && state.pue.is_none();
        for (key, state) in self.jobs.iter_mut().filter(|(_, state)| is_new(state)) {
            state.pue = Some(pue.get());
            self.full.shares.freeze(*key, &totals[0]);
            self.public.shares.freeze(*key, &totals[1]);
        }
    }

    /// Counts an event for each job that has come nearer to its limits in the interval that began at `from_ns`, monotonic
    /// nanoseconds. Jobs that began in it come later: nothing may be known of them yet. Those that have ended use nothing any more.
    pub(super) fn check_budgets(&mut self, total: &Bounded<u64>, from_ns: u64) {
        if from_ns < self.began_ns.saturating_add(SETTLE_NS) {
            return;
        }
        let unused = ShareSum::default();
        let state_of = |(key, state): (&JobKey, &JobState)| {
            if state.ended.is_some() || state.began.ns > from_ns {
                return None;
            }
            let used = self.full.shares.totals.get(key).unwrap_or(&unused);
            Some((*key, self.budget(state, used, total)?.state))
        };
        let states: Vec<_> = self.jobs.iter().filter_map(state_of).collect();
        for (key, now) in states {
            let Some(state) = self.jobs.get_mut(&key) else { continue };
            if now > std::mem::replace(&mut state.budget, now) {
                self.count(EventKind::BudgetWarn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{BudgetState, JobLimits};
    use crate::jobs::JobTerms;
    use crate::node::emission_tests::{answer, begin, second};
    use crate::node::tests::{S, at, job, node};
    use crate::prices::rates;
    use crate::snapshot::Snapshot;

    fn limited(node: &mut Node, limits: JobLimits) -> u64 {
        let key = node.begin_job(job("train"), at(0), None);
        node.set_terms(key, JobTerms { limits, ..JobTerms::default() });
        key
    }

    fn state(snapshot: &Snapshot) -> Option<BudgetState> {
        snapshot.consumers[0].budget.as_ref().map(|budget| budget.state)
    }

    fn events(snapshot: &Snapshot) -> u64 {
        snapshot.events.get("budget-warn").copied().unwrap_or(0)
    }

    #[test]
    fn job_that_reaches_its_limit_goes_on_and_is_one_event() {
        let mut node = begin("a", 0, None);
        // 1 Wh a second at 100 g/kWh, with half as much overhead: 0.15 g.
        node.take_intensities(answer(3_000 * S), at(0).wall_ns);
        let key = limited(&mut node, JobLimits { max_energy_kwh: None, max_co2_kg: Some(0.000_400) });
        second(&mut node, 0, &[]);
        let states: Vec<_> = (1..6).map(|at| second(&mut node, at, &[key]).full).collect();
        // At 2 s it is 0.3 of 0.4 g; between two readings the package may have used up to 5 kW, which is more than that.
        let found = states.iter().map(|full| state(full).unwrap());
        use BudgetState::{Exceeded, MayExceed, Within};
        assert_eq!(found.collect::<Vec<_>>(), [Within, MayExceed, Exceeded, Exceeded, Exceeded]);
        let last = states.last().unwrap();
        assert_eq!((events(&states[2]), events(last)), (0, 1), "from the fourth second of the agent on");
        assert!(last.consumers[0].ended_wall_ns.is_none(), "it goes on");
        // No new event after a restart.
        let mut next = begin("a", 6 * S, Some(node.journal(5 * S)));
        let full = (6..9).map(|at| second(&mut next, at, &[key]).full).last().unwrap();
        assert_eq!((state(&full), events(&full)), (Some(Exceeded), 1));
    }

    #[test]
    fn range_and_budget_of_a_job_that_has_ended_are_those_of_its_end() {
        let mut node = begin("a", 0, None);
        node.take_intensities(answer(3_000 * S), at(0).wall_ns);
        // It uses 3 of 4 kWh with the overhead of the facility; between two readings the package may have used up to 5 kW.
        let key = limited(&mut node, JobLimits { max_energy_kwh: Some(0.009), max_co2_kg: Some(0.000_9) });
        second(&mut node, 0, &[]);
        second(&mut node, 1, &[key]);
        second(&mut node, 2, &[key]);
        assert!(node.end_job(key, at(2 * S), None, crate::EndReason::Request));
        let views = second(&mut node, 3, &[]);
        let ended = (views.full.consumers[0].clone(), views.public.consumers[0].clone());
        assert_eq!(ended.0.budget.as_ref().unwrap().state, BudgetState::Within);
        let text = serde_json::to_string(&node.journal(3 * S)).unwrap();
        // Another overhead of the facility, another intensity, and no counter any more: the machine has no upper bound.
        let rates = crate::prices::Rates { pue: 2.0, ..rates(4_000.0) };
        let mut next = crate::node::tests::node("a", 4 * S).priced(Some(rates));
        assert!(next.resume(serde_json::from_str(&text).unwrap()));
        let views = next.account(at(5 * S), crate::IntervalUse::default);
        assert_eq!((&views.full.consumers[0], &views.public.consumers[0]), (&ended.0, &ended.1));
        let domain = crate::node::tests::package();
        next.take(crate::Input::Domains { source: 0, domains: vec![domain] });
        let full = next.account(at(7 * S), crate::IntervalUse::default).full;
        assert_eq!((full.total_high_uj, &full.consumers[0]), (None, &ended.0));
    }

    #[test]
    fn job_of_a_machine_without_a_reading_is_never_within() {
        let mut node = node("a", 0).priced(Some(rates(100.0)));
        limited(&mut node, JobLimits { max_energy_kwh: Some(1_000.0), max_co2_kg: None });
        node.account(at(0), crate::IntervalUse::default);
        let fulls: Vec<_> = (1..7).map(|at_s| node.account(at(at_s * S), crate::IntervalUse::default).full).collect();
        assert!(fulls.iter().all(|full| state(full) == Some(BudgetState::MayExceed)));
        assert_eq!(events(&fulls[5]), 1, "one event");
        // One that has ended uses nothing any more.
        let ended = limited(&mut node, JobLimits { max_energy_kwh: Some(1.0), max_co2_kg: None });
        assert!(node.end_job(ended, at(7 * S), None, crate::EndReason::Request));
        let full = (8..11).map(|at_s| node.account(at(at_s * S), crate::IntervalUse::default).full).last().unwrap();
        assert_eq!(events(&full), 1);
    }
}
