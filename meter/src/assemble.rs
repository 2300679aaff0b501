//! From the account to the report: the run's identity, prices, shares and gauges around the energy.

use std::collections::BTreeMap;

use eco2_core::report::{Attempt, Host, Report, Run, SCHEMA, SelfCost, SourceStatus, State, Tool, Work};
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::pricing::Pricing;

/// What is known of a run besides its readings.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) command: Vec<String>,
    pub(crate) host: Host,
    pub(crate) sources: Vec<SourceStatus>,
    pub(crate) pricing: Pricing,
    pub(crate) started: Timestamp,
    /// Monotonic clock when `started` was read.
    pub(crate) started_ns: u64,
}

impl Facts {
    /// The run as it is known at its start.
    pub(crate) fn run(&self) -> Run {
        Run {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            command: self.command.clone(),
            started_at: self.started.to_string(),
            ended_at: self.started.to_string(),
            host: self.host.clone(),
            tool: Tool { version: env!("CARGO_PKG_VERSION").to_owned() },
            ..Run::default()
        }
    }

    /// Wall time of a monotonic instant: a label, read once at the start and carried by the monotonic clock.
    fn wall(&self, at_ns: u64) -> String {
        let since = i64::try_from(at_ns.saturating_sub(self.started_ns)).unwrap_or(i64::MAX);
        let at = self.started.checked_add(SignedDuration::from_nanos(since)).unwrap_or(self.started);
        at.to_string()
    }
}

/// How a run ended, as far as it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    pub(crate) exit_code: Option<i32>,
    pub(crate) own: SelfCost,
    pub(crate) work: Work,
    pub(crate) closed: bool,
}

/// The report of a run until `end_ns`.
pub(crate) fn report(engine: &Engine, ending: &Ending, end_ns: u64) -> Report {
    let facts = &*engine.facts;
    let account = engine.account(end_ns);
    let (from, to) = (facts.wall(account.begin_ns), facts.wall(account.end_ns));
    let mut energy = account.energy;
    let carbon = facts.pricing.price(&mut energy, &from, &to);
    let mut devices = account.devices;
    for device in &mut devices {
        device.gauges = engine.gauges.of(&device.id);
    }
    let duration_ns = account.end_ns - account.begin_ns;
    let attempt = Attempt { number: 0, started_at: from.clone(), duration_ns, energy_uj: energy.total_uj };
    let state = if ending.closed { account.state } else { State::Provisional };
    let attribution = engine.sharing.split(&devices);
    Report {
        schema: SCHEMA.to_owned(),
        run: Run {
            started_at: from,
            ended_at: to,
            duration_ns,
            exit_code: ending.exit_code,
            state,
            attempts: vec![attempt],
            ..facts.run()
        },
        energy,
        devices,
        spans: account.spans,
        work: ending.work.clone(),
        attribution,
        carbon: Some(carbon),
        sources: facts.sources.clone(),
        events: engine.all_events(),
        own: SelfCost { samples: engine.samples, log_lost_bytes: engine.journal.lost_bytes(), ..ending.own.clone() },
    }
}
