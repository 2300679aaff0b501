//! A simulated machine and program: power, counters with their updates, and the edges of spans.
//!
//! Assumptions, as no machine is at hand: RAPL is updated every 1 ms ± 10 %, one update in a hundred after 3 ms; a GPU's
//! counter every 100 ms with a phase of its own, 1 ms of jitter, a phase that walks by 0.2 ms an update, and one update
//! in 200 late by 15 ms. A step's first 15 % take less power (loading of data).

use eco2_samplers::schedule::SpanEdge;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const S: u64 = 1_000 * MS;
pub(crate) const GPUS: usize = 8;
pub(crate) const CPU_MAX_W: f64 = 250.0;
pub(crate) const GPU_MAX_W: f64 = 700.0;

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Uniform in 0 to 1.
    pub(crate) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with mean 0 and deviation 1, as the sum of twelve uniform numbers.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// A counter: its updates, and the microjoules that it shows from each of them on.
pub(crate) struct Counter {
    pub(crate) updates_ns: Vec<u64>,
    values_uj: Vec<u64>,
}

impl Counter {
    fn new(updates_ns: Vec<u64>, energy: &Energy, quantum_uj: f64) -> Self {
        let value = |at_ns: &u64| ((energy.uj_at(*at_ns) / quantum_uj).floor() * quantum_uj) as u64;
        let values_uj = updates_ns.iter().map(value).collect();
        Self { updates_ns, values_uj }
    }

    /// A counter of a device that takes 300 W.
    pub(crate) fn at_steady_power(updates_ns: Vec<u64>) -> Self {
        let values_uj = updates_ns.iter().map(|at_ns| at_ns * 3 / 10).collect();
        Self { updates_ns, values_uj }
    }

    pub(crate) fn value_at(&self, at_ns: u64) -> u64 {
        let updates = self.updates_ns.partition_point(|update_ns| *update_ns <= at_ns);
        updates.checked_sub(1).map_or(0, |last| self.values_uj[last])
    }
}

/// True energy, microjoules at each millisecond.
pub(crate) struct Energy(Vec<f64>);

impl Energy {
    fn of_watts(watts: &[f64]) -> Self {
        let sums = watts.iter().scan(0.0, |sum, watts| {
            *sum += watts * 1_000.0;
            Some(*sum)
        });
        Self(std::iter::once(0.0).chain(sums).collect())
    }

    pub(crate) fn uj_at(&self, at_ns: u64) -> f64 {
        let (whole, part) = ((at_ns / MS) as usize, (at_ns % MS) as f64 / MS as f64);
        let last = self.0.len() - 1;
        let (low, high) = (self.0[whole.min(last)], self.0[(whole + 1).min(last)]);
        low + (high - low) * part
    }
}

/// How the steps of a program come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Steps {
    /// None.
    None,
    /// One after the other: mean length in milliseconds, and relative deviation.
    Regular(f64, f64),
    /// Begins and ends of 5 to 50 ms, with pauses.
    Short,
}

pub(crate) struct World {
    pub(crate) edges: Vec<SpanEdge>,
    /// Begin and end of each span, as places in `edges`.
    pub(crate) spans: Vec<(usize, usize)>,
    pub(crate) end_ns: u64,
    pub(crate) cpu: Counter,
    pub(crate) gpus: Vec<Counter>,
    pub(crate) cpu_energy: Energy,
    pub(crate) gpu_energy: Energy,
    /// A GPU that is lost, and from when on.
    pub(crate) lost: Option<(usize, u64)>,
}

impl World {
    pub(crate) fn new(steps: Steps, count: usize, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut builder = Builder { at_s: 3.0, edges: Vec::new(), spans: Vec::new(), work: Vec::new() };
        match steps {
            Steps::None => (0..count).for_each(|_| {
                let length_s = 0.5 * (1.0 + 0.05 * dice.normal());
                builder.work(length_s, &mut dice);
            }),
            Steps::Regular(ms, deviation) => {
                builder.edge(0);
                for _ in 0..count {
                    let length_s = ms / 1e3 * (1.0 + deviation * dice.normal()).max(0.2);
                    builder.work(length_s, &mut dice);
                    builder.edge(0);
                    builder.spans.push((builder.edges.len() - 2, builder.edges.len() - 1));
                }
            }
            Steps::Short => (0..count).for_each(|_| {
                builder.edge(0);
                builder.work(0.005 + 0.045 * dice.roll(), &mut dice);
                builder.edge(1);
                builder.spans.push((builder.edges.len() - 2, builder.edges.len() - 1));
                builder.at_s += -0.01 * dice.roll().max(1e-9).ln();
            }),
        }
        builder.build(&mut dice)
    }

