//! Runs to forecast: simulated ones, and recorded ones.

/// A source of random numbers that is the same every time: splitmix64.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from 0 to 1.
    pub(crate) fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.even()
    }

    /// Normal, of mean 0 and deviation 1, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.even()).ln()).sqrt() * (std::f64::consts::TAU * self.even()).cos()
    }
}

/// Energies of the steps of a run, microjoules: a warm-up of 5 to 40 % that fades, noise that resembles its neighbours,
/// a mean that wanders by 3 % (standard deviation at the end), and an evaluation now and then that adds 10 to 30 %.
pub(crate) fn simulated(noise: &mut Noise) -> Vec<u64> {
    let count = [200, 400, 1000, 3000][(noise.even() * 4.0) as usize];
    let (start, fade) = (noise.between(0.05, 0.4), noise.between(0.005, 0.03) * count as f64);
    let (like, scatter) = (noise.between(0.0, 0.8), noise.between(0.01, 0.15));
    let every = (count as f64 / noise.between(20.0, 60.0)) as usize;
    let evaluation = if noise.even() < 0.5 { 0.0 } else { noise.between(0.1, 0.3) * every as f64 };
    let (mut last, mut mean) = (0.0, 1.0);
    let step = |index: usize| {
        last = like * last + (1.0 - like * like).sqrt() * scatter * noise.normal();
        mean += 0.03 / (count as f64).sqrt() * noise.normal();
        let warm = 1.0 + start * (-(index as f64) / fade).exp();
        let more = if (index + 1_usize) % every.max(1) == 0 { evaluation } else { 0.0 };
        (1e6 * (mean * warm * (1.0 + last) + more).max(0.05)) as u64
    };
    (0..count).map(step).collect()
}

/// Recorded runs, one a line of `recorded.txt`, which states how they came about.
pub(crate) fn recorded() -> Vec<Vec<u64>> {
    let lines = include_str!("recorded.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').map(|step| step.parse().unwrap()).collect()).collect()
}

/// A kind of run: its name, and one of it at random.
pub(crate) type Family = (&'static str, fn(&mut Noise) -> Vec<u64>);

/// Kinds of runs that a forecast has to hold for, each pure. The parameters of a kind are drawn again for every run.
pub(crate) const FAMILIES: [Family; 9] = [
    ("steady", steady),
    ("alike", alike),
    ("warming up", warming_up),
    ("wandering", wandering),
    ("evaluating", evaluating),
    ("uneven", uneven),
    ("throttled", throttled),
    ("accumulating", accumulating),
    ("mixed", simulated),
];

fn steps_of(noise: &mut Noise) -> usize {
    [200, 400, 1000, 3000][(noise.even() * 4.0) as usize]
}

fn uj(relative: f64) -> u64 {
    (1e6 * relative.max(0.05)) as u64
}

/// Independent noise of 1 to 20 %.
fn steady(noise: &mut Noise) -> Vec<u64> {
    let (count, scatter) = (steps_of(noise), noise.between(0.01, 0.2));
    (0..count).map(|_| uj(1.0 + scatter * noise.normal())).collect()
}

/// Noise that resembles its neighbours: correlation of 0.5 to 0.95 from step to step.
fn alike(noise: &mut Noise) -> Vec<u64> {
    let (count, like, scatter) = (steps_of(noise), noise.between(0.5, 0.95), noise.between(0.01, 0.1));
    let mut last = noise.normal() * scatter;
    let step = |_| {
        last = like * last + (1.0 - like * like).sqrt() * scatter * noise.normal();
        uj(1.0 + last)
    };
    (0..count).map(step).collect()
}

/// The first 0.5 to 8 % of the run cost 1.2 to 4 times as much and fade.
fn warming_up(noise: &mut Noise) -> Vec<u64> {
    let (count, scatter) = (steps_of(noise), noise.between(0.01, 0.15));
    let (start, fade) = (noise.between(0.2, 3.0), noise.between(0.005, 0.03) * count as f64);
    let step = |index: usize| uj(1.0 + start * (-(index as f64) / fade).exp() + scatter * noise.normal());
    (0..count).map(step).collect()
}

/// The mean wanders by 1 to 10 % (standard deviation at the end).
fn wandering(noise: &mut Noise) -> Vec<u64> {
    let (count, scatter, far) = (steps_of(noise), noise.between(0.01, 0.1), noise.between(0.01, 0.1));
    let mut mean = 1.0;
    let step = |_| {
        mean += far / (count as f64).sqrt() * noise.normal();
        uj(mean + scatter * noise.normal())
    };
    (0..count).map(step).collect()
}

/// Every 1 to 4 % of the run an evaluation that adds 5 to 50 % of the run's energy.
fn evaluating(noise: &mut Noise) -> Vec<u64> {
    let (count, scatter) = (steps_of(noise), noise.between(0.01, 0.1));
    let every = (count as f64 * noise.between(0.01, 0.04)) as usize;
    let evaluation = noise.between(0.05, 0.5) * every as f64;
    let more = |index: usize| if (index + 1) % every.max(1) == 0 { evaluation } else { 0.0 };
    (0..count).map(|index| uj(1.0 + scatter * noise.normal() + more(index))).collect()
}

/// Steps of very different length, as sequences are: log-normal with a deviation of 0.2 to 0.7.
fn uneven(noise: &mut Noise) -> Vec<u64> {
    let (count, scatter) = (steps_of(noise), noise.between(0.2, 0.7));
    (0..count).map(|_| uj((scatter * noise.normal()).exp())).collect()
}

/// The power falls or rises by 0 to 10 % from the beginning to the end.
fn throttled(noise: &mut Noise) -> Vec<u64> {
    let (count, scatter, slope) = (steps_of(noise), noise.between(0.01, 0.1), noise.between(-0.1, 0.1));
    (0..count).map(|index| uj(1.0 + slope * index as f64 / count as f64 + scatter * noise.normal())).collect()
}

/// Steps of 2 to 8 inner ones, each with noise of its own and a slow optimiser step every so often.
fn accumulating(noise: &mut Noise) -> Vec<u64> {
    let (count, inner, scatter) = (steps_of(noise), 2 + (noise.even() * 7.0) as usize, noise.between(0.02, 0.3));
    let step = |_| {
        let sum: f64 = (0..inner).map(|_| (scatter * noise.normal()).exp()).sum();
        uj(sum / inner as f64 + 0.1)
    };
    (0..count).map(step).collect()
}
