//! Names that users have in files, scripts and service definitions: they are never renamed or removed, only added to.

use eco2::options::opt;

/// Option, variable, flag; empty where it has none.
const FROZEN: [(&str, &str, &str); 68] = [
    ("name", "ECO2_NAME", "--name"),
    ("run_id", "ECO2_RUN_ID", "--run-id"),
    ("attempt", "ECO2_ATTEMPT", ""),
    ("labels", "ECO2_LABELS", "--label"),
    ("zone", "ECO2_ZONE", "--zone"),
    ("zone_fallback", "ECO2_ZONE_FALLBACK", ""),
    ("intensity", "ECO2_INTENSITY", "--intensity"),
    ("intensity_series", "ECO2_INTENSITY_SERIES", "--intensity-series"),
    ("intensity_column", "ECO2_INTENSITY_COLUMN", "--intensity-column"),
    ("intensity_provider", "ECO2_INTENSITY_PROVIDER", "--provider"),
    ("provider_zone", "ECO2_PROVIDER_ZONE", "--provider-zone"),
    ("provider_url", "ECO2_PROVIDER_URL", "--provider-url"),
    ("locate", "ECO2_LOCATE", "--locate"),
    ("started_at", "ECO2_STARTED_AT", "--started-at"),
    ("pue", "ECO2_PUE", "--pue"),
    ("sysfs", "ECO2_SYSFS", "--sysfs"),
    ("procfs", "ECO2_PROCFS", "--procfs"),
    ("nvml", "ECO2_NVML", "--nvml"),
    ("sources", "ECO2_SOURCES", "--source"),
    ("gpus", "ECO2_GPUS", ""),
    ("estimate", "ECO2_ESTIMATE", "--no-estimate"),
    ("interval", "ECO2_INTERVAL", "--interval"),
    ("max_overhead_percent", "ECO2_MAX_OVERHEAD_PERCENT", ""),
    ("log", "ECO2_LOG", "--no-log"),
    ("state_dir", "ECO2_STATE_DIR", ""),
    ("json", "ECO2_JSON", "--json"),
    ("trace", "ECO2_TRACE", "--trace"),
    ("pid", "ECO2_PID", "--pid"),
    ("quiet", "ECO2_QUIET", "--quiet"),
    ("redact", "ECO2_REDACT", "--redact"),
    ("gpu_watts", "ECO2_GPU_WATTS", ""),
    ("cpu_watts", "ECO2_CPU_WATTS", ""),
    ("cloud", "ECO2_CLOUD", ""),
    ("budget.max_energy_kwh", "ECO2_MAX_ENERGY_KWH", "--max-energy"),
    ("budget.max_co2_kg", "ECO2_MAX_CO2_KG", "--max-co2"),
    ("budget.max_cost", "ECO2_MAX_COST", ""),
    ("budget.price_per_kwh", "ECO2_PRICE_PER_KWH", "--price-per-kwh"),
    ("budget.currency", "ECO2_CURRENCY", "--currency"),
    ("tariff_series", "ECO2_TARIFF_SERIES", "--tariff-series"),
    ("tariff_column", "ECO2_TARIFF_COLUMN", "--tariff-column"),
    ("carbon_price", "ECO2_CARBON_PRICE", "--carbon-price"),
    ("embodied", "ECO2_EMBODIED", "--embodied"),
    ("embodied_years", "ECO2_EMBODIED_YEARS", "--embodied-years"),
    ("embodied_share", "ECO2_EMBODIED_SHARE", "--embodied-share"),
    ("market_instrument", "ECO2_MARKET_INSTRUMENT", "--market-instrument"),
    ("market_intensity", "ECO2_MARKET_INTENSITY", "--market-intensity"),
    ("wue", "ECO2_WUE", "--wue"),
    ("ewif", "ECO2_EWIF", "--ewif"),
    ("offsets", "ECO2_OFFSETS", "--offsets"),
    ("functional_unit", "ECO2_FUNCTIONAL_UNIT", "--functional-unit"),
    ("equivalents", "ECO2_EQUIVALENTS", "--equivalents"),
    ("step_name", "ECO2_STEP_NAME", ""),
    ("budget.total_steps", "ECO2_TOTAL_STEPS", ""),
    ("budget.total_hours", "ECO2_TOTAL_HOURS", "--total-hours"),
    ("budget.reserve_percent", "ECO2_RESERVE_PERCENT", "--reserve"),
    ("budget.check_steps", "ECO2_CHECK_STEPS", ""),
    ("budget.soft", "ECO2_BUDGET_SOFT", ""),
    ("budget.hard", "ECO2_BUDGET_HARD", ""),
    ("budget.strict", "ECO2_BUDGET_STRICT", ""),
    ("webhook", "ECO2_WEBHOOK", "--webhook"),
    ("email_to", "ECO2_EMAIL_TO", "--email-to"),
    ("email_server", "ECO2_EMAIL_SERVER", "--email-server"),
    ("email_user", "ECO2_EMAIL_USER", ""),
    ("email_from", "ECO2_EMAIL_FROM", ""),
    ("email_ca", "ECO2_EMAIL_CA", ""),
    ("budget.max_co2_kg_per_hour", "ECO2_MAX_CO2_KG_PER_HOUR", ""),
    ("budget.max_energy_kwh_per_hour", "ECO2_MAX_ENERGY_KWH_PER_HOUR", ""),
    ("budget.max_cost_per_hour", "ECO2_MAX_COST_PER_HOUR", ""),
];

#[test]
fn names_variables_and_flags_are_those_of_before() {
    for (name, variable, flag) in FROZEN {
        let row = opt::named(name).unwrap_or_else(|| panic!("option {name} is gone"));
        assert_eq!((row.variable, row.flag.map_or("", |flag| flag.name)), (variable, flag), "{name}");
    }
    assert!(opt::all().count() >= FROZEN.len());
    let quiet = opt::QUIET.flag.and_then(|flag| flag.short);
    assert_eq!(quiet, Some('q'));
}
