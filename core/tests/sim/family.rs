//! Ten kinds of load to measure coverage on: power over time in units of the interval between two readings.

use super::Random;

/// Kinds of load, in the order of [`LoadProfile::of`].
pub(crate) const KINDS: [&str; 10] = [
    "constant",
    "ramp",
    "square wave, 0.1 to 1 interval",
    "square wave, 1 to 10 intervals",
    "bursts, 5 to 30 % of the time",
    "first-order noise",
    "independent steps",
    "training with validation",
    "steps of any length",
    "rare bursts, 0.5 to 5 %",
];
/// The kind that no sample can promise anything of: most spans meet none of its bursts.
pub(crate) const RARE: usize = 9;

/// Watts, constant between instants, and joules until each.
pub(crate) struct LoadProfile {
    at: Vec<f64>,
    watts: Vec<f64>,
    joules: Vec<f64>,
}

impl LoadProfile {
    pub(crate) fn of(kind: usize, random: &mut Random, end: f64) -> Self {
        let (low, high) = (random.within(5.0, 150.0), random.within(160.0, 400.0));
        let mut profile = Self { at: Vec::new(), watts: Vec::new(), joules: Vec::new() };
        match kind {
            0 => profile.step(0.0, high),
            1 => profile.triangle(random, end, low, high),
            2 => profile.square(random, end, (0.1, 1.0), (low, high)),
            3 => profile.square(random, end, (1.0, 10.0), (low, high)),
            4 => profile.bursts(random, end, (0.05, 0.3), (low, high)),
            5 => profile.noise(random, end),
            6 => profile.steps(random, end, (1.0, 1.0), (0.02, 1.0), (low, high)),
            7 => profile.training(random, end, low, high),
            8 => profile.steps(random, end, (0.01, 2.0), (0.1, 20.0), (low, high)),
            _ => profile.bursts(random, end, (0.005, 0.05), (low, high)),
        }
        profile
    }

    pub(crate) fn power(&self, at: f64) -> f64 {
        self.watts[self.index(at)]
    }

    /// Energy until `at`, in watts times intervals.
    pub(crate) fn energy(&self, at: f64) -> f64 {
        let index = self.index(at);
        self.joules[index] + self.watts[index] * (at - self.at[index])
    }

    fn index(&self, at: f64) -> usize {
        self.at.partition_point(|&from| from <= at).max(1) - 1
    }

    fn step(&mut self, at: f64, watts: f64) {
        let last = self.at.last().map_or(0.0, |from| self.watts.last().unwrap() * (at - from));
        self.joules.push(self.joules.last().unwrap_or(&0.0) + last);
        self.at.push(at);
        self.watts.push(watts);
    }

    fn triangle(&mut self, random: &mut Random, end: f64, low: f64, high: f64) {
        let period = random.log_within(5.0, 200.0);
        let phase = random.within(0.0, period);
        for tick in 0..(end / 0.02) as u64 {
            let at = tick as f64 * 0.02;
            let part = ((at + phase) / period).fract();
            self.step(at, low + (high - low) * if part < 0.5 { 2.0 * part } else { 2.0 - 2.0 * part });
        }
    }

    fn square(&mut self, random: &mut Random, end: f64, periods: (f64, f64), (low, high): (f64, f64)) {
        let period = random.log_within(periods.0, periods.1);
        let duty = random.within(0.1, 0.9);
        let mut at = -random.within(0.0, period);
        while at < end {
            self.step(at, high);
            self.step(at + duty * period, low);
            at += period;
        }
    }

    fn bursts(&mut self, random: &mut Random, end: f64, duties: (f64, f64), (low, high): (f64, f64)) {
        let duty = random.within(duties.0, duties.1);
        let length = random.log_within(0.05, 2.0);
        self.step(-1.0, low);
        let mut at = -random.unit().ln() * length * (1.0 - duty) / duty;
        while at < end {
            self.step(at, high);
            at += length * random.within(0.5, 1.5);
            self.step(at, low);
            at -= random.unit().ln() * length * (1.0 - duty) / duty;
        }
    }

    /// An autoregressive profile with a time constant of 0.1 to 10 intervals around 200 W.
    fn noise(&mut self, random: &mut Random, end: f64) {
        let constant = random.log_within(0.1, 10.0);
        let length = f64::min(constant / 5.0, 0.05);
        let kept = (-length / constant).exp();
        let (mut state, mut at) = (random.normal(), 0.0);
        while at < end {
            self.step(at, f64::clamp(200.0 + 40.0 * state, 0.0, 400.0));
            state = kept * state + (1.0 - kept * kept).sqrt() * random.normal();
            at += length;
        }
    }

    fn steps(&mut self, random: &mut Random, end: f64, each: (f64, f64), lengths: (f64, f64), (low, high): (f64, f64)) {
        let length = random.log_within(lengths.0, lengths.1);
        let mut at = -length * random.unit();
        while at < end {
            let watts = random.within(low, high);
            self.step(at, watts);
            at += length * random.within(each.0, each.1);
        }
    }

    /// Steps of 0.05 to 3 intervals, computing and then waiting, and a pause every 50 to 200.
    fn training(&mut self, random: &mut Random, end: f64, low: f64, high: f64) {
        let (period, duty) = (random.log_within(0.05, 3.0), random.within(0.5, 0.9));
        let (every, pause) = (random.within(50.0, 200.0), random.within(5.0, 20.0));
        let mut at = -period * random.unit();
        let mut next = random.within(0.0, every);
        while at < end {
            if at >= next {
                self.step(at, low + 0.3 * (high - low));
                at += pause;
                next = at + every;
            }
            let length = period * random.within(0.9, 1.1);
            let watts = high * random.within(0.95, 1.05);
            self.step(at, watts);
            self.step(at + duty * length, low);
            at += length;
        }
    }
}
