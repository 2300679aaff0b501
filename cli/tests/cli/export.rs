//! `eco2 export`: stored runs as Parquet tables.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rig::Rig;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

#[test]
fn all_stored_runs_are_exported_and_exporting_again_writes_nothing() {
    let rig = Rig::measured();
    for name in ["a", "b"] {
        assert_eq!(rig.run(&format!("--quiet --name {name}"), "sleep 0.1").code, Some(0));
    }
    let first = rig.eco2("export --parquet lake");
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.out.starts_with("Exported 2 records, ") && first.out.contains(" 0 were there already."), "{first:?}");
    let written = files(&rig.path("lake"));
    assert!(written.len() >= 6 && written.iter().all(|path| path.extension().is_some_and(|end| end == "parquet")));
    let again = rig.eco2("export --parquet lake");
    assert!(again.out.contains(": 0 new files (0.0 MiB), "), "{again:?}");
    let last = rig.eco2("export --parquet lake --every 1 b");
    assert!(last.out.starts_with("Exported 1 record, "), "{last:?}");
    assert!(files(&rig.path("lake")).len() >= written.len());
}

#[test]
fn what_cannot_be_exported_is_named_and_the_rest_is_exported() {
    let rig = Rig::measured();
    assert_eq!(rig.run("--quiet --json a.json", "true").code, Some(0));
    assert_eq!(rig.eco2("merge a.json --json -o merged.json").code, Some(0));
    rig.put("old.eco2log", "no log");
    let left_out = rig.eco2("export --parquet lake merged.json old.eco2log a.json");
    assert_eq!(left_out.code, Some(1));
    assert!(left_out.out.starts_with("Exported 1 record, "), "{left_out:?}");
    assert!(left_out.err.contains("is a merged report: export the logs or reports it was merged from"), "{left_out:?}");
    assert!(left_out.err.contains("old.eco2log"), "{left_out:?}");
    let absent = rig.eco2("export --parquet lake nothing-of-this-name");
    assert!(absent.code == Some(1) && absent.err.contains("nothing-of-this-name"), "{absent:?}");
    let blocked = rig.eco2("export --parquet a.json last");
    assert!(blocked.code == Some(2) && blocked.err.contains("--parquet: cannot write to a.json"), "{blocked:?}");
}
