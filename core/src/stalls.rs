//! When steps fail to come: longer than several times the usual, by a robust measure of what is usual.

/// A step that takes this many times the usual is a stall.
const STALL_FACTOR: u64 = 5;
/// Shorter than this nothing is a stall: short pauses are many runs' usual business.
const STALL_NS: u64 = 1_000_000_000;
/// Steps that have to be seen before any is called unusual.
const LEARNED: u64 = 8;
/// Last steps of which the usual one is the median: it takes half of them to be led astray.
const WINDOW: usize = 64;
/// Steps after which the median is recomputed.
const RENEWED: u64 = 16;

/// Watches the ends of steps.
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
    last_ns: Option<u64>,
    lengths: [u64; WINDOW],
    seen: u64,
    usual_ns: Option<u64>,
}

impl Default for Stalls {
    fn default() -> Self {
        Self { last_ns: None, lengths: [0; WINDOW], seen: 0, usual_ns: None }
    }
}

impl Stalls {
    /// A step ended; the stall before it, if there was one: what the wait was longer than usual.
    pub fn step(&mut self, at_ns: u64) -> Option<(u64, u64)> {
        let stall = self.waiting(at_ns);
        // Steps that are reported late may arrive out of order.
        let at_ns = self.last_ns.map_or(at_ns, |last_ns| at_ns.max(last_ns));
        if let Some(last_ns) = self.last_ns.replace(at_ns) {
            self.learn(at_ns.saturating_sub(last_ns));
        }
        stall
    }

    /// Steps start: the next one is expected from now on, and the time before it was no stall.
    pub fn start(&mut self, at_ns: u64) {
        self.last_ns = Some(self.last_ns.map_or(at_ns, |last_ns| at_ns.max(last_ns)));
    }

    /// The stall that goes on now, if one does.
    #[must_use]
    pub fn waiting(&self, now_ns: u64) -> Option<(u64, u64)> {
        let (last_ns, usual_ns) = (self.last_ns?, self.usual_ns?);
        let waited_ns = now_ns.saturating_sub(last_ns);
        let too_long = waited_ns > STALL_NS && waited_ns > usual_ns.saturating_mul(STALL_FACTOR);
        too_long.then(|| (last_ns.saturating_add(usual_ns), now_ns))
    }

    /// Whether a step has been seen.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.last_ns.is_some()
    }

    /// Median of the last steps, nanoseconds; `None` until enough were seen.
    #[must_use]
    pub fn usual_ns(&self) -> Option<u64> {
        self.usual_ns
    }

    fn learn(&mut self, length_ns: u64) {
        self.lengths[(self.seen % WINDOW as u64) as usize] = length_ns;
        self.seen += 1;
        if self.seen == LEARNED || (self.seen > LEARNED && self.seen.is_multiple_of(RENEWED)) {
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
