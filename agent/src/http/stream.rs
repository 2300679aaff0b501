//! Turns the snapshots of the node into the messages of the live stream, once a second, and keeps what the live page shows first.
//!
//! The thread that publishes the views adds them. While no client reads, it adds to the charts only and makes no message: a client that
//! comes back after more than [`WATCHED_S`] loads the document again.
//!
//! All power in the stream and its history is from the view that everyone may see (steps of 1 s and 0.1 J): charts show three
//! digits. The energy of a `sample` is exact for callers that may see it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eco2_core::Ranged as _;
use eco2_core::schema::EventKind;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;

use super::access::Rights;
use super::history::{History, Triple};
use super::live::{self, EventText, Live};
use super::power::PowerTracks;
use super::ring::{Message, Next, Ring};
use super::samples::{JobSamples, Point};
use crate::latest::{Listener, Views};
use crate::snapshot::{Device, Snapshot};

/// Name of the message with who used the energy.
pub(crate) const CONSUMERS: &str = "consumers";
/// Seconds between two lists of consumers.
const CONSUMERS_EVERY: u64 = 5;
/// Difference between the wall clock and the stream's time from which on the clock was set, nanoseconds. Time servers correct less.
const CLOCK_SET_NS: i64 = 5_000_000_000;
/// A clock before this was never set, nanoseconds since 1970: 2020-01-01.
const NEVER_SET_NS: i64 = 1_577_836_800_000_000_000;
/// Time after the last client, and after the start, in which messages are made, seconds. A page that was cut off is back after one.
const WATCHED_S: u64 = 60;
/// Events and gaps that a document contains.
const LAST: usize = 50;

/// The live stream of one server.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Distinguishes the ids of this process from those of another.
    pub(crate) epoch: u64,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    ring: Ring,
    history: History,
    power: PowerTracks,
    jobs: JobSamples,
    /// Wall clock less monotonic clock when the stream began, nanoseconds.
    anchor_ns: Option<i64>,
    last: Option<Views>,
    /// Power of the node in the last second.
    total_w: Triple,
    /// The views from which the power of consumers is computed, and the second of the stream at which they were taken.
    before: Option<Views>,
    seconds: u64,
    /// The second at which a client asked last.
    asked_s: u64,
    /// Devices whose power was known once.
    had_power: BTreeSet<String>,
    /// Since when a part of the devices is not measured, seconds since 1970.
    gap_from: Option<f64>,
    gaps: VecDeque<(f64, f64, String)>,
    events: VecDeque<EventText>,
}

impl Listener for Stream {
    fn published(&self, views: &Views) {
        self.record(views.clone());
    }
}

impl Stream {
    /// Returns an empty stream. `epoch` differs from process to process.
    pub(crate) fn new(epoch: u64) -> Self {
        Self { epoch, state: Mutex::default(), changed: watch::channel(()).0 }
    }

    /// Adds the messages of a second. Views that are not newer than the last add none.
    pub(crate) fn record(&self, views: Views) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.record(views) {
            self.changed.send_replace(());
        }
    }

    /// Returns the state for a client, for which messages are made from now on.
    fn asked(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked_s = state.seconds;
        state
    }

    /// Returns a receiver that is notified of new messages.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns what a reader gets whose next message is `number`.
    pub(crate) fn at(&self, number: u64) -> Next {
        self.asked().ring.at(number)
    }

    /// Returns the number that the next message will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.asked().ring.next_number()
    }

    /// Returns who used the energy, as a caller may see it.
    pub(crate) fn consumers(&self, rights: Rights) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, last) = (state.before.clone(), state.last.clone());
        // The thread that keeps the accounts waits for the lock.
        drop(state);
        let before = before.as_ref().map(|before| visible(before, rights));
        let now = last.as_ref().map(|last| live::consumers(&visible(last, rights), before.as_ref()));
        serde_json::to_string(&now.unwrap_or_default()).unwrap_or_default()
    }

    /// Returns the power of the devices between two times, milliseconds since 1970, as everyone may see it.
    pub(crate) fn power(&self, start_ms: f64, end_ms: f64) -> serde_json::Value {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).power.counters(start_ms, end_ms)
    }

    /// Returns the last `limit` samples of a job at wanted times (milliseconds since 1970) as a caller may see them; `None`: there is
    /// no such job, or it belongs to another user.
    pub(crate) fn job_samples(
        &self,
        id: &str,
        rights: Rights,
        is_wanted: impl Fn(i64) -> bool,
        limit: usize,
    ) -> Option<serde_json::Value> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (uid, points) = state.jobs.of(id)?;
        if rights != Rights::All && rights != Rights::Own(uid) {
            return None;
        }
        let uj = |point: &Point| if rights == Rights::All { point.full_uj } else { point.public_uj };
        let wanted: Vec<&Point> = points.iter().filter(|point| is_wanted(point.wall_ns / 1_000_000)).collect();
        let last = wanted.iter().skip(wanted.len().saturating_sub(limit));
        let sample = |point: &&Point| json!({"wall_ns": point.wall_ns, "energy_uj": uj(point), "steps": point.steps});
        Some(json!({"schema": "eco2.samples/1", "id": id, "samples": last.map(sample).collect::<Vec<_>>()}))
    }

    /// Returns the document of the node for a caller; `None` before the first snapshot.
    pub(crate) fn document(&self, rights: Rights) -> Option<Live> {
        let state = self.asked();
        let (views, anchor) = (state.last.clone()?, state.anchor_ns?);
        let (before, total_w) = (state.before.clone(), state.total_w);
        let after = state.ring.next_number().wrapping_sub(1);
        let power = state.history.power();
        let cumulative = state.history.cumulative();
        let gaps = state.gaps.iter().cloned().chain(state.open_gap(anchor)).collect();
        let events = state.events.iter().rev().cloned().collect();
        // The thread that keeps the accounts waits for the lock.
        drop(state);
        let snapshot = visible(&views, rights);
        let before = before.as_ref().map(|before| visible(before, rights));
        Some(Live {
            schema: live::SCHEMA,
            node: live::node(&snapshot, anchor),
            stream: live::StreamPlace { url: format!("/events?after={:x}-{after}", self.epoch), every_s: 1 },
            now: live::now(&snapshot, total_w, anchor),
            devices: live::devices(&snapshot),
            history: power.columns(live::gpus(&views.public).count()),
            cumulative,
            consumers: live::consumers(&snapshot, before.as_ref()),
            sources: live::sources(&snapshot.sources),
            budget: snapshot.budget.clone(),
            gaps,
            events,
            is_restricted: rights != Rights::All,
        })
    }
}

