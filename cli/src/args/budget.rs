//! Flags that limit a run and say who is told.

use clap::Args;
use eco2::options::{Layer, OptionsError};

use super::flags::put;

/// What a run may use, and who is told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Budget")]
pub(crate) struct Limits {
    /// Kilograms CO2e that the run may cause; it is warned of and never stopped
    #[arg(long, value_name = "KG")]
    pub(crate) max_co2: Option<String>,
    /// Kilowatt-hours that the run may use
    #[arg(long, value_name = "KWH")]
    pub(crate) max_energy: Option<String>,
    /// Hours that the run is to take: its end is forecast, with an interval that holds in nine of ten runs
    #[arg(long, value_name = "H", hide_short_help = true)]
    pub(crate) total_hours: Option<String>,
    /// Percent of every limit that is kept back for a checkpoint
    #[arg(long, value_name = "PERCENT", hide_short_help = true)]
    pub(crate) reserve: Option<String>,
    /// Tell a webhook of the form slack, teams, discord or json; its address is in ECO2_TOKEN_WEBHOOK, or in the
    /// file of mode 0600 that ECO2_TOKEN_WEBHOOK_FILE names
    #[arg(long, value_name = "FORM", hide_short_help = true)]
    pub(crate) webhook: Option<String>,
}

impl Limits {
    /// Puts what was given into a layer.
    ///
    /// # Errors
    /// What is wrong, naming the flag.
    pub(crate) fn put(&self, layer: &mut Layer) -> Result<(), OptionsError> {
        put(layer, "budget.max_co2_kg", "--max-co2", &self.max_co2)?;
        put(layer, "budget.max_energy_kwh", "--max-energy", &self.max_energy)?;
        put(layer, "budget.total_hours", "--total-hours", &self.total_hours)?;
        put(layer, "budget.reserve_percent", "--reserve", &self.reserve)?;
        put(layer, "webhook", "--webhook", &self.webhook)
    }
}
