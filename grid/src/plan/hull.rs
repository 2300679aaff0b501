//! The lower convex hull of power over throughput: what a mix of worker counts costs at best.
//!
//! Sharing a slot's time between two counts gives every point on the line between them. A count above such a line is
//! never worth its power; without it the slopes rise, and work can be bought by the cheapest step first.

/// What a number of workers does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkerLevel {
    /// Workers; at least 1.
    pub workers: u32,
    /// Work done, in any unit per hour; above 0. Only ratios matter.
    pub throughput: f64,
    /// Power of all of them, watts; above 0.
    pub power_w: f64,
}

/// One step along the hull.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HullStep {
    /// Workers before the step; 0 at rest.
    pub(super) from: u32,
    /// Workers after it.
    pub(super) to: u32,
    /// Throughput that it adds.
    pub(super) throughput: f64,
    /// Power that it adds, watts.
    pub(super) power_w: f64,
}

impl HullStep {
    /// Watts for a unit of throughput; rises from step to step.
    pub(super) fn slope(&self) -> f64 {
        self.power_w / self.throughput
    }
}

/// The hull from rest on, through levels whose throughput and power do not fall.
pub(super) fn hull(levels: &[WorkerLevel]) -> Vec<HullStep> {
    let rest = WorkerLevel { workers: 0, throughput: 0.0, power_w: 0.0 };
    let mut corners = vec![rest];
    for level in levels {
        // Of equally fast ones the first needs least power.
        if corners.last().is_some_and(|last| last.throughput >= level.throughput) {
            continue;
        }
        while corners.len() > 1 && is_above(corners[corners.len() - 2], corners[corners.len() - 1], *level) {
            corners.pop();
        }
        corners.push(*level);
    }
    corners.windows(2).map(|pair| step(pair[0], pair[1])).collect()
}

/// Whether `middle` lies on or above the line from `first` to `last`.
fn is_above(first: WorkerLevel, middle: WorkerLevel, last: WorkerLevel) -> bool {
    step(first, middle).slope() >= step(middle, last).slope()
}

fn step(before: WorkerLevel, after: WorkerLevel) -> HullStep {
    let (throughput, power_w) = (after.throughput - before.throughput, after.power_w - before.power_w);
    HullStep { from: before.workers, to: after.workers, throughput, power_w }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(rows: &[(f64, f64)]) -> Vec<WorkerLevel> {
        (1..).zip(rows).map(|(workers, &(throughput, power_w))| WorkerLevel { workers, throughput, power_w }).collect()
    }

    #[test]
    fn counts_above_the_line_are_left_out() {
        // 2 workers: 11 units for 25 W; half of 0 and half of 3 gives 15 for 15 W.
        let steps = hull(&levels(&[(10.0, 10.0), (11.0, 25.0), (30.0, 30.0), (31.0, 60.0)]));
        let workers: Vec<(u32, u32)> = steps.iter().map(|step| (step.from, step.to)).collect();
        assert_eq!(workers, [(0, 3), (3, 4)]);
        assert!(steps.windows(2).all(|pair| pair[0].slope() < pair[1].slope()));
    }

    #[test]
    fn a_worker_that_adds_nothing_is_never_used() {
        let steps = hull(&levels(&[(10.0, 10.0), (10.0, 20.0)]));
        assert_eq!(steps.iter().map(|step| step.to).collect::<Vec<_>>(), [1]);
    }
}
