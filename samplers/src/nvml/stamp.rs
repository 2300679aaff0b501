//! Converts NVIDIA's driver's own timestamps of power samples, microseconds of Unix time, to the monotonic clock, and
//! counts samples that the driver lost.

/// A timestamp more than this, one hour, before now is not believed: the wall clock was set in between.
const FAR_NS: u64 = 3_600_000_000_000;

/// Both clocks, looked at together.
#[derive(Debug, Clone, Copy)]
pub(super) struct StampAnchor {
    pub(super) monotonic_ns: u64,
    pub(super) wall_ns: u64,
}

impl StampAnchor {
    /// Looks at the wall clock; `monotonic_ns` must have been read just before.
    pub(super) fn now(monotonic_ns: u64) -> Self {
        let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let wall_ns = wall.tv_sec.unsigned_abs() * 1_000_000_000 + wall.tv_nsec.unsigned_abs();
        Self { monotonic_ns, wall_ns }
    }

    /// Returns a driver's timestamp as monotonic nanoseconds; `None` if it is from the future or far from now.
    ///
    /// NVML documents only "CPU timestamp in microseconds": Unix time on current drivers. One that lies nearer to the
    /// monotonic clock than to the wall clock is taken as such.
    pub(super) fn monotonic(self, stamp_us: u64) -> Option<u64> {
        let stamp_ns = stamp_us.checked_mul(1_000)?;
        let wall = stamp_ns.abs_diff(self.wall_ns) < stamp_ns.abs_diff(self.monotonic_ns);
        let now_ns = if wall { self.wall_ns } else { self.monotonic_ns };
        let age_ns = now_ns.checked_sub(stamp_ns).filter(|age| *age < FAR_NS)?;
        self.monotonic_ns.checked_sub(age_ns)
    }
}

/// What is known of a series of samples: the newest seen, and the distance between them.
#[derive(Debug, Default)]
pub(super) struct Series {
    last_us: u64,
    /// Shortest distance seen so far; `None` before two samples.
    period_us: Option<u64>,
}

impl Series {
    /// Returns the timestamp of the newest sample seen; 0 before the first. Also 0 where the clock was set back behind
    /// it, as new samples would be taken for old until the clock had caught up.
    pub(super) fn last_us(&mut self, now: StampAnchor) -> u64 {
        if self.last_us > 0 && now.monotonic(self.last_us).is_none() {
            self.last_us = 0;
        }
        self.last_us
    }

    /// Takes note of the next sample. Returns how many were lost before it, because the driver's buffer overran, and
    /// when the first of them was taken.
    pub(super) fn next(&mut self, stamp_us: u64) -> (u64, u64) {
        let last_us = self.last_us;
        let step_us = stamp_us.saturating_sub(last_us);
        self.last_us = last_us.max(stamp_us);
        if last_us == 0 || step_us == 0 {
            return (0, stamp_us);
        }
        let period_us = self.period_us.map_or(step_us, |known| known.min(step_us));
        self.period_us = Some(period_us);
        // A step below 2.5 periods is taken for no loss: one missing sample (two periods) and half a period of jitter.
        let lost = if step_us * 2 < period_us * 5 { 0 } else { step_us / period_us - 1 };
        (lost, last_us + period_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHOR: StampAnchor = StampAnchor { monotonic_ns: 5_000_000_000, wall_ns: 1_700_000_000_000_000_000 };

    #[test]
    fn unix_time_becomes_monotonic() {
        assert_eq!(ANCHOR.monotonic(1_699_999_999_900_000), Some(4_900_000_000));
        assert_eq!(ANCHOR.monotonic(4_900_000), Some(4_900_000_000));
    }

    #[test]
    fn a_stamp_that_cannot_be_is_refused() {
        assert_eq!(ANCHOR.monotonic(1_700_000_000_000_001), None, "from the future");
        assert_eq!(ANCHOR.monotonic(1_699_990_000_000_000), None, "hours old");
        assert_eq!(ANCHOR.monotonic(u64::MAX), None);
        assert_eq!(ANCHOR.monotonic(1_699_999_994_000_000), None, "before the monotonic clock began");
    }

    #[test]
    fn missing_samples_are_counted() {
        let mut series = Series::default();
        let lost: Vec<u64> = [1_000, 1_020, 1_041, 1_060, 1_200, 1_220].map(|us| series.next(us).0).to_vec();
        assert_eq!(lost, [0, 0, 0, 0, 6, 0]);
    }

    #[test]
    fn k06_a_clock_that_is_set_back_makes_no_sample_old() {
        let mut series = Series::default();
        series.next(1_699_999_999_900_000);
        assert_eq!(series.last_us(ANCHOR), 1_699_999_999_900_000);
        let hour_ns = 3_600_000_000_000;
        let back = StampAnchor { wall_ns: ANCHOR.wall_ns - hour_ns / 2, ..ANCHOR };
        assert_eq!(series.last_us(back), 0, "everything that comes is new");
    }
}
