//! Prediction of a counter's updates: a Kalman filter over the instant of the next update and the period.
//!
//! Floating point is in place here: nothing but the time of a read depends on it, never an energy.

/// The next update, the period, and how well both are known.
#[derive(Debug, Clone)]
pub(crate) struct UpdatePredictor {
    at_ns: f64,
    period_ns: f64,
    /// Variance of the instant, covariance of both, variance of the period.
    instant: f64,
    both: f64,
    period: f64,
}

impl UpdatePredictor {
    /// An update was seen `half_ns` around `at_ns`, and the period is the mean of `updates` updates.
    pub(crate) fn new(at_ns: u64, period_ns: u64, half_ns: u64, updates: u64) -> Self {
        let instant = uniform(half_ns);
        let updates = updates.max(1) as f64;
        // The last update is one end of the mean: what it is off by, the period is off by its share of.
        let (both, period) = (instant / updates, 2.0 * instant / (updates * updates));
        Self { at_ns: at_ns as f64, period_ns: period_ns as f64, instant, both, period }
    }

    pub(crate) fn at_ns(&self) -> u64 {
        self.at_ns as u64
    }

    pub(crate) fn period_ns(&self) -> u64 {
        self.period_ns as u64
    }

    /// The predicted update was seen `half_ns` around `seen_ns`, in a window of `window_ns` to both sides, which is
    /// as wide as updates jitter.
    pub(crate) fn seen(&mut self, seen_ns: u64, half_ns: u64, window_ns: u64) {
        let error = seen_ns as f64 - self.at_ns;
        let variance = self.instant + uniform(half_ns) + uniform(window_ns);
        let (gain, period_gain) = (self.instant / variance, self.both / variance);
        self.at_ns += gain * error;
        self.period_ns += period_gain * error;
        self.period -= period_gain * self.both;
        self.both -= gain * self.both;
        self.instant -= gain * self.instant;
    }

    /// Goes on to the first update after `after_ns`.
    pub(crate) fn advance(&mut self, after_ns: u64, window_ns: u64) {
        let updates = ((after_ns as f64 - self.at_ns) / self.period_ns).floor().max(0.0) + 1.0;
        self.at_ns += updates * self.period_ns;
        // Updates may drift by an eighth of the window each, and the period by a five-thousandth of it.
        let drift = uniform(window_ns);
        self.instant += 2.0 * updates * self.both + updates * updates * self.period + updates * drift / 64.0;
        self.both += updates * self.period;
        self.period += updates * drift / 25_000_000.0;
    }
}

/// Variance of something that lies anywhere within `half_ns`.
fn uniform(half_ns: u64) -> f64 {
    let half = half_ns as f64;
    half * half / 3.0
}
