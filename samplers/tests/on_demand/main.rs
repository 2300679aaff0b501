//! Sampling on demand against simulated counters and spans, by a scripted clock: how often it wakes and reads, that the
//! truth lies within the bounds of each span, and how wide these are compared with polling at 100 Hz.
//!
//! `cargo test -p eco2-samplers --test on_demand -- --ignored --nocapture` prints the figures of docs/measured/sampling.md.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;
mod world;

use eco2_core::{Component, Domain, Ledger, Reading};
use eco2_samplers::schedule::{Demand, Learned, Pace, Schedule, ScheduleState, SourceAnswer, SpanEdge};
use rig::{Ran, Widths, quantile, ratios, run, run_until, widths};
use world::{Counter, Dice, MS, S, Steps, World, slow_updates};

const ON_DEMAND: Pace = Pace::OnDemand { tight: false };
const TIGHT: Pace = Pace::OnDemand { tight: true };
const FIXED: Pace = Pace::Fixed(10_000_000);

/// What a schedule did, with the widths of its bounds, and the same of polling at 100 Hz.
struct Compared {
    world: World,
    ran: Ran,
    fixed: Ran,
    widths: Widths,
    base: Widths,
}

fn compared(steps: Steps, count: usize, pace: Pace) -> Compared {
    let world = World::new(steps, count, 7);
    let (ran, fixed) = (run(&world, pace, !matches!(steps, Steps::None)), run(&world, FIXED, true));
    let (widths, base) = (widths(&world, &ran), widths(&world, &fixed));
    Compared { world, ran, fixed, widths, base }
}

impl Compared {
    fn cost(&self) -> f64 {
        self.ran.cost_percent(&self.world, 10.0) / self.fixed.cost_percent(&self.world, 10.0)
    }
}

/// The gate of 62 wake-ups a minute, and what the run's bounds lose.
#[test]
fn without_spans_everything_is_read_once_a_second_and_the_run_is_known_as_well() {
    let world = World::new(Steps::None, 1_200, 7);
    let ran = run(&world, ON_DEMAND, false);
    let until = |end_ns: u64| ran.wakes.iter().filter(|at_ns| **at_ns < end_ns).count();
    assert!(until(600 * S) <= 620, "{} wake-ups in 600 s", until(600 * S));
    assert!(until(600 * S) - until(60 * S) <= 62 * 9, "a minute after the opening");
    let reads = |readings: &[Reading]| readings.iter().filter(|reading| reading.before_ns < 600 * S).count();
    assert!(reads(&ran.cpu) <= 620 && ran.gpus.iter().all(|gpu| reads(gpu) <= 620));
    let (now, base) = (widths(&world, &ran), widths(&world, &run(&world, FIXED, true)));
    assert!(now.cpu.run <= base.cpu.run && now.gpu.run <= base.gpu.run, "{} {}", now.cpu.run, base.cpu.run);
}

#[test]
fn m23_steps_are_read_around_their_predicted_edges_and_are_known_nearly_as_well() {
    let compared = compared(Steps::Regular(500.0, 0.05), 300, ON_DEMAND);
    let rates = compared.ran.rates(&compared.world);
    // Two steps a second.
    assert!(rates.wakes / 2.0 <= 9.0 && rates.gpus / 2.0 <= 33.0, "{rates:?}");
    assert!(compared.cost() <= 1.0 / 8.0, "{}", compared.cost());
    let Compared { widths, base, .. } = compared;
    let (median, p95) = ratios(&widths.cpu, &base.cpu);
    assert!(median <= 1.0 && p95 <= 1.1, "RAPL: {median} {p95}");
    assert!(ratios(&widths.gpu, &base.gpu).0 <= 1.1);
    assert!(ratios(&widths.gpu_limited, &base.gpu_limited).0 <= 2.0);
}

#[test]
fn tight_reads_the_updates_on_both_sides_of_an_edge() {
    let compared = compared(Steps::Regular(500.0, 0.05), 150, TIGHT);
    assert!(compared.cost() <= 1.0 / 3.0, "{}", compared.cost());
    let (median, _) = ratios(&compared.widths.gpu_limited, &compared.base.gpu_limited);
    assert!(median <= 1.1, "{median}");
}

