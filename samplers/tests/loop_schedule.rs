//! The schedule against scripted clocks and simulated counters.

use eco2_core::{Component, Domain, Reading};
use eco2_samplers::schedule::{Learned, Schedule, longest_interval_ns};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;

fn counter() -> Domain {
    Domain::counter("gpu-0", Component::Gpu, "board", "test")
}

fn reading(at_ns: u64, raw: u64) -> [(usize, Reading); 1] {
    [(0, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(raw) })]
}

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    /// Uniform in -1.0 .. 1.0.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Energy in joules of 600 W and 150 W in turn, 85 ms each.
fn energy_at(at_ns: f64) -> f64 {
    let half = 85e6;
    let whole = (at_ns / half).floor();
    let (high, low) = ((whole / 2.0).ceil(), (whole / 2.0).floor());
    let power = if whole as u64 % 2 == 0 { 600.0 } else { 150.0 };
    (high * 600.0 * half + low * 150.0 * half + power * (at_ns - whole * half)) / 1e9
}

#[derive(Clone, Copy)]
enum Jitter {
    /// Each update is late or early against a regular beat.
    Beat,
    /// Each period is longer or shorter than the last.
    Walk,
}

fn updates(period_ns: f64, jitter: f64, kind: Jitter, seconds: u64, seed: u64) -> Vec<f64> {
    let mut dice = Dice(seed);
    let (mut out, mut beat) = (Vec::new(), 0.37 * period_ns);
    while beat < (seconds * S) as f64 {
        let off = dice.roll() * jitter * period_ns;
        match kind {
            Jitter::Beat => out.push(beat + off),
            Jitter::Walk => {
                beat += off;
                out.push(beat);
            }
        }
        beat += period_ns;
    }
    out
}

/// What the account would have learned: changes between reads, and the median distance of the last nine.
#[derive(Default)]
struct Account {
    knots: Vec<(u64, u64, usize)>,
    last: Option<(u64, usize)>,
}

impl Account {
    fn read(&mut self, at_ns: u64, count: usize) {
        if let Some((before_ns, before)) = self.last
            && before != count
        {
            self.knots.push((before_ns, at_ns, count));
        }
        self.last = Some((at_ns, count));
    }
}

impl Learned for Account {
    fn period_ns(&self, _: usize) -> Option<u64> {
        let middles: Vec<u64> = self.knots.iter().rev().take(9).map(|(l, h, _)| (l + h) / 2).collect();
        let mut steps: Vec<u64> = middles.windows(2).map(|w| w[0] - w[1]).collect();
        steps.sort_unstable();
        (steps.len() == 8).then(|| steps[4])
    }

    fn change_ns(&self, _: usize) -> Option<(u64, u64)> {
        self.knots.last().map(|(l, h, _)| (*l, *h))
    }
}

struct Outcome {
    reads_an_update: f64,
    locked_reads_an_update: f64,
    error: f64,
    floor: f64,
}

fn error_of(knots: &[(f64, f64)], from_ns: f64, to_ns: f64) -> f64 {
    let at = |t: f64| {
        let after = knots.partition_point(|k| k.0 < t).clamp(1, knots.len() - 1);
        let (a, b) = (knots[after - 1], knots[after]);
        a.1 + (b.1 - a.1) * (t - a.0) / (b.0 - a.0)
    };
    let truth = energy_at(to_ns) - energy_at(from_ns);
    ((at(to_ns) - at(from_ns)) - truth).abs() / truth
}

