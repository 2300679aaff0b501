//! Computes energies and emissions from long recorded series of counter values, faster than the live measurement does,
//! and without bounds.
//!
//! A *counter* counts energy in raw units and *wraps* to 0 at 2^32. Differences of its values are summed as integers;
//! emissions need one multiplication for each time of constant carbon intensity (grams per kilowatt-hour). [`join`]
//! computes the energies of many spans (timed parts of a program) from one series of times and energies.

use crate::Scale;
use crate::units::uj_at_power;

/// Number of values handled at a time, 16 KiB of 4 bytes each: a second pass finds them in the first-level cache.
const BLOCK: usize = 4096;
/// Number of points that a cursor compares one by one before it advances in strides: 16 times of 8 bytes are two cache
/// lines.
const NEAR: usize = 16;

/// Returns the energy from the first to the last value of a 32-bit counter that wraps at 2^32, in raw units: an exact
/// integer.
///
/// It is right as long as the counter counts less than 2^32 from one value to the next. The sum of all differences is
/// the last value minus the first plus 2^32 for each wrap, so only the wraps have to be counted.
///
/// ```
/// // 32-bit counter: 100 before the wrap and 50 after it.
/// assert_eq!(eco2_core::batch::wrapping_energy(&[u32::MAX - 99, 50]), 150);
/// ```
#[must_use]
pub fn wrapping_energy(raw: &[u32]) -> u64 {
    let (Some(first), Some(last)) = (raw.first(), raw.last()) else { return 0 };
    let wraps: u64 = blocks(raw).map(|block| u64::from(wraps(block))).sum();
    (wraps << 32) + u64::from(*last) - u64::from(*first)
}

/// Returns the energy as [`wrapping_energy`] does, without the differences above `limit_raw`, which are implausible,
/// and the number of these: (energy in raw units, number of gaps).
///
/// ```
/// // A jump of 1 000 000 is above the limit: a gap, not energy.
/// assert_eq!(eco2_core::batch::guarded_energy(&[0, 10, 1_000_010, 1_000_030], 100), (30, 1));
/// ```
#[must_use]
pub fn guarded_energy(raw: &[u32], limit_raw: u32) -> (u64, u64) {
    let (mut sum, mut gaps) = (0, 0);
    for block in blocks(raw) {
        match over(block, limit_raw) {
            0 => sum += plausible_energy(block, limit_raw),
            over => {
                gaps += u64::from(over);
                sum += wrapping_energy(block) - energy_over(block, limit_raw);
            }
        }
    }
    (sum, gaps)
}

/// Returns the energy of a block in which no difference is above the limit. If [`BLOCK`] such differences stay below
/// 2^32, the two ends determine the energy, wrapped or not; otherwise wraps have to be counted.
fn plausible_energy(block: &[u32], limit_raw: u32) -> u64 {
    match block {
        [first, .., last] if (limit_raw as usize) < u32::MAX as usize / BLOCK => u64::from(last.wrapping_sub(*first)),
        _ => wrapping_energy(block),
    }
}

/// Returns the values in blocks of up to [`BLOCK`] differences. Each block ends with the value with which the next one
/// begins, so every difference lies within exactly one.
fn blocks(raw: &[u32]) -> impl Iterator<Item = &[u32]> {
    let differences = raw.len().saturating_sub(1);
    (0..differences).step_by(BLOCK).map(move |from| &raw[from..=(from + BLOCK).min(differences)])
}

/// Returns the pairs of consecutive values of a block. Iterating two slices side by side, with counts of 32 bits, lets
/// the compiler use vector instructions.
fn pairs(block: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    block.iter().copied().zip(block.iter().copied().skip(1))
}

/// Returns the number of wraps in a block: values below the one before.
fn wraps(block: &[u32]) -> u32 {
    pairs(block).map(|(from, to)| u32::from(to < from)).sum()
}

/// Returns the number of differences above the limit in a block.
fn over(block: &[u32], limit_raw: u32) -> u32 {
    pairs(block).map(|(from, to)| u32::from(to.wrapping_sub(from) > limit_raw)).sum()
}

/// Returns the part of a block's energy that lies in differences above the limit.
#[cold]
fn energy_over(block: &[u32], limit_raw: u32) -> u64 {
    let differences = pairs(block).map(|(from, to)| to.wrapping_sub(from));
    differences.map(|by| u64::from(if by > limit_raw { by } else { 0 })).sum()
}

/// Returns the largest difference, in raw units, that a power limit of `max_uw` microwatts allows between two readings
/// with at most `step_ns` nanoseconds between them.
///
/// ```
/// use eco2_core::{Scale, batch::limit_raw};
///
/// assert_eq!(limit_raw(Scale::MILLI, 100_000_000, 1_000_000_000), 100_000); // 100 W for 1 s
/// ```
#[must_use]
pub fn limit_raw(scale: Scale, max_uw: u64, step_ns: u64) -> u32 {
    // The scale of 10^9 raw units, so that a unit far below a microjoule keeps its digits.
    let uj_in_a_billion = scale.micro(1_000_000_000).max(1);
    let allowed = u128::from(uj_at_power(max_uw, step_ns)) * 1_000_000_000 / u128::from(uj_in_a_billion);
    u32::try_from(allowed).unwrap_or(u32::MAX)
}

