//! Finds stalls of a run: waits for the end of a step that are more than five times as long as usual ([`Stalls`]).
//!
//! The *usual* time of a step is the median of the last 64, which a few long steps do not change. A *stall* begins when
//! the step was due, one usual time after the step before it, and ends with the step.

/// A wait of more than this many times the usual step is a stall, so that a step of twice or three times the usual is
/// none.
const STALL_FACTOR: u64 = 5;
/// A wait of up to one second is no stall: short pauses are common in many runs.
const STALL_NS: u64 = 1_000_000_000;
/// Number of steps from which the median is taken as usual.
const LEARNED: u64 = 8;
/// Number of the last steps whose median is the usual time: 32 of them would have to be unusual to change it much.
const WINDOW: usize = 64;
/// Number of steps after which the median is computed again, so that a step seldom costs a sort.
const RENEWED: u64 = 16;

/// Watches the ends of steps. A stall is returned as (instant at which the step was due, instant at which it ended or
/// now), monotonic nanoseconds.
///
/// ```
/// use eco2_core::Stalls;
///
/// const S: u64 = 1_000_000_000;
/// let mut stalls = Stalls::default();
/// for step in 0..=10 {
///     assert_eq!(stalls.step(step * S), None); // a step per second
/// }
/// assert_eq!(stalls.usual_ns(), Some(S));
/// assert_eq!(stalls.step(30 * S), Some((11 * S, 30 * S))); // due at 11 s, ended at 30 s
/// ```
#[derive(Debug, Clone)]
pub struct Stalls {
    /// The end of the last step, or the start of steps; `None` before either.
    last_ns: Option<u64>,
    /// Times of the last steps, nanoseconds; step number `n` is at `n % WINDOW`.
    lengths: [u64; WINDOW],
    /// Number of steps seen.
    seen: u64,
    /// The usual time of a step, nanoseconds; `None` until it is known.
    usual_ns: Option<u64>,
}

impl Default for Stalls {
    fn default() -> Self {
        Self { last_ns: None, lengths: [0; WINDOW], seen: 0, usual_ns: None }
    }
}

impl Stalls {
    /// Takes the end of a step. Returns the stall that it ends, if there was one: the part of the wait beyond the usual
    /// time.
    pub fn step(&mut self, at_ns: u64) -> Option<(u64, u64)> {
        let stall = self.waiting(at_ns);
        // Steps that are reported late may arrive out of order.
        let at_ns = self.last_ns.map_or(at_ns, |last_ns| at_ns.max(last_ns));
        if let Some(last_ns) = self.last_ns.replace(at_ns) {
            self.learn(at_ns.saturating_sub(last_ns));
        }
        stall
    }

    /// Takes the start of steps: the next one is expected from now on, and the time before was no stall.
    pub fn start(&mut self, at_ns: u64) {
        self.last_ns = Some(self.last_ns.map_or(at_ns, |last_ns| at_ns.max(last_ns)));
    }

    /// Returns the stall that goes on at `now_ns`, if one does.
    #[must_use]
    pub fn waiting(&self, now_ns: u64) -> Option<(u64, u64)> {
        let (last_ns, usual_ns) = (self.last_ns?, self.usual_ns?);
        let waited_ns = now_ns.saturating_sub(last_ns);
        let too_long = waited_ns > STALL_NS && waited_ns > usual_ns.saturating_mul(STALL_FACTOR);
        too_long.then(|| (last_ns.saturating_add(usual_ns), now_ns))
    }

    /// Whether the end of a step, or the start of steps, has been seen.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.last_ns.is_some()
    }

    /// Returns the median time of the last steps, nanoseconds; `None` until 8 were seen.
    #[must_use]
    pub fn usual_ns(&self) -> Option<u64> {
        self.usual_ns
    }

    /// Takes the time of a step, and computes the median again where it is due.
    fn learn(&mut self, length_ns: u64) {
        self.lengths[(self.seen % WINDOW as u64) as usize] = length_ns;
        self.seen += 1;
        if self.seen == LEARNED || (self.seen > LEARNED && self.seen % RENEWED == 0) {
            let mut known = self.lengths;
            let known = &mut known[..WINDOW.min(self.seen as usize)];
            known.sort_unstable();
            self.usual_ns = known.get(known.len() / 2).copied();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn after(lengths_ms: &[u64]) -> (Stalls, Vec<(u64, u64)>) {
        let (mut stalls, mut at_ns, mut found) = (Stalls::default(), 0, Vec::new());
        stalls.step(at_ns);
        for ms in lengths_ms {
            at_ns += ms * MS;
            found.extend(stalls.step(at_ns));
        }
        (stalls, found)
    }

    #[test]
    fn a_wait_of_many_usual_steps_is_a_stall_beyond_the_usual() {
        let (stalls, found) = after(&[400, 390, 410, 400, 400, 380, 420, 400, 12_000, 400]);
        // Eight steps are 3.2 s; the stall starts where the next step was due.
        assert_eq!(found, [(3_600 * MS, 15_200 * MS)]);
        assert_eq!(stalls.usual_ns(), Some(400 * MS));
        assert_eq!(stalls.waiting(15_600 * MS + 2_000 * MS), None, "five times 400 ms is no stall yet");
        assert_eq!(stalls.waiting(18_000 * MS), Some((16_000 * MS, 18_000 * MS)));
    }

    #[test]
    fn what_is_slow_from_the_start_or_always_or_short_is_none() {
        assert_eq!(after(&[9_000, 400, 400, 400]).1, [], "too few to know what is usual");
        assert_eq!(after(&[1; 100]).1, []);
        let mut fast = vec![1; 50];
        fast.push(900);
        assert_eq!(after(&fast).1, [], "under a second");
        let mut slower = vec![400; 64];
        slower.extend([5_000; 100]);
        assert!(after(&slower).1.len() < 48, "a new pace becomes the usual one");
        let mut evaluated: Vec<u64> = vec![100; 10];
        evaluated.extend([3_000, 100, 100]);
        assert_eq!(after(&evaluated).1.len(), 1);
    }
}
