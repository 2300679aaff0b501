//! Keeps how the CPUs were used in the last intervals ([`PastUse`]), so that the energy of a sensor that is read less often than once
//! per interval is divided by the use of the whole time since its last reading.

use std::collections::VecDeque;

use eco2_samplers::usage::JobTimes;

/// Intervals that are kept: with one per second, sensors that are read every minute are attributed.
const MOST: usize = 64;

/// The use of the last intervals, the newest at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct PastUse(VecDeque<PastInterval>);

#[derive(Debug, Clone)]
struct PastInterval {
    /// When it began, monotonic nanoseconds.
    began_ns: u64,
    /// `None`: not known.
    cpu: Option<JobTimes>,
}

impl PastUse {
    /// Adds the interval that ends now.
    pub(super) fn add(&mut self, began_ns: u64, cpu: Option<JobTimes>) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(PastInterval { began_ns, cpu });
    }

    /// Returns the use of the intervals since `since_ns`, monotonic nanoseconds; up to `slack_ns` after it may be missing. `None`: it is
    /// not known of a part of this time.
    pub(super) fn since(&self, since_ns: u64, slack_ns: u64) -> Option<JobTimes> {
        let (mut sum, mut from_ns) = (JobTimes::default(), u64::MAX);
        for PastInterval { began_ns, cpu } in self.0.iter().rev() {
            let Some(cpu) = cpu.as_ref().filter(|_| from_ns > since_ns) else { break };
            sum.busy_ns = sum.busy_ns.saturating_add(cpu.busy_ns);
            sum.idle_ns = sum.idle_ns.saturating_add(cpu.idle_ns);
            for (job, ns) in &cpu.jobs {
                let own: &mut u64 = sum.jobs.entry(*job).or_default();
                *own = own.saturating_add(*ns);
            }
            from_ns = *began_ns;
        }
        (from_ns <= since_ns.saturating_add(slack_ns)).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_since_a_reading_is_the_sum_of_its_intervals_and_unknown_where_one_is() {
        let mut past = PastUse::default();
        let cpu = |busy_ns| Some(JobTimes { busy_ns, idle_ns: 1, jobs: [(7, busy_ns / 2)].into() });
        assert_eq!(past.since(0, 9), None);
        past.add(0, None);
        (1..=3).for_each(|at| past.add(at * 10, cpu(at * 100)));
        let sum = JobTimes { busy_ns: 600, idle_ns: 3, jobs: [(7, 300)].into() };
        assert_eq!((past.since(15, 0), past.since(5, 5)), (Some(sum.clone()), Some(sum)));
        assert_eq!((past.since(4, 5), past.since(31, 0).map(|sum| sum.busy_ns)), (None, Some(300)));
        (4..1_000).for_each(|at| past.add(at * 10, cpu(1)));
        assert_eq!((past.0.len(), past.since(30, 0)), (MOST, None), "what is kept is bounded");
    }
}
