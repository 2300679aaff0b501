//! Least-cost sharing of slots among jobs: a transportation problem, solved by successive shortest paths.
//!
//! Jobs are added one by one. Each takes the cheapest way to time that is still free, which may move other jobs
//! elsewhere; potentials keep every remaining way's cost from being negative, so Dijkstra's algorithm finds it. All
//! numbers are integers: the result is the optimum of the linear programme, without rounding.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A slot: its length, how much time all machines have in it, and what its time costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotSupply {
    pub(super) length_ns: i64,
    pub(super) free_ns: i64,
    pub(super) cost: i64,
}

/// A job: which slots it may use, how much time it needs, and what its time weighs against others'.
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
    /// Potential of where all free time leads.
    sink: i128,
}

impl<'a> MachineShares<'a> {
    /// Shares all demands out.
    ///
    /// # Errors
    /// The first job for which there is not enough time.
    pub(super) fn solve(supplies: Vec<SlotSupply>, demands: &'a [JobDemand]) -> Result<Self, usize> {
        let (slots, jobs) = (supplies.len(), demands.len());
        let (shares, potentials) = (vec![0; slots * jobs], vec![0; slots + jobs]);
        let mut flow = Self { supplies, demands, shares, potentials, sink: 0 };
        for job in 0..jobs {
            flow.add(job)?;
        }
        Ok(flow)
    }

    /// A job's time in a slot, nanoseconds.
    pub(super) fn share(&self, job: usize, slot: usize) -> i64 {
        self.shares[job * self.supplies.len() + slot]
    }

    fn add(&mut self, job: usize) -> Result<(), usize> {
        let JobDemand { first, end, need_ns, .. } = self.demands[job];
        let slots = self.supplies.len();
        // No way leads to the job yet: its potential is free, and this one keeps its own ways from being negative.
        let highest = (first..end).map(|slot| self.potentials[slot] - self.cost(job, slot)).max();
        self.potentials[slots + job] = highest.unwrap_or(0);
        let mut left_ns = need_ns;
        while left_ns > 0 {
            left_ns -= self.augment(job, left_ns).ok_or(job)?;
        }
        Ok(())
    }

    fn cost(&self, job: usize, slot: usize) -> i128 {
        i128::from(self.supplies[slot].cost) * i128::from(self.demands[job].weight)
    }

    /// Moves as much as the cheapest way to free time allows; `None` where there is no way.
    fn augment(&mut self, job: usize, most_ns: i64) -> Option<i64> {
        let slots = self.supplies.len();
        let ShortestPaths { distances, before, found: (slot, far) } = self.search(slots + job)?;
        for (potential, distance) in self.potentials.iter_mut().zip(&distances) {
            *potential += distance.map_or(far, |distance| distance.min(far));
        }
        self.sink += far;
        let way = way(&before, slot, slots + job);
        let room = |&(from, to): &(usize, usize)| match from < slots {
            true => self.share(to - slots, from),
            false => self.supplies[to].length_ns - self.share(from - slots, to),
        };
        let moved_ns = way.iter().map(room).min()?.min(most_ns).min(self.supplies[slot].free_ns);
        for (from, to) in way {
            match from < slots {
                true => self.shares[(to - slots) * slots + from] -= moved_ns,
                false => self.shares[(from - slots) * slots + to] += moved_ns,
            }
        }
        self.supplies[slot].free_ns -= moved_ns;
        Some(moved_ns)
    }

    /// Distances from a node until a slot with free time is reached.
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

    /// Where time can be moved from a node, and at what reduced cost.
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

struct ShortestPaths {
    distances: Vec<Option<i128>>,
    before: Vec<usize>,
    /// The slot with free time, and how far off the sink is by way of it.
    found: (usize, i128),
}

/// Steps from the source to a slot, in order.
fn way(before: &[usize], slot: usize, source: usize) -> Vec<(usize, usize)> {
    let (mut way, mut node) = (Vec::new(), slot);
    while node != source {
        way.push((before[node], node));
        node = before[node];
    }
    way.reverse();
    way
}
