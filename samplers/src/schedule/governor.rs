//! [`Governor`] keeps the CPU time of sampling below a share of one core, over the run as a whole: where sampling takes
//! more, sensors are read less often.
//!
//! Once a second it compares the CPU time so far with what the limit allows for the time so far. What was used too much,
//! such as by the start, is saved over the next [`REPAY_NS`]; what was left over may be used in them. The next interval
//! follows from the share that the last second took, as if that were proportional to the polls. It is not quite (gauges,
//! windows around edges), which the next looks correct.

/// Time between two looks at what sampling costs, nanoseconds; over less, the cost is not meaningful.
const LOOK_NS: u64 = 1_000_000_000;
/// Longest time between two polls, nanoseconds.
const SLOWEST_NS: u64 = 1_000_000_000;
/// Time in which a surplus or a lack of CPU time is to be evened out, nanoseconds.
const REPAY_NS: u64 = 10_000_000_000;
/// A new interval that differs by less than this part from the present one is not worth a change.
const EQUAL: f64 = 0.1;
/// The most by which one look shortens the interval: a quiet second shows little of the next.
const FASTER: f64 = 2.0;
/// Shares up to this multiple of the limit keep it.
const TOLERANCE: f64 = 1.1;
/// In a run shorter than this the cost of its start may be above the limit, nanoseconds.
const HELD_FROM_NS: u64 = 60_000_000_000;

/// Chooses how often to poll, from the CPU time that polling has cost.
#[derive(Debug, Clone)]
pub(crate) struct Governor {
    /// Most CPU time, a share of a core.
    most: f64,
    /// The interval that the user chose: polls are never more frequent.
    fastest_ns: u64,
    /// The present interval.
    interval_ns: u64,
    /// The interval of which the user was informed last.
    noted_ns: u64,
    /// When sampling began.
    began_ns: Option<u64>,
    /// When it looked last, and the CPU time that sampling had used by then.
    looked: (u64, u64),
}

/// A new interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paced {
    pub(crate) interval_ns: u64,
    /// Text for the user; `None` where it differs little from the last one of which the user was informed.
    pub(crate) note: Option<String>,
}

impl Governor {
    /// Returns a governor that lets sampling every `interval_ns` take `percent` of a core; `None` without a limit above
    /// 0.
    pub(crate) fn new(percent: Option<f64>, interval_ns: u64) -> Option<Self> {
        let percent = percent.filter(|percent| percent.is_finite() && *percent > 0.0)?;
        let (fastest_ns, noted_ns) = (interval_ns, interval_ns);
        Some(Self { most: percent / 100.0, fastest_ns, interval_ns, noted_ns, began_ns: None, looked: (0, 0) })
    }

    /// Takes note that sampling has used `cpu_ns` until `now_ns`, from 0 at its first call; returns the new interval where
    /// it is to change.
    pub(crate) fn look(&mut self, now_ns: u64, cpu_ns: u64) -> Option<Paced> {
        let Some(began_ns) = self.began_ns else {
            (self.began_ns, self.looked) = (Some(now_ns), (now_ns, cpu_ns));
            return None;
        };
        let (from_ns, before_ns) = self.looked;
        let lasted_ns = now_ns.saturating_sub(from_ns);
        if lasted_ns < LOOK_NS {
            return None;
        }
        self.looked = (now_ns, cpu_ns);
        let used = cpu_ns.saturating_sub(before_ns) as f64 / lasted_ns as f64;
        let left_ns = self.most * now_ns.saturating_sub(began_ns) as f64 - cpu_ns as f64;
        let wanted = self.most + left_ns / REPAY_NS as f64;
        let slowest_ns = SLOWEST_NS.max(self.fastest_ns);
        let paced = if wanted <= 0.0 { f64::INFINITY } else { (used / wanted).max(1.0 / FASTER) };
        let wanted_ns = ((self.interval_ns as f64 * paced) as u64).clamp(self.fastest_ns, slowest_ns);
        let is_end = wanted_ns == self.fastest_ns || wanted_ns == slowest_ns;
        let change = wanted_ns as f64 / self.interval_ns as f64 - 1.0;
        if wanted_ns == self.interval_ns || (change.abs() < EQUAL && !is_end) {
            return None;
        }
        self.interval_ns = wanted_ns;
        let (least_ns, most_ns) = (wanted_ns.min(self.noted_ns), wanted_ns.max(self.noted_ns));
        let is_notable = most_ns >= least_ns.saturating_mul(2);
        self.noted_ns = if is_notable { wanted_ns } else { self.noted_ns };
        let (percent, interval_ms) = (self.percent(), wanted_ns / 1_000_000);
        let note = format!("to keep measuring below {percent} % of a core, a poll every {interval_ms} ms");
        Some(Paced { interval_ns: wanted_ns, note: is_notable.then_some(note) })
    }

    /// Returns the limit, percent of a core.
    fn percent(&self) -> f64 {
        self.most * 100.0
    }

