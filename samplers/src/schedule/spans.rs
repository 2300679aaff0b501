//! Predicts the next edge of the spans of each thread ([`Threads`]).
//!
//! A span is a named stretch of time on one thread of the measured program. An *edge* is its begin or its end, or the
//! boundary between two steps. Edges of one *kind* have the same name and the same of these three meanings. Training
//! repeats itself, so the time from an edge of one kind to the next edge of that thread is about the same each time.
//! These times, the *gaps*, are kept for each kind. Their quantiles give the *window* in which the next edge is
//! expected. Quantiles, because one evaluation or checkpoint among many steps then has no effect. There is no filter
//! over several steps: step times are independent of each other, so the last edge is the best base.

/// Gaps kept of each kind: quantiles of fewer are rough, and more are slow to follow a change of pace.
const GAPS: usize = 32;
/// Fewest gaps for a prediction.
const FEWEST: usize = 5;
/// Most kinds of edges of one thread, and most threads. After an edge of a further kind the next one may come at any time; a
/// further thread replaces the one whose last edge is the oldest.
const MOST: usize = 64;
/// The window begins this many times the distance from median to 10 % quantile before the median, and ends this many
/// times the distance to the 90 % quantile after it: with normal jitter it holds 99.2 % of the edges.
const BEFORE: f64 = 2.1;
const AFTER: f64 = 1.3;
/// While no gap is predicted, the next edge may come at any time within this one, nanoseconds.
const UNKNOWN_NS: u64 = 1_000_000_000;
/// A thread without an edge for this long after its window does not record spans any more, nanoseconds.
const OVER_NS: u64 = 10_000_000_000;
/// Longest time between two looks for an edge that is late, nanoseconds.
const LONGEST_LATE_NS: u64 = 100_000_000;
/// Reads that a window costs beyond those that its length explains: one when the edge is found, one 2 ms later, and
/// half of the last spacing.
const READS_A_WINDOW: f64 = 2.5;

/// An edge of a span that the sink found in the event rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanEdge {
    /// When it was recorded, monotonic nanoseconds.
    pub at_ns: u64,
    /// The thread that recorded it.
    pub thread: usize,
    /// A number for its name and meaning: begin, end, or step.
    pub kind: u32,
}

/// When the next edge of a thread is expected, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start_ns: u64,
    stop_ns: u64,
    /// Median gap; `None` while the gaps of this kind are not known.
    median_ns: Option<u64>,
}

/// The edges of one thread.
#[derive(Debug)]
struct Thread {
    last: SpanEdge,
    kinds: Vec<(u32, Gaps)>,
    window: Window,
}

/// The last gaps after edges of one kind, nanoseconds; number `n` is at `n % GAPS`.
#[derive(Debug, Clone, Copy)]
struct Gaps {
    gaps: [u64; GAPS],
    count: usize,
}

/// The spans of all threads.
#[derive(Debug, Default)]
pub(super) struct Threads {
    threads: Vec<Thread>,
}

impl Threads {
    /// Takes edges, each thread's in the order of time.
    pub(super) fn add(&mut self, edges: &[SpanEdge]) {
        for edge in edges {
            match self.threads.iter_mut().find(|thread| thread.last.thread == edge.thread) {
                Some(thread) => thread.add(*edge),
                None => self.open(*edge),
            }
        }
        for thread in &mut self.threads {
            if edges.iter().any(|edge| edge.thread == thread.last.thread) {
                thread.window = thread.expected();
            }
        }
    }

    fn open(&mut self, edge: SpanEdge) {
        let window = Window { start_ns: edge.at_ns, stop_ns: edge.at_ns + UNKNOWN_NS, median_ns: None };
        let thread = Thread { last: edge, kinds: Vec::new(), window };
        // Only a program with more than `MOST` threads at once ever replaces one that still records.
        if self.threads.len() < MOST {
            self.threads.push(thread);
        } else if let Some(oldest) = self.threads.iter_mut().min_by_key(|thread| thread.last.at_ns) {
            *oldest = thread;
        }
    }

    /// The last edge of any thread, nanoseconds.
    pub(super) fn last_ns(&self) -> Option<u64> {
        self.threads.iter().map(|thread| thread.last.at_ns).max()
    }

