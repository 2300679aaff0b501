//! Shows power, energy and emissions in the last row of the terminal while the command of `eco2 run` runs.
//!
//! The last row is taken out of the terminal's scroll region, as apt does, so that the command's own output stays whole. The
//! line is repainted once per second from values that were published already ([`Meter::last_published`]): it causes no reading.
//! Nothing is shown through a pipe, in the background, or while a program uses the terminal in raw mode, as editors do.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use eco2::options::{Options, PARENT_PART, SummaryLength};
use eco2::{Meter, Now};
use eco2_core::schema::Report;
use eco2_report::{LiveValues, TextStyle};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp, tcgetwinsize};

use crate::out;

/// Time between two paintings.
const EVERY: Duration = Duration::from_secs(1);
/// Paintings after which emissions are computed again from a report, because the intensity may have changed.
const REPRICED_EVERY: u64 = 60;
/// Fewest rows of a terminal that has a row to spare.
const MIN_ROWS: u16 = 5;

/// The line on the terminal.
#[derive(Debug, Default)]
pub(super) struct LiveLine {
    /// The row on which the line is shown now; `None`: it is not shown.
    row: Mutex<Option<u16>>,
}

impl LiveLine {
    /// Runs `wait`, and shows the line meanwhile if the options and the terminal allow it.
    pub(super) fn during<T>(&self, meter: Option<&Meter>, options: &Options, wait: impl FnOnce() -> T) -> T {
        let Some(meter) = meter.filter(|meter| is_wanted(meter, options)) else { return wait() };
        let (stop, stopped) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let painter = thread::Builder::new().name("eco2-live".to_owned());
            let painting = painter.spawn_scoped(scope, move || self.repaint(meter, &stopped));
            let result = wait();
            drop(stop);
            if let Ok(painting) = painting {
                // A panic of the painter has been printed; the run does not depend on it.
                painting.join().ok();
            }
            self.hide();
            result
        })
    }

    /// Paints once per second until `stopped` is closed.
    fn repaint(&self, meter: &Meter, stopped: &mpsc::Receiver<()>) {
        let began_ns = eco2::monotonic_ns();
        let mut progress = Progress::default();
        let mut painted = 0_u64;
        while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            if painted % REPRICED_EVERY == 0 {
                progress.price(&meter.snapshot());
            }
            painted += 1;
            let values = progress.values(meter.last_published(), eco2::monotonic_ns().saturating_sub(began_ns));
            self.paint(&values);
        }
    }

    /// Paints the line, or hides it while another program uses the whole terminal.
    fn paint(&self, values: &LiveValues) {
        let Some((rows, columns)) = free_terminal() else { return self.hide() };
        let style = TextStyle { width: usize::from(columns).saturating_sub(1), ..out::talk_style() };
        let text = eco2_report::live_text(values, &style);
        let text = if style.color { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text };
        let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        let codes = shown_codes(*row, rows, &text);
        *row = Some(rows);
        write(&codes);
    }

    /// Removes the line and gives its row back.
    pub(super) fn hide(&self) {
        let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = row.take() {
            write(&hidden_codes(row));
        }
    }
}

/// Returns the codes that show the line in the last of `rows` rows. `before` is the row where it was shown.
///
/// The codes are those of ECMA-48 and the VT100: `ESC D` moves down and scrolls at the end, `ESC 7` and `ESC 8` save and
/// restore the cursor, `CSI r` sets the scroll region.
fn shown_codes(before: Option<u16>, rows: u16, text: &str) -> String {
    let mut codes = String::new();
    match before {
        Some(row) if row == rows => {}
        // The terminal has another size now: the old row belongs to the command again.
        Some(row) => codes.push_str(&hidden_codes(row)),
        None => {}
    }
    if before != Some(rows) {
        // Makes room below the cursor, which may be on the last row.
        codes.push_str("\u{1b}D\u{1b}[A");
    }
    codes.push_str(&format!("\u{1b}7\u{1b}[1;{}r\u{1b}[{rows};1H\u{1b}[2K{text}\u{1b}8", rows - 1));
    codes
}

/// Returns the codes that remove the line from a row and make the whole terminal scroll again.
fn hidden_codes(row: u16) -> String {
    format!("\u{1b}7\u{1b}[r\u{1b}[{row};1H\u{1b}[2K\u{1b}8")
}

/// Writes codes to standard error in one piece. Errors are ignored, as those of messages are.
fn write(codes: &str) {
    io::stderr().lock().write_all(codes.as_bytes()).ok();
}

/// Whether the line is to be shown at all.
fn is_wanted(meter: &Meter, options: &Options) -> bool {
    let is_asked_for = options.live && !options.quiet && options.summary != SummaryLength::Off;
    // Of the ranks of one run, and of runs inside a run, one shows the line.
    let is_first = meter.rank().is_none_or(|rank| rank == 0) && std::env::var_os(PARENT_PART).is_none();
    is_asked_for && is_first && io::stderr().is_terminal() && is_capable(|name| std::env::var(name).ok())
}