#[test]
fn short_and_irregular_spans_are_polled_without_loss_and_slow_counters_are_left_out() {
    let compared = compared(Steps::Short, 800, ON_DEMAND);
    assert!(compared.ran.rates(&compared.world).wakes <= 101.0);
    assert!(compared.cost() <= 0.77, "{}", compared.cost());
    let Compared { widths, base, .. } = compared;
    for (now, base) in [(&widths.cpu, &base.cpu), (&widths.gpu, &base.gpu), (&widths.gpu_limited, &base.gpu_limited)] {
        assert!(ratios(now, base).0 <= 1.05);
    }
}

/// One step ends after half its time, one takes four times as long, and there is a pause of 8 s.
#[test]
fn edges_that_come_otherwise_than_predicted_have_bounds_that_hold() {
    let shift = |index: usize, at_ns: u64| match index {
        0..60 => at_ns,
        60 => at_ns - 250 * MS,
        61..100 => at_ns,
        100..140 => at_ns + 1_500 * MS,
        _ => at_ns + 9_500 * MS,
    };
    let world = World::new(Steps::Regular(500.0, 0.02), 200, 7);
    let end_ns = world.end_ns;
    let world = world.with_edges(|index, at_ns| shift(index, at_ns).min(end_ns - S));
    let ran = run(&world, ON_DEMAND, true);
    widths(&world, &ran);
    let pause = (world.edges[139].at_ns + S)..world.edges[140].at_ns;
    let reads = ran.cpu.iter().filter(|reading| pause.contains(&reading.before_ns)).count();
    assert!(pause.end - pause.start > 6 * S && reads <= 120, "{reads} reads in the pause");
}

/// Edges whose bracket of RAPL's readings was wide, by the account.
fn wide(world: &World, readings: &[Reading]) -> u64 {
    let mut ledger = Ledger::new(0, 1);
    ledger.add_domain(Domain::counter("package-0", Component::Cpu, "package", "test"));
    let step = ledger.intern("step");
    let mut edges = world.edges.iter().peekable();
    for reading in readings {
        while let Some(edge) = edges.next_if(|edge| edge.at_ns <= reading.before_ns) {
            ledger.step(0, step, edge.at_ns, 0);
        }
        ledger.reading(0, reading);
    }
    ledger.account(world.end_ns).spans[0].wide.unwrap()
}

/// The same by hand: for each edge the time from the last reading before it to the second one after it. RAPL is updated more
/// often than it is read, so that a change which was surely after the edge is seen by the second.
fn wide_by_readings(world: &World, readings: &[Reading]) -> Vec<usize> {
    let width = |edge: &SpanEdge| {
        let after = readings.partition_point(|reading| reading.after_ns <= edge.at_ns);
        (readings[after + 1].after_ns - readings[after - 1].after_ns) as f64
    };
    let widths: Vec<f64> = world.edges.iter().map(width).collect();
    let most = 2.5 * quantile(&widths, 0.5);
    widths.iter().enumerate().filter(|(_, width)| **width > most).map(|(index, _)| index).collect()
}

/// Of 200 steps with 2 % of jitter one ends after half its time and one after 2.9 times: two edges that no window expected.
#[test]
fn edges_outside_their_windows_are_counted_as_wide() {
    let regular = World::new(Steps::Regular(500.0, 0.02), 200, 7);
    let ran = run(&regular, ON_DEMAND, true);
    // The first edge is not predicted.
    assert_eq!((wide_by_readings(&regular, &ran.cpu), wide(&regular, &ran.cpu)), (vec![0], 1));
    let end_ns = regular.end_ns;
    let moved = regular.with_edges(|index, at_ns| match index {
        ..60 => at_ns,
        60..=120 => at_ns - 250 * MS,
        // The last ones do not leave the run.
        _ => (at_ns + 700 * MS).min(end_ns - S),
    });
    let ran = run(&moved, ON_DEMAND, true);
    let by_hand = wide_by_readings(&moved, &ran.cpu);
    assert!(by_hand.starts_with(&[0, 60, 121]), "{by_hand:?}");
    assert_eq!(wide(&moved, &ran.cpu), by_hand.len() as u64);
    assert_eq!(wide(&moved, &run(&moved, FIXED, true).cpu), 0);
}

