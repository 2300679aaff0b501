//! Columns of a block in the run log: up to 128 integers (times or values), written in the shortest of five lossless codings.
//!
//! Each coding turns the values into *residuals*. The residuals are packed relative to their minimum: the minimum, then for
//! each residual as many bits as the largest distance from the minimum needs. All arithmetic wraps, so any sequence of
//! `u64` can be written.
//!
//! | coding | residuals | short for |
//! | --- | --- | --- |
//! | plain | the values | durations of reads, power |
//! | delta | differences of neighbours | counters under a varying load |
//! | double delta | differences of differences | smooth ramps |
//! | linear | distance from the straight line from the first to the last value | regular times with jitter |
//! | sparse | one bit per value (changed or not), then the differences of those that changed | counters that update rarely |

use super::bits::{BitWriter, ByteReader, bit_width, put_varint, unzigzag, varint_len, zigzag};

/// The coding of a column. The code in the file is the index in [`Coding::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Plain,
    Delta,
    DoubleDelta,
    Linear,
    Sparse,
}

impl Coding {
    const ALL: [Self; 5] = [Self::Plain, Self::Delta, Self::DoubleDelta, Self::Linear, Self::Sparse];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Memory that is reused from column to column.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Residuals of the coding that is tried.
    residuals: Vec<i64>,
    /// Residuals of the shortest coding so far.
    best: Vec<i64>,
}

/// Appends a column in its shortest coding. An empty column has no bytes.
pub(super) fn put_column(values: &[u64], scratch: &mut Scratch, out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    let (mut coding, mut least_bytes) = (Coding::Plain, usize::MAX);
    for candidate in Coding::ALL {
        fill_residuals(candidate, values, &mut scratch.residuals);
        let bytes = coded_bytes(candidate, values, &scratch.residuals);
        if bytes < least_bytes {
            (coding, least_bytes) = (candidate, bytes);
            std::mem::swap(&mut scratch.residuals, &mut scratch.best);
        }
    }
    out.push(coding as u8);
    if coding != Coding::Plain {
        put_varint(out, first);
    }
    match coding {
        Coding::DoubleDelta => put_varint(out, zigzag(first_step(values))),
        Coding::Linear => put_varint(out, zigzag(slope(values))),
        Coding::Sparse => put_bitmap(values.windows(2).map(|pair| pair[0] != pair[1]), out),
        Coding::Plain | Coding::Delta => {}
    }
    put_packed(&scratch.best, out);
}

/// Appends one bit per value, padded to whole bytes.
pub(super) fn put_bitmap(bits: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let mut writer = BitWriter::new(out);
    bits.for_each(|bit| writer.put(u64::from(bit), 1));
    writer.finish();
}

/// Reads a column of `count` values; `None` if the bytes are not valid.
pub(super) fn get_column(input: &mut ByteReader<'_>, count: usize) -> Option<Vec<u64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let coding = Coding::from_code(input.byte()?)?;
    if coding == Coding::Plain {
        return Some(get_packed(input, count)?.into_iter().map(|value| value as u64).collect());
    }
    let first = input.varint()?;
    match coding {
        Coding::Plain | Coding::Delta => Some(running_sums(first, &get_packed(input, count - 1)?)),
        Coding::DoubleDelta => {
            let step = unzigzag(input.varint()?) as u64;
            let steps = running_sums(step, &get_packed(input, count.saturating_sub(2))?);
            let steps: Vec<i64> = steps.into_iter().take(count - 1).map(|step| step as i64).collect();
            Some(running_sums(first, &steps))
        }
        Coding::Linear => {
            let slope = unzigzag(input.varint()?);
            let distances = get_packed(input, count)?;
            Some(
                (0..)
                    .zip(distances)
                    .map(|(index, distance)| line_value(first, slope, index).wrapping_add(distance as u64))
                    .collect(),
            )
        }
        Coding::Sparse => {
            let mut changed = Vec::with_capacity(count);
            input.bits(count - 1, 1, &mut changed)?;
            let mut steps = get_packed(input, changed.iter().filter(|bit| **bit == 1).count())?.into_iter();
            let steps: Option<Vec<i64>> =
                changed.iter().map(|bit| if *bit == 1 { steps.next() } else { Some(0) }).collect();
            Some(running_sums(first, &steps?))
        }
    }
}

/// Returns `first`, then the sums after each step.
fn running_sums(first: u64, steps: &[i64]) -> Vec<u64> {
    let running = steps.iter().scan(first, |value, step| {
        *value = value.wrapping_add(*step as u64);
        Some(*value)
    });
    std::iter::once(first).chain(running).collect()
}

/// Returns the value at `index` of the straight line that starts at `first`.
fn line_value(first: u64, slope: i64, index: u64) -> u64 {
    first.wrapping_add((slope as u64).wrapping_mul(index))
}

/// Returns the difference of the first two values; 0 if there is only one.
fn first_step(values: &[u64]) -> i64 {
    values.get(1).map_or(0, |second| second.wrapping_sub(values[0]) as i64)
}

