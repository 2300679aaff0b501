//! [`Governor`] keeps the CPU time of sampling below a share of one core: where it takes more, sensors are read half as
//! often.

/// Time between two looks at what sampling costs, nanoseconds; over less, the cost is not meaningful.
const LOOK_NS: u64 = 1_000_000_000;
/// Longest time between two polls, nanoseconds.
const SLOWEST_NS: u64 = 1_000_000_000;
/// Sampling speeds up again below this part of its limit: twice the reads are then still well below it.
const EASE: u64 = 4;

/// Chooses how often to poll, from the CPU time that polling has cost.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    /// Most CPU time, millionths of a core.
    most_ppm: u64,
    /// The interval that the user chose: polls are never more frequent.
    fastest_ns: u64,
    /// The present interval.
    interval_ns: u64,
    /// When it looked last, and the CPU time that sampling had used by then.
    looked: Option<(u64, u64)>,
}

impl Governor {
    /// Returns a governor that lets sampling every `interval_ns` take `percent` of a core; `None` without a limit above
    /// 0.
    pub(crate) fn new(percent: Option<f64>, interval_ns: u64) -> Option<Self> {
        let percent = percent.filter(|percent| percent.is_finite() && *percent > 0.0)?;
        let most_ppm = ((percent * 1e4) as u64).max(1);
        Some(Self { most_ppm, fastest_ns: interval_ns, interval_ns, looked: None })
    }

    /// Takes note that sampling has used `cpu_ns` until `now_ns`; returns the new interval where it is to change.
    pub(crate) fn look(&mut self, now_ns: u64, cpu_ns: u64) -> Option<u64> {
        let (from_ns, before_ns) = *self.looked.get_or_insert((now_ns, cpu_ns));
        let lasted_ns = now_ns.saturating_sub(from_ns);
        if lasted_ns < LOOK_NS {
            return None;
        }
        self.looked = Some((now_ns, cpu_ns));
        let used_ppm = u128::from(cpu_ns.saturating_sub(before_ns)) * 1_000_000 / u128::from(lasted_ns);
        let paced_ns = if used_ppm > u128::from(self.most_ppm) {
            (2 * self.interval_ns).min(SLOWEST_NS)
        } else if used_ppm < u128::from(self.most_ppm / EASE) {
            self.interval_ns / 2
        } else {
            self.interval_ns
        };
        let wanted_ns = paced_ns.max(self.fastest_ns);
        (wanted_ns != self.interval_ns).then(|| {
            self.interval_ns = wanted_ns;
            wanted_ns
        })
    }

    /// Returns the limit, percent of a core.
    pub(crate) fn percent(&self) -> f64 {
        self.most_ppm as f64 / 1e4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// The intervals in milliseconds after `seconds` in which a poll costs `cost_us`, over a base cost.
    fn intervals(percent: f64, cost_us: u64, base_ms: u64, seconds: u64) -> Vec<u64> {
        let mut governor = Governor::new(Some(percent), 10 * MS).unwrap();
        let (mut interval_ns, mut cpu_ns) = (10 * MS, 0);
        (0..=seconds)
            .map(|second| {
                interval_ns = governor.look(second * 1_000 * MS, cpu_ns).unwrap_or(interval_ns);
                cpu_ns += 1_000 * MS / interval_ns * cost_us * 1_000 + base_ms * MS;
                interval_ns / MS
            })
            .collect()
    }

    #[test]
    fn polls_become_fewer_until_they_fit_and_stay_there() {
        // 100 polls of 1 ms are 10 %: 25 of them are 2.5 %.
        assert_eq!(intervals(3.0, 1_000, 0, 6), [10, 20, 40, 40, 40, 40, 40]);
        // What fits is left alone.
        assert_eq!(intervals(3.0, 200, 0, 3), [10; 4]);
    }

    #[test]
    fn what_no_pace_can_mend_ends_at_the_slowest() {
        assert_eq!(intervals(1.0, 1_000, 50, 9).last(), Some(&1_000));
    }

    #[test]
    fn a_lighter_load_is_read_as_often_as_before() {
        let mut governor = Governor::new(Some(4.0), 10 * MS).unwrap();
        let mut look = |second: u64, used_ms: u64| governor.look(second * 1_000 * MS, used_ms * MS);
        assert_eq!(
            [look(0, 0), look(1, 100), look(2, 150), look(3, 155)],
            [None, Some(20 * MS), Some(40 * MS), Some(20 * MS)]
        );
        assert_eq!([look(4, 160), look(5, 165)], [Some(10 * MS), None]);
    }

    #[test]
    fn no_limit_governs_nothing() {
        for percent in [None, Some(0.0), Some(f64::NAN), Some(-1.0)] {
            assert!(Governor::new(percent, 10 * MS).is_none());
        }
    }
}