#[test]
fn others_are_read_as_often_after_a_gpu_was_lost() {
    let world = World::new(Steps::Regular(500.0, 0.05), 150, 7);
    let reads = |ran: &Ran| -> Vec<usize> {
        ran.gpus.iter().map(|gpu| gpu.iter().filter(|reading| reading.before_ns > 30 * S).count()).collect()
    };
    let whole = run(&world, ON_DEMAND, true);
    let broken = run(&World { lost: Some((3, 30 * S)), ..world }, ON_DEMAND, true);
    assert!(broken.wakes.len() <= whole.wakes.len() * 21 / 20, "{} {}", broken.wakes.len(), whole.wakes.len());
    let (whole, broken) = (reads(&whole), reads(&broken));
    for other in (0..8).filter(|gpu| *gpu != 3) {
        let (least, most) = (whole[other] * 19 / 20, whole[other] * 21 / 20);
        assert!((least..=most).contains(&broken[other]), "GPU {other}: {} instead of {}", broken[other], whole[other]);
    }
}

#[test]
fn a_reader_of_current_values_raises_the_rate_within_a_second_and_it_falls_again() {
    let world = World::new(Steps::None, 60, 7);
    let viewing = 10 * S..12 * S;
    let ran = run_until(&world, ON_DEMAND, false, |from_ns, to_ns| from_ns < viewing.end && to_ns > viewing.start);
    let within = |from_ns: u64, to_ns: u64| ran.wakes.iter().filter(|at_ns| (from_ns..to_ns).contains(at_ns)).count();
    assert!(within(5 * S, 10 * S) <= 6 && within(11 * S, 12 * S) >= 95);
    assert!(within(15 * S, 20 * S) <= 6, "{}", within(15 * S, 20 * S));
}

/// Feeds a schedule with one counter, and with edges every 0.5 s where `steps`; returns it at `until_ns`.
fn fed(domain: &Domain, counter: &Counter, steps: bool, until_ns: u64) -> (Schedule, Vec<Reading>) {
    let mut schedule = Schedule::new(ON_DEMAND, 0);
    schedule.domains(0, std::slice::from_ref(domain));
    let mut track = eco2_core::Track::new(domain.clone());
    let (mut readings, mut edge) = (Vec::new(), 6_u64);
    loop {
        let now_ns = schedule.next_ns() + 50_000;
        if now_ns > until_ns {
            return (schedule, readings);
        }
        let mut demand = Demand { named: steps, ..Demand::default() };
        // Steps of 510 to 570 ms: their edges pass through all phases of the counter.
        let edge_ns = |edge: u64| edge * 540 * MS + edge * 37 % 61 * MS / 2;
        while steps && edge_ns(edge) <= now_ns {
            demand.edges.push(SpanEdge { at_ns: edge_ns(edge), thread: 0, kind: 0 });
            edge += 1;
        }
        schedule.wake(now_ns, &demand);
        if schedule.plan(0) {
            let raw = counter.value_at(now_ns) % domain.range.unwrap_or(u64::MAX);
            let reading = Reading { before_ns: now_ns, after_ns: now_ns + 10_000, value: Ok(raw) };
            track.push(&reading);
            readings.push(reading);
            let change_ns = track.last_change_ns();
            let learned = change_ns.map(|change_ns| Learned { domain: 0, change_ns, period: track.precise_period() });
            schedule.was_read(0, SourceAnswer::Given(&[(0, reading)]), learned.as_slice());
        }
    }
}

fn board() -> Domain {
    Domain::counter("gpu-0", Component::Gpu, "board", "test")
}

#[test]
fn a_counter_whose_period_changes_is_learned_again_within_3_s_of_spans() {
    let mut dice = Dice(3);
    let mut updates = slow_updates(100.0, 20 * S, &mut dice);
    updates.extend(slow_updates(20.0, 40 * S, &mut dice).iter().filter(|at_ns| **at_ns > 20 * S));
    let counter = Counter::at_steady_power(updates);
    let (schedule, _) = fed(&board(), &counter, true, 20_200 * MS);
    assert_eq!(schedule.state(), Some(ScheduleState::Before));
    let (_, readings) = fed(&board(), &counter, true, 25 * S);
    let polled = |from_ns: u64, to_ns: u64| {
        readings.iter().filter(|reading| (from_ns..to_ns).contains(&reading.before_ns)).count()
    };
    assert!(polled(15 * S, 20 * S) < 60, "{}", polled(15 * S, 20 * S));
    assert!(polled(21 * S, 25 * S) > 200, "{} reads: it was not learned again", polled(21 * S, 25 * S));
    let (after, readings) = fed(&board(), &counter, true, 40 * S);
    let reads = readings.iter().filter(|reading| reading.before_ns > 36 * S).count();
    assert!(reads < 100 && after.state() != Some(ScheduleState::Learning), "{reads} reads in the last 4 s");
}

