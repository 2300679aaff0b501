//! Opens a run for [`Meter::open`](crate::Meter::open): finds the sources ([`find`]), describes the run ([`identity()`]), and starts the
//! sampling thread and waits for the first readings ([`start`]). A *source* is a group of counters and sensors that are read together.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use eco2_core::schema::EventKind;
use eco2_core::{EventPool, Timeline};
use eco2_grid::carbon::CloudPower;
use eco2_net::{Secret, SecretFault};
use eco2_samplers::clock::{self, Clock};
use eco2_samplers::discover::{self, Discovery, Selection};
use eco2_samplers::host_gauges::HostGauges;
use eco2_samplers::model::{MeasuredMachine, ModelOptions, ThreadWatts};
use eco2_samplers::redfish::{self, Bmc, BmcTrust};
use eco2_samplers::schedule::Pace;
use eco2_samplers::tsc::HotClock;
use eco2_samplers::visible::Visible;
use eco2_samplers::{self as samplers, Roots, Sampler, Source, host, usage};

use eco2_report::LogMeta;

use crate::Error;
use crate::live::engine::{Engine, OwnSteps};
use crate::live::publish::Publisher;
use crate::live::sharing::Sharing;
use crate::live::stored_test::StoredTest;
use crate::live::wall;
use crate::options::{Options, PARENT_PART, opt};
use crate::run::alerts::{self, Outbox, Rates};
use crate::run::budget::BudgetMonitor;
use crate::run::identity::{self, Identity};
use crate::run::labels;
use crate::run::pricing::RunPricing;
use crate::run::run_name;
use crate::run::runs;
use crate::run::shared::{RunSink, Shared, WorkCounters};

/// The interval of the option `sampling = "fixed"`, and of runs with a trace.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(10);

/// Recording threads at one time, and events each may hold between two ticks: 16 bytes each, allocated with a thread's first record. They
/// hold half a second of 16 000 spans per second, which may begin while rings are looked into twice a second.
const RINGS: usize = 64;
const RING_EVENTS: usize = 1 << 14;
/// Snapshots in the timeline. Only the newest is read; a reader fails if it is overwritten during each of three copies, for which
/// it would have to be descheduled three times for 128 ms at 1 kHz.
const SLOTS: usize = 1 << 7;
/// Domains that may appear while the run goes on (hot-plug); and where a driver that is slow to open brings all of its
/// GPUs, eight with two domains each and as many again.
const SPARE_DOMAINS: usize = 4;
const LATE_DOMAINS: usize = 32;
/// From the search for sources until the run begins, with or without the first readings of all.
const START_WITHIN_NS: u64 = 46_000_000;

/// The parts of a run that has begun.
pub(crate) struct Started {
    pub(crate) clock: HotClock,
    pub(crate) reader: eco2_core::TimelineReader,
    pub(crate) shared: Arc<Shared>,
    pub(crate) sampler: Sampler,
    pub(crate) log: Option<PathBuf>,
}

/// Looks for the sources that the options select. Estimates use what was `measured` on this machine.
pub(crate) fn find(options: &Options, measured: Option<MeasuredMachine>) -> Result<Discovery, Error> {
    let roots = roots(options);
    let selection = match &options.sources {
        Some(names) => Selection::parse(&names.join(","))?,
        None => Selection::default(),
    };
    let mut found =
        discover::discover_visible(&roots, &selection, &model_options(options, measured), &visible(options));
    found.sources.push(Box::new(HostGauges::new(&roots)));
    Ok(found)
}

/// Returns the options of the estimates.
pub(crate) fn model_options(options: &Options, measured: Option<MeasuredMachine>) -> ModelOptions {
    let thread = |cloud: CloudPower| ThreadWatts { idle_w: cloud.idle_w, busy_w: cloud.busy_w, of: cloud.of };
    ModelOptions {
        enabled: options.estimate,
        cpu_watts: options.cpu_watts,
        cpu_thread: options.cloud.map(thread),
        measured,
        gpu_watts: options.gpu_watts,
    }
}

