//! The list of options: name, variable, what is allowed, an example, how it is read and shown.

use std::path::{Path, PathBuf};

use eco2_core::Decision;

use super::beside::{self, Asked};
use super::input::Input;
use super::setting::Setting;
use super::trust::Effect;
use super::{Log, Options, OptionsError, Origin, env, parse};

/// The sources an option may name.
pub const SOURCES: &[&str] = &["rapl-perf", "rapl-sysfs", "nvml", "hwmon", "model", "replay", "synthetic"];

/// The providers of intensities an option may name.
pub const PROVIDERS: &[&str] = &["carbon-aware-sdk", "electricity-maps", "energy-charts", "entsoe", "neso", "watttime"];

/// The forms of webhooks an option may name.
pub const WEBHOOKS: &[&str] = &["slack", "teams", "discord", "json"];

/// Least Jaro-Winkler similarity of a name worth suggesting; "zoen" to "zone" has 0.93.
const NEAR: f64 = 0.8;

/// An option.
#[derive(Debug)]
pub struct Key {
    /// Name in files; a dot stands for a table.
    pub name: &'static str,
    /// Its variable.
    pub variable: &'static str,
    /// Its flag on the command line; empty where it has none.
    pub flag: &'static str,
    /// What its value can do, which decides who may set it.
    pub effect: Effect,
    /// What may stand there, for people.
    pub allowed: &'static str,
    /// A value that works, as TOML has it.
    pub example: &'static str,
    read: fn(&Input) -> Option<Setting>,
    show: fn(&Options) -> String,
}

impl Key {
    /// The settings an input makes: one, or one a label; `None` where it is not allowed.
    pub(super) fn parse(&self, input: &Input) -> Option<Vec<Setting>> {
        if self.name == "labels" {
            let pairs = parse::labels(input)?;
            return Some(pairs.into_iter().map(|(name, value)| Setting::Label(name, value)).collect());
        }
        (self.read)(input).map(|setting| vec![setting])
    }

    pub(super) fn refuse(&self, found: &Input, origin: &Origin) -> OptionsError {
        OptionsError::Value {
            place: origin.to_string(),
            key: self.name,
            found: found.shown(),
            allowed: self.allowed,
            example: self.example,
        }
    }

    /// The option's value, for people.
    #[must_use]
    pub fn show(&self, options: &Options) -> String {
        (self.show)(options)
    }
}

pub(super) fn named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether options live in a table of that name.
pub(super) fn is_group(name: &str) -> bool {
    name == "budget"
}

pub(super) fn not_a_table(found: &Input, origin: &Origin) -> OptionsError {
    OptionsError::Value {
        place: origin.to_string(),
        key: "budget",
        found: found.shown(),
        allowed: "a table of limits",
        example: "budget = { max_co2_kg = 5 }",
    }
}

/// The option that was probably meant; one in a table is found by its last name too.
pub(super) fn nearest(typed: &str) -> Option<&'static str> {
    let typed = typed.chars().take(64).collect::<String>().to_lowercase().replace('-', "_");
    let score = |key: &Key| {
        let last = key.name.rsplit('.').next().unwrap_or(key.name);
        strsim::jaro_winkler(&typed, key.name).max(strsim::jaro_winkler(&typed, last))
    };
    let best = KEYS.iter().map(|key| (score(key), key.name)).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 >= NEAR).then_some(best.1)
}

fn given<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "not set".to_owned(), T::to_string)
}

fn given_path(value: &Option<PathBuf>) -> String {
    given(&value.as_deref().map(Path::display))
}

fn shown(answer: Decision) -> String {
    match answer {
        Decision::Go => "off",
        Decision::Warn => "warn",
        Decision::Pause => "pause",
        Decision::Stop => "stop",
    }
    .to_owned()
}

