//! [`Backoff`] decides when to look again for something that vanished: soon, then less and less often.

/// First pause: 50 ms, so that a file that is replaced is missed for a moment only.
const FIRST_NS: u64 = 50_000_000;
/// Longest pause: 2 s, as a look costs one failing system call.
const LONGEST_NS: u64 = 2_000_000_000;

/// The pause before the next attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// When the next attempt is due.
    next_ns: u64,
    /// The pause before it.
    step_ns: u64,
}

impl Backoff {
    /// Returns the pause after a first failure at `now_ns`.
    pub(crate) fn start(now_ns: u64) -> Self {
        Self { next_ns: now_ns.saturating_add(FIRST_NS), step_ns: FIRST_NS }
    }

    /// Takes note of another failure, or starts with a first one.
    pub(crate) fn extend(backoff: &mut Option<Self>, now_ns: u64) {
        match backoff {
            Some(backoff) => backoff.failed(now_ns),
            None => *backoff = Some(Self::start(now_ns)),
        }
    }

    /// Whether it is time for an attempt.
    pub(crate) fn due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_ns
    }

    /// Takes note that the attempt failed: the next pause is twice as long.
    pub(crate) fn failed(&mut self, now_ns: u64) {
        self.step_ns = (self.step_ns * 2).min(LONGEST_NS);
        self.next_ns = now_ns.saturating_add(self.step_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_seconds() {
        let mut backoff = Backoff::start(0);
        let mut now = 0;
        let pauses = [50, 100, 200, 400, 800, 1600, 2000, 2000];
        for pause in pauses.map(|ms| ms * 1_000_000) {
            assert!(!backoff.due(now + pause - 1) && backoff.due(now + pause), "{pause}");
            now += pause;
            backoff.failed(now);
        }
    }
}
