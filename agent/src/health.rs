//! States whether the agent measures ([`Health`]), for probes and people.

use eco2_core::schema::Status;
use eco2_samplers::page::DEAD_NS;
use serde::Serialize;

use crate::snapshot::Snapshot;

/// A source whose devices are in the total, and of which no sensor was read for this long, is stale: sensors are read at least
/// every second, slow ones at least every ten.
const STALE_NS: u64 = 30_000_000_000;

/// How well the agent measures. The words are those of HF Eco2AI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Every source that this machine has is read.
    Healthy,
    /// What is served is true and up to date, and not all that the machine could show: a source may not be read, a sensor is
    /// left out.
    Degraded,
    /// A source whose devices are in the total is lost, hung or stale, no source is read, or no energy is known: what is served is
    /// out of date.
    Critical,
    /// The agent has no values, or stopped reading.
    Unavailable,
}

/// A level with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// The level.
    pub status: Level,
    /// Why it is not [`Level::Healthy`], one sentence each.
    pub reasons: Vec<String>,
    /// Time since the last reading of a sensor, seconds; `None`: nothing was read yet.
    pub last_reading_s: Option<f64>,
    /// Every source and its status.
    pub sources: Vec<SourceHealth>,
}

/// A source and its status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceHealth {
    /// Name of the source.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// One action that helps; empty where none is needed.
    pub remedy: String,
}

impl Health {
    /// Returns the health of the agent at `now_ns`, monotonic nanoseconds, from its newest snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now_ns: u64) -> Self {
        let age = |at: u64| now_ns.saturating_sub(at);
        let seconds = |ns: u64| ns as f64 / 1e9;
        let mut found = Vec::new();
        if age(snapshot.at_ns) > DEAD_NS {
            found.push((
                Level::Unavailable,
                format!("no new values for {:.1} s: the agent is stuck", seconds(age(snapshot.at_ns))),
            ));
        }
        match snapshot.sampled_ns {
            None => found.push((Level::Unavailable, "no sensor has been read yet".to_owned())),
            // The snapshot itself may be a second old.
            Some(at) if snapshot.at_ns.saturating_sub(at) > DEAD_NS => {
                found.push((
                    Level::Unavailable,
                    format!("no sensor was read for {:.1} s: sampling is stuck", seconds(age(at))),
                ));
            }
            Some(_) => {}
        }
        let is_counted = |name: &str| snapshot.devices.iter().any(|device| device.is_summed && device.source == name);
        for source in &snapshot.sources {
            let (is_dead, text) = match source.status {
                Status::Lost => (true, "was lost"),
                Status::Hung => (true, "does not answer"),
                Status::Denied => (false, "may not be read"),
                Status::Degraded => (false, "is read in part"),
                Status::Ok | Status::Absent | Status::Off => continue,
            };
            // What it counted is still part of the total, which is out of date now.
            // Also where another sensor counts in its place meanwhile.
            let has_sensors = is_counted(&source.name) || snapshot.counts.contains_key(&source.name);
            let is_critical = is_dead && has_sensors;
            let level = if is_critical { Level::Critical } else { Level::Degraded };
            found.push((level, format!("{} {text}", source.name)));
        }
        for (name, counts) in &snapshot.counts {
            let since_ns = counts.read_ns.unwrap_or(snapshot.began_ns);
            if is_counted(name) && age(since_ns) > STALE_NS {
                found.push((Level::Critical, format!("{name} was not read for {:.0} s", seconds(age(since_ns)))));
            }
        }
        if snapshot.left_out > 0 {
            found.push((
                Level::Degraded,
                format!("{} sensors are not accounted for: there are too many", snapshot.left_out),
            ));
        }
        let reads = |status: Status| matches!(status, Status::Ok | Status::Degraded);
        if !snapshot.sources.iter().any(|source| reads(source.status)) {
            found.push((Level::Critical, "no source is read".to_owned()));
        } else if snapshot.total_uj.is_none() {
            found.push((Level::Critical, "no energy is known".to_owned()));
        }
        let status = found.iter().map(|(level, _)| *level).max().unwrap_or(Level::Healthy);
        let source = |source: &eco2_core::schema::SourceStatus| SourceHealth {
            name: source.name.clone(),
            status: source.status,
            remedy: source.remedy.clone(),
        };
        Self {
            status,
            reasons: found.into_iter().map(|(_, reason)| reason).collect(),
            last_reading_s: snapshot.sampled_ns.map(|at| seconds(age(at))),
            sources: snapshot.sources.iter().map(source).collect(),
        }
    }

    /// Whether the process does its work: readings are taken and accounted for. A lost sensor does not end this, since a new process
    /// would not find it either.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.status < Level::Unavailable
    }

    /// Whether what is served is true and up to date.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status < Level::Critical
    }
}
