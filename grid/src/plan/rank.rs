//! T4: where to run. The best plan of each zone, moving the data included.

use super::{IntensityCurve, Job, Plan, PlanError, plan};

/// A zone in question.
#[derive(Debug, Clone, Copy)]
pub struct ZoneCandidate<'a> {
    /// What the zone is called.
    pub name: &'a str,
    /// Its intensity.
    pub curve: &'a IntensityCurve,
    /// Grams CO2e of moving the job and its data there; 0 at home.
    pub transfer_grams: f64,
}

/// A zone with its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedZone {
    /// What the zone is called.
    pub name: String,
    /// The best plan there.
    pub plan: Plan,
    /// Grams CO2e of moving there.
    pub transfer_grams: f64,
    /// Grams CO2e of both.
    pub total_grams: f64,
}

/// Zones by the grams of their best plan from `from_ns` to `to_ns` plus transfer; equal ones stay in the given order. A
/// zone whose intensity is not known for long enough is left out as long as another one has a plan.
///
/// # Errors
/// [`PlanError`] where no zone has a plan, or intensities of different kinds would be compared.
pub fn rank(
    candidates: &[ZoneCandidate<'_>],
    from_ns: i64,
    to_ns: i64,
    job: &Job,
) -> Result<Vec<RankedZone>, PlanError> {
    let of_one_kind = |pair: &[ZoneCandidate<'_>]| same_kind(&pair[0], &pair[1]);
    candidates.windows(2).try_for_each(of_one_kind)?;
    let ranked = |candidate: &ZoneCandidate<'_>| {
        let allowed = "a finite number of at least 0";
        super::error::check(candidate.transfer_grams, "grams of the transfer", |grams| grams >= 0.0, allowed)?;
        let plan = plan(&candidate.curve.window(from_ns, to_ns)?, job)?;
        let (name, transfer_grams) = (candidate.name.to_owned(), candidate.transfer_grams);
        Ok(RankedZone { name, transfer_grams, total_grams: plan.grams + transfer_grams, plan })
    };
    let (mut zones, mut unknown) = (Vec::new(), None);
    for candidate in candidates {
        match ranked(candidate) {
            Err(gap @ PlanError::Gap { .. }) => unknown = unknown.or(Some(gap)),
            zone => zones.push(zone?),
        }
    }
    if let Some(gap) = unknown.filter(|_| zones.is_empty()) {
        return Err(gap);
    }
    zones.sort_by(|a, b| a.total_grams.total_cmp(&b.total_grams));
    Ok(zones)
}

/// Grams CO2e of the energy that moves a job and its data at an instant, or at the first one after it whose intensity is
/// known; half of it is used at either end. 0 to where it is already.
///
/// # Errors
/// [`PlanError`] where an intensity is not known then, or the energy makes no sense.
pub fn transfer_grams(
    home: &IntensityCurve,
    there: &IntensityCurve,
    at_ns: i64,
    energy_kwh: f64,
) -> Result<f64, PlanError> {
    let allowed = "a finite number of at least 0";
    super::error::check(energy_kwh, "energy of the transfer in kWh", |energy| energy >= 0.0, allowed)?;
    if std::ptr::eq(home, there) {
        return Ok(0.0);
    }
    Ok(energy_kwh * (home.known_from(at_ns)? + there.known_from(at_ns)?) / 2.0)
}

fn same_kind(first: &ZoneCandidate<'_>, other: &ZoneCandidate<'_>) -> Result<(), PlanError> {
    if first.curve.kind() == other.curve.kind() {
        return Ok(());
    }
    let named = |candidate: &ZoneCandidate<'_>| {
        candidate.curve.kind().map_or_else(|| "not stated".to_owned(), |kind| kind.as_str().to_owned())
    };
    Err(PlanError::KindsDiffer {
        first: first.name.to_owned(),
        other: other.name.to_owned(),
        first_kind: named(first),
        other_kind: named(other),
    })
}
