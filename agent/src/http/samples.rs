//! Keeps how the energy of each job has grown ([`JobSamples`]), in a bounded number of points.

use std::collections::BTreeMap;

use crate::latest::Views;

/// Most points of a job; when there are more, every second is dropped and fewer are taken.
const POINTS: usize = 128;
/// Most jobs with points.
const JOBS: usize = 256;

/// The energy of a job at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Nanoseconds since 1970.
    pub(crate) wall_ns: i64,
    /// Energy for callers that may see everything, microjoules.
    pub(crate) full_uj: u64,
    /// Energy for all others, computed from steps of 1 s and 0.1 J.
    pub(crate) public_uj: u64,
    /// Steps that it reported; `None`: not counted.
    pub(crate) steps: Option<u64>,
}

/// How the energy of each job has grown.
#[derive(Debug, Default)]
pub(crate) struct JobSamples {
    /// By id and beginning: an id may be used again.
    jobs: BTreeMap<(String, i64), Points>,
}

#[derive(Debug)]
struct Points {
    uid: u32,
    /// Of how many instants one is taken.
    every: u64,
    seen: u64,
    points: Vec<Point>,
}

impl JobSamples {
    /// Adds an instant. Jobs that are not in it any more are forgotten.
    pub(crate) fn push(&mut self, views: &Views) {
        let mut left = std::mem::take(&mut self.jobs);
        for (full, public) in views.full.consumers.iter().filter_map(|full| {
            let is_same = |other: &&crate::Consumer| other.id == full.id && other.began_wall_ns == full.began_wall_ns;
            Some((full, views.public.consumers.iter().find(is_same)?))
        }) {
            let key = (full.id.clone(), full.began_wall_ns);
            let known = left.remove(&key);
            if self.jobs.len() == JOBS || (known.is_none() && full.ended_wall_ns.is_some()) {
                continue;
            }
            let mut job = known.unwrap_or(Points { uid: full.uid, every: 1, seen: 0, points: Vec::new() });
            let (wall_ns, steps) = (views.full.wall_ns, full.steps);
            job.push(Point { wall_ns, full_uj: full.energy_uj, public_uj: public.energy_uj, steps });
            self.jobs.insert(key, job);
        }
    }

    /// Moves all times.
    pub(crate) fn shift(&mut self, by_ns: i64) {
        let points = self.jobs.values_mut().flat_map(|job| &mut job.points);
        points.for_each(|point| point.wall_ns = point.wall_ns.saturating_add(by_ns));
    }

    /// Returns the points of the newest job with an id, with the user to whom it belongs.
    pub(crate) fn of(&self, id: &str) -> Option<(u32, &[Point])> {
        let newest = self.jobs.range((id.to_owned(), i64::MIN)..=(id.to_owned(), i64::MAX)).next_back();
        newest.map(|(_, job)| (job.uid, job.points.as_slice()))
    }
}

impl Points {
    fn push(&mut self, point: Point) {
        let is_taken = self.seen % self.every == 0;
        self.seen += 1;
        if !is_taken {
            return;
        }
        self.points.push(point);
        if self.points.len() > POINTS {
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.every *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{job, views};

    #[test]
    fn long_job_has_a_bounded_number_of_points_that_never_fall() {
        let mut samples = JobSamples::default();
        for second in 1..=5_000 {
            let mut now = views(second);
            for view in [&mut now.full, &mut now.public] {
                std::sync::Arc::make_mut(view).consumers = vec![job("7", 1000, second * 10, None)];
            }
            samples.push(&now);
        }
        let (uid, points) = samples.of("7").unwrap();
        assert!(uid == 1000 && points.len() <= POINTS && points.len() > POINTS / 3, "{}", points.len());
        assert_eq!(points[0].full_uj, 10, "the first stays");
        assert!(points.windows(2).all(|pair| pair[0].full_uj < pair[1].full_uj && pair[0].wall_ns < pair[1].wall_ns));
        samples.push(&views(6_000));
        assert!(samples.of("7").is_none() && samples.of("48213").is_some(), "jobs that are gone are forgotten");
    }

    #[test]
    fn number_of_jobs_is_bounded() {
        let mut now = views(1);
        for view in [&mut now.full, &mut now.public] {
            std::sync::Arc::make_mut(view).consumers = (0..1_000).map(|n| job(&format!("j{n}"), 1, 1, None)).collect();
        }
        let mut samples = JobSamples::default();
        samples.push(&now);
        samples.push(&now);
        assert_eq!(samples.jobs.len(), JOBS);
        assert_eq!(samples.of("j3").unwrap().1.len(), 2);
    }
}
