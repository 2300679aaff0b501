//! Writes a trace during a run (`eco2 run --trace`): each reading is written at once, and values are not rounded.

use std::io::{self, Write};

use eco2_core::{Domain, Kind, ModelRange, Reading, Scale};

use super::attributes::{encode, next_down, next_up};
use super::format::{HEADER, TRACE_SCHEMA};

/// Writes a trace, which [`super::Trace::parse`] reads back unchanged.
///
/// The one thing a trace does not keep is *why* a read failed: every [`eco2_core::Fault`] becomes an empty value.
/// Wrap the target in a [`io::BufWriter`]: each reading is one small write.
#[derive(Debug)]
pub struct TraceWriter<W: Write> {
    out: W,
    ids: Vec<String>,
    header: bool,
}

impl<W: Write> TraceWriter<W> {
    /// Writes the first line of a trace.
    ///
    /// # Errors
    /// The errors of `out`, as in every method.
    pub fn new(mut out: W) -> io::Result<Self> {
        writeln!(out, "# {TRACE_SCHEMA}")?;
        Ok(Self { out, ids: Vec::new(), header: false })
    }

    /// Declares further domains; readings name them by index, counted over all calls.
    ///
    /// # Errors
    /// The target's errors.
    pub fn domains(&mut self, domains: &[Domain]) -> io::Result<()> {
        for domain in domains {
            let id = encode(&domain.id);
            writeln!(self.out, "# domain {id} {}", attributes(domain))?;
            self.ids.push(id);
        }
        Ok(())
    }

    /// Writes one reading.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for an index that was not declared, else the target's errors.
    pub fn reading(&mut self, domain: u32, reading: &Reading) -> io::Result<()> {
        if !self.header {
            writeln!(self.out, "{HEADER}")?;
            self.header = true;
        }
        let undeclared = || io::Error::new(io::ErrorKind::InvalidInput, "a reading of an undeclared domain");
        let id = self.ids.get(domain as usize).ok_or_else(undeclared)?;
        let Reading { before_ns, after_ns, value } = reading;
        match value {
            Ok(value) => writeln!(self.out, "{before_ns},{after_ns},{id},{value}"),
            Err(_) => writeln!(self.out, "{before_ns},{after_ns},{id},"),
        }
    }

    /// Writes one span.
    ///
    /// # Errors
    /// The target's errors.
    pub fn span(&mut self, name: &str, begin_ns: u64, end_ns: u64) -> io::Result<()> {
        writeln!(self.out, "# span name={} begin_ns={begin_ns} end_ns={end_ns}", encode(name))
    }

    /// Writes the run's start and end if they are known, flushes, and returns the target.
    ///
    /// # Errors
    /// The target's errors.
    pub fn finish(mut self, run: Option<(u64, u64)>) -> io::Result<W> {
        if let Some((begin_ns, end_ns)) = run {
            writeln!(self.out, "# run begin_ns={begin_ns} end_ns={end_ns}")?;
        }
        if !self.header {
            writeln!(self.out, "{HEADER}")?;
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

fn attributes(domain: &Domain) -> String {
    let kind = match domain.kind {
        Kind::Energy => "energy",
        Kind::Power => "power",
    };
    let mut text = format!("component={} kind={kind} {}", domain.component.name(), unit(domain));
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!(" {key}={value}"));
        }
    };
    add("range", domain.range.map(|range| range.to_string()));
    add("max_w", domain.max_uw.filter(|&max| max > 0).map(watts));
    add("min_w", domain.min_uw.map(watts));
    add("ceiling_w", domain.ceiling_uw.map(watts));
    add("average_ns", domain.average_ns.map(|ns| ns.to_string()));
    add("parent", domain.parent.as_deref().map(encode));
    add("domain", Some(encode(&domain.domain)));
    add("name", Some(encode(&domain.name)));
    add("method", domain.method.as_deref().map(encode));
    add("source", Some(encode(&domain.source)));
    add("quality", Some(domain.quality.name().to_owned()));
    add("gain", domain.gain_percent.filter(|gain| gain.is_finite()).map(|gain| gain.to_string()));
    add("model_range", domain.model_range.map(model_range));
    add("self_test", domain.self_test.map(|fault| fault.name().to_owned()));
    text
}

fn model_range(range: ModelRange) -> String {
    let ([idle_low, idle_high], [busy_low, busy_high]) = (range.idle_permille, range.busy_permille);
    format!("{}:{idle_low}:{idle_high}:{busy_low}:{busy_high}", watts(range.busy_uw))
}

fn unit(domain: &Domain) -> String {
    let letter = match domain.kind {
        Kind::Energy => 'J',
        Kind::Power => 'W',
    };
    match domain.scale {
        Scale::MICRO => format!("unit=u{letter}"),
        Scale::MILLI => format!("unit=m{letter}"),
        Scale::UNIT => format!("unit={letter}"),
        scale => format!("unit=raw scale={:e}", base_per_raw(scale)),
    }
}

/// Returns the float from which [`Scale::from_base_per_raw`] makes this scale.
fn base_per_raw(scale: Scale) -> f64 {
    let near = micro_per_raw(scale) / 1e6;
    // The division rounds once more than the multiplication in `from_base_per_raw`, so the result is this float or a
    // neighbour within a few steps.
    let (mut up, mut down) = (near, near);
    for _ in 0..4 {
        for candidate in [up, down] {
            if Scale::from_base_per_raw(candidate) == Some(scale) {
                return candidate;
            }
        }
        (up, down) = (next_up(up), next_down(down));
    }
    near
}

/// Returns the micro-units per raw unit. A scale serialises as `mul / 2^shift`.
fn micro_per_raw(scale: Scale) -> f64 {
    #[derive(serde::Deserialize)]
    struct Parts {
        mul: u64,
        shift: i32,
    }
    let parts = serde_json::to_value(scale).and_then(serde_json::from_value::<Parts>);
    parts.map_or(f64::NAN, |parts| parts.mul as f64 / 2_f64.powi(parts.shift))
}

/// Returns watts as an exact decimal.
fn watts(microwatts: u64) -> String {
    let (whole, rest) = (microwatts / 1_000_000, microwatts % 1_000_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:06}") }
}