/// The GPUs that the measured process sees: this one and what it starts, or the one that is attached to. Of that one it may
/// not be known; then it may see all.
fn visible(options: &Options) -> Visible {
    let visible = match options.pid {
        Some(pid) => usage::visible_to(&options.procfs, pid).unwrap_or_default(),
        None => Visible::from_env(),
    };
    match &options.gpus {
        Some(gpus) => visible.narrowed(gpus),
        None => visible,
    }
}

pub(crate) fn roots(options: &Options) -> Roots {
    Roots {
        sysfs: options.sysfs.clone(),
        procfs: options.procfs.clone(),
        nvml: options.nvml.clone(),
        amdsmi: options.amdsmi.clone(),
        redfish: bmc(options, |variable| std::env::var(variable).ok()),
        ipmi: options.ipmi.clone(),
        agent: agent_folders(options),
    }
}

/// The folders in which a node agent may publish. The agent of this machine does not read another tree of files.
fn agent_folders(options: &Options) -> Vec<PathBuf> {
    let here = Roots::default();
    match &options.agent {
        Some(folder) => vec![folder.clone()],
        None if options.sysfs == here.sysfs && options.procfs == here.procfs => samplers::agent::folders(),
        None => Vec::new(),
    }
}

/// The BMC that the options name, with its account; no account is none. A malformed one costs the source only.
fn bmc(options: &Options, lookup: impl Fn(&str) -> Option<String>) -> Option<Bmc> {
    let account = match Secret::find(redfish::ACCOUNT, lookup) {
        Err(SecretFault::Missing { .. }) => Ok(None),
        found => found.map(Some),
    };
    let trust = match &options.redfish_ca {
        _ if options.redfish_insecure => BmcTrust::Unchecked,
        Some(path) => BmcTrust::File(path.clone()),
        None => BmcTrust::Public,
    };
    options.redfish.as_ref().map(|address| Bmc { account, trust, ..Bmc::new(address.trim()) })
}

/// Everything about the run that is known before it begins.
pub(crate) fn identity(options: &Options, command: Vec<String>, found: &Discovery) -> Identity {
    let roots = roots(options);
    let below = labels::Roots { procfs: roots.procfs.clone(), ..labels::Roots::default() };
    let surroundings = labels::find(std::env::vars_os(), &below);
    let started = wall::now();
    let name = options.name.clone().or_else(|| run_name::of_command(&command)).unwrap_or_else(|| "run".to_owned());
    let command =
        if options.redact { identity::without_arguments(&command) } else { identity::without_secrets(&command) };
    let mut launch = surroundings.launch.clone();
    launch.attempt = options.attempt.unwrap_or(launch.attempt);
    let part = runs::new_part_id(started, std::process::id(), &launch);
    let given = options.run_id.as_deref().map(labels::folder_name);
    Identity {
        id: given.or_else(|| launch.run_id.clone()).unwrap_or_else(|| part.clone()),
        part,
        parent: std::env::var(PARENT_PART).map(|part| labels::folder_name(&part)).unwrap_or_default(),
        launch,
        name,
        labels: labels::merged(&options.labels, &surroundings),
        warnings: surroundings.warnings,
        command,
        host: host::read(&roots),
        sources: found.statuses.clone(),
        started,
        started_ns: clock::monotonic_ns(),
        boot_ns: clock::boottime_ns(),
    }
}

