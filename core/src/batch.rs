//! Bulk accounting over columns: history recomputed at the speed of memory.
//!
//! The same arithmetic as the live account, without bounds: wrapping 32-bit counter differences summed as integers, one
//! multiplication per intensity segment; and the join of many spans with one cumulative timeline.

use crate::Scale;
use crate::units::uj_at_power;

/// Points handled at a time: what a second look needs is still in the first-level cache (16 KiB).
const BLOCK: usize = 4096;
/// Points that a cursor looks at one by one before it gallops: two cache lines.
const NEAR: usize = 16;

/// Energy between consecutive values of a 32-bit counter that wraps at 2^32, in raw units: an exact integer.
///
/// A point is one counter value; every difference counts, wraps included, as long as less than one range lies between.
/// The differences telescope to the two ends plus one range a wrap, so that only wraps have to be counted.
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

/// The same with a plausibility guard: differences above `limit_raw` count as gaps, not as energy. Returns both.
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

/// Energy of a block without a difference above the limit: if it cannot reach the range, the two ends determine it,
/// wrapped or not.
fn plausible_energy(block: &[u32], limit_raw: u32) -> u64 {
    match block {
        [first, .., last] if (limit_raw as usize) < u32::MAX as usize / BLOCK => u64::from(last.wrapping_sub(*first)),
        _ => wrapping_energy(block),
    }
}

/// Blocks that share their end points: every difference lies within exactly one.
fn blocks(raw: &[u32]) -> impl Iterator<Item = &[u32]> {
    let differences = raw.len().saturating_sub(1);
    (0..differences).step_by(BLOCK).map(move |from| &raw[from..=(from + BLOCK).min(differences)])
}

/// Consecutive values. Two slices in step, counted in 32 bits: the compiler makes vector code of it.
fn pairs(block: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    block.iter().copied().zip(block.iter().copied().skip(1))
}

fn wraps(block: &[u32]) -> u32 {
    pairs(block).map(|(from, to)| u32::from(to < from)).sum()
}

fn over(block: &[u32], limit_raw: u32) -> u32 {
    pairs(block).map(|(from, to)| u32::from(to.wrapping_sub(from) > limit_raw)).sum()
}

/// The part of a block's energy that lies in differences above the limit.
#[cold]
fn energy_over(block: &[u32], limit_raw: u32) -> u64 {
    let differences = pairs(block).map(|(from, to)| to.wrapping_sub(from));
    differences.map(|by| u64::from(if by > limit_raw { by } else { 0 })).sum()
}

/// The raw difference that a power limit allows between two readings with at most `step_ns` between them.
///
/// ```
/// use eco2_core::{Scale, batch::limit_raw};
///
/// assert_eq!(limit_raw(Scale::MILLI, 100_000_000, 1_000_000_000), 100_000); // 100 W for 1 s
/// ```
#[must_use]
pub fn limit_raw(scale: Scale, max_uw: u64, step_ns: u64) -> u32 {
    // A thousand million raw units, so that a unit far below a microjoule keeps its digits.
    let uj_in_a_billion = scale.micro(1_000_000_000).max(1);
    let allowed = u128::from(uj_at_power(max_uw, step_ns)) * 1_000_000_000 / u128::from(uj_in_a_billion);
    u32::try_from(allowed).unwrap_or(u32::MAX)
}

/// Grams over time-varying intensity: `segments` are `(end index, grams per kilowatt-hour)`, rising, the last one
/// ending at `raw.len()`. Energy is an integer per segment and is scaled once.
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

/// Joins spans with a cumulative timeline: energy of each `(begin_ns, end_ns)`, straight between points.
///
/// `begins` and `ends` are sorted each for itself (adjacent or nested spans are); `times` rises. Two cursors run over
/// the timeline once. `out[i]` receives `E(ends[i]) - E(begins[i])`.
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

struct Cursor<'a> {
    times: &'a [u64],
    energy: &'a [u64],
    next: usize,
}

impl<'a> Cursor<'a> {
    fn new(times: &'a [u64], energy: &'a [u64]) -> Self {
        let len = times.len().min(energy.len());
        Self { times: &times[..len], energy: &energy[..len], next: 0 }
    }

    fn at(&mut self, t_ns: u64) -> u64 {
        self.seek(t_ns);
        let (Some(before), after) = (self.next.checked_sub(1), self.next) else {
            return self.energy.first().copied().unwrap_or(0);
        };
        let (Some(&to_ns), Some(&to_uj)) = (self.times.get(after), self.energy.get(after)) else {
            return self.energy[before];
        };
        let (from_ns, from_uj) = (self.times[before], self.energy[before]);
        // What does not rise is no timeline, but must not end the program: no underflow, no division by 0.
        let (passed_ns, step_ns) = (t_ns.saturating_sub(from_ns), to_ns.saturating_sub(from_ns).max(1));
        let part = u128::from(to_uj.saturating_sub(from_uj)) * u128::from(passed_ns) / u128::from(step_ns);
        from_uj.saturating_add(part as u64)
    }

    /// Moves on to the first point after `t_ns`: point by point at first, for spans are short against the timeline;
    /// then in doubling strides, with a binary search within the last one.
    fn seek(&mut self, t_ns: u64) {
        let near = self.times[self.next..].iter().take(NEAR);
        let passed = near.take_while(|&&time| time <= t_ns).count();
        self.next += passed;
        if passed == NEAR {
            self.gallop(t_ns);
        }
    }

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
