//! One column of a block: up to 128 integers, written in the smallest of five exact ways.
//!
//! Each way turns the values into residuals and packs those by frame of reference: their minimum, then as many bits each
//! as the largest distance from it needs. All arithmetic wraps, so every sequence of u64 survives, whatever it is.
//!
//! | way | residuals | good for |
//! | --- | --- | --- |
//! | plain | the values | widths of brackets, power |
//! | delta | differences | counters under a noisy load |
//! | double delta | differences of differences | smooth ramps |
//! | linear | distance from the line first → last | deadlines with jitter |
//! | sparse | a bit a value, and differences where it changed | counters slower than the polling |

use super::bits::{BitWriter, Input, put_varint, unzigzag, varint_len, width_of, zigzag};

/// How a column was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Delta,
    DoubleDelta,
    Linear,
    Sparse,
}

impl Way {
    const ALL: [Self; 5] = [Self::Plain, Self::Delta, Self::DoubleDelta, Self::Linear, Self::Sparse];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Memory that the writing of a column reuses.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    residuals: Vec<i64>,
    best: Vec<i64>,
}

/// Appends a column in its smallest form. An empty column takes no byte.
pub(super) fn put_column(values: &[u64], scratch: &mut Scratch, out: &mut Vec<u8>) {
    let Some(&first) = values.first() else { return };
    let mut best = (usize::MAX, Way::Plain);
    for way in Way::ALL {
        residuals(way, values, &mut scratch.residuals);
        let size = size(way, values, &scratch.residuals);
        if size < best.0 {
            best = (size, way);
            std::mem::swap(&mut scratch.residuals, &mut scratch.best);
        }
    }
    let way = best.1;
    out.push(way as u8);
    if way != Way::Plain {
        put_varint(out, first);
    }
    match way {
        Way::DoubleDelta => put_varint(out, zigzag(first_step(values))),
        Way::Linear => put_varint(out, zigzag(slope(values))),
        Way::Sparse => put_bitmap(values.windows(2).map(|pair| pair[0] != pair[1]), out),
        Way::Plain | Way::Delta => {}
    }
    put_packed(&scratch.best, out);
}

/// Appends a bit a value.
pub(super) fn put_bitmap(bits: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let mut writer = BitWriter::new(out);
    bits.for_each(|bit| writer.put(u64::from(bit), 1));
    writer.finish();
}

/// Reads a column of `count` values; `None` when the bytes cannot be one.
pub(super) fn get_column(input: &mut Input<'_>, count: usize) -> Option<Vec<u64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let way = Way::from_code(input.byte()?)?;
    if way == Way::Plain {
        return Some(get_packed(input, count)?.into_iter().map(|value| value as u64).collect());
    }
    let first = input.varint()?;
    match way {
        Way::Plain | Way::Delta => Some(sum(first, &get_packed(input, count - 1)?)),
        Way::DoubleDelta => {
            let step = unzigzag(input.varint()?) as u64;
            let steps = sum(step, &get_packed(input, count.saturating_sub(2))?);
            let steps: Vec<i64> = steps.into_iter().take(count - 1).map(|step| step as i64).collect();
            Some(sum(first, &steps))
        }
        Way::Linear => {
            let slope = unzigzag(input.varint()?);
            let distances = get_packed(input, count)?;
            Some(
                (0..)
                    .zip(distances)
                    .map(|(at, distance)| on_line(first, slope, at).wrapping_add(distance as u64))
                    .collect(),
            )
        }
        Way::Sparse => {
            let mut changed = Vec::with_capacity(count);
            input.bits(count - 1, 1, &mut changed)?;
            let mut steps = get_packed(input, changed.iter().filter(|bit| **bit == 1).count())?.into_iter();
            let steps: Option<Vec<i64>> =
                changed.iter().map(|bit| if *bit == 1 { steps.next() } else { Some(0) }).collect();
            Some(sum(first, &steps?))
        }
    }
}

fn sum(first: u64, steps: &[i64]) -> Vec<u64> {
    let running = steps.iter().scan(first, |value, step| {
        *value = value.wrapping_add(*step as u64);
        Some(*value)
    });
    std::iter::once(first).chain(running).collect()
}