/// Returns the snapshot as a caller may see it. The energy of jobs that are left out is part of [`Snapshot::forgotten_uj`].
pub(crate) fn visible(views: &Views, rights: Rights) -> Snapshot {
    let shown = match rights {
        Rights::All => return Snapshot::clone(&views.full),
        Rights::Own(uid) => views.public.of_user(uid),
        Rights::Coarse | Rights::Nothing => {
            Snapshot { consumers: Vec::new(), past: Vec::new(), ..Snapshot::clone(&views.public) }
        }
    };
    let sum = |snapshot: &Snapshot| snapshot.consumers.iter().map(|job| job.energy_uj).fold(0, u64::saturating_add);
    let hidden = sum(&views.public).saturating_sub(sum(&shown));
    Snapshot { forgotten_uj: shown.forgotten_uj.saturating_add(hidden), ..shown }
}

impl State {
    /// Adds the messages of a second; `false` if the views are not newer than the last.
    fn record(&mut self, views: Views) -> bool {
        let last = self.last.replace(views.clone());
        if last.as_ref().is_some_and(|last| last.public.sequence >= views.public.sequence) {
            return false;
        }
        let public = &views.public;
        let at = i64::try_from(public.at_ns).unwrap_or(i64::MAX);
        let by_wall = public.wall_ns.saturating_sub(at);
        let set_ns = by_wall.saturating_sub(*self.anchor_ns.get_or_insert(by_wall));
        if set_ns.saturating_abs() > CLOCK_SET_NS {
            let last_ns = last.as_ref().map_or(public.wall_ns, |last| last.public.wall_ns);
            self.clock_was_set(set_ns, last_ns < NEVER_SET_NS || set_ns < 0);
        }
        let anchor = self.anchor_ns.unwrap_or(by_wall);
        self.seconds += 1;
        if !self.is_watched() {
            self.ring.skip();
        }
        let is_same = |last: &Views| {
            last.public.devices.len() == public.devices.len()
                && live::gpus(&last.public).map(|gpu| &gpu.id).eq(live::gpus(public).map(|gpu| &gpu.id))
        };
        if last.as_ref().is_some_and(|last| !is_same(last)) {
            // The columns of the charts changed: the page loads the document again.
            self.send("snapshot", &json!({}));
        }
        self.sample(&views, last.as_ref().map(|last| &*last.public), anchor);
        self.gap(public, anchor);
        self.power.push(public);
        if let Some(last) = &last {
            self.changes(&last.public, public, anchor);
        }
        if self.seconds % CONSUMERS_EVERY == 1 {
            self.jobs.push(&views);
            let before = self.before.replace(views.clone());
            if !self.is_watched() {
                return true;
            }
            let text = |rights| {
                let before = before.as_ref().map(|before| visible(before, rights));
                serde_json::to_string(&live::consumers(&visible(&views, rights), before.as_ref())).unwrap_or_default()
            };
            self.ring.push(Message { name: CONSUMERS, exact: text(Rights::All), coarse: text(Rights::Coarse) });
        }
        true
    }