    /// Whether an edge of any thread is expected at `now_ns`, or late.
    pub(super) fn is_expected(&self, now_ns: u64) -> bool {
        self.active(now_ns).any(|thread| now_ns >= thread.window.start_ns)
    }

    /// Returns when to look for the next edge, with `spacing_ns` between two looks inside a window; each window begins
    /// `early_ns` before its start. `None` where no thread records spans.
    pub(super) fn next_look_ns(&self, now_ns: u64, spacing_ns: u64, early_ns: u64) -> Option<u64> {
        self.active(now_ns).map(|thread| thread.next_look_ns(now_ns, spacing_ns, early_ns)).min()
    }

    /// Returns the earliest start of a window that has not begun at `now_ns`, nanoseconds.
    pub(super) fn next_start_ns(&self, now_ns: u64) -> Option<u64> {
        self.active(now_ns).map(|thread| thread.window.start_ns).filter(|start_ns| *start_ns > now_ns).min()
    }

    /// Whether looks at every `poll_ns` are no more than the windows of all threads would take.
    pub(super) fn are_better_polled(&self, now_ns: u64, spacing_ns: u64, poll_ns: u64) -> bool {
        let looks_per_ns: f64 = self.active(now_ns).map(|thread| thread.looks_per_ns(spacing_ns)).sum();
        looks_per_ns * poll_ns as f64 >= 1.0
    }

    /// Whether the median gap of a thread is under two and a half of these periods: spans that short need both
    /// neighbouring updates of a slow counter.
    pub(super) fn are_short(&self, now_ns: u64, period_ns: u64) -> bool {
        let shortest = self.active(now_ns).filter_map(|thread| thread.window.median_ns).min();
        shortest.is_some_and(|median_ns| 2 * median_ns < 5 * period_ns)
    }

    /// The threads that may record a further edge.
    fn active(&self, now_ns: u64) -> impl Iterator<Item = &Thread> {
        self.threads.iter().filter(move |thread| now_ns < thread.window.stop_ns + OVER_NS)
    }
}

impl Thread {
    fn add(&mut self, edge: SpanEdge) {
        let kind = self.last.kind;
        let gap_ns = edge.at_ns.saturating_sub(self.last.at_ns);
        if let Some((_, gaps)) = self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            gaps.add(gap_ns);
        } else if self.kinds.len() < MOST {
            self.kinds.push((kind, Gaps::first(gap_ns)));
        }
        self.last = edge;
    }

    /// Returns when the edge after the last one is expected.
    fn expected(&self) -> Window {
        let at_ns = self.last.at_ns;
        let known = self.kinds.iter().find(|(kind, _)| *kind == self.last.kind).map(|(_, gaps)| gaps);
        let Some(Quantiles { q10, median, q90 }) = known.and_then(Gaps::quantiles) else {
            return Window { start_ns: at_ns, stop_ns: at_ns + UNKNOWN_NS, median_ns: None };
        };
        let guard = (median / 100).max(1_000_000);
        let before = (BEFORE * (median - q10) as f64) as u64 + guard;
        let after = (AFTER * (q90.min(2 * median) - median) as f64) as u64 + guard;
        Window {
            start_ns: at_ns + median.saturating_sub(before),
            stop_ns: at_ns + median + after,
            median_ns: Some(median),
        }
    }

    fn next_look_ns(&self, now_ns: u64, spacing_ns: u64, early_ns: u64) -> u64 {
        let Window { start_ns, stop_ns, .. } = self.window;
        let start_ns = start_ns.saturating_sub(early_ns);
        if now_ns < start_ns {
            return start_ns;
        }
        if now_ns <= stop_ns {
            return now_ns + spacing_ns;
        }
        now_ns + ((now_ns - stop_ns) / 4).clamp(spacing_ns, LONGEST_LATE_NS.max(spacing_ns))
    }

    /// Looks for edges per nanosecond of this thread.
    fn looks_per_ns(&self, spacing_ns: u64) -> f64 {
        let Window { start_ns, median_ns, .. } = self.window;
        let Some(median_ns) = median_ns else { return 1.0 / spacing_ns as f64 };
        let early_ns = (self.last.at_ns + median_ns).saturating_sub(start_ns);
        (early_ns as f64 / spacing_ns as f64 + READS_A_WINDOW) / median_ns.max(1) as f64
    }
}

