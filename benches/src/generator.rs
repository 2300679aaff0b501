//! A realistic run for tests and benches of the log: the same readings every time.
//!
//! Two packages and two DRAM domains in units of 2^-14 J (61 µJ) read as one group every 10 ms, and eight GPUs in mJ read
//! behind them, whose counters move every 100 ms. Wake-ups come 50 to 150 µs late (timer slack, one in a hundred 2 ms),
//! RAPL counters move in steps of 1 ms, loads follow training steps of 400 ms with noise.

use eco2_core::{Component, Domain, Fault, Reading, Scale};

const TICK_NS: u64 = 10_000_000;
const RAPL_STEP_NS: u64 = 1_000_000;
const GPU_STEP_NS: u64 = 100_000_000;
const STEP_NS: u64 = 400_000_000;

/// Whether the GPUs of a tick share one bracket or have one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brackets {
    /// One for all.
    Shared,
    /// One each, as separate calls into a driver have.
    Each,
}

/// The generator.
#[derive(Debug)]
pub(crate) struct Generator {
    random: u64,
    tick: u64,
    rapl: [Counter; 4],
    gpus: [Counter; 8],
    brackets: Brackets,
}

/// One counter: its value and the time of its next change.
#[derive(Debug, Clone, Copy)]
struct Counter {
    next_ns: u64,
    exact: f64,
    raw: u64,
}

impl Generator {
    /// A run from its beginning.
    #[must_use]
    pub(crate) fn new(brackets: Brackets) -> Self {
        let counter = |at: u64, step: u64| Counter { next_ns: at * step / 8, exact: 1e9, raw: 1_000_000_000 };
        Self {
            random: 0x9e37_79b9_7f4a_7c15,
            tick: 0,
            rapl: std::array::from_fn(|at| counter(at as u64, RAPL_STEP_NS)),
            gpus: std::array::from_fn(|at| counter(at as u64, GPU_STEP_NS)),
            brackets,
        }
    }

    /// Domains of the two sources.
    #[must_use]
    pub(crate) fn domains() -> [Vec<Domain>; 2] {
        let rapl = ["package-0", "package-1", "dram-0", "dram-1"].map(|id| {
            let (name, _) = id.split_once('-').unwrap_or((id, ""));
            let part = if name == "dram" { Component::Memory } else { Component::Cpu };
            let scale = Scale::from_base_per_raw(1.0 / 16_384.0).unwrap_or(Scale::MICRO);
            Domain { scale, range: Some(1 << 32), ..Domain::counter(id, part, name, "rapl-perf") }
        });
        let gpu = |at: usize| {
            let id = format!("GPU-{at}");
            Domain { scale: Scale::MILLI, ..Domain::counter(&id, Component::Gpu, "board", "nvml") }
        };
        [rapl.to_vec(), (0..8).map(gpu).collect()]
    }

    /// Readings of the next tick, by source.
    pub(crate) fn tick(&mut self) -> [Vec<(usize, Reading)>; 2] {
        let late = 50_000 + self.below(100_000) + if self.below(100) == 0 { 2_000_000 } else { 0 };
        let mut now = self.tick * TICK_NS + late;
        self.tick += 1;
        let width = 3_000 + self.below(3_000);
        let rapl = self.group(now, width);
        now += width + 200 + self.below(300);
        let gpus = self.gpus(now);
        [rapl, gpus]
    }

    fn group(&mut self, before_ns: u64, width: u64) -> Vec<(usize, Reading)> {
        let mut out = Vec::new();
        for at in 0..4 {
            let watts = if at < 2 { 120.0 + 110.0 * busy(before_ns) } else { 22.0 + 6.0 * busy(before_ns) };
            let raw = self.advance(at, before_ns, RAPL_STEP_NS, watts * 16_384.0, true);
            out.push((at, Reading { before_ns, after_ns: before_ns + width, value: Ok(raw) }));
        }
        out
    }

    fn gpus(&mut self, mut before_ns: u64) -> Vec<(usize, Reading)> {
        let shared = 40_000 + self.below(8_000);
        let mut out = Vec::new();
        for at in 0..8 {
            let width = if self.brackets == Brackets::Shared { shared } else { 5_000 + self.below(1_000) };
            let raw = self.advance(at, before_ns, GPU_STEP_NS, (250.0 + 400.0 * busy(before_ns)) * 1e3, false);
            let value = if self.below(5_000) == 0 { Err(Fault::NotAvailable) } else { Ok(raw) };
            out.push((at, Reading { before_ns, after_ns: before_ns + width, value }));
            if self.brackets == Brackets::Each {
                before_ns += width + 60 + self.below(40);
            }
        }
        out
    }

    /// Moves a counter up to `now`, in its steps, at `rate` raw units a second with 4 % noise.
    fn advance(&mut self, at: usize, now: u64, step: u64, rate: f64, rapl: bool) -> u64 {
        let mut counter = if rapl { self.rapl[at] } else { self.gpus[at] };
        while counter.next_ns <= now {
            let noise = 0.96 + self.below(80_000) as f64 / 1e6;
            counter.exact += rate * noise * step as f64 / 1e9;
            counter.raw = counter.exact as u64;
            counter.next_ns += step + self.below(step / 100);
        }
        let slot = if rapl { &mut self.rapl[at] } else { &mut self.gpus[at] };
        *slot = counter;
        counter.raw
    }

    /// xorshift64, Marsaglia 2003, reduced to below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % limit.max(1)
    }
}

/// Load of a training loop: four fifths of a step busy, the rest waiting for data.
fn busy(now: u64) -> f64 {
    if now % STEP_NS < STEP_NS * 4 / 5 { 1.0 } else { 0.2 }
}
