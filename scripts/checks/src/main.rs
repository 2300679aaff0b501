//! `scripts/circles`: prints the files of each crate that import each other; fails if there are any.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// The crates' folders with their root files.
const CRATES: [(&str, &str); 10] = [
    ("core", "lib.rs"),
    ("samplers", "lib.rs"),
    ("net", "lib.rs"),
    ("grid", "lib.rs"),
    ("report", "lib.rs"),
    ("meter", "lib.rs"),
    ("agent", "lib.rs"),
    ("ffi", "lib.rs"),
    ("cli", "main.rs"),
    ("benches", "lib.rs"),
];

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut good = true;
    for (folder, root) in CRATES {
        let root = Path::new(folder).join("src").join(root);
        let found = eco2_checks::circles(&root)?;
        let files: usize = found.iter().map(|circle| circle.files.len()).sum();
        good &= files == 0;
        writeln!(out, "{folder}: {files} files in {} circles", found.len())?;
        for circle in &found {
            let names: Vec<String> = circle.files.iter().map(|file| file.display().to_string()).collect();
            writeln!(out, "  {}", names.join(" "))?;
            for (from, to, what) in &circle.imports {
                writeln!(out, "    {} -> {}: {}", from.display(), to.display(), what.join(" "))?;
            }
        }
    }
    Ok(good)
}
