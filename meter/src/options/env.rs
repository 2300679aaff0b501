//! The environment variables, all of them, and options from them. An empty variable is one that is not set.

use std::ffi::OsStr;
use std::fmt;

use super::input::{Input, shorten};
use super::{KEYS, Layer, Options, OptionsError, Origin};

/// What all variables begin with.
const PREFIX: &str = "ECO2_";
/// Least Jaro-Winkler similarity of a variable worth suggesting; the common prefix is left out of it.
const NEAR: f64 = 0.8;

/// Name of the run.
pub const NAME: &str = "ECO2_NAME";
/// Id that the run's processes and restarts share.
pub const RUN_ID: &str = "ECO2_RUN_ID";
/// How often the run was started before, counted from 0.
pub const ATTEMPT: &str = "ECO2_ATTEMPT";
/// Labels: `team=nlp,model=bert`.
pub const LABELS: &str = "ECO2_LABELS";
/// Grid zone: `DE`, `US-CA`, `France`.
pub const ZONE: &str = "ECO2_ZONE";
/// Whether a zone without a value is replaced by its country or the world average: see [`Options::zone_fallback`].
pub const ZONE_FALLBACK: &str = "ECO2_ZONE_FALLBACK";
/// Grams CO2e per kilowatt-hour, in place of the zone's figure.
pub const INTENSITY: &str = "ECO2_INTENSITY";
/// File of intensities over time.
pub const INTENSITY_SERIES: &str = "ECO2_INTENSITY_SERIES";
/// Its column.
pub const INTENSITY_COLUMN: &str = "ECO2_INTENSITY_COLUMN";
/// Providers of intensities: `electricity-maps,neso`.
pub const INTENSITY_PROVIDER: &str = "ECO2_INTENSITY_PROVIDER";
/// The zone as the provider names it.
pub const PROVIDER_ZONE: &str = "ECO2_PROVIDER_ZONE";
/// Address of the provider.
pub const PROVIDER_URL: &str = "ECO2_PROVIDER_URL";
/// Where this machine is: `cloud`, or `52.52,13.40`.
pub const LOCATE: &str = "ECO2_LOCATE";
/// When a replayed trace began.
pub const STARTED_AT: &str = "ECO2_STARTED_AT";
/// Power usage effectiveness of the facility.
pub const PUE: &str = "ECO2_PUE";
/// Where sysfs is.
pub const SYSFS: &str = "ECO2_SYSFS";
/// Where procfs is.
pub const PROCFS: &str = "ECO2_PROCFS";
/// The NVIDIA management library to load.
pub const NVML: &str = "ECO2_NVML";
/// Sources to use: `rapl-sysfs,nvml`.
pub const SOURCES: &str = "ECO2_SOURCES";
/// GPUs that are read, of the visible ones: numbers or UUIDs, comma-separated.
pub const GPUS: &str = "ECO2_GPUS";
/// Whether the model may stand in for missing sensors: `1` or `0`.
pub const ESTIMATE: &str = "ECO2_ESTIMATE";
/// Time between polls: `10ms`, `1s`, or seconds.
pub const INTERVAL: &str = "ECO2_INTERVAL";
/// Most CPU time that measuring may take, percent of a core.
pub const MAX_OVERHEAD_PERCENT: &str = "ECO2_MAX_OVERHEAD_PERCENT";
/// The run log: `1`, `0`, or a folder.
pub const LOG: &str = "ECO2_LOG";
/// Folder of runs.
pub const STATE_DIR: &str = "ECO2_STATE_DIR";
/// Where the report goes as JSON.
pub const JSON: &str = "ECO2_JSON";
/// Where the trace of all readings goes.
pub const TRACE: &str = "ECO2_TRACE";
/// Process to follow instead of a command.
pub const PID: &str = "ECO2_PID";
/// Whether to say nothing but errors: `1` or `0`.
pub const QUIET: &str = "ECO2_QUIET";
/// Whether the report hides the command's arguments: `1` or `0`.
pub const REDACT: &str = "ECO2_REDACT";
/// Watts of a busy GPU that has no sensor.
pub const GPU_WATTS: &str = "ECO2_GPU_WATTS";
/// Watts of all CPUs under full load, where no sensor reads them.
pub const CPU_WATTS: &str = "ECO2_CPU_WATTS";
/// Whose rented machine this is, where no sensor reads its CPUs: `aws`, `gcp` or `azure`.
pub const CLOUD: &str = "ECO2_CLOUD";
/// Most kilowatt-hours.
pub const MAX_ENERGY_KWH: &str = "ECO2_MAX_ENERGY_KWH";
/// Most kilograms CO2e.
pub const MAX_CO2_KG: &str = "ECO2_MAX_CO2_KG";
/// Most money.
pub const MAX_COST: &str = "ECO2_MAX_COST";
/// Money for a kilowatt-hour.
pub const PRICE_PER_KWH: &str = "ECO2_PRICE_PER_KWH";
/// Currency of both: `EUR`.
pub const CURRENCY: &str = "ECO2_CURRENCY";

