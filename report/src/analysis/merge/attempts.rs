//! Finds the attempts of a merged run. An *attempt* is one start of the run, with its processes and its time on each
//! machine. A *part* is the report of one process; `place` is the index of a part in the list of parts. A *window* is a
//! start and an end time.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::Window;
use eco2_core::schema::Report;

use super::parts::{hull, joined, machine, wall, window, without};

/// One start of the run.
pub(super) struct AttemptParts {
    /// Indices of the attempt's parts in the list of parts.
    pub(super) members: Vec<usize>,
    /// The same indices by machine.
    members_on: BTreeMap<String, Vec<usize>>,
    /// Ranks that have a record in the attempt.
    pub(super) present: BTreeSet<u32>,
    /// Number of ranks that the launcher started; `None` if it is not known.
    pub(super) world_size: Option<u32>,
    /// Time of the attempt on each machine, by the name that `parts::machine` returns.
    pub(super) windows: BTreeMap<String, Window>,
}

impl AttemptParts {
    /// Returns the indices of the attempt's parts on a machine.
    pub(super) fn members_on(&self, machine: &str) -> &[usize] {
        self.members_on.get(machine).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of ranks with a record; `None` if no process is a rank.
    pub(super) fn ranks(&self) -> Option<u32> {
        (!self.present.is_empty()).then(|| u32::try_from(self.present.len()).unwrap_or(u32::MAX))
    }

    /// Returns the ranks without a record.
    pub(super) fn missing(&self) -> Vec<u32> {
        // The world size comes from another program. The limit of a million ranks bounds the list.
        let expected = 0..self.world_size.unwrap_or(0).min(1 << 20);
        expected.filter(|rank| !self.present.contains(rank)).collect()
    }
}

/// All attempts in order, and the time of the run outside them.
pub(super) struct Attempts {
    pub(super) list: Vec<AttemptParts>,
    /// Windows of the run's own records outside the attempts, by machine.
    pub(super) around: BTreeMap<String, Vec<Window>>,
    /// Whether processes of one rank followed each other without a launcher that counts the starts.
    pub(super) uncounted: bool,
    /// Indices of all parts, in attempts or not, by machine.
    parts_on: BTreeMap<String, Vec<usize>>,
}

impl Attempts {
    /// Sorts the parts into attempts in the order of time: the ranks, or all parts if there are no ranks.
    pub(super) fn find(parts: &[Report]) -> Self {
        let wrappers = wrappers(parts);
        let is_rank = |place: &usize| {
            let run = &parts[*place].run;
            run.rank.is_some() && !wrappers.contains(run.part.as_str())
        };
        let (mut members, mut others): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(is_rank);
        if members.is_empty() {
            members = std::mem::take(&mut others);
        }
        let own = own_records(parts, &members, &others);
        let (starts, uncounted) = starts(parts, members);
        let mut list: Vec<AttemptParts> = starts.into_iter().map(|members| attempt(parts, members)).collect();
        fill_missing_machines(parts, &own, &mut list);
        end_at_next_start(&mut list);
        let around = around(parts, &list, &own);
        Self { list, around, uncounted, parts_on: by_machine(parts, 0..parts.len()) }
    }

    /// Returns the indices of all parts on a machine, in attempts or not.
    pub(super) fn parts_on(&self, machine: &str) -> &[usize] {
        self.parts_on.get(machine).map_or(&[], Vec::as_slice)
    }

    /// Returns the machines that were measured in any attempt.
    pub(super) fn machines(&self) -> BTreeSet<&str> {
        self.list.iter().flat_map(|attempt| attempt.windows.keys()).map(String::as_str).collect()
    }

