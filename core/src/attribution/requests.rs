//! Divides a device's energy among requests that a server answers at the same time, as vLLM and Triton do by continuous
//! batching ([`Requests`]).
//!
//! Requests overlap, so the energy between a request's start and end, summed over requests, would count the device
//! several times. The engine's *steps* do not overlap: in each of them the device computes some tokens of some
//! requests. The energy of a step goes to its requests in proportion to their tokens; the energy between steps is idle.
//! Shares are rounded down to whole microjoules, and what is left goes to those that lost most. So requests and idle
//! energy add up to the device's energy exactly.
//!
//! A convention is that a token of a prompt costs as much as a generated one. The bounds are those of the steps' energy
//! under this convention.

use std::collections::BTreeMap;

use super::largest_remainder;
use crate::{Bounded, Histogram};

/// The caller's number for a request, unique among open requests.
pub type RequestId = u64;

/// A request's tokens and energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestEnergy {
    /// Tokens computed, of prompt and answer.
    pub tokens: u64,
    /// Its share of the steps that it took part in, microjoules; provisional while the request is open.
    pub energy: Bounded<u64>,
}

/// All requests of a server so far.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestTotals {
    /// Number of requests that were finished.
    pub finished: u64,
    /// Number of requests that are open: their energy is in the sum, and is not final.
    pub open: u64,
    /// Tokens of all requests.
    pub tokens: u64,
    /// Energy of all requests, microjoules.
    pub energy: Bounded<u64>,
    /// Energy between steps, and of steps without tokens, microjoules.
    pub idle: Bounded<u64>,
    /// Median and 95 % quantile of the energy per token of finished requests, microjoules; `None` before one of known
    /// energy is finished.
    pub uj_per_token: Option<(u64, u64)>,
}

/// Shares the energy of an engine's steps among requests.
///
/// ```
/// use eco2_core::Bounded;
/// use eco2_core::attribution::Requests;
///
/// let mut requests = Requests::default();
/// requests.step(Bounded::exact(900), &[(1, 200), (2, 100)]); // 900 µJ for 300 tokens
/// requests.step(Bounded::exact(50), &[(2, 1)]);
/// requests.idle(Bounded::exact(10));
/// assert_eq!(requests.finish(1).map(|one| one.energy.value), Some(Some(600)));
/// let totals = requests.totals();
/// assert_eq!((totals.energy.value, totals.idle.value, totals.open), (Some(950), Some(10), 1));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Requests {
    open: BTreeMap<RequestId, RequestEnergy>,
    finished: u64,
    tokens: u64,
    /// Energy of the steps. `None`: no step yet, so exactly 0; after a step of unknown energy it is `Some` and unknown.
    energy: Option<Bounded<u64>>,
    /// Energy between steps; `None` as for `energy`.
    idle: Option<Bounded<u64>>,
    /// Energy per token of finished requests, microjoules.
    per_token: Histogram,
    /// The device's energy at the last [`Requests::step_until`], microjoules.
    divided_uj: u64,
}

impl RequestEnergy {
    /// Returns the request with a further step added.
    fn and(self, step: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(step.tokens), energy: self.energy + step.energy }
    }
}

/// Returns a sum with one more energy; `None` is the empty sum.
fn plus(sum: Option<Bounded<u64>>, more: Bounded<u64>) -> Option<Bounded<u64>> {
    Some(sum.map_or(more, |sum| sum + more))
}

