//! Divides the energy that a [`Meter`] measures among the requests that a server answers at the same time.
//!
//! The parts are differences of [`Meter::now`], so they add up to what it gave at the last call, to the microjoule.

use eco2_core::Bounded;
use eco2_core::attribution::{RequestEnergy, RequestId, RequestTotals, Requests};

use crate::Meter;
use crate::sync::lock;

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
    /// meter.request_step(&[(1, 200), (2, 1)]); // a prompt of 200 tokens, and a request that generates
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
        let mut requests = lock(&self.requests);
        // Read under the lock, so that two threads divide in the order of time.
        let total = self.now().map_or_else(Bounded::unknown, |now| {
            let total = Bounded::exact(now.total_uj);
            Bounded { high: total.high.filter(|_| now.complete), ..total }
        });
        requests.step_until(total, tokens);
    }

    /// Returns an open request as it is now, which is provisional; `None`: not open. Takes a lock.
    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<RequestEnergy> {
        if self.forked() { None } else { lock(&self.requests).get(id) }
    }

    /// Ends a request and returns its final energy; `None`: not open. Takes a lock.
    pub fn request_end(&self, id: RequestId) -> Option<RequestEnergy> {
        if self.forked() { None } else { lock(&self.requests).finish(id) }
    }

    /// Returns the sums over all requests so far, open ones included, and the energy per token of ended ones. Takes a lock.
    #[must_use]
    pub fn requests(&self) -> RequestTotals {
        if self.forked() { Requests::default().totals() } else { lock(&self.requests).totals() }
    }
}
