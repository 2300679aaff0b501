//! Gauges: what a device reports about itself once a second. Their own type, so that none can enter an energy sum.

use serde::{Deserialize, Serialize};

/// One reading of something that is not energy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// Id of the device: a domain's id, or `host`.
    pub device: String,
    /// What it is: `utilization`, `memory_used`, `temperature`, `sm_clock`, `power_limit`, `throttle_reasons`, …
    pub name: String,
    /// Base unit: `1` (a fraction), `By`, `Cel`, `Hz`, `W`, `bits`.
    pub unit: String,
    /// The value.
    pub value: f64,
}
