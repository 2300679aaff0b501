//! The same job in every column of the series.

use super::{PlanNote, PlanOutcome, PlanRequest, RequestError};
use crate::IntensityKind;
use crate::plan::{IntensityCurve, PlanError, RankedZone, ZoneCandidate, rank, transfer_grams};

impl PlanRequest {
    pub(super) fn zones(
        &self,
        notes: &mut Vec<PlanNote>,
    ) -> Result<(PlanOutcome, Option<IntensityKind>), RequestError> {
        let curves = self.series.all()?;
        let none = || RequestError::Asked("the series has no column beside the time".to_owned());
        let (_, first) = curves.first().ok_or_else(none)?;
        let (from_ns, to_ns) = self.times(first, notes);
        let home = self.zone.as_ref().map(|zone| self.home(zone, &curves)).transpose()?;
        let ranked = self.ranked(home, &curves, from_ns, to_ns).map_err(|error| self.refused(error))?;
        let is_ranked = |name: &String| ranked.iter().any(|zone| zone.name == *name);
        let left_out = curves.iter().filter(|(name, _)| !is_ranked(name));
        notes.extend(left_out.map(|(name, _)| PlanNote::ZoneUnknown(name.clone())));
        Ok((PlanOutcome::Zones(ranked), first.kind()))
    }

    fn ranked(
        &self,
        home: Option<&IntensityCurve>,
        curves: &[(String, IntensityCurve)],
        from_ns: i64,
        to_ns: i64,
    ) -> Result<Vec<RankedZone>, PlanError> {
        let energy_kwh = self.transfer_kwh.unwrap_or_default();
        let candidates = curves.iter().map(|(name, curve)| {
            let transfer_grams = home.map_or(Ok(0.0), |home| transfer_grams(home, curve, from_ns, energy_kwh))?;
            Ok(ZoneCandidate { name, curve, transfer_grams })
        });
        let candidates = candidates.collect::<Result<Vec<_>, PlanError>>()?;
        rank(&candidates, from_ns, to_ns, &self.job(self.power()?))
    }

    fn home<'a>(&self, zone: &str, curves: &'a [(String, IntensityCurve)]) -> Result<&'a IntensityCurve, RequestError> {
        let found = curves.iter().find(|(name, _)| name == zone).map(|(_, curve)| curve);
        let names: Vec<&str> = curves.iter().map(|(name, _)| name.as_str()).collect();
        let missing = || format!("{}: no column {zone:?}; there are: {}", self.series.name(), names.join(", "));
        found.ok_or_else(|| RequestError::Asked(missing()))
    }
}
