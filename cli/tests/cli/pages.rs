//! The HTML report in a real browser, and as PDF. Without Chromium or Chrome, and without axe-core (`ECO2_AXE`, the file of its script),
//! these tests print that they were skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::replay::trace;
use crate::rig::{Rig, ran};

/// Returns the first of these commands on the search path.
fn installed(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

fn chromium() -> Option<PathBuf> {
    installed(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"])
}

const SKIPPED: &str = "skipped: no Chromium or Chrome is installed";

/// A folder with the report of a replayed trace and its page.
fn with_page() -> Rig {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    assert_eq!(rig.eco2("replay trace.csv --zone DE --name train --json a.json").code, Some(0));
    assert_eq!(rig.eco2("report a.json --format html -o page.html").code, Some(0));
    rig
}

/// Loads a page and returns its document once its scripts have run, and what the browser logged.
fn loaded(browser: &Path, rig: &Rig, page: &str, is_dark: bool) -> (String, String) {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]);
    command.args(["--virtual-time-budget=20000", "--dump-dom"]);
    command.arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)));
    command.arg(format!("--user-data-dir={}", rig.path("profile").display()));
    command.arg(format!("file://{}", rig.path(page).display()));
    let ran = ran(&mut command);
    (ran.out, ran.err)
}

#[test]
fn page_loads_without_a_console_message() {
    let Some(browser) = chromium() else { return println!("{SKIPPED}") };
    let rig = with_page();
    let (document, log) = loaded(&browser, &rig, "page.html", false);
    let messages: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(messages.is_empty(), "{messages:?}");
    assert!(document.contains("<html lang=\"en\" class=\"js\">"), "its scripts run under its policy");
    // The check can fail: a script that the policy does not name is refused, with a message.
    let spoilt = fs::read_to_string(rig.path("page.html")).unwrap().replace("className='js'", "className='no'");
    rig.put("spoilt.html", &spoilt);
    let (document, log) = loaded(&browser, &rig, "spoilt.html", false);
    assert!(log.contains("CONSOLE") && !document.contains("class=\"no\""), "{log}");
}

#[test]
fn page_has_no_violation_of_wcag_that_axe_finds() {
    let Some(browser) = chromium() else { return println!("{SKIPPED}") };
    let Some(axe) = std::env::var_os("ECO2_AXE") else { return println!("skipped: ECO2_AXE does not name axe.min.js") };
    let script = fs::read_to_string(axe).unwrap().replace("</script", "<\\/script");
    let rig = with_page();
    let page = fs::read_to_string(rig.path("page.html")).unwrap();
    // The policy of the page would refuse axe.
    let (start, rest) = page.split_once("<meta http-equiv=").unwrap();
    let page = format!("{start}{}", rest.split_once('>').unwrap().1);
    let run = "axe.run({runOnly:['wcag2a','wcag2aa','wcag21aa','wcag22aa']}).then(r=>document.title='axe '+r.passes.length+' '+\
               JSON.stringify(r.violations.map(v=>[v.id,v.nodes.map(n=>n.html)])))";
    rig.put("axe.html", &page.replace("</body>", &format!("<script>{script}</script><script>{run}</script></body>")));
    for is_dark in [false, true] {
        let (document, _) = loaded(&browser, &rig, "axe.html", is_dark);
        let found = document.split_once("<title>axe ").map(|(_, rest)| rest.split_once("</title>").unwrap().0);
        let found = found.expect("axe has run");
        assert!(found.ends_with(" []") && !found.starts_with("0 "), "dark: {is_dark}: {found}");
    }
}

#[test]
fn pdf_has_the_text_of_the_page() {
    let Some(_) = chromium() else { return println!("{SKIPPED}") };
    let rig = with_page();
    let made = rig.eco2("report a.json --format pdf -o page.pdf");
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
    let bytes = fs::read(rig.path("page.pdf")).unwrap();
    assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 10_000, "{} bytes", bytes.len());
    let Some(pdftotext) = installed(&["pdftotext"]) else {
        return println!("text not read: no pdftotext is installed");
    };
    let text = ran(Command::new(pdftotext).arg(rig.path("page.pdf")).arg("-")).out;
    for words in ["train", "Energy by device", "Method and provenance", "Who used it"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn pdf_without_a_browser_is_an_error_that_names_the_remedy() {
    let rig = with_page();
    // A search path with `env` only, by which the tests start the program.
    fs::create_dir(rig.path("path")).unwrap();
    std::os::unix::fs::symlink(installed(&["env"]).unwrap(), rig.path("path/env")).unwrap();
    let mut command = rig.command("report a.json --format pdf -o page.pdf");
    let none = ran(command.env("PATH", rig.path("path")).env("CHROME_PATH", ""));
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("needs Chromium or Chrome") && none.err.contains("--format html"), "{}", none.err);
    assert!(!rig.path("page.pdf").exists());
}

#[test]
fn suffix_of_the_output_chooses_the_format() {
    let rig = with_page();
    for (file, start) in
        [("b.html", "<!DOCTYPE html>"), ("b.json", "{"), ("b.csv", "run_id,"), ("b.prom", "# "), ("b.txt", "Run")]
    {
        assert_eq!(rig.eco2(&format!("report a.json -o {file}")).code, Some(0));
        let text = fs::read_to_string(rig.path(file)).unwrap();
        assert!(text.trim_start_matches("SYNTHETIC ").starts_with(start), "{file}: {text:.60}");
    }
    assert_eq!(rig.eco2("report a.json --format json -o c.html").code, Some(0));
    assert!(fs::read_to_string(rig.path("c.html")).unwrap().starts_with('{'), "--format wins");
}
