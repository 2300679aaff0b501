//! Energy now, and immediate spans: two looks at the newest snapshot, extrapolated, subtracted, added up.

use std::hint::black_box;

use eco2_core::{Energies, TimelineReader};
use eco2_samplers::tsc::HotClock;

use crate::fixture::{DOMAINS, hot_clock, meter, one_clock, settle, slow_clock, timeline};
use crate::measure::{Samples, cpu_each, in_turns};
use crate::table::{Limit, Row};
use crate::{Failure, Place};

const READS: u64 = 2_000;
const ROUNDS: usize = 151;

/// Spans and reads over eight domains against the clock, with the time-stamp counter and without.
///
/// # Errors
/// Where no meter can be opened.
pub fn measure(_: &Place) -> Result<Vec<Row>, Failure> {
    let (fast, slow) = (hot_clock(), slow_clock());
    let timeline = timeline()?;
    let reader = &timeline.reader;
    let meter = meter(None)?;
    settle();
    let mut energies = Energies::default();
    let [clock, span, slow_span, now, slow_now, metered, by_device] = in_turns(
        ROUNDS,
        [
            &mut || cpu_each(READS, one_clock),
            &mut spans(reader, &fast),
            &mut spans(reader, &slow),
            &mut nows(reader, &fast),
            &mut nows(reader, &slow),
            &mut || cpu_each(READS, || meter.now()),
            &mut || cpu_each(READS, || meter.now_by_device(black_box(&mut energies))),
        ],
    );
    let (two, one) = (Limit::AtMost(1.6), Limit::AtMost(1.5));
    let row = |name: &str, samples: &Samples, clocks: f64, limit| {
        let ratio = samples.over(&clock).divided_by(clocks);
        Row::of(name, &ratio, "x", limit).noting(format!("{:.1} ns", samples.median()))
    };
    Ok(vec![
        row("immediate span, 8 domains / two clock_gettime", &span, 2.0, two),
        row("immediate span, 8 domains, without the counter / two clock_gettime", &slow_span, 2.0, two),
        row("energy now, 8 domains / clock_gettime", &now, 1.0, one),
        row("energy now, 8 domains, without the counter / clock_gettime", &slow_now, 1.0, one),
        row("energy now, meter's total of 12 devices / clock_gettime", &metered, 1.0, one),
        row("energy now, meter's 12 devices one by one / clock_gettime", &by_device, 1.0, Limit::None),
    ])
}

/// A case: begin, end, and every domain's difference added to its sum.
fn spans<'a>(reader: &'a TimelineReader, clock: &'a HotClock) -> impl FnMut() -> f64 + 'a {
    let (mut begin, mut end, mut sums) = (Energies::default(), Energies::default(), [0u64; DOMAINS]);
    move || {
        cpu_each(READS, || {
            let known = reader.now(clock.now_ns(), black_box(&mut begin));
            let known = reader.now(clock.now_ns(), black_box(&mut end)) && known;
            for (domain, sum) in sums.iter_mut().enumerate() {
                if let (true, Some(to_uj), Some(from_uj)) = (known, end.uj(domain), begin.uj(domain)) {
                    *sum = sum.wrapping_add(to_uj.saturating_sub(from_uj));
                }
            }
            black_box(&sums);
        })
    }
}

fn nows<'a>(reader: &'a TimelineReader, clock: &'a HotClock) -> impl FnMut() -> f64 + 'a {
    let mut energies = Energies::default();
    move || cpu_each(READS, || reader.now(clock.now_ns(), black_box(&mut energies)))
}
