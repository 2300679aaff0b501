//! Attempts: the starts of a run, which processes belong to each, and when each lasted on each machine.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::Window;
use eco2_core::schema::Report;

use super::lives;
use super::parts::{machine, wall, window};
use super::windows::{hull, joined, without};

/// One start of the run.
pub(super) struct Attempt {
    /// Places of its parts in the list of parts.
    pub(super) members: Vec<usize>,
    /// The ranks among them.
    pub(super) present: BTreeSet<u32>,
    /// Ranks that the launcher started.
    pub(super) world_size: Option<u32>,
    /// When it lasted on each machine.
    pub(super) windows: BTreeMap<String, Window>,
}

impl Attempt {
    /// How many ranks have a record; `None` where no process is a rank.
    pub(super) fn ranks(&self) -> Option<u32> {
        (!self.present.is_empty()).then(|| u32::try_from(self.present.len()).unwrap_or(u32::MAX))
    }

    /// The ranks without a record.
    pub(super) fn missing(&self) -> Vec<u32> {
        // A world size is another program's word: no list is made that is longer than any machine hall.
        let expected = 0..self.world_size.unwrap_or(0).min(1 << 20);
        expected.filter(|rank| !self.present.contains(rank)).collect()
    }
}

/// All attempts, in order, and what belongs to the run around them.
pub(super) struct Attempts {
    pub(super) list: Vec<Attempt>,
    /// Windows of the run's own records outside its attempts, by machine.
    pub(super) around: BTreeMap<String, Vec<Window>>,
    /// Whether processes of one rank followed each other without a launcher that counted them.
    pub(super) uncounted: bool,
}

impl Attempts {
    /// Sorts the parts into attempts, in the order of time: the ranks, or all parts where there are none.
    pub(super) fn find(parts: &[Report]) -> Self {
        let wrappers = wrappers(parts);
        let is_rank = |place: &usize| {
            let run = &parts[*place].run;
            run.rank.is_some() && !wrappers.contains(run.part.as_str())
        };
        let (mut members, mut beside): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(is_rank);
        if members.is_empty() {
            members = std::mem::take(&mut beside);
        }
        let own = own(parts, &members, &beside);
        let (starts, uncounted) = lives::starts(parts, members);
        let mut list: Vec<Attempt> = starts.into_iter().map(|members| attempt(parts, members)).collect();
        stand_in(parts, &own, &mut list);
        cut_at_the_next(&mut list);
        let around = around(parts, &list, &own);
        Self { list, around, uncounted }
    }

    /// The machines that were measured in any attempt.
    pub(super) fn machines(&self) -> BTreeSet<&str> {
        self.list.iter().flat_map(|attempt| attempt.windows.keys()).map(String::as_str).collect()
    }

    /// When the attempts lasted on a machine, in their order; an attempt that was not there is left out.
    pub(super) fn on<'a>(&'a self, machine: &'a str) -> impl Iterator<Item = (usize, Window)> + 'a {
        self.list.iter().enumerate().filter_map(move |(place, attempt)| Some((place, *attempt.windows.get(machine)?)))
    }
}

/// Parts that other parts name as the command they ran under: they saw what those saw and more, and are no ranks beside
/// them, whatever variables of a launcher they had.
fn wrappers(parts: &[Report]) -> BTreeSet<&str> {
    let ranks = parts.iter().filter(|part| part.run.rank.is_some());
    ranks.map(|part| part.run.parent.as_str()).filter(|parent| !parent.is_empty()).collect()
}

/// Of the parts beside the members those with a member's run id, as the command around a launcher has.
fn own(parts: &[Report], members: &[usize], beside: &[usize]) -> Vec<usize> {
    let ids: BTreeSet<&str> = members.iter().map(|place| &*parts[*place].run.id).collect();
    beside.iter().copied().filter(|place| ids.contains(&*parts[*place].run.id)).collect()
}

fn attempt(parts: &[Report], members: Vec<usize>) -> Attempt {
    let mut windows: BTreeMap<String, Window> = BTreeMap::new();
    for part in members.iter().map(|place| &parts[*place]) {
        let own = window(part);
        windows.entry(machine(part)).and_modify(|all| *all = hull(*all, own)).or_insert(own);
    }
    let runs = || members.iter().map(|place| &parts[*place].run);
    let present: BTreeSet<u32> = runs().filter_map(|run| run.rank).collect();
    let world_size = runs().filter_map(|run| run.world_size).max();
    Attempt { present, world_size, windows, members }
}

/// Where ranks have no record, a machine without any in an attempt may be theirs: the command's own record stands in there,
/// placed by the wall clock.
fn stand_in(parts: &[Report], own: &[usize], list: &mut [Attempt]) {
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

/// A window of the wall clock on the clock of a part's machine, as far as the part lasted.
fn shared(part: &Report, from_ns: u64, to_ns: u64) -> Option<Window> {
    let (there, here) = (wall(part), window(part));
    let (from_ns, to_ns) = (from_ns.max(there.from_ns), to_ns.min(there.to_ns));
    let moved = |at_ns: u64| here.from_ns.saturating_add(at_ns - there.from_ns);
    (from_ns < to_ns).then(|| Window { from_ns: moved(from_ns), to_ns: moved(to_ns) })
}

/// Attempts follow each other: on each machine one ends where the next begins, at the latest. What the earlier one has
/// beyond the end of the next is counted with that.
fn cut_at_the_next(list: &mut [Attempt]) {
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

/// The run's own windows less the attempts.
fn around(parts: &[Report], list: &[Attempt], own: &[usize]) -> BTreeMap<String, Vec<Window>> {
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
