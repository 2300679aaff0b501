//! The terminal of `eco2 top` ([`Screen`]): keys without Enter, a screen of its own, and the terminal as it was when the command ends,
//! however it ends.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};

/// The alternate screen, without a cursor and without wrapping (xterm, ECMA-48).
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[2J";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";
/// Size where the terminal does not state it.
const DEFAULT_SIZE: (usize, usize) = (24, 80);

/// What the user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing: time has passed, or the size of the terminal has changed.
    None,
    Quit,
    Sort,
    Pause,
    Help,
    /// Lines down; up where negative.
    Scroll(isize),
    /// Parts forward; back where negative.
    Seek(i64),
    /// A signal that ends the command.
    Signal(u8),
}

/// The terminal while the command has it.
pub(super) struct Screen {
    before: Termios,
    /// The lines that are shown, so that only changes are written.
    shown: Vec<String>,
    size: (usize, usize),
    ends: Vec<(i32, Arc<AtomicBool>)>,
    resized: Arc<AtomicBool>,
}

impl Screen {
    /// Whether input and output are a terminal that can move its cursor.
    pub(super) fn is_usable() -> bool {
        let has_cursor = std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb");
        io::stdin().is_terminal() && io::stdout().is_terminal() && has_cursor
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// If the terminal refuses single keys.
    pub(super) fn open() -> anyhow::Result<Self> {
        let input = io::stdin();
        let before = tcgetattr(&input).context("the terminal cannot be used")?;
        let mut ends = Vec::new();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("signals cannot be received")?;
            ends.push((signal, flag));
        }
        let resized = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register(SIGWINCH, Arc::clone(&resized)).context("signals cannot be received")?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        raw.input_modes.remove(InputModes::IXON);
        // Ctrl-C ends the command and restores the terminal. Ctrl-Z would leave it as it is.
        raw.special_codes[SpecialCodeIndex::VSUSP] = 0;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&input, OptionalActions::Now, &raw).context("the terminal cannot be used")?;
        let screen = Self { before, shown: Vec::new(), size: DEFAULT_SIZE, ends, resized };
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Returns rows and columns.
    pub(super) fn size(&mut self) -> (usize, usize) {
        // Relaxed: nothing else is ordered by the flag.
        if self.resized.swap(false, Ordering::Relaxed) {
            let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
            self.size = size.map_or(DEFAULT_SIZE, |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
            self.shown.clear();
        }
        self.size
    }

    /// Shows the lines.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(super) fn paint(&mut self, lines: &[String]) -> io::Result<()> {
        let codes = changes(&self.shown, lines);
        self.shown = lines.to_vec();
        self.write(&codes)
    }

    /// Waits for a key, at most `patience`.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(super) fn key(&self, patience: Duration) -> io::Result<Key> {
        let input = io::stdin();
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        let polled = poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&timeout));
        // Relaxed: the flags order nothing.
        if let Some((signal, _)) = self.ends.iter().find(|(_, flag)| flag.load(Ordering::Relaxed)) {
            return Ok(Key::Signal(u8::try_from(*signal).unwrap_or(SIGTERM as u8)));
        }
        match polled {
            Ok(0) | Err(Errno::INTR) => return Ok(Key::None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0_u8; 32];
        match rustix::io::read(&input, &mut bytes) {
            // The terminal was closed.
            Ok(0) | Err(Errno::IO) => Ok(Key::Signal(SIGHUP as u8)),
            Ok(length) => Ok(key_of(&bytes[..length])),
            Err(Errno::INTR) => Ok(Key::None),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, codes: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(codes.as_bytes()).and_then(|()| out.flush())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        self.write(LEAVE).ok();
        tcsetattr(io::stdin(), OptionalActions::Now, &self.before).ok();
    }
}

/// Returns the codes that change the shown lines into others.
fn changes(shown: &[String], lines: &[String]) -> String {
    let mut codes = String::new();
    if shown.len() != lines.len() {
        codes.push_str("\u{1b}[2J");
    }
    for (at, line) in lines.iter().enumerate() {
        if shown.len() != lines.len() || shown.get(at) != Some(line) {
            // Erased first: behind a full line the cursor is on its last character.
            codes.push_str(&format!("\u{1b}[{};1H\u{1b}[2K{line}", at + 1));
        }
    }
    codes
}

/// Returns the key of the bytes that a terminal sends for it.
fn key_of(bytes: &[u8]) -> Key {
    const PAGE: isize = 10;
    match bytes {
        b"q" | b"Q" | b"\x1b" | b"\x03" | b"\x04" => Key::Quit,
        b"s" | b"S" | b"\t" => Key::Sort,
        b"p" | b"P" | b" " => Key::Pause,
        b"?" | b"h" => Key::Help,
        b"j" | b"\x1b[B" | b"\x1bOB" => Key::Scroll(1),
        b"k" | b"\x1b[A" | b"\x1bOA" => Key::Scroll(-1),
        b"\x1b[6~" => Key::Scroll(PAGE),
        b"\x1b[5~" => Key::Scroll(-PAGE),
        b"g" | b"\x1b[H" | b"\x1b[1~" | b"\x1bOH" => Key::Scroll(isize::MIN),
        b"\x1b[C" | b"\x1bOC" => Key::Seek(1),
        b"\x1b[D" | b"\x1bOD" => Key::Seek(-1),
        _ => Key::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_xterm_and_unknown_ones_do_nothing() {
        for (bytes, key) in [
            (&b"q"[..], Key::Quit),
            (b"\x1b[A", Key::Scroll(-1)),
            (b"\x1bOB", Key::Scroll(1)),
            (b"\x1b[5~", Key::Scroll(-10)),
            (b"\x1b[C", Key::Seek(1)),
            (b"\x1b[200~", Key::None),
            (b"\xff", Key::None),
        ] {
            assert_eq!(key_of(bytes), key, "{bytes:?}");
        }
    }

    #[test]
    fn only_changed_lines_are_written() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(changes(&lines("a b c"), &lines("a x c")), "\u{1b}[2;1H\u{1b}[2Kx");
        assert_eq!(changes(&lines("a"), &lines("a")), "");
        assert!(changes(&[], &lines("a b")).starts_with("\u{1b}[2J\u{1b}[1;1H\u{1b}[2Ka"));
    }
}
