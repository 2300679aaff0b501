//! Zones whose names are near to what was typed.

use crate::{Zone, clouds, table};

/// Suggestions given at most.
const MOST: usize = 3;
/// Least Jaro-Winkler similarity that helps rather than confuses; "Germny" to "germany" has 0.97, "Narnia" to
/// "namibia" 0.83.
const NEAR: f64 = 0.88;

/// The same for cloud regions, whose names are long and much alike.
const NEAR_REGION: f64 = 0.93;

/// The nearest zones that `wanted` allows, best first, as `Germany (DE)`.
pub(crate) fn nearest(typed: &str, wanted: impl Fn(&Zone) -> bool) -> Vec<String> {
    let typed = table::fold(typed);
    let mut near: Vec<(f64, &Zone)> = table::names()
        .filter(|(_, zone)| wanted(zone))
        .map(|(name, zone)| (closeness(&typed, name, zone), zone))
        .filter(|(score, _)| *score >= NEAR)
        .collect();
    near.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.code.cmp(&right.code)));
    let mut labels: Vec<String> = Vec::new();
    for label in near.into_iter().map(|(_, zone)| zone.label()) {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.truncate(MOST);
    labels
}

/// The nearest cloud regions, best first, as `Oregon (gcp:us-west1)`.
pub(crate) fn nearest_regions(typed: &str) -> Vec<String> {
    let typed = table::fold(typed);
    let mut near: Vec<(f64, String)> = clouds::names()
        .map(|(name, label)| (strsim::jaro_winkler(&typed, name), label))
        .filter(|(score, _)| *score >= NEAR_REGION)
        .collect();
    near.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    let mut labels: Vec<String> = Vec::new();
    for (_, label) in near {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.truncate(MOST);
    labels
}

/// A bare state code ("TX") names no zone, but is as near as can be.
fn closeness(typed: &str, name: &str, zone: &Zone) -> f64 {
    if zone.state().is_some_and(|state| state.eq_ignore_ascii_case(typed)) {
        return 1.0;
    }
    strsim::jaro_winkler(typed, name)
}
