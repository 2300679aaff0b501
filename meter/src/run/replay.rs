//! Computes a report from a recorded trace (counter readings with their times) for `eco2 replay`, with the same account
//! that live runs use. The *ledger* keeps the readings and turns them into energy; a *domain* is one counter or sensor;
//! the energy of a span is *settled* once its counters have changed after its end.

use eco2_core::schema::SourceStatus;
use eco2_core::schema::{EventRecord, Host, RecordEnding, Report, Run, SelfCost, State, Status, Tool, Work};
use eco2_core::{Account, Ledger, Mark, NameId, Reading};
use eco2_grid::Sha256;
use eco2_report::{Trace, TraceSpan, TraceWriter};
use jiff::Timestamp;

use crate::Error;
use crate::live::engine::STEP;
use crate::live::episodes::RunEpisodes;
use crate::options::Options;
use crate::run::curves::Curves;
use crate::run::episodes::episode_records;
use crate::run::pricing::{RunPricing, When};
use crate::run::report::leave_out;

/// The longest that a live run is read after its end, so a replayed run gets no later readings either, except for spans
/// that are not settled.
const CLOSING_NS: u64 = 250_000_000;
/// Hexadecimal digits in the id of a replayed run: 48 bits, so that a million of them hardly ever have two alike.
const ID_DIGITS: usize = 12;

/// Accounts a trace; spans come from it unless others are given.
///
/// A trace has no wall clock: its run begins at [`Options::started_at`], else at 1970-01-01T00:00:00Z plus its first
/// nanosecond. The id of the run follows from the trace, the spans, and the name, labels and start time in the options: a trace
/// that is replayed again, with other prices too, is the same run.
///
/// # Errors
/// [`Error`] when the zone or a figure of the options is wrong.
///
/// ```
/// use eco2::trace::Trace;
/// use eco2::{Options, replay};
///
/// let head = "# eco2.trace/1\n# domain gpu-0 component=gpu kind=energy unit=J\nbefore_ns,after_ns,domain,value\n";
/// let text = format!("{head}0,10,gpu-0,1\n1000000000,1000000010,gpu-0,101\n2000000000,2000000010,gpu-0,201\n");
/// let trace = Trace::parse(text.as_bytes(), "trace.csv".as_ref())?;
/// let report = replay(&trace, None, &Options::default())?;
/// assert_eq!(report.devices[0].id, "gpu-0");
/// println!("{:?} kWh in {} ns", report.energy.kwh(), report.run.duration_ns);
/// # Ok::<(), eco2::Error>(())
/// ```
pub fn replay(trace: &Trace, spans: Option<&[TraceSpan]>, options: &Options) -> Result<Report, Error> {
    let mut report = replay_at(trace, spans, options, None)?;
    report.run.id = id_of(trace, spans, options);
    Ok(report)
}

/// Returns the id of a replayed run: `replay-` and the start of the SHA-256 of what makes it this run.
pub(crate) fn id_of(trace: &Trace, spans: Option<&[TraceSpan]>, options: &Options) -> String {
    // Lengths and separators are not needed: the text of the identity is JSON, and every other part has a fixed size or ends.
    let identity = serde_json::json!([options.name, options.labels, options.started_at, trace.run]);
    let mut bytes = identity.to_string().into_bytes();
    // Writing to memory does not fail.
    let _ = TraceWriter::new(&mut bytes).and_then(|mut head| head.domains(&trace.domains));
    for TraceSpan { name, begin_ns, end_ns, .. } in spans.unwrap_or(&trace.spans) {
        bytes.extend(format!("{name:?},{begin_ns},{end_ns}\n").bytes());
    }
    for (domain, Reading { before_ns, after_ns, value }) in &trace.readings {
        bytes.extend(domain.to_le_bytes());
        bytes.extend([*before_ns, *after_ns, value.unwrap_or_default()].into_iter().flat_map(u64::to_le_bytes));
        bytes.push(u8::from(value.is_ok()));
    }
    let digest = Sha256::of(&bytes).to_string();
    format!("replay-{}", digest.get(..ID_DIGITS).unwrap_or_default())
}

