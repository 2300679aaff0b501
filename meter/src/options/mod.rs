//! The options of a measured run, and the one order in which their origins win.
//!
//! Code and flags, then the environment (`ECO2_*`), `./eco2.toml`, `$XDG_CONFIG_HOME/eco2/config.toml`,
//! `/etc/eco2/config.toml`, and the defaults. Each origin becomes a [`Layer`]; [`Options::resolve`] lays them over each
//! other, option by option (labels: label by label), and remembers where every value came from.
//! A project's file may not set every option: see [`Effect`]. Text is parsed here,
//! never read: only [`load_files`] opens files. Nothing is printed.
//!
//! ```
//! use eco2::options::{Options, Origin};
//!
//! let file = Options::from_toml("zone = \"DE\"\npue = 1.2", Origin::project("eco2.toml"))?;
//! let (environment, warnings) = Options::from_env([("ECO2_ZONE", "FR")])?;
//! let options = Options::resolve([file, environment])?;
//! assert_eq!((options.zone.as_deref(), options.pue), (Some("FR"), 1.2));
//! assert_eq!(options.origin("zone").to_string(), "ECO2_ZONE");
//! assert_eq!(options.origin("pue").to_string(), "eco2.toml:2");
//! assert!(warnings.is_empty());
//! # Ok::<(), eco2::options::OptionsError>(())
//! ```

mod beside;
pub mod env;
mod error;
mod input;
mod json;
mod keys;
mod layer;
mod load;
mod origin;
mod parse;
mod setting;
mod toml;
mod trust;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trust_tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use beside::Beside;
use eco2_core::Decision;
use eco2_grid::carbon::CloudPower;
pub use env::Warning;
pub use error::OptionsError;
pub use input::Input;
pub use keys::{KEYS, Key, PROVIDERS, SOURCES, WEBHOOKS};
pub use layer::Layer;
pub use load::{Places, load_files};
pub use origin::{Level, Origin};
pub use trust::{Effect, Refused};