    /// Returns what to report at the end of a run in which sampling has used `cpu_ns`: that the limit was not kept.
    pub(crate) fn verdict(&self, now_ns: u64, cpu_ns: u64) -> Option<String> {
        let lasted_ns = now_ns.saturating_sub(self.began_ns?).max(1);
        let share = cpu_ns as f64 / lasted_ns as f64;
        let held = if lasted_ns < HELD_FROM_NS { "not held yet" } else { "not held" };
        (share > TOLERANCE * self.most).then(|| {
            let (percent, limit, seconds) = (share * 100.0, self.percent(), lasted_ns as f64 / 1e9);
            format!("the limit of {limit} % of a core was {held}: sampling took {percent:.2} % in {seconds:.0} s")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const S: u64 = 1_000 * MS;

    /// Sampling that costs `cost_us` per poll, over a base cost per second and one at the start.
    #[derive(Clone, Copy)]
    struct Cost {
        poll_us: u64,
        base_us: u64,
        start_ms: u64,
    }

    /// Runs `seconds` of sampling at `interval_ns` at best. Returns the governor, the CPU time, and the intervals, ms.
    fn governed(percent: f64, interval_ns: u64, cost: Cost, seconds: u64) -> (Governor, u64, Vec<u64>) {
        let mut governor = Governor::new(Some(percent), interval_ns).unwrap();
        let (mut interval_ns, mut cpu_ns, mut intervals) = (interval_ns, cost.start_ms * MS, Vec::new());
        for second in 0..=seconds {
            interval_ns = governor.look(second * S, cpu_ns).map_or(interval_ns, |paced| paced.interval_ns);
            intervals.push(interval_ns / MS);
            if second < seconds {
                cpu_ns += S * 1_000 / interval_ns * cost.poll_us + cost.base_us * 1_000;
            }
        }
        (governor, cpu_ns, intervals)
    }

    #[test]
    fn limit_is_held_within_a_tenth_over_60_s_and_used() {
        // At 100 Hz and 137 µs per poll (12 domains): 1.37 %. At 1 kHz: 13.7 %.
        for (percent, interval_ns, start_ms) in [(0.05, 10 * MS, 5), (0.5, 10 * MS, 5), (5.0, MS, 5), (5.0, MS, 1_000)]
        {
            let cost = Cost { poll_us: 137, base_us: 50, start_ms };
            let (governor, cpu_ns, intervals) = governed(percent, interval_ns, cost, 60);
            let share = cpu_ns as f64 / (60 * S) as f64 * 100.0 / percent;
            assert!((0.9..=1.1).contains(&share), "{share} of {percent} %: {intervals:?}");
            assert_eq!(governor.verdict(60 * S, cpu_ns), None);
        }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let cost = Cost { poll_us: 200, base_us: 0, start_ms: 5 };
        assert_eq!(governed(3.0, 10 * MS, cost, 20).2, [10; 21]);
    }

    #[test]
    fn limit_that_no_interval_keeps_is_not_held() {
        // The slowest pace alone takes 0.014 %.
        let cost = Cost { poll_us: 137, base_us: 0, start_ms: 5 };
        let (governor, cpu_ns, intervals) = governed(0.01, 10 * MS, cost, 10);
        assert_eq!(intervals.last(), Some(&1_000));
        let verdict = "the limit of 0.01 % of a core was not held yet: sampling took 0.20 % in 10 s";
        assert_eq!(governor.verdict(10 * S, cpu_ns).as_deref(), Some(verdict));
        let (governor, cpu_ns, _) = governed(0.01, 10 * MS, cost, 60);
        assert!(governor.verdict(60 * S, cpu_ns).is_some_and(|text| text.contains("was not held: ")));
    }

    #[test]
    fn lighter_load_is_read_as_often_as_before_and_the_user_is_informed_of_large_changes() {
        let mut governor = Governor::new(Some(1.0), 10 * MS).unwrap();
        let mut look = |second: u64, used_ms: u64| governor.look(second * S, used_ms * MS);
        assert_eq!([look(0, 0), look(1, 10)], [None, None]);
        // 50 ms in a second, 40 more than allowed until then: 1 % - 4 % / 10 are wanted.
        let paced = look(2, 60).unwrap();
        assert_eq!(paced.interval_ns, 83_333_333);
        assert_eq!(paced.note.unwrap(), "to keep measuring below 1 % of a core, a poll every 83 ms");
        let (third, fourth) = (look(3, 61).unwrap(), look(4, 62).unwrap());
        assert!(third.note.is_some() && fourth.note.is_some());
        assert_eq!([look(5, 63), look(6, 64)].map(|paced| paced.unwrap().interval_ns), [10_416_666, 10_000_000]);
    }

    #[test]
    fn no_limit_governs_nothing() {
        for percent in [None, Some(0.0), Some(f64::NAN), Some(-1.0)] {
            assert!(Governor::new(percent, 10 * MS).is_none());
        }
    }
}
