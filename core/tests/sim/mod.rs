//! A simulated counter over a known load: the truth is an exact integral, the readings are what a sampler would see.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod family;

use eco2_core::{Component, Domain, Fault, Reading, Scale};

/// A small deterministic generator (xorshift64*), so that every case can be named by its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit.max(1)
    }

    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Above 0, up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.below(1 << 53) + 1) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in the logarithm.
    pub(crate) fn log_within(&mut self, low: f64, high: f64) -> f64 {
        self.within(low.ln(), high.ln()).exp()
    }

    /// Nearly normal, of mean 0 and variance 1.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Power in microwatts, constant between steps: `(from_ns, uw)`.
pub(crate) struct Load(pub(crate) Vec<(u64, u64)>);

impl Load {
    pub(crate) fn random(random: &mut Random, end_ns: u64, min_uw: u64, max_uw: u64) -> Self {
        let mut steps = vec![(0, random.between(min_uw, max_uw))];
        while steps.last().unwrap().0 < end_ns {
            let at = steps.last().unwrap().0 + random.between(100_000, 300_000_000);
            steps.push((at, random.between(min_uw, max_uw)));
        }
        Self(steps)
    }

    pub(crate) fn square(period_ns: u64, low_uw: u64, high_uw: u64, end_ns: u64) -> Self {
        let halves = 2 * end_ns / period_ns + 2;
        Self((0..halves).map(|i| (i * period_ns / 2, if i % 2 == 0 { high_uw } else { low_uw })).collect())
    }

    /// Spikes to `high_uw` of 0.1 to 50 ms at random instants.
    pub(crate) fn spikes(random: &mut Random, end_ns: u64, low_uw: u64, high_uw: u64) -> Self {
        let (mut steps, mut at_ns) = (vec![(0, low_uw)], 0);
        while at_ns < end_ns {
            at_ns += random.between(100_000, 800_000_000);
            steps.push((at_ns, high_uw));
            at_ns += random.between(100_000, 50_000_000);
            steps.push((at_ns, low_uw));
        }
        Self(steps)
    }

    /// Any of these.
    pub(crate) fn any(random: &mut Random, end_ns: u64, low_uw: u64, high_uw: u64) -> Self {
        match random.below(4) {
            0 => {
                Self::square([1_000_000, 100_000_000, 1_000_000_000][random.below(3) as usize], low_uw, high_uw, end_ns)
            }
            1 => Self::square(random.between(2_000_000, 3_000_000_000), low_uw, high_uw, end_ns),
            2 => Self::spikes(random, end_ns, low_uw, high_uw),
            _ => Self::random(random, end_ns, low_uw, high_uw),
        }
    }

    /// Microwatts at an instant.
    pub(crate) fn power(&self, at_ns: u64) -> u64 {
        self.0[self.0.partition_point(|(from_ns, _)| *from_ns <= at_ns) - 1].1
    }

    /// Exact energy until `t_ns` in microwatt-nanoseconds.
    pub(crate) fn exact(&self, t_ns: u64) -> u128 {
        let mut sum = 0;
        for (index, (from, uw)) in self.0.iter().enumerate() {
            let to = self.0.get(index + 1).map_or(u64::MAX, |next| next.0).min(t_ns);
            sum += u128::from(*uw) * u128::from(to.saturating_sub(*from));
        }
        sum
    }

    /// Microjoules, rounded down.
    pub(crate) fn uj(&self, t_ns: u64) -> u64 {
        (self.exact(t_ns) / 1_000_000_000) as u64
    }
}

/// How a counter is updated and read.
pub(crate) struct Setup {
    pub(crate) period_ns: u64,
    pub(crate) jitter_ns: u64,
    pub(crate) poll_ns: u64,
    pub(crate) range: Option<u64>,
    pub(crate) unit_uj: u64,
    pub(crate) fail_percent: u64,
    pub(crate) offset: u64,
}

impl Setup {
    pub(crate) fn domain(&self) -> Domain {
        let scale = Scale::from_base_per_raw(self.unit_uj as f64 / 1e6).unwrap();
        Domain { scale, range: self.range, ..Domain::counter("sim", Component::Cpu, "package", "sim") }
    }

    /// What a sampler reads until `end_ns`.
    pub(crate) fn readings(&self, random: &mut Random, load: &Load, end_ns: u64) -> Vec<Reading> {
        let updates = self.updates(random, end_ns);
        let mut readings = Vec::new();
        let mut now = 1_000_000;
        while now < end_ns {
            let before_ns = now;
            let read_ns = before_ns + random.between(0, 20_000);
            let after_ns = read_ns + random.between(0, 20_000);
            let at = updates[updates.partition_point(|&u| u <= read_ns) - 1];
            let raw = load.uj(at) / self.unit_uj + self.offset;
            let raw = self.range.map_or(raw, |range| raw % range);
            let value = if random.below(100) < self.fail_percent { Err(Fault::Failed) } else { Ok(raw) };
            readings.push(Reading { before_ns, after_ns, value });
            now = after_ns + random.between(self.poll_ns / 2, self.poll_ns * 3 / 2);
        }
        readings
    }

    fn updates(&self, random: &mut Random, end_ns: u64) -> Vec<u64> {
        let mut updates = vec![0];
        while *updates.last().unwrap() < end_ns {
            let jitter = random.between(0, 2 * self.jitter_ns);
            updates.push(updates.last().unwrap() + self.period_ns + jitter - self.jitter_ns);
        }
        updates
    }
}
