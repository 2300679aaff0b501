//! `eco2 report` about several runs: the methods paragraph with its checklist, and the EU model documentation.

use std::fs;

use crate::rig::Rig;

/// Reports of 2 kWh each in `a.json`, `b.json`, `c.json`, with the labels lr=1, lr=1, lr=2, and no stored run.
fn rig() -> Rig {
    let rig = Rig::bare();
    for (name, lr) in [("a", "1"), ("b", "1"), ("c", "2")] {
        let trace = "# eco2.trace/1\n# domain gpu component=gpu kind=energy unit=J\nbefore_ns,after_ns,domain,value\n\
             0,0,gpu,0\n3600000000000,3600000000000,gpu,7200000\n";
        rig.put("trace.csv", trace);
        let flags = format!("--started-at 2026-03-01T12:00:00Z --intensity 100 --label lr={lr} --name {name}");
        let ran = rig.eco2(&format!("replay trace.csv {flags} --json {name}.json"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        // Replayed runs share one id.
        let file = rig.path(&format!("{name}.json"));
        let text = fs::read_to_string(&file).unwrap().replace("\"id\": \"replay\"", &format!("\"id\": \"{name}\""));
        fs::write(file, text).unwrap();
    }
    rig
}

/// The text with ordinary spaces.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

#[test]
fn methods_paragraph_and_checklist_of_several_runs() {
    let rig = rig();
    let ran = rig.eco2("report a.json b.json c.json --by lr --format methods --checklist");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    let text = plain(&ran.out);
    // 3 × 2 kWh at 100 g/kWh; repeats are equal, so that their interval has no width.
    for part in [
        "3 runs took 3 h 00 min in total",
        "(3.00 GPU-hours)",
        "1: 2.00 kWh (2.00–2.00 kWh, 2 runs); 2: 2.00 kWh (1 run)",
        "- Repeats: by lr: 1: 2 runs, 2: 1 run",
        "- All runs, with preliminary ones: 0 stored on this machine and 3 of the paper from other files, 3 h 00 min, 3.00 GPU-hours",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let refused = rig.eco2("report a.json --checklist");
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{refused:?}");
    assert!(refused.err.contains("--checklist belongs to --format methods; got text"), "{}", refused.err);
    let gpai = rig.eco2("report a.json b.json c.json --format gpai").out;
    assert!(gpai.contains("| Amount of energy used for training | 6.0x10^-3 MWh ("), "{gpai}");
    assert!(gpai.contains("1.3x10^-1 GPU-days") && gpai.contains("not checked against the form"), "{gpai}");
}

#[test]
fn checklist_counts_stored_runs_of_the_same_project_only() {
    let rig = Rig::measured();
    for flags in ["--label project=x", "--label project=x", "--label project=y"] {
        assert_eq!(rig.run(&format!("--quiet {flags}"), "exit 0").code, Some(0));
    }
    assert_eq!(rig.run("--quiet --label project=x", "exit 3").code, Some(3));
    let ran = rig.eco2("report last~1 --format methods --checklist");
    let text = plain(&ran.out);
    assert!(text.contains("1 stored on this machine with the label project=y, "), "{ran:?}");
    let ran = rig.eco2("report last --format methods --checklist");
    let text = plain(&ran.out);
    assert!(
        text.contains("3 stored on this machine with the label project=x, ") && text.contains("of these 1 failed"),
        "{ran:?}"
    );
}

#[test]
fn summaries_of_groups_are_summed_compared_and_not_merged() {
    let rig = rig();
    for (group, runs) in [("vision", "a.json"), ("speech", "c.json --pue 1.5")] {
        assert_eq!(rig.eco2(&format!("report {runs} --format summary -o {group}.json")).code, Some(0));
    }
    let sums = rig.eco2("report vision.json speech.json --by group --format csv").out;
    let rows: Vec<&str> = sums.lines().skip(1).collect();
    assert_eq!(
        rows.iter().map(|row| row.split(',').take(5).collect::<Vec<_>>()).collect::<Vec<_>>(),
        [
            ["group", "speech", "1", "3600000000000", "7200000000000"],
            ["group", "vision", "1", "3600000000000", "7200000000000"],
        ]
    );
    let text = rig.eco2("compare vision.json speech.json");
    assert!(text.code == Some(0) && text.out.contains("vision") && text.out.contains("speech"), "{text:?}");
    let merged = rig.eco2("merge vision.json speech.json");
    assert_ne!(merged.code, Some(0), "groups are not the records of one run: {merged:?}");
    let esg = rig.eco2("report a.json b.json c.json --format esg").out;
    assert!(esg.lines().nth(1).is_some_and(|row| row.starts_with("2026-03,constant,3,6,")), "{esg}");
    let month = rig.eco2("report a.json --period month").out;
    assert!(month.contains("month (UTC)") && month.contains("2026-03 "), "{month}");
}

#[test]
fn damaged_log_is_left_out_of_the_checklist_and_of_sums() {
    let rig = Rig::measured();
    for name in ["a", "b"] {
        assert_eq!(rig.run(&format!("--quiet --name {name}"), "exit 0").code, Some(0));
    }
    rig.eco2("runs");
    let first = rig.logs().into_iter().min().unwrap();
    let text = fs::read(&first).unwrap();
    fs::write(&first, &text[..40]).unwrap();
    let left_out = "eco2: 1 stored run cannot be read and is not in the sums; `eco2 runs` lists all runs\n";
    let readable = if rig.eco2("show a").code == Some(0) { "a" } else { "b" };
    let ran = rig.eco2(&format!("report {readable} --format methods --checklist"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), left_out));
    assert!(plain(&ran.out).contains("1 stored on this machine, "), "{}", ran.out);
    let ran = rig.eco2("report --by name");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), left_out));
}