impl Requests {
    /// Adds an engine step: its energy, and the number of tokens it computed for each request. A request is open from
    /// its first step on. Without any token the step's energy is idle.
    pub fn step(&mut self, energy: Bounded<u64>, tokens: &[(RequestId, u64)]) {
        let weights: Vec<u64> = tokens.iter().map(|(_, tokens)| *tokens).collect();
        if weights.iter().all(|tokens| *tokens == 0) {
            return self.idle(energy);
        }
        let (value, low) =
            (energy.value.map(|uj| largest_remainder(uj, &weights)), largest_remainder(energy.low, &weights));
        let high = energy.high.map(|uj| largest_remainder(uj, &weights));
        for (at, (id, tokens)) in tokens.iter().enumerate() {
            let of = |shares: &Option<Vec<u64>>| shares.as_ref().map(|shares| shares[at]);
            // Value and bounds are rounded one by one, so a bound may lie a microjoule on the wrong side of the value.
            let share = Bounded { value: of(&value), low: low[at], high: of(&high), kind: energy.kind }.around_value();
            let step = RequestEnergy { tokens: *tokens, energy: share };
            self.open.entry(*id).and_modify(|request| *request = request.and(step)).or_insert(step);
            self.tokens = self.tokens.saturating_add(*tokens);
        }
        self.energy = plus(self.energy, energy);
    }

    /// Adds an engine step that ends now: its energy is that of the device since the last call, or since its first reading.
    /// `total` is the device's energy so far, which does not fall; without a `high`, a part of the device is not known.
    ///
    /// ```
    /// use eco2_core::Bounded;
    /// use eco2_core::attribution::Requests;
    ///
    /// let mut requests = Requests::default();
    /// requests.step_until(Bounded::exact(400), &[]); // idle
    /// requests.step_until(Bounded::exact(1_000), &[(1, 2)]);
    /// assert_eq!(requests.finish(1).map(|one| one.energy.value), Some(Some(600)));
    /// ```
    pub fn step_until(&mut self, total: Bounded<u64>, tokens: &[(RequestId, u64)]) {
        let part = total.value.map(|uj| uj.saturating_sub(self.divided_uj));
        self.divided_uj = total.value.map_or(self.divided_uj, |uj| uj.max(self.divided_uj));
        let energy = part.map_or_else(Bounded::unknown, Bounded::exact);
        self.step(Bounded { high: energy.high.filter(|_| total.high.is_some()), ..energy }, tokens);
    }

    /// Adds energy that the device used outside steps.
    pub fn idle(&mut self, energy: Bounded<u64>) {
        self.idle = plus(self.idle, energy);
    }

    /// Returns a request as it is now; `None`: not open.
    #[must_use]
    pub fn get(&self, id: RequestId) -> Option<RequestEnergy> {
        self.open.get(&id).copied()
    }

    /// Ends a request and returns it with its final energy; `None`: not open.
    pub fn finish(&mut self, id: RequestId) -> Option<RequestEnergy> {
        let request = self.open.remove(&id)?;
        self.finished += 1;
        // A request with a step of unknown energy has no upper bound: its known part is no energy per token.
        let whole = request.energy.value.filter(|_| request.energy.high.is_some());
        if let Some(per_token) = whole.and_then(|uj| uj.checked_div(request.tokens)) {
            self.per_token.record(per_token, 1);
        }
        Some(request)
    }

