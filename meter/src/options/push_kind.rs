//! The kinds of places that metrics are pushed to, with their names in options.

/// Variable with the address of a collector, which the option takes in place of an address.
pub(crate) const OTEL_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A kind of place that metrics are pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushKind {
    /// A receiver of OTLP, metrics.
    Otlp,
    /// A receiver of OTLP, a trace per run.
    OtlpTraces,
    /// A receiver of Prometheus remote write 1.0.
    RemoteWrite,
    /// A Pushgateway of Prometheus.
    Pushgateway,
    /// A file for the textfile collector of node_exporter.
    Textfile,
}

impl PushKind {
    const ALL: [Self; 5] = [Self::Otlp, Self::OtlpTraces, Self::RemoteWrite, Self::Pushgateway, Self::Textfile];

    /// Returns the kind of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the name in options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Otlp => "otlp",
            Self::OtlpTraces => "otlp-traces",
            Self::RemoteWrite => "remote-write",
            Self::Pushgateway => "pushgateway",
            Self::Textfile => "textfile",
        }
    }

    /// Whether such a place can be written like this: a path, or an address without user and query, which could contain secrets.
    pub(super) fn takes(self, target: &str) -> bool {
        let is_address = ["http://", "https://"].iter().any(|scheme| target.starts_with(scheme))
            && !target.contains(['@', '?', '#', ' ']);
        match self {
            Self::Textfile => !target.contains("://"),
            Self::Otlp | Self::OtlpTraces => is_address || target == OTEL_ENDPOINT,
            Self::RemoteWrite | Self::Pushgateway => is_address,
        }
    }
}