/// Largest configuration text, bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// What a measured run was asked to do: every option, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of the run; `None`: the command's.
    pub name: Option<String>,
    /// Id that the run's processes and restarts share; `None`: the launcher's, or one of its own.
    pub run_id: Option<String>,
    /// How often the run was started before; `None`: as the launcher says.
    pub attempt: Option<u32>,
    /// Labels given by the user.
    pub labels: BTreeMap<String, String>,
    /// Grid zone, as `eco2_grid::lookup` takes it; `None`: the flagged world average.
    pub zone: Option<String>,
    /// Whether a zone without a value is replaced by its country, or else by the flagged world average, instead of refused.
    pub zone_fallback: bool,
    /// Grams CO2e per kilowatt-hour, 0 to 5000, in place of the zone's figure.
    pub intensity: Option<f64>,
    /// File of intensities over time, in place of the zone's yearly figure.
    pub intensity_series: Option<PathBuf>,
    /// Its column; `None`: the only one, or `gco2e_per_kwh`.
    pub intensity_column: Option<String>,
    /// Providers to ask for intensities over time, the best first.
    pub intensity_provider: Vec<String>,
    /// The zone as the provider names it; `None`: found from the zone.
    pub provider_zone: Option<String>,
    /// Address of the provider; `None`: the public one.
    pub provider_url: Option<String>,
    /// Where this machine is, for a zone that is not given: `cloud`, or `LATITUDE,LONGITUDE`.
    pub locate: Option<String>,
    /// Wall-clock time at which a replayed trace began, nanoseconds since 1970 UTC.
    pub started_at: Option<i64>,
    /// Power usage effectiveness of the facility, at least 1.
    pub pue: f64,
    /// Where sysfs is.
    pub sysfs: PathBuf,
    /// Where procfs is.
    pub procfs: PathBuf,
    /// The NVIDIA management library to load; `None`: the system's.
    pub nvml: Option<PathBuf>,
    /// Sources to use, of [`SOURCES`]; `None`: all that are there.
    pub sources: Option<Vec<String>>,
    /// GPUs that are read, of those that are visible to this process: numbers among them, or UUIDs; `None`: all.
    pub gpus: Option<Vec<String>>,
    /// Whether the model may stand in for missing sensors.
    pub estimate: bool,
    /// Time between polls, 0.1 ms to 60 s; `None`: as each counter needs.
    pub interval: Option<Duration>,
    /// Most CPU time that measuring may take, percent of a core; where it takes more it polls less often, down to once a
    /// second, and says so (event `pace`).
    pub max_overhead_percent: Option<f64>,
    /// Whether and where the run log is kept.
    pub log: Log,
    /// Folder of runs; `None`: `$XDG_STATE_HOME/eco2`.
    pub state_dir: Option<PathBuf>,
    /// Where the report goes as JSON; `-` is standard output.
    pub json: Option<PathBuf>,
    /// Where the trace of all readings goes.
    pub trace: Option<PathBuf>,
    /// Process to follow instead of a command.
    pub pid: Option<u32>,
    /// Whether to say nothing but errors.
    pub quiet: bool,
    /// Whether the report hides the command's arguments.
    pub redact: bool,
    /// Watts of a busy GPU that has no sensor, for the model.
    pub gpu_watts: Option<f64>,
    /// Watts of all CPUs under full load, where no sensor reads them; what is known of their name without it.
    pub cpu_watts: Option<f64>,
    /// Whose rented machine this is: its published watts of a thread, where no sensor reads the CPUs and no watts are given.
    pub cloud: Option<CloudPower>,
    /// Name of the spans that are the run's own steps, which budgets, forecasts and the work count; `None`: `step`, and
    /// without spans of that name the first name that is stepped.
    pub step_name: Option<String>,
    /// Limits and prices.
    pub budget: Budget,
    /// What is asked for beside the grams.
    pub beside: Beside,
    /// Form of the webhook that is told of the budget and of anomalies, of [`WEBHOOKS`]; its address is no option, but
    /// the secret `ECO2_TOKEN_WEBHOOK`.
    pub webhook: Option<String>,
    /// Where each value came from, by name; empty for options set in code.
    pub origins: BTreeMap<String, Origin>,
    /// Options that were left out because their origin may not set them, such as `nvml` in a project's file.
    pub refused: Vec<Refused>,
}

/// Whether and where the run log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Log {
    /// In the folder of runs.
    #[default]
    Runs,
    /// Nowhere.
    Off,
    /// In this folder.
    Folder(PathBuf),
}

/// The least limit on energy, kilowatt-hours: a microjoule, the unit that energy is counted in.
pub(crate) const LEAST_KWH: f64 = 1.0 / eco2_core::units::UJ_PER_KWH;

