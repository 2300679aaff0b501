//! One option with its value: what a layer holds.

use std::path::PathBuf;
use std::time::Duration;

use eco2_core::Decision;
use eco2_grid::carbon::CloudPower;

use super::beside::Asked;
use super::{Log, Options};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    Name(String),
    RunId(String),
    Attempt(u32),
    Label(String, String),
    Zone(String),
    ZoneFallback(bool),
    Intensity(f64),
    IntensitySeries(PathBuf),
    IntensityColumn(String),
    IntensityProvider(Vec<String>),
    ProviderZone(String),
    ProviderUrl(String),
    Locate(String),
    StartedAt(i64),
    Pue(f64),
    Sysfs(PathBuf),
    Procfs(PathBuf),
    Nvml(PathBuf),
    Sources(Vec<String>),
    Gpus(Vec<String>),
    Estimate(bool),
    Interval(Duration),
    MaxOverhead(f64),
    Log(Log),
    StateDir(PathBuf),
    Json(PathBuf),
    Trace(PathBuf),
    Pid(u32),
    Quiet(bool),
    Redact(bool),
    GpuWatts(f64),
    CpuWatts(f64),
    Cloud(CloudPower),
    MaxEnergyKwh(f64),
    MaxCo2Kg(f64),
    MaxCost(f64),
    PricePerKwh(f64),
    Currency(String),
    Beside(Asked),
    StepName(String),
    TotalSteps(u32),
    TotalHours(f64),
    ReservePercent(f64),
    CheckSteps(u32),
    Soft(Decision),
    Hard(Decision),
    Strict(bool),
    Webhook(String),
}

impl Setting {
    /// Puts the value in its place and returns the name its origin is kept under.
    pub(super) fn apply(self, options: &mut Options) -> String {
        let budget = &mut options.budget;
        let name = match self {
            Self::Label(key, value) => {
                let name = format!("labels.{key}");
                options.labels.insert(key, value);
                return name;
            }
            Self::Name(value) => set("name", &mut options.name, Some(value)),
            Self::RunId(value) => set("run_id", &mut options.run_id, Some(value)),
            Self::Attempt(value) => set("attempt", &mut options.attempt, Some(value)),
            Self::Zone(value) => set("zone", &mut options.zone, Some(value)),
            Self::ZoneFallback(value) => set("zone_fallback", &mut options.zone_fallback, value),
            Self::Intensity(value) => set("intensity", &mut options.intensity, Some(value)),
            Self::IntensitySeries(value) => set("intensity_series", &mut options.intensity_series, Some(value)),
            Self::IntensityColumn(value) => set("intensity_column", &mut options.intensity_column, Some(value)),
            Self::IntensityProvider(value) => set("intensity_provider", &mut options.intensity_provider, value),
            Self::ProviderZone(value) => set("provider_zone", &mut options.provider_zone, Some(value)),
            Self::ProviderUrl(value) => set("provider_url", &mut options.provider_url, Some(value)),
            Self::Locate(value) => set("locate", &mut options.locate, Some(value)),
            Self::StartedAt(value) => set("started_at", &mut options.started_at, Some(value)),
            Self::Pue(value) => set("pue", &mut options.pue, value),
            Self::Sysfs(value) => set("sysfs", &mut options.sysfs, value),
            Self::Procfs(value) => set("procfs", &mut options.procfs, value),
            Self::Nvml(value) => set("nvml", &mut options.nvml, Some(value)),
            Self::Sources(value) => set("sources", &mut options.sources, Some(value)),
            Self::Gpus(value) => set("gpus", &mut options.gpus, Some(value)),
            Self::Estimate(value) => set("estimate", &mut options.estimate, value),
            Self::Interval(value) => set("interval", &mut options.interval, Some(value)),
            Self::MaxOverhead(value) => set("max_overhead_percent", &mut options.max_overhead_percent, Some(value)),
            Self::Log(value) => set("log", &mut options.log, value),
            Self::StateDir(value) => set("state_dir", &mut options.state_dir, Some(value)),
            Self::Json(value) => set("json", &mut options.json, Some(value)),
            Self::Trace(value) => set("trace", &mut options.trace, Some(value)),
            Self::Pid(value) => set("pid", &mut options.pid, Some(value)),
            Self::Quiet(value) => set("quiet", &mut options.quiet, value),
            Self::Redact(value) => set("redact", &mut options.redact, value),
            Self::GpuWatts(value) => set("gpu_watts", &mut options.gpu_watts, Some(value)),
            Self::CpuWatts(value) => set("cpu_watts", &mut options.cpu_watts, Some(value)),
            Self::Cloud(value) => set("cloud", &mut options.cloud, Some(value)),
            Self::MaxEnergyKwh(value) => set("budget.max_energy_kwh", &mut budget.max_energy_kwh, Some(value)),
            Self::MaxCo2Kg(value) => set("budget.max_co2_kg", &mut budget.max_co2_kg, Some(value)),
            Self::MaxCost(value) => set("budget.max_cost", &mut budget.max_cost, Some(value)),
            Self::PricePerKwh(value) => set("budget.price_per_kwh", &mut budget.price_per_kwh, Some(value)),
            Self::Beside(asked) => asked.apply(&mut options.beside),
            Self::Currency(value) => set("budget.currency", &mut budget.currency, Some(value)),
            Self::StepName(value) => set("step_name", &mut options.step_name, Some(value)),
            Self::TotalSteps(value) => set("budget.total_steps", &mut budget.total_steps, Some(value)),
            Self::TotalHours(value) => set("budget.total_hours", &mut budget.total_hours, Some(value)),
            Self::ReservePercent(value) => set("budget.reserve_percent", &mut budget.reserve_percent, value),
            Self::CheckSteps(value) => set("budget.check_steps", &mut budget.check_steps, value),
            Self::Soft(value) => set("budget.soft", &mut budget.soft, value),
            Self::Hard(value) => set("budget.hard", &mut budget.hard, value),
            Self::Strict(value) => set("budget.strict", &mut budget.strict, value),
            Self::Webhook(value) => set("webhook", &mut options.webhook, Some(value)),
        };
        name.to_owned()
    }
}

fn set<T>(name: &'static str, place: &mut T, value: T) -> &'static str {
    *place = value;
    name
}
