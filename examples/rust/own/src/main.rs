//! A sensor and an export format that the program implements: a `Source` and an `Exporter`. Run it with `cargo run` here.

use std::path::Path;
use std::time::Instant;

use eco2::Meter;
use eco2::options::{Log, opt};
use eco2::render::{Error, Exporter};
use eco2::schema::Report;
use eco2::source::{Batch, Component, Domain, Source};

/// A simulated power meter at the socket: an energy counter in microjoules that advances at 40 W.
struct Socket {
    domains: [Domain; 1],
    began: Instant,
}

impl Socket {
    fn new() -> Self {
        Self { domains: [Domain::counter("socket-0", Component::Cpu, "package", "socket")], began: Instant::now() }
    }
}

impl Source for Socket {
    fn name(&self) -> &str {
        "socket"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, batch: &mut Batch) {
        let microseconds = self.began.elapsed().as_micros();
        // A failed read would be a fault, never a value.
        batch.one(0, || Ok(40 * u64::try_from(microseconds).unwrap_or(u64::MAX)));
    }
}

/// One line of a log: the energy of the run and its source.
struct LogLine;

impl Exporter for LogLine {
    fn export(&self, report: &Report) -> Result<String, Error> {
        let uj = report.energy.total_uj.ok_or_else(|| Error::export("the energy is not known"))?;
        let sources: Vec<&str> = report.devices.iter().map(|device| device.source.as_str()).collect();
        Ok(format!("run={} joules={:.3} sources={}\n", report.run.id, uj as f64 / 1e6, sources.join(",")))
    }
}

fn measured() -> Result<Report, Box<dyn std::error::Error>> {
    // `replay` finds nothing, so that the own source is the only one.
    let builder = Meter::builder().name("own").log(Log::Off).set(&opt::SOURCES, "replay").set(&opt::ESTIMATE, false);
    let meter = builder.source(Socket::new()).open()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    Ok(meter.close())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = measured()?;
    LogLine.export_to(&report, Path::new("/dev/stdout"))?;
    Ok(())
}

#[test]
fn a_source_of_ones_own_is_in_the_export_of_ones_own() {
    let report = measured().unwrap();
    let line = LogLine.export(&report).unwrap();
    assert!(line.ends_with("sources=socket\n"), "{line}");
    // 0.3 s at 40 W are 12 J, and the machine may be slow.
    assert!((11_000_000..60_000_000).contains(&report.energy.total_uj.unwrap()), "{line}");
}
