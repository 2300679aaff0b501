//! Replays: one trace a kind of thing that a counter or a power sensor does.

use crate::check;
use crate::rig::Rig;
use crate::tape::{Tape, steady};

const PACKAGE: &str = "package-0 component=cpu kind=energy unit=uJ max_w=100";
const GPU: &str = "GPU-1 component=gpu kind=energy unit=uJ max_w=700";

/// Replays a trace with further flags and compares the report.
fn replayed(name: &str, tape: Tape, flags: &str) {
    let rig = Rig::bare();
    rig.put("trace.csv", &tape.text());
    let words = format!("replay trace.csv --started-at 2026-03-01T11:59:58Z --json - {flags}");
    let ran = rig.eco2(words.trim_end());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{name}");
    check::json(name, &ran.out, &[]);
}

#[test]
fn two_counters_and_adjacent_spans() {
    let tape = Tape::of(2_000)
        .domain(PACKAGE)
        .domain(GPU)
        .spans("step", &[(0, 400), (400, 800), (800, 1_200), (1_200, 2_000)])
        .poll("package-0", (0, 2_100, 10), steady(10, 100))
        .poll("GPU-1", (3, 2_103, 10), steady(200, 50));
    replayed("replay_two_counters", tape, "--zone DE");
}

#[test]
fn nested_spans_an_empty_one_and_one_beyond_the_run() {
    let tape = Tape::of(1_000)
        .domain(PACKAGE)
        .spans("epoch", &[(100, 900)])
        .spans("step", &[(100, 300), (305, 500), (650, 655)])
        .spans("nothing", &[(400, 400)])
        .spans("late", &[(900, 1_050)])
        .poll("package-0", (0, 1_100, 7), |at| Some(at * (20_000 + at * 13)));
    replayed("replay_nested_spans", tape, "");
}

#[test]
fn a_counter_that_wraps() {
    let tape = Tape::of(3_000)
        .domain("package-0 component=cpu kind=energy unit=uJ range=65536000 max_w=200")
        .domain("dram-0 component=memory kind=energy unit=uJ range=20000000")
        .poll("package-0", (0, 3_100, 10), |at| Some(at * 100_000 % 65_536_000))
        .poll("dram-0", (0, 3_100, 10), |at| Some((15_000_000 + at * 8_000) % 20_000_000));
    replayed("replay_wraps", tape, "");
}

#[test]
fn a_counter_that_is_reset_and_one_that_slips_back() {
    let tape = Tape::of(3_000)
        .domain(GPU)
        .domain("package-0 component=cpu kind=energy unit=uJ range=262143328850")
        .spans("half", &[(0, 1_500), (1_500, 3_000)])
        .poll("GPU-1", (0, 3_100, 20), |at| Some(if at < 1_400 { at * 300_000 } else { (at - 1_400) * 300_000 }))
        .poll("package-0", (0, 3_100, 20), |at| Some(40_000_000 + at * 15_000 - if at == 2_000 { 305_000 } else { 0 }));
    replayed("replay_reset", tape, "");
}

#[test]
fn reads_that_fail_and_a_domain_that_never_answers() {
    let tape = Tape::of(4_000)
        .domain(PACKAGE)
        .domain("GPU-1 component=gpu kind=power unit=mW max_w=400")
        .domain("GPU-2 component=gpu kind=energy unit=uJ max_w=400")
        .poll("package-0", (0, 4_100, 10), |at| (!(1_000..2_000).contains(&at)).then_some(at * 30_000))
        .poll("GPU-1", (0, 4_100, 50), |at| (!(2_500..3_200).contains(&at)).then_some(150_000))
        .poll("GPU-2", (0, 4_100, 100), |_| None);
    replayed("replay_failed_reads", tape, "");
}

#[test]
fn a_power_sensor_with_a_limit() {
    let tape = Tape::of(2_000)
        .domain("GPU-1 component=gpu kind=power unit=mW max_w=300 min_w=20")
        .spans("step", &[(0, 333), (333, 1_000), (1_000, 1_999)])
        .poll("GPU-1", (0, 2_100, 100), |at| Some(if at / 500 % 2 == 0 { 100_000 + at * 20 } else { 40_000 }));
    replayed("replay_power_limited", tape, "");
}

#[test]
fn a_power_sensor_without_a_limit() {
    let tape = Tape::of(2_000).domain("board component=gpu kind=power unit=W").spans("step", &[(250, 1_250)]).poll(
        "board",
        (0, 2_000, 125),
        |at| Some(90 + at / 125 % 3 * 10),
    );
    replayed("replay_power_open", tape, "");
}

