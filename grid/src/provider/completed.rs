//! Completes the intensities that providers gave for a run, so that they cover all of its time with values of one kind.
//! Times that no provider knows get the yearly average of the zone, marked as a fallback. A *kind* states what an
//! intensity counts (average or marginal, direct or life-cycle); values of different kinds must not be added up.

use std::sync::Arc;

use super::{Coverage, IntensityOrigin, IntensityPart, ProviderFault};
use crate::{Intensity, IntensityKind};

impl Coverage {
    /// Returns the intensities over all of `from_ns` to `to_ns` in values of one kind: the kind of the first provider
    /// in the chain that has a value and states a kind. A value without a stated kind is compatible with any kind.
    ///
    /// Parts of other kinds are left out and named in the faults. Uncovered times get the value of `table`, the yearly
    /// average of the zone, if it has the same kind. Otherwise the nearest known value is extended, preferably the one
    /// before. Both are flagged as estimated fallbacks.
    #[must_use]
    pub(crate) fn completed(mut self, from_ns: i64, to_ns: i64, table: &Intensity) -> Self {
        let (known, used) = self.keep_one_kind(from_ns, to_ns);
        let fill =
            |from_ns: i64, to_ns: i64, before: Option<&IntensityPart>, after: Option<&IntensityPart>| match before
                .or(after)
            {
                Some(nearest) if !is_compatible(table.kind, used) => {
                    IntensityPart { from_ns, to_ns, estimated: true, fallback: true, ..nearest.clone() }
                }
                _ => table_part(table, from_ns, to_ns),
            };
        let (mut parts, mut reached_ns): (Vec<IntensityPart>, i64) = (Vec::with_capacity(known.len()), from_ns);
        for (place, part) in known.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|before| known.get(before));
            if part.from_ns > reached_ns {
                parts.push(fill(reached_ns, part.from_ns, before, Some(part)));
            }
            reached_ns = part.to_ns;
            parts.push(part.clone());
        }
        if reached_ns < to_ns {
            parts.push(fill(reached_ns, to_ns, known.last(), None));
        }
        self.parts = parts;
        self
    }

    /// Returns the parts within a period that do not overlap and have one kind, and that kind.
    fn keep_one_kind(&mut self, from_ns: i64, to_ns: i64) -> (Vec<IntensityPart>, Option<IntensityKind>) {
        let mut inside: Vec<IntensityPart> = Vec::with_capacity(self.parts.len());
        let mut reached_ns = from_ns;
        for part in self.parts.drain(..) {
            let (from_ns, to_ns) = (part.from_ns.max(reached_ns), part.to_ns.min(to_ns));
            if from_ns < to_ns {
                inside.push(IntensityPart { from_ns, to_ns, ..part });
                reached_ns = to_ns;
            }
        }
        let stated = |fallback: bool| {
            inside.iter().filter(move |part| part.fallback == fallback).find_map(|part| part.about.kind)
        };
        let used = stated(false).or_else(|| stated(true));
        let mut other: Vec<(String, Option<IntensityKind>)> = Vec::new();
        inside.retain(|part| {
            let stays = is_compatible(part.about.kind, used);
            let named = (part.provider.clone(), part.about.kind);
            if !stays && !other.contains(&named) {
                other.push(named);
            }
            stays
        });
        self.faults
            .extend(other.into_iter().map(|(provider, kind)| (provider, ProviderFault::OtherKind { kind, used })));
        (inside, used)
    }
}

/// Whether values of a kind may be added to those of the kind that is used. An unstated kind is compatible with any.
fn is_compatible(kind: Option<IntensityKind>, used: Option<IntensityKind>) -> bool {
    kind.is_none() || used.is_none() || kind == used
}

/// Returns a part with the yearly average, for a time that no provider knows.
fn table_part(table: &Intensity, from_ns: i64, to_ns: i64) -> IntensityPart {
    let (g_per_kwh, about) = (table.g_per_kwh, Arc::new(IntensityOrigin::from(table)));
    let provider = super::TABLE.to_owned();
    IntensityPart { from_ns, to_ns, g_per_kwh, estimated: true, provider, answer: None, fallback: true, about }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup;

    fn part(
        provider: &str,
        kind: Option<IntensityKind>,
        (from_ns, to_ns): (i64, i64),
        g_per_kwh: f64,
    ) -> IntensityPart {
        let about = Arc::new(IntensityOrigin { kind, ..IntensityOrigin::default() });
        let fallback = provider != "first";
        let provider = provider.to_owned();
        IntensityPart { from_ns, to_ns, g_per_kwh, estimated: fallback, provider, answer: None, fallback, about }
    }

    fn completed(parts: Vec<IntensityPart>) -> Coverage {
        Coverage { parts, ..Coverage::default() }.completed(0, 100, &lookup("DE").unwrap())
    }

    fn values(coverage: &Coverage) -> Vec<(i64, i64, f64, bool)> {
        coverage.parts.iter().map(|part| (part.from_ns, part.to_ns, part.g_per_kwh, part.fallback)).collect()
    }

    const DIRECT: Option<IntensityKind> = Some(IntensityKind::DirectAverageConsumption);
    const TABLE: Option<IntensityKind> = Some(IntensityKind::LifecycleAverageProduction);

    #[test]
    fn k09_gap_of_a_direct_provider_is_filled_with_its_own_values() {
        let covered = completed(vec![part("first", DIRECT, (10, 40), 188.0), part("first", DIRECT, (60, 70), 198.0)]);
        let expected = [
            (0, 10, 188.0, true),
            (10, 40, 188.0, false),
            (40, 60, 188.0, true),
            (60, 70, 198.0, false),
            (70, 100, 198.0, true),
        ];
        assert_eq!(values(&covered), expected);
        assert!(covered.parts.iter().all(|part| part.about.kind == DIRECT && part.estimated == part.fallback));
        // A kind that is not stated does not decide: the second provider's does, and the table is of another one.
        let unstated = completed(vec![part("first", None, (0, 50), 7.0), part("second", DIRECT, (50, 80), 9.0)]);
        assert_eq!(values(&unstated), [(0, 50, 7.0, false), (50, 80, 9.0, true), (80, 100, 9.0, true)]);
        let alone = completed(vec![part("first", None, (0, 50), 7.0)]);
        assert_eq!(values(&alone), [(0, 50, 7.0, false), (50, 100, 342.06, true)]);
    }

    #[test]
    fn k09_table_fills_gaps_of_its_own_kind_and_all_of_an_unknown_period() {
        let covered = completed(vec![part("first", TABLE, (0, 50), 7.0)]);
        assert_eq!(values(&covered), [(0, 50, 7.0, false), (50, 100, 342.06, true)]);
        assert_eq!(values(&completed(Vec::new())), [(0, 100, 342.06, true)]);
    }

    #[test]
    fn k09_second_provider_of_another_kind_is_left_out_and_named() {
        let covered = completed(vec![part("second", TABLE, (0, 50), 7.0), part("first", DIRECT, (50, 100), 9.0)]);
        assert_eq!(values(&covered), [(0, 50, 9.0, true), (50, 100, 9.0, false)]);
        let fault = ProviderFault::OtherKind { kind: TABLE, used: DIRECT };
        assert!(fault.to_string().contains("lifecycle-average-production"), "{fault}");
        assert_eq!(covered.faults, [("second".to_owned(), fault)]);
    }
}
