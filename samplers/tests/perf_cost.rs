//! Cost of one group read compared with single reads, on this machine. Run by hand, in release:
//! `cargo test -p eco2-samplers --release --test perf_cost -- --ignored --nocapture`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and prints what it skips"
)]

use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use perf_event::{Builder, Counter};
use perf_event_open_sys::bindings;

const EVENTS: usize = 4;
const READS: usize = 5_000;
const ROUNDS: usize = 9;

fn builder(kind: u32, format: u32) -> Builder<'static> {
    let mut builder = Builder::new();
    builder.include_kernel().include_hv();
    let attrs = builder.attrs_mut();
    (attrs.type_, attrs.config) = (kind, 0);
    if format > 0 {
        attrs.read_format = format.into();
    }
    builder.any_pid().one_cpu(0)
}

/// Four counters on CPU 0, read one by one as the crate does.
fn singles(kind: u32) -> std::io::Result<Vec<Counter>> {
    let open = |_| {
        let mut counter = builder(kind, 0).build()?;
        counter.enable()?;
        Ok(counter)
    };
    (0..EVENTS).map(open).collect()
}

/// A leader and three members on CPU 0, read by one call.
fn group(kind: u32) -> std::io::Result<(Counter, Vec<OwnedFd>)> {
    let times = bindings::PERF_FORMAT_TOTAL_TIME_ENABLED | bindings::PERF_FORMAT_TOTAL_TIME_RUNNING;
    let builder = builder(kind, bindings::PERF_FORMAT_GROUP | bindings::PERF_FORMAT_ID | times);
    let mut attrs = *builder.attrs();
    let mut leader = builder.build()?;
    attrs.set_disabled(0);
    let mut members = Vec::new();
    for _ in 1..EVENTS {
        // SAFETY: `attrs` is whole and outlives the call.
        let fd = unsafe { perf_event_open_sys::perf_event_open(&mut attrs, -1, 0, leader.as_raw_fd(), 8) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        members.push(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    leader.enable()?;
    Ok((leader, members))
}

/// Median and spread of the mean time of one call, over the rounds, in nanoseconds.
fn cost(mut call: impl FnMut()) -> (u128, u128, u128) {
    let mut means: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            (0..READS).for_each(|_| call());
            begin.elapsed().as_nanos() / READS as u128
        })
        .collect();
    means.sort_unstable();
    (means[ROUNDS / 2], means[0], means[ROUNDS - 1])
}

fn pin(cpu: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    rustix::thread::sched_setaffinity(None, &set).unwrap();
}

#[test]
#[ignore = "a measurement, for docs/measured/perf-group-read.md"]
fn group_read_against_single_reads() {
    let msr = std::fs::read_to_string("/sys/bus/event_source/devices/msr/type").unwrap_or_default();
    for (name, kind) in [("software cpu-clock", Some(1)), ("msr tsc", msr.trim().parse().ok())] {
        let Some(kind) = kind else { continue };
        let (mut singles, (leader, _members)) = match (singles(kind), group(kind)) {
            (Ok(singles), Ok(group)) => (singles, group),
            (singles, group) => {
                println!("skipped {name}: {:?} {:?}", singles.err(), group.err());
                continue;
            }
        };
        // SAFETY: a duplicate of an open descriptor, owned here.
        let mut file = unsafe { std::fs::File::from_raw_fd(libc::dup(leader.as_raw_fd())) };
        let mut buffer = [0_u8; 8 * (3 + 2 * EVENTS)];
        for (place, cpu) in [("the events' CPU", 0), ("another CPU", 1)] {
            pin(cpu);
            let one = cost(|| {
                singles[0].read().unwrap();
            });
            let four = cost(|| {
                for counter in &mut singles {
                    counter.read().unwrap();
                }
            });
            let grouped = cost(|| assert_eq!(file.read(&mut buffer).unwrap(), buffer.len()));
            println!("{name}, reader on {place}: one {one:?}, four single {four:?}, group of four {grouped:?} ns");
        }
    }
}
