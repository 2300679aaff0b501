//! From the account to the report: the run's identity, prices, shares and gauges around the energy.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use eco2_core::report::{
    Attempt, Energy, EventRecord, Host, Report, Run, SCHEMA, SelfCost, SourceStatus, SpellRecord, State, Tool, Work,
};
use eco2_samplers::{Cost, host};
use jiff::{SignedDuration, Timestamp};

use crate::budget::{Asks, Looked};
use crate::curves::Curves;
use crate::engine::Engine;
use crate::labels::Launch;
use crate::leave_out::leave_out;
use crate::pricing::{Pricing, When};
use crate::records;
use crate::shared::{Shared, lock};
use crate::spells::told;

/// What is known of a run besides its readings.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) id: String,
    pub(crate) part: String,
    /// The record of the command that this runs under; empty without one.
    pub(crate) parent: String,
    pub(crate) launch: Launch,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Labels that contradict each other.
    pub(crate) warnings: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) host: Host,
    pub(crate) sources: Vec<SourceStatus>,
    pub(crate) pricing: Pricing,
    pub(crate) started: Timestamp,
    /// Monotonic clock when `started` was read.
    pub(crate) started_ns: u64,
    /// Boot-time clock then.
    pub(crate) boot_ns: u64,
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
            part: self.part.clone(),
            parent: self.parent.clone(),
            rank: self.launch.rank,
            world_size: self.launch.world_size,
            attempt: self.launch.attempt,
            requeue: self.launch.requeue,
            boot_ns: Some([self.boot_ns; 2]),
            ..Run::default()
        }
    }

    /// Wall time between two monotonic instants: a label, read once at the start and carried by the monotonic clock.
    pub(crate) fn when(&self, begin_ns: u64, end_ns: u64) -> When {
        let since = i64::try_from(begin_ns.saturating_sub(self.started_ns)).unwrap_or(i64::MAX);
        let from = self.started.checked_add(SignedDuration::from_nanos(since)).unwrap_or(self.started);
        When::new(from, end_ns.saturating_sub(begin_ns))
    }
}

/// How a run ended, as far as it has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ending {
    pub(crate) exit_code: Option<i32>,
    pub(crate) cost: Cost,
    pub(crate) closed: bool,
    /// Leaves out what only merging needs.
    pub(crate) lean: bool,
}

/// The report of a run of which nothing was measured.
pub(crate) fn blank(facts: &Facts) -> Report {
    Report {
        schema: SCHEMA.to_owned(),
        run: facts.run(),
        energy: Energy::default(),
        devices: Vec::new(),
        spans: Vec::new(),
        work: Work::default(),
        attribution: None,
        carbon: None,
        sources: facts.sources.clone(),
        events: Vec::new(),
        spells: Vec::new(),
        own: SelfCost::default(),
        counters: Vec::new(),
        curves: Vec::new(),
        step_curve: None,
        budget: None,
        merge: None,
    }
}

/// The report of a run until `end_ns`.
pub(crate) fn report(shared: &Shared, engine: &Engine, ending: &Ending, end_ns: u64) -> Report {
    let facts = &*shared.facts;
    let account = engine.account(end_ns);
    let boot_ns = Some([account.begin_ns, account.end_ns].map(|at_ns| engine.boot.at(at_ns)));
    let when = facts.when(account.begin_ns, account.end_ns);
    let (from, to) = (when.from.clone(), when.to.clone());
    let mut energy = account.energy.clone();
    // Before the facility's overhead, as the readings are.
    let went_well = ending.closed && ending.exit_code.is_none_or(|code| code == 0);
    let made = OnceCell::new();
    let curves = || made.get_or_init(|| Curves::of(&engine.ledger, &account));
    let boot_id = &facts.host.boot_id;
    let counters = match ending.lean || boot_id.is_empty() {
        true => Vec::new(),
        false => records::records(&engine.boot, &account, &curves().devices, boot_id),
    };
    let (spells, unusual) = match ending.lean {
        true => Default::default(),
        false => told(&engine.spells, &account, curves(), !went_well),
    };
    let budget = shared.budget.assess(&Looked {
        engine,
        account: &account,
        pricing: &facts.pricing,
        when: &when,
        closed: ending.closed,
        asks: Asks::Nobody,
    });
    let work = shared.work.so_far(&engine.own_steps);
    let (carbon, said) = facts.pricing.price(&mut energy, &work, &when, |_| curves().run.clone());
    let (curves, step_curve) = if ending.closed {
        let records = curves().records(&account.devices, &carbon, &when);
        (records, engine.ledger.step_curve(&account))
    } else {
        Default::default()
    };
    let mut devices = account.devices;
    for device in &mut devices {
        device.gauges = engine.gauges.of(&device.id);
    }
    let duration_ns = account.end_ns - account.begin_ns;
    let mut events = engine.all_events();
    events.extend(account.events);
    if !ending.lean {
        // What was reported when it began is known in full by now.
        events.retain(|event| !SpellRecord::ANOMALIES.contains(&event.kind.as_str()));
        events.extend(unusual);
    }
    events.sort_by_key(|event| event.at);
    events.extend(said);
    events.extend(unmatched(shared.pool.unmatched() + engine.ledger.unmatched(), duration_ns));
    let attempt = Attempt {
        number: facts.launch.attempt,
        started_at: from.clone(),
        duration_ns,
        energy_uj: energy.total_uj,
        ..Attempt::default()
    };
    let state = if ending.closed { account.state } else { State::Provisional };
    let run =
        Run { started_at: from, ended_at: to, duration_ns, state, attempts: vec![attempt], boot_ns, ..facts.run() };
    let mut spans = account.spans;
    for span in &mut spans {
        span.sync = engine.syncs.get(&span.name).copied().unwrap_or_default();
    }
    let attribution = lock(&shared.sharing).split(&devices, &facts.name);
    let mut sources = engine.sources.now(&facts.sources);
    leave_out(&mut devices, &mut events, &mut sources, duration_ns);
    Report {
        run: Run { exit_code: ending.exit_code, ..run },
        attribution,
        energy,
        devices,
        spans,
        work,
        carbon: Some(carbon),
        events,
        spells,
        own: own(shared, engine, &ending.cost),
        counters,
        curves,
        step_curve,
        budget,
        sources,
        ..blank(facts)
    }
}

fn own(shared: &Shared, engine: &Engine, cost: &Cost) -> SelfCost {
    SelfCost {
        cpu_ns: cost.cpu_ns,
        max_rss_bytes: host::Usage::now().max_rss_bytes,
        samples: engine.samples,
        dropped: shared.pool.dropped() + engine.ledger.names().overflow(),
        missed_ticks: cost.missed_ticks,
        log_lost_bytes: engine.journal.lost_bytes(),
    }
}

fn unmatched(count: u64, at: u64) -> Option<EventRecord> {
    let text = format!("{count} ends of spans had no begin on their thread; they are in no figure");
    (count > 0).then(|| EventRecord { at, kind: "spans-unmatched".to_owned(), device: String::new(), text })
}
