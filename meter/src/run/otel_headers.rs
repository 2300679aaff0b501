//! Finds the headers that the variables of OpenTelemetry have for a place ([`variable_for`]). They are secrets of a vendor, and no other
//! address gets them.

use crate::options::OTEL_ENDPOINT;

/// Variable with the headers of all signals that have no variable of their own.
const GENERAL: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// A kind of data for which OpenTelemetry has variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal {
    endpoint: &'static str,
    headers: &'static str,
    path: &'static str,
}

pub(super) const METRICS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    headers: "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    path: "/v1/metrics",
};
pub(super) const TRACES: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    headers: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    path: "/v1/traces",
};
const LOGS: Signal = Signal {
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    headers: "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
    path: "/v1/logs",
};

/// Returns the name and the text of the variable with the headers for requests of this signal to the base address `address`. `None`: there
/// is none, or its headers belong to other addresses. They belong to the endpoints of the signals whose headers OpenTelemetry takes from that
/// variable; if no endpoint of these signals is set, to each address.
pub(super) fn variable_for(
    signal: Signal,
    address: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let variable = |signal: Signal| [signal.headers, GENERAL].into_iter().find_map(|name| Some((name, lookup(name)?)));
    let endpoint = |signal: Signal| match lookup(signal.endpoint) {
        Some(whole) => Some(base(&whole).strip_suffix(signal.path).map_or_else(|| base(&whole), base)),
        None => lookup(OTEL_ENDPOINT).map(|general| base(&general)),
    };
    let found = variable(signal)?;
    let sharing =
        [METRICS, TRACES, LOGS].into_iter().filter(|signal| variable(*signal).is_some_and(|(name, _)| name == found.0));
    let endpoints: Vec<String> = sharing.filter_map(endpoint).collect();
    (endpoints.is_empty() || endpoints.contains(&base(address))).then_some(found)
}

/// Returns an address without the slashes at its end.
fn base(address: &str) -> String {
    address.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_only_to_an_endpoint_that_opentelemetry_would_send_them_to() {
        let (all, traces, metrics) = ("HEADERS=all", "TRACES_HEADERS=traces", "METRICS_HEADERS=metrics");
        let (vendor, vendor_traces) = ("ENDPOINT=https://vendor/", "TRACES_ENDPOINT=https://vendor/v1/traces");
        let vendor_logs = "LOGS_ENDPOINT=https://vendor/x/logs";
        // The variables, and the headers that are sent: metrics and traces to the vendor, metrics and traces to another address.
        let cases: &[(&[&str], [&str; 4])] = &[
            (&[], ["", "", "", ""]),
            (&[all], ["all", "all", "all", "all"]),
            (&[all, traces], ["all", "traces", "all", "traces"]),
            (&[all, vendor], ["all", "all", "", ""]),
            (&[all, vendor_traces], ["all", "all", "", ""]),
            (&[all, vendor_logs], ["", "", "", ""]),
            (&[all, traces, vendor], ["all", "traces", "", ""]),
            (&[all, traces, vendor_traces], ["all", "traces", "all", ""]),
            (&[traces, vendor_logs], ["", "traces", "", "traces"]),
            (&[all, metrics, vendor_traces], ["metrics", "all", "metrics", ""]),
            (&[all, vendor, "TRACES_ENDPOINT=https://other"], ["all", "all", "all", "all"]),
            (&[all, traces, vendor, "TRACES_ENDPOINT=https://other/v1/traces/"], ["all", "", "", "traces"]),
        ];
        for (variables, expected) in cases {
            let lookup = |name: &str| {
                let pairs = variables.iter().filter_map(|pair| pair.split_once('='));
                let named = |(own, value): (&str, &str)| {
                    (name == format!("OTEL_EXPORTER_OTLP_{own}")).then(|| value.to_owned())
                };
                pairs.into_iter().find_map(named)
            };
            let sent = ["https://vendor", "https://other"].map(|address| {
                [METRICS, TRACES]
                    .map(|signal| variable_for(signal, address, lookup).map_or_else(String::new, |(_, text)| text))
            });
            assert_eq!(sent.concat(), expected, "{variables:?}");
        }
    }
}