fn on_line(first: u64, slope: i64, at: u64) -> u64 {
    first.wrapping_add((slope as u64).wrapping_mul(at))
}

fn first_step(values: &[u64]) -> i64 {
    values.get(1).map_or(0, |second| second.wrapping_sub(values[0]) as i64)
}

fn slope(values: &[u64]) -> i64 {
    let (first, last) = (values[0], values[values.len() - 1]);
    let steps = (values.len() - 1).max(1) as i64;
    (last.wrapping_sub(first) as i64) / steps
}

fn residuals(way: Way, values: &[u64], out: &mut Vec<i64>) {
    out.clear();
    let steps = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i64);
    match way {
        Way::Plain => out.extend(values.iter().map(|value| *value as i64)),
        Way::Delta => out.extend(steps),
        Way::DoubleDelta => out.extend(steps.clone().skip(1).zip(steps).map(|(next, step)| next.wrapping_sub(step))),
        Way::Linear => {
            let (first, slope) = (values[0], slope(values));
            out.extend((0..).zip(values).map(|(at, value)| value.wrapping_sub(on_line(first, slope, at)) as i64));
        }
        Way::Sparse => out.extend(steps.filter(|step| *step != 0)),
    }
}

fn size(way: Way, values: &[u64], residuals: &[i64]) -> usize {
    let first = varint_len(values[0]);
    let extra = match way {
        Way::Plain => 0,
        Way::Delta => first,
        Way::DoubleDelta => first + varint_len(zigzag(first_step(values))),
        Way::Linear => first + varint_len(zigzag(slope(values))),
        Way::Sparse => first + (values.len() - 1).div_ceil(8),
    };
    let (low, width) = frame_of(residuals);
    extra + varint_len(zigzag(low)) + 1 + (residuals.len() * width as usize).div_ceil(8)
}

/// Minimum and the width of the largest distance from it.
fn frame_of(residuals: &[i64]) -> (i64, u32) {
    let low = residuals.iter().copied().min().unwrap_or(0);
    let high = residuals.iter().copied().max().unwrap_or(0);
    (low, width_of(high.wrapping_sub(low) as u64))
}

fn put_packed(residuals: &[i64], out: &mut Vec<u8>) {
    if residuals.is_empty() {
        return;
    }
    let (low, width) = frame_of(residuals);
    put_varint(out, zigzag(low));
    out.push(width as u8);
    let mut writer = BitWriter::new(out);
    residuals.iter().for_each(|residual| writer.put(residual.wrapping_sub(low) as u64, width));
    writer.finish();
}

fn get_packed(input: &mut Input<'_>, count: usize) -> Option<Vec<i64>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let low = unzigzag(input.varint()?);
    let width = u32::from(input.byte()?);
    let mut values = Vec::with_capacity(count);
    input.bits(count, width, &mut values)?;
    Some(values.into_iter().map(|value| low.wrapping_add(value as i64)).collect())
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
        let mut input = Input(&bytes);
        assert_eq!(get_column(&mut input, values.len()).as_deref(), Some(values));
        assert!(input.0.is_empty());
    }

    #[test]
    fn each_way_wins_where_it_should() {
        let way = |values: Vec<u64>| {
            survives(&values);
            Way::from_code(coded(&values)[0]).unwrap()
        };
        let noise = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        assert_eq!(way((0..128).map(noise).collect()), Way::Plain);
        assert_eq!(
            way((0..128)
                .scan(1 << 40, |sum, at| {
                    *sum += 1000 + noise(at);
                    Some(*sum)
                })
                .collect()),
            Way::Delta
        );
        assert_eq!(way((0..128).map(|at| at * at * 50).collect()), Way::DoubleDelta);
        assert_eq!(way((0..128).map(|at| (1 << 40) + at * 10_000 + noise(at)).collect()), Way::Linear);
        assert_eq!(way((0..128).map(|at| (1 << 40) + at / 10 * 30_000 + noise(at / 10)).collect()), Way::Sparse);
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
            get_column(&mut Input(&bytes), count);
        }
    }
}
