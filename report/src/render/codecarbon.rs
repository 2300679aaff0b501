//! Writes a report as CodeCarbon's `emissions.csv` (a header and one row), for tools that read such files.
//!
//! Columns are those of CodeCarbon 3.3.2 (class `EmissionsData` in `output_methods/emissions_data.py`), in its order
//! and units: seconds, kilograms, watts, kilowatt-hours, litres, three-letter country codes. PUE (facility overhead) is
//! included in powers and energies, as in CodeCarbon ("multiplies both the reported power and the reported energy");
//! its versions before 3.3 included it in the energies only. Water is computed from the energy before PUE, while
//! CodeCarbon multiplies it by PUE. An unknown value is an empty cell; CodeCarbon writes 0 or a guess. Bounds and
//! quality have no column.

use eco2_core::Component;
use eco2_core::schema::{Device, Report, Water};
use eco2_core::units::{kwh, watts};

use super::{csv::table, presentable};
use crate::Error;
use crate::analysis::{Scope, scope_of};

/// The columns, in order.
const COLUMNS: [&str; 38] = [
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "cpu_utilization_percent",
    "gpu_utilization_percent",
    "ram_utilization_percent",
    "ram_used_gb",
    "on_cloud",
    "pue",
    "wue",
];

/// Returns the header and one row.
///
/// # Errors
/// [`Error::Table`].
pub fn codecarbon_csv(report: &Report) -> Result<String, Error> {
    let report = presentable(report);
    let header = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let row = COLUMNS.iter().map(|column| cell(&report, column).unwrap_or_default()).collect();
    table("the emissions", header, std::iter::once(row))
}

/// Returns the cell of a column; `None` for a value that is not known.
fn cell(report: &Report, column: &str) -> Option<String> {
    let run = &report.run;
    let seconds = run.duration_ns as f64 / 1e9;
    let kg = report.carbon.as_ref().and_then(|carbon| carbon.grams).map(|grams| grams / 1e3);
    let zone = || Some(report.carbon.as_ref()?.zone.as_str()).filter(|zone| is_code(zone));
    let number = |value: Option<f64>| value.map(|value| value.to_string());
    match column {
        // CodeCarbon writes local time without a time zone; this is UTC.
        "timestamp" => Some(run.ended_at.get(..19).unwrap_or(&run.ended_at).to_owned()),
        "project_name" => Some(run.name.clone()),
        "run_id" => Some(run.id.clone()),
        "experiment_id" => run.labels.get("experiment_id").or_else(|| run.labels.get("experiment")).cloned(),
        "duration" => Some(seconds.to_string()),
        "emissions" => number(kg),
        "emissions_rate" => number(kg.filter(|_| seconds > 0.0).map(|kg| kg / seconds)),
        "cpu_power" => number(power(report, Component::Cpu)),
        "gpu_power" => number(power(report, Component::Gpu)),
        "ram_power" => number(power(report, Component::Memory)),
        "cpu_energy" => number(energy(report, Component::Cpu)),
        "gpu_energy" => number(energy(report, Component::Gpu)),
        "ram_energy" => number(energy(report, Component::Memory)),
        "energy_consumed" => report.energy.facility_uj.map(|uj| kwh(uj).to_string()),
        "water_consumed" => number(water(report).and_then(|water| water.litres)),
        "country_name" => country(report).map(|country| country.name.clone()),
        "country_iso_code" => country(report).and_then(|country| country.alpha3.clone()),
        "region" => zone().and_then(|zone| zone.split_once('-')).map(|(_, region)| region.to_owned()),
        "os" => Some(&run.host.kernel).filter(|kernel| !kernel.is_empty()).map(|kernel| format!("Linux-{kernel}")),
        "codecarbon_version" => Some(format!("eco2-{}", run.tool.version)),
        "cpu_model" => model(report, Component::Cpu),
        "gpu_count" => Some(of(report, Component::Gpu).count().to_string()).filter(|count| count != "0"),
        "gpu_model" => model(report, Component::Gpu),
        "tracking_mode" => Some(if scope_of(report) == Scope::Command { "process" } else { "machine" }.to_owned()),
        "pue" => Some(report.energy.pue.to_string()),
        "wue" => number(water(report).and_then(|water| water.wue)),
        _ => None,
    }
}

/// Whether a zone is a country (`DE`) or a part of one (`US-CA`), and not the world average or a list of zones.
fn is_code(zone: &str) -> bool {
    let country = zone.split('-').next().unwrap_or(zone);
    country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// Returns the zone's country in the table of zones, which has the name and the three-letter code.
fn country(report: &Report) -> Option<&'static eco2_grid::Zone> {
    let code = super::export::country(report.carbon.as_ref()?)?;
    eco2_grid::zones().iter().find(|zone| zone.code == code)
}

/// Returns the water section of a report; `None` if there is none.
fn water(report: &Report) -> Option<&Water> {
    report.carbon.as_ref()?.beside.as_deref()?.water.as_ref()
}

/// Returns the devices of a component that count towards the total.
fn of(report: &Report, component: Component) -> impl Iterator<Item = &Device> {
    report.devices.iter().filter(move |device| device.component == component && device.is_summed())
}

/// Returns the energy of a component, microjoules before PUE; `None` if it is not known.
fn sum_uj(report: &Report, component: Component) -> Option<u64> {
    of(report, component).filter_map(|device| device.energy_uj).reduce(u64::saturating_add)
}

/// Returns the energy of a component, kilowatt-hours, PUE included.
fn energy(report: &Report, component: Component) -> Option<f64> {
    sum_uj(report, component).map(|uj| kwh(uj) * report.energy.pue)
}

/// Returns the mean power of a component, watts, PUE included.
fn power(report: &Report, component: Component) -> Option<f64> {
    let mean = watts(sum_uj(report, component)?, report.run.duration_ns)?;
    Some(mean * report.energy.pue)
}

/// Returns the names of the models of a component's devices.
fn model(report: &Report, component: Component) -> Option<String> {
    let mut names: Vec<&str> = of(report, component).map(Device::hardware).collect();
    names.dedup();
    Some(names.join("; ")).filter(|names| !names.is_empty())
}
