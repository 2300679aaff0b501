//! Properties of the histogram, the timeline's past and the event rings, against slow and plain oracles.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

use eco2_core::{
    DomainPoint, Drained, Energies, EventConsumer, EventPool, Histogram, Producer, Snapshot, SpanEventKind, Timeline,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Values of every size, and weights.
fn weighted() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let value = (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift);
    vec((value, 1u64..1_000_000), 1..60)
}

fn histogram(values: &[(u64, u64)]) -> Histogram {
    let mut histogram = Histogram::default();
    values.iter().for_each(|(value, weight)| histogram.record(*value, *weight));
    histogram
}

/// The smallest value at or below which at least the share `q` of the weight lies.
fn exact_quantile(values: &[(u64, u64)], q: f64) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let total: u64 = sorted.iter().map(|(_, weight)| weight).sum();
    let rank = ((q * total as f64).ceil() as u64).max(1);
    let mut seen = 0;
    let reached = sorted.iter().find(|(_, weight)| {
        seen += weight;
        seen >= rank
    });
    reached.unwrap().0
}

/// One call on a producer: which, and with what id.
#[derive(Debug, Clone, Copy)]
enum Call {
    Begin(u32),
    End(u32),
    Step(u32),
    Drain,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let id = || 0u32..3;
    let call = prop_oneof![
        3 => id().prop_map(Call::Begin),
        3 => id().prop_map(Call::End),
        3 => id().prop_map(Call::Step),
        1 => Just(Call::Drain),
    ];
    vec(call, 0..64)
}

/// A span: id, begin, end.
type SpanRecord = (u32, u64, u64);

/// What should come of a series of calls, given which of them the producer reported as recorded.
#[derive(Default)]
struct Oracle {
    open: Vec<(u32, u64, bool)>,
    spans: Vec<SpanRecord>,
    dropped: u64,
    unmatched: u64,
}

impl Oracle {
    fn nearest(&self, id: u32) -> Option<usize> {
        self.open.iter().rposition(|(open, _, _)| *open == id)
    }

    fn begin(&mut self, id: u32, at: u64, recorded: bool) {
        self.open.push((id, at, recorded));
        self.dropped += u64::from(!recorded);
    }

    /// Whether the end must have been recorded.
    fn end(&mut self, id: u32, at: u64) -> bool {
        let Some(place) = self.nearest(id) else {
            self.unmatched += 1;
            return false;
        };
        let (_, begun, recorded) = self.open.remove(place);
        self.spans.extend(recorded.then_some((id, begun, at)));
        recorded
    }

    fn call(&mut self, producer: &mut Producer, call: Call, at: u64) {
        match call {
            Call::Begin(id) => self.begin(id, at, producer.begin(id, at, false)),
            Call::End(id) => assert_eq!(producer.end(id, at, false), self.end(id, at)),
            Call::Step(id) => {
                let recorded = producer.step(id, at, false);
                if self.nearest(id).is_some() {
                    self.end(id, at);
                }
                self.begin(id, at, recorded);
            }
            Call::Drain => {}
        }
    }
}

/// What an account makes of the events: each end closes the nearest open span of its id. A stray end fails.
#[derive(Default)]
struct Account {
    open: Vec<(u32, u64)>,
    spans: Vec<SpanRecord>,
}

impl Account {
    fn drain(&mut self, consumer: &mut EventConsumer) {
        consumer.drain(|_, _, drained| {
            let Drained::Event(event) = drained else { return };
            if event.kind.ends() {
                let place = self.open.iter().rposition(|(id, _)| *id == event.id);
                // Only a first step ends without a beginning: it began with the run.
                assert!(place.is_some() || event.kind == SpanEventKind::Step, "{event:?}");
                if let Some((id, begun)) = place.map(|place| self.open.remove(place)) {
                    self.spans.push((id, begun, event.ticks));
                }
            }
            if event.kind != SpanEventKind::End {
                self.open.push((event.id, event.ticks));
            }
        });
    }
}

/// Knots `(time, µJ)` from steps, both growing.
fn knots() -> impl Strategy<Value = Vec<(u64, u64)>> {
    vec((1u64..1_000_000, 0u64..1_000_000_000), 1..30).prop_map(|steps| {
        let sums = steps.into_iter().scan((0, 0), |sum, (ns, uj)| {
            *sum = (sum.0 + ns, sum.1 + uj);
            Some(*sum)
        });
        sums.collect()
    })
}

proptest! {
    #[test]
    fn quantiles_are_within_a_cell(values in weighted(), q in 0.0f64..=1.0) {
        let (got, exact) = (histogram(&values).quantile(q).unwrap(), exact_quantile(&values, q));
        prop_assert!(got.abs_diff(exact) <= exact / 128 + 1, "{got} for {exact}");
        prop_assert!(exact >= 128 || got == exact);
    }

    #[test]
    fn merging_is_recording_both(left in weighted(), right in weighted()) {
        let (mut ab, mut ba) = (histogram(&left), histogram(&right));
        ab.merge(&histogram(&right));
        ba.merge(&histogram(&left));
        let all = histogram(&[left.clone(), right.clone()].concat());
        prop_assert_eq!(&ab, &all);
        prop_assert_eq!(&ba, &all);
        ab.merge(&Histogram::default());
        prop_assert_eq!(&ab, &all);
        prop_assert_eq!(ab.min(), left.iter().chain(&right).map(|(value, _)| *value).min());
        prop_assert_eq!(ab.max(), left.iter().chain(&right).map(|(value, _)| *value).max());
    }

    #[test]
    fn recorded_spans_are_those_that_took_place(calls in calls(), capacity in 2usize..40) {
        let (pool, mut consumer) = EventPool::new(1, capacity);
        let mut producer = pool.claim().unwrap();
        let (mut oracle, mut account) = (Oracle::default(), Account::default());
        for (at, call) in calls.into_iter().enumerate() {
            oracle.call(&mut producer, call, at as u64);
            if matches!(call, Call::Drain) {
                account.drain(&mut consumer);
            }
        }
        account.drain(&mut consumer);
        prop_assert_eq!(account.spans, oracle.spans);
        prop_assert_eq!((pool.dropped(), pool.unmatched()), (oracle.dropped, oracle.unmatched));
    }

    #[test]
    fn the_past_hits_the_knots_and_grows(knots in knots(), repeats in 1usize..4, probe in 0.0f64..1.0) {
        let Timeline { mut writer, reader } = Timeline::new(1, 128).unwrap();
        for (edge_ns, uj) in knots.iter().flat_map(|knot| std::iter::repeat_n(*knot, repeats)) {
            let point = DomainPoint { edge_ns, uj, slope_q28: 0, flags: 0 };
            writer.publish(&Snapshot::new(edge_ns, point, &[point]));
        }
        let mut energies = Energies::default();
        let mut at = |t_ns| {
            assert!(reader.at(t_ns, &mut energies) && !energies.provisional);
            energies.uj(0)
        };
        for (edge_ns, uj) in &knots {
            prop_assert_eq!(at(*edge_ns), Some(*uj));
        }
        prop_assert_eq!(at(knots[0].0 - 1), None);
        for pair in knots.windows(2) {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            let t_ns = from + ((to - from) as f64 * probe) as u64;
            // i128 arithmetic of the definition: floor(low + (high - low) (t - from) / (to - from)).
            let line = i128::from(low) + i128::from(high - low) * i128::from(t_ns - from) / i128::from(to - from);
            prop_assert_eq!(at(t_ns).map(i128::from), Some(line));
        }
    }
}