/// Quantiles of gaps, nanoseconds.
struct Quantiles {
    q10: u64,
    median: u64,
    q90: u64,
}

impl Gaps {
    fn first(gap_ns: u64) -> Self {
        Self { gaps: [gap_ns; GAPS], count: 1 }
    }

    fn add(&mut self, gap_ns: u64) {
        self.gaps[self.count % GAPS] = gap_ns;
        self.count += 1;
    }

    /// Returns the quantiles; `None` before enough gaps are known.
    fn quantiles(&self) -> Option<Quantiles> {
        let kept = self.count.min(GAPS);
        if kept < FEWEST {
            return None;
        }
        let mut sorted = self.gaps;
        let sorted = &mut sorted[..kept];
        sorted.sort_unstable();
        Some(Quantiles { q10: sorted[kept / 10], median: sorted[kept / 2], q90: sorted[kept - 1 - kept / 10] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn edges(gaps_ms: &[u64]) -> Vec<SpanEdge> {
        let ends = gaps_ms.iter().scan(0, |at_ms, gap| {
            *at_ms += gap;
            Some(*at_ms)
        });
        ends.map(|at_ms| SpanEdge { at_ns: at_ms * MS, thread: 1, kind: 0 }).collect()
    }

    fn after(gaps_ms: &[u64]) -> Threads {
        let mut threads = Threads::default();
        edges(gaps_ms).iter().for_each(|edge| threads.add(&[*edge]));
        threads
    }

    #[test]
    fn regular_steps_are_looked_for_around_their_end_only() {
        // Gaps of 490 to 510 ms: median 500, quantiles 490 and 510; window 500 - 2.1 x 10 - 5 to 500 + 1.3 x 10 + 5.
        let threads = after(&[0, 490, 500, 510, 500, 490, 510, 500, 510, 490, 500]);
        let last_ns = threads.last_ns().unwrap();
        assert_eq!(threads.next_look_ns(last_ns, 15 * MS, 0), Some(last_ns + 474 * MS));
        assert_eq!(threads.next_look_ns(last_ns + 474 * MS, 15 * MS, 0), Some(last_ns + 489 * MS));
        assert!(!threads.is_expected(last_ns + 473 * MS) && threads.is_expected(last_ns + 474 * MS));
        assert!(!threads.are_better_polled(last_ns, 15 * MS, 10 * MS));
    }

    #[test]
    fn looks_for_a_late_edge_become_rarer_and_end() {
        let threads = after(&[0, 500, 500, 500, 500, 500, 500]);
        let stop_ns = threads.last_ns().unwrap() + 505 * MS;
        let look = |late_ms: u64| threads.next_look_ns(stop_ns + late_ms * MS, 15 * MS, 0).map(|at| at - stop_ns);
        assert_eq!([look(20), look(200), look(9_000)], [Some(35 * MS), Some(250 * MS), Some(9_100 * MS)]);
        assert_eq!(look(10_000), None);
    }

    #[test]
    fn short_and_irregular_spans_are_polled() {
        let now_ns = |threads: &Threads| threads.last_ns().unwrap();
        let short = after(&[0, 20, 20, 21, 19, 20, 20, 20]);
        assert!(short.are_better_polled(now_ns(&short), 15 * MS, 10 * MS));
        let irregular = after(&[0, 30, 300, 50, 20, 400, 60, 30, 80]);
        assert!(irregular.are_better_polled(now_ns(&irregular), 15 * MS, 10 * MS));
        assert!(short.are_short(now_ns(&short), 100 * MS) && !short.are_short(now_ns(&short), 8 * MS));
    }

    #[test]
    fn threads_are_predicted_each_by_its_own_edges() {
        let mut threads = after(&[0, 500, 500, 500, 500, 500, 500]);
        let last_ns = threads.last_ns().unwrap();
        let other: Vec<SpanEdge> =
            (0..8).map(|n| SpanEdge { at_ns: last_ns - (7 - n) * 200 * MS, thread: 2, kind: 4 }).collect();
        threads.add(&other);
        assert_eq!(threads.next_start_ns(last_ns), Some(last_ns + 198 * MS));
    }
}
