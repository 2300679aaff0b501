//! Makes the report of a run ([`report`]) from its account (the energies of devices and spans) with identity, prices, attribution,
//! episodes and gauges.

use std::cell::OnceCell;

use eco2_core::schema::{
    Attempt, Attribution, BudgetRecord, Device, EpisodeRecord, EventKind, EventRecord, RecordEnding, Report, Run,
    SelfCost, SourceStatus, State, Status, Work,
};
use eco2_core::{Account, Component, Quality, is_left_out};
use eco2_samplers::{SamplingCost, host, model};

use crate::live::engine::Engine;
use crate::run::curves::{self, Curves};
use crate::run::episodes::episode_records;
use crate::run::identity::Identity;
use crate::run::pricing::{RunPricing, When};

/// How a run ended; its default is a run that goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ending {
    pub(crate) exit_code: Option<i32>,
    pub(crate) cost: SamplingCost,
    pub(crate) closed: bool,
    /// Whether the parts that only merging needs are left out.
    pub(crate) lean: bool,
}

/// Returns the report of a run of which nothing was measured.
pub(crate) fn blank(identity: &Identity) -> Report {
    Report { sources: identity.sources.clone(), ..Report::empty(identity.run()) }
}

/// All that a report is made from.
pub(crate) struct Measured<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) pricing: &'a RunPricing,
    pub(crate) engine: &'a Engine,
    pub(crate) account: Account,
    pub(crate) when: When,
    pub(crate) budget: Option<BudgetRecord>,
    pub(crate) work: Work,
    pub(crate) attribution: Option<Attribution>,
    /// Spans that found no room in a ring, and span ends without a start.
    pub(crate) dropped: u64,
    pub(crate) unmatched: u64,
}

/// The report of a run so far.
pub(crate) fn report(measured: Measured<'_>, ending: &Ending) -> Report {
    let Measured { identity, pricing, engine, account, when, work, .. } = measured;
    let (from, to) = (when.from.clone(), when.to.clone());
    let mut energy = account.energy.clone();
    // Before the facility's overhead, as the readings are.
    let went_well = ending.closed && ending.exit_code.is_none_or(|code| code == 0);
    let made = OnceCell::new();
    let curves = || made.get_or_init(|| Curves::of(&engine.ledger, &account));
    let boot_id = &identity.host.boot_id;
    let counters = match ending.lean || boot_id.is_empty() {
        true => Vec::new(),
        false => curves::counter_records(&engine.boot, &account, &curves().devices, boot_id),
    };
    let host_totals = engine.ledger.host_totals(&account);
    let (spells, unusual) = match ending.lean {
        true => Default::default(),
        false => episode_records(&engine.episodes, &account, curves(), !went_well),
    };
    let (carbon, said) = pricing.price(&mut energy, &work, &when, |_| curves().run.clone());
    let (curves, step_curve, span_times) = if ending.closed {
        let records = curves().records(&account.devices, &carbon, pricing.price_borders(&when), &when);
        (records, engine.ledger.step_curve(&account), engine.ledger.span_times())
    } else {
        Default::default()
    };
    let mut devices = account.devices;
    for device in &mut devices {
        device.gauges = engine.gauges.summaries(&device.id);
    }
    let duration_ns = account.end_ns - account.begin_ns;
    let mut events = engine.all_events();
    events.extend(account.events);
    if !ending.lean {
        // What was reported when it began is known in full by now.
        events.retain(|event| !EpisodeRecord::ANOMALIES.contains(&event.kind.as_str()));
        events.extend(unusual);
    }
    events.sort_by_key(|event| event.at);
    events.extend(said);
    events.extend(unmatched(measured.unmatched + engine.ledger.unmatched(), duration_ns));
    let attempt = Attempt {
        number: identity.launch.attempt,
        started_at: from.clone(),
        duration_ns,
        energy_uj: energy.total_uj,
        ..Attempt::default()
    };
    let boot_ns = Some([account.begin_ns, account.end_ns].map(|at_ns| engine.boot.boottime_at(at_ns)));
    let (state, end) = match ending.closed {
        true => (account.state, RecordEnding::Recorded),
        false => (State::Provisional, RecordEnding::Open),
    };
    let (attempts, end) = (vec![attempt], Some(end));
    let run = Run { started_at: from, ended_at: to, duration_ns, state, end, attempts, boot_ns, ..identity.run() };
    let mut spans = account.spans;
    for span in &mut spans {
        span.sync = engine.syncs.get(&span.name).copied().unwrap_or_default();
    }
    let mut sources = engine.sources.now(&identity.sources);
    leave_out(&mut devices, &mut events, &mut sources, duration_ns);
    Report {
        run: Run { exit_code: ending.exit_code, ..run },
        attribution: measured.attribution,
        energy,
        devices,
        host_totals,
        spans,
        work,
        carbon: Some(carbon),
        events,
        spells,
        own: own(engine, measured.dropped, &ending.cost),
        counters,
        curves,
        step_curve,
        span_times,
        host_gauges: engine.gauges.summaries("host"),
        budget: measured.budget,
        sources,
        ..blank(identity)
    }
}

