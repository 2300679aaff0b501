//! When to try a driver that is not there again: initialising loads the library again, so not often.

const FIRST_NS: u64 = 5_000_000_000;
const LONGEST_NS: u64 = 60_000_000_000;

/// The next attempt; the first due time counts from the first question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    next_ns: Option<u64>,
    pause_ns: u64,
}

impl Retry {
    pub(super) const FIRST: Self = Self { next_ns: None, pause_ns: FIRST_NS };

    pub(super) fn due(&mut self, now_ns: u64) -> bool {
        now_ns >= *self.next_ns.get_or_insert(now_ns.saturating_add(self.pause_ns))
    }

    /// The attempt failed: wait twice as long, up to a minute.
    pub(super) fn failed(self, now_ns: u64) -> Self {
        let pause_ns = (self.pause_ns * 2).min(LONGEST_NS);
        Self { next_ns: Some(now_ns.saturating_add(pause_ns)), pause_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_pauses_double_up_to_a_minute() {
        let (mut retry, mut now) = (Retry::FIRST, 7);
        assert!(!retry.due(now));
        for seconds in [5, 10, 20, 40, 60, 60] {
            now += seconds * 1_000_000_000;
            assert!(!retry.due(now - 1) && retry.due(now), "{seconds} s");
            retry = retry.failed(now);
        }
    }
}