/// Computes the report for a run whose start time is known; a start time in the options wins over it. The run has no id yet.
pub(crate) fn replay_at(
    trace: &Trace,
    spans: Option<&[TraceSpan]>,
    options: &Options,
    started: Option<Timestamp>,
) -> Result<Report, Error> {
    let pricing = RunPricing::resolve(options)?;
    let (begin_ns, end_ns) = trace.run.unwrap_or_else(|| covered(trace));
    let mut ledger = Ledger::new(begin_ns, usize::MAX);
    for domain in &trace.domains {
        ledger.add_domain(domain.clone());
    }
    let edges = edges(&mut ledger, spans.unwrap_or(&trace.spans));
    if let Some(step) = ledger.names().find(STEP) {
        ledger.bin_steps(step);
    }
    let account = feed(&mut ledger, trace, edges, end_ns);
    let given = options.started_at.and_then(|at_ns| Timestamp::from_nanosecond(i128::from(at_ns)).ok());
    let when = When::new(given.or(started).unwrap_or_else(|| wall(begin_ns)), end_ns.saturating_sub(begin_ns));
    let noticed = noticed(&mut ledger);
    let stalls = stalls(spans.unwrap_or(&trace.spans));
    Ok(report(
        account,
        trace,
        &when,
        &pricing,
        options,
        &History { ledger: &ledger, stalls: &stalls, noticed: &noticed },
    ))
}

/// The parts of a report that are read over the time of the trace.
struct History<'a> {
    ledger: &'a Ledger,
    stalls: &'a RunEpisodes,
    noticed: &'a [EventRecord],
}

/// Returns the events about unusual readings, as a live run has them.
fn noticed(ledger: &mut Ledger) -> Vec<EventRecord> {
    let mut events = Vec::new();
    for index in 0..ledger.tracks().len() {
        let device = ledger.tracks()[index].domain().id.clone();
        let opened_ns = ledger.opened_ns();
        events.extend(ledger.take_notices(index).into_iter().map(|notice| {
            let at = notice.at_ns.saturating_sub(opened_ns);
            EventRecord::new(at, notice.kind.event_kind(), &device, notice.kind.to_string())
        }));
    }
    events
}

/// Returns the stalls between the ends of the trace's steps, as a live run would find them.
fn stalls(spans: &[TraceSpan]) -> RunEpisodes {
    let steps = || spans.iter().filter(|span| span.name == STEP);
    let mut ends: Vec<u64> = steps().map(|span| span.end_ns).collect();
    ends.extend(steps().map(|span| span.begin_ns).min());
    ends.sort_unstable();
    let mut stalls = RunEpisodes::default();
    ends.into_iter().for_each(|at_ns| stalls.step(at_ns));
    stalls
}

/// Returns start and end of the time that the trace covers: from the first instant at which every domain had been read,
/// to the last reading of any domain.
fn covered(trace: &Trace) -> (u64, u64) {
    let mut firsts = vec![None; trace.domains.len()];
    let mut last = 0;
    for (domain, reading) in trace.readings.iter().filter(|(_, reading)| reading.value.is_ok()) {
        firsts.get_mut(*domain as usize).map(|first: &mut Option<u64>| first.get_or_insert(reading.after_ns));
        last = last.max(reading.after_ns);
    }
    let begin = firsts.into_iter().flatten().max().unwrap_or(0);
    (begin.min(last), last)
}

/// The start or the end of a span. Edges are sorted by time; at one instant ends come before begins.
struct SpanEdge {
    at_ns: u64,
    begins: bool,
    span: usize,
    name: NameId,
}

/// Returns the starts and ends of all spans, sorted by time, and registers the names of the spans.
fn edges(ledger: &mut Ledger, spans: &[TraceSpan]) -> Vec<SpanEdge> {
    let mut edges = Vec::with_capacity(spans.len() * 2);
    for (span, TraceSpan { name, begin_ns, end_ns, .. }) in spans.iter().enumerate() {
        let name = ledger.intern(name);
        edges.push(SpanEdge { at_ns: *begin_ns, begins: true, span, name });
        edges.push(SpanEdge { at_ns: *end_ns, begins: false, span, name });
    }
    // A span without length begins before it ends. Otherwise the ends at an instant come before the begins.
    edges.sort_by_key(|edge| {
        let TraceSpan { begin_ns, end_ns, .. } = spans[edge.span];
        let order = if begin_ns == end_ns { 1 + u8::from(!edge.begins) } else { u8::from(edge.begins) * 3 };
        (edge.at_ns, order, edge.span)
    });
    edges
}