/// Starts the sampling thread and waits until every source has been read once.
pub(crate) fn start(
    found: Discovery,
    identity: Identity,
    pricing: RunPricing,
    self_test: StoredTest,
    options: &Options,
) -> Result<Started, Error> {
    let roots = roots(options);
    let Discovery { sources, cpus, late, began_ns, .. } = found;
    let domains: usize = sources.iter().map(|source| source.domains().len()).sum();
    let spare = if late { LATE_DOMAINS } else { SPARE_DOMAINS };
    let capacity = (domains + spare).min(eco2_core::MAX_DOMAINS);
    let Timeline { writer, reader } = Timeline::new(capacity, SLOTS)?;
    let clock = HotClock::new(Clock::Monotonic, &roots);
    let (pool, rings) = EventPool::new(RINGS, RING_EVENTS);
    let meta = LogMeta::new(identity.run(), identity.started_ns);
    let mut engine = Engine::new(rings, clock.clone(), Publisher::new(writer, capacity));
    engine.awaited_sources = awaited(&sources);
    engine.start_by_ns = began_ns.saturating_add(START_WITHIN_NS);
    engine.own_steps = OwnSteps::named(options.step_name.as_deref());
    if let Some(text) = &self_test.unreadable {
        engine.record_event(0, EventKind::SelfTestUnreadable, "", text.clone());
    }
    engine.self_test = self_test;
    let alerts = Arc::new(Outbox::default());
    engine.observer = Some(alerts::observer(&identity.id, &alerts));
    if let Some(path) = &options.trace {
        engine.journal.open_trace(path)?;
    }
    let log = open_log(&mut engine, options, &identity, &meta);
    identity.warnings.iter().for_each(|text| engine.record_event(0, EventKind::LabelsContradict, "", text.clone()));
    wall::far_off().into_iter().for_each(|text| engine.record_event(0, EventKind::ClockFarOff, "", text));
    options
        .refused
        .iter()
        .for_each(|refused| engine.record_event(0, EventKind::OptionRefused, "", refused.to_string()));
    // A caller with a command follows it once it has started; following this process until then would be useless.
    let sharing =
        if identity.command.is_empty() { Sharing::follow(&roots, std::process::id()) } else { Sharing::default() };
    let shared = Arc::new(Shared {
        identity,
        pricing,
        engine: Mutex::new(engine),
        begun: Condvar::new(),
        sharing: Mutex::new(sharing),
        pool,
        work: WorkCounters::default(),
        budget: BudgetMonitor::new(options),
        alerts,
        rates: Rates::of(options),
        viewed: AtomicBool::new(false),
        viewing: AtomicBool::new(false),
    });
    let sink = Box::new(RunSink(Arc::clone(&shared), 0));
    let sampler = Sampler::start(sources, sink, settings(options, &clock, cpus))?;
    shared.wait_begun();
    shared.pricing.start(shared.identity.started);
    Ok(Started { clock, reader, shared, sampler, log })
}

/// Sources that answer later than they are asked: the run begins when they have done so once.
fn awaited(sources: &[Box<dyn Source>]) -> Vec<usize> {
    let is_threaded = |source: &dyn Source| source.may_hang() && !source.domains().is_empty();
    sources.iter().enumerate().filter(|(_, source)| is_threaded(source.as_ref())).map(|(index, _)| index).collect()
}

fn settings(options: &Options, clock: &HotClock, cpus: Vec<usize>) -> samplers::Options {
    let max_overhead_percent = options.max_overhead_percent;
    let pace = pace(options);
    samplers::Options { hot: Some(clock.clone()), cpus, max_overhead_percent, pace, ..samplers::Options::default() }
}

/// When sensors are read: at the interval that was chosen, else on demand. A trace is to show power over time, so it takes a
/// fixed interval, too.
pub(super) fn pace(options: &Options) -> Pace {
    let sampling = options.sampling.as_deref();
    let fixed = options.trace.is_some() || sampling == Some("fixed");
    match options.interval.or(fixed.then_some(DEFAULT_INTERVAL)) {
        Some(interval) => Pace::Fixed(u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX)),
        None => Pace::OnDemand { tight: sampling == Some("tight") },
    }
}

/// Starts the log. One that cannot be opened costs the log, not the run.
fn open_log(engine: &mut Engine, options: &Options, identity: &Identity, meta: &LogMeta) -> Option<PathBuf> {
    if options.log == crate::options::Log::Off {
        return None;
    }
    let mut open = || {
        let runs = runs::runs_folder(options)?;
        let path = runs::log_path(&runs, &identity.id, &identity.part);
        engine.journal.open_log(&runs, &path, meta)?;
        Ok(path)
    };
    let opened: Result<PathBuf, Error> = open();
    let text = |error: &Error| format!("no log: {error}; {}=FOLDER keeps it elsewhere", opt::STATE_DIR.variable);
    opened.inspect_err(|error| engine.record_event(meta.begin_ns, EventKind::LogFailed, "", text(error))).ok()
}
