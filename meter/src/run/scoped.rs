//! Takes the command's part of energy and emissions until now, for limits with `scope = command` ([`of_scope`]). The rule is that of
//! reports ([`eco2_report::in_scope`]), so that a running command and its report are judged alike.

use eco2_core::schema::{Attribution, Carbon, Energy, Report, Run};
use eco2_report::{Scope, in_scope};

/// Returns energy and emissions of a scope. `read_high_uj` is the upper bound of the machine's energy until the last readings: what the
/// machine may have used since then may be the command's. Without attribution the command's energy is not known.
pub(crate) fn of_scope(
    scope: Scope,
    energy: Energy,
    carbon: Carbon,
    attribution: Option<Attribution>,
    read_high_uj: Option<u64>,
) -> (Energy, Carbon) {
    if scope == Scope::Machine {
        return (energy, carbon);
    }
    let unread_uj = energy.high_uj.map(|high| high.saturating_sub(read_high_uj.unwrap_or(high)));
    let attribution = attribution.map(|job| Attribution {
        high_uj: job.high_uj.zip(unread_uj).map(|(high, unread)| high.saturating_add(unread)),
        ..job
    });
    let run = Run { duration_ns: energy.missing_ns, ..Run::default() };
    let whole = Report { energy, carbon: Some(carbon), attribution, ..Report::empty(run) };
    let Report { energy, carbon, .. } = in_scope(&whole, scope).into_owned();
    (energy, carbon.unwrap_or_default())
}
