//! Connects to the agent of the flags, and reads what the document of a job has of its energy and emissions.

use eco2_core::{Bounded, RangeKind};
use serde_json::Value;

use crate::agent_client::{AgentClient, AgentPlace};
use crate::args::job::AgentArgs;

/// Connects to the agent.
///
/// # Errors
/// Where there is none.
pub(super) fn connect(args: &AgentArgs) -> anyhow::Result<AgentClient> {
    AgentClient::connect(&AgentPlace::Folder(args.dir.clone()))
}

/// Returns the energy of a job with that of the jobs within it.
pub(super) fn energy(job: &Value) -> Bounded<u64> {
    Bounded {
        value: job["total_uj"].as_u64(),
        low: job["total_low_uj"].as_u64().unwrap_or(0),
        high: job["total_high_uj"].as_u64(),
        kind: RangeKind::Plausible,
    }
}

/// Returns what that energy emitted.
pub(super) fn grams(job: &Value) -> Bounded<f64> {
    Bounded {
        value: job["total_grams"].as_f64(),
        low: job["total_grams_low"].as_f64().unwrap_or(0.0),
        high: job["total_grams_high"].as_f64(),
        kind: RangeKind::Plausible,
    }
}