/// Returns the emissions in grams of a counter's energy while the carbon intensity varies. `segments` are
/// `(end index, grams per kilowatt-hour)` with rising indices, the last one `raw.len()`. The energy of each segment is
/// an exact integer that is scaled once.
///
/// ```
/// use eco2_core::{Scale, batch::grams};
///
/// // 1 kWh (3.6 MJ) at 400 g/kWh, then 1 kWh at 100 g/kWh.
/// let counter = [0, 3_600_000, 7_200_000]; // joules
/// assert_eq!(grams(&counter, Scale::UNIT, &[(2, 400.0), (3, 100.0)]), 500.0);
/// ```
#[must_use]
pub fn grams(raw: &[u32], scale: Scale, segments: &[(usize, f64)]) -> f64 {
    let mut from = 0;
    let mut grams = 0.0;
    for &(to, g_per_kwh) in segments {
        let to = to.min(raw.len());
        let energy = wrapping_energy(raw.get(from.max(1) - 1..to).unwrap_or(&[]));
        grams += crate::units::grams(scale.micro(energy), g_per_kwh);
        from = to;
    }
    grams
}

/// Computes the energies of spans from a series of instants (`times`) and the energy counted until each (`energy_uj`),
/// on a straight line between them.
///
/// `out[i]` receives the energy from `begins[i]` to `ends[i]`, microjoules. `times` must rise. `begins` and `ends` must
/// each be sorted, as those of adjacent spans are: two cursors, one for each, run over the series once.
///
/// ```
/// let (times, energy_uj) = ([0, 10, 20], [0, 100, 300]);
/// let mut spans = [0; 2];
/// eco2_core::batch::join(&times, &energy_uj, &[0, 5], &[10, 20], &mut spans);
/// assert_eq!(spans, [100, 250]);
/// ```
pub fn join(times: &[u64], energy_uj: &[u64], begins: &[u64], ends: &[u64], out: &mut [u64]) {
    let mut begin = Cursor::new(times, energy_uj);
    let mut end = Cursor::new(times, energy_uj);
    for ((from, to), out) in begins.iter().zip(ends).zip(out) {
        *out = end.at(*to).saturating_sub(begin.at(*from));
    }
}

/// A place in a series of times and energies that only moves forward.
struct Cursor<'a> {
    times: &'a [u64],
    energy: &'a [u64],
    /// Index of the first point after the last instant that was asked for.
    next: usize,
}

impl<'a> Cursor<'a> {
    fn new(times: &'a [u64], energy: &'a [u64]) -> Self {
        let len = times.len().min(energy.len());
        Self { times: &times[..len], energy: &energy[..len], next: 0 }
    }

    /// Returns the energy at an instant that is not before the last one asked for; before the first point and after the
    /// last it is theirs.
    fn at(&mut self, t_ns: u64) -> u64 {
        self.seek(t_ns);
        let (Some(before), after) = (self.next.checked_sub(1), self.next) else {
            return self.energy.first().copied().unwrap_or(0);
        };
        let (Some(&to_ns), Some(&to_uj)) = (self.times.get(after), self.energy.get(after)) else {
            return self.energy[before];
        };
        let (from_ns, from_uj) = (self.times[before], self.energy[before]);
        // Times or energies that fall are an error of the caller that must not end the program: no underflow, no
        // division by 0.
        let (passed_ns, step_ns) = (t_ns.saturating_sub(from_ns), to_ns.saturating_sub(from_ns).max(1));
        let part = u128::from(to_uj.saturating_sub(from_uj)) * u128::from(passed_ns) / u128::from(step_ns);
        from_uj.saturating_add(part as u64)
    }

    /// Moves on to the first point after `t_ns`. Most spans are short compared with the series, so the next [`NEAR`]
    /// points are compared one by one first.
    fn seek(&mut self, t_ns: u64) {
        let near = self.times[self.next..].iter().take(NEAR);
        let passed = near.take_while(|&&time| time <= t_ns).count();
        self.next += passed;
        if passed == NEAR {
            self.gallop(t_ns);
        }
    }

    /// Moves on in strides that double, then by a binary search within the last stride.
    fn gallop(&mut self, t_ns: u64) {
        let (mut low, mut stride) = (self.next, NEAR);
        while low + stride <= self.times.len() && self.times[low + stride - 1] <= t_ns {
            low += stride;
            stride *= 2;
        }
        let high = (low + stride).min(self.times.len());
        self.next = low + self.times[low..high].partition_point(|&time| time <= t_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_count_once() {
        assert_eq!(wrapping_energy(&[u32::MAX - 1, 1, 5]), 3 + 4);
        assert_eq!(wrapping_energy(&[]), 0);
        assert_eq!(wrapping_energy(&[7]), 0);
        let long: Vec<u32> = (0..20_000u32).map(|i| i.wrapping_mul(1_000_003)).collect();
        assert_eq!(wrapping_energy(&long), 19_999 * 1_000_003);
    }

    #[test]
    fn a_jump_over_the_limit_is_a_gap() {
        assert_eq!(guarded_energy(&[0, 10, 5_000, 5_010], 100), (20, 1));
        assert_eq!(limit_raw(Scale::MICRO, 100_000_000, 10_000_000), 1_000_000);
    }

    #[test]
    fn d11_grams_follow_energy_and_each_segments_intensity() {
        let raw = [0u32, 3_600_000, 7_200_000];
        let scale = Scale::UNIT;
        // 1 kWh at 100 g and 1 kWh at 300 g.
        assert!((grams(&raw, scale, &[(2, 100.0), (3, 300.0)]) - 400.0).abs() < 1e-9);
    }

    #[test]
    fn join_interpolates_between_points() {
        let (times, energy) = ([0, 10, 20, 30], [0, 100, 100, 400]);
        let mut out = [0; 3];
        join(&times, &energy, &[0, 5, 22], &[5, 20, 99], &mut out);
        assert_eq!(out, [50, 50, 400 - 160]);
    }
}
