//! The encoding of numbers in a block of the run log: packed bits, variable-length integers (LEB128) and signed integers
//! (zigzag).

/// Appends bits, least significant first, to a byte vector.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bits that are not yet in `out`, in the lowest positions.
    pending: u128,
    /// Number of pending bits.
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, pending: 0, count: 0 }
    }

    /// Appends the lowest `width` bits of `value`, at most 64.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        // At most 7 bits are pending here, so at most 71 bits are used of 128.
        self.pending |= u128::from(value & mask(width)) << self.count;
        self.count += width.min(64);
        while self.count >= 8 {
            self.out.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// Pads the last byte with zeros.
    pub(super) fn finish(self) {
        if self.count > 0 {
            self.out.push(self.pending as u8);
        }
    }
}

/// Returns a number whose lowest `width` bits are set.
fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// A byte slice that is read from its start. Methods return `None` at its end and for an invalid number.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByteReader<'a>(pub(super) &'a [u8]);

impl<'a> ByteReader<'a> {
    /// Reads one byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Reads `count` bytes.
    pub(super) fn take_bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    /// Reads an unsigned LEB128 number of at most 64 bits.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            // Nine bytes hold 63 bits, so the tenth holds one.
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Reads `count` values of `width` bits and appends them to `out`.
    pub(super) fn bits(&mut self, count: usize, width: u32, out: &mut Vec<u64>) -> Option<()> {
        if width > 64 {
            return None;
        }
        let bytes = self.take_bytes((count * width as usize).div_ceil(8))?;
        let (mut pending, mut pending_bits, mut next) = (0_u128, 0, bytes.iter());
        for _ in 0..count {
            while pending_bits < width {
                pending |= u128::from(*next.next()?) << pending_bits;
                pending_bits += 8;
            }
            out.push(pending as u64 & mask(width));
            pending >>= width;
            pending_bits -= width;
        }
        Some(())
    }
}

/// Appends an unsigned LEB128 number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes that [`put_varint`] writes.
pub(super) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Maps a signed number to an unsigned one, so that small magnitudes become small numbers: 0, -1, 1, -2 to 0, 1, 2, 3.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Reverses [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Returns the number of bits that values up to `largest` need.
pub(super) fn bit_width(largest: u64) -> u32 {
    64 - largest.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_the_bytes_of_the_format() {
        let mut out = Vec::new();
        put_varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
        assert_eq!((zigzag(-1), zigzag(1), zigzag(i64::MIN)), (1, 2, u64::MAX));
        let mut bits = Vec::new();
        let mut writer = BitWriter::new(&mut bits);
        writer.put(0b101, 3);
        writer.put(0b11, 2);
        writer.put(0xff, 5);
        writer.finish();
        assert_eq!(bits, [0b1111_1101, 0b11]);
    }

    #[test]
    fn f42_overlong_numbers_are_refused() {
        assert_eq!(ByteReader(&[0xff; 12]).varint(), None);
        assert_eq!(ByteReader(&[0x80]).varint(), None);
        assert_eq!(ByteReader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).varint(), None);
        assert_eq!(ByteReader(&[1]).bits(1, 65, &mut Vec::new()), None);
    }

    proptest! {
        #[test]
        fn numbers_survive(values in prop::collection::vec(any::<u64>(), 0..50), shift in 0..64_u32) {
            let mut out = Vec::new();
            let small: Vec<u64> = values.iter().map(|v| v >> shift).collect();
            for value in &small {
                let before = out.len();
                put_varint(&mut out, *value);
                prop_assert_eq!(out.len() - before, varint_len(*value));
            }
            let mut input = ByteReader(&out);
            for value in &small {
                prop_assert_eq!(input.varint(), Some(*value));
                prop_assert_eq!(unzigzag(zigzag(*value as i64)), *value as i64);
            }
            let width = 64 - shift;
            let mut bits = Vec::new();
            let mut writer = BitWriter::new(&mut bits);
            small.iter().for_each(|value| writer.put(*value, width));
            writer.finish();
            let mut read = Vec::new();
            prop_assert_eq!(ByteReader(&bits).bits(small.len(), width, &mut read), Some(()));
            prop_assert_eq!(read, small);
        }
    }
}
