//! Builds a series, intensities in periods of equal length (*slots*), from the answers of providers, for
//! `eco2 plan --provider`.

use super::RequestError;
use crate::provider::{Coverage, IntensityPart};
use crate::series::common;
use crate::{FilePlace, Series, SeriesMeta, SeriesPoint, utc};

/// Minimum length of a slot: a minute. Grids publish none that are shorter.
const LEAST_STEP_NS: i64 = 60_000_000_000;

impl Series {
    /// Returns the intensities over a period in slots of equal length; unknown times are gaps.
    ///
    /// # Errors
    /// [`RequestError::Asked`] if no provider has a value (with their faults), if the values have different kinds, or
    /// if the slots have no common length.
    pub fn published(coverage: &Coverage) -> Result<Self, RequestError> {
        let (Some(first), Some(last)) = (coverage.parts.first(), coverage.parts.last()) else {
            return Err(RequestError::Asked(nothing(coverage)));
        };
        if let Some(other) = coverage.parts.iter().find(|part| part.about.kind != first.about.kind) {
            return Err(RequestError::Asked(kinds_differ(first, other)));
        }
        let step_ns = step(&coverage.parts);
        if step_ns < LEAST_STEP_NS {
            let text = "the provider's slots have no common length; save them as a file and give --series";
            return Err(RequestError::Asked(text.to_owned()));
        }
        let starts = (first.from_ns..last.to_ns).step_by(usize::try_from(step_ns).unwrap_or(usize::MAX));
        let points: Vec<SeriesPoint> = starts.map(|from_ns| point(coverage, from_ns)).collect();
        let about = &first.about;
        let meta = SeriesMeta {
            zone: about.zone.clone(),
            kind: about.kind,
            source: about.source.clone(),
            licence: about.licence.clone(),
            estimated: true,
            ..SeriesMeta::default()
        };
        let asked =
            |(place, fault): (FilePlace, crate::FileFault)| RequestError::Asked(format!("provider{place}: {fault}"));
        Self::of(meta, &points).map_err(asked)
    }
}

/// Returns the intensity at an instant as a point of a series; a gap if no provider has a value.
fn point(coverage: &Coverage, from_ns: i64) -> SeriesPoint {
    let after = coverage.parts.partition_point(|part| part.to_ns <= from_ns);
    let part = coverage.parts.get(after).filter(|part| part.from_ns <= from_ns);
    SeriesPoint { from_ns, value: part.map(|part| part.g_per_kwh), place: FilePlace::Whole }
}

/// Returns the greatest length such that every edge is a multiple of it after the first edge.
fn step(parts: &[IntensityPart]) -> i64 {
    let first_ns = parts.first().map_or(0, |part| part.from_ns);
    let edges = parts.iter().flat_map(|part| [part.from_ns, part.to_ns]);
    edges.fold(0, |step, edge_ns| common(step, edge_ns - first_ns))
}

/// Returns the message that no provider has values, with the fault of each.
fn nothing(coverage: &Coverage) -> String {
    let faults = coverage.faults.iter().map(|(provider, fault)| format!("{provider}: {fault}"));
    let faults: Vec<String> = faults.collect();
    format!("no provider has values for that time ({}); give a file with --series", faults.join("; "))
}

/// Returns the message that two providers have intensities of different kinds.
fn kinds_differ(first: &IntensityPart, other: &IntensityPart) -> String {
    let of = |part: &IntensityPart| part.about.kind.map_or("kind not stated", |kind| kind.as_str());
    let at = utc(other.from_ns);
    format!(
        "{} has {} and from {at} on {} has {}: kinds are not mixed; name one provider",
        first.provider,
        of(first),
        other.provider,
        of(other)
    )
}