/// Feeds readings and span edges to the ledger in the order of time and returns the account of the run. An edge waits
/// for the counter changes before and after it, as in a live run. Readings after the end of the run settle spans, and
/// do not add to the run's energy.
fn feed(ledger: &mut Ledger, trace: &Trace, edges: Vec<SpanEdge>, end_ns: u64) -> Account {
    let mut open: Vec<Option<Mark>> = Vec::new();
    open.resize_with(edges.len() / 2, || None);
    let mut edges = edges.into_iter().peekable();
    let mut readings: Vec<_> = trace.readings.iter().collect();
    readings.sort_by_key(|(_, reading)| reading.after_ns);
    let (mut ending, mut run) = (Some(end_ns), None);
    for (domain, reading) in readings {
        while let Some(edge) = edges.next_if(|edge| edge.at_ns <= reading.after_ns) {
            take(ledger, &mut open, &edge);
        }
        if let Some(end_ns) = ending.take_if(|end_ns| *end_ns <= reading.after_ns) {
            ledger.end_at(end_ns);
        }
        if reading.before_ns > end_ns.saturating_add(CLOSING_NS) && ledger.ended() {
            if edges.peek().is_none() && ledger.pending() == 0 {
                break;
            }
            run.get_or_insert_with(|| ledger.account(end_ns));
        }
        ledger.reading(*domain as usize, reading);
    }
    edges.for_each(|edge| take(ledger, &mut open, &edge));
    let last = ledger.account(end_ns);
    match run {
        Some(run) => Account { spans: last.spans, ..run },
        None => last,
    }
}

/// Begins or ends the span of an edge in the ledger.
fn take(ledger: &mut Ledger, open: &mut [Option<Mark>], edge: &SpanEdge) {
    if edge.begins {
        open[edge.span] = Some(ledger.mark(edge.at_ns));
    } else if let Some(mark) = open[edge.span].take() {
        ledger.close(edge.name, mark, edge.at_ns);
    }
}

/// Returns the report of a replayed run.
fn report(
    account: Account,
    trace: &Trace,
    when: &When,
    pricing: &RunPricing,
    options: &Options,
    history: &History<'_>,
) -> Report {
    let mut energy = account.energy.clone();
    let curves = Curves::of(history.ledger, &account);
    let (spells, mut events) = episode_records(history.stalls, &account, &curves, false);
    events.extend_from_slice(history.noticed);
    events.extend_from_slice(&account.events);
    events.sort_by_key(|event| event.at);
    let work = Work::default();
    let (carbon, said) = pricing.price_ended_run(&mut energy, &work, when, &curves.run);
    events.extend(said);
    let curves = curves.records(&account.devices, &carbon, pricing.price_borders(when), when);
    let step_curve = history.ledger.step_curve(&account);
    let host_totals = history.ledger.host_totals(&account);
    let mut devices = account.devices;
    leave_out(&mut devices, &mut events, &mut [], when.lasted_ns);
    let run = Run {
        name: options.name.clone().unwrap_or_else(|| "replay".to_owned()),
        labels: options.labels.clone(),
        started_at: when.from.clone(),
        ended_at: when.to.clone(),
        duration_ns: when.lasted_ns,
        // A recorded trace gets no further readings, so its values are final.
        state: State::Final,
        end: Some(RecordEnding::Recorded),
        host: Host::default(),
        tool: Tool { version: env!("CARGO_PKG_VERSION").to_owned() },
        ..Run::default()
    };
    Report {
        energy,
        devices,
        host_totals,
        spans: account.spans,
        work,
        carbon: Some(carbon),
        sources: vec![status(trace)],
        events,
        spells,
        own: SelfCost { samples: trace.readings.len() as u64, ..SelfCost::default() },
        curves,
        step_curve,
        span_times: history.ledger.span_times(),
        ..Report::empty(run)
    }
}

/// Returns the status of the trace, which is the only source of a replayed run.
fn status(trace: &Trace) -> SourceStatus {
    let reason = format!("{} readings of {} domains", trace.readings.len(), trace.domains.len());
    SourceStatus { name: "replay".to_owned(), status: Status::Ok, reason, remedy: String::new() }
}

/// Returns the time at `ns` nanoseconds after 1970-01-01T00:00:00Z.
fn wall(ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ns)).unwrap_or_default()
}
