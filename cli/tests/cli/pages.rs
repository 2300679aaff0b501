//! The HTML pages of a run and of a comparison in a real browser, and as PDF. Without Chromium or Chrome, and without axe-core (`AXE_CORE`, the file of its script),
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

/// The pages of a run and of a comparison, with the command line that writes each.
const PAGES: [(&str, &str); 2] =
    [("page", "report a.json --format html"), ("compare", "compare a.json b.json c.json --by lr --format html")];

/// A folder with the reports of replayed traces, two of them repeats, and their pages.
fn with_page() -> Rig {
    let rig = Rig::bare();
    rig.put("trace.csv", &trace());
    for (name, label) in [("a", "3e-4"), ("b", "3e-4"), ("c", "1e-3")] {
        let ran = rig.eco2(&format!("replay trace.csv --zone DE --name train --label lr={label} --json {name}.json"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    for (name, words) in PAGES {
        assert_eq!(rig.eco2(&format!("{words} -o {name}.html")).code, Some(0));
    }
    rig
}

/// Loads a page and returns its document once its scripts have run, and what the browser logged.
fn loaded(browser: &Path, rig: &Rig, page: &str, flags: &[&str]) -> (String, String) {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]);
    command.args(["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]);
    command.args(["--disable-sync", "--virtual-time-budget=20000", "--dump-dom"]).args(flags);
    command.arg(format!("--user-data-dir={}", rig.path("profile").display()));
    command.arg(format!("file://{}", rig.path(page).display()));
    let ran = ran(&mut command);
    (ran.out, ran.err)
}

/// The flag for the browser's dark setting, or its light one.
fn colors(is_dark: bool) -> String {
    format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark))
}

/// Returns a page without its policy, which would refuse the scripts of a test, and with such scripts at its end.
fn with_scripts(rig: &Rig, page: &str, scripts: &[&str]) -> String {
    let page = fs::read_to_string(rig.path(page)).unwrap();
    let (start, rest) = page.split_once("<meta http-equiv=").unwrap();
    let scripts: String = scripts.iter().map(|script| format!("<script>{script}</script>")).collect();
    format!("{start}{}", rest.split_once('>').unwrap().1).replace("</body>", &format!("{scripts}</body>"))
}

/// Returns the part of a document's title after a word that a script of a test put there.
fn title<'a>(document: &'a str, word: &str) -> &'a str {
    let found = document.split_once(&format!("<title>{word} ")).map(|(_, rest)| rest.split_once("</title>").unwrap().0);
    found.unwrap_or_else(|| panic!("the script has not run: {document:.2000}"))
}

#[test]
fn pages_load_without_a_console_message() {
    let Some(browser) = chromium() else { return println!("{SKIPPED}") };
    let rig = with_page();
    for (name, _) in PAGES {
        for is_dark in [false, true] {
            let (document, log) = loaded(&browser, &rig, &format!("{name}.html"), &[&colors(is_dark)]);
            let messages: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
            assert!(messages.is_empty(), "{name}: {messages:?}");
            assert!(document.contains("<html lang=\"en\" class=\"js\">"), "{name}: its scripts run under its policy");
        }
        // The check can fail: a script that the policy does not name is refused, with a message.
        let page = fs::read_to_string(rig.path(&format!("{name}.html"))).unwrap();
        rig.put("spoilt.html", &page.replace("className='js'", "className='no'"));
        let (document, log) = loaded(&browser, &rig, "spoilt.html", &[]);
        assert!(log.contains("CONSOLE") && !document.contains("class=\"no\""), "{log}");
    }
}

#[test]
fn pages_have_no_violation_of_wcag_that_axe_finds() {
    let Some(browser) = chromium() else { return println!("{SKIPPED}") };
    let Some(axe) = std::env::var_os("AXE_CORE") else { return println!("skipped: AXE_CORE does not name axe.min.js") };
    let script = fs::read_to_string(axe).unwrap().replace("</script", "<\\/script");
    let run = "axe.run({runOnly:['wcag2a','wcag2aa','wcag21aa','wcag22aa']}).then(r=>document.title='axe '+r.passes.length+' '+\
               JSON.stringify(r.violations.map(v=>[v.id,v.nodes.map(n=>n.html)])))";
    let rig = with_page();
    for (name, _) in PAGES {
        rig.put("axe.html", &with_scripts(&rig, &format!("{name}.html"), &[&script, run]));
        for is_dark in [false, true] {
            let (document, _) = loaded(&browser, &rig, "axe.html", &[&colors(is_dark)]);
            let found = title(&document, "axe");
            assert!(found.ends_with(" []") && !found.starts_with("0 "), "{name}, dark: {is_dark}: {found}");
        }
    }
}

#[test]
fn pages_fit_the_width_of_a_phone() {
    let Some(browser) = chromium() else { return println!("{SKIPPED}") };
    let rig = with_page();
    // Wide tables scroll in a frame of their own; the page does not.
    let measure = "document.title='width '+innerWidth+' '+document.documentElement.scrollWidth";
    for (name, _) in PAGES {
        rig.put("width.html", &with_scripts(&rig, &format!("{name}.html"), &[measure]));
        let (document, _) = loaded(&browser, &rig, "width.html", &["--window-size=390,844"]);
        let widths: Vec<u32> = title(&document, "width").split(' ').map(|width| width.parse().unwrap()).collect();
        assert!(widths[0] <= 500 && widths[1] <= widths[0], "{name}: {widths:?}");
    }
}

#[test]
fn pdf_has_the_text_of_the_page_on_a4() {
    let Some(_) = chromium() else { return println!("{SKIPPED}") };
    let rig = with_page();
    let texts: [&[&str]; 2] = [
        &["train", "Energy by device", "Method and provenance", "Who used it"],
        &["Compare 3 runs", "Energy per", "All runs", "energy of the whole machines"],
    ];
    for ((name, words), texts) in PAGES.into_iter().zip(texts) {
        let made = rig.eco2(&format!("{} -o {name}.pdf", words.replace("--format html", "--format pdf")));
        assert_eq!((made.code, made.err.as_str()), (Some(0), ""));
        let pdf = rig.path(&format!("{name}.pdf"));
        let bytes = fs::read(&pdf).unwrap();
        assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 10_000, "{} bytes", bytes.len());
        let [Some(pdftotext), Some(pdfinfo)] = ["pdftotext", "pdfinfo"].map(|tool| installed(&[tool])) else {
            return println!("text not read: no pdftotext is installed");
        };
        let text = ran(Command::new(pdftotext).arg(&pdf).arg("-")).out;
        for words in texts {
            assert!(text.contains(words), "{words}: {text}");
        }
        let info = ran(Command::new(pdfinfo).arg(&pdf)).out;
        assert!(info.contains("(A4)"), "{info}");
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
