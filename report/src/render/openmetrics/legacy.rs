//! Writes the metrics `hf_training_…` of HF Eco2AI, in its units, for existing dashboards. They are part of the
//! OpenMetrics output of a report. A *family* is a metric with its help text and samples.

use eco2_core::schema::{Carbon, Device, Report};
use eco2_core::units::{kwh, watts};
use eco2_core::{Component, Unit};

use super::exposition::{Family, Labels, MetricSet};
use crate::render::{export, supplements};

/// Adds the families of these metrics to the page. A value that is not known is left out.
pub(super) fn families(report: &Report, page: &mut MetricSet) {
    let labels = common(report);
    let energy = report.energy.total_uj.map(kwh);
    let hours = report.run.duration_ns as f64 / 3.6e12;
    let rate = |amount: Option<f64>| amount.filter(|_| hours > 0.0).map(|amount| amount / hours);
    let carbon = report.carbon.as_ref();
    let kg = carbon.and_then(|carbon| carbon.grams).map(|grams| grams / 1e3);
    page.one(Family::counter("hf_training_energy_kwh", "Energy of the run, kilowatt-hours."), &labels, energy);
    page.one(Family::counter("hf_training_co2_kg", "CO2e of the run, kilograms."), &labels, kg);
    page.one(Family::gauge("hf_training_energy_rate_kwh_per_hour", "Mean power, kilowatts."), &labels, rate(energy));
    page.one(Family::gauge("hf_training_co2_rate_kg_per_hour", "Mean rate of CO2e."), &labels, rate(kg));
    cost(report, &labels, page);
    budget(report, &labels, page);
    work(report, &labels, energy, page);
    let segment = carbon.and_then(|carbon| carbon.segments.last());
    let intensity = Family::gauge("hf_training_grid_carbon_intensity_g_per_kwh", "CO2e of a kilowatt-hour, grams.");
    let place = carbon.map(place).unwrap_or_default();
    page.one(intensity, &[labels.clone(), place].concat(), segment.map(|segment| segment.g_per_kwh));
    gpus(report, &labels, page);
    health(report, &labels, page);
    let version = Family::info("hf_training_plugin_version", "Version of eco2.");
    page.one(version, &vec![("version", report.run.tool.version.clone())], Some(1.0));
}

/// Returns the labels `country` (if the zone is in one) and `region` (the zone).
fn place(carbon: &Carbon) -> Labels {
    let country = export::country(carbon).map(|code| ("country", code.to_owned()));
    country.into_iter().chain([("region", carbon.zone.clone())]).collect()
}

/// Adds the cost of the energy and its mean rate, if the price is in dollars.
fn cost(report: &Report, labels: &Labels, page: &mut MetricSet) {
    let hours = report.run.duration_ns as f64 / 3.6e12;
    let usd = supplements::energy_cost(report).and_then(|cost| cost.usd());
    let per_hour = usd.filter(|_| hours > 0.0).map(|usd| usd / hours);
    let help = "Cost of the energy, dollars; absent where the price is in another currency.";
    page.one(Family::gauge("hf_training_estimated_cost_usd", help), labels, usd);
    page.one(Family::gauge("hf_training_energy_cost_usd", help), labels, usd);
    page.one(Family::gauge("hf_training_cost_rate_usd_per_hour", "Mean cost per hour, dollars."), labels, per_hour);
}

/// Adds the limit on carbon. The remaining amount is negative if the limit is exceeded.
fn budget(report: &Report, labels: &Labels, page: &mut MetricSet) {
    let limits = report.budget.iter().flat_map(|budget| &budget.limits);
    let Some(carbon) = limits.into_iter().find(|spent| spent.unit == Unit::Grams) else { return };
    let kg = |grams: f64| grams / 1e3;
    page.one(
        Family::gauge("hf_training_carbon_budget_kg", "Carbon budget, kilograms CO2e."),
        labels,
        Some(kg(carbon.limit)),
    );
    let remaining = carbon.spent.map(|spent| kg(carbon.limit - spent));
    let family = Family::gauge("hf_training_carbon_budget_remaining_kg", "What is left of the carbon budget.");
    page.one(family, labels, remaining);
}

