//! A trace's account: where its run begins and ends, whatever was read around it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use eco2::options::Options;
use eco2::schema::Report;

const S: u64 = 1_000_000_000;

/// 100 W read every 10 ms from the first to the last second, with these lines in front.
fn replayed(lines: &str, from_s: u64, to_s: u64) -> Report {
    let mut text = format!("# eco2.trace/1\n# domain p component=cpu kind=energy unit=uJ\n{lines}");
    text.push_str("before_ns,after_ns,domain,value\n");
    for hundredth in from_s * 100..=to_s * 100 {
        let ns = hundredth * 10_000_000;
        text.push_str(&format!("{ns},{},p,{}\n", ns + 500, hundredth * 1_000_000));
    }
    let trace = eco2_report::Trace::parse(text.as_bytes(), "trace.csv".as_ref()).unwrap();
    eco2::replay(&trace, None, &Options::default()).unwrap()
}

#[test]
fn the_id_of_a_replayed_run_follows_from_its_trace_and_identity_and_not_from_prices() {
    let text = "# eco2.trace/1\n# domain p component=cpu kind=energy unit=uJ\nbefore_ns,after_ns,domain,value\n0,5,p,1\n1000,1005,p,9\n";
    let id = |text: &str, options: &Options| {
        let trace = eco2_report::Trace::parse(text.as_bytes(), "trace.csv".as_ref()).unwrap();
        eco2::replay(&trace, None, options).unwrap().run.id
    };
    let plain = Options::default();
    let first = id(text, &plain);
    assert!(first.starts_with("replay-") && first.len() == "replay-".len() + 12, "{first}");
    assert_eq!(first, id(text, &plain), "it is the same run again");
    assert_eq!(
        first,
        id(text, &Options { zone: Some("DE".into()), pue: 1.5, ..Options::default() }),
        "at other prices"
    );
    let same_values = text.replace("\nbefore", "\n# a comment\nbefore");
    assert_eq!(first, id(&same_values, &plain));
    let others = [
        id(&text.replace("p,9", "p,8"), &plain),
        id(&text.replace("p,9", "p,"), &plain),
        id(&text.replace("1005", "1006"), &plain),
        id(&text.replace("cpu", "gpu"), &plain),
        id(&text.replace("\nbefore", "\n# span name=x begin_ns=0 end_ns=9\nbefore"), &plain),
        id(text, &Options { name: Some("night".into()), ..Options::default() }),
        id(text, &Options { labels: [("rank".to_owned(), "1".to_owned())].into(), ..Options::default() }),
        id(text, &Options { started_at: Some(1), ..Options::default() }),
    ];
    let all: std::collections::BTreeSet<&String> = others.iter().chain([&first]).collect();
    assert_eq!(all.len(), 9, "{others:?}");
}

#[test]
fn a_run_that_ends_a_minute_before_the_trace_does_has_its_own_energy() {
    let report = replayed("# run begin_ns=1000000000 end_ns=2000000000\n", 0, 60);
    assert_eq!(report.energy.total_uj, Some(100_000_000));
    assert!(report.energy.high_uj.unwrap() < 103_000_000, "{:?}", report.energy);
    assert_eq!(report.devices[0].coverage, 1.0);
}

#[test]
fn what_is_read_after_the_run_is_not_counted_as_its_own() {
    let report = replayed("# run begin_ns=1000000000 end_ns=2000000000\n", 0, 60);
    assert!(report.devices[0].readings < 230, "{}", report.devices[0].readings);
    let late = "# run begin_ns=0 end_ns=2000000000\n# span name=late begin_ns=30000000000 end_ns=40000000000\n";
    let report = replayed(late, 0, 60);
    assert!(report.devices[0].readings < 230, "{}", report.devices[0].readings);
    assert_eq!((report.energy.total_uj.unwrap(), report.spans[0].energy_uj.unwrap()), (200_000_000, 1_000_000_000));
}

#[test]
fn a_run_from_the_first_to_the_last_reading_is_what_they_differ_by() {
    for run in ["", "# run begin_ns=5000000000 end_ns=9000000000\n", "# run begin_ns=5000000500 end_ns=9000000500\n"] {
        let report = replayed(run, 5, 9);
        assert_eq!(report.energy.total_uj, Some(400_000_000), "{run}");
        assert!(report.run.duration_ns.abs_diff(4 * S) < 1_000);
    }
}

#[test]
fn a_stall_in_a_trace_is_found_as_in_a_live_run() {
    let step = |from_ms: u64, to_ms: u64| format!("# span name=step begin_ns={from_ms}000000 end_ns={to_ms}000000\n");
    let mut lines: String = (0..10).map(|at| step(at * 100, at * 100 + 100)).collect();
    lines += &step(1_000, 11_000);
    let report = replayed(&lines, 0, 12);
    let [stalled] = &report.spells[..] else { panic!("{:?}", report.spells) };
    // Due 100 ms after the tenth step's end: 9.9 s at 100 W.
    assert_eq!((stalled.kind.as_str(), stalled.duration_ns), ("stalled", 9_900_000_000));
    // A counter whose range is not known has no upper bound, so neither has the stall.
    assert_eq!((stalled.energy_uj, stalled.high_uj), (Some(990_000_000), None));
    assert_eq!(report.events[0].kind, "stalled");
}
