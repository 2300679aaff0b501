//! Shares machine time in slots among jobs at the least emissions, for `eco2 plan --machines`. This is a transportation
//! problem, solved by successive shortest paths.
//!
//! A *slot* is a period with one intensity. In the graph that is searched, each slot and each job is a *node*; a *path*
//! leads from a job to a slot with free machine time. Jobs are added one by one. Each takes the cheapest path; a path
//! may move other jobs to other slots. *Potentials* (one number per node, subtracted from costs) keep the cost of every
//! remaining step at least 0, so that Dijkstra's algorithm finds the path. All numbers are integers: the result is the
//! optimum of the linear programme, without rounding.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A slot: its length, the free time of all machines in it (both nanoseconds), and the cost of its time (the intensity,
/// 1e-12 g/kWh).
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotSupply {
    pub(super) length_ns: i64,
    pub(super) free_ns: i64,
    pub(super) cost: i64,
}

/// A job: the slots that it may use (indices from `first` to before `end`), the time that it needs in nanoseconds, and
/// the weight of its power relative to other jobs.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobDemand {
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) need_ns: i64,
    pub(super) weight: i64,
}

/// Shares by job and slot, nanoseconds.
#[derive(Debug)]
pub(super) struct MachineShares<'a> {
    supplies: Vec<SlotSupply>,
    demands: &'a [JobDemand],
    shares: Vec<i64>,
    /// Potentials of slots, then of jobs.
    potentials: Vec<i128>,
    /// Potential of the sink, the node that all free time leads to.
    sink: i128,
}

impl<'a> MachineShares<'a> {
    /// Assigns time to all jobs.
    ///
    /// # Errors
    /// The index of the first job for which there is not enough time.
    pub(super) fn solve(supplies: Vec<SlotSupply>, demands: &'a [JobDemand]) -> Result<Self, usize> {
        let (slots, jobs) = (supplies.len(), demands.len());
        let (shares, potentials) = (vec![0; slots * jobs], vec![0; slots + jobs]);
        let mut flow = Self { supplies, demands, shares, potentials, sink: 0 };
        for job in 0..jobs {
            flow.add(job)?;
        }
        Ok(flow)
    }

    /// Returns a job's time in a slot, nanoseconds.
    pub(super) fn share(&self, job: usize, slot: usize) -> i64 {
        self.shares[job * self.supplies.len() + slot]
    }

    /// Assigns all of a job's time, one cheapest path at a time. The error is the index of the job, if no path is left.
    fn add(&mut self, job: usize) -> Result<(), usize> {
        let JobDemand { first, end, need_ns, .. } = self.demands[job];
        let slots = self.supplies.len();
        // No path leads to the job yet, so its potential is free. This one keeps the costs of its own steps at least 0.
        let highest = (first..end).map(|slot| self.potentials[slot] - self.cost(job, slot)).max();
        self.potentials[slots + job] = highest.unwrap_or(0);
        let mut left_ns = need_ns;
        while left_ns > 0 {
            left_ns -= self.augment(job, left_ns).ok_or(job)?;
        }
        Ok(())
    }

    /// Returns the cost of a nanosecond of a job in a slot: its intensity times the weight of the job's power.
    fn cost(&self, job: usize, slot: usize) -> i128 {
        i128::from(self.supplies[slot].cost) * i128::from(self.demands[job].weight)
    }

    /// Moves as much time as the cheapest path to free time allows; `None` if there is no path.
    fn augment(&mut self, job: usize, most_ns: i64) -> Option<i64> {
        let slots = self.supplies.len();
        let ShortestPaths { distances, before, found: (slot, far) } = self.search(slots + job)?;
        for (potential, distance) in self.potentials.iter_mut().zip(&distances) {
            *potential += distance.map_or(far, |distance| distance.min(far));
        }
        self.sink += far;
        let path = path(&before, slot, slots + job);
        let room = |&(from, to): &(usize, usize)| match from < slots {
            true => self.share(to - slots, from),
            false => self.supplies[to].length_ns - self.share(from - slots, to),
        };
        let moved_ns = path.iter().map(room).min()?.min(most_ns).min(self.supplies[slot].free_ns);
        for (from, to) in path {
            match from < slots {
                true => self.shares[(to - slots) * slots + from] -= moved_ns,
                false => self.shares[(from - slots) * slots + to] += moved_ns,
            }
        }
        self.supplies[slot].free_ns -= moved_ns;
        Some(moved_ns)
    }

    /// Returns the distances from a node until a slot with free time is reached.
    fn search(&self, source: usize) -> Option<ShortestPaths> {
        let nodes = self.potentials.len();
        let mut distances: Vec<Option<i128>> = vec![None; nodes];
        let (mut before, mut settled, mut heap) = (vec![source; nodes], vec![false; nodes], BinaryHeap::new());
        let mut found: Option<(i128, usize)> = None;
        distances[source] = Some(0);
        heap.push(Reverse((0, source)));
        while let Some(Reverse((distance, node))) = heap.pop() {
            if found.is_some_and(|(least, _)| least <= distance) {
                break;
            }
            if std::mem::replace(&mut settled[node], true) {
                continue;
            }
            if self.supplies.get(node).is_some_and(|supply| supply.free_ns > 0) {
                let out = (distance + self.potentials[node] - self.sink, node);
                found = Some(found.map_or(out, |found| found.min(out)));
            }
            for (next, reduced) in self.steps(node) {
                let further = distance + reduced;
                if distances[next].is_none_or(|known| further < known) {
                    (distances[next], before[next]) = (Some(further), node);
                    heap.push(Reverse((further, next)));
                }
            }
        }
        found.map(|(far, slot)| ShortestPaths { distances, before, found: (slot, far) })
    }

    /// Returns the nodes that time can be moved to from a node, with the cost reduced by the potentials.
    fn steps(&self, node: usize) -> Vec<(usize, i128)> {
        let slots = self.supplies.len();
        if node < slots {
            let used = (0..self.demands.len()).filter(|&job| self.share(job, node) > 0);
            let back =
                |job: usize| (slots + job, self.potentials[node] - self.cost(job, node) - self.potentials[slots + job]);
            return used.map(back).collect();
        }
        let job = node - slots;
        let open = |&slot: &usize| self.share(job, slot) < self.supplies[slot].length_ns;
        let on = |slot: usize| (slot, self.cost(job, slot) + self.potentials[node] - self.potentials[slot]);
        (self.demands[job].first..self.demands[job].end).filter(open).map(on).collect()
    }
}

/// The result of a search from one node.
struct ShortestPaths {
    /// Cost of the cheapest path to each node; `None` if none was found.
    distances: Vec<Option<i128>>,
    /// The node before each node on its cheapest path.
    before: Vec<usize>,
    /// The slot with free time on the cheapest path, and the cost of that path to the sink.
    found: (usize, i128),
}

/// Returns the steps from the source to a slot, in order, each as the node that it leaves and the node that it reaches.
fn path(before: &[usize], slot: usize, source: usize) -> Vec<(usize, usize)> {
    let (mut steps, mut node) = (Vec::new(), slot);
    while node != source {
        steps.push((before[node], node));
        node = before[node];
    }
    steps.reverse();
    steps
}
