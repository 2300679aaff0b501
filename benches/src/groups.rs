//! Criterion groups: single operations, with a baseline from run to run (`--save-baseline`, `--baseline`).

use std::hint::black_box;
use std::time::Duration;

use crate::generator::{Brackets, Generator};
use criterion::{BatchSize, Criterion, Throughput};
use eco2_core::batch::{guarded_energy, wrapping_energy};
use eco2_core::{Energies, EventPool, Ledger, Names};
use eco2_report::{LogEncoder, LogMeta};

use crate::bulk::counter;
use crate::fixture::{hot_clock, meter, one_clock, settle, snapshot, timeline};
use crate::measure::Failure;

/// Short measurement times; the table measures more precisely.
#[must_use]
pub fn criterion() -> Criterion {
    let (warm_up, measurement) = (Duration::from_millis(100), Duration::from_millis(400));
    Criterion::default().warm_up_time(warm_up).measurement_time(measurement).sample_size(20).without_plots()
}

/// Runs every group.
///
/// # Errors
/// Where no meter can be opened.
pub fn run_groups(criterion: &mut Criterion) -> Result<(), Failure> {
    mark(criterion)?;
    now(criterion)?;
    account(criterion)?;
    export(criterion)?;
    bulk(criterion);
    Ok(())
}

fn mark(criterion: &mut Criterion) -> Result<(), Failure> {
    let (clock, (pool, mut consumer)) = (hot_clock(), EventPool::new(1, 1 << 12));
    let mut ring = pool.claim().ok_or("no event ring")?;
    let mut group = criterion.benchmark_group("mark");
    group.bench_function("clock_gettime", |bencher| bencher.iter(one_clock));
    group.bench_function("ticks", |bencher| bencher.iter(|| black_box(clock.ticks())));
    group.bench_function("1000 spans and their drain", |bencher| {
        bencher.iter(|| {
            for _ in 0..1_000 {
                let ticks = clock.ticks();
                ring.begin(7, ticks.value, ticks.tsc);
                let ticks = clock.ticks();
                ring.end(7, ticks.value, ticks.tsc);
            }
            consumer.drain(|_, _, event| _ = black_box(event))
        });
    });
    group.finish();
    Ok(())
}

fn now(criterion: &mut Criterion) -> Result<(), Failure> {
    let (mut timeline, clock, meter) = (timeline()?, hot_clock(), meter(None)?);
    settle();
    let (reader, mut energies) = (timeline.reader.clone(), Energies::default());
    let mut group = criterion.benchmark_group("now");
    group.bench_function("8 domains", |bencher| bencher.iter(|| reader.now(clock.now_ns(), black_box(&mut energies))));
    group.bench_function("total", |bencher| {
        bencher.iter(|| black_box(reader.total().and_then(|total| total.uj_at(clock.now_ns()))))
    });
    group.bench_function("meter", |bencher| bencher.iter(|| black_box(meter.now())));
    let published = snapshot(1);
    group.bench_function("publish", |bencher| bencher.iter(|| timeline.writer.publish(black_box(&published))));
    group.finish();
    Ok(())
}

fn account(criterion: &mut Criterion) -> Result<(), Failure> {
    let mut group = criterion.benchmark_group("account");
    group.bench_function("a tick of 12 domains and 10 steps", |bencher| {
        let (mut ledger, mut generator, mut tick) = (ledger(), Generator::new(Brackets::Shared), 0);
        let step = ledger.intern("step");
        bencher.iter_batched(
            || generator.tick(),
            |[rapl, gpus]| {
                tick += 1;
                rapl.iter().for_each(|(domain, reading)| _ = ledger.reading(*domain, reading));
                gpus.iter().for_each(|(domain, reading)| _ = ledger.reading(4 + *domain, reading));
                (0..10).for_each(|at| _ = ledger.step(0, step, tick * 10_000_000 + at * 1_000_000, 0));
            },
            BatchSize::SmallInput,
        );
    });
    let (mut ledger, mut generator) = (ledger(), Generator::new(Brackets::Shared));
    let names: Vec<_> = (0..100).map(|name| ledger.intern(&format!("span {name}"))).collect();
    for tick in 0..1_000u64 {
        let [rapl, gpus] = generator.tick();
        rapl.iter().for_each(|(domain, reading)| _ = ledger.reading(*domain, reading));
        gpus.iter().for_each(|(domain, reading)| _ = ledger.reading(4 + *domain, reading));
        ledger.step(0, names[tick as usize % names.len()], tick * 10_000_000, 0);
    }
    group.bench_function("12 domains and 100 names", |bencher| {
        bencher.iter(|| black_box(ledger.account(10_000_000_000)))
    });
    group.finish();
    Ok(())
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::new(0, Names::LIVE_CAP);
    Generator::domains().into_iter().flatten().for_each(|domain| _ = ledger.add_domain(domain));
    ledger
}

fn export(criterion: &mut Criterion) -> Result<(), Failure> {
    let meter = meter(None)?;
    settle();
    let report = meter.snapshot();
    let mut group = criterion.benchmark_group("export");
    group.bench_function("JSON", |bencher| bencher.iter(|| black_box(eco2_report::json(&report).is_ok())));
    let mut encoder = LogEncoder::new(&LogMeta::new(report.run.clone(), 0))?;
    for (source, domains) in Generator::domains().iter().enumerate() {
        encoder.domains(source, domains)?;
    }
    let (mut generator, mut spare) = (Generator::new(Brackets::Shared), Vec::new());
    group.throughput(Throughput::Elements(12));
    group.bench_function("log of a tick of 12 domains", |bencher| {
        bencher.iter_batched(
            || generator.tick(),
            |tick| {
                tick.iter().enumerate().for_each(|(source, readings)| encoder.readings(source, readings));
                spare = encoder.take(std::mem::take(&mut spare));
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
    Ok(())
}

fn bulk(criterion: &mut Criterion) {
    let raw = counter(1_000_000);
    let mut group = criterion.benchmark_group("bulk");
    group.throughput(Throughput::Elements(raw.len() as u64));
    group.bench_function("energy", |bencher| bencher.iter(|| wrapping_energy(black_box(&raw))));
    group.bench_function("energy with guard", |bencher| bencher.iter(|| guarded_energy(black_box(&raw), 65_536)));
    group.finish();
}
