//! How often this thread was switched out, as the kernel counts it in `/proc/thread-self/status` (proc(5)).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The calling thread's counts, read again and again.
#[derive(Debug)]
pub struct Switches(File);

impl Switches {
    /// Those of the thread that calls this.
    ///
    /// # Errors
    /// Where there is no procfs.
    pub fn of_this_thread() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/status")?))
    }

    /// Times it was made to stop running while it wanted to run on; 0 where the kernel does not report it.
    #[must_use]
    pub fn involuntary(&self) -> u64 {
        let mut text = [0; 4096];
        let length = self.0.read_at(&mut text, 0).unwrap_or(0);
        let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}
