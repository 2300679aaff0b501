//! Traces: known answers, hostile input, and writing followed by reading as the identity.

use std::path::Path;

use eco2_core::{Component, CounterFault, Domain, Fault, Kind, ModelRange, Quality, Reading, Scale};
use eco2_report::{Error, LineFault, Trace, TraceWriter, parse_spans};
use proptest::prelude::*;

const GOOD: &str = "\
# eco2.trace/1
# domain package-0 component=cpu kind=energy unit=uJ range=1000 max_w=250.5 min_w=10
# domain core-0 component=cpu kind=energy unit=raw scale=2.3283064365386963e-10 parent=package-0
# run begin_ns=0 end_ns=5000
# span name=step begin_ns=10 end_ns=20
before_ns,after_ns,domain,value
100,110,package-0,7
100,110,core-0,4294967296
200,210,package-0,
";

fn parse(text: &str) -> Result<Trace, Error> {
    Trace::parse(text.as_bytes(), Path::new("t.csv"))
}

/// The fault of a text that must be refused, and its line.
fn fault(text: &str) -> (u64, LineFault) {
    match parse(text) {
        Err(Error::Line { line, fault, .. }) => (line, fault),
        other => panic!("{other:?} from {text:?}"),
    }
}

/// [`GOOD`] with one line replaced.
fn with(line: usize, text: &str) -> String {
    let mut lines: Vec<&str> = GOOD.lines().collect();
    lines[line - 1] = text;
    lines.join("\n")
}

#[test]
fn a_trace_is_read_as_written() {
    let trace = parse(GOOD).unwrap();
    assert_eq!(trace.run, Some((0, 5000)));
    assert_eq!((trace.spans[0].name.as_str(), trace.spans[0].begin_ns, trace.spans[0].end_ns), ("step", 10, 20));
    let package = &trace.domains[0];
    assert_eq!((package.range, package.max_uw, package.min_uw), (Some(1000), Some(250_500_000), Some(10_000_000)));
    assert_eq!((package.domain.as_str(), package.source.as_str()), ("package", "replay"));
    assert_eq!((package.quality, package.scale), (Quality::Measured, Scale::MICRO));
    assert_eq!(trace.domains[1].parent.as_deref(), Some("package-0"));
    assert_eq!(trace.domains[1].scale.micro(1 << 32), 1_000_000);
    let values: Vec<_> = trace.readings.iter().map(|(domain, reading)| (*domain, reading.value)).collect();
    assert_eq!(values, [(0, Ok(7)), (1, Ok(1 << 32)), (0, Err(Fault::Failed))]);
}

#[test]
fn comment_lines_may_stand_anywhere_and_line_ends_do_not_matter() {
    let (comments, rows): (Vec<&str>, Vec<&str>) = GOOD.lines().partition(|line| line.starts_with('#'));
    let last = [rows.join("\r\n"), "# a remark".into(), comments.join("\r\n")].join("\r\n");
    assert_eq!(parse(&format!("\u{feff}{last}")).unwrap(), parse(GOOD).unwrap());
}

#[test]
fn decimals_make_the_raw_unit_of_each_domain_finer() {
    let text = "# eco2.trace/1
# domain a component=gpu kind=energy unit=J range=100
# domain b component=gpu kind=energy unit=mJ
# domain p component=gpu kind=power unit=W
before_ns,after_ns,domain,value
1,2,a,1.25
1,2,b,3
1,2,p,99.5
3,4,a,2
";
    let trace = parse(text).unwrap();
    let raw: Vec<u64> = trace.readings.iter().map(|(_, reading)| reading.value.unwrap()).collect();
    assert_eq!(raw, [125, 3, 995, 200]);
    assert_eq!(trace.domains[0].range, Some(10_000));
    assert_eq!(trace.domains[0].scale.micro(125), 1_250_000);
    assert_eq!(trace.domains[1].scale, Scale::MILLI);
    assert_eq!((trace.domains[2].kind, trace.domains[2].quality), (Kind::Power, Quality::Derived));
    assert_eq!(trace.domains[2].scale.micro(995), 99_500_000);
}