/// A range of 100 J, of a device that can take 400 W: it can wrap in 250 ms, so it is read every 62.5 ms.
#[test]
fn no_wrap_is_missed_in_the_second_between_two_readings() {
    let domain = Domain { range: Some(100_000_000), max_uw: Some(400_000_000), ..board() };
    let counter = Counter::at_steady_power((0..20_000).map(|ms| ms * MS).collect());
    let (_, readings) = fed(&domain, &counter, false, 10 * S);
    let longest = readings.windows(2).map(|pair| pair[1].before_ns - pair[0].before_ns).max().unwrap();
    assert!(longest <= 63 * MS, "{longest}");
    let mut ledger = Ledger::new(0, 1);
    ledger.add_domain(domain);
    for reading in &readings {
        ledger.reading(0, reading);
    }
    // 300 W from the first reading to the last.
    let account = ledger.account(readings.last().unwrap().after_ns);
    assert!(account.devices[0].energy_uj.unwrap().abs_diff(3_000_000_000) < 30_000_000, "{:?}", account.devices[0]);
}

/// A load of two powers in turn, 0.25 s each, as in sampling of 0.5 s steps; a grid of 1 s shows only one of them.
#[test]
fn k02_power_without_a_counter_is_read_at_random_instants_and_seldom() {
    let domain = Domain::power("gpu-0", Component::Gpu, "board", "test");
    let mut errors = Vec::new();
    for seed in 0..20 {
        let mut schedule = Schedule::new(ON_DEMAND, 0).seeded(seed);
        schedule.domains(0, std::slice::from_ref(&domain));
        let mut ledger = Ledger::new(0, 1);
        ledger.add_domain(domain.clone());
        let mut reads = 0;
        while schedule.next_ns() < 600 * S {
            let now_ns = schedule.next_ns() + 50_000;
            schedule.wake(now_ns, &Demand::default());
            if schedule.plan(0) {
                let watts = if (now_ns / (250 * MS)) % 2 == 0 { 600 } else { 150 };
                let reading = Reading { before_ns: now_ns, after_ns: now_ns, value: Ok(watts * 1_000_000) };
                ledger.reading(0, &reading);
                schedule.was_read(0, SourceAnswer::Given(&[(0, reading)]), &[]);
                reads += 1;
            }
        }
        assert!(reads < 4_800, "{reads} reads");
        let device = ledger.account(600 * S).devices[0].clone();
        errors.push((device.energy_uj.unwrap() as f64 / 225e9 - 1.0).abs());
    }
    assert!(quantile(&errors, 0.95) < 0.03, "{errors:?}");
}

#[test]
#[ignore = "prints the figures of docs/measured/sampling.md; takes some minutes without optimization"]
fn figures() {
    println!(
        "| steps | schedule | wake-ups/s | GPU reads/s | CPU of a core (10 µs, 2 µs a read) | of 100 Hz | RAPL free | limited | NVML free | limited |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, steps, count) in [
        ("none", Steps::None, 1_200),
        ("0.5 s, 1 %", Steps::Regular(500.0, 0.01), 1_200),
        ("0.5 s, 5 %", Steps::Regular(500.0, 0.05), 1_200),
        ("0.5 s, 10 %", Steps::Regular(500.0, 0.10), 1_200),
        ("2 s, 5 %", Steps::Regular(2_000.0, 0.05), 300),
        ("5 to 50 ms", Steps::Short, 3_000),
    ] {
        for (label, pace) in [("on demand", ON_DEMAND), ("tight", TIGHT)] {
            let compared = compared(steps, count, pace);
            let (ran, world) = (&compared.ran, &compared.world);
            let rates = ran.rates(world);
            let (slow, quick) = (ran.cost_percent(world, 10.0), ran.cost_percent(world, 2.0));
            print!("| {name} | {label} | {:.1} | {:.1} ", rates.wakes, rates.gpus);
            print!("| {slow:.3} % ({quick:.3} %) | {:.3} ", compared.cost());
            let Compared { widths, base, .. } = &compared;
            for (now, base) in [
                (&widths.cpu, &base.cpu),
                (&widths.cpu_limited, &base.cpu_limited),
                (&widths.gpu, &base.gpu),
                (&widths.gpu_limited, &base.gpu_limited),
            ] {
                if now.spans.is_empty() {
                    print!("| run {:.2} ", now.run / base.run);
                } else {
                    let (median, p95) = ratios(now, base);
                    print!("| {median:.2} ({p95:.2}) ");
                }
            }
            println!("|");
        }
    }
}
