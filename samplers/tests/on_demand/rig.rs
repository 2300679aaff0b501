//! Runs a schedule against a simulated world, by a scripted clock, and judges its readings by the account of `eco2-core`.

use eco2_core::{Component, Domain, Fault, Ledger, Mark, Reading, Track};
use eco2_samplers::schedule::{Demand, Learned, Pace, Schedule, SourceAnswer};

use crate::world::{CPU_MAX_W, Counter, Dice, Energy, GPU_MAX_W, MS, S, World};

/// Source numbers.
const RAPL: usize = 0;
const NVML: usize = 1;

/// By then, everything is learned: names at 0, the first edge at 3 s.
const LEARNED_NS: u64 = 12 * S;

/// Per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) wakes: f64,
    /// Reads of RAPL, four domains in one.
    pub(crate) cpu: f64,
    /// Reads of all GPUs together.
    pub(crate) gpus: f64,
}

/// What a schedule did.
pub(crate) struct Ran {
    pub(crate) wakes: Vec<u64>,
    /// Readings of RAPL, and of each GPU.
    pub(crate) cpu: Vec<Reading>,
    pub(crate) gpus: Vec<Vec<Reading>>,
}

impl Ran {
    /// Wake-ups and reads per second, once everything is learned and until the run is closed.
    pub(crate) fn rates(&self, world: &World) -> Rates {
        let within = |at_ns: u64| (LEARNED_NS..world.end_ns - S).contains(&at_ns);
        let per_s = |count: usize| count as f64 / ((world.end_ns - S - LEARNED_NS) as f64 / 1e9);
        let reads = |readings: &Vec<Reading>| readings.iter().filter(|reading| within(reading.before_ns)).count();
        Rates {
            wakes: per_s(self.wakes.iter().filter(|at_ns| within(**at_ns)).count()),
            cpu: per_s(reads(&self.cpu)),
            gpus: per_s(self.gpus.iter().map(reads).sum()),
        }
    }

    /// CPU time in percent of a core, by the measured cost of a wake-up (45 µs), of four RAPL domains (12 µs), and of an
    /// NVML read.
    pub(crate) fn cost_percent(&self, world: &World, nvml_us: f64) -> f64 {
        let Rates { wakes, cpu, gpus } = self.rates(world);
        (45.0 * wakes + 12.0 * cpu + nvml_us * gpus) / 1e6 * 100.0
    }
}

/// One domain of the simulated machine.
struct Probe<'a> {
    counter: &'a Counter,
    track: Track,
    readings: Vec<Reading>,
    /// From then on reads fail.
    lost_ns: u64,
}

impl<'a> Probe<'a> {
    fn new(counter: &'a Counter, domain: Domain) -> Self {
        Self { counter, track: Track::new(domain), readings: Vec::new(), lost_ns: u64::MAX }
    }

    fn read(&mut self, at_ns: u64, took_ns: u64) -> Reading {
        let is_lost = at_ns >= self.lost_ns;
        let value = if is_lost { Err(Fault::Lost) } else { Ok(self.counter.value_at(at_ns + took_ns / 2)) };
        let reading = Reading { before_ns: at_ns, after_ns: at_ns + took_ns, value };
        self.track.push(&reading);
        self.readings.push(reading);
        reading
    }

    fn learned(&self, domain: usize) -> Option<Learned> {
        let change_ns = self.track.last_change_ns()?;
        Some(Learned { domain, change_ns, period: self.track.precise_period() })
    }
}

pub(crate) fn package() -> Domain {
    Domain::counter("package-0", Component::Cpu, "package", "rapl")
}

pub(crate) fn board(number: usize) -> Domain {
    Domain::counter(&format!("gpu-{number}"), Component::Gpu, "board", "nvml")
}

/// Runs the schedule to the end of the world; then closes as a run does: a reading, the end, and reads every 2 ms.
pub(crate) fn run(world: &World, pace: Pace, named: bool) -> Ran {
    run_until(world, pace, named, |_, _| false)
}

