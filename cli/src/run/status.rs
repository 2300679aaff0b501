//! From how a command ended, or did not start, to an exit code.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// The command was found and cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub(super) const NOT_FOUND: u8 = 127;
/// What shells add to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

/// The exit code that a shell would show.
pub(super) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// The exit code of a command that did not start, as `env` and `timeout` have it.
pub(super) fn of_start(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        // wait(2): an exit code is in the second byte, a signal in the first.
        for (raw, expected) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (9, 137), (15, 143), (0x80 | 6, 134)] {
            assert_eq!(code(ExitStatus::from_raw(raw)), expected);
        }
    }
}
