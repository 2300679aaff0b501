//! Writes metrics for OTLP, the protocol of OpenTelemetry: the message `ExportMetricsServiceRequest` as protobuf.
//!
//! Energy and power of devices have the names of the semantic conventions for hardware (`hw.energy`, `hw.power`). The other metrics
//! have the names of the page of metrics in the notation of OpenTelemetry (`eco2.run.energy` in J), which Prometheus translates back
//! to the same names. Field numbers are those of opentelemetry-proto 1.x.

use super::PushOrigin;
use crate::render::openmetrics::{Family, Kind, Labels, MetricSet};
use crate::render::protobuf::ProtoMessage;

/// Version of the semantic conventions that the names follow.
pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";
/// Name of the instrumentation scope: the part of a program that a metric is from.
pub(super) const SCOPE: &str = "eco2";
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`: values count from the start time.
const CUMULATIVE: u64 = 2;

/// Returns the metrics as the body of a POST to `/v1/metrics`.
#[must_use]
pub fn otlp_metrics(set: &MetricSet, origin: &PushOrigin) -> Vec<u8> {
    let request = ProtoMessage::new(|request| {
        request.message(1, |of_resource| {
            of_resource.message(1, |resource| resource_attributes(resource, origin));
            of_resource.message(2, |of_scope| {
                scope(of_scope, 1, origin);
                for (family, samples) in &set.families {
                    of_scope.message(2, |metric| write_metric(metric, *family, samples, origin));
                }
                of_scope.text(3, SCHEMA_URL);
            });
            of_resource.text(3, SCHEMA_URL);
        });
    });
    request.into_bytes()
}

/// Adds the attributes of the machine and the program that send.
pub(super) fn resource_attributes(resource: &mut ProtoMessage, origin: &PushOrigin) {
    attribute(resource, 1, "service.name", "eco2");
    attribute(resource, 1, "service.version", &origin.version);
    attribute(resource, 1, "service.instance.id", &origin.instance);
    attribute(resource, 1, "host.name", &origin.hostname);
    if let Some(run) = &origin.run {
        attribute(resource, 1, "eco2.run.id", run);
    }
    if let Some(rank) = origin.rank {
        attribute(resource, 1, "eco2.run.rank", &rank.to_string());
    }
}

/// Adds the scope.
pub(super) fn scope(message: &mut ProtoMessage, field: u32, origin: &PushOrigin) {
    message.message(field, |scope| {
        scope.text(1, SCOPE);
        scope.text(2, &origin.version);
    });
}

/// Adds an attribute (`KeyValue` with a text).
pub(super) fn attribute(message: &mut ProtoMessage, field: u32, name: &str, value: &str) {
    message.message(field, |pair| {
        pair.text(1, name);
        pair.message(2, |any| any.chosen_text(1, value));
    });
}

/// Adds the fields of a `Metric`.
fn write_metric(metric: &mut ProtoMessage, family: Family, samples: &[(Labels, f64)], origin: &PushOrigin) {
    let MetricName { name, unit, is_hardware } = metric_name(family);
    metric.text(1, &name);
    metric.text(2, family.help);
    metric.text(3, unit);
    let is_counter = family.kind == Kind::Counter;
    let points = |data: &mut ProtoMessage| {
        for (labels, value) in samples {
            data.message(1, |point| {
                if is_counter {
                    point.fixed64(2, origin.start.of(family, labels).unwrap_or(0).min(origin.at_ns));
                }
                point.fixed64(3, origin.at_ns);
                point.double(4, *value);
                for (name, value) in labels {
                    attribute(point, 7, if is_hardware { hardware_attribute(name) } else { name }, value);
                }
            });
        }
    };
    if is_counter {
        metric.message(7, |sum| {
            points(sum);
            sum.number(2, CUMULATIVE);
            sum.number(3, 1);
        });
    } else {
        metric.message(5, points);
    }
}

/// Name and unit of a metric.
struct MetricName {
    name: String,
    /// In the notation of UCUM; empty: it has none.
    unit: &'static str,
    /// Whether the semantic conventions for hardware define it.
    is_hardware: bool,
}

/// Returns the name of a family's metric.
fn metric_name(family: Family) -> MetricName {
    let unit = match family.unit {
        "joules" => "J",
        "watts" => "W",
        "grams" => "g",
        "seconds" => "s",
        _ => "",
    };
    let hardware = match family.name {
        "eco2_energy_joules" => Some("hw.energy"),
        "eco2_power_watts" => Some("hw.power"),
        "eco2_host_energy_joules" => Some("hw.host.energy"),
        _ => None,
    };
    let is_translated = !unit.is_empty();
    let suffix = if is_translated { format!("_{}", family.unit) } else { String::new() };
    let own = || family.name.strip_suffix(suffix.as_str()).unwrap_or(family.name).replace('_', ".");
    let info = if family.kind == Kind::Info { ".info" } else { "" };
    let name = hardware.map_or_else(|| format!("{}{info}", own()), str::to_owned);
    MetricName { name, unit, is_hardware: hardware.is_some() }
}

/// Returns the name of a label in the conventions for hardware.
fn hardware_attribute(label: &str) -> &str {
    match label {
        "device" => "hw.id",
        "component" => "hw.type",
        label => label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the name that Prometheus gives a metric: dots become underscores, then unit and `_total` follow.
    fn translated(name: &MetricName, kind: Kind) -> String {
        let units = [("J", "_joules"), ("W", "_watts"), ("g", "_grams"), ("s", "_seconds"), ("", "")];
        let unit = units.iter().find(|(unit, _)| *unit == name.unit).unwrap().1;
        let total = if kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", name.name.replace('.', "_"))
    }

    #[test]
    fn prometheus_translates_the_names_back_to_those_of_the_page_of_metrics() {
        for family in [
            Family::counter("eco2_run_energy_joules", "").unit("joules"),
            Family::gauge("eco2_source_last_success_timestamp_seconds", "").unit("seconds"),
            Family::gauge("eco2_grid_intensity_grams_per_joule", "").unit("grams_per_joule"),
            Family::counter("eco2_events", ""),
            Family::info("eco2_device", ""),
        ] {
            let page = format!("{}{}", family.name, family.suffix());
            assert_eq!(translated(&metric_name(family), family.kind), page);
        }
        let energy = Family::counter("eco2_energy_joules", "").unit("joules");
        assert_eq!(translated(&metric_name(energy), energy.kind), "hw_energy_joules_total");
    }
}
