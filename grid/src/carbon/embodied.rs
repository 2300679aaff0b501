//! The run's share of what making the hardware emitted.
//!
//! SCI 1.1 (ISO/IEC 21031:2024): `M = TE × TS × RS` with the time share `TS = TiR ÷ EL` and the resource share
//! `RS = RR ÷ ToR`. The specification's own example prints "around 28 g" for 28.54 g.

use eco2_core::schema::Embodied;

use super::Hardware;

/// Seconds in the year of 365 days that the specification's example counts with.
pub const SECONDS_PER_YEAR: f64 = 365.0 * 24.0 * 3600.0;

impl Hardware {
    /// Embodied grams of hardware that was reserved so long, nanoseconds.
    #[must_use]
    pub fn embodied(&self, reserved_ns: u64) -> Embodied {
        let time_share = reserved_ns as f64 / 1e9 / (self.life_years() * SECONDS_PER_YEAR);
        let total = self.total_kg();
        let share = total.times(1e3 * time_share * self.share());
        Embodied {
            grams: share.value.unwrap_or(share.low),
            low: share.low,
            high: share.high,
            total_kg: total.value.unwrap_or(total.low),
            total_low_kg: total.low,
            total_high_kg: total.high,
            reserved_ns,
            life_years: self.life_years(),
            share: self.share(),
            source: self.source().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    #[test]
    fn the_vector_of_the_sci_specification_is_28_54_grams() {
        let hour = Hardware::named("1000").unwrap().for_years(4.0).unwrap().embodied(HOUR_NS);
        // 1,000,000 g ÷ 35,040 h.
        assert!((hour.grams - 28.538_812_785).abs() < 1e-9, "{}", hour.grams);
        assert_eq!((hour.low, hour.high), (hour.grams, Some(hour.grams)));
    }

    #[test]
    fn bounds_time_and_share_go_through() {
        let all = Hardware::named("900:1000:1200").unwrap().for_years(4.0).unwrap();
        let half = all.clone().shared(0.5).unwrap().embodied(2 * HOUR_NS);
        let hour = all.embodied(HOUR_NS);
        assert!((half.grams - hour.grams).abs() < 1e-12);
        assert!((hour.low / hour.grams - 0.9).abs() < 1e-12);
        assert!((hour.high.unwrap() / hour.grams - 1.2).abs() < 1e-12);
        assert_eq!((half.total_kg, half.share, half.reserved_ns), (1000.0, 0.5, 2 * HOUR_NS));
    }
}