/// The same; `viewed` returns whether a current value was read between the last wake-up and this one.
pub(crate) fn run_until(world: &World, pace: Pace, named: bool, viewed: impl Fn(u64, u64) -> bool) -> Ran {
    let mut schedule = Schedule::new(pace, 0).seeded(7);
    let mut cpu = Probe::new(&world.cpu, package());
    let mut gpus: Vec<Probe<'_>> =
        world.gpus.iter().enumerate().map(|(number, counter)| Probe::new(counter, board(number))).collect();
    if let Some((number, lost_ns)) = world.lost {
        gpus[number].lost_ns = lost_ns;
    }
    schedule.domains(RAPL, &[package()]);
    schedule.domains(NVML, &(0..gpus.len()).map(board).collect::<Vec<_>>());
    let (mut wakes, mut found, mut late, mut last_ns) = (Vec::new(), 0, Dice(11), 0);
    loop {
        schedule.gauges_due();
        // The kernel wakes a thread 50 µs late, and seldom more.
        let now_ns = schedule.next_ns() + if wakes.is_empty() { 0 } else { 50_000 + (late.roll() * 40_000.0) as u64 };
        if now_ns >= world.end_ns {
            break;
        }
        wakes.push(now_ns);
        let edges: Vec<_> = world.edges[found..].iter().take_while(|edge| edge.at_ns <= now_ns).copied().collect();
        found += edges.len();
        let demand = Demand { edges, named, viewed: viewed(last_ns, now_ns) };
        last_ns = now_ns;
        schedule.wake(now_ns, &demand);
        let mut at_ns = now_ns;
        if schedule.plan(RAPL) {
            let reading = cpu.read(at_ns, 12_000);
            at_ns += 12_000;
            let learned: Vec<Learned> = cpu.learned(0).into_iter().collect();
            schedule.was_read(RAPL, SourceAnswer::Given(&[(0, reading)]), &learned);
        }
        if schedule.plan(NVML) {
            let wanted = schedule.wanted(NVML).to_vec();
            let (mut readings, mut learned) = (Vec::new(), Vec::new());
            for (number, gpu) in gpus.iter_mut().enumerate().filter(|(number, _)| wanted[*number]) {
                readings.push((number, gpu.read(at_ns, 10_000)));
                at_ns += 10_000;
                learned.extend(gpu.learned(number));
            }
            schedule.was_read(NVML, SourceAnswer::Given(&readings), &learned);
        }
    }
    cpu.read(world.end_ns - 130_000, 12_000);
    for gpu in &mut gpus {
        gpu.read(world.end_ns - 100_000, 10_000);
    }
    for after_ms in (0..=400).step_by(2) {
        let at_ns = world.end_ns + after_ms * MS;
        cpu.read(at_ns, 12_000);
        for gpu in &mut gpus {
            gpu.read(at_ns, 10_000);
        }
    }
    Ran { wakes, cpu: cpu.readings, gpus: gpus.into_iter().map(|gpu| gpu.readings).collect() }
}

/// Widths of the bounds of each span and of the run, microjoules.
pub(crate) struct Judged {
    pub(crate) spans: Vec<f64>,
    pub(crate) run: f64,
    /// Relative errors of the spans' energies.
    pub(crate) errors: Vec<f64>,
}