fn simulate(period_ns: f64, jitter: f64, kind: Jitter, seed: u64) -> Outcome {
    let seconds = 120;
    let updates = updates(period_ns, jitter, kind, seconds, seed);
    let mut schedule = Schedule::new(10 * MS, 0);
    schedule.domains(0, &[counter()]);
    let (mut account, mut late) = (Account::default(), Dice(seed + 1));
    let (mut reads, mut locked_reads, mut locked_at) = (0, 0, None);
    let (mut inl, mut losses, mut was) = (0, 0, false);
    loop {
        // The kernel wakes us 40 to 70 µs late: performance.md section 7.
        let now = schedule.next_ns() + 55_000 + (late.roll() * 15_000.0) as u64;
        if now > (seconds - 2) * S {
            break;
        }
        schedule.wake(now);
        schedule.gauges_due(now);
        if !schedule.is_due(0, now) {
            continue;
        }
        let count = updates.partition_point(|u| *u <= now as f64);
        account.read(now, count);
        schedule.was_read(0, now, &reading(now, count as u64), &account);
        reads += 1;
        inl += u32::from(schedule.is_locked(0)); losses += u32::from(was && !schedule.is_locked(0)); was = schedule.is_locked(0);
        if schedule.is_locked(0) {
            locked_at.get_or_insert(now);
        }
        locked_reads += u64::from(locked_at.is_some());
    }
    let exact: Vec<(f64, f64)> = updates.iter().map(|u| (*u, energy_at(*u))).collect();
    let seen: Vec<(f64, f64)> =
        account.knots.iter().map(|(l, h, n)| ((l + h) as f64 / 2.0, energy_at(updates[n - 1]))).collect();
    let mut offs: Vec<f64> = account.knots.iter().skip(200).map(|(l, h, n)| (l + h) as f64 / 2e6 - updates[n - 1] / 1e6).collect();
    let mean = offs.iter().sum::<f64>() / offs.len() as f64;
    offs.sort_by(|a, b| a.total_cmp(b));
    let q = |x: f64| offs[(x * offs.len() as f64) as usize];
    let mut wd: Vec<u64> = account.knots.iter().skip(200).map(|(l, h, _)| h - l).collect(); wd.sort_unstable();
    eprintln!("OFFS mean {mean:.2} ms, 1% {:.2} 10% {:.2} 50% {:.2} 90% {:.2} 99% {:.2}; widths 10% {} 50% {} 90% {} 98% {} unseen {}", q(0.01), q(0.1), q(0.5), q(0.9), q(0.99), wd[wd.len()/10]/1000, wd[wd.len()/2]/1000, wd[wd.len()*9/10]/1000, wd[wd.len()*98/100]/1000, account.knots.windows(2).filter(|w| w[1].2 != w[0].2 + 1).count());
    let (mut dice, mut error, mut floor) = (Dice(seed + 2), 0.0, 0.0);
    let spans = 4_000;
    for _ in 0..spans {
        let from = (58.0 + 55.0 * dice.roll()) * 1e9;
        let to = from + 1.5 * period_ns + (dice.roll() + 1.0) * 1.5 * period_ns;
        error += error_of(&seen, from, to) / f64::from(spans);
        floor += error_of(&exact, from, to) / f64::from(spans);
    }
    eprintln!("locked {inl} of {reads}, lost {losses}, first {locked_at:?}");
    let all = ((seconds - 2) * S) as f64 / period_ns;
    let locked = ((seconds - 2) * S - locked_at.expect("locked")) as f64 / period_ns;
    Outcome {
        reads_an_update: f64::from(reads) / all,
        locked_reads_an_update: locked_reads as f64 / locked,
        error,
        floor,
    }
}

#[test]
fn m23_two_reads_an_update_are_nearly_as_good_as_exact_edges() {
    for (period_ms, kind, jitter) in [
        (20.0, Jitter::Beat, 0.0),
        (100.0, Jitter::Beat, 0.02),
        (100.0, Jitter::Walk, 0.02),
        (100.0, Jitter::Beat, 0.05),
        (20.0, Jitter::Beat, 0.00),
        (20.0, Jitter::Beat, 0.03),
        (20.0, Jitter::Beat, 0.02),
        (20.0, Jitter::Walk, 0.005),
        (20.0, Jitter::Walk, 0.01),
        (20.0, Jitter::Walk, 0.03),
    ] {
        for seed in [1, 2, 3] {
            let o = simulate(period_ms * 1e6, jitter, kind, seed);
            eprintln!(
                "{period_ms} ms, jitter {jitter}: {:.2} reads an update ({:.2} locked), error {:.4} = {:.2} of floor {:.4}",
                o.reads_an_update,
                o.locked_reads_an_update,
                o.error,
                o.error / o.floor,
                o.floor
            );
        }
    }
}
