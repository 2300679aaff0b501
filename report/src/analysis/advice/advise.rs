//! Collects the advice of `eco2 optimize` for a run over all topics.

use eco2_core::schema::Report;

use super::elsewhere::{self, AdviceInputs};
use super::types::{Advice, Findings, Suggestions, Topic, combined_percent, percent};
use super::{calibrated, measured};

/// Topics that use the run's gauges (such as utilisation) and episodes (times of idle GPUs or stalled steps).
const MEASURED: [Topic; 3] = [Topic::IdleGpu, Topic::Stalls, Topic::PowerLimit];
/// Topics that use the run's energy over time.
const ELSEWHERE: [Topic; 2] = [Topic::Hour, Topic::Region];
/// Shortest run that is assessed by its gauges. They are read once a second, so a shorter run has fewer than ten
/// readings.
const SHORTEST_NS: u64 = 10_000_000_000;

/// Returns the advice for a run.
#[must_use]
pub fn advise(report: &Report, inputs: &AdviceInputs<'_>) -> Suggestions {
    let mut findings = Findings::default();
    let no_energy = no_energy(report);
    let too_short = (report.run.duration_ns < SHORTEST_NS).then_some("the run was shorter than 10 s");
    match no_energy.or(too_short) {
        Some(reason) => {
            MEASURED.into_iter().for_each(|topic| findings.skip(topic, reason));
            inputs.calibration.into_iter().for_each(|_| findings.skip(Topic::IdleMachine, reason));
        }
        None => {
            if let Some(calibration) = inputs.calibration {
                calibrated::idle(report, calibration, inputs.run, &mut findings);
            }
            measured::idle(report, inputs.run, &mut findings);
            measured::stalls(report, inputs.run, &mut findings);
            measured::power_limit(report, &mut findings);
        }
    }
    match no_energy {
        Some(reason) => ELSEWHERE.into_iter().for_each(|topic| findings.skip(topic, reason)),
        None => {
            elsewhere::hour(report, inputs, &mut findings);
            elsewhere::regions(report, inputs, &mut findings);
        }
    }
    let Findings { mut advice, not_assessed } = findings;
    advice.sort_by(|a, b| saved_percent(b).total_cmp(&saved_percent(a)).then(a.topic.cmp(&b.topic)));
    let combined_percent = combined_percent(&advice);
    let estimated_percent = percent(report.energy.estimated_uj, report.energy.total_uj.unwrap_or(0));
    Suggestions { run: report.run.id.clone(), advice, combined_percent, not_assessed, estimated_percent }
}

/// Returns the reason why no topic can be assessed; `None` if the run has measured or estimated energy.
fn no_energy(report: &Report) -> Option<&'static str> {
    if report.energy.synthetic_uj > 0 {
        return Some("the run's energy is synthetic: nothing was measured");
    }
    let is_unknown = report.energy.total_uj.is_none_or(|uj| uj == 0);
    is_unknown.then_some("the run has no energy: nothing was measured; `eco2 doctor` shows the reason")
}

/// Returns the saving by which the suggestions are sorted, percent; minus infinity if none is stated.
fn saved_percent(advice: &Advice) -> f64 {
    advice.saving.map_or(f64::NEG_INFINITY, |saving| saving.percent)
}