#[test]
fn domains_that_contain_one_another() {
    let tape = Tape::of(1_000)
        .domain("psys component=other kind=energy unit=uJ domain=psys")
        .domain("package-0 component=cpu kind=energy unit=uJ domain=package parent=psys")
        .domain("core-0 component=cpu kind=energy unit=uJ domain=core parent=package-0")
        .domain("dram-0 component=memory kind=energy unit=uJ domain=dram")
        .domain("GPU-1 component=gpu kind=energy unit=mJ domain=board max_w=400")
        .domain("GPU-1/power component=gpu kind=power unit=mW parent=GPU-1 max_w=400")
        .poll("psys", (0, 1_100, 10), steady(80, 10))
        .poll("package-0", (0, 1_100, 10), steady(30, 10))
        .poll("core-0", (0, 1_100, 10), steady(20, 10))
        .poll("dram-0", (0, 1_100, 10), steady(5, 10))
        .poll("GPU-1", (0, 1_100, 20), |at| Some(at / 20 * 20 * 200))
        .poll("GPU-1/power", (0, 1_100, 20), |_| Some(201_000));
    replayed("replay_overlaps", tape, "");
}

#[test]
fn a_counter_slower_than_its_readings_and_one_faster() {
    let tape = Tape::of(6_000)
        .domain("slow component=gpu kind=energy unit=uJ max_w=600")
        .domain("fast component=cpu kind=energy unit=uJ range=262143328850")
        .spans("step", &[(500, 1_700), (1_700, 2_100), (3_900, 5_950)])
        .poll("slow", (30, 7_030, 100), steady(250, 1_000))
        .poll("fast", (0, 6_100, 10), |at| Some(at * 45_000 + at % 7 * 61));
    replayed("replay_slow_and_fast", tape, "");
}

#[test]
fn a_machine_that_is_not_read_for_a_minute() {
    let away = |at: u64| if at > 1_000 { at + 60_000 } else { at };
    let tape = Tape::of(63_000)
        .domain("package-0 component=cpu kind=energy unit=uJ range=262143328850 max_w=150")
        .domain("small component=memory kind=energy unit=uJ range=100000000 max_w=10")
        .poll("package-0", (0, 1_000, 20), steady(20, 20))
        .poll("package-0", (61_000, 63_100, 20), |at| steady(20, 20)(away(at - 60_000)))
        .poll("small", (0, 1_000, 20), |at| Some(at * 4_000))
        .poll("small", (61_000, 63_100, 20), |at| Some(at * 4_000 % 100_000_000));
    replayed("replay_unread_minute", tape, "");
}

#[test]
fn a_counter_that_pauses_and_goes_on() {
    let tape = Tape::of(6_000).domain(GPU).spans("step", &[(1_000, 2_500), (2_500, 5_000)]).poll(
        "GPU-1",
        (0, 6_100, 20),
        |at| {
            let shown = if (2_000..4_500).contains(&at) { 2_000 } else { at };
            Some(shown / 100 * 100 * 120_000)
        },
    );
    replayed("replay_frozen", tape, "");
}

#[test]
fn a_domain_that_comes_late_and_one_that_goes_early() {
    let tape = Tape::of(3_000)
        .domain(PACKAGE)
        .domain(GPU)
        .spans("third", &[(0, 1_000), (1_000, 2_000), (2_000, 3_000)])
        .poll("package-0", (0, 2_200, 10), steady(25, 10))
        .poll("GPU-1", (700, 3_100, 10), steady(210, 100));
    replayed("replay_late_and_early", tape, "");
}

const SERIES: &str = "# kind=direct-average-production\n# source=Test grid\ntime,gco2e_per_kwh\n\
    2026-03-01T11:00Z,100\n2026-03-01T12:00Z,500\n2026-03-01T13:00Z,300\n";
const PRICES: &str = "# unit=EUR/MWh\ntime,price_per_kwh\n2026-03-01T11:00Z,100\n2026-03-01T12:00Z,300\n";

#[test]
fn a_run_priced_over_time_with_all_supplements() {
    let rig = Rig::bare();
    let tape = Tape::of(5_000).domain(PACKAGE).domain(GPU).spans("step", &[(0, 2_500), (2_500, 5_000)]);
    let tape = tape.poll("package-0", (0, 5_100, 10), steady(40, 50)).poll("GPU-1", (0, 5_100, 10), steady(350, 100));
    rig.put("trace.csv", &tape.text());
    rig.put("series.csv", SERIES);
    rig.put("prices.csv", PRICES);
    let words = "replay trace.csv --started-at 2026-03-01T11:59:58Z --json - --intensity-series series.csv --pue 1.25 \
        --tariff-series prices.csv --carbon-price 80 --embodied 900:1000:1200 --functional-unit run --wue 1.8 --ewif 3 \
        --market-instrument PPA --market-intensity 12 --offsets forest=120 --equivalents --name priced --label team=nlp";
    let ran = rig.eco2(&words.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    check::json("replay_priced", &ran.out, &[]);
}

#[test]
fn the_demo() {
    let ran = Rig::bare().eco2("demo --json");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    check::json("demo", &ran.out, &[]);
}