/// Computes the bounds of all spans by the account, and checks that the truth lies in each. The first twelve spans, in which
/// nothing is learned yet, are checked and not returned.
pub(crate) fn judge(world: &World, readings: &[Reading], domain: Domain, energy: &Energy) -> Judged {
    // Values are rounded down to 1 mJ at most, and both ends are.
    let unit_uj = 1_000.0;
    let mut ledger = Ledger::new(0, usize::MAX);
    ledger.add_domain(domain);
    let mut edges = world.edges.iter().enumerate().peekable();
    let mut ended = false;
    let mut begun: Vec<Option<Mark>> = Vec::new();
    for reading in readings {
        while let Some((index, edge)) = edges.next_if(|(_, edge)| edge.at_ns <= reading.before_ns) {
            for (number, span) in world.spans.iter().enumerate().filter(|(_, span)| span.1 == index) {
                let name = ledger.intern(&number.to_string());
                if let Some(mark) = begun[span.0].take() {
                    ledger.close(name, mark, edge.at_ns);
                }
            }
            let begins = world.spans.iter().any(|span| span.0 == index);
            begun.push(begins.then(|| ledger.mark(edge.at_ns)));
        }
        if !ended && reading.before_ns >= world.end_ns {
            ledger.end_at(world.end_ns);
            ended = true;
        }
        ledger.reading(0, reading);
        if reading.before_ns == readings[0].before_ns {
            ledger.restart_at(reading.after_ns);
        }
    }
    let begin_ns = readings[0].after_ns;
    let account = ledger.account(world.end_ns);
    let device = &account.devices[0];
    let true_run = energy.uj_at(world.end_ns) - energy.uj_at(begin_ns);
    assert!(device.high_uj.is_some(), "{device:?}");
    let (low, high) = (device.low_uj.unwrap() as f64, device.high_uj.unwrap() as f64);
    assert!(low <= true_run + unit_uj && true_run <= high + unit_uj, "run: {low} {true_run} {high}");
    let mut judged = Judged { spans: Vec::new(), run: high - low, errors: Vec::new() };
    for (number, (begin, end)) in world.spans.iter().enumerate() {
        let truth = energy.uj_at(world.edges[*end].at_ns) - energy.uj_at(world.edges[*begin].at_ns);
        let span = account.spans.iter().find(|span| span.name == number.to_string()).unwrap();
        let (low, high) = (span.low_uj as f64, span.high_uj.map_or(f64::INFINITY, |high| high as f64));
        assert!(low <= truth + unit_uj && truth <= high + unit_uj, "span {number}: {low} {truth} {high}");
        if number >= 12 {
            judged.spans.push(high - low);
            judged.errors.push((span.energy_uj.unwrap() as f64 - truth).abs() / truth);
        }
    }
    judged
}

/// Widths of the CPU's spans, and of one GPU's, without and with a power limit.
pub(crate) struct Widths {
    pub(crate) cpu: Judged,
    pub(crate) cpu_limited: Judged,
    pub(crate) gpu: Judged,
    pub(crate) gpu_limited: Judged,
}

pub(crate) fn widths(world: &World, ran: &Ran) -> Widths {
    let limited = |domain: Domain, watts: f64| Domain { max_uw: Some((watts * 1e6) as u64), ..domain };
    let cpu = |domain| judge(world, &ran.cpu, domain, &world.cpu_energy);
    // Of all phases; three GPUs are enough.
    let gpu = |domain: Domain| {
        let judged = [1, 4, 6].map(|gpu| judge(world, &ran.gpus[gpu], domain.clone(), &world.gpu_energy));
        let all = |of: fn(&Judged) -> &Vec<f64>| judged.iter().flat_map(of).copied().collect();
        let run = judged.iter().map(|judged| judged.run).sum();
        Judged { spans: all(|judged| &judged.spans), run, errors: all(|judged| &judged.errors) }
    };
    Widths {
        cpu: cpu(package()),
        cpu_limited: cpu(limited(package(), CPU_MAX_W)),
        gpu: gpu(board(3)),
        gpu_limited: gpu(limited(board(3), GPU_MAX_W)),
    }
}

/// Returns the quantile of values, 0 to 1.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Median and 95 % quantile of `values`, each over that of `base`.
pub(crate) fn ratios(values: &Judged, base: &Judged) -> (f64, f64) {
    let ratio = |share| quantile(&values.spans, share) / quantile(&base.spans, share);
    (ratio(0.5), ratio(0.95))
}
