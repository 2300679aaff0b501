//! Ranks grid zones for a job (`eco2 plan --rank`) by the emissions of its best plan in each zone, including the
//! emissions of moving the job there (the *transfer*).

use super::{IntensityCurve, Job, Plan, PlanError, plan};

/// A zone to compare.
#[derive(Debug, Clone, Copy)]
pub struct ZoneCandidate<'a> {
    /// Name of the zone.
    pub name: &'a str,
    /// Intensity of the zone over time.
    pub curve: &'a IntensityCurve,
    /// Grams CO2e of moving the job and its data there; 0 for the zone in which it is now.
    pub transfer_grams: f64,
}

/// A zone with its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedZone {
    /// Name of the zone.
    pub name: String,
    /// The best plan there.
    pub plan: Plan,
    /// Grams CO2e of moving there.
    pub transfer_grams: f64,
    /// Grams CO2e of the plan and of moving, added up.
    pub total_grams: f64,
}

/// Returns the zones sorted by the emissions of their best plan from `from_ns` to `to_ns` plus transfer; equal ones
/// keep their order. A zone whose known intensities do not suffice is left out if another zone has a plan.
///
/// ```
/// use eco2_grid::Series;
/// use eco2_grid::plan::{HOUR_NS, IntensityCurve, Job, ZoneCandidate, rank};
///
/// let csv = b"time,DE,FR\n2026-01-01T00:00Z,300,50\n2026-01-01T01:00Z,200,60\n";
/// let (home, there) = (Series::parse(csv, "s.csv", Some("DE"))?, Series::parse(csv, "s.csv", Some("FR"))?);
/// let (germany, france) = (IntensityCurve::new(&home), IntensityCurve::new(&there));
/// let zones = [
///     ZoneCandidate { name: "DE", curve: &germany, transfer_grams: 0.0 },
///     ZoneCandidate { name: "FR", curve: &france, transfer_grams: 100.0 },
/// ];
/// let job = Job { duration_ns: HOUR_NS, power_w: 1000.0, interruptible: false };
/// let ranked = rank(&zones, home.from_ns(), home.to_ns(), &job)?;
/// let totals: Vec<(&str, f64)> = ranked.iter().map(|zone| (zone.name.as_str(), zone.total_grams)).collect();
/// assert_eq!(totals, [("FR", 150.0), ("DE", 200.0)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PlanError`] if no zone has a plan, or intensities of different kinds would be compared.
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

/// Returns the grams CO2e of the energy that moves a job and its data, half of which is used in either zone. The
/// intensities are those at `at_ns`, or the first known ones after it. The result is 0 if both zones are the same.
///
/// # Errors
/// [`PlanError`] if an intensity is unknown, or the energy is out of range.
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

/// Checks that the intensities of two zones count the same things.
fn same_kind(first: &ZoneCandidate<'_>, other: &ZoneCandidate<'_>) -> Result<(), PlanError> {
    if first.curve.kind == other.curve.kind {
        return Ok(());
    }
    let named = |candidate: &ZoneCandidate<'_>| {
        candidate.curve.kind.map_or_else(|| "not stated".to_owned(), |kind| kind.as_str().to_owned())
    };
    Err(PlanError::KindsDiffer {
        first: first.name.to_owned(),
        other: other.name.to_owned(),
        first_kind: named(first),
        other_kind: named(other),
    })
}
