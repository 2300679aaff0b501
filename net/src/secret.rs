//! Reads tokens and passwords from the environment or from a file that only its owner can read. They are never printed
//! and never written.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest length of a token, bytes; longer text is not a token.
const LONGEST: u64 = 8 * 1024;
/// Permission bits of all users but the owner.
const OTHERS: u32 = 0o077;

/// A token or password. It has no `Display`, cannot be serialised, and `Debug` hides it.
///
/// ```
/// use eco2_net::{Secret, SecretFault};
///
/// let environment = |variable: &str| (variable == "API_TOKEN").then(|| "not-a-secret-1".to_owned());
/// let token = Secret::find("API_TOKEN", environment)?;
/// assert_eq!(format!("{token:?}"), "Secret(hidden)");
/// assert!(matches!(Secret::find("OTHER", environment), Err(SecretFault::Missing { .. })));
/// # Ok::<(), SecretFault>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The reason why a secret is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFault {
    /// Neither the variable nor the one with `_FILE` appended is set.
    #[error("it needs a token: set {variable}, or {variable}_FILE to a file with mode 0600")]
    Missing {
        /// Name of the variable.
        variable: String,
    },
    /// Others may read the file at this path.
    #[error("{path}: others may read this secret; run `chmod 600` on it", path = .0.display())]
    Open(PathBuf),
    /// The file at this path cannot be read, or contains no token.
    #[error("{path}: cannot be read as a token of one line", path = .0.display())]
    Unreadable(PathBuf),
    /// The value of the variable is not a token.
    #[error("{variable} holds no token: one line of printable ASCII is expected")]
    Malformed {
        /// Name of the variable.
        variable: String,
    },
    /// The value of the variable is no list of headers.
    #[error("{variable}: header {number} {fault}")]
    Header {
        /// Name of the variable.
        variable: String,
        /// Number of the header in the list, from 1.
        number: usize,
        /// The reason, without the text of the header.
        fault: &'static str,
    },
}

impl Secret {
    /// Least length of a token that protects a server, characters. `openssl rand -hex 32` makes one of 64.
    pub const SHORTEST: usize = 16;

    /// Returns the text as a secret if it is printable ASCII, at most 8 KiB. Blanks around it are removed.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain =
            !text.is_empty() && text.len() as u64 <= LONGEST && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        plain.then(|| Self(text.to_owned()))
    }

    /// Returns the secret of a variable, or of the file that `VARIABLE_FILE` names. `lookup` reads the environment.
    ///
    /// # Errors
    /// [`SecretFault`] when neither is set, or the value is not safe or not a token.
    pub fn find(variable: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SecretFault> {
        if let Some(text) = lookup(variable).filter(|text| !text.is_empty()) {
            return Self::new(&text).ok_or_else(|| SecretFault::Malformed { variable: variable.to_owned() });
        }
        let file = lookup(&format!("{variable}_FILE")).filter(|path| !path.is_empty());
        let missing = || SecretFault::Missing { variable: variable.to_owned() };
        Self::read(Path::new(&file.ok_or_else(missing)?))
    }

    /// Reads the secret in a file that only its owner can read.
    ///
    /// # Errors
    /// [`SecretFault::Open`] when others may read it, otherwise [`SecretFault::Unreadable`].
    pub fn read(path: &Path) -> Result<Self, SecretFault> {
        use std::os::unix::fs::MetadataExt as _;
        let unreadable = || SecretFault::Unreadable(path.to_owned());
        let file = std::fs::File::open(path).map_err(|_| unreadable())?;
        let about = file.metadata().map_err(|_| unreadable())?;
        if !about.is_file() {
            return Err(unreadable());
        }
        if about.mode() & OTHERS != 0 {
            return Err(SecretFault::Open(path.to_owned()));
        }
        let mut text = String::new();
        file.take(LONGEST + 1).read_to_string(&mut text).map_err(|_| unreadable())?;
        Self::new(&text).ok_or_else(unreadable)
    }

    /// Whether `given` is this secret. The time that it takes depends on the length of `given` only.
    ///
    /// ```
    /// let secret = eco2_net::Secret::new("not-a-secret-1").unwrap_or_else(|| unreachable!());
    /// assert!(secret.matches(b"not-a-secret-1") && !secret.matches(b"not-a-secret-2") && !secret.matches(b""));
    /// ```
    #[must_use]
    pub fn matches(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = given.iter().zip(own.iter().cycle()).map(|(given, own)| given ^ own);
        // The barrier keeps the compiler from ending the loop at the first difference.
        let differs = differences.fold(0, |all, bits| std::hint::black_box(all | bits));
        given.len() == own.len() && differs == 0
    }

    /// Whether it is long enough to protect a server: [`Self::SHORTEST`] characters.
    #[must_use]
    pub fn is_long_enough(&self) -> bool {
        self.0.len() >= Self::SHORTEST
    }

    /// Whether it is the text `user:password`. A token for `Authorization: Bearer` contains no colon (RFC 6750).
    #[must_use]
    pub fn is_account(&self) -> bool {
        self.0.contains(':')
    }

    /// Returns the text of the secret, for the requests of this crate only.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only requests send it"))]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "s3cr3t-token-value";

    #[test]
    fn d37_a_secret_never_shows() {
        let secret = Secret::new(TOKEN).unwrap();
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches(TOKEN).count(), 0);
        assert_eq!(secret.expose(), TOKEN);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
        let lookup = |name: &str| (name == "T_FILE").then(|| path.display().to_string());
        for (mode, good) in [(0o644, false), (0o640, false), (0o604, false), (0o600, true), (0o400, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = Secret::find("T", lookup);
            assert_eq!(found.is_ok(), good, "{mode:o}");
            let shown = format!("{:?}", found.as_ref().err());
            assert!(!shown.contains(TOKEN) && (good || shown.contains("Open")), "{shown}");
        }
        assert!(Secret::read(folder.path()).is_err(), "a folder");
    }

    #[test]
    fn malformed_token_is_an_error_that_does_not_show_it() {
        let error = Secret::find("T", |_| Some("two\nlines".to_owned())).unwrap_err();
        assert_eq!(error, SecretFault::Malformed { variable: "T".to_owned() });
        assert!(!error.to_string().contains("two"));
        assert!(Secret::find("T", |_| None).unwrap_err().to_string().contains("T_FILE"));
    }
}
