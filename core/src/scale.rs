//! Converts raw counter values to microjoules or microwatts ([`Scale`]).

use serde::{Deserialize, Serialize};

/// A positive factor `mul / 2^shift`: microjoules (or microwatts) per raw unit.
///
/// The factor is stored as integers, so that equal inputs give equal results everywhere. Results are rounded down. The
/// factor is applied to the running raw *total*, not to each difference, so rounding loses less than one microjoule over a
/// whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    mul: u64,
    shift: u32,
}

impl Scale {
    /// One raw unit is one microjoule or microwatt.
    pub const MICRO: Self = Self { mul: 1, shift: 0 };
    /// One raw unit is one millijoule or milliwatt.
    pub const MILLI: Self = Self { mul: 1_000, shift: 0 };
    /// One raw unit is one joule or watt.
    pub const UNIT: Self = Self { mul: 1_000_000, shift: 0 };

    /// Returns the scale of `base_per_raw` joules (or watts) per raw unit; `None` unless this is within 1e-15 ..= 1e12. No
    /// known counter is outside: the finest unit is that of RAPL, 2^-32 J, about 2e-10 J.
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
        // Doubling changes no bit of a float's 53-bit mantissa. It ends when the factor is an integer, as with RAPL's 2^-32 J,
        // or has 53 bits. 1e-15 J needs fewer than 100 doublings for that (2^100 × 1e-9 > 2^53).
        while micro.fract() != 0.0 && shift < 100 && micro < (1u64 << 53) as f64 {
            micro *= 2.0;
            shift += 1;
        }
        Some(Self { mul: micro.round() as u64, shift })
    }

    /// Returns the microjoules (or microwatts) of a raw total, rounded down; saturates at `u64::MAX`.
    ///
    /// ```
    /// assert_eq!(eco2_core::Scale::MILLI.micro(7), 7_000); // 7 mJ
    /// ```
    #[must_use]
    pub fn micro(self, raw: u64) -> u64 {
        let scaled = (u128::from(raw) * u128::from(self.mul)) >> self.shift;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Returns the *quantum* of a counter, rounded up: by how many microjoules a scaled total may be below the true energy.
    /// The counter has not shown up to one raw unit yet, and [`Scale::micro`] has rounded down.
    pub(crate) fn quantum(self) -> u64 {
        let most_rounded = (1u128 << self.shift) - 1;
        u64::try_from((u128::from(self.mul) + most_rounded).div_ceil(1u128 << self.shift)).unwrap_or(u64::MAX)
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
