//! Declares every option once, with the macro `rows!` of [`super::row`]: those of the run, of carbon intensity and of the hardware
//! ([`Options`]), and those of limits and prices ([`Budget`]). [`super::rows_supplements`] has those of reports in addition to
//! location-based emissions.
//!
//! A declaration has the help, the name, the type and default of the field, the function that converts a value, the allowed values,
//! an example, the subject (heading of the help), the effect (which decides who may set it), the text of the default, and the flag.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use eco2_core::Decision;
use eco2_grid::carbon::CloudPower;
use eco2_report::Scope;

use super::field::{Log, ShowField as _, SummaryLength, TakeValue as _};
use super::input::Input;
use super::origin::Origin;
use super::parse;
use super::row::{Effect, Flag, Row, Subject, rows};
use super::rows_supplements::Supplements;
use super::trust::Refused;

rows! {
    /// The options of a measured run, resolved.
    Options named "", rows in run;

    /// Name of the run
    NAME name: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"bert-base\"";
        Run, Describes, unset "the command's name", flag Flag::value("--name", "NAME").short('n');

    /// Id that the run's processes and restarts share
    RUN_ID run_id: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"bert-2026-11\"";
        Run, Describes, unset "the launcher's job id, or a new one", flag Flag::value("--run-id", "ID").rare();

    /// Number of earlier starts of the run
    ATTEMPT attempt: Option<u32>;
        parse::count, allowed "a whole number from 0 to 4294967295", such as "1";
        Run, Describes, unset "the launcher's count";

    /// Labels of the run
    LABELS labels: BTreeMap<String, String>;
        parse::labels, allowed "up to 64 names with values as text, 256 bytes each at most", such as "{ team = \"nlp\" }";
        Run, Describes, flag Flag::pair("--label", "KEY=VALUE").short('l').help("Label of the run; may be repeated");

    /// Name of the spans that are the run's own steps, which budgets, forecasts and the report's work count
    STEP_NAME step_name: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"optimizer-step\"";
        Run, Describes, unset "step, else the first name that is stepped";

    /// Process to measure until it ends, instead of a command
    PID pid: Option<u32>;
        parse::pid, allowed "a whole number from 1 to 2147483647", such as "4242";
        Run, Describes, flag Flag::value("--pid", "PID").help("Measure this process until it ends, instead of a command");

    /// File for the report as JSON; `-` is standard output
    JSON json: Option<PathBuf>;
        parse::path, allowed "a path, or - for standard output", such as "\"report.json\"";
        Run, WritesPath, flag Flag::path("--json", "FILE").help("Write the report as JSON to FILE; `-` is standard output");

    /// File for every reading, for `eco2 replay`
    TRACE trace: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"trace.csv\"";
        Run, WritesPath, flag Flag::path("--trace", "FILE").help("Write every reading to FILE, for `eco2 replay`");

    /// Print errors only
    QUIET quiet: bool;
        parse::flag, allowed "true or false", such as "true";
        Run, Describes, flag Flag::on("--quiet").short('q');

    /// Length of the summary after the run
    SUMMARY summary: SummaryLength;
        parse::summary, allowed "short, full or off", such as "\"full\"";
        Run, Describes, unset "short", flag Flag::value("--summary", "LENGTH");

    /// Energy that summaries and exports show: the machine's or the command's
    SCOPE scope: Scope;
        parse::scope, allowed "machine or command", such as "\"command\"";
        Run, Describes, unset "machine", flag Flag::value("--scope", "SCOPE");

    /// Show power, energy and emissions in the last line of the terminal while a command runs
    LIVE live: bool = true;
        parse::flag, allowed "true or false", such as "false";
        Run, Describes, unset "true", flag Flag::off("--no-live").help("Show no live line on the terminal").rare();

    /// Leave the command's arguments out of the report
    REDACT redact: bool;
        parse::flag, allowed "true or false", such as "true";
        Run, Describes, flag Flag::on("--redact").rare();

    /// Run log: kept in the folder of runs (true), not kept (false), or kept in a folder of this name
    LOG log: Log;
        parse::log, allowed "true, false or a folder", such as "\"runs\"";
        Run, WritesPath, unset "true", flag Flag::off("--no-log").help("Keep no run log").rare();

    /// Folder of runs
    STATE_DIR state_dir: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/var/lib/eco2\"";
        Run, WritesPath, unset "eco2 in $XDG_STATE_HOME";

    /// Start time of a replayed trace, e.g. 2026-03-01T12:00Z; a trace has no wall-clock time
    STARTED_AT started_at: Option<i64>;
        parse::instant, allowed "a time such as 2026-03-01T12:00Z", such as "\"2026-03-01T12:00Z\"";
        Run, Describes, flag Flag::value("--started-at", "TIME");

    /// Grid zone, e.g. DE, US-CA, France
    ZONE zone: Option<String>;
        parse::text, allowed "a zone's code or name", such as "\"DE\"";
        Carbon, Describes, unset "world average", flag Flag::value("--zone", "ZONE").short('z');

    /// Replace a zone without a value by its country, else by the world average, instead of refusing it
    ZONE_FALLBACK zone_fallback: bool;
        parse::flag, allowed "true or false", such as "true";
        Carbon, Describes;

    /// Carbon intensity in g CO2e/kWh, instead of the zone's value
    INTENSITY intensity: Option<f64>;
        |input| parse::number(input, 0.0..=eco2_grid::MAX_G_PER_KWH),
        allowed "0 to 5000 grams CO2e per kilowatt-hour", such as "342.5";
        Carbon, Describes, flag Flag::value("--intensity", "G");

    /// Carbon intensity over time from a CSV or JSON file
    INTENSITY_SERIES intensity_series: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"intensity.csv\"";
        Carbon, ReadsPath, flag Flag::path("--intensity-series", "FILE");

    /// Column of the intensity file
    INTENSITY_COLUMN intensity_column: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"GB\"";
        Carbon, Describes, unset "gco2e_per_kwh, or the only one", flag Flag::value("--intensity-column", "COLUMN").rare();

    /// Request carbon intensity over time from providers, in this order: electricity-maps, energy-charts, entsoe, neso,
    /// watttime, carbon-aware-sdk
    INTENSITY_PROVIDER intensity_provider: Vec<String>;
        |input| parse::names(input, parse::PROVIDERS),
        allowed "a list of carbon-aware-sdk, electricity-maps, energy-charts, entsoe, neso, watttime",
        such as "[\"electricity-maps\"]";
        Carbon, Describes, flag Flag::value("--provider", "LIST").help("Providers of carbon intensity, e.g. electricity-maps,neso");

    /// The provider's name for the zone, e.g. US-CAL-CISO
    PROVIDER_ZONE provider_zone: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"US-CAL-CISO\"";
        Carbon, Describes, unset "derived from the zone", flag Flag::value("--provider-zone", "ZONE").rare();

    /// Address of the provider
    PROVIDER_URL provider_url: Option<String>;
        parse::address, allowed "an https address without user and query", such as "\"https://intensity.example.org\"";
        Carbon, SetsAddress, unset "its public address", flag Flag::value("--provider-url", "URL").rare();

    /// Find the zone from this machine's location: `cloud`, or LATITUDE,LONGITUDE
    LOCATE locate: Option<String>;
        parse::text, allowed "cloud, or a latitude and a longitude", such as "\"52.52,13.40\"";
        Carbon, Describes, flag Flag::value("--locate", "PLACE").rare().negative();

    /// Power usage effectiveness (PUE) of the facility, 1 or more
    PUE pue: f64 = 1.0;
        |input| parse::number(input, 1.0..=f64::MAX), allowed "a finite number of at least 1", such as "1.2";
        Carbon, Describes, unset "1", flag Flag::value("--pue", "RATIO");

    /// Sources of readings to use
    SOURCES sources: Option<Vec<String>>;
        |input| parse::names(input, parse::SOURCES),
        allowed "a list of rapl-perf, rapl-sysfs, nvml, amdsmi, hwmon, redfish, ipmi, agent, model, replay, synthetic",
        such as "[\"rapl-sysfs\", \"nvml\"]";
        Hardware, Describes, unset "all",
        flag Flag::names("--source", "LIST", parse::SOURCES)
            .help("Read only these sources, separated by commas [default: all]");

    /// GPUs to read, by number or UUID among those visible to the process
    GPUS gpus: Option<Vec<String>>;
        parse::gpus, allowed "a list of GPU numbers or UUIDs, counted within the visible ones", such as "[\"0\", \"1\"]";
        Hardware, Describes, unset "all";

    /// Estimate the energy of components without a sensor
    ESTIMATE estimate: bool = true;
        parse::flag, allowed "true or false", such as "false";
        Hardware, Describes, unset "true",
        flag Flag::off("--no-estimate").help("Do not estimate the energy of components without a sensor");

    /// When sensors are read: on-demand (around the edges of spans, else once a second), tight (narrower bounds of spans at a
    /// higher cost) or fixed (every 10 ms)
    SAMPLING sampling: Option<String>;
        |input| parse::name(input, parse::SAMPLING), allowed "on-demand, tight or fixed", such as "\"tight\"";
        Hardware, Describes, unset "on-demand";

    /// Fixed sampling interval, e.g. 10ms, from 0.1 ms to 60 s
    INTERVAL interval: Option<Duration>;
        parse::interval, allowed "0.1 ms to 60 s, as seconds or with a unit (us, ms, s)", such as "\"10ms\"";
        Hardware, Describes, unset "none: sensors are read on demand", flag Flag::value("--interval", "TIME").rare();

    /// CPU time that sampling may use, percent of a core; above it the interval grows, to one second at most
    MAX_OVERHEAD_PERCENT max_overhead_percent: Option<f64>;
        |input| parse::number(input, 0.01..=100.0), allowed "0.01 to 100 percent of a core", such as "1";
        Hardware, Describes, unset "no limit";

    /// Power of a busy GPU that has no sensor, watts
    GPU_WATTS gpu_watts: Option<f64>;
        |input| parse::quantity(input, "W", 1.0..=5000.0), allowed "1 to 5000 watts, or with a unit (W, kW)", such as "300";
        Hardware, Describes;

    /// Power of all CPUs under full load, watts, where no sensor reads them
    CPU_WATTS cpu_watts: Option<f64>;
        |input| parse::quantity(input, "W", 1.0..=20_000.0), allowed "1 to 20000 watts, or with a unit (W, kW)", such as "280";
        Hardware, Describes, unset "the value listed for the CPU model";

    /// Cloud provider of this machine, whose published watts per thread apply where no sensor reads the CPUs
    CLOUD cloud: Option<CloudPower>;
        parse::cloud, allowed "aws, gcp or azure", such as "\"aws\"";
        Hardware, Describes;

    /// Mount point of sysfs, e.g. /host/sys in a container
    SYSFS sysfs: PathBuf = PathBuf::from("/sys");
        parse::path, allowed "a path", such as "\"/host/sys\"";
        Hardware, ReadsPath, unset "/sys", flag Flag::path("--sysfs", "DIR").rare();

    /// Mount point of procfs
    PROCFS procfs: PathBuf = PathBuf::from("/proc");
        parse::path, allowed "a path", such as "\"/host/proc\"";
        Hardware, ReadsPath, unset "/proc", flag Flag::path("--procfs", "DIR").rare();

    /// NVIDIA management library (NVML) to load
    NVML nvml: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/opt/nvidia/libnvidia-ml.so.1\"";
        Hardware, LoadsCode, unset "the system's", flag Flag::path("--nvml", "LIBRARY").rare();

    /// AMD management library (libamd_smi) to load
    AMDSMI amdsmi: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/opt/rocm/lib/libamd_smi.so\"";
        Hardware, LoadsCode, unset "the system's", flag Flag::path("--amdsmi", "LIBRARY").rare();

    /// BMC of this machine, whose power is shown as the machine's total, by Redfish; the account USER:PASSWORD is read from
    /// ECO2_TOKEN_REDFISH, or from the file of mode 0600 that ECO2_TOKEN_REDFISH_FILE names
    REDFISH redfish: Option<String>;
        parse::bmc, allowed "a host, or an https address without user and query", such as "\"https://bmc.example.org\"";
        Hardware, SetsAddress, unset "no request is sent", flag Flag::value("--redfish", "ADDRESS").rare();

    /// Certificate (PEM) of the BMC or of its authority, where it is not a public one
    REDFISH_CA redfish_ca: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/etc/ssl/bmc.pem\"";
        Hardware, ReadsPath, flag Flag::path("--redfish-ca", "FILE").rare();

    /// Do not check the BMC's certificate: any machine that answers at its address gets the account
    REDFISH_INSECURE redfish_insecure: bool;
        parse::flag, allowed "true or false", such as "true";
        Hardware, SetsAddress, flag Flag::on("--redfish-insecure").rare();

    /// IPMI device of this machine, through which its BMC shows the machine's total power (DCMI), e.g. /dev/ipmi0
    IPMI ipmi: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/dev/ipmi0\"";
        Hardware, ReadsPath, unset "no device is opened", flag Flag::path("--ipmi", "DEVICE").rare();

    /// Folder of the node agent, which is read for components whose sensors may not be read directly
    AGENT agent: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/run/eco2\"";
        Hardware, ReadsPath, unset "/run/eco2, then eco2 in $XDG_RUNTIME_DIR";

    /// Send budget and anomaly events to a webhook in this format: slack, teams, discord or json; its address is read from
    /// ECO2_TOKEN_WEBHOOK, or from the file of mode 0600 that ECO2_TOKEN_WEBHOOK_FILE names
    WEBHOOK webhook: Option<String>;
        |input| parse::name(input, parse::WEBHOOKS), allowed "slack, teams, discord or json", such as "\"slack\"";
        Budget, SetsAddress, flag Flag::value("--webhook", "FORMAT").rare();

    /// Send budget and anomaly events by e-mail to these addresses; requires email_server
    EMAIL_TO email_to: Vec<String>;
        parse::emails, allowed "addresses such as ops@example.org", such as "[\"ops@example.org\"]";
        Budget, SetsAddress, flag Flag::value("--email-to", "LIST").rare();

    /// Mail server that sends alerts: HOST or HOST:PORT with STARTTLS, smtps://HOST for TLS from the first byte. Nothing is sent
    /// without TLS
    EMAIL_SERVER email_server: Option<String>;
        parse::text, allowed "smtp.example.org, smtp.example.org:587 or smtps://smtp.example.org",
        such as "\"smtp.example.org\"";
        Budget, SetsAddress, flag Flag::value("--email-server", "HOST").rare();

    /// User name at the mail server; the password is read from ECO2_TOKEN_EMAIL, or from the file of mode 0600 that
    /// ECO2_TOKEN_EMAIL_FILE names
    EMAIL_USER email_user: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"eco2@example.org\"";
        Budget, SetsAddress, unset "no login";

    /// Address of the sender
    EMAIL_FROM email_from: Option<String>;
        parse::text, allowed "an address such as eco2@example.org", such as "\"eco2@example.org\"";
        Budget, SetsAddress, unset "the user if it is an address, else the first recipient";

    /// Root certificate (PEM) of the mail server's authority, where it is not a public one
    EMAIL_CA email_ca: Option<PathBuf>;
        parse::path, allowed "a path", such as "\"/etc/ssl/own-ca.pem\"";
        Budget, ReadsPath;

    /// Push the metrics to these places, a run at its end and the agent every 10 s: otlp=URL, otlp-traces=URL, remote-write=URL,
    /// pushgateway=URL or textfile=FILE. A token is read from ECO2_TOKEN_OTLP, ECO2_TOKEN_REMOTE_WRITE or
    /// ECO2_TOKEN_PUSHGATEWAY, or from the file of mode 0600 that the variable with _FILE names
    PUSH push: BTreeMap<String, String>;
        parse::push, allowed "https addresses, http on this machine, a path for textfile; one for each kind",
        such as "{ otlp = \"https://collector.example.org\" }";
        Run, SetsAddress, flag Flag::pair("--push", "KIND=PLACE").rare();

    also:
    /// Limits and prices.
    budget: Budget,
    /// What is reported in addition to location-based emissions.
    supplements: Supplements,
    /// Where each value came from, by name; empty for options set in code.
    origins: BTreeMap<String, Origin>,
    /// Options that were left out because their origin may not set them, such as the NVML path in a project's file.
    refused: Vec<Refused>,
}