fn own(engine: &Engine, dropped: u64, cost: &SamplingCost) -> SelfCost {
    SelfCost {
        cpu_ns: cost.cpu_ns,
        max_rss_bytes: host::Usage::now().max_rss_bytes,
        samples: engine.samples,
        dropped: dropped + engine.ledger.names().overflow(),
        missed_ticks: cost.missed_ticks,
        log_lost_bytes: engine.journal.lost_bytes(),
    }
}

fn unmatched(count: u64, at: u64) -> Option<EventRecord> {
    let text = format!("{count} ends of spans had no start on their thread and are not counted");
    (count > 0).then(|| EventRecord::new(at, EventKind::SpansUnmatched, "", text))
}

/// Names that a text lists; the rest is counted.
const LISTED: usize = 4;

/// Takes them out; reports once which counters did not count, in an event and in the statuses of their sources.
pub(crate) fn leave_out(
    devices: &mut Vec<Device>,
    events: &mut Vec<EventRecord>,
    sources: &mut [SourceStatus],
    at: u64,
) {
    let (out, kept): (Vec<Device>, Vec<Device>) = std::mem::take(devices).into_iter().partition(is_left_out);
    *devices = kept;
    let dead: Vec<&Device> = out.iter().filter(|device| device.source != model::NAME).collect();
    if dead.is_empty() {
        return;
    }
    describe(sources, &dead, devices);
    let seen_live = |device: &&Device| {
        let mut events = events.iter().filter(|event| event.event_kind() == Some(EventKind::CounterUnsupported));
        !events.any(|event| event.device == device.id || event.device == device.source)
    };
    let news: Vec<&Device> = dead.iter().copied().filter(seen_live).collect();
    if let Some(first) = news.first() {
        let text =
            format!("{} did not count during the run: an estimate or another sensor takes its place", listed(&news));
        events.push(EventRecord::new(at, EventKind::CounterDead, &first.id, text));
    }
}

/// A source is not ok while its counters do not count, nor is the model idle then.
fn describe(sources: &mut [SourceStatus], dead: &[&Device], devices: &[Device]) {
    for source in sources.iter_mut().filter(|source| source.status == Status::Ok) {
        let own: Vec<&Device> = dead.iter().copied().filter(|device| device.source == source.name).collect();
        if !own.is_empty() {
            let works = devices.iter().any(|device| device.source == source.name && device.energy_uj.is_some());
            source.status = if works { Status::Degraded } else { Status::Lost };
            source.reason = format!("found, but does not count: {}", listed(&own));
        }
    }
    let estimated = |device: &&Device| device.quality == Quality::Estimated && device.component == Component::Cpu;
    let calculated = |device: &Device| {
        let method = device.method.iter().map(|method| format!(": {method}"));
        format!("{}{}", device.name, method.collect::<String>())
    };
    let names: Vec<String> = devices.iter().filter(estimated).map(calculated).collect();
    if let Some(model) = sources.iter_mut().find(|source| source.name == model::NAME && !names.is_empty()) {
        model.status = Status::Degraded;
        model.reason = format!("counters do not count; memory not included: {}", names.join("; "));
    }
}

fn listed(devices: &[&Device]) -> String {
    let more = devices.len().saturating_sub(LISTED);
    let names: Vec<&str> = devices.iter().take(LISTED).map(|device| device.id.as_str()).collect();
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}