fn show_log(log: &Log) -> String {
    match log {
        Log::Runs => "true".to_owned(),
        Log::Off => "false".to_owned(),
        Log::Folder(folder) => folder.display().to_string(),
    }
}

macro_rules! keys {
    ($($name:literal, $variable:ident, $flag:literal, $effect:ident, $allowed:literal, $example:literal, $read:expr, $show:expr;)*) => {
        /// Every option, in the order of the documentation.
        pub static KEYS: &[Key] = &[$(Key {
            name: $name,
            variable: env::$variable,
            flag: $flag,
            effect: Effect::$effect,
            allowed: $allowed,
            example: $example,
            read: $read,
            show: $show,
        }),*];
    };
}

const AMOUNT: std::ops::RangeInclusive<f64> = 0.0..=f64::MAX;
/// Of a limit of 0 no share can be spent.
const LIMIT: std::ops::RangeInclusive<f64> = f64::from_bits(1)..=f64::MAX;

keys! {
    "name", NAME, "--name", Describes, "text of 1 to 256 bytes", "\"bert-base\"",
        |input| parse::text(input).map(Setting::Name), |options| given(&options.name);
    "run_id", RUN_ID, "--run-id", Describes, "text of 1 to 256 bytes", "\"bert-2026-11\"",
        |input| parse::text(input).map(Setting::RunId), |options| given(&options.run_id);
    "attempt", ATTEMPT, "", Describes, "a whole number from 0 to 4294967295", "1",
        |input| parse::count(input).map(Setting::Attempt), |options| given(&options.attempt);
    "labels", LABELS, "--label", Describes, "up to 64 names with values as text, 256 bytes each at most", "{ team = \"nlp\" }",
        |_| None, |options| format!("{:?}", options.labels);
    "zone", ZONE, "--zone", Describes, "a zone's code or name", "\"DE\"",
        |input| parse::text(input).map(Setting::Zone), |options| given(&options.zone);
    "zone_fallback", ZONE_FALLBACK, "", Describes, "true or false", "true",
        |input| parse::flag(input).map(Setting::ZoneFallback), |options| options.zone_fallback.to_string();
    "intensity", INTENSITY, "--intensity", Describes, "0 to 5000 grams CO2e per kilowatt-hour", "342.5",
        |input| parse::number(input, 0.0..=eco2_grid::MAX_G_PER_KWH).map(Setting::Intensity),
        |options| given(&options.intensity);
    "intensity_series", INTENSITY_SERIES, "--intensity-series", ReadsPath, "a path", "\"intensity.csv\"",
        |input| parse::path(input).map(Setting::IntensitySeries), |options| given_path(&options.intensity_series);
    "intensity_column", INTENSITY_COLUMN, "--intensity-column", Describes, "text of 1 to 256 bytes", "\"GB\"",
        |input| parse::text(input).map(Setting::IntensityColumn), |options| given(&options.intensity_column);
    "intensity_provider", INTENSITY_PROVIDER, "--provider", Describes,
        "a list of carbon-aware-sdk, electricity-maps, energy-charts, entsoe, neso, watttime", "[\"electricity-maps\"]",
        |input| parse::providers(input).map(Setting::IntensityProvider),
        |options| given(&(!options.intensity_provider.is_empty()).then(|| options.intensity_provider.join(",")));
    "provider_zone", PROVIDER_ZONE, "--provider-zone", Describes, "text of 1 to 256 bytes", "\"US-CAL-CISO\"",
        |input| parse::text(input).map(Setting::ProviderZone), |options| given(&options.provider_zone);
    "provider_url", PROVIDER_URL, "--provider-url", SetsAddress, "an https address without user and query", "\"https://intensity.example.org\"",
        |input| parse::address(input).map(Setting::ProviderUrl), |options| given(&options.provider_url);
    "locate", LOCATE, "--locate", Describes, "cloud, or a latitude and a longitude", "\"52.52,13.40\"",
        |input| parse::text(input).map(Setting::Locate), |options| given(&options.locate);
    "started_at", STARTED_AT, "--started-at", Describes, "a time such as 2026-03-01T12:00Z", "\"2026-03-01T12:00Z\"",
        |input| parse::instant(input).map(Setting::StartedAt), |options| given(&options.started_at.map(eco2_grid::utc));
    "pue", PUE, "--pue", Describes, "a finite number of at least 1", "1.2",
        |input| parse::number(input, 1.0..=f64::MAX).map(Setting::Pue), |options| options.pue.to_string();
    "sysfs", SYSFS, "--sysfs", ReadsPath, "a path", "\"/host/sys\"",
        |input| parse::path(input).map(Setting::Sysfs), |options| options.sysfs.display().to_string();
    "procfs", PROCFS, "--procfs", ReadsPath, "a path", "\"/host/proc\"",
        |input| parse::path(input).map(Setting::Procfs), |options| options.procfs.display().to_string();
    "nvml", NVML, "--nvml", LoadsCode, "a path", "\"/opt/nvidia/libnvidia-ml.so.1\"",
        |input| parse::path(input).map(Setting::Nvml), |options| given_path(&options.nvml);
    "sources", SOURCES, "--source", Describes, "a list of rapl-perf, rapl-sysfs, nvml, hwmon, model, replay, synthetic", "[\"rapl-sysfs\", \"nvml\"]",
        |input| parse::sources(input).map(Setting::Sources),
        |options| given(&options.sources.as_ref().map(|names| names.join(",")));
    "gpus", GPUS, "", Describes, "a list of GPU numbers or UUIDs, counted within the visible ones", "[\"0\", \"1\"]",
        |input| parse::gpus(input).map(Setting::Gpus),
        |options| given(&options.gpus.as_ref().map(|gpus| gpus.join(",")));
    "estimate", ESTIMATE, "--no-estimate", Describes, "true or false", "false",
        |input| parse::flag(input).map(Setting::Estimate), |options| options.estimate.to_string();
    "interval", INTERVAL, "--interval", Describes, "0.1 ms to 60 s, as seconds or with a unit (us, ms, s)", "\"10ms\"",
        |input| parse::interval(input).map(Setting::Interval),
        |options| given(&options.interval.map(|interval| format!("{interval:?}")));
    "max_overhead_percent", MAX_OVERHEAD_PERCENT, "", Describes, "0.01 to 100 percent of a core", "1",
        |input| parse::number(input, 0.01..=100.0).map(Setting::MaxOverhead), |options| given(&options.max_overhead_percent);
    "log", LOG, "", WritesPath, "true, false or a folder", "\"runs\"",
        |input| parse::log(input).map(Setting::Log), |options| show_log(&options.log);
    "state_dir", STATE_DIR, "", WritesPath, "a path", "\"/var/lib/eco2\"",
        |input| parse::path(input).map(Setting::StateDir), |options| given_path(&options.state_dir);
    "json", JSON, "--json", WritesPath, "a path, or - for standard output", "\"report.json\"",
        |input| parse::path(input).map(Setting::Json), |options| given_path(&options.json);
    "trace", TRACE, "--trace", WritesPath, "a path", "\"trace.csv\"",
        |input| parse::path(input).map(Setting::Trace), |options| given_path(&options.trace);
    "pid", PID, "--pid", Describes, "a whole number from 1 to 2147483647", "4242",
        |input| parse::pid(input).map(Setting::Pid), |options| given(&options.pid);
    "quiet", QUIET, "--quiet", Describes, "true or false", "true",
        |input| parse::flag(input).map(Setting::Quiet), |options| options.quiet.to_string();
    "redact", REDACT, "--redact", Describes, "true or false", "true",
        |input| parse::flag(input).map(Setting::Redact), |options| options.redact.to_string();
    "gpu_watts", GPU_WATTS, "", Describes, "1 to 5000 watts", "300",
        |input| parse::number(input, 1.0..=5000.0).map(Setting::GpuWatts), |options| given(&options.gpu_watts);
    "cpu_watts", CPU_WATTS, "", Describes, "1 to 20000 watts", "280",
        |input| parse::number(input, 1.0..=20_000.0).map(Setting::CpuWatts), |options| given(&options.cpu_watts);
    "cloud", CLOUD, "", Describes, "aws, gcp or azure", "\"aws\"",
        |input| parse::cloud(input).map(Setting::Cloud), |options| given(&options.cloud.map(|cloud| cloud.provider));
    "budget.max_energy_kwh", MAX_ENERGY_KWH, "--max-energy", Describes, "a finite number of kilowatt-hours, a microjoule (2.8e-13) or more", "12.5",
        |input| parse::number(input, super::LEAST_KWH..=f64::MAX).map(Setting::MaxEnergyKwh), |options| given(&options.budget.max_energy_kwh);
    "budget.max_co2_kg", MAX_CO2_KG, "--max-co2", Describes, "a finite number of kilograms above 0", "5",
        |input| parse::number(input, LIMIT).map(Setting::MaxCo2Kg), |options| given(&options.budget.max_co2_kg);
    "budget.max_cost", MAX_COST, "", Describes, "a finite amount of money above 0", "20",
        |input| parse::number(input, LIMIT).map(Setting::MaxCost), |options| given(&options.budget.max_cost);
    "budget.price_per_kwh", PRICE_PER_KWH, "--price-per-kwh", Describes, "a finite amount of money for a kilowatt-hour, 0 or more", "0.3",
        |input| parse::number(input, AMOUNT).map(Setting::PricePerKwh), |options| given(&options.budget.price_per_kwh);
    "budget.currency", CURRENCY, "--currency", Describes, "an ISO 4217 code of three capital letters", "\"EUR\"",
        |input| parse::currency(input).map(Setting::Currency), |options| given(&options.budget.currency);
    "tariff_series", TARIFF_SERIES, "--tariff-series", ReadsPath, "a path", "\"prices.csv\"",
        |input| parse::path(input).map(Asked::TariffSeries).map(Setting::Beside),
        |options| given_path(&options.beside.tariff_series);
    "tariff_column", TARIFF_COLUMN, "--tariff-column", Describes, "text of 1 to 256 bytes", "\"DE\"",
        |input| parse::text(input).map(Asked::TariffColumn).map(Setting::Beside),
        |options| given(&options.beside.tariff_column);
    "carbon_price", CARBON_PRICE, "--carbon-price", Describes, "a finite amount of money for a tonne CO2e, 0 or more", "80",
        |input| parse::number(input, AMOUNT).map(Asked::CarbonPrice).map(Setting::Beside),
        |options| given(&options.beside.carbon_price);
    "embodied", EMBODIED, "--embodied", Describes, "kilograms CO2e, LOW:KG:HIGH, or pieces that docs/carbon.md lists", "\"server,8xa100-sxm4-40gb\"",
        |input| beside::embodied(input).map(Asked::Embodied).map(Setting::Beside),
        |options| given(&options.beside.embodied);
    "embodied_years", EMBODIED_YEARS, "--embodied-years", Describes, "0.01 to 100 years", "5",
        |input| parse::number(input, 0.01..=100.0).map(Asked::EmbodiedYears).map(Setting::Beside),
        |options| given(&options.beside.embodied_years);
    "embodied_share", EMBODIED_SHARE, "--embodied-share", Describes, "0 to 1", "0.5",
        |input| parse::number(input, 0.0..=1.0).map(Asked::EmbodiedShare).map(Setting::Beside),
        |options| given(&options.beside.embodied_share);
    "market_instrument", MARKET_INSTRUMENT, "--market-instrument", Describes, "text of 1 to 256 bytes", "\"PPA-wind-2026\"",
        |input| parse::text(input).map(Asked::MarketInstrument).map(Setting::Beside),
        |options| given(&options.beside.market_instrument);
    "market_intensity", MARKET_INTENSITY, "--market-intensity", Describes, "0 to 5000 grams CO2e per kilowatt-hour", "12",
        |input| parse::number(input, 0.0..=eco2_grid::MAX_G_PER_KWH).map(Asked::MarketIntensity).map(Setting::Beside),
        |options| given(&options.beside.market_intensity);
    "wue", WUE, "--wue", Describes, "0 to 100 litres per kilowatt-hour", "1.8",
        |input| parse::number(input, 0.0..=100.0).map(Asked::Wue).map(Setting::Beside),
        |options| given(&options.beside.wue);
    "ewif", EWIF, "--ewif", Describes, "0 to 100 litres per kilowatt-hour", "3.1",
        |input| parse::number(input, 0.0..=100.0).map(Asked::Ewif).map(Setting::Beside),
        |options| given(&options.beside.ewif);
    "offsets", OFFSETS, "--offsets", Describes, "names with kilograms CO2e, 0 or more", "{ forest = 120 }",
        |input| beside::offsets(input).map(Asked::Offsets).map(Setting::Beside),
        |options| beside::show_offsets(&options.beside);
    "functional_unit", FUNCTIONAL_UNIT, "--functional-unit", Describes, "step, sample, token or run", "\"step\"",
        |input| beside::functional_unit(input).map(Asked::FunctionalUnit).map(Setting::Beside),
        |options| given(&options.beside.functional_unit);
    "equivalents", EQUIVALENTS, "--equivalents", Describes, "true or false", "true",
        |input| parse::flag(input).map(Asked::Equivalents).map(Setting::Beside),
        |options| options.beside.equivalents.to_string();
    "step_name", STEP_NAME, "", Describes, "text of 1 to 256 bytes", "\"optimizer-step\"",
        |input| parse::text(input).map(Setting::StepName), |options| given(&options.step_name);
    "budget.total_steps", TOTAL_STEPS, "", Describes, "a whole number from 1 to 4294967295", "10000",
        |input| parse::count(input).filter(|steps| *steps > 0).map(Setting::TotalSteps),
        |options| given(&options.budget.total_steps);
    "budget.total_hours", TOTAL_HOURS, "--total-hours", Describes, "0.001 to 100000 hours", "12.5",
        |input| parse::number(input, 0.001..=100_000.0).map(Setting::TotalHours),
        |options| given(&options.budget.total_hours);
    "budget.reserve_percent", RESERVE_PERCENT, "--reserve", Describes, "0 to 90 percent of every limit", "2",
        |input| parse::number(input, 0.0..=90.0).map(Setting::ReservePercent),
        |options| options.budget.reserve_percent.to_string();
    "budget.check_steps", CHECK_STEPS, "", Describes, "a whole number from 1 to 4294967295", "100",
        |input| parse::count(input).filter(|steps| *steps > 0).map(Setting::CheckSteps),
        |options| options.budget.check_steps.to_string();
    "budget.soft", BUDGET_SOFT, "", Describes, "off, warn, pause or stop", "\"pause\"",
        |input| parse::answer(input).map(Setting::Soft), |options| shown(options.budget.soft);
    "budget.hard", BUDGET_HARD, "", Describes, "off, warn, pause or stop", "\"pause\"",
        |input| parse::answer(input).map(Setting::Hard), |options| shown(options.budget.hard);
    "budget.strict", BUDGET_STRICT, "", Describes, "true or false", "true",
        |input| parse::flag(input).map(Setting::Strict), |options| options.budget.strict.to_string();
    "webhook", WEBHOOK, "--webhook", SetsAddress, "slack, teams, discord or json", "\"slack\"",
        |input| parse::webhook(input).map(Setting::Webhook), |options| given(&options.webhook);
}
