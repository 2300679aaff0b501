//! `cargo bench -p eco2-benches --bench targets`: criterion groups, then the table of targets.
//!
//! * `-- FILTER` runs the criterion groups that match, and no table;
//! * `-- table [SUBJECT…]` runs the table alone, or these subjects of it.
//!
//! The table is also written to `eco2-targets.json` in Cargo's target folder.

use std::path::PathBuf;
use std::process::ExitCode;

use eco2_benches::{Failure, Place, SUBJECTS, Table, criterion, describe_machine, print_line, run_groups};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // Cargo passes `--bench`; without it this is `cargo test`, for which criterion runs everything once.
    let benches = words.iter().any(|word| word == "--bench");
    let named: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let done = match named.as_slice() {
        ["table", subjects @ ..] => table(subjects),
        [] if benches => criterion_groups().and_then(|()| table(&[])),
        _ => criterion_groups(),
    };
    if let Err(error) = done {
        print_line(&format!("the benches failed: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn criterion_groups() -> Result<(), Failure> {
    let mut criterion = criterion().configure_from_args();
    run_groups(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn table(subjects: &[&str]) -> Result<(), Failure> {
    let (place, machine) = (place()?, describe_machine());
    let mut table = Table::begin(&machine);
    for (name, measure) in SUBJECTS.iter().filter(|(name, _)| subjects.is_empty() || subjects.contains(name)) {
        match measure(&place) {
            Ok(rows) => table.add(rows),
            Err(reason) => table.skip(name, &reason.to_string()),
        }
    }
    let path = place.target.join("eco2-targets.json");
    std::fs::write(&path, serde_json::to_string_pretty(&table.end(machine))? + "\n")?;
    print_line(&format!("written to {}", path.display()));
    Ok(())
}

/// The probe's path is from Cargo; the target folder is three levels above this program.
fn place() -> Result<Place, Failure> {
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(3).ok_or("no target folder")?.to_owned();
    Ok(Place { probe: PathBuf::from(env!("CARGO_BIN_EXE_eco2-bench-probe")), target })
}