    /// Returns the sums over all requests so far.
    #[must_use]
    pub fn totals(&self) -> RequestTotals {
        RequestTotals {
            finished: self.finished,
            open: self.open.len() as u64,
            tokens: self.tokens,
            energy: self.energy.unwrap_or(Bounded::exact(0)),
            idle: self.idle.unwrap_or(Bounded::exact(0)),
            uj_per_token: self.per_token.quantile(0.5).zip(self.per_token.quantile(0.95)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overlapping_requests_share_each_step_by_tokens() {
        let mut requests = Requests::default();
        // A prompt of 1000 tokens together with two requests that generate; then the three generate; then one is left.
        requests.step(Bounded::hard(1_002_000, 900_000, Some(1_100_000)), &[(1, 1_000), (2, 1), (3, 1)]);
        requests.step(Bounded::exact(300), &[(1, 1), (2, 1), (3, 1)]);
        let second = requests.finish(2).unwrap();
        assert_eq!((second.tokens, second.energy.value), (2, Some(1_000 + 100)));
        assert_eq!(requests.finish(2), None);
        requests.step(Bounded::exact(40), &[(1, 1)]);
        let first = requests.get(1).unwrap();
        assert_eq!((first.tokens, first.energy.value), (1_002, Some(1_000_000 + 100 + 40)));
        let totals = requests.totals();
        assert_eq!((totals.finished, totals.open, totals.tokens), (1, 2, 1_006));
        assert!(totals.uj_per_token.unwrap().0.abs_diff(550) < 20, "{totals:?}");
    }

    #[test]
    fn k01_energy_that_is_not_known_makes_no_request_free() {
        let mut requests = Requests::default();
        requests.step(Bounded::unknown(), &[(1, 10)]);
        let one = requests.finish(1).unwrap();
        assert_eq!(one.energy, Bounded::unknown());
        let totals = requests.totals();
        assert_eq!((totals.energy, totals.idle, totals.uj_per_token), (Bounded::unknown(), Bounded::exact(0), None));
    }

    #[test]
    fn k01_request_with_a_step_of_unknown_energy_has_no_energy_per_token() {
        let mut requests = Requests::default();
        requests.step(Bounded::unknown(), &[(1, 1_000)]);
        requests.step(Bounded::exact(100), &[(1, 1)]);
        let one = requests.finish(1).unwrap();
        assert_eq!((one.energy.value, one.energy.high), (Some(100), None), "at least 100");
        assert_eq!(requests.totals().uj_per_token, None);
    }

    #[test]
    fn what_was_not_known_at_a_step_is_no_energy_of_it() {
        let mut requests = Requests::default();
        requests.step_until(Bounded::unknown(), &[(1, 5)]);
        requests.step_until(Bounded::exact(70), &[(2, 1)]);
        requests.step_until(Bounded { high: None, ..Bounded::exact(100) }, &[(2, 1)]);
        assert_eq!(requests.finish(1).unwrap().energy, Bounded::unknown());
        let second = requests.finish(2).unwrap().energy;
        assert_eq!((second.value, second.high), (Some(100), None), "a part of the device is not known");
    }

    proptest! {
        #[test]
        fn requests_and_idle_add_up_to_the_energy_at_the_last_step(
            steps in prop::collection::vec((0..1_u64 << 40, prop::collection::vec((0..5_u64, 0..2_000_u64), 0..6), any::<bool>()), 1..60),
        ) {
            let mut requests = Requests::default();
            let (mut total_uj, mut ended_uj) = (0, 0);
            for (at, (uj, tokens, ends)) in steps.iter().enumerate() {
                total_uj += uj;
                requests.step_until(Bounded::exact(total_uj), tokens);
                if *ends {
                    let ended = requests.finish(at as u64 % 5);
                    ended_uj += ended.and_then(|one| one.energy.value).unwrap_or(0);
                }
            }
            let totals = requests.totals();
            prop_assert_eq!(totals.energy.value.unwrap() + totals.idle.value.unwrap(), total_uj);
            let open_uj: u64 = (0..5).filter_map(|id| requests.get(id)?.energy.value).sum();
            prop_assert_eq!(Some(ended_uj + open_uj), totals.energy.value);
        }

        #[test]
        fn requests_and_idle_are_the_device(
            steps in prop::collection::vec((0..1_u64 << 40, prop::collection::vec((0..5_u64, 0..2_000_u64), 0..6)), 0..40),
        ) {
            let mut requests = Requests::default();
            let mut device_uj = 0;
            for (uj, tokens) in &steps {
                requests.step(Bounded::exact(*uj), tokens);
                device_uj += uj;
            }
            let totals = requests.totals();
            prop_assert_eq!(totals.energy.value.unwrap() + totals.idle.value.unwrap(), device_uj);
            let open: u64 = (0..5).filter_map(|id| requests.get(id)).map(|one| one.energy.value.unwrap()).sum();
            prop_assert_eq!(Some(open), totals.energy.value);
        }
    }
}