/// Adds the time of the values, and the number of failures while measuring.
fn health(report: &Report, labels: &Labels, page: &mut MetricSet) {
    let at = report.run.ended_at.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond() as f64 / 1e3);
    let updated = Family::gauge("hf_training_last_update_timestamp", "Time of the values, seconds since 1970.");
    page.one(updated, labels, at);
    let failed = report.devices.iter().map(|device| device.failures).fold(0, u64::saturating_add);
    let errors =
        [("read_failed", failed), ("sample_dropped", report.own.dropped), ("missed_tick", report.own.missed_ticks)];
    let of =
        |(kind, count): (&str, u64)| ([labels.clone(), vec![("error_type", kind.to_owned())]].concat(), count as f64);
    let family = Family::counter("hf_training_monitoring_errors", "Readings that failed, were lost or came late.");
    page.family(family, errors.into_iter().map(of));
}

/// Returns the labels of all these metrics: the project's name, and the model's if a label states it.
fn common(report: &Report) -> Labels {
    let label = |names: [&str; 2]| names.iter().find_map(|name| report.run.labels.get(*name)).cloned();
    let project = label(["project_name", "project"]).unwrap_or_else(|| report.run.name.clone());
    let model = label(["model_name", "model"]).map(|model| ("model_name", model));
    std::iter::once(("project_name", project)).chain(model).collect()
}

/// Adds the counted work: samples per kilowatt-hour and per second, steps, loss, learning rate and epochs.
fn work(report: &Report, labels: &Labels, energy: Option<f64>, page: &mut MetricSet) {
    let work = &report.work;
    let seconds = report.run.duration_ns as f64 / 1e9;
    let samples = work.samples.map(|samples| samples as f64);
    let per_kwh = samples.zip(energy.filter(|kwh| *kwh > 0.0)).map(|(samples, kwh)| samples / kwh);
    let per_second = samples.filter(|_| seconds > 0.0).map(|samples| samples / seconds);
    page.one(Family::gauge("hf_training_samples_per_kwh", "Samples for a kilowatt-hour."), labels, per_kwh);
    page.one(Family::gauge("hf_training_samples_per_second", "Samples in a second."), labels, per_second);
    page.one(Family::gauge("hf_training_step_count", "Steps done."), labels, work.steps.map(|steps| steps as f64));
    page.one(Family::gauge("hf_training_loss", "Last loss."), labels, work.loss);
    let extra = |name: &str| work.extra.get(name).copied();
    page.one(Family::gauge("hf_training_learning_rate", "Last learning rate."), labels, extra("learning_rate"));
    page.one(Family::gauge("hf_training_epoch_count", "Epochs done."), labels, extra("epoch"));
}

/// Adds power, temperature, memory and utilisation of each GPU, and the mean power of the processors.
fn gpus(report: &Report, labels: &Labels, page: &mut MetricSet) {
    let boards = || report.devices.iter().filter(|d| d.component == Component::Gpu && d.is_summed());
    let own = |device: &Device| {
        [labels.clone(), vec![("gpu_id", device.id.clone()), ("gpu_model", device.hardware().to_owned())]].concat()
    };
    let power = Family::gauge("hf_training_gpu_power_watts", "Mean power of a GPU.");
    page.family(power, boards().filter_map(|device| Some((own(device), device.mean_w?))));
    let cpu = report.devices.iter().filter(|d| d.component == Component::Cpu && d.is_summed());
    let cpu_uj = cpu.filter_map(|device| device.energy_uj).reduce(u64::saturating_add);
    let cpu_w = cpu_uj.and_then(|uj| watts(uj, report.run.duration_ns));
    page.one(Family::gauge("hf_training_cpu_power_watts", "Mean power of the processors."), labels, cpu_w);
    for (family, name, scale) in [
        (Family::gauge("hf_training_gpu_temperature_celsius", "Temperature of a GPU."), "temperature", 1.0),
        (Family::gauge("hf_training_gpu_memory_usage_bytes", "Memory in use."), "memory_used", 1.0),
        (Family::gauge("hf_training_gpu_memory_total_bytes", "Memory there is."), "memory_total", 1.0),
        (Family::gauge("hf_training_gpu_utilization_percent", "Time that a GPU was busy."), "utilization", 100.0),
    ] {
        let last = |device: &Device| device.gauges.iter().find(|gauge| gauge.name == name).map(|gauge| gauge.last);
        page.family(family, boards().filter_map(|device| Some((own(device), last(device)? * scale))));
    }
    page.one(Family::gauge("hf_training_gpu_count", "GPUs measured."), labels, Some(boards().count() as f64));
}