/// No share of a limit of 0 can be spent.
const LIMIT: RangeInclusive<f64> = f64::from_bits(1)..=f64::MAX;

rows! {
    /// Limits of a run, what happens at them, and what energy costs. `None` is no limit.
    Budget named "budget.", rows in budget;

    /// Limit on emissions, kg CO2e
    MAX_CO2_KG max_co2_kg: Option<f64>;
        |input| parse::quantity(input, "kg", LIMIT), allowed "kilograms above 0, or with a unit (g, kg, t)", such as "5";
        Budget, Describes, unset "no limit",
        flag Flag::value("--max-co2", "KG").help("Warn when emissions exceed KG (does not stop the command)");

    /// Limit on energy use, kWh with the facility's overhead (PUE)
    MAX_ENERGY_KWH max_energy_kwh: Option<f64>;
        |input| parse::quantity(input, "kWh", parse::LEAST_KWH..=f64::MAX),
        allowed "kilowatt-hours, or with a unit (Wh, kWh, MWh, J, MJ), a microjoule or more", such as "12.5";
        Budget, Describes, unset "no limit",
        flag Flag::value("--max-energy", "KWH").help("Warn when energy use exceeds KWH (does not stop the command)");

    /// Limit on the cost of energy, money; requires a price or a tariff
    MAX_COST max_cost: Option<f64>;
        |input| parse::number(input, LIMIT), allowed "a finite amount of money above 0", such as "20";
        Budget, Describes, unset "no limit";

    /// Limit per hour on emissions, kg CO2e: one event when the mean since the start exceeds it
    MAX_CO2_KG_PER_HOUR max_co2_kg_per_hour: Option<f64>;
        |input| parse::quantity(input, "kg", LIMIT), allowed "kilograms above 0, or with a unit (g, kg, t)", such as "5";
        Budget, Describes, unset "no limit";

    /// Limit per hour on energy use, kWh with the facility's overhead (PUE): one event when the mean exceeds it
    MAX_ENERGY_KWH_PER_HOUR max_energy_kwh_per_hour: Option<f64>;
        |input| parse::quantity(input, "kWh", LIMIT),
        allowed "kilowatt-hours above 0, or with a unit (Wh, kWh, MWh, J, MJ)", such as "10";
        Budget, Describes, unset "no limit";

    /// Limit per hour on the cost of energy, money: one event when the mean exceeds it; requires a price or a tariff
    MAX_COST_PER_HOUR max_cost_per_hour: Option<f64>;
        |input| parse::number(input, LIMIT), allowed "a finite amount of money above 0", such as "50";
        Budget, Describes, unset "no limit";

    /// Planned duration in hours, to forecast use at its end (90 % interval)
    TOTAL_HOURS total_hours: Option<f64>;
        |input| parse::quantity(input, "h", 0.001..=100_000.0),
        allowed "0.001 to 100000 hours, or with a unit (min, h, d, w)", such as "12.5";
        Budget, Describes, flag Flag::value("--total-hours", "H").rare();

    /// Planned number of steps, to forecast use at the last one
    TOTAL_STEPS total_steps: Option<u32>;
        parse::positive, allowed "a whole number from 1 to 4294967295", such as "10000";
        Budget, Describes;

    /// Percent of every limit reserved for a checkpoint and a step larger than any before
    RESERVE_PERCENT reserve_percent: f64;
        |input| parse::number(input, 0.0..=90.0), allowed "0 to 90 percent of every limit", such as "2";
        Budget, Describes, unset "0", flag Flag::value("--reserve", "PERCENT").rare();

    /// Steps between two checks of the budget; as many are reserved
    CHECK_STEPS check_steps: u32 = 1;
        parse::positive, allowed "a whole number from 1 to 4294967295", such as "100";
        Budget, Describes, unset "1";

    /// Decision when the forecast exceeds a limit
    BUDGET_SOFT soft: Decision = Decision::Warn;
        parse::decision, allowed "off, warn, pause or stop", such as "\"pause\"";
        Budget, Describes, unset "warn";

    /// Decision when a limit is used up except for the reserve
    BUDGET_HARD hard: Decision = Decision::Stop;
        parse::decision, allowed "off, warn, pause or stop", such as "\"pause\"";
        Budget, Describes, unset "stop";

    /// Decide by the upper bound: one that reaches a limit, or is not known, counts like a value that does
    BUDGET_STRICT strict: bool;
        parse::flag, allowed "true or false", such as "true";
        Budget, Describes;

    /// Electricity price per kWh
    PRICE_PER_KWH price_per_kwh: Option<f64>;
        |input| parse::number(input, parse::AMOUNT),
        allowed "a finite amount of money for a kilowatt-hour, 0 or more", such as "0.3";
        Supplements, Describes, flag Flag::value("--price-per-kwh", "PRICE").rare();

    /// Currency of prices and limits, an ISO 4217 code such as EUR
    CURRENCY currency: Option<String>;
        parse::currency, allowed "an ISO 4217 code of three capital letters", such as "\"EUR\"";
        Supplements, Describes, flag Flag::value("--currency", "CODE").rare();
}

pub mod opt {
    //! Every option by its constant, which is its variable without `ECO2_`: [`opt::PUE`](PUE).

    pub use super::budget::*;
    pub use super::run::*;
    use super::{Row, budget, run};
    use crate::options::rows_supplements::supplements;
    pub use crate::options::rows_supplements::supplements::*;

    /// Every option, in the order of documentation.
    pub fn all() -> impl Iterator<Item = &'static Row> {
        [run::ROWS, supplements::ROWS, budget::ROWS].into_iter().flatten().copied()
    }

    /// The option of a name, such as `budget.max_co2_kg`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Row> {
        all().find(|row| row.name == name)
    }
}
