//! Several savings together: each takes its share of what the others leave, so that they never pass 100 %.

use super::{Advice, Topic};

/// What all savings together could come to at most, percent: `100 (1 − Π (1 − s))`, by group the largest alone.
///
/// Idle GPUs and stalls see the same time, and of hours and places one is taken: within a group savings are alternatives.
#[must_use]
pub fn combined_percent(advice: &[Advice]) -> Option<f64> {
    let groups = [&[Topic::IdleGpu, Topic::Stalls][..], &[Topic::PowerLimit], &[Topic::Hour, Topic::Region]];
    let largest = |group: &[Topic]| {
        let savings = advice.iter().filter(|one| group.contains(&one.topic)).filter_map(|one| one.saving);
        savings.map(|saving| saving.percent.clamp(0.0, 100.0)).reduce(f64::max)
    };
    let shares: Vec<f64> = groups.into_iter().filter_map(largest).collect();
    let left = shares.iter().fold(1.0, |left, share| left * (1.0 - share / 100.0));
    (!shares.is_empty()).then_some(100.0 * (1.0 - left))
}