/// File of electricity prices over time.
pub const TARIFF_SERIES: &str = "ECO2_TARIFF_SERIES";
/// Its column.
pub const TARIFF_COLUMN: &str = "ECO2_TARIFF_COLUMN";
/// Price of a tonne CO2e.
pub const CARBON_PRICE: &str = "ECO2_CARBON_PRICE";
/// Hardware for embodied grams: `server,8xa100-sxm4-40gb`, or kilograms.
pub const EMBODIED: &str = "ECO2_EMBODIED";
/// Years that it lasts.
pub const EMBODIED_YEARS: &str = "ECO2_EMBODIED_YEARS";
/// Share of it that the run reserves.
pub const EMBODIED_SHARE: &str = "ECO2_EMBODIED_SHARE";
/// The contract behind market-based grams.
pub const MARKET_INSTRUMENT: &str = "ECO2_MARKET_INSTRUMENT";
/// Its factor, grams CO2e per kilowatt-hour.
pub const MARKET_INTENSITY: &str = "ECO2_MARKET_INTENSITY";
/// Litres of water at the site per kilowatt-hour.
pub const WUE: &str = "ECO2_WUE";
/// Litres of water at the power plants per kilowatt-hour.
pub const EWIF: &str = "ECO2_EWIF";
/// Offsets bought elsewhere: `forest=120`, kilograms.
pub const OFFSETS: &str = "ECO2_OFFSETS";
/// What SCI is divided by: `step`.
pub const FUNCTIONAL_UNIT: &str = "ECO2_FUNCTIONAL_UNIT";
/// Whether to say what weighs as much as the grams: `1` or `0`.
pub const EQUIVALENTS: &str = "ECO2_EQUIVALENTS";
/// Name of the spans that are the run's own steps.
pub const STEP_NAME: &str = "ECO2_STEP_NAME";
/// Steps that the run is to take.
pub const TOTAL_STEPS: &str = "ECO2_TOTAL_STEPS";
/// Hours that the run is to take, where steps are not counted.
pub const TOTAL_HOURS: &str = "ECO2_TOTAL_HOURS";
/// Percent of every limit that is kept back.
pub const RESERVE_PERCENT: &str = "ECO2_RESERVE_PERCENT";
/// Steps between two looks at the budget.
pub const CHECK_STEPS: &str = "ECO2_CHECK_STEPS";
/// Answer to a forecast over a limit: `warn`, `pause`, `stop` or `off`.
pub const BUDGET_SOFT: &str = "ECO2_BUDGET_SOFT";
/// Answer to a limit that is spent but for the reserve: `stop`, `pause` or `warn`.
pub const BUDGET_HARD: &str = "ECO2_BUDGET_HARD";
/// Whether an upper bound that reaches a limit is answered like a value that does: `1` or `0`.
pub const BUDGET_STRICT: &str = "ECO2_BUDGET_STRICT";
/// Form of the webhook that is told: `slack`, `teams`, `discord` or `json`. Its address is in `ECO2_TOKEN_WEBHOOK`.
pub const WEBHOOK: &str = "ECO2_WEBHOOK";

/// The record of the command that this process runs under; `eco2 run` sets it, and it is no option.
pub const PARENT_PART: &str = "ECO2_PARENT_PART";

/// Variables that are no options: where the Python package finds the library and the command, and where a cloud tells
/// its machines about themselves.
pub const ELSEWHERE: &[&str] = &["ECO2_LIBRARY", "ECO2_COMMAND", "ECO2_METADATA_URL", PARENT_PART];

/// What the variables with tokens begin with. They are no options: they are read where they are used, and shown nowhere.
pub const TOKENS: &str = "ECO2_TOKEN_";

/// A variable that looks like one of ours and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The variable, shortened.
    pub variable: String,
    /// The one that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is not a variable of eco2 and was ignored", self.variable)?;
        self.suggestion.map_or(Ok(()), |name| write!(out, "; did you mean {name}?"))
    }
}

impl Options {
    /// The options in an environment, and its variables that only look like options.
    ///
    /// # Errors
    /// [`OptionsError`] naming the variable: a value that is neither UTF-8 nor a path, of a wrong type or out of range.
    pub fn from_env<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Result<(Layer, Vec<Warning>), OptionsError>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let (mut layer, mut warnings) = (Layer::default(), Vec::new());
        for (variable, value) in variables {
            let Some(variable) = variable.as_ref().to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if ELSEWHERE.contains(&variable) || variable.starts_with(TOKENS) {
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable == variable) else {
                warnings.push(Warning { variable: shorten(variable), suggestion: nearest(variable) });
                continue;
            };
            let origin = Origin::variable(key.variable);
            match value.as_ref().to_str() {
                Some("") => {}
                Some(text) => layer.put(key, Input::Bare(text.to_owned()), origin)?,
                // Only a path need not be UTF-8.
                None => layer
                    .put(key, Input::Path(value.as_ref().into()), origin)
                    .map_err(|_| OptionsError::NotUtf8 { place: key.variable.to_owned() })?,
            }
        }
        Ok((layer, warnings))
    }
}

fn nearest(typed: &str) -> Option<&'static str> {
    let typed: String = typed.chars().skip(PREFIX.len()).take(64).collect();
    let score = |variable: &str| strsim::jaro_winkler(&typed, variable.trim_start_matches(PREFIX));
    let best = KEYS.iter().map(|key| (score(key.variable), key.variable)).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= NEAR).then_some(best.1)
}
