//! Computes the emissions of a column of energy readings. The energy is split where the intensity of a series
//! (intensity over time) changes, and each part is multiplied by its intensity. An *edge* is the time of such a change,
//! a *gap* a time without an intensity.
//!
//! Between two readings the energy is assumed to be spread evenly. Parts are differences of one cumulative integer, so
//! that they add up to the total, exactly. Energy in a gap or outside the series is reported separately, never
//! multiplied by 0.

use eco2_core::batch::wrapping_energy;
use eco2_core::{Scale, units};

use super::Series;

/// Energy of a period with one intensity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnergySlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Energy, microjoules.
    pub energy_uj: u64,
    /// Grams CO2e per kilowatt-hour; `None` if unknown.
    pub g_per_kwh: Option<f64>,
}

/// Emissions of a column of readings.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SeriesGrams {
    /// Grams CO2e of the energy whose intensity is known.
    pub grams: f64,
    /// All energy, microjoules.
    pub energy_uj: u64,
    /// The energy without an intensity, microjoules: in gaps, and before and after the series.
    pub unpriced_uj: u64,
}

impl Series {
    /// Splits cumulative energy at the edges of slots: `energy_uj[i]` is the energy used until `times_ns[i]`, both
    /// increasing.
    ///
    /// The energies of the parts add up to `energy_uj.last() - energy_uj.first()`, exactly.
    ///
    /// ```
    /// use eco2_grid::Series;
    ///
    /// let csv = b"time,gco2e_per_kwh\n1970-01-01T00:00Z,100\n1970-01-01T01:00Z,500\n";
    /// let series = Series::parse(csv, "series.csv", None)?;
    /// // 4 kWh from 00:30 to 01:30, spread evenly.
    /// let half_an_hour = 1_800_000_000_000;
    /// let parts = series.stretches(&[half_an_hour, 3 * half_an_hour], &[0, 4 * 3_600_000_000_000]);
    /// let grams: f64 = parts.iter().map(|part| part.energy_uj as f64 / 3.6e12 * part.g_per_kwh.unwrap_or(0.0)).sum();
    /// assert_eq!(grams, 2.0 * 100.0 + 2.0 * 500.0);
    /// # Ok::<(), eco2_grid::FileError>(())
    /// ```
    #[must_use]
    pub fn stretches(&self, times_ns: &[i64], energy_uj: &[u64]) -> Vec<EnergySlot> {
        let len = times_ns.len().min(energy_uj.len());
        let (times_ns, energy_uj) = (&times_ns[..len], &energy_uj[..len]);
        let at = |edge_ns: i64| {
            let after = times_ns.partition_point(|time| *time <= edge_ns).clamp(1, len - 1);
            let (from_uj, to_uj) = (energy_uj[after - 1], energy_uj[after]);
            from_uj + share(to_uj.saturating_sub(from_uj), times_ns[after - 1], edge_ns, times_ns[after])
        };
        self.split(times_ns, at)
    }

    /// Returns the emissions of a 32-bit counter that wraps, read at the increasing `times_ns`: every difference is
    /// multiplied by the intensity of its own time. The counter must wrap less than once between two readings.
    ///
    /// Every value is read once; times are looked up at the edges of slots only.
    #[must_use]
    pub fn emissions(&self, times_ns: &[i64], raw: &[u32], scale: Scale) -> SeriesGrams {
        let len = times_ns.len().min(raw.len());
        let mut counter = WrappingCounter { times_ns: &times_ns[..len], raw: &raw[..len], passed: 0, total: 0 };
        let stretches = self.split(counter.times_ns, |edge_ns| scale.micro(counter.at(edge_ns)));
        let mut sum = SeriesGrams::default();
        for stretch in stretches {
            sum.energy_uj += stretch.energy_uj;
            match stretch.g_per_kwh {
                Some(g_per_kwh) => sum.grams += units::grams(stretch.energy_uj, g_per_kwh),
                None => sum.unpriced_uj += stretch.energy_uj,
            }
        }
        sum
    }

    /// Returns the parts of a cumulative energy between edges of slots, sorted by time. `energy_at` is called once per
    /// edge.
    fn split(&self, times_ns: &[i64], mut energy_at: impl FnMut(i64) -> u64) -> Vec<EnergySlot> {
        let (Some(&first_ns), Some(&last_ns)) = (times_ns.first(), times_ns.last()) else { return Vec::new() };
        let mut stretches = Vec::new();
        if first_ns >= last_ns {
            return stretches;
        }
        let (mut from_ns, mut from_uj) = (first_ns, energy_at(first_ns));
        while from_ns < last_ns {
            let to_ns = self.next_edge(from_ns).min(last_ns);
            let to_uj = energy_at(to_ns).max(from_uj);
            stretches.push(EnergySlot { from_ns, to_ns, energy_uj: to_uj - from_uj, g_per_kwh: self.at(from_ns) });
            (from_ns, from_uj) = (to_ns, to_uj);
        }
        stretches
    }

    /// Returns the first edge after an instant; the end of time after the series.
    pub(crate) fn next_edge(&self, after_ns: i64) -> i64 {
        if after_ns < self.from_ns() {
            return self.from_ns();
        }
        if after_ns >= self.to_ns() {
            return i64::MAX;
        }
        after_ns + self.step_ns() - (after_ns - self.from_ns()) % self.step_ns()
    }
}

/// A wrapping counter with the sum of its differences up to the last requested instant.
struct WrappingCounter<'a> {
    times_ns: &'a [i64],
    raw: &'a [u32],
    passed: usize,
    total: u64,
}

impl WrappingCounter<'_> {
    /// Returns the raw units since the first reading, at an instant that is not before the last requested one.
    fn at(&mut self, edge_ns: i64) -> u64 {
        let rest = &self.times_ns[self.passed + 1..];
        let to = self.passed + rest.partition_point(|time| *time <= edge_ns);
        self.total += wrapping_energy(&self.raw[self.passed..=to]);
        self.passed = to;
        let (Some(&after_ns), Some(&after)) = (self.times_ns.get(to + 1), self.raw.get(to + 1)) else {
            return self.total;
        };
        let step = u64::from(after.wrapping_sub(self.raw[to]));
        self.total + share(step, self.times_ns[to], edge_ns, after_ns)
    }
}

/// Returns the share of an energy that falls between `from_ns` and `edge_ns` when it is spread evenly up to `to_ns`.
fn share(energy: u64, from_ns: i64, edge_ns: i64, to_ns: i64) -> u64 {
    let whole_ns = to_ns.saturating_sub(from_ns).max(1);
    let passed_ns = edge_ns.saturating_sub(from_ns).clamp(0, whole_ns);
    (u128::from(energy) * passed_ns as u128 / whole_ns as u128) as u64
}
