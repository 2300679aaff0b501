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

/// Energies of the steps of a run, microjoules: a warm-up of 5 to 40 % that fades, noise that resembles its neighbours, a
/// mean that wanders by 3 % (standard deviation at the end), and an evaluation now and then that adds 10 to 30 %.
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
        let more = if (index + 1_usize).is_multiple_of(every) { evaluation } else { 0.0 };
        (1e6 * (mean * warm * (1.0 + last) + more).max(0.05)) as u64
    };
    (0..count).map(step).collect()
}

/// Recorded runs, one a line of `recorded.txt`, which says how they came about.
pub(crate) fn recorded() -> Vec<Vec<u64>> {
    let lines = include_str!("recorded.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').map(|step| step.parse().unwrap()).collect()).collect()
}