/// Returns the mean step from the first to the last value.
fn slope(values: &[u64]) -> i64 {
    let (first, last) = (values[0], values[values.len() - 1]);
    let steps = (values.len() - 1).max(1) as i64;
    (last.wrapping_sub(first) as i64) / steps
}

/// Replaces `out` by the residuals of a coding.
fn fill_residuals(coding: Coding, values: &[u64], out: &mut Vec<i64>) {
    out.clear();
    let steps = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i64);
    match coding {
        Coding::Plain => out.extend(values.iter().map(|value| *value as i64)),
        Coding::Delta => out.extend(steps),
        Coding::DoubleDelta => out.extend(steps.clone().skip(1).zip(steps).map(|(next, step)| next.wrapping_sub(step))),
        Coding::Linear => {
            let (first, slope) = (values[0], slope(values));
            out.extend(
                (0..).zip(values).map(|(index, value)| value.wrapping_sub(line_value(first, slope, index)) as i64),
            );
        }
        Coding::Sparse => out.extend(steps.filter(|step| *step != 0)),
    }
}

/// Returns the number of bytes of a column in a coding, without the byte of the coding itself.
fn coded_bytes(coding: Coding, values: &[u64], residuals: &[i64]) -> usize {
    let first = varint_len(values[0]);
    let head_bytes = match coding {
        Coding::Plain => 0,
        Coding::Delta => first,
        Coding::DoubleDelta => first + varint_len(zigzag(first_step(values))),
        Coding::Linear => first + varint_len(zigzag(slope(values))),
        Coding::Sparse => first + (values.len() - 1).div_ceil(8),
    };
    let Packing { least, width } = packing(residuals);
    head_bytes + varint_len(zigzag(least)) + 1 + (residuals.len() * width as usize).div_ceil(8)
}

/// How residuals are packed.
struct Packing {
    /// The smallest residual.
    least: i64,
    /// Bits for each distance from `least`.
    width: u32,
}

fn packing(residuals: &[i64]) -> Packing {
    let least = residuals.iter().copied().min().unwrap_or(0);
    let most = residuals.iter().copied().max().unwrap_or(0);
    Packing { least, width: bit_width(most.wrapping_sub(least) as u64) }
}

/// Appends packed residuals; nothing if there are none.
fn put_packed(residuals: &[i64], out: &mut Vec<u8>) {
    if residuals.is_empty() {
        return;
    }
    let Packing { least, width } = packing(residuals);
    put_varint(out, zigzag(least));
    out.push(width as u8);
    let mut writer = BitWriter::new(out);
    residuals.iter().for_each(|residual| writer.put(residual.wrapping_sub(least) as u64, width));
    writer.finish();
}

/// Reads `count` packed residuals.
fn get_packed(input: &mut ByteReader<'_>, count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let least = unzigzag(input.varint()?);
    let width = u32::from(input.byte()?);
    let mut values = Vec::with_capacity(count);
    input.bits(count, width, &mut values)?;
    Some(values.into_iter().map(|value| least.wrapping_add(value as i64)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coded(values: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        put_column(values, &mut Scratch::default(), &mut out);
        out
    }

    fn survives(values: &[u64]) {
        let bytes = coded(values);
        let mut input = ByteReader(&bytes);
        assert_eq!(get_column(&mut input, values.len()).as_deref(), Some(values));
        assert!(input.0.is_empty());
    }

    #[test]
    fn each_way_wins_where_it_should() {
        let coding = |values: Vec<u64>| {
            survives(&values);
            Coding::from_code(coded(&values)[0]).unwrap()
        };
        let noise = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        assert_eq!(coding((0..128).map(noise).collect()), Coding::Plain);
        assert_eq!(
            coding(
                (0..128)
                    .scan(1 << 40, |sum, at| {
                        *sum += 1000 + noise(at);
                        Some(*sum)
                    })
                    .collect()
            ),
            Coding::Delta
        );
        assert_eq!(coding((0..128).map(|at| at * at * 50).collect()), Coding::DoubleDelta);
        assert_eq!(coding((0..128).map(|at| (1 << 40) + at * 10_000 + noise(at)).collect()), Coding::Linear);
        assert_eq!(coding((0..128).map(|at| (1 << 40) + at / 10 * 30_000 + noise(at / 10)).collect()), Coding::Sparse);
    }

    #[test]
    fn a_constant_column_of_128_takes_four_bytes() {
        assert_eq!(coded(&[5; 128]).len(), 3);
        assert_eq!(coded(&[64; 128]).len(), 4);
        assert_eq!(coded(&[]).len(), 0);
    }

    proptest! {
        #[test]
        fn every_sequence_survives(values in prop::collection::vec(any::<u64>(), 0..140), shift in 0..64_u32) {
            survives(&values);
            survives(&values.iter().map(|v| v >> shift).collect::<Vec<_>>());
            let running = values.iter().scan(0_u64, |sum, v| { *sum = sum.wrapping_add(v >> shift); Some(*sum) });
            survives(&running.collect::<Vec<_>>());
        }

        #[test]
        fn f42_no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), count in 0..140_usize) {
            get_column(&mut ByteReader(&bytes), count);
        }
    }
}
