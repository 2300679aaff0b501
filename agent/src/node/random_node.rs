//! A node under random readings, jobs, resets, failures and late devices ([`RandomNode`]), for tests.

use eco2_core::{Component, Domain, Fault, Quality, Reading};
use eco2_samplers::DeviceUse;

use super::tests::{S, at, job, node};
use super::*;
use crate::journal::Journal;
use crate::prices::rates;
use crate::snapshot::EndReason;

/// Two packages of which the first has an estimate in its place, their cores, and boards with a second sensor each.
pub(super) fn machine() -> Vec<Domain> {
    let counter = |id: &str, component, name: &str| Domain {
        range: Some(1 << 32),
        max_uw: Some(300_000_000),
        ..Domain::counter(id, component, name, "test")
    };
    let part = |of: &str, domain: Domain| Domain { parent: Some(of.into()), ..domain };
    let estimate = part("package-0", counter("package-0/estimate", Component::Cpu, "package"));
    vec![
        counter("package-0", Component::Cpu, "package"),
        Domain { quality: Quality::Estimated, range: None, ..estimate },
        part("package-0", counter("core-0", Component::Cpu, "core")),
        counter("package-1", Component::Cpu, "package"),
        Domain { range: None, ..counter("gpu-0", Component::Gpu, "board") },
        part("gpu-0", counter("gpu-0/power", Component::Gpu, "board")),
        counter("gpu-1", Component::Gpu, "board"),
    ]
}

pub(crate) struct RandomNode {
    pub(crate) node: Node,
    pub(crate) now_ns: u64,
    /// Steps at the beginning in which the first package does not count, so that its estimate is summed.
    pub(super) still_steps: u64,
    random: u64,
    domains: Vec<Domain>,
    raw: Vec<u64>,
    shown: usize,
    steps: u64,
}

impl RandomNode {
    /// `seed`: not 0.
    pub(crate) fn new(seed: u64) -> Self {
        let domains = machine();
        let mut new = Self {
            node: node("a", 0).priced(Some(rates(400.0))),
            now_ns: 0,
            still_steps: 10,
            random: seed,
            raw: vec![0; domains.len()],
            domains,
            shown: 3,
            steps: 0,
        };
        new.find();
        new
    }

    /// Returns a number, quickly: xorshift64.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    fn find(&mut self) {
        self.node.take(Input::Domains { source: 0, domains: self.domains[..self.shown].to_vec() });
    }

    pub(crate) fn boot_id(&self) -> String {
        self.node.identity.boot_id.clone()
    }

    /// Starts the agent again, in this boot or, with the counters at 0, in another.
    pub(crate) fn restart(&mut self, journal: Journal) {
        let is_same = self.below(2) == 0;
        let boot = if is_same { self.node.identity.boot_id.clone() } else { format!("boot-{}", self.steps) };
        if !is_same {
            self.raw.iter_mut().for_each(|raw| *raw = 0);
        }
        self.node = node(&boot, self.now_ns).priced(Some(rates(self.below(800) as f64)));
        assert!(self.node.resume(journal));
        self.find();
    }

    /// Reads sensors, lets something happen, and ends an interval of 1 to 1.5 s.
    pub(crate) fn step(&mut self) -> Views {
        self.now_ns += S + self.below(S / 2);
        self.steps += 1;
        let now_ns = self.now_ns;
        for index in 0..self.shown {
            self.read(index);
        }
        self.node.take(Input::Tick { now_ns });
        self.happen();
        let keys: Vec<JobKey> = self.node.jobs().map(|(key, _)| key).collect();
        let jobs = keys.iter().map(|key| (*key, self.below(S))).collect();
        let cpu = JobTimes { busy_ns: self.below(8 * S), idle_ns: self.below(8 * S), jobs };
        let owners = keys.first().map(|key| (77, *key)).into_iter().collect();
        let is_known = self.below(10) > 0;
        let used = IntervalUse { cpu: is_known.then_some(cpu), owners, ..IntervalUse::default() };
        self.node.account(at(now_ns), || used)
    }

    fn read(&mut self, index: usize) {
        let is_still = index == 0 && self.steps <= self.still_steps;
        let grown = if is_still { 0 } else { self.below(90_000_000) };
        let range = self.domains[index].range;
        self.raw[index] = (self.raw[index] + grown) % range.unwrap_or(u64::MAX);
        let value = match self.below(50) {
            0 => Err(Fault::Failed),
            1 if range.is_none() => {
                self.raw[index] = self.below(1_000);
                Ok(self.raw[index])
            }
            _ => Ok(self.raw[index]),
        };
        let before_ns = self.now_ns.saturating_sub(self.below(900_000_000));
        let reading = Reading { before_ns, after_ns: self.now_ns, value };
        self.node.take(Input::Readings { source: 0, readings: vec![(index, reading)] });
    }

    fn happen(&mut self) {
        let now_ns = self.now_ns;
        match self.below(40) {
            0 if self.shown < self.domains.len() => {
                self.shown += 1;
                self.find();
            }
            1 => {
                self.node.begin_job(job(&format!("job-{}", self.steps)), at(now_ns), None);
            }
            2 => {
                let key = self.node.jobs().next().map(|(key, _)| key).unwrap_or(0);
                self.node.end_job(key, at(now_ns), Some(self.steps), EndReason::Request);
            }
            3 => {
                let ended = self.node.jobs().find(|(_, state)| state.ended.is_some()).map(|(key, _)| key);
                ended.into_iter().for_each(|key| self.node.forget_job(key));
            }
            4 => self.node.take(Input::Suspended { from_ns: now_ns, to_ns: now_ns }),
            5 => {
                let used = DeviceUse {
                    domain: 4,
                    reachable: true,
                    processes: vec![(77, 0.5)],
                    unknown: 0.1,
                    ..DeviceUse::default()
                };
                self.node.take(Input::Users { source: 0, uses: vec![used] });
            }
            _ => {}
        }
    }
}
