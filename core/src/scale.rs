//! Raw counter units to micro-units, exactly.

use serde::{Deserialize, Serialize};

/// A positive factor `mul / 2^shift`: micro-units (microjoules or microwatts) per raw unit.
///
/// Applied to the running raw *total*, so that truncation never adds up: at most one microjoule is ever lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    mul: u64,
    shift: u32,
}

impl Scale {
    /// One raw unit is one micro-unit.
    pub const MICRO: Self = Self { mul: 1, shift: 0 };
    /// One raw unit is a thousand micro-units (mJ, mW).
    pub const MILLI: Self = Self { mul: 1_000, shift: 0 };
    /// One raw unit is a million micro-units (J, W).
    pub const UNIT: Self = Self { mul: 1_000_000, shift: 0 };

    /// From base units (joules or watts) per raw unit; `None` unless finite and within 1e-15 ..= 1e12.
    ///
    /// ```
    /// use eco2_core::Scale;
    ///
    /// // RAPL's energy unit on many Intel processors: 61.035 µJ per count.
    /// assert_eq!(Scale::from_base_per_raw(61.035e-6).map(|scale| scale.micro(1_000_000)), Some(61_035_000));
    /// assert_eq!(Scale::from_base_per_raw(0.0), None);
    /// ```
    #[must_use]
    pub fn from_base_per_raw(base_per_raw: f64) -> Option<Self> {
        if !base_per_raw.is_finite() || !(1e-15..=1e12).contains(&base_per_raw) {
            return None;
        }
        let mut micro = base_per_raw * 1e6;
        let mut shift = 0;
        // Powers of two are exact in a float: RAPL's 2^-32 J stays exact, decimal factors keep 53 bits.
        while micro.fract() != 0.0 && shift < 100 && micro < (1u64 << 53) as f64 {
            micro *= 2.0;
            shift += 1;
        }
        Some(Self { mul: micro.round() as u64, shift })
    }

    /// Micro-units for a raw total, rounded down; saturates at `u64::MAX`.
    ///
    /// ```
    /// assert_eq!(eco2_core::Scale::MILLI.micro(7), 7_000); // 7 mJ
    /// ```
    #[must_use]
    pub fn micro(self, raw: u64) -> u64 {
        let scaled = (u128::from(raw) * u128::from(self.mul)) >> self.shift;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Micro-units by which a scaled total may lie below the truth, rounded up: one raw unit, and what [`Scale::micro`]
    /// cut off. The quantum of the counter.
    pub(crate) fn quantum(self) -> u64 {
        let cut_off = (1u128 << self.shift) - 1;
        u64::try_from((u128::from(self.mul) + cut_off).div_ceil(1u128 << self.shift)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rapl_unit_is_exact() {
        let scale = Scale::from_base_per_raw(2.328_306_436_538_696_3e-10).unwrap();
        assert_eq!(scale.micro(1 << 32), 1_000_000);
        assert_eq!(scale.micro(u64::from(u32::MAX)), 999_999);
        assert_eq!(scale.quantum(), 2, "0.999 uJ of 4 294 967 295 units, and one unit more");
    }

    #[test]
    fn decimal_units_round_down_once() {
        let scale = Scale::from_base_per_raw(61.035e-6).unwrap();
        assert_eq!(scale.micro(1_000_000), 61_035_000);
        assert_eq!(Scale::MILLI.micro(7), 7_000);
        assert_eq!(Scale::UNIT.quantum(), 1_000_000);
        // 2 units are 122.07 uJ, read as 122: less than 3 units, 183.105 uJ, is up to 62 uJ more.
        assert_eq!((scale.micro(2), scale.quantum()), (122, 63));
    }

    #[test]
    fn absurd_factors_are_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e13, 1e-16] {
            assert_eq!(Scale::from_base_per_raw(bad), None, "{bad}");
        }
        assert_eq!(Scale::UNIT.micro(u64::MAX), u64::MAX);
    }
}