    /// Follows the wall clock, which has moved against the monotonic one, and makes pages load the document again. Times before are
    /// moved too where they were wrong (the clock had never been set), or would lie ahead. Else the machine slept, or the clock was late:
    /// the time in between has no values.
    fn clock_was_set(&mut self, by_ns: i64, moves_before: bool) {
        let seconds = by_ns as f64 / 1e9;
        self.anchor_ns = self.anchor_ns.map(|anchor| anchor.saturating_add(by_ns));
        self.send("snapshot", &json!({}));
        if !moves_before {
            return;
        }
        self.history.shift(seconds);
        self.power.shift(by_ns);
        self.jobs.shift(by_ns);
        self.gap_from = self.gap_from.map(|from| from + seconds);
        self.gaps.iter_mut().for_each(|(from, to, _)| (*from, *to) = (*from + seconds, *to + seconds));
        self.events.iter_mut().for_each(|event| event.t += seconds);
    }

    fn sample(&mut self, views: &Views, before: Option<&Snapshot>, anchor: i64) {
        let row = live::row(&views.public, before, anchor);
        self.total_w = row.total;
        let energy = |snapshot: &Snapshot| live::energy(&snapshot.bounded());
        let gauges = |of: fn(&Device) -> Option<f64>| live::gpus(&views.public).map(of).collect::<Vec<_>>();
        let text = |snapshot: &Snapshot| {
            json!({
                "t": row.t, "total": row.total, "cpu": row.cpu, "memory": row.memory, "gpu": row.gpu,
                "energy_j": energy(snapshot), "temp_c": gauges(|gpu| gpu.temperature_c), "util": gauges(|gpu| gpu.utilization),
                "grams": live::grams(snapshot.emissions.as_ref()),
                "g_per_kwh": snapshot.emissions.as_ref().and_then(|emissions| emissions.g_per_kwh),
            })
            .to_string()
        };
        let coarse = energy(&views.public);
        if self.is_watched() {
            self.ring.push(Message { name: "sample", exact: text(&views.full), coarse: text(&views.public) });
        }
        // The first point is the first energy that is known.
        if coarse[0].is_some() && self.history.energy(row.t, coarse) {
            self.send("minute", &json!({"t": row.t, "energy_j": coarse}));
        }
        self.history.push(row);
    }

    /// Notes since when the power of a device is not known any more, and when that ends.
    fn gap(&mut self, snapshot: &Snapshot, anchor: i64) {
        let t = live::time(snapshot, anchor);
        let mut missing = false;
        for device in snapshot.devices.iter().filter(|device| device.is_summed) {
            if device.power_w.is_none() {
                missing |= self.had_power.contains(&device.id);
            } else if !self.had_power.contains(&device.id) {
                self.had_power.insert(device.id.clone());
            }
        }
        match (missing, self.gap_from) {
            (true, None) => self.gap_from = Some(t),
            (false, Some(from)) => {
                self.gap_from = None;
                let gap = (from, t, "part of the devices not measured".to_owned());
                self.send("gap", &gap);
                keep(&mut self.gaps, gap);
            }
            _ => {}
        }
    }

    fn open_gap(&self, anchor: i64) -> Option<(f64, f64, String)> {
        let t = live::time(&self.last.as_ref()?.public, anchor);
        Some((self.gap_from?, t, "part of the devices not measured".to_owned()))
    }

    /// Sends sources whose status changed, and events that were counted.
    fn changes(&mut self, last: &Snapshot, now: &Snapshot, anchor: i64) {
        if last.sources != now.sources {
            let before = live::sources(&last.sources);
            for source in live::sources(&now.sources).iter().filter(|source| !before.contains(source)) {
                self.send("source", source);
            }
        }
        for (kind, count) in &now.events {
            if last.events.get(kind).copied().unwrap_or(0) < *count {
                let known = EventKind::ALL.iter().find(|known| known.name() == *kind);
                let text = known.map_or(*kind, |known| known.meaning()).to_owned();
                let event = EventText { t: live::time(now, anchor), kind: (*kind).to_owned(), text };
                self.send("event", &event);
                keep(&mut self.events, event);
            }
        }
    }

    /// Whether a client has asked not long ago.
    fn is_watched(&self) -> bool {
        self.seconds.saturating_sub(self.asked_s) <= WATCHED_S
    }

    /// Adds a message for everyone.
    fn send(&mut self, name: &'static str, data: &impl Serialize) {
        if !self.is_watched() {
            return;
        }
        // Plain data with text keys: cannot fail.
        let Ok(exact) = serde_json::to_string(data) else { return };
        let coarse = exact.clone();
        self.ring.push(Message { name, exact, coarse });
    }
}

fn keep<T>(list: &mut VecDeque<T>, value: T) {
    if list.len() == LAST {
        list.pop_front();
    }
    list.push_back(value);
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
