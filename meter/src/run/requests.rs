//! Divides the energy that a [`Meter`] measures among the requests that a server answers at the same time.
//!
//! The parts are differences of [`Meter::now`], so they add up to what it gave at the last call, to the microjoule.

use eco2_core::Bounded;
use eco2_core::attribution::{RequestEnergy, RequestId, RequestTotals, Requests};

use crate::Meter;
use crate::run::watch::Now;
use crate::sync::lock;

/// The requests of a run, and how much of its energy was divided.
#[derive(Debug, Default)]
pub(crate) struct DividedEnergy {
    requests: Requests,
    /// Energy that was divided so far, microjoules since the first readings.
    divided_uj: u64,
}

impl DividedEnergy {
    /// Divides what was used since the last call.
    fn step(&mut self, now: Option<Now>, tokens: &[(RequestId, u64)]) {
        let energy = now.map_or_else(Bounded::unknown, |now| {
            let part = Bounded::exact(now.total_uj.saturating_sub(self.divided_uj));
            Bounded { high: part.high.filter(|_| now.complete), ..part }
        });
        self.divided_uj = now.map_or(self.divided_uj, |now| now.total_uj.max(self.divided_uj));
        self.requests.step(energy, tokens);
    }
}

impl Meter {
    /// Ends a step of an inference engine: divides the energy since the last call among the requests, in proportion to the
    /// tokens that the step computed for each of them, of prompt and answer. Without any token that energy is idle: call it
    /// so before a step that begins after a pause. The first call divides what was used since the meter opened.
    ///
    /// A request is open from its first step to [`Meter::request_end`]. The energy of all requests and the idle energy add
    /// up to the [energy](Meter::now) at the last call exactly. It is extrapolated, so no range is computed: `low` and
    /// `high` equal the value, and `high` is `None` where a device's part is not known. One engine per meter. Takes a lock.
    ///
    /// ```
    /// # use eco2::options::{Log, opt};
    /// # let meter = eco2::Meter::builder().log(Log::Off).set(&opt::SOURCES, "synthetic").open()?;
    /// meter.request_step(&[]); // loading the model is of no request
    /// meter.request_step(&[(1, 200), (2, 1)]); // a prompt of 200 tokens beside a request that generates
    /// let first = meter.request_end(1);
    /// assert_eq!(first.map(|request| request.tokens), Some(200));
    /// let all = meter.requests();
    /// assert_eq!((all.finished, all.open, all.tokens), (1, 1, 201));
    /// # Ok::<(), eco2::Error>(())
    /// ```
    pub fn request_step(&self, tokens: &[(RequestId, u64)]) {
        if self.forked() || self.over.get().is_some() {
            return;
        }
        let mut divided = lock(&self.divided);
        // Read under the lock, so that two threads divide in the order of time.
        let now = self.now();
        divided.step(now, tokens);
    }

    /// Returns an open request as it is now, which is provisional; `None`: not open. Takes a lock.
    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<RequestEnergy> {
        if self.forked() { None } else { lock(&self.divided).requests.get(id) }
    }

    /// Ends a request and returns its final energy; `None`: not open. Takes a lock.
    pub fn request_end(&self, id: RequestId) -> Option<RequestEnergy> {
        if self.forked() { None } else { lock(&self.divided).requests.finish(id) }
    }

    /// Returns the sums over all requests so far, open ones included, and the energy per token of ended ones. Takes a lock.
    #[must_use]
    pub fn requests(&self) -> RequestTotals {
        if self.forked() { Requests::default().totals() } else { lock(&self.divided).requests.totals() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now(total_uj: u64) -> Option<Now> {
        Some(Now { at_ns: 0, total_uj, complete: true })
    }

    #[test]
    fn what_was_not_known_at_a_step_is_no_energy_of_it() {
        let mut divided = DividedEnergy::default();
        divided.step(None, &[(1, 5)]);
        divided.step(now(70), &[(2, 1)]);
        divided.step(Some(Now { complete: false, ..now(100).unwrap() }), &[(2, 1)]);
        assert_eq!(divided.requests.finish(1).unwrap().energy, Bounded::unknown());
        let second = divided.requests.finish(2).unwrap().energy;
        assert_eq!((second.value, second.high), (Some(100), None), "a device's part is not known");
    }

    proptest! {
        #[test]
        fn requests_and_idle_add_up_to_the_energy_at_the_last_step(
            steps in prop::collection::vec((0..1_u64 << 40, prop::collection::vec((0..5_u64, 0..2_000_u64), 0..6), any::<bool>()), 1..60),
        ) {
            let mut divided = DividedEnergy::default();
            let (mut total_uj, mut ended_uj) = (0, 0);
            for (at, (uj, tokens, ends)) in steps.iter().enumerate() {
                total_uj += uj;
                divided.step(now(total_uj), tokens);
                if *ends {
                    let ended = divided.requests.finish(at as u64 % 5);
                    ended_uj += ended.and_then(|request| request.energy.value).unwrap_or(0);
                }
            }
            let totals = divided.requests.totals();
            prop_assert_eq!(totals.energy.value.unwrap() + totals.idle.value.unwrap(), total_uj);
            let open_uj: u64 = (0..5).filter_map(|id| divided.requests.get(id)?.energy.value).sum();
            prop_assert_eq!(Some(ended_uj + open_uj), totals.energy.value);
        }
    }
}