    /// Returns index and time of the attempts on a machine, in their order. Attempts without this machine are left out.
    pub(super) fn on<'a>(&'a self, machine: &'a str) -> impl Iterator<Item = (usize, Window)> + 'a {
        self.list.iter().enumerate().filter_map(move |(place, attempt)| Some((place, *attempt.windows.get(machine)?)))
    }
}

/// Returns the ids of parts that are the command around ranks. They measured what the ranks measured and more, so they
/// do not count as ranks, even if the environment has a launcher's variables.
fn wrappers(parts: &[Report]) -> BTreeSet<&str> {
    let ranks = parts.iter().filter(|part| part.run.rank.is_some());
    ranks.map(|part| part.run.parent.as_str()).filter(|parent| !parent.is_empty()).collect()
}

/// Returns the parts outside the attempts that have the run's id, such as the command around a launcher.
fn own_records(parts: &[Report], members: &[usize], others: &[usize]) -> Vec<usize> {
    let ids: BTreeSet<&str> = members.iter().map(|place| &*parts[*place].run.id).collect();
    others.iter().copied().filter(|place| ids.contains(&*parts[*place].run.id)).collect()
}

/// Returns the attempt of the parts with these indices.
fn attempt(parts: &[Report], members: Vec<usize>) -> AttemptParts {
    let mut windows: BTreeMap<String, Window> = BTreeMap::new();
    for part in members.iter().map(|place| &parts[*place]) {
        let own = window(part);
        windows.entry(machine(part)).and_modify(|all| *all = hull(*all, own)).or_insert(own);
    }
    let runs = || members.iter().map(|place| &parts[*place].run);
    let present: BTreeSet<u32> = runs().filter_map(|run| run.rank).collect();
    let world_size = runs().filter_map(|run| run.world_size).max();
    let members_on = by_machine(parts, members.iter().copied());
    AttemptParts { present, world_size, windows, members, members_on }
}

/// Sorts indices of parts by machine.
fn by_machine(parts: &[Report], places: impl Iterator<Item = usize>) -> BTreeMap<String, Vec<usize>> {
    let mut on: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    places.for_each(|place| on.entry(machine(&parts[place])).or_default().push(place));
    on
}

/// Adds machines to attempts in which ranks have no record, because those ranks may have run there. The time on such a
/// machine is that of the command's own record, limited to the attempt's time by the wall clock.
fn fill_missing_machines(parts: &[Report], own: &[usize], list: &mut [AttemptParts]) {
    for attempt in list.iter_mut().filter(|attempt| !attempt.missing().is_empty()) {
        let walls: Vec<Window> = attempt.members.iter().map(|place| wall(&parts[*place])).collect();
        let from_ns = walls.iter().map(|window| window.from_ns).min().unwrap_or(0);
        let to_ns = walls.iter().map(|window| window.to_ns).max().unwrap_or(0);
        let mut found: BTreeMap<String, Window> = BTreeMap::new();
        for part in own.iter().map(|place| &parts[*place]) {
            let place = machine(part);
            if let Some(window) = shared(part, from_ns, to_ns).filter(|_| !attempt.windows.contains_key(&place)) {
                found.entry(place).and_modify(|all| *all = hull(*all, window)).or_insert(window);
            }
        }
        attempt.windows.extend(found);
    }
}

/// Converts a wall-clock window to the clock of a part's machine, limited to the time of the part; `None` if nothing is
/// left.
fn shared(part: &Report, from_ns: u64, to_ns: u64) -> Option<Window> {
    let (there, here) = (wall(part), window(part));
    let (from_ns, to_ns) = (from_ns.max(there.from_ns), to_ns.min(there.to_ns));
    let moved = |at_ns: u64| here.from_ns.saturating_add(at_ns - there.from_ns);
    (from_ns < to_ns).then(|| Window { from_ns: moved(from_ns), to_ns: moved(to_ns) })
}

/// Ends each attempt on a machine at the start of the next. If the earlier one ended after the next, the next one gets
/// that time.
fn end_at_next_start(list: &mut [AttemptParts]) {
    let machines: BTreeSet<String> = list.iter().flat_map(|attempt| attempt.windows.keys().cloned()).collect();
    for machine in machines {
        let mut windows: Vec<&mut Window> =
            list.iter_mut().filter_map(|attempt| attempt.windows.get_mut(&machine)).collect();
        windows.sort_by_key(|window| window.from_ns);
        let mut at = 1;
        while let Some([earlier, next]) = windows.get_mut(at - 1..=at) {
            next.to_ns = next.to_ns.max(earlier.to_ns);
            earlier.to_ns = earlier.to_ns.min(next.from_ns);
            at += 1;
        }
    }
}

/// Returns the windows of the run's own records minus the attempts, by machine.
fn around(parts: &[Report], list: &[AttemptParts], own: &[usize]) -> BTreeMap<String, Vec<Window>> {
    let mut windows: BTreeMap<String, Vec<Window>> = BTreeMap::new();
    for part in own.iter().map(|place| &parts[*place]) {
        windows.entry(machine(part)).or_default().push(window(part));
    }
    let mut around = BTreeMap::new();
    for (machine, windows) in windows {
        let attempts = joined(list.iter().filter_map(|attempt| attempt.windows.get(&machine)).copied().collect());
        let left = without(&joined(windows), &attempts);
        if !left.is_empty() {
            around.insert(machine, left);
        }
    }
    around
}

/// Returns the starts of a run in the order of time, each as indices of parts, and whether any was found by time only.
///
/// A restarted launcher counts from 0 again, so its counts show which processes belong together but not their order.
fn starts(parts: &[Report], members: Vec<usize>) -> (Vec<Vec<usize>>, bool) {
    let mut counted: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for place in members {
        let run = &parts[place].run;
        counted.entry((run.requeue, run.attempt)).or_default().push(place);
    }
    let count = counted.len();
    let mut starts: Vec<Vec<usize>> = counted.into_values().flat_map(|places| split_by_time(parts, places)).collect();
    let uncounted = starts.len() > count;
    starts.sort_by_key(|places| places.iter().map(|place| wall(&parts[*place])).min());
    (starts, uncounted)
}

/// Splits by time the processes to which the launcher gave the same count of restarts. The rank that ran most often
/// defines the starts. Each other process belongs to the start with which it shares most time.
fn split_by_time(parts: &[Report], places: Vec<usize>) -> Vec<Vec<usize>> {
    let mut ranks: BTreeMap<Option<u32>, Vec<Window>> = BTreeMap::new();
    for place in &places {
        ranks.entry(parts[*place].run.rank).or_default().push(wall(&parts[*place]));
    }
    let runs =
        ranks.into_values().map(separate_runs).reduce(|most, runs| if runs.len() > most.len() { runs } else { most });
    let runs = runs.unwrap_or_default();
    let mut starts = vec![Vec::new(); runs.len()];
    for place in places {
        if let Some(start) = nearest(&runs, wall(&parts[place])).and_then(|run| starts.get_mut(run)) {
            start.push(place);
        }
    }
    starts.retain(|start| !start.is_empty());
    starts
}

/// Returns the windows of one rank, with overlapping ones joined.
fn separate_runs(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable();
    let mut runs: Vec<Window> = Vec::new();
    for window in windows {
        match runs.last_mut().filter(|last| window.from_ns < last.to_ns) {
            Some(last) => *last = hull(*last, window),
            None => runs.push(window),
        }
    }
    runs
}

/// Returns the index of the run that shares most time with a window, else of the nearest run.
fn nearest(runs: &[Window], window: Window) -> Option<usize> {
    let shared = |run: &Window| {
        let (from_ns, to_ns) = (run.from_ns.max(window.from_ns), run.to_ns.min(window.to_ns));
        (to_ns.saturating_sub(from_ns), u64::MAX - from_ns.saturating_sub(to_ns))
    };
    // Reversed, because `max_by_key` returns the last of equals and the first one is wanted.
    (0..runs.len()).rev().max_by_key(|at| runs.get(*at).map(shared))
}
