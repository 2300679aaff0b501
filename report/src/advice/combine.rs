//! Several savings together: each takes its share of what the others leave, so that they never pass 100 %.

use super::{Advice, Topic};

/// What all savings together could come to at most, percent: `100 (1 − Π (1 − s))` over the upper ends of their intervals.
///
/// Of hours and places one is taken: the largest. Idle GPUs and stalls may have been at different times: their shares add
/// up, to 100 at most.
#[must_use]
pub fn combined_percent(advice: &[Advice]) -> Option<f64> {
    let highs = |topic: Topic| {
        let savings = advice.iter().filter(move |one| one.topic == topic).filter_map(|one| one.saving);
        savings.map(|saving| saving.high_percent.clamp(0.0, 100.0))
    };
    let largest = |topics: [Topic; 2]| topics.into_iter().flat_map(highs).reduce(f64::max);
    let waste = [Topic::IdleGpu, Topic::Stalls].into_iter().filter_map(|topic| highs(topic).reduce(f64::max));
    let groups = [
        waste.reduce(|idle, stalled| (idle + stalled).min(100.0)),
        highs(Topic::PowerLimit).reduce(f64::max),
        largest([Topic::Hour, Topic::Region]),
    ];
    let shares: Vec<f64> = groups.into_iter().flatten().collect();
    let left = shares.iter().fold(1.0, |left, share| left * (1.0 - share / 100.0));
    (!shares.is_empty()).then_some(100.0 * (1.0 - left))
}