/// Limits of a run and what energy costs. `None` is no limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Kilowatt-hours.
    pub max_energy_kwh: Option<f64>,
    /// Kilograms CO2e.
    pub max_co2_kg: Option<f64>,
    /// Money, in `currency`; needs `price_per_kwh` or a tariff.
    pub max_cost: Option<f64>,
    /// Money for a kilowatt-hour, in `currency`.
    pub price_per_kwh: Option<f64>,
    /// ISO 4217 code, three capital letters.
    pub currency: Option<String>,
    /// Steps that the run is to take; with them its end is forecast.
    pub total_steps: Option<u32>,
    /// Hours that the run is to take, for a forecast where steps are not counted.
    pub total_hours: Option<f64>,
    /// Percent of every limit that is kept back, 0 to 90: for a checkpoint, and a step larger than any before.
    pub reserve_percent: f64,
    /// Steps between two looks at the budget, at least 1: as many are kept back.
    pub check_steps: u32,
    /// Answer to a forecast over a limit; [`Decision::Go`]: none.
    pub soft: Decision,
    /// Answer to a limit that is spent but for what is kept back.
    pub hard: Decision,
    /// Whether an upper bound that reaches the limit is answered like a value that does; a missing upper bound always
    /// reaches it.
    pub strict: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            max_energy_kwh: None,
            max_co2_kg: None,
            max_cost: None,
            price_per_kwh: None,
            currency: None,
            total_steps: None,
            total_hours: None,
            reserve_percent: 0.0,
            check_steps: 1,
            soft: Decision::Warn,
            hard: Decision::Stop,
            strict: false,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            run_id: None,
            attempt: None,
            labels: BTreeMap::new(),
            zone: None,
            zone_fallback: false,
            intensity: None,
            intensity_series: None,
            intensity_column: None,
            intensity_provider: Vec::new(),
            provider_zone: None,
            provider_url: None,
            locate: None,
            started_at: None,
            pue: 1.0,
            sysfs: PathBuf::from("/sys"),
            procfs: PathBuf::from("/proc"),
            nvml: None,
            sources: None,
            gpus: None,
            estimate: true,
            interval: None,
            max_overhead_percent: None,
            log: Log::Runs,
            state_dir: None,
            json: None,
            trace: None,
            pid: None,
            quiet: false,
            redact: false,
            gpu_watts: None,
            cpu_watts: None,
            cloud: None,
            step_name: None,
            budget: Budget::default(),
            beside: Beside::default(),
            webhook: None,
            origins: BTreeMap::new(),
            refused: Vec::new(),
        }
    }
}

impl Options {
    /// Lays the layers over the defaults, whatever order they come in: the stronger [`Level`] wins, and of one level the
    /// later layer.
    ///
    /// A zone, a series or a provider from a stronger level silences an intensity from a weaker one; otherwise the
    /// intensity wins.
    ///
    /// # Errors
    /// [`OptionsError::Missing`] for a limit on cost without a price or a tariff.
    pub fn resolve(layers: impl IntoIterator<Item = Layer>) -> Result<Self, OptionsError> {
        let (mut entries, mut refused) = (Vec::new(), Vec::new());
        for layer in layers {
            let (given, left_out) = layer.into_parts();
            entries.extend(given);
            refused.extend(left_out);
        }
        entries.sort_by_key(|entry| entry.origin.level());
        let mut options = Self { refused, ..Self::default() };
        for entry in entries {
            let name = entry.setting.apply(&mut options);
            options.origins.insert(name, entry.origin);
        }
        options.let_the_stronger_zone_win();
        options.check_price()?;
        Ok(options)
    }

    /// Where an option's value came from, by its name in [`KEYS`] (`labels.team` for one label).
    #[must_use]
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&origin::DEFAULT)
    }

    /// Whether warnings are wanted about options that were left out: an origin that may not set an option may not silence
    /// the message about it either.
    #[must_use]
    pub fn hides_refusals(&self) -> bool {
        self.quiet && self.origin("quiet").is_trusted()
    }

    /// Every option's name, value and origin, for people.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String, String)> {
        KEYS.iter().map(|key| (key.name, key.show(self), self.origin(key.name).to_string())).collect()
    }

    fn let_the_stronger_zone_win(&mut self) {
        let rivals = ["zone", "intensity_series", "intensity_provider"].map(|key| self.origin(key).level());
        if rivals.iter().any(|level| *level > self.origin("intensity").level()) {
            self.intensity = None;
            self.origins.remove("intensity");
        }
    }

    fn check_price(&self) -> Result<(), OptionsError> {
        let has_price = self.budget.price_per_kwh.is_some() || self.beside.tariff_series.is_some();
        if self.budget.max_cost.is_none() || has_price {
            return Ok(());
        }
        let place = self.origin("budget.max_cost").to_string();
        Err(OptionsError::Missing { place, key: "budget.max_cost", needs: "budget.price_per_kwh" })
    }
}
