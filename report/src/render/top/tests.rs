use super::*;
use eco2_core::schema::Status;
use eco2_core::{RangeKind, Spent, Unit};

fn energy(joules: u64) -> Bounded<u64> {
    let uj = joules * 1_000_000;
    Bounded { value: Some(uj), low: uj - uj / 100, high: Some(uj + uj / 50), kind: RangeKind::Hard }
}

fn device(name: &str, kind: &str, joules: u64, is_summed: bool) -> TopDevice {
    TopDevice {
        name: name.to_owned(),
        kind: kind.to_owned(),
        power_w: Some(joules as f64 / 60.0),
        energy: energy(joules),
        quality: Quality::Measured,
        celsius: kind.starts_with("NVIDIA").then_some(61.0),
        is_summed,
    }
}

fn job(name: &str, joules: u64, steps: Option<u64>, is_running: bool) -> TopUse {
    let power_w = is_running.then_some(joules as f64 / 60.0);
    let grams = Some(joules as f64 * 342.0 / 3.6e6);
    TopUse { name: name.to_owned(), is_job: true, is_running, power_w, energy: energy(joules), grams, steps }
}

/// A limit on energy of which `used` microjoules were used, at most `high`.
fn limit(name: &str, is_running: bool, (used, high): (f64, Option<f64>), limit: f64) -> TopLimit {
    let spent = Spent {
        unit: Unit::EnergyUj,
        spent: Some(used),
        low: Some(used * 0.99),
        high,
        quality: None,
        quality_percent: None,
        limit,
        held: 0.0,
        finish: None,
        soft: false,
        hard: used >= limit,
        decision: eco2_core::Decision::Go,
    };
    TopLimit { name: name.to_owned(), is_running, spent }
}

/// A node with eight GPUs and two sockets, three jobs, and a source that is lost.
fn node() -> TopFrame {
    let mut devices: Vec<TopDevice> =
        (0..8).map(|n| device(&format!("GPU {n} NVIDIA H100 80GB"), "NVIDIA H100 80GB", 33_000 + n, true)).collect();
    for n in 0..2 {
        devices.push(device(&format!("package-{n}"), "CPU package", 6_450, true));
        devices.push(device(&format!("core-{n}"), "CPU core", 4_000, false));
        devices.push(device(&format!("dram-{n}"), "Memory", 2_550, true));
    }
    let rest = |name: &str, joules| TopUse { is_job: false, is_running: true, ..job(name, joules, None, true) };
    let source = |name: &str, status, reason: &str, remedy: &str| SourceStatus {
        name: name.to_owned(),
        status,
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    };
    TopFrame {
        name: "node03".to_owned(),
        state: "live, 14:02:07".to_owned(),
        power_w: Some(4_700.0),
        energy: energy(282_028),
        quality: Quality::Measured,
        since_ns: 60_000_000_000,
        emissions: Some(Bounded::hard(26.8, 26.5, Some(27.4))),
        intensity: "Germany, 342 g/kWh".to_owned(),
        devices,
        limits: vec![
            limit("bert-large fine-tuning on a very long dataset name", true, (180e9, Some(183e9)), 360e9),
            limit("resnet", true, (60e9, None), 72e9),
            limit("finished", false, (2e9, Some(2.1e9)), 1.8e9),
        ],
        uses: vec![
            job("bert-large fine-tuning on a very long dataset name", 180_000, Some(1_200), true),
            job("resnet", 60_000, None, true),
            job("finished", 2_000, Some(10), false),
            rest("Idle devices", 30_000),
            rest("Not attributed", 10_028),
        ],
        sources: vec![
            source("rapl-perf", Status::Ok, "reads 2 packages and their memory", ""),
            source("nvml", Status::Ok, "reads 8 GPUs", ""),
            source("ipmi", Status::Lost, "no answer for 30 s", "check the BMC"),
            source("hwmon", Status::Absent, "no sensor", ""),
        ],
        ..TopFrame::default()
    }
}

fn shown(frame: &TopFrame, view: TopView, width: usize, rows: Option<usize>, ascii: bool) -> String {
    let style = TextStyle { color: false, width, ascii };
    top_lines(frame, &view, &style, rows).join("\n")
}

#[test]
fn screen_of_a_node_at_80_by_24_and_wider() {
    insta::assert_snapshot!("top-80x24", shown(&node(), TopView::default(), 80, Some(24), false));
    insta::assert_snapshot!("top-120x40", shown(&node(), TopView::default(), 120, Some(40), false));
    insta::assert_snapshot!("top-ascii", shown(&node(), TopView::default(), 100, None, true));
}

#[test]
fn every_size_is_kept_and_a_narrow_screen_keeps_names_power_and_energy() {
    for width in [40, 41, 50, 60, 72, 80, 100, 200] {
        for rows in [1, 2, 3, 5, 8, 10, 24, 60] {
            let text = shown(&node(), TopView::default(), width, Some(rows), false);
            let lines: Vec<&str> = text.split('\n').collect();
            assert_eq!(lines.len(), rows, "{width} x {rows}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width} x {rows}:\n{text}");
        }
    }
    let narrow = shown(&node(), TopView::default(), 40, None, false);
    assert!(narrow.contains("POWER W") && narrow.contains("ENERGY") && !narrow.contains("RANGE"), "{narrow}");
    assert!(shown(&node(), TopView::default(), 40, Some(0), false).is_empty());
}

