//! Which processes were started together: a launcher's counts, and where they do not tell, the order of time.

use std::collections::BTreeMap;

use eco2_core::Window;
use eco2_core::schema::Report;

use super::parts::wall;
use super::windows::hull;

/// The starts of a run, in the order of time, each as places of parts; and whether any was told by time alone.
///
/// A launcher that is started again counts from 0 again, so its counts say who belongs together, and never what came first.
pub(super) fn starts(parts: &[Report], members: Vec<usize>) -> (Vec<Vec<usize>>, bool) {
    let mut counted: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for place in members {
        let run = &parts[place].run;
        counted.entry((run.requeue, run.attempt)).or_default().push(place);
    }
    let count = counted.len();
    let mut starts: Vec<Vec<usize>> = counted.into_values().flat_map(|places| apart(parts, places)).collect();
    let uncounted = starts.len() > count;
    starts.sort_by_key(|places| places.iter().map(|place| wall(&parts[*place])).min());
    (starts, uncounted)
}

/// Processes of one count, told apart by time: those of the rank that was there most often, each with the others' that
/// were there with it.
fn apart(parts: &[Report], places: Vec<usize>) -> Vec<Vec<usize>> {
    let mut ranks: BTreeMap<Option<u32>, Vec<Window>> = BTreeMap::new();
    for place in &places {
        ranks.entry(parts[*place].run.rank).or_default().push(wall(&parts[*place]));
    }
    let lives =
        ranks.into_values().map(in_turn).reduce(|most, lives| if lives.len() > most.len() { lives } else { most });
    let lives = lives.unwrap_or_default();
    let mut starts = vec![Vec::new(); lives.len()];
    for place in places {
        if let Some(start) = nearest(&lives, wall(&parts[place])).and_then(|life| starts.get_mut(life)) {
            start.push(place);
        }
    }
    starts.retain(|start| !start.is_empty());
    starts
}

/// One rank's windows, of which one begins when those before it have ended; what overlaps is one.
fn in_turn(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable();
    let mut lives: Vec<Window> = Vec::new();
    for window in windows {
        match lives.last_mut().filter(|last| window.from_ns < last.to_ns) {
            Some(last) => *last = hull(*last, window),
            None => lives.push(window),
        }
    }
    lives
}

/// The window that shares most time with another; of those that share none the nearest.
fn nearest(lives: &[Window], window: Window) -> Option<usize> {
    let shared = |life: &Window| {
        let (from_ns, to_ns) = (life.from_ns.max(window.from_ns), life.to_ns.min(window.to_ns));
        (to_ns.saturating_sub(from_ns), u64::MAX - from_ns.saturating_sub(to_ns))
    };
    // Of several alike the first.
    (0..lives.len()).rev().max_by_key(|at| lives.get(*at).map(shared))
}
