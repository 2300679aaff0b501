//! Turns an HTML page into a PDF (`--format pdf`) with a browser that is installed: Chromium or Chrome without a window.
//!
//! The browser gets a profile folder of its own, which is removed afterwards, and reaches no other machine. One that does not end in
//! time is killed with its helper processes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Names of the browser's command, in the order in which they are looked for.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
/// Environment variable with the browser's file, as other tools use it.
const VARIABLE: &str = "CHROME_PATH";
/// Time that the browser may take. A page takes about a second; a first start on a slow disk, some more.
const DEADLINE: Duration = Duration::from_secs(60);
/// Distance between two looks at whether the browser has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Flags of the browser: no window, nothing kept, no requests of its own, no header with date and address.
const FLAGS: [&str; 12] = [
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
    "--hide-scrollbars",
];

/// Returns a page as PDF.
///
/// # Errors
/// If no browser is installed, or it fails or does not end in time. The message names what to do.
pub(crate) fn print(page: &str) -> anyhow::Result<Vec<u8>> {
    print_with(&browser()?, page, DEADLINE)
}

/// Returns the file of the browser: `CHROME_PATH`, else the first of [`NAMES`] on the search path.
fn browser() -> anyhow::Result<PathBuf> {
    if let Some(file) = std::env::var_os(VARIABLE).filter(|file| !file.is_empty()) {
        return Ok(PathBuf::from(file));
    }
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    let files = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file()).with_context(|| {
        format!(
            "--format pdf needs Chromium or Chrome, and none of {} is on the search path: install one, set {VARIABLE} to its \
             file, or print the page of --format html from a browser",
            NAMES.join(", ")
        )
    })
}

/// Prints a page with a browser.
fn print_with(browser: &Path, page: &str, deadline: Duration) -> anyhow::Result<Vec<u8>> {
    let folder =
        tempfile::Builder::new().prefix("eco2-pdf-").tempdir().context("cannot create a folder for the browser")?;
    let (html, pdf, messages) =
        (folder.path().join("page.html"), folder.path().join("page.pdf"), folder.path().join("messages"));
    fs::write(&html, page).context("cannot write the page for the browser")?;
    let joined = |flag: &str, path: &Path| {
        let mut text = OsString::from(flag);
        text.push(path);
        text
    };
    let mut command = Command::new(browser);
    command.args(FLAGS);
    // Chromium's sandbox does not start for root. The page is eco2's own, and its policy forbids everything else.
    if rustix::process::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    command.arg(joined("--user-data-dir=", &folder.path().join("profile")));
    command.arg(joined("--print-to-pdf=", &pdf));
    command.arg(joined("file://", &html));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&messages)?).process_group(0);
    let named = || format!("--format pdf: {}", browser.display());
    let mut child = command.spawn().with_context(|| format!("{} cannot be started", named()))?;
    let Some(status) = awaited(&mut child, deadline)? else {
        bail!(
            "{} did not end within {} s and was killed: try again, or print the page of --format html from a browser",
            named(),
            deadline.as_secs_f64()
        );
    };
    let bytes = fs::read(&pdf).unwrap_or_default();
    if !status.success() || !bytes.starts_with(b"%PDF-") {
        let printed = fs::read(&messages).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed);
        let last = printed.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it printed no message");
        bail!("{} made no PDF ({status}): {last}", named());
    }
    Ok(bytes)
}

/// Returns the exit status; `None` if the process did not end in time, and was killed with its process group.
fn awaited(child: &mut Child, deadline: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= deadline {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // A group that is gone already has ended in the meantime.
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A browser that is a shell script; `$OUT` is the file of `--print-to-pdf`.
    fn script(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let file = folder.path().join("chromium");
        let find = r#"for word in "$@"; do case $word in --print-to-pdf=*) OUT=${word#*=};; esac; done"#;
        fs::write(&file, format!("#!/bin/sh\n{find}\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn printed(text: &str, deadline: Duration) -> anyhow::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        print_with(&script(&folder, text), "<p>page</p>", deadline)
    }

    #[test]
    fn page_becomes_what_the_browser_prints() {
        assert_eq!(printed("printf '%%PDF-1.4 ' > \"$OUT\"", DEADLINE).unwrap(), b"%PDF-1.4 ");
    }

    #[test]
    fn browser_that_hangs_is_killed_with_its_helpers() {
        let error = printed("sleep 1000 & sleep 1000", Duration::from_millis(100)).unwrap_err().to_string();
        assert!(
            error.contains("did not end within 0.1 s and was killed") && error.contains("--format html"),
            "{error}"
        );
    }

    #[test]
    fn browser_that_fails_or_prints_nothing_is_an_error_with_its_last_message() {
        let error = printed("echo first >&2; echo 'no display' >&2; exit 3", DEADLINE).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("no display"), "{error}");
        let error = printed("exit 0", DEADLINE).unwrap_err().to_string();
        assert!(error.contains("made no PDF") && error.contains("it printed no message"), "{error}");
        let error = print_with(Path::new("/nowhere/chromium"), "", DEADLINE).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere/chromium cannot be started"), "{error:#}");
    }
}
