//! Attempts: the starts of a run, which processes belong to each, and when each lasted on each machine.

use std::collections::{BTreeMap, BTreeSet};

use eco2_core::Window;
use eco2_core::report::Report;

use super::parts::{machine, wall, window};
use super::windows::{joined, without};

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
}

/// How an attempt is known: requeues, restarts, and which of several processes of one rank that the launcher did not
/// count, in the order of time.
type Key = (u32, u32, u32);

impl Attempts {
    /// Sorts the parts into attempts: the ranks, or all parts where there are none.
    pub(super) fn find(parts: &[Report]) -> Self {
        let ranked = parts.iter().any(|part| part.run.rank.is_some());
        let members = (0..parts.len()).filter(|place| !ranked || parts[*place].run.rank.is_some()).collect();
        let mut list: Vec<Attempt> =
            keyed(parts, members).into_values().map(|members| attempt(parts, members)).collect();
        cut_at_the_next(&mut list);
        let around = around(parts, &list, ranked);
        Self { list, around }
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

fn keyed(parts: &[Report], members: Vec<usize>) -> BTreeMap<Key, Vec<usize>> {
    let mut lives: BTreeMap<(u32, u32, Option<u32>), Vec<usize>> = BTreeMap::new();
    for place in members {
        let run = &parts[place].run;
        lives.entry((run.requeue, run.attempt, run.rank)).or_default().push(place);
    }
    let mut keyed: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for ((requeue, attempt, _), mut places) in lives {
        places.sort_by_key(|place| wall(&parts[*place]));
        let (mut life, mut ended_ns) = (0, None);
        for place in places {
            let Window { from_ns, to_ns } = wall(&parts[place]);
            life += u32::from(ended_ns.is_some_and(|ended_ns| from_ns >= ended_ns));
            ended_ns = ended_ns.max(Some(to_ns));
            keyed.entry((requeue, attempt, life)).or_default().push(place);
        }
    }
    keyed
}

fn attempt(parts: &[Report], members: Vec<usize>) -> Attempt {
    let mut windows: BTreeMap<String, Window> = BTreeMap::new();
    for part in members.iter().map(|place| &parts[*place]) {
        let own = window(part);
        let all = windows.entry(machine(part)).or_insert(own);
        *all = Window { from_ns: all.from_ns.min(own.from_ns), to_ns: all.to_ns.max(own.to_ns) };
    }
    let runs = || members.iter().map(|place| &parts[*place].run);
    let present: BTreeSet<u32> = runs().filter_map(|run| run.rank).collect();
    let world_size = runs().filter_map(|run| run.world_size).max();
    Attempt { present, world_size, windows, members }
}

/// Attempts follow each other: on each machine one ends where the next begins, at the latest.
fn cut_at_the_next(list: &mut [Attempt]) {
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for attempt in list.iter_mut().rev() {
        for (machine, window) in &mut attempt.windows {
            let begins_ns = next.entry(machine.clone()).or_insert(u64::MAX);
            window.to_ns = window.to_ns.min(*begins_ns).max(window.from_ns);
            *begins_ns = (*begins_ns).min(window.from_ns);
        }
    }
}

/// Windows of parts that are no rank but have a rank's run id, as the command around a launcher has, less the attempts.
fn around(parts: &[Report], list: &[Attempt], ranked: bool) -> BTreeMap<String, Vec<Window>> {
    let ids: BTreeSet<&str> = parts.iter().filter(|part| part.run.rank.is_some()).map(|part| &*part.run.id).collect();
    let mut own: BTreeMap<String, Vec<Window>> = BTreeMap::new();
    for part in parts.iter().filter(|part| ranked && part.run.rank.is_none() && ids.contains(&*part.run.id)) {
        own.entry(machine(part)).or_default().push(window(part));
    }
    let mut around = BTreeMap::new();
    for (machine, windows) in own {
        let attempts = joined(list.iter().filter_map(|attempt| attempt.windows.get(&machine)).copied().collect());
        let left = without(&joined(windows), &attempts);
        if !left.is_empty() {
            around.insert(machine, left);
        }
    }
    around
}