    /// The same with its edges moved.
    pub(crate) fn with_edges(self, at_ns: impl Fn(usize, u64) -> u64) -> Self {
        let moved = |(index, edge): (usize, &SpanEdge)| SpanEdge { at_ns: at_ns(index, edge.at_ns), ..*edge };
        let edges = self.edges.iter().enumerate().map(moved).collect();
        Self { edges, ..self }
    }
}

struct Builder {
    at_s: f64,
    edges: Vec<SpanEdge>,
    spans: Vec<(usize, usize)>,
    /// Begin, end, and the factor of its power.
    work: Vec<(f64, f64, f64)>,
}

impl Builder {
    fn edge(&mut self, kind: u32) {
        self.edges.push(SpanEdge { at_ns: (self.at_s * 1e9) as u64, thread: 0, kind });
    }

    fn work(&mut self, length_s: f64, dice: &mut Dice) {
        self.work.push((self.at_s, self.at_s + length_s, 0.85 + 0.25 * dice.roll()));
        self.at_s += length_s;
    }

    fn build(self, dice: &mut Dice) -> World {
        let end_s = self.at_s + 1.0;
        let length = ((end_s + 2.0) * 1e3) as usize;
        let (mut cpu, mut gpu) = (vec![70.0; length], vec![160.0; length]);
        for (from_s, to_s, factor) in self.work {
            let low_until_s = from_s + 0.15 * (to_s - from_s);
            for ms in (from_s * 1e3).round() as usize..(to_s * 1e3).round() as usize {
                let low = (ms as f64) < low_until_s * 1e3;
                (cpu[ms], gpu[ms]) =
                    if low { (95.0 * factor, 280.0 * factor) } else { (170.0 * factor, 600.0 * factor) };
            }
        }
        let mut noise = 0.0;
        for ms in 0..length {
            // Smoothed over about 8 ms, with a deviation of 4 %.
            noise = 0.88 * noise + 0.02 * dice.normal();
            cpu[ms] = (cpu[ms] * (1.0 + noise)).clamp(20.0, CPU_MAX_W * 0.98);
            gpu[ms] = (gpu[ms] * (1.0 - noise)).clamp(60.0, GPU_MAX_W * 0.98);
        }
        let (cpu_energy, gpu_energy) = (Energy::of_watts(&cpu), Energy::of_watts(&gpu));
        let end_ns = (end_s * 1e9) as u64;
        let fast = fast_updates(end_ns + S, dice);
        let gpus = (0..GPUS).map(|_| Counter::new(slow_updates(100.0, end_ns + S, dice), &gpu_energy, 1_000.0));
        World {
            edges: self.edges,
            spans: self.spans,
            end_ns,
            cpu: Counter::new(fast, &cpu_energy, 61.0),
            gpus: gpus.collect(),
            cpu_energy,
            gpu_energy,
            lost: None,
        }
    }
}

fn fast_updates(until_ns: u64, dice: &mut Dice) -> Vec<u64> {
    let mut at_ms = 0.0;
    let mut updates = Vec::new();
    while at_ms * 1e6 < until_ns as f64 {
        let rare = if dice.roll() < 0.01 { 3.0 } else { 1.0 };
        at_ms += (1.0 + 0.1 * dice.normal()).clamp(0.5, 2.0) * rare;
        updates.push((at_ms * 1e6) as u64);
    }
    updates
}

/// Updates of a counter of about `period_ms`.
pub(crate) fn slow_updates(period_ms: f64, until_ns: u64, dice: &mut Dice) -> Vec<u64> {
    let mut beat_ms = dice.roll() * period_ms;
    let own_ms = period_ms * (1.0 + 2e-4 * dice.normal());
    let mut updates = Vec::new();
    while beat_ms * 1e6 < until_ns as f64 {
        let late_ms = if dice.roll() < 0.005 { 0.15 * period_ms } else { 0.0 };
        updates.push(((beat_ms + 0.01 * period_ms * dice.normal() + late_ms).max(0.0) * 1e6) as u64);
        beat_ms += own_ms + 0.002 * period_ms * dice.normal();
    }
    updates.sort_unstable();
    updates
}