#[test]
fn f42_every_fault_names_its_line_and_its_remedy() {
    use LineFault as F;
    let unit = |rest: &str| with(2, &format!("# domain package-0 component=cpu kind=energy {rest}"));
    type Check = fn(&F) -> bool;
    let cases: [(String, u64, Check); 32] = [
        (String::new(), 1, |f| matches!(f, F::NoSchema)),
        (with(1, "# nothing"), 1, |f| matches!(f, F::NoSchema)),
        ("{\"schema\": 1}".to_owned(), 1, |f| matches!(f, F::NoSchema)),
        (with(6, ""), 7, |f| matches!(f, F::NoHeader)),
        (with(7, "100,110,package-0"), 7, |f| matches!(f, F::Columns { found: 3, .. })),
        (with(7, "100,110,package-0,7,8"), 7, |f| matches!(f, F::Columns { found: 5, .. })),
        (with(7, "1x0,110,package-0,7"), 7, |f| matches!(f, F::Number { field: "before_ns", .. })),
        (with(7, "100,-1,package-0,7"), 7, |f| matches!(f, F::Number { field: "after_ns", .. })),
        (with(7, "100,110,package-0,-7"), 7, |f| f.to_string().contains("negative")),
        (with(7, "100,110,package-0,nan"), 7, |f| f.to_string().contains("finite")),
        (with(7, "100,110,package-0,18446744073709551616"), 7, |f| f.to_string().contains("64 bits")),
        (with(7, "110,100,package-0,7"), 7, |f| matches!(f, F::Bracket { .. })),
        (with(7, "100,110,elsewhere,7"), 7, |f| matches!(f, F::UnknownDomain(id) if id == "elsewhere")),
        (with(9, "50,60,package-0,9"), 9, |f| matches!(f, F::OutOfOrder { previous: 100, at: 50, .. })),
        (with(3, "# domain package-0 component=cpu kind=energy unit=uJ"), 3, |f| {
            matches!(f, F::DuplicateDomain { first: 2, .. })
        }),
        (with(8, "100,110,core-0,1.5"), 8, |f| matches!(f, F::RawDecimals(_))),
        (with(4, "# run begin_ns=9 end_ns=8"), 4, |f| matches!(f, F::EndBeforeBegin { .. })),
        (with(5, "# span name=x begin_ns=9 end_ns=8"), 5, |f| matches!(f, F::EndBeforeBegin { .. })),
        (with(5, "# run begin_ns=1 end_ns=8"), 5, |f| matches!(f, F::SecondRun)),
        (with(5, "# span begin_ns=1 end_ns=8"), 5, |f| matches!(f, F::MissingKey { key: "name", .. })),
        (unit("unit=kWh"), 2, |f| f.to_string().contains("uJ, mJ, J, raw")),
        (unit("unit=W"), 2, |f| matches!(f, F::Word { key: "unit", .. })),
        (unit("unit=raw"), 2, |f| matches!(f, F::ScaleNeeded)),
        (unit("unit=raw scale=-1"), 2, |f| matches!(f, F::Scale(_))),
        (unit("unit=uJ scale=1"), 2, |f| matches!(f, F::Scale(_))),
        (unit("unit=uJ range=0"), 2, |f| matches!(f, F::ZeroRange)),
        (unit("unit=uJ max_w=0"), 2, |f| matches!(f, F::ZeroLimit)),
        (unit("unit=uJ max_w=5 min_w=5.1"), 2, |f| f.to_string().contains("swap")),
        (unit("unit=uJ rnage=5"), 2, |f| f.to_string().contains("did you mean `range`")),
        (unit("unit=uJ unit=mJ"), 2, |f| matches!(f, F::DuplicateKey("unit"))),
        (unit("unit=uJ parent=core-0"), 2, |f| matches!(f, F::ParentCycle(_))),
        (with(2, "# domain component=cpu kind=energy unit=uJ"), 2, |f| matches!(f, F::MissingKey { .. })),
    ];
    for (text, line, check) in cases {
        let (found, fault) = fault(&text);
        assert!(found == line && check(&fault), "line {found} {fault:?} from {text}");
    }
    let message = parse(&with(7, "100,110,elsewhere,7")).unwrap_err().to_string();
    assert_eq!(
        message,
        "t.csv:7: domain `elsewhere` is not declared; add `# domain elsewhere component=… kind=… unit=…`"
    );
}

