//! `scripts/circles`: prints the files of each crate that import each other; fails for crates that must have none.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// The crates' folders with their root files.
const CRATES: [(&str, &str); 9] = [
    ("core", "lib.rs"),
    ("samplers", "lib.rs"),
    ("net", "lib.rs"),
    ("grid", "lib.rs"),
    ("report", "lib.rs"),
    ("meter", "lib.rs"),
    ("ffi", "lib.rs"),
    ("cli", "main.rs"),
    ("benches", "lib.rs"),
];

/// Crates that still have circles, with the most files that may be part of one. Entries only shrink.
const ALLOWED: [(&str, usize); 2] = [("ffi", 10), ("benches", 19)];

fn main() -> ExitCode {
    match run(std::env::args().any(|argument| argument == "-v")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run(verbose: bool) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut good = true;
    for (folder, root) in CRATES {
        let root = Path::new(folder).join("src").join(root);
        let found = eco2_checks::circles(&root)?;
        let files: usize = found.iter().map(|circle| circle.files.len()).sum();
        let most = ALLOWED.iter().find(|(name, _)| *name == folder).map_or(0, |(_, most)| *most);
        let verdict = match files {
            more if more > most => "NOT ALLOWED",
            fewer if fewer < most => "fewer than allowed: lower the number in scripts/checks/src/main.rs",
            _ => "as allowed",
        };
        good &= files <= most;
        writeln!(out, "{folder}: {files} files in {} circles, {most} allowed: {verdict}", found.len())?;
        for circle in &found {
            let names: Vec<String> = circle.files.iter().map(|file| file.display().to_string()).collect();
            writeln!(out, "  {}", names.join(" "))?;
            if verbose || files > most {
                for (from, to, what) in &circle.imports {
                    writeln!(out, "    {} -> {}: {}", from.display(), to.display(), what.join(" "))?;
                }
            }
        }
    }
    Ok(good)
}
