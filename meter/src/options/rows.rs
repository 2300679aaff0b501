//! Options of the run, of carbon intensity and of the hardware, one declaration each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use eco2_grid::carbon::CloudPower;

use super::field::{Log, Shown as _, TakeValue as _};
use super::input::Input;
use super::origin::Origin;
use super::parse;
use super::refused::Refused;
use super::row::{Flag, Row, Subject, rows};
use super::rows_budget::Budget;
use super::rows_supplements::Supplements;
use super::trust::Effect;

rows! {
    /// The options of a measured run, resolved.
    Options named "";

    /// Name of the run
    NAME name: Option<String>;
        parse::text, allowed "text of 1 to 256 bytes", such as "\"bert-base\"";
        Run, Describes, unset "the command's name", flag Flag::value("--name", "NAME");

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
        Run, Describes, flag Flag::pair("--label", "KEY=VALUE").help("Label of the run; may be repeated");

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
        Carbon, Describes, unset "world average", flag Flag::value("--zone", "ZONE");

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
        Carbon, Describes, flag Flag::value("--provider", "LIST");

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
        allowed "a list of rapl-perf, rapl-sysfs, nvml, hwmon, model, replay, synthetic",
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

    /// Sampling interval, e.g. 10ms, from 0.1 ms to 60 s
    INTERVAL interval: Option<Duration>;
        parse::interval, allowed "0.1 ms to 60 s, as seconds or with a unit (us, ms, s)", such as "\"10ms\"";
        Hardware, Describes, unset "as each counter requires", flag Flag::value("--interval", "TIME").rare();

    /// CPU time that sampling may use, percent of a core; above it the interval grows, to one second at most
    MAX_OVERHEAD_PERCENT max_overhead_percent: Option<f64>;
        |input| parse::number(input, 0.01..=100.0), allowed "0.01 to 100 percent of a core", such as "1";
        Hardware, Describes, unset "no limit";

    /// Power of a busy GPU that has no sensor, watts
    GPU_WATTS gpu_watts: Option<f64>;
        |input| parse::number(input, 1.0..=5000.0), allowed "1 to 5000 watts", such as "300";
        Hardware, Describes;

    /// Power of all CPUs under full load, watts, where no sensor reads them
    CPU_WATTS cpu_watts: Option<f64>;
        |input| parse::number(input, 1.0..=20_000.0), allowed "1 to 20000 watts", such as "280";
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

    /// Send budget and anomaly events to a webhook in this format: slack, teams, discord or json; its address is read from
    /// ECO2_TOKEN_WEBHOOK, or from the file of mode 0600 that ECO2_TOKEN_WEBHOOK_FILE names
    WEBHOOK webhook: Option<String>;
        |input| parse::name(input, parse::WEBHOOKS), allowed "slack, teams, discord or json", such as "\"slack\"";
        Budget, SetsAddress, flag Flag::value("--webhook", "FORMAT").rare();

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