#[test]
fn f42_huge_lines_and_binary_are_refused() {
    assert!(matches!(fault(&with(7, &"1".repeat(70_000))), (7, LineFault::TooLong(70_000))));
    let mut bytes = GOOD.as_bytes().to_vec();
    bytes[200] = 0xff;
    let error = Trace::parse(&bytes, Path::new("t.csv")).unwrap_err();
    assert!(matches!(error, Error::Line { fault: LineFault::NotUtf8, .. }), "{error}");
    // One coarse and one fine value whose common unit does not fit 64 bits.
    let text = "# eco2.trace/1\n# domain a component=gpu kind=energy unit=J\nbefore_ns,after_ns,domain,value\n\
        1,2,a,18446744073709551615\n3,4,a,0.5\n";
    assert!(matches!(fault(text), (4, LineFault::Number { field: "value", .. })));
}

#[test]
fn f43_a_newer_trace_is_refused_with_its_version() {
    let (line, fault) = fault(&with(1, "# eco2.trace/2"));
    assert_eq!(line, 1);
    assert!(fault.to_string().contains("eco2.trace/2") && fault.to_string().contains("install"), "{fault}");
}

#[test]
fn span_files_take_quotes_and_name_their_faults() {
    let parse = |text: &str| parse_spans(text.as_bytes(), Path::new("s.csv"));
    let spans = parse("name,begin_ns,end_ns\r\nstep,0,5\r\n\"a, \"\"b\"\"\", 5 , 9\r\n").unwrap();
    assert_eq!((spans[0].name.as_str(), spans[0].end_ns), ("step", 5));
    assert_eq!((spans[1].name.as_str(), spans[1].begin_ns), ("a, \"b\"", 5));
    for (text, message) in [
        ("", "s.csv:1: the first line must be"),
        ("step,0,5\n", "s.csv:1: the first line must be"),
        ("name,begin_ns,end_ns\nstep,5,4\n", "s.csv:2: end_ns 4 is before"),
        ("name,begin_ns,end_ns\nstep,5\n", "s.csv:2: 2 columns"),
        ("name,begin_ns,end_ns\nstep,5,1e3\n", "exponent"),
        ("name,begin_ns,end_ns\n\"step,5,9\n", "not closed"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9-]{0,11}", "[ -~µ]{1,12}", "\\PC{1,8}"]
}

fn any_scale() -> impl Strategy<Value = Scale> {
    let fixed =
        prop_oneof![Just(1e-6), Just(1e-3), Just(1.0), Just(2_f64.powi(-32)), Just(61.035e-6), Just(2_f64.powi(-14))];
    let any = (1e-3..10.0_f64, -12..12_i32).prop_map(|(digits, power)| digits * 10_f64.powi(power));
    prop_oneof![fixed, any].prop_map(|base| Scale::from_base_per_raw(base).unwrap())
}

prop_compose! {
    fn any_domain()(
        (id, domain, name, source) in (any_text(), any_text(), any_text(), any_text()),
        component in prop::sample::select(vec![Component::Cpu, Component::Memory, Component::Gpu, Component::Other]),
        quality in prop::sample::select(vec![Quality::Measured, Quality::Derived, Quality::Estimated, Quality::Synthetic]),
        (scale, power) in (any_scale(), any::<bool>()),
        (range, max_uw, min_uw) in (prop::option::of(1..=u64::MAX), prop::option::of(1..=u64::MAX), any::<Option<u64>>()),
        (ceiling_uw, average_ns) in (any::<Option<u64>>(), any::<Option<u64>>()),
        (parent, gain) in (prop::option::of("elsewhere [a-z]{1,4}"), prop::option::of(0.0..100.0_f64)),
        method in prop::option::of(any_text()),
        self_test in prop::sample::select(vec![None, Some(CounterFault::Still), Some(CounterFault::Contradicted)]),
        factors in prop::option::of((any::<u64>(), 0..1_000_u32, 1_000..9_000_u32, 0..1_000_u32, 1_000..9_000_u32)),
    ) -> Domain {
        let kind = if power { Kind::Power } else { Kind::Energy };
        let min_uw = min_uw.map(|min| min.min(max_uw.unwrap_or(u64::MAX)));
        Domain {
            id, component, domain, name, method, source, quality, kind, scale, range, max_uw, min_uw, ceiling_uw, average_ns, parent,
            gain_percent: gain,
            self_test,
            model_range: factors.map(|(busy_uw, il, ih, bl, bh)| ModelRange { busy_uw, idle_permille: [il, ih], busy_permille: [bl, bh] }),
        }
    }
}

prop_compose! {
    fn any_trace()(
        mut domains in prop::collection::vec(any_domain(), 1..5),
        rows in prop::collection::vec((0..5_u32, 0..1000_u64, 0..50_u64, any::<Option<u64>>()), 0..40),
        spans in prop::collection::vec((any_text(), any::<u32>(), any::<u32>()), 0..5),
        run in prop::option::of((any::<u32>(), any::<u32>())),
    ) -> Trace {
        for (index, domain) in domains.iter_mut().enumerate() {
            domain.id = format!("{}{index}", domain.id);
        }
        let mut now = 0;
        let readings = rows.into_iter().map(|(domain, step, width, value)| {
            now += step + 50;
            let value = value.ok_or(Fault::Failed);
            (domain % domains.len() as u32, Reading { before_ns: now, after_ns: now + width, value })
        }).collect();
        let ends = |begin: u32, length: u32| (u64::from(begin), u64::from(begin) + u64::from(length));
        let spans = spans.into_iter().map(|(name, begin, length)| {
            let (begin_ns, end_ns) = ends(begin, length);
            eco2_report::TraceSpan { name, begin_ns, end_ns }
        }).collect();
        Trace { domains, readings, spans, run: run.map(|(begin, length)| ends(begin, length)) }
    }
}

fn write(trace: &Trace) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new()).unwrap();
    writer.domains(&trace.domains).unwrap();
    for (domain, reading) in &trace.readings {
        writer.reading(*domain, reading).unwrap();
    }
    for span in &trace.spans {
        writer.span(&span.name, span.begin_ns, span.end_ns).unwrap();
    }
    writer.finish(trace.run).unwrap()
}

proptest! {
    #[test]
    fn writing_then_reading_is_the_identity(trace in any_trace()) {
        let text = write(&trace);
        prop_assert_eq!(Trace::parse(&text, Path::new("t.csv")).unwrap(), trace);
    }

    #[test]
    fn f42_no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        Trace::parse(&bytes, Path::new("t")).ok();
        parse_spans(&bytes, Path::new("t")).ok();
        let mut near = GOOD.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(near.len());
            near[at] = byte;
        }
        Trace::parse(&near, Path::new("t")).ok();
    }
}

#[test]
fn d25_an_undeclared_domain_is_an_error_of_the_writer() {
    let mut writer = TraceWriter::new(Vec::new()).unwrap();
    let reading = Reading { before_ns: 0, after_ns: 0, value: Ok(1) };
    assert!(writer.reading(0, &reading).is_err());
}