#[test]
fn nothing_that_is_not_known_is_zero() {
    let mut frame = node();
    frame.power_w = None;
    frame.energy = Bounded::unknown();
    frame.emissions = None;
    frame.devices.truncate(1);
    frame.devices[0].energy = Bounded::unknown();
    frame.devices[0].power_w = None;
    frame.uses.clear();
    let text = shown(&frame, TopView::default(), 80, None, false);
    assert_eq!(text.matches("not measured").count(), 3, "power, energy and the device's:\n{text}");
    assert!(text.contains("Emissions   not known") && text.contains("No energy has been read yet."), "{text}");
    let mut open = node();
    open.energy.high = None;
    assert!(shown(&open, TopView::default(), 80, None, false).contains("at least 77.5 Wh"), "no upper bound");
    assert!(shown(&TopFrame::default(), TopView::default(), 80, Some(24), false).contains("No device is measured."));
}

#[test]
fn keys_sort_scroll_and_explain() {
    let first_job = |order| {
        let text = shown(&node(), TopView { order, ..TopView::default() }, 100, None, false);
        let mut lines = text.split('\n').skip_while(|line| !line.starts_with("USE")).skip(1);
        lines.next().unwrap().split(' ').next().unwrap().to_owned()
    };
    assert_eq!(first_job(TopOrder::Name), "bert-large");
    assert_eq!(first_job(TopOrder::Energy), "bert-large");
    let mut node = node();
    node.uses.swap(0, 2);
    assert_eq!(node.uses[0].name, "finished");
    let sorted = shown(&node, TopView { order: TopOrder::Power, ..TopView::default() }, 100, None, false);
    assert!(sorted.find("bert").unwrap() < sorted.find("finished").unwrap());
    assert!(sorted.find("finished").unwrap() < sorted.find("Idle").unwrap(), "the rest stays last");
    let far = shown(&node, TopView { scrolled: 1_000, ..TopView::default() }, 80, Some(16), false);
    assert!(far.contains("! ipmi lost: no answer for 30 s; check the BMC") && far.contains('↑'), "{far}");
    let help = shown(&node, TopView { help: true, ..TopView::default() }, 80, Some(24), false);
    assert!(help.contains("pause") && !help.contains("USE"), "{help}");
    let orders = std::iter::successors(Some(TopOrder::Given), |order| Some(order.next()));
    assert_eq!(orders.take(5).last(), Some(TopOrder::Given));
}

#[test]
fn hostile_names_cannot_move_the_cursor_and_ascii_has_no_other_sign() {
    let mut node = node();
    node.name = "no\u{1b}[2Jde".to_owned();
    node.uses[0].name = "\u{1b}]0;title\u{7}\u{202e}x\n\n".to_owned();
    node.sources[2].reason = "\u{1b}[31mred".to_owned();
    node.budgets = vec!["\u{9b}2J of 5 kg".to_owned()];
    let text = shown(&node, TopView::default(), 80, Some(30), false);
    assert!(
        text.chars().all(|letter| letter == '\n' || !letter.is_control()) && !text.contains('\u{202e}'),
        "{text:?}"
    );
    assert!(shown(&node, TopView::default(), 80, None, true).is_ascii());
}

#[test]
fn limits_of_jobs_have_their_state_range_and_what_is_not_known() {
    let mut node = node();
    let text = shown(&node, TopView::default(), 100, None, true);
    let line = |name: &str| {
        let mut lines = text.lines().skip_while(|line| !line.starts_with("BUDGET"));
        lines.find(|line| line.starts_with(name)).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("BUDGET"), "BUDGET STATE USED RANGE LIMIT %");
    assert!(line("bert").ends_with("ok 50.0 Wh 49.5 - 50.9 Wh 0.100 kWh 50"), "{text}");
    assert_eq!(line("resnet"), "resnet near 16.7 Wh at least 16.5 Wh 20.0 Wh 83");
    assert!(line("finished (ended)").contains("over") && line("finished").ends_with("110"), "{text}");
    node.limits = vec![limit("a", true, (0.0, None), 1e6)];
    node.limits[0].spent = Spent { unit: Unit::Grams, spent: None, low: None, limit: 5_000.0, ..node.limits[0].spent };
    let text = shown(&node, TopView::default(), 80, None, true);
    assert!(text.contains("near") && text.contains("not known") && text.contains("5.00 kg CO2e"), "{text}");
    node.limits.clear();
    assert!(!shown(&node, TopView::default(), 80, None, true).contains("BUDGET"));
}

#[test]
fn estimate_in_reserve_is_on_standby_a_counter_at_zero_is_not_and_sources_state_what_they_read() {
    let mut node = node();
    let reserve = TopDevice { quality: Quality::Estimated, power_w: None, ..device("Xeon", "package", 1, false) };
    let zero = TopDevice { energy: Bounded::exact(0), power_w: Some(0.0), ..device("psu", "psu", 1, false) };
    node.devices.extend([reserve, zero]);
    let text = shown(&node, TopView::default(), 100, None, true);
    assert!(text.contains("  Xeon (standby)") && text.contains("  psu (counts 0 J)"), "{text}");
    let count = |remark: &str| text.matches(remark).count();
    assert_eq!((count("(standby)"), count("(counts 0 J)")), (1, 1), "the cores of a package are measured\n{text}");
    assert!(text.contains("Sources     rapl-perf reads 2 packages and their memory; nvml reads 8 GPUs\n"), "{text}");
}