/// Whether a terminal understands cursor movements. Notebooks have terminals that do not, logs of continuous integration
/// keep every painting.
fn is_capable(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let has_cursor = variable("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    has_cursor && !["CI", "JPY_PARENT_PID", "COLAB_RELEASE_TAG", "INSIDE_EMACS"].into_iter().any(is_set)
}

/// Returns rows and columns of the terminal if it is free for the line: eco2 is in the foreground, and no program reads single
/// keys.
fn free_terminal() -> Option<(u16, u16)> {
    let terminal = io::stderr();
    let size = tcgetwinsize(&terminal).ok()?;
    let is_foreground = tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp());
    let reads_lines = tcgetattr(&terminal).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON));
    (is_foreground && reads_lines && size.ws_row >= MIN_ROWS && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// What the line knows of the run so far.
#[derive(Debug, Default)]
struct Progress {
    last: Option<Now>,
    watts: Option<f64>,
    /// Emissions at an energy in microjoules, and grams per further microjoule.
    price: Option<(f64, u64, f64)>,
    estimated: bool,
}

impl Progress {
    /// Takes emissions and their latest intensity from a report so far.
    fn price(&mut self, report: &Report) {
        self.estimated = report.energy.estimated_uj > 0;
        self.price = report.carbon.as_ref().and_then(|carbon| {
            let g_per_kwh = carbon.segments.last()?.g_per_kwh;
            let each = g_per_kwh * report.energy.pue / eco2_core::units::UJ_PER_KWH;
            Some((carbon.grams?, report.energy.total_uj?, each))
        });
    }

    /// Returns the values of the line.
    fn values(&mut self, now: Option<Now>, elapsed_ns: u64) -> LiveValues {
        if let Some((last, now)) = self.last.zip(now).filter(|(last, now)| now.at_ns > last.at_ns) {
            let uj = now.total_uj.saturating_sub(last.total_uj);
            self.watts = eco2_core::units::watts(uj, now.at_ns - last.at_ns);
        }
        self.last = now.or(self.last);
        let energy_uj = self.last.map(|last| last.total_uj);
        let grams =
            self.price.zip(energy_uj).map(|((grams, at_uj, each), uj)| grams + uj.saturating_sub(at_uj) as f64 * each);
        LiveValues { elapsed_ns, watts: self.watts, energy_uj, grams, estimated: self.estimated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_that_between_two_published_values() {
        let now = |seconds: u64, joules: u64| {
            Some(Now { at_ns: seconds * 1_000_000_000, total_uj: joules * 1_000_000, complete: true })
        };
        let mut progress = Progress::default();
        assert_eq!(progress.values(None, 1), LiveValues { elapsed_ns: 1, ..LiveValues::default() });
        assert_eq!(progress.values(now(1, 100), 2).watts, None);
        assert_eq!(progress.values(now(3, 500), 3).watts, Some(200.0));
        let same = progress.values(now(3, 500), 4);
        assert_eq!((same.watts, same.energy_uj), (Some(200.0), Some(500_000_000)), "no new reading: the last power");
    }

    #[test]
    fn emissions_follow_the_last_intensity() {
        let trace = eco2_report::Trace::default();
        let mut report =
            eco2::replay(&trace, None, &Options { zone: Some("DE".to_owned()), ..Options::default() }).unwrap();
        report.energy.total_uj = Some(3_600_000_000_000);
        let g_per_kwh =
            report.carbon.as_ref().and_then(|carbon| carbon.segments.last()).map(|segment| segment.g_per_kwh);
        let Some(g_per_kwh) = g_per_kwh else { return };
        report.carbon.as_mut().unwrap().grams = Some(100.0);
        let mut progress = Progress::default();
        progress.price(&report);
        let two_kwh = Some(Now { at_ns: 1, total_uj: 7_200_000_000_000, complete: true });
        assert!((progress.values(two_kwh, 1).grams.unwrap() - 100.0 - g_per_kwh).abs() < 1e-9);
    }

    #[test]
    fn line_takes_the_last_row_and_gives_it_back() {
        assert_eq!(shown_codes(None, 24, "9 W"), "\u{1b}D\u{1b}[A\u{1b}7\u{1b}[1;23r\u{1b}[24;1H\u{1b}[2K9 W\u{1b}8");
        assert_eq!(shown_codes(Some(24), 24, "9 W"), "\u{1b}7\u{1b}[1;23r\u{1b}[24;1H\u{1b}[2K9 W\u{1b}8");
        assert!(shown_codes(Some(24), 30, "9 W").starts_with(&hidden_codes(24)));
        assert_eq!(hidden_codes(24), "\u{1b}7\u{1b}[r\u{1b}[24;1H\u{1b}[2K\u{1b}8");
    }

    #[test]
    fn terminals_without_a_cursor_show_no_line() {
        let capable = |pairs: &'static [(&str, &str)]| {
            is_capable(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(capable(&[("TERM", "xterm-256color")]));
        assert!(!capable(&[("TERM", "dumb")]) && !capable(&[]));
        assert!(
            !capable(&[("TERM", "xterm"), ("CI", "true")]) && !capable(&[("TERM", "xterm"), ("JPY_PARENT_PID", "7")])
        );
    }
}
